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
 * Rejected: SIMD (a second version for every other machine, and the longest id is 32 digits), isxdigit (the locale).
 */
#include "base/hex.h"

#include <string.h>

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

/* Four bytes to eight digits at once, in one word: bytes are drawn apart, then their halves, and 39 more is added to those from
 * 10 on, to get from '9' + 1 to 'a'. */
static uint64_t eight_digits(uint32_t bytes)
{
    uint64_t x = bytes;
    x = (x | x << 16) & 0x0000ffff0000ffffu;
    x = (x | x << 8) & 0x00ff00ff00ff00ffu;
    x = (x >> 4 & 0x000f000f000f000fu) | (x & 0x000f000f000f000fu) << 8;
    uint64_t letters = (x + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
    return x + 0x3030303030303030u + letters * 39;
}

void tw__hex_enc(const uint8_t *bytes, size_t count, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 0;
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) {
        for (; i + 4 <= count; i += 4) {
            uint32_t four;
            memcpy(&four, bytes + i, sizeof four);
            uint64_t eight = eight_digits(four);
            memcpy(hex + 2 * i, &eight, sizeof eight);
        }
    }
    for (; i < count; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
}

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
