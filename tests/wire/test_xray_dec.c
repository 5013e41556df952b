/* X-Ray's documents, read: what both SDKs really send, the developer guide's examples, and what has to be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "span_made.h"
#include "wire/json_in_dec.h"
#include "wire/xray_dec.h"

#define HEAD  "{\"format\":\"json\",\"version\":1}\n"
#define WHO   "\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\",\"id\":\"5a75fdaff5f688e9\",\"name\":\"websvc\""
#define TIMES "\"start_time\":1795225832.57,\"end_time\":1795225832.6"

static struct tw__spans spans;
static struct tw__xray_found found;

static int reset(void **state)
{
    (void)state;
    tw__spans_reset(&spans);
    return 0;
}

static int dec(const char *text)
{
    return tw__xray_dec(&spans, text, strlen(text), made_text("before"), &found);
}

static const struct tw__span *one(const char *text)
{
    if (dec(text) < 0) fail_msg("%s at byte %zu", found.why, found.error_at);
    return &spans.items[0];
}

static void assert_text(struct tw_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.ptr, expected, text.len);
}

static const struct tw_tag_value *tag(const struct tw__span *span, const char *key)
{
    const struct tw_tag_value *found_tag = tw__tag_find(span->tags, span->tag_count, key);
    if (!found_tag) fail_msg("no tag %s", key);
    return found_tag;
}

static void assert_tag(const struct tw__span *span, const char *key, const char *value)
{
    assert_text(tag(span, key)->text, value);
}

static void assert_id(const uint8_t *id, uint64_t expected)
{
    uint8_t bytes[8];
    made_id(bytes, expected);
    assert_memory_equal(id, bytes, 8);
}

/* Captured from aws-xray-sdk-core 3.12. */
static void a_segment_of_the_node_sdk(void **state)
{
    (void)state;
    const struct tw__span *span = one(
        "{\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\",\"id\":\"5a75fdaff5f688e9\",\"start_time\":1795225832."
        "57,"
        "\"name\":\"websvc\",\"parent_id\":\"53995c3f42cd8ad8\",\"service\":{\"runtime\":\"node\",\"runtime_version\":"
        "\"v20.20.2\",\"version\":\"unknown\",\"name\":\"unknown\"},\"aws\":{\"xray\":{\"sdk\":\"X-Ray for Node.js\","
        "\"sdk_version\":\"3.12.0\",\"package\":\"aws-xray-sdk-core\",\"rule_name\":\"all\"}},\"http\":{\"request\":{"
        "\"method\":\"GET\",\"user_agent\":\"\",\"client_ip\":\"127.0.0.1\",\"url\":\"http://127.0.0.1:29010/q\"},"
        "\"response\":{\"status\":200}},\"end_time\":1795225832.57}");
    assert_id(span->trace_id, 0x5759e988bd862e3f);
    assert_id(span->trace_id + 8, 0xe1be46a994272793);
    assert_id(span->span_id, 0x5a75fdaff5f688e9);
    assert_id(span->parent_id, 0x53995c3f42cd8ad8);
    assert_int_equal(span->start_ns, 1795225832570000000);
    assert_int_equal(span->end_ns, span->start_ns);
    assert_int_equal(span->kind, TW_KIND_SERVER);
    assert_int_equal(span->status, TW_STATUS_UNSET);
    assert_false(span->open);
    assert_text(span->name, "websvc");
    assert_tag(span, "http.request.method", "GET");
    assert_tag(span, "url.full", "http://127.0.0.1:29010/q");
    assert_tag(span, "client.address", "127.0.0.1");
    assert_tag(span, "aws.xray.rule_name", "all");
    assert_int_equal(tag(span, "http.response.status_code")->value.i, 200);
    assert_null(tw__tag_find(span->tags, span->tag_count, "user_agent.original"));
    const struct tw__resource *sender = &spans.resources[span->resource];
    assert_text(sender->service, "websvc");
    assert_text(found.segment, "websvc");
    assert_text(tw__tag_find(sender->tags, sender->tag_count, "process.runtime.version")->text, "v20.20.2");
    assert_text(tw__tag_find(sender->tags, sender->tag_count, "telemetry.sdk.name")->text, "X-Ray for Node.js");
}

