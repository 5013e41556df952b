/* form: a writer of values that never writes beyond its memory and never leaves a text that cannot be read.
 *
 * JSON: the invariant is  len + depth <= cap : every open bracket has its byte. A value that does not fit is taken back
 * to where its comma stood (a text is cut instead, when enough of it fits to be of use), and after it nothing but
 * closing brackets is written; so what there is, is a whole JSON text whose last containers are short of members.
 *
 * DISPLAY: characters are counted as they would be written; the first chars_max of them are. A whole text (no
 * container) is shown without quotes, as str() does. Quotes are chosen and escapes made as repr() does; of the
 * characters that Python does not print, those of Latin-1, the zero-width ones, U+2028 and U+2029, the surrogates' and
 * private areas and the other spaces are known here, the unassigned ones are not.
 *
 * Rejected: base buffers that grow (this runs inside other people's requests); formatting everything and cutting then
 * (a value of 100 MB would be written to be thrown away).
 */
#include "redact/form.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tw__form_begin(struct tw__form *form, enum tw__form_kind kind, char *out, size_t cap, uint64_t chars_max)
{
    *form = (struct tw__form){.out = out, .cap = cap, .kind = kind, .chars_max = chars_max};
}

size_t tw__text_cut(const char *text, size_t len, size_t max)
{
    if (len <= max) return len;
    len = max;
    for (unsigned back = 0; back < 3 && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80; back++) len--;
    return len;
}

/* DISPLAY: one character, of any number of bytes. */
void tw__form_put_char(struct tw__form *form, const char *bytes, size_t len)
{
    if (form->chars++ >= form->chars_max || form->full) {
        form->cut = form->full = true;
        return;
    }
    if (form->cap - form->len < len) {
        form->cut = form->full = true;
        return;
    }
    memcpy(form->out + form->len, bytes, len);
    form->len += len;
}

/* ASCII, in either form. JSON: false when there is no room. */
static bool put(struct tw__form *form, const char *text, size_t len)
{
    if (form->kind == TW__FORM_DISPLAY) {
        for (size_t i = 0; i < len; i++) tw__form_put_char(form, text + i, 1);
        return true;
    }
    if (form->cap - form->len < len + form->depth) return false;
    memcpy(form->out + form->len, text, len);
    form->len += len;
    return true;
}

void tw__form_give_up(struct tw__form *form)
{
    form->len = form->mark;
    form->full = form->cut = true;
}

/* Comma and the place to come back to. False: nothing is written any more. */
bool tw__form_before(struct tw__form *form)
{
    if (form->kind == TW__FORM_JSON && form->full) {
        form->cut = true;
        return false;
    }
    if (form->named) {
        form->named = false;
        return true;
    }
    form->mark = form->len;
    if (form->comma && !put(form, ", ", form->kind == TW__FORM_DISPLAY ? 2 : 1)) {
        tw__form_give_up(form);
        return false;
    }
    form->comma = true;
    return true;
}

static void plain(struct tw__form *form, const char *text, size_t len)
{
    if (tw__form_before(form) && !put(form, text, len)) tw__form_give_up(form);
}

void tw__form_open(struct tw__form *form, char bracket)
{
    if (!tw__form_before(form)) {
        form->unwritten++;
        return;
    }
    if (form->kind == TW__FORM_JSON && form->cap - form->len < 2u + form->depth) {
        tw__form_give_up(form);
        form->unwritten++;
        return;
    }
    (void)put(form, &bracket, 1);
    form->depth++;
    form->comma = false;
}

void tw__form_close(struct tw__form *form, char bracket)
{
    if (form->unwritten) {
        form->unwritten--;
        return;
    }
    form->depth--;
    if (form->kind == TW__FORM_DISPLAY)
        tw__form_put_char(form, &bracket, 1);
    else
        form->out[form->len++] = bracket;
    form->comma = true;
    form->named = false;
}

void tw__form_name(struct tw__form *form, const char *name, size_t len)
{
    if (tw__form_simple(form, name, len, ':')) return;
    if (form->kind == TW__FORM_JSON && form->full) {
        form->cut = true;
        return;
    }
    tw__form_text_begin(form, name, len);
    tw__form_text_piece(form, name, len, false);
    bool whole = !form->full;
    tw__form_text_end(form);
    if (form->kind == TW__FORM_DISPLAY)
        (void)put(form, ": ", 2);
    else if (!whole || !put(form, ":", 1))
        tw__form_give_up(form); /* half a name names nothing */
    form->named = true;
}

