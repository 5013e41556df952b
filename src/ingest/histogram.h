/* histogram: durations in the buckets that /metrics tells. */
#ifndef TW_INGEST_HISTOGRAM_H
#define TW_INGEST_HISTOGRAM_H

#include <stdint.h>

/* Upper bounds, inclusive, in ns and as Prometheus writes them. What is above the last is counted in the sum of all
 * alone. */
#define TW__HISTOGRAM_BOUNDS(X)                                                                                        \
    X(10000, "0.00001")                                                                                                \
    X(100000, "0.0001")                                                                                                \
    X(500000, "0.0005")                                                                                                \
    X(1000000, "0.001")                                                                                                \
    X(2500000, "0.0025")                                                                                               \
    X(5000000, "0.005")                                                                                                \
    X(10000000, "0.01")                                                                                                \
    X(25000000, "0.025")                                                                                               \
    X(50000000, "0.05")                                                                                                \
    X(100000000, "0.1")                                                                                                \
    X(250000000, "0.25")                                                                                               \
    X(500000000, "0.5")                                                                                                \
    X(1000000000, "1")                                                                                                 \
    X(2500000000, "2.5")                                                                                               \
    X(10000000000, "10")
#define TW__HISTOGRAM_ONE(ns, text) +1
enum { TW__HISTOGRAM_BUCKETS = 0 TW__HISTOGRAM_BOUNDS(TW__HISTOGRAM_ONE) };
#undef TW__HISTOGRAM_ONE

extern const uint64_t tw__histogram_bounds_ns[TW__HISTOGRAM_BUCKETS];
/* The first bucket that a number of so many bits can be in: one or two steps from there find its own. */
extern const uint8_t tw__histogram_first[64];
extern const char *const tw__histogram_texts[TW__HISTOGRAM_BUCKETS];

struct tw__histogram {
    uint64_t buckets[TW__HISTOGRAM_BUCKETS]; /* each by itself, not cumulative */
    uint64_t count, sum_ns;
};

static inline void tw__histogram_add(struct tw__histogram *histogram, uint64_t duration_ns)
{
    unsigned at = tw__histogram_first[63 - __builtin_clzll(duration_ns | 1)];
    while (at < TW__HISTOGRAM_BUCKETS && duration_ns > tw__histogram_bounds_ns[at]) at++;
    if (at < TW__HISTOGRAM_BUCKETS) histogram->buckets[at]++;
    histogram->count++;
    histogram->sum_ns += duration_ns;
}

#endif
