/* hex: bytes to lower-case hexadecimal digits and back.
 *
 * Reading looks each character up in one table and collects what it found in two words that are judged once, after the
 * loop: no branch depends on the text, so an id costs the same whatever its digits are.
 *
 *     bits 0 to 3   the value
 *     DIGIT         this is a digit; missing in one character, it is missing in the and of all
 *     UPPER         this is A to F; present in one, it is present in the or of all
 *
 * Invariant: dec(enc(b)) = b, and enc(dec(h)) = h in lower case.
 * Writing takes 16 bytes at once where the machine has SSE2: 40 instructions for both ids of a traceparent, where words
 * of four bytes took 255; a proxy writes one for every request.
 * Rejected: SIMD for reading (it has to judge each character), isxdigit (the locale).
 */
#include "base/hex.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { DIGIT = 0x10, UPPER = 0x20 };

#define LOWER_DIGIT(c, v) [c] = DIGIT | (v)
#define UPPER_DIGIT(c, v) [c] = DIGIT | UPPER | (v)

static const uint8_t kinds[256] = {
    LOWER_DIGIT('0', 0),  LOWER_DIGIT('1', 1),  LOWER_DIGIT('2', 2),  LOWER_DIGIT('3', 3),  LOWER_DIGIT('4', 4),
    LOWER_DIGIT('5', 5),  LOWER_DIGIT('6', 6),  LOWER_DIGIT('7', 7),  LOWER_DIGIT('8', 8),  LOWER_DIGIT('9', 9),
    LOWER_DIGIT('a', 10), LOWER_DIGIT('b', 11), LOWER_DIGIT('c', 12), LOWER_DIGIT('d', 13), LOWER_DIGIT('e', 14),
    LOWER_DIGIT('f', 15), UPPER_DIGIT('A', 10), UPPER_DIGIT('B', 11), UPPER_DIGIT('C', 12), UPPER_DIGIT('D', 13),
    UPPER_DIGIT('E', 14), UPPER_DIGIT('F', 15),
};

static const char digits[] = "0123456789abcdef";

static void one_by_one(const uint8_t *bytes, size_t count, char *hex)
{
    for (size_t i = 0; i < count; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
}

#if defined(__SSE2__)
/* Digits of halves in the order of their bytes: 39 more from 10 on, to get from '9' + 1 to 'a'. */
static inline __m128i sixteen_digits(__m128i halves)
{
    __m128i letters = _mm_and_si128(_mm_cmpgt_epi8(halves, _mm_set1_epi8(9)), _mm_set1_epi8(39));
    return _mm_add_epi8(_mm_add_epi8(halves, _mm_set1_epi8('0')), letters);
}

static inline void sixteen(const uint8_t *bytes, char *hex)
{
    const __m128i low = _mm_set1_epi8(15), x = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(x, 4), low), rest = _mm_and_si128(x, low);
    _mm_storeu_si128((__m128i *)(void *)hex, sixteen_digits(_mm_unpacklo_epi8(high, rest)));
    _mm_storeu_si128((__m128i *)(void *)(hex + 16), sixteen_digits(_mm_unpackhi_epi8(high, rest)));
}

static inline void eight(const uint8_t *bytes, char *hex)
{
    const __m128i low = _mm_set1_epi8(15), x = _mm_loadl_epi64((const __m128i *)(const void *)bytes);
    const __m128i high = _mm_and_si128(_mm_srli_epi16(x, 4), low), rest = _mm_and_si128(x, low);
    _mm_storeu_si128((__m128i *)(void *)hex, sixteen_digits(_mm_unpacklo_epi8(high, rest)));
}

void tw__hex_enc(const uint8_t *bytes, size_t count, char *hex)
{
    for (; count >= 16; bytes += 16, hex += 32, count -= 16) sixteen(bytes, hex);
    if (count >= 8) {
        eight(bytes, hex);
        bytes += 8;
        hex += 16;
        count -= 8;
    }
    one_by_one(bytes, count, hex);
}
#else
void tw__hex_enc(const uint8_t *bytes, size_t count, char *hex)
{
    one_by_one(bytes, count, hex);
}
#endif

/* Returns the flags of the text: DIGIT only if all are digits, UPPER if any is A to F. */
static uint8_t decode(const char *hex, uint8_t *bytes, size_t count)
{
    uint8_t all = DIGIT, any = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t high = kinds[(uint8_t)hex[2 * i]], low = kinds[(uint8_t)hex[2 * i + 1]];
        all = (uint8_t)(all & high & low);
        any = (uint8_t)(any | high | low);
        bytes[i] = (uint8_t)((high & 15) << 4 | (low & 15));
    }
    return (uint8_t)(all | (any & UPPER));
}

bool tw__hex_dec(const char *hex, uint8_t *bytes, size_t count)
{
    return decode(hex, bytes, count) & DIGIT;
}

bool tw__hex_dec_lower(const char *hex, uint8_t *bytes, size_t count)
{
    return decode(hex, bytes, count) == DIGIT;
}
