/* quantity: see the header. Rejected: fractions; a configuration that says 1.5s can say 1500ms. */
#include "base/quantity.h"

#include <string.h>

#include <trackway/err.h>

int tw__bytes_parse(const char *text, size_t *bytes)
{
    uint64_t n = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        n = n * 10 + (uint64_t)(*at - '0');
        if (n > (uint64_t)1 << 50) return TW_ERR_RANGE;
    }
    if (at == text) return TW_ERR_SYNTAX;
    unsigned shift = 0;
    if (*at == 'k' || *at == 'K') shift = 10;
    if (*at == 'm' || *at == 'M') shift = 20;
    if (*at == 'g' || *at == 'G') shift = 30;
    if (shift) at++;
    if (*at == 'i' || *at == 'I') at++;
    if (*at == 'b' || *at == 'B') at++;
    if (*at) return TW_ERR_SYNTAX;
    if (n > UINT64_MAX >> shift || (n << shift) > (uint64_t)1 << 50) return TW_ERR_RANGE;
    *bytes = (size_t)(n << shift);
    return 0;
}

int tw__duration_parse(const char *text, uint64_t plain_ns, uint64_t *ns)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},         {"us", 1000},        {"ms", 1000000},
                 {"s", 1000000000}, {"m", 60000000000u}, {"h", 3600000000000u}};
    const uint64_t day_ns = 86400 * (uint64_t)1000000000;
    uint64_t n = 0, unit = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        n = n * 10 + (uint64_t)(*at - '0');
        if (n > day_ns) return TW_ERR_RANGE;
    }
    if (at == text) return TW_ERR_SYNTAX;
    if (!*at) unit = plain_ns;
    for (size_t u = 0; u < sizeof units / sizeof *units; u++)
        if (strcmp(at, units[u].name) == 0) unit = units[u].ns;
    if (!unit) return TW_ERR_SYNTAX;
    if (n > day_ns / unit) return TW_ERR_RANGE;
    *ns = n * unit;
    return 0;
}
