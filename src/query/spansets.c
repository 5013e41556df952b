/* spansets: see the header.
 *
 *     { front } >> { status = error } | by(name) | count() > 2
 *
 *     candidates   traces with a span of status=error (either side would do; the one that the store can skip by best,
 *                  of all expressions in the query)
 *     each trace   which spans fulfil each filter -> nodes, children first: a span of the right with an ancestor of the
 *                  left -> a number for each span, 0: not selected, else its group -> stage by stage
 *
 * Structure is asked of the trace laid out (query.h), in walking order: parents before children. Spans without a parent
 * in the trace have no siblings. Behind by() an expression is one of each group: && and structure do not cross them.
 * Invariant: every step is linear in the spans of the trace, but the layout, n log n; what a trace costs in memory is
 * freed before the next, and is limited (run_bytes_max).
 * Of a field with several values, as of events, the first counts in by() and in aggregates.
 */
#include "query/spansets.h"

#include <stdlib.h>
#include <string.h>

#include "model/span_fields.h"
#include "query/relatives.h"
#include "query/where.h"
#include "store/hash.h"

#define NONE UINT32_MAX

static const size_t run_bytes_max = (size_t)1 << 30;

struct tw__spansets {
    const struct tw__traceql *query;
    struct tw__where *filters[TW__TRACEQL_FILTERS]; /* NULL: every span */
    struct tw__where *candidates;                   /* NULL: every trace */
    bool whole;
};

/* One trace under way. */
struct run {
    const struct tw__spansets *spansets;
    const struct tw__spans *trace;
    const struct tw__trace_view *of;
    struct tw__pool pool;
    struct tw__trace_layout layout; /* count 0: not yet laid out */
    bool *nodes[TW__TRACEQL_NODES]; /* by span */
    uint32_t *group;                /* by span; 0: not selected */
    uint32_t groups;                /* numbers up to it */
};

/* -- expressions */

/* Which groups have a span of these. */
static bool *groups_with(struct run *run, const bool *spans)
{
    bool *of = tw__pool_zeroed(&run->pool, run->groups + (size_t)1, sizeof *of);
    for (size_t i = 0; i < run->trace->count && of; i++)
        if (spans[i]) of[run->group[i]] = true;
    return of;
}

/* && of each group by itself. */
static int run_logic(struct run *run, const struct tw__spanset_node *node, bool *out)
{
    const bool *a = run->nodes[node->a], *b = run->nodes[node->b];
    const bool *with_a = groups_with(run, a), *with_b = groups_with(run, b);
    if (!with_a || !with_b) return TW_ERR_MEMORY;
    for (size_t i = 0; i < run->trace->count; i++) {
        bool both = with_a[run->group[i]] && with_b[run->group[i]];
        out[i] = (a[i] || b[i]) && (both || node->op == TW__SPANSET_OR);
    }
    return 0;
}

static int run_structure(struct run *run, const struct tw__spanset_node *node, bool *out)
{
    const bool *a = run->nodes[node->a], *b = run->nodes[node->b];
    enum tw__spanset_op op = (enum tw__spanset_op)node->op;
    if (run->layout.count == 0) {
        int error = tw__query_layout(run->trace, &run->pool, &run->layout);
        if (error) return error;
    }
    const struct tw__relations r = {&run->layout, run->group, run->groups, &run->pool};
    const bool *right = tw__relatives(&r, op, false, a), *left = node->of_both ? tw__relatives(&r, op, true, b) : NULL;
    if (!right || (node->of_both && !left)) return TW_ERR_MEMORY;
    for (size_t i = 0; i < run->trace->count; i++)
        out[i] = (b[i] && right[i] != node->negated) || (left && a[i] && left[i]);
    return 0;
}

