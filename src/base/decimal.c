/* decimal: decimal text to a double, correctly rounded.
 *
 * strtod would do, but it obeys the locale: inside a program that speaks German it stops at the point of 0.5. strtod_l
 * needs an allocated locale, and swapping the thread's locale around each number is no better.
 *
 * Two ways. When the digits fit 53 bits and the power of ten is exact in a double (up to 10^22), one multiplication or
 * division rounds once, hence correctly [Clinger 1990]. Else the number is held as decimal digits and shifted by powers
 * of two until its integer part is the 53 bits wanted:
 *
 *     value = 0.d1 d2 d3 ... dn * 10^point * 2^exponent
 *
 * Invariant: each step keeps that product, but for digits beyond DIGITS, of which only "one of them was not 0" is kept
 * (cut). 767 digits are enough to tell every double and every midpoint between two apart, so cut decides ties only.
 * Rejected: Eisel-Lemire (10 KB of tables, and still needs the slow way behind it); a big integer with division
 * (longer).
 */
#include "base/decimal.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { DIGITS = 800, GROWTH = 16, SHIFT_MAX = 27, EXPONENT_CAP = 100000 };

struct decimal {
    uint8_t d[DIGITS + GROWTH];
    int n;     /* digits in use; no leading or trailing zero */
    int point; /* the decimal point stands after this many digits */
    bool cut;
};

static void trim(struct decimal *x)
{
    while (x->n > 0 && x->d[x->n - 1] == 0) x->n--;
    if (x->n == 0) x->point = 0;
}

/* Multiplies by 2^k, k <= SHIFT_MAX. From the last digit to the first, then moved to the front. */
static void shift_left(struct decimal *x, int k)
{
    int at = x->n + GROWTH, grown;
    uint64_t carry = 0;
    uint8_t wide[DIGITS + 2 * GROWTH];
    for (int i = x->n - 1; i >= 0; i--) {
        carry += (uint64_t)x->d[i] << k;
        wide[--at] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry; carry /= 10) wide[--at] = (uint8_t)(carry % 10);
    grown = GROWTH - at;
    int n = x->n + grown;
    for (; n > DIGITS; n--)
        if (wide[at + n - 1]) x->cut = true;
    memcpy(x->d, wide + at, (size_t)n);
    x->n = n;
    x->point += grown;
    trim(x);
}

/* Divides by 2^k, k <= SHIFT_MAX. */
static void shift_right(struct decimal *x, int k)
{
    int from = 0, to = 0;
    uint64_t rest = 0, mask = ((uint64_t)1 << k) - 1;
    if (x->n == 0) return;
    for (; rest >> k == 0; from++) rest = rest * 10 + (from < x->n ? x->d[from] : 0);
    x->point -= from - 1;
    while (from < x->n || rest) {
        uint8_t digit = (uint8_t)(rest >> k);
        rest &= mask;
        if (to < DIGITS)
            x->d[to++] = digit;
        else if (digit)
            x->cut = true;
        rest = rest * 10 + (from < x->n ? x->d[from] : 0);
        from++;
    }
    x->n = to;
    trim(x);
}

/* The integer nearest, ties to even. At most 2^53. */
static uint64_t rounded(const struct decimal *x)
{
    uint64_t whole = 0;
    int at = x->point;
    if (at < 0) return 0;
    for (int i = 0; i < at; i++) whole = whole * 10 + (i < x->n ? x->d[i] : 0);
    if (at >= x->n) return whole;
    bool tie = x->d[at] == 5 && at + 1 == x->n && !x->cut;
    bool up = tie ? whole & 1 : x->d[at] >= 5;
    return whole + up;
}

