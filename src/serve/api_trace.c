/* api_trace: one trace: a skeleton of columns, small enough for a million spans, and the details of a page of them.
 *
 *     GET /api/tw/traces/ID                      the skeleton
 *     GET /api/tw/traces/ID/spans?from=&count=   tags, events and links of spans [from, from + count) of its order
 *     GET /api/tw/traces/ID/spans?span=&count=   the same, from the span with that id on
 *
 * Spans stand in walking order, parents before children; times are ns from the begin of the trace. About 40 bytes a span, 12
 * when packed.
 */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "serve/ask.h"
#include "wire/record_json.h"
#include "wire/value.h"

enum { PAGE_MAX = 1000, FLAG_ERROR = 1, FLAG_OPEN = 2, FLAG_ORPHAN = 4, FLAG_CRITICAL = 8, FLAG_EVENTS = 16 };

/* Texts, each once: names and services of a trace repeat. A small open table over indexes. */
struct words {
    struct tw_text *items;
    uint32_t *slots; /* index + 1 */
    size_t count, mask;
};

static bool words_init(struct words *words, struct tw__pool *pool, size_t most)
{
    size_t size = 16;
    while (size < 2 * most) size *= 2;
    words->mask = size - 1;
    words->count = 0;
    words->items = tw__pool_zeroed(pool, most + 1, sizeof *words->items);
    words->slots = tw__pool_zeroed(pool, size, sizeof *words->slots);
    return words->items && words->slots;
}

static uint32_t word_of(struct words *words, struct tw_text text)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < text.len; i++) hash = (hash ^ (uint8_t)text.ptr[i]) * 1099511628211u;
    for (size_t at = hash & words->mask;; at = (at + 1) & words->mask) {
        uint32_t index = words->slots[at];
        if (index == 0) {
            words->items[words->count] = text;
            words->slots[at] = (uint32_t)++words->count;
            return (uint32_t)(words->count - 1);
        }
        const struct tw_text *known = &words->items[index - 1];
        if (known->len == text.len && (text.len == 0 || memcmp(known->ptr, text.ptr, text.len) == 0)) return index - 1;
    }
}

static void put_words(struct tw__json *json, const char *name, const struct words *words)
{
    tw__json_open(json, name, '[');
    for (size_t i = 0; i < words->count; i++) tw__json_text(json, NULL, words->items[i]);
    tw__json_close(json, ']');
}

struct picture {
    const struct tw__spans *spans;
    struct tw__trace_layout layout;
    struct words names, services;
};

static const struct tw__span *span_at(const struct picture *p, size_t i)
{
    return &p->spans->items[p->layout.order[i]];
}

static uint64_t flags_at(const struct picture *p, size_t i)
{
    const struct tw__span *span = span_at(p, i);
    return (span->status == TW_STATUS_ERROR ? FLAG_ERROR : 0u) | (span->open ? FLAG_OPEN : 0u) |
           (p->layout.orphan[i] ? FLAG_ORPHAN : 0u) | (p->layout.critical[i] ? FLAG_CRITICAL : 0u) |
           (span->event_count ? FLAG_EVENTS : 0u);
}

enum column { PARENT, START, DURATION, NAME, SERVICE, KIND, FLAGS, CRITICAL, COLUMNS };
static const char *const column_names[COLUMNS] = {"parent",  "start", "duration", "name",
                                                  "service", "kind",  "flags",    "critical"};

static int64_t cell(struct picture *p, enum column column, size_t i)
{
    const struct tw__span *span = span_at(p, i);
    switch (column) {
    case PARENT:
        return p->layout.parent[i] == UINT32_MAX ? -1 : (int64_t)p->layout.parent[i];
    case START:
        return (int64_t)(span->start_ns - p->layout.start_ns);
    case DURATION:
        return (int64_t)(span->open && p->layout.end_ns > span->start_ns ? p->layout.end_ns - span->start_ns
                                                                         : tw__span_duration_ns(span));
    case NAME:
        return word_of(&p->names, span->name);
    case SERVICE:
        return word_of(&p->services, p->spans->resources[span->resource].service);
    case KIND:
        return span->kind;
    case FLAGS:
        return (int64_t)flags_at(p, i);
    case CRITICAL:
        return (int64_t)p->layout.critical_ns[i];
    case COLUMNS:
        break;
    }
    return 0;
}

