/* X-Amzn-Trace-Id as load balancers, Lambda and the SDKs write it, and the rules around it. */
#include "fixture.h"

#define ROOT     "Root=1-5759e988-bd862e3fe1be46a994272793"
#define ROOT_HEX "5759e988bd862e3fe1be46a994272793"
#define PARENT   "53995c3f42cd8ad8"

static int read_header(const char *value)
{
    return EXTRACT("xray", {"X-Amzn-Trace-Id", value});
}

static void assert_no_trace(const char *value, unsigned dropped)
{
    if (read_header(value) != TW_EXTRACT_NONE) fail_msg("\"%s\" gave a trace", value);
    assert_untouched();
    assert_int_equal(drops.xray, dropped);
    assert_int_equal(carried.xray_len, 0);
    assert_int_equal(carried.format, TW_FORMAT_NONE);
}

static void a_root_and_a_decision(void **state)
{
    (void)state;
    assert_int_equal(read_header(ROOT ";Sampled=1"), TW_EXTRACT_TRACE);
    assert_trace_id(ROOT_HEX);
    assert_span_id("0000000000000000");
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
    assert_int_equal(carried.format, TW_FORMAT_XRAY);
}

static void a_question_mark_asks_us_to_decide(void **state)
{
    (void)state;
    assert_int_equal(read_header(ROOT ";Parent=" PARENT ";Sampled=?"), TW_EXTRACT_PARENT);
    assert_trace_id(ROOT_HEX);
    assert_span_id(PARENT);
    assert_int_equal(context.flags, 0);
    assert_int_equal(carried.sampling, TW_SAMPLING_UNDECIDED);
}

static void self_is_ignored_and_not_forwarded(void **state)
{
    (void)state;
    assert_int_equal(read_header("Self=1-67891233-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678"),
                     TW_EXTRACT_TRACE);
    assert_trace_id("67891233abcdef012345678912345678");
    assert_int_equal(carried.sampling, TW_SAMPLING_UNDECIDED);
    assert_int_equal(carried.xray_len, 0);
}

static void lineage_is_forwarded_unchanged(void **state)
{
    (void)state;
    assert_int_equal(read_header(ROOT ";Sampled=0;Lineage=a87bd80c:1|68fd508a:5"), TW_EXTRACT_TRACE);
    assert_int_equal(context.flags, 0);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
    assert_int_equal(inject("xray"), 1);
    assert_string_equal(written_value(&out, "x-amzn-trace-id"), ROOT ";Sampled=0;Lineage=a87bd80c:1|68fd508a:5");
}

static void keys_are_read_in_any_case(void **state)
{
    (void)state;
    assert_int_equal(read_header("root=1-5759e988-bd862e3fe1be46a994272793;parent=" PARENT ";sampled=1"),
                     TW_EXTRACT_PARENT);
    assert_trace_id(ROOT_HEX);
    assert_span_id(PARENT);
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
    assert_int_equal(read_header("ROOT=1-5759E988-BD862E3FE1BE46A994272793;SAMPLED=1"), TW_EXTRACT_TRACE);
    assert_trace_id(ROOT_HEX);
}

static void what_has_no_good_root_is_no_trace(void **state)
{
    (void)state;
    assert_no_trace("Parent=" PARENT ";Sampled=1", 1);
    assert_no_trace("garbage", 1);
    assert_no_trace("", 0);
    assert_no_trace("Root=1-5759e988;", 1);
    assert_no_trace("Root=dummy", 1);
    assert_no_trace("Root=;Sampled=1", 1);
    assert_no_trace("Root=1-00000000-000000000000000000000000", 1);
    assert_no_trace("Root=2-5759e988-bd862e3fe1be46a994272793", 1);
    assert_no_trace("Root=1-5759e988-bd862e3fe1be46a99427279g", 1);
    assert_no_trace("Root=1-5759e988bd862e3fe1be46a9942727931", 1);
    assert_no_trace(ROOT ";" ROOT, 1);
    assert_no_trace(ROOT ";Parent=" PARENT ";Parent=" PARENT, 1);
    assert_no_trace(ROOT ";Parent=short", 1);
    assert_no_trace(ROOT ";Parent=0000000000000000", 1);
    assert_no_trace(ROOT ";Sampled=1," ROOT ";Sampled=1", 1);
    assert_no_trace("=;=;;", 1);
}

static void sampled_0_without_a_good_root_asks_not_to_sample(void **state)
{
    (void)state;
    assert_no_trace("Root=dummy;Parent=dummy;Sampled=0", 1); /* X-Ray's SDK for Python */
    assert_int_equal(carried.sampling, TW_SAMPLING_DENY);
    assert_no_trace(" sampled = 0 ;parent=" PARENT, 1);
    assert_int_equal(carried.sampling, TW_SAMPLING_DENY);
    assert_no_trace("Root=dummy;Sampled=1", 1);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
    assert_no_trace("Root=dummy;Sampled=00", 1);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
    assert_no_trace("Sampled", 1);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
}

