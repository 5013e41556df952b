/* otlp_json: OpenTelemetry's JSON form, read with the pull reader as it comes.
 *
 * Members come in any order, and spans are handed on before the whole text is read: when spans come before their
 * resource or scope, the reader is copied, the rest looked through for it, and reading goes on where it stood.
 *
 * What senders really write: ids as hex of either case; 64-bit numbers as texts, as numbers, and as JavaScript rounds
 * them ("1e+21"); enums as numbers, or as their names; null for what is not there; members that are not known.
 *
 * Invariant: texts point into the request, or into a pool when they had escapes. Limits: those of the header; a text
 * with escapes is at most SCRATCH_MAX bytes; KEPT_MAX bytes for all resources and scopes of a request.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/decimal.h"
#include "base/hex.h"
#include "wire/json.h"
#include "wire/json_read.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_value.h"
#include "wire/span.h"

enum { SCRATCH_MAX = 1 << 20, KEPT_MAX = 32 << 20 };

struct reading {
    struct tw__otlp_dec *dec;
    struct tw__json_reader json;
    struct tw__pool *pool; /* where texts and arrays go at the moment */
};

struct tags {
    struct tw_tag_value *items;
    size_t count, cap;
    uint32_t dropped, limit;
};

typedef int member_fn(struct reading *r, void *target);

static const struct tw_text nothing = {"", 0};

/* -- pieces */

/* The text of the last NAME or STRING, for as long as the pool. */
static int own(struct reading *r, struct tw_text *out)
{
    const char *from = r->json.string.ptr;
    *out = r->json.string;
    if (out->len == 0) *out = nothing;
    if (out->len == 0 || from < r->json.scratch || from >= r->json.scratch + r->json.scratch_cap) return 0;
    out->ptr = tw__pool_copy(r->pool, from, out->len);
    return out->ptr ? 0 : TW_ERR_MEMORY;
}

static int skip(struct reading *r)
{
    enum tw__json_event event = tw__json_skip(&r->json);
    return event == TW__JSON_BAD || event == TW__JSON_MORE ? TW_ERR_SYNTAX : 0;
}

/* Calls fn at each name of the object that has just begun; fn reads the value. */
static int members(struct reading *r, member_fn *fn, void *target)
{
    for (;;) {
        enum tw__json_event event = tw__json_read(&r->json);
        if (event == TW__JSON_OBJECT_END) return 0;
        int code = event == TW__JSON_NAME ? fn(r, target) : TW_ERR_SYNTAX;
        if (code < 0) return code;
    }
}

/* The next value has to be an object, or null. */
static int object(struct reading *r, member_fn *fn, void *target)
{
    enum tw__json_event event = tw__json_read(&r->json);
    if (event == TW__JSON_NULL) return 0;
    return event == TW__JSON_OBJECT ? members(r, fn, target) : TW_ERR_SYNTAX;
}

/* The next value has to be a list of objects, or null. fn is called at the beginning of each object. */
static int list(struct reading *r, member_fn *fn, void *target)
{
    enum tw__json_event event = tw__json_read(&r->json);
    if (event == TW__JSON_NULL) return 0;
    if (event != TW__JSON_ARRAY) return TW_ERR_SYNTAX;
    for (;;) {
        event = tw__json_read(&r->json);
        if (event == TW__JSON_ARRAY_END) return 0;
        if (event == TW__JSON_NULL) continue;
        int code = event == TW__JSON_OBJECT ? fn(r, target) : TW_ERR_SYNTAX;
        if (code < 0) return code;
    }
}

static int text(struct reading *r, struct tw_text *out)
{
    enum tw__json_event event = tw__json_read(&r->json);
    if (event == TW__JSON_NULL) return 0;
    return event == TW__JSON_STRING ? own(r, out) : TW_ERR_SYNTAX;
}

/* A number given as one, or as text. */
struct number {
    bool there, whole, negative;
    uint64_t magnitude;
    double nearest;
};

static bool digits_of(struct tw_text text, struct number *out)
{
    *out = (struct number){.there = true, .whole = true};
    out->negative = text.len && text.ptr[0] == '-';
    size_t at = out->negative;
    if (at == text.len) return false;
    for (size_t i = at; out->whole && i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9 || out->magnitude > (UINT64_MAX - digit) / 10)
            out->whole = false;
        else
            out->magnitude = out->magnitude * 10 + digit;
    }
    bool read = tw__decimal_parse(text.ptr + at, text.len - at, &out->nearest);
    if (out->negative) out->nearest = -out->nearest;
    return read;
}