/* An expression, of the spans that are selected. */
static int run_spansets(struct run *run, const struct tw__traceql_stage *stage)
{
    const struct tw__traceql *query = run->spansets->query;
    size_t count = run->trace->count;
    int error = 0;
    for (unsigned n = stage->first; n <= stage->node && !error; n++) {
        const struct tw__spanset_node *node = &query->nodes[n];
        bool *out = run->nodes[n] = tw__pool_zeroed(&run->pool, count + 1, sizeof *out);
        if (!out) return TW_ERR_MEMORY;
        if (node->op == TW__SPANSET_FILTER) {
            const struct tw__where *filter = run->spansets->filters[node->a];
            if (filter)
                tw__where_select(filter, run->trace, run->of, out);
            else
                memset(out, true, count);
            for (size_t i = 0; i < count; i++) out[i] = out[i] && run->group[i];
        } else {
            error = node->op <= TW__SPANSET_OR ? run_logic(run, node, out) : run_structure(run, node, out);
        }
    }
    for (size_t i = 0; i < count && !error; i++)
        if (!run->nodes[stage->node][i]) run->group[i] = 0;
    return error;
}

/* -- fields */

bool tw__traceql_value(const struct tw__traceql_field *field, const struct tw__span_view *view, struct tw__field *out)
{
    for (unsigned k = 0; k < 2 && field->keys[k].len; k++) {
        struct tw__field_key key = {field->keys[k].ptr, field->keys[k].len, field->ids[k], 0};
        for (; tw__span_field(view, &key, out); key.nth++) {
            if (out->type != TW__FIELD_NONE) return true;
            if (!tw__span_schema.many(key.id)) break;
        }
    }
    return false;
}

/* The view belongs to the span, for as long as the value is looked at. */
static bool value_of(struct run *run, unsigned field, size_t span, struct tw__span_view *view, struct tw__field *out)
{
    tw__span_view_span(view, run->trace, &run->trace->items[span]);
    view->trace = run->of;
    return tw__traceql_value(&run->spansets->query->fields[field], view, out);
}

struct sum {
    double sum, least, most;
    uint64_t count;
};

static bool passes(const struct tw__traceql_stage *stage, const struct sum *sum)
{
    double value = stage->aggregate == TW__TRACEQL_AGG_COUNT ? (double)sum->count
                   : stage->aggregate == TW__TRACEQL_AGG_SUM ? sum->sum
                   : stage->aggregate == TW__TRACEQL_AGG_AVG ? sum->sum / (double)sum->count
                   : stage->aggregate == TW__TRACEQL_AGG_MIN ? sum->least
                                                             : sum->most;
    if (sum->count == 0) return false;
    unsigned order = value < stage->number   ? TW__FILTER_IF_LESS
                     : value > stage->number ? TW__FILTER_IF_GREATER
                                             : TW__FILTER_IF_EQUAL;
    return (stage->orders & order) != 0;
}

static int run_aggregate(struct run *run, const struct tw__traceql_stage *stage)
{
    struct sum *sums = tw__pool_zeroed(&run->pool, run->groups + (size_t)1, sizeof *sums);
    if (!sums) return TW_ERR_MEMORY;
    for (size_t i = 0; i < run->trace->count; i++) {
        struct sum *sum = &sums[run->group[i]];
        struct tw__span_view view;
        struct tw__field value;
        double number = 0;
        if (run->group[i] == 0) continue;
        if (stage->aggregate != TW__TRACEQL_AGG_COUNT &&
            !(value_of(run, stage->field, i, &view, &value) && tw__field_double(&value, &number)))
            continue;
        if (sum->count == 0 || number < sum->least) sum->least = number;
        if (sum->count == 0 || number > sum->most) sum->most = number;
        sum->sum += number;
        sum->count++;
    }
    for (size_t i = 0; i < run->trace->count; i++)
        if (run->group[i] && !passes(stage, &sums[run->group[i]])) run->group[i] = 0;
    return 0;
}

/* -- groups */

struct group {
    uint32_t of; /* the group that was divided */
    uint8_t type;
    const char *bytes;
    size_t len;
};

