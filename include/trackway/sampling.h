#ifndef TRACKWAY_SAMPLING_H
#define TRACKWAY_SAMPLING_H

/* Sampling at run time: which share of the traces that begin from now on is exported.
 *
 * Recording is never sampled. How the program samples to begin with is configuration (TRACKWAY_SAMPLE_RATE,
 * TRACKWAY_SAMPLER); a rate that is asked for here replaces it until it is taken back. The decision that a context
 * brings from another process is followed as before.
 *
 *     tw_sampling_set_rate(0.1);                 from code
 *     trackway sample PID --rate 0.1             from outside
 */

#include <trackway/read.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A rate that takes back what was asked for. */
#define TW_RATE_AS_CONFIGURED (-1.0)

/* Asks for a rate from 0 to 1. The last call counts, whether it came from code or from outside.
 * Returns  0, TW_ERR_RANGE (NaN, above 1, below 0 and not TW_RATE_AS_CONFIGURED), TW_ERR_OFF (nothing is recorded).
 * Threads  [any thread]. Cost: one store. */
int tw_sampling_set_rate(double rate);

/* The same for another process, by the path of its segment, which must be writable.
 * Returns  0, TW_ERR_RANGE, TW_ERR_NOT_FOUND, TW_ERR_PERMISSION, TW_ERR_FOREIGN (not a segment), TW_ERR_VERSION,
 *          TW_ERR_STATE (the process has ended), TW_ERR_SYSTEM. */
int tw_sampling_set_rate_of(const char *path, double rate);

/* Of one trace, after its root has begun and before its first child: whether it is exported, whatever the rate says;
 * and its id. (tw_span_options has both for who knows them earlier.) What was recorded of the trace before keeps what
 * it had: its events.
 * Returns  0; TW_ERR_STATE: it is not an open root that this thread began as its current span, or a part of the trace
 *          may have gone its way already: something has been begun on this thread since, or the root's context has been
 *          asked for (tw_context_current, tw_span_context, a header, an envelope, another thread that keeps tracing),
 *          so that it may have children elsewhere; TW_ERR_RANGE: an id whose low half is zero. On error nothing has
 *          changed.
 * Threads  [owner thread] */
int tw_span_set_sampled(tw_span root, bool sampled);
int tw_span_set_trace_id(tw_span root, const uint8_t trace_id[16]);

#ifdef __cplusplus
}
#endif
#endif
