/* jaeger: see the header. Resources of the batch are its processes p1, p2, ... */
#include "wire/jaeger.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "model/span_words.h"
#include "wire/value.h"

const char *tw__jaeger_kind(uint8_t kind)
{
    return kind <= TW_KIND_CONSUMER ? tw__span_kind_words[kind] : "";
}

static void put_pair(struct tw__json *json, const char *key, const char *type, struct tw_text value)
{
    tw__json_open(json, NULL, '{');
    tw__json_cstr(json, "key", key);
    tw__json_cstr(json, "type", type);
    tw__json_text(json, "value", value);
    tw__json_close(json, '}');
}

static void put_string(struct tw__json *json, const char *key, const char *value)
{
    put_pair(json, key, "string", (struct tw_text){value, strlen(value)});
}

static void put_tag(struct tw__json *json, const struct tw_tag_value *tag)
{
    char scratch[TW__NUMBER_MAX];
    tw__json_open(json, NULL, '{');
    tw__json_text(json, "key", tag->key);
    switch (tag->type) {
    case TW_TYPE_INT:
        tw__json_cstr(json, "type", "int64");
        tw__json_i64(json, "value", tag->value.i);
        break;
    case TW_TYPE_DOUBLE:
        tw__json_cstr(json, "type", "float64");
        if (isfinite(tag->value.d))
            tw__json_f64(json, "value", tag->value.d);
        else
            tw__json_text(json, "value", tw__value_text(tag, scratch));
        break;
    case TW_TYPE_BOOL:
        tw__json_cstr(json, "type", "bool");
        tw__json_bool(json, "value", tag->value.u != 0);
        break;
    case TW_TYPE_BYTES:
        tw__json_cstr(json, "type", "binary");
        tw__json_hex(json, "value", (const uint8_t *)tag->text.ptr, tag->text.len);
        break;
    case TW_TYPE_UINT:
    case TW_TYPE_STR:
    case TW_TYPE_JSON:
    case TW_TYPE_NONE:
        tw__json_cstr(json, "type", "string");
        tw__json_text(json, "value", tw__value_text(tag, scratch));
        break;
    }
    tw__json_close(json, '}');
}

static void put_reference(struct tw__json *json, const char *type, const uint8_t trace_id[16], const uint8_t span_id[8])
{
    tw__json_open(json, NULL, '{');
    tw__json_cstr(json, "refType", type);
    tw__json_hex(json, "traceID", trace_id, 16);
    tw__json_hex(json, "spanID", span_id, 8);
    tw__json_close(json, '}');
}

static void put_tags(struct tw__json *json, const struct tw__spans *spans, const struct tw__span *span)
{
    const struct tw__scope *scope = &spans->scopes[span->scope];
    tw__json_open(json, "tags", '[');
    for (uint32_t i = 0; i < span->tag_count; i++) put_tag(json, &span->tags[i]);
    if (scope->name.len) put_pair(json, "otel.scope.name", "string", scope->name);
    if (scope->version.len) put_pair(json, "otel.scope.version", "string", scope->version);
    if (*tw__jaeger_kind(span->kind)) put_string(json, "span.kind", tw__jaeger_kind(span->kind));
    if (span->status == TW_STATUS_OK) put_string(json, "otel.status_code", "OK");
    if (span->status == TW_STATUS_ERROR) {
        const struct tw_tag_value error = {.key = {"error", 5}, .type = TW_TYPE_BOOL, .value.u = 1};
        put_string(json, "otel.status_code", "ERROR");
        put_tag(json, &error);
    }
    if (span->status_message.len) put_pair(json, "otel.status_description", "string", span->status_message);
    if (span->trace_state.len) put_pair(json, "w3c.tracestate", "string", span->trace_state);
    tw__json_close(json, ']');
}

static void put_logs(struct tw__json *json, const struct tw__span *span)
{
    tw__json_open(json, "logs", '[');
    for (uint32_t i = 0; i < span->event_count; i++) {
        const struct tw__span_event *event = &span->events[i];
        tw__json_open(json, NULL, '{');
        tw__json_u64(json, "timestamp", event->time_ns / 1000);
        tw__json_open(json, "fields", '[');
        if (event->name.len) put_pair(json, "event", "string", event->name);
        for (uint32_t t = 0; t < event->tag_count; t++) put_tag(json, &event->tags[t]);
        tw__json_close(json, ']');
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
}

static void put_span(struct tw__json *json, const struct tw__spans *spans, const struct tw__span *span)
{
    char process[16];
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "traceID", span->trace_id, 16);
    tw__json_hex(json, "spanID", span->span_id, 8);
    tw__json_u64(json, "flags", span->flags & 0xff);
    tw__json_text(json, "operationName", span->name);
    tw__json_open(json, "references", '[');
    if (!tw__all_zero(span->parent_id, 8)) put_reference(json, "CHILD_OF", span->trace_id, span->parent_id);
    for (uint32_t i = 0; i < span->link_count; i++)
        put_reference(json, "FOLLOWS_FROM", span->links[i].trace_id, span->links[i].span_id);
    tw__json_close(json, ']');
    tw__json_u64(json, "startTime", span->start_ns / 1000);
    tw__json_u64(json, "duration", tw__span_duration_ns(span) / 1000);
    put_tags(json, spans, span);
    put_logs(json, span);
    (void)snprintf(process, sizeof process, "p%u", (unsigned)span->resource + 1);
    tw__json_cstr(json, "processID", process);
    if (span->open) {
        tw__json_open(json, "warnings", '[');
        tw__json_cstr(json, NULL, "this span has not ended, or its process died before it did");
        tw__json_close(json, ']');
    } else {
        tw__json_null(json, "warnings");
    }
    tw__json_close(json, '}');
}

void tw__jaeger_trace(struct tw__json *json, const struct tw__spans *spans)
{
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "traceID", spans->count ? spans->items[0].trace_id : (const uint8_t[16]){0}, 16);
    tw__json_open(json, "spans", '[');
    for (size_t i = 0; i < spans->count; i++) put_span(json, spans, &spans->items[i]);
    tw__json_close(json, ']');
    tw__json_open(json, "processes", '{');
    bool *used = calloc(spans->resource_count + 1, sizeof *used); /* without memory: all */
    for (size_t i = 0; used && i < spans->count; i++) used[spans->items[i].resource] = true;
    for (size_t r = 0; r < spans->resource_count; r++) {
        if (used && !used[r]) continue;
        const struct tw__resource *resource = &spans->resources[r];
        char process[16];
        (void)snprintf(process, sizeof process, "p%u", (unsigned)r + 1);
        tw__json_open(json, process, '{');
        tw__json_text(json, "serviceName", resource->service);
        tw__json_open(json, "tags", '[');
        for (uint32_t i = 0; i < resource->tag_count; i++)
            if (!(resource->tags[i].key.len == 12 && memcmp(resource->tags[i].key.ptr, "service.name", 12) == 0))
                put_tag(json, &resource->tags[i]);
        tw__json_close(json, ']');
        tw__json_close(json, '}');
    }
    tw__json_close(json, '}');
    free(used);
    tw__json_null(json, "warnings");
    tw__json_close(json, '}');
}
