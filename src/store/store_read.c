/* store_read: traces, scans and heat maps; and how copies of spans are folded. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "store/hash.h"
#include "store/inside.h"
#include "store/sort.h"

/* -- folding */

static int by_begin(const void *a, const void *b)
{
    const struct tw__span *one = a, *two = b;
    if (one->start_ns != two->start_ns) return one->start_ns < two->start_ns ? -1 : 1;
    return memcmp(one->span_id, two->span_id, sizeof one->span_id);
}

/* Replaces copies in place; returns how many spans are left. slots: mask + 1 zeros. */
static size_t fold(struct tw__span *items, size_t count, uint32_t *slots, size_t mask, uint32_t *from)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct tw__span *span = &items[i];
        bool none = tw__all_zero(span->span_id, sizeof span->span_id);
        size_t at = (tw__hash(span->span_id, 8) ^ tw__hash(span->trace_id, 16)) & mask;
        while (!none && slots[at] &&
               (memcmp(items[slots[at] - 1].span_id, span->span_id, sizeof span->span_id) != 0 ||
                memcmp(items[slots[at] - 1].trace_id, span->trace_id, sizeof span->trace_id) != 0))
            at = (at + 1) & mask;
        if (!none && slots[at]) {
            struct tw__span *there = &items[slots[at] - 1];
            if (!tw__later_counts(there->open, span->open)) continue;
            *there = *span;
            if (from) from[slots[at] - 1] = (uint32_t)i;
            continue;
        }
        items[kept] = *span;
        if (from) from[kept] = (uint32_t)i;
        if (!none)
            slots[at] = (uint32_t)++kept;
        else
            kept++;
    }
    return kept;
}

int tw__spans_drop_copies(struct tw__spans *spans, size_t first, uint32_t *from)
{
    size_t count = spans->count - first, cap = 16;
    if (from && count) from[0] = 0;
    if (count < 2) return 0;
    while (cap < 2 * count) cap *= 2;
    uint32_t *slots = calloc(cap, sizeof *slots);
    if (!slots) return TW_ERR_MEMORY;
    spans->count = first + fold(spans->items + first, count, slots, cap - 1, from);
    free(slots);
    return 0;
}

int tw__spans_fold(struct tw__spans *spans, size_t first)
{
    int error = tw__spans_drop_copies(spans, first, NULL);
    if (!error && spans->count - first > 1)
        qsort(spans->items + first, spans->count - first, sizeof *spans->items, by_begin);
    return error;
}

/* -- a trace */

static int trace_of_block(struct tw__part *part, const struct tw__part_block *block, const uint8_t trace_id[16],
                          unsigned parts, struct tw__pool *scratch, struct tw__spans *out)
{
    const void *bytes;
    size_t len;
    struct tw__head head;
    struct tw__tail tail;
    struct tw__contents contents;
    int error = tw__part_head(part, block->id, &bytes, &len);
    if (error) return error;
    /* The filter says yes once too often in a thousand times: the ids alone tell. */
    if (tw__contents_open(bytes, len, &contents) == 0 && !tw__head_may_have(&contents, trace_id)) return 0;
    error = tw__head_read(bytes, len, TW__HEAD_ALL, scratch, &head);
    if (error) return error;
    int trace = tw__head_trace(&head, trace_id);
    if (trace < 0) return 0;
    uint32_t from = head.trace_first[trace], count = head.trace_first[trace + 1] - from;
    uint32_t *rows = tw__pool_take(scratch, count * sizeof *rows, 4);
    if (!rows) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < count; i++) rows[i] = from + i;
    error = tw__part_tail(part, block->id, &bytes, &len);
    if (!error) error = tw__tail_open(bytes, len, &head, &tail);
    struct tw__block_read read = {
        .head = &head, .tail = &tail, .rows = rows, .row_count = count, .parts = parts, .scratch = scratch};
    return error ? error : tw__block_read(&read, out);
}

static int by_seq(const void *a, const void *b)
{
    const struct tw__part_block *one = *(struct tw__part_block *const *)a, *two = *(struct tw__part_block *const *)b;
    if (one->seq != two->seq) return one->seq < two->seq ? -1 : 1;
    return one->id < two->id ? -1 : one->id > two->id;
}

/* Blocks that may have a trace, in the order in which their spans were written; to be freed. NULL: no memory. */
static const struct tw__part_block **find_blocks(const struct tw__view *view, const struct tw__part *part,
                                                 const uint8_t trace_id[16], size_t *count)
{
    const struct tw__part_block **found = malloc((part->block_count + 1) * sizeof(struct tw__part_block *));
    uint64_t hash = tw__trace_hash(trace_id);
    *count = 0;
    for (size_t i = 0; found && i < part->block_count; i++) {
        const struct tw__part_block *block = &part->blocks[i];
        if (block->seq >= view->before_seq) continue;
        if (block->damaged || tw__block_index_may_have(&block->index, hash)) found[(*count)++] = block;
    }
    if (found && *count) qsort(found, *count, sizeof(struct tw__part_block *), by_seq);
    return found;
}

static int trace_of_part(struct tw__view *view, struct tw__part *part, const uint8_t trace_id[16], unsigned parts,
                         struct tw__pool *scratch, struct tw__spans *out)
{
    bool there, damaged = false;
    size_t count;
    int error = tw__view_lock(view, part, &there);
    if (error || !there) return error;
    const struct tw__part_block **blocks = find_blocks(view, part, trace_id, &count);
    if (!blocks) error = TW_ERR_MEMORY;
    for (size_t i = 0; !error && i < count; i++) {
        error = trace_of_block(part, blocks[i], trace_id, parts, scratch, out);
        tw__pool_reset(scratch);
        if (error == TW_ERR_CORRUPT) {
            damaged = true;
            error = 0;
        }
    }
    free(blocks);
    tw__part_unlock(part);
    return error ? error : damaged ? TW_ERR_CORRUPT : 0;
}

