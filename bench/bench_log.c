/* bench_log: what a log line costs its thread, matched by nobody, recorded, beside a live trace of another module, and
 * under one that takes it; and how many lines a live trace writes a second.
 *
 * Linked with libtrackway.so as a user's program is. What the rows mean: README.md. A row that misses its limit is
 * measured again, up to three times in all, and the last measurement counts.
 *
 * Usage: bench_log [--json] [--only NAME] [--rounds N]. Exit 1 when a limit is exceeded.
 */
#include <trackway/live.h>
#include <trackway/trackway.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "floor.h"

enum { ROUNDS = 400, OFF_ROUNDS = 200, TURNS = 8000, OFF_TURNS = 100000, TRIES = 3, LINES = 1500000, BATCH = 2000 };

#define WORK __asm__ volatile("" : : "r"(i) : "memory")

static void log_off(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        WORK;
        tw_debug("user %d has %d of %d", (int)i, 2, 3);
    }
}

static void log_3_ints(unsigned n)
{
    for (unsigned i = 0; i < n; i++) tw_info("user %d has %d of %d", (int)i, 2, 3);
}

/* In a context from elsewhere each line says whose it is, as the first of each span does. */
static void log_first(unsigned n)
{
    static const struct tw_context from = {.trace_id = {[15] = 1}, .span_id = {[7] = 2}, .flags = 1};
    tw_attach attached = tw_context_attach(&from);
    for (unsigned i = 0; i < n; i++) tw_info("user %d has %d of %d", (int)i, 2, 3);
    tw_context_detach(attached);
}

static void log_nothing(unsigned n)
{
    for (unsigned i = 0; i < n; i++) tw_info("passed");
}

static void log_text(unsigned n)
{
    static const char *const volatile name = "eu-west";
    for (unsigned i = 0; i < n; i++) tw_info("zone %s", name);
}

/* As Kazoo's processes have their call's id. */
static void log_of_call(unsigned n)
{
    static const char *const volatile name = "eu-west";
    tw_meta_set(TW_ATTR("callid", "16f3ad2c4bf14a4b@10.0.0.1"));
    for (unsigned i = 0; i < n; i++) tw_info("zone %s", name);
    tw_meta_clear();
}

static void log_metadata(unsigned n)
{
    for (unsigned i = 0; i < n; i++) tw_log_with(TW_LOG_INFO, (TW_ATTR("request", i)), "user %d", (int)i);
}

static void log_matched(unsigned n)
{
    for (unsigned i = 0; i < n; i++) tw_debug("user %d has %d of %d", (int)i, 2, 3);
}

/* As floor B, with the bytes that the first line of a span has. */
static void floor_72_bytes(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t *record = floor_ring + floor_at;
        floor_at = floor_at + 9 < FLOOR_RING_BYTES / 8 - 9 ? floor_at + 9 : 0;
        record[0] = i;
        record[1] = tw__clock_tsc();
        for (unsigned k = 2; k < 9; k++) record[k] = k;
        __asm__ volatile("" : : "r"(record) : "memory");
    }
}

static double over_empty(void (*run)(unsigned n))
{
    struct bench_contender c[] = {{.run = floor_empty}, {.run = run}};
    bench_race(c, 2, bench_rounds(OFF_ROUNDS), OFF_TURNS);
    double over = bench_median(&c[1]) - bench_median(&c[0]);
    for (int i = 0; i < 2; i++) bench_samples_free(&c[i].ns);
    return over > 0 ? over : 0;
}

static bool measure_off(bool print)
{
    char ref[TW_LIVE_REF_CAP], why[TW_WHY_MAX], file[TW_LIVE_FILE_CAP];
    struct bench_row off = {
        .name = "log.off", .value = over_empty(log_off), .unit = "ns", .limit = 0.5, .note = "over an empty loop"};
    if (tw_live_start(&(struct tw_live_options){.filter = "module=another"}, ref, why) != 0) bench_die(why);
    struct bench_row other = {.name = "log.other_module",
                              .value = over_empty(log_off),
                              .unit = "ns",
                              .limit = 0.5,
                              .note = "a live trace of another module runs"};
    if (tw_live_stop(ref, file, sizeof file) == 0) (void)unlink(file);
    bool pass = bench_passes(&off) && bench_passes(&other);
    if (pass || print) {
        (void)bench_report(&off);
        (void)bench_report(&other);
    }
    return pass;
}

static bool measure_on(bool print)
{
    struct bench_contender c[] = {{.run = floor_b},  {.run = log_3_ints},   {.run = log_nothing},
                                  {.run = log_text}, {.run = log_metadata}, {.run = floor_72_bytes},
                                  {.run = log_first}, {.run = log_of_call}};
    enum { CONTENDERS = sizeof c / sizeof c[0] };
    bench_race(c, CONTENDERS, bench_rounds(ROUNDS), TURNS);
    double floor = bench_median(&c[0]);
    const struct bench_row rows[] = {
        {"log.floor_b", floor, "ns", 0, 0, NULL},
        {"log.3_ints", bench_median(&c[1]), "ns", floor, 1.3, "recorded"},
        {"log.first", bench_median(&c[6]), "ns", floor, 0, "one that says whose it is: 72 bytes"},
        {"log.floor_72", bench_median(&c[5]), "ns", floor, 0, "one clock read and as many bytes as that"},
        {"log.no_arguments", bench_median(&c[2]), "ns", floor, 0, NULL},
        {"log.text", bench_median(&c[3]), "ns", floor, 0, "one short string"},
        {"log.of_call", bench_median(&c[7]), "ns", floor, 0, "the same of a thread with a call's id"},
        {"log.metadata", bench_median(&c[4]), "ns", floor, 0, "one integer, and a key of its own"},
    };
    bool pass = bench_passes(&rows[1]);
    for (size_t i = 0; (pass || print) && i < sizeof rows / sizeof rows[0]; i++) (void)bench_report(&rows[i]);
    for (size_t i = 0; i < CONTENDERS; i++) bench_samples_free(&c[i].ns);
    return pass;
}

