/* Lines out of a stream, however its pieces fall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <trackway/err.h>

#include "base/line_in.h"

/* Every answer in turn: [a line], ! for one that was too long. */
static void feed(struct tw__line_in *in, const char *bytes, size_t len, struct tw__buf *told)
{
    const char *line;
    size_t line_len;
    int code;
    while ((code = tw__line_in_next(in, &bytes, &len, &line, &line_len)) != 0) {
        if (code == 1)
            tw__buf_fmt(told, "[%.*s]", (int)line_len, line);
        else
            tw__buf_cstr(told, code == TW_ERR_RANGE ? "!" : "?");
    }
    assert_int_equal(len, 0);
}

static void end(struct tw__line_in *in, struct tw__buf *told)
{
    const char *line;
    size_t len;
    if (tw__line_in_last(in, &line, &len)) tw__buf_fmt(told, "(%.*s)", (int)len, line);
    tw__buf_char(told, 0);
    tw__line_in_fini(in);
}

static void assert_lines(const char *text, const char *expected)
{
    size_t len = strlen(text);
    for (size_t one = 0; one <= len; one++) {
        for (size_t two = one; two <= len; two++) {
            struct tw__line_in in = {.max_bytes = 5};
            struct tw__buf told = {0};
            feed(&in, text, one, &told);
            feed(&in, text + one, two - one, &told);
            feed(&in, text + two, len - two, &told);
            end(&in, &told);
            assert_string_equal(told.ptr, expected);
            tw__buf_fini(&told);
        }
    }
}

static void lines_are_the_same_wherever_pieces_end(void **state)
{
    (void)state;
    assert_lines("", "");
    assert_lines("one\ntwo\n", "[one][two]");
    assert_lines("\n\na\n\nb", "[][][a][](b)");
    assert_lines("no\r\nend", "[no\r](end)");
}

static void a_line_as_long_as_the_bound_is_taken_and_a_longer_one_is_said_once(void **state)
{
    (void)state;
    assert_lines("12345\nx\n", "[12345][x]");
    assert_lines("123456\nx\n", "![x]");
    assert_lines("1234567890123\nx\n12345", "![x](12345)");
    assert_lines("a\n123456", "[a]!");
    assert_lines("123456\n123456\nb\n", "!![b]");
}

static void a_line_that_was_handed_out_is_not_the_last_one_again(void **state)
{
    (void)state;
    struct tw__line_in in = {.max_bytes = 4};
    const char *bytes = "abc", *line;
    size_t left = 3, len;
    assert_int_equal(tw__line_in_next(&in, &bytes, &left, &line, &len), 0);
    bytes = "d\nrest";
    left = 6;
    assert_int_equal(tw__line_in_next(&in, &bytes, &left, &line, &len), 1);
    assert_int_equal(len, 4);
    assert_int_equal(left, 4);
    assert_false(tw__line_in_last(&in, &line, &len)); /* it was handed out */
    tw__line_in_fini(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_the_same_wherever_pieces_end),
        cmocka_unit_test(a_line_as_long_as_the_bound_is_taken_and_a_longer_one_is_said_once),
        cmocka_unit_test(a_line_that_was_handed_out_is_not_the_last_one_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
