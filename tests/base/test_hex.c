#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <trackway/err.h>

#include "base/hex.h"

static void every_byte_is_two_lower_case_digits_and_comes_back(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char hex[512];
    for (unsigned i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    tw__hex_enc(bytes, 256, hex);
    assert_memory_equal(hex, "00010203", 8);
    assert_memory_equal(hex + 2 * 0xab, "abacad", 6);
    assert_true(tw__hex_dec(hex, back, 256));
    assert_memory_equal(back, bytes, 256);
    assert_true(tw__hex_dec_lower(hex, back, 256));
    assert_memory_equal(back, bytes, 256);
}

static void exactly_the_digits_are_taken_at_every_place(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 4; place++) {
        for (unsigned c = 0; c < 256; c++) {
            char hex[] = {'1', 'f', '0', '9'};
            uint8_t bytes[2];
            hex[place] = (char)c;
            bool lower = c && memchr("0123456789abcdef", (int)c, 16), upper = c && memchr("ABCDEF", (int)c, 6);
            assert_int_equal(tw__hex_dec(hex, bytes, 2), lower || upper);
            assert_int_equal(tw__hex_dec_lower(hex, bytes, 2), lower);
        }
    }
}

static void upper_case_has_the_same_values(void **state)
{
    (void)state;
    uint8_t bytes[3];
    const uint8_t expected[] = {0xab, 0xcd, 0xef};
    assert_true(tw__hex_dec("ABCDEF", bytes, 3));
    assert_memory_equal(bytes, expected, 3);
    assert_true(tw__hex_dec("aBcDeF", bytes, 3));
    assert_memory_equal(bytes, expected, 3);
}

static void no_bytes_are_fine(void **state)
{
    (void)state;
    assert_true(tw__hex_dec("", NULL, 0));
    tw__hex_enc(NULL, 0, NULL);
    assert_true(tw__all_zero(NULL, 0));
}

static void every_code_has_its_text(void **state)
{
    (void)state;
#define CHECK(name, value, text)                                                                                       \
    assert_int_equal(name, value);                                                                                     \
    assert_string_equal(tw_err_text(name), text);
    TW_ERR_TABLE(CHECK)
#undef CHECK
    assert_non_null(tw_err_text(TW_OK));
    assert_non_null(tw_err_text(-1000));
    assert_non_null(tw_err_text(7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_is_two_lower_case_digits_and_comes_back),
        cmocka_unit_test(exactly_the_digits_are_taken_at_every_place),
        cmocka_unit_test(upper_case_has_the_same_values),
        cmocka_unit_test(no_bytes_are_fine),
        cmocka_unit_test(every_code_has_its_text),
    };
    return cmocka_run_group_tests_name("hex", tests, NULL, NULL);
}
