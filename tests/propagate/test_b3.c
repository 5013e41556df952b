/* Headers as the B3 specification (openzipkin/b3-propagation) describes them. */
#include "fixture.h"

#define TRACE "80f198ee56343ba864fe8b2a57d3eff7"
#define SPAN  "e457b5a2e4d86bd1"
#define UP    "05e3ac9a4f6e3b90"

static int read_single(const char *value)
{
    return EXTRACT("b3", {"b3", value});
}

static void assert_read(const char *value, uint8_t flags, enum tw_sampling sampling)
{
    if (read_single(value) != TW_EXTRACT_PARENT) fail_msg("\"%s\" gave no trace", value);
    assert_trace_id(TRACE);
    assert_span_id(SPAN);
    assert_int_equal(context.flags, flags);
    assert_int_equal(carried.sampling, sampling);
    assert_int_equal(drops.b3, 0);
}

static void assert_no_trace(const char *value)
{
    if (read_single(value) != TW_EXTRACT_NONE) fail_msg("\"%s\" gave a trace", value);
    assert_untouched();
    assert_int_equal(drops.b3, 1);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
}

static void one_header_has_ids_a_state_and_a_parent(void **state)
{
    (void)state;
    assert_read(TRACE "-" SPAN "-1-" UP, TW_FLAG_SAMPLED, TW_SAMPLING_FLAG);
    assert_read(TRACE "-" SPAN "-1", TW_FLAG_SAMPLED, TW_SAMPLING_FLAG);
    assert_read(TRACE "-" SPAN "-0", 0, TW_SAMPLING_FLAG);
    assert_read(TRACE "-" SPAN "-d", TW_FLAG_SAMPLED, TW_SAMPLING_DEBUG);
    assert_read(TRACE "-" SPAN, 0, TW_SAMPLING_UNDECIDED);
    assert_read(" \t" TRACE "-" SPAN "-1 ", TW_FLAG_SAMPLED, TW_SAMPLING_FLAG);
}

static void a_trace_id_of_64_bits_is_the_low_half(void **state)
{
    (void)state;
    assert_int_equal(read_single("64fe8b2a57d3eff7-" SPAN "-1"), TW_EXTRACT_PARENT);
    assert_trace_id("000000000000000064fe8b2a57d3eff7");
    inject("b3");
    assert_string_equal(written_value(&out, "b3"), "000000000000000064fe8b2a57d3eff7-" SPAN "-1");
}

static void a_decision_without_ids_is_no_trace_but_is_told(void **state)
{
    (void)state;
    assert_int_equal(read_single("0"), TW_EXTRACT_NONE);
    assert_untouched();
    assert_int_equal(carried.sampling, TW_SAMPLING_DENY);
    assert_int_equal(read_single("1"), TW_EXTRACT_NONE);
    assert_int_equal(carried.sampling, TW_SAMPLING_ACCEPT);
    assert_int_equal(read_single("d"), TW_EXTRACT_NONE);
    assert_int_equal(carried.sampling, TW_SAMPLING_DEBUG);
    assert_int_equal(EXTRACT("b3multi", {"X-B3-Sampled", "0"}), TW_EXTRACT_NONE);
    assert_int_equal(carried.sampling, TW_SAMPLING_DENY);
    assert_int_equal(EXTRACT("b3multi", {"X-B3-Flags", "1"}), TW_EXTRACT_NONE);
    assert_int_equal(carried.sampling, TW_SAMPLING_DEBUG);
    assert_int_equal(drops.b3, 0);
}

static void what_is_malformed_is_no_trace(void **state)
{
    (void)state;
    assert_no_trace("2");
    assert_no_trace("garbage");
    assert_no_trace(TRACE);
    assert_no_trace(TRACE "-");
    assert_no_trace(TRACE "-" SPAN "-");
    assert_no_trace(TRACE "-" SPAN "-2");
    assert_no_trace(TRACE "-" SPAN "-true");
    assert_no_trace(TRACE "-" SPAN "--" UP);
    assert_no_trace(TRACE "-" SPAN "-1-");
    assert_no_trace(TRACE "-" SPAN "-1-short");
    assert_no_trace(TRACE "-" SPAN "-1-" UP "-more");
    assert_no_trace(TRACE "-" SPAN "-1," TRACE "-" SPAN "-1");
    assert_no_trace("80f198ee56343ba864fe8b2a57d3eff-" SPAN "-1");
    assert_no_trace("00000000000000000000000000000000-" SPAN "-1");
    assert_no_trace("0000000000000000-" SPAN "-1");
    assert_no_trace(TRACE "-0000000000000000-1");
    assert_no_trace(TRACE "-e457b5a2e4d86bdg-1");
}

