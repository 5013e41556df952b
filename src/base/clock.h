/* clock: ticks, and what they mean.
 *
 * A tick is the TSC where the kernel itself trusts it as its clock source, else a nanosecond of CLOCK_MONOTONIC. Never
 * rdtscp or a fence: 7 ns more for an order that spans longer than 20 ns do not need. */
#ifndef TW_BASE_CLOCK_H
#define TW_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

uint64_t tw__clock_mono_ns(void);
uint64_t tw__clock_wall_ns(void);

/* Whether the TSC may be used: the kernel's current clock source is "tsc" and the CPU says
 * that it is invariant. Reads a file below /sys. */
bool tw__clock_tsc_trusted(void);

/* The TSC; 0 where there is none. */
static inline uint64_t tw__clock_tsc(void)
{
#if defined(__x86_64__)
    uint64_t low, high; /* the instruction clears the upper halves */
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return high << 32 | low;
#else
    return 0;
#endif
}

/* Reads the TSC (0 if none) and both kernel clocks as close together as the machine allows: the tightest of several
 * tries. */
void tw__clock_read_all(uint64_t *tsc, uint64_t *mono_ns, uint64_t *wall_ns);

#endif
