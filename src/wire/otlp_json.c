/* otlp_json: see the header. Spans of one resource and scope that follow each other share an entry; others get one of
 * their own, which is as valid and needs no sorting.
 */
#include "wire/otlp_json.h"

#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "wire/json.h"
#include "wire/json_read.h"
#include "wire/span.h"
#include "wire/value.h"

enum { DEPTH_MAX = 32 };

static void put_number_text(struct tw__json *json, const char *name, uint64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    tw__json_cstr(json, name, text);
}

static void put_int(struct tw__json *json, const char *name, int64_t number)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%lld", (long long)number);
    tw__json_cstr(json, name, text);
}

/* -- JSON text as lists and maps */

/* What encloses the value that comes next. */
enum inside { INSIDE_NOTHING, INSIDE_LIST, INSIDE_MAP };

static void close_container(struct tw__json *json)
{
    tw__json_close(json, ']');
    tw__json_close(json, '}');
}

/* One value inside the braces of its own. false: not JSON that can be said so; what was written is taken back. */
static bool put_tree(struct tw__json *json, struct tw_text text)
{
    char scratch[2048];
    enum inside inside[DEPTH_MAX + 1] = {INSIDE_NOTHING};
    size_t depth = 0;
    struct tw__json_reader in = {.text = text.ptr,
                                 .len = text.len,
                                 .last = true,
                                 .depth_max = DEPTH_MAX,
                                 .scratch = scratch,
                                 .scratch_cap = sizeof scratch};
    for (enum tw__json_event event; (event = tw__json_read(&in)) != TW__JSON_DONE;) {
        bool ends = event == TW__JSON_OBJECT_END || event == TW__JSON_ARRAY_END;
        if (event == TW__JSON_BAD || event == TW__JSON_MORE) return false;
        if (event == TW__JSON_NAME) {
            tw__json_open(json, NULL, '{');
            tw__json_text(json, "key", in.string);
            tw__json_open(json, "value", '{');
            continue;
        }
        if (!ends && inside[depth] == INSIDE_LIST) tw__json_open(json, NULL, '{');
        if (event == TW__JSON_OBJECT || event == TW__JSON_ARRAY) {
            tw__json_open(json, event == TW__JSON_OBJECT ? "kvlistValue" : "arrayValue", '{');
            tw__json_open(json, "values", '[');
            inside[++depth] = event == TW__JSON_OBJECT ? INSIDE_MAP : INSIDE_LIST;
            continue;
        }
        if (event == TW__JSON_STRING) tw__json_text(json, "stringValue", in.string);
        if (event == TW__JSON_BOOL) tw__json_bool(json, "boolValue", in.boolean);
        if (event == TW__JSON_NUMBER && in.number == TW__JSON_I64) put_int(json, "intValue", in.i64);
        if (event == TW__JSON_NUMBER && in.number != TW__JSON_I64) tw__json_f64_or_text(json, "doubleValue", in.f64);
        if (ends) {
            close_container(json);
            depth--;
        }
        if (inside[depth] == INSIDE_LIST) tw__json_close(json, '}');
        if (inside[depth] == INSIDE_MAP) {
            tw__json_close(json, '}');
            tw__json_close(json, '}');
        }
    }
    return true;
}

static void put_value(struct tw__json *json, const char *name, const struct tw_tag_value *tag)
{
    char scratch[TW__NUMBER_MAX];
    tw__json_open(json, name, '{');
    size_t at = json->out->len;
    switch (tag->type) {
    case TW_TYPE_INT:
        put_int(json, "intValue", tag->value.i);
        break;
    case TW_TYPE_UINT:
        if (tag->value.u <= INT64_MAX)
            put_number_text(json, "intValue", tag->value.u);
        else
            tw__json_text(json, "stringValue", tw__value_text(tag, scratch));
        break;
    case TW_TYPE_DOUBLE:
        tw__json_f64_or_text(json, "doubleValue", tag->value.d);
        break;
    case TW_TYPE_BOOL:
        tw__json_bool(json, "boolValue", tag->value.u != 0);
        break;
    case TW_TYPE_JSON:
        if (!put_tree(json, tag->text)) {
            if (json->out->len > at) json->out->len = at;
            json->comma = false;
            tw__json_text(json, "stringValue", tag->text);
        }
        break;
    case TW_TYPE_STR:
        tw__json_text(json, "stringValue", tag->text);
        break;
    case TW_TYPE_BYTES:
        tw__json_base64(json, "bytesValue", tag->text.ptr, tag->text.len);
        break;
    case TW_TYPE_NONE:
        break;
    }
    tw__json_close(json, '}');
}

/* kind: of an event; NULL: none. */
static void put_attributes(struct tw__json *json, const struct tw_tag_value *tags, size_t count, uint32_t dropped,
                           const char *kind)
{
    if (count || kind) {
        tw__json_open(json, "attributes", '[');
        for (size_t i = 0; i < count; i++) {
            tw__json_open(json, NULL, '{');
            tw__json_text(json, "key", tags[i].key);
            put_value(json, "value", &tags[i]);
            tw__json_close(json, '}');
        }
        if (kind) {
            struct tw_tag_value tag = {.type = TW_TYPE_STR, .text = {kind, strlen(kind)}};
            tw__json_open(json, NULL, '{');
            tw__json_cstr(json, "key", "trackway.kind");
            put_value(json, "value", &tag);
            tw__json_close(json, '}');
        }
        tw__json_close(json, ']');
    }
    if (dropped) tw__json_u64(json, "droppedAttributesCount", dropped);
}

