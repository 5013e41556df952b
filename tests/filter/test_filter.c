/* Filters against events. The vectors marked lager were run on lager 3.9.2; test_lager.py runs them again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/event.h"
#include "filter/filter.h"
#include "filter/print.h"

static struct tw__filter *compile(const char *text)
{
    struct tw__filter *filter = NULL;
    struct tw__refusal why;
    if (tw__filter_compile(text, strlen(text), NULL, &filter, &why) < 0)
        fail_msg("%s: byte %zu: %s", text, why.at, why.text);
    return filter;
}

static bool matches_event(const char *text, const char *event_text)
{
    struct event event;
    struct tw__filter *filter = compile(text);
    event_read(&event, event_text);
    bool result = tw__filter_match(filter, event_get, &event);
    /* What is printed says the same. */
    struct tw__buf printed = {0};
    filter_print(filter, &printed);
    tw__buf_char(&printed, '\0');
    struct tw__filter *again = compile(printed.ptr);
    if (tw__filter_match(again, event_get, &event) != result) fail_msg("%s was printed as %s", text, printed.ptr);
    tw__buf_fini(&printed);
    tw__filter_free(again);
    tw__filter_free(filter);
    return result;
}

static void yes(const char *text, const char *event)
{
    if (!matches_event(text, event)) fail_msg("%s does not match %s", text, event);
}

static void no(const char *text, const char *event)
{
    if (matches_event(text, event)) fail_msg("%s matches %s", text, event);
}

/* The events of the vectors, by a letter each: go(1), go(200), other, md1, md2. */
static const struct {
    char letter;
    const char *event;
} events[] = {{'a', "level=warning module=m function=go request=1"},
              {'b', "level=warning module=m function=go request=200"},
              {'c', "level=info module=m function=other"},
              {'d', "level=debug module=m function=md1 request=\"fromprocess\" callid=\"abc\""},
              {'e', "level=debug module=m function=md2 request=5"}};

static void selects(const char *text, const char *letters)
{
    char found[8] = "";
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        if (matches_event(text, events[i].event)) found[strlen(found)] = events[i].letter;
    if (strcmp(found, letters) != 0) fail_msg("%s selects \"%s\" and not \"%s\"", text, found, letters);
}

static void the_tuple_text_selects_what_lager_selects(void **state)
{
    (void)state;
    selects("[{function,'*'}]", "abcde");
    selects("[{module,m},{function,go}]", "ab");
    selects("[{request,'!=',1}]", "bde");
    selects("[{request,'!'}]", "c");
    selects("[{all,[{request,'>',0},{request,'<',100}]}]", "ae");
    selects("[{any,[{request,'=',1},{function,'=',other}]}]", "ac");
    selects("[{null,true}]", "abcde");
    selects("[{null,false}]", "");
    selects("[{sink,data_lager_event},{module,m},{function,md1}]", "d");
}

static void a_text_is_not_greater_than_a_number_although_lager_says_so(void **state)
{
    (void)state;
    selects("[{request,'>',100}]", "b");
    selects("request>100", "b");
}

static void the_short_form_selects_the_same(void **state)
{
    (void)state;
    selects("function=*", "abcde");
    selects("module=m function=go", "ab");
    selects("request!=1", "be"); /* a text is neither equal to a number nor different from it */
    selects("request!==1", "bde");
    selects("absent(request)", "c");
    selects("not request", "c");
    selects("request=!", "c");
    selects("request>0 request<100", "ae");
    selects("request=1 or function=other", "ac");
    selects("true", "abcde");
    selects("false", "");
}

static void levels_are_compared_by_severity(void **state)
{
    (void)state;
    selects("level>=warning", "ab");
    selects("level=info", "c");
    selects("level!=info", "abde");
    selects("level<=info", "cde");
    selects("level=none", "");
    selects("level!=debug", "abc");
    selects("severity<info",
            ""); /* no severity here: it is another key unless the record's source says it is the same */
    selects("[{level,'>=',warning}]", "ab");
    selects("level in (info, debug)", "cde");
}

