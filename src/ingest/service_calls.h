/* service_calls: which service calls which, from the two halves of a call as they come, in either order. For span_metrics. */
#ifndef TW_INGEST_SERVICE_CALLS_H
#define TW_INGEST_SERVICE_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One span that is the calling or the called half of a call. */
struct tw__call_half {
    uint64_t key; /* hash of the trace and of the calling span; not zero */
    uint64_t duration_ns;
    uint32_t stamp; /* its own */
    uint16_t service;
    bool is_caller, failed, paired; /* paired: its own */
};

/* Waiting halves: sets of few, the oldest of a set gives way. */
struct tw__call_halves {
    struct tw__call_half *items;
    uint32_t clock;
    uint64_t unpaired;
};

int tw__call_halves_init(struct tw__call_halves *halves);
void tw__call_halves_fini(struct tw__call_halves *halves);

/* Keeps the half, and calls fn for each other half of its call that waits: several for a message with several receivers. */
void tw__call_halves_add(struct tw__call_halves *halves, struct tw__call_half half,
                         void (*fn)(void *data, const struct tw__call_half *caller, const struct tw__call_half *called),
                         void *data);

#endif
