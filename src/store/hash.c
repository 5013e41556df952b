/* hash: see the header. XXH3 of 64 bits; its numbers are part of the formats of the journal and of blocks. */
#define XXH_INLINE_ALL
#include "store/hash.h"

#include <xxhash.h>

uint64_t tw__hash(const void *bytes, size_t len)
{
    return XXH3_64bits(bytes, len);
}

uint64_t tw__hash_seeded(const void *bytes, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, len, seed);
}
