/* bench_store: the store beside what it could have been.
 *
 * Spans of the generator are written, in batches of STORE_BATCH, into a new folder; then they are asked for. What is
 * counted is the process's own processor time, all threads, less what the generator took: the machine is shared, and
 * the target is spans a second of one core. Queries are counted in the asking thread's processor time for the same
 * reason; what the wall clock said stands in the note.
 *
 *     bench_store                                   1 M spans, some seconds
 *     TRACKWAY_BENCH_SPANS=10000000                 what the targets are about
 *     TRACKWAY_BENCH_FOLDER=/tmp/spans              where they are; kept, and used again instead of writing
 *
 * Rivals: store_rivals.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"
#include "store_parts.h"

enum { QUERIES = 200, HEAT_COLUMNS = 200 };

static double peak_mib(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

void store_fail(const char *what, int error)
{
    (void)fprintf(stderr, "bench_store: %s: %s\n", what, tw_err_text(error));
    exit(1);
}

/* -- writing */

static struct generator *generator;
struct store_ids store_ids;

static void keep_id(const uint8_t id[16])
{
    if (store_ids.count == store_ids.cap) {
        store_ids.cap = store_ids.cap ? store_ids.cap * 2 : 1024;
        store_ids.items = realloc(store_ids.items, store_ids.cap * sizeof *store_ids.items);
        if (!store_ids.items) store_fail("ids", TW_ERR_MEMORY);
    }
    memcpy(store_ids.items[store_ids.count++], id, 16);
}

double store_fill(struct tw__store *store, struct generator *from, size_t count, double *wall, double *writer)
{
    struct tw__spans batch = {0};
    double making = 0, begin = store_seconds(CLOCK_PROCESS_CPUTIME_ID), thread = store_seconds(CLOCK_THREAD_CPUTIME_ID);
    *wall = store_seconds(CLOCK_MONOTONIC);
    for (size_t i = 0; i < count; i += STORE_BATCH) {
        double at = store_seconds(CLOCK_THREAD_CPUTIME_ID);
        if (generator_fill(from, &batch, STORE_BATCH, false) < 0) store_fail("generator", TW_ERR_MEMORY);
        keep_id(batch.items[0].trace_id);
        making += store_seconds(CLOCK_THREAD_CPUTIME_ID) - at;
        int error = tw__store_write(store, &batch);
        while (error == TW_ERR_SPACE) {
            (void)usleep(1000);
            error = tw__store_write(store, &batch);
        }
        if (error) store_fail("write", error);
    }
    *writer = store_seconds(CLOCK_THREAD_CPUTIME_ID) - thread - making;
    int error = tw__store_flush(store);
    if (error) store_fail("flush", error);
    *wall = store_seconds(CLOCK_MONOTONIC) - *wall;
    tw__spans_fini(&batch);
    return store_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin - making;
}

static bool write_all(struct tw__store *store, size_t count)
{
    double wall, writer, cpu = store_fill(store, generator, count, &wall, &writer);
    struct tw__store_info info;
    int error = tw__store_info(store, &info);
    if (error) store_fail("info", error);
    char note[128];
    (void)snprintf(note, sizeof note,
                   "%.2f M spans/s a core; %.0f ns of it in the writer; wall %.2f M/s with the generator",
                   (double)count / cpu / 1e6, writer / (double)count * 1e9, (double)count / wall / 1e6);
    bool passed = bench_report(&(struct bench_row){
        .name = "write.span", .value = cpu / (double)count * 1e9, .unit = "ns", .limit = 1000, .note = note});
    passed &= bench_report(
        &(struct bench_row){.name = "write.disk",
                            .value = (double)(info.disk_bytes - info.journal_disk_bytes) / (double)info.spans,
                            .unit = "B/span",
                            .limit = 60,
                            .note = "blocks and SQLite's logs; journals come and go"});
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
    memcpy(id, store_ids.items[n * 7919U % store_ids.count], 16);
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
        if (!bench_wanted(questions[q].name)) continue;
        struct asking asking = {.store = store, .from_ns = info.oldest_ns, .until_ns = info.newest_ns + 1};
        struct bench_samples cpu = {0}, wall = {0};
        for (unsigned n = 0; n < questions[q].count; n++) {
            double at = store_seconds(CLOCK_THREAD_CPUTIME_ID), at_wall = store_seconds(CLOCK_MONOTONIC);
            int error = questions[q].ask(&asking, n);
            if (error) store_fail(questions[q].name, error);
            if (n == 0) continue; /* it opens the partition */
            bench_add(&cpu, (store_seconds(CLOCK_THREAD_CPUTIME_ID) - at) * 1e3);
            bench_add(&wall, (store_seconds(CLOCK_MONOTONIC) - at_wall) * 1e3);
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

static void remove_folder(const char *folder)
{
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0) (void)fprintf(stderr, "bench_store: %s is left\n", folder);
}

/* -- a folder that is kept: the ids stand beside the data */

static bool load_ids(const char *path)
{
    uint8_t id[16];
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    while (fread(id, sizeof id, 1, file) == 1) keep_id(id);
    (void)fclose(file);
    return store_ids.count > 0;
}

static void save_ids(const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(store_ids.items, 16, store_ids.count, file) != store_ids.count || fclose(file) != 0)
        store_fail(path, TW_ERR_SYSTEM);
}

static bool bench_one_hour(const char *folder, bool kept, size_t count)
{
    char data[300], ids[300], why[TW_WHY_MAX];
    struct tw__store *store;
    (void)snprintf(data, sizeof data, "%s/data", folder);
    (void)snprintf(ids, sizeof ids, "%s/ids", folder);
    bool there = kept && load_ids(ids), passed = true;
    if (tw__store_open(&(struct tw__store_options){.folder = data}, &store, why) < 0) {
        (void)fprintf(stderr, "bench_store: %s\n", why);
        exit(1);
    }
    if (!there) passed = write_all(store, count);
    if (!there && kept) save_ids(ids);
    if (bench_wanted("query.")) passed &= ask_all(store, count >= 10000000);
    tw__store_close(store);
    return passed;
}

int main(int argc, char **argv)
{
    const char *wanted = getenv("TRACKWAY_BENCH_SPANS"), *kept = getenv("TRACKWAY_BENCH_FOLDER");
    size_t count = wanted ? strtoul(wanted, NULL, 10) : 1000000;
    char made[] = "/dev/shm/bench-store-XXXXXX";
    if (!bench_parse(argc, argv)) return 2;
    if (!kept && !mkdtemp(made)) return 1;
    const char *folder = kept ? kept : made;
    generator = generator_new(1, STORE_START_NS, 50000);
    if (!generator || (kept && mkdir(kept, 0700) != 0 && errno != EEXIST)) return 1;
    char headline[80];
    (void)snprintf(headline, sizeof headline, "the store, %zu spans", count);
    bench_headline(headline);
    bool passed = true;
    if (bench_wanted("write.") || bench_wanted("query.")) passed = bench_one_hour(folder, kept, count);
    if (bench_wanted("hours.")) passed &= store_bench_hours(folder);
    if (bench_wanted("rival.")) store_bench_rivals(generator, folder);
    generator_free(generator);
    free(store_ids.items);
    if (!kept) remove_folder(made);
    return passed ? 0 : 1;
}
