/* sort: see the header.
 *
 *     row -> number of its trace, in the order in which traces came -> place, by counting -> by begin within its trace
 *
 * Which trace comes first does not matter to who reads a block. Since they come in their order of time, rows, values
 * and texts are read from the first to the last, more or less, here and by everything after; in the order of a hash of
 * their ids each of them was another page. Traces are looked up in a table by a hash with a seed that nobody knows.
 * Then the rows are copied, in their order. Runs of more than RUN go through qsort: O(n log n) at worst.
 */
#include "store/sort.h"

#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "store/hash.h"

enum { SHORT = 32, AHEAD = 12, PIECE = 8, RUN_BITS = 8, RUN = 1 << RUN_BITS };

struct item {
    uint64_t start_ns;
    const struct tw__row *at;
};

/* Traces by hash. */
struct trace_slot {
    uint32_t hash, number; /* number + 1; 0: free */
};

struct room {
    struct item *items; /* RUN */
    uint64_t *keys;     /* 2 * RUN */
    struct trace_slot *slots;
    size_t mask;
    uint32_t *trace_of; /* of each row, its number */
    uint32_t *first_of; /* of each trace, its first row; then where its next row goes */
    uint32_t *count_of; /* of each trace */
};

static uint64_t word_of(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static int compare(const void *a, const void *b)
{
    const struct item *one = a, *two = b;
    if (one->start_ns != two->start_ns) return one->start_ns > two->start_ns ? 1 : -1;
    return one->at > two->at ? 1 : one->at < two->at ? -1 : 0;
}

/* -- together */

/* Numbers of the rows' traces. Returns how many there are. */
static uint32_t find_traces(const struct tw__row *all, const uint32_t *rows, size_t count, struct room *room)
{
    uint64_t seed;
    uint32_t traces = 0;
    tw__os_random(&seed, sizeof seed);
    for (size_t i = 0; i < count; i++) {
        const struct tw__row *row = &all[rows[i]];
        if (i > 0 && tw__same_trace(row, &all[rows[i - 1]])) {
            room->count_of[room->trace_of[i] = room->trace_of[i - 1]]++;
            continue;
        }
        uint32_t hash = (uint32_t)tw__hash_seeded(row->trace_id, sizeof row->trace_id, seed);
        size_t at = hash & room->mask;
        for (; room->slots[at].number; at = (at + 1) & room->mask)
            if (room->slots[at].hash == hash &&
                tw__same_trace(row, &all[rows[room->first_of[room->slots[at].number - 1]]]))
                break;
        if (room->slots[at].number == 0) {
            room->first_of[traces] = (uint32_t)i;
            room->count_of[traces] = 0;
            room->slots[at] = (struct trace_slot){hash, ++traces};
        }
        room->trace_of[i] = room->slots[at].number - 1;
        room->count_of[room->trace_of[i]]++;
    }
    return traces;
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

/* Sorts up to RUN items of a trace. Begins further apart than 2^56 ns are left to qsort. */
static bool sort_run(struct item *items, size_t count, const struct room *room)
{
    uint64_t *keys = room->keys, *from = keys, *to = keys + RUN, least = items[0].start_ns, most = least;
    for (size_t i = 1; i < count; i++) {
        if (items[i].start_ns < least) least = items[i].start_ns;
        if (items[i].start_ns > most) most = items[i].start_ns;
    }
    if ((most - least) >> (64 - RUN_BITS)) return false;
    /* They stand in the order of places. */
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

static void sort(const struct tw__recent *recent, const uint32_t *rows, size_t count, struct room *room,
                 struct item *items)
{
    uint32_t traces = find_traces(recent->rows, rows, count, room), sum = 0;
    for (uint32_t t = 0; t < traces; t++) {
        room->first_of[t] = sum;
        sum += room->count_of[t];
    }
    for (size_t i = 0; i < count; i++) {
        const struct tw__row *row = &recent->rows[rows[i]];
        items[room->first_of[room->trace_of[i]]++] = (struct item){row->start_ns, row};
    }
    for (size_t from = 0, t = 0, n; t < traces; from += n, t++) {
        n = room->count_of[t];
        if (n > 1 && (n > RUN || !sort_run(items + from, n, room))) qsort(items + from, n, sizeof *items, compare);
    }
}

static void copy(const struct item *items, size_t count, struct tw__row *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            __builtin_prefetch(items[i + AHEAD].at);
            __builtin_prefetch((const char *)items[i + AHEAD].at + 64);
        }
        out[i] = *items[i].at;
    }
}

/* -- folding */

/* Whether a, of the row with the lower place, stays when both are one span. */
static bool first_stays(const struct tw__row *a, const struct item *a_item, const struct tw__row *b,
                        const struct item *b_item)
{
    /* Rows stand by begin; which one was written later is told by where it was in the table. */
    return a_item->at < b_item->at ? !tw__later_counts(a->open, b->open) : tw__later_counts(b->open, a->open);
}

/* Folds the rows of one trace. gone: zeros, for each row. slots: a table of at least twice as many, zero before and
 * after. */
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

static bool take_room(struct room *room, size_t count)
{
    size_t slots = 64;
    while (slots < 2 * count) slots *= 2;
    *room = (struct room){.items = malloc(RUN * sizeof *room->items),
                          .keys = malloc(2 * RUN * sizeof *room->keys),
                          .slots = calloc(slots, sizeof *room->slots),
                          .mask = slots - 1,
                          .trace_of = malloc((count + 1) * sizeof *room->trace_of),
                          .first_of = malloc((count + 1) * sizeof *room->first_of),
                          .count_of = malloc((count + 1) * sizeof *room->count_of)};
    return room->items && room->keys && room->slots && room->trace_of && room->first_of && room->count_of;
}

static void free_room(struct room *room)
{
    free(room->items);
    free(room->keys);
    free(room->slots);
    free(room->trace_of);
    free(room->first_of);
    free(room->count_of);
}

int tw__sort_rows(const struct tw__recent *recent, const uint32_t *rows, size_t count, struct tw__row **out,
                  size_t *kept)
{
    struct item *items = malloc((count + 1) * sizeof *items);
    struct tw__row *sorted = malloc((count + 1) * sizeof *sorted);
    struct room room;
    int error = TW_ERR_MEMORY;
    *kept = count;
    if (take_room(&room, count) && items && sorted) {
        sort(recent, rows, count, &room, items);
        copy(items, count, sorted);
        error = fold(sorted, items, kept);
    }
    free(items);
    free_room(&room);
    if (error)
        free(sorted);
    else
        *out = sorted;
    return error;
}
