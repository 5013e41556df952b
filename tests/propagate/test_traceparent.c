/* The published cases of the W3C trace-context test suite (test/test.py) that are about traceparent, plus the bits of
 * the flags and the round trip. Each test names the suite's function it stands for where there is one. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <trackway/context.h>

#define TRACE "12345678901234567890123456789012"
#define SPAN  "1234567890123456"

static const struct tw_context untouched = {.trace_id = {0xee}, .span_id = {0xee}, .flags = 0xee};

static int parse(const char *text, struct tw_context *context)
{
    *context = untouched;
    return tw_traceparent_parse(text, strlen(text), context);
}

static void assert_refused(const char *text, int error)
{
    struct tw_context context;
    if (parse(text, &context) != error) fail_msg("\"%s\" was not refused with %d", text, error);
    assert_memory_equal(&context, &untouched, sizeof context);
}

static void assert_read(const char *text, uint8_t flags)
{
    struct tw_context context;
    if (parse(text, &context) != 0) fail_msg("\"%s\" was refused", text);
    assert_int_equal(context.trace_id[0], 0x12);
    assert_int_equal(context.trace_id[15], 0x12);
    assert_int_equal(context.span_id[0], 0x12);
    assert_int_equal(context.span_id[7], 0x56);
    assert_int_equal(context.flags, flags);
}

static void reads_the_example_of_the_standard(void **state)
{
    (void)state;
    struct tw_context context;
    const uint8_t trace[] = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6,
                             0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36};
    const uint8_t span[] = {0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7};
    assert_int_equal(parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", &context), 0);
    assert_memory_equal(context.trace_id, trace, sizeof trace);
    assert_memory_equal(context.span_id, span, sizeof span);
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
}

static void keeps_the_sampled_and_the_random_bit_and_no_other(void **state)
{
    (void)state;
    assert_read("00-" TRACE "-" SPAN "-00", 0);
    assert_read("00-" TRACE "-" SPAN "-01", TW_FLAG_SAMPLED);
    assert_read("00-" TRACE "-" SPAN "-02", TW_FLAG_RANDOM);
    assert_read("00-" TRACE "-" SPAN "-03", TW_FLAG_SAMPLED | TW_FLAG_RANDOM);
    assert_read("00-" TRACE "-" SPAN "-ff", TW_FLAG_SAMPLED | TW_FLAG_RANDOM);
    assert_read("00-" TRACE "-" SPAN "-fc", 0);
}

static void w3c_version_0x00_ends_after_the_flags(void **state)
{
    (void)state;
    assert_refused("00-" TRACE "-" SPAN "-01.", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-" SPAN "-01-what-the-future-will-be-like", TW_ERR_SYNTAX);
}

static void w3c_version_0xcc_is_read_by_its_first_fields(void **state)
{
    (void)state;
    assert_read("cc-" TRACE "-" SPAN "-01", TW_FLAG_SAMPLED);
    assert_read("cc-" TRACE "-" SPAN "-01-what-the-future-will-be-like", TW_FLAG_SAMPLED);
    assert_refused("cc-" TRACE "-" SPAN "-01.what-the-future-will-be-like", TW_ERR_SYNTAX);
    assert_read("01-" TRACE "-" SPAN "-01", TW_FLAG_SAMPLED);
    assert_read("fe-" TRACE "-" SPAN "-01-", TW_FLAG_SAMPLED);
}

static void w3c_version_is_two_digits_and_not_0xff(void **state)
{
    (void)state;
    assert_refused("ff-" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused(".0-" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("0.-" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("000-" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("0000-" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("0-" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("FE-" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
}

static void w3c_trace_id_is_32_lower_case_digits_and_not_zero(void **state)
{
    (void)state;
    assert_refused("00-00000000000000000000000000000000-" SPAN "-01", TW_ERR_RANGE);
    assert_refused("00-.2345678901234567890123456789012-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("00-1234567890123456789012345678901.-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("00-123456789012345678901234567890123-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("00-1234567890123456789012345678901-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("00-1234567890123456789012345678901A-" SPAN "-01", TW_ERR_SYNTAX);
}

static void w3c_parent_id_is_16_lower_case_digits_and_not_zero(void **state)
{
    (void)state;
    assert_refused("00-" TRACE "-0000000000000000-01", TW_ERR_RANGE);
    assert_refused("00-" TRACE "-.234567890123456-01", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-123456789012345.-01", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-12345678901234567-01", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-123456789012345-01", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-123456789012345A-01", TW_ERR_SYNTAX);
}

static void w3c_trace_flags_are_two_digits(void **state)
{
    (void)state;
    assert_refused("00-" TRACE "-" SPAN "-.0", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-" SPAN "-0.", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-" SPAN "-001", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-" SPAN "-1", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-" SPAN "-0A", TW_ERR_SYNTAX);
}

static void w3c_ows_around_the_value_is_skipped(void **state)
{
    (void)state;
    assert_read(" 00-" TRACE "-" SPAN "-01", TW_FLAG_SAMPLED);
    assert_read("\t00-" TRACE "-" SPAN "-01", TW_FLAG_SAMPLED);
    assert_read("00-" TRACE "-" SPAN "-01 ", TW_FLAG_SAMPLED);
    assert_read("00-" TRACE "-" SPAN "-01\t", TW_FLAG_SAMPLED);
    assert_read("\t 00-" TRACE "-" SPAN "-01 \t", TW_FLAG_SAMPLED);
    assert_refused("00-" TRACE "-" SPAN "-01\n", TW_ERR_SYNTAX);
}

static void refuses_other_separators_and_no_text(void **state)
{
    (void)state;
    struct tw_context context = untouched;
    assert_refused("", TW_ERR_SYNTAX);
    assert_refused(" \t ", TW_ERR_SYNTAX);
    assert_refused("00_" TRACE "-" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "_" SPAN "-01", TW_ERR_SYNTAX);
    assert_refused("00-" TRACE "-" SPAN "_01", TW_ERR_SYNTAX);
    assert_int_equal(tw_traceparent_parse(NULL, 0, &context), TW_ERR_SYNTAX);
}

static void every_shorter_text_is_refused(void **state)
{
    (void)state;
    const char whole[] = "00-" TRACE "-" SPAN "-01";
    struct tw_context context;
    for (size_t len = 0; len < TW_TRACEPARENT_LEN; len++)
        assert_int_equal(tw_traceparent_parse(whole, len, &context), TW_ERR_SYNTAX);
}

static void what_is_written_is_read_back_unchanged(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 192; bit++) { /* every single bit of both ids, each time with a valid rest */
        struct tw_context sent = {.trace_id = {[0] = 1}, .span_id = {[0] = 1}, .flags = bit & 3}, received = untouched;
        uint8_t *ids = bit < 128 ? sent.trace_id : sent.span_id;
        ids[bit % 128 / 8] ^= (uint8_t)(1u << bit % 8);
        char text[TW_TRACEPARENT_LEN];
        if (tw_traceparent_format(&sent, text, sizeof text) == TW_ERR_RANGE) continue; /* the bit that zeroes an id */
        assert_int_equal(tw_traceparent_parse(text, sizeof text, &received), 0);
        assert_memory_equal(&received, &sent, sizeof sent);
    }
}

