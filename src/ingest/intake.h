/* intake: what every door hands its spans to: drop rules, redaction, store.
 *
 *     int code = tw__intake_write(intake, &spans, stats);
 *     if (code == TW_ERR_SPACE) ...                   the protocol's word for "try later": 503, UNAVAILABLE
 *
 * A return of 0 means what the store's durability says: it may be acknowledged to the sender. */
#ifndef TW_INGEST_INTAKE_H
#define TW_INGEST_INTAKE_H

#include "ingest/rules.h"
#include "ingest/span_metrics.h"
#include "ingest/stats.h"
#include "model/spans.h"

/* Where spans end: the store, or in a test something that counts. Threads  [any thread], several at a time. */
struct tw__sink {
    int (*write)(void *to,
                 const struct tw__spans *spans); /* 0; TW_ERR_SPACE: try later, nothing was kept; others: lost */
    void *to;
};

struct tw__intake {
    const struct tw__rules *rules;    /* NULL: none */
    struct tw__span_metrics *metrics; /* counts what the store took; NULL: nobody does */
    struct tw__sink sink;
};

/* Applies drop rules and redaction to the batch, in place, and gives it to the store. Counts spans, dropped_spans,
 * later and failures.
 * Returns  0, also for an empty batch; TW_ERR_SPACE: try later, nothing was kept; TW_ERR_MEMORY, TW_ERR_SYSTEM.
 * Owns     nothing: the batch is the door's again afterwards.
 * Threads  [any thread], several at a time with a batch each. */
int tw__intake_write(struct tw__intake *intake, struct tw__spans *spans, struct tw__door_stats *stats);

/* The same for senders that cannot be told "later": offers the batch again for half a second, which is what a socket's
 * buffer holds of a fast sender; then it is lost, counted with rejected_spans. Leaves the batch empty. */
void tw__intake_offer(struct tw__intake *intake, struct tw__spans *spans, struct tw__door_stats *stats);

#endif
