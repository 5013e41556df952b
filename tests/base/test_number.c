#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/number.h"

static const struct tw__field untouched = {.type = TW__FIELD_LEVEL, .u = 77};

static struct tw__field number(const char *text)
{
    struct tw__field out = untouched;
    if (!tw__number_read(text, strlen(text), &out)) assert_memory_equal(&out, &untouched, sizeof out);
    return out;
}

static int64_t duration(const char *text)
{
    struct tw__field out = untouched;
    if (!tw__duration_read(text, strlen(text), &out)) {
        assert_memory_equal(&out, &untouched, sizeof out);
        return -1;
    }
    assert_int_equal(out.type, TW__FIELD_INT);
    return out.i;
}

static void assert_int(const char *text, int64_t expected)
{
    struct tw__field out = number(text);
    if (out.type != TW__FIELD_INT || out.i != expected) fail_msg("%s", text);
}

static void assert_double(const char *text)
{
    struct tw__field out = number(text);
    double expected = strtod(text, NULL);
    if (out.type != TW__FIELD_DOUBLE || memcmp(&out.d, &expected, sizeof expected) != 0) fail_msg("%s", text);
}

static void whole_numbers_are_exact_to_their_last_bit(void **state)
{
    (void)state;
    assert_int("0", 0);
    assert_int("-0", 0);
    assert_int("007", 7);
    assert_int("9223372036854775807", INT64_MAX);
    assert_int("-9223372036854775808", INT64_MIN);
    assert_int("0xff", 255);
    assert_int("0XFF", 255);
    assert_int("-0x10", -16);
    assert_int_equal(number("9223372036854775808").type, TW__FIELD_UINT);
    assert_true(number("18446744073709551615").u == UINT64_MAX);
    assert_true(number("0xffffffffffffffff").u == UINT64_MAX);
}

static void a_point_or_an_exponent_makes_a_double(void **state)
{
    (void)state;
    static const char *const texts[] = {"1.0",      "0.1",  "-2.25", "1e3", "1E-3", "1.7976931348623157e308",
                                        "4.9e-324", "-0.0", ".5"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_double(texts[i]);
}

static void what_is_no_number_or_too_large_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "-",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1a",
                                        "0x",
                                        "0xg",
                                        "1_000",
                                        "nan",
                                        "inf",
                                        "1e400",
                                        "--1",
                                        "1.2.3",
                                        "1,5",
                                        "0x1p3",
                                        "-0x",
                                        "18446744073709551616",
                                        "-9223372036854775809",
                                        "123456789012345678901234567890",
                                        "0x10000000000000000"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (number(texts[i]).type != TW__FIELD_LEVEL) fail_msg("%s was read", texts[i]);
}

static void durations_become_nanoseconds(void **state)
{
    (void)state;
    assert_int_equal(duration("7ns"), 7);
    assert_int_equal(duration("1us"), 1000);
    assert_int_equal(duration("1\xc2\xb5s"), 1000);
    assert_int_equal(duration("200ms"), 200000000);
    assert_int_equal(duration("1.5s"), 1500000000);
    assert_int_equal(duration("0.1s"), 100000000);
    assert_int_equal(duration("5m"), 300000000000);
    assert_int_equal(duration("2h"), 7200000000000);
    assert_int_equal(duration("1d"), 86400000000000);
    assert_int_equal(duration("9223372036s"), 9223372036000000000);
    assert_int_equal(duration("1m30s"), 90000000000);
    assert_int_equal(duration("1d2h3m4.5s6ms"), 93784506000000);
    assert_int_equal(duration("-1m30s"), -90000000000);
}

static void what_is_no_duration_or_beyond_292_years_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",    "s",      "ms",   "1",           "1x",      "xs",
                                        "1 s", "1e400s", "0x1d", "9223372037s", "200000d", "1.2.3s",
                                        "1s1m", "12d34d", "1m30", "1m-30s", "1m 30s", "106750d2562047h", "1e1m3s"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (duration(texts[i]) != -1) fail_msg("%s was read", texts[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_exact_to_their_last_bit),
        cmocka_unit_test(a_point_or_an_exponent_makes_a_double),
        cmocka_unit_test(what_is_no_number_or_too_large_leaves_the_result_alone),
        cmocka_unit_test(durations_become_nanoseconds),
        cmocka_unit_test(what_is_no_duration_or_beyond_292_years_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