static double cpu_ns(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) bench_die("clock_gettime");
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

/* A million lines a second, in bursts. Returns ns that it took. */
static double at_a_pace(void (*run)(unsigned n), struct bench_samples *writer)
{
    double begin = bench_now_ns();
    for (unsigned done = 0; done < LINES; done += BATCH) {
        double at = bench_now_ns();
        run(BATCH);
        bench_add(writer, (bench_now_ns() - at) / BATCH);
        double due = begin + 1000.0 * (done + BATCH);
        if (due > bench_now_ns()) (void)nanosleep(&(struct timespec){.tv_nsec = (long)(due - bench_now_ns())}, NULL);
    }
    return bench_now_ns() - begin;
}

/* Lines at a pace that the reader has to keep up with: the processor time of everything but this thread, per line; and
 * what a line costs this thread, beside one at the same pace that nobody reads. */
static bool measure_lines(bool print)
{
    static const char *const formats[] = {NULL, "json"};
    char ref[TW_LIVE_REF_CAP], why[TW_WHY_MAX], file[64];
    bool pass = true;
    struct bench_samples alone = {0};
    (void)at_a_pace(log_3_ints, &alone);
    double unread = bench_quantile(&alone, 0.5);
    bench_samples_free(&alone);
    (void)snprintf(file, sizeof file, "/dev/shm/trackway-bench-%d.log", (int)getpid());
    for (int f = 0; f < 2; f++) {
        const struct tw_live_options options = {
            .file = file, .format = formats[f], .bytes = UINT64_MAX, .filter = "module=bench_log"};
        struct bench_samples writer = {0};
        struct tw_live_status status = {0};
        if (tw_live_start(&options, ref, why) != 0) bench_die(why);
        double all = cpu_ns(CLOCK_PROCESS_CPUTIME_ID), own = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
        double took = at_a_pace(log_matched, &writer);
        if (tw_live_stop(ref, NULL, 0) != 0) bench_die("it has ended by itself");
        double reader = cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - all - (cpu_ns(CLOCK_THREAD_CPUTIME_ID) - own);
        for (size_t i = 0; tw_live_look(i, &status) == 0 && strcmp(status.ref, ref) != 0; i++) {
        }
        char note[128];
        (void)snprintf(note, sizeof note,
                       "%.2f M lines at %.2f M/s, %llu chunks missed; %.1f ns a line to the thread, %.1f unread",
                       (double)status.lines / 1e6, (double)LINES / took * 1e3, (unsigned long long)status.missed,
                       bench_quantile(&writer, 0.5), unread);
        const struct bench_row row = {.name = f ? "live.json" : "live.lines",
                                      .value = status.lines ? reader / (double)status.lines : 1e9,
                                      .unit = "ns",
                                      .limit = 1000,
                                      .note = note};
        pass &= bench_passes(&row);
        if (pass || print) (void)bench_report(&row);
        bench_samples_free(&writer);
        (void)unlink(file);
    }
    return pass;
}

static bool until_quiet(bool (*measure)(bool print))
{
    for (unsigned try = 1; try < TRIES; try++)
        if (measure(false)) return true;
    return measure(true);
}

static tw_span begin(size_t arena_bytes)
{
    bench_pin(bench_processors() - 1);
    floor_init();
    const struct tw_config config = {.arena_bytes = arena_bytes};
    if (tw_init(&config) != 0) bench_die("recording is off");
    return tw_span_begin_root("bench");
}

static bool run_log(void)
{
    tw_span root = begin(0);
    bool pass = until_quiet(measure_off);
    pass &= until_quiet(measure_on);
    tw_span_end(root);
    tw_shutdown(1000000000);
    return pass;
}

/* An arena that holds half a second of it, so that a reader that other work keeps from the processor does not miss
 * anything. */
static bool run_live(void)
{
    tw_span root = begin(64 << 20);
    bool pass = until_quiet(measure_lines);
    tw_span_end(root);
    tw_shutdown(1000000000);
    return pass;
}

int main(int argc, char **argv)
{
    bool pass = true;
    if (!bench_parse(argc, argv)) return 2;
    if (!bench_options.json)
        printf("bench_log on %u processors\n  %-26s %9s %-6s %-15s %-9s\n", bench_processors(), "", "value", "",
               "x baseline", "limit");
    if (bench_wanted("log.")) {
        bench_headline("log lines (floor B: one clock read, 32 bytes)");
        pass &= bench_child(run_log);
    }
    if (bench_wanted("live.")) {
        bench_headline("a live trace that takes every line: its processor time a line");
        pass &= bench_child(run_live);
    }
    return pass ? 0 : 1;
}
