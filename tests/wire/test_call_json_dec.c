/* Records of calls, read into spans: nameko-tracer's of both profiles, what Python writes that JSON has not, and what
 * is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "wire/call_json_dec.h"

#define WHO    "\"service\":\"web\",\"hostname\":\"h1\",\"entrypoint_name\":\"get\",\"entrypoint_type\":\"Rpc\","
#define CALL   WHO "\"call_id\":\"web.get.2\",\"call_id_stack\":[\"front.x.1\",\"web.get.2\"],"
#define WHEN   "\"timestamp\":\"2017-07-07 12:00:00.250000\","
#define STATUS "\"response_status\":\"success\",\"response_time\":0.125"

/* 2017-07-07T12:00:00Z, by date(1). */
static const uint64_t NOON_NS = UINT64_C(1499428800) * 1000000000;

static struct tw__spans spans;
static struct tw__call_found found;

static int reset(void **state)
{
    (void)state;
    tw__spans_reset(&spans);
    return 0;
}

static int dec(const char *text)
{
    return tw__call_json_dec(&spans, text, strlen(text), false, &found);
}

static const struct tw__span *one(const char *text)
{
    if (dec(text) < 0) fail_msg("%s at byte %zu of %s", found.why, found.error_at, text);
    return &spans.items[spans.count - 1];
}

static void assert_text(struct tw_text text, const char *expected)
{
    if (text.len != strlen(expected) || memcmp(text.ptr, expected, text.len) != 0)
        fail_msg("\"%.*s\" is not \"%s\"", (int)text.len, text.ptr, expected);
}

static const struct tw_tag_value *tag(const struct tw__span *span, const char *key)
{
    const struct tw_tag_value *value = tw__tag_find(span->tags, span->tag_count, key);
    if (!value) fail_msg("no tag %s", key);
    return value;
}

static void a_response_is_the_whole_span(void **state)
{
    (void)state;
    const struct tw__span *span = one("{" CALL WHEN "\"stage\":\"response\"," STATUS ",\"call_args\":{\"a\":[1,2]}}");
    assert_true(found.is_response);
    assert_false(span->open);
    assert_text(span->name, "web.get");
    assert_int_equal(span->end_ns, NOON_NS + 250000000);
    assert_int_equal(span->start_ns, NOON_NS + 125000000);
    assert_int_equal(span->status, TW_STATUS_UNSET);
    assert_int_equal(span->kind, TW_KIND_SERVER);
    assert_text(tag(span, "call.call_args")->text, "{\"a\":[1,2]}");
    assert_int_equal(tag(span, "call.call_args")->type, TW_TYPE_JSON);
    assert_text(tag(span, "call.call_id")->text, "web.get.2");
    assert_text(tag(span, "call.entrypoint_type")->text, "Rpc");
    const struct tw__resource *sender = &spans.resources[span->resource];
    assert_text(sender->service, "web");
    assert_text(tw__tag_find(sender->tags, sender->tag_count, "host.name")->text, "h1");
}

static void a_request_is_the_same_span_in_progress(void **state)
{
    uint8_t id[8], trace[16], parent[8];
    (void)state;
    const struct tw__span *span = one("{" CALL WHEN "\"stage\":\"request\"}");
    assert_false(found.is_response);
    assert_true(span->open);
    assert_int_equal(span->start_ns, NOON_NS + 250000000);
    assert_int_equal(span->end_ns, 0);
    memcpy(id, span->span_id, 8);
    memcpy(trace, span->trace_id, 16);
    memcpy(parent, span->parent_id, 8);
    span = one("{" CALL WHEN "\"stage\":\"response\"," STATUS "}");
    assert_memory_equal(span->span_id, id, 8);
    assert_memory_equal(span->trace_id, trace, 16);
    assert_memory_equal(span->parent_id, parent, 8);
    assert_memory_equal(found.span_id, id, 8);
}

static void a_chain_joins_in_any_order(void **state)
{
    uint8_t parent[8], trace[16];
    (void)state;
    const struct tw__span *child = one("{" CALL WHEN "\"stage\":\"request\"}");
    memcpy(parent, child->parent_id, 8);
    memcpy(trace, child->trace_id, 16);
    const struct tw__span *root = one("{\"service\":\"front\",\"entrypoint_name\":\"x\",\"call_id\":\"front.x.1\","
                                      "\"call_id_stack\":[\"front.x.1\"]," WHEN "\"stage\":\"request\"}");
    assert_memory_equal(root->span_id, parent, 8);
    assert_memory_equal(root->trace_id, trace, 16);
    assert_true(tw__all_zero(root->parent_id, 8));
}

