/* record_spans: what one thread pays for a span, with and without tags, for a lap, an event, and with recording off.
 *
 * Each contender is a loop in a function of its own; spans are children of one open root, as in a program that serves a
 * request. Turning to a new chunk, once in 127 spans, is part of what is measured. A row that misses its limit is
 * measured again, up to three times in all, and the last measurement counts: on a machine that does other work the
 * noise misses a limit now and then, a recorder that is too slow misses it every time.
 */
#include <trackway/trackway.h>

#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "floor.h"
#include "record.h"

enum { ROUNDS = 400, OFF_ROUNDS = 200, TURNS = 8000, OFF_TURNS = 100000, TRIES = 3 };

static tw_span root;
static const char *words[4] = {"GET", "cart", "eu-west", "blue"};

static void span_0_tags(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_span_end(span);
    }
}

static void span_4_ints(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "a", i);
        tw_tag(span, "b", (int)i);
        tw_tag(span, "c", (long)i);
        tw_tag(span, "d", 4);
        tw_span_end(span);
    }
}

static void span_4_literals(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "method", "GET");
        tw_tag(span, "page", "cart");
        tw_tag(span, "region", "eu-west");
        tw_tag(span, "colour", "blue");
        tw_span_end(span);
    }
}

static void span_4_texts(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "method", words[0]);
        tw_tag(span, "page", words[1]);
        tw_tag(span, "region", words[2]);
        tw_tag(span, "colour", words[3]);
        tw_span_end(span);
        __asm__ volatile("" : : "r"(words) : "memory"); /* words may have changed */
    }
}

static void span_root(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin_root("request");
        tw_span_end(span);
    }
}

static void span_lap(unsigned n)
{
    tw_span span = tw_span_begin("phase");
    for (unsigned i = 0; i < n; i++) span = tw_span_lap(span, "phase");
    tw_span_end(span);
}

static void span_event(unsigned n)
{
    for (unsigned i = 0; i < n; i++) tw_event("hit");
}

/* Off, nothing is called, and a compiler may ask once for a whole loop whether it is so. What a program does between
 * two spans forbids that, and so does the barrier. */
#define WORK __asm__ volatile("" : : "r"(i) : "memory")

static void off_span(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        WORK;
        tw_span span = tw_span_begin("work");
        tw_span_end(span);
    }
}

static void off_4_ints(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        WORK;
        tw_span span = tw_span_begin("work");
        tw_tag(span, "a", i);
        tw_tag(span, "b", i);
        tw_tag(span, "c", i);
        tw_tag(span, "d", 4);
        tw_span_end(span);
    }
}

/* Two sites: work lies between the begin and the end. */
static void off_around(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        TW_SCOPE(span, "work");
        WORK;
    }
}

static void off_event(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        WORK;
        tw_event("hit");
    }
}

enum { A, B, SPAN, INTS, LITERALS, TEXTS, ROOT, LAP, EVENT, CONTENDERS };

static bool measure_on(bool print)
{
    struct bench_contender c[CONTENDERS] = {
        [A] = {.run = floor_a},
        [B] = {.run = floor_b},
        [SPAN] = {.run = span_0_tags},
        [INTS] = {.run = span_4_ints},
        [LITERALS] = {.run = span_4_literals},
        [TEXTS] = {.run = span_4_texts},
        [ROOT] = {.run = span_root},
        [LAP] = {.run = span_lap},
        [EVENT] = {.run = span_event},
    };
    bench_race(c, CONTENDERS, bench_rounds(ROUNDS), TURNS);
    double m[CONTENDERS];
    for (size_t i = 0; i < CONTENDERS; i++) m[i] = bench_median(&c[i]);
    char least[64];
    snprintf(least, sizeof least, "by the least of each: %.3f x",
             bench_quantile(&c[SPAN].ns, 0) / bench_quantile(&c[A].ns, 0));
    const struct bench_row rows[] = {
        {"span.floor_a", m[A], "ns", 0, 0, NULL},
        {"span.floor_b", m[B], "ns", 0, 0, NULL},
        {"span.0_tags", m[SPAN], "ns", m[A], 1.10, least},
        {"span.4_ints", m[INTS], "ns", m[A], 1.15, NULL},
        {"span.4_literals", m[LITERALS], "ns", m[A], 1.15, "4 short strings"},
        {"span.4_texts", m[TEXTS], "ns", m[A], 0, "4 short strings known at run time only"},
        {"span.root", m[ROOT], "ns", m[A], 0, "with a fresh trace id"},
        {"span.lap", m[LAP], "ns", m[A], 0.60, NULL},
        {"span.event", m[EVENT], "ns", m[B], 1.10, "against floor B"},
    };
    bool pass = true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!bench_passes(&rows[i])) pass = false;
    for (size_t i = 0; (pass || print) && i < sizeof rows / sizeof rows[0]; i++) (void)bench_report(&rows[i]);
    for (size_t i = 0; i < CONTENDERS; i++) bench_samples_free(&c[i].ns);
    return pass;
}

/* Nanoseconds over an empty loop. They are few: longer slots. */
static bool measure_off(bool print)
{
    struct bench_contender c[] = {
        {.run = floor_empty}, {.run = off_span}, {.run = off_4_ints}, {.run = off_event}, {.run = off_around}};
    enum { COUNT = sizeof c / sizeof c[0] };
    struct bench_row rows[COUNT] = {{.name = NULL},
                                    {.name = "off.span", .limit = 0.5},
                                    {.name = "off.4_ints", .limit = 0.5},
                                    {.name = "off.event", .limit = 0.5},
                                    {.name = "off.around", .note = "two sites, with work between them"}};
    tw_recorder_disable();
    bench_race(c, COUNT, bench_rounds(OFF_ROUNDS), OFF_TURNS);
    tw_recorder_enable();
    bool pass = true;
    double empty = bench_median(&c[0]);
    for (size_t i = 1; i < COUNT; i++) {
        double over = bench_median(&c[i]) - empty;
        rows[i].value = over > 0 ? over : 0;
        rows[i].unit = "ns";
        if (!rows[i].note) rows[i].note = "over an empty loop";
        pass &= bench_passes(&rows[i]);
    }
    for (size_t i = 1; (pass || print) && i < COUNT; i++) (void)bench_report(&rows[i]);
    for (size_t i = 0; i < COUNT; i++) bench_samples_free(&c[i].ns);
    return pass;
}

static bool until_quiet(bool (*measure)(bool print))
{
    for (unsigned try = 1; try < TRIES; try++)
        if (measure(false)) return true;
    return measure(true);
}

bool record_spans(void)
{
    bench_pin(bench_processors() - 1);
    floor_init();
    if (tw_init(NULL) != 0) bench_die("recording is off");
    root = tw_span_begin_root("bench");
    bool pass = !bench_wanted("span.") || until_quiet(measure_on);
    pass &= !bench_wanted("off.") || until_quiet(measure_off);
    tw_span_end(root);
    struct tw_stats stats;
    if (tw_recorder_stats(&stats) != 0 || stats.process.losses.no_chunk || stats.process.losses.no_slot ||
        stats.process.losses.stale)
        bench_die("records were lost; the figures are of failures");
    tw_shutdown(1000000000);
    return pass;
}
