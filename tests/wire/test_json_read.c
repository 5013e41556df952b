/* The cases are those of RFC 8259 and of what JSONTestSuite asks for, written anew; jansson is the oracle for the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#if __has_include(<jansson.h>)
#include <jansson.h>
#define HAVE_JANSSON 1
#endif

#include "base/buf.h"
#include "wire/json_read.h"

static char scratch[4096];

static struct tw__json_reader reader(const char *text, size_t len)
{
    return (struct tw__json_reader){
        .text = text, .len = len, .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
}

/* Reads to the end; one letter for each event. */
static enum tw__json_event run(struct tw__json_reader *json, char *letters, size_t cap)
{
    static const char letter[] = "{}[]ksnb0.";
    enum tw__json_event event;
    size_t n = 0;
    while ((event = tw__json_read(json)) < TW__JSON_DONE)
        if (n + 1 < cap) letters[n++] = letter[event];
    letters[n] = 0;
    return event;
}

static void assert_reads(const char *text, const char *expected)
{
    char letters[64];
    struct tw__json_reader json = reader(text, strlen(text));
    if (run(&json, letters, sizeof letters) != TW__JSON_DONE) fail_msg("%s: %s at %zu", text, json.why, json.error_at);
    assert_string_equal(letters, expected);
}

static void assert_refused_len(const char *text, size_t len, int error, size_t at)
{
    char letters[512];
    struct tw__json_reader json = reader(text, len);
    if (run(&json, letters, sizeof letters) != TW__JSON_BAD) fail_msg("%s was taken", text);
    if (json.error != error || json.error_at != at)
        fail_msg("%s: %d %s at %zu", text, json.error, json.why, json.error_at);
    assert_int_equal(tw__json_read(&json), TW__JSON_BAD);
}

static void assert_refused(const char *text, size_t at)
{
    assert_refused_len(text, strlen(text), TW_ERR_SYNTAX, at);
}

static void every_form_of_value_is_read(void **state)
{
    (void)state;
    assert_reads("{}", "{}");
    assert_reads(" [ ] ", "[]");
    assert_reads("0", "n");
    assert_reads("\"\"", "s");
    assert_reads("null", "0");
    assert_reads("true\n", "b");
    assert_reads("[1,\t2 , [false],{}]", "[nn[b]{}]");
    assert_reads("{\"a\":1,\"b\":{\"c\":[null]},\"\":\"\"}", "{knk{k[0]}ks}");
    assert_reads("[-0,0.5,1e1,1E+1,1e-1,-1.25e00]", "[nnnnnn]");
    assert_reads("\r\n\t [\"\x7f\xc2\x80\xf4\x8f\xbf\xbf\"]", "[s]");
}

static void what_the_rfc_does_not_allow_is_refused_where_it_stands(void **state)
{
    (void)state;
    assert_refused("", 0);
    assert_refused("  ", 2);
    assert_refused("[", 1);
    assert_refused("[1", 2);
    assert_refused("[1,", 3);
    assert_refused("[1,]", 3);
    assert_refused("[,1]", 1);
    assert_refused("[1 2]", 3);
    assert_refused("[1}", 2);
    assert_refused("]", 0);
    assert_refused("{]", 1);
    assert_refused("{\"a\"}", 4);
    assert_refused("{\"a\":}", 5);
    assert_refused("{\"a\":1,}", 7);
    assert_refused("{\"a\":1 \"b\":2}", 7);
    assert_refused("{\"a\" 1}", 5);
    assert_refused("{a:1}", 1);
    assert_refused("{1:1}", 1);
    assert_refused("{'a':1}", 1);
    assert_refused("{\"a\"", 4);
    assert_refused("1 2", 2);
    assert_refused("{}}", 2);
    assert_refused("tru", 3);
    assert_refused("True", 0);
    assert_refused("nulll", 4);
    assert_refused("[NaN]", 1);
    assert_refused("[-Infinity]", 2);
    assert_refused("[+1]", 1);
    assert_refused("[01]", 2);
    assert_refused("[-01]", 3);
    assert_refused("[1.]", 3);
    assert_refused("[.5]", 1);
    assert_refused("[1e]", 3);
    assert_refused("[1e+]", 4);
    assert_refused("[-]", 2);
    assert_refused("-", 1);
    assert_refused("1.5.5", 3);
    assert_refused("[0x1]", 2);
    assert_refused("[1_000]", 2);
    assert_refused("// comment\n1", 0);
    assert_refused("[1]/**/", 3);
    assert_refused("\xef\xbb\xbf[]", 0);
    assert_refused("[1\f]", 2);
    assert_refused("[\xa0]", 1);
}

