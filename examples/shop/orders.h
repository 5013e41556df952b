#ifndef SHOP_ORDERS_H
#define SHOP_ORDERS_H

/* The queue of orders and the thread that commits them, several at a time. */

#include <trackway/trackway.h>

#include "store.h"

/* Lives on the stack of the request that waits for it. */
struct order {
    long item, quantity;      /* set by the caller */
    enum store_result result; /* the rest is the answer */
    int64_t id;
    size_t batch_size;
    /* owned by the queue while it waits */
    bool done;
    struct tw_envelope envelope;
    uint64_t answer_id;
    struct order *next;
};

struct orders;

/* Starts the committing thread. Returns 0 and *out, or -1. The store outlives it. */
int orders_open(struct store *store, struct orders **out);
/* Commits what is queued and ends the thread. No orders_place may be running. */
void orders_close(struct orders *orders);

/* Queues the order and waits until it is committed or refused. Any thread. */
void orders_place(struct orders *orders, struct order *order);

#endif
