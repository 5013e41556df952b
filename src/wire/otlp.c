/* otlp: writing ExportTraceServiceRequest.
 *
 *     0a <n> ResourceSpans                        only one: a process is one resource
 *        0a <n> Resource { attributes }
 *        12 <n> ScopeSpans
 *           0a <n> InstrumentationScope { name, version }
 *           12 <n> Span, 12 <n> Span, ...
 *
 * Lengths come before what they measure. Attributes are measured first, which is a few additions; spans, events and
 * links are written first, behind two bytes kept for the length. For the outer two lengths four bytes are kept, and
 * tw__otlp_end moves the head (everything before the first span, some hundred bytes) up against the spans, so that
 * every varint has its shortest form without a batch being moved:
 *
 *     before   0a .... | resource | 12 .... | scope, spans
 *     after      0a .. |   resource | 12 .. | scope, spans        the request begins a few bytes into the room
 *
 * Invariant: after each call the room holds a prefix that tw__otlp_end completes to a valid request: a span that finds
 * no room is taken back whole.
 * Rejected: protobuf-c (a structure and an allocation per field before the first byte), measuring each span before
 * writing it (the tags would be read twice), lengths padded to four bytes (valid, but larger, and some readers warn).
 */
#include "wire/otlp.h"

enum { OUTER_KEPT = 4 };

/* Field tags, by message. */
enum {
    REQUEST_RESOURCE_SPANS = TW__PB_TAG(1, TW__PB_LEN),
    RESOURCE_SPANS_RESOURCE = TW__PB_TAG(1, TW__PB_LEN),
    RESOURCE_SPANS_SCOPE_SPANS = TW__PB_TAG(2, TW__PB_LEN),
    RESOURCE_ATTRIBUTES = TW__PB_TAG(1, TW__PB_LEN),
    SCOPE_SPANS_SCOPE = TW__PB_TAG(1, TW__PB_LEN),
    SCOPE_SPANS_SPANS = TW__PB_TAG(2, TW__PB_LEN),
    SCOPE_NAME = TW__PB_TAG(1, TW__PB_LEN),
    SCOPE_VERSION = TW__PB_TAG(2, TW__PB_LEN),
    SPAN_TRACE_ID = TW__PB_TAG(1, TW__PB_LEN),
    SPAN_SPAN_ID = TW__PB_TAG(2, TW__PB_LEN),
    SPAN_PARENT_SPAN_ID = TW__PB_TAG(4, TW__PB_LEN),
    SPAN_NAME = TW__PB_TAG(5, TW__PB_LEN),
    SPAN_KIND = TW__PB_TAG(6, TW__PB_VARINT),
    SPAN_START = TW__PB_TAG(7, TW__PB_I64),
    SPAN_END = TW__PB_TAG(8, TW__PB_I64),
    SPAN_ATTRIBUTES = TW__PB_TAG(9, TW__PB_LEN),
    SPAN_DROPPED_ATTRIBUTES = TW__PB_TAG(10, TW__PB_VARINT),
    SPAN_EVENTS = TW__PB_TAG(11, TW__PB_LEN),
    SPAN_DROPPED_EVENTS = TW__PB_TAG(12, TW__PB_VARINT),
    SPAN_LINKS = TW__PB_TAG(13, TW__PB_LEN),
    SPAN_DROPPED_LINKS = TW__PB_TAG(14, TW__PB_VARINT),
    SPAN_STATUS = TW__PB_TAG(15, TW__PB_LEN),
    EVENT_TIME = TW__PB_TAG(1, TW__PB_I64),
    EVENT_NAME = TW__PB_TAG(2, TW__PB_LEN),
    EVENT_ATTRIBUTES = TW__PB_TAG(3, TW__PB_LEN),
    EVENT_DROPPED_ATTRIBUTES = TW__PB_TAG(4, TW__PB_VARINT),
    LINK_TRACE_ID = TW__PB_TAG(1, TW__PB_LEN),
    LINK_SPAN_ID = TW__PB_TAG(2, TW__PB_LEN),
    LINK_FLAGS = TW__PB_TAG(6, TW__PB_I32),
    STATUS_MESSAGE = TW__PB_TAG(2, TW__PB_LEN),
    STATUS_CODE = TW__PB_TAG(3, TW__PB_VARINT),
    KEY_VALUE_KEY = TW__PB_TAG(1, TW__PB_LEN),
    KEY_VALUE_VALUE = TW__PB_TAG(2, TW__PB_LEN),
    VALUE_STRING = TW__PB_TAG(1, TW__PB_LEN),
    VALUE_BOOL = TW__PB_TAG(2, TW__PB_VARINT),
    VALUE_INT = TW__PB_TAG(3, TW__PB_VARINT),
    VALUE_DOUBLE = TW__PB_TAG(4, TW__PB_I64),
    VALUE_BYTES = TW__PB_TAG(7, TW__PB_LEN),
};