static void annotations_metadata_and_user_are_tags(void **state)
{
    (void)state;
    const struct tw__span *span =
        one("{" WHO "," TIMES ",\"metadata\":{\"default\":{\"m\":{\"a\":[1,NaN]},\"k\":2},\"cart\":{\"items\":3},"
            "\"flat\":\"x\"},\"annotations\":{\"k\":1,\"s\":\"v\",\"b\":true,\"f\":1.5,\"n\":null},\"user\":\"u1\"}");
    assert_int_equal(tag(span, "m")->type, TW_TYPE_JSON);
    assert_tag(span, "m", "{\"a\":[1,null]}");
    assert_int_equal(tag(span, "k")->value.i, 1);
    assert_int_equal(tag(span, "b")->type, TW_TYPE_BOOL);
    assert_true(tag(span, "f")->value.d == 1.5);
    assert_int_equal(tag(span, "aws.xray.metadata.cart.items")->value.i, 3);
    assert_tag(span, "aws.xray.metadata.flat", "x");
    assert_tag(span, "enduser.id", "u1");
    assert_int_equal(span->kind, TW_KIND_INTERNAL);
}

static void metadata_does_not_hide_an_annotation(void **state)
{
    (void)state;
    const struct tw__span *span =
        one("{" WHO "," TIMES ",\"annotations\":{\"k\":1},\"metadata\":{\"default\":{\"k\":[2]}}}");
    assert_int_equal(tag(span, "k")->value.i, 1);
    assert_tag(span, "aws.xray.metadata.default.k", "[2]");
}

static void subsegments_are_children_also_before_the_id_of_their_parent(void **state)
{
    (void)state;
    const struct tw__span *span =
        one("{\"subsegments\":[{\"subsegments\":[{\"id\":\"0000000000000003\",\"name\":\"inner\",\"start_time\":1.5,"
            "\"in_progress\":true}],\"id\":\"0000000000000002\",\"name\":\"db\",\"namespace\":\"remote\",\"start_"
            "time\":1.25,"
            "\"end_time\":2,\"sql\":{\"url\":\"pg://h/db\",\"sanitized_query\":\"select "
            "?\",\"database_type\":\"PostgreSQL\","
            "\"user\":\"app\"}},{\"id\":\"0000000000000004\",\"name\":\"S3\",\"namespace\":\"aws\",\"start_time\":1,"
            "\"end_time\":2,\"aws\":{\"operation\":\"GetObject\",\"region\":\"eu-west-1\",\"request_id\":\"r\","
            "\"bucket_name\":"
            "\"b\",\"resource_names\":[\"x\"]}}],\"id\":\"0000000000000001\",\"name\":\"top\",\"start_time\":1,\"end_"
            "time\":3,"
            "\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\"}");
    assert_int_equal(spans.count, 4);
    assert_id(spans.items[1].parent_id, 1);
    assert_id(spans.items[2].parent_id, 2);
    assert_id(spans.items[3].parent_id, 1);
    for (size_t i = 0; i < 4; i++) assert_memory_equal(spans.items[i].trace_id, span->trace_id, 16);
    assert_true(spans.items[2].open);
    assert_int_equal(spans.items[2].end_ns, 0);
    assert_int_equal(spans.items[1].kind, TW_KIND_CLIENT);
    assert_int_equal(spans.items[2].kind, TW_KIND_INTERNAL);
    assert_tag(&spans.items[1], "db.query.text", "select ?");
    assert_tag(&spans.items[1], "db.system.name", "PostgreSQL");
    assert_tag(&spans.items[3], "aws.operation", "GetObject");
    assert_tag(&spans.items[3], "cloud.region", "eu-west-1");
    assert_tag(&spans.items[3], "aws.bucket_name", "b");
    assert_tag(&spans.items[3], "aws.resource_names", "[\"x\"]");
}

/* Captured from aws-xray-sdk-core 3.12, shortened; a line may be null. */
static void causes_are_exceptions_and_the_status(void **state)
{
    (void)state;
    const struct tw__span *span = one(
        "{" WHO "," TIMES ",\"fault\":true,\"cause\":{\"working_directory\":\"/srv/xr\",\"exceptions\":[{\"message\":"
        "\"bad "
        "thing\",\"type\":\"Error\",\"stack\":[{\"path\":\"/srv/xr/app.js\",\"line\":8,\"label\":\"f\"},{\"path\":"
        "\"node\",\"line\":null,\"label\":\"g\"}],\"remote\":false,\"id\":\"d1c03361d22266a9\"}]}}");
    assert_int_equal(span->status, TW_STATUS_ERROR);
    assert_text(span->status_message, "bad thing");
    assert_int_equal(tag(span, "fault")->value.u, 1);
    assert_int_equal(span->event_count, 1);
    assert_int_equal(span->events[0].time_ns, span->end_ns);
    assert_text(tw__tag_find(span->events[0].tags, span->events[0].tag_count, "exception.stacktrace")->text,
                "f (/srv/xr/app.js:8)\ng (node)");
    tw__spans_reset(&spans);
    span = one("{" WHO "," TIMES ",\"error\":true,\"throttle\":true,\"cause\":\"d1c03361d22266a9\"}");
    assert_int_equal(span->status, TW_STATUS_ERROR);
    assert_tag(span, "cause", "d1c03361d22266a9");
    assert_non_null(tag(span, "throttle"));
}

