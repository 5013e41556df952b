/* trace: the trace of <trackway/trace.h>, read from a text and written as one.
 *
 * A trace is what a root is begun in: an id, perhaps a parent in another process, whether somebody has decided about
 * sampling, and what else X-Ray's header held. It is tw_context and a small part of tw_carried, so that it can be a
 * value on a stack.
 *
 * Invariant: parse, start, format gives the header that came, but for the span id, which is the new span's, and the
 * decision.
 */
#include <trackway/trace.h>

#include "propagate/config.h"
#include "propagate/formats.h"

_Static_assert((int)TW_TRACE_REST_MAX == (int)TW_CARRIED_XRAY_MAX, "what a header may hold besides");
_Static_assert((int)TW_TRACE_HEADER_MAX == (int)TW__XRAY_TEXT_MAX, "the longest header");

int tw_trace_parse(const char *text, size_t len, struct tw_trace *out)
{
    struct tw_trace trace = {.sample = TW_SAMPLE_UNDECIDED};
    struct tw__slice value = tw__trim(text, len);
    bool known, decided = true;

    if (value.len == 0) return TW_ERR_NOT_FOUND;
    if (memchr(value.at, '=', value.len)) {
        struct tw__xray_rest rest = {.text = trace.rest};
        known = tw__xray_parse_rest(value, tw__process_drops(), &trace.context, &rest) != TW_EXTRACT_NONE;
        trace.rest_len = rest.len;
        decided = rest.decided;
    } else {
        known = tw_traceparent_parse(value.at, value.len, &trace.context) == 0;
    }
    if (!known) {
        tw__drop(tw__process_drops(), value);
        return TW_ERR_NOT_FOUND;
    }
    if (decided) trace.sample = trace.context.flags & TW_FLAG_SAMPLED ? TW_SAMPLE_ON : TW_SAMPLE_OFF;
    *out = trace;
    return 0;
}

void tw_trace_parse_or_new(const char *text, size_t len, struct tw_trace *out)
{
    if (tw_trace_parse(text, len, out) == 0) return;
    tw_trace_new(out);
    if (tw__xray_denies(tw__trim(text, len))) out->sample = TW_SAMPLE_OFF;
}

static int put(const struct tw_context *context, const struct tw_trace *trace, char *text, size_t cap)
{
    char header[TW__XRAY_TEXT_MAX];
    size_t len = tw__xray_format(context, NULL, header);
    if (trace && trace->rest_len <= TW_TRACE_REST_MAX) {
        memcpy(header + len, trace->rest, trace->rest_len);
        len += trace->rest_len;
    }
    if (len >= cap) return TW_ERR_SPACE;
    memcpy(text, header, len);
    text[len] = '\0';
    return (int)len;
}

static int none(char *text, size_t cap)
{
    if (cap) text[0] = '\0';
    return 0;
}

int tw_trace_header(tw_span span, const struct tw_trace *trace, char *text, size_t cap)
{
    struct tw_context context;
    return tw_span_context(span, &context) ? put(&context, trace, text, cap) : none(text, cap);
}

int tw_trace_answer(tw_span root, char *text, size_t cap)
{
    struct tw_context context;
    if (!tw_span_context(root, &context)) return none(text, cap);
    memset(context.span_id, 0, sizeof context.span_id);
    return put(&context, NULL, text, cap);
}

static enum tw_sample sample_of(int found, const struct tw_context *from, const struct tw_carried *carried)
{
    switch (carried ? (enum tw_sampling)carried->sampling : TW_SAMPLING_FLAG) {
    case TW_SAMPLING_UNDECIDED:
        return TW_SAMPLE_UNDECIDED;
    case TW_SAMPLING_DENY:
        return TW_SAMPLE_OFF;
    case TW_SAMPLING_ACCEPT:
    case TW_SAMPLING_DEBUG:
        return TW_SAMPLE_ON;
    case TW_SAMPLING_FLAG:
        break;
    }
    if (found != TW_EXTRACT_TRACE) return TW_SAMPLE_BY_RATE; /* a child follows its parent */
    return from->flags & TW_FLAG_SAMPLED ? TW_SAMPLE_ON : TW_SAMPLE_OFF;
}

struct tw_span_options tw_span_options_of(int found, const struct tw_context *from, struct tw_carried *carried)
{
    const bool child = found == TW_EXTRACT_PARENT;
    const struct tw_span_options options = {
        .parents = child ? from : NULL,
        .parent_count = child ? 1 : 0,
        .root = !child,
        .kind = TW_KIND_SERVER,
        .trace_id = found == TW_EXTRACT_TRACE ? from->trace_id : NULL,
        .sample = sample_of(found, from, carried),
    };
    if (carried && carried->sampling == TW_SAMPLING_UNDECIDED) carried->sampling = TW_SAMPLING_FLAG;
    return options;
}
