/* The published cases of the W3C trace-context test suite (test/test.py) that are about tracestate, and our own rules
 * for what is kept when there is too much. A test named w3c_... stands for the suite's test of that name. */
#include "fixture.h"

#define PARENT                                                                                                         \
    {                                                                                                                  \
        "traceparent", "00-12345678901234567890123456789012-1234567890123456-00"                                       \
    }
#define PARENT_SAMPLED                                                                                                 \
    {                                                                                                                  \
        "traceparent", "00-12345678901234567890123456789012-1234567890123456-01"                                       \
    }

#define EXPECT(expected, ...)                                                                                          \
    do {                                                                                                               \
        assert_int_equal(EXTRACT("tracecontext", PARENT, __VA_ARGS__), TW_EXTRACT_PARENT);                             \
        assert_trace_id("12345678901234567890123456789012");                                                           \
        assert_text(carried.tracestate, carried.tracestate_len, expected);                                             \
    } while (0)

#define DISCARDED(...)                                                                                                 \
    do {                                                                                                               \
        EXPECT("", __VA_ARGS__);                                                                                       \
        assert_int_equal(drops.tracestate, 1);                                                                         \
    } while (0)

/* n times c into a static buffer, one of a few in turn. */
static const char *repeat(char c, size_t n, const char *tail)
{
    static char buffers[4][1024];
    static unsigned turn;
    char *text = buffers[turn++ % 4];
    memset(text, c, n);
    strcpy(text + n, tail);
    return text;
}

static void w3c_both_traceparent_and_tracestate_missing(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("tracecontext", {"host", "x"}), TW_EXTRACT_NONE);
    assert_untouched();
    assert_int_equal(carried.format, TW_FORMAT_NONE);
    assert_int_equal(drops.traceparent, 0);
}

static void w3c_traceparent_included_tracestate_missing(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("tracecontext", PARENT_SAMPLED), TW_EXTRACT_PARENT);
    assert_trace_id("12345678901234567890123456789012");
    assert_span_id("1234567890123456");
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
    assert_int_equal(carried.tracestate_len, 0);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
}

static void w3c_traceparent_duplicated(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("tracecontext", {"traceparent", "00-12345678901234567890123456789011-1234567890123456-01"},
                             PARENT_SAMPLED),
                     TW_EXTRACT_NONE);
    assert_untouched();
    assert_int_equal(drops.traceparent, 1);
    assert_int_equal(
        EXTRACT("tracecontext", {"traceparent", "00-12345678901234567890123456789011-1234567890123456-01,"
                                                "00-12345678901234567890123456789012-1234567890123456-01"}),
        TW_EXTRACT_NONE);
    assert_int_equal(drops.traceparent, 1);
}

static void w3c_traceparent_header_name(void **state)
{
    (void)state;
    const char *value = "00-12345678901234567890123456789012-1234567890123456-01";
    assert_int_equal(EXTRACT("tracecontext", {"trace-parent", value}), TW_EXTRACT_NONE);
    assert_int_equal(EXTRACT("tracecontext", {"trace.parent", value}), TW_EXTRACT_NONE);
    assert_int_equal(EXTRACT("tracecontext", {"TraceParent", value}), TW_EXTRACT_PARENT);
    assert_int_equal(EXTRACT("tracecontext", {"TrAcEpArEnT", value}), TW_EXTRACT_PARENT);
    assert_int_equal(EXTRACT("tracecontext", {"TRACEPARENT", value}), TW_EXTRACT_PARENT);
}

static void w3c_tracestate_included_traceparent_missing(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("tracecontext", {"tracestate", "foo=1"}), TW_EXTRACT_NONE);
    assert_int_equal(carried.tracestate_len, 0);
    assert_int_equal(EXTRACT("tracecontext", {"tracestate", "foo=1,bar=2"}), TW_EXTRACT_NONE);
    assert_int_equal(carried.tracestate_len, 0);
}

static void w3c_tracestate_included_traceparent_included(void **state)
{
    (void)state;
    EXPECT("foo=1,bar=2", {"tracestate", "foo=1,bar=2"});
    assert_int_equal(carried.tracestate_count, 2);
}

