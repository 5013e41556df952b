/* What was recorded before a SIGKILL can be read after it.
 *
 * Again and again: a child records on several threads, and says in a shared page, before and after each call, how far
 * it is. At a random moment it is killed. Then the parent reads what is left and compares:
 *
 *     a span whose end had returned       is there, once, ended, with every tag
 *     a span whose tags had been set      is there, once, open or ended, with every tag
 *     a span that was being begun         may be there, once
 *     any other                           is not there
 *
 * Every record is checked by itself, too (torn.h). In every other round the arena is so small that it is overwritten;
 * then records may be missing, but not more than the segment says were overwritten. Every eighth child is killed while
 * it begins.
 *
 *     soak_kill            2,000 kills
 *     soak_kill --short    60
 *     soak_kill --kills N --seed N --threads N */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomics.h"
#include "soak/torn.h"

enum { THREADS_MAX = 16, INNER = 10, NUMBERS_MAX = 120000, PATH_BYTES = 256, LEAST_RECORD = 64 };

/* How far a thread is. Numbers rise by one: outer spans have the multiples of INNER + 1. */
struct progress {
    uint64_t beginning, tagged; /* the newest span: about to begin; tags set */
    uint64_t outer_tagged;      /* the newest outer span */
    uint64_t ended;             /* inner spans up to here have ended */
    uint64_t outer_ended;       /* outer ones up to here */
    uint64_t pad[3];
};
static struct shared {
    char path[PATH_BYTES];
    uint32_t ready;
    struct progress of[THREADS_MAX];
} *shared;

static struct {
    unsigned long kills, seed;
    uint32_t threads;
} options = {2000, 0, 3};

static struct {
    unsigned long kills, unborn, wrong, small;
    uint64_t committed, open, in_flight, overwritten;
} total;

static uint64_t number_of(uint64_t thread, uint64_t n)
{
    return (thread + 1) << 48 | n;
}

/* -- the child */

static void *record_until_killed(void *data)
{
    uint64_t thread = (uint64_t)(uintptr_t)data, n = 0;
    struct progress *mine = &shared->of[thread];
    while (n + INNER + 1 < NUMBERS_MAX) {
        uint64_t outer_n = n += 1;
        tw__store_release(&mine->beginning, n);
        tw_span outer = torn_begin(number_of(thread, outer_n));
        tw__store_release(&mine->outer_tagged, n);
        tw__store_release(&mine->tagged, n);
        for (int i = 0; i < INNER; i++) {
            n++;
            tw__store_release(&mine->beginning, n);
            tw_span span = torn_begin(number_of(thread, n));
            tw__store_release(&mine->tagged, n);
            tw_span_end(span);
            tw__store_release(&mine->ended, n);
        }
        tw_span_end(outer);
        tw__store_release(&mine->outer_ended, outer_n);
    }
    for (;;) (void)pause();
    return NULL;
}

static void be_the_victim(const char *dir, bool small)
{
    const struct tw_config config = {
        .service = "soak_kill", .dir = dir, .arena_bytes = small ? 512u << 10 : 128u << 20};
    pthread_t threads[THREADS_MAX];
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (tw_init(&config) != 0) _exit(2);
    if (tw_recorder_path(shared->path, sizeof shared->path) < 0) _exit(2);
    tw__store_release(&shared->ready, 1);
    for (uint32_t i = 0; i < options.threads; i++)
        if (pthread_create(&threads[i], NULL, record_until_killed, (void *)(uintptr_t)i) != 0) _exit(2);
    for (;;) (void)pause();
}

/* -- the parent */

static void wrong(const char *what, uint64_t number)
{
    if (total.wrong++ < 20) printf("WRONG: kill %lu: %s: %llx\n", total.kills, what, (unsigned long long)number);
}

/* What was seen of each number: 0 nothing, 1 open, 2 ended. */
static uint8_t found[THREADS_MAX][NUMBERS_MAX];

static void note(const struct tw_record *r, const struct torn_seen *seen)
{
    uint64_t thread = (seen->number >> 48) - 1, n = seen->number & 0xffffffffffff;
    bool open = r->kind == TW_RECORD_OPEN;
    if (thread >= options.threads || n == 0 || n >= NUMBERS_MAX) {
        wrong("a number that nobody gave", seen->number);
        return;
    }
    const struct progress *of = &shared->of[thread];
    if (found[thread][n]) wrong("there twice", seen->number);
    found[thread][n] = open ? 1 : 2;
    if (n > of->beginning) wrong("not begun yet", seen->number);
    total.open += open;
}

/* An open span whose tags had all been set shows them all. torn_check has seen to those that are not open. */
static void check_open_tags(const struct tw_record *r, const struct torn_seen *seen)
{
    uint64_t thread = (seen->number >> 48) - 1, n = seen->number & 0xffffffffffff;
    if (thread >= options.threads || n > shared->of[thread].tagged) return;
    if (!torn_has_all(r)) wrong("open, and a tag is missing", seen->number);
}

static void check_records(const struct tw_records *records, bool whole)
{
    struct torn_seen seen;
    memset(found, 0, sizeof found);
    if (records->damaged) wrong("damaged", records->damaged);
    for (size_t i = 0; i < records->count; i++) {
        const struct tw_record *r = &records->items[i];
        const char *what = torn_check(r, &seen);
        if (what) wrong(what, r->order);
        if (seen.in_part && whole && r->kind != TW_RECORD_OPEN) wrong("in part", r->order);
        if (seen.number == 0) continue;
        note(r, &seen);
        if (r->kind == TW_RECORD_OPEN && whole) check_open_tags(r, &seen);
    }
}

