/* service_calls: see the header.
 *
 *     set   | tag * 8, next | half | half | ... |        tag: 31 bits of the key and 1; 0: free
 *
 * Halves wait in sets of WAYS, found by their key: no lists, no timers, memory that never changes. A set's tags lie in
 * one cache line, so that a half costs that line; nobody waits for the one it is written to. How long a half waits is
 * how long it takes until WAYS others have come to its set: at 100,000 calls a second, about half a second for SETS. A
 * caller stays after it was found, for the other receivers of a message; a called half goes, since it has one caller.
 */
#include "ingest/service_calls.h"

#include <stdbool.h>
#include <stdlib.h>

#include <trackway/err.h>

enum { WAYS = 8, SETS = 8192, LINE_BYTES = 64 };

struct tw__call_set {
    uint32_t tags[WAYS];
    uint32_t next;   /* which gives way */
    uint32_t paired; /* bits: which have been found; not in the halves, since it is asked when one gives way */
    uint32_t rest[LINE_BYTES / 4 - WAYS - 2];
    struct tw__call_half halves[WAYS];
};

int tw__call_halves_init(struct tw__call_halves *halves)
{
    size_t bytes = SETS * sizeof *halves->sets;
    *halves = (struct tw__call_halves){.sets = aligned_alloc(LINE_BYTES, bytes)};
    if (!halves->sets) return TW_ERR_MEMORY;
    memset(halves->sets, 0, bytes);
    return 0;
}

void tw__call_halves_fini(struct tw__call_halves *halves)
{
    free(halves->sets);
    *halves = (struct tw__call_halves){0};
}

static struct tw__call_set *set_of(const struct tw__call_halves *halves, uint64_t key)
{
    return &halves->sets[(key >> 32) % SETS];
}

void tw__call_halves_prefetch(const struct tw__call_halves *halves, uint64_t key)
{
    __builtin_prefetch(set_of(halves, key), 1);
}

/* A free place, or the oldest one's. */
static size_t make_room(struct tw__call_halves *halves, struct tw__call_set *set)
{
    for (size_t i = 0; i < WAYS; i++)
        if (set->tags[i] == 0) return i;
    size_t place = set->next++ % WAYS;
    halves->unpaired += !(set->paired >> place & 1);
    return place;
}

void tw__call_halves_add(struct tw__call_halves *halves, uint64_t key, uint64_t duration_ns, uint64_t what,
                         void (*fn)(void *data, const struct tw__call_half *caller, const struct tw__call_half *called),
                         void *data)
{
    struct tw__call_set *set = set_of(halves, key);
    uint32_t tag = (uint32_t)key | 1;
    uint64_t is_caller = what & TW__HALF_CALLER;
    bool paired = false;
    for (size_t i = 0; i < WAYS; i++) {
        struct tw__call_half *other = &set->halves[i];
        if (set->tags[i] != tag || other->key != key || (other->what & TW__HALF_CALLER) == is_caller) continue;
        const struct tw__call_half half = {key, duration_ns, what};
        if (is_caller)
            fn(data, &half, other);
        else
            fn(data, other, &half);
        paired = true;
        set->paired |= 1U << i;
        if (is_caller) set->tags[i] = 0;
    }
    if (paired && !is_caller) return;
    size_t place = make_room(halves, set);
    set->tags[place] = tag;
    set->paired = (set->paired & ~(1U << place)) | (uint32_t)paired << place;
    set->halves[place].key = key;
    set->halves[place].duration_ns = duration_ns;
    set->halves[place].what = what;
}
