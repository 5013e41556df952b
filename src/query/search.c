/* search: traces by one of their spans.
 *
 *     find spans -> their traces, in the order of the first span of each -> summary of each whole trace
 *         -> conditions on it -> the next page of spans, of other traces, until there are enough
 *
 * A page is as many spans as are likely to be needed, each further one larger, up to what the store gives at once. Of a
 * trace with spans that may lie behind the page, those that match are looked for in the whole trace: so that all of
 * them count.
 * Limits: WHOLE_MAX traces are looked at, whatever rejects them, or SPANS_READ_MAX spans of theirs; what a trace takes
 * is freed before the next.
 */
#include <string.h>

#include "base/hex.h"
#include "model/map.h"
#include "model/span_fields.h"
#include "model/text.h"
#include "query/query.h"
#include "wire/value.h"

enum { WHOLE_MAX = 4000, LIMIT_DEFAULT = 20, LIMIT_MAX = 1000, SPANS_A_TRACE = 8, SPANS_MIN = 128, SPANS_MAX = 20000 };
enum { SPANS_READ_MAX = 4000000 };

static const size_t trace_bytes_max = (size_t)1 << 30;

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

static bool has_tag(const struct tw_tag_value *tags, size_t count, const struct tw__store_equal *equal)
{
    char scratch[TW__NUMBER_MAX];
    for (size_t i = 0; i < count; i++)
        if (tw__text_same(tags[i].key, equal->key) && tw__text_same(tw__value_text(&tags[i], scratch), equal->value))
            return true;
    return false;
}