static void equality_of_the_tuple_text_is_strict(void **state)
{
    (void)state;
    yes("[{n,1}]", "n=1");
    no("[{n,1}]", "n=1.0");
    no("[{n,1.0}]", "n=1");
    yes("[{n,'!=',1}]", "n=1.0");
    yes("n=1", "n=1.0");
    no("n===1", "n=1.0");
    no("[{n,1}]", "n=\"1\"");
    no("n=1", "n=\"1\"");
    yes("n=\"1\"", "n=\"1\"");
}

static void atoms_strings_and_binaries_are_all_texts(void **state)
{
    (void)state;
    yes("[{k,abc}]", "k=\"abc\"");
    yes("[{k,\"abc\"}]", "k=\"abc\"");
    yes("[{k,<<\"abc\">>}]", "k=\"abc\"");
    yes("[{k,<<\"abc\"/utf8>>}]", "k=\"abc\"");
    yes("[{k,'a b'}]", "k=\"a b\"");
    yes("[{k,16#ff}]", "k=255");
    yes("[{k,$a}]", "k=97");
    yes("[{k,-1.5e3}]", "k=-1500.0");
    yes("[{k,true}]", "k=true");
    no("[{k,true}]", "k=\"true\"");
}

static void both_spellings_of_a_pid_are_equal(void **state)
{
    (void)state;
    static const char *const texts[] = {"pid=0.410.0",           "pid=<0.410.0>",         "pid=\"<0.410.0>\"",
                                        "[{pid,\"<0.410.0>\"}]", "[{pid,'0.410.0'}]",     "[{pid,<0.410.0>}]",
                                        "[{pid,\"0.410.0\"}]",   "[{pid,'=',<0.410.0>}]", "pid in (0.410.0, 0.1.0)"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        yes(texts[i], "pid=\"<0.410.0>\"");
        yes(texts[i], "pid=\"0.410.0\"");
        no(texts[i], "pid=\"<0.41.0>\"");
        no(texts[i], "pid=410");
    }
    no("pid!=0.410.0", "pid=\"<0.410.0>\"");
    yes("pid=4711", "pid=4711");
}

static void numbers_of_different_types_are_compared_exactly(void **state)
{
    (void)state;
    yes("n>9007199254740992.0", "n=9007199254740993");
    no("n=9007199254740992.0", "n=9007199254740993");
    yes("n<18446744073709551616.0", "n=18446744073709551615");
    yes("n>-1", "n=18446744073709551615");
    yes("n<18446744073709551615", "n=-1");
    yes("n=-9223372036854775808", "n=-9223372036854775808");
    yes("n>1", "n=1.5");
    yes("n<2", "n=1.5");
    yes("n>=-0.0", "n=0");
    no("n>0.5", "n=0");
    yes("n<1e300", "n=18446744073709551615");
    yes("n=0x1F", "n=31");
    yes("n=12345678901234567890123", "n=\"12345678901234567890123\""); /* ids, and no numbers to round */
    yes("n=092233E2036", "n=\"092233E2036\"");
}

static void what_cannot_be_compared_does_not_match(void **state)
{
    (void)state;
    static const char *const texts[] = {"k=1", "k!=1", "k<1", "k>=1", "k=1.5", "k=true", "k!=true"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) no(texts[i], "k=\"text\"");
    no("k=text", "k=1");
    no("k!=text", "k=1");
    no("k~1", "k=1");
    no("k!~1", "k=1");
    no("k<abc", "k=1");
    no("k<abc", "k=true");
}

static void a_missing_field_is_not_different_but_absent(void **state)
{
    (void)state;
    no("k!=1", "j=1");
    yes("not k=1", "j=1");
    no("k!~x", "j=1");
    yes("absent(k)", "j=1");
    yes("!k", "j=1");
    yes("k!=*", "j=1");
    no("k", "j=1");
    yes("k", "k=0");
    yes("exists(k)", "k=false");
}

