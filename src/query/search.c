/* search: traces by one of their spans.
 *
 *     find spans -> their traces, in the order of the first span of each -> summary of each whole trace
 *         -> conditions on it
 *
 * As many spans are asked for as are likely to be needed, and more if that was wrong, up to what the store gives at
 * once.
 * Limits: WHOLE_MAX traces are looked at, whatever rejects them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "model/map.h"
#include "model/span_fields.h"
#include "model/text.h"
#include "query/query.h"

enum { WHOLE_MAX = 4000, LIMIT_DEFAULT = 20, LIMIT_MAX = 1000, SPANS_A_TRACE = 8, SPANS_MIN = 128, SPANS_MAX = 20000 };

/* -- summaries */

static int by_service(const void *a, const void *b)
{
    const struct tw__summary_service *one = a, *two = b;
    return tw__text_order(one->name, two->name);
}

static int count_services(const struct tw__spans *spans, struct tw__pool *pool, struct tw__summary *out)
{
    struct tw__summary_service *services = tw__pool_zeroed(pool, spans->resource_count + 1, sizeof *services);
    uint32_t *of = tw__pool_take(pool, (spans->resource_count + 1) * sizeof *of, 4), count = 0;
    if (!services || !of) return TW_ERR_MEMORY;
    for (size_t r = 0; r < spans->resource_count; r++) {
        struct tw_text name = spans->resources[r].service;
        uint32_t at = 0;
        while (at < count && !tw__text_same(services[at].name, name)) at++;
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

/* -- the search */

static bool same_trace(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a, b, 16) == 0;
}

static int copy_text(struct tw__pool *pool, struct tw_text *text)
{
    text->ptr = tw__pool_copy(pool, text->ptr, text->len);
    return text->ptr ? 0 : TW_ERR_MEMORY;
}

static int copy_tags(struct tw__pool *pool, const struct tw_tag_value **tags, uint32_t count)
{
    struct tw_tag_value *own = tw__pool_zeroed(pool, count ? count : 1, sizeof *own);
    if (!own) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        own[i] = (*tags)[i];
        if (copy_text(pool, &own[i].key) < 0 || copy_text(pool, &own[i].text) < 0) return TW_ERR_MEMORY;
    }
    *tags = own;
    return 0;
}

/* The spans of a summary as they are taken; places[i] is where items[i] lies in the batch that it comes from. */
struct matched {
    struct tw__span *items;
    struct tw__resource *resources;
    struct tw__scope *scopes;
    size_t *places;
    uint32_t count;
};

static bool comes_before(const struct tw__search *search, const struct tw__span *a, const struct tw__span *b)
{
    if (search->spans.order == TW__ORDER_SLOWEST) return tw__span_duration_ns(a) > tw__span_duration_ns(b);
    return a->start_ns > b->start_ns;
}

static int copy_events(struct tw__pool *pool, struct tw__span *span)
{
    struct tw__span_event *events = tw__pool_zeroed(pool, span->event_count + 1, sizeof *events);
    struct tw__span_link *links = tw__pool_zeroed(pool, span->link_count + 1, sizeof *links);
    if (!events || !links) return TW_ERR_MEMORY;
    for (uint32_t e = 0; e < span->event_count; e++) {
        events[e] = span->events[e];
        if (copy_text(pool, &events[e].name) < 0 || copy_tags(pool, &events[e].tags, events[e].tag_count) < 0)
            return TW_ERR_MEMORY;
    }
    for (uint32_t l = 0; l < span->link_count; l++) {
        links[l] = span->links[l];
        if (copy_text(pool, &links[l].trace_state) < 0 || copy_tags(pool, &links[l].tags, links[l].tag_count) < 0)
            return TW_ERR_MEMORY;
    }
    span->events = events;
    span->links = links;
    return 0;
}

static int copy_senders(struct tw__pool *pool, struct tw__resource *resource, struct tw__scope *scope, bool tags)
{
    if (!tags) resource->tag_count = scope->tag_count = 0;
    resource->schema_url = scope->schema_url = (struct tw_text){"", 0};
    return copy_text(pool, &resource->service) < 0 || copy_tags(pool, &resource->tags, resource->tag_count) < 0 ||
                   copy_text(pool, &scope->name) < 0 || copy_text(pool, &scope->version) < 0 ||
                   copy_tags(pool, &scope->tags, scope->tag_count) < 0
               ? TW_ERR_MEMORY
               : 0;
}

