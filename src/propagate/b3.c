/* b3: Zipkin's headers, in one (`b3`) or in several (`X-B3-...`).
 *
 *     b3: 80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90
 *         trace id, 32 or 16 digits        span             |  its parent: checked, not kept
 *                                                           1, 0, d (debug), or missing: undecided
 *     b3: 0                                a decision without ids: deny; `1` and `d` accept
 *
 * Reading, the one header goes before the several. A trace id of 64 bits is the low half of ours; we write 32 digits
 * always, as the specification's own libraries do, whose short readers take the right-most 16.
 *
 * Invariant: parse(format(c)) = c for every valid c, the random flag apart, which B3 cannot say.
 * Limits: digits of either case are taken. X-B3-Sampled may be `true` or `false`, as old senders write.
 * X-B3-ParentSpanId is neither read nor written: the parent of the sender's span is the sender's to report.
 */
#include "propagate/formats.h"

enum { TRACE_LEN = 32, SHORT_TRACE_LEN = 16, SPAN_LEN = 16 };

static bool parse_trace(struct tw__slice text, uint8_t id[16])
{
    if (text.len == SHORT_TRACE_LEN) {
        memset(id, 0, 8);
        return tw__hex_dec(text.at, id + 8, 8) && !tw__all_zero(id + 8, 8);
    }
    return text.len == TRACE_LEN && tw__hex_dec(text.at, id, 16) && !tw__all_zero(id, 16);
}

static bool parse_span(struct tw__slice text, uint8_t id[8])
{
    return text.len == SPAN_LEN && tw__hex_dec(text.at, id, 8) && !tw__all_zero(id, 8);
}

/* Reads a state: sets the flag and what is said beside it. False when it is none. */
static bool parse_state(struct tw__slice text, uint8_t *flags, enum tw_sampling *sampling)
{
    if (text.len != 1) return false;
    *sampling = text.at[0] == 'd' ? TW_SAMPLING_DEBUG : TW_SAMPLING_FLAG;
    *flags = text.at[0] == '0' ? 0 : TW_FLAG_SAMPLED;
    return text.at[0] == '0' || text.at[0] == '1' || text.at[0] == 'd';
}

static void say_without_ids(struct tw_carried *carried, uint8_t flags, enum tw_sampling sampling)
{
    if (!carried) return;
    if (sampling == TW_SAMPLING_FLAG) sampling = flags & TW_FLAG_SAMPLED ? TW_SAMPLING_ACCEPT : TW_SAMPLING_DENY;
    carried->sampling = (uint8_t)sampling;
}

int tw__b3_parse(struct tw__slice text, bool *malformed, struct tw_context *context, struct tw_carried *carried)
{
    struct tw_context read = {.flags = 0};
    enum tw_sampling sampling = TW_SAMPLING_UNDECIDED;
    uint8_t parent[8];

    *malformed = false;
    if (parse_state(text, &read.flags, &sampling)) {
        say_without_ids(carried, read.flags, sampling);
        return TW_EXTRACT_NONE;
    }
    *malformed = true;
    if (text.len && text.at[text.len - 1] == '-')
        return TW_EXTRACT_NONE; /* tw__cut would not see the empty last field */
    sampling = TW_SAMPLING_UNDECIDED;
    read.flags = 0;
    if (!parse_trace(tw__cut(&text, '-'), read.trace_id)) return TW_EXTRACT_NONE;
    if (!parse_span(tw__cut(&text, '-'), read.span_id)) return TW_EXTRACT_NONE;
    if (text.len && !parse_state(tw__cut(&text, '-'), &read.flags, &sampling)) return TW_EXTRACT_NONE;
    if (text.len && !parse_span(text, parent)) return TW_EXTRACT_NONE;

    *malformed = false;
    *context = read;
    if (carried) carried->sampling = (uint8_t)sampling;
    return TW_EXTRACT_PARENT;
}

/* The state of several headers: X-B3-Flags `1` is debug, whatever X-B3-Sampled says. Returns as tw__carrier_get_single.
 * */
