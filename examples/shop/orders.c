/* The orders: many requests put them in, one thread commits them in batches.
 *
 *     request thread                       committer
 *     place order ── message ──> queue ──> commit batch        one span with one parent per order
 *       waits                                apply order       two parents: the request's span and the batch
 *                 <── message ─────────────  COMMIT            one fsync for all of them
 *
 * A commit costs an fsync whether it holds one order or ten, so the committer waits a moment for company (the "group
 * commit" of every database). In a trace that makes trouble: work done for ten requests is the child of which? Of all
 * of them. The batch is begun with the contexts of all its orders; the first is the parent it is drawn under, and the
 * others are causes with the same right. In the other direction each order is applied in a span of its own request,
 * which names the batch as its second parent, so that from any of the ten requests the way leads to the one batch.
 *
 * Bound: a request waits in here with its thread, so there are never more orders than SERVER_THREADS.
 */
#include "orders.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { BATCH_MAX = 16, BATCH_WAIT_NS = 4000000 };

struct orders {
    struct store *store;
    pthread_t committer;
    pthread_mutex_t lock; /* guards the rest, and done in every queued order */
    pthread_cond_t arrived, finished;
    struct order *first, **last;
    bool closing;
};

/* The queue's name in the messages; a reader pairs a send with its receive by the message id. */
static const struct tw_message to_queue = {.peer = "order queue", .size = sizeof(struct order)};

/* Takes up to BATCH_MAX orders, oldest first. Returns 0 when the queue is closed and empty. */
static size_t take(struct orders *orders, struct order *batch[BATCH_MAX])
{
    size_t count = 0;
    pthread_mutex_lock(&orders->lock);
    while (!orders->first && !orders->closing) pthread_cond_wait(&orders->arrived, &orders->lock);
    if (orders->first) {
        pthread_mutex_unlock(&orders->lock);
        nanosleep(&(struct timespec){.tv_nsec = BATCH_WAIT_NS}, NULL);
        pthread_mutex_lock(&orders->lock);
    }
    while (orders->first && count < BATCH_MAX) {
        batch[count++] = orders->first;
        orders->first = orders->first->next;
    }
    if (!orders->first) orders->last = &orders->first;
    pthread_mutex_unlock(&orders->lock);
    return count;
}

/* The order's own part of the batch: drawn in the trace of its request, caused by the batch as well. */
static void apply(struct store *store, struct order *order, const struct tw_context *batch)
{
    const struct tw_context causes[] = {order->envelope.context, *batch};
    tw_span span = tw_span_begin_joined("apply order", causes, 2);
    tw_tag(span, "item.id", order->item);
    tw_tag(span, "order.quantity", order->quantity);
    order->result = store_apply(store, order->item, order->quantity, &order->id);
    if (order->result != STORE_OK) tw_span_fail(span, store_text(order->result));
    tw_span_end(span);
}

static void commit(struct store *store, struct order *batch[], size_t count)
{
    struct tw_context causes[BATCH_MAX], self;
    for (size_t i = 0; i < count; i++) {
        /* Adopting makes the sender's trace current; here the receive is all that happens in it. */
        tw_context_detach(tw_message_adopt(&to_queue, &batch[i]->envelope));
        causes[i] = batch[i]->envelope.context;
    }
    tw_span span = tw_span_begin_joined("commit batch", causes, count);
    tw_tag(span, "batch.size", count);
    tw_span_context(span, &self);

    enum store_result result = store_begin(store);
    if (result == STORE_OK) {
        for (size_t i = 0; i < count; i++) apply(store, batch[i], &self);
        result = store_commit(store);
    }
    for (size_t i = 0; i < count; i++) {
        batch[i]->batch_size = count;
        if (result != STORE_OK) batch[i]->result = STORE_FAILED; /* nothing was kept, whatever apply said */
    }
    if (result != STORE_OK) tw_span_fail(span, store_text(result));
    tw_span_end(span);
}

/* Tells the waiting requests. Each answer is sent in the trace of its request; the batch is over. */
static void answer(struct orders *orders, struct order *batch[], size_t count)
{
    pthread_mutex_lock(&orders->lock);
    for (size_t i = 0; i < count; i++) {
        tw_attach at = tw_context_attach(&batch[i]->envelope.context);
        batch[i]->answer_id = tw_message_send(&(struct tw_message){.peer = "request", .size = sizeof(struct order)});
        tw_context_detach(at);
        batch[i]->done = true; /* from here on the order may be gone as soon as the lock is */
    }
    pthread_cond_broadcast(&orders->finished);
    pthread_mutex_unlock(&orders->lock);
}

static void *run_committer(void *data)
{
    struct orders *orders = data;
    struct order *batch[BATCH_MAX];
    size_t count;
    prctl(PR_SET_NAME, "committer"); /* before its first record: that is when the recorder asks for it */
    while ((count = take(orders, batch)) > 0) {
        commit(orders->store, batch, count);
        answer(orders, batch, count);
    }
    return NULL;
}

void orders_place(struct orders *orders, struct order *order)
{
    TW_SCOPE(span, "place order");
    tw_span_set_kind(span, TW_KIND_PRODUCER);
    tw_message_carry(&to_queue, &order->envelope); /* records the send, packs the context of the current span */
    order->done = false;
    order->next = NULL;

    pthread_mutex_lock(&orders->lock);
    *orders->last = order;
    orders->last = &order->next;
    pthread_cond_signal(&orders->arrived);
    while (!order->done) pthread_cond_wait(&orders->finished, &orders->lock);
    pthread_mutex_unlock(&orders->lock);

    tw_message_receive(&(struct tw_message){.peer = "committer", .id = order->answer_id, .size = sizeof *order}, NULL);
    tw_tag(span, "batch.size", order->batch_size);
    if (order->result != STORE_OK) tw_span_fail(span, store_text(order->result));
}

int orders_open(struct store *store, struct orders **out)
{
    struct orders *orders = calloc(1, sizeof *orders);
    if (!orders) return -1;
    orders->store = store;
    orders->last = &orders->first;
    if (pthread_mutex_init(&orders->lock, NULL) != 0) goto free_orders;
    if (pthread_cond_init(&orders->arrived, NULL) != 0) goto destroy_lock;
    if (pthread_cond_init(&orders->finished, NULL) != 0) goto destroy_arrived;
    if (pthread_create(&orders->committer, NULL, run_committer, orders) != 0) goto destroy_finished;
    *out = orders;
    return 0;

destroy_finished:
    pthread_cond_destroy(&orders->finished);
destroy_arrived:
    pthread_cond_destroy(&orders->arrived);
destroy_lock:
    pthread_mutex_destroy(&orders->lock);
free_orders:
    free(orders);
    return -1;
}

void orders_close(struct orders *orders)
{
    if (!orders) return;
    pthread_mutex_lock(&orders->lock);
    orders->closing = true;
    pthread_cond_signal(&orders->arrived);
    pthread_mutex_unlock(&orders->lock);
    pthread_join(orders->committer, NULL);
    pthread_cond_destroy(&orders->finished);
    pthread_cond_destroy(&orders->arrived);
    pthread_mutex_destroy(&orders->lock);
    free(orders);
}
