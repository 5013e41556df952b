/* value: numbers and text that read the same everywhere.
 *
 * Doubles go through printf, which knows how to round, and then lose whatever the program's locale put for the decimal
 * point: a library cannot choose its host's locale, and "0,5" is two values in JSON.
 * Text is checked eight bytes at a time as long as it is ASCII, as nearly all of it is.
 *
 * Invariant: strtod(tw__f64_text(x)) = x in the C locale, for every finite x.
 * Invariant: tw__utf8_repaired_len(t) = t.len exactly when t is UTF-8, as a bad byte (1) becomes U+FFFD (3).
 * Rejected: newlocale and uselocale (they allocate, and may fail), a shortest-digits algorithm of our own (tables of 10
 * kB for the few doubles that tags hold).
 */
#include "wire/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/utf8.h"

enum { REPLACEMENT_LEN = 3 };

size_t tw__f64_text(double value, char text[TW__NUMBER_MAX])
{
    char made[TW__NUMBER_MAX];
    if (!isfinite(value)) {
        const char *word = isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
        memcpy(text, word, strlen(word) + 1);
        return strlen(word);
    }
    (void)snprintf(made, sizeof made, "%.15g", value);
    double back = strtod(made, NULL);
    /* A comparison by < and >: == on doubles is what the warning is for, and here equality is meant. */
    if (back < value || back > value) (void)snprintf(made, sizeof made, "%.17g", value);
    size_t len = 0;
    for (const char *c = made; *c; c++) {
        bool plain = (*c >= '0' && *c <= '9') || *c == '-' || *c == '+' || *c == 'e';
        if (plain)
            text[len++] = *c;
        else if (text[len - 1] != '.') /* a decimal point may have several bytes */
            text[len++] = '.';
    }
    text[len] = '\0';
    return len;
}

struct tw_text tw__value_text(const struct tw_tag_value *tag, char scratch[TW__NUMBER_MAX])
{
    int len = 0;
    switch (tag->type) {
    case TW_TYPE_INT:
        len = snprintf(scratch, TW__NUMBER_MAX, "%" PRId64, tag->value.i);
        break;
    case TW_TYPE_UINT:
        len = snprintf(scratch, TW__NUMBER_MAX, "%" PRIu64, tag->value.u);
        break;
    case TW_TYPE_DOUBLE:
        len = (int)tw__f64_text(tag->value.d, scratch);
        break;
    case TW_TYPE_BOOL:
        return tag->value.u ? (struct tw_text){"true", 4} : (struct tw_text){"false", 5};
    case TW_TYPE_STR:
    case TW_TYPE_BYTES:
    case TW_TYPE_JSON:
        return tag->text;
    case TW_TYPE_NONE:
        break;
    }
    return (struct tw_text){scratch, len > 0 ? (size_t)len : 0};
}

/* How many bytes at the front are ASCII, or a few less. */
static size_t ascii_front(struct tw_text text)
{
    size_t at = 0;
    for (; text.len - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, text.ptr + at, 8);
        if (word & 0x8080808080808080u) return at;
    }
    while (at < text.len && (uint8_t)text.ptr[at] < 0x80) at++;
    return at;
}

size_t tw__utf8_repaired_len(struct tw_text text)
{
    size_t at = ascii_front(text), len = at;
    while (at < text.len) {
        uint32_t code_point;
        size_t n = tw__utf8_next(text.ptr + at, text.len - at, &code_point);
        len += n ? n : REPLACEMENT_LEN;
        at += n ? n : 1;
    }
    return len;
}

void tw__utf8_repaired_copy(struct tw_text text, char *out)
{
    for (size_t at = 0; at < text.len;) {
        uint32_t code_point;
        size_t n = tw__utf8_next(text.ptr + at, text.len - at, &code_point);
        memcpy(out, n ? text.ptr + at : "\xef\xbf\xbd", n ? n : REPLACEMENT_LEN);
        out += n ? n : REPLACEMENT_LEN;
        at += n ? n : 1;
    }
}

struct tw_text tw__utf8_first(struct tw_text text, size_t max)
{
    size_t at = 0;
    if (text.len <= max) return text;
    for (; at < text.len && max > 0; max--) {
        uint32_t code_point;
        size_t n = tw__utf8_next(text.ptr + at, text.len - at, &code_point);
        at += n ? n : 1;
    }
    return (struct tw_text){text.ptr, at};
}

struct tw_text tw__utf8_at_most(struct tw_text text, size_t max)
{
    if (text.len <= max) return text;
    size_t len = max;
    for (unsigned back = 0; back < 3 && len > 0 && ((uint8_t)text.ptr[len] & 0xc0) == 0x80; back++) len--;
    return (struct tw_text){text.ptr, len};
}