static void strings_are_refused_where_they_go_wrong(void **state)
{
    (void)state;
    assert_refused("\"", 1);
    assert_refused("\"abc", 4);
    assert_refused("\"a\nb\"", 2);
    assert_refused("\"a\tb\"", 2);
    assert_refused("\"\\x41\"", 1);
    assert_refused("\"\\'\"", 1);
    assert_refused("\"\\U0041\"", 1);
    assert_refused("\"\\u004\"", 1);
    assert_refused("\"\\u00g0\"", 1);
    assert_refused("\"\\\"", 3);
    assert_refused("\"\\ud800\"", 1);
    assert_refused("\"\\ud800x\"", 1);
    assert_refused("\"\\ud800\\n\"", 1);
    assert_refused("\"\\udc00\\ud800\"", 1);
    assert_refused("\"\\ud800\\ud800\"", 1);
    assert_refused("\"ab\xff\"", 3);
    assert_refused("\"\xc0\x80\"", 1);
    assert_refused("\"\xed\xa0\x80\"", 1);
    assert_refused("\"\xf4\x90\x80\x80\"", 1);
    assert_refused("\"\xe2\x82\"", 1);
    assert_refused_len("\"\0\"", 3, TW_ERR_SYNTAX, 1);
    assert_refused_len("\"\\\0\"", 4, TW_ERR_SYNTAX, 1);
}

static void assert_decodes(const char *text, const char *expected, size_t len)
{
    struct tw__json_reader json = reader(text, strlen(text));
    if (tw__json_read(&json) != TW__JSON_STRING) fail_msg("%s: %s", text, json.why);
    assert_int_equal(json.string.len, len);
    assert_memory_equal(json.string.ptr, expected, len);
}

static void escapes_are_decoded(void **state)
{
    (void)state;
    assert_decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
    assert_decodes("\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac", 6);
    assert_decodes("\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80", 4);
    assert_decodes("\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf", 4);
    assert_decodes("\"\\u0000a\\u0000\"", "\0a\0", 3);
    assert_decodes("\"\\uFFFF\\uFFFD\"", "\xef\xbf\xbf\xef\xbf\xbd", 6);
    assert_decodes("\"\\\\u0041\"", "\\u0041", 6);
    assert_decodes("\"before\\nafter\"", "before\nafter", 12);
}

static void a_string_without_escapes_is_a_slice_of_the_text(void **state)
{
    (void)state;
    static const char text[] = "[\"a\xc3\xa9\", \"\"]";
    struct tw__json_reader json = reader(text, sizeof text - 1);
    json.scratch_cap = 0;
    assert_int_equal(tw__json_read(&json), TW__JSON_ARRAY);
    assert_int_equal(tw__json_read(&json), TW__JSON_STRING);
    assert_ptr_equal(json.string.ptr, text + 2);
    assert_int_equal(json.string.len, 3);
    assert_int_equal(tw__json_read(&json), TW__JSON_STRING);
    assert_int_equal(json.string.len, 0);
}

