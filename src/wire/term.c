/* term: everything that reaches a terminal passes here.
 *
 * Names, tags and service names come out of files that another user may have written. A terminal obeys bytes: a tag
 * that holds ESC ] could rename the window or paste into the shell. So that no such byte gets through, text is read
 * code point by code point and only what prints is passed; the rest appears as an escape of printable ASCII. As escapes
 * print, text that went through once comes out of a second pass unchanged.
 * Limits: combining marks are passed; a hundred on one letter look bad and do no harm.
 * Rejected: dropping control characters (the reader would not know that they were there).
 */
#include "wire/term.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "wire/utf8.h"

static const char *const ink_codes[] = {"", "1", "2", "31", "32", "33", "34", "36"};

void tw__term_ink(struct tw__buf *out, const struct tw__look *look, enum tw__ink ink)
{
    if (look->colour && ink != TW__INK_NONE) tw__buf_fmt(out, "\033[%sm", ink_codes[ink]);
}

void tw__term_plain(struct tw__buf *out, const struct tw__look *look, enum tw__ink ink)
{
    if (look->colour && ink != TW__INK_NONE) tw__buf_cstr(out, "\033[0m");
}

/* C0, DEL, C1; line and paragraph separators; marks and overrides of direction; tags and specials. */
static bool is_steering(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200e && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff || cp == 0x061c || (cp >= 0xfff0 && cp <= 0xfffb) ||
           (cp >= 0xe0000 && cp <= 0xe007f);
}

struct glyph {
    size_t in;  /* bytes read */
    size_t out; /* bytes to write */
    unsigned columns;
    char escape[12]; /* used when escaped */
    bool escaped;
};

static struct glyph next_glyph(const char *at, size_t len)
{
    struct glyph g = {.in = 1, .out = 1, .columns = 1};
    if (*at >= 0x20 && *at < 0x7f) return g; /* nearly all of it */
    uint32_t cp = 0;
    size_t n = tw__utf8_next(at, len, &cp);
    int written = 0;
    if (n && !is_steering(cp)) {
        g.in = g.out = n;
        g.columns = tw__utf8_columns(cp);
        return g;
    }
    if (n == 0)
        written = snprintf(g.escape, sizeof g.escape, "\\x%02x", (unsigned)(uint8_t)*at);
    else if (cp == '\n' || cp == '\t' || cp == '\r')
        written = snprintf(g.escape, sizeof g.escape, "\\%c", cp == '\n' ? 'n' : cp == '\t' ? 't' : 'r');
    else
        written = snprintf(g.escape, sizeof g.escape, cp < 0x100 ? "\\x%02" PRIx32 : "\\u%04" PRIx32, cp);
    g.in = n ? n : 1;
    g.out = written > 0 ? (size_t)written : 0;
    g.columns = (unsigned)g.out;
    g.escaped = true;
    return g;
}

unsigned tw__term_columns(struct tw_text text)
{
    unsigned columns = 0;
    for (size_t at = 0; at < text.len && columns < UINT_MAX / 2;) {
        struct glyph g = next_glyph(text.ptr + at, text.len - at);
        at += g.in;
        columns += g.columns;
    }
    return columns;
}

/* What is left of a text behind an ellipsis in max columns. */
static struct tw_text end_of(struct tw_text text, unsigned max)
{
    size_t at = 0;
    for (unsigned columns = tw__term_columns(text); columns >= max && at < text.len;) {
        struct glyph g = next_glyph(text.ptr + at, text.len - at);
        at += g.in;
        columns -= g.columns;
    }
    return (struct tw_text){text.ptr + at, text.len - at};
}

unsigned tw__term_text(struct tw__buf *out, const struct tw__look *look, struct tw_text text, unsigned max,
                       enum tw__cut cut)
{
    unsigned columns = 0, keep_columns = 0;
    size_t keep_len = out->len; /* where to come back to, so that the ellipsis still fits */
    if (cut == TW__CUT_FRONT && max && tw__term_columns(text) > max) {
        text = end_of(text, max);
        tw__buf_cstr(out, look->utf8 ? "\xe2\x80\xa6" : "~");
        columns = 1;
    }
    for (size_t at = 0; at < text.len;) {
        struct glyph g = next_glyph(text.ptr + at, text.len - at);
        if (g.columns > max - columns) {
            if (cut == TW__CUT_HARD || max == 0) return columns;
            if (!out->failed) out->len = keep_len;
            tw__buf_cstr(out, look->utf8 ? "\xe2\x80\xa6" : "~");
            return keep_columns + 1;
        }
        tw__buf_add(out, g.escaped ? g.escape : text.ptr + at, g.out);
        at += g.in;
        columns += g.columns;
        if (columns < max) {
            keep_columns = columns;
            keep_len = out->len;
        }
    }
    return columns;
}

void tw__term_tag_value(struct tw__buf *out, const struct tw_tag_value *tag)
{
    enum { HEX_MAX = 64 };
    if (tag->type == TW_TYPE_INT) {
        tw__buf_fmt(out, "%" PRId64, tag->value.i);
    } else if (tag->type == TW_TYPE_UINT) {
        tw__buf_u64(out, tag->value.u);
    } else if (tag->type == TW_TYPE_DOUBLE) {
        tw__buf_fmt(out, "%.15g", tag->value.d);
    } else if (tag->type == TW_TYPE_BOOL) {
        tw__buf_cstr(out, tag->value.u ? "true" : "false");
    } else if (tag->type == TW_TYPE_STR || tag->type == TW_TYPE_JSON) {
        tw__buf_add(out, tag->text.ptr, tag->text.len);
    } else if (tag->type == TW_TYPE_BYTES) {
        size_t shown = tag->text.len < HEX_MAX ? tag->text.len : HEX_MAX;
        tw__buf_cstr(out, "0x");
        tw__buf_hex(out, (const uint8_t *)tag->text.ptr, shown);
        if (shown < tag->text.len) tw__buf_fmt(out, "...(%zu bytes)", tag->text.len);
    }
    if (tag->cut) tw__buf_fmt(out, "...(%" PRIu64 " bytes)", tag->full_len);
}