static void put_skeleton(struct tw__json *json, struct picture *p)
{
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "trace_id", p->spans->items[0].trace_id, 16);
    tw__ask_put_time(json, "start_ns", p->layout.start_ns);
    tw__json_u64(json, "duration_ns", p->layout.end_ns - p->layout.start_ns);
    tw__json_u64(json, "count", p->layout.count);
    tw__json_open(json, "columns", '{');
    for (unsigned c = 0; c < COLUMNS; c++) {
        tw__json_open(json, column_names[c], '[');
        for (size_t i = 0; i < p->layout.count; i++) tw__json_i64(json, NULL, cell(p, (enum column)c, i));
        tw__json_close(json, ']');
    }
    tw__json_close(json, '}');
    put_words(json, "names", &p->names);
    put_words(json, "services", &p->services);
    tw__json_open(json, "causes", '[');
    for (size_t i = 0; i < p->layout.cause_count; i++) {
        tw__json_open(json, NULL, '[');
        tw__json_u64(json, NULL, p->layout.causes[i].from);
        tw__json_u64(json, NULL, p->layout.causes[i].to);
        tw__json_close(json, ']');
    }
    tw__json_close(json, ']');
    tw__json_close(json, '}');
}

static void put_tag(struct tw__json *json, const struct tw_tag_value *tag)
{
    static const char *const types[] = {"none", "int", "uint", "double", "bool", "string", "bytes", "json"};
    char scratch[TW__NUMBER_MAX];
    tw__json_open(json, NULL, '{');
    tw__json_text(json, "key", tag->key);
    tw__json_cstr(json, "type", types[(unsigned)tag->type < 8 ? (unsigned)tag->type : 0]);
    if (tag->type == TW_TYPE_INT || tag->type == TW_TYPE_UINT)
        tw__json_text(json, "value",
                      tw__value_text(tag, scratch)); /* a number beyond 2^53 does not survive every reader */
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

static void put_detail(struct tw__json *json, const struct picture *p, size_t i)
{
    static const char *const status_names[] = {"unset", "ok", "error"};
    const struct tw__span *span = span_at(p, i);
    const struct tw__resource *resource = &p->spans->resources[span->resource];
    tw__json_open(json, NULL, '{');
    tw__json_u64(json, "index", i);
    tw__json_hex(json, "span_id", span->span_id, 8);
    tw__json_hex(json, "parent_id", span->parent_id, 8);
    tw__json_text(json, "name", span->name);
    tw__ask_put_time(json, "start_ns", span->start_ns);
    tw__json_u64(json, "duration_ns", tw__span_duration_ns(span));
    tw__json_cstr(json, "status", status_names[span->status < 3 ? span->status : 0]);
    if (span->status_message.len) tw__json_text(json, "status_message", span->status_message);
    if (span->trace_state.len) tw__json_text(json, "trace_state", span->trace_state);
    tw__json_cstr(json, "door", tw__door_name((enum tw__door)span->door));
    put_tags(json, span->tags, span->tag_count);
    tw__json_open(json, "resource", '{');
    put_tags(json, resource->tags, resource->tag_count);
    tw__json_close(json, '}');
    tw__json_text(json, "scope", p->spans->scopes[span->scope].name);
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

static void details(struct tw__ask *ask, struct picture *p)
{
    uint64_t from = tw__ask_number(ask, "from", 0, UINT32_MAX), count = tw__ask_number(ask, "count", 100, PAGE_MAX);
    const char *span = tw__ask_text(ask, "span");
    if (span) from = index_of(ask, p, span);
    if (ask->failed) return;
    tw__json_open(&ask->json, NULL, '{');
    tw__json_u64(&ask->json, "count", p->layout.count);
    tw__json_open(&ask->json, "spans", '[');
    for (uint64_t i = from; i < p->layout.count && i < from + count; i++) put_detail(&ask->json, p, (size_t)i);
    tw__json_close(&ask->json, ']');
    tw__json_close(&ask->json, '}');
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
    tw__ask_trace(&ask, id, detailed ? TW__PART_ALL : TW__PART_LINKS | TW__PART_EVENTS, &spans);
    if (!ask.failed && !tw__ask_failed(&ask, tw__query_layout(&spans, &ask.pool, &p.layout))) {
        if (detailed)
            details(&ask, &p);
        else if (words_init(&p.names, &ask.pool, spans.count) && words_init(&p.services, &ask.pool, spans.count))
            put_skeleton(&ask.json, &p);
        else
            (void)tw__ask_failed(&ask, TW_ERR_MEMORY);
    }
    tw__spans_fini(&spans);
    tw__ask_end(&ask);
}

const struct tw__route tw__trace_routes[] = {
    {"GET", "/api/tw/traces/*", TW__ROLE_READ, 0, trace},
    {0},
};