static void writes_the_known_flags_only(void **state)
{
    (void)state;
    struct tw_context context;
    char text[TW_TRACEPARENT_LEN + 1] = "";
    assert_int_equal(parse("00-" TRACE "-" SPAN "-01", &context), 0);
    context.flags = 0xff;
    assert_int_equal(tw_traceparent_format(&context, text, sizeof text), TW_TRACEPARENT_LEN);
    assert_string_equal(text, "00-" TRACE "-" SPAN "-03");
}

static void writes_nothing_when_there_is_no_room_or_no_id(void **state)
{
    (void)state;
    struct tw_context context;
    char text[TW_TRACEPARENT_LEN] = "untouched";
    assert_int_equal(parse("00-" TRACE "-" SPAN "-01", &context), 0);
    assert_int_equal(tw_traceparent_format(&context, text, sizeof text - 1), TW_ERR_SPACE);
    memset(context.span_id, 0, sizeof context.span_id);
    assert_int_equal(tw_traceparent_format(&context, text, sizeof text), TW_ERR_RANGE);
    assert_string_equal(text, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_example_of_the_standard),
        cmocka_unit_test(keeps_the_sampled_and_the_random_bit_and_no_other),
        cmocka_unit_test(w3c_version_0x00_ends_after_the_flags),
        cmocka_unit_test(w3c_version_0xcc_is_read_by_its_first_fields),
        cmocka_unit_test(w3c_version_is_two_digits_and_not_0xff),
        cmocka_unit_test(w3c_trace_id_is_32_lower_case_digits_and_not_zero),
        cmocka_unit_test(w3c_parent_id_is_16_lower_case_digits_and_not_zero),
        cmocka_unit_test(w3c_trace_flags_are_two_digits),
        cmocka_unit_test(w3c_ows_around_the_value_is_skipped),
        cmocka_unit_test(refuses_other_separators_and_no_text),
        cmocka_unit_test(every_shorter_text_is_refused),
        cmocka_unit_test(what_is_written_is_read_back_unchanged),
        cmocka_unit_test(writes_the_known_flags_only),
        cmocka_unit_test(writes_nothing_when_there_is_no_room_or_no_id),
    };
    return cmocka_run_group_tests_name("traceparent", tests, NULL, NULL);
}
