/* bench: see the header.
 *
 * Noise only ever adds: another process on the processor, a cold cache after it. A slot is a fraction of a millisecond,
 * far less than a time slice, so most slots see no neighbour at all, and the median is of those. Slots of all
 * contenders alternate, so that what does touch the median (a shared cache, a slower clock) touches all of them.
 * Absolute nanoseconds belong to the machine; what a limit is set on is a ratio within one run wherever that is
 * possible.
 *
 * Rejected: the mean (one preemption is worth a thousand turns); pairing each slot with its neighbour and taking the
 * median ratio (the same within 0.2 % here, and then value / baseline is not the ratio that is printed).
 */
#define _GNU_SOURCE
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct bench_options bench_options;

void bench_die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(2);
}

bool bench_parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--json") == 0) {
            bench_options.json = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            bench_options.only = argv[++i];
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            unsigned long n = strtoul(argv[++i], &end, 10);
            if (*end || n == 0 || n > 1000000) goto usage;
            bench_options.rounds = (unsigned)n;
        } else {
            goto usage;
        }
    }
    return true;
usage:
    fprintf(stderr,
            "usage: %s [--json] [--only NAME] [--rounds N]\n"
            "  --json     one JSON object a line: name, value, unit, baseline, ratio, limit, pass\n"
            "  --only     rows whose name is NAME or begins with it, such as span or memory.idle\n"
            "  --rounds   how often the contenders take turns\n"
            "Exit code 0 when all limits are kept, 1 when one is not, 2 when nothing could be measured.\n",
            argv[0]);
    return false;
}

unsigned bench_rounds(unsigned otherwise)
{
    return bench_options.rounds ? bench_options.rounds : otherwise;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool bench_wanted(const char *prefix)
{
    return !bench_options.only || begins(prefix, bench_options.only) || begins(bench_options.only, prefix);
}

void bench_add(struct bench_samples *samples, double value)
{
    if (samples->count == samples->cap) {
        size_t cap = samples->cap ? 2 * samples->cap : 256;
        double *more = realloc(samples->values, cap * sizeof *more);
        if (!more) bench_die("out of memory");
        samples->values = more;
        samples->cap = cap;
    }
    samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(struct bench_samples *samples, double q)
{
    if (samples->count == 0) return 0;
    qsort(samples->values, samples->count, sizeof *samples->values, compare);
    return samples->values[(size_t)(q * (double)(samples->count - 1))];
}

void bench_samples_free(struct bench_samples *samples)
{
    free(samples->values);
    *samples = (struct bench_samples){NULL, 0, 0};
}

bool bench_passes(const struct bench_row *row)
{
    if (row->limit <= 0) return true;
    double measured = row->baseline > 0 ? row->value / row->baseline : row->value;
    return isfinite(measured) && measured <= row->limit;
}

static void print_number(const char *key, double number, bool known)
{
    if (known)
        printf(",\"%s\":%.5g", key, number);
    else
        printf(",\"%s\":null", key);
}

bool bench_report(const struct bench_row *row)
{
    bool pass = bench_passes(row), against = row->baseline > 0;
    if (bench_options.only && !begins(row->name, bench_options.only)) return true;
    if (bench_options.json) {
        printf("{\"name\":\"%s\",\"value\":%.5g,\"unit\":\"%s\"", row->name, row->value, row->unit);
        print_number("baseline", row->baseline, against);
        print_number("ratio", row->value / (against ? row->baseline : 1), against);
        print_number("limit", row->limit, row->limit > 0);
        printf(",\"pass\":%s}\n", pass ? "true" : "false");
        fflush(stdout);
        return pass;
    }
    char ratio[32] = "", limit[32] = "";
    if (against) snprintf(ratio, sizeof ratio, "%.3f x %.4g", row->value / row->baseline, row->baseline);
    if (row->limit > 0) snprintf(limit, sizeof limit, "<= %.4g", row->limit);
    printf("  %-26s %9.4g %-6s %-15s %-9s %-6s %s\n", row->name, row->value, row->unit, ratio, limit,
           row->limit <= 0 ? "-"
           : pass          ? "ok"
                           : "FAILED",
           row->note ? row->note : "");
    fflush(stdout);
    return pass;
}

void bench_headline(const char *text)
{
    if (bench_options.json) return;
    printf("%s\n", text);
    fflush(stdout);
}

void bench_skip(const char *name, const char *why)
{
    if (bench_options.json)
        fprintf(stderr, "%s: skipped: %s\n", name, why);
    else
        printf("  %-26s skipped: %s\n", name, why);
    fflush(stdout);
}

double bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void bench_race(struct bench_contender *contenders, size_t count, unsigned rounds, unsigned n)
{
    for (size_t i = 0; i < count; i++) contenders[i].run(n); /* warm: sites registered, pages and branches known */
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < count; i++) {
            struct bench_contender *contender = &contenders[(i + round) % count];
            double start = bench_now_ns();
            contender->run(n);
            bench_add(&contender->ns, (bench_now_ns() - start) / n);
        }
    }
}

double bench_median(struct bench_contender *contender)
{
    return bench_quantile(&contender->ns, 0.5);
}

/* -- processors -- */

static cpu_set_t allowed; /* before anybody was bound */

static void learn_allowed(void)
{
    if (CPU_COUNT(&allowed) == 0 && sched_getaffinity(0, sizeof allowed, &allowed) != 0) CPU_SET(0, &allowed);
}

unsigned bench_processors(void)
{
    learn_allowed();
    return (unsigned)CPU_COUNT(&allowed);
}

bool bench_pin(unsigned index)
{
    learn_allowed();
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed) || index-- > 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        return sched_setaffinity(0, sizeof one, &one) == 0;
    }
    return false;
}

/* -- a child in a folder of its own -- */

static char folder[64];
static volatile sig_atomic_t child_pid;
static volatile sig_atomic_t ended_by;

static void on_signal(int number)
{
    ended_by = number;
    if (child_pid > 0) (void)kill(child_pid, SIGKILL);
}

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "%s",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/trackway-bench-XXXXXX" : "/tmp/trackway-bench-XXXXXX");
    if (!mkdtemp(folder)) bench_die("cannot make a folder for segments");
    if (setenv("TRACKWAY_DIR", folder, 1) != 0) bench_die("out of memory");
}

static void remove_folder(void)
{
    char path[sizeof folder + sizeof(struct dirent)];
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') (void)unlink(path);
    }
    if (dir) closedir(dir);
    (void)rmdir(folder);
}

bool bench_child(bool (*fn)(void))
{
    struct sigaction act = {.sa_handler = on_signal}, old[3];
    const int numbers[3] = {SIGINT, SIGTERM, SIGHUP};
    int status = 0;
    learn_allowed();
    make_folder();
    for (int i = 0; i < 3; i++) (void)sigaction(numbers[i], &act, &old[i]);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) (void)sigaction(numbers[i], &old[i], NULL);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        bool pass = fn();
        fflush(NULL);
        _exit(pass ? 0 : 1);
    }
    child_pid = pid;
    if (ended_by && pid > 0) (void)kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    child_pid = 0;
    remove_folder();
    if (ended_by) exit(128 + ended_by);
    for (int i = 0; i < 3; i++) (void)sigaction(numbers[i], &old[i], NULL);
    if (pid < 0 || !WIFEXITED(status) || WEXITSTATUS(status) > 1)
        fprintf(stderr, "bench: a group of measurements died\n");
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