static int number(struct reading *r, struct number *out)
{
    enum tw__json_event event = tw__json_read(&r->json);
    *out = (struct number){0};
    if (event == TW__JSON_NULL) return 0;
    if (event == TW__JSON_NUMBER || event == TW__JSON_STRING) return digits_of(r->json.string, out) ? 0 : TW_ERR_SYNTAX;
    return TW_ERR_SYNTAX;
}

/* The nearest whole number that there is. */
static uint64_t unsigned_of(const struct number *number)
{
    if (number->whole) return number->negative ? 0 : number->magnitude;
    if (!(number->nearest > 0)) return 0;
    return number->nearest >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)number->nearest;
}

static int unsigned_number(struct reading *r, uint64_t *out)
{
    struct number read;
    int code = number(r, &read);
    if (code == 0 && read.there) *out = unsigned_of(&read);
    return code;
}

static int small_number(struct reading *r, uint32_t *out)
{
    uint64_t value = *out;
    int code = unsigned_number(r, &value);
    *out = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    return code;
}

/* An enum: its number, or its place in names. */
static int enumerated(struct reading *r, const char *const *names, size_t count, uint64_t *out)
{
    struct tw__json_reader before = r->json;
    enum tw__json_event event = tw__json_read(&r->json);
    for (size_t i = 0; event == TW__JSON_STRING && i < count; i++) {
        if (!tw__json_is(&r->json, names[i])) continue;
        *out = i;
        return 0;
    }
    r->json = before;
    return unsigned_number(r, out);
}

/* A hexadecimal id; len is what it has of bytes, SIZE_MAX when it is not hexadecimal. */
static int id(struct reading *r, uint8_t *bytes, size_t size, size_t *len)
{
    enum tw__json_event event = tw__json_read(&r->json);
    *len = 0;
    if (event == TW__JSON_NULL) return 0;
    if (event != TW__JSON_STRING) return TW_ERR_SYNTAX;
    *len = r->json.string.len == 0 ? 0 : SIZE_MAX;
    if (r->json.string.len == 2 * size && tw__hex_dec(r->json.string.ptr, bytes, size))
        *len = size;
    else
        memset(bytes, 0, size);
    return 0;
}

/* -- values */

struct value {
    struct tw_tag_value *tag; /* NULL: written to json instead */
    struct tw__json *out;
    const char *why;
    unsigned depth;
    bool given;
};

static int write_number(struct reading *r, struct tw__json *out, bool whole)
{
    struct number read;
    int code = number(r, &read);
    if (code < 0) return code;
    if (!whole || !read.whole)
        tw__json_f64(out, NULL, read.nearest);
    else if (read.negative)
        tw__json_i64(out, NULL, (int64_t)(0 - read.magnitude));
    else
        tw__json_u64(out, NULL, read.magnitude);
    return 0;
}

static int value_member(struct reading *r, void *target);

static int write_value(struct reading *r, struct tw__json *out, unsigned depth)
{
    struct value value = {.out = out, .depth = depth};
    if (depth > TW__OTLP_DEPTH_MAX || out->out->len > TW__OTLP_JSON_MAX) return TW_ERR_SPACE;
    int code = members(r, value_member, &value);
    if (code == 0 && !value.given) tw__json_null(out, NULL);
    return code;
}

static int list_element(struct reading *r, void *target)
{
    const struct value *value = target;
    return write_value(r, value->out, value->depth + 1);
}

struct pair {
    struct value *value;
    bool named;
};

static int pair_member(struct reading *r, void *target)
{
    struct pair *pair = target;
    if (tw__json_is(&r->json, "key")) {
        if (tw__json_read(&r->json) != TW__JSON_STRING) return TW_ERR_SYNTAX;
        if (!pair->named) tw__json_name(pair->value->out, r->json.string);
        pair->named = true;
        return 0;
    }
    if (!tw__json_is(&r->json, "value")) return skip(r);
    if (!pair->named) tw__json_name(pair->value->out, nothing); /* the value before its key: no sender is known to */
    pair->named = true;
    if (tw__json_read(&r->json) != TW__JSON_OBJECT) return TW_ERR_SYNTAX;
    return write_value(r, pair->value->out, pair->value->depth + 1);
}

