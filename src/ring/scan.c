/* scan: one pass over slots and chunks, gathering copies of what a query asks for.
 *
 *     slots first:  a span that ends during the pass is seen twice (open, then its record) and never not at all
 *     then chunks:  copy, check, walk; a record of a span that was seen open strikes the open one out
 *
 * Of the times in a record its end says when it was written, unless the program gave its own; then the record before it
 * in the chunk says "not before". By that the newest event_bound records are told, and what was cleared.
 *
 * Records TAGS obey no condition but the trace: whether they matter depends on their span, which ends later. A chunk
 * that closed before `since` holds nothing else that matters; it is looked at again only if a span that began before is
 * delivered. (A record whose own end time lies after the closing of its chunk is missed by that; such records are from
 * the future.)
 */
#include "ring/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/be64.h"

enum { TICK_MARGIN = 1024 };

bool tw__found_add(struct tw__scan *scan, struct tw__found_list *list, const struct tw__found *found)
{
    if (list->count == list->cap) {
        struct tw__found *items = tw__array_room(list->items, &list->cap, list->count + 1, sizeof *items);
        if (!items) {
            scan->no_memory = true;
            return false;
        }
        list->items = items;
    }
    list->items[list->count++] = *found;
    return true;
}

static bool of_trace(const struct tw__scan *scan, const uint64_t *words)
{
    return !scan->query->trace_id ||
           (words[TW__AT_TRACE] == scan->trace[0] && words[TW__AT_TRACE + 1] == scan->trace[1]);
}

/* kept: the words stay where they are, in slabs. */
static void take(struct tw__scan *scan, struct tw__found_list *list, const uint64_t *words, size_t len, bool kept,
                 struct tw__found *found)
{
    uint64_t *copy = kept ? NULL : tw__slabs_take(scan->slabs, len);
    if (!kept && !copy) {
        scan->no_memory = true;
        return;
    }
    if (copy) memcpy(copy, words, len);
    found->image.words = copy ? copy : words;
    scan->taken += len;
    (void)tw__found_add(scan, list, found);
}

static int by_id(const void *a, const void *b)
{
    const struct tw__found *x = a, *y = b;
    uint64_t i = x->image.words[TW__AT_ID], j = y->image.words[TW__AT_ID];
    return (i > j) - (i < j);
}

static void scan_slots(struct tw__scan *scan)
{
    uint32_t blocks = tw__view_blocks(scan->reader);
    struct tw__slot slot;
    uint64_t words[TW__SLOT_BYTES / 8];
    for (uint32_t b = 0; b < blocks && !scan->no_memory; b++) {
        for (unsigned s = 0; s < TW__SLOTS; s++) {
            if (!tw__slot_copy(scan->reader, b, s, &slot)) continue;
            memcpy(words, &slot, sizeof words);
            uint64_t time_ns = tw__time_ns(scan->time, slot.time);
            if (!of_trace(scan, words) || (scan->query->until_ns && time_ns >= scan->query->until_ns)) continue;
            struct tw__found found = {.time_ns = time_ns,
                                      .image = {.order = UINT64_MAX - ((uint64_t)b * TW__SLOTS + s), .open = true}};
            take(scan, &scan->opens, words, sizeof words, false, &found);
        }
    }
    if (scan->opens.count > 1) qsort(scan->opens.items, scan->opens.count, sizeof *scan->opens.items, by_id);
}

/* The record of a span is there: it was not open after all. */
static void strike_open(struct tw__scan *scan, const uint64_t *words)
{
    size_t low = 0, high = scan->opens.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (scan->opens.items[middle].image.words[TW__AT_ID] < words[TW__AT_ID])
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < scan->opens.count; low++) {
        struct tw__found *open = &scan->opens.items[low];
        if (open->image.words[TW__AT_ID] != words[TW__AT_ID]) return;
        if (memcmp(open->image.words + TW__AT_TRACE, words + TW__AT_TRACE, 16) == 0) open->written = UINT64_MAX;
    }
}

static void add_rank(struct tw__scan *scan, uint64_t written, uint64_t order)
{
    struct tw__rank *ranks = tw__array_room(scan->ranks, &scan->rank_cap, scan->rank_count + 1, sizeof *ranks);
    if (!ranks) {
        scan->no_memory = true;
        return;
    }
    scan->ranks = ranks;
    ranks[scan->rank_count++] = (struct tw__rank){written, order};
}

