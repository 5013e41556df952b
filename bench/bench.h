/* bench: what the benchmarks share: options, samples and their quantiles, rows as table or JSON, processors, scratch.
 *
 * A benchmark is a table of contenders that take turns in short slots, so that whatever else the machine does falls on
 * all alike. A row is the median of its slots beside the median of its baseline's, from the same rounds of the same
 * process.
 */
#ifndef TW_BENCH_H
#define TW_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_options {
    bool json;
    const char *only; /* a row's name or the beginning of some; NULL all */
    unsigned rounds;  /* 0: as many as each benchmark thinks right */
};
extern struct bench_options bench_options;

/* Takes --json, --only NAME, --rounds N. False: not understood, and usage has been printed. */
bool bench_parse(int argc, char **argv);
/* Rounds to make: --rounds, or what is given. */
unsigned bench_rounds(unsigned otherwise);
/* Whether a group of rows whose names begin with prefix has anything that --only asks for. */
bool bench_wanted(const char *prefix);

struct bench_samples {
    double *values;
    size_t count, cap;
};
/* Appends; ends the program when there is no memory. Free with bench_samples_free. */
void bench_add(struct bench_samples *samples, double value);
/* q from 0 (least) to 1 (greatest); 0 for no samples. Sorts. */
double bench_quantile(struct bench_samples *samples, double q);
void bench_samples_free(struct bench_samples *samples);

/* One result. The limit is one of value / baseline where there is a baseline, else of value. */
struct bench_row {
    const char *name;
    double value;
    const char *unit;
    double baseline; /* 0: none */
    double limit;    /* at most; 0: none */
    const char *note;
};
/* Whether value or ratio keeps the limit; true when there is none. */
bool bench_passes(const struct bench_row *row);
/* Prints, if asked for. Returns bench_passes. */
bool bench_report(const struct bench_row *row);
void bench_headline(const char *text); /* table form only */
void bench_skip(const char *name, const char *why);

/* A contender: n times the work. Its own function, so that each loop is compiled alone. */
struct bench_contender {
    const char *name;
    void (*run)(unsigned n);
    struct bench_samples ns; /* per turn */
};
/* Gives each contender a slot of n turns in each of the rounds; samples are added to. */
void bench_race(struct bench_contender *contenders, size_t count, unsigned rounds, unsigned n);
double bench_median(struct bench_contender *contender);

double bench_now_ns(void);
/* Binds the calling thread to the index-th processor it may use. False when there are not so many. */
bool bench_pin(unsigned index);
unsigned bench_processors(void);

/* A folder of our own for segments, in TRACKWAY_DIR, removed with what is in it when fn has returned or a signal ends
 * us. fn runs in a child process, so that each group begins with a library that nobody has used yet. Returns its
 * result; false when it died. */
bool bench_child(bool (*fn)(void));

void bench_die(const char *what) __attribute__((noreturn));

#endif