/* Span.flags is field 16, whose tag takes two bytes. */
static const uint8_t span_flags_tag[] = {0x85, 0x01};

/* A KeyValue of text. */
static void put_text_attribute(struct tw__pb *pb, uint8_t field, struct tw_text key, uint8_t type, struct tw_text value,
                               size_t value_size)
{
    size_t key_size = tw__utf8_repaired_len(key);
    size_t any_size = 1 + tw__pb_varint_len(value_size) + value_size;
    size_t size = 1 + tw__pb_varint_len(key_size) + key_size + 1 + tw__pb_varint_len(any_size) + any_size;
    uint8_t *at = tw__pb_claim(pb, 1 + tw__pb_varint_len(size) + size);
    if (!at) return;
    *at++ = field;
    at = tw__pb_raw_varint(at, size);
    *at++ = KEY_VALUE_KEY;
    at = tw__pb_raw_text(at, key, key_size);
    *at++ = KEY_VALUE_VALUE;
    at = tw__pb_raw_varint(at, any_size);
    *at++ = type;
    at = tw__pb_raw_varint(at, value_size);
    if (type == VALUE_STRING && value_size != value.len)
        tw__utf8_repaired_copy(value, (char *)at);
    else if (value_size)
        memcpy(at, value.ptr, value_size);
}

/* A KeyValue of a number: type and up to ten bytes. type 0: a value that is not set. */
static void put_number_attribute(struct tw__pb *pb, uint8_t field, struct tw_text key, uint8_t type, uint64_t bits)
{
    size_t key_size = tw__utf8_repaired_len(key);
    size_t any_size = type == 0 ? 0 : type == VALUE_DOUBLE ? 9 : 1 + tw__pb_varint_len(bits);
    size_t size = 1 + tw__pb_varint_len(key_size) + key_size + 2 + any_size;
    uint8_t *at = tw__pb_claim(pb, 1 + tw__pb_varint_len(size) + size);
    if (!at) return;
    *at++ = field;
    at = tw__pb_raw_varint(at, size);
    *at++ = KEY_VALUE_KEY;
    at = tw__pb_raw_text(at, key, key_size);
    *at++ = KEY_VALUE_VALUE;
    *at++ = (uint8_t)any_size;
    if (type == 0) return;
    *at++ = type;
    if (type == VALUE_DOUBLE)
        (void)tw__pb_raw_fixed(at, bits, 8);
    else
        (void)tw__pb_raw_varint(at, bits);
}

static void put_attribute(struct tw__pb *pb, uint8_t field, const struct tw_tag_value *tag)
{
    char scratch[TW__NUMBER_MAX];
    struct tw_text text;
    switch (tag->type) {
    case TW_TYPE_INT:
        put_number_attribute(pb, field, tag->key, VALUE_INT, (uint64_t)tag->value.i);
        return;
    case TW_TYPE_BOOL:
        put_number_attribute(pb, field, tag->key, VALUE_BOOL, tag->value.u != 0);
        return;
    case TW_TYPE_DOUBLE:
        put_number_attribute(pb, field, tag->key, VALUE_DOUBLE, tag->value.u);
        return;
    case TW_TYPE_UINT:
        if (tag->value.u <= INT64_MAX) {
            put_number_attribute(pb, field, tag->key, VALUE_INT, tag->value.u);
            return;
        }
        text = tw__value_text(tag, scratch);
        put_text_attribute(pb, field, tag->key, VALUE_STRING, text, text.len);
        return;
    case TW_TYPE_STR:
    case TW_TYPE_JSON:
        put_text_attribute(pb, field, tag->key, VALUE_STRING, tag->text, tw__utf8_repaired_len(tag->text));
        return;
    case TW_TYPE_BYTES:
        put_text_attribute(pb, field, tag->key, VALUE_BYTES, tag->text, tag->text.len);
        return;
    case TW_TYPE_NONE:
        break;
    }
    put_number_attribute(pb, field, tag->key, 0, 0);
}

