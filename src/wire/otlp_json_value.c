/* otlp_json_value: an attribute: AnyValue in its seven forms, of which lists and maps are written as JSON text.
 *
 * Invariant: nesting is bounded by DEPTH_MAX, the text by JSON_MAX; what goes beyond is passed over and left out, and
 * the rest of the span is kept.
 */
#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "wire/json.h"
#include "wire/otlp_json_in.h"

static const struct tw_text nothing = {"", 0};

struct value {
    struct tw_tag_value *tag; /* NULL: written to json instead */
    struct tw__json *out;
    const char *why;
    unsigned depth;
    bool given;
};

static int write_number(struct tw__otlp_json_in *r, struct tw__json *out, bool whole)
{
    struct tw__otlp_number read;
    int code = tw__otlp_json_number(r, &read);
    if (code < 0) return code;
    if (!whole || !read.whole)
        tw__json_f64(out, NULL, read.nearest);
    else if (read.negative)
        tw__json_i64(out, NULL, (int64_t)(0 - read.magnitude));
    else
        tw__json_u64(out, NULL, read.magnitude);
    return 0;
}

static int value_member(struct tw__otlp_json_in *r, void *target);

static int write_value(struct tw__otlp_json_in *r, struct tw__json *out, unsigned depth)
{
    struct value value = {.out = out, .depth = depth};
    if (depth > TW__OTLP_DEPTH_MAX || out->out->len > TW__OTLP_JSON_MAX) return TW_ERR_SPACE;
    int code = tw__otlp_json_members(r, value_member, &value);
    if (code == 0 && !value.given) tw__json_null(out, NULL);
    return code;
}

static int list_element(struct tw__otlp_json_in *r, void *target)
{
    const struct value *value = target;
    return write_value(r, value->out, value->depth + 1);
}

struct pair {
    struct value *value;
    bool named;
};

static int pair_member(struct tw__otlp_json_in *r, void *target)
{
    struct pair *pair = target;
    if (tw__json_is(&r->json, "key")) {
        if (tw__json_read(&r->json) != TW__JSON_STRING) return TW_ERR_SYNTAX;
        if (!pair->named) tw__json_name(pair->value->out, r->json.string);
        pair->named = true;
        return 0;
    }
    if (!tw__json_is(&r->json, "value")) return tw__otlp_json_skip(r);
    if (!pair->named) tw__json_name(pair->value->out, nothing); /* the value before its key: no sender is known to */
    pair->named = true;
    if (tw__json_read(&r->json) != TW__JSON_OBJECT) return TW_ERR_SYNTAX;
    return write_value(r, pair->value->out, pair->value->depth + 1);
}

static int map_element(struct tw__otlp_json_in *r, void *target)
{
    struct pair pair = {.value = target};
    bool comma = pair.value->out->comma;
    size_t len = pair.value->out->out->len;
    int code = tw__otlp_json_members(r, pair_member, &pair);
    /* A key without a value is no member. */
    if (code == 0 && pair.named && !pair.value->out->comma) {
        pair.value->out->out->len = len;
        pair.value->out->comma = comma;
    }
    return code;
}

struct nested {
    struct value *value;
    tw__otlp_json_fn *element;
};

static int values_member(struct tw__otlp_json_in *r, void *target)
{
    const struct nested *nested = target;
    return tw__json_is(&r->json, "values") ? tw__otlp_json_list(r, nested->element, nested->value)
                                           : tw__otlp_json_skip(r);
}

/* An arrayValue or kvlistValue, as JSON into value->out. */
static int write_nested(struct tw__otlp_json_in *r, struct value *value, bool map)
{
    struct nested nested = {value, map ? map_element : list_element};
    tw__json_open(value->out, NULL, map ? '{' : '[');
    int code = tw__otlp_json_object(r, values_member, &nested);
    tw__json_close(value->out, map ? '}' : ']');
    return code;
}

/* The same as text of a tag. What is too deep or too long is passed over, and the tag left out. */
static int nested_tag(struct tw__otlp_json_in *r, struct value *value, bool map)
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
        code = tw__otlp_json_skip(r);
    } else if (code == 0) {
        value->tag->type = TW_TYPE_JSON;
        value->tag->text = (struct tw_text){tw__pool_copy(r->pool, text.ptr, text.len), text.len};
        value->tag->full_len = text.len;
        if (!value->tag->text.ptr) code = TW_ERR_MEMORY;
    }
    tw__buf_fini(&text);
    return code;
}

static int base64(struct tw__otlp_json_in *r, struct tw_tag_value *tag)
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

static int scalar_tag(struct tw__otlp_json_in *r, struct tw_tag_value *tag, enum tw_type type)
{
    struct tw__otlp_number read;
    int code = type == TW_TYPE_INT || type == TW_TYPE_DOUBLE ? tw__otlp_json_number(r, &read) : 0;
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
    code = tw__otlp_json_own(r, &tag->text);
    tag->full_len = tag->text.len;
    return code;
}

/* NaN and infinities are words in a text. Returns whether there was one. */
static bool double_word(struct tw__otlp_json_in *r, double *out)
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

static int write_scalar(struct tw__otlp_json_in *r, struct tw__json *out, enum tw_type type)
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

static int value_member(struct tw__otlp_json_in *r, void *target)
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
    if (form == sizeof forms / sizeof *forms || value->given) return tw__otlp_json_skip(r);
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

static int tag_member(struct tw__otlp_json_in *r, void *target)
{
    struct value *value = target;
    if (tw__json_is(&r->json, "key")) return tw__otlp_json_text(r, &value->tag->key);
    return tw__json_is(&r->json, "value") ? tw__otlp_json_object(r, value_member, value) : tw__otlp_json_skip(r);
}

int tw__otlp_json_tag(struct tw__otlp_json_in *r, void *target)
{
    struct tw__otlp_json_tags *tags = target;
    struct tw_tag_value tag = {.key = nothing, .text = nothing};
    struct value value = {.tag = &tag};
    int code = tw__otlp_json_members(r, tag_member, &value);
    if (code < 0) return code;
    if (tag.key.len == 0 || value.why || tags->count == tags->limit) {
        tags->dropped++;
        return 0;
    }
    if (tw__pool_grow(r->pool, &tags->items, tags->count, &tags->cap, sizeof tag) < 0) return TW_ERR_MEMORY;
    tags->items[tags->count++] = tag;
    return 0;
}
