/* json: what is written, as jansson reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include "wire/json.h"

static void reads_back(const char *text, size_t len)
{
    struct tw__buf out = {0};
    struct tw__json json = {.out = &out};
    tw__json_open(&json, NULL, '{');
    tw__json_text(&json, "t", (struct tw_text){text, len});
    tw__json_close(&json, '}');
    assert_false(out.failed);
    json_t *read = json_loadb(out.ptr, out.len, JSON_ALLOW_NUL, NULL);
    json_t *value = json_object_get(read, "t");
    if (!json_is_string(value)) fail_msg("not JSON: %.*s", (int)out.len, out.ptr);
    assert_int_equal(json_string_length(value), len);
    assert_memory_equal(json_string_value(value), text, len);
    json_decref(read);
    tw__buf_fini(&out);
}

static void every_byte_of_ascii_is_read_back_wherever_it_stands(void **state)
{
    (void)state;
    char text[24];
    for (int c = 0; c < 128; c++)
        for (size_t at = 0; at < 20; at++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            for (size_t len = at + 1; len <= sizeof text; len++) reads_back(text, len);
        }
}

static void two_bytes_beside_each_other_do_not_hide_one_another(void **state)
{
    (void)state;
    static const char odd[] = {0, 1, 0x1f, ' ', '!', '"', '#', '[', '\\', ']', 0x7e, 0x7f};
    char text[16];
    for (size_t a = 0; a < sizeof odd; a++)
        for (size_t b = 0; b < sizeof odd; b++)
            for (size_t at = 0; at + 1 < sizeof text; at++) {
                memset(text, 'z', sizeof text);
                text[at] = odd[a];
                text[at + 1] = odd[b];
                reads_back(text, sizeof text);
            }
}

static void letters_beyond_ascii_are_kept(void **state)
{
    (void)state;
    static const char *const texts[] = {"gr\xc3\xbc\xc3\x9f nach Norden", "aaaaaaa\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3",
                                        "\xf0\x9f\x8d\x84 mushroom", "12345678\xe2\x80\xa8line separator"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) reads_back(texts[i], strlen(texts[i]));
}

static void a_byte_that_is_no_letter_becomes_one_replacement(void **state)
{
    (void)state;
    struct tw__buf out = {0};
    struct tw__json json = {.out = &out};
    tw__json_text(&json, NULL,
                  (struct tw_text){"1234567\xff"
                                   "890\x80",
                                   12});
    assert_int_equal(out.len, 2 + 10 + 6);
    assert_memory_equal(out.ptr,
                        "\"1234567\xef\xbf\xbd"
                        "890\xef\xbf\xbd\"",
                        out.len);
    tw__buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_of_ascii_is_read_back_wherever_it_stands),
        cmocka_unit_test(two_bytes_beside_each_other_do_not_hide_one_another),
        cmocka_unit_test(letters_beyond_ascii_are_kept),
        cmocka_unit_test(a_byte_that_is_no_letter_becomes_one_replacement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
