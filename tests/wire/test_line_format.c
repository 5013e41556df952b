/* Formats against events. test_lager.py compares the list notation with lager's own formatter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/event.h"
#include "wire/line_format.h"

#define EVENT                                                                                                          \
    "time=1700100000123456789 level=warning message=\"go 1\" module=m function=go line=7 pid=\"<0.9.0>\" request=7 "   \
    "ratio=1.0 ok=true note=\"x y\""

static struct tw__line_options options = {.utc = false};

static void written(const char *format_text, const char *event_text, const char *expected)
{
    struct tw__line_format *format;
    struct tw__refusal why;
    struct event event;
    struct tw__buf out = {0};
    if (tw__line_format_compile(format_text, strlen(format_text), NULL, NULL, &format, &why) < 0)
        fail_msg("%s: byte %zu: %s", format_text, why.at, why.text);
    event_read(&event, event_text);
    struct tw__line_source source = {&event, event_get, event_each};
    tw__line_format_write(format, &source, &options, &out);
    tw__buf_char(&out, '\0');
    if (strcmp(out.ptr, expected) != 0) fail_msg("%s wrote\n%s\nand not\n%s", format_text, out.ptr, expected);
    tw__buf_fini(&out);
    tw__line_format_free(format);
}

static void both(const char *list, const char *template, const char *expected)
{
    written(list, EVENT, expected);
    written(template, EVENT, expected);
}

static void the_format_of_kazoo_is_written_in_both_notations(void **state)
{
    (void)state;
    static const char line[] = "02:00:00.123 [warning] |Undefined|0000000000|m:go:7 (<0.9.0>) go 1\n";
    written(TW__LINE_FORMAT_KAZOO, EVENT, line);
    written("{time} [{severity}] |{from_app}|{callid|0000000000}|{mod}:{func}:{line} ({pid}) {message}\\n", EVENT,
            line);
    /* As it is printed on Kazoo's page, where the default of callid has been lost. */
    written("['time',\" [\",'severity',\"] |\", 'from_app', \"|\", {'callid', }, \"|\", 'mod', \":\" , 'func', \":\", "
            "'line', \" "
            "(\",'pid', \") \", 'message', \"\\n\"]",
            EVENT, line);
    /* The option lists of older versions, and wrapped twice. */
    written("[{formatter, lager_default_formatter}, {formatter_config, [message, \"\\n\"]}]", EVENT, "go 1\n");
    written("[{formatter_config, [{formatter, x}, {formatter_config, [message, \"\\n\"]}]}, {size, 10}]", EVENT,
            "go 1\n");
}

static void every_token_is_written(void **state)
{
    (void)state;
    both("[date,\" \",time]", "{date} {time}", "2023-11-16 02:00:00.123");
    both("[severity,\" \",severity_upper,\" \",sev]", "{severity} {severity_upper} {sev}", "warning WARNING W");
    both("[blank,{blank,\"--\"},color,\"x\"]", "{blank}--{color}x", " --x");
    both("[request,ratio,ok,note,<<\"b\">>,10]", "{request}{ratio}{ok}{note}b10", "71.0truex yb10");
    both("[metadata]", "{metadata}",
         "function=go line=7 module=m note=\"x y\" ok=true pid=<0.9.0> ratio=1.0 request=7");
    both("[{metadata,\":\",\", \"}]", "{metadata|:|, }",
         "function:go, line:7, module:m, note:\"x y\", ok:true, pid:<0.9.0>, ratio:1.0, request:7");
    both("[zzz]", "{zzz}", "Undefined");
    both("[node]", "{node}", "Undefined");
    both("[{zzz,\"d\"},{request,\"d\"}]", "{zzz|d}{request|d}", "d7");
    both("[{zzz,{yyy,request}}]", "{zzz|{yyy|{request}}}", "7");
    both("[{request,[\"r=\",request],[\"none\"]},{zzz,[\"z\"],[\"none\"]}]", "{request?r={request}|none}{zzz?z|none}",
         "r=7none");
    both("[{pterm,foo},{pterm,foo,\"dd\"}]", "{pterm.foo}{pterm.foo|dd}", "dd");
    both("[[[\"a\"],message]]", "a{message}", "ago 1");
}

static void widths_pad_and_cut(void **state)
{
    (void)state;
    both("[{request,[request],[],4},\"|\"]", "{request:4}|", "7   |");
    both("[{request,[request],[],{right,4}},\"|\"]", "{request:>4}|", "   7|");
    both("[{zzz,[request],[\"no\"],{centre,9}},\"|\"]", "{zzz:^9?{request}|no}|", "   no    |");
    both("[{note,[\"abcdefgh\"],[],2}]", "{note:2?abcdefgh}", "ab");
    both("[{note,[\"abcdefgh\"],[],{right,2}}]", "{note:>2?abcdefgh}", "gh");
    both("[{note,[\"abcdefgh\"],[],{centre,2}}]", "{note:^2?abcdefgh}", "de");
    both("[{note,[\"\xc3\xa9\xc3\xa8\"],[],{centre,4}},\"|\"]", "{note:^4?\xc3\xa9\xc3\xa8}|", " \xc3\xa9\xc3\xa8 |");
    both("[{note,[\"\xc3\xa9\xc3\xa8z\"],[],{right,2}}]", "{note:>2?\xc3\xa9\xc3\xa8z}", "\xc3\xa8z");
}

static void a_template_that_begins_with_a_bracket_is_one(void **state)
{
    (void)state;
    written("[{severity}] {message}", EVENT, "[warning] go 1");
    written("[{zzz|-}]", EVENT, "[-]");
    written("{{{message}}}", EVENT, "{go 1}");
    written("\\{\\t\\|\\}", EVENT, "{\t|}");
}

