/* layout: a trace as a forest in walking order, with its further causes and its critical path.
 *
 *     index by span id -> tree parents, loops cut -> children by begin -> order, depth, size of subtrees
 *         -> causes -> path
 *
 * Invariant: whatever the ids say, each span stands once in the order and parent chains end: a span whose chain comes
 * back to itself becomes a top. No recursion: a trace may be a million spans deep.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "query/path.h"

#define NONE UINT32_MAX

struct laying {
    const struct tw__spans *spans;
    struct tw__pool *pool;   /* of the caller: what is handed out */
    struct tw__pool scratch; /* the rest */
    size_t count;
    uint32_t *slots, mask;
    uint32_t *parent; /* by span: index of its tree parent */
    bool *orphan;
    uint32_t *first, *children; /* children of span i: children[first[i]] to children[first[i + 1]]; tops at [count] */
    uint32_t *order, *place;    /* position to span, span to position */
};

static uint64_t id_of(const uint8_t id[8])
{
    uint64_t number;
    memcpy(&number, id, sizeof number);
    return number;
}

/* Every bit of the id counts: counters as ids, whose changing byte is the last one, would else share a few slots. The
 * mixer of splitmix64. */
static uint32_t slot_of(const struct laying *l, uint64_t id)
{
    id = (id ^ id >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    id = (id ^ id >> 27) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(id ^ id >> 31) & l->mask;
}

static uint32_t find(const struct laying *l, const uint8_t id[8])
{
    if (tw__all_zero(id, 8)) return NONE;
    for (uint32_t at = slot_of(l, id_of(id)); l->slots[at]; at = (at + 1) & l->mask)
        if (memcmp(l->spans->items[l->slots[at] - 1].span_id, id, 8) == 0) return l->slots[at] - 1;
    return NONE;
}

static int index_spans(struct laying *l)
{
    size_t cap = 16;
    while (cap < 2 * l->count) cap *= 2;
    l->slots = tw__pool_zeroed(&l->scratch, cap, sizeof *l->slots);
    l->parent = tw__pool_take(&l->scratch, (l->count + 1) * sizeof *l->parent, 4);
    l->orphan = tw__pool_zeroed(&l->scratch, l->count + 1, sizeof *l->orphan);
    if (!l->slots || !l->parent || !l->orphan) return TW_ERR_MEMORY;
    l->mask = (uint32_t)(cap - 1);
    for (size_t i = 0; i < l->count; i++) {
        const uint8_t *id = l->spans->items[i].span_id;
        if (tw__all_zero(id, 8) || find(l, id) != NONE) continue;
        uint32_t at = slot_of(l, id_of(id));
        while (l->slots[at]) at = (at + 1) & l->mask;
        l->slots[at] = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < l->count; i++) {
        const struct tw__span *span = &l->spans->items[i];
        l->parent[i] = find(l, span->parent_id);
        if (l->parent[i] == i) l->parent[i] = NONE;
        l->orphan[i] = l->parent[i] == NONE && !tw__all_zero(span->parent_id, 8);
    }
    return 0;
}

/* Follows each chain once; one that meets itself is cut where it began. */
static int cut_loops(struct laying *l)
{
    uint32_t *seen = tw__pool_zeroed(&l->scratch, l->count + 1, sizeof *seen); /* by which walk */
    if (!seen) return TW_ERR_MEMORY;
    for (size_t i = 0; i < l->count; i++) {
        uint32_t at = (uint32_t)i;
        while (at != NONE && !seen[at]) {
            seen[at] = (uint32_t)i + 1;
            at = l->parent[at];
        }
        if (at == NONE || seen[at] != i + 1) continue;
        l->parent[at] = NONE;
        l->orphan[at] = true;
    }
    return 0;
}

/* Spans come by begin, so children that are counted in that order are by begin. */
static int list_children(struct laying *l)
{
    l->first = tw__pool_zeroed(&l->scratch, l->count + 2, sizeof *l->first);
    l->children = tw__pool_take(&l->scratch, (l->count + 1) * sizeof *l->children, 4);
    uint32_t *sorted = tw__sorted_by_begin(l->spans, &l->scratch);
    if (!l->first || !l->children || !sorted) return TW_ERR_MEMORY;
    for (size_t i = 0; i < l->count; i++) l->first[(l->parent[i] == NONE ? l->count : l->parent[i]) + 1]++;
    for (size_t i = 0; i <= l->count; i++) l->first[i + 1] += l->first[i];
    uint32_t *at = tw__pool_take(&l->scratch, (l->count + 1) * sizeof *at, 4);
    if (!at) return TW_ERR_MEMORY;
    memcpy(at, l->first, (l->count + 1) * sizeof *at);
    for (size_t i = 0; i < l->count; i++) {
        uint32_t span = sorted[i];
        l->children[at[l->parent[span] == NONE ? l->count : l->parent[span]]++] = span;
    }
    return 0;
}

static int walk(struct laying *l, struct tw__trace_layout *out)
{
    size_t n = l->count, done = 0, top = 0;
    l->order = tw__pool_take(l->pool, (n + 1) * sizeof *l->order, 4);
    l->place = tw__pool_take(&l->scratch, (n + 1) * sizeof *l->place, 4);
    uint32_t *parent = tw__pool_take(l->pool, (n + 1) * sizeof *parent, 4);
    uint32_t *depth = tw__pool_take(l->pool, (n + 1) * sizeof *depth, 4);
    uint32_t *size = tw__pool_take(l->pool, (n + 1) * sizeof *size, 4);
    uint32_t *stack = tw__pool_take(&l->scratch, (n + 1) * sizeof *stack, 4);
    bool *orphan = tw__pool_take(l->pool, n + 1, 1);
    if (!l->order || !l->place || !parent || !depth || !size || !stack || !orphan) return TW_ERR_MEMORY;
    for (uint32_t i = l->first[n + 1]; i-- > l->first[n];) stack[top++] = l->children[i];
    while (top > 0) {
        uint32_t span = stack[--top];
        l->order[done] = span;
        l->place[span] = (uint32_t)done;
        parent[done] = l->parent[span] == NONE ? NONE : l->place[l->parent[span]];
        depth[done] = parent[done] == NONE ? 0 : depth[parent[done]] + 1;
        orphan[done] = l->orphan[span];
        size[done++] = 1;
        for (uint32_t i = l->first[span + 1]; i-- > l->first[span];) stack[top++] = l->children[i];
    }
    for (size_t i = done; i-- > 0;)
        if (parent[i] != NONE) size[parent[i]] += size[i];
    out->count = done;
    out->order = l->order;
    out->parent = parent;
    out->depth = depth;
    out->tree_size = size;
    out->orphan = orphan;
    return 0;
}

static int find_causes(struct laying *l, struct tw__trace_layout *out)
{
    struct tw__trace_cause *causes = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < out->count; i++) {
        const struct tw__span *span = &l->spans->items[out->order[i]];
        for (uint32_t k = 0; k < span->link_count; k++) {
            const struct tw__span_link *link = &span->links[k];
            if (memcmp(link->trace_id, span->trace_id, sizeof link->trace_id) != 0) continue;
            uint32_t from = find(l, link->span_id);
            if (from == NONE || l->place[from] == i) continue;
            if (tw__pool_grow(l->pool, &causes, out->cause_count, &cap, sizeof *causes) < 0) return TW_ERR_MEMORY;
            causes[out->cause_count++] = (struct tw__trace_cause){l->place[from], (uint32_t)i};
        }
    }
    out->causes = causes;
    return 0;
}

int tw__query_layout(const struct tw__spans *spans, struct tw__pool *pool, struct tw__trace_layout *out)
{
    struct laying l = {.spans = spans, .pool = pool, .scratch.limit_bytes = pool->limit_bytes, .count = spans->count};
    struct tw__trace_layout layout = {.start_ns = spans->count ? UINT64_MAX : 0};
    if (spans->count >= NONE) return TW_ERR_RANGE;
    int error = index_spans(&l);
    if (!error) error = cut_loops(&l);
    if (!error) error = list_children(&l);
    if (!error) error = walk(&l, &layout);
    if (!error) error = find_causes(&l, &layout);
    tw__pool_fini(&l.scratch);
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        uint64_t end = tw__span_until_ns(span, 0);
        if (span->start_ns < layout.start_ns) layout.start_ns = span->start_ns;
        if (end > layout.end_ns) layout.end_ns = end;
    }
    if (!error) error = tw__critical_path(spans, pool, &layout);
    if (!error) *out = layout;
    return error;
}