static void w3c_tracestate_header_name(void **state)
{
    (void)state;
    EXPECT("", {"trace-state", "foo=1"});
    EXPECT("", {"trace.state", "foo=1"});
    EXPECT("foo=1", {"TraceState", "foo=1"});
    EXPECT("foo=1", {"TrAcEsTaTe", "foo=1"});
    EXPECT("foo=1", {"TRACESTATE", "foo=1"});
}

static void w3c_tracestate_empty_header(void **state)
{
    (void)state;
    EXPECT("", {"tracestate", ""});
    EXPECT("foo=1", {"tracestate", "foo=1"}, {"tracestate", ""});
    EXPECT("foo=1", {"tracestate", ""}, {"tracestate", "foo=1"});
    EXPECT("foo=1,bar=2", {"tracestate", ",foo=1, ,bar=2,"});
    assert_int_equal(drops.tracestate, 0);
}

static void w3c_tracestate_multiple_headers_different_keys(void **state)
{
    (void)state;
    EXPECT("foo=1,bar=2,rojo=1,congo=2,baz=3", {"tracestate", "foo=1,bar=2"}, {"tracestate", "rojo=1,congo=2"},
           {"tracestate", "baz=3"});
}

static void w3c_tracestate_duplicated_keys(void **state)
{
    (void)state;
    DISCARDED({"tracestate", "foo=1,foo=1"});
    DISCARDED({"tracestate", "foo=1,foo=2"});
    DISCARDED({"tracestate", "foo=1"}, {"tracestate", "foo=1"});
    DISCARDED({"tracestate", "foo=1"}, {"tracestate", "foo=2"});
    DISCARDED({"tracestate", "tw=1,foo=2,tw=3"});
}

static void w3c_tracestate_all_allowed_characters(void **state)
{
    (void)state;
#define KEY   "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
#define VALUE " !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
    EXPECT(KEY "=" VALUE, {"tracestate", KEY "=" VALUE});
    EXPECT(KEY "@a-z0-9_-*/=" VALUE, {"tracestate", KEY "@a-z0-9_-*/=" VALUE});
}

