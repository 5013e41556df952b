/* relatives: see the header.
 *
 * One walk in the order of the layout each, parents before children. Invariant: linear in the spans.
 * Rejected: the numbers of nested sets compared pair by pair.
 */
#include "query/relatives.h"

#include "model/map.h"

#define NONE UINT32_MAX

static void of_parents(const struct tw__relations *r, const bool *of, bool *out)
{
    const struct tw__trace_layout *l = r->layout;
    for (size_t p = 0; p < l->count; p++) {
        if (l->parent[p] == NONE) continue;
        uint32_t span = l->order[p], parent = l->order[l->parent[p]];
        out[span] = of[parent] && r->group[parent] == r->group[span];
    }
}

static void of_children(const struct tw__relations *r, const bool *of, bool *out)
{
    const struct tw__trace_layout *l = r->layout;
    for (size_t p = 0; p < l->count; p++) {
        if (l->parent[p] == NONE) continue;
        uint32_t span = l->order[p], parent = l->order[l->parent[p]];
        if (of[span] && r->group[parent] == r->group[span]) out[parent] = true;
    }
}

/* inside[g]: how many of the spans of the group are on the way from the top to here. */
static int of_ancestors(const struct tw__relations *r, const bool *of, bool *out)
{
    const struct tw__trace_layout *l = r->layout;
    uint32_t *inside = tw__pool_zeroed(r->pool, r->groups + (size_t)1, sizeof *inside);
    uint32_t *stack = tw__pool_take(r->pool, (l->count + 1) * sizeof *stack, 4);
    size_t top = 0;
    if (!inside || !stack) return TW_ERR_MEMORY;
    for (size_t p = 0; p < l->count; p++) {
        uint32_t span = l->order[p];
        for (; top && p >= stack[top - 1] + (size_t)l->tree_size[stack[top - 1]]; top--)
            inside[r->group[l->order[stack[top - 1]]]]--;
        out[span] = inside[r->group[span]] > 0;
        if (!of[span]) continue;
        inside[r->group[span]]++;
        stack[top++] = (uint32_t)p;
    }
    return 0;
}

/* before[p]: how many of the spans of its group stood up to it; those of its tree come until it is left. */
static int of_descendants(const struct tw__relations *r, const bool *of, bool *out)
{
    const struct tw__trace_layout *l = r->layout;
    uint32_t *count = tw__pool_zeroed(r->pool, r->groups + (size_t)1, sizeof *count);
    uint32_t *before = tw__pool_take(r->pool, (l->count + 1) * sizeof *before, 4);
    uint32_t *stack = tw__pool_take(r->pool, (l->count + 1) * sizeof *stack, 4);
    size_t top = 0;
    if (!count || !before || !stack) return TW_ERR_MEMORY;
    for (size_t p = 0; p <= l->count; p++) {
        for (; top && p >= stack[top - 1] + (size_t)l->tree_size[stack[top - 1]]; top--) {
            uint32_t left = l->order[stack[top - 1]];
            out[left] = count[r->group[left]] > before[stack[top - 1]];
        }
        if (p == l->count) break;
        uint32_t span = l->order[p];
        count[r->group[span]] += of[span];
        before[p] = count[r->group[span]];
        stack[top++] = (uint32_t)p;
    }
    return 0;
}

static uint32_t *siblings_of(const struct tw__relations *r, struct tw__map *counts, size_t p)
{
    struct tw__map_key key = {{r->layout->parent[p], r->group[r->layout->order[p]]}};
    bool found;
    return tw__map_put(counts, &key, &found);
}

static int of_siblings(const struct tw__relations *r, const bool *of, bool *out)
{
    const struct tw__trace_layout *l = r->layout;
    struct tw__map counts;
    if (!tw__map_init(&counts, l->count + 1)) return TW_ERR_MEMORY;
    for (size_t p = 0; p < l->count; p++)
        if (l->parent[p] != NONE) *siblings_of(r, &counts, p) += of[l->order[p]];
    for (size_t p = 0; p < l->count; p++)
        if (l->parent[p] != NONE) out[l->order[p]] = *siblings_of(r, &counts, p) > of[l->order[p]];
    tw__map_fini(&counts);
    return 0;
}

bool *tw__relatives(const struct tw__relations *r, enum tw__spanset_op op, bool from_left, const bool *of)
{
    bool *out = tw__pool_zeroed(r->pool, r->layout->count + 1, sizeof *out);
    bool down = (op == TW__SPANSET_CHILD || op == TW__SPANSET_DESCENDANT) != from_left;
    int error = 0;
    if (!out) return NULL;
    if (op == TW__SPANSET_SIBLING)
        error = of_siblings(r, of, out);
    else if (op == TW__SPANSET_DESCENDANT || op == TW__SPANSET_ANCESTOR)
        error = down ? of_ancestors(r, of, out) : of_descendants(r, of, out);
    else if (down)
        of_parents(r, of, out);
    else
        of_children(r, of, out);
    return error ? NULL : out;
}
