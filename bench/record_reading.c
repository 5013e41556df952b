/* record_reading: one trace out of a full arena, and what first use costs: the first span of a process, and the first
 * lap.
 *
 * pull: the segment belongs to one process, the reader is another, as with `trackway show`. Cold is the first look
 * after opening: every page of the mapping faults once. Warm is a reader that stays, as a collector or `trackway tail`
 * would. The trace asked for has 100 spans spread over the arena.
 *
 * start: the first span makes the segment and touches all of its memory, so that no later span meets a page fault; that
 * is the price of the lap measured after it. Both are honest numbers without a limit: what to expect, once, at the
 * start.
 */
#include <trackway/trackway.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"
#include "record.h"

enum { PULL_ARENA = 64 << 20, PULL_SPANS = PULL_ARENA / 64, WANTED = 100, PULLS = 60, TRIES = 3 };

static void fill(uint8_t wanted[16])
{
    struct tw_context context = {.flags = TW_FLAG_SAMPLED};
    for (unsigned lap = 0; lap < 2; lap++) {
        tw_span root = tw_span_begin_root("wanted");
        (void)tw_span_context(root, &context);
        tw_span_end(root);
        for (unsigned i = 0; i < WANTED; i++) {
            tw_span span = tw_span_begin_under("wanted", &context);
            tw_span_end(span);
            /* Requests of eleven spans each, all over the place. */
            for (unsigned k = 0; k < PULL_SPANS / WANTED / 11; k++) {
                tw_span request = tw_span_begin_root("request");
                for (unsigned j = 0; j < 10; j++) {
                    TW_SCOPE(child, "work");
                }
                tw_span_end(request);
            }
        }
    }
    memcpy(wanted, context.trace_id, sizeof context.trace_id);
}

static double pull_ms(struct tw_reader *reader, const uint8_t wanted[16])
{
    struct tw_records *records;
    double start = bench_now_ns();
    if (tw_reader_read(reader, &(struct tw_query){.trace_id = wanted, .open_spans = true}, &records) < 0)
        bench_die("cannot read");
    double took = bench_now_ns() - start;
    if (records->count < WANTED * 9 / 10 || records->count > WANTED + 1) bench_die("not the trace that was asked for");
    tw_records_free(records);
    return took / 1e6;
}

/* In a process of its own. Returns whether the limit is kept. */
static bool pull(const char *path, const uint8_t wanted[16])
{
    struct bench_samples ms = {NULL, 0, 0};
    struct tw_reader *reader;
    struct bench_row row;
    char why[TW_WHY_MAX], used[64];
    double start = bench_now_ns();
    if (tw_reader_open(path, &reader, why) < 0) bench_die(why);
    double cold = pull_ms(reader, wanted);
    cold = (bench_now_ns() - start) / 1e6;
    for (unsigned try = 0; try < TRIES; try++) {
        bench_samples_free(&ms);
        for (unsigned i = 0; i < bench_rounds(PULLS); i++) bench_add(&ms, pull_ms(reader, wanted));
        row = (struct bench_row){
            "pull.warm", bench_quantile(&ms, 0), "ms", 0, 5, "a reader that stays; the least of all"};
        if (bench_passes(&row)) break;
    }
    struct tw_process process;
    if (tw_reader_process(reader, &process) < 0) bench_die("cannot read");
    snprintf(used, sizeof used, "open, map and read once; %.1f of 64 MB used", (double)process.used_bytes / (1 << 20));
    bool pass = bench_report(&row);
    (void)bench_report(&(struct bench_row){"pull.cold", cold, "ms", 0, 0, used});
    tw_reader_close(reader);
    bench_samples_free(&ms);
    return pass;
}

bool record_pull(void)
{
    char path[512];
    uint8_t wanted[16];
    int status = 0;
    if (tw_init(&(struct tw_config){.arena_bytes = PULL_ARENA}) != 0 || tw_recorder_path(path, sizeof path) < 0)
        bench_die("recording is off");
    fill(wanted);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        bool pass = pull(path, wanted);
        fflush(NULL);
        _exit(pass ? 0 : 1);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) bench_die("no process");
    tw_shutdown(1000000000);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* -- first use -- */

enum { LAP = (16 << 20) / 64, BUCKETS = 1 << 16, SECOND_PARTS = 64 };

/* Ticks per span, counted: an array of samples of a whole second would be measured with them. */
struct histogram {
    uint32_t ticks[BUCKETS];
    uint64_t count;
};

static void note_ticks(struct histogram *h, uint64_t ticks)
{
    h->ticks[ticks < BUCKETS ? ticks : BUCKETS - 1]++;
    h->count++;
}

static double ticks_at(const struct histogram *h, double q)
{
    uint64_t below = 0, wanted = (uint64_t)(q * (double)h->count);
    for (unsigned i = 0; i < BUCKETS; i++) {
        below += h->ticks[i];
        if (below > wanted) return i;
    }
    return BUCKETS;
}

static void spans_timed(struct histogram *h, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t start = tw__clock_tsc();
        tw_span span = tw_span_begin("work");
        tw_span_end(span);
        note_ticks(h, tw__clock_tsc() - start);
    }
}

static void report_histogram(const char *name, const struct histogram *h, double ns_per_tick, const char *when)
{
    char p50[64], p999[64], note[128];
    double middle = ticks_at(h, 0.5) * ns_per_tick, high = ticks_at(h, 0.999) * ns_per_tick;
    snprintf(p50, sizeof p50, "start.%s_p50", name);
    snprintf(p999, sizeof p999, "start.%s_p99.9", name);
    snprintf(note, sizeof note, "%s; one clock read of the measuring included", when);
    (void)bench_report(&(struct bench_row){p50, middle, "ns", 0, 0, note});
    (void)bench_report(&(struct bench_row){p999, high, "ns", middle, 0, "against the median"});
}

bool record_start(void)
{
    static struct histogram lap, second;
    bench_pin(bench_processors() - 1);
    double start = bench_now_ns();
    tw_span root = tw_span_begin_root("first");
    double first = bench_now_ns() - start;
    if (!tw_span_is_open(root)) bench_die("recording is off");
    uint64_t tick = tw__clock_tsc();
    start = bench_now_ns();
    spans_timed(&lap, LAP);
    double lap_ms = (bench_now_ns() - start) / 1e6;
    second = lap;
    while (bench_now_ns() - start < 1e9) spans_timed(&second, LAP / SECOND_PARTS);
    double ns_per_tick = (bench_now_ns() - start) / (double)(tw__clock_tsc() - tick);
    tw_span_end(root);
    tw_shutdown(1000000000);
    (void)bench_report(
        &(struct bench_row){"start.first_span", first / 1e6, "ms", 0, 0, "makes and touches 16 MB of shared memory"});
    (void)bench_report(&(struct bench_row){"start.first_lap", lap_ms, "ms", 0, 0, "262,144 spans, each timed"});
    report_histogram("first_lap", &lap, ns_per_tick, "first 262,144 spans");
    report_histogram("first_second", &second, ns_per_tick, "first second");
    return true;
}
