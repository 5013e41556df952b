/* export: begun and ended again and again, under load, with less time than the work takes.  TSAN */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <trackway/export.h>
#include <trackway/trackway.h>

static void spans(int count)
{
    for (int i = 0; i < count; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "i", i);
        tw_span_end(span);
    }
}

static const struct tw_config to_nowhere = {
    .exporter = "file,network_lossy,xray",
    .variables = (const char *const[]){"TRACKWAY_FILE=/dev/null", "TRACKWAY_FDB=127.0.0.1:1",
                                       "TRACKWAY_XRAY_DAEMON=127.0.0.1:1", "TRACKWAY_XRAY_CHILDREN=embedded", NULL}};

/* A thread that is left behind reads zero memory in the place of its segment, while that is put there: by design (it
 * trusts no byte), but ThreadSanitizer cannot know. */
#ifdef __SANITIZE_THREAD__
static const uint64_t little_ns = 20000000000;
enum { TIMES = 3, MANY = 3000 };
#else
static const uint64_t little_ns = 0;
enum { TIMES = 12, MANY = 60000 };
#endif

static uint64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void a_thread_that_is_left_behind_harms_nobody_and_ends(void **state)
{
    (void)state;
    for (int i = 0; i < TIMES; i++) {
        assert_int_equal(tw_init(&to_nowhere), 0);
        spans(MANY);
        assert_int_equal(tw_shutdown(i % 3 || little_ns ? little_ns : 20000000), 0);
    }
    assert_int_equal(tw_init(&to_nowhere), 0);
    spans(10);
    assert_int_equal(tw_flush(UINT64_MAX), 0);
    struct tw_export_stats stats;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(tw_export_counters(i, &stats), 0);
        assert_int_equal(stats.sent + stats.dropped, 10);
    }
    assert_int_equal(tw_shutdown(UINT64_MAX), 0);
    assert_int_equal(tw_export_counters(0, &stats), TW_ERR_NOT_FOUND);
}

static void a_flush_waits_no_longer_than_it_is_told(void **state)
{
    (void)state;
    assert_int_equal(tw_init(&to_nowhere), 0);
    spans(100);
    uint64_t from = now_ms();
    int result = tw_flush(0);
    assert_true(result == 0 || result == TW_ERR_TIMEOUT);
    assert_true(now_ms() - from < 10000); /* an end, whatever the machine does meanwhile */
    assert_int_equal(tw_shutdown(UINT64_MAX), 0);
    assert_int_equal(tw_flush(1000), TW_ERR_STATE);
}

static void *flush_often(void *data)
{
    (void)data;
    for (int i = 0; i < 200; i++) (void)tw_flush(1000000);
    return NULL;
}

static void many_may_flush_at_once_and_while_it_ends(void **state)
{
    pthread_t threads[4];
    (void)state;
    assert_int_equal(tw_init(&to_nowhere), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, flush_often, NULL), 0);
    for (int i = 0; i < 20; i++) spans(500);
    assert_int_equal(tw_shutdown(little_ns + 1000000), 0);
    assert_int_equal(tw_init(&to_nowhere), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(tw_shutdown(1000000000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_that_is_left_behind_harms_nobody_and_ends),
        cmocka_unit_test(a_flush_waits_no_longer_than_it_is_told),
        cmocka_unit_test(many_may_flush_at_once_and_while_it_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