/* A record of a known type, from a whole copy. kept: it will stay where it is. */
static void one_record(struct tw__scan *scan, const uint64_t *words, bool kept, uint64_t order, uint64_t written)
{
    const struct tw_query *query = scan->query;
    unsigned type = tw__record_type(words[TW__AT_HEAD]);
    size_t len = words[TW__AT_HEAD] & 0xffff;
    struct tw__found found = {.written = written, .image = {.order = order}};

    if (type == TW__TYPE_TAGS) {
        if (of_trace(scan, words)) take(scan, &scan->tags, words, len, kept, &found);
        return;
    }
    if (scan->tags_only) return;
    if (type == TW__TYPE_SPAN && scan->opens.count) strike_open(scan, words);
    if (scan->cleared && written <= scan->cleared) return;
    if (scan->bound) add_rank(scan, written, order);
    if (!of_trace(scan, words) || (query->flags & ~(words[TW__AT_MISC] >> 32)) != 0) return;
    found.time_ns = tw__time_ns(scan->time, words[TW__AT_TIME]);
    if (query->until_ns && found.time_ns >= query->until_ns) return;
    if (query->since_ns) {
        uint64_t end = type == TW__TYPE_SPAN ? tw__time_ns(scan->time, words[TW__AT_END]) : found.time_ns;
        if (end < query->since_ns) return;
    }
    take(scan, &scan->found, words, len, kept, &found);
}

/* A walk over the records of a chunk. log: the last record LOG so far, or 0: those that are brief are of its span. */
struct walk {
    const struct tw__chunk_info *info;
    const uint64_t *bytes;
    uint64_t *whole; /* room for what a brief one stands for */
    uint32_t log;
    bool kept; /* bytes are in slabs: records need no copies of their own */
};

/* Passes by records that are like the one before, length and type, which was a valid span, and not of the trace. So
 * the step does not change, and the processor need not wait for the length of each record to look at the next. */
static inline uint32_t skip_alike(const uint64_t *bytes, uint32_t at, uint32_t end, uint64_t alike, uint64_t low,
                                  const uint8_t *ahead)
{
    uint32_t len = alike & 0xffff, last = end - len;
    while (at <= last) {
        const uint64_t *words = bytes + at / 8;
        __builtin_prefetch(ahead + at);
        if (((words[TW__AT_HEAD] ^ alike) & 0xffffff) != 0 || words[TW__AT_TRACE + 1] == low) break;
        at += len;
    }
    return at;
}

/* The next record of the trace at or after at, or the next that is not valid, or end: the loop that a search for one
 * trace spends its time in. While one chunk is walked the next one is fetched into the cache, line by line (5.1 -> 3.8
 * ms for 64 MB). Most records are like the one before: see skip_alike (5.9 -> 2.4 ms on an Emerald Rapids). */
static uint32_t skip_others(const struct tw__scan *scan, struct walk *walk, uint32_t at)
{
    const uint64_t high = scan->trace[0], low = scan->trace[1];
    const uint32_t end = walk->info->end, next = walk->info->index + 1;
    const uint8_t *ahead = (const uint8_t *)tw__view_chunk(scan->reader, next < scan->chunks ? next : 0);
    while (at < end) {
        const uint64_t *words = walk->bytes + at / 8;
        uint32_t len = tw__record_len(words[TW__AT_HEAD], end - at);
        unsigned type = tw__record_type(words[TW__AT_HEAD]);
        __builtin_prefetch(ahead + at);
        if (type == TW__TYPE_BRIEF) {
            if (len == 0 || !walk->log || of_trace(scan, walk->bytes + walk->log / 8)) return at;
        } else {
            if (len == 0 || (words[TW__AT_TRACE + 1] == low && words[TW__AT_TRACE] == high)) return at;
            if (type == TW__TYPE_LOG) walk->log = at;
        }
        at += len;
        if (type == TW__TYPE_SPAN) at = skip_alike(walk->bytes, at, end, words[TW__AT_HEAD], low, ahead);
    }
    return end;
}

/* What a brief record stands for. */
static void write_out(uint64_t *to, const uint64_t *words, const uint64_t *log, uint32_t len)
{
    uint64_t head = words[TW__AT_HEAD] & ~(uint64_t)0xffffff;
    memcpy(to, log, TW__EVENT_HEAD_BYTES);
    to[TW__AT_HEAD] = head | (uint64_t)TW__TYPE_LOG << 16 | (len + TW__EVENT_HEAD_BYTES - TW__BRIEF_HEAD_BYTES);
    to[TW__AT_TIME] = words[TW__AT_TIME];
    memcpy((uint8_t *)to + TW__EVENT_HEAD_BYTES, (const uint8_t *)words + TW__BRIEF_HEAD_BYTES,
           len - TW__BRIEF_HEAD_BYTES);
}

