/* floor: what nobody can go below who keeps the two times of a span, or the one of an event, in memory.
 *
 *     floor A   two readings of the clock and a record of 64 bytes, stored into a ring
 *     floor B   one reading and a record of 32 bytes
 *
 * The ring is as large as the default arena and of the same kind of memory, touched before. A smaller one would make
 * the floor no lower: the store hides behind the clock whatever the size, on the machine of the prototypes (README.md).
 */
#ifndef TW_BENCH_FLOOR_H
#define TW_BENCH_FLOOR_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "bench.h"

enum { FLOOR_RING_BYTES = 16 << 20 };

static uint64_t *floor_ring;
static uint64_t floor_at;

static inline void floor_init(void)
{
    void *ring = mmap(NULL, FLOOR_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (ring == MAP_FAILED) bench_die("out of memory");
    floor_ring = ring;
    memset(floor_ring, 1, FLOOR_RING_BYTES);
}

static inline uint64_t *floor_next(uint64_t words)
{
    uint64_t *record = floor_ring + floor_at;
    floor_at = (floor_at + words) & (FLOOR_RING_BYTES / 8 - 1);
    return record;
}

static inline void floor_empty(unsigned n)
{
    for (unsigned i = 0; i < n; i++) __asm__ volatile("" : : "r"(i) : "memory");
}

static inline void floor_a(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t *record = floor_next(8);
        record[0] = i;
        record[1] = tw__clock_tsc();
        for (unsigned k = 2; k < 7; k++) record[k] = k;
        record[7] = tw__clock_tsc();
        __asm__ volatile("" : : "r"(record) : "memory");
    }
}

static inline void floor_b(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t *record = floor_next(4);
        record[0] = i;
        record[1] = tw__clock_tsc();
        record[2] = record[3] = 2;
        __asm__ volatile("" : : "r"(record) : "memory");
    }
}

#endif