static int map_element(struct reading *r, void *target)
{
    struct pair pair = {.value = target};
    bool comma = pair.value->out->comma;
    size_t len = pair.value->out->out->len;
    int code = members(r, pair_member, &pair);
    /* A key without a value is no member. */
    if (code == 0 && pair.named && !pair.value->out->comma) {
        pair.value->out->out->len = len;
        pair.value->out->comma = comma;
    }
    return code;
}

struct nested {
    struct value *value;
    member_fn *element;
};

static int values_member(struct reading *r, void *target)
{
    const struct nested *nested = target;
    return tw__json_is(&r->json, "values") ? list(r, nested->element, nested->value) : skip(r);
}

/* An arrayValue or kvlistValue, as JSON into value->out. */
static int write_nested(struct reading *r, struct value *value, bool map)
{
    struct nested nested = {value, map ? map_element : list_element};
    tw__json_open(value->out, NULL, map ? '{' : '[');
    int code = object(r, values_member, &nested);
    tw__json_close(value->out, map ? '}' : ']');
    return code;
}

/* The same as text of a tag. What is too deep or too long is passed over, and the tag left out. */
static int nested_tag(struct reading *r, struct value *value, bool map)
{
    struct tw__json_reader before = r->json;
    struct tw__buf text = {0};
    struct tw__json out = {.out = &text};
    struct value inner = {.out = &out, .depth = 0};
    int code = write_nested(r, &inner, map);
    if (code == 0 && text.failed) code = TW_ERR_MEMORY;
    if (code == 0 && text.len > TW__OTLP_JSON_MAX) code = TW_ERR_SPACE;
    if (code == TW_ERR_SPACE) {
        r->json = before;
        value->why = "too deep or too long";
        code = skip(r);
    } else if (code == 0) {
        value->tag->type = TW_TYPE_JSON;
        value->tag->text = (struct tw_text){tw__pool_copy(r->pool, text.ptr, text.len), text.len};
        value->tag->full_len = text.len;
        if (!value->tag->text.ptr) code = TW_ERR_MEMORY;
    }
    tw__buf_fini(&text);
    return code;
}

static int base64(struct reading *r, struct tw_tag_value *tag)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct tw_text from = r->json.string;
    char *to = tw__pool_take(r->pool, from.len / 4 * 3 + 3, 1);
    size_t len = 0, held = 0;
    uint32_t bits = 0;
    if (!to) return TW_ERR_MEMORY;
    for (size_t i = 0; i < from.len && from.ptr[i] != '='; i++) {
        char c = from.ptr[i] == '-' ? '+' : from.ptr[i] == '_' ? '/' : from.ptr[i];
        const char *digit = memchr(digits, c, 64);
        if (!digit) return TW_ERR_SYNTAX;
        bits = bits << 6 | (uint32_t)(digit - digits);
        if ((held += 6) < 8) continue;
        held -= 8;
        to[len++] = (char)(bits >> held & 0xff);
    }
    tag->type = TW_TYPE_BYTES;
    tag->text = (struct tw_text){to, len};
    tag->full_len = len;
    return 0;
}

static int scalar_tag(struct reading *r, struct tw_tag_value *tag, enum tw_type type)
{
    struct number read;
    int code = type == TW_TYPE_INT || type == TW_TYPE_DOUBLE ? number(r, &read) : 0;
    if (code < 0) return code;
    switch (type) {
    case TW_TYPE_INT:
        tag->type = TW_TYPE_INT;
        if (read.whole && read.magnitude <= (uint64_t)INT64_MAX + read.negative)
            tag->value.i = (int64_t)(read.negative ? 0 - read.magnitude : read.magnitude);
        else { /* beyond what the sender's own protobuf could say: as near as can be */
            tag->type = TW_TYPE_DOUBLE;
            tag->value.d = read.nearest;
        }
        return 0;
    case TW_TYPE_DOUBLE:
        tag->type = TW_TYPE_DOUBLE;
        tag->value.d = read.nearest;
        return 0;
    case TW_TYPE_BOOL:
        if (tw__json_read(&r->json) != TW__JSON_BOOL) return TW_ERR_SYNTAX;
        tag->type = TW_TYPE_BOOL;
        tag->value.u = r->json.boolean;
        return 0;
    case TW_TYPE_BYTES:
        return tw__json_read(&r->json) == TW__JSON_STRING ? base64(r, tag) : TW_ERR_SYNTAX;
    case TW_TYPE_NONE:
    case TW_TYPE_UINT:
    case TW_TYPE_STR:
    case TW_TYPE_JSON:
        break;
    }
    if (tw__json_read(&r->json) != TW__JSON_STRING) return TW_ERR_SYNTAX;
    tag->type = TW_TYPE_STR;
    code = own(r, &tag->text);
    tag->full_len = tag->text.len;
    return code;
}

