/* summary: what a list tells of a trace: when, how long, its root, and of each of its services how many spans.
 *
 * Cost: linear in the spans, n log n in the resources, of which a trace may have as many as it has spans.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "model/text.h"
#include "query/query.h"

struct named {
    struct tw_text service;
    uint32_t resource;
};

static int by_service(const void *a, const void *b)
{
    const struct named *one = a, *two = b;
    return tw__text_order(one->service, two->service);
}

/* The resources by service; counts[i] is filled for the first of those of a service. */
static int count_spans(const struct tw__spans *spans, struct tw__pool *scratch, struct named *named,
                       struct tw__summary_service *counts)
{
    size_t count = spans->resource_count, first = 0;
    uint32_t *of = tw__pool_take(scratch, (count + 1) * sizeof *of, 4);
    if (!of) return TW_ERR_MEMORY;
    for (size_t r = 0; r < count; r++) named[r] = (struct named){spans->resources[r].service, (uint32_t)r};
    if (count) qsort(named, count, sizeof *named, by_service);
    for (size_t i = 0; i < count; i++) {
        if (by_service(&named[first], &named[i]) != 0) first = i;
        of[named[i].resource] = (uint32_t)first;
    }
    for (size_t i = 0; i < spans->count; i++) {
        struct tw__summary_service *service = &counts[of[spans->items[i].resource]];
        service->spans++;
        service->errors += spans->items[i].status == TW_STATUS_ERROR;
    }
    return 0;
}

static int count_services(const struct tw__spans *spans, struct tw__pool *pool, struct tw__summary *out)
{
    struct tw__pool scratch = {.limit_bytes = pool->limit_bytes};
    size_t count = spans->resource_count, kept = 0;
    struct named *named = tw__pool_take(&scratch, (count + 1) * sizeof *named, 8);
    struct tw__summary_service *counts = tw__pool_zeroed(&scratch, count + 1, sizeof *counts);
    int error = named && counts ? count_spans(spans, &scratch, named, counts) : TW_ERR_MEMORY;
    for (size_t i = 0; i < count && !error; i++) kept += counts[i].spans > 0;
    struct tw__summary_service *services = error ? NULL : tw__pool_zeroed(pool, kept + 1, sizeof *services);
    kept = 0;
    for (size_t i = 0; i < count && services; i++) {
        if (!counts[i].spans) continue;
        struct tw_text name = named[i].service;
        counts[i].name = (struct tw_text){tw__pool_copy(pool, name.ptr, name.len), name.len};
        services[kept++] = counts[i];
        if (!counts[i].name.ptr) services = NULL;
    }
    out->services = services;
    out->service_count = (uint32_t)kept;
    tw__pool_fini(&scratch);
    return services ? 0 : TW_ERR_MEMORY;
}

int tw__query_summary(const struct tw__spans *spans, struct tw__pool *pool, struct tw__summary *out)
{
    struct tw__summary summary = {.start_ns = UINT64_MAX, .rootless = true};
    const struct tw__span *root = NULL;
    uint64_t end_ns = 0;
    if (spans->count == 0) return TW_ERR_NOT_FOUND;
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        uint64_t end = tw__span_until_ns(span, 0);
        bool parentless = tw__all_zero(span->parent_id, sizeof span->parent_id);
        if (span->start_ns < summary.start_ns) summary.start_ns = span->start_ns;
        if (end > end_ns) end_ns = end;
        summary.error_count += span->status == TW_STATUS_ERROR;
        summary.open_count += span->open;
        bool better = !root || (parentless && summary.rootless) ||
                      (parentless != summary.rootless && span->start_ns < root->start_ns);
        if (!better) continue;
        root = span;
        summary.rootless = !parentless;
    }
    summary.span_count = (uint32_t)spans->count;
    summary.duration_ns = end_ns - summary.start_ns;
    memcpy(summary.trace_id, root->trace_id, sizeof summary.trace_id);
    struct tw_text service = spans->resources[root->resource].service;
    summary.root_service = (struct tw_text){tw__pool_copy(pool, service.ptr, service.len), service.len};
    summary.root_name = (struct tw_text){tw__pool_copy(pool, root->name.ptr, root->name.len), root->name.len};
    if (!summary.root_service.ptr || !summary.root_name.ptr || count_services(spans, pool, &summary) < 0)
        return TW_ERR_MEMORY;
    *out = summary;
    return 0;
}
