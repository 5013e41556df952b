/* Text for terminals and JSON: harmless, valid, cut to a width. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/json.h"
#include "wire/table.h"
#include "wire/utf8.h"

static const struct tw__look utf8 = {.utf8 = true}, ascii = {0};

static void assert_buf(const struct tw__buf *buf, const char *expected)
{
    assert_false(buf->failed);
    if (buf->len != strlen(expected) || (buf->len && memcmp(buf->ptr, expected, buf->len) != 0))
        fail_msg("\"%.*s\" is not \"%s\"", (int)buf->len, buf->ptr, expected);
}

static void assert_shown(struct tw_text text, unsigned max, const char *expected, unsigned columns)
{
    struct tw__buf out = {0};
    assert_int_equal(tw__term_text(&out, &utf8, text, max, TW__CUT_MARK), columns);
    assert_buf(&out, expected);
    tw__buf_fini(&out);
}

static void what_steers_a_terminal_is_made_visible(void **state)
{
    (void)state;
    assert_shown(tw__text_of("\033]0;x\007"), 99, "\\x1b]0;x\\x07", 12);
    assert_shown(tw__text_of("a\nb\tc\r"), 99, "a\\nb\\tc\\r", 9);
    assert_shown((struct tw_text){"\0", 1}, 99, "\\x00", 4);
    assert_shown(tw__text_of("\x7f\xc2\x9b"), 99, "\\x7f\\x9b", 8);      /* DEL, and CSI in eight bits */
    assert_shown(tw__text_of("\xe2\x80\xae" "x"), 99, "\\u202ex", 7);    /* right to left from here on */
    assert_shown(tw__text_of("\xff\xc0\xaf\xed\xa0\x80"), 99, "\\xff\\xc0\\xaf\\xed\\xa0\\x80", 24);
}

static void no_byte_gets_through_that_a_terminal_obeys(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 256; a++) {
        for (unsigned b = 0; b < 256; b++) {
            char pair[2] = {(char)a, (char)b};
            struct tw__buf out = {0};
            (void)tw__term_text(&out, &utf8, (struct tw_text){pair, 2}, 99, TW__CUT_MARK);
            for (size_t i = 0; i < out.len;) {
                uint32_t cp = 0;
                size_t n = tw__utf8_next(out.ptr + i, out.len - i, &cp);
                assert_true(n > 0);
                assert_true(cp >= 0x20 && !(cp >= 0x7f && cp < 0xa0));
                i += n;
            }
            tw__buf_fini(&out);
        }
    }
}

static void cuts_to_columns_and_never_inside_a_character(void **state)
{
    (void)state;
    assert_shown(tw__text_of("hello"), 5, "hello", 5);
    assert_shown(tw__text_of("hello!"), 5, "hell\xe2\x80\xa6", 5);
    assert_shown(tw__text_of("caf\xc3\xa9s"), 4, "caf\xe2\x80\xa6", 4);
    assert_shown(tw__text_of("\xe6\x97\xa5\xe6\x9c\xac"), 3, "\xe6\x97\xa5\xe2\x80\xa6", 3); /* two columns each */
    assert_shown(tw__text_of("\xe6\x97\xa5\xe6\x9c\xac"), 2, "\xe2\x80\xa6", 1);
    assert_shown(tw__text_of("abc"), 0, "", 0);
    struct tw__buf out = {0};
    assert_int_equal(tw__term_text(&out, &ascii, tw__text_of("hello!"), 5, TW__CUT_MARK), 5);
    assert_buf(&out, "hell~");
    tw__buf_reset(&out);
    assert_int_equal(tw__term_text(&out, &ascii, tw__text_of("0123456789"), 4, TW__CUT_HARD), 4);
    assert_buf(&out, "0123");
    static const struct {
        const char *text, *shown;
        unsigned max, columns;
    } paths[] = {{"/tmp/cart.log",
                  "\xe2\x80\xa6"
                  "cart.log",
                  9, 9},
                 {"cart.log", "cart.log", 8, 8},
                 {"cart.log", "", 0, 0},
                 {"cart.log", "\xe2\x80\xa6", 1, 1},
                 {"\xe6\x97\xa5\xe6\x9c\xac", "\xe2\x80\xa6\xe6\x9c\xac", 3, 3},
                 {"\xe6\x97\xa5\xe6\x9c\xac", "\xe2\x80\xa6", 2, 1},
                 {"a\033b",
                  "\xe2\x80\xa6"
                  "b",
                  3, 2}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        tw__buf_reset(&out);
        assert_int_equal(tw__term_text(&out, &utf8, tw__text_of(paths[i].text), paths[i].max, TW__CUT_FRONT),
                         paths[i].columns);
        assert_buf(&out, paths[i].shown);
    }
    tw__buf_fini(&out);
}

static void a_second_pass_changes_nothing(void **state)
{
    (void)state;
    struct tw__buf once = {0}, twice = {0};
    (void)tw__term_text(&once, &utf8, tw__text_of("\033[31m\xff caf\xc3\xa9 \\ \""), 999, TW__CUT_MARK);
    (void)tw__term_text(&twice, &utf8, tw__buf_text(&once), 999, TW__CUT_MARK);
    assert_int_equal(once.len, twice.len);
    assert_memory_equal(once.ptr, twice.ptr, once.len);
    tw__buf_fini(&once);
    tw__buf_fini(&twice);
}

