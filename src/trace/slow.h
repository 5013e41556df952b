/* slow: what span.c does not do itself. */
#ifndef TW_TRACE_SLOW_H
#define TW_TRACE_SLOW_H

#include <trackway/span.h>

#include "trace/runtime.h"

/* Begins a span in any of the ways there are. options NULL: child of what is current, or a root. */
tw_span tw__begin_slow(struct tw_site *site, const struct tw_span_options *options) __attribute__((cold));

/* Ends a span in any state. end_tick 0: now. */
void tw__end_slow(tw_span span, uint64_t end_tick) __attribute__((cold));

/* Ends a span and begins the next with the same parent. */
tw_span tw__lap_slow(tw_span span, struct tw_site *site) __attribute__((cold));

/* A fresh trace id for a root. now: ticks. */
void tw__trace_new(struct tw__block *block, uint64_t trace[2], uint64_t now);

/* A number nobody guesses by chance; not for secrets. Between tw__enter and tw__leave. */
uint64_t tw__random_u64(struct tw__block *block);

#endif