/* At most limit attributes; returns how many were left out. */
static size_t put_attributes(struct tw__pb *pb, uint8_t field, const struct tw_tag_value *tags, size_t count,
                             size_t limit)
{
    size_t left_out = 0;
    for (size_t i = 0; i < count; i++) {
        if (tw__tag_replaced(tags, count, i)) continue;
        if (limit == 0 || tags[i].key.len == 0) { /* a key has to be something */
            left_out++;
            continue;
        }
        put_attribute(pb, field, &tags[i]);
        limit--;
    }
    return left_out;
}

static void put_dropped(struct tw__pb *pb, uint8_t tag, size_t count)
{
    if (count) tw__pb_varint(pb, tag, count < UINT32_MAX ? count : UINT32_MAX);
}

#define TEXT(literal) ((struct tw_text){literal, sizeof literal - 1})

static void put_places(struct tw__pb *pb, const struct tw_record *record)
{
    put_number_attribute(pb, SPAN_ATTRIBUTES, TEXT("thread.id"), VALUE_INT, record->tid);
    if (record->thread.len)
        put_text_attribute(pb, SPAN_ATTRIBUTES, TEXT("thread.name"), VALUE_STRING, record->thread,
                           tw__utf8_repaired_len(record->thread));
    if (record->function.len)
        put_text_attribute(pb, SPAN_ATTRIBUTES, TEXT("code.function.name"), VALUE_STRING, record->function,
                           tw__utf8_repaired_len(record->function));
    if (record->line) put_number_attribute(pb, SPAN_ATTRIBUTES, TEXT("code.line.number"), VALUE_INT, record->line);
}

static void put_event(struct tw__pb *pb, const struct tw_record *event, size_t limit)
{
    size_t at = tw__pb_open(pb, SPAN_EVENTS);
    const char *kind = tw__event_kind(event);
    tw__pb_i64(pb, EVENT_TIME, event->time_ns);
    if (event->name.len) tw__pb_text(pb, EVENT_NAME, event->name);
    if (kind) {
        struct tw_text text = {kind, strlen(kind)};
        put_text_attribute(pb, EVENT_ATTRIBUTES, TEXT("trackway.kind"), VALUE_STRING, text, text.len);
    }
    put_dropped(pb, EVENT_DROPPED_ATTRIBUTES,
                put_attributes(pb, EVENT_ATTRIBUTES, event->tags, event->tag_count, limit));
    tw__pb_close(pb, at);
}

static void put_link(struct tw__pb *pb, const struct tw_context *cause)
{
    uint8_t *at = tw__pb_claim(pb, 2 + 18 + 10 + 5);
    if (!at) return;
    *at++ = SPAN_LINKS;
    *at++ = 18 + 10 + 5;
    *at++ = LINK_TRACE_ID;
    *at++ = 16;
    memcpy(at, cause->trace_id, 16);
    at += 16;
    *at++ = LINK_SPAN_ID;
    *at++ = 8;
    memcpy(at, cause->span_id, 8);
    at += 8;
    *at++ = LINK_FLAGS;
    (void)tw__pb_raw_fixed(at, cause->flags, 4);
}

static void put_status(struct tw__pb *pb, const struct tw_record *record)
{
    if (record->status == TW_STATUS_UNSET && record->status_message.len == 0) return;
    size_t at = tw__pb_open(pb, SPAN_STATUS);
    if (record->status_message.len) tw__pb_text(pb, STATUS_MESSAGE, record->status_message);
    if (record->status != TW_STATUS_UNSET) tw__pb_varint(pb, STATUS_CODE, (uint64_t)record->status);
    tw__pb_close(pb, at);
}

/* Ids, name, kind and times. */
static void put_head(struct tw__pb *pb, const struct tw_record *record)
{
    static const uint8_t no_id[8];
    static const uint8_t kinds[] = {1, 2, 3, 4, 5}; /* OTLP's, of ours; 0 would be unspecified */
    tw__pb_bytes(pb, SPAN_TRACE_ID, record->trace_id, 16);
    tw__pb_bytes(pb, SPAN_SPAN_ID, record->span_id, 8);
    if (memcmp(record->parent_id, no_id, 8) != 0) tw__pb_bytes(pb, SPAN_PARENT_SPAN_ID, record->parent_id, 8);
    if (record->name.len) tw__pb_text(pb, SPAN_NAME, record->name);
    tw__pb_varint(pb, SPAN_KIND, record->span_kind <= TW_KIND_CONSUMER ? kinds[record->span_kind] : 0);
    tw__pb_i64(pb, SPAN_START, record->time_ns);
    tw__pb_i64(pb, SPAN_END, record->end_ns);
}

