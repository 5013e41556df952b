/* search: traces by one of their spans.
 *
 *     find spans -> their traces, in the order of the first span of each -> summary of each whole trace -> conditions on it
 *
 * As many spans are asked for as are likely to be needed, and more if that was wrong, up to what the store gives at once.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "query/query.h"

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 1000, SPANS_A_TRACE = 8, SPANS_MIN = 128, SPANS_MAX = 20000 };

/* -- summaries */

static int by_service(const void *a, const void *b)
{
    const struct tw__summary_service *one = a, *two = b;
    size_t len = one->name.len < two->name.len ? one->name.len : two->name.len;
    int order = len ? memcmp(one->name.ptr, two->name.ptr, len) : 0;
    if (order) return order;
    return one->name.len < two->name.len ? -1 : one->name.len > two->name.len;
}

static int count_services(const struct tw__spans *spans, struct tw__pool *pool, struct tw__summary *out)
{
    struct tw__summary_service *services = tw__pool_zeroed(pool, spans->resource_count + 1, sizeof *services);
    uint32_t *of = tw__pool_take(pool, (spans->resource_count + 1) * sizeof *of, 4), count = 0;
    if (!services || !of) return TW_ERR_MEMORY;
    for (size_t r = 0; r < spans->resource_count; r++) {
        struct tw_text name = spans->resources[r].service;
        uint32_t at = 0;
        while (at < count &&
               (services[at].name.len != name.len || memcmp(services[at].name.ptr, name.ptr, name.len) != 0))
            at++;
        if (at == count) {
            services[at].name = (struct tw_text){tw__pool_copy(pool, name.ptr, name.len), name.len};
            if (!services[at].name.ptr) return TW_ERR_MEMORY;
            count++;
        }
        of[r] = at;
    }
    for (size_t i = 0; i < spans->count; i++) {
        struct tw__summary_service *service = &services[of[spans->items[i].resource]];
        service->spans++;
        service->errors += spans->items[i].status == TW_STATUS_ERROR;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (services[i].spans) services[kept++] = services[i];
    if (kept) qsort(services, kept, sizeof *services, by_service);
    out->services = services;
    out->service_count = kept;
    return 0;
}

int tw__query_summary(const struct tw__spans *spans, struct tw__pool *pool, struct tw__summary *out)
{
    struct tw__summary summary = {.start_ns = UINT64_MAX, .rootless = true};
    const struct tw__span *root = NULL;
    uint64_t end_ns = 0;
    if (spans->count == 0) return TW_ERR_NOT_FOUND;
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        uint64_t end = span->start_ns + tw__span_duration_ns(span);
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

/* -- the search */

static bool same_trace(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 16) == 0;
}

/* The first spans of the trace among those found. */
static int take_matched(const struct tw__spans *found, struct tw__pool *pool, struct tw__summary *summary)
{
    struct tw__span *matched = tw__pool_take(pool, TW__MATCHED_MAX * sizeof *matched, 8);
    uint32_t kept = 0;
    if (!matched) return TW_ERR_MEMORY;
    for (size_t i = 0; i < found->count; i++) {
        const struct tw__span *span = &found->items[i];
        if (!same_trace(span->trace_id, summary->trace_id)) continue;
        if (summary->matched_count++ >= TW__MATCHED_MAX) continue;
        matched[kept] = *span;
        matched[kept].name = (struct tw_text){tw__pool_copy(pool, span->name.ptr, span->name.len), span->name.len};
        matched[kept].status_message = matched[kept].trace_state = (struct tw_text){"", 0};
        matched[kept].tags = NULL;
        matched[kept].tag_count = 0;
        if (!matched[kept++].name.ptr) return TW_ERR_MEMORY;
    }
    summary->matched = matched;
    return 0;
}

static bool seen_before(const struct tw__spans *found, size_t index)
{
    for (size_t i = index; i-- > 0;)
        if (same_trace(found->items[i].trace_id, found->items[index].trace_id)) return true;
    return false;
}

/* One trace after the other until there are enough. *enough: there are, or all spans have been looked at. */
static int take_traces(struct tw__store *store, const struct tw__search *search, size_t limit,
                       const struct tw__spans *found, struct tw__pool *pool, struct tw__summaries *out)
{
    struct tw__spans trace = {0};
    int error = 0;
    for (size_t i = 0; i < found->count && !error; i++) {
        struct tw__summary summary;
        if (seen_before(found, i)) continue;
        if (out->count == limit) {
            out->more = true;
            break;
        }
        tw__spans_reset(&trace);
        error = tw__store_trace(store, found->items[i].trace_id, 0, &trace);
        bool gone = error == TW_ERR_NOT_FOUND || (error == TW_ERR_CORRUPT && trace.count == 0);
        if (gone || error == TW_ERR_CORRUPT) error = 0;
        if (error || gone) continue;
        error = tw__query_summary(&trace, pool, &summary);
        if (error || summary.duration_ns < search->min_trace_ns ||
            (search->max_trace_ns && summary.duration_ns > search->max_trace_ns))
            continue;
        error = take_matched(found, pool, &summary);
        if (!error) out->items[out->count++] = summary;
    }
    tw__spans_fini(&trace);
    return error;
}

int tw__query_search(struct tw__store *store, const struct tw__search *search, struct tw__pool *pool,
                     struct tw__summaries *out)
{
    size_t limit = search->limit ? search->limit : LIMIT_DEFAULT;
    if (limit > LIMIT_MAX) limit = LIMIT_MAX;
    struct tw__summaries summaries = {.items = tw__pool_take(pool, limit * sizeof *summaries.items, 8)};
    struct tw__store_query query = search->spans;
    struct tw__spans found = {0};
    if (!summaries.items) return TW_ERR_MEMORY;
    query.limit = limit * SPANS_A_TRACE < SPANS_MIN ? SPANS_MIN : limit * SPANS_A_TRACE;
    int error;
    for (;;) {
        tw__spans_reset(&found);
        error = tw__store_find(store, &query, 0, &found);
        summaries.count = 0;
        summaries.more = false;
        if (!error) error = take_traces(store, search, limit, &found, pool, &summaries);
        /* Copies that were folded make less of the limit: half of it means that there was no more. */
        bool all = found.count < query.limit / 2 + 1;
        if (error || all || summaries.count == limit || query.limit >= SPANS_MAX) {
            summaries.more |= !all && summaries.count < limit;
            break;
        }
        query.limit = query.limit * 4 < SPANS_MAX ? query.limit * 4 : SPANS_MAX;
    }
    tw__spans_fini(&found);
    if (!error) *out = summaries;
    return error;
}
