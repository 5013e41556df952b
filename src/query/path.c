/* path: what a trace was waiting for, moment by moment, from its end back to its begin.
 *
 * The walk stands on a span at a time t, first its end. Of everything the span caused (children, and spans that name it
 * as a further parent) the one that ended last, not after t, is what it waited for: from that end to t the span itself
 * was at work; the walk goes into it, and comes back at its begin. A span that was itself waiting for further parents
 * (a link to a span that had ended when it began: a join) leads there first. So the path follows every edge of the
 * graph, and not only those of the tree.
 *
 * Children that run on after their parent count up to the parent's end. A span is entered once, so that the walk ends
 * whatever the times and edges are: O(n log n).
 */
#include <stdlib.h>
#include <string.h>

#include "query/path.h"

#define NONE UINT32_MAX
enum { STACK_MIN = 64 };

struct by_begin {
    uint64_t start_ns;
    uint32_t span;
};

static int compare_begin(const void *a, const void *b)
{
    const struct by_begin *one = a, *two = b;
    if (one->start_ns != two->start_ns) return one->start_ns < two->start_ns ? -1 : 1;
    return one->span < two->span ? -1 : one->span > two->span;
}

static uint32_t *as_they_are(const struct tw__spans *spans, struct tw__pool *pool)
{
    uint32_t *sorted = tw__pool_take(pool, (spans->count + 1) * sizeof *sorted, 4);
    for (size_t i = 0; i < spans->count && sorted; i++) sorted[i] = (uint32_t)i;
    return sorted;
}

/* The store hands out spans by begin: then there is nothing to sort. */
uint32_t *tw__sorted_by_begin(const struct tw__spans *spans, struct tw__pool *pool)
{
    size_t in_order = 1;
    while (in_order < spans->count && spans->items[in_order - 1].start_ns <= spans->items[in_order].start_ns)
        in_order++;
    if (in_order >= spans->count) return as_they_are(spans, pool);
    struct by_begin *items = malloc((spans->count + 1) * sizeof *items);
    uint32_t *sorted = items ? tw__pool_take(pool, (spans->count + 1) * sizeof *sorted, 4) : NULL;
    for (size_t i = 0; i < spans->count && sorted; i++)
        items[i] = (struct by_begin){spans->items[i].start_ns, (uint32_t)i};
    if (sorted && spans->count) qsort(items, spans->count, sizeof *items, compare_begin);
    for (size_t i = 0; i < spans->count && sorted; i++) sorted[i] = items[i].span;
    free(items);
    return sorted;
}

/* What a span caused, the last to end first; and by what else it was caused. Of position i: from first[i] to first[i +
 * 1]. */
struct edge {
    uint32_t from, to;
    uint64_t end_ns; /* of to, or of from for causes */
};

struct frame {
    uint32_t span, next, cause; /* next: of its edges; cause: of the span it came back from, NONE: none */
    uint64_t at_ns;
    bool fresh; /* nothing was waited for yet: what runs on counts up to here */
};

struct walking {
    const struct tw__spans *spans;
    const struct tw__trace_layout *layout;
    struct edge *children, *causes;
    uint32_t *child_first, *cause_first;
    bool *critical;
    uint64_t *critical_ns;
    struct frame *stack;
    size_t depth, stack_cap;
};

static const struct tw__span *span_at(const struct walking *w, uint32_t position)
{
    return &w->spans->items[w->layout->order[position]];
}

static uint64_t end_of(const struct walking *w, uint32_t position)
{
    return tw__span_until_ns(span_at(w, position), w->layout->end_ns);
}

static int last_first(const void *a, const void *b)
{
    const struct edge *one = a, *two = b;
    if (one->from != two->from) return one->from < two->from ? -1 : 1;
    if (one->end_ns != two->end_ns) return one->end_ns > two->end_ns ? -1 : 1;
    return one->to < two->to ? -1 : one->to > two->to;
}

static uint32_t *first_of(struct edge *edges, size_t count, size_t nodes, struct tw__pool *pool)
{
    uint32_t *first = tw__pool_zeroed(pool, nodes + 1, sizeof *first);
    if (!first) return NULL;
    if (count) qsort(edges, count, sizeof *edges, last_first);
    for (size_t i = 0; i < count; i++) first[edges[i].from + 1]++;
    for (size_t i = 0; i < nodes; i++) first[i + 1] += first[i];
    return first;
}

