/* message: the text of a log record, made by whoever reads it.
 *
 *     format of the site + arguments of the record -> text
 *
 * Format and arguments may come from a file that somebody has made up, so nothing is believed: a conversion is built
 * anew from what was understood of it and from the type of the value that is there, and that alone goes to snprintf.
 * The conversions that make up nearly all logs (%d %u %x %s and their long forms, without flags) do not go there at
 * all: 20 instead of 80 ns.
 */
#include <stdio.h>
#include <string.h>

#include <trackway/read.h>

#include "base/format.h"

enum { SPEC_MAX = 48, ONE_MAX = 512 };

struct message {
    char *text;
    size_t len, cap; /* cap: without the NUL */
    const struct tw_tag_value *args;
    size_t arg_count, at;
};

static void add(struct message *m, const char *bytes, size_t len)
{
    if (len > m->cap - m->len) len = m->cap - m->len;
    if (len) memcpy(m->text + m->len, bytes, len);
    m->len += len;
}

static void add_fill(struct message *m, char c, size_t count)
{
    while (count-- > 0 && m->len < m->cap) m->text[m->len++] = c;
}

static const struct tw_tag_value *next_arg(struct message *m)
{
    return m->at < m->arg_count ? &m->args[m->at++] : NULL;
}

static void add_decimal(struct message *m, uint64_t value, bool negative)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    if (negative) digits[--at] = '-';
    add(m, digits + at, sizeof digits - at);
}

static void add_hexadecimal(struct message *m, uint64_t value, bool upper)
{
    const char *all = upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char digits[16];
    size_t at = sizeof digits;
    do {
        digits[--at] = all[value & 15];
        value >>= 4;
    } while (value);
    add(m, digits + at, sizeof digits - at);
}

static void add_plain(struct message *m, const struct tw_tag_value *arg)
{
    char text[40];
    int n;
    switch (arg->type) {
    case TW_TYPE_INT:
        add_decimal(m, arg->value.i < 0 ? 0 - arg->value.u : arg->value.u, arg->value.i < 0);
        break;
    case TW_TYPE_UINT:
    case TW_TYPE_BOOL:
        add_decimal(m, arg->value.u, false);
        break;
    case TW_TYPE_DOUBLE:
        n = snprintf(text, sizeof text, "%g", arg->value.d);
        add(m, text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0);
        break;
    case TW_TYPE_STR:
    case TW_TYPE_BYTES:
    case TW_TYPE_JSON:
        add(m, arg->text.ptr, arg->text.len);
        break;
    case TW_TYPE_NONE:
        break;
    }
}

/* Width and precision as numbers; stars take their arguments. */
struct spec {
    bool left;
    int width, precision;
};

static int star(struct message *m, int given)
{
    if (given != TW__FORMAT_STAR) return given;
    const struct tw_tag_value *arg = next_arg(m);
    if (!arg || (arg->type != TW_TYPE_INT && arg->type != TW_TYPE_UINT)) return TW__FORMAT_NONE;
    int64_t value = arg->value.i;
    return value > TW__FORMAT_NUMBER_MAX    ? TW__FORMAT_NUMBER_MAX
           : value < -TW__FORMAT_NUMBER_MAX ? -TW__FORMAT_NUMBER_MAX
                                            : (int)value;
}

static void add_text(struct message *m, const struct tw_tag_value *arg, const struct spec *spec)
{
    size_t len = arg->text.len;
    if (spec->precision >= 0 && (size_t)spec->precision < len) len = (size_t)spec->precision;
    size_t fill = spec->width > 0 && (size_t)spec->width > len ? (size_t)spec->width - len : 0;
    if (!spec->left) add_fill(m, ' ', fill);
    add(m, arg->text.ptr, len);
    if (spec->left) add_fill(m, ' ', fill);
}

/* The value as the conversion's own type would have seen it. */
static int64_t narrowed(const struct tw__conversion *c, uint64_t value)
{
    if (c->narrow == 2) return c->arg == TW__ARG_INT ? (signed char)value : (unsigned char)value;
    if (c->narrow == 1) return c->arg == TW__ARG_INT ? (short)value : (unsigned short)value;
    return (int64_t)value;
}

