/* otlp_json_in: see the header; attributes are in otlp_json_value.c.
 *
 * What senders really write: ids as hex of either case; 64-bit numbers as texts, as numbers, and as JavaScript rounds
 * them ("1e+21"); enums as numbers, or as their names; null for what is not there; members that are not known.
 */
#include "wire/otlp_json_in.h"

#include <string.h>

#include "base/decimal.h"
#include "base/hex.h"

int tw__otlp_json_own(struct tw__otlp_json_in *r, struct tw_text *out)
{
    const char *from = r->json.string.ptr;
    *out = r->json.string;
    if (out->len == 0) *out = (struct tw_text){"", 0};
    if (out->len == 0 || from < r->json.scratch || from >= r->json.scratch + r->json.scratch_cap) return 0;
    out->ptr = tw__pool_copy(r->pool, from, out->len);
    return out->ptr ? 0 : TW_ERR_MEMORY;
}

int tw__otlp_json_skip(struct tw__otlp_json_in *r)
{
    enum tw__json_event event = tw__json_skip(&r->json);
    return event == TW__JSON_BAD || event == TW__JSON_MORE ? TW_ERR_SYNTAX : 0;
}

int tw__otlp_json_members(struct tw__otlp_json_in *r, tw__otlp_json_fn *fn, void *target)
{
    for (;;) {
        enum tw__json_event event = tw__json_read(&r->json);
        if (event == TW__JSON_OBJECT_END) return 0;
        int code = event == TW__JSON_NAME ? fn(r, target) : TW_ERR_SYNTAX;
        if (code < 0) return code;
    }
}

int tw__otlp_json_object(struct tw__otlp_json_in *r, tw__otlp_json_fn *fn, void *target)
{
    enum tw__json_event event = tw__json_read(&r->json);
    if (event == TW__JSON_NULL) return 0;
    return event == TW__JSON_OBJECT ? tw__otlp_json_members(r, fn, target) : TW_ERR_SYNTAX;
}

int tw__otlp_json_list(struct tw__otlp_json_in *r, tw__otlp_json_fn *fn, void *target)
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

int tw__otlp_json_text(struct tw__otlp_json_in *r, struct tw_text *out)
{
    enum tw__json_event event = tw__json_read(&r->json);
    if (event == TW__JSON_NULL) return 0;
    return event == TW__JSON_STRING ? tw__otlp_json_own(r, out) : TW_ERR_SYNTAX;
}

static bool digits_of(struct tw_text text, struct tw__otlp_number *out)
{
    *out = (struct tw__otlp_number){.there = true, .whole = true};
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

int tw__otlp_json_number(struct tw__otlp_json_in *r, struct tw__otlp_number *out)
{
    enum tw__json_event event = tw__json_read(&r->json);
    *out = (struct tw__otlp_number){0};
    if (event == TW__JSON_NULL) return 0;
    if (event == TW__JSON_NUMBER || event == TW__JSON_STRING) return digits_of(r->json.string, out) ? 0 : TW_ERR_SYNTAX;
    return TW_ERR_SYNTAX;
}

static uint64_t unsigned_of(const struct tw__otlp_number *number)
{
    if (number->whole) return number->negative ? 0 : number->magnitude;
    if (!(number->nearest > 0)) return 0;
    return number->nearest >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)number->nearest;
}

int tw__otlp_json_unsigned(struct tw__otlp_json_in *r, uint64_t *out)
{
    struct tw__otlp_number read;
    int code = tw__otlp_json_number(r, &read);
    if (code == 0 && read.there) *out = unsigned_of(&read);
    return code;
}

int tw__otlp_json_small(struct tw__otlp_json_in *r, uint32_t *out)
{
    uint64_t value = *out;
    int code = tw__otlp_json_unsigned(r, &value);
    *out = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    return code;
}

int tw__otlp_json_enum(struct tw__otlp_json_in *r, const char *const *names, size_t count, uint64_t *out)
{
    struct tw__json_reader before = r->json;
    enum tw__json_event event = tw__json_read(&r->json);
    for (size_t i = 0; event == TW__JSON_STRING && i < count; i++) {
        if (!tw__json_is(&r->json, names[i])) continue;
        *out = i;
        return 0;
    }
    r->json = before;
    return tw__otlp_json_unsigned(r, out);
}

int tw__otlp_json_id(struct tw__otlp_json_in *r, uint8_t *bytes, size_t size, size_t *len)
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
