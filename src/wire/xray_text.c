/* xray_text: names, texts, values and times in the form X-Ray takes them.
 *
 * Two limits meet in every text: the rule's, in characters, which cuts silently because what it cuts stands whole in
 * the metadata; and the room's, in bytes, which leaves a mark and is counted:
 *
 *     "a text that was too long for the datag...(4711 more bytes)"
 *
 * Names: X-Ray allows letters and digits of any script, spaces and _ . : / % & # = + \ - @. Which characters beyond
 * ASCII are letters is decided by block, not by the table of every code point: punctuation, symbols and emoji go,
 * everything else stays.
 *
 * Invariant: what is written is UTF-8 and at most max characters.
 */
#include <math.h>

#include "wire/utf8.h"
#include "wire/value.h"
#include "wire/xray_parts.h"

bool tw__xray_put_text(struct tw__xray_out *out, const char *name, struct tw_text text, size_t max)
{
    struct tw__buf *buf = out->json.out;
    struct tw_text first = tw__utf8_first(text, max), kept = tw__utf8_at_most(first, out->text_max);
    tw__json_text(&out->json, name, kept);
    if (kept.len < first.len) {
        out->cut_texts++;
        if (buf->failed) return false;
        buf->len--; /* the closing quote */
        tw__buf_cstr(buf, "...(");
        tw__buf_u64(buf, text.len - kept.len);
        tw__buf_cstr(buf, " more bytes)\"");
    }
    return first.len == text.len;
}

struct range {
    uint32_t from, to;
};

static bool allowed_in_names(uint32_t c)
{
    /* Signs, punctuation and symbols beyond ASCII. */
    static const struct range others[] = {
        {0x80, 0xa9},     {0xab, 0xb1},     {0xb4, 0xb4},     {0xb6, 0xb8},       {0xbb, 0xbb},        {0xbf, 0xbf},
        {0xd7, 0xd7},     {0xf7, 0xf7},     {0x2000, 0x206f}, {0x20a0, 0x20cf},   {0x2190, 0x245f},    {0x249c, 0x24e9},
        {0x2500, 0x2775}, {0x2794, 0x2bff}, {0x2e00, 0x2e7f}, {0x3001, 0x3004},   {0x3008, 0x3020},    {0xd800, 0xf8ff},
        {0xfe10, 0xfe6f}, {0xff01, 0xff0f}, {0xfff0, 0xffff}, {0x1f000, 0x1faff}, {0xe0000, 0x10ffff},
    };
    if (c < 0x80)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               (c != 0 && strchr(" _.:/%&#=+\\-@", (int)c));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (c >= others[i].from && c <= others[i].to) return false;
    return true;
}

void tw__xray_put_name(struct tw__xray_out *out, struct tw_text name)
{
    char clean[4 * TW__XRAY_NAME];
    size_t len = 0;
    unsigned characters = 0;
    for (size_t at = 0; at < name.len && characters < TW__XRAY_NAME;) {
        uint32_t code_point;
        size_t n = tw__utf8_next(name.ptr + at, name.len - at, &code_point);
        if (n && allowed_in_names(code_point)) {
            memcpy(clean + len, name.ptr + at, n);
            len += n;
            characters++;
        }
        at += n ? n : 1;
    }
    struct tw_text text = {clean, len};
    tw__json_text(&out->json, "name", len ? text : (struct tw_text){"span", 4});
}

void tw__xray_put_value(struct tw__xray_out *out, struct tw_text key, const struct tw_tag_value *tag)
{
    char scratch[TW__NUMBER_MAX];
    tw__json_name(&out->json, key);
    switch (tag->type) {
    case TW_TYPE_INT:
        tw__json_i64(&out->json, NULL, tag->value.i);
        break;
    case TW_TYPE_UINT:
        tw__json_u64(&out->json, NULL, tag->value.u);
        break;
    case TW_TYPE_BOOL:
        tw__json_bool(&out->json, NULL, tag->value.u != 0);
        break;
    case TW_TYPE_DOUBLE:
        if (isfinite(tag->value.d))
            tw__json_f64(&out->json, NULL, tag->value.d);
        else
            tw__json_text(&out->json, NULL, tw__value_text(tag, scratch));
        break;
    case TW_TYPE_STR:
    case TW_TYPE_JSON:
        (void)tw__xray_put_text(out, NULL, tag->text, SIZE_MAX);
        break;
    case TW_TYPE_BYTES: {
        size_t len = tag->text.len < out->text_max / 2 ? tag->text.len : out->text_max / 2;
        out->cut_texts += len < tag->text.len;
        tw__json_hex(&out->json, NULL, (const uint8_t *)tag->text.ptr, len);
        break;
    }
    case TW_TYPE_NONE:
        tw__json_null(&out->json, NULL);
        break;
    }
}

void tw__xray_put_seconds(struct tw__xray_out *out, const char *name, uint64_t ns)
{
    char decimals[10] = ".";
    uint64_t rest = ns % 1000000000;
    for (unsigned i = 9; i > 0; i--, rest /= 10) decimals[i] = (char)('0' + rest % 10);
    tw__json_u64(&out->json, name, ns / 1000000000);
    tw__buf_add(out->json.out, decimals, sizeof decimals);
}
