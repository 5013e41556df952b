/* otlp_spans: see the header. Written into memory that is doubled until everything fits; lengths are closed afterwards
 * (wire/pb.h). Field numbers: opentelemetry/proto/trace/v1/trace.proto.
 */
#include "wire/otlp_spans.h"

#include <stdlib.h>

#include "wire/pb.h"
#include "wire/span.h"

enum { FIRST_CAP = 65536, CAP_MAX = 1 << 30 };

static void put_value(struct tw__pb *pb, const struct tw_tag_value *tag)
{
    char scratch[TW__NUMBER_MAX];
    switch (tag->type) {
    case TW_TYPE_BOOL:
        tw__pb_varint(pb, TW__PB_TAG(2, TW__PB_VARINT), tag->value.u != 0);
        return;
    case TW_TYPE_INT:
        tw__pb_varint(pb, TW__PB_TAG(3, TW__PB_VARINT), (uint64_t)tag->value.i);
        return;
    case TW_TYPE_DOUBLE:
        tw__pb_i64(pb, TW__PB_TAG(4, TW__PB_I64), tag->value.u);
        return;
    case TW_TYPE_BYTES:
        tw__pb_bytes(pb, TW__PB_TAG(7, TW__PB_LEN), tag->text.ptr, tag->text.len);
        return;
    case TW_TYPE_UINT:
        if (tag->value.u <= INT64_MAX)
            tw__pb_varint(pb, TW__PB_TAG(3, TW__PB_VARINT), tag->value.u);
        else
            tw__pb_text(pb, TW__PB_TAG(1, TW__PB_LEN), tw__value_text(tag, scratch));
        return;
    case TW_TYPE_STR:
    case TW_TYPE_JSON:
        tw__pb_text(pb, TW__PB_TAG(1, TW__PB_LEN), tag->text);
        return;
    case TW_TYPE_NONE:
        return;
    }
}

static void put_tags(struct tw__pb *pb, uint8_t field, const struct tw_tag_value *tags, size_t count)
{
    for (size_t i = 0; i < count && !pb->full; i++) {
        size_t pair = tw__pb_open(pb, field);
        tw__pb_text(pb, TW__PB_TAG(1, TW__PB_LEN), tags[i].key);
        size_t value = tw__pb_open(pb, TW__PB_TAG(2, TW__PB_LEN));
        put_value(pb, &tags[i]);
        tw__pb_close(pb, value);
        tw__pb_close(pb, pair);
    }
}

static void put_event(struct tw__pb *pb, const struct tw__span_event *event)
{
    const struct tw_record record = {.kind = event->kind};
    const char *kind = tw__event_kind(&record);
    size_t at = tw__pb_open(pb, TW__PB_TAG(11, TW__PB_LEN));
    tw__pb_i64(pb, TW__PB_TAG(1, TW__PB_I64), event->time_ns);
    tw__pb_text(pb, TW__PB_TAG(2, TW__PB_LEN), event->name);
    put_tags(pb, TW__PB_TAG(3, TW__PB_LEN), event->tags, event->tag_count);
    if (kind) {
        const struct tw_tag_value tag = {
            .key = {"trackway.kind", 13}, .type = TW_TYPE_STR, .text = {kind, strlen(kind)}};
        put_tags(pb, TW__PB_TAG(3, TW__PB_LEN), &tag, 1);
    }
    if (event->dropped_tags) tw__pb_varint(pb, TW__PB_TAG(4, TW__PB_VARINT), event->dropped_tags);
    tw__pb_close(pb, at);
}

static void put_link(struct tw__pb *pb, const struct tw__span_link *link)
{
    size_t at = tw__pb_open(pb, TW__PB_TAG(13, TW__PB_LEN));
    tw__pb_bytes(pb, TW__PB_TAG(1, TW__PB_LEN), link->trace_id, 16);
    tw__pb_bytes(pb, TW__PB_TAG(2, TW__PB_LEN), link->span_id, 8);
    if (link->trace_state.len) tw__pb_text(pb, TW__PB_TAG(3, TW__PB_LEN), link->trace_state);
    put_tags(pb, TW__PB_TAG(4, TW__PB_LEN), link->tags, link->tag_count);
    if (link->dropped_tags) tw__pb_varint(pb, TW__PB_TAG(5, TW__PB_VARINT), link->dropped_tags);
    tw__pb_close(pb, at);
}