static void a_subsegment_by_itself_is_its_senders(void **state)
{
    (void)state;
    const struct tw__span *span = one("{\"type\":\"subsegment\",\"parent_id\":\"00000000000000aa\"," WHO "," TIMES "}");
    assert_id(span->parent_id, 0xaa);
    assert_int_equal(span->kind, TW_KIND_INTERNAL);
    assert_text(spans.resources[span->resource].service, "before");
    assert_int_equal(found.segment.len, 0);
}

static void times_are_exact_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ns;
    } times[] = {{"1478293361.271", 1478293361271000000},
                 {"1.478293361271E9", 1478293361271000000},
                 {"1478293361", 1478293361000000000},
                 {"1478293361.123456789", 1478293361123456789},
                 {"1478293361.1234567896", 1478293361123456790},
                 {"0.5", 500000000},
                 {"5e-10", 1},
                 {"\"1478293361.5\"", 1478293361500000000}};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "{" WHO ",\"start_time\":%s}", times[i].text);
        tw__spans_reset(&spans);
        assert_int_equal(one(text)->start_ns, times[i].ns);
        assert_true(spans.items[0].open);
    }
}

static void scaled_numbers_have_bounds(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_true(tw__decimal_scaled(made_text("18446744073709551609"), 0, &value));
    assert_int_equal(value, UINT64_C(18446744073709551609));
    static const char *const none[] = {"",   ".", "1e", "1e+", "1x", "1.2.3", "1e400", "99999999999999999999",
                                       "-1", "+1"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(tw__decimal_scaled(made_text(none[i]), 0, &value));
    assert_true(tw__decimal_scaled(made_text("1e-400"), 9, &value));
    assert_int_equal(value, 0);
}

static void links_and_precursors_are_links(void **state)
{
    (void)state;
    const struct tw__span *span =
        one("{" WHO "," TIMES ",\"precursor_ids\":[\"00000000000000bb\",7.5,{}],\"links\":[{\"trace_id\":"
            "\"1-5759e988-000000000000000000000001\",\"id\":\"00000000000000cc\",\"attributes\":{\"a\":1}},{}]}");
    assert_int_equal(span->link_count, 2);
    assert_memory_equal(span->links[0].trace_id, span->trace_id, 16);
    assert_id(span->links[0].span_id, 0xbb);
    assert_int_equal(span->links[1].trace_id[15], 1);
    assert_int_equal(span->links[1].tag_count, 1);
}

static void our_own_documents_come_back(void **state)
{
    (void)state;
    const struct tw__span *span =
        one("{" WHO "," TIMES
            ",\"service\":{\"name\":\"cart\",\"version\":\"1.2\"},\"aws\":{\"xray\":{\"sdk\":\"Trackway\"}},"
            "\"origin\":\"AWS::EC2::Instance\",\"fault\":true,\"cause\":{\"exceptions\":[{\"id\":\"00000000000000dd\","
            "\"type\":"
            "\"error\",\"message\":\"went "
            "wrong\"}]},\"metadata\":{\"default\":{\"http.route\":\"/x\"},\"trackway\":{\"events\":"
            "[{\"name\":\"step\",\"time\":1795225832.580000001,\"tags\":{\"n\":1}}],\"links\":[{\"trace_id\":"
            "\"1-5759e988-000000000000000000000001\",\"id\":\"00000000000000cc\"}]}}}");
    assert_text(spans.resources[span->resource].service, "cart");
    assert_text(span->name, "websvc");
    assert_text(span->status_message, "went wrong");
    assert_int_equal(span->event_count, 1);
    assert_text(span->events[0].name, "step");
    assert_int_equal(span->events[0].time_ns, 1795225832580000001);
    assert_int_equal(span->link_count, 1);
    assert_tag(span, "http.route", "/x");
}

static void documents_of_one_sender_share_its_resource(void **state)
{
    (void)state;
    (void)one("{" WHO "," TIMES "}");
    (void)one("{" WHO "," TIMES "}");
    assert_int_equal(spans.count, 2);
    assert_int_equal(spans.resource_count, 1);
    assert_int_equal(spans.items[1].resource, 0);
}

static void members_of_other_types_are_passed_over(void **state)
{
    (void)state;
    const struct tw__span *span =
        one("{" WHO "," TIMES ",\"http\":[1,{\"request\":2}],\"annotations\":\"x\",\"fault\":\"yes\","
            "\"subsegments\":{\"id\":1},\"metadata\":null,\"links\":7,\"aws\":null,\"sql\":[]}");
    assert_int_equal(spans.count, 1);
    assert_int_equal(span->tag_count, 0);
}

static void a_child_without_an_id_leaves_its_children_to_its_parent(void **state)
{
    (void)state;
    (void)one("{" WHO "," TIMES
              ",\"subsegments\":[{\"name\":\"x\",\"start_time\":1,\"subsegments\":[{\"id\":\"00000000000000"
              "09\",\"name\":\"y\",\"start_time\":1}]}]}");
    assert_int_equal(spans.count, 2);
    assert_int_equal(found.left_out, 1);
    assert_memory_equal(spans.items[1].parent_id, spans.items[0].span_id, 8);
}

static void what_is_no_segment_is_refused_and_leaves_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "7",
        "{",
        "{}",
        "{" WHO "}",
        "{" WHO "," TIMES "} x",
        "{" WHO "," TIMES ",\"subsegments\":[{\"id\":\"01\"]}",
        "{\"id\":\"5a75fdaff5f688e9\",\"name\":\"n\"," TIMES "}",
        "{\"trace_id\":\"1-5759e988-zz862e3fe1be46a994272793\",\"id\":\"01\",\"name\":\"n\"," TIMES "}",
        "{\"trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\",\"id\":\"0\",\"name\":\"n\"," TIMES "}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(dec(bad[i]), TW_ERR_SYNTAX);
        assert_non_null(found.why);
        assert_int_equal(spans.count + spans.resource_count, 0);
    }
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    for (int depth = TW__XRAY_DEPTH_MAX - 1; depth <= TW__XRAY_DEPTH_MAX; depth++) {
        char *text = malloc(64 + 128 * (size_t)(depth + 1));
        assert_non_null(text);
        size_t len = (size_t)sprintf(text, "{" WHO "," TIMES);
        for (int i = 0; i < depth; i++)
            len += (size_t)sprintf(text + len, ",\"subsegments\":[{\"id\":\"%016x\",\"name\":\"n\",\"start_time\":1",
                                   (unsigned)i + 1);
        for (int i = 0; i < depth; i++) len += (size_t)sprintf(text + len, "}]");
        (void)sprintf(text + len, "}");
        tw__spans_reset(&spans);
        int code = dec(text);
        assert_int_equal(code, depth < TW__XRAY_DEPTH_MAX ? 0 : TW_ERR_SPACE);
        free(text);
    }
}

