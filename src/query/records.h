/* records: stored spans as what <trackway/read.h> reads from segments, so that src/model/batch.h and everything that
 * draws works on both. */
#ifndef TW_QUERY_RECORDS_H
#define TW_QUERY_RECORDS_H

#include "model/spans.h"

/* The spans of one resource, as the records of one process. */
struct tw__process_records {
    struct tw_process process;
    struct tw_records records;
};
struct tw__records {
    struct tw__process_records *items;
    size_t count;
};

/* Everything is in the pool or borrowed from spans: both must outlive out; none of the records is freed by itself.
 * What the tags say of a process (process.pid, host.name) is told as such; thread.id, thread.name and code.* of spans
 * too. 0 or TW_ERR_MEMORY. */
int tw__records_of(const struct tw__spans *spans, struct tw__pool *pool, struct tw__records *out);

/* One of these processes without its spans, which tell last_ns and open_spans. Borrows from resource. */
void tw__records_process(const struct tw__resource *resource, struct tw_process *out);

#endif