/* NaN and infinities are words in a text. Returns whether there was one. */
static bool double_word(struct reading *r, double *out)
{
    struct tw__json_reader before = r->json;
    if (tw__json_read(&r->json) == TW__JSON_STRING) {
        *out = (double)NAN;
        if (tw__json_is(&r->json, "NaN")) return true;
        *out = tw__json_is(&r->json, "-Infinity") ? -(double)INFINITY : (double)INFINITY;
        if (tw__json_is(&r->json, "Infinity") || tw__json_is(&r->json, "-Infinity")) return true;
    }
    r->json = before;
    return false;
}

static int write_scalar(struct reading *r, struct tw__json *out, enum tw_type type)
{
    double word;
    if (type == TW_TYPE_DOUBLE && double_word(r, &word)) {
        tw__json_text(out, NULL, r->json.string);
        return 0;
    }
    if (type == TW_TYPE_INT || type == TW_TYPE_DOUBLE) return write_number(r, out, type == TW_TYPE_INT);
    enum tw__json_event event = tw__json_read(&r->json);
    if (event != (type == TW_TYPE_BOOL ? TW__JSON_BOOL : TW__JSON_STRING)) return TW_ERR_SYNTAX;
    if (type == TW_TYPE_BOOL)
        tw__json_bool(out, NULL, r->json.boolean);
    else
        tw__json_text(out, NULL, r->json.string);
    return 0;
}

static int value_member(struct reading *r, void *target)
{
    static const struct {
        const char *name;
        enum tw_type type;
    } forms[] = {{"stringValue", TW_TYPE_STR},    {"intValue", TW_TYPE_INT},     {"boolValue", TW_TYPE_BOOL},
                 {"doubleValue", TW_TYPE_DOUBLE}, {"bytesValue", TW_TYPE_BYTES}, {"arrayValue", TW_TYPE_JSON},
                 {"kvlistValue", TW_TYPE_JSON}};
    struct value *value = target;
    size_t form = 0;
    while (form < sizeof forms / sizeof *forms && !tw__json_is(&r->json, forms[form].name)) form++;
    if (form == sizeof forms / sizeof *forms || value->given) return skip(r);
    struct tw__json_reader before = r->json;
    if (tw__json_read(&r->json) == TW__JSON_NULL) return 0;
    r->json = before;
    value->given = true;
    if (forms[form].type == TW_TYPE_JSON)
        return value->tag ? nested_tag(r, value, form == 6) : write_nested(r, value, form == 6);
    if (!value->tag) return write_scalar(r, value->out, forms[form].type);
    double word;
    if (forms[form].type == TW_TYPE_DOUBLE && double_word(r, &word)) {
        value->tag->type = TW_TYPE_DOUBLE;
        value->tag->value.d = word;
        return 0;
    }
    return scalar_tag(r, value->tag, forms[form].type);
}

static int tag_member(struct reading *r, void *target)
{
    struct value *value = target;
    if (tw__json_is(&r->json, "key")) return text(r, &value->tag->key);
    return tw__json_is(&r->json, "value") ? object(r, value_member, value) : skip(r);
}

static int tag_element(struct reading *r, void *target)
{
    struct tags *tags = target;
    struct tw_tag_value tag = {.key = nothing, .text = nothing};
    struct value value = {.tag = &tag};
    int code = members(r, tag_member, &value);
    if (code < 0) return code;
    if (tag.key.len == 0 || value.why || tags->count == tags->limit) {
        tags->dropped++;
        return 0;
    }
    if (tw__pool_grow(r->pool, &tags->items, tags->count, &tags->cap, sizeof tag) < 0) return TW_ERR_MEMORY;
    tags->items[tags->count++] = tag;
    return 0;
}

