/* hex: bytes to lower-case hexadecimal digits and back. */
#ifndef TW_BASE_HEX_H
#define TW_BASE_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writes 2 * count lower-case digits, no NUL. The ranges do not overlap.
 * Threads  [any thread] [async-signal-safe] */
void tw__hex_enc(const uint8_t *bytes, size_t count, char *hex);

/* Reads 2 * count digits of either case; _lower refuses A to F.
 * Returns  false when one of them is no such digit; then bytes are unspecified.
 * Threads  [any thread] [async-signal-safe] */
bool tw__hex_dec(const char *hex, uint8_t *bytes, size_t count);
bool tw__hex_dec_lower(const char *hex, uint8_t *bytes, size_t count);

/* True when no byte is set: what the formats call an invalid id. */
static inline bool tw__all_zero(const uint8_t *bytes, size_t count)
{
    uint8_t any = 0;
    for (size_t i = 0; i < count; i++) any |= bytes[i];
    return any == 0;
}

#endif
