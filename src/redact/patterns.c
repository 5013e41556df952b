/* patterns: regcomp behind a list.
 *
 * A match counts when it begins at the first character. regexec finds the leftmost match, so one that begins there is
 * found where there is one. Expressions are those of the POSIX extended syntax: \d is not in it, [0-9] is. */
#include "redact/patterns.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/err.h>

const char *const tw__truncate_responses = "^get_|^list_|^query_";

struct tw__patterns {
    size_t count;
    regex_t items[TW__PATTERNS_MAX];
};

int tw__patterns_compile(const char *lines, struct tw__patterns **out)
{
    int result = 0;
    *out = NULL;
    if (!lines || !lines[strspn(lines, "\n")]) return 0;
    struct tw__patterns *patterns = calloc(1, sizeof *patterns);
    char *copy = malloc(strlen(lines) + 1);
    if (!patterns || !copy) result = TW_ERR_MEMORY;
    if (copy) strcpy(copy, lines);
    for (char *at = copy, *rest; result == 0 && at && *at; at = rest) {
        size_t len = strcspn(at, "\n");
        rest = at[len] ? at + len + 1 : at + len;
        at[len] = 0;
        if (!len) continue;
        if (patterns->count == TW__PATTERNS_MAX)
            result = TW_ERR_RANGE;
        else if (regcomp(&patterns->items[patterns->count], at, REG_EXTENDED) != 0)
            result = TW_ERR_SYNTAX;
        else
            patterns->count++;
    }
    free(copy);
    if (result == 0)
        *out = patterns;
    else
        tw__patterns_free(patterns);
    return result;
}

void tw__patterns_free(struct tw__patterns *patterns)
{
    for (size_t i = 0; patterns && i < patterns->count; i++) regfree(&patterns->items[i]);
    free(patterns);
}

bool tw__patterns_match(const struct tw__patterns *patterns, const char *name)
{
    for (size_t i = 0; patterns && i < patterns->count; i++) {
        regmatch_t match;
        if (regexec(&patterns->items[i], name, 1, &match, 0) == 0 && match.rm_so == 0) return true;
    }
    return false;
}
