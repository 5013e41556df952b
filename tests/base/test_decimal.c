#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* glibc's strtod rounds correctly; the tests run in the C locale. */
static void assert_like_strtod(const char *text)
{
    double value = -1;
    if (!tw__decimal_parse(text, strlen(text), &value)) fail_msg("\"%s\" was refused", text);
    double expected = strtod(text, NULL);
    if (bits_of(value) != bits_of(expected)) fail_msg("\"%.60s\" is %a, not %a", text, value, expected);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void known_hard_numbers_round_as_they_should(void **state)
{
    (void)state;
    static const char *const hard[] = {
        "0",
        "-0",
        "1",
        "0.1",
        "0.05",
        "1e22",
        "1e23",
        "123456789012345678901234567890",
        "9007199254740993",
        "9007199254740992.999999999999999999999",
        "9007199254740993.0000000000000000000000000000000000001",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "2.2250738585072012e-308",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.797693134862315807e308",
        "1.797693134862315808e308",
        "1.8e308",
        "1e400",
        "1e-400",
        "1e999999999999",
        "-1e-999999999999",
        "0e999999999999",
        "0.000000000000000000000000000000000000000000001e45",
        "6.631236846766476e-316",
        "3.237883913302901e-319",
        "100000000000000016777215",
        "100000000000000016777216",
        "1090544144181609348835077142190",
        "5e-324",
        "0.5",
        "1.5e0",
        "7.8459735791271921e65",
        "3.571e266",
        "5.9604644775390625e-8",
        "1E5",
        "1e+5",
        "1.e1",
        ".5",
        "00012",
    };
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) assert_like_strtod(hard[i]);
}

static void every_double_comes_back_from_its_digits(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    char text[64];
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = next_random(&seed);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (value != value || value - value != 0) continue; /* NaN, infinity */
        (void)snprintf(text, sizeof text, "%.*e", 16 - i % 3, value);
        assert_like_strtod(text);
    }
}

static void the_exact_middle_between_two_doubles_goes_to_the_even_one(void **state)
{
    (void)state;
    uint64_t seed = 42;
    static char text[1400];
    for (int i = 0; i < 400; i++) {
        /* The exact digits of a value with 54 bits, which no double has. */
        uint64_t odd = (next_random(&seed) >> 10) | (uint64_t)1 << 53 | 1;
        int exponent = (int)(next_random(&seed) % 1000) - 1070;
        long double middle = (long double)odd;
        for (int e = 0; e < exponent; e++) middle *= 2;
        for (int e = 0; e > exponent; e--) middle /= 2;
        (void)snprintf(text, sizeof text, "%.1100Lf", middle);
        assert_like_strtod(text);
        strcat(text, "1");
        assert_like_strtod(text);
    }
}

static void digits_beyond_the_limit_still_break_ties(void **state)
{
    (void)state;
    static char text[3000];
    strcpy(text, "9007199254740993.");
    memset(text + strlen(text), '0', 2000);
    assert_like_strtod(text);
    text[2010] = '1';
    assert_like_strtod(text);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",   "-",   ".",    "-.",  "e5",  "1e",    "1e+",   "1e-", "+1",  " 1",
                                        "1 ", "1,5", "0x10", "inf", "nan", "1.2.3", "1e5.5", "--1", "1_0", "1e5e5"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        double value = 7;
        if (tw__decimal_parse(wrong[i], strlen(wrong[i]), &value)) fail_msg("\"%s\" was taken", wrong[i]);
        assert_true(value > 6.5);
    }
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    double value = 0;
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8")) skip();
    bool read = tw__decimal_parse("0.5", 3, &value);
    setlocale(LC_NUMERIC, "C");
    assert_true(read);
    assert_true(value > 0.49 && value < 0.51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_hard_numbers_round_as_they_should),
        cmocka_unit_test(every_double_comes_back_from_its_digits),
        cmocka_unit_test(the_exact_middle_between_two_doubles_goes_to_the_even_one),
        cmocka_unit_test(digits_beyond_the_limit_still_break_ties),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(the_locale_does_not_matter),
    };
    return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