static uint32_t sum(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* -- parts of spans */

struct event_reading {
    struct tw__span_event event;
    struct tags tags;
};

static int event_member(struct reading *r, void *target)
{
    struct event_reading *reading = target;
    if (tw__json_is(&r->json, "timeUnixNano")) return unsigned_number(r, &reading->event.time_ns);
    if (tw__json_is(&r->json, "name")) return text(r, &reading->event.name);
    if (tw__json_is(&r->json, "attributes")) return list(r, tag_element, &reading->tags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? small_number(r, &reading->event.dropped_tags) : skip(r);
}

struct link_reading {
    struct tw__span_link link;
    struct tags tags;
};

static int link_member(struct reading *r, void *target)
{
    struct link_reading *reading = target;
    struct tw__span_link *link = &reading->link;
    size_t len;
    if (tw__json_is(&r->json, "traceId")) return id(r, link->trace_id, sizeof link->trace_id, &len);
    if (tw__json_is(&r->json, "spanId")) return id(r, link->span_id, sizeof link->span_id, &len);
    if (tw__json_is(&r->json, "traceState")) return text(r, &link->trace_state);
    if (tw__json_is(&r->json, "attributes")) return list(r, tag_element, &reading->tags);
    if (tw__json_is(&r->json, "flags")) return small_number(r, &link->flags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? small_number(r, &link->dropped_tags) : skip(r);
}

struct span_reading {
    struct tw__span span;
    struct tags tags;
    struct tw__span_event *events;
    struct tw__span_link *links;
    size_t event_cap, link_cap, trace_len, span_len, parent_len;
};

static int event_element(struct reading *r, void *target)
{
    struct span_reading *span = target;
    struct event_reading reading = {.event = {.kind = TW_RECORD_EVENT, .name = nothing},
                                    .tags = {.limit = TW__OTLP_PART_TAGS_MAX}};
    int code = members(r, event_member, &reading);
    if (code < 0) return code;
    if (span->span.event_count == TW__OTLP_PARTS_MAX) {
        span->span.dropped_events = sum(span->span.dropped_events, 1);
        return 0;
    }
    if (tw__pool_grow(r->pool, &span->events, span->span.event_count, &span->event_cap, sizeof reading.event) < 0)
        return TW_ERR_MEMORY;
    reading.event.tags = reading.tags.items;
    reading.event.tag_count = (uint32_t)reading.tags.count;
    reading.event.dropped_tags = sum(reading.event.dropped_tags, reading.tags.dropped);
    span->events[span->span.event_count++] = reading.event;
    return 0;
}

static int link_element(struct reading *r, void *target)
{
    struct span_reading *span = target;
    struct link_reading reading = {.link = {.trace_state = nothing}, .tags = {.limit = TW__OTLP_PART_TAGS_MAX}};
    int code = members(r, link_member, &reading);
    if (code < 0) return code;
    if (span->span.link_count == TW__OTLP_PARTS_MAX) {
        span->span.dropped_links = sum(span->span.dropped_links, 1);
        return 0;
    }
    if (tw__pool_grow(r->pool, &span->links, span->span.link_count, &span->link_cap, sizeof reading.link) < 0)
        return TW_ERR_MEMORY;
    reading.link.tags = reading.tags.items;
    reading.link.tag_count = (uint32_t)reading.tags.count;
    reading.link.dropped_tags = sum(reading.link.dropped_tags, reading.tags.dropped);
    span->links[span->span.link_count++] = reading.link;
    return 0;
}

static int status_member(struct reading *r, void *target)
{
    static const char *const names[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};
    struct tw__span *span = target;
    uint64_t code = 0;
    if (tw__json_is(&r->json, "message")) return text(r, &span->status_message);
    if (!tw__json_is(&r->json, "code")) return skip(r);
    int result = enumerated(r, names, 3, &code);
    span->status = code == 1 ? TW_STATUS_OK : code == 2 ? TW_STATUS_ERROR : TW_STATUS_UNSET;
    return result;
}

static int kind_of(struct reading *r, struct tw__span *span)
{
    static const char *const names[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                                        "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
    uint64_t kind = 0;
    int code = enumerated(r, names, 6, &kind);
    span->kind = tw__otlp_kind(kind);
    return code;
}

static int rare_member(struct reading *r, struct span_reading *reading)
{
    struct tw__span *span = &reading->span;
    uint32_t dropped = 0;
    int code;
    if (tw__json_is(&r->json, "traceState")) return text(r, &span->trace_state);
    if (tw__json_is(&r->json, "flags")) return small_number(r, &span->flags);
    if (tw__json_is(&r->json, "droppedAttributesCount")) return small_number(r, &span->dropped_tags);
    if (tw__json_is(&r->json, "droppedEventsCount")) {
        code = small_number(r, &dropped);
        span->dropped_events = sum(span->dropped_events, dropped);
        return code;
    }
    if (!tw__json_is(&r->json, "droppedLinksCount")) return skip(r);
    code = small_number(r, &dropped);
    span->dropped_links = sum(span->dropped_links, dropped);
    return code;
}

static int span_member(struct reading *r, void *target)
{
    struct span_reading *reading = target;
    struct tw__span *span = &reading->span;
    if (tw__json_is(&r->json, "traceId")) return id(r, span->trace_id, sizeof span->trace_id, &reading->trace_len);
    if (tw__json_is(&r->json, "spanId")) return id(r, span->span_id, sizeof span->span_id, &reading->span_len);
    if (tw__json_is(&r->json, "parentSpanId"))
        return id(r, span->parent_id, sizeof span->parent_id, &reading->parent_len);
    if (tw__json_is(&r->json, "name")) return text(r, &span->name);
    if (tw__json_is(&r->json, "kind")) return kind_of(r, span);
    if (tw__json_is(&r->json, "startTimeUnixNano")) return unsigned_number(r, &span->start_ns);
    if (tw__json_is(&r->json, "endTimeUnixNano")) return unsigned_number(r, &span->end_ns);
    if (tw__json_is(&r->json, "attributes")) return list(r, tag_element, &reading->tags);
    if (tw__json_is(&r->json, "events")) return list(r, event_element, reading);
    if (tw__json_is(&r->json, "links")) return list(r, link_element, reading);
    if (tw__json_is(&r->json, "status")) return object(r, status_member, span);
    return rare_member(r, reading);
}

/* -- groups */

struct group {
    struct tw__resource resource;
    struct tw__scope scope;
    struct tags resource_tags, scope_tags;
    bool resource_seen, scope_seen;
    uint32_t resource_index, scope_index; /* UINT32_MAX: not in this batch yet */
};

static int place(struct reading *r, struct group *group)
{
    struct tw__spans *spans = r->dec->spans;
    if (group->resource_index == UINT32_MAX) {
        group->resource.tags = group->resource_tags.items;
        group->resource.tag_count = (uint32_t)group->resource_tags.count;
        group->resource_index = tw__spans_add_resource(spans, &group->resource);
    }
    if (group->scope_index == UINT32_MAX) {
        group->scope.tags = group->scope_tags.items;
        group->scope.tag_count = (uint32_t)group->scope_tags.count;
        group->scope_index = tw__spans_add_scope(spans, &group->scope);
    }
    return group->resource_index == UINT32_MAX || group->scope_index == UINT32_MAX ? TW_ERR_MEMORY : 0;
}

static int span_element(struct reading *r, void *target)
{
    struct group *group = target;
    struct span_reading reading = {.tags = {.limit = TW__OTLP_TAGS_MAX}};
    reading.span = (struct tw__span){
        .name = nothing, .status_message = nothing, .trace_state = nothing, .kind = TW__KIND_UNSPECIFIED};
    r->pool = &r->dec->spans->pool;
    int code = members(r, span_member, &reading);
    r->pool = &r->dec->kept;
    if (code < 0) return code;
    if (!tw__otlp_dec_ids(r->dec, &reading.span, reading.trace_len, reading.span_len, reading.parent_len)) return 0;
    if (place(r, group) < 0) return TW_ERR_MEMORY;
    struct tw__span *span = tw__spans_add(r->dec->spans, group->resource_index, group->scope_index);
    if (!span) return TW_ERR_MEMORY;
    *span = reading.span;
    span->resource = group->resource_index;
    span->scope = group->scope_index;
    span->door = (uint8_t)r->dec->door;
    span->tags = reading.tags.items;
    span->tag_count = (uint32_t)reading.tags.count;
    span->dropped_tags = sum(span->dropped_tags, reading.tags.dropped);
    span->events = reading.events;
    span->links = reading.links;
    code = tw__otlp_dec_flush(r->dec, false);
    if (r->dec->spans->count == 0) group->resource_index = group->scope_index = UINT32_MAX;
    return code;
}

static int scope_inner(struct reading *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "name")) return text(r, &group->scope.name);
    if (tw__json_is(&r->json, "version")) return text(r, &group->scope.version);
    if (tw__json_is(&r->json, "attributes")) return list(r, tag_element, &group->scope_tags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? small_number(r, &group->scope.dropped_tags) : skip(r);
}

static int resource_inner(struct reading *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "attributes")) return list(r, tag_element, &group->resource_tags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? small_number(r, &group->resource.dropped_tags) : skip(r);
}

static int scope_head(struct reading *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "schemaUrl")) return text(r, &group->scope.schema_url);
    if (!tw__json_is(&r->json, "scope") || group->scope_seen) return skip(r);
    group->scope_seen = true;
    return object(r, scope_inner, group);
}