static void and_binds_stronger_than_or_and_not_strongest(void **state)
{
    (void)state;
    yes("a=1 or b=1 c=1", "a=1");
    no("(a=1 or b=1) c=1", "a=1");
    yes("(a=1 or b=1) and c=1", "b=1 c=1");
    yes("not a=1 b=1", "b=1");
    no("not (a=1 or b=1)", "b=1");
    yes("not not a=1", "a=1");
    yes("a=1 && b=1 || c=1", "c=1");
    yes("!(a=1 AND b=1)", "a=1");
    yes("not (not a=1 or not b=1)", "a=1 b=1");
}

static void durations_are_nanoseconds(void **state)
{
    (void)state;
    yes("d>200ms", "d=200000001");
    no("d>200ms", "d=200000000");
    yes("d=1.5s", "d=1500000000");
    yes("d=1us", "d=1000");
    yes("d=2h", "d=7200000000000");
    yes("d<1d", "d=0");
}

static void texts_compare_by_bytes_and_may_hold_anything(void **state)
{
    (void)state;
    yes("k<b", "k=\"a\"");
    yes("k>=\"a b\"", "k=\"a c\"");
    yes("k=\"\"", "k=\"\"");
    yes("k=\"say \\\"x\\\"\\n\"", "k=\"say \\\"x\\\"\\n\"");
    yes("k='it is'", "k=\"it is\"");
    yes("\"odd key\"=1 or k=2", "k=2");
    yes("url=/cart?id=7&x=y", "url=/cart?id=7&x=y");
    yes("k=\xc3\xa9t\xc3\xa9", "k=\"\xc3\xa9t\xc3\xa9\"");
}

static void keys_that_are_words_of_the_language_work_before_an_operator(void **state)
{
    (void)state;
    yes("not=1", "not=1");
    yes("and = 1 or=2", "and=1 or=2");
    yes("in=1", "in=1");
    yes("exists=1 \"exists\"", "exists=1");
    yes("true=1", "true=1");
}

static void regular_expressions_search_in_texts(void **state)
{
    (void)state;
    yes("name~^GET", "name=\"GET /cart\"");
    no("name~^GET", "name=\"FORGET\"");
    yes("name~(GET|POST)", "name=\"POST /\"");
    yes("(name~^(GET|POST) or x=1) y=2", "name=\"GET\" y=2");
    yes("name=~\"^GET /c\"", "name=\"GET /cart\"");
    yes("name!~^GET", "name=\"POST\"");
    yes("[{name,'~',\"^GET\"}]", "name=\"GET /\"");
    yes("level~^warn", "level=warning");
}

static void a_tuple_alone_and_pairs_inside_any_are_understood(void **state)
{
    (void)state;
    yes("{module,m}", "module=m");
    yes("[{any,[{a,1},{b,1}]}]", "b=1");
    yes("[{any,[{all,[{a,1},{b,1}]},{c,'*'}]}].", "c=7");
    yes("[{'not',[{a,1}]}]", "a=2");
    yes(" [ {a , 1} ] % a comment", "a=1");
}

