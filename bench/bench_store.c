/* bench_store: the store beside what it could have been.
 *
 * Spans of the generator are written, in batches of BATCH, into a new folder; then they are asked for. What is counted is the
 * process's own processor time, all threads, less what the generator took: the machine is shared, and the target is spans a
 * second of one core. Queries are counted in the asking thread's processor time for the same reason; what the wall clock said
 * stands in the note.
 *
 *     bench_store                     1 M spans, a fifth of a minute
 *     TRACKWAY_BENCH_SPANS=10000000   what the targets are about
 *
 * Rival: the same spans as rows of one SQLite table with two indexes, (trace) and (service, begin, duration); tags as one text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "generator.h"
#include "store/store.h"

enum { BATCH = 1000, QUERIES = 200, RIVAL_SPANS = 200000, HEAT_COLUMNS = 200 };
#define START_NS UINT64_C(1795800000000000000)

static double seconds(clockid_t clock)
{
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double peak_mib(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static void fail(const char *what, int error)
{
    (void)fprintf(stderr, "bench_store: %s: %s\n", what, tw_err_text(error));
    exit(1);
}

/* -- writing */

static struct generator *generator;

static bool write_all(struct tw__store *store, size_t count)
{
    struct tw__spans batch = {0};
    double making = 0, begin = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    for (size_t i = 0; i < count; i += BATCH) {
        double at = seconds(CLOCK_THREAD_CPUTIME_ID);
        if (generator_fill(generator, &batch, BATCH, false) < 0) fail("generator", TW_ERR_MEMORY);
        making += seconds(CLOCK_THREAD_CPUTIME_ID) - at;
        int error = tw__store_write(store, &batch);
        while (error == TW_ERR_SPACE) {
            (void)usleep(1000);
            error = tw__store_write(store, &batch);
        }
        if (error) fail("write", error);
    }
    int error = tw__store_flush(store);
    if (error) fail("flush", error);
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin - making;
    wall = seconds(CLOCK_MONOTONIC) - wall;
    tw__spans_fini(&batch);
    struct tw__store_info info;
    error = tw__store_info(store, &info);
    if (error) fail("info", error);
    static char note[96];
    (void)snprintf(note, sizeof note, "%.2f M spans/s a core; wall %.2f M/s with the generator",
                   (double)count / cpu / 1e6, (double)count / wall / 1e6);
    bool passed = bench_report(&(struct bench_row){
        .name = "write.span", .value = cpu / (double)count * 1e9, .unit = "ns", .limit = 1111, .note = note});
    passed &= bench_report(&(struct bench_row){
        .name = "write.disk", .value = (double)info.disk_bytes / (double)info.spans, .unit = "B/span", .limit = 60});
    passed &=
        bench_report(&(struct bench_row){.name = "write.memory", .value = peak_mib(), .unit = "MiB", .limit = 256});
    return passed;
}

/* -- asking */

struct asking {
    struct tw__store *store;
    uint64_t from_ns, until_ns;
    size_t found;
};

static int ask_trace(struct asking *asking, unsigned n)
{
    uint8_t id[16];
    struct tw__spans out = {0};
    (void)n;
    generator_some_trace(generator, id);
    int error = tw__store_trace(asking->store, id, TW__PART_ALL, &out);
    asking->found += out.count;
    tw__spans_fini(&out);
    return error == TW_ERR_NOT_FOUND ? 0 : error;
}

static int ask_find(struct asking *asking, unsigned n)
{
    static const uint64_t least_ns[] = {50000000, 500000000, 5000000000};
    const char *service = generator_service(n / 3 % GENERATOR_SERVICES);
    struct tw__spans out = {0};
    struct tw__store_query query = {
        .service = {service, strlen(service)}, .min_duration_ns = least_ns[n % 3], .limit = 20};
    int error = tw__store_find(asking->store, &query, 0, &out);
    asking->found += out.count;
    tw__spans_fini(&out);
    return error;
}

