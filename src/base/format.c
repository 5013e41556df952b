/* format: see the header. Limits: no positions (%1$d), which end the reading; widths beyond 9999 are 9999. */
#include "base/format.h"

#include <string.h>

static const char *number(const char *at, const char *end, int *out)
{
    int value = 0;
    while (at < end && *at >= '0' && *at <= '9') {
        value = value * 10 + (*at++ - '0');
        if (value > TW__FORMAT_NUMBER_MAX) value = TW__FORMAT_NUMBER_MAX;
    }
    *out = value;
    return at;
}

static const char *width(const char *at, const char *end, int *out)
{
    *out = TW__FORMAT_NONE;
    if (at < end && *at == '*') {
        *out = TW__FORMAT_STAR;
        return at + 1;
    }
    return at < end && *at >= '0' && *at <= '9' ? number(at, end, out) : at;
}

static enum tw__arg arg_of(char letter, bool wide, bool long_double, bool narrow)
{
    switch (letter) {
    case 'd':
    case 'i':
        return wide ? TW__ARG_LONG : TW__ARG_INT;
    case 'u':
    case 'o':
    case 'x':
    case 'X':
        return wide ? TW__ARG_ULONG : TW__ARG_UINT;
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        return long_double ? TW__ARG_LONG_DOUBLE : TW__ARG_DOUBLE;
    case 'c':
        return TW__ARG_INT;
    case 's':
        return wide && !narrow ? TW__ARG_WIDE : TW__ARG_TEXT;
    case 'C':
        return TW__ARG_INT;
    case 'S':
        return TW__ARG_WIDE;
    case 'p':
        return TW__ARG_POINTER;
    case 'n':
        return TW__ARG_COUNT;
    case 'm':
        return TW__ARG_ERRNO;
    case '%':
        return TW__ARG_NONE;
    default:
        return TW__ARG_UNKNOWN;
    }
}

bool tw__format_next(const char *at, const char *end, struct tw__conversion *out)
{
    bool wide = false, long_double = false;
    const char *percent = at < end ? memchr(at, '%', (size_t)(end - at)) : NULL;
    if (!percent) return false;
    memset(out, 0, sizeof *out);
    out->begin = percent;
    at = percent + 1;
    while (at < end && *at && strchr("-+ #0'I", *at)) at++;
    out->flags_len = (size_t)(at - percent) - 1;
    at = width(at, end, &out->width);
    out->precision = TW__FORMAT_NONE;
    if (at < end && *at == '.') {
        at = width(at + 1, end, &out->precision);
        if (out->precision == TW__FORMAT_NONE) out->precision = 0;
    }
    for (; at < end && *at && strchr("hljztqL", *at); at++) {
        if (*at == 'h')
            out->narrow = (uint8_t)(out->narrow < 2 ? out->narrow + 1 : 2);
        else if (*at == 'L')
            long_double = wide = true;
        else
            wide = true;
    }
    out->letter = at < end ? *at : '\0';
    out->end = at < end ? at + 1 : at;
    out->arg = arg_of(out->letter, wide, long_double, out->narrow != 0);
    return true;
}
