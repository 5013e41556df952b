/* service_calls: which service calls which, from the two halves of a call as they come, in either order. For
 * span_metrics. */
#ifndef TW_INGEST_SERVICE_CALLS_H
#define TW_INGEST_SERVICE_CALLS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { TW__HALF_CALLER = 1, TW__HALF_FAILED = 2 };

/* One span that is the calling or the called half of a call. */
struct tw__call_half {
    uint64_t key; /* hash of the trace and of the calling span */
    uint64_t duration_ns;
    uint64_t what; /* TW__HALF_*, service << 16 */
};

struct tw__call_set;

/* Waiting halves: sets of few, the oldest of a set gives way. */
struct tw__call_halves {
    struct tw__call_set *sets;
    uint64_t unpaired;
};

/* The key of a call: of its trace, and the span that calls. Ids are random already: they are folded, not hashed. */
static inline uint64_t tw__call_key(const uint8_t trace_id[16], const uint8_t span_id[8])
{
    uint64_t word[3];
    memcpy(word, trace_id, 16);
    memcpy(word + 2, span_id, 8);
    uint64_t key = (word[0] ^ (word[1] << 23 | word[1] >> 41)) * UINT64_C(0x9e3779b97f4a7c15) + word[2];
    return (key ^ key >> 32) * UINT64_C(0xd6e8feb86659fd93);
}

int tw__call_halves_init(struct tw__call_halves *halves);
void tw__call_halves_fini(struct tw__call_halves *halves);

/* Brings the place of a key near: some spans before it is added. */
void tw__call_halves_prefetch(const struct tw__call_halves *halves, uint64_t key);
/* Keeps the half, and calls fn for each other half of its call that waits: several for a message with several
 * receivers. The words of the half are given one by one: a struct that was just made is slow to copy. */
void tw__call_halves_add(struct tw__call_halves *halves, uint64_t key, uint64_t duration_ns, uint64_t what,
                         void (*fn)(void *data, const struct tw__call_half *caller, const struct tw__call_half *called),
                         void *data);

#endif
