/* record_memory: what a thousand threads cost in memory, whether all of them get to record, and what those that fall
 * idle keep from the one that goes on.
 *
 *     start   1,000 threads wait at a barrier           anonymous memory counted: their stacks are in it already
 *     begin   each opens a span and one below it        counted again, and the segment's blocks on tmpfs
 *     rush    all of them record at once                nothing may be refused
 *     idle    all but one sleep past their leases       the one fills the arena several times over; how much of the
 *                                                       arena is its history then?
 *
 * Anonymous memory is that of /proc/self/smaps_rollup: heap, stacks, thread-local and copied pages. The segment is not
 * in it (tmpfs), so nothing is counted twice. Everything above the arena itself is divided by the threads: header,
 * dictionary, blocks, and what the first call touches of each stack.
 */
#include <trackway/trackway.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "record.h"

enum { THREADS = 1000, RUSH_SPANS = 2000, PASSES = 6, SPAN_BYTES = 64, ARENA = 16 << 20 };

static pthread_barrier_t gate;

static void all_wait(void)
{
    pthread_barrier_wait(&gate);
}

/* A thread meets the others before and after each step; what happens between two meetings of main is in the steps'
 * names. */
static void *one_of_many(void *data)
{
    (void)data;
    all_wait(); /* started */
    all_wait();
    tw_span root = tw_span_begin_root("request");
    tw_span below = tw_span_begin("work");
    all_wait(); /* begun */
    all_wait();
    tw_span_end(below);
    for (unsigned i = 0; i < RUSH_SPANS; i++) {
        TW_SCOPE(span, "rush");
        tw_tag(span, "i", i);
    }
    tw_span_end(root);
    all_wait(); /* rushed */
    all_wait(); /* idle until here */
    return NULL;
}

static double anonymous_bytes(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file) bench_die("no /proc/self/smaps_rollup");
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "Anonymous:", 10) == 0) kib = strtoul(line + 10, NULL, 10);
    fclose(file);
    return (double)kib * 1024;
}

static double segment_bytes(void)
{
    char path[512];
    struct stat st;
    if (tw_recorder_path(path, sizeof path) < 0 || stat(path, &st) != 0) bench_die("no segment");
    return (double)st.st_blocks * 512;
}

static void start_threads(pthread_t *threads)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], &attr, one_of_many, NULL) != 0) bench_die("no thread");
    pthread_attr_destroy(&attr);
}

/* The share of the arena that holds spans of this thread, the only one that records. */
static double own_share(void)
{
    struct tw_records *records;
    uint64_t own = 0;
    tw_span root = tw_span_begin_root("busy");
    for (unsigned i = 0; i < PASSES * (ARENA / SPAN_BYTES); i++) {
        TW_SCOPE(span, "alone");
    }
    tw_span_end(root);
    if (tw_recorder_dump_all(&records) != 0) bench_die("cannot read back");
    uint32_t tid = (uint32_t)syscall(SYS_gettid);
    for (size_t i = 0; i < records->count; i++) own += records->items[i].tid == tid;
    tw_records_free(records);
    return (double)own * SPAN_BYTES / ARENA;
}

static uint64_t refused(void)
{
    struct tw_stats stats;
    if (tw_recorder_stats(&stats) != 0) bench_die("no stats");
    return stats.process.losses.no_chunk + stats.process.losses.no_thread + stats.process.losses.no_slot;
}

bool record_memory(void)
{
    static pthread_t threads[THREADS];
    pthread_barrier_init(&gate, NULL, THREADS + 1);
    start_threads(threads);
    all_wait(); /* started */
    double before = anonymous_bytes();
    if (tw_init(&(struct tw_config){.arena_bytes = ARENA}) != 0) bench_die("recording is off");
    double alone = anonymous_bytes() - before + segment_bytes() - ARENA;
    all_wait();
    all_wait(); /* begun */
    double more = anonymous_bytes() - before + segment_bytes() - ARENA;
    all_wait();
    all_wait(); /* rushed */
    double rushed = anonymous_bytes() - before + segment_bytes() - ARENA;
    uint64_t lost = refused();
    /* A lease is a second, and what it leaves may be taken a second after. */
    nanosleep(&(struct timespec){2, 600000000}, NULL);
    double kept = 1 - own_share();
    all_wait();
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&gate);
    tw_shutdown(1000000000);

    bool pass = bench_report(
        &(struct bench_row){"memory.fixed", alone / 1024, "KiB", 0, 0, "beside the arena, before the first thread"});
    pass &= bench_report(&(struct bench_row){"memory.per_thread", (more > rushed ? more : rushed) / THREADS / 1024,
                                             "KiB", 0, 32, "of 1,000: all that is not the arena"});
    pass &= bench_report(
        &(struct bench_row){"memory.refused", (double)lost, "spans", 0, 0.5, "of two million, 1,000 threads at once"});
    pass &= bench_report(&(struct bench_row){"memory.idle_keeps", kept, "arena", 0, 0.10,
                                             "not to be had by the one of 1,000 that is busy"});
    return pass;
}
