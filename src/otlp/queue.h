/* queue: finished requests that wait for the network. */
#ifndef TW_OTLP_QUEUE_H
#define TW_OTLP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TW__OTLP_QUEUE_BYTES = 16 << 20 };

struct tw__otlp_request {
    struct tw__otlp_request *next;
    uint64_t made_ns;
    uint64_t spans;
    bool on_its_way;
    size_t len;
    unsigned char body[];
};

struct tw__otlp_queue {
    struct tw__otlp_request *first, *last;
    size_t bytes, count;
};

/* A request with a copy of body, gzipped if asked. NULL on lack of memory. */
struct tw__otlp_request *tw__otlp_request_new(const void *body, size_t len, bool gzip);

/* Puts it at the end. False: there is no room for it. */
bool tw__otlp_queue_put(struct tw__otlp_queue *queue, struct tw__otlp_request *request);

/* The oldest that is not on its way; NULL: none. */
struct tw__otlp_request *tw__otlp_queue_next(const struct tw__otlp_queue *queue);

/* Takes one out and frees it. */
void tw__otlp_queue_drop(struct tw__otlp_queue *queue, struct tw__otlp_request *request);
void tw__otlp_queue_fini(struct tw__otlp_queue *queue);

#endif