static void the_names_of_before_1_0_1_are_understood(void **state)
{
    (void)state;
    const struct tw__span *span = one(
        "{\"service\":\"web\",\"provider\":\"Rpc\",\"provider_name\":\"get\",\"call_id\":\"web.get.2\",\"call_stack\":"
        "[\"front.x.1\",\"web.get.2\"]," WHEN "\"lifecycle_stage\":\"Stage.response\",\"status\":\"success\","
        "\"return_args\":\"r\",\"response_time\":1}");
    assert_true(found.is_response);
    assert_text(span->name, "web.get");
    assert_text(tag(span, "call.response")->text, "r");
    assert_text(tag(span, "call.entrypoint_type")->text, "Rpc");
    assert_int_equal(tw__span_duration_ns(span), 1000000000);
}

static void an_exception_is_an_event_and_an_error_unless_it_was_expected(void **state)
{
    static const char *const expected[] = {"false", "true"};
    char text[1024];
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(text, sizeof text,
                       "{" CALL WHEN "\"stage\":\"response\",\"response_status\":\"error\",\"response_time\":0.5,"
                       "\"exception_type\":\"Gone\",\"exception_path\":\"shop.Gone\",\"exception_value\":\"no cart\","
                       "\"exception_traceback\":\"T\",\"exception_args\":[1],\"exception_expected\":%s}",
                       expected[i]);
        const struct tw__span *span = one(text);
        assert_int_equal(span->status, i ? TW_STATUS_UNSET : TW_STATUS_ERROR);
        assert_text(span->status_message, "no cart");
        assert_int_equal(span->event_count, 1);
        assert_text(span->events[0].name, "exception");
        const struct tw__span_event *event = &span->events[0];
        assert_text(tw__tag_find(event->tags, event->tag_count, "exception.type")->text, "shop.Gone");
        assert_text(tw__tag_find(event->tags, event->tag_count, "exception.stacktrace")->text, "T");
        assert_int_equal(event->time_ns, NOON_NS + 250000000);
    }
}

static void a_request_waited_for_in_vain_is_marked(void **state)
{
    static const char text[] = "{" CALL WHEN "\"stage\":\"request\"}";
    (void)state;
    assert_int_equal(tw__call_json_dec(&spans, text, sizeof text - 1, true, &found), 0);
    const struct tw__span *span = &spans.items[0];
    assert_true(span->open);
    assert_int_equal(span->status, TW_STATUS_ERROR);
    assert_text(span->status_message, "no response");
    assert_int_equal(tag(span, "call.no_response")->type, TW_TYPE_BOOL);
}

static void our_own_lines_link_to_the_span_of_the_recording(void **state)
{
    static const uint8_t id[8] = {0, 0, 0, 0, 0, 0, 0, 0xab};
    (void)state;
    const struct tw__span *span = one("{" CALL WHEN "\"stage\":\"request\",\"trace_id\":"
                                      "\"5f3a96e2000000000000000000000001\",\"span_id\":\"00000000000000ab\"}");
    assert_int_equal(span->link_count, 1);
    assert_memory_equal(span->links[0].span_id, id, 8);
    assert_int_equal(span->links[0].trace_id[0], 0x5f);
}

static void what_python_writes_and_json_has_not_is_taken(void **state)
{
    (void)state;
    const struct tw__span *span =
        one("{" CALL WHEN
            "\"stage\":\"request\",\"n\":NaN,\"m\":[-Infinity],\"data\":\"b'x\\\\x00'\",\"t\":null,\"u\":\"\xff\"}");
    assert_int_equal(tag(span, "call.n")->type, TW_TYPE_DOUBLE);
    assert_text(tag(span, "call.data")->text, "b'x\\x00'");
    assert_null(tw__tag_find(span->tags, span->tag_count, "call.t"));
    assert_text(tag(span, "call.u")->text, "\xef\xbf\xbd");
}

