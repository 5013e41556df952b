/* export_hook: what the runtime needs of the exporters, which lie above it. src/export/export.c implements it. */
#ifndef TW_TRACE_EXPORT_HOOK_H
#define TW_TRACE_EXPORT_HOOK_H

#include <stdint.h>

#include "ring/segment.h"
#include "trace/env.h"

/* A segment has begun. Starts the exporters that the settings name. 0, or an error with *what set; recording goes on then.
 * Under the runtime's lock. */
int tw__export_begin(const struct tw__segment *segment, const struct tw__settings *settings, const char **what);

/* The segment ends: exports what is there, for at most timeout_ns, and ends the thread. */
void tw__export_end(uint64_t timeout_ns);

/* Around fork: the child has no exporter thread and must not share its sockets. */
void tw__export_forget(void);

#endif
