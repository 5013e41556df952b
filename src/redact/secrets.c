/* secrets: a few short texts, one behind the other, looked for one by one.
 *
 * Calls have a handful of sensitive values, and free texts are searched only where there are any: on errors, and in
 * results. What does not fit makes every text untrusted (it is replaced whole), so that too little room costs
 * information and never a secret. The longest match at the leftmost place wins: of "hunter" and "hunter22" nothing of
 * the longer is left.
 */
#include "redact/secrets.h"

#include <string.h>

void tw__secrets_add(struct tw__secrets *secrets, const char *text, size_t len)
{
    if (len < TW__SECRET_MIN) return;
    if (len + 2 > (size_t)(TW__SECRETS_BYTES - secrets->used)) {
        secrets->lost = true;
        return;
    }
    const uint16_t length = (uint16_t)len;
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\') secrets->escaped = true;
    memcpy(secrets->bytes + secrets->used, &length, 2);
    memcpy(secrets->bytes + secrets->used + 2, text, len);
    secrets->used = (uint16_t)(secrets->used + 2 + len);
}

/* Where what stands in text, or limit. */
static size_t place(const char *text, size_t limit, size_t len, const uint8_t *what, size_t what_len)
{
    size_t at = 0;
    while (what_len <= len - at && at < limit) {
        const char *found = memchr(text + at, what[0], len - at - what_len + 1);
        if (!found) break;
        at = (size_t)(found - text);
        if (memcmp(found, what, what_len) == 0) return at < limit ? at : limit;
        at++;
    }
    return limit;
}

bool tw__secrets_find(const struct tw__secrets *secrets, const char *text, size_t len, size_t *at, size_t *found_len)
{
    size_t best = len, best_len = 0;
    if (!secrets || len == 0) return false;
    if (secrets->lost) {
        *at = 0;
        *found_len = len;
        return true;
    }
    for (size_t i = 0; i < secrets->used;) {
        uint16_t secret_len;
        memcpy(&secret_len, secrets->bytes + i, 2);
        size_t found =
            place(text, best_len && best + 1 < len ? best + 1 : len, len, secrets->bytes + i + 2, secret_len);
        bool is_there =
            found < len && found + secret_len <= len && memcmp(text + found, secrets->bytes + i + 2, secret_len) == 0;
        if (is_there && (found < best || (found == best && secret_len > best_len))) {
            best = found;
            best_len = secret_len;
        }
        i += 2u + secret_len;
    }
    if (!best_len) return false;
    *at = best;
    *found_len = best_len;
    return true;
}