static void refused(const char *text, int code, size_t at, const char *part)
{
    struct tw__filter *filter = (struct tw__filter *)(uintptr_t)8;
    struct tw__refusal why;
    int result = tw__filter_compile(text, strlen(text), NULL, &filter, &why);
    if (result != code || why.code != code) fail_msg("%s: %d %s", text, result, why.text);
    if (why.at != at) fail_msg("%s: byte %zu and not %zu: %s", text, why.at, at, why.text);
    if (!strstr(why.text, part)) fail_msg("%s: %s", text, why.text);
    assert_ptr_equal(filter, (void *)(uintptr_t)8);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    refused("", TW_ERR_SYNTAX, 0, "empty");
    refused("module=", TW_ERR_SYNTAX, 7, "value is missing");
    refused("(a=1", TW_ERR_SYNTAX, 0, "not closed");
    refused("a=1)", TW_ERR_SYNTAX, 3, ") without");
    refused("a=1, b=2", TW_ERR_SYNTAX, 3, "no commas");
    refused("name=GET*", TW_ERR_SYNTAX, 8, "name~^GET");
    refused("level>=warnin", TW_ERR_SYNTAX, 7, "no such level");
    refused("a=\"x", TW_ERR_SYNTAX, 2, "not closed");
    refused("a~(x", TW_ERR_SYNTAX, 2, "( is not closed");
    refused("a~x**", TW_ERR_SYNTAX, 4, "twice");
    refused("or a=1", TW_ERR_SYNTAX, 0, "missing before");
    refused("a=1 or", TW_ERR_SYNTAX, 6, "condition is missing");
    refused("a in b", TW_ERR_SYNTAX, 2, "( is missing");
    refused("exists k", TW_ERR_SYNTAX, 0, "( is missing");
    refused("a<true", TW_ERR_SYNTAX, 2, "no order");
    refused("a=1 & b=2", TW_ERR_SYNTAX, 4, "key is expected");
    refused("[]", TW_ERR_SYNTAX, 0, "empty list");
    refused("[{null,maybe}]", TW_ERR_SYNTAX, 7, "null is true");
    refused("[{request,'<>',1}]", TW_ERR_SYNTAX, 10, "operator");
    refused("[{\"request\",1}]", TW_ERR_SYNTAX, 2, "atom");
    refused("[{a,1}", TW_ERR_SYNTAX, 6, "] is missing");
    refused("[{a,B}]", TW_ERR_SYNTAX, 4, "variable");
    refused("[{a,1}] x", TW_ERR_SYNTAX, 8, "behind the end");
    refused("[{level,'>=',loud}]", TW_ERR_SYNTAX, 13, "no such level");
}

static void the_limits_hold_on_both_sides(void **state)
{
    (void)state;
    char text[3 * TW__FILTER_TEXT_MAX];
    struct tw__filter *filter;
    struct tw__refusal why;
    for (unsigned n = TW__FILTER_LEAVES_MAX; n <= TW__FILTER_LEAVES_MAX + 1; n++) {
        size_t len = 0;
        for (unsigned i = 0; i < n; i++) len += (size_t)sprintf(text + len, "not a=%u ", i);
        int result = tw__filter_compile(text, len, NULL, &filter, &why);
        assert_int_equal(result, n == TW__FILTER_LEAVES_MAX ? 0 : TW_ERR_SPACE);
        if (result == 0) tw__filter_free(filter);
    }
    for (unsigned n = TW__FILTER_KEYS_MAX; n <= TW__FILTER_KEYS_MAX + 1; n++) {
        size_t len = 0;
        for (unsigned i = 0; i < n; i++) len += (size_t)sprintf(text + len, "key%u ", i);
        int result = tw__filter_compile(text, len, NULL, &filter, &why);
        assert_int_equal(result, n == TW__FILTER_KEYS_MAX ? 0 : TW_ERR_SPACE);
        if (result == 0) tw__filter_free(filter);
    }
    for (unsigned n = TW__FILTER_POSITIONS_MAX; n <= TW__FILTER_POSITIONS_MAX + 1; n++) {
        int len = sprintf(text, "a~x{255} b~x{255} c~x{255} d~x{255} e~x{%u}", n - 4 * 255);
        int result = tw__filter_compile(text, (size_t)len, NULL, &filter, &why);
        assert_int_equal(result, n == TW__FILTER_POSITIONS_MAX ? 0 : TW_ERR_SPACE);
        if (result == 0) tw__filter_free(filter);
    }
    for (unsigned n = TW__FILTER_DEPTH_MAX; n <= TW__FILTER_DEPTH_MAX + 1; n++) {
        memset(text, '(', n);
        memcpy(text + n, "a=1", 3);
        memset(text + n + 3, ')', n);
        int result = tw__filter_compile(text, 2 * n + 3, NULL, &filter, &why);
        assert_int_equal(result, n == TW__FILTER_DEPTH_MAX ? 0 : TW_ERR_SPACE);
        if (result == 0) tw__filter_free(filter);
    }
    for (unsigned n = TW__FILTER_TEXT_MAX; n <= TW__FILTER_TEXT_MAX + 1; n++) {
        memset(text, 'x', n);
        memcpy(text, "k=\"", 3);
        text[n - 1] = '"';
        int result = tw__filter_compile(text, n, NULL, &filter, &why);
        assert_int_equal(result, n == TW__FILTER_TEXT_MAX ? 0 : TW_ERR_SPACE);
        if (result == 0) tw__filter_free(filter);
    }
}

