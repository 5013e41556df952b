/* number: text to a number of the type it was written as.
 *
 * 1 is an INT and 1.0 a DOUBLE, because the difference is part of what was written. Digits alone that no 64 bits hold
 * are no number: they are an id, and rounding an id to a double would make two of them equal. A duration of several
 * units has the larger ones first: 12d34d is half of an id.
 * Rejected: strtoll and strtod (spaces, signs, octal, the locale).
 */
#include "base/number.h"

#include <float.h>
#include <string.h>

#include "base/decimal.h"

static bool whole_number(const char *text, size_t len, struct tw__field *out)
{
    bool minus = len > 0 && *text == '-';
    uint64_t value = 0;
    unsigned base = 10;
    text += minus;
    len -= minus;
    if (len > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
        base = 16;
        text += 2;
        len -= 2;
    }
    if (len == 0) return false;
    for (size_t i = 0; i < len; i++) {
        unsigned c = (uint8_t)text[i];
        unsigned digit = c >= '0' && c <= '9'                     ? c - '0'
                         : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                  : 16;
        if (digit >= base || value > (UINT64_MAX - digit) / base) return false;
        value = value * base + digit;
    }
    if (minus && value > (uint64_t)INT64_MAX + 1) return false;
    if (minus)
        *out = tw__field_int(value ? -(int64_t)(value - 1) - 1 : 0);
    else
        *out = value > INT64_MAX ? tw__field_uint(value) : tw__field_int((int64_t)value);
    return true;
}

bool tw__number_read(const char *text, size_t len, struct tw__field *out)
{
    double value;
    bool minus = len > 0 && *text == '-';
    if (whole_number(text, len, out)) return true;
    text += minus;
    len -= minus;
    /* Digits alone that are too many are a name of something, not a quantity to round. */
    size_t digits = 0;
    while (digits < len && text[digits] >= '0' && text[digits] <= '9') digits++;
    if (digits == len || *text == '-' || !tw__decimal_parse(text, len, &value) || value > DBL_MAX) return false;
    *out = (struct tw__field){.type = TW__FIELD_DOUBLE, .d = minus ? -value : value};
    return true;
}

/* A number and one unit. */
static bool one_unit(const char *text, size_t len, struct tw__field *out, int64_t *unit_ns)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"ns", 1},         {"us", 1000},       {"ms", 1000000},      {"\xc2\xb5s", 1000},
                 {"s", 1000000000}, {"m", 60000000000}, {"h", 3600000000000}, {"d", 86400000000000}};
    struct tw__field number;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t unit = strlen(units[i].name);
        if (len <= unit || memcmp(text + len - unit, units[i].name, unit) != 0) continue;
        size_t front = len - unit;
        char last = text[front - 1];
        if ((last < '0' || last > '9') && last != '.') continue;
        if (front > 1 && (text[1] | 0x20) == 'x') return false;
        if (!tw__number_read(text, front, &number)) return false;
        *unit_ns = units[i].ns;
        if (number.type == TW__FIELD_INT) {
            if (number.i > INT64_MAX / units[i].ns || number.i < -(INT64_MAX / units[i].ns)) return false;
            *out = tw__field_int(number.i * units[i].ns);
            return true;
        }
        double ns = number.type == TW__FIELD_DOUBLE ? number.d * (double)units[i].ns : 1e30;
        if (!(ns > -9e18 && ns < 9e18)) return false;
        *out = tw__field_int((int64_t)(ns < 0 ? ns - 0.5 : ns + 0.5));
        return true;
    }
    return false;
}

static bool is_digit(char c)
{
    return (c >= '0' && c <= '9') || c == '.';
}

bool tw__duration_read(const char *text, size_t len, struct tw__field *out)
{
    int64_t sum_ns = 0, unit_ns, above_ns = INT64_MAX;
    bool minus = len > 0 && *text == '-';
    size_t at = minus;
    if (one_unit(text, len, out, &unit_ns)) return true;
    while (at < len) {
        struct tw__field part;
        size_t end = at;
        while (end < len && is_digit(text[end])) end++;
        while (end < len && !is_digit(text[end])) end++;
        if (text[at] == '-' || !one_unit(text + at, end - at, &part, &unit_ns)) return false;
        if (unit_ns >= above_ns || part.i > INT64_MAX - sum_ns) return false;
        above_ns = unit_ns;
        sum_ns += part.i;
        at = end;
    }
    if (at == minus) return false;
    *out = tw__field_int(minus ? -sum_ns : sum_ns);
    return true;
}
