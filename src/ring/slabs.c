/* slabs: each twice as large as the one before, from 4 KiB to 1 MiB; what is larger gets one of its own. */
#include "ring/slabs.h"

#include <stdlib.h>

enum { FIRST = 4096, LARGEST = 1 << 20 };

struct tw__slab {
    struct tw__slab *next;
    size_t used, cap;
    uint64_t bytes[];
};

void *tw__slabs_take(struct tw__slabs *slabs, size_t size)
{
    struct tw__slab *slab = slabs->head;
    if (size > SIZE_MAX / 4) return NULL;
    size = (size + 7) & ~(size_t)7;
    if (!slab || slab->cap - slab->used < size) {
        size_t cap = slab ? slab->cap * 2 : FIRST;
        if (cap > LARGEST) cap = LARGEST;
        if (cap < size) cap = size;
        slab = malloc(sizeof *slab + cap);
        if (!slab) return NULL;
        *slab = (struct tw__slab){.next = slabs->head, .cap = cap};
        slabs->head = slab;
    }
    void *at = (uint8_t *)slab->bytes + slab->used;
    slab->used += size;
    return at;
}

void tw__slabs_give_back(struct tw__slabs *slabs, const void *at, size_t size, size_t used)
{
    struct tw__slab *slab = slabs->head;
    size = (size + 7) & ~(size_t)7;
    used = (used + 7) & ~(size_t)7;
    if ((const uint8_t *)at + size == (const uint8_t *)slab->bytes + slab->used) slab->used -= size - used;
}

static void free_all(struct tw__slab *slab)
{
    for (struct tw__slab *next; slab; slab = next) {
        next = slab->next;
        free(slab);
    }
}

void tw__slabs_reset(struct tw__slabs *slabs)
{
    if (!slabs->head) return;
    free_all(slabs->head->next);
    slabs->head->next = NULL;
    slabs->head->used = 0;
}

void tw__slabs_free(struct tw__slabs *slabs)
{
    free_all(slabs->head);
    slabs->head = NULL;
}

void *tw__array_room(void *items, size_t *cap, size_t need, size_t size)
{
    if (need <= *cap) return items;
    size_t more = *cap ? *cap : 64;
    while (more < need) {
        if (more > SIZE_MAX / 2) return NULL;
        more *= 2;
    }
    if (more > SIZE_MAX / size) return NULL;
    void *moved = realloc(items, more * size);
    if (moved) *cap = more;
    return moved;
}
