/* pool: see the header. Blocks in a row, each at least twice as large as the one before up to BLOCK_MAX; a reset keeps
 * them all and begins at the first again, so that a batch after the first allocates nothing.
 *
 * Invariant: current holds used of cap bytes; blocks behind current are empty.
 * Under ASan what is not handed out is poisoned, so that use after a reset is seen.
 */
#include "base/pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define POISONING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POISONING 1
#endif
#endif
#ifdef POISONING
#include <sanitizer/asan_interface.h>
#define POISON(at, len)   __asan_poison_memory_region((at), (len))
#define UNPOISON(at, len) __asan_unpoison_memory_region((at), (len))
#else
#define POISON(at, len)   ((void)(at), (void)(len))
#define UNPOISON(at, len) ((void)(at), (void)(len))
#endif

enum { BLOCK_MIN = 16384, BLOCK_MAX = 4 << 20, ALIGN_MAX = 16 };

struct tw__pool_block {
    struct tw__pool_block *next;
    size_t cap;
};

static char *bytes_of(struct tw__pool_block *block)
{
    return (char *)block + ALIGN_MAX;
}

static_assert(sizeof(struct tw__pool_block) <= ALIGN_MAX, "the head stands before the first aligned byte");

/* Goes on to a block with room for len: the next one if it is large enough, else a new one in between. */
static bool advance(struct tw__pool *pool, size_t len)
{
    struct tw__pool_block *next = pool->current ? pool->current->next : pool->first;
    if (!next || next->cap < len) {
        size_t cap = pool->current ? pool->current->cap * 2 : BLOCK_MIN;
        if (cap > BLOCK_MAX) cap = BLOCK_MAX;
        if (cap < len) cap = len;
        if (cap > SIZE_MAX - ALIGN_MAX) return false;
        struct tw__pool_block *made = malloc(ALIGN_MAX + cap);
        if (!made) return false;
        made->next = next;
        made->cap = cap;
        POISON(bytes_of(made), cap);
        if (pool->current)
            pool->current->next = made;
        else
            pool->first = made;
        next = made;
    }
    pool->current = next;
    pool->used = 0;
    pool->cap = next->cap;
    return true;
}

void *tw__pool_take(struct tw__pool *pool, size_t len, size_t align)
{
    if (pool->limit_bytes && len > pool->limit_bytes - pool->taken_bytes) return NULL;
    size_t at = (pool->used + align - 1) & ~(align - 1);
    if (!pool->current || at > pool->cap || len > pool->cap - at) {
        if (!advance(pool, len)) return NULL;
        at = 0;
    }
    pool->used = at + len;
    pool->taken_bytes += len;
    UNPOISON(bytes_of(pool->current) + at, len);
    return bytes_of(pool->current) + at;
}

void *tw__pool_zeroed(struct tw__pool *pool, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size) return NULL;
    void *made = tw__pool_take(pool, count * size, ALIGN_MAX);
    if (made) memset(made, 0, count * size);
    return made;
}

const char *tw__pool_copy(struct tw__pool *pool, const void *bytes, size_t len)
{
    if (len == 0) return "";
    char *copy = tw__pool_take(pool, len, 1);
    if (copy) memcpy(copy, bytes, len);
    return copy;
}

int tw__pool_grow(struct tw__pool *pool, void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return 0;
    size_t more = *cap ? *cap * 2 : 8;
    if (more > SIZE_MAX / size) return TW_ERR_MEMORY;
    void *old, *made = tw__pool_take(pool, more * size, ALIGN_MAX);
    if (!made) return TW_ERR_MEMORY;
    memcpy(&old, items, sizeof old);
    if (count) memcpy(made, old, count * size);
    memcpy(items, &made, sizeof made);
    *cap = more;
    return 0;
}

void tw__pool_give_back(struct tw__pool *pool, const void *at, size_t len)
{
    if (len == 0 || (const char *)at + len != bytes_of(pool->current) + pool->used) return;
    pool->used -= len;
    pool->taken_bytes -= len;
    POISON(at, len);
}

void tw__pool_reset(struct tw__pool *pool)
{
    for (struct tw__pool_block *block = pool->first; block; block = block->next) POISON(bytes_of(block), block->cap);
    pool->current = pool->first;
    pool->used = pool->taken_bytes = 0;
    pool->cap = pool->first ? pool->first->cap : 0;
}

void tw__pool_fini(struct tw__pool *pool)
{
    for (struct tw__pool_block *block = pool->first, *next; block; block = next) {
        next = block->next;
        UNPOISON(bytes_of(block), block->cap);
        free(block);
    }
    *pool = (struct tw__pool){.limit_bytes = pool->limit_bytes};
}
