/* filter: see the header. */
#include "store/filter.h"

uint32_t tw__filter_bits(size_t hashes, unsigned bits_each)
{
    return ((uint32_t)hashes * bits_each + 64) / 64 * 64;
}

void tw__filter_fill(uint8_t *bits, uint32_t count, const uint64_t *hashes, size_t hash_count, unsigned probes)
{
    /* The remainder, by two multiplications: exact for 32 bits (Lemire, Kaser and Kurz: Faster remainder by direct
     * computation, 2019). */
    uint64_t inverse = UINT64_MAX / count + 1;
    for (size_t i = 0; i < hash_count; i++) {
        uint32_t step = (uint32_t)(hashes[i] >> 32) | 1, at = (uint32_t)hashes[i];
        for (unsigned k = 0; k < probes; k++, at += step) {
            uint64_t part = inverse * at;
            uint64_t bit = ((part >> 32) * count + ((part & UINT32_MAX) * count >> 32)) >> 32;
            bits[bit / 8] |= (uint8_t)(1 << bit % 8);
        }
    }
}

bool tw__filter_may_have(const struct tw__filter *filter, uint64_t hash, unsigned probes)
{
    if (filter->count == 0) return true;
    for (unsigned k = 0; k < probes; k++) {
        uint32_t bit = ((uint32_t)hash + k * ((uint32_t)(hash >> 32) | 1)) % filter->count;
        if (!(filter->bits[bit / 8] >> bit % 8 & 1)) return false;
    }
    return true;
}