static void messages_are_cut_and_lose_their_newline(void **state)
{
    (void)state;
    char text[6000] = "message=\"", expected[6000];
    size_t len = strlen(text);
    memset(text + len, 'a', 4095);
    memcpy(text + len + 4095,
           "\xc3\xa9"
           "bc\"",
           6);
    memset(expected, 'a', 4095);
    memcpy(expected + 4095, "|", 2);
    written("{message}|", text, expected);
    written("{message}|", "message=\"two\\n\"", "two|");
    written("{message}|", "message=\"a\\nb\"", "a\nb|");
    options.one_line = true;
    written("{message}|", "message=\"a\\nb\"", "a\\nb|");
    options.one_line = false;
}

static void json_lines_are_strict(void **state)
{
    (void)state;
    written("json", EVENT,
            "{\"time\":\"2023-11-16T02:00:00.123456789Z\",\"level\":\"warning\",\"message\":\"go "
            "1\",\"function\":\"go\",\"line\":7,"
            "\"module\":\"m\",\"note\":\"x y\",\"ok\":true,\"pid\":\"<0.9.0>\",\"ratio\":1,\"request\":7}\n");
    written("json", "message=\"a\\nb\\\"\" k=1 k=2", "{\"message\":\"a\\nb\\\"\",\"k\":1}\n");
}

static void utc_is_said(void **state)
{
    (void)state;
    options.utc = true;
    written("{time}", EVENT, "02:00:00.123 UTC");
    options.utc = false;
}

static void refused(const char *text, int code, size_t at, const char *part)
{
    struct tw__line_format *format = (struct tw__line_format *)(uintptr_t)8;
    struct tw__refusal why;
    int result = tw__line_format_compile(text, strlen(text), NULL, NULL, &format, &why);
    if (result != code) fail_msg("%s: %d %s", text, result, why.text);
    if (why.at != at || !strstr(why.text, part)) fail_msg("%s: byte %zu: %s", text, why.at, why.text);
    assert_ptr_equal(format, (void *)(uintptr_t)8);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    refused("", TW_ERR_SYNTAX, 0, "empty");
    refused("[time, \"x]", TW_ERR_SYNTAX, 7, "not closed");
    refused("[time, Foo]", TW_ERR_SYNTAX, 7, "variable");
    refused("[time", TW_ERR_SYNTAX, 5, ", or ] is missing");
    refused("[{\"a\", b}]", TW_ERR_SYNTAX, 2, "atom");
    refused("[{a,[b],[c],0}]", TW_ERR_SYNTAX, 12, "width");
    refused("[{a,[b],[c],{middle,3}}]", TW_ERR_SYNTAX, 13, "left, centre or right");
    refused("{message", TW_ERR_SYNTAX, 0, "} is missing");
    refused("x {}", TW_ERR_SYNTAX, 2, "name");
    refused("{a:x}", TW_ERR_SYNTAX, 3, "width");
    refused("{a|{b|{c|{d|{e|{f|{g|{h|{i|x}}}}}}}}}", TW_ERR_SPACE, 26, "deep");
}

static int compiled(const char *text)
{
    struct tw__line_format *format;
    int result = tw__line_format_compile(text, strlen(text), NULL, NULL, &format, NULL);
    if (result == 0) tw__line_format_free(format);
    return result;
}

static void the_limits_hold_on_both_sides(void **state)
{
    (void)state;
    char text[2 * TW__LINE_FORMAT_TEXT_MAX];
    memset(text, 'x', sizeof text);
    text[TW__LINE_FORMAT_TEXT_MAX] = '\0';
    assert_int_equal(compiled(text), 0);
    text[TW__LINE_FORMAT_TEXT_MAX] = 'x';
    text[TW__LINE_FORMAT_TEXT_MAX + 1] = '\0';
    assert_int_equal(compiled(text), TW_ERR_SPACE);
    /* Part 0 is an empty text. */
    for (unsigned n = TW__LINE_FORMAT_PARTS_MAX - 1; n <= TW__LINE_FORMAT_PARTS_MAX; n++) {
        for (unsigned i = 0; i < n; i++) memcpy(text + 3 * i, "{a}", 3);
        text[3 * n] = '\0';
        assert_int_equal(compiled(text), n < TW__LINE_FORMAT_PARTS_MAX ? 0 : TW_ERR_SPACE);
    }
    for (unsigned n = TW__LINE_FORMAT_KEYS_MAX; n <= TW__LINE_FORMAT_KEYS_MAX + 1; n++) {
        size_t len = 0;
        for (unsigned i = 0; i < n; i++) len += (size_t)sprintf(text + len, "{k%u}", i);
        assert_int_equal(compiled(text), n == TW__LINE_FORMAT_KEYS_MAX ? 0 : TW_ERR_SPACE);
    }
    assert_int_equal(compiled("{a:1024}"), 0);
    assert_int_equal(compiled("{a:1025}"), TW_ERR_SYNTAX);
    assert_int_equal(compiled("{a|{b|{c|{d|{e|{f|{g|{h|x}}}}}}}}"), 0);
    assert_int_equal(compiled("[[[[[[[[message]]]]]]]]"), 0);
    assert_int_equal(compiled("[[[[[[[[[message]]]]]]]]]"), TW_ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_format_of_kazoo_is_written_in_both_notations),
        cmocka_unit_test(every_token_is_written),
        cmocka_unit_test(widths_pad_and_cut),
        cmocka_unit_test(a_template_that_begins_with_a_bracket_is_one),
        cmocka_unit_test(messages_are_cut_and_lose_their_newline),
        cmocka_unit_test(json_lines_are_strict),
        cmocka_unit_test(utc_is_said),
        cmocka_unit_test(the_limits_hold_on_both_sides),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
    };
    (void)setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
