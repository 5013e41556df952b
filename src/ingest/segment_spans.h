/* segment_spans: what was read from one process, as batches of spans, each with its events.
 *
 *     struct tw__segment_join join = {.records = records, .process = &process, .pending = &pending, ...};
 *     if (tw__segment_join_begin(&join) < 0) goto no_memory;
 *     while ((code = tw__segment_join_next(&join, &spans)) > 0) give_to_store(&spans);
 *     tw__segment_join_go_on(&join, more);       spans alone, whose events were among the first; and again _next
 *     tw__segment_join_end(&join);               events whose span has not ended wait in pending
 */
#ifndef TW_INGEST_SEGMENT_SPANS_H
#define TW_INGEST_SEGMENT_SPANS_H

#include "ingest/pending.h"

enum { TW__SEGMENT_BATCH = 8192 };

struct tw__segment_join {
    /* Given. */
    const struct tw_records *records; /* those at hand; the first ones, which have the events, stay until the end */
    const struct tw_process *process;
    struct tw__pending *pending;
    uint64_t stored_until_ns;   /* finished spans that ended before are in the store already */
    /* This read, and the one before, 0 if there was none: decide which open spans are handed on, and until when they
     * are known to have been open. */
    uint64_t now_ns, before_ns;
    bool dead;                  /* open spans were open at the process's death: all are handed on */
    bool logs_told;             /* logs have level and message among their tags already */

    /* Its own. */
    const struct tw_record **events; /* of spans, sorted; logs with their text */
    struct tw__pool texts;
    bool *used;                      /* by a finished span; as events */
    size_t event_count, at;
};

int tw__segment_join_begin(struct tw__segment_join *join);
/* Fills spans, which is reset first: those of before are stored. Returns how many; 0: there are no more; or
 * TW_ERR_MEMORY. */
int tw__segment_join_next(struct tw__segment_join *join, struct tw__spans *spans);
/* Others take the place of the records at hand. */
void tw__segment_join_go_on(struct tw__segment_join *join, const struct tw_records *records);
/* keep: events that were not used wait for their spans; else they are forgotten, and no record is looked at. */
void tw__segment_join_end(struct tw__segment_join *join, bool keep);

#endif