/* -- what a compiler may be told */

static enum tw__filter_holds holds(const char *name, size_t len)
{
    if (len == 8 && memcmp(name, "duration", 8) == 0) return TW__FILTER_DURATION;
    return len == 8 && memcmp(name, "trace_id", 8) == 0 ? TW__FILTER_TEXT : TW__FILTER_ANYTHING;
}

static uint32_t resolve(const void *data, const char *name, size_t len)
{
    (void)name;
    return *(const uint32_t *)data + (uint32_t)len;
}

static const char *const *two_states(const char *name, size_t len)
{
    static const char *const states[] = {"on", "off", NULL};
    return len == 5 && memcmp(name, "state", 5) == 0 ? states : NULL;
}

static void a_value_that_a_field_never_has_is_refused_with_those_it_has(void **state)
{
    static const char *const good[] = {"state=on", "state!=off",    "state in (on, off)", "state=\"on\"", "state~of+",
                                       "state",    "absent(state)", "other=of",           "[{state, on}]"};
    static const char *const bad[] = {"state=of", "state!=onn", "state in (on, of)", "state=\"\"",
                                      "state=1",  "state=true", "a=1 state=ON",      "[{state, of}]"};
    const struct tw__filter_schema schema = {.values = two_states};
    struct tw__filter *filter = NULL;
    struct tw__refusal why;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(tw__filter_compile(good[i], strlen(good[i]), &schema, &filter, &why), 0);
        tw__filter_free(filter);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tw__filter_compile(bad[i], strlen(bad[i]), &schema, &filter, &why), TW_ERR_SYNTAX);
        assert_string_equal(why.text, "no such state; there are on off");
    }
    assert_int_equal(why.at, 9); /* of [{state, of}] */
}

static void a_schema_gives_ids_and_asks_for_units(void **state)
{
    (void)state;
    uint32_t base = 100;
    struct tw__filter_schema schema = {.resolve = resolve, .data = &base, .holds = holds};
    struct tw__filter *filter;
    struct tw__refusal why;
    struct event event;
    const char *text = "duration>200ms trace_id=12345678901234567890123456789012 trace_id!=7";
    assert_int_equal(tw__filter_compile(text, strlen(text), &schema, &filter, &why), 0);
    assert_int_equal(filter->key_count, 2);
    assert_int_equal(filter->keys[0].id, 108);
    event_read(&event, "duration=200000001 trace_id=\"12345678901234567890123456789012\"");
    assert_true(tw__filter_match(filter, event_get, &event));
    tw__filter_free(filter);
    assert_int_equal(tw__filter_compile("duration>200", 12, &schema, &filter, &why), TW_ERR_SYNTAX);
    assert_int_equal(why.at, 9);
    assert_non_null(strstr(why.text, "unit"));
    assert_int_equal(tw__filter_compile("duration>fast", 13, &schema, &filter, &why), TW_ERR_SYNTAX);
    assert_int_equal(tw__filter_compile("duration>0", 10, &schema, &filter, &why), 0);
    tw__filter_free(filter);
}