/* Spans without the attribute are a group too. */
static int run_by(struct run *run, const struct tw__traceql_stage *stage)
{
    size_t cap = 16, count = 0, room = 0;
    struct group *known = NULL;
    while (cap < 2 * run->trace->count) cap *= 2;
    uint32_t *slots = tw__pool_zeroed(&run->pool, cap, sizeof *slots);
    if (!slots) return TW_ERR_MEMORY;
    for (size_t i = 0; i < run->trace->count; i++) {
        struct tw__span_view view;
        struct tw__field value = {.type = TW__FIELD_NONE};
        if (run->group[i] == 0) continue;
        if (!value_of(run, stage->field, i, &view, &value)) value = (struct tw__field){.type = TW__FIELD_NONE};
        bool text = value.type == TW__FIELD_TEXT || value.type == TW__FIELD_BYTES;
        uint64_t bits = value.type == TW__FIELD_NONE ? 0 : value.u;
        struct group mine = {run->group[i], (uint8_t)value.type, text ? value.ptr : (const char *)&bits,
                             text ? value.len : sizeof bits};
        size_t at = tw__hash_seeded(mine.bytes, mine.len, mine.of) & (cap - 1);
        for (; slots[at]; at = (at + 1) & (cap - 1)) {
            const struct group *one = &known[slots[at] - 1];
            if (one->of == mine.of && one->type == mine.type && one->len == mine.len &&
                (mine.len == 0 || memcmp(one->bytes, mine.bytes, mine.len) == 0))
                break;
        }
        if (!slots[at]) {
            mine.bytes = tw__pool_copy(&run->pool, mine.bytes, mine.len);
            if (!mine.bytes || tw__pool_grow(&run->pool, &known, count, &room, sizeof *known) < 0) return TW_ERR_MEMORY;
            known[count++] = mine;
            slots[at] = (uint32_t)count;
        }
        run->group[i] = slots[at];
    }
    run->groups = (uint32_t)count;
    return 0;
}

/* -- all of it */

static int run_stages(struct run *run)
{
    const struct tw__traceql *query = run->spansets->query;
    int error = 0;
    for (size_t i = 0; i < run->trace->count; i++) run->group[i] = 1;
    run->groups = 1;
    for (unsigned s = 0; s < query->stage_count && !error; s++) {
        const struct tw__traceql_stage *stage = &query->stages[s];
        if (stage->kind == TW__TRACEQL_SPANSETS) error = run_spansets(run, stage);
        if (stage->kind == TW__TRACEQL_AGGREGATE) error = run_aggregate(run, stage);
        if (stage->kind == TW__TRACEQL_BY) error = run_by(run, stage);
        for (size_t i = 0; stage->kind == TW__TRACEQL_COALESCE && i < run->trace->count; i++)
            if (run->group[i]) run->group[i] = 1;
    }
    return error;
}

static int select_spans(void *data, const struct tw__spans *trace, const struct tw__trace_view *of, uint32_t *sets)
{
    struct run run = {.spansets = data, .trace = trace, .of = of, .group = sets, .pool.limit_bytes = run_bytes_max};
    int error = run_stages(&run);
    tw__pool_fini(&run.pool);
    return error;
}

/* -- making it */

struct candidates {
    struct tw_text text; /* empty: every span */
    unsigned rank;       /* how much of it the store can skip by */
};

static int either(struct tw__pool *pool, const struct candidates *a, const struct candidates *b, struct candidates *out)
{
    *out = (struct candidates){{"", 0}, 0};
    if (a->text.len == 0 || b->text.len == 0) return 0;
    struct tw__buf text = {0};
    /* Nothing is weaker than or: no parentheses, which may be too many inside each other. */
    tw__buf_fmt(&text, "%.*s or %.*s", (int)a->text.len, a->text.ptr, (int)b->text.len, b->text.ptr);
    *out =
        (struct candidates){{tw__pool_copy(pool, text.ptr, text.len), text.len}, a->rank < b->rank ? a->rank : b->rank};
    bool failed = text.failed || !out->text.ptr;
    tw__buf_fini(&text);
    return failed ? TW_ERR_MEMORY : 0;
}

/* Of each stage of spansets some span must be left, whatever stands before it: the one counts that the store can skip
 * by best. A metric counts spans of its time, so its candidates are the spans that are left, not what they need beside
 * them, which may have been before. */
