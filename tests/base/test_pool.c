/* pool: memory that is freed all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/pool.h"

static void what_is_taken_is_aligned_and_does_not_overlap(void **state)
{
    (void)state;
    struct tw__pool pool = {0};
    char *before = NULL;
    size_t before_len = 0;
    for (size_t i = 0; i < 5000; i++) {
        size_t len = i * 37 % 701, align = (size_t)1 << i % 5;
        char *taken = tw__pool_take(&pool, len, align);
        assert_non_null(taken);
        assert_int_equal((uintptr_t)taken % align, 0);
        if (before && taken > before) assert_true(before + before_len <= taken);
        memset(taken, (int)i, len);
        before = taken;
        before_len = len;
    }
    tw__pool_fini(&pool);
}

static void the_end_of_what_was_taken_last_can_be_given_back(void **state)
{
    (void)state;
    struct tw__pool pool = {0};
    char *first = tw__pool_take(&pool, 100, 1);
    tw__pool_give_back(&pool, first + 60, 40);
    char *second = tw__pool_take(&pool, 10, 1);
    assert_ptr_equal(second, first + 60);
    tw__pool_give_back(&pool, first + 20, 40); /* not the last: stays */
    assert_ptr_equal(tw__pool_take(&pool, 1, 1), second + 10);
    assert_int_equal(pool.taken_bytes, 71);
    tw__pool_fini(&pool);
}

static void something_larger_than_any_block_has_one_of_its_own(void **state)
{
    (void)state;
    struct tw__pool pool = {0};
    const char *small = tw__pool_copy(&pool, "small", 5);
    char *large = tw__pool_take(&pool, 9 << 20, 16);
    assert_non_null(large);
    memset(large, 1, 9 << 20);
    assert_memory_equal(small, "small", 5);
    assert_non_null(tw__pool_take(&pool, 100, 1));
    tw__pool_fini(&pool);
}

static void a_reset_keeps_the_memory(void **state)
{
    (void)state;
    struct tw__pool pool = {0};
    char *first = tw__pool_take(&pool, 100, 16);
    for (int i = 0; i < 1000; i++) assert_non_null(tw__pool_take(&pool, 1000, 8));
    tw__pool_reset(&pool);
    assert_ptr_equal(tw__pool_take(&pool, 100, 16), first);
    assert_int_equal(pool.taken_bytes, 100);
    tw__pool_fini(&pool);
}

static void beyond_the_limit_nothing_is_handed_out(void **state)
{
    (void)state;
    struct tw__pool pool = {.limit_bytes = 1000};
    assert_non_null(tw__pool_take(&pool, 999, 1));
    assert_null(tw__pool_take(&pool, 2, 1));
    assert_null(tw__pool_take(&pool, SIZE_MAX, 1));
    assert_non_null(tw__pool_take(&pool, 1, 1));
    tw__pool_fini(&pool);
    assert_null(tw__pool_zeroed(&pool, SIZE_MAX / 2, 4));
}

static void an_array_grows_and_keeps_its_items(void **state)
{
    (void)state;
    struct tw__pool pool = {0};
    uint32_t *items = NULL;
    size_t cap = 0;
    for (uint32_t i = 0; i < 10000; i++) {
        assert_int_equal(tw__pool_grow(&pool, &items, i, &cap, sizeof *items), 0);
        items[i] = i;
    }
    for (uint32_t i = 0; i < 10000; i++) assert_int_equal(items[i], i);
    tw__pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_aligned_and_does_not_overlap),
        cmocka_unit_test(the_end_of_what_was_taken_last_can_be_given_back),
        cmocka_unit_test(something_larger_than_any_block_has_one_of_its_own),
        cmocka_unit_test(a_reset_keeps_the_memory),
        cmocka_unit_test(beyond_the_limit_nothing_is_handed_out),
        cmocka_unit_test(an_array_grows_and_keeps_its_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
