/* No record that a reader delivers from a live process is torn or invented.
 *
 * A child records on several threads, records that can be checked by themselves (torn.h), into an arena that is
 * overwritten again and again. The parent reads it from outside without pause, by a position and whole, and checks
 * every record it is given; at the end again, with the child killed. Roots, laps, events, spans left open, and slots
 * that overflow are in the mix.
 *
 * What is overwritten unread proves nothing, and costs as much. So the writers mostly stay within about an arena of the
 * reader: chunks are taken while they are copied, and few are lost. Every FREE_EACHth second nobody waits, for the laps
 * (--busy: never). The records that a position delivers are counted apart from those that a look at the whole arena
 * delivers again.
 *
 *     soak_torn            until a billion records were read; if --hours 24 pass before, it has failed
 *     soak_torn --short    15 seconds, however many
 *     soak_torn --records N --threads N --arena BYTES --busy */
#include <errno.h>
#include <malloc.h>
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

enum { THREADS_MAX = 64, WRONG_MAX = 20, PATH_BYTES = 256, FREE_EACH = 8, WHOLE_EACH = 16, BYTES_A_RECORD = 128 };

static struct shared {
    char path[PATH_BYTES];
    uint32_t ready;
    struct {
        uint64_t written, allowed; /* records, roughly; how many the reader wants to be written until it looks again */
        uint64_t pad[6];           /* a line each */
    } of[THREADS_MAX];
} * shared;

static struct {
    uint64_t records, seconds;
    uint32_t threads;
    size_t arena;
    bool busy, brief;
} options = {.records = 1000000000, .seconds = 24 * 3600, .threads = 4, .arena = 8 << 20};

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* -- the child */

/* Waits until the reader has come near, but in seconds in which nobody waits. */
static void wait_for_reader(uint64_t number, uint64_t n)
{
    while (!options.busy && n > tw__load_relaxed(&shared->of[number].allowed) && now_ns() / 1000000000u % FREE_EACH)
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

static void *write_for_ever(void *data)
{
    uint64_t number = (uint64_t)(uintptr_t)data, first = (number + 1) << 48, n = first;
    for (;;) {
        tw_span root = tw_span_begin_root("root");
        for (int i = 0; i < 50; i++) torn_write(++n);
        tw_span outer = torn_begin(++n); /* open for a while, below others */
        for (int i = 0; i < 10; i++) torn_write(++n);
        wait_for_reader(number, n - first);
        tw_span_end(outer);
        tw_span_end(root);
        tw__store_relaxed(&shared->of[number].written, n - first);
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
    uint64_t spans, open, events, again, in_part, wrong, missed, damaged, passes;
} seen;

static void print_wrong(const struct tw_record *r, const char *what)
{
    if (seen.wrong++ >= WRONG_MAX) return;
    printf("WRONG: %s: kind %d name %.*s tags %zu order %llx tid %u\n", what, (int)r->kind, (int)r->name.len,
           r->name.ptr, r->tag_count, (unsigned long long)r->order, r->tid);
}

static void check_all(const struct tw_records *records, bool again)
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
    if (again) seen.again += records->count;
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
    check_all(records, !position);
    tw_records_free(records);
    return true;
}

static uint64_t written_by_all(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < options.threads; i++) sum += tw__load_relaxed(&shared->of[i].written);
    return sum;
}

static void allow_an_arena(void)
{
    uint64_t each = options.arena / BYTES_A_RECORD / options.threads;
    for (uint32_t i = 0; i < options.threads; i++)
        tw__store_relaxed(&shared->of[i].allowed, tw__load_relaxed(&shared->of[i].written) + each);
}

static uint64_t read_by_all(void)
{
    return seen.spans + seen.events;
}

static void print_progress(const char *what, uint64_t began)
{
    double s = (double)(now_ns() - began) / 1e9;
    uint64_t all = read_by_all();
    printf("%s %.0f s: %.1f M records read live, %.1f %% of %.0f M, %.2f M/s (%.1f M spans, %.1f M events; %.1f M of "
           "them again); "
           "%.1f k open spans; %.1f M written, %llu chunks overwritten unread, %llu spans in part; %llu wrong, %llu "
           "damaged\n",
           what, s, (double)all / 1e6, 100 * (double)all / (double)options.records, (double)options.records / 1e6,
           (double)all / s / 1e6, (double)seen.spans / 1e6, (double)seen.events / 1e6, (double)seen.again / 1e6,
           (double)seen.open / 1e3, (double)written_by_all() / 1e6, (unsigned long long)seen.missed,
           (unsigned long long)seen.in_part, (unsigned long long)seen.wrong, (unsigned long long)seen.damaged);
    (void)fflush(stdout);
}

static void read_for_long(struct tw_reader *reader, uint64_t began)
{
    struct tw_position *position = tw_position_new();
    uint64_t next = began + 60000000000u;
    bool well = position != NULL;
    for (uint64_t pass = 0; well && now_ns() - began < options.seconds * 1000000000u; pass++) {
        if (read_by_all() >= options.records || seen.wrong >= WRONG_MAX) break;
        allow_an_arena();
        well = read_once(reader, pass % WHOLE_EACH == WHOLE_EACH - 1 ? NULL : position);
        if (now_ns() < next) continue;
        print_progress("  after", began);
        next += 60000000000u;
    }
    tw_position_free(position);
}

static void take_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--short") == 0) {
            options.seconds = 15;
            options.brief = true;
            continue;
        }
        if (strcmp(argv[i], "--busy") == 0) {
            options.busy = true;
            continue;
        }
        if (strcmp(argv[i], "--records") == 0) options.records = strtoull(value, NULL, 10);
        if (strcmp(argv[i], "--hours") == 0) options.seconds = strtoull(value, NULL, 10) * 3600;
        if (strcmp(argv[i], "--threads") == 0) options.threads = (uint32_t)strtoul(value, NULL, 10);
        if (strcmp(argv[i], "--arena") == 0) options.arena = strtoul(value, NULL, 10);
        i++;
    }
    if (options.threads < 1 || options.threads > THREADS_MAX) options.threads = THREADS_MAX;
}

int main(int argc, char **argv)
{
    take_options(argc, argv);
    /* What a pass takes stays with the process: half of the time would go into getting it anew. */
    (void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
    (void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
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
    uint64_t began = now_ns();
    if (tw_reader_open(shared->path, &reader, why) < 0) {
        printf("%s\n", why);
        seen.wrong++;
    } else {
        read_for_long(reader, began);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        (void)read_once(reader, NULL);
        tw_reader_close(reader);
    }
    (void)kill(pid, SIGKILL);
    (void)unlink(shared->path);
    print_progress("torn reads:", began);
    bool mixed = seen.spans > 10000 && seen.events > 100 && seen.open > 10,
         enough = options.brief || read_by_all() >= options.records;
    if (!mixed) printf("too little of a kind was seen to say anything\n");
    if (!enough) printf("ended before %llu records were read\n", (unsigned long long)options.records);
    bool well = seen.wrong == 0 && seen.damaged == 0 && mixed && enough;
    printf("%d passed, %d failed\n", well, !well);
    return well ? 0 : 1;
}
