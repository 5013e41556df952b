/* batches: empty batches for doors with several threads, their memory kept from one request to the next. */
#ifndef TW_INGEST_BATCHES_H
#define TW_INGEST_BATCHES_H

#include <pthread.h>

#include "model/spans.h"

struct tw__batch {
    struct tw__spans spans;
    struct tw__pool pool; /* a second one, for what outlives spans in a request */
    struct tw__batch *next;
};

struct tw__batches {
    pthread_mutex_t lock;
    struct tw__batch *free;
};

void tw__batches_init(struct tw__batches *batches);
void tw__batches_fini(struct tw__batches *batches);

/* An empty batch, NULL without memory; given back empty. large: its memory is not worth keeping.
 * Threads  [any thread] */
struct tw__batch *tw__batches_take(struct tw__batches *batches);
void tw__batches_give(struct tw__batches *batches, struct tw__batch *batch, bool large);

#endif
