/* wildcard: matching with one place to return to.
 *
 * When a byte does not fit, everything since the last * is tried again one byte further on. An earlier * need never be
 * returned to: whatever it could give, the last one can take. So the work is bounded by pattern times text, and there
 * is no recursion, where the field's usual implementation is exponential.
 * Rejected: fnmatch (brackets, locale); compiling patterns (they are short, and matched once for each root).
 */
#include "sample/wildcard.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool tw__wildcard_match(struct tw_text pattern, struct tw_text text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.len && (pattern.ptr[p] == '?' || lower(pattern.ptr[p]) == lower(text.ptr[t]))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*') p++;
    return p == pattern.len;
}