static void two_headers_are_no_trace(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("xray", {"X-Amzn-Trace-Id", ROOT}, {"x-amzn-trace-id", ROOT}), TW_EXTRACT_NONE);
    assert_int_equal(drops.xray, 1);
}

static void fields_come_in_any_order_with_spaces_and_a_semicolon_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(read_header(" Sampled = 1 ;\tfoo=bar; Parent=" PARENT " ; " ROOT " ; "), TW_EXTRACT_PARENT);
    assert_trace_id(ROOT_HEX);
    assert_span_id(PARENT);
    assert_int_equal(context.flags, TW_FLAG_SAMPLED);
    assert_text(carried.xray, carried.xray_len, ";foo=bar");
    assert_int_equal(drops.xray_field, 0);
}

static void a_sampled_that_is_not_understood_is_undecided(void **state)
{
    (void)state;
    assert_int_equal(read_header(ROOT ";Sampled=yes"), TW_EXTRACT_TRACE);
    assert_int_equal(carried.sampling, TW_SAMPLING_UNDECIDED);
    assert_int_equal(read_header(ROOT ";Sampled="), TW_EXTRACT_TRACE);
    assert_int_equal(carried.sampling, TW_SAMPLING_UNDECIDED);
    assert_int_equal(read_header(ROOT ";Parent="), TW_EXTRACT_TRACE);
}

static void the_fields_are_written_in_order(void **state)
{
    (void)state;
    read_header("k=v;Sampled=1;Parent=" PARENT ";Lineage=x;" ROOT ";Self=1");
    assert_int_equal(inject("xray"), 1);
    assert_string_equal(written_value(&out, "x-amzn-trace-id"), ROOT ";Parent=" PARENT ";Sampled=1;k=v;Lineage=x");
}

static void undecided_is_passed_on_until_somebody_decides(void **state)
{
    (void)state;
    read_header(ROOT ";Parent=" PARENT);
    inject("xray");
    assert_string_equal(written_value(&out, "x-amzn-trace-id"), ROOT ";Parent=" PARENT ";Sampled=?");
    context.flags |= TW_FLAG_SAMPLED;
    inject("xray");
    assert_string_equal(written_value(&out, "x-amzn-trace-id"), ROOT ";Parent=" PARENT ";Sampled=1");
    context.flags = 0;
    carried.sampling = TW_SAMPLING_FLAG;
    inject("xray");
    assert_string_equal(written_value(&out, "x-amzn-trace-id"), ROOT ";Parent=" PARENT ";Sampled=0");
}

static void fields_that_do_not_fit_256_characters_are_left_out_and_counted(void **state)
{
    (void)state;
    char text[600], filler[200];
    memset(filler, 'x', sizeof filler);
    filler[TW_CARRIED_XRAY_MAX - 3] = '\0'; /* ;k=xxx is exactly the room */
    snprintf(text, sizeof text, "k=%s;" ROOT ";Parent=" PARENT ";Sampled=1;l=1", filler);
    assert_int_equal(read_header(text), TW_EXTRACT_PARENT);
    assert_int_equal(carried.xray_len, TW_CARRIED_XRAY_MAX);
    assert_int_equal(drops.xray_field, 1);
    inject("xray");
    assert_int_equal(strlen(written_value(&out, "x-amzn-trace-id")), 256);
}

static void nothing_that_could_end_a_header_line_is_forwarded(void **state)
{
    (void)state;
    assert_int_equal(read_header(ROOT ";a=1\r\nevil: 1;b=2;c=\x80;nonsense"), TW_EXTRACT_TRACE);
    assert_text(carried.xray, carried.xray_len, ";b=2");
    assert_int_equal(drops.xray_field, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_and_a_decision),
        cmocka_unit_test(a_question_mark_asks_us_to_decide),
        cmocka_unit_test(self_is_ignored_and_not_forwarded),
        cmocka_unit_test(lineage_is_forwarded_unchanged),
        cmocka_unit_test(keys_are_read_in_any_case),
        cmocka_unit_test(what_has_no_good_root_is_no_trace),
        cmocka_unit_test(sampled_0_without_a_good_root_asks_not_to_sample),
        cmocka_unit_test(two_headers_are_no_trace),
        cmocka_unit_test(fields_come_in_any_order_with_spaces_and_a_semicolon_at_the_end),
        cmocka_unit_test(a_sampled_that_is_not_understood_is_undecided),
        cmocka_unit_test(the_fields_are_written_in_order),
        cmocka_unit_test(undecided_is_passed_on_until_somebody_decides),
        cmocka_unit_test(fields_that_do_not_fit_256_characters_are_left_out_and_counted),
        cmocka_unit_test(nothing_that_could_end_a_header_line_is_forwarded),
    };
    return cmocka_run_group_tests_name("xray_header", tests, NULL, NULL);
}
