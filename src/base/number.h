/* number: numbers and durations as people write them, into typed fields. */
#ifndef TW_BASE_NUMBER_H
#define TW_BASE_NUMBER_H

#include "base/field.h"

/* Decimal digits with a sign, a fraction, an exponent; 0x and hexadecimal digits: INT, UINT (beyond INT64_MAX) or
 * DOUBLE.
 * Returns  false, with *out untouched, when the whole text is no number, or a whole number that no 64 bits hold. */
bool tw__number_read(const char *text, size_t len, struct tw__field *out);

/* A number and one of ns, us, ms, s, m, h, d, or several with the larger units first, as in 1m30s: nanoseconds as an
 * INT. */
bool tw__duration_read(const char *text, size_t len, struct tw__field *out);

#endif
