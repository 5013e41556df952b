/* hash: XXH3, with its code in place: most of what is hashed is a dozen bytes long. */
#ifndef TW_STORE_HASH_H
#define TW_STORE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t tw__hash(const void *bytes, size_t len);
uint64_t tw__hash_seeded(const void *bytes, size_t len, uint64_t seed);

#endif