static void put_events(struct tw__json *json, const struct tw__span *span)
{
    if (span->event_count) {
        tw__json_open(json, "events", '[');
        for (uint32_t i = 0; i < span->event_count; i++) {
            const struct tw__span_event *event = &span->events[i];
            bool told = tw__tag_find(event->tags, event->tag_count, "trackway.kind") != NULL;
            tw__json_open(json, NULL, '{');
            put_number_text(json, "timeUnixNano", event->time_ns);
            tw__json_text(json, "name", event->name);
            put_attributes(json, event->tags, event->tag_count, event->dropped_tags,
                           told ? NULL : tw__event_kind(&(struct tw_record){.kind = event->kind}));
            tw__json_close(json, '}');
        }
        tw__json_close(json, ']');
    }
    if (span->dropped_events) tw__json_u64(json, "droppedEventsCount", span->dropped_events);
}

static void put_links(struct tw__json *json, const struct tw__span *span)
{
    if (span->link_count) {
        tw__json_open(json, "links", '[');
        for (uint32_t i = 0; i < span->link_count; i++) {
            const struct tw__span_link *link = &span->links[i];
            tw__json_open(json, NULL, '{');
            tw__json_hex(json, "traceId", link->trace_id, sizeof link->trace_id);
            tw__json_hex(json, "spanId", link->span_id, sizeof link->span_id);
            if (link->trace_state.len) tw__json_text(json, "traceState", link->trace_state);
            put_attributes(json, link->tags, link->tag_count, link->dropped_tags, NULL);
            if (link->flags) tw__json_u64(json, "flags", link->flags);
            tw__json_close(json, '}');
        }
        tw__json_close(json, ']');
    }
    if (span->dropped_links) tw__json_u64(json, "droppedLinksCount", span->dropped_links);
}

static void put_span(struct tw__json *json, const struct tw__span *span)
{
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "traceId", span->trace_id, sizeof span->trace_id);
    tw__json_hex(json, "spanId", span->span_id, sizeof span->span_id);
    if (!tw__all_zero(span->parent_id, sizeof span->parent_id))
        tw__json_hex(json, "parentSpanId", span->parent_id, sizeof span->parent_id);
    if (span->trace_state.len) tw__json_text(json, "traceState", span->trace_state);
    if (span->flags) tw__json_u64(json, "flags", span->flags);
    tw__json_text(json, "name", span->name);
    tw__json_u64(json, "kind", span->kind <= TW_KIND_CONSUMER ? span->kind + 1U : 0);
    put_number_text(json, "startTimeUnixNano", span->start_ns);
    put_number_text(json, "endTimeUnixNano", span->open ? 0 : span->end_ns);
    put_attributes(json, span->tags, span->tag_count, span->dropped_tags, NULL);
    put_events(json, span);
    put_links(json, span);
    tw__json_open(json, "status", '{');
    if (span->status_message.len) tw__json_text(json, "message", span->status_message);
    if (span->status) tw__json_u64(json, "code", span->status);
    tw__json_close(json, '}');
    tw__json_close(json, '}');
}

static void open_resource(struct tw__json *json, const struct tw__resource *resource)
{
    tw__json_open(json, NULL, '{');
    tw__json_open(json, "resource", '{');
    /* A service that its door knew from elsewhere is told as the tag that everybody reads. */
    struct tw_tag_value service = {.key = {"service.name", 12}, .type = TW_TYPE_STR, .text = resource->service};
    bool told = resource->service.len == 0 || tw__tag_find(resource->tags, resource->tag_count, "service.name");
    if (resource->tag_count == 0 && !told) {
        put_attributes(json, &service, 1, resource->dropped_tags, NULL);
    } else {
        put_attributes(json, resource->tags, resource->tag_count, told ? resource->dropped_tags : 0, NULL);
        if (!told) {
            json->out->len--; /* the bracket */
            json->comma = true;
            tw__json_open(json, NULL, '{');
            tw__json_text(json, "key", service.key);
            put_value(json, "value", &service);
            tw__json_close(json, '}');
            tw__json_close(json, ']');
            if (resource->dropped_tags) tw__json_u64(json, "droppedAttributesCount", resource->dropped_tags);
        }
    }
    tw__json_close(json, '}');
    if (resource->schema_url.len) tw__json_text(json, "schemaUrl", resource->schema_url);
    tw__json_open(json, "scopeSpans", '[');
}

static void open_scope(struct tw__json *json, const struct tw__scope *scope)
{
    tw__json_open(json, NULL, '{');
    tw__json_open(json, "scope", '{');
    if (scope->name.len) tw__json_text(json, "name", scope->name);
    if (scope->version.len) tw__json_text(json, "version", scope->version);
    put_attributes(json, scope->tags, scope->tag_count, scope->dropped_tags, NULL);
    tw__json_close(json, '}');
    if (scope->schema_url.len) tw__json_text(json, "schemaUrl", scope->schema_url);
    tw__json_open(json, "spans", '[');
}

void tw__otlp_json(const struct tw__spans *spans, size_t first, size_t count, struct tw__buf *out)
{
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__json_open(&json, "resourceSpans", '[');
    for (size_t i = first; i < first + count; i++) {
        const struct tw__span *span = &spans->items[i], *before = i > first ? span - 1 : NULL;
        bool new_resource = !before || before->resource != span->resource;
        bool new_scope = new_resource || before->scope != span->scope;
        if (before && new_scope) close_container(&json);
        if (before && new_resource) close_container(&json);
        if (new_resource) open_resource(&json, &spans->resources[span->resource]);
        if (new_scope) open_scope(&json, &spans->scopes[span->scope]);
        put_span(&json, span);
    }
    if (count) {
        close_container(&json);
        close_container(&json);
    }
    tw__json_close(&json, ']');
    tw__json_close(&json, '}');
}
