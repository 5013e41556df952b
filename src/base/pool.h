/* pool: memory that is freed all at once. For the collector, the command and the exporters' thread.
 *
 *     struct tw__pool pool = {0};
 *     struct thing *things = tw__pool_take(&pool, count * sizeof *things, alignof(struct thing));
 *     if (!things) return TW_ERR_MEMORY;
 *     tw__pool_reset(&pool);                   everything taken is gone, the memory stays for the next time
 *     tw__pool_fini(&pool);
 *
 * Threads  one at a time for each pool. */
#ifndef TW_BASE_POOL_H
#define TW_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include <trackway/err.h>

struct tw__pool_block;

/* Zeroed is empty and ready, and without a limit. */
struct tw__pool {
    struct tw__pool_block *first, *current;
    size_t used, cap;   /* of current */
    size_t taken_bytes; /* handed out since the last reset */
    size_t limit_bytes; /* of taken_bytes; 0: none. Beyond it nothing is handed out */
};

/* Uninitialised memory of len bytes, aligned to align (a power of two up to 16).
 * Returns  NULL when the limit or the memory is reached; the pool goes on working for smaller things. */
void *tw__pool_take(struct tw__pool *pool, size_t len, size_t align);
/* The same, zeroed, for count things of size bytes; NULL also when the product is too large. */
void *tw__pool_zeroed(struct tw__pool *pool, size_t count, size_t size);
/* A copy; never NULL for len 0. */
const char *tw__pool_copy(struct tw__pool *pool, const void *bytes, size_t len);

/* Makes room for one more in an array that lives in the pool: *items has count things of size bytes and room for *cap.
 * Doubling leaves the old array behind; what is wasted is at most what is used.
 * Returns  0 or TW_ERR_MEMORY, which leaves everything as it was. */
int tw__pool_grow(struct tw__pool *pool, void *items, size_t count, size_t *cap, size_t size);

/* Gives back the last len bytes, from at on, of what was taken last; nothing happens when they are not the last. */
void tw__pool_give_back(struct tw__pool *pool, const void *at, size_t len);

void tw__pool_reset(struct tw__pool *pool);
void tw__pool_fini(struct tw__pool *pool);

#endif
