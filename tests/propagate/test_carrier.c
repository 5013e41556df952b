/* The order of formats, what travels with what, the environment, and a context as one string. */
#include "fixture.h"

#define W3C                                                                                                            \
    {                                                                                                                  \
        "traceparent", "00-12345678901234567890123456789012-1234567890123456-03"                                       \
    }
#define XRAY                                                                                                           \
    {                                                                                                                  \
        "x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;k=v"            \
    }
#define B3                                                                                                             \
    {                                                                                                                  \
        "b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-0"                                                    \
    }

static void the_first_format_with_a_trace_wins(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("tracecontext,xray,b3", XRAY, B3, W3C), TW_EXTRACT_PARENT);
    assert_int_equal(carried.format, TW_FORMAT_TRACECONTEXT);
    assert_int_equal(carried.xray_len, 0);
    assert_int_equal(EXTRACT("xray,tracecontext,b3", XRAY, B3, W3C), TW_EXTRACT_PARENT);
    assert_int_equal(carried.format, TW_FORMAT_XRAY);
    assert_int_equal(EXTRACT("b3", XRAY, B3, W3C), TW_EXTRACT_PARENT);
    assert_int_equal(carried.format, TW_FORMAT_B3);
    assert_int_equal(EXTRACT("none", XRAY, B3, W3C), TW_EXTRACT_NONE);
}

static void a_malformed_format_gives_way_to_the_next_and_is_counted(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("tracecontext,xray,b3", {"traceparent", "bad"}, {"x-amzn-trace-id", "bad"}, B3),
                     TW_EXTRACT_PARENT);
    assert_int_equal(carried.format, TW_FORMAT_B3);
    assert_int_equal(drops.traceparent, 1);
    assert_int_equal(drops.xray, 1);
    assert_int_equal(drops.b3, 0);
    EXTRACT("b3,b3multi", {"b3", "bad"});
    assert_int_equal(drops.b3, 1);
}

static void a_decision_without_ids_yields_to_a_trace_of_another_format(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("b3,tracecontext", {"b3", "0"}, W3C), TW_EXTRACT_PARENT);
    assert_int_equal(carried.sampling, TW_SAMPLING_FLAG);
    assert_int_equal(context.flags, TW_FLAG_SAMPLED | TW_FLAG_RANDOM);
}

static void the_default_reads_all_and_writes_w3c(void **state)
{
    (void)state;
    const struct header list[] = {XRAY, {"baggage", "a=1"}};
    struct headers headers = {list, 2};
    assert_int_equal(tw_extract(NULL, get_header, &headers, &context, &carried), TW_EXTRACT_PARENT);
    assert_int_equal(carried.format, TW_FORMAT_XRAY);
    out.count = 0;
    assert_int_equal(tw_inject(NULL, &context, &carried, set_header, &out), 3);
    assert_string_equal(written_value(&out, "traceparent"), "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01");
    assert_string_equal(written_value(&out, "tracestate"), "tw=53995c3f42cd8ad8");
    assert_string_equal(written_value(&out, "baggage"), "a=1");
    struct tw_propagation how = tw_propagation_default();
    assert_int_equal(how.read.count, 4);
    assert_int_equal(how.write.count, 2);
}

static void another_default_can_be_set(void **state)
{
    (void)state;
    const struct header list[] = {XRAY, {"b3", "0000000000000000000000000000000a-000000000000000b-1"}};
    struct headers headers = {list, 2};
    const struct tw_propagation before = tw_propagation_default();
    const struct tw_formats read = formats("b3,xray"), write = formats("xray,b3multi,tracecontext,baggage,b3");
    tw_propagation_set_default(&read, NULL);
    assert_int_equal(tw_extract(NULL, get_header, &headers, &context, &carried), TW_EXTRACT_PARENT);
    assert_int_equal(carried.format, TW_FORMAT_B3);
    assert_int_equal(tw_propagation_default().write.count, before.write.count);
    tw_propagation_set_default(NULL, &write);
    const struct tw_propagation now = tw_propagation_default();
    assert_memory_equal(&now.read, &read, sizeof read);
    assert_memory_equal(&now.write, &write, sizeof write);
    out.count = 0;
    tw_inject(NULL, &context, &carried, set_header, &out);
    assert_string_equal(out.names[0], "x-amzn-trace-id");
    assert_non_null(written_value(&out, "traceparent"));
    assert_non_null(written_value(&out, "b3"));
    assert_non_null(written_value(&out, "x-b3-traceid"));
    tw_propagation_set_default(&before.read, &before.write);
    const struct tw_propagation again = tw_propagation_default();
    assert_memory_equal(&again.read, &before.read, sizeof before.read);
}