static int read_multi_state(const struct tw__reading *from, uint8_t *flags, enum tw_sampling *sampling)
{
    struct tw__slice text;
    int found = tw__carrier_get_single(from, "x-b3-flags", &text);
    if (found < 0) return -1;
    if (found > 0 && text.len == 1 && text.at[0] == '1') {
        *flags = TW_FLAG_SAMPLED;
        *sampling = TW_SAMPLING_DEBUG;
        return 1;
    }
    found = tw__carrier_get_single(from, "x-b3-sampled", &text);
    if (found <= 0) return found;
    if (tw__is_word(text, "true", 4)) text = (struct tw__slice){"1", 1};
    if (tw__is_word(text, "false", 5)) text = (struct tw__slice){"0", 1};
    if (text.at[0] == 'd' || !parse_state(text, flags, sampling)) return -1;
    return 1;
}

static int read_multi(const struct tw__reading *from, bool *malformed, struct tw_context *context,
                      struct tw_carried *carried)
{
    struct tw_context read = {.flags = 0};
    enum tw_sampling sampling = TW_SAMPLING_UNDECIDED;
    struct tw__slice trace, span;

    int has_trace = tw__carrier_get_single(from, "x-b3-traceid", &trace);
    int has_span = tw__carrier_get_single(from, "x-b3-spanid", &span);
    int has_state = read_multi_state(from, &read.flags, &sampling);
    *malformed = has_trace < 0 || has_span < 0 || has_state < 0 || has_trace != has_span;
    if (*malformed) return TW_EXTRACT_NONE;
    if (has_trace == 0) {
        if (has_state) say_without_ids(carried, read.flags, sampling);
        return TW_EXTRACT_NONE;
    }
    *malformed = !parse_trace(trace, read.trace_id) || !parse_span(span, read.span_id);
    if (*malformed) return TW_EXTRACT_NONE;
    *context = read;
    if (carried) carried->sampling = (uint8_t)sampling;
    return TW_EXTRACT_PARENT;
}

int tw__b3_read(const struct tw__reading *from, struct tw_context *context, struct tw_carried *carried)
{
    struct tw__slice text;
    bool malformed = false;
    int result = TW_EXTRACT_NONE, found = tw__carrier_get_single(from, "b3", &text);

    if (found > 0) result = tw__b3_parse(text, &malformed, context, carried);
    if (found < 0 || malformed) tw__drop(from->drops, b3);
    if (result != TW_EXTRACT_NONE || (found > 0 && !malformed)) return result;
    result = read_multi(from, &malformed, context, carried);
    if (malformed) tw__drop(from->drops, b3);
    return result;
}

size_t tw__b3_format(const struct tw_context *context, const struct tw_carried *carried, char text[TW__B3_TEXT_MAX])
{
    char letter = tw__sampling_letter(context, carried);
    size_t len = TRACE_LEN + 1 + SPAN_LEN;

    tw__hex_enc(context->trace_id, sizeof context->trace_id, text);
    text[TRACE_LEN] = '-';
    tw__hex_enc(context->span_id, sizeof context->span_id, text + TRACE_LEN + 1);
    if (letter == '?') return len;
    text[len] = '-';
    text[len + 1] = letter;
    return len + 2;
}

int tw__b3_write_multi(const struct tw_context *context, const struct tw_carried *carried, tw_carrier_set set,
                       void *carrier)
{
    char letter = tw__sampling_letter(context, carried), trace[TRACE_LEN + 1], span[SPAN_LEN + 1];

    tw_trace_id_format(context->trace_id, trace);
    tw_span_id_format(context->span_id, span);
    set(carrier, "x-b3-traceid", trace, TRACE_LEN);
    set(carrier, "x-b3-spanid", span, SPAN_LEN);
    if (letter == '?') return 2;
    if (letter == 'd')
        set(carrier, "x-b3-flags", "1", 1);
    else
        set(carrier, "x-b3-sampled", letter == '1' ? "1" : "0", 1);
    return 3;
}
