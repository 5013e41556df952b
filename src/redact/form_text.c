/* form_text: texts in the two forms of form.h.
 *
 * Most texts are ASCII without quotes: runs of such bytes are copied as they are. */
#include <stdio.h>
#include <string.h>

#include "redact/form.h"

enum { USEFUL = 12 }; /* bytes of a text worth keeping when it has to be cut */

/* A character at text: its bytes; 0: not UTF-8. */
static size_t next(const char *text, size_t len, uint32_t *code_point)
{
    const uint8_t *b = (const uint8_t *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > len) return 0;
    uint32_t value = n == 1 ? b[0] : b[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((b[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (b[i] & 0x3f);
    }
    if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return 0;
    *code_point = value;
    return n;
}

/* As much of it as fits, with the quote that ends the text; false: not all. No character is cut. */
static bool run(struct tw__form *form, const char *text, size_t len, bool divisible)
{
    size_t room = form->cap - form->len - form->depth - 1;
    size_t kept = len <= room ? len : divisible ? tw__text_cut(text, len, room) : 0;
    memcpy(form->out + form->len, text, kept);
    form->len += kept;
    if (kept == len) return true;
    form->full = form->cut = true;
    return false;
}

static bool is_printed(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad) return false;
    if (c < 0x600) return true;
    if (c == 0x1680 || (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f)) return false;
    if ((c >= 0x205f && c <= 0x206f) || c == 0x3000 || c == 0xfeff || c == 0x61c || c == 0x6dd) return false;
    return !(c >= 0xe000 && c <= 0xf8ff) && !(c >= 0xfff0 && c <= 0xfffb) && c < 0xe0000;
}

static void display_piece(struct tw__form *form, const char *text, size_t len, bool bytes)
{
    bool quoted = form->quote != 0;
    for (size_t at = 0, n; at < len; at += n) {
        uint32_t c = 0;
        char escape[12];
        int made = 0;
        n = next(text + at, len - at, &c);
        if (n == 0) {
            n = 1;
            if (!bytes) {
                tw__form_put_char(form, "\xef\xbf\xbd", 3);
                continue;
            }
            made = snprintf(escape, sizeof escape, quoted ? "\\\\x%02x" : "\\x%02x", (unsigned)(uint8_t)text[at]);
        } else if (!quoted) {
            tw__form_put_char(form, text + at, n);
            continue;
        } else if (c == (uint32_t)form->quote || c == '\\') {
            made = snprintf(escape, sizeof escape, "\\%c", (int)c);
        } else if (c == '\n' || c == '\r' || c == '\t') {
            made = snprintf(escape, sizeof escape, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        } else if (is_printed(c)) {
            tw__form_put_char(form, text + at, n);
            continue;
        } else {
            made = snprintf(escape, sizeof escape, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
        }
        for (int i = 0; i < made; i++) tw__form_put_char(form, escape + i, 1);
    }
}

/* Of eight bytes: the high bit of each that is not printable ASCII, or is a quote or a backslash, and perhaps of some
 * above it. */
static uint64_t odd_bytes(const char *text)
{
    const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
    uint64_t word;
    memcpy(&word, text, 8);
    uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\', del = word ^ ones * 0x7f;
    /* Below zero after the subtraction: it was below 0x20, or zero after the exclusive or. */
    return (word | (word - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones)) & highs;
}

/* How many bytes at the front go as they are, or some less. */
static size_t plain_front(const char *text, size_t len)
{
    size_t at = 0;
    while (len - at >= 8 && !odd_bytes(text + at)) at += 8;
    return at;
}

static bool is_plain(const char *text, size_t len)
{
    if (len >= 8) return plain_front(text, len) + 8 > len && !odd_bytes(text + len - 8);
    for (size_t i = 0; i < len; i++) {
        unsigned char b = (unsigned char)text[i];
        if (b < 0x20 || b >= 0x7f || b == '"' || b == '\\') return false;
    }
    return true;
}

/* JSON, and nothing odd about it: comma, quotes, the text and what follows in one go. False: not so simple. */
bool tw__form_simple(struct tw__form *form, const char *text, size_t len, char after)
{
    if (form->kind != TW__FORM_JSON || form->full || form->cap - form->len < len + 4 + form->depth ||
        !is_plain(text, len))
        return false;
    char *at = form->out + form->len;
    if (!form->named) {
        form->mark = form->len;
        if (form->comma) *at++ = ',';
        form->comma = true;
    }
    *at++ = '"';
    memcpy(at, text, len);
    at += len;
    *at++ = '"';
    if (after) *at++ = after;
    form->named = after != 0;
    form->len = (size_t)(at - form->out);
    return true;
}

static void json_piece(struct tw__form *form, const char *text, size_t len, bool bytes)
{
    size_t from = 0, at = plain_front(text, len);
    while (at < len && !form->full) {
        uint8_t b = (uint8_t)text[at];
        if (b >= 0x20 && b < 0x7f && b != '"' && b != '\\') {
            at++;
            continue;
        }
        uint32_t c = 0;
        size_t n = b < 0x80 ? 1 : next(text + at, len - at, &c);
        if (b >= 0x80 && n && c >= 0xa0 && c != 0x2028 && c != 0x2029) {
            at += n;
            continue;
        }
        if (b < 0x80) c = b;
        char escape[12];
        int made;
        if (n == 0)
            made = bytes ? snprintf(escape, sizeof escape, "\\\\x%02x", (unsigned)b)
                         : snprintf(escape, sizeof escape, "%s", "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            made = snprintf(escape, sizeof escape, "\\%c", (int)c);
        else if (c == '\n')
            made = snprintf(escape, sizeof escape, "\\n");
        else
            made = snprintf(escape, sizeof escape, "\\u%04x", c);
        if (!run(form, text + from, at - from, true) || !run(form, escape, (size_t)made, false)) return;
        at += n ? n : 1;
        from = at;
    }
    if (!form->full && from < at) (void)run(form, text + from, at - from, true);
}

void tw__form_text_begin(struct tw__form *form, const char *look, size_t look_len)
{
    bool top = form->depth == 0 && form->unwritten == 0;
    form->writing = tw__form_before(form);
    form->quote = 0;
    if (form->kind == TW__FORM_DISPLAY) {
        if (top) return;
        bool single = look_len && memchr(look, '\'', look_len) && !memchr(look, '"', look_len);
        form->quote = single ? '"' : '\'';
        tw__form_put_char(form, &form->quote, 1);
    } else if (form->writing) {
        form->writing = form->cap - form->len >= 2u + form->depth;
        if (form->writing)
            form->out[form->len++] = '"';
        else
            tw__form_give_up(form);
    }
    form->text_at = form->len;
}

void tw__form_text_piece(struct tw__form *form, const char *text, size_t len, bool bytes)
{
    if (form->kind == TW__FORM_DISPLAY)
        display_piece(form, text, len, bytes);
    else if (form->writing)
        json_piece(form, text, len, bytes);
}

void tw__form_text_end(struct tw__form *form)
{
    if (form->kind == TW__FORM_DISPLAY) {
        if (form->quote) tw__form_put_char(form, &form->quote, 1);
    } else if (form->writing) {
        if (form->full && form->len - form->text_at < USEFUL)
            tw__form_give_up(form);
        else
            form->out[form->len++] = '"';
    }
    form->writing = false;
}

void tw__form_text(struct tw__form *form, const char *text, size_t len)
{
    if (tw__form_simple(form, text, len, 0)) return;
    tw__form_text_begin(form, text, len);
    tw__form_text_piece(form, text, len, false);
    tw__form_text_end(form);
}

void tw__form_bytes(struct tw__form *form, const void *bytes, size_t len)
{
    tw__form_text_begin(form, bytes, len);
    tw__form_text_piece(form, bytes, len, true);
    tw__form_text_end(form);
}
