/* api_trace: one trace: a skeleton of columns, small enough for a million spans, and the details of a page of them.
 *
 *     GET /api/tw/traces/ID?from=&count=&form=   the skeleton (serve/skeleton.h), or rows of it; form=packed
 *     GET /api/tw/traces/ID/spans?from=&count=   tags, events and links of spans [from, from + count) of its order
 *     GET /api/tw/traces/ID/spans?span=&count=   the same, from the span with that id on
 *
 * Spans stand in walking order, parents before children; times are ns from the begin of the trace.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/os.h"
#include "serve/ask.h"
#include "serve/skeleton.h"
#include "wire/record_json.h"
#include "wire/value.h"

enum { PAGE_MAX = 1000, LARGE = 100000 };

struct picture {
    const struct tw__spans *spans;
    struct tw__trace_layout layout;
};

static const struct tw__span *span_at(const struct picture *p, size_t i)
{
    return &p->spans->items[p->layout.order[i]];
}

static void put_tag(struct tw__json *json, const struct tw_tag_value *tag)
{
    static const char *const types[] = {"none", "int", "uint", "double", "bool", "string", "bytes", "json"};
    char scratch[TW__NUMBER_MAX];
    tw__json_open(json, NULL, '{');
    tw__json_text(json, "key", tag->key);
    tw__json_cstr(json, "type", types[(unsigned)tag->type < 8 ? (unsigned)tag->type : 0]);
    /* Integers beyond 2^53 do not survive every reader; for nan, inf and -inf JSON has no numbers. */
    bool as_text = tag->type == TW_TYPE_INT || tag->type == TW_TYPE_UINT;
    as_text = as_text || (tag->type == TW_TYPE_DOUBLE && !isfinite(tag->value.d));
    if (as_text)
        tw__json_text(json, "value", tw__value_text(tag, scratch));
    else if (tag->type == TW_TYPE_DOUBLE)
        tw__json_f64(json, "value", tag->value.d);
    else if (tag->type == TW_TYPE_BOOL)
        tw__json_bool(json, "value", tag->value.u != 0);
    else if (tag->type == TW_TYPE_BYTES)
        tw__json_hex(json, "value", (const uint8_t *)tag->text.ptr, tag->text.len);
    else
        tw__json_text(json, "value", tag->text);
    tw__json_close(json, '}');
}

static void put_tags(struct tw__json *json, const struct tw_tag_value *tags, size_t count)
{
    tw__json_open(json, "tags", '[');
    for (size_t i = 0; i < count; i++) put_tag(json, &tags[i]);
    tw__json_close(json, ']');
}

static void put_links(struct tw__json *json, const struct tw__span *span)
{
    tw__json_open(json, "links", '[');
    for (uint32_t i = 0; i < span->link_count; i++) {
        tw__json_open(json, NULL, '{');
        tw__json_hex(json, "trace_id", span->links[i].trace_id, 16);
        tw__json_hex(json, "span_id", span->links[i].span_id, 8);
        put_tags(json, span->links[i].tags, span->links[i].tag_count);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
}

static void put_events(struct tw__json *json, const struct tw__span *span)
{
    tw__json_open(json, "events", '[');
    for (uint32_t i = 0; i < span->event_count; i++) {
        const struct tw__span_event *event = &span->events[i];
        tw__json_open(json, NULL, '{');
        tw__ask_put_time(json, "time_ns", event->time_ns);
        tw__json_cstr(json, "kind", tw__record_kind_name(event->kind));
        tw__json_text(json, "name", event->name);
        put_tags(json, event->tags, event->tag_count);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
}

static void put_detail(struct tw__json *json, const struct tw__spans *spans, const struct tw__span *span, size_t i)
{
    const struct tw__resource *resource = &spans->resources[span->resource];
    tw__json_open(json, NULL, '{');
    tw__json_u64(json, "index", i);
    tw__json_hex(json, "span_id", span->span_id, 8);
    tw__json_hex(json, "parent_id", span->parent_id, 8);
    tw__json_text(json, "name", span->name);
    tw__ask_put_time(json, "start_ns", span->start_ns);
    tw__json_u64(json, "duration_ns", tw__span_duration_ns(span));
    tw__json_cstr(json, "status", tw__status_name((enum tw_status)span->status));
    if (span->status_message.len) tw__json_text(json, "status_message", span->status_message);
    if (span->trace_state.len) tw__json_text(json, "trace_state", span->trace_state);
    tw__json_cstr(json, "door", tw__door_name((enum tw__door)span->door));
    put_tags(json, span->tags, span->tag_count);
    tw__json_open(json, "resource", '{');
    put_tags(json, resource->tags, resource->tag_count);
    tw__json_close(json, '}');
    tw__json_text(json, "scope", spans->scopes[span->scope].name);
    put_events(json, span);
    put_links(json, span);
    tw__json_close(json, '}');
}

/* Where the span stands that is named; 16 hexadecimal digits. */
static uint64_t index_of(struct tw__ask *ask, const struct picture *p, const char *id)
{
    uint8_t span_id[8];
    if (strlen(id) != 16 || !tw__hex_dec(id, span_id, sizeof span_id)) {
        tw__ask_refuse(ask, 400, "span: 16 hexadecimal digits");
        return 0;
    }
    for (size_t i = 0; i < p->layout.count; i++)
        if (memcmp(span_at(p, i)->span_id, span_id, sizeof span_id) == 0) return i;
    tw__ask_refuse(ask, 404, "no such span");
    return 0;
}

/* -- spans of a large trace: read once without tags, and those of the page once more with them */

struct wanted {
    uint8_t trace_id[16];
    uint8_t (*ids)[8]; /* sorted */
    size_t count;
};

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, 8);
}