static void scratch_memory_is_the_limit_of_strings_with_escapes(void **state)
{
    (void)state;
    static const char text[] = "[\"\\n1234567\",\"\\n12345678\"]";
    struct tw__json_reader json = reader(text, sizeof text - 1);
    json.scratch_cap = 8;
    assert_int_equal(tw__json_read(&json), TW__JSON_ARRAY);
    assert_int_equal(tw__json_read(&json), TW__JSON_STRING);
    assert_int_equal(json.string.len, 8);
    assert_int_equal(tw__json_read(&json), TW__JSON_BAD);
    assert_int_equal(json.error, TW_ERR_SPACE);
    assert_int_equal(json.error_at, 13);

    struct tw__json_reader again = reader(text, sizeof text - 1);
    again.scratch_cap = 0;
    assert_int_equal(tw__json_skip(&again), TW__JSON_ARRAY); /* what is skipped need not fit */
    assert_int_equal(tw__json_read(&again), TW__JSON_DONE);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * TW__JSON_DEPTH_MAX + 2], letters[512];
    memset(text, '[', TW__JSON_DEPTH_MAX);
    memset(text + TW__JSON_DEPTH_MAX, ']', TW__JSON_DEPTH_MAX);
    struct tw__json_reader json = reader(text, (size_t)2 * TW__JSON_DEPTH_MAX);
    assert_int_equal(run(&json, letters, sizeof letters), TW__JSON_DONE);
    memset(text, '[', TW__JSON_DEPTH_MAX + 1);
    assert_refused_len(text, sizeof text, TW_ERR_SPACE, TW__JSON_DEPTH_MAX);
    json = reader("[[{}]]", 6);
    json.depth_max = 2;
    assert_int_equal(run(&json, letters, sizeof letters), TW__JSON_BAD);
    assert_int_equal(json.error, TW_ERR_SPACE);
    assert_int_equal(json.error_at, 2);
}

static struct tw__json_reader number_of(const char *text)
{
    struct tw__json_reader json = reader(text, strlen(text));
    if (tw__json_read(&json) != TW__JSON_NUMBER) fail_msg("%s: %s", text, json.why);
    return json;
}

static void whole_numbers_are_exact_to_64_bits(void **state)
{
    (void)state;
    struct tw__json_reader json = number_of("9223372036854775807");
    assert_int_equal(json.number, TW__JSON_I64);
    assert_true(json.i64 == INT64_MAX && json.u64 == INT64_MAX);
    json = number_of("-9223372036854775808");
    assert_int_equal(json.number, TW__JSON_I64);
    assert_true(json.i64 == INT64_MIN && json.u64 == 0);
    json = number_of("9223372036854775808");
    assert_int_equal(json.number, TW__JSON_U64);
    assert_true(json.u64 == (uint64_t)1 << 63);
    json = number_of("18446744073709551615");
    assert_int_equal(json.number, TW__JSON_U64);
    assert_true(json.u64 == UINT64_MAX);
    json = number_of("18446744073709551616");
    assert_int_equal(json.number, TW__JSON_F64);
    assert_true(json.f64 > 1.8e19 && json.f64 < 1.9e19);
    assert_int_equal(number_of("-9223372036854775809").number, TW__JSON_F64);
    assert_int_equal(number_of("1.0").number, TW__JSON_F64);
    assert_int_equal(number_of("1e2").number, TW__JSON_F64);
    json = number_of("-0");
    assert_int_equal(json.number, TW__JSON_I64);
    assert_true(json.i64 == 0 && 1 / json.f64 < 0);
}

static void a_number_beyond_doubles_is_out_of_range(void **state)
{
    (void)state;
    assert_refused_len("[1e309]", 7, TW_ERR_RANGE, 1);
    assert_true(number_of("1e-999").f64 < 1e-300);
    assert_true(number_of("1.7976931348623157e308").f64 > 1e308);
}

