/* json_in_dec: see the header.
 * Invariant: every function that reads a value reads it whole, so that the reader stands before a name or the end
 * again, whatever was found. */
#include "wire/json_in_dec.h"

#include <string.h>

#include "base/hex.h"
#include "wire/json.h"

int tw__json_in_begin(struct tw__json_in *in, struct tw__pool *pool, const void *bytes, size_t len)
{
    size_t cap = len < TW__JSON_IN_SCRATCH ? len : TW__JSON_IN_SCRATCH;
    *in = (struct tw__json_in){.pool = pool};
    in->json = (struct tw__json_reader){
        .text = bytes, .len = len, .last = true, .lenience = TW__JSON_REPAIR | TW__JSON_NAN, .scratch_cap = cap};
    in->json.scratch = tw__pool_take(pool, cap ? cap : 1, 1);
    return in->json.scratch ? 0 : TW_ERR_MEMORY;
}

void tw__json_in_fini(struct tw__json_in *in)
{
    tw__buf_fini(&in->nested);
}

static int bad(const struct tw__json_in *in)
{
    return in->json.error == TW_ERR_SPACE ? TW_ERR_SPACE : TW_ERR_SYNTAX;
}

int tw__json_in_end(struct tw__json_in *in)
{
    return tw__json_read(&in->json) == TW__JSON_DONE ? 0 : bad(in);
}

/* The rest of a value whose first event was read. */
static int pass(struct tw__json_in *in, enum tw__json_event event)
{
    if (event == TW__JSON_OBJECT || event == TW__JSON_ARRAY) event = tw__json_leave(&in->json);
    return event == TW__JSON_BAD || event == TW__JSON_MORE || event == TW__JSON_DONE ? bad(in) : 0;
}

int tw__json_in_object(struct tw__json_in *in, tw__json_in_fn *fn, void *target)
{
    enum tw__json_event event = tw__json_read(&in->json);
    if (event != TW__JSON_OBJECT) return pass(in, event);
    for (;;) {
        event = tw__json_read(&in->json);
        if (event == TW__JSON_OBJECT_END) return 0;
        int code = event == TW__JSON_NAME ? fn(in, target) : bad(in);
        if (code < 0) return code;
    }
}

enum tw__json_event tw__json_in_peek(const struct tw__json_in *in)
{
    struct tw__json_reader copy = in->json;
    return tw__json_read(&copy);
}

int tw__json_in_list(struct tw__json_in *in, tw__json_in_fn *fn, void *target)
{
    enum tw__json_event event = tw__json_read(&in->json);
    if (event != TW__JSON_ARRAY) return pass(in, event);
    for (;;) {
        if (tw__json_closes(&in->json)) return tw__json_read(&in->json) == TW__JSON_ARRAY_END ? 0 : bad(in);
        int code = fn(in, target);
        if (code < 0) return code;
    }
}

int tw__json_in_whole(struct tw__pool *pool, struct tw_text document, tw__json_in_fn *fn, void *target)
{
    struct tw__json_in in;
    int code = tw__json_in_begin(&in, pool, document.ptr, document.len);
    if (code == 0) code = tw__json_in_object(&in, fn, target);
    if (code == 0) code = tw__json_in_end(&in);
    tw__json_in_fini(&in);
    return code;
}

int tw__json_in_skip(struct tw__json_in *in)
{
    enum tw__json_event event = tw__json_skip(&in->json);
    return event == TW__JSON_BAD || event == TW__JSON_MORE ? bad(in) : 0;
}

int tw__json_in_name(struct tw__json_in *in, struct tw_text *out)
{
    const char *from = in->json.string.ptr;
    *out = in->json.string;
    if (out->len == 0) out->ptr = "";
    if (out->len == 0 || from < in->json.scratch || from >= in->json.scratch + in->json.scratch_cap) return 0;
    out->ptr = tw__pool_copy(in->pool, from, out->len);
    return out->ptr ? 0 : TW_ERR_MEMORY;
}

int tw__json_in_text(struct tw__json_in *in, struct tw_text *out)
{
    enum tw__json_event event = tw__json_read(&in->json);
    if (event == TW__JSON_STRING || event == TW__JSON_NUMBER) return tw__json_in_name(in, out);
    if (event != TW__JSON_BOOL) return pass(in, event);
    *out = in->json.boolean ? (struct tw_text){"true", 4} : (struct tw_text){"false", 5};
    return 0;
}

