/* ids: trace and span ids as people and other systems write them.
 *
 * A trace id is 16 bytes, big-endian. It is met in three spellings, told apart by length and dashes, never by content:
 *
 *     0af7651916cd43dd8448eb211c80319c      W3C, OpenTelemetry, our own output: 32 digits, always hex
 *     1-0af76519-16cd43dd8448eb211c80319c   X-Ray: the same bytes with the seconds set apart
 *     9532127138774266268                   a decimal number: FoundationDB's 64 bits, which are the low half, or all
 *                                           128, as Erlang's instrument labels what it traced
 *
 * Invariant: parse(format(id)) = id for every id but zero.
 * Limits: a decimal number stays below 2^128; more digits than fit are out of range, not wrapped. Leading zeros are
 * taken, until there are 32 digits: then it is hex.
 * Rejected: strtoull (skips spaces, takes signs, obeys the locale, needs a NUL); 16 digits as the low half in hex
 * (they may as well be decimal, and a wrong trace is worse than none).
 */
#include <string.h>

#include <trackway/context.h>

#include "base/hex.h"

enum { XRAY_LEN = 35, XRAY_AT_TIME = 2, XRAY_TIME_DASH = 10, XRAY_AT_REST = 11 };

static bool is_xray(const char *text, size_t len)
{
    return len == XRAY_LEN && text[0] == '1' && text[1] == '-' && text[XRAY_TIME_DASH] == '-';
}

/* id = id * 10 + digit; false when that does not fit. */
static bool append_digit(uint8_t id[16], unsigned digit)
{
    for (unsigned i = 16; i-- > 0; digit >>= 8) {
        digit += id[i] * 10u;
        id[i] = (uint8_t)digit;
    }
    return digit == 0;
}

static int parse_decimal(const char *text, size_t len, uint8_t id[16])
{
    bool fits = true;
    memset(id, 0, 16);
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return TW_ERR_SYNTAX;
        if (fits) fits = append_digit(id, (unsigned)(text[i] - '0')); /* go on: a letter later is a syntax error */
    }
    return fits ? 0 : TW_ERR_RANGE;
}

int tw_trace_id_parse(const char *text, size_t len, uint8_t id[16])
{
    uint8_t read[16];

    if (len == 0) return TW_ERR_SYNTAX;
    if (len == TW_TRACE_ID_HEX_LEN) {
        if (!tw__hex_dec(text, read, sizeof read)) return TW_ERR_SYNTAX;
    } else if (is_xray(text, len)) {
        if (!tw__hex_dec(text + XRAY_AT_TIME, read, 4) || !tw__hex_dec(text + XRAY_AT_REST, read + 4, 12))
            return TW_ERR_SYNTAX;
    } else {
        int result = parse_decimal(text, len, read);
        if (result < 0) return result;
    }
    if (tw__all_zero(read, sizeof read)) return TW_ERR_RANGE;
    memcpy(id, read, sizeof read);
    return 0;
}

void tw_trace_id_format(const uint8_t id[16], char text[TW_TRACE_ID_HEX_LEN + 1])
{
    tw__hex_enc(id, 16, text);
    text[TW_TRACE_ID_HEX_LEN] = '\0';
}

void tw_span_id_format(const uint8_t id[8], char text[TW_SPAN_ID_HEX_LEN + 1])
{
    tw__hex_enc(id, 8, text);
    text[TW_SPAN_ID_HEX_LEN] = '\0';
}
