/* table: rows of cells, laid out once all are known.
 *
 *     static const struct tw__column columns[] = {{.title = "PID", .right = true}, {.title = "NAME", .min = 8}};
 *     struct tw__table table;
 *     tw__table_init(&table, columns, 2);
 *     tw__table_cell(&table, TW__INK_NONE, tw__text_of("17"));
 *     tw__table_cell(&table, TW__INK_BOLD, name);
 *     tw__table_print(&table, &look, &out);
 *     tw__table_fini(&table);
 */
#ifndef TW_WIRE_TABLE_H
#define TW_WIRE_TABLE_H

#include "wire/term.h"

enum { TW__TABLE_COLUMNS = 16 };

struct tw__column {
    const char *title;
    bool right;    /* aligned */
    bool path;     /* cut at the front: the end tells more */
    bool paste;    /* cut without an ellipsis, and not so short that two different cells look the same: can be pasted */
    unsigned min;  /* may shrink to this, and further where nothing else is left; 0: not at all */
    unsigned rank; /* 0: always there; else left out when there is no room, the highest first */
};

struct tw__table {
    const struct tw__column *columns;
    size_t column_count;
    struct tw__buf text;  /* of all cells, one after the other */
    struct tw__buf cells; /* of struct cell */
    size_t cell_count;
    unsigned widths[TW__TABLE_COLUMNS], mins[TW__TABLE_COLUMNS];
};

void tw__table_init(struct tw__table *table, const struct tw__column *columns, size_t column_count);
void tw__table_fini(struct tw__table *table);
/* Row by row, from left to right. text is copied and made harmless. */
void tw__table_cell(struct tw__table *table, enum tw__ink ink, struct tw_text text);
void tw__table_cstr(struct tw__table *table, enum tw__ink ink, const char *text);
void tw__table_number(struct tw__table *table, enum tw__ink ink, uint64_t value);
/* Title and rows. Lack of memory becomes out->failed. */
void tw__table_print(struct tw__table *table, const struct tw__look *look, struct tw__buf *out);

#endif