static int ask_heat(struct asking *asking, unsigned n)
{
    const char *service = generator_service(n % GENERATOR_SERVICES);
    struct tw__store_heat heat = {.from_ns = asking->from_ns,
                                  .step_ns = (asking->until_ns - asking->from_ns) / HEAT_COLUMNS + 1,
                                  .columns = HEAT_COLUMNS,
                                  .cells = calloc(HEAT_COLUMNS, sizeof *heat.cells)};
    if (!heat.cells) return TW_ERR_MEMORY;
    int error = tw__store_heat(asking->store, &(struct tw__store_query){.service = {service, strlen(service)}}, &heat);
    for (unsigned c = 0; c < HEAT_COLUMNS; c++)
        for (unsigned b = 0; b < TW__BINS; b++) asking->found += heat.cells[c][b];
    free(heat.cells);
    return error;
}

static int ask_equal(struct asking *asking, unsigned n)
{
    char user[24];
    struct tw__spans out = {0};
    int len = snprintf(user, sizeof user, "u-%u", n * 977 % GENERATOR_USERS);
    struct tw__store_equal equal = {{"user.id", 7}, {user, (size_t)len}};
    struct tw__store_query query = {.equals = &equal, .equal_count = 1, .limit = 20};
    int error = tw__store_find(asking->store, &query, 0, &out);
    asking->found += out.count;
    tw__spans_fini(&out);
    return error;
}

static bool ask_all(struct tw__store *store, bool large)
{
    static const struct {
        const char *name;
        int (*ask)(struct asking *asking, unsigned n);
        double limit_ms;
        unsigned count;
    } questions[] = {
        {"query.trace", ask_trace, 5, QUERIES},
        {"query.service_duration", ask_find, 10, QUERIES},
        {"query.heat", ask_heat, 300, 40},
        {"query.attribute", ask_equal, 150, 60},
    };
    bool passed = true;
    struct tw__store_info info;
    if (tw__store_info(store, &info) < 0) return false;
    for (size_t q = 0; q < sizeof questions / sizeof *questions; q++) {
        struct asking asking = {.store = store, .from_ns = info.oldest_ns, .until_ns = info.newest_ns + 1};
        struct bench_samples cpu = {0}, wall = {0};
        for (unsigned n = 0; n < questions[q].count; n++) {
            double at = seconds(CLOCK_THREAD_CPUTIME_ID), at_wall = seconds(CLOCK_MONOTONIC);
            int error = questions[q].ask(&asking, n);
            if (error) fail(questions[q].name, error);
            if (n == 0) continue; /* it opens the partition */
            bench_add(&cpu, (seconds(CLOCK_THREAD_CPUTIME_ID) - at) * 1e3);
            bench_add(&wall, (seconds(CLOCK_MONOTONIC) - at_wall) * 1e3);
        }
        char note[128];
        (void)snprintf(note, sizeof note, "p99; p50 %.2f; by the wall clock %.2f and %.2f; %zu found",
                       bench_quantile(&cpu, 0.5), bench_quantile(&wall, 0.99), bench_quantile(&wall, 0.5),
                       asking.found);
        passed &= bench_report(&(struct bench_row){.name = questions[q].name,
                                                   .value = bench_quantile(&cpu, 0.99),
                                                   .unit = "ms",
                                                   .limit = large ? questions[q].limit_ms : 0,
                                                   .note = note});
        bench_samples_free(&cpu);
        bench_samples_free(&wall);
    }
    passed &= bench_report(&(struct bench_row){
        .name = "query.memory", .value = peak_mib(), .unit = "MiB", .limit = 256, .note = "peak, with the writing"});
    return passed;
}

/* -- the rival */

static void put_tags(const struct tw__span *span, char *text, size_t cap, size_t *len)
{
    *len = 0;
    for (uint32_t i = 0; i < span->tag_count && *len + 200 < cap; i++) {
        const struct tw_tag_value *tag = &span->tags[i];
        int n = tag->type == TW_TYPE_STR ? snprintf(text + *len, cap - *len, "%.*s=%.*s;", (int)tag->key.len,
                                                    tag->key.ptr, (int)tag->text.len, tag->text.ptr)
                                         : snprintf(text + *len, cap - *len, "%.*s=%lld;", (int)tag->key.len,
                                                    tag->key.ptr, (long long)tag->value.i);
        *len += n > 0 ? (size_t)n : 0;
    }
}