static void several_headers_are_read(void **state)
{
    (void)state;
    assert_int_equal(
        EXTRACT("b3", {"X-B3-TraceId", TRACE}, {"X-B3-ParentSpanId", UP}, {"X-B3-SpanId", SPAN}, {"X-B3-Sampled", "1"}),
        TW_EXTRACT_PARENT);
    assert_trace_id(TRACE);
    assert_span_id(SPAN);
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
    assert_int_equal(EXTRACT("b3", {"x-b3-traceid", "64fe8b2a57d3eff7"}, {"x-b3-spanid", SPAN}), TW_EXTRACT_PARENT);
    assert_int_equal(carried.sampling, TW_SAMPLING_UNDECIDED);
    assert_int_equal(EXTRACT("b3", {"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-sampled", "TRUE"}),
                     TW_EXTRACT_PARENT);
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
    assert_int_equal(EXTRACT("b3", {"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-sampled", "false"}),
                     TW_EXTRACT_PARENT);
    assert_int_equal(context.flags, 0);
    assert_int_equal(
        EXTRACT("b3", {"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-sampled", "0"}, {"x-b3-flags", "1"}),
        TW_EXTRACT_PARENT);
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
    assert_int_equal(carried.sampling, TW_SAMPLING_DEBUG);
}

static void several_headers_that_do_not_fit_together_are_no_trace(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("b3", {"x-b3-traceid", TRACE}), TW_EXTRACT_NONE);
    assert_int_equal(drops.b3, 1);
    assert_int_equal(EXTRACT("b3", {"x-b3-spanid", SPAN}), TW_EXTRACT_NONE);
    assert_int_equal(drops.b3, 1);
    assert_int_equal(EXTRACT("b3", {"x-b3-traceid", TRACE}, {"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}),
                     TW_EXTRACT_NONE);
    assert_int_equal(drops.b3, 1);
    assert_int_equal(EXTRACT("b3", {"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}, {"x-b3-sampled", "maybe"}),
                     TW_EXTRACT_NONE);
    assert_int_equal(drops.b3, 1);
    assert_untouched();
}

static void one_header_goes_before_several_unless_it_is_malformed(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("b3", {"b3", TRACE "-" SPAN}, {"x-b3-traceid", UP}, {"x-b3-spanid", UP}),
                     TW_EXTRACT_PARENT);
    assert_trace_id(TRACE);
    assert_int_equal(EXTRACT("b3", {"b3", "garbage"}, {"x-b3-traceid", TRACE}, {"x-b3-spanid", SPAN}),
                     TW_EXTRACT_PARENT);
    assert_trace_id(TRACE);
    assert_int_equal(drops.b3, 1);
}

static void both_forms_are_written_with_the_state(void **state)
{
    (void)state;
    const char *states[] = {"-1", "-0", "-d", ""}, *sampled[] = {"1", "0", NULL, NULL};
    for (size_t i = 0; i < 4; i++) {
        char value[64];
        snprintf(value, sizeof value, TRACE "-" SPAN "%s", states[i]);
        assert_int_equal(read_single(value), TW_EXTRACT_PARENT);
        assert_int_equal(inject("b3"), 1);
        assert_string_equal(written_value(&out, "b3"), value);
        assert_int_equal(inject("b3multi"), i == 3 ? 2 : 3);
        assert_string_equal(written_value(&out, "x-b3-traceid"), TRACE);
        assert_string_equal(written_value(&out, "x-b3-spanid"), SPAN);
        const char *written = written_value(&out, "x-b3-sampled");
        assert_int_equal(!written, !sampled[i]);
        if (written) assert_string_equal(written, sampled[i]);
        assert_int_equal(written_value(&out, "x-b3-flags") != NULL, i == 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_header_has_ids_a_state_and_a_parent),
        cmocka_unit_test(a_trace_id_of_64_bits_is_the_low_half),
        cmocka_unit_test(a_decision_without_ids_is_no_trace_but_is_told),
        cmocka_unit_test(what_is_malformed_is_no_trace),
        cmocka_unit_test(several_headers_are_read),
        cmocka_unit_test(several_headers_that_do_not_fit_together_are_no_trace),
        cmocka_unit_test(one_header_goes_before_several_unless_it_is_malformed),
        cmocka_unit_test(both_forms_are_written_with_the_state),
    };
    return cmocka_run_group_tests_name("b3", tests, NULL, NULL);
}
