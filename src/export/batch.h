/* batch: records as they were read, made into what exporters take: spans with their events. */
#ifndef TW_EXPORT_BATCH_H
#define TW_EXPORT_BATCH_H

#include "base/pool.h"
#include "export/exporter.h"
#include "export/shelf.h"

struct tw__batcher {
    struct tw__shelf shelf;
    struct tw__pool texts; /* of the logs among events */
    struct tw__span_in *spans;
    const struct tw_record **events;
    bool *claimed; /* beside events */
    size_t span_room, event_room, event_count;
};

/* Fills spans and span_count from records. with_events: also with the events of these spans, those of earlier batches
 * included.
 * Returns  0 or TW_ERR_MEMORY; then batch->span_count is 0. What batch points to is valid until tw__batcher_done. */
int tw__batcher_make(struct tw__batcher *batcher, const struct tw_records *records, bool with_events,
                     struct tw__export_batch *batch);

/* The batch has been handed on: events whose span has not ended are put on the shelf. */
void tw__batcher_done(struct tw__batcher *batcher);

void tw__batcher_fini(struct tw__batcher *batcher);

#endif
