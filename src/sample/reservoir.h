/* reservoir: so many a second, for any number of threads. */
#ifndef TW_SAMPLE_RESERVOIR_H
#define TW_SAMPLE_RESERVOIR_H

#include <stdbool.h>
#include <stdint.h>

/* Takes one of the limit of this second.
 * Shape    *word begins as 0 and belongs to this call. second: CLOCK_REALTIME.
 * Returns  whether one was left. In no second more than limit are given, whatever the threads do.
 * Threads  [any thread] [async-signal-safe]. A compare-and-swap while there is something left; a load afterwards. */
bool tw__reservoir_take(uint64_t *word, uint64_t second, uint32_t limit);

#endif
