/* otlp_size: how long otlp_spans.c's message of a span is, without writing it.
 *
 * Invariant: the length of what put_span writes, as long as texts are UTF-8; repairing them is not counted, which would
 * cost more than all the rest.
 */
#include <string.h>

#include "wire/otlp_spans.h"
#include "wire/pb.h"
#include "wire/span.h"

static size_t delimited(size_t len)
{
    return 1 + tw__pb_varint_len(len) + len;
}

static size_t number_if(uint64_t value)
{
    return value ? 1 + tw__pb_varint_len(value) : 0;
}

static size_t text_if(struct tw_text text)
{
    return text.len ? delimited(text.len) : 0;
}

static size_t value_size(const struct tw_tag_value *tag)
{
    char scratch[TW__NUMBER_MAX];
    switch (tag->type) {
    case TW_TYPE_BOOL:
        return 2;
    case TW_TYPE_INT:
        return 1 + tw__pb_varint_len((uint64_t)tag->value.i);
    case TW_TYPE_UINT:
        if (tag->value.u <= INT64_MAX) return 1 + tw__pb_varint_len(tag->value.u);
        return delimited(tw__value_text(tag, scratch).len);
    case TW_TYPE_DOUBLE:
        return 9;
    case TW_TYPE_STR:
    case TW_TYPE_BYTES:
    case TW_TYPE_JSON:
        return delimited(tag->text.len);
    case TW_TYPE_NONE:
        break;
    }
    return 0;
}

/* A key and a value so short that each length takes one byte, as nearly all do: 8 bytes around the two. */
enum { SHORT_MAX = 118 };

static size_t tags_size(const struct tw_tag_value *tags, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        const struct tw_tag_value *tag = &tags[i];
        bool is_text = tag->type == TW_TYPE_STR || tag->type == TW_TYPE_JSON;
        if (is_text && tag->key.len + tag->text.len <= SHORT_MAX)
            sum += 8 + tag->key.len + tag->text.len;
        else
            sum += delimited(delimited(tag->key.len) + delimited(value_size(tag)));
    }
    return sum;
}

static size_t event_size(const struct tw__span_event *event)
{
    const struct tw_record record = {.kind = event->kind};
    const char *kind = tw__event_kind(&record);
    size_t sum = 9 + delimited(event->name.len) + tags_size(event->tags, event->tag_count);
    if (kind) {
        const struct tw_tag_value tag = {
            .key = {"trackway.kind", 13}, .type = TW_TYPE_STR, .text = {kind, strlen(kind)}};
        sum += tags_size(&tag, 1);
    }
    return delimited(sum + number_if(event->dropped_tags));
}

static size_t link_size(const struct tw__span_link *link)
{
    return delimited(delimited(16) + delimited(8) + text_if(link->trace_state) +
                     tags_size(link->tags, link->tag_count) + number_if(link->dropped_tags));
}

size_t tw__otlp_span_size(const struct tw__span *span)
{
    static const uint8_t no_id[8];
    size_t kind = 2, times = 18, status = text_if(span->status_message) + number_if(span->status);
    size_t sum = delimited(16) + delimited(8) + delimited(span->name.len) + kind + times + text_if(span->trace_state);
    if (memcmp(span->parent_id, no_id, sizeof no_id) != 0) sum += delimited(8);
    sum += tags_size(span->tags, span->tag_count) + number_if(span->dropped_tags);
    for (uint32_t i = 0; i < span->event_count; i++) sum += event_size(&span->events[i]);
    for (uint32_t i = 0; i < span->link_count; i++) sum += link_size(&span->links[i]);
    return sum + number_if(span->dropped_events) + number_if(span->dropped_links) + (status ? delimited(status) : 0);
}
