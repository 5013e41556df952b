/* rate: one trace in so many, decided by the trace id alone. */
#ifndef TW_SAMPLE_RATE_H
#define TW_SAMPLE_RATE_H

#include <stdbool.h>
#include <stdint.h>

/* Ids from which on nothing is taken, and how ids are told apart: their low 56 bits. */
#define TW__RATE_SPAN ((uint64_t)1 << 56)

/* The threshold of a rate from 0.0 (never) to 1.0 (always): a trace is taken when the low 56 bits of its id are at or
 * above.
 * Returns  TW__RATE_SPAN for 0, 0 for 1; NaN counts as 0, anything beyond the ends as the end. A rate above 0 takes at
 *          least one id of 2^56. */
uint64_t tw__rate_threshold(double rate);

/* The rate of a threshold: the nearest double. */
double tw__rate_of(uint64_t threshold);

/* Whether the trace is taken. The same answer in every process that knows the id and the rate; who is taken at a rate
 * is taken at every higher one.
 * Threads  [any thread] [async-signal-safe]. Cost: eight bytes loaded, one comparison.
 * Source   OpenTelemetry, "Consistent Probability Sampling": R >= T. */
static inline bool tw__rate_takes(uint64_t threshold, const uint8_t trace_id[16])
{
    uint64_t r = 0;
    for (int i = 9; i < 16; i++) r = r << 8 | trace_id[i];
    return r >= threshold;
}

#endif
