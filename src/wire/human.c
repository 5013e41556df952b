/* human: durations, times, counts.
 *
 * Three digits that count are enough to compare by eye, and keep columns narrow: 1.23ms, 12.3ms, 123ms. Rounding is to
 * nearest and may carry into the next unit (999.6us is 1.00ms), so that no text shows a number its unit cannot have.
 * Parsing is exact: a fraction is read as digits, never through a double, so that 0.1s is 100000000 ns.
 * Rejected: a duration without a unit (200 what?); combined units on input (1m30s), which nobody types.
 */
#include "wire/human.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <trackway/err.h>

#define NS_S UINT64_C(1000000000)

static struct tw__short three_digits(double value, const char *unit)
{
    struct tw__short s;
    int places = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    (void)snprintf(s.text, sizeof s.text, "%.*f%s", places, value, unit);
    return s;
}

static struct tw__short two_units(uint64_t high, const char *high_unit, uint64_t low, const char *low_unit)
{
    struct tw__short s;
    (void)snprintf(s.text, sizeof s.text, "%" PRIu64 "%s%02" PRIu64 "%s", high, high_unit, low, low_unit);
    return s;
}

struct tw__short tw__human_duration(uint64_t ns)
{
    struct tw__short s;
    double value = (double)ns;
    if (ns < 1000) {
        (void)snprintf(s.text, sizeof s.text, "%" PRIu64 "ns", ns);
        return s;
    }
    if (value < 999.5e3) return three_digits(value / 1e3, "us");
    if (value < 999.5e6) return three_digits(value / 1e6, "ms");
    if (value < 59.95e9) return three_digits(value / 1e9, "s");
    uint64_t seconds = ns / NS_S + (ns % NS_S >= NS_S / 2);
    if (seconds < 3600) return two_units(seconds / 60, "m", seconds % 60, "s");
    if (seconds < 86400) return two_units(seconds / 3600, "h", seconds / 60 % 60, "m");
    return two_units(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

struct tw__short tw__human_ago(uint64_t ns)
{
    struct tw__short s;
    uint64_t seconds = ns / NS_S;
    uint64_t value = seconds < 60      ? seconds
                     : seconds < 3600  ? seconds / 60
                     : seconds < 86400 ? seconds / 3600
                                       : seconds / 86400;
    const char *unit = seconds < 60 ? "s" : seconds < 3600 ? "m" : seconds < 86400 ? "h" : "d";
    (void)snprintf(s.text, sizeof s.text, "%" PRIu64 "%s", value, unit);
    return s;
}

static struct tw__short local_time(uint64_t ns, bool dated)
{
    struct tw__short s;
    time_t seconds = (time_t)(ns / NS_S);
    struct tm tm;
    size_t len = 0;
    if (localtime_r(&seconds, &tm))
        len = strftime(s.text, sizeof s.text - 4, dated ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm);
    (void)snprintf(s.text + len, sizeof s.text - len, ".%03u", (unsigned)(ns % NS_S / 1000000));
    return s;
}

struct tw__short tw__human_clock(uint64_t ns)
{
    return local_time(ns, false);
}

struct tw__short tw__human_date(uint64_t ns)
{
    return local_time(ns, true);
}

struct tw__short tw__human_moment(uint64_t ns, uint64_t now_ns)
{
    time_t then = (time_t)(ns / NS_S), now = (time_t)(now_ns / NS_S);
    struct tm day, today;
    struct tw__short s;
    if (!localtime_r(&then, &day) || !localtime_r(&now, &today) ||
        (day.tm_year == today.tm_year && day.tm_yday == today.tm_yday))
        return local_time(ns, false);
    if (strftime(s.text, sizeof s.text, "%Y-%m-%d %H:%M:%S", &day) == 0) return local_time(ns, true);
    return s;
}

static struct tw__short scaled(double value, double step, const char *units)
{
    struct tw__short s;
    while (value >= step * 0.9995 && units[1]) {
        value /= step;
        units++;
    }
    char unit[2] = {*units == ' ' ? '\0' : *units, '\0'};
    bool whole = value >= 9.95 || value == (double)(unsigned)value;
    (void)snprintf(s.text, sizeof s.text, "%.*f%s", whole ? 0 : 1, value, unit);
    return s;
}

struct tw__short tw__human_rate(double per_second)
{
    if (!(per_second >= 0)) per_second = 0;
    return scaled(per_second, 1000, " kMGT");
}

struct tw__short tw__human_bytes(uint64_t bytes)
{
    return scaled((double)bytes, 1024, " KMGTPE");
}

/* The unit that *at begins with; 0: none. */
static uint64_t unit_ns(const char **at)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},   {"us", 1000},     {"\xc2\xb5s", 1000}, {"ms", 1000000},
                 {"s", NS_S}, {"m", 60 * NS_S}, {"h", 3600 * NS_S},  {"d", 86400 * NS_S}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(*at, units[i].name, len) != 0) continue;
        *at += len;
        return units[i].ns;
    }
    return 0;
}

/* A number and its unit. */
static int read_part(const char **text, uint64_t *ns, uint64_t *unit)
{
    uint64_t whole = 0, fraction = 0, scale = 1;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (whole > INT64_MAX / 10 - 1) return TW_ERR_RANGE;
        whole = whole * 10 + (uint64_t)(*at - '0');
    }
    bool digits = at > *text;
    if (*at == '.') {
        const char *dot = at;
        for (at++; *at >= '0' && *at <= '9'; at++) {
            if (scale >= NS_S) continue; /* beyond what counts */
            fraction = fraction * 10 + (uint64_t)(*at - '0');
            scale *= 10;
        }
        digits = digits || at > dot + 1;
    }
    if (!digits) return TW_ERR_SYNTAX;
    *unit = *at == '\0' && whole == 0 && fraction == 0 ? 1 : unit_ns(&at);
    if (*unit == 0) return TW_ERR_SYNTAX;
    if (whole > (uint64_t)INT64_MAX / *unit - 1) return TW_ERR_RANGE;
    /* fraction < 1e9 and unit <= 8.64e13: the product overflows for days, so that it is split. */
    *ns = whole * *unit + *unit / scale * fraction + *unit % scale * fraction / scale;
    *text = at;
    return 0;
}

int tw__human_parse_duration(const char *text, uint64_t *ns)
{
    uint64_t sum = 0, part, unit, above = UINT64_MAX;
    do {
        int code = read_part(&text, &part, &unit);
        if (code < 0) return code;
        bool bare = text[-1] >= '0' && text[-1] <= '9';
        if (unit >= above || (bare && above != UINT64_MAX)) return TW_ERR_SYNTAX;
        if (part > (uint64_t)INT64_MAX - sum) return TW_ERR_RANGE;
        sum += part;
        above = unit;
    } while (*text);
    *ns = sum;
    return 0;
}
