/* table: columns as wide as their widest cell, fitted into the terminal.
 *
 * When the whole is too wide: columns that may shrink do, the widest first, down to their minimum; then columns are
 * left out by rank; then those that are left shrink further; in the end the last one is cut. So that 20 columns still
 * show what the row is about. Trace ids begin with their second: eight digits of one say nothing, hence the care with
 * columns to paste from.
 * Invariant: no line is wider than the look's width, whatever the cells hold.
 * Rejected: wrapping cells (rows can no longer be told apart by eye, nor by line tools).
 */
#include "wire/table.h"

#include <stdlib.h>
#include <string.h>

#include "model/text.h"

struct cell {
    size_t pos, len;
    enum tw__ink ink;
};

enum { GAP = 2, LEAST = 4 };

static const struct tw__look unlimited = {.utf8 = true};

void tw__table_init(struct tw__table *table, const struct tw__column *columns, size_t column_count)
{
    *table = (struct tw__table){.columns = columns, .column_count = column_count};
    for (size_t i = 0; i < column_count; i++) {
        table->widths[i] = (unsigned)strlen(columns[i].title);
        table->mins[i] = columns[i].min;
    }
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
static void shrink(const struct tw__table *table, unsigned *widths, const unsigned *mins, unsigned rank, unsigned room)
{
    while (total(table, widths, rank) > room) {
        size_t widest = table->column_count;
        for (size_t i = 0; i < table->column_count; i++) {
            const struct tw__column *column = &table->columns[i];
            if (column->min == 0 || column->rank > rank || widths[i] <= mins[i]) continue;
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
        shrink(table, widths, table->mins, rank, room);
        if (total(table, widths, rank) <= room) return rank;
        if (rank == 0) break;
    }
    unsigned mins[TW__TABLE_COLUMNS];
    for (size_t i = 0; i < table->column_count; i++) mins[i] = table->columns[i].paste ? table->mins[i] : LEAST;
    shrink(table, widths, mins, rank, room);
    return rank;
}

static int by_text(const void *left, const void *right)
{
    const struct tw_text *a = left, *b = right;
    return tw__text_order(*a, *b);
}

/* The columns to paste from keep as many characters as tell their cells apart. False: out of memory. */
static bool keep_apart(struct tw__table *table, size_t column)
{
    size_t rows = table->cell_count / table->column_count, most = 0;
    struct tw_text *texts = calloc(rows + 1, sizeof *texts);
    if (!texts) return false;
    for (size_t row = 0; row < rows; row++) {
        struct cell cell;
        memcpy(&cell, table->cells.ptr + (row * table->column_count + column) * sizeof cell, sizeof cell);
        texts[row] = (struct tw_text){table->text.ptr + cell.pos, cell.len};
    }
    qsort(texts, rows, sizeof *texts, by_text);
    for (size_t row = 1; row < rows; row++) {
        const struct tw_text *a = &texts[row - 1], *b = &texts[row];
        size_t same = 0;
        while (same < a->len && same < b->len && a->ptr[same] == b->ptr[same]) same++;
        if ((same < a->len || same < b->len) && same + 1 > most) most = same + 1;
    }
    free(texts);
    if (most > table->mins[column]) table->mins[column] = (unsigned)most;
    return true;
}

static void print_cell(const struct tw__column *column, const struct tw__look *look, struct tw_text text,
                       enum tw__ink ink, unsigned width, bool last, struct tw__buf *out)
{
    unsigned columns = tw__term_columns(text);
    unsigned pad = columns < width ? width - columns : 0;
    if (column->right) tw__buf_fill(out, ' ', pad);
    tw__term_ink(out, look, ink);
    enum tw__cut cut = column->paste ? TW__CUT_HARD : column->path ? TW__CUT_FRONT : TW__CUT_MARK;
    (void)tw__term_text(out, look, text, width, cut);
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
    size_t begin = out->len;
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
    while (out->len > begin && out->ptr[out->len - 1] == ' ')
        out->len--; /* an empty last cell, or titles of processes */
    tw__buf_char(out, '\n');
}

void tw__table_print(struct tw__table *table, const struct tw__look *look, struct tw__buf *out)
{
    unsigned widths[TW__TABLE_COLUMNS];
    bool whole = !table->text.failed && !table->cells.failed;
    for (size_t i = 0; whole && i < table->column_count; i++)
        if (table->columns[i].paste) whole = keep_apart(table, i);
    if (!whole) {
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
