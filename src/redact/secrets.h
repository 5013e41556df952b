/* secrets: what was replaced, remembered for as long as the free texts of the same work are written.
 *
 * A path cannot lead into an exception's message or a stack text; the value that it hid elsewhere may stand there all
 * the same
 * ("no such user: hunter2"). Private memory of the process, never part of what is recorded. */
#ifndef TW_REDACT_SECRETS_H
#define TW_REDACT_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TW__SECRETS_BYTES = 508, TW__SECRET_MIN = 3 };

/* Zeroed is empty. */
struct tw__secrets {
    uint16_t used;
    bool lost; /* one did not fit: from now on no free text can be trusted */
    bool escaped; /* one has bytes that look otherwise in JSON */
    uint8_t bytes[TW__SECRETS_BYTES]; /* u16 length, bytes; and so on */
};

/* Remembers a value as text. Those below TW__SECRET_MIN bytes are not: they would be found everywhere. */
void tw__secrets_add(struct tw__secrets *secrets, const char *text, size_t len);

/* The first place in text where any of them stands.
 * Returns  true and *at, *found_len. When one was lost, all of a text that is not empty. secrets may be NULL. */
bool tw__secrets_find(const struct tw__secrets *secrets, const char *text, size_t len, size_t *at, size_t *found_len);

#endif
