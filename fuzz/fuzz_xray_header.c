/* Lines are X-Amzn-Trace-Id headers; the whole is a trace value too. What is accepted reads back the same. */
#include "carrier.h"

#include <trackway/trace.h>

/* The trace of <trackway/trace.h> is what the other readers make of the same text. */
static void check_trace(const char *text, size_t len, int found, const struct tw_context *context,
                        const struct tw_carried *carried)
{
    struct tw_trace trace;
    if (tw_trace_parse(text, len, &trace) < 0) {
        if (found != TW_EXTRACT_NONE && carried->format != TW_FORMAT_B3) abort();
        return;
    }
    if (found == TW_EXTRACT_NONE || !same_context(context, &trace.context)) abort();
    if (trace.rest_len != carried->xray_len || memcmp(trace.rest, carried->xray, trace.rest_len) != 0) abort();
    if ((trace.sample == TW_SAMPLE_UNDECIDED) != (carried->sampling == TW_SAMPLING_UNDECIDED)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tw_carried carried, again;
    struct lines lines = {"x-amzn-trace-id", (const char *)data, size};
    struct tw_context context, second;
    char text[TW_TRACE_VALUE_MAX];

    check_round_trip(TW_FORMAT_XRAY, &lines, &context, &carried);

    int found = tw_trace_value_parse((const char *)data, size, &context, &carried);
    check_trace((const char *)data, size, found, &context, &carried);
    if (found == TW_EXTRACT_NONE) return 0;
    int len = tw_trace_value_format((enum tw_format)carried.format, &context, &carried, text, sizeof text);
    if (len <= 0 || len > TW_TRACE_VALUE_MAX) abort();
    if (tw_trace_value_parse(text, (size_t)len, &second, &again) != found) abort();
    if (!same_context(&context, &second) || !same_carried(&carried, &again)) abort();
    return 0;
}
