/* json: a writer without state but the comma.
 *
 * Invariant: what was written since the last line is a prefix of a valid JSON text, as long as brackets are balanced by
 * the caller. Bytes that are not UTF-8 become U+FFFD, one for each byte, so that the length of the damage stays
 * visible. Doubles are written with 15 digits where these read back as the same value, else with 17. U+2028, U+2029 and
 * DEL are escaped: valid JSON as they are, but they break line tools and JavaScript.
 * Rejected: jansson (builds a tree first; a dump is millions of records).
 */
#include "wire/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/term.h"
#include "wire/utf8.h"

/* How many bytes from at on need no second look: ASCII without controls, quotes and backslashes. Eight at a time. */
static size_t plain_end(struct tw_text text, size_t at)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    for (; text.len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + at, 8);
        uint64_t quote = word ^ ones * '"', back = word ^ ones * '\\', del = word ^ ones * 0x7f;
        /* A borrow may reach into the next byte only from one that is found anyway. */
        uint64_t found = (word - ones * 0x20) | (quote - ones) | (back - ones) | (del - ones) | word;
        if (found & tops) break;
    }
    return at;
}

static void string(struct tw__buf *out, struct tw_text text)
{
    size_t from = 0, at = plain_end(text, 0);
    tw__buf_char(out, '"');
    while (at < text.len) {
        uint32_t cp = 0;
        uint8_t c = (uint8_t)text.ptr[at];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
            at++;
            continue;
        }
        size_t n = tw__utf8_next(text.ptr + at, text.len - at, &cp);
        bool plain =
            n && cp >= 0x20 && cp != '"' && cp != '\\' && !(cp >= 0x7f && cp < 0xa0) && cp != 0x2028 && cp != 0x2029;
        if (!plain) {
            tw__buf_add(out, text.ptr + from, at - from);
            if (n == 0)
                tw__buf_cstr(out, "\xef\xbf\xbd");
            else if (cp == '"' || cp == '\\')
                tw__buf_fmt(out, "\\%c", (int)cp);
            else if (cp == '\n')
                tw__buf_cstr(out, "\\n");
            else
                tw__buf_fmt(out, "\\u%04" PRIx32, cp);
        }
        at += n ? n : 1;
        if (!plain) from = at;
    }
    if (from < at) tw__buf_add(out, text.ptr + from, at - from);
    tw__buf_char(out, '"');
}

/* Comma and name; after it the value is due. */
static void before(struct tw__json *json, const char *name)
{
    if (json->comma) tw__buf_char(json->out, ',');
    json->comma = true;
    if (!name) return;
    tw__buf_char(json->out, '"');
    tw__buf_cstr(json->out, name);
    tw__buf_add(json->out, "\":", 2);
}

void tw__json_name(struct tw__json *json, struct tw_text name)
{
    if (json->comma) tw__buf_char(json->out, ',');
    string(json->out, name);
    tw__buf_char(json->out, ':');
    json->comma = false; /* the value follows without one */
}

void tw__json_open(struct tw__json *json, const char *name, char bracket)
{
    before(json, name);
    tw__buf_char(json->out, bracket);
    json->comma = false;
}

void tw__json_close(struct tw__json *json, char bracket)
{
    tw__buf_char(json->out, bracket);
    json->comma = true;
}

void tw__json_line(struct tw__json *json)
{
    tw__buf_char(json->out, '\n');
    json->comma = false;
}

void tw__json_text(struct tw__json *json, const char *name, struct tw_text value)
{
    before(json, name);
    string(json->out, value);
}

void tw__json_raw(struct tw__json *json, const char *name, struct tw_text value)
{
    before(json, name);
    tw__buf_add(json->out, value.ptr, value.len);
}

void tw__json_cstr(struct tw__json *json, const char *name, const char *value)
{
    tw__json_text(json, name, tw__text_of(value));
}

void tw__json_u64(struct tw__json *json, const char *name, uint64_t value)
{
    before(json, name);
    tw__buf_u64(json->out, value);
}

void tw__json_i64(struct tw__json *json, const char *name, int64_t value)
{
    before(json, name);
    if (value < 0) tw__buf_char(json->out, '-');
    tw__buf_u64(json->out, value < 0 ? ~(uint64_t)value + 1 : (uint64_t)value);
}

void tw__json_f64(struct tw__json *json, const char *name, double value)
{
    char text[40];
    if (!isfinite(value)) {
        tw__json_null(json, name);
        return;
    }
    before(json, name);
    (void)snprintf(text, sizeof text, "%.15g", value);
    double back = strtod(text, NULL);
    /* A comparison by < and >: == on doubles is what the warning is for, and here equality is meant. */
    if (back < value || back > value) (void)snprintf(text, sizeof text, "%.17g", value);
    /* The library writes JSON inside other people's programs, whose locale may have a comma here. */
    for (char *c = text; *c; c++)
        if (!(*c >= '0' && *c <= '9') && *c != '-' && *c != '+' && *c != 'e') *c = '.';
    tw__buf_cstr(json->out, text);
}

void tw__json_f64_or_text(struct tw__json *json, const char *name, double value)
{
    if (isfinite(value))
        tw__json_f64(json, name, value);
    else
        tw__json_cstr(json, name, isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

void tw__json_base64(struct tw__json *json, const char *name, const void *bytes, size_t len)
{
    tw__json_cstr(json, name, "");
    if (json->out->failed) return;
    json->out->len--; /* the digits go between the quotes */
    tw__buf_base64(json->out, bytes, len);
    tw__buf_char(json->out, '"');
}

void tw__json_bool(struct tw__json *json, const char *name, bool value)
{
    before(json, name);
    tw__buf_cstr(json->out, value ? "true" : "false");
}

void tw__json_null(struct tw__json *json, const char *name)
{
    before(json, name);
    tw__buf_cstr(json->out, "null");
}

void tw__json_hex(struct tw__json *json, const char *name, const uint8_t *bytes, size_t count)
{
    before(json, name);
    tw__buf_char(json->out, '"');
    tw__buf_hex(json->out, bytes, count);
    tw__buf_char(json->out, '"');
}
