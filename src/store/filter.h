/* filter: a Bloom filter: says "no", or "maybe". docs/format/store.md has which bits a hash sets.
 *
 * Of trace ids (of a block, of a partition) and of values of tags. */
#ifndef TW_STORE_FILTER_H
#define TW_STORE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tw__filter {
    const uint8_t *bits;
    uint32_t count; /* of bits; 0: it says maybe to everything */
};

/* Bits for so many hashes: a multiple of 64, and never none. */
uint32_t tw__filter_bits(size_t hashes, unsigned bits_each);
/* bits: count / 8 bytes of zeros. */
void tw__filter_fill(uint8_t *bits, uint32_t count, const uint64_t *hashes, size_t hash_count, unsigned probes);
bool tw__filter_may_have(const struct tw__filter *filter, uint64_t hash, unsigned probes);

#endif
