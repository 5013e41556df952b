/* No record that a reader delivers from a live process is torn or invented.
 *
 * A child records on several threads as fast as it can, records that can be checked by themselves (torn.h), into an arena
 * small enough to be overwritten several times a second. The parent reads it from outside without pause, by a position and
 * whole, and checks every record it is given; at the end again, with the child killed. Roots, laps, events, spans left open, and
 * slots that overflow are in the mix.
 *
 *     soak_torn            until a billion records were read, or --hours 24 have passed
 *     soak_torn --short    15 seconds
 *     soak_torn --records N --threads N --arena BYTES --busy */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomics.h"
#include "soak/torn.h"

enum { THREADS_MAX = 64, WRONG_MAX = 20, PATH_BYTES = 256 };

static struct shared {
    char path[PATH_BYTES];
    uint32_t ready;
    uint64_t written[THREADS_MAX * 8]; /* a line each */
} *shared;

static struct {
    uint64_t records, seconds;
    uint32_t threads;
    size_t arena;
    bool breath;
} options = {.records = 1000000000, .seconds = 24 * 3600, .threads = 2, .arena = 8 << 20, .breath = true};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- the child */

static void *write_for_ever(void *data)
{
    uint64_t number = (uint64_t)(uintptr_t)data, n = (number + 1) << 48;
    for (;;) {
        tw_span root = tw_span_begin_root("root");
        for (int i = 0; i < 50; i++) torn_write(++n);
        tw_span outer = torn_begin(++n); /* open for a while, below others */
        for (int i = 0; i < 10; i++) torn_write(++n);
        tw_span_end(outer);
        tw_span_end(root);
        tw__store_relaxed(&shared->written[number * 8], n & 0xffffffffffff);
        /* A breath now and then: what is overwritten unread proves nothing. Every other second without, for the laps. */
        if (options.breath && n % 4096 < 61 && now_ns() / 1000000000u % 2)
            (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

static void be_the_writer(void)
{
    const struct tw_config config = {.service = "soak_torn", .arena_bytes = options.arena};
    pthread_t threads[THREADS_MAX];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (tw_init(&config) != 0) _exit(2);
    for (uint32_t i = 0; i < options.threads; i++)
        if (pthread_create(&threads[i], NULL, write_for_ever, (void *)(uintptr_t)i) != 0) _exit(2);
    if (tw_recorder_path(shared->path, sizeof shared->path) < 0) _exit(2);
    tw__store_release(&shared->ready, 1);
    for (;;) (void)pause();
}

/* -- the parent */

static struct {
    uint64_t spans, open, events, in_part, wrong, missed, damaged, passes;
} seen;

static void print_wrong(const struct tw_record *r, const char *what)
{
    if (seen.wrong++ >= WRONG_MAX) return;
    printf("WRONG: %s: kind %d name %.*s tags %zu order %llx tid %u\n", what, (int)r->kind, (int)r->name.len, r->name.ptr,
           r->tag_count, (unsigned long long)r->order, r->tid);
}

static void check_all(const struct tw_records *records)
{
    struct torn_seen one;
    for (size_t i = 0; i < records->count; i++) {
        const struct tw_record *r = &records->items[i];
        const char *wrong = torn_check(r, &one);
        if (wrong) print_wrong(r, wrong);
        if (i && (r->time_ns < r[-1].time_ns || (r->time_ns == r[-1].time_ns && r->order <= r[-1].order)))
            print_wrong(r, "not in the order of time, or twice");
        seen.in_part += one.in_part;
        seen.spans += r->kind == TW_RECORD_SPAN;
        seen.open += r->kind == TW_RECORD_OPEN;
        seen.events += r->kind == TW_RECORD_EVENT;
    }
    seen.missed += records->missed;
    seen.damaged += records->damaged;
    seen.passes++;
}

static bool read_once(struct tw_reader *reader, struct tw_position *position)
{
    struct tw_records *records;
    int result = tw_reader_read(reader, &(struct tw_query){.open_spans = true, .after = position}, &records);
    if (result != 0) {
        printf("WRONG: the read failed: %s\n", tw_err_text(result));
        seen.wrong++;
        return false;
    }
    check_all(records);
    tw_records_free(records);
    return true;
}

static uint64_t written_by_all(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < options.threads; i++) sum += tw__load_relaxed(&shared->written[i * 8]);
    return sum;
}

static void print_progress(uint64_t began)
{
    double s = (double)(now_ns() - began) / 1e9;
    uint64_t all = seen.spans + seen.events + seen.open;
    printf("%8.0f s  %llu M read (%llu M spans, %llu M events, %llu k open), %.2f M/s; %llu M spans written, %.2f M/s; "
           "%llu chunks overwritten first, %llu spans in part; %llu wrong\n",
           s, (unsigned long long)(all / 1000000), (unsigned long long)(seen.spans / 1000000),
           (unsigned long long)(seen.events / 1000000), (unsigned long long)(seen.open / 1000), (double)all / s / 1e6,
           (unsigned long long)(written_by_all() / 1000000), (double)written_by_all() / s / 1e6, (unsigned long long)seen.missed,
           (unsigned long long)seen.in_part, (unsigned long long)seen.wrong);
    (void)fflush(stdout);
}

static void read_for_long(struct tw_reader *reader)
{
    struct tw_position *position = tw_position_new();
    uint64_t began = now_ns(), next = began + 60000000000u;
    bool well = position != NULL;
    for (uint64_t pass = 0; well && now_ns() - began < options.seconds * 1000000000u; pass++) {
        if (seen.spans + seen.events >= options.records || seen.wrong >= WRONG_MAX) break;
        well = read_once(reader, pass % 8 == 7 ? NULL : position);
        if (now_ns() < next) continue;
        print_progress(began);
        next += 60000000000u;
    }
    print_progress(began);
    tw_position_free(position);
}

static void take_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--short") == 0) {
            options.seconds = 15;
            continue;
        }
        if (strcmp(argv[i], "--busy") == 0) {
            options.breath = false;
            continue;
        }
        if (strcmp(argv[i], "--records") == 0) options.records = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--hours") == 0) options.seconds = strtoull(value, NULL, 10) * 3600;
        if (strcmp(argv[i], "--threads") == 0) options.threads = (uint32_t)strtoul(value, NULL, 10);
        if (strcmp(argv[i], "--arena") == 0) options.arena = strtoul(value, NULL, 10);
        i++;
    }
    if (options.threads > THREADS_MAX) options.threads = THREADS_MAX;
}

int main(int argc, char **argv)
{
    take_options(argc, argv);
    void *page = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 2;
    shared = page;
    pid_t pid = fork();
    if (pid == 0) be_the_writer();
    while (!tw__load_acquire(&shared->ready)) {
        if (waitpid(pid, NULL, WNOHANG) == pid) return 2;
        (void)usleep(1000);
    }
    struct tw_reader *reader;
    char why[TW_WHY_MAX];
    if (tw_reader_open(shared->path, &reader, why) < 0) {
        printf("%s\n", why);
        seen.wrong++;
    } else {
        read_for_long(reader);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)read_once(reader, NULL);
        tw_reader_close(reader);
    }
    (void)kill(pid, SIGKILL);
    (void)unlink(shared->path);
    bool well = seen.wrong == 0 && seen.damaged == 0 && seen.spans > 10000 && seen.events > 100 && seen.open > 10;
    if (seen.damaged) printf("%llu damaged\n", (unsigned long long)seen.damaged);
    printf("%d passed, %d failed\n", well, !well);
    return well ? 0 : 1;
}