static int copy_matched(const struct tw__search *search, const struct tw__spans *from, struct tw__pool *pool,
                        struct matched *matched)
{
    unsigned parts = search->matched_parts;
    for (uint32_t i = 0; i < matched->count; i++) {
        struct tw__span *span = &matched->items[i];
        *span = from->items[matched->places[i]];
        matched->resources[i] = from->resources[span->resource];
        matched->scopes[i] = from->scopes[span->scope];
        span->resource = span->scope = i;
        span->trace_state = (struct tw_text){"", 0};
        if (!(parts & TW__PART_TAGS)) span->tag_count = 0;
        if (!(parts & TW__PART_EVENTS)) span->event_count = 0;
        if (!(parts & TW__PART_LINKS)) span->link_count = 0;
        if (copy_text(pool, &span->name) < 0 || copy_text(pool, &span->status_message) < 0 ||
            copy_tags(pool, &span->tags, span->tag_count) < 0 || copy_events(pool, span) < 0 ||
            copy_senders(pool, &matched->resources[i], &matched->scopes[i], parts & TW__PART_RESOURCES) < 0)
            return TW_ERR_MEMORY;
    }
    return 0;
}

/* Before a span at depth d with p spans before it, p sets were opened and p - d closed. */
static int find_places(const struct tw__spans *trace, const struct matched *matched, struct tw__pool *pool,
                       const struct tw__nested_set **out)
{
    struct tw__pool scratch = {.limit_bytes = pool->limit_bytes};
    struct tw__trace_layout layout;
    struct tw__nested_set *places = tw__pool_zeroed(pool, matched->count + 1, sizeof *places);
    struct tw__nested_set *all = tw__pool_take(&scratch, (trace->count + 1) * sizeof *all, 4);
    int error = places && all ? tw__query_layout(trace, &scratch, &layout) : TW_ERR_MEMORY;
    for (size_t p = 0; !error && p < layout.count; p++) {
        uint32_t left = (uint32_t)(2 * p) - layout.depth[p] + 1, parent = layout.parent[p];
        all[layout.order[p]] = (struct tw__nested_set){left, left + 2 * layout.tree_size[p] - 1,
                                                       parent == UINT32_MAX ? 0 : all[layout.order[parent]].left};
    }
    for (uint32_t i = 0; !error && i < matched->count; i++) places[i] = all[matched->places[i]];
    if (!error) *out = places;
    tw__pool_fini(&scratch);
    return error;
}

static bool equal_text(struct tw_text wanted, struct tw_text text)
{
    return !wanted.ptr || tw__text_same(wanted, text);
}

/* The conditions of the query but its filter, which is asked as a whole. */
static bool fits(const struct tw__search *search, const struct tw__spans *trace, const struct tw__span *span)
{
    const struct tw__store_query *query = &search->spans;
    uint64_t duration_ns = tw__span_duration_ns(span);
    if (search->whole.by_others) return true;
    uint32_t kind = span->kind == TW__KIND_UNSPECIFIED ? (uint32_t)TW__KINDS_UNSPECIFIED : 1u << (span->kind & 31);
    if (!equal_text(query->service, trace->resources[span->resource].service) || !equal_text(query->name, span->name))
        return false;
    if (query->kinds && !(query->kinds & kind)) return false;
    if (query->statuses && !(query->statuses & 1u << (span->status & 31))) return false;
    if (duration_ns < query->min_duration_ns) return false;
    if (query->max_duration_ns && duration_ns > query->max_duration_ns) return false;
    return !query->roots || search->whole.by_root || tw__all_zero(span->parent_id, sizeof span->parent_id);
}

struct tw__trace_view tw__query_view(const struct tw__summary *summary)
{
    struct tw__trace_view view = {
        .duration_ns = summary->duration_ns, .spans = summary->span_count, .errors = summary->error_count};
    if (!summary->rootless) {
        view.name = summary->root_name;
        view.service = summary->root_service;
    }
    return view;
}

