/* traceparent: the W3C header that carries a context from one service to the next.
 *
 *     00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *     |  |                                |                |
 *     0  3 trace id                       36 span id       53 flags        55 end
 *
 * Invariant: parse(format(c)) = c for every valid c, and whatever parse accepts, format can write. (The flags of c are
 * those of enum tw_context_flag; format writes no others.)
 * Limits: of the flags, bit 0 (sampled) and bit 1 (random) have a meaning to us; the others are read and dropped, as
 * section 3.2.2.5 allows. They are dropped for later versions too: what their flags mean we cannot know, except that
 * section 4.3 lets us read these two where they are.
 * Rejected: sscanf (skips spaces inside fields, obeys the locale, takes a sign); taking A to F (the standard forbids
 * them, and a peer that sends them is not to be trusted with the rest).
 */
#include "propagate/formats.h"

enum { AT_TRACE = 3, AT_SPAN = 36, AT_FLAGS = 53, KNOWN_FLAGS = TW_FLAG_SAMPLED | TW_FLAG_RANDOM };

static bool is_whole(const struct tw_context *context)
{
    return tw__has_trace_id(context) && tw__has_span_id(context);
}

int tw_traceparent_parse(const char *text, size_t len, struct tw_context *out)
{
    struct tw_context read;
    uint8_t version;

    struct tw__slice value = tw__trim(text, len);
    text = value.at;
    len = value.len;
    if (len < TW_TRACEPARENT_LEN) return TW_ERR_SYNTAX;
    if (!tw__hex_dec_lower(text, &version, 1) || version == 0xff) return TW_ERR_SYNTAX;
    /* Version 00 ends here; a later one may go on, but only with a new field. */
    if (len > TW_TRACEPARENT_LEN && (version == 0 || text[TW_TRACEPARENT_LEN] != '-')) return TW_ERR_SYNTAX;
    if (text[AT_TRACE - 1] != '-' || text[AT_SPAN - 1] != '-' || text[AT_FLAGS - 1] != '-') return TW_ERR_SYNTAX;
    if (!tw__hex_dec_lower(text + AT_TRACE, read.trace_id, sizeof read.trace_id) ||
        !tw__hex_dec_lower(text + AT_SPAN, read.span_id, sizeof read.span_id) ||
        !tw__hex_dec_lower(text + AT_FLAGS, &read.flags, 1))
        return TW_ERR_SYNTAX;
    if (!is_whole(&read)) return TW_ERR_RANGE;

    read.flags &= KNOWN_FLAGS;
    *out = read;
    return 0;
}

int tw_traceparent_format(const struct tw_context *context, char *text, size_t cap)
{
    if (cap < TW_TRACEPARENT_LEN) return TW_ERR_SPACE;
    if (!is_whole(context)) return TW_ERR_RANGE;

    const uint8_t flags = context->flags & KNOWN_FLAGS;
    memcpy(text, "00-", AT_TRACE);
    tw__hex_enc(context->trace_id, sizeof context->trace_id, text + AT_TRACE);
    text[AT_SPAN - 1] = '-';
    tw__hex_enc(context->span_id, sizeof context->span_id, text + AT_SPAN);
    text[AT_FLAGS - 1] = '-';
    tw__hex_enc(&flags, 1, text + AT_FLAGS);
    return TW_TRACEPARENT_LEN;
}
