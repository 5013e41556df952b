/* decimal: decimal text to a double, the nearest one, whatever the program's locale. */
#ifndef TW_BASE_DECIMAL_H
#define TW_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

/* Reads a number as JSON writes it; also ".5", "1.", leading zeros. No sign "+", no spaces, no hexadecimal, no words.
 * Shape    the whole text is the number; len bytes, NUL not needed.
 * Returns  true and *value, rounded to nearest, ties to even; too large is infinity, too small is zero. false when the
 * text is no number; then *value is untouched.
 * Threads  [any thread] [async-signal-safe]
 * Cost     up to 19 digits and 22 zeros: one multiplication. Anything else: up to 40 us for 1e-308 with 800 digits. */
bool tw__decimal_parse(const char *text, size_t len, double *value);

#endif