static bool is_outer(uint64_t n)
{
    return n % (INNER + 1) == 1;
}

/* Returns how many are missing that had ended. Where records are overwritten, one whose end had done its work but had
 * not been noted may be among them: its thread was waiting for a processor, and the others went round. */
static uint64_t check_progress(uint64_t thread, bool whole)
{
    const struct progress *of = &shared->of[thread];
    uint64_t missing = 0;
    for (uint64_t n = 1; n <= of->beginning && n < NUMBERS_MAX; n++) {
        bool ended = n <= (is_outer(n) ? of->outer_ended : of->ended);
        uint8_t is = found[thread][n];
        total.committed += ended;
        if (ended && is == 1) wrong("shown as open, had ended", number_of(thread, n));
        if (is == 0 && (ended || (!whole && (n == of->tagged || is_outer(n))))) missing++;
        else if (!ended && n <= of->tagged && is == 0) wrong("an open span is missing", number_of(thread, n));
        if (!ended && n > of->tagged) total.in_flight += is != 0;
    }
    return missing;
}

static void check_what_is_left(const char *path)
{
    struct tw_reader *reader;
    struct tw_records *records;
    struct tw_process process;
    char why[TW_WHY_MAX];
    if (tw_reader_open(path, &reader, why) < 0) {
        printf("%s\n", why);
        wrong("cannot be opened", 0);
        return;
    }
    if (tw_reader_process(reader, &process) < 0 ||
        tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records) < 0) {
        wrong("cannot be read", 0);
        tw_reader_close(reader);
        return;
    }
    if (process.state != TW_PROCESS_DEAD) wrong("not dead", (uint64_t)process.state);
    uint64_t missing = 0;
    bool whole = process.overwritten_bytes == 0;
    check_records(records, whole);
    for (uint32_t t = 0; t < options.threads; t++) missing += check_progress(t, whole);
    if (missing * LEAST_RECORD > process.overwritten_bytes) wrong("missing, and not overwritten", missing);
    total.overwritten += missing;
    tw_records_free(records);
    tw_reader_close(reader);
}

/* A child that was killed while it began has left nothing, or what no reader takes for a segment, or an empty one. */
static void check_unborn(const char *dir)
{
    DIR *d = opendir(dir);
    char path[PATH_BYTES * 2];
    for (const struct dirent *e = d ? readdir(d) : NULL; e; e = readdir(d)) {
        struct tw_reader *reader;
        if (e->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        int result = tw_reader_open(path, &reader, NULL);
        if (result == 0) {
            tw_reader_close(reader);
            check_what_is_left(path);
        } else if (result != TW_ERR_FOREIGN) {
            wrong("neither a segment nor none", (uint64_t)-result);
        }
        (void)unlink(path);
    }
    if (d) (void)closedir(d);
    total.unborn++;
}

static void kill_one(const char *dir, bool small, bool early)
{
    memset(shared, 0, sizeof *shared);
    pid_t pid = fork();
    if (pid == 0) be_the_victim(dir, small);
    if (early) {
        (void)usleep((useconds_t)(rand() % (small ? 2000 : 40000)));
    } else {
        while (!tw__load_acquire(&shared->ready))
            if (waitpid(pid, NULL, WNOHANG) == pid) {
                wrong("did not begin", 0);
                return;
            }
        (void)usleep((useconds_t)(rand() % 20000));
    }
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    total.kills++;
    total.small += small;
    if (shared->ready) {
        check_what_is_left(shared->path);
        (void)unlink(shared->path);
    } else {
        check_unborn(dir);
    }
}

static void take_options(int argc, char **argv)
{
    options.seed = (unsigned long)time(NULL);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--short") == 0) {
            options.kills = 60;
            continue;
        }
        if (strcmp(argv[i], "--kills") == 0) options.kills = strtoul(value, NULL, 10);
        if (strcmp(argv[i], "--seed") == 0) options.seed = strtoul(value, NULL, 10);
        if (strcmp(argv[i], "--threads") == 0) options.threads = (uint32_t)strtoul(value, NULL, 10);
        i++;
    }
    if (options.threads > THREADS_MAX) options.threads = THREADS_MAX;
    srand((unsigned)options.seed);
}

int main(int argc, char **argv)
{
    const char *given = getenv("TRACKWAY_DIR");
    char dir[PATH_BYTES];
    take_options(argc, argv);
    void *page = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 2;
    shared = page;
    if (given) (void)mkdir(given, 0700);
    (void)snprintf(dir, sizeof dir, "%.200s/soak_kill.XXXXXX", given && *given ? given : "/dev/shm");
    if (!mkdtemp(dir)) return 2;
    for (unsigned long i = 0; i < options.kills && total.wrong < 20; i++) {
        kill_one(dir, i % 2, i % 8 >= 6);
        if (total.kills % 500 == 0) printf("%lu kills, %lu wrong\n", total.kills, total.wrong);
        (void)fflush(stdout);
    }
    (void)rmdir(dir);
    printf("%lu kills (%lu small arenas, seed %lu): %llu spans had ended, of them %llu overwritten in small arenas, "
           "%llu open "
           "found, %llu caught in begin; %lu wrong\n",
           total.kills, total.small, options.seed, (unsigned long long)total.committed,
           (unsigned long long)total.overwritten, (unsigned long long)total.open, (unsigned long long)total.in_flight,
           total.wrong);
    bool well = total.wrong == 0 && total.kills == options.kills && total.committed > 10000 && total.open > 20;
    printf("%d passed, %d failed\n", well, !well);
    return well ? 0 : 1;
}