static void lenience_takes_what_python_writes(void **state)
{
    (void)state;
    static const char text[] = "[NaN,Infinity,-Infinity,-1,1e999]";
    struct tw__json_reader json = reader(text, sizeof text - 1);
    json.lenience = TW__JSON_NAN;
    assert_int_equal(tw__json_read(&json), TW__JSON_ARRAY);
    assert_int_equal(tw__json_read(&json), TW__JSON_NUMBER);
    assert_true(json.f64 != json.f64);
    assert_int_equal(tw__json_read(&json), TW__JSON_NUMBER);
    assert_true(json.f64 > 1e308);
    assert_int_equal(tw__json_read(&json), TW__JSON_NUMBER);
    assert_true(json.f64 < -1e308);
    assert_int_equal(json.number, TW__JSON_F64);
    assert_int_equal(tw__json_read(&json), TW__JSON_NUMBER);
    assert_true(json.i64 == -1);
    assert_int_equal(tw__json_read(&json), TW__JSON_NUMBER);
    assert_true(json.f64 > 1e308);
}

static void lenience_repairs_text(void **state)
{
    (void)state;
    static const char text[] = "\"a\xff\\ud800\\udc00\\udfff\\ud800x\xe2\x82\"";
    struct tw__json_reader json = reader(text, sizeof text - 1);
    json.lenience = TW__JSON_REPAIR;
    assert_int_equal(tw__json_read(&json), TW__JSON_STRING);
    static const char expected[] = "a\xef\xbf\xbd\xf0\x90\x80\x80\xef\xbf\xbd\xef\xbf\xbdx\xef\xbf\xbd\xef\xbf\xbd";
    assert_int_equal(json.string.len, sizeof expected - 1);
    assert_memory_equal(json.string.ptr, expected, sizeof expected - 1);
}

static void lenience_reads_texts_one_after_the_other(void **state)
{
    (void)state;
    char letters[32];
    struct tw__json_reader json = reader("{\"a\":1}\n{}\n[2] 3 4\n", 19);
    json.lenience = TW__JSON_MANY;
    assert_int_equal(run(&json, letters, sizeof letters), TW__JSON_DONE);
    assert_string_equal(letters, "{kn}{}[n]nn");
    json = reader("\n", 1);
    json.lenience = TW__JSON_MANY;
    assert_int_equal(run(&json, letters, sizeof letters), TW__JSON_DONE);
    json = reader("{}\n{", 4);
    json.lenience = TW__JSON_MANY;
    assert_int_equal(run(&json, letters, sizeof letters), TW__JSON_BAD);
}

static void skipping_passes_over_a_value_whole(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":{\"b\":[1,{\"c\":2}]},\"d\":5,\"e\":[[],3]}";
    struct tw__json_reader json = reader(text, sizeof text - 1);
    assert_int_equal(tw__json_read(&json), TW__JSON_OBJECT);
    assert_int_equal(tw__json_read(&json), TW__JSON_NAME);
    assert_int_equal(tw__json_skip(&json), TW__JSON_OBJECT);
    assert_int_equal(tw__json_read(&json), TW__JSON_NAME);
    assert_true(tw__json_is(&json, "d"));
    assert_false(tw__json_is(&json, "dd"));
    assert_int_equal(tw__json_skip(&json), TW__JSON_NUMBER);
    assert_int_equal(tw__json_read(&json), TW__JSON_NAME);
    assert_int_equal(tw__json_read(&json), TW__JSON_ARRAY);
    assert_int_equal(tw__json_skip(&json), TW__JSON_ARRAY);
    assert_int_equal(tw__json_leave(&json), TW__JSON_ARRAY_END);
    assert_int_equal(tw__json_read(&json), TW__JSON_OBJECT_END);
    assert_int_equal(tw__json_read(&json), TW__JSON_DONE);
}

static void lines_and_columns_count_from_one(void **state)
{
    (void)state;
    size_t line, column;
    tw__json_where("ab\ncd\n", 6, 0, &line, &column);
    assert_true(line == 1 && column == 1);
    tw__json_where("ab\ncd\n", 6, 4, &line, &column);
    assert_true(line == 2 && column == 2);
    tw__json_where("ab\ncd\n", 6, 6, &line, &column);
    assert_true(line == 3 && column == 1);
}

