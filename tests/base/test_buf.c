/* The output buffer: grows, and remembers that it could not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void what_is_added_stands_there_in_order(void **state)
{
    (void)state;
    struct tw__buf buf = {0};
    tw__buf_cstr(&buf, "a=");
    tw__buf_u64(&buf, UINT64_MAX);
    tw__buf_char(&buf, ' ');
    tw__buf_u64(&buf, 0);
    tw__buf_fill(&buf, '-', 3);
    tw__buf_hex(&buf, (const uint8_t *)"\x0f\xa0", 2);
    tw__buf_fmt(&buf, "[%s %d]", "x", -5);
    tw__buf_add(&buf, NULL, 0);
    const char expected[] = "a=18446744073709551615 0---0fa0[x -5]";
    assert_int_equal(buf.len, sizeof expected - 1);
    assert_memory_equal(buf.ptr, expected, buf.len);
    assert_false(buf.failed);
    tw__buf_reset(&buf);
    assert_int_equal(buf.len, 0);
    assert_true(buf.cap > 0);
    tw__buf_fini(&buf);
    assert_null(buf.ptr);
}

static void it_grows_over_many_small_and_one_large_addition(void **state)
{
    (void)state;
    struct tw__buf buf = {0};
    for (int i = 0; i < 100000; i++) tw__buf_fmt(&buf, "%05d", i);
    assert_int_equal(buf.len, 500000);
    assert_memory_equal(buf.ptr + 499995, "99999", 5);
    tw__buf_fill(&buf, 'x', 1000000);
    assert_int_equal(buf.len, 1500000);
    assert_false(buf.failed);
    tw__buf_fini(&buf);
}

static void after_a_failure_nothing_more_is_added_until_reset(void **state)
{
    (void)state;
    struct tw__buf buf = {0};
    tw__buf_cstr(&buf, "kept");
    tw__buf_fill(&buf, 'x', SIZE_MAX / 2 + 2); /* more than can be doubled to */
    assert_true(buf.failed);
    tw__buf_cstr(&buf, "dropped");
    assert_int_equal(buf.len, 4);
    tw__buf_reset(&buf);
    tw__buf_cstr(&buf, "again");
    assert_int_equal(buf.len, 5);
    assert_false(buf.failed);
    tw__buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_added_stands_there_in_order),
        cmocka_unit_test(it_grows_over_many_small_and_one_large_addition),
        cmocka_unit_test(after_a_failure_nothing_more_is_added_until_reset),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