static int trace_of_table(struct tw__store *store, const struct tw__table *table, const uint8_t trace_id[16],
                          unsigned parts, struct tw__spans *out)
{
    struct tw__recent_reader reader = {.recent = &table->recent, .parts = parts, .out = out};
    int error = 0;
    bool begun = false;
    (void)pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < table->recent.count.rows && !error; i++) {
        if (memcmp(table->recent.rows[i].trace_id, trace_id, 16) != 0) continue;
        if (!begun) error = tw__recent_read_begin(&reader);
        begun = true;
        if (!error) error = tw__recent_read(&reader, i);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return error;
}

int tw__store_trace(struct tw__store *store, const uint8_t trace_id[16], unsigned parts, struct tw__spans *out)
{
    struct tw__view view;
    struct tw__pool scratch = {.limit_bytes = (size_t)1 << 30};
    size_t first = out->count;
    bool damaged = false;
    int error = tw__view_open(store, 0, 0, &view);
    if (error) return error;
    /* Oldest first: what stands later in the batch was written later. */
    uint64_t hash = tw__trace_hash(trace_id);
    for (size_t i = 0; i < view.part_count && !error; i++) {
        bool may;
        error = tw__known_may_have(&view, view.parts[i], hash, &may);
        if (error || !may) continue;
        error = trace_of_part(&view, view.parts[i], trace_id, parts, &scratch, out);
        if (error == TW_ERR_CORRUPT) {
            damaged = true;
            error = 0;
        }
    }
    for (size_t i = 0; i < view.table_count && !error; i++)
        error = trace_of_table(store, view.tables[i], trace_id, parts, out);
    tw__view_close(&view);
    tw__pool_fini(&scratch);
    if (!error) error = tw__spans_fold(out, first);
    if (error) return error;
    if (damaged) return TW_ERR_CORRUPT;
    return out->count > first ? 0 : TW_ERR_NOT_FOUND;
}

/* -- scans */

struct scanning {
    const struct tw__store_query *query;
    unsigned parts;
    tw__store_fn *fn;
    void *data;
    struct tw__spans spans;
};

static int scan_hits(void *data, struct tw__hits *hits)
{
    struct scanning *scanning = data;
    tw__spans_reset(&scanning->spans);
    int error = tw__hits_read(hits, scanning->parts, NULL, 0, &scanning->spans);
    for (size_t i = 0; i < scanning->spans.count && !error; i++)
        if (!scanning->fn(scanning->data, &scanning->spans, i)) return 1;
    return error;
}

int tw__store_scan(struct tw__store *store, const struct tw__store_query *query, unsigned parts, tw__store_fn *fn,
                   void *data)
{
    struct scanning scanning = {.query = query, .parts = parts, .fn = fn, .data = data};
    struct tw__view view;
    int error = tw__view_open(store, query->since_ns, query->until_ns, &view);
    if (error) return error;
    struct tw__walk walk = {
        .view = &view, .query = query, .times = true, .texts = true, .fn = scan_hits, .data = &scanning};
    error = tw__walk(&walk);
    tw__view_close(&view);
    tw__spans_fini(&scanning.spans);
    return error;
}

/* -- heat maps */

static int heat_hits(void *data, struct tw__hits *hits)
{
    struct tw__store_heat *heat = data;
    if (hits->table) (void)pthread_mutex_lock(&hits->store->lock);
    for (size_t i = 0; i < hits->count; i++) {
        uint32_t row = hits->rows[i];
        uint64_t start, length;
        bool failed;
        if (hits->table) {
            const struct tw__row *it = &hits->table->recent.rows[row];
            start = it->start_ns;
            length = it->end_ns < it->start_ns ? 0 : it->end_ns - it->start_ns;
            failed = it->status == TW_STATUS_ERROR;
        } else {
            const struct tw__class *class = &hits->head->classes[hits->head->class_of[row]];
            start = hits->head->start_ns[row];
            length = hits->head->duration_ns[row];
            if (length >> 63) length = 0;
            failed = class->status == TW_STATUS_ERROR;
        }
        uint64_t column = (start - heat->from_ns) / heat->step_ns;
        if (start < heat->from_ns || column >= heat->columns) continue;
        heat->cells[column][tw__bin_of(length)]++;
        if (heat->errors && failed) heat->errors[column]++;
    }
    if (hits->table) (void)pthread_mutex_unlock(&hits->store->lock);
    return 0;
}

int tw__store_heat(struct tw__store *store, const struct tw__store_query *query, struct tw__store_heat *heat)
{
    struct tw__view view;
    struct tw__store_query within = *query;
    if (heat->step_ns == 0 || heat->columns == 0 || heat->columns > (UINT64_MAX - heat->from_ns) / heat->step_ns)
        return TW_ERR_RANGE;
    uint64_t until = heat->from_ns + heat->columns * heat->step_ns;
    if (within.since_ns < heat->from_ns) within.since_ns = heat->from_ns;
    if (!within.until_ns || within.until_ns > until) within.until_ns = until;
    int error = tw__view_open(store, within.since_ns, within.until_ns, &view);
    if (error) return error;
    struct tw__walk walk = {.view = &view, .query = &within, .times = true, .fn = heat_hits, .data = heat};
    error = tw__walk(&walk);
    tw__view_close(&view);
    return error;
}
