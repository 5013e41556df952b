/* live: the seats of live traces in a segment, from the process's side. <trackway/live.h> has the readers'. */
#ifndef TW_RING_LIVE_H
#define TW_RING_LIVE_H

#include "ring/segment.h"

/* Whether a live trace wants lines of this level from this place; NULL: of any. *until: the tick at which this is to be
 * asked again, because a reader may be gone; UINT64_MAX: never. [async-signal-safe] */
bool tw__live_wants(struct tw__segment *segment, unsigned level, const char *module, const char *function, uint64_t now,
                    uint64_t *until);
/* Whether one wants the entries and exits of functions. */
bool tw__live_wants_calls(struct tw__segment *segment, uint64_t now, uint64_t *until);

/* Takes back the seats of readers that have fallen silent. Any thread. */
void tw__live_sweep(struct tw__segment *segment, uint64_t now);

#endif