static uint32_t length_as_id(const void *data, const char *name, size_t len)
{
    (void)data;
    (void)name;
    return (uint32_t)len;
}

static bool zone_has_many(uint32_t id)
{
    return id == 4;
}

/* Of zone every value, and a NONE between any two. */
static bool get_each(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    const struct event *event = data;
    uint32_t nth = 0;
    for (size_t i = 0; i < event->count; i++) {
        if (event->keys[i].len != key->len || memcmp(event->keys[i].name, key->name, key->len) != 0) continue;
        if (nth++ == key->nth) {
            *out = event->values[i];
            return true;
        }
        if (nth++ == key->nth) {
            out->type = TW__FIELD_NONE;
            return true;
        }
    }
    return false;
}

static void of_several_values_one_is_enough_and_for_unequal_none_may_be_equal(void **state)
{
    (void)state;
    static const struct tw__filter_schema schema = {.resolve = length_as_id, .many = zone_has_many};
    static const struct {
        const char *text, *event;
        bool matches;
    } cases[] = {
        {"zone=east", "zone=west zone=east", true},
        {"zone=north", "zone=west zone=east", false},
        {"zone!=east", "zone=west zone=east", false},
        {"zone!=north", "zone=west zone=east", true},
        {"zone!=north", "k=1", false},
        {"zone!=1", "zone=west", false},
        {"zone!=1", "zone=west zone=2", true},
        {"[{zone, '!=', 1}]", "zone=west zone=1", false},
        {"zone~^e", "zone=west zone=east", true},
        {"zone!~^e", "zone=west zone=east", false},
        {"zone!~^n", "zone=west zone=east", true},
        {"zone>3", "zone=1 zone=5", true},
        {"zone>3 zone<2", "zone=1 zone=5", true},
        {"zone>5", "zone=1 zone=5", false},
        {"zone", "zone=1 zone=2", true},
        {"absent(zone)", "zone=1", false},
        {"absent(zone) k=1", "k=1", true},
        {"not zone=1", "zone=2 zone=1", false},
        {"zone=2 k=1", "k=1 zone=1 zone=2", true},
        {"k=1 or zone=2", "k=2 zone=1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tw__filter *filter;
        struct event event;
        assert_int_equal(tw__filter_compile(cases[i].text, strlen(cases[i].text), &schema, &filter, NULL), 0);
        event_read(&event, cases[i].event);
        if (tw__filter_match_each(filter, get_each, &event) != cases[i].matches)
            fail_msg("%s at %s", cases[i].text, cases[i].event);
        tw__filter_free(filter);
    }
}

static enum tw__filter_holds holds_traces(const char *name, size_t len)
{
    return len == 5 && memcmp(name, "trace", 5) == 0 ? TW__FILTER_TRACE_ID : TW__FILTER_ANYTHING;
}

/* The forms are those of tw_trace_id_parse; tests/propagate/test_ids.c has them against published ids. */
static void a_trace_id_is_found_in_every_form_that_people_write(void **state)
{
    static const char *const records[] = {"trace=\"5759e988bd862e3fe1be46a994272793\"",
                                          "trace=\"00000000000000000000000000003039\""};
    static const struct {
        const char *text;
        int found; /* which of the records; -1: none */
    } cases[] = {
        {"trace=5759e988bd862e3fe1be46a994272793", 0},
        {"trace=5759E988BD862E3FE1BE46A994272793", 0},
        {"trace=1-5759e988-bd862e3fe1be46a994272793", 0},
        {"trace===\"1-5759E988-bd862e3fe1be46a994272793\"", 0},
        {"trace!=1-5759e988-bd862e3fe1be46a994272793", 1},
        {"trace in (7, 12345)", 1},
        {"trace=12345", 1},
        {"trace=\"0012345\"", 1},
        {"trace=00000000000000000000000000003039", 1},
        {"[{trace, 12345}]", 1},
        {"[{trace, \"1-00000000-000000000000000000003039\"}]", 1},
        {"trace~3039$", 1},
        {"trace<\"1\"", 1},
        {"trace=18446744073709551615", -1},
        {"trace=116109686688819914704061304393251104659", 0},
        {"[{trace, \"116109686688819914704061304393251104659\"}]", 0},
    };
    static const char *const bad[] = {"trace=zz",
                                      "trace=-1",
                                      "trace=1.5",
                                      "trace=0",
                                      "trace=5s",
                                      "trace=true",
                                      "trace=340282366920938463463374607431768211456",
                                      "trace in (12345, x)",
                                      "[{trace, abc}]",
                                      "trace=\"\""};
    struct tw__filter_schema schema = {.holds = holds_traces};
    struct tw__filter *filter;
    struct tw__refusal why;
    struct event event;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (tw__filter_compile(cases[i].text, strlen(cases[i].text), &schema, &filter, &why) < 0)
            fail_msg("%s: %s", cases[i].text, why.text);
        for (int e = 0; e < 2; e++) {
            event_read(&event, records[e]);
            if (tw__filter_match(filter, event_get, &event) != (cases[i].found == e))
                fail_msg("%s on %s", cases[i].text, records[e]);
        }
        tw__filter_free(filter);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (tw__filter_compile(bad[i], strlen(bad[i]), &schema, &filter, &why) != TW_ERR_SYNTAX)
            fail_msg("%s was understood", bad[i]);
        assert_non_null(strstr(why.text, "not a trace id"));
    }
}