static bool is_wanted(void *data, const struct tw__spans *spans, size_t index)
{
    const struct wanted *wanted = data;
    const struct tw__span *span = &spans->items[index];
    return memcmp(span->trace_id, wanted->trace_id, sizeof span->trace_id) == 0 &&
           bsearch(span->span_id, wanted->ids, wanted->count, sizeof *wanted->ids, by_id);
}

static size_t place_of(const struct tw__spans *spans, const uint8_t span_id[8])
{
    size_t at = 0;
    while (at < spans->count && memcmp(spans->items[at].span_id, span_id, 8) != 0) at++;
    return at;
}

/* The rows [from, until) of p with everything. What has gone meanwhile is left out. */
static void put_large(struct tw__ask *ask, const struct picture *p, size_t from, size_t until)
{
    struct wanted wanted = {.ids = tw__pool_zeroed(&ask->pool, until - from + 1, sizeof *wanted.ids)};
    struct tw__spans spans = {0};
    struct tw__store_query query = {
        .since_ns = UINT64_MAX, .filter = {.match = is_wanted, .data = &wanted}, .limit = until - from};
    if (!wanted.ids) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    for (size_t i = from; i < until && wanted.ids; i++) {
        const struct tw__span *span = span_at(p, i);
        memcpy(wanted.trace_id, span->trace_id, sizeof wanted.trace_id);
        memcpy(wanted.ids[wanted.count++], span->span_id, sizeof *wanted.ids);
        if (span->start_ns < query.since_ns) query.since_ns = span->start_ns;
        if (span->start_ns >= query.until_ns) query.until_ns = span->start_ns + 1;
    }
    if (wanted.count) qsort(wanted.ids, wanted.count, sizeof *wanted.ids, by_id);
    if (!ask->failed && wanted.count)
        (void)tw__ask_failed(ask, tw__store_find(ask->api->store, &query, TW__PART_ALL, &spans));
    for (size_t i = from; i < until && !ask->failed; i++) {
        size_t at = place_of(&spans, span_at(p, i)->span_id);
        if (at < spans.count) put_detail(&ask->json, &spans, &spans.items[at], i);
    }
    tw__spans_fini(&spans);
}

static void details(struct tw__ask *ask, struct picture *p)
{
    uint64_t from = tw__ask_number(ask, "from", 0, UINT32_MAX), count = tw__ask_number(ask, "count", 100, PAGE_MAX);
    const char *span = tw__ask_text(ask, "span");
    if (span) from = index_of(ask, p, span);
    if (ask->failed) return;
    if (from > p->layout.count) from = p->layout.count;
    if (count > p->layout.count - from) count = p->layout.count - from;
    tw__json_open(&ask->json, NULL, '{');
    tw__json_u64(&ask->json, "count", p->layout.count);
    tw__json_open(&ask->json, "spans", '[');
    if (p->spans->count >= LARGE)
        put_large(ask, p, (size_t)from, (size_t)(from + count));
    else
        for (size_t i = (size_t)from; i < from + count; i++) put_detail(&ask->json, p->spans, span_at(p, i), i);
    if (ask->failed) return;
    tw__json_close(&ask->json, ']');
    tw__json_close(&ask->json, '}');
}

static void skeleton(struct tw__ask *ask, struct tw__spans *spans, const struct picture *p)
{
    const char *form = tw__ask_text(ask, "form");
    struct tw__skeleton_what what = {.from = tw__ask_number(ask, "from", 0, UINT32_MAX),
                                     .count = tw__ask_number(ask, "count", UINT32_MAX, UINT32_MAX),
                                     .packed = form && strcmp(form, "packed") == 0};
    struct tw__skeleton *made;
    if (form && !what.packed && strcmp(form, "json") != 0) tw__ask_refuse(ask, 400, "form: json or packed");
    if (spans->count >= LARGE) tw__os_trim_memory(); /* the layout's scratch: the rows are as much again */
    if (ask->failed || tw__ask_failed(ask, tw__skeleton_new(spans, &p->layout, &what, &made))) return;
    tw__skeleton_reply(made, ask->reply);
}

static void trace(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__spans spans = {0};
    struct picture p = {.spans = &spans};
    char id[64];
    const char *slash = strchr(request->rest, '/');
    bool detailed = slash && strcmp(slash, "/spans") == 0;
    size_t len = slash ? (size_t)(slash - request->rest) : strlen(request->rest);
    tw__ask_begin(&ask, context, request, reply);
    if ((slash && !detailed) || len >= sizeof id) tw__ask_refuse(&ask, 404, "not found");
    (void)snprintf(id, sizeof id, "%.*s", (int)(len < 63 ? len : 63), request->rest);
    tw__ask_trace(&ask, id, detailed ? 0 : TW__PART_LINKS | TW__PART_EVENTS, &spans);
    if (detailed && !ask.failed && spans.count < LARGE) {
        tw__spans_reset(&spans);
        tw__ask_trace(&ask, id, TW__PART_ALL, &spans);
    }
    if (!ask.failed && !tw__ask_failed(&ask, tw__query_layout(&spans, &ask.pool, &p.layout))) {
        if (detailed)
            details(&ask, &p);
        else
            skeleton(&ask, &spans, &p);
    }
    bool large = spans.count >= LARGE;
    tw__spans_fini(&spans);
    tw__ask_end(&ask);
    if (large) tw__os_trim_memory();
}

const struct tw__route tw__trace_routes[] = {
    {"GET", "/api/tw/traces/*", TW__ROLE_READ, 0, trace},
    {0},
};
