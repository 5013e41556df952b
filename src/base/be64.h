/* be64: eight bytes, the highest first, as a number and back: ids in memory, and numbers of most formats.
 *
 * Not loops: compilers make no single move of them. */
#ifndef TW_BASE_BE64_H
#define TW_BASE_BE64_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t tw__be64(const uint8_t bytes[8])
{
    uint64_t number;
    memcpy(&number, bytes, sizeof number);
    return be64toh(number);
}

static inline void tw__be64_put(uint64_t number, uint8_t bytes[8])
{
    number = htobe64(number);
    memcpy(bytes, &number, sizeof number);
}

#endif