static void as_many_short_trace_ids_as_conditions_have_room(void **state)
{
    struct tw__filter_schema schema = {.holds = holds_traces};
    char text[TW__FILTER_TEXT_MAX];
    (void)state;
    for (int tuple = 0; tuple < 2; tuple++) {
        size_t len = (size_t)snprintf(text, sizeof text, tuple ? "[{any, [{trace, 1}" : "trace in (1");
        struct tw__filter *filter;
        struct tw__refusal why;
        struct event event;
        for (int i = 2; i <= TW__FILTER_LEAVES_MAX; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, tuple ? ", {trace, \"%d\"}" : ", %d", i);
        len += (size_t)snprintf(text + len, sizeof text - len, tuple ? "]}]" : ")");
        if (tw__filter_compile(text, len, &schema, &filter, &why) < 0) fail_msg("%s", why.text);
        event_read(&event, "trace=\"00000000000000000000000000000100\"");
        assert_true(tw__filter_match(filter, event_get, &event));
        event_read(&event, "trace=\"00000000000000000000000000000101\"");
        assert_false(tw__filter_match(filter, event_get, &event));
        tw__filter_free(filter);
    }
}

/* -- verdicts */

static enum tw__known known(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    if (event_get(data, key, out)) return TW__KNOWN_VALUE;
    /* A site's module, function and level are there or not; nothing is known of the rest. */
    static const char *const fixed[] = {"module", "function", "level"};
    for (size_t i = 0; i < 3; i++)
        if (strlen(fixed[i]) == key->len && memcmp(fixed[i], key->name, key->len) == 0) return TW__KNOWN_ABSENT;
    return TW__KNOWN_NOT;
}

static void site(const char *text, const char *event_text, enum tw__verdict expected)
{
    struct event event;
    struct tw__filter *filter = compile(text);
    event_read(&event, event_text);
    enum tw__verdict found = tw__filter_site(filter, known, &event);
    if (found != expected) fail_msg("%s at %s: %u and not %u", text, event_text, found, expected);
    tw__filter_free(filter);
}