int tw__json_in_bool(struct tw__json_in *in, bool *out)
{
    enum tw__json_event event = tw__json_read(&in->json);
    if (event != TW__JSON_BOOL) return pass(in, event);
    *out = in->json.boolean;
    return 0;
}

int tw__json_in_scaled(struct tw__json_in *in, int shift, uint64_t *out, bool *found)
{
    enum tw__json_event event = tw__json_read(&in->json);
    bool written = event == TW__JSON_STRING || event == TW__JSON_NUMBER;
    bool read = written && tw__decimal_scaled(in->json.string, shift, out);
    if (found) *found = read;
    return written ? 0 : pass(in, event);
}

int tw__json_in_hex(struct tw__json_in *in, uint8_t *bytes, size_t count, bool *found)
{
    char digits[64];
    struct tw_text text = {"", 0};
    int code = tw__json_in_text(in, &text);
    *found = false;
    if (code < 0 || text.len == 0 || text.len > 2 * count || 2 * count > sizeof digits) return code;
    memset(digits, '0', 2 * count);
    memcpy(digits + 2 * count - text.len, text.ptr, text.len);
    *found = tw__hex_dec(digits, bytes, count);
    if (!*found) memset(bytes, 0, count);
    return 0;
}

/* -- tags */

int tw__tag_list_add(struct tw__pool *pool, struct tw__tag_list *tags, const struct tw_tag_value *tag)
{
    if (tag->key.len == 0 || tags->count == tags->limit) {
        tags->dropped++;
        return 0;
    }
    if (tw__pool_grow(pool, &tags->items, tags->count, &tags->cap, sizeof *tag) < 0) return TW_ERR_MEMORY;
    tags->items[tags->count++] = *tag;
    return 0;
}

int tw__tag_list_text(struct tw__pool *pool, struct tw__tag_list *tags, const char *key, struct tw_text text)
{
    struct tw_tag_value tag = {.key = {key, strlen(key)}, .type = TW_TYPE_STR, .text = text};
    return tw__tag_list_add(pool, tags, &tag);
}

struct tw_text tw__pool_join(struct tw__pool *pool, const char *prefix, struct tw_text rest)
{
    size_t len = strlen(prefix);
    char *made = tw__pool_take(pool, len + rest.len + 1, 1);
    if (!made) return (struct tw_text){NULL, 0};
    memcpy(made, prefix, len);
    if (rest.len) memcpy(made + len, rest.ptr, rest.len);
    return (struct tw_text){made, len + rest.len};
}

static void write_scalar(struct tw__json *out, const struct tw__json_reader *json, enum tw__json_event event)
{
    if (event == TW__JSON_STRING)
        tw__json_text(out, NULL, json->string);
    else if (event == TW__JSON_BOOL)
        tw__json_bool(out, NULL, json->boolean);
    else if (event == TW__JSON_NULL)
        tw__json_null(out, NULL);
    else if (json->number == TW__JSON_I64)
        tw__json_i64(out, NULL, json->i64);
    else if (json->number == TW__JSON_U64)
        tw__json_u64(out, NULL, json->u64);
    else
        tw__json_f64(out, NULL, json->f64);
}

/* Writes the value whose first bracket was read, strictly. */
static int write_nested(struct tw__json_in *in, enum tw__json_event event)
{
    struct tw__json out = {.out = &in->nested};
    unsigned depth = 0;
    tw__buf_reset(&in->nested);
    for (;; event = tw__json_read(&in->json)) {
        bool object = event == TW__JSON_OBJECT || event == TW__JSON_OBJECT_END;
        if (event == TW__JSON_BAD || event == TW__JSON_MORE || event == TW__JSON_DONE) return bad(in);
        if (event == TW__JSON_OBJECT || event == TW__JSON_ARRAY) {
            tw__json_open(&out, NULL, object ? '{' : '[');
            depth++;
        } else if (event == TW__JSON_OBJECT_END || event == TW__JSON_ARRAY_END) {
            tw__json_close(&out, object ? '}' : ']');
            if (--depth == 0) return in->nested.failed ? TW_ERR_MEMORY : 0;
        } else if (event == TW__JSON_NAME) {
            tw__json_name(&out, in->json.string);
        } else {
            write_scalar(&out, &in->json, event);
        }
    }
}