static int choose_candidates(const struct tw__spansets *spansets, struct tw__pool *pool, struct candidates *out)
{
    const struct tw__traceql *query = spansets->query;
    struct candidates of[TW__TRACEQL_NODES];
    bool counts = query->metric.function != TW__TRACEQL_NONE;
    int error = 0;
    *out = (struct candidates){{"", 0}, 0};
    for (unsigned s = 0; s < query->stage_count && !error; s++) {
        const struct tw__traceql_stage *stage = &query->stages[s];
        if (stage->kind != TW__TRACEQL_SPANSETS) continue;
        for (unsigned n = stage->first; n <= stage->node && !error; n++) {
            const struct tw__spanset_node *node = &query->nodes[n];
            const struct candidates *a = &of[node->a], *b = &of[node->b];
            if (node->op == TW__SPANSET_FILTER)
                of[n] = (struct candidates){query->filters[node->a], tw__where_rank(spansets->filters[node->a])};
            else if (node->op == TW__SPANSET_OR || (counts && (node->op == TW__SPANSET_AND || node->of_both)))
                error = either(pool, a, b, &of[n]);
            else
                of[n] = counts || node->negated || b->rank >= a->rank ? *b : *a;
        }
        if (!error && of[stage->node].rank > out->rank) *out = of[stage->node];
    }
    return error;
}

/* A filter that a span of every trace with a result meets. Each filter by itself is right; when several together are
 * more than one filter may be, every trace is a candidate. */
static int find_candidates(struct tw__spansets *spansets)
{
    struct tw__pool pool = {0};
    struct candidates best;
    struct tw__refusal ignored = {0};
    int error = choose_candidates(spansets, &pool, &best);
    if (!error && best.text.len) error = tw__where_new(best.text.ptr, best.text.len, &spansets->candidates, &ignored);
    tw__pool_fini(&pool);
    return error == TW_ERR_MEMORY ? error : 0;
}

int tw__spansets_new(const struct tw__traceql *traceql, struct tw__spansets **out, struct tw__refusal *refusal)
{
    struct tw__spansets *spansets = calloc(1, sizeof *spansets);
    int error = spansets ? 0 : TW_ERR_MEMORY;
    *refusal = (struct tw__refusal){0};
    for (unsigned f = 0; f < traceql->filter_count && !error; f++) {
        const struct tw_text *text = &traceql->filters[f];
        if (text->len) error = tw__where_new(text->ptr, text->len, &spansets->filters[f], refusal);
    }
    if (!error) {
        spansets->query = traceql;
        spansets->whole = !tw__traceql_is_filter(traceql);
        error = spansets->whole ? find_candidates(spansets) : 0;
    }
    if (error) {
        tw__spansets_free(spansets);
        (void)tw__refuse(refusal, error, 0, "out of memory");
        return error;
    }
    *out = spansets;
    return 0;
}

void tw__spansets_free(struct tw__spansets *spansets)
{
    if (!spansets) return;
    for (unsigned f = 0; f < TW__TRACEQL_FILTERS; f++) tw__where_free(spansets->filters[f]);
    tw__where_free(spansets->candidates);
    free(spansets);
}

void tw__spansets_apply(struct tw__spansets *spansets, struct tw__search *search)
{
    struct tw__where *finding = spansets->whole ? spansets->candidates : spansets->filters[0];
    if (finding) tw__where_apply(finding, search);
    if (!spansets->whole) return;
    search->whole.select = select_spans;
    search->whole.data = spansets;
    search->whole.parts = TW__PART_TAGS | TW__PART_RESOURCES;
    search->whole.needed = search->whole.by_others = true;
    search->whole.by_root = false;
    for (unsigned f = 0; f < spansets->query->filter_count; f++)
        search->whole.parts |= tw__where_parts(spansets->filters[f]);
    for (unsigned f = 0; f < spansets->query->field_count; f++)
        for (unsigned k = 0; k < 2 && spansets->query->fields[f].keys[k].len; k++)
            search->whole.parts |= tw__where_parts_of(spansets->query->fields[f].keys[k]);
    search->matched_places = spansets->query->places;
}
