/* tokens: who may write and who may read, when somebody has to be asked. */
#ifndef TW_INGEST_TOKENS_H
#define TW_INGEST_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

enum tw__role {
    TW__ROLE_ANY,  /* everybody: health */
    TW__ROLE_READ, /* queries, the page */
    TW__ROLE_WRITE /* spans in */
};

enum { TW__TOKEN_MAX = 512 };

/* Empty: nobody has that role, unless both are empty, when nobody is asked. The write token does not read. */
struct tw__tokens {
    char read[TW__TOKEN_MAX], write[TW__TOKEN_MAX];
};

/* Whether an Authorization header lets its sender do it: "Bearer TOKEN", or "Basic" with the token as the password and
 * any name, which is what browsers can ask for. header may be NULL. Takes the same time for every wrong token of a
 * length.
 * Threads  [any thread] */
bool tw__tokens_allow(const struct tw__tokens *tokens, enum tw__role role, const char *header);

#endif