static void json_is_strict_and_exact(void **state)
{
    (void)state;
    struct tw__buf out = {0};
    struct tw__json json = {.out = &out};
    tw__json_open(&json, NULL, '{');
    tw__json_u64(&json, "max", UINT64_MAX);
    tw__json_i64(&json, "min", INT64_MIN);
    tw__json_f64(&json, "tenth", 0.1);
    tw__json_f64(&json, "third", 1.0 / 3.0);
    tw__json_f64(&json, "nan", (double)NAN);
    tw__json_f64(&json, "inf", (double)-INFINITY);
    tw__json_text(&json, "text", tw__text_of("\"\\\n\001\x7f\xff" "caf\xc3\xa9\xe2\x80\xa8"));
    tw__json_open(&json, "list", '[');
    tw__json_bool(&json, NULL, true);
    tw__json_null(&json, NULL);
    tw__json_open(&json, NULL, '{');
    tw__json_name(&json, tw__text_of("a\"b"));
    tw__json_u64(&json, NULL, 1);
    tw__json_name(&json, (struct tw_text){0});
    tw__json_u64(&json, NULL, 2);
    tw__json_close(&json, '}');
    tw__json_close(&json, ']');
    tw__json_hex(&json, "hex", (const uint8_t *)"\x00\xfe", 2);
    tw__json_close(&json, '}');
    tw__json_line(&json);
    assert_buf(&out,
               "{\"max\":18446744073709551615,\"min\":-9223372036854775808,\"tenth\":0.1,\"third\":0.33333333333333331,"
               "\"nan\":null,\"inf\":null,\"text\":\"\\\"\\\\\\n\\u0001\\u007f\xef\xbf\xbd"
               "caf\xc3\xa9\\u2028\","
               "\"list\":[true,null,{\"a\\\"b\":1,\"\":2}],\"hex\":\"00fe\"}\n");
    tw__buf_fini(&out);
}

static const struct tw__column columns[] = {{.title = "ID", .paste = true, .min = 4},
                                            {.title = "NAME", .min = 4},
                                            {.title = "N", .right = true, .rank = 1},
                                            {.title = "MORE", .rank = 2}};

static void print_table(struct tw__buf *out, unsigned width)
{
    struct tw__table table;
    struct tw__look look = {.width = width};
    tw__table_init(&table, columns, 4);
    tw__table_cstr(&table, TW__INK_RED, "0123456789");
    tw__table_cstr(&table, TW__INK_NONE, "caf\xc3\xa9 au lait");
    tw__table_number(&table, TW__INK_NONE, 42);
    tw__table_cstr(&table, TW__INK_NONE, "more");
    tw__table_print(&table, &look, out);
    tw__table_fini(&table);
}

static void a_table_is_as_wide_as_its_cells(void **state)
{
    (void)state;
    struct tw__buf out = {0};
    print_table(&out, 0);
    assert_buf(&out, "ID          NAME           N  MORE\n0123456789  caf\xc3\xa9 au lait  42  more\n");
    tw__buf_fini(&out);
}

static void no_line_of_a_table_is_wider_than_the_terminal(void **state)
{
    (void)state;
    for (unsigned width = 1; width < 50; width++) {
        struct tw__buf out = {0};
        print_table(&out, width);
        for (size_t from = 0; from < out.len;) {
            const char *end = memchr(out.ptr + from, '\n', out.len - from);
            assert_non_null(end);
            size_t len = (size_t)(end - out.ptr) - from;
            assert_true(tw__term_columns((struct tw_text){out.ptr + from, len}) <= width);
            from += len + 1;
        }
        tw__buf_fini(&out);
    }
}

static void ids_are_cut_only_as_far_as_they_can_be_told_apart(void **state)
{
    (void)state;
    static const struct tw__column two[] = {{.title = "ID", .paste = true, .min = 4}, {.title = "NAME", .min = 8}};
    const struct tw__look look = {.width = 20, .utf8 = true};
    struct tw__table table;
    struct tw__buf out = {0};
    tw__table_init(&table, two, 2);
    for (int i = 0; i < 3; i++) {
        tw__table_cstr(&table, TW__INK_NONE, i == 1 ? "6b09ddfa2b" : "6b09ddfa1c");
        tw__table_cstr(&table, TW__INK_NONE, "a name of some length");
    }
    tw__table_print(&table, &look, &out);
    assert_buf(&out, "ID         NAME\n"
                     "6b09ddfa1  a name o\xe2\x80\xa6\n"
                     "6b09ddfa2  a name o\xe2\x80\xa6\n"
                     "6b09ddfa1  a name o\xe2\x80\xa6\n");
    tw__table_fini(&table);
    tw__buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_steers_a_terminal_is_made_visible),
        cmocka_unit_test(no_byte_gets_through_that_a_terminal_obeys),
        cmocka_unit_test(cuts_to_columns_and_never_inside_a_character),
        cmocka_unit_test(a_second_pass_changes_nothing),
        cmocka_unit_test(json_is_strict_and_exact),
        cmocka_unit_test(a_table_is_as_wide_as_its_cells),
        cmocka_unit_test(no_line_of_a_table_is_wider_than_the_terminal),
        cmocka_unit_test(ids_are_cut_only_as_far_as_they_can_be_told_apart),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
