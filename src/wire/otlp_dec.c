/* otlp_dec: one walk over the protobuf, by hand.
 *
 *     request { resource_spans* { resource, scope_spans* { scope, span* { attribute* event* link* status } } } }
 *
 * A message is looked through twice when something has to be known first: a group for its resource, a scope's spans for
 * the scope. A span is looked through once and made in its place in the batch; its arrays begin with room for what
 * spans usually have, grow, and give back what they did not need. Texts are slices of the request.
 *
 * Invariant: nesting is bounded by the messages' own shape, and by DEPTH_MAX where a value contains values; memory by
 * the limits of the header: a batch's spans, 24 MiB for what is in them, and one span more. Fields that are not known
 * are skipped.
 * Rejected: protobuf-c (0.36 M spans/s against 6 M: an allocation a field).
 */
#include "wire/otlp_dec.h"

#include <stdalign.h>

#include "wire/otlp_value.h"
#include "wire/pb.h"

struct group {
    struct tw__pb_in resource; /* slices; at NULL: not given */
    struct tw__pb_in scope;
    struct tw_text schema, scope_schema;
    uint32_t resource_index, scope_index; /* UINT32_MAX: not in this batch yet */
};

static inline uint64_t le64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

/* The next field: the common case, key and length of a byte each, without a call. */
static inline bool next(struct tw__pb_in *in, struct tw__pb_field *field)
{
    const uint8_t *at = in->at;
    size_t left = (size_t)(in->end - at);
    if (left < 2 || at[0] >= 0x80 || at[0] < 8 || in->bad) return tw__pb_next(in, field);
    unsigned type = at[0] & 7;
    *field = (struct tw__pb_field){.number = at[0] >> 3, .type = type};
    if (type == TW__PB_LEN && at[1] < 0x80 && at[1] <= left - 2) {
        field->bytes = at + 2;
        field->len = at[1];
        in->at = at + 2 + at[1];
    } else if (type == TW__PB_I64 && left >= 9) {
        field->value = le64(at + 1);
        in->at = at + 9;
    } else if (type == TW__PB_VARINT && at[1] < 0x80) {
        field->value = at[1];
        in->at = at + 2;
    } else {
        return tw__pb_next(in, field);
    }
    return true;
}

static inline bool is_len(const struct tw__pb_field *field, unsigned number)
{
    return field->number == number && field->type == TW__PB_LEN;
}

static inline struct tw__pb_in inside(const struct tw__pb_field *field)
{
    return (struct tw__pb_in){field->bytes, field->bytes + field->len, false};
}

static inline struct tw_text text_of(const struct tw__pb_field *field)
{
    return (struct tw_text){(const char *)field->bytes, field->len};
}

