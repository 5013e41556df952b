/* export_hook: what the runtime needs of the exporters, which lie above it. src/export/export.c implements it. */
#ifndef TW_TRACE_EXPORT_HOOK_H
#define TW_TRACE_EXPORT_HOOK_H

#include <stdint.h>

#include "ring/segment.h"
#include "sample/sampler.h"
#include "trace/env.h"

/* How long a clean exit waits for the exporters. */
#define TW__EXIT_TIMEOUT_NS ((uint64_t)2000000000)

/* A segment has begun. Starts the exporters that the settings name, and the questions of a sampler that samples
 * centrally (NULL: there is none). Returns how many exporters there are, or an error with *what set (a text that lasts
 * until the next call); recording, and the exporters that could be opened, go on then. Under the runtime's lock. */
int tw__export_begin(struct tw__segment *segment, const struct tw__settings *settings, struct tw__sampler *sampler,
                     const char **what);

/* The segment ends: exports what is there, for at most timeout_ns, and ends the thread. */
void tw__export_end(uint64_t timeout_ns);

/* Around fork: the child has no exporter thread and must not share its sockets. */
void tw__export_forget(void);

/* The same of the live traces that the process has started itself (src/export/live_own.c). */
void tw__live_own_end(uint64_t timeout_ns);
void tw__live_own_forget(void);

#endif
