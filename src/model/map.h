/* map: a hash table from keys of four words to a number, for assembling a batch. */
#ifndef TW_MODEL_MAP_H
#define TW_MODEL_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tw__map_key {
    uint64_t word[4];
};

struct tw__map {
    struct tw__map_entry *entries;
    size_t mask, count;
    uint64_t seed;
};

/* Room for up to max_keys keys. false: out of memory; then fini is allowed and not needed. */
bool tw__map_init(struct tw__map *map, size_t max_keys);
void tw__map_fini(struct tw__map *map);

/* Where the value of key is kept; *found tells whether the key was there. A new key's value is 0. */
uint32_t *tw__map_put(struct tw__map *map, const struct tw__map_key *key, bool *found);
uint64_t tw__map_hash(const struct tw__map_key *key, uint64_t seed);

/* NULL if it is not there. */
const uint32_t *tw__map_get(const struct tw__map *map, const struct tw__map_key *key);

#endif
