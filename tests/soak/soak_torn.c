/* soak_torn: records read while they are being written: none torn, none invented.
 *
 *     soak_torn [--short] [--records N]        default 1e9; --short 5e6
 *
 * A child process records in two threads as fast as it can, spans and events of many lengths that prove themselves (soak.h). This
 * process reads it without a pause and checks everything it is given, open spans too. Being lapped is allowed, and counted.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "soak.h"

static void *write_forever(void *data)
{
    uint64_t thread = *(const uint64_t *)data, seed = 0;
    for (;;) {
        tw_span root = tw_span_begin("soak");
        soak_tag(root, thread, seed++);
        for (int i = 0; i < 20; i++) {
            tw_span span = tw_span_begin("soak");
            soak_tag(span, thread, seed);
            if (seed % 4 == 0) soak_event(thread, seed);
            tw_span_end(span);
            seed++;
        }
        tw_span_end(root);
        /* A breath now and then, so that the reader sees most of it: what it does not read proves nothing. */
        if (seed % 8192 < 21) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

static void writer(void)
{
    static uint64_t numbers[2] = {1, 2};
    pthread_t other;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pthread_create(&other, NULL, write_forever, &numbers[1]) == 0) write_forever(&numbers[0]);
    _exit(2);
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct tw_reader *open_segment(const char *dir)
{
    struct tw_reader *reader = NULL;
    char path[256], why[TW_WHY_MAX] = "";
    for (int i = 0; i < 1000 && !reader; i++) {
        if (soak_find(dir, path, sizeof path) && tw_reader_open(path, &reader, why) == 0) return reader;
        (void)usleep(10000);
    }
    (void)fprintf(stderr, "no segment: %s\n", why);
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t wanted = 1000000000u, read = 0, open = 0, wrong = 0, damaged = 0, missed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--short") == 0) wanted = 5000000;
        if (strcmp(argv[i], "--records") == 0 && i + 1 < argc) wanted = strtoull(argv[++i], NULL, 10);
    }
    char dir[64];
    soak_folder(dir);
    pid_t child = fork();
    if (child == 0) writer();
    struct tw_reader *reader = open_segment(dir);
    struct tw_position *position = tw_position_new();
    const struct tw_query query = {.after = position, .open_spans = true};
    double begin = seconds(), shown = begin;
    while (reader && position && read < wanted) {
        struct tw_records *records;
        uint64_t thread, seed;
        if (tw_reader_read(reader, &query, &records) < 0) break;
        for (size_t i = 0; i < records->count; i++) {
            enum soak_verdict verdict = soak_check(&records->items[i], &thread, &seed);
            if (verdict == SOAK_WRONG && wrong++ < 5)
                (void)fprintf(stderr, "wrong: kind %d, %zu tags, name %.*s\n", (int)records->items[i].kind,
                              records->items[i].tag_count, (int)records->items[i].name.len, records->items[i].name.ptr);
            if (records->items[i].kind == TW_RECORD_OPEN)
                open++;
            else
                read++;
        }
        damaged += records->damaged;
        missed += records->missed;
        tw_records_free(records);
        if (seconds() - shown > 20 && isatty(2)) {
            shown = seconds();
            (void)fprintf(stderr, "%.0f s: %llu records\n", shown - begin, (unsigned long long)read);
        }
    }
    double took = seconds() - begin;
    tw_position_free(position);
    tw_reader_close(reader);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    soak_folder_remove(dir);
    printf("%llu records and %llu open spans read live in %.1f s (%.2f M/s), %llu chunks overwritten unread; "
           "%llu wrong, %llu places damaged\n",
           (unsigned long long)read, (unsigned long long)open, took, (double)read / took / 1e6, (unsigned long long)missed,
           (unsigned long long)wrong, (unsigned long long)damaged);
    return read >= wanted && wrong == 0 && damaged == 0 ? 0 : 1;
}