static int set_value(struct tw__json_in *in, enum tw__json_event event, struct tw_tag_value *tag)
{
    int code;
    switch ((int)event) {
    case TW__JSON_STRING:
        tag->type = TW_TYPE_STR;
        return tw__json_in_name(in, &tag->text);
    case TW__JSON_BOOL:
        tag->type = TW_TYPE_BOOL;
        tag->value.u = in->json.boolean;
        return 0;
    case TW__JSON_NUMBER:
        tag->type = in->json.number == TW__JSON_I64   ? TW_TYPE_INT
                    : in->json.number == TW__JSON_U64 ? TW_TYPE_UINT
                                                      : TW_TYPE_DOUBLE;
        if (tag->type == TW_TYPE_INT)
            tag->value.i = in->json.i64;
        else if (tag->type == TW_TYPE_UINT)
            tag->value.u = in->json.u64;
        else
            tag->value.d = in->json.f64;
        return 0;
    case TW__JSON_OBJECT:
    case TW__JSON_ARRAY:
        code = write_nested(in, event);
        if (code < 0) return code;
        tag->type = TW_TYPE_JSON;
        tag->text.len = in->nested.len;
        tag->text.ptr = tw__pool_copy(in->pool, in->nested.ptr, in->nested.len);
        return tag->text.ptr ? 0 : TW_ERR_MEMORY;
    default:
        return pass(in, event);
    }
}

int tw__json_in_tag(struct tw__json_in *in, struct tw__tag_list *tags, struct tw_text key)
{
    struct tw_tag_value tag = {.key = key, .text = {"", 0}};
    int code = set_value(in, tw__json_read(&in->json), &tag);
    if (code < 0 || tag.type == TW_TYPE_NONE) return code;
    return tw__tag_list_add(in->pool, tags, &tag);
}

static int tags_member(struct tw__json_in *in, void *target)
{
    struct tw_text key;
    int code = tw__json_in_name(in, &key);
    return code < 0 ? code : tw__json_in_tag(in, target, key);
}

int tw__json_in_tags(struct tw__json_in *in, struct tw__tag_list *tags)
{
    return tw__json_in_object(in, tags_member, tags);
}

/* -- numbers */

/* Digits without sign, up to 19 of them counted; how many places the point stands to the right of the last counted
 * one. */
struct digits {
    uint64_t value;
    int places; /* value * 10^places */
    size_t at;
    bool any;
};

static struct digits read_digits(struct tw_text text)
{
    struct digits d = {0};
    bool fraction = false;
    for (; d.at < text.len; d.at++) {
        char c = text.ptr[d.at];
        if (c == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (c < '0' || c > '9') break;
        d.any = true;
        bool room = d.value <= (UINT64_MAX - 9) / 10;
        if (room) d.value = d.value * 10 + (uint64_t)(c - '0');
        if (room && fraction)
            d.places--;
        else if (!room && !fraction)
            d.places++;
    }
    return d;
}

bool tw__decimal_scaled(struct tw_text text, int shift, uint64_t *out)
{
    struct digits d = read_digits(text);
    if (!d.any) return false;
    if (d.at < text.len) {
        int exponent = 0, sign = 1;
        if ((text.ptr[d.at] | 32) != 'e' || ++d.at == text.len) return false;
        if (text.ptr[d.at] == '-' || text.ptr[d.at] == '+') sign = text.ptr[d.at++] == '-' ? -1 : 1;
        if (d.at == text.len) return false;
        for (; d.at < text.len; d.at++) {
            if (text.ptr[d.at] < '0' || text.ptr[d.at] > '9') return false;
            if (exponent < 10000) exponent = exponent * 10 + (text.ptr[d.at] - '0');
        }
        shift += sign * exponent;
    }
    shift += d.places > 100000 ? 100000 : d.places < -100000 ? -100000 : d.places;
    for (; shift > 0 && d.value; shift--) {
        if (d.value > UINT64_MAX / 10) return false;
        d.value *= 10;
    }
    for (; shift < -1 && d.value; shift++) d.value /= 10;
    if (shift < 0) d.value = d.value / 10 + (d.value % 10 >= 5);
    *out = d.value;
    return true;
}
