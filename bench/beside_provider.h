/* beside_provider: LTTng's tracepoints for the same spans. This shape, twice included, is what LTTng asks for. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER trackway_bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "beside_provider.h"

#if !defined(TW_BENCH_BESIDE_PROVIDER_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define TW_BENCH_BESIDE_PROVIDER_H

#include <lttng/tracepoint.h>
#include <stdint.h>

/* What a span needs to be found again: trace, span and parent at its begin, the span at its end. */
LTTNG_UST_TRACEPOINT_EVENT(trackway_bench, span_begin,
    LTTNG_UST_TP_ARGS(uint64_t, high, uint64_t, low, uint64_t, id, uint64_t, parent),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer_hex(uint64_t, high, high)
        lttng_ust_field_integer_hex(uint64_t, low, low)
        lttng_ust_field_integer_hex(uint64_t, id, id)
        lttng_ust_field_integer_hex(uint64_t, parent, parent)))

LTTNG_UST_TRACEPOINT_EVENT(trackway_bench, span_end,
    LTTNG_UST_TP_ARGS(uint64_t, id),
    LTTNG_UST_TP_FIELDS(lttng_ust_field_integer_hex(uint64_t, id, id)))

LTTNG_UST_TRACEPOINT_EVENT(trackway_bench, span_end_ints,
    LTTNG_UST_TP_ARGS(uint64_t, id, int64_t, a, int64_t, b, int64_t, c, int64_t, d),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer_hex(uint64_t, id, id)
        lttng_ust_field_integer(int64_t, a, a)
        lttng_ust_field_integer(int64_t, b, b)
        lttng_ust_field_integer(int64_t, c, c)
        lttng_ust_field_integer(int64_t, d, d)))

LTTNG_UST_TRACEPOINT_EVENT(trackway_bench, span_end_texts,
    LTTNG_UST_TP_ARGS(uint64_t, id, const char *, a, const char *, b, const char *, c, const char *, d),
    LTTNG_UST_TP_FIELDS(
        lttng_ust_field_integer_hex(uint64_t, id, id)
        lttng_ust_field_string(a, a)
        lttng_ust_field_string(b, b)
        lttng_ust_field_string(c, c)
        lttng_ust_field_string(d, d)))

#endif

#include <lttng/tracepoint-event.h>