static void put_span(struct tw__pb *pb, const struct tw__span *span)
{
    static const uint8_t no_id[8];
    size_t at = tw__pb_open(pb, TW__PB_TAG(2, TW__PB_LEN));
    tw__pb_bytes(pb, TW__PB_TAG(1, TW__PB_LEN), span->trace_id, 16);
    tw__pb_bytes(pb, TW__PB_TAG(2, TW__PB_LEN), span->span_id, 8);
    if (span->trace_state.len) tw__pb_text(pb, TW__PB_TAG(3, TW__PB_LEN), span->trace_state);
    if (memcmp(span->parent_id, no_id, 8) != 0) tw__pb_bytes(pb, TW__PB_TAG(4, TW__PB_LEN), span->parent_id, 8);
    tw__pb_text(pb, TW__PB_TAG(5, TW__PB_LEN), span->name);
    tw__pb_varint(pb, TW__PB_TAG(6, TW__PB_VARINT), span->kind <= TW_KIND_CONSUMER ? span->kind + 1u : 0u);
    tw__pb_i64(pb, TW__PB_TAG(7, TW__PB_I64), span->start_ns);
    tw__pb_i64(pb, TW__PB_TAG(8, TW__PB_I64), span->open ? 0 : span->end_ns);
    put_tags(pb, TW__PB_TAG(9, TW__PB_LEN), span->tags, span->tag_count);
    if (span->dropped_tags) tw__pb_varint(pb, TW__PB_TAG(10, TW__PB_VARINT), span->dropped_tags);
    for (uint32_t i = 0; i < span->event_count && !pb->full; i++) put_event(pb, &span->events[i]);
    if (span->dropped_events) tw__pb_varint(pb, TW__PB_TAG(12, TW__PB_VARINT), span->dropped_events);
    for (uint32_t i = 0; i < span->link_count && !pb->full; i++) put_link(pb, &span->links[i]);
    if (span->dropped_links) tw__pb_varint(pb, TW__PB_TAG(14, TW__PB_VARINT), span->dropped_links);
    if (span->status != TW_STATUS_UNSET || span->status_message.len) {
        size_t status = tw__pb_open(pb, TW__PB_TAG(15, TW__PB_LEN));
        if (span->status_message.len) tw__pb_text(pb, TW__PB_TAG(2, TW__PB_LEN), span->status_message);
        if (span->status != TW_STATUS_UNSET) tw__pb_varint(pb, TW__PB_TAG(3, TW__PB_VARINT), span->status);
        tw__pb_close(pb, status);
    }
    tw__pb_close(pb, at);
}

/* Spans that follow each other with one resource and scope; returns the index behind them. */
static size_t put_group(struct tw__pb *pb, const struct tw__spans *spans, size_t first)
{
    const struct tw__span *head = &spans->items[first];
    const struct tw__resource *resource = &spans->resources[head->resource];
    const struct tw__scope *scope = &spans->scopes[head->scope];
    size_t all = tw__pb_open(pb, TW__PB_TAG(1, TW__PB_LEN)), at = tw__pb_open(pb, TW__PB_TAG(1, TW__PB_LEN)), i = first;
    put_tags(pb, TW__PB_TAG(1, TW__PB_LEN), resource->tags, resource->tag_count);
    tw__pb_close(pb, at);
    size_t group = tw__pb_open(pb, TW__PB_TAG(2, TW__PB_LEN));
    at = tw__pb_open(pb, TW__PB_TAG(1, TW__PB_LEN));
    if (scope->name.len) tw__pb_text(pb, TW__PB_TAG(1, TW__PB_LEN), scope->name);
    if (scope->version.len) tw__pb_text(pb, TW__PB_TAG(2, TW__PB_LEN), scope->version);
    put_tags(pb, TW__PB_TAG(3, TW__PB_LEN), scope->tags, scope->tag_count);
    tw__pb_close(pb, at);
    for (; i < spans->count && spans->items[i].resource == head->resource && spans->items[i].scope == head->scope &&
           !pb->full;
         i++)
        put_span(pb, &spans->items[i]);
    tw__pb_close(pb, group);
    tw__pb_close(pb, all);
    return i;
}

void tw__otlp_spans(const struct tw__spans *spans, struct tw__buf *out)
{
    for (size_t cap = FIRST_CAP; cap <= CAP_MAX; cap *= 4) {
        struct tw__pb pb = {.out = malloc(cap), .cap = cap};
        if (!pb.out) break;
        for (size_t i = 0; i < spans->count && !pb.full;) i = put_group(&pb, spans, i);
        if (!pb.full) tw__buf_add(out, pb.out, pb.len);
        free(pb.out);
        if (!pb.full) return;
    }
    out->failed = true;
}