static bool has_tags(const struct tw__store_query *query, const struct tw__spans *trace, const struct tw__span *span)
{
    const struct tw__resource *resource = &trace->resources[span->resource];
    for (size_t e = 0; e < query->equal_count; e++)
        if (!has_tag(span->tags, span->tag_count, &query->equals[e]) &&
            !has_tag(resource->tags, resource->tag_count, &query->equals[e]))
            return false;
    return true;
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
    if (!search->whole.needed && (span->start_ns < query->since_ns || !has_tags(query, trace, span))) return false;
    if (!search->whole.needed && query->until_ns && span->start_ns >= query->until_ns) return false;
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

/* The spans of the trace that match: of those found, or of all of it. With them the summary, which is in scratch until
 * now, is made anew in the pool. */
static int take_matched(const struct tw__search *search, const struct tw__spans *trace, const struct tw__spans *from,
                        struct tw__pool *pool, struct tw__pool *scratch, struct tw__summary *summary)
{
    bool whole = from == trace;
    size_t most = search->matched_max ? search->matched_max : TW__MATCHED_USUAL;
    struct taken taken[TW__MATCHED_SETS];
    int error;
    const uint32_t *numbers = select_sets(search, from, whole, scratch, summary, &error);
    int count = numbers ? choose(search, from, numbers, most, scratch, taken, summary) : error;
    if (count <= 0) return count;
    struct matched matched = {0};
    uint32_t matched_count = summary->matched_count;
    error = tw__query_summary(trace, pool, summary);
    if (error) return error;
    summary->matched_count = matched_count;
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

/* Spans found, the newest or slowest of traces not yet seen. */
struct page {
    struct tw__spans found;
    bool last; /* there are no more */
};

/* All spans of the trace that match are among those found: it began behind the oldest of them. */
static bool is_all_found(const struct tw__search *search, const struct page *page, const struct tw__summary *summary)
{
    const struct tw__span *oldest = &page->found.items[page->found.count - 1];
    return page->last || (search->spans.order == TW__ORDER_NEWEST && summary->start_ns > oldest->start_ns);
}

static int read_trace(struct tw__store *store, const uint8_t trace_id[16], unsigned parts, struct tw__spans *trace)
{
    tw__spans_reset(trace);
    int error = tw__store_trace(store, trace_id, parts, trace);
    return error == TW_ERR_NOT_FOUND || error == TW_ERR_CORRUPT ? 0 : error;
}

/* One trace. *wanted: it meets the conditions. */
static int take_trace(struct tw__store *store, const struct tw__search *search, const struct page *page,
                      struct tw__spans *trace, struct tw__pool *pool, struct tw__summary *summary, bool *wanted)
{
    bool whole = search->whole.needed, again = false;
    struct tw__pool scratch = {.limit_bytes = trace_bytes_max};
    unsigned parts = whole ? search->whole.parts | search->matched_parts : 0;
    uint8_t trace_id[16];
    *wanted = false;
    memcpy(trace_id, summary->trace_id, sizeof trace_id);
    int error = read_trace(store, trace_id, parts, trace);
    if (error || trace->count == 0) return error;
    error = tw__query_summary(trace, &scratch, summary);
    if (error || !is_wanted(search, summary, false)) goto end;
    if (!whole && !is_all_found(search, page, summary)) {
        whole = again = true;
        parts = search->matched_parts | search->whole.parts | TW__PART_TAGS | TW__PART_RESOURCES;
        error = read_trace(store, trace_id, parts, trace);
        if (error || trace->count == 0) goto end;
    }
    error = take_matched(search, trace, whole ? trace : &page->found, pool, &scratch, summary);
    /* What the store found by a text that only it takes for equal, as 1.50 for 1.5, stays found. */
    if (!error && again && summary->matched_count == 0)
        error = take_matched(search, trace, &page->found, pool, &scratch, summary);
    *wanted = !error && is_wanted(search, summary, whole);
end:
    tw__pool_fini(&scratch);
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

/* The search's filter, for spans of traces that were not yet seen. */
struct looking {
    struct tw__store_filter asked;
    struct tw__map seen;
    uint64_t spans; /* of traces that were read */
};

static bool is_new(void *data, const struct tw__spans *spans, size_t index)
{
    const struct looking *looking = data;
    struct tw__map_key key = {{0}};
    memcpy(key.word, spans->items[index].trace_id, 16);
    if (tw__map_get(&looking->seen, &key)) return false;
    return !looking->asked.match || looking->asked.match(looking->asked.data, spans, index);
}

/* One trace after the other, but for those that were seen, until there are enough or it has been too much. */
static int take_traces(struct tw__store *store, const struct tw__search *search, size_t limit, const struct page *page,
                       struct looking *looking, struct tw__pool *pool, struct tw__summaries *out)
{
    struct tw__spans trace = {.pool.limit_bytes = trace_bytes_max};
    int error = 0;
    for (size_t i = 0; i < page->found.count && !error && !out->more; i++) {
        struct tw__summary summary;
        bool wanted;
        if (seen_before(&looking->seen, page->found.items[i].trace_id)) continue;
        out->partial = looking->seen.count > WHOLE_MAX || looking->spans > SPANS_READ_MAX;
        out->more = out->count == limit || out->partial;
        if (out->more) break;
        memcpy(summary.trace_id, page->found.items[i].trace_id, sizeof summary.trace_id);
        error = take_trace(store, search, page, &trace, pool, &summary, &wanted);
        looking->spans += trace.count;
        if (!error && wanted) out->items[out->count++] = summary;
    }
    out->partial &= out->count < limit;
    tw__spans_fini(&trace);
    return error;
}

/* The next page: from the oldest span on, of traces that were not yet seen. */
static void turn(struct tw__store_query *query, const struct page *page, struct looking *looking)
{
    uint64_t oldest_ns = page->found.items[page->found.count - 1].start_ns;
    if (query->order == TW__ORDER_NEWEST && oldest_ns < UINT64_MAX) query->until_ns = oldest_ns + 1;
    query->limit = query->limit * 4 < SPANS_MAX ? query->limit * 4 : SPANS_MAX;
    query->filter.match = is_new;
    query->filter.data = looking;
}

int tw__query_search(struct tw__store *store, const struct tw__search *search, struct tw__pool *pool,
                     struct tw__summaries *out)
{
    size_t limit = search->limit ? search->limit : LIMIT_DEFAULT;
    if (limit > LIMIT_MAX) limit = LIMIT_MAX;
    struct tw__summaries summaries = {.items = tw__pool_take(pool, limit * sizeof *summaries.items, 8)};
    struct tw__store_query query = search->spans;
    struct looking looking = {.asked = query.filter};
    struct page page = {.last = false};
    if (!summaries.items || !tw__map_init(&looking.seen, WHOLE_MAX + 1)) return TW_ERR_MEMORY;
    query.limit = limit * SPANS_A_TRACE < SPANS_MIN ? SPANS_MIN : limit * SPANS_A_TRACE;
    int error = 0;
    for (;;) {
        tw__spans_reset(&page.found);
        error = tw__store_find(store, &query, search->matched_parts, &page.found);
        /* What could not be read makes less of the limit: half of it means that there was no more. */
        page.last = page.found.count < query.limit / 2 + 1;
        if (!error) error = take_traces(store, search, limit, &page, &looking, pool, &summaries);
        if (error || page.last || summaries.more) break;
        turn(&query, &page, &looking);
    }
    tw__map_fini(&looking.seen);
    tw__spans_fini(&page.found);
    if (!error) *out = summaries;
    return error;
}
