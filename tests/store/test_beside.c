/* store: writers, readers, sealing and compaction beside each other. Every scan sees each acknowledged span once. */
#include "store/made.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { WRITERS = 2, READERS = 2, BATCHES = 60, SPANS = 50 };

static struct tw__store *store;
static uint32_t acknowledged, begun, stop;

/* A thread's result: what went wrong. */
static void *said(const char *text)
{
    union {
        const char *in;
        void *out;
    } same = {text};
    return same.out;
}

static void *write_batches(void *data)
{
    uint8_t number = *(uint8_t *)data;
    for (unsigned b = 0; b < BATCHES; b++) {
        struct tw__spans in = {0};
        for (uint8_t i = 0; i < SPANS; i++) {
            struct tw__span *span = made_span(&in, "cart", "x", (uint8_t)b, (uint8_t)(i + 1), b * 60.0, i);
            span->trace_id[0] = number;
        }
        (void)__atomic_fetch_add(&begun, SPANS, __ATOMIC_SEQ_CST);
        if (tw__store_write(store, &in) < 0) return said("a write failed");
        (void)__atomic_fetch_add(&acknowledged, SPANS, __ATOMIC_SEQ_CST);
        tw__spans_fini(&in);
    }
    return NULL;
}

static bool count_span(void *data, const struct tw__spans *spans, size_t index)
{
    (void)spans;
    (void)index;
    ++*(uint32_t *)data;
    return true;
}

static void *read_all(void *data)
{
    (void)data;
    while (!__atomic_fetch_add(&stop, 0, __ATOMIC_SEQ_CST)) {
        uint32_t least = __atomic_fetch_add(&acknowledged, 0, __ATOMIC_SEQ_CST), count = 0;
        if (tw__store_scan(store, &(struct tw__store_query){0}, 0, count_span, &count) < 0)
            return said("a scan failed");
        uint32_t most = __atomic_fetch_add(&begun, 0, __ATOMIC_SEQ_CST);
        if (count < least || count > most) return said("a scan lost or doubled spans");
        struct tw__spans out = {0};
        const uint8_t id[16] = {0};
        int error = tw__store_trace(store, id, TW__PART_ALL, &out);
        bool whole = out.count == SPANS || (error == TW_ERR_NOT_FOUND && out.count == 0);
        tw__spans_fini(&out);
        if (!whole) return said("a trace came in part");
    }
    return NULL;
}

static void *move(void *data)
{
    (void)data;
    for (unsigned i = 0; !__atomic_fetch_add(&stop, 0, __ATOMIC_SEQ_CST); i++)
        if ((i % 4 == 3 ? tw__store_compact(store) : tw__store_flush(store)) < 0) return said("sealing failed");
    return NULL;
}

static uint64_t clock_of_test(void)
{
    return MADE_EPOCH_NS;
}

static void writers_readers_and_sealing_do_not_disturb_each_other(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = {.folder = folder, .now_ns = clock_of_test};
    pthread_t writers[WRITERS], readers[READERS], mover;
    uint8_t numbers[WRITERS];
    void *result;
    store = made_open(&options);
    for (uint8_t i = 0; i < WRITERS; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&writers[i], NULL, write_batches, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, read_all, NULL), 0);
    assert_int_equal(pthread_create(&mover, NULL, move, NULL), 0);
    for (unsigned i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i], &result), 0);
        if (result) fail_msg("%s", (const char *)result);
    }
    (void)__atomic_fetch_add(&stop, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i], &result), 0);
        if (result) fail_msg("%s", (const char *)result);
    }
    assert_int_equal(pthread_join(mover, &result), 0);
    if (result) fail_msg("%s", (const char *)result);
    uint32_t count = 0;
    assert_int_equal(tw__store_scan(store, &(struct tw__store_query){0}, 0, count_span, &count), 0);
    assert_int_equal(count, WRITERS * BATCHES * SPANS);
    tw__store_close(store);
    made_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_readers_and_sealing_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
