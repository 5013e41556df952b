/* soak_kill: SIGKILL at a random moment; every committed record and every open span readable, nothing corrupt.
 *
 *     soak_kill [--short] [--kills N]        default 2,000; --short 60
 *
 * Each round a child records in three threads. After each begin and each end it notes the number in a page that it shares with
 * this process. It is killed after some ms. Then its segment must show, for each thread: the last noted begin as a record or as an
 * open span; in rounds with an arena that nobody can fill in the time, every number from 1 to at least the last noted end, once;
 * and nothing, ever, that does not prove itself. Two rounds of three have that arena; the third has the smallest there is, so
 * that death comes in the middle of overwriting.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

enum { THREADS = 3 };

static struct note {
    uint64_t begun, tagged, ended;
    uint64_t pad[5];
} *notes;

static void note(uint64_t *place, uint64_t value)
{
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}

static void *record(void *data)
{
    uint64_t thread = (uint64_t)((struct note *)data - notes);
    for (uint64_t seed = 1;; seed++) {
        tw_span span = tw_span_begin_root("soak");
        note(&notes[thread].begun, seed);
        soak_tag(span, thread, seed);
        note(&notes[thread].tagged, seed);
        tw_span_end(span);
        note(&notes[thread].ended, seed);
    }
    return NULL;
}

static void child(void)
{
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i < THREADS; i++)
        if (pthread_create(&thread, NULL, record, &notes[i]) != 0) _exit(2);
    record(&notes[0]);
}

struct tally {
    uint64_t low, high, count;
    bool open_tagged;
    uint64_t open_seed;
    bool open_untagged;
};

static unsigned problems, laps;

static void problem(unsigned round, const char *what, unsigned thread, uint64_t a, uint64_t b)
{
    if (problems++ < 10)
        (void)fprintf(stderr, "round %u: thread %u: %s (%llu, %llu)\n", round, thread, what, (unsigned long long)a, (unsigned long long)b);
}

static void tally_record(unsigned round, const struct tw_record *r, struct tally tallies[THREADS], unsigned *untold)
{
    uint64_t thread = 0, seed = 0;
    enum soak_verdict verdict = soak_check(r, &thread, &seed);
    if (verdict == SOAK_WRONG || (verdict == SOAK_WHOLE && thread >= THREADS)) {
        problem(round, "a record does not prove itself", (unsigned)thread, seed, r->tag_count);
        return;
    }
    if (r->kind == TW_RECORD_OPEN) {
        if (verdict == SOAK_PARTIAL && seed == 0) {
            ++*untold; /* killed before its first tags */
            return;
        }
        tallies[thread].open_tagged = true;
        tallies[thread].open_seed = seed;
        return;
    }
    struct tally *t = &tallies[thread];
    if (t->count == 0 || seed < t->low) t->low = seed;
    if (seed > t->high) t->high = seed;
    t->count++;
}

static void judge(unsigned round, const struct tally tallies[THREADS], unsigned untold, bool lapped)
{
    for (unsigned i = 0; i < THREADS; i++) {
        const struct tally *t = &tallies[i];
        uint64_t begun = notes[i].begun, ended = notes[i].ended;
        if (begun == 0) continue; /* never got so far */
        if (!lapped && t->high != t->count) problem(round, "a number is missing or twice", i, t->high, t->count);
        if (!lapped && t->high < ended) problem(round, "a committed record is gone", i, t->high, ended);
        if (begun > ended && t->high < begun && !lapped) {
            bool seen = t->open_tagged && t->open_seed == begun;
            if (!seen && untold == 0) problem(round, "an open span is gone", i, begun, t->open_seed);
            if (!seen && untold) untold--;
        }
    }
}

static void examine(unsigned round, const char *path, uint64_t *records_read)
{
    struct tw_reader *reader;
    struct tw_records *records;
    struct tally tallies[THREADS] = {{0}};
    unsigned untold = 0;
    char why[TW_WHY_MAX];
    if (tw_reader_open(path, &reader, why) < 0) {
        bool begun = notes[0].begun || notes[1].begun || notes[2].begun;
        if (begun) problem(round, why, 0, 0, 0);
        return; /* killed while the file was being made */
    }
    const struct tw_query query = {.open_spans = true};
    struct tw_process process = {0};
    (void)tw_reader_process(reader, &process);
    if (tw_reader_read(reader, &query, &records) == 0) {
        if (records->damaged) problem(round, "damaged", 0, records->damaged, 0);
        for (size_t i = 0; i < records->count; i++) tally_record(round, &records->items[i], tallies, &untold);
        *records_read += records->count;
        judge(round, tallies, untold, process.overwritten_bytes > 0);
        if (process.overwritten_bytes) laps++;
        tw_records_free(records);
    }
    tw_reader_close(reader);
}

int main(int argc, char **argv)
{
    unsigned kills = 2000;
    uint64_t records_read = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--short") == 0) kills = 60;
        if (strcmp(argv[i], "--kills") == 0 && i + 1 < argc) kills = (unsigned)strtoul(argv[++i], NULL, 10);
    }
    notes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (notes == MAP_FAILED) return 2;
    char dir[64], path[256];
    soak_folder(dir);
    for (unsigned round = 0; round < kills; round++) {
        memset(notes, 0, 4096);
        (void)setenv("TRACKWAY_ARENA", round % 3 == 2 ? "512K" : "64M", 1);
        pid_t pid = fork();
        if (pid == 0) child();
        while (!soak_find(dir, path, sizeof path)) (void)usleep(100);
        uint64_t wait_us = soak_mix(round + (uint64_t)getpid() * 65536) % 5000;
        if (round % 4) /* else also while starting */
            while (__atomic_load_n(&notes[0].begun, __ATOMIC_ACQUIRE) == 0) (void)usleep(100);
        (void)usleep((useconds_t)wait_us);
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        examine(round, path, &records_read);
        (void)unlink(path);
    }
    soak_folder_remove(dir);
    printf("%u kills, %u while overwriting, %llu records read after death: %u problems\n", kills, laps,
           (unsigned long long)records_read, problems);
    return problems || laps == 0 || laps > kills / 2 ? 1 : 0;
}
