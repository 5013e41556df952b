/* store_hours: a month of hours instead of one busy hour: what is asked of HOURS partitions, of which few have it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "store_parts.h"

enum { HOURS = 500, SPANS = 500000, QUERIES = 200 };

static struct generator *hourly;

static uint64_t now_ns(void)
{
    return generator_now(hourly);
}

static void report(const char *name, struct bench_samples *cpu, struct bench_samples *wall, double limit,
                   const char *what)
{
    char note[160];
    (void)snprintf(note, sizeof note, "p99; p50 %.2f; by the wall clock %.2f and %.2f; %s", bench_quantile(cpu, 0.5),
                   bench_quantile(wall, 0.99), bench_quantile(wall, 0.5), what);
    (void)bench_report(&(struct bench_row){
        .name = name, .value = bench_quantile(cpu, 0.99), .unit = "ms", .limit = limit, .note = note});
    bench_samples_free(cpu);
    bench_samples_free(wall);
}

static bool ask_traces(struct tw__store *store, bool there)
{
    struct bench_samples cpu = {0}, wall = {0};
    for (unsigned n = 0; n < QUERIES; n++) {
        uint8_t id[16];
        struct tw__spans out = {0};
        memcpy(id, store_ids.items[n * 7919U % store_ids.count], sizeof id);
        if (!there) id[3] ^= 0x55;
        double at = store_seconds(CLOCK_THREAD_CPUTIME_ID), at_wall = store_seconds(CLOCK_MONOTONIC);
        int error = tw__store_trace(store, id, TW__PART_ALL, &out);
        bench_add(&cpu, (store_seconds(CLOCK_THREAD_CPUTIME_ID) - at) * 1e3);
        bench_add(&wall, (store_seconds(CLOCK_MONOTONIC) - at_wall) * 1e3);
        if (error != (there ? 0 : TW_ERR_NOT_FOUND)) store_fail("trace", error);
        tw__spans_fini(&out);
    }
    bool passed = bench_quantile(&wall, 0.99) <= 5;
    report(there ? "hours.trace" : "hours.no_trace", &cpu, &wall, 5,
           there ? "in one or two of them" : "in none of them");
    return passed;
}

static void ask_services(struct tw__store *store)
{
    struct bench_samples cpu = {0}, wall = {0};
    for (unsigned n = 0; n < 20; n++) {
        struct tw__pool pool = {0};
        struct tw__store_names names;
        double at = store_seconds(CLOCK_THREAD_CPUTIME_ID), at_wall = store_seconds(CLOCK_MONOTONIC);
        int error = tw__store_operations(store, (struct tw_text){NULL, 0}, &pool, &names);
        bench_add(&cpu, (store_seconds(CLOCK_THREAD_CPUTIME_ID) - at) * 1e3);
        bench_add(&wall, (store_seconds(CLOCK_MONOTONIC) - at_wall) * 1e3);
        if (error) store_fail("operations", error);
        tw__pool_fini(&pool);
    }
    report("hours.operations", &cpu, &wall, 0, "of all services, in all of them");
}

bool store_bench_hours(const char *folder)
{
    char data[300], why[TW_WHY_MAX];
    struct tw__store *store;
    double wall, writer;
    (void)snprintf(data, sizeof data, "%s/hours", folder);
    struct tw__store_options options = {.folder = data, .now_ns = now_ns};
    hourly = generator_new(2, STORE_START_NS, SPANS / (HOURS * 3600.0));
    if (!hourly || tw__store_open(&options, &store, why) < 0) store_fail("hours", TW_ERR_MEMORY);
    store_ids.count = 0;
    double cpu = store_fill(store, hourly, SPANS, &wall, &writer);
    (void)bench_report(&(struct bench_row){.name = "hours.write",
                                           .value = cpu / SPANS * 1e9,
                                           .unit = "ns",
                                           .note = "a journal becomes some sixty partitions"});
    tw__store_close(store);
    if (tw__store_open(&options, &store, why) < 0) store_fail("hours", TW_ERR_MEMORY);
    double at = store_seconds(CLOCK_MONOTONIC);
    struct tw__spans out = {0};
    int error = tw__store_trace(store, store_ids.items[0], TW__PART_ALL, &out);
    if (error) store_fail("trace", error);
    (void)bench_report(&(struct bench_row){.name = "hours.first_trace",
                                           .value = (store_seconds(CLOCK_MONOTONIC) - at) * 1e3,
                                           .unit = "ms",
                                           .note = "right after the start: what is not known yet is opened"});
    tw__spans_fini(&out);
    bool passed = ask_traces(store, true);
    passed &= ask_traces(store, false);
    ask_services(store);
    tw__store_close(store);
    generator_free(hourly);
    return passed;
}