/* Walks the records from..end of a whole copy. */
static void walk_records(struct tw__scan *scan, struct walk *walk, uint32_t from)
{
    const struct tw__chunk_info *info = walk->info;
    bool own_matters = scan->bound || scan->cleared;
    bool quick = scan->query->trace_id && !own_matters; /* records of other traces matter to nothing */
    uint64_t before = info->first_tick;

    for (uint32_t at = from; at < info->end && !scan->no_memory;) {
        if (quick) at = skip_others(scan, walk, at);
        if (at == info->end) return;
        const uint64_t *words = walk->bytes + at / 8;
        uint32_t len = tw__record_len(words[TW__AT_HEAD], info->end - at);
        unsigned type = tw__record_type(words[TW__AT_HEAD]);
        if (len == 0 || (type == TW__TYPE_BRIEF && !walk->log)) {
            scan->damaged++;
            return;
        }
        uint64_t written = words[type == TW__TYPE_SPAN ? TW__AT_END : TW__AT_TIME];
        if (own_matters) {
            if (tw__record_bits(words[TW__AT_HEAD]) & TW__BIT_OWN_TIME)
                written = before;
            else
                before = written;
        }
        if (type == TW__TYPE_LOG) walk->log = at;
        if (type == TW__TYPE_BRIEF) {
            write_out(walk->whole, words, walk->bytes + walk->log / 8, len);
            words = walk->whole;
        }
        bool kept = walk->kept && type != TW__TYPE_BRIEF;
        if (type >= TW__TYPE_SPAN && type <= TW__TYPE_BRIEF)
            one_record(scan, words, kept, info->ticket << 13 | at, written);
        at += len;
    }
}

/* False: a chunk that closed before everything that is asked for. */
static bool worth_reading(struct tw__scan *scan, const struct tw__chunk_info *info)
{
    if (scan->since_tick == 0 || !info->closed || info->last_tick >= scan->since_tick) return true;
    scan->skipped = true;
    return false;
}

/* Where a chunk is copied to: among what the answer keeps, when all of its records are wanted. */
static uint64_t *place_of(struct tw__scan *scan, const struct tw__chunk_info *info, uint64_t *bytes, bool *kept)
{
    const struct tw_query *query = scan->query;
    *kept = !query->trace_id && !query->flags && !query->since_ns && !query->until_ns && !scan->bound && !scan->cleared;
    if (!*kept) return bytes;
    uint64_t *place = tw__slabs_take(scan->slabs, info->end);
    if (!place) scan->no_memory = true;
    return place;
}

static void one_chunk(struct tw__scan *scan, const struct tw__chunk_info *info, uint64_t *bytes)
{
    struct walk walk = {.info = info, .bytes = bytes, .whole = bytes + TW__CHUNK_BYTES / 8};
    uint32_t from = scan->tags_only ? TW__CHUNK_HEAD_BYTES : tw__position_resume(scan, info, &walk.log);
    if (info->damaged) scan->damaged++;
    if (from < info->end) {
        uint64_t *place = place_of(scan, info, bytes, &walk.kept);
        if (!place) return;
        walk.bytes = place;
        if (!tw__chunk_copy(scan->reader, info, walk.log ? walk.log : from, place)) {
            if (walk.kept) tw__slabs_give_back(scan->slabs, place, info->end, 0);
            scan->missed++;
            tw__position_note(scan, info, from, walk.log, true);
            return;
        }
        walk_records(scan, &walk, from);
    }
    tw__position_note(scan, info, info->end, walk.log, info->closed);
}

/* All chunks, or the next of a pass that takes several reads. The chunk of a ticket is ticket % chunk_count: who goes
 * by number and begins with the one that is to be taken next has the oldest first. */
static void scan_chunks(struct tw__scan *scan, uint64_t *bytes)
{
    struct tw__chunk_info info;
    uint64_t max = scan->query->after && !scan->bound && scan->query->max_bytes ? scan->query->max_bytes : UINT64_MAX;
    while (scan->pass_done < scan->pass_chunks && scan->taken < max && !scan->no_memory) {
        uint32_t i = (uint32_t)(((uint64_t)scan->pass_from + scan->pass_done++) % scan->pass_chunks);
        if (tw__chunk_peek(scan->reader, i, &info) && worth_reading(scan, &info)) one_chunk(scan, &info, bytes);
    }
}