static void w3c_tracestate_ows_handling(void **state)
{
    (void)state;
    EXPECT("foo=1,bar=2,baz=3", {"tracestate", "foo=1 \t , \t bar=2, \t baz=3"});
    EXPECT("foo=1,bar=2,baz=3", {"tracestate", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"});
    EXPECT("foo=1", {"tracestate", " foo=1"});
    EXPECT("foo=1", {"tracestate", "\tfoo=1"});
    EXPECT("foo=1", {"tracestate", "foo=1 "});
    EXPECT("foo=1", {"tracestate", "foo=1\t"});
    EXPECT("foo=1", {"tracestate", "\t foo=1 \t"});
}

static void w3c_tracestate_key_illegal_characters(void **state)
{
    (void)state;
    DISCARDED({"tracestate", "foo =1"});
    DISCARDED({"tracestate", "FOO=1"});
    DISCARDED({"tracestate", "foo.bar=1"});
    DISCARDED({"tracestate", "=1"});
    DISCARDED({"tracestate", "_foo=1"});
    DISCARDED({"tracestate", "foobarbaz"});
}

static void w3c_tracestate_key_illegal_vendor_format(void **state)
{
    (void)state;
    DISCARDED({"tracestate", "foo@=1,bar=2"});
    DISCARDED({"tracestate", "@foo=1,bar=2"});
    DISCARDED({"tracestate", "foo@@bar=1,bar=2"});
    DISCARDED({"tracestate", "foo@bar@baz=1,bar=2"});
}

#define TEN(d)                                                                                                         \
    "bar" #d "0=1,bar" #d "1=1,bar" #d "2=1,bar" #d "3=1,bar" #d "4=1,bar" #d "5=1,bar" #d "6=1,bar" #d "7=1,bar" #d   \
    "8=1,bar" #d "9=1"

static void w3c_tracestate_member_count_limit(void **state)
{
    (void)state;
    const struct header tens[] = {{"tracestate", TEN(0)}, {"tracestate", TEN(1)}, {"tracestate", TEN(2)}};
    EXPECT(TEN(0) "," TEN(1) "," TEN(2) ",bar30=1", tens[0], tens[1], tens[2], {"tracestate", "bar30=1"});
    assert_int_equal(carried.tracestate_count, 31);
    EXPECT(TEN(0) "," TEN(1) "," TEN(2) ",bar30=1", tens[0], tens[1], tens[2], {"tracestate", "bar30=1,bar31=1"});
    assert_int_equal(drops.tracestate_member, 1); /* 32 are valid, but ours is to come in front */
    EXPECT(TEN(0) "," TEN(1) "," TEN(2) ",bar30=1", tens[0], tens[1], tens[2], {"tracestate", "bar30=1,tw=1"});
    assert_int_equal(drops.tracestate_member, 0);
    DISCARDED(tens[0], tens[1], tens[2], {"tracestate", "bar30=1,bar31=1,bar32=1"});
}

static void w3c_tracestate_key_length_limit(void **state)
{
    (void)state;
    char vendor[512];
    EXPECT(repeat('z', 0, "foo=1"), {"tracestate", "foo=1"});
    assert_int_equal(EXTRACT("tracecontext", PARENT, {"tracestate", "foo=1"}, {"tracestate", repeat('z', 256, "=1")}),
                     TW_EXTRACT_PARENT);
    assert_int_equal(carried.tracestate_count, 2);
    DISCARDED({"tracestate", "foo=1"}, {"tracestate", repeat('z', 257, "=1")});
    snprintf(vendor, sizeof vendor, "%s@%s=1", repeat('t', 241, ""), repeat('v', 14, ""));
    assert_int_equal(EXTRACT("tracecontext", PARENT, {"tracestate", "foo=1"}, {"tracestate", vendor}),
                     TW_EXTRACT_PARENT);
    assert_int_equal(carried.tracestate_count, 2);
    DISCARDED({"tracestate", "foo=1"}, {"tracestate", repeat('t', 242, "@v=1")});
    DISCARDED({"tracestate", "foo=1"}, {"tracestate", "t@vvvvvvvvvvvvvvv=1"});
}

static void w3c_tracestate_value_illegal_characters(void **state)
{
    (void)state;
    DISCARDED({"tracestate", "foo=bar=baz"});
    DISCARDED({"tracestate", "foo=,bar=3"});
    DISCARDED({"tracestate", "foo=1\r\nevil: 1"});
    DISCARDED({"tracestate", "foo=\x7f"});
    DISCARDED({"tracestate", "foo=\xc3\xa4"});
}

static void a_value_has_at_most_256_characters(void **state)
{
    (void)state;
    char text[600];
    snprintf(text, sizeof text, "foo=%s", repeat('x', 256, ""));
    EXPECT(text, {"tracestate", text});
    snprintf(text, sizeof text, "foo=%s", repeat('x', 257, ""));
    DISCARDED({"tracestate", text});
}

static void members_over_128_characters_go_first_when_there_is_no_room(void **state)
{
    (void)state;
    char text[1000];
    const char *x = repeat('x', 150, ""), *y = repeat('y', 100, "");
    snprintf(text, sizeof text, "a=%s,b=%s,c=%s,d=%s,e=1", x, y, x, y);
    char expected[1000];
    snprintf(expected, sizeof expected, "a=%s,b=%s,d=%s,e=1", x, y, y);
    EXPECT(expected, {"tracestate", text});
    assert_int_equal(drops.tracestate_member, 1);
}

static void the_right_most_members_go_when_none_is_long(void **state)
{
    (void)state;
    char text[1000], expected[1000];
    const char *y = repeat('y', 120, "");
    snprintf(text, sizeof text, "a=%s,b=%s,c=%s,d=%s,e=1", y, y, y, y);
    snprintf(expected, sizeof expected, "a=%s,b=%s,c=%s", y, y, y);
    EXPECT(expected, {"tracestate", text});
    assert_int_equal(drops.tracestate_member, 2);
}

static void what_is_written_never_exceeds_512_characters(void **state)
{
    (void)state;
    char text[1000];
    snprintf(text, sizeof text, "a=%s,b=%s", repeat('y', 243, ""), repeat('y', 242, "")); /* 490 */
    EXPECT(text, {"tracestate", text});
    assert_int_equal(inject("tracecontext"), 2);
    assert_int_equal(strlen(written_value(&out, "tracestate")), 19 + 1 + 490);
    carried.sampling = TW_SAMPLING_UNDECIDED;
    inject("tracecontext");
    assert_int_equal(strlen(written_value(&out, "tracestate")), 512);
}

static void ours_is_written_first_and_replaces_the_one_that_came(void **state)
{
    (void)state;
    EXPECT("foo=1,bar=2", {"tracestate", "foo=1,tw=00f067aa0ba902b7,bar=2"});
    assert_int_equal(carried.nearest[1], 0xf0);
    assert_int_equal(inject("tracecontext"), 2);
    assert_string_equal(written_value(&out, "traceparent"), "00-12345678901234567890123456789012-1234567890123456-00");
    assert_string_equal(written_value(&out, "tracestate"), "tw=1234567890123456,foo=1,bar=2");
}

static void undecided_and_debug_pass_through_between_two_of_us(void **state)
{
    (void)state;
    EXPECT("", {"tracestate", "tw=1234567890123456:u"});
    assert_int_equal(carried.sampling, TW_SAMPLING_UNDECIDED);
    inject("tracecontext");
    assert_string_equal(written_value(&out, "tracestate"), "tw=1234567890123456:u");
    EXTRACT("tracecontext", PARENT_SAMPLED, {"tracestate", "tw=1234567890123456:d"});
    assert_int_equal(carried.sampling, TW_SAMPLING_DEBUG);
    inject("tracecontext");
    assert_string_equal(written_value(&out, "tracestate"), "tw=1234567890123456:d");
    /* somebody between has decided */
    EXTRACT("tracecontext", PARENT_SAMPLED, {"tracestate", "tw=1234567890123456:u"});
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
    EXPECT("", {"tracestate", "tw=00f067aa0ba902b7:u"});
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
}

static void members_are_walked_in_order(void **state)
{
    (void)state;
    size_t pos = 0;
    struct tw_member member;
    EXPECT("foo=1,bar=a b", {"tracestate", "foo=1,bar=a b"});
    assert_true(tw_tracestate_next(&carried, &pos, &member));
    assert_text(member.key, member.key_len, "foo");
    assert_text(member.value, member.value_len, "1");
    assert_true(tw_tracestate_next(&carried, &pos, &member));
    assert_text(member.key, member.key_len, "bar");
    assert_text(member.value, member.value_len, "a b");
    assert_false(tw_tracestate_next(&carried, &pos, &member));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(w3c_both_traceparent_and_tracestate_missing),
        cmocka_unit_test(w3c_traceparent_included_tracestate_missing),
        cmocka_unit_test(w3c_traceparent_duplicated),
        cmocka_unit_test(w3c_traceparent_header_name),
        cmocka_unit_test(w3c_tracestate_included_traceparent_missing),
        cmocka_unit_test(w3c_tracestate_included_traceparent_included),
        cmocka_unit_test(w3c_tracestate_header_name),
        cmocka_unit_test(w3c_tracestate_empty_header),
        cmocka_unit_test(w3c_tracestate_multiple_headers_different_keys),
        cmocka_unit_test(w3c_tracestate_duplicated_keys),
        cmocka_unit_test(w3c_tracestate_all_allowed_characters),
        cmocka_unit_test(w3c_tracestate_ows_handling),
        cmocka_unit_test(w3c_tracestate_key_illegal_characters),
        cmocka_unit_test(w3c_tracestate_key_illegal_vendor_format),
        cmocka_unit_test(w3c_tracestate_member_count_limit),
        cmocka_unit_test(w3c_tracestate_key_length_limit),
        cmocka_unit_test(w3c_tracestate_value_illegal_characters),
        cmocka_unit_test(a_value_has_at_most_256_characters),
        cmocka_unit_test(members_over_128_characters_go_first_when_there_is_no_room),
        cmocka_unit_test(the_right_most_members_go_when_none_is_long),
        cmocka_unit_test(what_is_written_never_exceeds_512_characters),
        cmocka_unit_test(ours_is_written_first_and_replaces_the_one_that_came),
        cmocka_unit_test(undecided_and_debug_pass_through_between_two_of_us),
        cmocka_unit_test(members_are_walked_in_order),
    };
    return cmocka_run_group_tests_name("tracestate", tests, NULL, NULL);
}