static void only_the_line_before_it_makes_a_datagram(void **state)
{
    (void)state;
    static const char *const good[] = {HEAD "{" WHO "," TIMES "}",
                                       "{ \"format\" : \"JSON\" , \"version\" : 1 }\n{" WHO "," TIMES "}\n"};
    static const char *const bad[] = {"",
                                      "{" WHO "," TIMES "}",
                                      HEAD,
                                      "{\"format\":\"json\",\"version\":2}\n{" WHO "," TIMES "}",
                                      "{\"format\":\"xml\",\"version\":1}\n{" WHO "," TIMES "}",
                                      "json\n{" WHO "," TIMES "}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(tw__xray_dec_datagram(&spans, good[i], strlen(good[i]), made_text(""), &found), 0);
    assert_int_equal(spans.count, 2);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tw__xray_dec_datagram(&spans, bad[i], strlen(bad[i]), made_text(""), &found), TW_ERR_SYNTAX);
}

static int end(void **state)
{
    (void)state;
    tw__spans_fini(&spans);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_segment_of_the_node_sdk, reset),
        cmocka_unit_test_setup(annotations_metadata_and_user_are_tags, reset),
        cmocka_unit_test_setup(metadata_does_not_hide_an_annotation, reset),
        cmocka_unit_test_setup(subsegments_are_children_also_before_the_id_of_their_parent, reset),
        cmocka_unit_test_setup(causes_are_exceptions_and_the_status, reset),
        cmocka_unit_test_setup(a_subsegment_by_itself_is_its_senders, reset),
        cmocka_unit_test_setup(times_are_exact_in_every_form, reset),
        cmocka_unit_test_setup(scaled_numbers_have_bounds, reset),
        cmocka_unit_test_setup(links_and_precursors_are_links, reset),
        cmocka_unit_test_setup(our_own_documents_come_back, reset),
        cmocka_unit_test_setup(documents_of_one_sender_share_its_resource, reset),
        cmocka_unit_test_setup(members_of_other_types_are_passed_over, reset),
        cmocka_unit_test_setup(a_child_without_an_id_leaves_its_children_to_its_parent, reset),
        cmocka_unit_test_setup(what_is_no_segment_is_refused_and_leaves_nothing, reset),
        cmocka_unit_test_setup(depth_has_a_limit, reset),
        cmocka_unit_test_setup(only_the_line_before_it_makes_a_datagram, reset),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
