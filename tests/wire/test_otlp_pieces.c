/* OpenTelemetry's JSON cut into requests: whatever the steps in which it arrives, the elements are those of the whole.
 * The oracle cuts by hand: each text is made of its elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/otlp_pieces.h"

#define HEAD "{\"resourceSpans\":["
static const char *const elements[] = {"{\"a\":\"]}\"}", "{\"b\":[1,{\"c\":\"\\\"{[\\\\\"}]}", "{}",
                                       "{\"d\":\"\\u005d\"}"};
enum { ELEMENTS = sizeof elements / sizeof *elements };

struct seen {
    struct tw__buf text; /* what stands between the brackets of all pieces, commas as in the whole */
    size_t pieces, largest;
    int code;
};

static int take(void *data, const char *text, size_t len)
{
    struct seen *seen = data;
    size_t head = sizeof HEAD - 1;
    assert_true(len >= head + 2);
    assert_memory_equal(text, HEAD, head);
    assert_memory_equal(text + len - 2, "]}", 2);
    if (seen->text.len && text[head] == '{') tw__buf_char(&seen->text, ',');
    tw__buf_add(&seen->text, text + head, len - head - 2);
    seen->pieces++;
    if (len > seen->largest) seen->largest = len;
    return seen->code;
}

static void whole_text(struct tw__buf *inner, struct tw__buf *whole, const char *tail)
{
    for (size_t i = 0; i < ELEMENTS; i++) {
        if (i) tw__buf_char(inner, ',');
        tw__buf_cstr(inner, elements[i]);
    }
    tw__buf_cstr(whole, HEAD);
    tw__buf_add(whole, inner->ptr, inner->len);
    tw__buf_cstr(whole, tail);
}

static void all_elements_arrive_whatever_the_steps(void **state)
{
    (void)state;
    struct tw__buf inner = {0}, whole = {0};
    whole_text(&inner, &whole, "]}");
    for (size_t step = 1; step <= whole.len; step++) {
        for (size_t size = 1; size < 40; size += 7) {
            struct seen seen = {0};
            struct tw__otlp_pieces p = {.piece_bytes = size, .limit_bytes = 1000, .take = take, .data = &seen};
            for (size_t at = 0; at < whole.len; at += step)
                assert_int_equal(
                    tw__otlp_pieces_feed(&p, whole.ptr + at, whole.len - at < step ? whole.len - at : step), 0);
            assert_int_equal(tw__otlp_pieces_end(&p), 0);
            assert_int_equal(seen.text.len, inner.len);
            assert_memory_equal(seen.text.ptr, inner.ptr, inner.len);
            if (step == 1 && size == 1) assert_int_equal(seen.pieces, ELEMENTS + 1);
            tw__otlp_pieces_fini(&p);
            tw__buf_fini(&seen.text);
        }
    }
    tw__buf_fini(&inner);
    tw__buf_fini(&whole);
}

static int keep_last(void *data, const char *text, size_t len)
{
    struct tw__buf *last = data;
    tw__buf_reset(last);
    tw__buf_add(last, text, len);
    return 0;
}

static void what_stands_behind_the_spans_comes_with_the_last_piece(void **state)
{
    (void)state;
    struct tw__buf inner = {0}, whole = {0}, last = {0};
    whole_text(&inner, &whole, "],\"more\":true}");
    struct tw__otlp_pieces p = {.piece_bytes = 1, .limit_bytes = 1000, .take = keep_last, .data = &last};
    for (size_t at = 0; at < whole.len; at++) assert_int_equal(tw__otlp_pieces_feed(&p, whole.ptr + at, 1), 0);
    assert_int_equal(tw__otlp_pieces_end(&p), 0);
    static const char expected[] = HEAD "],\"more\":true}";
    assert_int_equal(last.len, sizeof expected - 1);
    assert_memory_equal(last.ptr, expected, last.len);
    tw__otlp_pieces_fini(&p);
    tw__buf_fini(&inner);
    tw__buf_fini(&whole);
    tw__buf_fini(&last);
}

static void a_text_that_begins_otherwise_is_handed_on_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {"{ \"resourceSpans\": [{}]}", "{\"more\":true,\"resourceSpans\":[]}", "", "{",
                                        HEAD};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct tw__buf last = {0};
        struct tw__otlp_pieces p = {.piece_bytes = 1, .limit_bytes = 1000, .take = keep_last, .data = &last};
        for (size_t at = 0; at < strlen(texts[i]); at++)
            assert_int_equal(tw__otlp_pieces_feed(&p, texts[i] + at, 1), 0);
        assert_int_equal(tw__otlp_pieces_end(&p), 0);
        assert_int_equal(last.len, strlen(texts[i]));
        if (last.len) assert_memory_equal(last.ptr, texts[i], last.len);
        tw__otlp_pieces_fini(&p);
        tw__buf_fini(&last);
    }
}

static void a_refusal_and_the_limit_end_it(void **state)
{
    (void)state;
    struct tw__buf inner = {0}, whole = {0};
    whole_text(&inner, &whole, "]}");
    struct seen seen = {.code = TW_ERR_SYNTAX};
    struct tw__otlp_pieces p = {.piece_bytes = 1, .limit_bytes = 1000, .take = take, .data = &seen};
    assert_int_equal(tw__otlp_pieces_feed(&p, whole.ptr, whole.len), TW_ERR_SYNTAX);
    tw__otlp_pieces_fini(&p);
    p = (struct tw__otlp_pieces){.piece_bytes = 1, .limit_bytes = 30, .take = take, .data = &seen};
    assert_int_equal(tw__otlp_pieces_feed(&p, whole.ptr, 31), TW_ERR_MEMORY);
    tw__otlp_pieces_fini(&p);
    tw__buf_fini(&seen.text);
    tw__buf_fini(&inner);
    tw__buf_fini(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_elements_arrive_whatever_the_steps),
        cmocka_unit_test(what_stands_behind_the_spans_comes_with_the_last_piece),
        cmocka_unit_test(a_text_that_begins_otherwise_is_handed_on_whole),
        cmocka_unit_test(a_refusal_and_the_limit_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