static double assembled(uint64_t mantissa, int exponent)
{
    uint64_t biased = mantissa >> 52 ? (uint64_t)(exponent + 1023) : 0,
             bits = biased << 52 | (mantissa & 0xfffffffffffffu);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static double slow(struct decimal *x)
{
    /* The largest power of two not above 10^i, so that a shift never passes the target. */
    static const int step[] = {1, 3, 6, 9, 13, 16, 19, 23, 26};
    int exponent = -1;
    trim(x);
    if (x->n == 0 || x->point < -330) return 0;
    if (x->point > 310) return HUGE_VAL;
    while (x->point > 0) {
        int k = x->point >= 9 ? SHIFT_MAX : step[x->point];
        shift_right(x, k);
        exponent += k;
    }
    while (x->point < 0 || x->d[0] < 5) {
        int k = -x->point >= 9 ? SHIFT_MAX : step[-x->point];
        shift_left(x, k);
        exponent -= k;
    }
    /* Now 0.5 <= digits < 1, and value = 2 * digits * 2^exponent. */
    while (exponent < -1022) {
        int k = -1022 - exponent < SHIFT_MAX ? -1022 - exponent : SHIFT_MAX;
        shift_right(x, k);
        exponent += k;
    }
    shift_left(x, 27);
    shift_left(x, 26);
    uint64_t mantissa = rounded(x);
    if (mantissa == (uint64_t)1 << 53) {
        mantissa >>= 1;
        exponent++;
    }
    return exponent > 1023 ? HUGE_VAL : assembled(mantissa, exponent);
}

/* What the text says: digits (without leading zeros), point, and the first 19 digits as a number. */
static bool scan(const char *text, size_t len, struct decimal *x, uint64_t *first, size_t *digits)
{
    size_t at = 0, seen = 0;
    bool point = false;
    *first = 0;
    *digits = 0;
    x->n = x->point = 0;
    x->cut = false;
    for (; at < len && ((text[at] >= '0' && text[at] <= '9') || (text[at] == '.' && !point)); at++) {
        if (text[at] == '.') {
            point = true;
            continue;
        }
        uint8_t digit = (uint8_t)(text[at] - '0');
        seen++;
        if (*digits == 0 && digit == 0) {
            x->point -= point && x->point > -EXPONENT_CAP;
            continue;
        }
        if (++*digits <= 19) *first = *first * 10 + digit;
        if (x->n < DIGITS)
            x->d[x->n++] = digit;
        else if (digit)
            x->cut = true;
        x->point += !point && x->point < EXPONENT_CAP;
    }
    if (seen == 0) return false;
    if (at == len) return true;
    if (text[at] != 'e' && text[at] != 'E') return false;
    at++;
    bool minus = at < len && text[at] == '-';
    if (at < len && (text[at] == '-' || text[at] == '+')) at++;
    int exponent = 0;
    if (at == len) return false;
    for (; at < len; at++) {
        if (text[at] < '0' || text[at] > '9') return false;
        if (exponent < 2 * EXPONENT_CAP) exponent = exponent * 10 + (text[at] - '0');
    }
    x->point += minus ? -exponent : exponent;
    return true;
}

static const double ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                             1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* The first way for what most numbers are: up to 15 digits with or without a point. */
static bool quick(const char *text, size_t len, double *value)
{
    uint64_t digits = 0;
    size_t at = 0, fraction = 0;
    if (len == 0 || len > 16) return false;
    for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) digits = digits * 10 + (uint64_t)(text[at] - '0');
    if (at < len && text[at] == '.') {
        for (at++; at < len && text[at] >= '0' && text[at] <= '9'; at++, fraction++)
            digits = digits * 10 + (uint64_t)(text[at] - '0');
    }
    if (at < len || FLT_EVAL_METHOD != 0 || fraction == len - 1 || digits > (uint64_t)1 << 53) return false;
    *value = (double)digits / ten[fraction];
    return true;
}

bool tw__decimal_parse(const char *text, size_t len, double *value)
{
    struct decimal x;
    uint64_t first;
    size_t digits;
    bool minus = len > 0 && *text == '-';
    if (!minus && quick(text, len, value)) return true;
    if (!scan(text + minus, len - minus, &x, &first, &digits)) return false;
    int power = x.point - (int)(digits < DIGITS ? digits : DIGITS);
    double result;
    if (digits == 0)
        result = 0;
    else if (FLT_EVAL_METHOD == 0 && digits <= 19 && first <= (uint64_t)1 << 53 && power >= -22 && power <= 22)
        result = power < 0 ? (double)first / ten[-power] : (double)first * ten[power];
    else
        result = slow(&x);
    *value = minus ? -result : result;
    return true;
}
