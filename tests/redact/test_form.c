/* The two forms of values. DISPLAY is compared with what Python's str() makes of the same, by Python itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "redact/patterns.h"
#include "wire/part.h"

static char out[8192];

static struct tw__form display(const struct tw_value *value, size_t chars_max)
{
    struct tw__part part = {0};
    struct tw__form form;
    tw__form_begin(&form, TW__FORM_DISPLAY, out, sizeof out - 1, chars_max);
    tw__part_write(&part, &form, value);
    out[form.len] = 0;
    return form;
}

static void a_value_beyond_the_limit_is_cut_and_its_whole_length_counted(void **state)
{
    (void)state;
    const struct tw_value list[] = {TW_VALUE("more"), TW_VALUE("complex"), TW_VALUE("data structure")};
    const struct tw_value map[] = {TW_ARG_LIST("a", list, 3)};
    const struct tw_value root = TW_ARG_MAP(NULL, map, 1), none = tw_value_null(NULL);
    struct tw__form form = display(&root, 23);
    assert_string_equal(out, "{'a': ['more', 'complex");
    assert_int_equal(form.chars, strlen("{'a': ['more', 'complex', 'data structure']}"));
    assert_true(form.cut);
    form = display(&none, 3);
    assert_string_equal(out, "Non");
    assert_int_equal(form.chars, 4);
    form = display(&none, 4);
    assert_string_equal(out, "None");
    assert_false(form.cut);
}

static void characters_are_counted_and_none_is_cut_in_two(void **state)
{
    (void)state;
    const struct tw_value text = TW_VALUE("\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3x");
    struct tw__form form = display(&text, 2);
    assert_string_equal(out, "\xe3\x83\x8a\xe3\x83\xa1");
    assert_int_equal(form.chars, 4);
    struct tw__part part = {0};
    for (size_t cap = 0; cap < 10; cap++) {
        tw__form_begin(&form, TW__FORM_DISPLAY, out, cap, 100);
        tw__part_write(&part, &form, &text);
        assert_int_equal(form.len, cap / 3 * 3);
        assert_int_equal(form.chars, 4);
    }
}

static void a_large_value_is_counted_without_being_written(void **state)
{
    (void)state;
    size_t len = 3 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, 'x', len);
    const struct tw_value list[] = {TW_ARG_STRN(NULL, text, len)};
    const struct tw_value root = TW_ARG_LIST(NULL, list, 1);
    struct tw__form form = display(&root, 100);
    assert_int_equal(form.len, 100);
    assert_int_equal(form.chars, len + 4);
    free(text);
}

static void json_is_strict(void **state)
{
    (void)state;
    const double zero = 0;
    const struct tw_value list[] = {TW_VALUE(zero / zero),
                                    TW_VALUE(1 / zero),
                                    TW_VALUE(0.1),
                                    TW_VALUE(1e16),
                                    TW_VALUE(-0.0),
                                    TW_VALUE(18446744073709551615u),
                                    TW_VALUE("\x01\"\\\n\xe2\x80\xa8\x7f\xff"),
                                    TW_ARG_BYTES(NULL, "\xfe\0", 2)};
    const struct tw_value root = TW_ARG_LIST(NULL, list, 8);
    struct tw__part part = {0};
    struct tw__form form;
    tw__form_begin(&form, TW__FORM_JSON, out, sizeof out - 1, 0);
    tw__part_write(&part, &form, &root);
    out[form.len] = 0;
    assert_string_equal(out, "[null,null,0.1,1e+16,-0.0,18446744073709551615,"
                             "\"\\u0001\\\"\\\\\\n\\u2028\\u007f\xef\xbf\xbd\",\"\\\\xfe\\u0000\"]");
}

static const char *const texts[] = {
    "1",
    "-17",
    "18446744073709551615",
    "true",
    "false",
    "null",
    "\"plain\"",
    "\"it's\"",
    "[\"it's\"]",
    "[\"it's \\\"so\\\"\"]",
    "[\"a\\\\b\\n\\r\\t\\u0000\\u001f\\u007f\\u0085\\u00a0\\u00ad\\u200b\\u2028\\ufeff\\u3000\"]",
    "[\"\xe3\x83\x8a\xf0\x9f\x98\x80\"]",
    "{\"a\": {\"b\": [1, 2.5, null, true]}, \"\": []}",
    "[]",
    "{}",
    "[[], {}]",
    "[1.0, 1e16, 1e15, 123456789.125, 0.0001, 0.00001, 1e-7, 1e22, 1e300, 5e-324]",
    "[0.1, 0.2, 0.3, 2.2250738585072014e-308, 1.7976931348623157e308, -0.0, 3.141592653589793, 1e100]",
    "[9007199254740993.0, 100.0, 1e9, 1.5e9]",
    "{\"it's\": 1, \"x\\n\": \"\"}",
};

static void display_is_what_python_shows(void **state)
{
    (void)state;
    char path[] = "/tmp/trackway-form-XXXXXX", command[400], line[8192];
    if (access("/usr/bin/python3", X_OK) != 0) skip();
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    unsigned count = 0;
    for (; count < sizeof texts / sizeof *texts; count++) assert_true(fprintf(file, "%s\n", texts[count]) > 0);
    static char doubles[2000][40];
    srand(7);
    for (unsigned i = 0; i < 2000; i++, count++) {
        uint64_t bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
        double value;
        if (i % 2)
            value = (double)(rand() % 1000000) / (double)(1 + rand() % 1000);
        else
            memcpy(&value, &bits, sizeof value);
        if (value - value != 0) value = 1;
        (void)snprintf(doubles[i], sizeof doubles[i], "%.17g", value);
        if (!strpbrk(doubles[i], ".e")) strcat(doubles[i], ".0");
        assert_true(fprintf(file, "%s\n", doubles[i]) > 0);
    }
    assert_int_equal(fclose(file), 0);
    (void)snprintf(
        command, sizeof command,
        "/usr/bin/python3 -c 'import json,sys\n"
        "for line in open(sys.argv[1], encoding=\"utf-8\"): print(str(json.loads(line)).encode(\"utf-8\").hex())' %s",
        path);
    FILE *python = popen(command, "r");
    assert_non_null(python);
    for (unsigned i = 0; i < count; i++) {
        const char *json = i < sizeof texts / sizeof *texts ? texts[i] : doubles[i - sizeof texts / sizeof *texts];
        const struct tw_value value = TW_ARG_JSON(NULL, json, strlen(json));
        char hex[8192] = "";
        struct tw__form form = display(&value, 4000);
        assert_non_null(fgets(line, sizeof line, python));
        line[strcspn(line, "\n")] = 0;
        for (size_t k = 0; k < form.len; k++) (void)snprintf(hex + 2 * k, 3, "%02x", (unsigned char)out[k]);
        if (strcmp(hex, line) != 0) fail_msg("%s is shown as %s: %s instead of %s", json, out, hex, line);
    }
    assert_int_equal(pclose(python), 0);
    (void)unlink(path);
}

static void a_pattern_matches_at_the_start(void **state)
{
    (void)state;
    struct tw__patterns *patterns = NULL;
    assert_int_equal(tw__patterns_compile(tw__truncate_responses, &patterns), 0);
    assert_true(tw__patterns_match(patterns, "get_user"));
    assert_true(tw__patterns_match(patterns, "list_all"));
    assert_true(tw__patterns_match(patterns, "query_"));
    assert_false(tw__patterns_match(patterns, "forget_user"));
    assert_false(tw__patterns_match(patterns, "get"));
    tw__patterns_free(patterns);
    assert_int_equal(tw__patterns_compile("insert_big_data\n\n[xy]+z", &patterns), 0);
    assert_true(tw__patterns_match(patterns, "insert_big_data_2"));
    assert_true(tw__patterns_match(patterns, "xyxz"));
    assert_false(tw__patterns_match(patterns, "no insert_big_data"));
    tw__patterns_free(patterns);
    assert_int_equal(tw__patterns_compile("", &patterns), 0);
    assert_null(patterns);
    assert_false(tw__patterns_match(patterns, "get_user"));
}

/* Python's are what people of nameko-tracer write. Expected: bool(re.match(expression, name)). */
static void a_pattern_of_python_means_the_same_or_is_a_mistake(void **state)
{
    (void)state;
    static const char *const names[] = {"get_17", "get_", "forget_17", "GET_17", "list", "insert_big-data", "b_get_17"};
    static const struct {
        const char *expression, *matches; /* by name, 1: it does */
    } cases[] = {{"get_\\d+", "1000000"},
                 {"(?i)get_\\d+$", "1001000"},
                 {"^get_|^list", "1100100"},
                 {"list|\\w+_17", "1011101"},
                 {"^(?:for)?get", "1110000"},
                 {"[^g]", "0011111"},
                 {"insert_\\w+\\W", "0000010"},
                 {".*_1{1,2}7", "1011001"},
                 {"\\D+\\d", "1011001"},
                 {"(b_)?get_.$", "0000000"},
                 {"a|", "1111111"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tw__patterns *patterns = NULL;
        assert_int_equal(tw__patterns_compile(cases[i].expression, &patterns), 0);
        for (size_t n = 0; n < sizeof names / sizeof *names; n++)
            if (tw__patterns_match(patterns, names[n]) != (cases[i].matches[n] == '1'))
                fail_msg("%s on %s", cases[i].expression, names[n]);
        tw__patterns_free(patterns);
    }
    static const char *const bad[] = {"a(", "a)|(b", "\\bget", "(?=get)", "(?P<a>get)", "(a)\\1", "get\n[", "*"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tw__patterns *patterns = NULL;
        if (tw__patterns_compile(bad[i], &patterns) != TW_ERR_SYNTAX) fail_msg("%s was understood", bad[i]);
        assert_null(patterns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_beyond_the_limit_is_cut_and_its_whole_length_counted),
        cmocka_unit_test(characters_are_counted_and_none_is_cut_in_two),
        cmocka_unit_test(a_large_value_is_counted_without_being_written),
        cmocka_unit_test(json_is_strict),
        cmocka_unit_test(display_is_what_python_shows),
        cmocka_unit_test(a_pattern_matches_at_the_start),
        cmocka_unit_test(a_pattern_of_python_means_the_same_or_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
