/* table: columns as wide as their widest cell, fitted into the terminal.
 *
 * When the whole is too wide: columns that may shrink do, the widest first, down to their minimum; then columns are left out
 * by rank; in the end the last column is cut. So that 20 columns still show what the row is about.
 * Invariant: no line is wider than the look's width, whatever the cells hold.
 * Rejected: wrapping cells (rows can no longer be told apart by eye, nor by line tools).
 */
#include "wire/table.h"

#include <string.h>

struct cell {
    size_t pos, len;
    enum tw__ink ink;
};

enum { GAP = 2 };

static const struct tw__look unlimited = {.utf8 = true};

void tw__table_init(struct tw__table *table, const struct tw__column *columns, size_t column_count)
{
    *table = (struct tw__table){.columns = columns, .column_count = column_count};
    for (size_t i = 0; i < column_count; i++) table->widths[i] = (unsigned)strlen(columns[i].title);
}

void tw__table_fini(struct tw__table *table)
{
    tw__buf_fini(&table->text);
    tw__buf_fini(&table->cells);
}

void tw__table_cell(struct tw__table *table, enum tw__ink ink, struct tw_text text)
{
    enum { CELL_MAX = 400 }; /* no name is worth more of a row */
    struct cell cell = {.pos = table->text.len, .ink = ink};
    unsigned columns = tw__term_text(&table->text, &unlimited, text, CELL_MAX, TW__CUT_MARK);
    cell.len = table->text.len - cell.pos;
    unsigned *width = &table->widths[table->cell_count % table->column_count];
    if (columns > *width) *width = columns;
    tw__buf_add(&table->cells, &cell, sizeof cell);
    table->cell_count++;
}

void tw__table_cstr(struct tw__table *table, enum tw__ink ink, const char *text)
{
    tw__table_cell(table, ink, tw__text_of(text));
}

void tw__table_number(struct tw__table *table, enum tw__ink ink, uint64_t value)
{
    struct tw__buf digits = {0};
    tw__buf_u64(&digits, value);
    tw__table_cell(table, ink, tw__buf_text(&digits));
    table->text.failed |= digits.failed;
    tw__buf_fini(&digits);
}

/* Width of the columns with at most this rank, gaps included. */
static unsigned total(const struct tw__table *table, const unsigned *widths, unsigned rank)
{
    unsigned sum = 0;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].rank <= rank) sum += widths[i] + (sum ? GAP : 0);
    return sum;
}

/* Takes the columns that may shrink down until the rest fits, a column at a time from the widest. */
static void shrink(const struct tw__table *table, unsigned *widths, unsigned rank, unsigned room)
{
    while (total(table, widths, rank) > room) {
        size_t widest = table->column_count;
        for (size_t i = 0; i < table->column_count; i++) {
            const struct tw__column *column = &table->columns[i];
            if (column->min == 0 || column->rank > rank || widths[i] <= column->min) continue;
            if (widest == table->column_count || widths[i] > widths[widest]) widest = i;
        }
        if (widest == table->column_count) return;
        widths[widest]--;
    }
}

/* Chooses widths; returns the highest rank that is shown. */
static unsigned fit(const struct tw__table *table, unsigned *widths, unsigned room)
{
    unsigned rank = 0;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].rank > rank) rank = table->columns[i].rank;
    for (;; rank--) {
        memcpy(widths, table->widths, sizeof table->widths);
        if (room == 0) return rank;
        shrink(table, widths, rank, room);
        if (rank == 0 || total(table, widths, rank) <= room) return rank;
    }
}

static void print_cell(const struct tw__column *column, const struct tw__look *look, struct tw_text text,
                       enum tw__ink ink, unsigned width, bool last, struct tw__buf *out)
{
    unsigned columns = tw__term_columns(text);
    unsigned pad = columns < width ? width - columns : 0;
    if (column->right) tw__buf_fill(out, ' ', pad);
    tw__term_ink(out, look, ink);
    (void)tw__term_text(out, look, text, width, column->paste ? TW__CUT_HARD : TW__CUT_MARK);
    tw__term_plain(out, look, ink);
    if (!column->right && !last) tw__buf_fill(out, ' ', pad);
}

static void print_row(struct tw__table *table, const struct cell *cells, const unsigned *widths, unsigned rank,
                      const struct tw__look *look, struct tw__buf *out)
{
    unsigned room = look->width ? look->width : UINT_MAX;
    size_t last = 0;
    for (size_t i = 0; i < table->column_count; i++)
        if (table->columns[i].rank <= rank) last = i;
    bool first = true;
    for (size_t i = 0; i <= last; i++) {
        const struct tw__column *column = &table->columns[i];
        if (column->rank > rank) continue;
        if (!first) {
            if (room <= GAP) break;
            tw__buf_fill(out, ' ', GAP);
            room -= GAP;
        }
        first = false;
        unsigned width = widths[i] < room ? widths[i] : room;
        struct tw_text text = tw__text_of(column->title);
        if (cells) text = (struct tw_text){table->text.ptr + cells[i].pos, cells[i].len};
        print_cell(column, look, text, cells ? cells[i].ink : TW__INK_DIM, width, i == last, out);
        room -= width;
    }
    tw__buf_char(out, '\n');
}

void tw__table_print(struct tw__table *table, const struct tw__look *look, struct tw__buf *out)
{
    unsigned widths[TW__TABLE_COLUMNS];
    if (table->text.failed || table->cells.failed) {
        out->failed = true;
        return;
    }
    unsigned rank = fit(table, widths, look->width);
    print_row(table, NULL, widths, rank, look, out);
    for (size_t row = 0; row + table->column_count <= table->cell_count; row += table->column_count) {
        struct cell cells[TW__TABLE_COLUMNS];
        memcpy(cells, table->cells.ptr + row * sizeof *cells, table->column_count * sizeof *cells);
        print_row(table, cells, widths, rank, look, out);
    }
}
