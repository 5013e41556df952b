/* wildcard: X-Ray's patterns. */
#ifndef TW_SAMPLE_WILDCARD_H
#define TW_SAMPLE_WILDCARD_H

#include <stdbool.h>

#include <trackway/read.h>

/* Whether the text is what the pattern says: * any number of bytes, ? exactly one, letters of ASCII in any case.
 * Threads  [any thread] [async-signal-safe]. Cost: O(pattern * text) at worst, linear for one *. */
bool tw__wildcard_match(struct tw_text pattern, struct tw_text text);

/* The same, and true for what the request does not have: ptr NULL or no bytes. */
static inline bool tw__wildcard_applies(struct tw_text pattern, struct tw_text text)
{
    return text.len == 0 || tw__wildcard_match(pattern, text);
}

#endif
