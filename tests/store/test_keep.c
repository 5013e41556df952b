/* store_keep: what is joined and folded in the background is the same as before, once; also beside a writer and
 * readers. TSAN: the keeper, a writer and a reader at once. */
#include "store/made.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

static uint64_t clock_of_test(void)
{
    return MADE_EPOCH_NS;
}

static struct tw__store *open_store(const char *folder, uint64_t compact_ns)
{
    return made_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test, .compact_ns = compact_ns});
}

static void put(struct tw__store *store, struct tw__spans *in, bool flush)
{
    assert_int_equal(tw__store_write(store, in), 0);
    tw__spans_fini(in);
    if (flush) assert_int_equal(tw__store_flush(store), 0);
}

static struct tw__store_info info_of(struct tw__store *store)
{
    struct tw__store_info info;
    assert_int_equal(tw__store_info(store, &info), 0);
    return info;
}

static void small_blocks_become_one(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = open_store(folder, UINT64_MAX);
    for (uint8_t i = 0; i < 20; i++) {
        struct tw__spans in = {0};
        made_span(&in, "cart", "work", i, 1, i, 5);
        put(store, &in, true);
    }
    assert_int_equal(info_of(store).blocks, 20);
    assert_int_equal(tw__store_keep(store), 0);
    assert_int_equal(info_of(store).blocks, 1);
    assert_int_equal(info_of(store).compacted_blocks, 20);
    assert_int_equal(made_count(store), 20);
    assert_int_equal(tw__store_keep(store), 0);
    assert_int_equal(info_of(store).compacted_blocks, 20); /* nothing to do */
    assert_int_equal(tw__store_check(store, made_tell, NULL), 0);
    tw__store_close(store);
    store = open_store(folder, UINT64_MAX);
    assert_int_equal(made_count(store), 20);
    tw__store_close(store);
    made_remove(folder);
}

static void copies_are_folded_and_the_one_that_counts_stays(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = open_store(folder, UINT64_MAX);
    for (unsigned round = 0; round < 3; round++) {
        struct tw__spans in = {0};
        for (uint8_t i = 0; i < 100; i++)
            made_span(&in, "cart", round == 1 ? "last" : "open", i, 1, 1, 5)->open = round != 1;
        put(store, &in, true);
    }
    assert_int_equal(made_count(store), 300);
    assert_int_equal(tw__store_keep(store), 0);
    assert_int_equal(made_count(store), 100);
    assert_int_equal(info_of(store).folded_spans, 200);
    struct tw__spans out = {0};
    assert_int_equal(tw__store_find(store, &(struct tw__store_query){0}, 0, &out), 0);
    for (size_t i = 0; i < out.count; i++) assert_memory_equal(out.items[i].name.ptr, "last", 4);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

/* What it has of journals does not hide what was joined with them since. */
static void a_reader_in_another_process_loses_nothing(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = open_store(folder, UINT64_MAX);
    for (uint8_t i = 0; i < 9; i++) {
        struct tw__spans in = {0};
        made_span(&in, "cart", "work", i, 1, i, 5);
        put(store, &in, i < 8);
    }
    struct tw__store *reader =
        made_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test, .read_only = true});
    assert_int_equal(tw__store_flush(store), 0);
    assert_int_equal(tw__store_keep(store), 0);
    assert_int_equal(info_of(store).blocks, 1);
    for (uint8_t i = 0; i < 9; i++) {
        const uint8_t id[16] = {[15] = i};
        struct tw__spans out = {0};
        assert_int_equal(tw__store_trace(reader, id, TW__PART_ALL, &out), 0);
        assert_int_equal(out.count, 1);
        tw__spans_fini(&out);
    }
    tw__store_close(reader);
    tw__store_close(store);
    made_remove(folder);
}

/* What was written between two blocks and is not joined may have copies of what is in them. */
static void joining_alone_does_not_make_an_old_copy_new(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store *store = open_store(folder, UINT64_MAX);
    for (unsigned round = 0; round < 12; round++) {
        struct tw__spans in = {0};
        if (round == 3) /* a block that is not small */
            for (unsigned i = 0; i < TW__BLOCK_ROWS; i++) {
                struct tw__span *span = made_span(&in, "cart", "fill", 9, (uint8_t)i, 1, 5);
                span->span_id[0] = (uint8_t)(1 + i / 256);
            }
        made_span(&in, "cart",
                  round < 3    ? "old"
                  : round == 3 ? "new"
                               : "other",
                  round > 3 ? 200 : 1, (uint8_t)(round > 3 ? round : 1), 1, 5);
        put(store, &in, true);
    }
    struct tw__compaction how = {0};
    (void)pthread_mutex_lock(&store->compacting);
    assert_int_equal(tw__compact_part(store, store->parts[0], &how), 0);
    (void)pthread_mutex_unlock(&store->compacting);
    assert_true(info_of(store).blocks < 6);
    const uint8_t id[16] = {[15] = 1};
    struct tw__spans out = {0};
    assert_int_equal(tw__store_trace(store, id, 0, &out), 0);
    assert_int_equal(out.count, 1);
    assert_memory_equal(out.items[0].name.ptr, "new", 3);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

enum { ROUNDS = 60, BATCH = 50 };

struct beside {
    struct tw__store *store;
    bool done;
};

static void *write_beside(void *data)
{
    struct beside *beside = data;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct tw__spans in = {0};
        /* Each batch twice, so that there is something to fold. */
        for (uint8_t i = 0; i < BATCH; i++)
            made_span(&in, "cart", "work", (uint8_t)(round / 2 + 1), (uint8_t)(i + 1), i, 5);
        put(beside->store, &in, true);
    }
    __atomic_store_n(&beside->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static void nothing_is_lost_or_doubled_beside_a_writer_and_a_reader(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct beside beside = {.store = open_store(folder, 1000000)};
    pthread_t writer;
    assert_int_equal(pthread_create(&writer, NULL, write_beside, &beside), 0);
    while (!__atomic_load_n(&beside.done, __ATOMIC_ACQUIRE)) {
        struct tw__spans out = {0};
        const uint8_t id[16] = {[15] = 1};
        int error = tw__store_trace(beside.store, id, TW__PART_ALL, &out);
        assert_true(error == TW_ERR_NOT_FOUND || (error == 0 && out.count == BATCH));
        bool began = error == 0;
        tw__spans_reset(&out);
        assert_int_equal(tw__store_find(beside.store, &(struct tw__store_query){.limit = 10}, 0, &out), 0);
        assert_true(!began || out.count > 0);
        tw__spans_fini(&out);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(tw__store_keep(beside.store), 0);
    assert_int_equal(made_count(beside.store), ROUNDS / 2 * BATCH);
    for (unsigned trace = 1; trace <= ROUNDS / 2; trace++) {
        const uint8_t id[16] = {[15] = (uint8_t)trace};
        struct tw__spans out = {0};
        assert_int_equal(tw__store_trace(beside.store, id, TW__PART_ALL, &out), 0);
        assert_int_equal(out.count, BATCH);
        tw__spans_fini(&out);
    }
    assert_int_equal(tw__store_check(beside.store, made_tell, NULL), 0);
    assert_int_equal(info_of(beside.store).compaction_failures, 0);
    tw__store_close(beside.store);
    made_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_blocks_become_one),
        cmocka_unit_test(copies_are_folded_and_the_one_that_counts_stays),
        cmocka_unit_test(a_reader_in_another_process_loses_nothing),
        cmocka_unit_test(joining_alone_does_not_make_an_old_copy_new),
        cmocka_unit_test(nothing_is_lost_or_doubled_beside_a_writer_and_a_reader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