/* Every cut of a text gives MORE, and the events go on as if it had come whole. The text moves each time. */
static void a_text_may_arrive_in_pieces(void **state)
{
    (void)state;
    static const char text[] = " {\"a\\u20ac\\ud83d\\ude00\":[1,-2.5e3,true,null,\"\xe2\x82\xac\"],\"b\":{}} ";
    char whole[64], pieces[64];
    static const char letter[] = "{}[]ksnb0.";
    struct tw__json_reader json = reader(text, sizeof text - 1);
    assert_int_equal(run(&json, whole, sizeof whole), TW__JSON_DONE);
    json = reader(NULL, 0);
    json.last = false;
    size_t n = 0;
    for (size_t len = 0; len < sizeof text; len++) {
        char *copy = malloc(len + 1);
        enum tw__json_event event;
        assert_non_null(copy);
        memcpy(copy, text, len);
        json.text = copy;
        json.len = len;
        json.last = len == sizeof text - 1;
        while ((event = tw__json_read(&json)) < TW__JSON_DONE) pieces[n++] = letter[event];
        assert_int_equal(event, json.last ? TW__JSON_DONE : TW__JSON_MORE);
        free(copy);
    }
    pieces[n] = 0;
    assert_string_equal(pieces, whole);
}

#ifdef HAVE_JANSSON
/* -- the oracle */

static json_t *tree(struct tw__json_reader *json, enum tw__json_event event)
{
    json_t *made = NULL;
    switch (event) {
    case TW__JSON_OBJECT:
        made = json_object();
        while (tw__json_read(json) == TW__JSON_NAME) {
            char name[256];
            assert_true(json->string.len < sizeof name);
            memcpy(name, json->string.ptr, json->string.len);
            name[json->string.len] = 0;
            assert_int_equal(json_object_set_new(made, name, tree(json, tw__json_read(json))), 0);
        }
        return made;
    case TW__JSON_ARRAY:
        made = json_array();
        while ((event = tw__json_read(json)) != TW__JSON_ARRAY_END) json_array_append_new(made, tree(json, event));
        return made;
    case TW__JSON_STRING:
        return json_stringn(json->string.ptr, json->string.len);
    case TW__JSON_NUMBER:
        return json->number == TW__JSON_F64 ? json_real(json->f64) : json_integer(json->i64);
    case TW__JSON_BOOL:
        return json_boolean(json->boolean);
    case TW__JSON_NULL:
        return json_null();
    case TW__JSON_OBJECT_END:
    case TW__JSON_ARRAY_END:
    case TW__JSON_NAME:
    case TW__JSON_DONE:
    case TW__JSON_MORE:
    case TW__JSON_BAD:
        break;
    }
    fail_msg("an event that begins no value");
    return NULL;
}

static bool big_whole_number_or_name_with_nul(const char *text, size_t len)
{
    struct tw__json_reader json = reader(text, len);
    enum tw__json_event event;
    while ((event = tw__json_read(&json)) < TW__JSON_DONE) {
        bool whole = event == TW__JSON_NUMBER && !memchr(json.string.ptr, '.', json.string.len) &&
                     !memchr(json.string.ptr, 'e', json.string.len) && !memchr(json.string.ptr, 'E', json.string.len);
        if (whole && json.number != TW__JSON_I64) return true;
        if (event == TW__JSON_NAME && memchr(json.string.ptr, 0, json.string.len)) return true;
    }
    return false;
}

static void compare(const char *text, size_t len)
{
    char letters[8];
    json_error_t error;
    struct tw__json_reader json = reader(text, len);
    bool taken = run(&json, letters, sizeof letters) == TW__JSON_DONE;
    if (taken && big_whole_number_or_name_with_nul(text, len)) return; /* jansson's own limits */
    json_t *theirs = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (taken != (theirs != NULL)) fail_msg("%.*s: %s", (int)len, text, taken ? error.text : json.why);
    if (taken) {
        json = reader(text, len);
        json_t *ours = tree(&json, tw__json_read(&json));
        if (!json_equal(ours, theirs)) fail_msg("%.*s: another tree", (int)len, text);
        json_decref(ours);
    }
    json_decref(theirs);
}

