/* detached: the fast way of spans that are nobody's current one. */
#ifndef TW_TRACE_DETACHED_H
#define TW_TRACE_DETACHED_H

#include <trackway/span.h>

/* Begins a detached span. False: nothing has been done, the slow way knows how.
 * Cost     about 110 instructions under a context, 150 as a root. */
bool tw__begin_detached(struct tw_site *site, const struct tw_span_options *options, tw_span *out);

/* Ends a span that is not the thread's current one: by itself if it is a detached one of this thread, else the slow
 * way. */
void tw__end_other(tw_span span);

#endif
