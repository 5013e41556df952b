/* pairs: "key=value,key=value" with percent-encoding, as OpenTelemetry's variables have it. */
#ifndef TW_BASE_PAIRS_H
#define TW_BASE_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

/* Points into the text that was read; still encoded, spaces around it taken off. */
struct tw__pair {
    const char *key, *value;
    size_t key_len, value_len;
};

/* The next pair; *at moves behind it. What has no "=" or no key is passed over.
 * Returns  false at the end. */
bool tw__pairs_next(const char **at, struct tw__pair *out);

/* Writes text with each %XX as its byte; a % that is followed by anything else stays. Never longer than text; no NUL.
 * Returns  the length. */
size_t tw__percent_decode(const char *text, size_t len, char *out);

#endif
