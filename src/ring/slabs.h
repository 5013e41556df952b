/* slabs: memory that grows and is freed whole. What tw_records owns lives here. */
#ifndef TW_RING_SLABS_H
#define TW_RING_SLABS_H

#include <stddef.h>
#include <stdint.h>

struct tw__slabs {
    struct tw__slab *head;
};

/* size bytes, aligned to 8, until tw__slabs_free; NULL on lack of memory. Not zeroed. */
void *tw__slabs_take(struct tw__slabs *slabs, size_t size);
/* Gives back what lies behind used of the size bytes taken last; nothing happens when they are not the last. */
void tw__slabs_give_back(struct tw__slabs *slabs, const void *at, size_t size, size_t used);
/* All of it is free for what is taken next; the memory of the last slab is kept. */
void tw__slabs_reset(struct tw__slabs *slabs);
void tw__slabs_free(struct tw__slabs *slabs);

/* Makes room for at least need items in an array that malloc made: doubles. Returns the array, moved perhaps, or NULL
 * and nothing changed. */
void *tw__array_room(void *items, size_t *cap, size_t need, size_t size);

#endif