static inline uint32_t small(uint64_t value)
{
    return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/* An array in the making, the last thing in the pool as long as nothing nested is found in it. */
struct tags {
    struct tw_tag_value *items;
    uint32_t count, cap, limit, dropped;
};

enum { TAGS_FIRST = 16, PART_TAGS_FIRST = 4 };

static int more_tags(struct tw__pool *pool, struct tags *tags, uint32_t first)
{
    uint32_t cap = tags->cap ? 2 * tags->cap : first;
    if (cap > tags->limit) cap = tags->limit;
    struct tw_tag_value *items = tw__pool_take(pool, cap * sizeof *items, alignof(struct tw_tag_value));
    if (!items) return TW_ERR_MEMORY;
    if (tags->count) memcpy(items, tags->items, tags->count * sizeof *items);
    tags->items = items;
    tags->cap = cap;
    return 0;
}

static void end_tags(struct tw__pool *pool, const struct tags *tags)
{
    if (!tags->items) return;
    tw__pool_give_back(pool, tags->items + tags->count, (tags->cap - tags->count) * sizeof *tags->items);
}

/* A KeyValue as every sender writes it: key and value in this order, each once, of less than 128 bytes. */
static inline bool quick_tag(const uint8_t *at, size_t len, struct tw_tag_value *tag)
{
    if (len < 6 || at[0] != 0x0a || at[1] == 0 || at[1] >= 0x80 || at[1] + 6U > len) return false;
    const uint8_t *value = at + 2 + at[1], *bytes = value + 2;
    size_t value_len = value[1];
    if (value[0] != 0x12 || value_len < 2 || value_len >= 0x80 || bytes + value_len != at + len) return false;
    const struct tw_text key = {(const char *)at + 2, at[1]};
    if (bytes[0] == 0x0a && bytes[1] + 2U == value_len) {
        *tag = (struct tw_tag_value){.key = key,
                                     .type = TW_TYPE_STR,
                                     .text = {(const char *)bytes + 2, value_len - 2},
                                     .full_len = value_len - 2};
        return true;
    }
    *tag = (struct tw_tag_value){.key = key, .text = {"", 0}};
    if (bytes[0] == 0x18 && value_len <= 10) {
        uint64_t number = 0;
        size_t i = 1;
        for (; bytes[i] >= 0x80 && i + 1 < value_len; i++) number |= (uint64_t)(bytes[i] & 0x7f) << (7 * (i - 1));
        if (i + 1 != value_len || bytes[i] >= 0x80) return false;
        tag->type = TW_TYPE_INT;
        tag->value.i = (int64_t)(number | (uint64_t)bytes[i] << (7 * (i - 1)));
        return true;
    }
    if (bytes[0] == 0x10 && value_len == 2 && bytes[1] <= 1) {
        tag->type = TW_TYPE_BOOL;
        tag->value.u = bytes[1];
        return true;
    }
    if (bytes[0] == 0x21 && value_len == 9) {
        uint64_t bits = le64(bytes + 1);
        tag->type = TW_TYPE_DOUBLE;
        memcpy(&tag->value.d, &bits, sizeof bits);
        return true;
    }
    return false;
}

/* A KeyValue in any other form. */
static int slow_tag(struct tw__pool *pool, struct tags *tags, const struct tw__pb_field *attribute)
{
    struct tw_tag_value *tag = &tags->items[tags->count];
    struct tw__pb_in in = inside(attribute);
    struct tw__pb_field field;
    int code = 0;
    *tag = (struct tw_tag_value){.key = {"", 0}, .text = {"", 0}};
    while (next(&in, &field)) {
        if (is_len(&field, 1))
            tag->key = text_of(&field);
        else if (is_len(&field, 2))
            code = tw__otlp_value_dec(pool, field.bytes, field.len, tag);
        if (code == TW_ERR_SYNTAX || code == TW_ERR_MEMORY) return code;
    }
    if (in.bad) return TW_ERR_SYNTAX;
    if (code == TW_ERR_SPACE || tag->key.len == 0)
        tags->dropped++;
    else
        tags->count++;
    return 0;
}

/* KeyValue { key = 1; value = 2 } */
static inline int add_tag(struct tw__pool *pool, struct tags *tags, uint32_t first,
                          const struct tw__pb_field *attribute)
{
    if (tags->count == tags->cap) {
        if (tags->count == tags->limit) {
            tags->dropped++;
            return 0;
        }
        if (more_tags(pool, tags, first) < 0) return TW_ERR_MEMORY;
    }
    if (!quick_tag(attribute->bytes, attribute->len, &tags->items[tags->count])) return slow_tag(pool, tags, attribute);
    tags->count++;
    return 0;
}

static int status_of(const struct tw__pb_field *status, struct tw__span *span)
{
    struct tw__pb_in in = inside(status);
    struct tw__pb_field field;
    while (next(&in, &field)) {
        if (is_len(&field, 2)) span->status_message = text_of(&field);
        if (field.number == 3 && field.type == TW__PB_VARINT)
            span->status = field.value == 1 ? TW_STATUS_OK : field.value == 2 ? TW_STATUS_ERROR : TW_STATUS_UNSET;
    }
    return in.bad ? TW_ERR_SYNTAX : 0;
}

/* Event { time = 1; name = 2; attributes = 3; dropped = 4 } */
static int event_of(struct tw__pool *pool, const struct tw__pb_field *message, struct tw__span_event *event)
{
    struct tw__pb_in in = inside(message);
    struct tw__pb_field field;
    struct tags tags = {.limit = TW__OTLP_PART_TAGS_MAX};
    int code = 0;
    *event = (struct tw__span_event){.kind = TW_RECORD_EVENT, .name = {"", 0}};
    while (code == 0 && next(&in, &field)) {
        if (field.number == 1 && field.type == TW__PB_I64) event->time_ns = field.value;
        if (is_len(&field, 2)) event->name = text_of(&field);
        if (is_len(&field, 3)) code = add_tag(pool, &tags, PART_TAGS_FIRST, &field);
        if (field.number == 4 && field.type == TW__PB_VARINT) event->dropped_tags = small(field.value);
    }
    if (in.bad) return TW_ERR_SYNTAX;
    end_tags(pool, &tags);
    event->tags = tags.items;
    event->tag_count = tags.count;
    event->dropped_tags = small((uint64_t)event->dropped_tags + tags.dropped);
    return code;
}

static void id_of(const struct tw__pb_field *field, uint8_t *id, size_t size)
{
    if (field->len == size) memcpy(id, field->bytes, size);
}

/* Link { trace_id = 1; span_id = 2; trace_state = 3; attributes = 4; dropped = 5; flags = 6 } */
static int link_of(struct tw__pool *pool, const struct tw__pb_field *message, struct tw__span_link *link)
{
    struct tw__pb_in in = inside(message);
    struct tw__pb_field field;
    struct tags tags = {.limit = TW__OTLP_PART_TAGS_MAX};
    int code = 0;
    *link = (struct tw__span_link){.trace_state = {"", 0}};
    while (code == 0 && next(&in, &field)) {
        if (is_len(&field, 1)) id_of(&field, link->trace_id, sizeof link->trace_id);
        if (is_len(&field, 2)) id_of(&field, link->span_id, sizeof link->span_id);
        if (is_len(&field, 3)) link->trace_state = text_of(&field);
        if (is_len(&field, 4)) code = add_tag(pool, &tags, PART_TAGS_FIRST, &field);
        if (field.number == 5 && field.type == TW__PB_VARINT) link->dropped_tags = small(field.value);
        if (field.number == 6 && field.type == TW__PB_I32) link->flags = (uint32_t)field.value;
    }
    if (in.bad) return TW_ERR_SYNTAX;
    end_tags(pool, &tags);
    link->tags = tags.items;
    link->tag_count = tags.count;
    link->dropped_tags = small((uint64_t)link->dropped_tags + tags.dropped);
    return code;
}

/* What a span is made of while its fields come. */
struct making {
    struct tw__pool *pool;
    struct tw__span *span;
    size_t trace_len, span_len, parent_len;
    struct tags tags;
    struct tw__span_event *events;
    struct tw__span_link *links;
    size_t event_cap, link_cap;
};

static int add_event(struct making *making, const struct tw__pb_field *field)
{
    struct tw__span *span = making->span;
    if (span->event_count == TW__OTLP_PARTS_MAX) {
        span->dropped_events++;
        return 0;
    }
    if (tw__pool_grow(making->pool, &making->events, span->event_count, &making->event_cap, sizeof *making->events) < 0)
        return TW_ERR_MEMORY;
    return event_of(making->pool, field, &making->events[span->event_count++]);
}

static int add_link(struct making *making, const struct tw__pb_field *field)
{
    struct tw__span *span = making->span;
    if (span->link_count == TW__OTLP_PARTS_MAX) {
        span->dropped_links++;
        return 0;
    }
    if (tw__pool_grow(making->pool, &making->links, span->link_count, &making->link_cap, sizeof *making->links) < 0)
        return TW_ERR_MEMORY;
    return link_of(making->pool, field, &making->links[span->link_count++]);
}

/* The fields that nest or are rare. */
static int take_part(struct making *making, const struct tw__pb_field *field)
{
    struct tw__span *span = making->span;
    bool number = field->type == TW__PB_VARINT;
    switch (field->number) {
    case 10:
        if (number) span->dropped_tags = small(field->value);
        return 0;
    case 11:
        return field->type == TW__PB_LEN ? add_event(making, field) : 0;
    case 12:
        if (number) span->dropped_events = small(span->dropped_events + field->value);
        return 0;
    case 13:
        return field->type == TW__PB_LEN ? add_link(making, field) : 0;
    case 14:
        if (number) span->dropped_links = small(span->dropped_links + field->value);
        return 0;
    case 15:
        return field->type == TW__PB_LEN ? status_of(field, span) : 0;
    case 16:
        if (field->type == TW__PB_I32) span->flags = (uint32_t)field->value;
        return 0;
    default:
        return 0;
    }
}

static int take_field(struct making *making, const struct tw__pb_field *field)
{
    struct tw__span *span = making->span;
    if (is_len(field, 9)) return add_tag(making->pool, &making->tags, TAGS_FIRST, field);
    if (field->number > 9) return take_part(making, field);
    if (field->type == TW__PB_I64) {
        if (field->number == 7) span->start_ns = field->value;
        if (field->number == 8) span->end_ns = field->value;
    } else if (field->type == TW__PB_LEN) {
        if (field->number == 1) {
            making->trace_len = field->len;
            id_of(field, span->trace_id, sizeof span->trace_id);
        } else if (field->number == 2) {
            making->span_len = field->len;
            id_of(field, span->span_id, sizeof span->span_id);
        } else if (field->number == 3) {
            span->trace_state = text_of(field);
        } else if (field->number == 4) {
            making->parent_len = field->len;
            id_of(field, span->parent_id, sizeof span->parent_id);
        } else if (field->number == 5) {
            span->name = text_of(field);
        }
    } else if (field->number == 6 && field->type == TW__PB_VARINT) {
        span->kind = tw__otlp_kind(field->value);
    }
    return 0;
}

static const struct tw_text nothing = {"", 0};

static int add_scope(struct tw__otlp_dec *dec, struct group *group)
{
    struct tw__pool *pool = &dec->spans->pool;
    struct tw__scope scope = {.name = nothing, .version = nothing, .schema_url = group->scope_schema};
    struct tw__pb_in in = group->scope;
    struct tw__pb_field field;
    struct tags tags = {.limit = TW__OTLP_TAGS_MAX};
    int code = 0;
    if (in.at) {
        while (code == 0 && next(&in, &field)) {
            if (is_len(&field, 1)) scope.name = text_of(&field);
            if (is_len(&field, 2)) scope.version = text_of(&field);
            if (is_len(&field, 3)) code = add_tag(pool, &tags, TAGS_FIRST, &field);
            if (field.number == 4 && field.type == TW__PB_VARINT) scope.dropped_tags = small(field.value);
        }
    }
    if (code == 0 && in.bad) code = TW_ERR_SYNTAX;
    if (code < 0) return code;
    end_tags(pool, &tags);
    scope.tags = tags.items;
    scope.tag_count = tags.count;
    scope.dropped_tags = small((uint64_t)scope.dropped_tags + tags.dropped);
    group->scope_index = tw__spans_add_scope(dec->spans, &scope);
    return group->scope_index == UINT32_MAX ? TW_ERR_MEMORY : 0;
}

static int add_resource(struct tw__otlp_dec *dec, struct group *group)
{
    struct tw__pool *pool = &dec->spans->pool;
    struct tw__resource resource = {.service = nothing, .schema_url = group->schema};
    struct tw__pb_in in = group->resource;
    struct tw__pb_field field;
    struct tags tags = {.limit = TW__OTLP_TAGS_MAX};
    int code = 0;
    if (in.at) {
        while (code == 0 && next(&in, &field)) {
            if (is_len(&field, 1)) code = add_tag(pool, &tags, TAGS_FIRST, &field);
            if (field.number == 2 && field.type == TW__PB_VARINT) resource.dropped_tags = small(field.value);
        }
    }
    if (code == 0 && in.bad) code = TW_ERR_SYNTAX;
    if (code < 0) return code;
    end_tags(pool, &tags);
    resource.tags = tags.items;
    resource.tag_count = tags.count;
    resource.dropped_tags = small((uint64_t)resource.dropped_tags + tags.dropped);
    group->resource_index = tw__spans_add_resource(dec->spans, &resource);
    return group->resource_index == UINT32_MAX ? TW_ERR_MEMORY : 0;
}

/* The fields that every span has, as every sender writes them. Returns how many bytes it took; 0: none, take_field has
 * to look. */
static inline size_t quick_field(struct making *making, const uint8_t *at, size_t left)
{
    struct tw__span *span = making->span;
    struct tags *tags = &making->tags;
    if (left < 10) return 0;
    size_t len = at[1];
    switch (at[0]) {
    case TW__PB_TAG(9, TW__PB_LEN):
        if (len >= 0x80 || len > left - 2 || tags->count == tags->cap) return 0;
        if (!quick_tag(at + 2, len, &tags->items[tags->count])) return 0;
        tags->count++;
        return 2 + len;
    case TW__PB_TAG(1, TW__PB_LEN):
        if (len != 16 || left < 18) return 0;
        memcpy(span->trace_id, at + 2, 16);
        making->trace_len = 16;
        return 18;
    case TW__PB_TAG(2, TW__PB_LEN):
        if (len != 8) return 0;
        memcpy(span->span_id, at + 2, 8);
        making->span_len = 8;
        return 10;
    case TW__PB_TAG(4, TW__PB_LEN):
        if (len != 8) return 0;
        memcpy(span->parent_id, at + 2, 8);
        making->parent_len = 8;
        return 10;
    case TW__PB_TAG(5, TW__PB_LEN):
        if (len >= 0x80 || len > left - 2) return 0;
        span->name = (struct tw_text){(const char *)at + 2, len};
        return 2 + len;
    case TW__PB_TAG(7, TW__PB_I64):
        span->start_ns = le64(at + 1);
        return 9;
    case TW__PB_TAG(8, TW__PB_I64):
        span->end_ns = le64(at + 1);
        return 9;
    default:
        return 0;
    }
}

static int take_fields(struct making *making, struct tw__pb_in in)
{
    struct tw__pb_field field;
    for (;;) {
        size_t taken = quick_field(making, in.at, (size_t)(in.end - in.at));
        in.at += taken;
        if (taken) continue;
        if (!tw__pb_next(&in, &field)) return in.bad ? TW_ERR_SYNTAX : 0;
        int code = take_field(making, &field);
        if (code < 0) return code;
    }
}

/* A span that is refused leaves its resource and scope in the batch, for the next one. */
static int decode_span(struct tw__otlp_dec *dec, struct group *group, const struct tw__pb_field *message)
{
    struct tw__spans *spans = dec->spans;
    struct making making = {.pool = &spans->pool, .tags.limit = TW__OTLP_TAGS_MAX};
    int code = 0;
    if (group->resource_index == UINT32_MAX && (code = add_resource(dec, group)) < 0) return code;
    if (group->scope_index == UINT32_MAX && (code = add_scope(dec, group)) < 0) return code;
    struct tw__span *span = making.span = tw__spans_add(spans, group->resource_index, group->scope_index);
    if (!span) return TW_ERR_MEMORY;
    span->name = span->status_message = span->trace_state = nothing;
    span->kind = TW__KIND_UNSPECIFIED;
    span->door = (uint8_t)dec->door;
    code = take_fields(&making, inside(message));
    if (code < 0) return code;
    end_tags(making.pool, &making.tags);
    span->tags = making.tags.items;
    span->tag_count = making.tags.count;
    span->dropped_tags = small((uint64_t)span->dropped_tags + making.tags.dropped);
    span->events = making.events;
    span->links = making.links;
    if (!tw__otlp_dec_finish(dec, span, making.trace_len, making.span_len, making.parent_len)) {
        spans->count--;
        return 0;
    }
    code = tw__otlp_dec_flush(dec, false);
    if (spans->count == 0) group->resource_index = group->scope_index = UINT32_MAX;
    return code;
}

/* ScopeSpans { scope = 1; spans = 2; schema_url = 3 } */
static int decode_scope(struct tw__otlp_dec *dec, struct group *group, const struct tw__pb_field *message)
{
    struct tw__pb_in in = inside(message), first = in;
    struct tw__pb_field field;
    int code = 0;
    group->scope = (struct tw__pb_in){0};
    group->scope_schema = nothing;
    group->scope_index = UINT32_MAX;
    while (next(&first, &field)) {
        if (is_len(&field, 1)) group->scope = inside(&field);
        if (is_len(&field, 3)) group->scope_schema = text_of(&field);
    }
    if (first.bad) return TW_ERR_SYNTAX;
    while (code == 0 && next(&in, &field))
        if (is_len(&field, 2)) code = decode_span(dec, group, &field);
    return code;
}

/* ResourceSpans { resource = 1; scope_spans = 2; schema_url = 3 } */
static int decode_group(struct tw__otlp_dec *dec, const struct tw__pb_field *message)
{
    struct group group = {.schema = nothing, .scope_schema = nothing, .resource_index = UINT32_MAX};
    struct tw__pb_in in = inside(message), first = in;
    struct tw__pb_field field;
    int code = 0;
    while (next(&first, &field)) {
        if (is_len(&field, 1)) group.resource = inside(&field);
        if (is_len(&field, 3)) group.schema = text_of(&field);
    }
    if (first.bad) return TW_ERR_SYNTAX;
    while (code == 0 && next(&in, &field))
        if (is_len(&field, 2)) code = decode_scope(dec, &group, &field);
    return code;
}

int tw__otlp_dec_flush(struct tw__otlp_dec *dec, bool in_any_case)
{
    struct tw__spans *spans = dec->spans;
    if (!in_any_case && spans->count < TW__OTLP_BATCH_SPANS && spans->pool.taken_bytes < TW__OTLP_BATCH_BYTES) return 0;
    int code = spans->count ? dec->take(dec->data, spans) : 0;
    tw__spans_reset(spans);
    return code < 0 ? code : 0;
}

bool tw__otlp_dec_finish(struct tw__otlp_dec *dec, struct tw__span *span, size_t trace_len, size_t span_len,
                         size_t parent_len)
{
    static const uint8_t none[16];
    bool trace = trace_len == 16 && memcmp(span->trace_id, none, 16) != 0;
    bool own = span_len == 8 && memcmp(span->span_id, none, 8) != 0;
    bool parent = parent_len == 0 || parent_len == 8;
    span->open = span->end_ns == 0;
    if (trace && own && parent) return true;
    dec->rejected++;
    if (!dec->why)
        dec->why = !trace ? "a trace id is not 16 bytes (32 hexadecimal digits in JSON), or zero"
                   : !own ? "a span id is not 8 bytes (16 hexadecimal digits in JSON), or zero"
                          : "a parent span id is not 8 bytes";
    return false;
}

int tw__otlp_dec(struct tw__otlp_dec *dec, const void *bytes, size_t len)
{
    struct tw__pb_in in = {bytes, (const uint8_t *)bytes + len, false};
    struct tw__pb_field field;
    int code = 0;
    dec->rejected = 0;
    dec->why = NULL;
    while (code == 0 && next(&in, &field))
        if (is_len(&field, 1)) code = decode_group(dec, &field);
    if (code == 0 && in.bad) code = TW_ERR_SYNTAX;
    if (code == TW_ERR_SYNTAX) dec->why = "not an ExportTraceServiceRequest in protobuf";
    if (code == 0) code = tw__otlp_dec_flush(dec, true);
    tw__spans_reset(dec->spans);
    return code;
}
