/* Durations as people read and write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <trackway/err.h>

#include "wire/human.h"

static void durations_have_three_digits_that_count(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {
        {0, "0ns"},
        {999, "999ns"},
        {1000, "1.00us"},
        {1234, "1.23us"},
        {12345, "12.3us"},
        {999499, "999us"},
        {999500, "1.00ms"},
        {1230000, "1.23ms"},
        {23400000, "23.4ms"},
        {412000000, "412ms"},
        {999600000, "1.00s"},
        {4500000000, "4.50s"},
        {59940000000, "59.9s"},
        {59950000000, "1m00s"},
        {125000000000, "2m05s"},
        {11520000000000, "3h12m"},
        {356400000000000, "4d03h"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(tw__human_duration(cases[i].ns).text, cases[i].text);
    assert_string_equal(tw__human_duration(UINT64_MAX).text, "213503d23h");
}

static void reads_what_people_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {
        {"200ms", 200000000},
        {"1.5s", 1500000000},
        {"5m", 300000000000},
        {"2h", 7200000000000},
        {"1d", 86400000000000},
        {"0", 0},
        {"0.1s", 100000000},
        {".5s", 500000000},
        {"3us", 3000},
        {"7ns", 7},
        {"0.000000001s", 1},
        {"0.0000000019s", 1},
        {"1.d", 86400000000000},
        {"1m30s", 90000000000},
        {"2m05s", 125000000000},
        {"4d03h", 356400000000000},
        {"1h2m3.5s", 3723500000000},
        {"5\xc2\xb5s", 5000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t ns = 99;
        assert_int_equal(tw__human_parse_duration(cases[i].text, &ns), 0);
        assert_int_equal(ns, cases[i].ns);
    }
}

static void refuses_the_rest_and_leaves_the_result_alone(void **state)
{
    (void)state;
    static const char *const cases[] = {"",    "s",    "200",   "-1s", " 1s",  "1 s",  "30s1m", "1m1m",
                                        "1h0", "1m30", "1m-3s", ".s",  "1sec", "1e3s", "0x1s"};
    uint64_t ns = 99;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(tw__human_parse_duration(cases[i], &ns), TW_ERR_SYNTAX);
    assert_int_equal(tw__human_parse_duration("99999999999999999999s", &ns), TW_ERR_RANGE);
    assert_int_equal(tw__human_parse_duration("106752d", &ns), TW_ERR_RANGE);
    assert_int_equal(tw__human_parse_duration("106750d2562047h", &ns), TW_ERR_RANGE);
    assert_int_equal(ns, 99);
}

static void a_moment_of_another_day_says_which(void **state)
{
    const uint64_t s = 1000000000, day = 86400 * s, noon = 20000 * day + day / 2;
    (void)state;
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    tzset();
    assert_string_equal(tw__human_moment(noon - day / 2, noon).text, "00:00:00.000");
    assert_string_equal(tw__human_moment(noon + day / 2 - 1, noon).text, "23:59:59.999");
    assert_string_equal(tw__human_moment(noon - day / 2 - 1, noon).text, "2024-10-03 23:59:59");
    assert_string_equal(tw__human_moment(noon + day / 2, noon).text, "2024-10-05 00:00:00");
    assert_string_equal(tw__human_moment(noon - 366 * day, noon).text, "2023-10-04 12:00:00");
    assert_string_equal(tw__human_moment(UINT64_MAX, noon).text, "2554-07-21 23:34:33");
    assert_int_equal(setenv("TZ", "XYZ-13", 1), 0); /* east of Greenwich, tomorrow has begun */
    tzset();
    assert_string_equal(tw__human_moment(noon - s, noon).text, "00:59:59.000");
    assert_string_equal(tw__human_moment(noon - 3601 * s, noon).text, "2024-10-04 23:59:59");
}

static void rates_and_bytes_stay_short(void **state)
{
    (void)state;
    assert_string_equal(tw__human_rate(0).text, "0");
    assert_string_equal(tw__human_rate(0.44).text, "0.4");
    assert_string_equal(tw__human_rate(12).text, "12");
    assert_string_equal(tw__human_rate(1234).text, "1.2k");
    assert_string_equal(tw__human_rate(3400000).text, "3.4M");
    assert_string_equal(tw__human_rate(-1).text, "0");
    assert_string_equal(tw__human_bytes(512).text, "512");
    assert_string_equal(tw__human_bytes(16 << 20).text, "16M");
    assert_string_equal(tw__human_bytes(UINT64_MAX).text, "16E");
    assert_string_equal(tw__human_ago(UINT64_C(179999999999)).text, "2m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_three_digits_that_count),
        cmocka_unit_test(reads_what_people_type),
        cmocka_unit_test(refuses_the_rest_and_leaves_the_result_alone),
        cmocka_unit_test(a_moment_of_another_day_says_which),
        cmocka_unit_test(rates_and_bytes_stay_short),
    };
    return cmocka_run_group_tests_name("human", tests, NULL, NULL);
}