static int resource_head(struct reading *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "schemaUrl")) return text(r, &group->resource.schema_url);
    if (!tw__json_is(&r->json, "resource") || group->resource_seen) return skip(r);
    group->resource_seen = true;
    return object(r, resource_inner, group);
}

/* Looks through the rest of the object for what should have come first, and goes back. */
static int look_ahead(struct reading *r, member_fn *head, struct group *group)
{
    struct tw__json_reader before = r->json;
    int code = skip(r);
    if (code == 0) code = members(r, head, group);
    r->json = before;
    return code;
}

static int scope_spans_member(struct reading *r, void *target)
{
    struct group *group = target;
    if (!tw__json_is(&r->json, "spans")) return scope_head(r, group);
    int code = group->scope_seen ? 0 : look_ahead(r, scope_head, group);
    return code < 0 ? code : list(r, span_element, group);
}

static int scope_spans_element(struct reading *r, void *target)
{
    struct group *group = target;
    group->scope = (struct tw__scope){.name = nothing, .version = nothing, .schema_url = nothing};
    group->scope_tags = (struct tags){.limit = TW__OTLP_TAGS_MAX};
    group->scope_seen = false;
    group->scope_index = UINT32_MAX;
    return members(r, scope_spans_member, group);
}

static int group_member(struct reading *r, void *target)
{
    struct group *group = target;
    if (!tw__json_is(&r->json, "scopeSpans")) return resource_head(r, group);
    int code = group->resource_seen ? 0 : look_ahead(r, resource_head, group);
    return code < 0 ? code : list(r, scope_spans_element, group);
}