/* One set: the best most of its spans, in order. */
struct taken {
    size_t *places;
    uint32_t number, count, kept;
};

static void take_place(const struct tw__search *search, const struct tw__spans *from, struct taken *set, size_t most,
                       size_t i)
{
    uint32_t at = set->kept;
    while (at > 0 && comes_before(search, &from->items[i], &from->items[set->places[at - 1]])) at--;
    if (at == most) return;
    if (set->kept < most) set->kept++;
    memmove(set->places + at + 1, set->places + at, (set->kept - at - 1) * sizeof *set->places);
    set->places[at] = i;
}

/* In which set each span is: among those found, or in the whole trace. NULL: see *error. */
static uint32_t *select_sets(const struct tw__search *search, const struct tw__spans *from, bool whole,
                             struct tw__pool *scratch, const struct tw__summary *summary, int *error)
{
    const struct tw__trace_view view = tw__query_view(summary);
    uint32_t *sets = tw__pool_zeroed(scratch, from->count + 1, sizeof *sets);
    *error = sets ? 0 : TW_ERR_MEMORY;
    if (sets && whole && search->whole.select)
        *error = search->whole.select(search->whole.data, from, &view, sets);
    else
        for (size_t i = 0; sets && i < from->count; i++)
            sets[i] = whole || same_trace(from->items[i].trace_id, summary->trace_id);
    for (size_t i = 0; whole && !*error && i < from->count; i++)
        if (sets[i] && !fits(search, from, &from->items[i])) sets[i] = 0;
    return *error ? NULL : sets;
}

/* Chooses of each set; those beyond TW__MATCHED_SETS only count. Returns the number of sets, or an error. */
static int choose(const struct tw__search *search, const struct tw__spans *from, const uint32_t *sets, size_t most,
                  struct tw__pool *scratch, struct taken *taken, struct tw__summary *summary)
{
    unsigned count = 0;
    for (size_t i = 0; i < from->count; i++) {
        if (sets[i] == 0) continue;
        unsigned s = 0;
        summary->matched_count++;
        while (s < count && taken[s].number != sets[i]) s++;
        if (s == TW__MATCHED_SETS) continue;
        if (s == count) {
            taken[s] = (struct taken){tw__pool_take(scratch, most * sizeof(size_t), 8), sets[i], 0, 0};
            if (!taken[s].places) return TW_ERR_MEMORY;
            count++;
        }
        taken[s].count++;
        take_place(search, from, &taken[s], most, i);
    }
    return (int)count;
}

/* The spans of the trace that match. */
static int take_matched(const struct tw__search *search, const struct tw__spans *from, bool whole,
                        struct tw__pool *pool, struct tw__pool *scratch, struct tw__summary *summary)
{
    size_t most = search->matched_max ? search->matched_max : TW__MATCHED_USUAL;
    struct taken taken[TW__MATCHED_SETS];
    int error;
    const uint32_t *numbers = select_sets(search, from, whole, scratch, summary, &error);
    int count = numbers ? choose(search, from, numbers, most, scratch, taken, summary) : error;
    if (count <= 0) return count;
    struct matched matched = {0};
    struct tw__matched_set *sets = tw__pool_zeroed(pool, (size_t)count, sizeof *sets);
    for (int s = 0; s < count; s++) matched.count += taken[s].kept;
    matched.items = tw__pool_zeroed(pool, matched.count, sizeof *matched.items);
    matched.resources = tw__pool_zeroed(pool, matched.count, sizeof *matched.resources);
    matched.scopes = tw__pool_zeroed(pool, matched.count, sizeof *matched.scopes);
    matched.places = tw__pool_take(scratch, matched.count * sizeof *matched.places, 8);
    if (!sets || !matched.items || !matched.resources || !matched.scopes || !matched.places) return TW_ERR_MEMORY;
    for (int s = 0, at = 0; s < count; at += (int)taken[s++].kept) {
        sets[s] = (struct tw__matched_set){taken[s].count, (uint32_t)at, taken[s].kept};
        memcpy(matched.places + at, taken[s].places, taken[s].kept * sizeof *matched.places);
    }
    summary->matched = matched.items;
    summary->matched_resources = matched.resources;
    summary->matched_scopes = matched.scopes;
    summary->matched_sets = sets;
    summary->matched_set_count = (uint32_t)count;
    summary->matched_kept = matched.count;
    error = copy_matched(search, from, pool, &matched);
    if (!error && whole && search->matched_places) error = find_places(from, &matched, pool, &summary->matched_places);
    return error;
}

