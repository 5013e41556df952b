/* names: a short list, looked through from the front.
 *
 * Names are compared in small letters, with `-` for `_`, without the `http-` of CGI and the `nameko.` of a message's
 * headers. */
#include "redact/names.h"

#include <string.h>

#include <trackway/err.h>

const char *const tw__names_default =
    "authorization proxy-authorization cookie set-cookie www-authenticate auth-token x-auth-token x-api-key api-key "
    "x-amz-security-token x-csrf-token x-xsrf-token x-vault-token x-access-token";

static char normal(char c)
{
    if (c >= 'A' && c <= 'Z') return (char)(c + ('a' - 'A'));
    return c == '_' ? '-' : c;
}

static bool begins(const char *name, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    if (len <= word_len) return false;
    for (size_t i = 0; i < word_len; i++)
        if (normal(name[i]) != word[i]) return false;
    return true;
}

/* Without what carriers put in front. */
static void bare(const char **name, size_t *len)
{
    size_t skip = begins(*name, *len, "http-") ? 5 : begins(*name, *len, "nameko.") ? 7 : 0;
    *name += skip;
    *len -= skip;
}

static bool is_same(const char *ours, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (normal(name[i]) != ours[i]) return false; /* also at its end: a name holds no NUL */
    return !ours[len];
}

static size_t find(const struct tw__names *names, const char *name, size_t len)
{
    for (size_t at = 0; at < names->len; at += strlen(names->text + at) + 1)
        if (is_same(names->text + at, name, len)) return at;
    return names->len;
}

bool tw__names_has(const struct tw__names *names, const char *name, size_t len)
{
    if (!names || memchr(name, 0, len)) return names && len;
    bare(&name, &len);
    return find(names, name, len) < names->len;
}

static void take_out(struct tw__names *names, const char *name, size_t len)
{
    if (len == 1 && *name == '*') names->len = 0;
    size_t at = find(names, name, len);
    if (at == names->len) return;
    size_t gone = len + 1;
    memmove(names->text + at, names->text + at + gone, names->len - at - gone);
    names->len -= gone;
}

int tw__names_add(struct tw__names *names, const char *list)
{
    int result = 0;
    for (const char *at = list ? list : ""; *(at += strspn(at, ", \t\r\n"));) {
        size_t len = strcspn(at, ", \t\r\n");
        const char *name = at;
        at += len;
        if (*name == '-') {
            take_out(names, name + 1, len - 1);
            continue;
        }
        bare(&name, &len);
        if (find(names, name, len) < names->len) continue;
        if (names->len + len + 1 > TW__NAMES_BYTES) {
            result = TW_ERR_SPACE;
            continue;
        }
        for (size_t i = 0; i < len; i++) names->text[names->len + i] = normal(name[i]);
        names->text[names->len + len] = 0;
        names->len += len + 1;
    }
    return result;
}
