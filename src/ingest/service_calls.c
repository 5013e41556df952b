/* service_calls: see the header.
 *
 * Halves wait in sets of WAYS, found by their key: no lists, no timers, memory that never changes. How long a half waits
 * is how long it takes until WAYS others have come to its set: at 100,000 calls a second, about half a second for SETS.
 * A caller stays after it was found, for the other receivers of a message; a called half goes, since it has one caller.
 */
#include "ingest/service_calls.h"

#include <stdlib.h>

#include <trackway/err.h>

enum { WAYS = 8, SETS = 8192 };

int tw__call_halves_init(struct tw__call_halves *halves)
{
    *halves = (struct tw__call_halves){.items = calloc((size_t)WAYS * SETS, sizeof *halves->items)};
    return halves->items ? 0 : TW_ERR_MEMORY;
}

void tw__call_halves_fini(struct tw__call_halves *halves)
{
    free(halves->items);
    *halves = (struct tw__call_halves){0};
}

void tw__call_halves_add(struct tw__call_halves *halves, struct tw__call_half half,
                         void (*fn)(void *data, const struct tw__call_half *caller, const struct tw__call_half *called),
                         void *data)
{
    struct tw__call_half *set = &halves->items[(half.key >> 32) % SETS * WAYS], *place = set;
    half.stamp = ++halves->clock;
    for (size_t i = 0; i < WAYS; i++) {
        struct tw__call_half *other = &set[i];
        if (other->key == half.key && other->is_caller != half.is_caller) {
            if (half.is_caller)
                fn(data, &half, other);
            else
                fn(data, other, &half);
            half.paired = other->paired = true;
            if (half.is_caller) other->key = 0;
        }
        bool older = (int32_t)(other->stamp - place->stamp) < 0;
        if (other->key == 0 ? place->key != 0 : older && place->key != 0) place = other;
    }
    if (half.paired && !half.is_caller) return;
    halves->unpaired += place->key && !place->paired;
    *place = half;
}