static bool is_wanted(const struct tw__search *search, const struct tw__summary *summary, bool whole)
{
    if (summary->duration_ns < search->min_trace_ns) return false;
    if (search->max_trace_ns && summary->duration_ns > search->max_trace_ns) return false;
    return !whole || summary->matched_count;
}

/* One trace. *wanted: it meets the conditions. */
static int take_trace(struct tw__store *store, const struct tw__search *search, const struct tw__spans *found,
                      struct tw__spans *trace, struct tw__pool *pool, struct tw__summary *summary, bool *wanted)
{
    bool whole = search->whole.needed;
    struct tw__pool scratch = {0};
    unsigned parts = whole ? search->whole.parts | search->matched_parts : 0;
    *wanted = false;
    tw__spans_reset(trace);
    int error = tw__store_trace(store, summary->trace_id, parts, trace);
    if (error == TW_ERR_NOT_FOUND || error == TW_ERR_CORRUPT) error = 0;
    if (error || trace->count == 0) return error;
    error = tw__query_summary(trace, pool, summary);
    if (error || !is_wanted(search, summary, false)) return error;
    error = take_matched(search, whole ? trace : found, whole, pool, &scratch, summary);
    tw__pool_fini(&scratch);
    *wanted = !error && is_wanted(search, summary, whole);
    return error;
}

static bool seen_before(struct tw__map *seen, const uint8_t trace_id[16])
{
    struct tw__map_key key = {{0}};
    bool before;
    memcpy(key.word, trace_id, 16);
    (void)tw__map_put(seen, &key, &before);
    return before;
}

/* One trace after the other, but for those that were seen, until there are enough. */
static int take_traces(struct tw__store *store, const struct tw__search *search, size_t limit,
                       const struct tw__spans *found, struct tw__map *seen, struct tw__pool *pool,
                       struct tw__summaries *out)
{
    struct tw__spans trace = {0};
    int error = 0;
    for (size_t i = 0; i < found->count && !error; i++) {
        struct tw__summary summary;
        bool wanted;
        if (seen_before(seen, found->items[i].trace_id)) continue;
        if (out->count == limit || seen->count > WHOLE_MAX) {
            out->more = true;
            break;
        }
        memcpy(summary.trace_id, found->items[i].trace_id, sizeof summary.trace_id);
        error = take_trace(store, search, found, &trace, pool, &summary, &wanted);
        if (!error && wanted) out->items[out->count++] = summary;
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
    struct tw__map seen = {0};
    bool whole = search->whole.needed;
    int error = 0;
    for (unsigned round = 0;; round++) {
        tw__spans_reset(&found);
        if (!error) error = tw__store_find(store, &query, search->matched_parts, &found);
        /* What was said of a whole trace stays; of others more spans may have been found by now. */
        if (round == 0 || !whole) {
            tw__map_fini(&seen);
            summaries.count = 0;
            if (!tw__map_init(&seen, whole ? SPANS_MAX : found.count)) error = TW_ERR_MEMORY;
        }
        summaries.more = false;
        if (!error) error = take_traces(store, search, limit, &found, &seen, pool, &summaries);
        /* What could not be read makes less of the limit: half of it means that there was no more. */
        bool all = found.count < query.limit / 2 + 1;
        if (error || all || summaries.more || summaries.count == limit || query.limit >= SPANS_MAX) {
            summaries.more |= !all && summaries.count < limit;
            break;
        }
        query.limit = query.limit * 4 < SPANS_MAX ? query.limit * 4 : SPANS_MAX;
    }
    tw__map_fini(&seen);
    tw__spans_fini(&found);
    if (!error) *out = summaries;
    return error;
}