static void insert_batch(sqlite3_stmt *stmt, const struct tw__spans *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct tw__span *span = &batch->items[i];
        struct tw_text service = batch->resources[span->resource].service;
        char text[2048];
        size_t len;
        put_tags(span, text, sizeof text, &len);
        (void)sqlite3_bind_blob(stmt, 1, span->trace_id, 16, SQLITE_STATIC);
        (void)sqlite3_bind_blob(stmt, 2, span->span_id, 8, SQLITE_STATIC);
        (void)sqlite3_bind_blob(stmt, 3, span->parent_id, 8, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 4, service.ptr, (int)service.len, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 5, span->name.ptr, (int)span->name.len, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 6, (sqlite3_int64)span->start_ns);
        (void)sqlite3_bind_int64(stmt, 7, (sqlite3_int64)(span->end_ns - span->start_ns));
        (void)sqlite3_bind_int(stmt, 8, span->kind);
        (void)sqlite3_bind_int(stmt, 9, span->status);
        (void)sqlite3_bind_text(stmt, 10, text, (int)len, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_DONE) fail("SQLite", TW_ERR_SYSTEM);
        (void)sqlite3_reset(stmt);
    }
}

static void bench_rival(const char *folder)
{
    char path[256];
    sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    struct tw__spans batch = {0};
    double making = 0;
    (void)snprintf(path, sizeof path, "%s/rows.sqlite", folder);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(
            db,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE span(trace BLOB, id BLOB, parent BLOB, service TEXT, name TEXT, start INTEGER, duration "
            "INTEGER, kind INTEGER, status INTEGER, tags TEXT);"
            "CREATE INDEX by_trace ON span(trace); CREATE INDEX by_service ON span(service, start, duration);",
            NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO span VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &stmt, NULL) != SQLITE_OK)
        fail("SQLite", TW_ERR_SYSTEM);
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < RIVAL_SPANS; i += BATCH) {
        double at = seconds(CLOCK_THREAD_CPUTIME_ID);
        if (generator_fill(generator, &batch, BATCH, false) < 0) fail("generator", TW_ERR_MEMORY);
        making += seconds(CLOCK_THREAD_CPUTIME_ID) - at;
        (void)sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        insert_batch(stmt, &batch);
        (void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin - making;
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    tw__spans_fini(&batch);
    char note[64];
    (void)snprintf(note, sizeof note, "%.2f M spans/s a core", RIVAL_SPANS / cpu / 1e6);
    (void)bench_report(
        &(struct bench_row){.name = "rival.sqlite_rows", .value = cpu / RIVAL_SPANS * 1e9, .unit = "ns", .note = note});
    (void)unlink(path);
}

static void remove_folder(const char *folder)
{
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) (void)fprintf(stderr, "bench_store: %s is left\n", folder);
}

int main(int argc, char **argv)
{
    const char *wanted = getenv("TRACKWAY_BENCH_SPANS");
    size_t count = wanted ? strtoul(wanted, NULL, 10) : 1000000;
    char folder[] = "/dev/shm/bench-store-XXXXXX", why[TW_WHY_MAX];
    struct tw__store *store;
    if (!bench_parse(argc, argv)) return 2;
    if (!mkdtemp(folder)) return 1;
    char data[64];
    (void)snprintf(data, sizeof data, "%s/data", folder);
    generator = generator_new(1, START_NS, 50000);
    if (!generator || tw__store_open(&(struct tw__store_options){.folder = data}, &store, why) < 0) {
        (void)fprintf(stderr, "bench_store: %s\n", why);
        return 1;
    }
    char headline[80];
    (void)snprintf(headline, sizeof headline, "the store, %zu spans", count);
    bench_headline(headline);
    bool passed = write_all(store, count);
    passed &= ask_all(store, count >= 10000000);
    tw__store_close(store);
    bench_rival(folder);
    generator_free(generator);
    remove_folder(folder);
    return passed ? 0 : 1;
}
