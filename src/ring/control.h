/* control: the words of the header about what is sent: the process says how it goes, and hears what rate is asked for.
 */
#ifndef TW_RING_CONTROL_H
#define TW_RING_CONTROL_H

#include "ring/segment.h"

/* By the process itself. Texts are cut to fit. [any thread], one caller at a time each. */
void tw__control_sampler(struct tw__segment *segment, const char *sampler);
void tw__control_notice(struct tw__segment *segment, const char *notice);
/* Number index and beyond TW__EXPORT_WORDS: nothing. */
void tw__control_exporter(struct tw__segment *segment, uint32_t index, const struct tw_export_stats *stats);

/* Asks for a sample rate, as a threshold (sample/rate.h); TW__AS_CONFIGURED takes that back. */
#define TW__AS_CONFIGURED UINT64_MAX
void tw__control_rate(struct tw__segment *segment, uint64_t threshold);
/* The same from another process, which must be allowed to write the file.
 * Returns  0, TW_ERR_NOT_FOUND, TW_ERR_PERMISSION, TW_ERR_FOREIGN, TW_ERR_VERSION, TW_ERR_STATE (the process has
 * ended), TW_ERR_SYSTEM. */
int tw__control_rate_of(const char *path, uint64_t threshold);

#endif