static void a_trace_without_a_parent_is_written_for_x_ray_only(void **state)
{
    (void)state;
    assert_int_equal(EXTRACT("xray", {"x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793"}),
                     TW_EXTRACT_TRACE);
    assert_int_equal(inject("tracecontext,xray,b3,b3multi"), 1);
    assert_string_equal(written_value(&out, "x-amzn-trace-id"), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=?");
}

static void without_a_context_only_baggage_is_written(void **state)
{
    (void)state;
    const struct tw_propagation how = {.write = formats("tracecontext,xray,b3,b3multi,baggage")};
    const struct tw_context none = {.flags = 0};
    tw_carried_init(&carried);
    out.count = 0;
    assert_int_equal(tw_inject(&how, NULL, NULL, set_header, &out), 0);
    assert_int_equal(tw_inject(&how, &none, &carried, set_header, &out), 0);
    assert_int_equal(tw_baggage_set(&carried, "a", "1", 1), 0);
    assert_int_equal(tw_inject(&how, &none, &carried, set_header, &out), 1);
    assert_string_equal(written_value(&out, "baggage"), "a=1");
}

static void carried_may_be_missing(void **state)
{
    (void)state;
    const struct header list[] = {XRAY, {"tracestate", "foo=1"}, {"baggage", "a=1"}, W3C};
    struct headers headers = {list, 4};
    const struct tw_propagation how = {.write = formats("tracecontext,xray,b3,b3multi,baggage")};
    assert_int_equal(tw_extract(NULL, get_header, &headers, &context, NULL), TW_EXTRACT_PARENT);
    headers.count = 1;
    assert_int_equal(tw_extract(NULL, get_header, &headers, &context, NULL), TW_EXTRACT_PARENT);
    out.count = 0;
    assert_int_equal(tw_inject(&how, &context, NULL, set_header, &out), 7);
    assert_string_equal(written_value(&out, "x-amzn-trace-id"),
                        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1");
}

static void a_list_of_formats_is_read_by_the_names_of_opentelemetry(void **state)
{
    (void)state;
    struct tw_formats list = {.count = 9};
#define PARSE(text) tw_formats_parse(text, strlen(text), &list)
    assert_int_equal(PARSE(""), TW_ERR_SYNTAX);
    assert_int_equal(PARSE(" , "), TW_ERR_SYNTAX);
    assert_int_equal(PARSE("jaeger,ottrace"), TW_ERR_SYNTAX);
    assert_int_equal(list.count, 9);
    assert_int_equal(PARSE("none"), 0);
    assert_int_equal(list.count, 0);
    assert_int_equal(PARSE(" B3 ,XRay, b3,jaeger,baggage,b3multi,tracecontext"), 1);
    const uint8_t expected[] = {TW_FORMAT_B3, TW_FORMAT_XRAY, TW_FORMAT_BAGGAGE, TW_FORMAT_B3_MULTI,
                                TW_FORMAT_TRACECONTEXT};
    assert_int_equal(list.count, 5);
    assert_memory_equal(list.list, expected, 5);
}

static void drops_are_counted_for_the_process_when_nobody_else_counts(void **state)
{
    (void)state;
    struct tw_drops before, after;
    struct headers headers = {(const struct header[]){{"traceparent", "bad"}}, 1};
    tw_propagation_drops(&before);
    assert_int_equal(tw_extract(NULL, get_header, &headers, &context, &carried), TW_EXTRACT_NONE);
    assert_int_equal(tw_trace_value_parse("bad", 3, &context, &carried), TW_EXTRACT_NONE);
    tw_propagation_drops(&after);
    assert_int_equal(after.traceparent, before.traceparent + 1);
    assert_int_equal(after.value, before.value + 1);
}

static void an_environment_is_a_carrier(void **state)
{
    (void)state;
    char a[] = "PATH=/bin", b[] = "TRACEPARENTS=no",
         c[] = "TRACEPARENT=00-12345678901234567890123456789012-1234567890123456-01", d[] = "TRACESTATE=foo=1",
         e[] = "BAGGAGE=k=v", f[] = "_X_AMZN_TRACE_ID=Root=1-5759e988-bd862e3fe1be46a994272793";
    char *environment[] = {a, b, c, d, e, f, NULL}, *lambda[] = {f, NULL}, *empty[] = {NULL};
    assert_int_equal(tw_extract(NULL, tw_carrier_get_environ, environment, &context, &carried), TW_EXTRACT_PARENT);
    assert_trace_id("12345678901234567890123456789012");
    assert_text(carried.tracestate, carried.tracestate_len, "foo=1");
    assert_text(carried.baggage, carried.baggage_len, "k=v");
    assert_int_equal(tw_extract(NULL, tw_carrier_get_environ, lambda, &context, &carried), TW_EXTRACT_TRACE);
    assert_trace_id("5759e988bd862e3fe1be46a994272793");
    assert_int_equal(tw_extract(NULL, tw_carrier_get_environ, empty, &context, &carried), TW_EXTRACT_NONE);
    assert_int_equal(tw_extract(NULL, tw_carrier_get_environ, NULL, &context, &carried), TW_EXTRACT_NONE);
    assert_string_equal(tw_carrier_environ_name("x-b3-traceid"), "X_B3_TRACEID");
    assert_null(tw_carrier_environ_name("path"));
}

static void a_context_is_one_string_and_back(void **state)
{
    (void)state;
    const char *values[] = {
        "00-12345678901234567890123456789012-1234567890123456-03",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?;Lineage=a:1|b:2",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-d",
    };
    for (size_t i = 0; i < 3; i++) {
        char text[TW_TRACE_VALUE_MAX];
        assert_int_equal(tw_trace_value_parse(values[i], strlen(values[i]), &context, &carried), TW_EXTRACT_PARENT);
        int len = tw_trace_value_format((enum tw_format)carried.format, &context, &carried, text, sizeof text);
        assert_text(text, (size_t)len, values[i]);
        memset(text, '#', sizeof text);
        assert_int_equal(
            tw_trace_value_format((enum tw_format)carried.format, &context, &carried, text, (size_t)len - 1),
            TW_ERR_SPACE);
        assert_int_equal(text[0], '#');
    }
}

static void what_has_no_one_string_form_is_refused(void **state)
{
    (void)state;
    char text[TW_TRACE_VALUE_MAX];
    struct tw_context none = {.flags = 1};
    assert_int_equal(tw_trace_value_format(TW_FORMAT_XRAY, &none, NULL, text, sizeof text), TW_ERR_RANGE);
    none.trace_id[3] = 1;
    assert_int_equal(tw_trace_value_format(TW_FORMAT_TRACECONTEXT, &none, NULL, text, sizeof text), TW_ERR_RANGE);
    assert_int_equal(tw_trace_value_format(TW_FORMAT_B3, &none, NULL, text, sizeof text), TW_ERR_RANGE);
    assert_int_equal(tw_trace_value_format(TW_FORMAT_XRAY, &none, NULL, text, sizeof text), 50);
    none.span_id[3] = 1;
    assert_int_equal(tw_trace_value_format(TW_FORMAT_B3_MULTI, &none, NULL, text, sizeof text), TW_ERR_RANGE);
    assert_int_equal(tw_trace_value_format(TW_FORMAT_NONE, &none, NULL, text, sizeof text), TW_ERR_RANGE);
    assert_int_equal(tw_trace_value_parse("", 0, &context, &carried), TW_EXTRACT_NONE);
    assert_int_equal(tw_trace_value_parse("0", 1, &context, &carried), TW_EXTRACT_NONE);
    assert_int_equal(carried.sampling, TW_SAMPLING_DENY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_format_with_a_trace_wins),
        cmocka_unit_test(a_malformed_format_gives_way_to_the_next_and_is_counted),
        cmocka_unit_test(a_decision_without_ids_yields_to_a_trace_of_another_format),
        cmocka_unit_test(the_default_reads_all_and_writes_w3c),
        cmocka_unit_test(another_default_can_be_set),
        cmocka_unit_test(a_trace_without_a_parent_is_written_for_x_ray_only),
        cmocka_unit_test(without_a_context_only_baggage_is_written),
        cmocka_unit_test(carried_may_be_missing),
        cmocka_unit_test(a_list_of_formats_is_read_by_the_names_of_opentelemetry),
        cmocka_unit_test(drops_are_counted_for_the_process_when_nobody_else_counts),
        cmocka_unit_test(an_environment_is_a_carrier),
        cmocka_unit_test(a_context_is_one_string_and_back),
        cmocka_unit_test(what_has_no_one_string_form_is_refused),
    };
    return cmocka_run_group_tests_name("carrier", tests, NULL, NULL);
}