int tw__otlp_span(struct tw__otlp_enc *enc, const struct tw__span_in *span)
{
    struct tw__pb *pb = &enc->pb;
    const struct tw_record *record = span->record;
    size_t limit = enc->limit, before = pb->len;
    size_t events = span->event_count < limit ? span->event_count : limit;
    size_t links = record->parent_count < limit ? record->parent_count : limit;

    if (record->kind != TW_RECORD_SPAN) return TW_ERR_STATE;
    if (pb->full) return TW_ERR_SPACE;
    size_t at = tw__pb_open(pb, SCOPE_SPANS_SPANS);
    put_head(pb, record);
    if (enc->places) put_places(pb, record);
    size_t left_out = put_attributes(pb, SPAN_ATTRIBUTES, record->tags, record->tag_count, limit);
    put_dropped(pb, SPAN_DROPPED_ATTRIBUTES, left_out);
    for (size_t i = 0; i < events && !pb->full; i++) put_event(pb, span->events[i], limit);
    put_dropped(pb, SPAN_DROPPED_EVENTS, span->event_count - events);
    for (size_t i = 0; i < links; i++) put_link(pb, &record->parents[i]);
    put_dropped(pb, SPAN_DROPPED_LINKS, record->parent_count - links);
    put_status(pb, record);
    uint8_t *flags = tw__pb_claim(pb, sizeof span_flags_tag + 4);
    if (flags) {
        memcpy(flags, span_flags_tag, sizeof span_flags_tag);
        (void)tw__pb_raw_fixed(flags + sizeof span_flags_tag, record->flags, 4);
    }
    tw__pb_close(pb, at);
    if (pb->full) {
        pb->full = false;
        pb->len = before;
        return TW_ERR_SPACE;
    }
    enc->span_count++;
    return 0;
}

void tw__otlp_begin(struct tw__otlp_enc *enc, void *out, size_t cap, const struct tw__otlp_resource *resource)
{
    *enc = (struct tw__otlp_enc){.pb = {.out = out, .cap = cap < TW__OTLP_CAP ? cap : TW__OTLP_CAP}};
    struct tw__pb *pb = &enc->pb;
    enc->limit = resource->limit ? resource->limit : TW__OTLP_LIMIT;
    enc->places = resource->places;
    (void)tw__pb_claim(pb, 1 + OUTER_KEPT);
    size_t at = tw__pb_open(pb, RESOURCE_SPANS_RESOURCE);
    (void)put_attributes(pb, RESOURCE_ATTRIBUTES, resource->attributes, resource->attribute_count, SIZE_MAX);
    tw__pb_close(pb, at);
    (void)tw__pb_claim(pb, 1 + OUTER_KEPT);
    enc->scope_at = pb->len;
    at = tw__pb_open(pb, SCOPE_SPANS_SCOPE);
    if (resource->scope_name.len) tw__pb_text(pb, SCOPE_NAME, resource->scope_name);
    if (resource->scope_version.len) tw__pb_text(pb, SCOPE_VERSION, resource->scope_version);
    tw__pb_close(pb, at);
    enc->spans_at = pb->len;
}

struct tw_text tw__otlp_end(struct tw__otlp_enc *enc)
{
    struct tw__pb *pb = &enc->pb;
    const size_t head = 1 + OUTER_KEPT;
    if (pb->full) return (struct tw_text){NULL, 0};
    size_t inner = pb->len - enc->scope_at, inner_len = tw__pb_varint_len(inner);
    size_t resource_len = enc->scope_at - 2 * head, slack = OUTER_KEPT - inner_len;
    uint8_t *at = pb->out + enc->scope_at - 1 - inner_len;
    *at = RESOURCE_SPANS_SCOPE_SPANS;
    (void)tw__pb_raw_varint(at + 1, inner);
    memmove(pb->out + head + slack, pb->out + head, resource_len);
    size_t outer = resource_len + 1 + inner_len + inner, outer_len = tw__pb_varint_len(outer);
    at = pb->out + head + slack - 1 - outer_len;
    *at = REQUEST_RESOURCE_SPANS;
    (void)tw__pb_raw_varint(at + 1, outer);
    return (struct tw_text){(const char *)at, 1 + outer_len + outer};
}
