/* sort: see the header.
 *
 * Rows go by a number mixed from their trace id: a radix sort on its upper bits leaves runs of one trace, mostly, which are
 * sorted by begin. Which trace comes first does not matter, that they stand together does: the number decides, and where two
 * traces have the same one (once in ten thousand million tables, or when somebody tries) the ids do. Longer runs go through
 * qsort: O(n log n) at worst. Then the rows are copied, in their order, and everything after walks over them from the first to
 * the last.
 */
#include "store/sort.h"

#include <stdlib.h>
#include <string.h>

#include "store/hash.h"

enum { SHORT = 32, DIGIT = 11, AHEAD = 12, PIECE = 8, RUN_BITS = 8, RUN = 1 << RUN_BITS };

struct item {
    uint64_t mixed, start_ns;
    const struct tw__row *at;
};

struct room {
    struct item *items; /* as many as are sorted */
    uint32_t *counts;   /* one for each digit */
    uint64_t *keys;     /* 2 * RUN */
};

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t mix(const uint8_t id[16])
{
    uint64_t mixed = word_of(id) * UINT64_C(0x9e3779b97f4a7c15) + word_of(id + 8) * UINT64_C(0xc2b2ae3d27d4eb4f);
    mixed ^= mixed >> 29;
    return mixed * UINT64_C(0xff51afd7ed558ccd);
}

static bool comes_after(const struct item *one, const struct item *two)
{
    if (one->mixed != two->mixed) return one->mixed > two->mixed;
    if (one->start_ns != two->start_ns) return one->start_ns > two->start_ns;
    return one->at > two->at;
}

static int compare(const void *a, const void *b)
{
    return comes_after(a, b) ? 1 : comes_after(b, a) ? -1 : 0;
}

static int compare_ids(const void *a, const void *b)
{
    const struct item *one = a, *two = b;
    int order = memcmp(one->at->trace_id, two->at->trace_id, sizeof one->at->trace_id);
    return order ? order : compare(a, b);
}

static void radix(const struct item *items, struct item *out, size_t count, unsigned shift, uint32_t *counts)
{
    const unsigned mask = (1 << DIGIT) - 1;
    memset(counts, 0, (mask + 1) * sizeof *counts);
    for (size_t i = 0; i < count; i++) counts[items[i].mixed >> shift & mask]++;
    uint32_t sum = 0;
    for (size_t d = 0; d <= mask; d++) {
        uint32_t here = counts[d];
        counts[d] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++) out[counts[items[i].mixed >> shift & mask]++] = items[i];
}

static void sort_short(uint64_t *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint64_t key = keys[i];
        size_t at = i;
        for (; at > 0 && keys[at - 1] > key; at--) keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

/* Merges neighbours of len keys each. */
static void merge(const uint64_t *keys, uint64_t *out, size_t count, size_t len)
{
    for (size_t from = 0; from < count; from += 2 * len) {
        size_t left = from, middle = from + len < count ? from + len : count;
        size_t right = middle, end = middle + len < count ? middle + len : count;
        for (size_t at = from; at < end; at++) {
            bool take_left = right == end || (left < middle && keys[left] <= keys[right]);
            out[at] = keys[take_left ? left : right];
            left += take_left;
            right += !take_left;
        }
    }
}

/* Sorts up to RUN items of one number by begin and place. Begins further apart than 2^56 ns are left to qsort. */
static bool sort_run(struct item *items, size_t count, const struct room *room)
{
    uint64_t *keys = room->keys, *from = keys, *to = keys + RUN, least = items[0].start_ns, most = least;
    for (size_t i = 1; i < count; i++) {
        if (items[i].mixed != items[0].mixed) return false;
        if (items[i].start_ns < least) least = items[i].start_ns;
        if (items[i].start_ns > most) most = items[i].start_ns;
    }
    if ((most - least) >> (64 - RUN_BITS)) return false;
    /* The radix sort kept the order of places. */
    for (size_t i = 0; i < count; i++) keys[i] = (items[i].start_ns - least) << RUN_BITS | i;
    for (size_t i = 0; i < count; i += PIECE) sort_short(keys + i, count - i < PIECE ? count - i : PIECE);
    for (size_t len = PIECE; len < count; len *= 2) {
        merge(from, to, count, len);
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    for (size_t i = 0; i < count; i++) room->items[i] = items[from[i] & (RUN - 1)];
    memcpy(items, room->items, count * sizeof *items);
    return true;
}

static void sort(struct item *items, size_t count, const struct room *room)
{
    radix(items, room->items, count, 64 - 2 * DIGIT, room->counts);
    radix(room->items, items, count, 64 - DIGIT, room->counts);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && items[to].mixed >> (64 - 2 * DIGIT) == items[from].mixed >> (64 - 2 * DIGIT);)
            to++;
        if (to - from > 1 && (to - from > RUN || !sort_run(items + from, to - from, room)))
            qsort(items + from, to - from, sizeof *items, compare);
    }
}

