/* sort: see the header.
 *
 * Ids are random in most places, so a radix sort on four of their bytes leaves runs of one trace, which are sorted by
 * begin. The four are the first that differ: ids of 64 bits begin with zeros, X-Ray's with the time. Runs of more than
 * one trace (few in honest data, all of it when somebody tries) go through qsort: O(n log n) at worst.
 */
#include "store/sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "store/hash.h"

struct item {
    uint32_t key, row;
    const struct tw__row *at;
};

static int compare(const void *a, const void *b)
{
    const struct item *one = a, *two = b;
    int order = memcmp(one->at->trace_id, two->at->trace_id, sizeof one->at->trace_id);
    if (order) return order;
    if (one->at->start_ns != two->at->start_ns) return one->at->start_ns < two->at->start_ns ? -1 : 1;
    return one->row < two->row ? -1 : one->row > two->row;
}

/* First byte in which ids differ, at most 12. */
static size_t first_difference(const struct item *items, size_t count)
{
    uint8_t differs[16] = {0};
    for (size_t i = 1; i < count; i++)
        for (size_t b = 0; b < 16; b++) differs[b] |= items[i].at->trace_id[b] ^ items[0].at->trace_id[b];
    size_t at = 0;
    while (at < 12 && !differs[at]) at++;
    return at;
}

static void radix(struct item *items, struct item *room, size_t count)
{
    enum { DIGITS = 4 };
    uint32_t counts[256];
    for (unsigned digit = 0; digit < DIGITS; digit++) {
        memset(counts, 0, sizeof counts);
        for (size_t i = 0; i < count; i++) counts[items[i].key >> 8 * digit & 255]++;
        uint32_t sum = 0;
        for (size_t d = 0; d < 256; d++) {
            uint32_t here = counts[d];
            counts[d] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++) room[counts[items[i].key >> 8 * digit & 255]++] = items[i];
        struct item *swap = items;
        items = room;
        room = swap;
    }
}

static void insertion(struct item *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct item item = items[i];
        size_t at = i;
        for (; at > 0 && compare(&items[at - 1], &item) > 0; at--) items[at] = items[at - 1];
        items[at] = item;
    }
}

int tw__sort_rows(const struct tw__recent *recent, uint32_t *rows, size_t count)
{
    struct item *items = malloc((2 * count + 1) * sizeof *items);
    if (!items) return TW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) items[i] = (struct item){.row = rows[i], .at = &recent->rows[rows[i]]};
    size_t byte = first_difference(items, count);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *id = items[i].at->trace_id + byte;
        items[i].key = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
    }
    radix(items, items + count, count);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && items[to].key == items[from].key;) to++;
        if (to - from <= 24)
            insertion(items + from, to - from);
        else
            qsort(items + from, to - from, sizeof *items, compare);
    }
    for (size_t i = 0; i < count; i++) rows[i] = items[i].row;
    free(items);
    return 0;
}

/* Folds the rows of one trace. slots: a table of at least twice as many, zero before and after. */
static size_t fold_trace(const struct tw__recent *recent, uint32_t *rows, size_t count, uint32_t *slots, size_t mask)
{
    const uint32_t taken = UINT32_C(1) << 31;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct tw__row *row = &recent->rows[rows[i]];
        if (tw__all_zero(row->span_id, sizeof row->span_id)) continue;
        size_t at = tw__hash(row->span_id, sizeof row->span_id) & mask;
        while (slots[at] && memcmp(recent->rows[rows[slots[at] - 1]].span_id, row->span_id, sizeof row->span_id) != 0)
            at = (at + 1) & mask;
        if (!slots[at]) {
            slots[at] = (uint32_t)i + 1;
            continue;
        }
        /* Rows stand by begin; which one was written later is told by their index in the table. */
        size_t other = slots[at] - 1;
        bool other_first = rows[other] < rows[i];
        const struct tw__row *there = &recent->rows[rows[other]];
        bool replace =
            other_first ? tw__later_counts(there->open, row->open) : !tw__later_counts(row->open, there->open);
        if (replace) {
            /* The slot is found by the id, which both have: it may point at either. */
            slots[at] = (uint32_t)i + 1;
            rows[other] |= taken;
        } else {
            rows[i] |= taken;
        }
    }
    memset(slots, 0, (mask + 1) * sizeof *slots);
    for (size_t i = 0; i < count; i++)
        if (!(rows[i] & taken)) rows[kept++] = rows[i];
    return kept;
}

int tw__fold_rows(const struct tw__recent *recent, uint32_t *rows, size_t *count)
{
    size_t cap = 0, kept = 0;
    uint32_t *slots = NULL;
    for (size_t from = 0, to; from < *count; from = to) {
        const uint8_t *id = recent->rows[rows[from]].trace_id;
        for (to = from + 1; to < *count && memcmp(recent->rows[rows[to]].trace_id, id, 16) == 0;) to++;
        size_t need = 2;
        while (need < 2 * (to - from)) need *= 2;
        if (need > cap) {
            free(slots);
            slots = calloc(need, sizeof *slots);
            if (!slots) return TW_ERR_MEMORY;
            cap = need;
        }
        size_t left = to - from > 1 ? fold_trace(recent, rows + from, to - from, slots, need - 1) : 1;
        memmove(rows + kept, rows + from, left * sizeof *rows);
        kept += left;
    }
    free(slots);
    *count = kept;
    return 0;
}
