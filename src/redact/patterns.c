/* patterns: filter/regex behind a list.
 *
 * Who comes from nameko-tracer writes Python's expressions, and these rules say what is hidden: what is not understood
 * (\b, look-around, a reference back) must be a mistake that is told, and never a letter that nothing matches.
 * Rejected: regcomp, which takes \d for a d, obeys the locale, and locks and allocates while it matches.
 */
#include "redact/patterns.h"

#include <stdlib.h>
#include <string.h>

#include <trackway/err.h>

#include "filter/regex.h"

const char *const tw__truncate_responses = "^get_|^list_|^query_";

struct tw__patterns {
    size_t count;
    struct tw__regex *items[TW__PATTERNS_MAX];
};

int tw__patterns_compile(const char *lines, struct tw__patterns **out)
{
    int result = 0;
    *out = NULL;
    if (!lines || !lines[strspn(lines, "\n")]) return 0;
    struct tw__patterns *patterns = calloc(1, sizeof *patterns);
    if (!patterns) return TW_ERR_MEMORY;
    for (const char *at = lines; result == 0 && *(at += strspn(at, "\n"));) {
        const size_t len = strcspn(at, "\n");
        const char *why;
        size_t where;
        if (patterns->count == TW__PATTERNS_MAX)
            result = TW_ERR_RANGE;
        else
            result = tw__regex_compile(at, len, &patterns->items[patterns->count], &where, &why);
        patterns->count += result == 0;
        at += len;
    }
    if (result == 0)
        *out = patterns;
    else
        tw__patterns_free(patterns);
    return result;
}

void tw__patterns_free(struct tw__patterns *patterns)
{
    for (size_t i = 0; patterns && i < patterns->count; i++) tw__regex_free(patterns->items[i]);
    free(patterns);
}

bool tw__patterns_match(const struct tw__patterns *patterns, const char *name)
{
    for (size_t i = 0; patterns && i < patterns->count; i++)
        if (tw__regex_match_start(patterns->items[i], name, strlen(name))) return true;
    return false;
}
