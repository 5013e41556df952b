/* pending: events of spans that have not ended yet, kept until they do. Of one process. */
#ifndef TW_INGEST_PENDING_H
#define TW_INGEST_PENDING_H

#include "model/spans.h"

enum { TW__PENDING_MAX = 65536, TW__PENDING_BYTES = 16 << 20 };

struct tw__pending_event {
    struct tw__pending_event *next; /* of the same span, later ones first */
    struct tw__pending_event *older, *newer;
    struct tw__pending_event *chain; /* of the same bucket */
    uint8_t trace_id[16], span_id[8];
    uint64_t order; /* breaks ties of time */
    size_t bytes;
    struct tw__span_event event; /* everything it points to lies behind it */
};

/* Zeroed is empty and ready. */
struct tw__pending {
    struct tw__pending_event **buckets; /* heads: one event of each span, which leads to the others */
    struct tw__pending_event *oldest, *newest;
    size_t count, bytes;
    uint64_t lost; /* given up: too many, too much, or no memory */
};

/* Copies an event. What is beyond the limits gives up the oldest. */
void tw__pending_add(struct tw__pending *pending, const struct tw_record *event);
/* The events of a span, the latest first, or NULL. */
struct tw__pending_event *tw__pending_find(struct tw__pending *pending, const uint8_t trace_id[16],
                                           const uint8_t span_id[8]);
/* Removes all events of a span. What find returned is gone. */
void tw__pending_remove(struct tw__pending *pending, struct tw__pending_event *first);
/* Gives up what happened before a time. */
void tw__pending_expire(struct tw__pending *pending, uint64_t before_ns);
void tw__pending_fini(struct tw__pending *pending);

#endif
