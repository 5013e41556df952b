/* names: names of headers whose values are never shown, in whatever spelling: Set-Cookie, set_cookie, HTTP_SET_COOKIE.
 */
#ifndef TW_REDACT_NAMES_H
#define TW_REDACT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum { TW__NAMES_BYTES = 1024 };

/* What is denied without being asked. */
extern const char *const tw__names_default;

/* A set of normalised names, one behind the other, each with a NUL. */
struct tw__names {
    size_t len;
    char text[TW__NAMES_BYTES];
};

/* Adds names separated by commas or white space; `-name` takes one out, `-*` all.
 * Returns 0, or TW_ERR_SPACE with those that fit. */
int tw__names_add(struct tw__names *names, const char *list);

/* names may be NULL: none. */
bool tw__names_has(const struct tw__names *names, const char *name, size_t len);

#endif
