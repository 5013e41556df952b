/* store_known: partitions that cannot have what is asked for are not opened, and nothing is missed for it. */
#include "store/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/inside.h"

enum { HOURS = 60 };
#define HOUR_NS UINT64_C(3600000000000)

static uint64_t now_ns;

static uint64_t clock_of_test(void)
{
    return __atomic_load_n(&now_ns, __ATOMIC_RELAXED);
}

static void set_clock(uint64_t to)
{
    __atomic_store_n(&now_ns, to, __ATOMIC_RELAXED);
}

static struct tw_text service_of(struct tw__spans *spans, unsigned hour)
{
    char text[24];
    int len = snprintf(text, sizeof text, "service-%u", hour);
    return (struct tw_text){tw__pool_copy(&spans->pool, text, (size_t)len), (size_t)len};
}

/* Trace `number` of an hour: two spans of a service of that hour. */
static void write_hour(struct tw__store *store, unsigned hour, uint8_t number)
{
    struct tw__spans in = {0};
    set_clock(MADE_EPOCH_NS + hour * HOUR_NS);
    for (uint8_t i = 0; i < 2; i++) {
        struct tw__span *span = made_span(&in, "", "work", (uint8_t)hour, (uint8_t)(i + 1), hour * 3600.0 + i, 5);
        in.resources[span->resource].service = service_of(&in, hour);
        span->trace_id[0] = number;
    }
    assert_int_equal(tw__store_write(store, &in), 0);
    tw__spans_fini(&in);
    assert_int_equal(tw__store_flush(store), 0);
}

static struct tw__store *empty_store(const char *folder, uint64_t keep_ns)
{
    set_clock(MADE_EPOCH_NS);
    return made_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test, .keep_ns = keep_ns});
}

static struct tw__store *made_hours(const char *folder, uint64_t keep_ns)
{
    struct tw__store *store = empty_store(folder, keep_ns);
    for (unsigned hour = 0; hour < HOURS; hour++) write_hour(store, hour, 1);
    return store;
}

static size_t spans_of_trace(struct tw__store *store, unsigned hour, uint8_t number)
{
    const uint8_t id[16] = {[0] = number, [15] = (uint8_t)hour};
    struct tw__spans out = {0};
    int error = tw__store_trace(store, id, TW__PART_ALL, &out);
    size_t count = out.count;
    tw__spans_fini(&out);
    assert_true(error == (count ? 0 : TW_ERR_NOT_FOUND));
    return count;
}

/* How often partitions were taken in hand for it. */
static uint64_t uses_of(struct tw__store *store, unsigned hour, uint8_t number, size_t expected)
{
    uint64_t before = store->use;
    assert_int_equal(spans_of_trace(store, hour, number), expected);
    return store->use - before;
}

static void a_trace_opens_the_partitions_that_may_have_it(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = made_hours(folder, 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned hour = 0; hour < HOURS; hour++) assert_int_equal(spans_of_trace(store, hour, 1), 2);
        assert_int_equal(spans_of_trace(store, 3, 99), 0);
        uint64_t uses = 0;
        for (unsigned hour = 0; hour < HOURS; hour++) uses += uses_of(store, hour, 1, 2);
        for (unsigned hour = 0; hour < HOURS; hour++) uses += uses_of(store, hour, 77, 0);
        /* One each for those that are there; a filter of two hashes says maybe now and then. */
        assert_in_range(uses, HOURS, HOURS + 20);
        tw__store_close(store);
        store = made_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test});
    }
    tw__store_close(store);
    made_remove(folder);
}

static void what_is_written_later_into_a_known_partition_is_found(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = made_hours(folder, 0);
    for (uint8_t number = 2; number < 6; number++) {
        assert_int_equal(spans_of_trace(store, 40, number), 0);
        write_hour(store, 40, number);
        assert_int_equal(spans_of_trace(store, 40, number), 2);
        assert_int_equal(spans_of_trace(store, 40, 1), 2);
    }
    assert_int_equal(tw__store_compact(store), 0);
    for (uint8_t number = 1; number < 6; number++) assert_int_equal(spans_of_trace(store, 40, number), 2);
    tw__store_close(store);
    made_remove(folder);
}

static void partitions_without_filters_are_asked(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = made_hours(folder, 0);
    char path[TW__PART_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", store->parts[10]->path);
    unsigned hour = (unsigned)((store->parts[10]->name.from_ns + HOUR_NS - MADE_EPOCH_NS) / HOUR_NS);
    tw__store_close(store);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE traces; PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    store = made_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test});
    assert_int_equal(spans_of_trace(store, hour, 1), 2);
    write_hour(store, hour, 2);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(spans_of_trace(store, hour, 1), 2);
        assert_int_equal(spans_of_trace(store, hour, 2), 2);
        tw__store_close(store);
        store = made_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test});
    }
    tw__store_close(store);
    made_remove(folder);
}

static void without_memory_for_filters_everything_is_still_found(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = empty_store(folder, 0);
    store->memory_bytes = 1000; /* before there is a filter, which the sealer reads when it has nothing else to do */
    for (unsigned hour = 0; hour < HOURS; hour++) write_hour(store, hour, 1);
    for (unsigned hour = 0; hour < HOURS; hour++) assert_int_equal(spans_of_trace(store, hour, 1), 2);
    assert_true(store->filter_bytes <= 500);
    for (unsigned hour = 0; hour < HOURS; hour++) assert_int_equal(spans_of_trace(store, hour, 1), 2);
    tw__store_close(store);
    made_remove(folder);
}

static size_t services(struct tw__store *store)
{
    struct tw__pool pool = {0};
    struct tw__store_names names;
    assert_int_equal(tw__store_services(store, &pool, &names), 0);
    for (size_t i = 0; i < names.count; i++) assert_int_equal(names.items[i].spans, 2);
    tw__pool_fini(&pool);
    return names.count;
}

static void lists_are_of_all_partitions_that_are_kept(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = made_hours(folder, 0);
    struct tw__pool pool = {0};
    struct tw__store_names names;
    assert_int_equal(services(store), HOURS);
    uint64_t before = store->use;
    assert_int_equal(services(store), HOURS);
    assert_int_equal(store->use, before); /* remembered */
    assert_int_equal(tw__store_operations(store, (struct tw_text){"service-3", 9}, &pool, &names), 0);
    assert_int_equal(names.count, 1);
    assert_int_equal(names.items[0].spans, 2);
    write_hour(store, HOURS, 1);
    assert_int_equal(services(store), HOURS + 1);
    tw__store_close(store);
    store = made_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test, .keep_ns = 20 * HOUR_NS});
    assert_int_equal(tw__store_compact(store), 0);
    size_t left = services(store);
    assert_in_range(left, 20, 22);
    tw__pool_fini(&pool);
    /* No room for more names, among which are those of partitions that went: they make room for the next list, and
     * never under one that is being made. */
    size_t known = store->names.count;
    assert_true(store->names.gone);
    store->names.full = true;
    tw__known_lists_begin(store);
    assert_int_equal(store->names.count, 0);
    store->names.full = store->names.gone = true;
    assert_int_equal(services(store), left);
    assert_int_equal(services(store), left);
    assert_int_equal(store->names.count, known);
    tw__known_lists_end(store);
    tw__store_close(store);
    made_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_trace_opens_the_partitions_that_may_have_it),
        cmocka_unit_test(what_is_written_later_into_a_known_partition_is_found),
        cmocka_unit_test(partitions_without_filters_are_asked),
        cmocka_unit_test(without_memory_for_filters_everything_is_still_found),
        cmocka_unit_test(lists_are_of_all_partitions_that_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
