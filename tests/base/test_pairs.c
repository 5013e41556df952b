/* pairs: expected values by the W3C Baggage grammar that OTEL_RESOURCE_ATTRIBUTES borrows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pairs.h"

static void expect(const char **at, const char *key, const char *value)
{
    struct tw__pair pair;
    assert_true(tw__pairs_next(at, &pair));
    assert_int_equal(pair.key_len, strlen(key));
    assert_memory_equal(pair.key, key, pair.key_len);
    assert_int_equal(pair.value_len, strlen(value));
    assert_memory_equal(pair.value, value, pair.value_len);
}

static void pairs_come_one_by_one_without_blanks_around_them(void **state)
{
    const char *at = " a = 1 ,b=x=y,\tc=";
    struct tw__pair pair;
    (void)state;
    expect(&at, "a", "1");
    expect(&at, "b", "x=y");
    expect(&at, "c", "");
    assert_false(tw__pairs_next(&at, &pair));
}

static void what_is_no_pair_is_passed_over(void **state)
{
    const char *at = ",,novalue,=nokey, ,good=1,";
    struct tw__pair pair;
    (void)state;
    expect(&at, "good", "1");
    assert_false(tw__pairs_next(&at, &pair));
}

static void decoded(const char *text, const char *expected)
{
    char out[64];
    assert_int_equal(tw__percent_decode(text, strlen(text), out), strlen(expected));
    assert_memory_equal(out, expected, strlen(expected));
}

static void percent_escapes_become_bytes_and_bad_ones_stay(void **state)
{
    (void)state;
    decoded("a%20b%2Cc%2c", "a b,c,");
    decoded("caf%C3%A9", "caf\xC3\xA9");
    decoded("100%", "100%");
    decoded("%4", "%4");
    decoded("%zz%41", "%zzA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_come_one_by_one_without_blanks_around_them),
        cmocka_unit_test(what_is_no_pair_is_passed_over),
        cmocka_unit_test(percent_escapes_become_bytes_and_bad_ones_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
