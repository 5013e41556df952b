/* otlp_value: AnyValue { string = 1 | bool = 2 | int = 3 | double = 4 | list = 5 | map = 6 | bytes = 7 }.
 *
 * A list or map is written as JSON text in one walk, without recursion by the input's will: DEPTH_MAX bounds it.
 */
#include "wire/otlp_value.h"

#include <string.h>

#include "base/buf.h"
#include "wire/json.h"
#include "wire/otlp_dec.h"
#include "wire/pb.h"

static int write_value(struct tw__json *json, struct tw__pb_in in, const char *name, unsigned depth);

static double number_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ArrayValue { values = 1 } */
static int write_list(struct tw__json *json, struct tw__pb_in in, const char *name, unsigned depth)
{
    struct tw__pb_field field;
    int code = 0;
    tw__json_open(json, name, '[');
    while (code == 0 && tw__pb_next(&in, &field)) {
        if (field.number != 1 || field.type != TW__PB_LEN) continue;
        struct tw__pb_in value = {field.bytes, field.bytes + field.len, false};
        code = write_value(json, value, NULL, depth + 1);
    }
    tw__json_close(json, ']');
    return in.bad ? TW_ERR_SYNTAX : code;
}

/* KeyValueList { values = 1 { key = 1; value = 2 } } */
static int write_map(struct tw__json *json, struct tw__pb_in in, const char *name, unsigned depth)
{
    struct tw__pb_field field, part;
    int code = 0;
    tw__json_open(json, name, '{');
    while (code == 0 && tw__pb_next(&in, &field)) {
        if (field.number != 1 || field.type != TW__PB_LEN) continue;
        struct tw__pb_in pair = {field.bytes, field.bytes + field.len, false}, value = {0};
        struct tw_text key = {"", 0};
        while (tw__pb_next(&pair, &part)) {
            if (part.type != TW__PB_LEN) continue;
            if (part.number == 1) key = (struct tw_text){(const char *)part.bytes, part.len};
            if (part.number == 2) value = (struct tw__pb_in){part.bytes, part.bytes + part.len, false};
        }
        if (pair.bad) return TW_ERR_SYNTAX;
        tw__json_name(json, key);
        code = write_value(json, value, NULL, depth + 1);
    }
    tw__json_close(json, '}');
    return in.bad ? TW_ERR_SYNTAX : code;
}

static int write_value(struct tw__json *json, struct tw__pb_in in, const char *name, unsigned depth)
{
    struct tw__pb_field field, last = {0};
    if (depth > TW__OTLP_DEPTH_MAX || json->out->len > TW__OTLP_JSON_MAX) return TW_ERR_SPACE;
    while (in.at && tw__pb_next(&in, &field))
        if (field.number >= 1 && field.number <= 7) last = field;
    if (in.bad) return TW_ERR_SYNTAX;
    struct tw__pb_in inner = {last.bytes, last.bytes ? last.bytes + last.len : NULL, false};
    if (last.number == 1 && last.type == TW__PB_LEN)
        tw__json_text(json, name, (struct tw_text){(const char *)last.bytes, last.len});
    else if (last.number == 2 && last.type == TW__PB_VARINT)
        tw__json_bool(json, name, last.value != 0);
    else if (last.number == 3 && last.type == TW__PB_VARINT)
        tw__json_i64(json, name, (int64_t)last.value);
    else if (last.number == 4 && last.type == TW__PB_I64)
        tw__json_f64_or_text(json, name, number_of(last.value));
    else if (last.number == 5 && last.type == TW__PB_LEN)
        return write_list(json, inner, name, depth);
    else if (last.number == 6 && last.type == TW__PB_LEN)
        return write_map(json, inner, name, depth);
    else if (last.number == 7 && last.type == TW__PB_LEN)
        tw__json_base64(json, name, last.bytes, last.len);
    else
        tw__json_null(json, name);
    return 0;
}

/* tag->text as JSON, in the pool. */
static int text_of_value(struct tw__pool *pool, struct tw__pb_in in, struct tw_tag_value *tag)
{
    struct tw__buf out = {0};
    struct tw__json json = {.out = &out};
    int code = write_value(&json, in, NULL, 0);
    if (code == 0 && out.failed) code = TW_ERR_MEMORY;
    if (code == 0 && out.len > TW__OTLP_JSON_MAX) code = TW_ERR_SPACE;
    if (code == 0) {
        tag->type = TW_TYPE_JSON;
        tag->text = (struct tw_text){tw__pool_copy(pool, out.ptr, out.len), out.len};
        tag->full_len = out.len;
        if (!tag->text.ptr) code = TW_ERR_MEMORY;
    }
    tw__buf_fini(&out);
    return code;
}

int tw__otlp_value_dec(struct tw__pool *pool, const uint8_t *bytes, size_t len, struct tw_tag_value *tag)
{
    struct tw__pb_in in = {bytes, bytes + len, false}, whole = in;
    struct tw__pb_field field;
    while (tw__pb_next(&in, &field)) {
        bool is_bytes = field.type == TW__PB_LEN;
        if (is_bytes && (field.number == 1 || field.number == 7)) {
            tag->type = field.number == 1 ? TW_TYPE_STR : TW_TYPE_BYTES;
            tag->text = (struct tw_text){(const char *)field.bytes, field.len};
            tag->full_len = field.len;
        } else if (field.number == 2 && field.type == TW__PB_VARINT) {
            tag->type = TW_TYPE_BOOL;
            tag->value.u = field.value != 0;
        } else if (field.number == 3 && field.type == TW__PB_VARINT) {
            tag->type = TW_TYPE_INT;
            tag->value.i = (int64_t)field.value;
        } else if (field.number == 4 && field.type == TW__PB_I64) {
            tag->type = TW_TYPE_DOUBLE;
            tag->value.d = number_of(field.value);
        } else if (is_bytes && (field.number == 5 || field.number == 6)) {
            return text_of_value(pool, whole, tag);
        }
    }
    return in.bad ? TW_ERR_SYNTAX : 0;
}
