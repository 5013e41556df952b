/* pairs: see the header.
 *
 * Whitespace around keys and values is no part of them; a value may hold "=".
 * Rejected: an error for a bad pair. These texts come from deployment files, and one slip must not take the good pairs
 * along.
 */
#include "base/pairs.h"

#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
    for (; *len && is_blank(**text); --*len) ++*text;
    while (*len && is_blank((*text)[*len - 1])) --*len;
}

bool tw__pairs_next(const char **at, struct tw__pair *out)
{
    while (**at) {
        const char *item = *at;
        size_t len = strcspn(item, ",");
        *at += len;
        if (**at) ++*at;
        const char *equals = memchr(item, '=', len);
        if (!equals) continue;
        struct tw__pair pair = {.key = item, .key_len = (size_t)(equals - item), .value = equals + 1};
        pair.value_len = len - pair.key_len - 1;
        trim(&pair.key, &pair.key_len);
        trim(&pair.value, &pair.value_len);
        if (!pair.key_len) continue;
        *out = pair;
        return true;
    }
    return false;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t tw__percent_decode(const char *text, size_t len, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && len - i > 2 ? digit(text[i + 1]) : -1;
        int low = high >= 0 ? digit(text[i + 2]) : -1;
        if (low >= 0) {
            out[n++] = (char)(unsigned char)(high << 4 | low);
            i += 2;
        } else {
            out[n++] = text[i];
        }
    }
    return n;
}
