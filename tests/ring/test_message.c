/* The text of log records that no program wrote: formats and values that do not belong together. Those that do are in
 * tests/trace/test_log.c, with snprintf as the oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <trackway/read.h>

static const char *message(const char *format, const struct tw_tag_value *args, size_t count)
{
    static char text[256];
    struct tw_record record = {
        .kind = TW_RECORD_LOG, .name = {format, strlen(format)}, .args = args, .arg_count = count};
    size_t len = tw_record_message(&record, text, sizeof text);
    assert_int_equal(len, strlen(text));
    return text;
}

static const struct tw_tag_value number = {.type = TW_TYPE_INT, .value.i = 327680},
                                 unsigned_number = {.type = TW_TYPE_UINT, .value.u = 327680},
                                 real = {.type = TW_TYPE_DOUBLE, .value.d = 0.5},
                                 text_value = {.type = TW_TYPE_STR, .text = {"words", 5}};

static void a_number_under_a_text_conversion_is_never_an_address(void **state)
{
    (void)state;
    static const char *const formats[] = {"%s", "%5s", "%-9s", "%.3s", "%hs", "%ls", "%lls", "%S", "%9S", "% s"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        assert_string_equal(message(formats[i], &number, 1), "327680");
        assert_string_equal(message(formats[i], &unsigned_number, 1), "327680");
        assert_string_equal(message(formats[i], &real, 1), "0.5");
    }
}

static void every_conversion_takes_every_value(void **state)
{
    (void)state;
    const struct tw_tag_value *const values[] = {&number, &unsigned_number, &real, &text_value};
    static const char *const flags[] = {"", "#", "'", "-8", "08", "+.3", "l", "hh", "*"};
    for (int letter = 1; letter < 256; letter++) {
        for (size_t f = 0; f < sizeof flags / sizeof *flags; f++) {
            char format[24];
            (void)snprintf(format, sizeof format, "<%%%s%c>", flags[f], letter);
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                struct tw_tag_value twice[2] = {*values[v], *values[v]};
                assert_int_equal(message(format, twice, 2)[0], '<');
            }
        }
    }
    assert_string_equal(message("%d", &real, 1), "0.5");
    assert_string_equal(message("%.2f", &number, 1), "327680");
    assert_string_equal(message("%7.3d|", &text_value, 1), "    wor|");
    assert_string_equal(message("%hhu", &number, 1), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_under_a_text_conversion_is_never_an_address),
        cmocka_unit_test(every_conversion_takes_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
