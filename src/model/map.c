/* map: open addressing, linear probing, keys of four words compared whole.
 *
 * Invariant: at most half of the entries are used, because the table is sized once for max_keys and never grows.
 * Ids come from files that may be hostile, so that a fixed hash would let a crafted file make every probe long: the
 * hash starts from a seed of this run (the address of the table, which the kernel randomises, and of this process's
 * stack).
 * Rejected: hcreate (one global table, strings only); fingerprints without the key (a collision would merge two spans).
 */
#include "model/map.h"

#include <stdlib.h>
#include <string.h>

struct tw__map_entry {
    struct tw__map_key key;
    uint32_t value;
    bool used;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

uint64_t tw__map_hash(const struct tw__map_key *key, uint64_t seed)
{
    uint64_t hash = seed;
    for (size_t i = 0; i < 4; i++) hash = mix(hash ^ key->word[i]) + 0x9e3779b97f4a7c15u;
    return hash;
}

static size_t slot_of(const struct tw__map *map, const struct tw__map_key *key)
{
    size_t at = (size_t)tw__map_hash(key, map->seed) & map->mask;
    while (map->entries[at].used && memcmp(&map->entries[at].key, key, sizeof *key) != 0) at = (at + 1) & map->mask;
    return at;
}

bool tw__map_init(struct tw__map *map, size_t max_keys)
{
    size_t size = 16;
    while (size / 2 < max_keys) {
        if (size > SIZE_MAX / 4) return false;
        size *= 2;
    }
    *map = (struct tw__map){.mask = size - 1};
    map->entries = calloc(size, sizeof *map->entries);
    if (!map->entries) return false;
    map->seed = mix((uint64_t)(uintptr_t)map->entries ^ mix((uint64_t)(uintptr_t)&size));
    return true;
}

void tw__map_fini(struct tw__map *map)
{
    free(map->entries);
    *map = (struct tw__map){0};
}

uint32_t *tw__map_put(struct tw__map *map, const struct tw__map_key *key, bool *found)
{
    struct tw__map_entry *entry = &map->entries[slot_of(map, key)];
    *found = entry->used;
    if (!entry->used) {
        entry->key = *key;
        entry->used = true;
        map->count++;
    }
    return &entry->value;
}

const uint32_t *tw__map_get(const struct tw__map *map, const struct tw__map_key *key)
{
    if (!map->entries) return NULL;
    const struct tw__map_entry *entry = &map->entries[slot_of(map, key)];
    return entry->used ? &entry->value : NULL;
}
