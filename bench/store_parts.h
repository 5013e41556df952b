/* store_parts: what the files of bench_store share. */
#ifndef STORE_PARTS_H
#define STORE_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "generator.h"
#include "store/store.h"

enum { STORE_BATCH = 1000 };
#define STORE_START_NS UINT64_C(1795800000000000000)

static inline double store_seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void store_fail(const char *what, int error) __attribute__((noreturn));

/* Writes count spans and flushes. Returns processor seconds of the whole process less the generator's; *writer: those
 * of this thread; *wall: what the wall clock said, with the generator. */
double store_fill(struct tw__store *store, struct generator *from, size_t count, double *wall, double *writer);

/* Trace ids of all that was written, some of each batch. */
struct store_ids {
    uint8_t (*items)[16];
    size_t count, cap;
};
extern struct store_ids store_ids;

/* A store of many partitions. */
bool store_bench_hours(const char *folder);
/* Rows that are compared with: nothing of them has a limit. */
void store_bench_rivals(struct generator *generator, const char *folder);

#endif