/* Copies the rows. false: two traces have the same number. */
static bool copy(const struct item *items, size_t count, struct tw__row *out)
{
    bool told_apart = true;
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            __builtin_prefetch(items[i + AHEAD].at);
            __builtin_prefetch((const char *)items[i + AHEAD].at + 64);
        }
        out[i] = *items[i].at;
        if (i > 0 && items[i].mixed == items[i - 1].mixed) told_apart &= tw__same_trace(&out[i], &out[i - 1]);
    }
    return told_apart;
}

/* -- folding */

/* Whether a, of the row with the lower place, stays when both are one span. */
static bool first_stays(const struct tw__row *a, const struct item *a_item, const struct tw__row *b,
                        const struct item *b_item)
{
    /* Rows stand by begin; which one was written later is told by where it was in the table. */
    return a_item->at < b_item->at ? !tw__later_counts(a->open, b->open) : tw__later_counts(b->open, a->open);
}

/* Folds the rows of one trace. gone: zeros, for each row. slots: a table of at least twice as many, zero before and after. */
static bool fold_trace(const struct tw__row *rows, const struct item *items, size_t count, uint8_t *gone,
                       uint32_t *slots, size_t mask)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        uint64_t id = word_of(rows[i].span_id);
        if (id == 0) continue;
        size_t at = tw__hash(&id, sizeof id) & mask;
        while (slots[at] && word_of(rows[slots[at] - 1].span_id) != id) at = (at + 1) & mask;
        if (slots[at]) {
            size_t other = slots[at] - 1;
            any = true;
            if (first_stays(&rows[other], &items[other], &rows[i], &items[i])) {
                gone[i] = 1;
                continue;
            }
            gone[other] = 1;
        }
        slots[at] = (uint32_t)i + 1;
    }
    memset(slots, 0, (mask + 1) * sizeof *slots);
    return any;
}

/* The same for few rows, without a table. */
static bool fold_short(const struct tw__row *rows, const struct item *items, size_t count, uint8_t *gone)
{
    uint64_t ids[SHORT];
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        ids[i] = word_of(rows[i].span_id);
        for (size_t other = 0; other < i && ids[i]; other++) {
            if (ids[other] != ids[i]) continue;
            any = true;
            if (gone[other]) continue;
            gone[first_stays(&rows[other], &items[other], &rows[i], &items[i]) ? i : other] = 1;
        }
    }
    return any;
}

static int fold(struct tw__row *rows, const struct item *items, size_t *count)
{
    uint8_t *gone = calloc(*count + 1, 1);
    uint32_t *slots = NULL;
    size_t cap = 0, kept = 0;
    bool any = false, failed = false;
    if (!gone) return TW_ERR_MEMORY;
    for (size_t from = 0, to; from < *count; from = to) {
        for (to = from + 1; to < *count && tw__same_trace(&rows[to], &rows[from]);) to++;
        if (to - from <= SHORT) {
            any |= fold_short(rows + from, items + from, to - from, gone + from);
            continue;
        }
        size_t need = 4 * SHORT;
        while (need < 2 * (to - from)) need *= 2;
        if (need > cap) {
            free(slots);
            slots = calloc(need, sizeof *slots);
            failed = !slots;
            if (failed) break;
            cap = need;
        }
        any |= fold_trace(rows + from, items + from, to - from, gone + from, slots, need - 1);
    }
    for (size_t i = 0; i < *count && any; i++)
        if (!gone[i]) rows[kept++] = rows[i];
    free(slots);
    free(gone);
    if (failed) return TW_ERR_MEMORY;
    if (any) *count = kept;
    return 0;
}

/* Sorted rows of a table into out. */
static void sort_into(const struct tw__recent *recent, const uint32_t *rows, size_t count, struct item *items,
                      const struct room *room, struct tw__row *out)
{
    if (count == 0) return;
    for (size_t i = 0; i < count; i++) {
        const struct tw__row *row = &recent->rows[rows[i]];
        items[i] = (struct item){mix(row->trace_id), row->start_ns, row};
    }
    sort(items, count, room);
    if (copy(items, count, out)) return;
    qsort(items, count, sizeof *items, compare_ids);
    (void)copy(items, count, out);
}

int tw__sort_rows(const struct tw__recent *recent, const uint32_t *rows, size_t count, struct tw__row **out,
                  size_t *kept)
{
    struct item *items = malloc((2 * count + 1) * sizeof *items);
    struct tw__row *sorted = malloc((count + 1) * sizeof *sorted);
    struct room room = {.counts = malloc((1 << DIGIT) * sizeof *room.counts),
                        .keys = malloc(2 * RUN * sizeof *room.keys)};
    int error = TW_ERR_MEMORY;
    *kept = count;
    if (items && sorted && room.counts && room.keys) {
        room.items = items + count;
        sort_into(recent, rows, count, items, &room, sorted);
        error = fold(sorted, items, kept);
    }
    free(items);
    free(room.counts);
    free(room.keys);
    if (error)
        free(sorted);
    else
        *out = sorted;
    return error;
}
