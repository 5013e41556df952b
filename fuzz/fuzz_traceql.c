/* Whatever is understood is a search that can be run: over a small trace, whole, as it is over one that is found. What
 * is refused has a place and a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/span_fields.h"
#include "query/spansets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SPANS = 12 };

/* A root, a chain, siblings, orphans, a loop; events and links on some. */
static struct tw__spans *trace_of(void)
{
    static const uint8_t parents[SPANS] = {0, 1, 1, 2, 2, 3, 98, 7, 99, 11, 10, 6};
    static struct tw__spans spans;
    static struct tw_tag_value tags[] = {
        {.key = {"k", 1}, .type = TW_TYPE_INT, .value.i = 3},
        {.key = {"a", 1}, .type = TW_TYPE_STR, .text = {"x y", 3}},
        {.key = {"r", 1}, .type = TW_TYPE_DOUBLE, .value.d = 0.5},
        {.key = {"v", 1}, .type = TW_TYPE_BOOL, .value.u = 1},
    };
    static struct tw__span_event events[] = {{.time_ns = 7, .name = {"miss", 4}, .tags = tags, .tag_count = 2},
                                             {.time_ns = 9, .name = {"", 0}}};
    static struct tw__span_link links[] = {{.trace_id = {5}, .span_id = {6}, .tags = tags, .tag_count = 4}};
    if (spans.count) return &spans;
    struct tw__resource resource = {.service = {"cart", 4}, .tags = tags, .tag_count = 2};
    (void)tw__spans_add_resource(&spans, &resource);
    (void)tw__spans_add_resource(&spans, &(struct tw__resource){.service = {"db", 2}});
    (void)tw__spans_add_scope(&spans, &(struct tw__scope){0});
    (void)tw__spans_add_scope(&spans, &(struct tw__scope){.name = {"sql", 3}, .tags = tags, .tag_count = 3});
    for (uint8_t i = 0; i < SPANS; i++) {
        struct tw__span *span = tw__spans_add(&spans, i & 1, i % 3 == 0);
        if (!span) abort();
        span->span_id[7] = i + 1;
        span->parent_id[7] = parents[i];
        span->start_ns = i;
        span->end_ns = 5U * i;
        span->name = (struct tw_text){&"abcdefghijkl"[i], 1};
        span->kind = i % 5;
        span->status = i % 3;
        span->tags = tags;
        span->tag_count = i % 5;
        span->events = events;
        span->event_count = i % 3;
        span->links = links;
        span->link_count = i % 2;
    }
    return &spans;
}

static void search(const struct tw__traceql *traceql)
{
    struct tw__spansets *spansets = NULL;
    struct tw__refusal refusal;
    struct tw__search search = {.limit = 1};
    int code = tw__spansets_new(traceql, &spansets, &refusal);
    if (code < 0) {
        if (spansets || refusal.code != code || !refusal.text[0]) abort();
        return;
    }
    tw__spansets_apply(spansets, &search);
    const struct tw__spans *trace = trace_of();
    const struct tw__trace_view view = {.duration_ns = 55, .spans = SPANS, .name = {"a", 1}, .service = {"cart", 4}};
    uint32_t selected[SPANS] = {0};
    bool found = false;
    if (search.whole.select && search.whole.select(search.whole.data, trace, &view, selected) < 0) abort();
    for (size_t i = 0; i < SPANS; i++) found |= selected[i] != 0;
    /* A trace of which spans are selected has one that the store would have found it by. */
    bool way = !search.spans.filter.match;
    for (size_t i = 0; i < SPANS && !way; i++)
        way = search.spans.filter.match(search.spans.filter.data, trace, i) ||
              search.whole.by_root; /* which root that is, the filter cannot say */
    if (found && !way && search.whole.needed) abort();
    tw__spansets_free(spansets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__traceql traceql;
    struct tw__refusal refusal;
    int code = tw__traceql_parse((const char *)data, size, &traceql, &refusal);
    if (code < 0) {
        if (refusal.code != code || refusal.at > size || !refusal.text[0]) abort();
    } else {
        if (traceql.stage_count == 0 || traceql.stages[0].kind != TW__TRACEQL_SPANSETS) abort();
        search(&traceql);
    }
    tw__traceql_fini(&traceql);
    return 0;
}