void tw__form_null(struct tw__form *form)
{
    if (form->kind == TW__FORM_JSON)
        plain(form, "null", 4);
    else
        plain(form, "None", 4);
}

void tw__form_bool(struct tw__form *form, bool value)
{
    const char *word = form->kind == TW__FORM_JSON ? (value ? "true" : "false") : (value ? "True" : "False");
    plain(form, word, value ? 4 : 5);
}

static char *digits_before(char *end, uint64_t value)
{
    do *--end = (char)('0' + value % 10);
    while (value /= 10);
    return end;
}

void tw__form_u64(struct tw__form *form, uint64_t value)
{
    char digits[24], *end = digits + sizeof digits, *at = digits_before(end, value);
    plain(form, at, (size_t)(end - at));
}

void tw__form_i64(struct tw__form *form, int64_t value)
{
    char digits[24], *end = digits + sizeof digits;
    char *at = digits_before(end, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    if (value < 0) *--at = '-';
    plain(form, at, (size_t)(end - at));
}

/* Digits and the power of ten of the first of them: 1.25 is "125", 0. */
static size_t shortest(double value, char digits[20], int *exponent)
{
    static const double powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    /* m / 10^k with both exact as doubles is the value nearest to that decimal: no other decimal of fewer digits is
     * tried. */
    for (unsigned k = 0; value < 1e9 && value >= 1e-3 && k < sizeof powers / sizeof *powers; k++) {
        double scaled = value * powers[k];
        uint64_t m = (uint64_t)(scaled + 0.5);
        double back = (double)m / powers[k];
        if (back < value || back > value) continue;
        char all[24], *end = all + sizeof all, *at = digits_before(end, m);
        size_t len = (size_t)(end - at);
        *exponent = (int)len - 1 - (int)k;
        while (len > 1 && at[len - 1] == '0') len--;
        memcpy(digits, at, len);
        return len;
    }
    char made[TW__REPR_MAX];
    for (int precision = value < 3e-308 ? 0 : 14; precision <= 16;
         precision++) { /* subnormal numbers have fewer digits */
        (void)snprintf(made, sizeof made, "%.*e", precision, value);
        double back = strtod(made, NULL);
        if (!(back < value || back > value)) break;
    }
    const char *e = strchr(made, 'e');
    size_t len = 0;
    for (const char *c = made; c < e; c++)
        if (*c >= '0' && *c <= '9' && len < 20) digits[len++] = *c; /* whatever the locale's decimal point is */
    while (len > 1 && digits[len - 1] == '0') len--;
    *exponent = atoi(e + 1);
    return len;
}

size_t tw__repr_f64(double value, char text[TW__REPR_MAX])
{
    char digits[20];
    int exponent = 0;
    size_t at = 0, len = 1;
    if (signbit(value)) text[at++] = '-';
    digits[0] = '0';
    if (fpclassify(value) != FP_ZERO) len = shortest(fabs(value), digits, &exponent);
    if (exponent < -4 || exponent >= 16) {
        text[at++] = digits[0];
        if (len > 1) text[at++] = '.';
        memcpy(text + at, digits + 1, len - 1);
        at += len - 1;
        at += (size_t)snprintf(text + at, TW__REPR_MAX - at, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return at;
    }
    if (exponent < 0) {
        memcpy(text + at, "0.000", (size_t)(1 - exponent) + 0u);
        text[at + 1] = '.';
        at += (size_t)(1 - exponent);
        memcpy(text + at, digits, len);
        at += len;
    } else {
        size_t whole = (size_t)exponent + 1;
        for (size_t i = 0; i < whole; i++) text[at++] = i < len ? digits[i] : '0';
        text[at++] = '.';
        if (len <= whole) text[at++] = '0';
        for (size_t i = whole; i < len; i++) text[at++] = digits[i];
    }
    text[at] = 0;
    return at;
}

void tw__form_f64(struct tw__form *form, double value)
{
    char text[TW__REPR_MAX];
    if (isfinite(value)) {
        plain(form, text, tw__repr_f64(value, text));
    } else if (form->kind == TW__FORM_JSON) {
        tw__form_null(form);
    } else {
        const char *word = isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
        plain(form, word, strlen(word));
    }
}