static int group_element(struct reading *r, void *target)
{
    struct group group = {.resource = {.service = nothing, .schema_url = nothing},
                          .resource_tags = {.limit = TW__OTLP_TAGS_MAX},
                          .resource_index = UINT32_MAX};
    (void)target;
    return members(r, group_member, &group);
}

static int request_member(struct reading *r, void *target)
{
    (void)target;
    return tw__json_is(&r->json, "resourceSpans") ? list(r, group_element, NULL) : skip(r);
}

int tw__otlp_json_dec(struct tw__otlp_dec *dec, const void *bytes, size_t len)
{
    struct reading r = {.dec = dec, .pool = &dec->kept};
    dec->rejected = 0;
    dec->why = NULL;
    dec->kept.limit_bytes = KEPT_MAX;
    r.json = (struct tw__json_reader){.text = bytes, .len = len, .last = true, .lenience = TW__JSON_REPAIR};
    r.json.scratch_cap = len < SCRATCH_MAX ? len : SCRATCH_MAX;
    r.json.scratch = tw__pool_take(&dec->kept, r.json.scratch_cap, 1);
    int code = r.json.scratch ? object(&r, request_member, NULL) : TW_ERR_MEMORY;
    if (code == 0 && tw__json_read(&r.json) != TW__JSON_DONE) code = TW_ERR_SYNTAX;
    if (code == TW_ERR_SYNTAX) {
        dec->why = r.json.why ? r.json.why : "a value has not the type that its name asks for";
        dec->error_at = r.json.why ? r.json.error_at : r.json.from;
    }
    if (code == 0) code = tw__otlp_dec_flush(dec, true);
    tw__spans_reset(dec->spans);
    tw__pool_reset(&dec->kept);
    return code;
}