static void the_verdict_on_a_site_is_known_before_its_records(void **state)
{
    (void)state;
    site("module=m", "module=m", TW__VERDICT_YES);
    site("module=m", "module=n", TW__VERDICT_NO);
    site("module=m request>100", "module=n", TW__VERDICT_NO);
    site("module=m request>100", "module=m", TW__VERDICT_DEPENDS);
    site("module=m or request>100", "module=m", TW__VERDICT_YES);
    site("module=m or request>100", "module=n", TW__VERDICT_DEPENDS);
    site("not (module=m request>100)", "module=n", TW__VERDICT_YES);
    site("not module=m", "module=m", TW__VERDICT_NO);
    site("level>=warning module=m", "level=debug module=m", TW__VERDICT_NO);
    site("absent(function)", "module=m", TW__VERDICT_YES);
    site("true", "module=m", TW__VERDICT_YES);
    site("false or request", "module=m", TW__VERDICT_DEPENDS);
}

/* -- levels, as lager_util:config_to_mask/1 answers */

static void level_masks_are_those_of_lager(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int set;
    } vectors[] = {{"debug", 255},  {"info", 127},     {"warning", 31}, {"emergency", 1}, {"none", 0},
                   {"=info", 64},   {"=none", 0},      {"!=info", 191}, {"!=none", 255},  {"<debug", 0},
                   {"<info", 128},  {"<none", 255},    {"<=info", 192}, {"=<info", 192},  {"<=none", 255},
                   {">info", 63},   {">emergency", 0}, {">none", 0},    {">=info", 127},  {"=>info", 127},
                   {">=none", 0},   {"!info", 128},    {"!none", 255},  {"!<info", 127},  {"!>=info", 128},
                   {"!<=info", 63}, {"!<=none", 0},    {"!debug", 0},   {"=alert", 2}};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        if (tw__levels_parse(vectors[i].text, strlen(vectors[i].text)) != vectors[i].set)
            fail_msg("%s is not %d", vectors[i].text, vectors[i].set);
    static const char *const bad[] = {"", "!", "=", "loud", "!!info", "==info", "info ", ">=", "<>info"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tw__levels_parse(bad[i], strlen(bad[i])), TW_ERR_SYNTAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tuple_text_selects_what_lager_selects),
        cmocka_unit_test(a_text_is_not_greater_than_a_number_although_lager_says_so),
        cmocka_unit_test(the_short_form_selects_the_same),
        cmocka_unit_test(levels_are_compared_by_severity),
        cmocka_unit_test(equality_of_the_tuple_text_is_strict),
        cmocka_unit_test(atoms_strings_and_binaries_are_all_texts),
        cmocka_unit_test(both_spellings_of_a_pid_are_equal),
        cmocka_unit_test(numbers_of_different_types_are_compared_exactly),
        cmocka_unit_test(what_cannot_be_compared_does_not_match),
        cmocka_unit_test(a_missing_field_is_not_different_but_absent),
        cmocka_unit_test(and_binds_stronger_than_or_and_not_strongest),
        cmocka_unit_test(durations_are_nanoseconds),
        cmocka_unit_test(texts_compare_by_bytes_and_may_hold_anything),
        cmocka_unit_test(keys_that_are_words_of_the_language_work_before_an_operator),
        cmocka_unit_test(regular_expressions_search_in_texts),
        cmocka_unit_test(a_tuple_alone_and_pairs_inside_any_are_understood),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(the_limits_hold_on_both_sides),
        cmocka_unit_test(a_schema_gives_ids_and_asks_for_units),
        cmocka_unit_test(of_several_values_one_is_enough_and_for_unequal_none_may_be_equal),
        cmocka_unit_test(a_trace_id_is_found_in_every_form_that_people_write),
        cmocka_unit_test(as_many_short_trace_ids_as_conditions_have_room),
        cmocka_unit_test(a_value_that_a_field_never_has_is_refused_with_those_it_has),
        cmocka_unit_test(the_verdict_on_a_site_is_known_before_its_records),
        cmocka_unit_test(level_masks_are_those_of_lager),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