static void add_number(struct message *m, const struct tw__conversion *c, const struct tw_tag_value *arg,
                       const struct spec *spec)
{
    char format[SPEC_MAX], one[ONE_MAX];
    size_t flags = c->flags_len < 8 ? c->flags_len : 8, at = 0;
    format[at++] = '%';
    for (size_t i = 0; i < flags; i++)
        if (c->begin[1 + i] != 'I') format[at++] = c->begin[1 + i];
    int width = spec->width, n = 0;
    if (width < 0) width = 0;
    if (width >= ONE_MAX) width = ONE_MAX - 1;
    int precision = spec->precision >= ONE_MAX / 2 ? ONE_MAX / 2 : spec->precision;
    if (spec->left) format[at++] = '-';
    n = width ? snprintf(format + at, sizeof format - at, "%d", width) : 0;
    at += n > 0 ? (size_t)n : 0;
    n = precision >= 0 ? snprintf(format + at, sizeof format - at, ".%d", precision) : 0;
    at += n > 0 ? (size_t)n : 0;
    bool real = arg->type == TW_TYPE_DOUBLE;
    if (!real) format[at++] = 'l';
    if (!real) format[at++] = 'l';
    format[at++] = c->letter;
    format[at] = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (real)
        n = snprintf(one, sizeof one, format, arg->value.d);
    else if (c->letter == 'd' || c->letter == 'i')
        n = snprintf(one, sizeof one, format, (long long)narrowed(c, arg->value.u));
    else
        n = snprintf(one, sizeof one, format, (unsigned long long)narrowed(c, arg->value.u));
#pragma GCC diagnostic pop
    if (n > 0) add(m, one, (size_t)n < sizeof one ? (size_t)n : sizeof one - 1);
}

static void add_character(struct message *m, uint64_t code)
{
    char utf8[4];
    if (code < 0x80) {
        utf8[0] = (char)code;
        add(m, utf8, code ? 1 : 0);
    } else if (code < 0x800) {
        utf8[0] = (char)(0xc0 | code >> 6);
        utf8[1] = (char)(0x80 | (code & 0x3f));
        add(m, utf8, 2);
    } else {
        add(m, "?", 1);
    }
}

static bool is_real(char letter)
{
    return letter && strchr("aAeEfFgG", letter);
}

static bool is_whole(char letter)
{
    return letter && strchr("diouxX", letter);
}

/* One conversion; false when the rest is to be shown as it stands. */
static bool convert(struct message *m, const struct tw__conversion *c)
{
    if (c->arg == TW__ARG_UNKNOWN) return false;
    struct spec spec = {.width = star(m, c->width), .precision = star(m, c->precision)};
    if (c->width == TW__FORMAT_STAR && spec.width < TW__FORMAT_NONE) {
        spec.left = true;
        spec.width = -spec.width;
    }
    if (c->flags_len && memchr(c->begin + 1, '-', c->flags_len)) spec.left = true;
    if (spec.precision < 0) spec.precision = TW__FORMAT_NONE;
    if (c->arg == TW__ARG_NONE) {
        add(m, "%", 1);
        return true;
    }
    if (c->arg == TW__ARG_COUNT) return true;
    const struct tw_tag_value *arg = next_arg(m);
    if (!arg) {
        add(m, "<missing>", 9);
        return true;
    }
    bool number = arg->type == TW_TYPE_INT || arg->type == TW_TYPE_UINT,
         plain = c->flags_len == 0 && spec.width <= 0 && spec.precision < 0;
    if (arg->type == TW_TYPE_STR) {
        add_text(m, arg, &spec);
    } else if (c->arg == TW__ARG_POINTER && number) {
        add(m, arg->value.u ? "0x" : "(nil)", arg->value.u ? 2 : 5);
        if (arg->value.u) add_hexadecimal(m, arg->value.u, false);
    } else if (c->arg == TW__ARG_ERRNO && number) {
        char text[128];
        add(m, text, strerror_r((int)arg->value.i, text, sizeof text) == 0 ? strlen(text) : 0);
    } else if ((c->letter == 'c' || c->letter == 'C') && number) {
        add_character(m, c->letter == 'c' ? arg->value.u & 0xff : arg->value.u);
    } else if (!(is_real(c->letter) && arg->type == TW_TYPE_DOUBLE) && !(is_whole(c->letter) && number)) {
        add_plain(m, arg); /* also a number under %s, which snprintf would take for an address */
    } else if (plain && !c->narrow && (c->letter == 'd' || c->letter == 'i' || c->letter == 'u')) {
        add_plain(m, arg);
    } else if (plain && !c->narrow && (c->letter == 'x' || c->letter == 'X')) {
        add_hexadecimal(m, arg->value.u, c->letter == 'X');
    } else {
        add_number(m, c, arg, &spec);
    }
    return true;
}

size_t tw_record_message(const struct tw_record *record, char *text, size_t cap)
{
    if (cap == 0) return 0;
    struct message m = {.text = text, .cap = cap - 1, .args = record->args, .arg_count = record->arg_count};
    const char *at = record->name.ptr, *end = at + record->name.len;
    struct tw__conversion c;
    while (record->kind == TW_RECORD_LOG && m.len < m.cap && tw__format_next(at, end, &c)) {
        add(&m, at, (size_t)(c.begin - at));
        at = c.begin;
        if (!convert(&m, &c)) break;
        at = c.end;
    }
    if (at < end) add(&m, at, (size_t)(end - at));
    while (record->kind == TW_RECORD_LOG && m.len && m.text[m.len - 1] == '\n') m.len--;
    m.text[m.len] = 0;
    return m.len;
}