/* Spans that began before `since` may have tags in the chunks that were skipped. */
static void scan_skipped(struct tw__scan *scan, uint64_t *bytes)
{
    struct tw__chunk_info info;
    uint64_t oldest = scan->since_tick;
    const struct tw__found_list *lists[] = {&scan->found, &scan->opens};
    for (unsigned l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            const uint64_t *words = lists[l]->items[i].image.words;
            bool span = tw__record_type(words[TW__AT_HEAD]) == TW__TYPE_SPAN;
            if (span && tw__tick_before(words[TW__AT_TIME], oldest)) oldest = words[TW__AT_TIME];
        }
    if (!scan->skipped || oldest == scan->since_tick) return;
    scan->tags_only = true;
    for (uint32_t i = 0; i < scan->chunks && !scan->no_memory; i++)
        if (tw__chunk_peek(scan->reader, i, &info) && info.closed && info.last_tick < scan->since_tick &&
            !tw__tick_before(info.last_tick, oldest))
            one_chunk(scan, &info, bytes);
}

static int newest_first(const void *a, const void *b)
{
    const struct tw__rank *x = a, *y = b;
    if (x->written != y->written) return x->written > y->written ? -1 : 1;
    return (x->order < y->order) - (x->order > y->order);
}

/* Of all records only the newest count; those that were found and are older go. */
static void apply_bound(struct tw__scan *scan)
{
    if (scan->bound == 0 || scan->rank_count <= scan->bound) return;
    qsort(scan->ranks, scan->rank_count, sizeof *scan->ranks, newest_first);
    const struct tw__rank *oldest = &scan->ranks[scan->bound - 1];
    size_t kept = 0;
    for (size_t i = 0; i < scan->found.count; i++) {
        const struct tw__found *f = &scan->found.items[i];
        struct tw__rank rank = {f->written, f->image.order};
        if (newest_first(&rank, oldest) <= 0) scan->found.items[kept++] = *f;
    }
    scan->found.count = kept;
}

bool tw__scan_run(struct tw__scan *scan)
{
    const struct tw__header *h = tw__view_header(scan->reader);
    const struct tw_query *query = scan->query;
    if (query->trace_id) {
        scan->trace[0] = tw__be64(query->trace_id);
        scan->trace[1] = tw__be64(query->trace_id + 8);
    }
    scan->cleared = tw__load_relaxed(&h->cleared_tick);
    scan->bound = tw__load_relaxed(&h->event_bound);
    scan->next_ticket = tw__load_relaxed(&h->next_ticket);
    scan->chunk_count = tw__load_relaxed(&h->chunk_count);
    scan->chunks = tw__view_chunks(scan->reader);
    scan->pass_chunks = scan->chunks;
    uint64_t oldest = scan->chunk_count ? (scan->next_ticket + 1) % scan->chunk_count : 0;
    /* Else it is the first lap. */
    if (query->after && query->max_bytes && oldest < scan->chunks) scan->pass_from = (uint32_t)oldest;
    uint64_t since = query->since_ns ? tw__time_tick(scan->time, query->since_ns) : 0;
    scan->since_tick = since > TICK_MARGIN ? since - TICK_MARGIN : 0;

    if (query->open_spans || query->only_open) scan_slots(scan);
    if (query->only_open) scan->pass_done = scan->pass_chunks; /* no chunk is asked for */
    if (query->only_open || scan->no_memory) return !scan->no_memory;
    /* Aligned as their source: copies are faster. */
    uint64_t *bytes = aligned_alloc(TW__CHUNK_BYTES, 2 * (size_t)TW__CHUNK_BYTES);
    if (!bytes || !tw__position_begin(scan)) {
        free(bytes);
        scan->no_memory = true;
        return false;
    }
    scan->taken = 0; /* of chunks alone: open spans, and tags that wait, are there every time */
    scan_chunks(scan, bytes);
    apply_bound(scan);
    if (!query->after) scan_skipped(scan, bytes);
    free(bytes);
    return !scan->no_memory;
}

void tw__scan_fini(struct tw__scan *scan)
{
    free(scan->found.items);
    free(scan->opens.items);
    free(scan->tags.items);
    free(scan->ranks);
    free(scan->marks);
}