static uint32_t roll(uint64_t *seed, uint32_t sides)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % sides;
}

static void random_value(struct tw__buf *out, uint64_t *seed, int depth)
{
    static const char *const scalars[] = {"0",
                                          "-0",
                                          "-1",
                                          "12345",
                                          "1.5",
                                          "-2.5e-7",
                                          "1E400",
                                          "1e22",
                                          "9223372036854775807",
                                          "0.1",
                                          "true",
                                          "false",
                                          "null",
                                          "\"\"",
                                          "\"a\"",
                                          "\"\\u00e9\\n\"",
                                          "\"\xc3\xa9\"",
                                          "\"\\ud83d\\ude00\"",
                                          "\"\\u0000\"",
                                          "\"\xf0\x9f\x98\x80\\\\\"",
                                          "5e-324",
                                          "1e-400"};
    uint32_t what = roll(seed, depth > 5 ? 6 : 10), count = roll(seed, 4);
    if (what < 6) {
        tw__buf_cstr(out, scalars[roll(seed, sizeof scalars / sizeof *scalars)]);
        return;
    }
    tw__buf_char(out, what < 8 ? '[' : '{');
    for (uint32_t i = 0; i < count; i++) {
        if (i) tw__buf_cstr(out, roll(seed, 2) ? "," : " ,\n");
        if (what >= 8) tw__buf_fmt(out, "\"%c\":", (int)('a' + roll(seed, 3)));
        random_value(out, seed, depth + 1);
    }
    tw__buf_char(out, what < 8 ? ']' : '}');
}

static void jansson_agrees_on_random_texts_and_on_damaged_ones(void **state)
{
    (void)state;
    static const char damage[] = "{}[]\",:\\u0189eE+-.tfn \n\xff\x80\xed\x01";
    struct tw__buf text = {0};
    uint64_t seed = 20240607;
    for (int i = 0; i < 30000; i++) {
        tw__buf_reset(&text);
        random_value(&text, &seed, 0);
        assert_false(text.failed);
        compare(text.ptr, text.len);
        for (uint32_t n = 1 + roll(&seed, 2); n > 0; n--)
            text.ptr[roll(&seed, (uint32_t)text.len)] = damage[roll(&seed, sizeof damage - 1)];
        compare(text.ptr, text.len);
        compare(text.ptr, roll(&seed, (uint32_t)text.len + 1));
    }
    tw__buf_fini(&text);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_value_is_read),
        cmocka_unit_test(what_the_rfc_does_not_allow_is_refused_where_it_stands),
        cmocka_unit_test(strings_are_refused_where_they_go_wrong),
        cmocka_unit_test(escapes_are_decoded),
        cmocka_unit_test(a_string_without_escapes_is_a_slice_of_the_text),
        cmocka_unit_test(scratch_memory_is_the_limit_of_strings_with_escapes),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(whole_numbers_are_exact_to_64_bits),
        cmocka_unit_test(a_number_beyond_doubles_is_out_of_range),
        cmocka_unit_test(lenience_takes_what_python_writes),
        cmocka_unit_test(lenience_repairs_text),
        cmocka_unit_test(lenience_reads_texts_one_after_the_other),
        cmocka_unit_test(skipping_passes_over_a_value_whole),
        cmocka_unit_test(lines_and_columns_count_from_one),
        cmocka_unit_test(a_text_may_arrive_in_pieces),
#ifdef HAVE_JANSSON
        cmocka_unit_test(jansson_agrees_on_random_texts_and_on_damaged_ones),
#endif
    };
    return cmocka_run_group_tests_name("json_read", tests, NULL, NULL);
}
