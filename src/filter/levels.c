/* levels: names of the eight levels, and text that selects a set of them.
 *
 * A set is lager's bit mask: emergency 1, ... debug 128. The numbers are those of syslog, so the bit of level n is 1 <<
 * n and "more severe" is "a smaller number". A name alone means it and everything more severe, which is what people
 * mean who write a level into a configuration.
 */
#include <string.h>

#include "filter/filter.h"

static const char *const names[] = {"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};

int tw__level_number(const char *text, size_t len)
{
    static const struct {
        const char *name;
        int number;
    } others[] = {{"warn", 4}, {"err", 3}, {"crit", 2}, {"emerg", 0}, {"panic", 0}};
    for (int i = 0; i < 8; i++)
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) return i;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strlen(others[i].name) == len && memcmp(others[i].name, text, len) == 0) return others[i].number;
    return TW_ERR_NOT_FOUND;
}

const char *tw__level_name(unsigned number)
{
    return names[number < 8 ? number : 7];
}

/* How the level stands to those selected. */
struct relation {
    const char *text;
    bool more, equal, less; /* severe */
};

int tw__levels_parse(const char *text, size_t len)
{
    static const struct relation relations[] = {
        {">=", true, true, false}, {"=>", true, true, false}, {"<=", false, true, true}, {"=<", false, true, true},
        {">", true, false, false}, {"<", false, false, true}, {"=", false, true, false}, {"", true, true, false}};
    bool other = len > 0 && *text == '!';
    text += other;
    len -= other;
    const struct relation *r = relations;
    while (strlen(r->text) > len || memcmp(r->text, text, strlen(r->text)) != 0) r++;
    text += strlen(r->text);
    len -= strlen(r->text);
    /* none stands above the most severe: nothing is it, and everything is less. */
    int number = tw__level_number(text, len);
    bool none = len == 4 && memcmp(text, "none", 4) == 0;
    if (number < 0 && !none) return TW_ERR_SYNTAX;
    unsigned bit = none ? 0 : 1u << number, less = none ? 255 : 255u & ~(2 * bit - 1), more = none ? 0 : bit - 1;
    unsigned set = (r->more ? more : 0) | (r->equal ? bit : 0) | (r->less ? less : 0);
    return (int)(other ? 255u & ~set : set);
}