static int list_edges(struct walking *w, struct tw__pool *pool)
{
    const struct tw__trace_layout *layout = w->layout;
    size_t n = layout->count, children = 0;
    w->children = tw__pool_take(pool, (n + layout->cause_count + 1) * sizeof *w->children, 8);
    w->causes = tw__pool_take(pool, (layout->cause_count + 1) * sizeof *w->causes, 8);
    if (!w->children || !w->causes) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        if (layout->parent[i] != NONE) w->children[children++] = (struct edge){layout->parent[i], i, end_of(w, i)};
    for (size_t i = 0; i < layout->cause_count; i++) {
        const struct tw__trace_cause *cause = &layout->causes[i];
        w->children[children++] = (struct edge){cause->from, cause->to, end_of(w, cause->to)};
        w->causes[i] = (struct edge){cause->to, cause->from, end_of(w, cause->from)};
    }
    w->child_first = first_of(w->children, children, n, pool);
    w->cause_first = first_of(w->causes, layout->cause_count, n, pool);
    return w->child_first && w->cause_first ? 0 : TW_ERR_MEMORY;
}

/* Frames that point into the stack are moved by it. */
static bool enter(struct walking *w, uint32_t span, uint64_t at_ns)
{
    if (w->depth == w->stack_cap) {
        size_t more = w->stack_cap ? 2 * w->stack_cap : STACK_MIN;
        struct frame *moved = realloc(w->stack, more * sizeof *moved);
        if (!moved) return false;
        w->stack = moved;
        w->stack_cap = more;
    }
    w->critical[span] = true;
    w->stack[w->depth++] = (struct frame){span, w->child_first[span], NONE, at_ns, true};
    return true;
}

/* The edge that the walk takes from here, and where in time; NULL: none. */
static const struct edge *next_edge(struct walking *w, struct frame *frame, uint64_t *end_ns)
{
    const struct edge *best = NULL;
    for (; frame->next < w->child_first[frame->span + 1]; frame->next++) {
        const struct edge *edge = &w->children[frame->next];
        uint64_t ends = frame->fresh && edge->end_ns > frame->at_ns ? frame->at_ns : edge->end_ns;
        if (w->critical[edge->to] || ends > frame->at_ns || span_at(w, edge->to)->start_ns >= frame->at_ns) continue;
        if (span_at(w, edge->to)->start_ns < span_at(w, frame->span)->start_ns) continue;
        best = edge;
        *end_ns = ends;
        break;
    }
    if (frame->cause == NONE) return best;
    for (uint32_t i = w->cause_first[frame->cause]; i < w->cause_first[frame->cause + 1]; i++) {
        const struct edge *edge = &w->causes[i];
        if (w->critical[edge->to] || edge->end_ns > frame->at_ns) continue;
        if (best && *end_ns >= edge->end_ns) break;
        *end_ns = edge->end_ns;
        return edge;
    }
    return best;
}

static int walk_back(struct walking *w, uint32_t from)
{
    if (!enter(w, from, end_of(w, from))) return TW_ERR_MEMORY;
    while (w->depth > 0) {
        struct frame *frame = &w->stack[w->depth - 1];
        uint64_t start = span_at(w, frame->span)->start_ns, end = 0;
        const struct edge *edge = next_edge(w, frame, &end);
        if (edge) {
            w->critical_ns[frame->span] += frame->at_ns - end;
            frame->at_ns = end;
            frame->fresh = false;
            if (!enter(w, edge->to, end)) return TW_ERR_MEMORY;
            continue;
        }
        if (frame->at_ns > start) w->critical_ns[frame->span] += frame->at_ns - start;
        uint64_t reached = start < frame->at_ns ? start : frame->at_ns;
        uint32_t came_from = frame->span;
        if (--w->depth == 0) break;
        frame = &w->stack[w->depth - 1];
        frame->at_ns = reached;
        frame->cause = came_from;
    }
    return 0;
}

/* Where the trace ends: its root, or without one the top that ends last. */
static uint32_t last_top(const struct walking *w)
{
    uint32_t best = NONE;
    for (uint32_t i = 0; i < w->layout->count; i += w->layout->tree_size[i]) {
        bool root = !w->layout->orphan[i], best_root = best != NONE && !w->layout->orphan[best];
        if (best == NONE || (root && !best_root) || (root == best_root && end_of(w, i) > end_of(w, best))) best = i;
    }
    return best;
}

int tw__critical_path(const struct tw__spans *spans, struct tw__pool *pool, struct tw__trace_layout *layout)
{
    struct walking w = {.spans = spans, .layout = layout};
    size_t n = layout->count;
    w.critical = tw__pool_zeroed(pool, n + 1, sizeof *w.critical);
    w.critical_ns = tw__pool_zeroed(pool, n + 1, sizeof *w.critical_ns);
    if (!w.critical || !w.critical_ns) return TW_ERR_MEMORY;
    layout->critical = w.critical;
    layout->critical_ns = w.critical_ns;
    if (n == 0) return 0;
    struct tw__pool scratch = {.limit_bytes = pool->limit_bytes};
    int error = list_edges(&w, &scratch);
    if (!error) error = walk_back(&w, last_top(&w));
    tw__pool_fini(&scratch);
    free(w.stack);
    return error;
}
