/* batches: see the header. There are never more than requests at the same time, which is the door's threads. */
#include "ingest/batches.h"

#include <stdlib.h>

void tw__batches_init(struct tw__batches *batches)
{
    *batches = (struct tw__batches){0};
    (void)pthread_mutex_init(&batches->lock, NULL);
}

static void drop(struct tw__batch *batch)
{
    tw__spans_fini(&batch->spans);
    tw__pool_fini(&batch->pool);
}

void tw__batches_fini(struct tw__batches *batches)
{
    for (struct tw__batch *batch = batches->free, *next; batch; batch = next) {
        next = batch->next;
        drop(batch);
        free(batch);
    }
    (void)pthread_mutex_destroy(&batches->lock);
}

struct tw__batch *tw__batches_take(struct tw__batches *batches)
{
    (void)pthread_mutex_lock(&batches->lock);
    struct tw__batch *batch = batches->free;
    if (batch) batches->free = batch->next;
    (void)pthread_mutex_unlock(&batches->lock);
    return batch ? batch : calloc(1, sizeof *batch);
}

void tw__batches_give(struct tw__batches *batches, struct tw__batch *batch, bool large)
{
    tw__spans_reset(&batch->spans);
    tw__pool_reset(&batch->pool);
    if (large) drop(batch);
    (void)pthread_mutex_lock(&batches->lock);
    batch->next = batches->free;
    batches->free = batch;
    (void)pthread_mutex_unlock(&batches->lock);
}
