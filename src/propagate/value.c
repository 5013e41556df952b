/* value: a context as one string, for where there are no headers: a job's arguments, a row, a message without
 * properties.
 *
 * Three formats have a one-string form, told apart when read: X-Ray's has a `=`, the others have none; a traceparent
 * parses as one (55 characters with a version in front), and what is left can only be B3.
 * Invariant: parse(format(c)) = c, the random flag apart where the format cannot say it.
 * Rejected: a form of our own with all that is carried (nobody else could read it, and a job outlives the code that
 * wrote it).
 */
#include "propagate/config.h"
#include "propagate/formats.h"

_Static_assert((int)TW_TRACE_VALUE_MAX == (int)TW__XRAY_TEXT_MAX, "X-Ray's is the longest");

int tw_trace_value_format(enum tw_format format, const struct tw_context *context, const struct tw_carried *carried,
                          char *text, size_t cap)
{
    char value[TW_TRACE_VALUE_MAX];
    size_t len = 0;

    if (!tw__has_trace_id(context) || (format != TW_FORMAT_XRAY && !tw__has_span_id(context))) return TW_ERR_RANGE;
    if (format == TW_FORMAT_TRACECONTEXT) return tw_traceparent_format(context, text, cap);
    if (format == TW_FORMAT_XRAY) len = tw__xray_format(context, carried, value);
    if (format == TW_FORMAT_B3) len = tw__b3_format(context, carried, value);
    if (len == 0) return TW_ERR_RANGE;
    if (len > cap) return TW_ERR_SPACE;
    memcpy(text, value, len);
    return (int)len;
}

int tw_trace_value_parse(const char *text, size_t len, struct tw_context *context, struct tw_carried *carried)
{
    struct tw__slice value = tw__trim(text, len);
    int result = TW_EXTRACT_NONE;
    uint8_t format = TW_FORMAT_NONE;
    bool malformed = true;

    if (carried) tw_carried_init(carried);
    if (value.len == 0) return TW_EXTRACT_NONE;
    if (memchr(value.at, '=', value.len)) {
        result = tw__xray_parse(value, tw__process_drops(), context, carried);
        format = TW_FORMAT_XRAY;
    } else if (tw_traceparent_parse(value.at, value.len, context) == 0) {
        result = TW_EXTRACT_PARENT;
        format = TW_FORMAT_TRACECONTEXT;
    } else {
        result = tw__b3_parse(value, &malformed, context, carried);
        format = TW_FORMAT_B3;
    }
    if (result == TW_EXTRACT_NONE) {
        if (malformed) tw__drop(tw__process_drops(), value);
        return result;
    }
    if (carried) carried->format = format;
    return result;
}