static void times_are_read_to_the_digit(void **state)
{
    static const struct {
        const char *text;
        uint64_t after_noon_ns;
    } cases[] = {{"2017-07-07 12:00:00", 0},
                 {"2017-07-07T12:00:00Z", 0},
                 {"2017-07-07 12:00:01.000005", 1000005000},
                 {"2017-07-07T12:00:00.123456789Z", 123456789}};
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)snprintf(text, sizeof text, "{" CALL "\"stage\":\"request\",\"timestamp\":\"%s\"}", cases[i].text);
        assert_int_equal(one(text)->start_ns, NOON_NS + cases[i].after_noon_ns);
    }
}

static void a_record_without_what_makes_it_one_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "null",
        "[]",
        "{}",
        "{" WHO WHEN "\"stage\":\"request\"}",
        "{" CALL "\"stage\":\"request\"}",
        "{" CALL WHEN "\"stage\":\"reply\"}",
        "{" CALL "\"timestamp\":\"2017-13-07 12:00:00\",\"stage\":\"request\"}",
        "{" CALL "\"timestamp\":\"yesterday\",\"stage\":\"request\"}",
        "{" CALL WHEN "\"stage\":\"request\"} {}",
        "{" CALL WHEN "\"stage\":\"request\",}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (dec(wrong[i]) != TW_ERR_SYNTAX) fail_msg("taken: %s", wrong[i]);
        assert_non_null(found.why);
        assert_int_equal(spans.count, 0);
    }
}

static void a_line_cut_off_anywhere_is_refused_and_adds_nothing(void **state)
{
    static const char text[] = "{" CALL WHEN "\"stage\":\"response\"," STATUS ",\"call_args\":{\"a\":[1,\"x\\n\"]}}";
    (void)state;
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        char *exact = malloc(cut + 1);
        assert_non_null(exact);
        memcpy(exact, text, cut);
        assert_int_equal(tw__call_json_dec(&spans, exact, cut, false, &found), TW_ERR_SYNTAX);
        assert_int_equal(spans.count, 0);
        assert_in_range(found.error_at, 0, cut);
        free(exact);
    }
    assert_int_equal(dec(text), 0);
}

static void a_depth_beyond_the_limit_is_said(void **state)
{
    char text[2048] = "{" CALL WHEN "\"stage\":\"request\",\"deep\":";
    size_t len = strlen(text);
    (void)state;
    memset(text + len, '[', 200);
    memset(text + len + 200, ']', 200);
    text[len + 400] = '}';
    assert_int_equal(dec(text), TW_ERR_SPACE);
    assert_int_equal(spans.count, 0);
}

static void more_tags_than_the_limit_are_counted(void **state)
{
    static char text[64 << 10];
    int len = snprintf(text, sizeof text, "{" CALL WHEN "\"stage\":\"request\"");
    (void)state;
    for (unsigned i = 0; i < TW__CALL_TAGS_MAX + 10; i++)
        len += snprintf(text + len, sizeof text - (size_t)len, ",\"k%u\":%u", i, i);
    (void)snprintf(text + len, sizeof text - (size_t)len, "}");
    const struct tw__span *span = one(text);
    assert_int_equal(span->tag_count, TW__CALL_TAGS_MAX);
    assert_int_equal(span->dropped_tags, 12); /* ten, and entrypoint_type and call_id: two of the limit were theirs */
}

static int fini(void **state)
{
    (void)state;
    tw__spans_fini(&spans);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_response_is_the_whole_span, reset),
        cmocka_unit_test_setup(a_request_is_the_same_span_in_progress, reset),
        cmocka_unit_test_setup(a_chain_joins_in_any_order, reset),
        cmocka_unit_test_setup(the_names_of_before_1_0_1_are_understood, reset),
        cmocka_unit_test_setup(an_exception_is_an_event_and_an_error_unless_it_was_expected, reset),
        cmocka_unit_test_setup(a_request_waited_for_in_vain_is_marked, reset),
        cmocka_unit_test_setup(our_own_lines_link_to_the_span_of_the_recording, reset),
        cmocka_unit_test_setup(what_python_writes_and_json_has_not_is_taken, reset),
        cmocka_unit_test_setup(times_are_read_to_the_digit, reset),
        cmocka_unit_test_setup(a_record_without_what_makes_it_one_is_refused, reset),
        cmocka_unit_test_setup(a_line_cut_off_anywhere_is_refused_and_adds_nothing, reset),
        cmocka_unit_test_setup(a_depth_beyond_the_limit_is_said, reset),
        cmocka_unit_test_setup(more_tags_than_the_limit_are_counted, reset),
    };
    return cmocka_run_group_tests(tests, NULL, fini);
}
