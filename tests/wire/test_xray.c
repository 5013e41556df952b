/* X-Ray documents: what goes where, and spans that are too large. test_xray_rules.py holds every document written here
 * against the published rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "span_made.h"
#include "wire/xray.h"
#include "wire/xray_parts.h"

#define HEADER "{\"format\": \"json\", \"version\": 1}\n"
enum { EPOCH = 0x6b000000, DOCS_MAX = 4096 };
#define NOW ((uint64_t)EPOCH * 1000000000 + 250000000)

static struct {
    char last[TW__XRAY_MAX + 1]; /* with a NUL */
    struct tw__xray_doc docs[DOCS_MAX];
    int count;
} emitted;

static int emit(void *arg, const struct tw__xray_doc *doc)
{
    static unsigned number;
    char name[32];
    (void)arg;
    assert_true(doc->len <= TW__XRAY_MAX);
    assert_memory_equal(doc->bytes, HEADER, strlen(HEADER));
    memcpy(emitted.last, doc->bytes, doc->len);
    emitted.last[doc->len] = 0;
    if (emitted.count < DOCS_MAX) emitted.docs[emitted.count] = *doc;
    emitted.count++;
    (void)sprintf(name, "%u.xray", number++);
    made_dump(name, doc->bytes, doc->len);
    return 0;
}

static void enc_with(const struct tw__xray_options *options, struct tw__xray_node *top)
{
    struct tw__buf scratch = {0};
    emitted.count = 0;
    int documents = tw__xray_enc(options, top, &scratch, emit, NULL);
    assert_int_equal(documents, emitted.count);
    tw__buf_fini(&scratch);
}

/* The document of one span, without the header line. */
static const char *doc_of(const struct tw_record *record)
{
    static const struct tw__xray_options options = {0};
    struct tw__xray_node node = {.span.record = record};
    enc_with(&options, &node);
    assert_int_equal(emitted.count, 1);
    return emitted.last + strlen(HEADER);
}

static struct tw_record a_segment(const char *name)
{
    return made_span((uint64_t)EPOCH << 32 | 0x01020304, 0x05060708090a0b0c, 0x1112131415161718, name, NOW,
                     NOW + 500000000);
}

static struct tw_record a_child(const char *name)
{
    struct tw_record record = a_segment(name);
    made_id(record.parent_id, 0x2122232425262728);
    return record;
}

static void assert_holds(const char *doc, const char *part)
{
    if (!strstr(doc, part)) fail_msg("%s\nis not in\n%s", part, doc);
}

static void assert_lacks(const char *doc, const char *part)
{
    if (strstr(doc, part)) fail_msg("%s\nis in\n%s", part, doc);
}

static void a_root_is_a_segment(void **state)
{
    (void)state;
    struct tw_record record = a_segment("front");
    assert_string_equal(
        doc_of(&record),
        "{\"name\":\"front\",\"id\":\"1112131415161718\",\"trace_id\":\"1-6b000000-0102030405060708090a0b0c\","
        "\"start_time\":1795162112.250000000,\"end_time\":1795162112.750000000,"
        "\"aws\":{\"xray\":{\"sdk\":\"Trackway\"}}}");
    assert_false(emitted.docs[0].odd_epoch);
    assert_ptr_equal(emitted.docs[0].record, &record);
}

static void a_child_is_a_subsegment_and_a_server_is_not(void **state)
{
    (void)state;
    struct tw_record record = a_child("work");
    assert_string_equal(
        doc_of(&record),
        "{\"name\":\"work\",\"id\":\"1112131415161718\",\"trace_id\":\"1-6b000000-0102030405060708090a0b0c\","
        "\"parent_id\":\"2122232425262728\",\"type\":\"subsegment\","
        "\"start_time\":1795162112.250000000,\"end_time\":1795162112.750000000}");
    record.span_kind = TW_KIND_SERVER;
    assert_holds(doc_of(&record), "\"parent_id\":\"2122232425262728\",\"start_time\"");
    assert_lacks(emitted.last, "subsegment");
}

static void an_open_span_is_in_progress(void **state)
{
    (void)state;
    struct tw_record record = a_segment("front");
    record.kind = TW_RECORD_OPEN;
    record.end_ns = 0;
    assert_holds(doc_of(&record), "\"in_progress\":true");
    assert_lacks(emitted.last, "end_time");
}

static void no_span_ends_before_it_begins(void **state)
{
    (void)state;
    struct tw_record record = a_segment("front");
    record.end_ns = record.time_ns - 1;
    assert_holds(doc_of(&record), "\"end_time\":1795162112.250000000");
}

static void a_trace_id_from_another_time_is_noticed(void **state)
{
    (void)state;
    static const struct {
        int64_t days;
        bool odd;
    } cases[] = {{0, false}, {-6, false}, {-8, true}, {2, true}, {-20000, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tw_record record = a_segment("front");
        made_id(record.trace_id, (uint64_t)(EPOCH + cases[i].days * 86400) << 32);
        (void)doc_of(&record);
        assert_int_equal(emitted.docs[0].odd_epoch, cases[i].odd);
    }
}

static void names_are_cleaned_and_cut(void **state)
{
    (void)state;
    static const struct {
        const char *name, *clean;
    } cases[] = {
        {"GET /cart?id=1;*()!$~^<>", "GET /cartid=1"},
        {"caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xe2\x80\x93 \xf0\x9f\x98\x80",
         "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac  "},
        {"a_b.c:d/e%f&g#h=i+j\\k-l@m", "a_b.c:d/e%f&g#h=i+j\\\\k-l@m"},
        {"", "span"},
        {"?!", "span"},
        {"x\xff\n\ty", "xy"},
    };
    char expected[1000], name[300];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tw_record record = a_segment(cases[i].name);
        (void)sprintf(expected, "{\"name\":\"%s\",\"id\"", cases[i].clean);
        assert_holds(doc_of(&record), expected);
    }
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct tw_record record = a_segment(name);
    (void)sprintf(expected, "{\"name\":\"%.200s\",\"id\"", name);
    assert_holds(doc_of(&record), expected);
}

static void a_status_code_says_whose_fault_it_is(void **state)
{
    (void)state;
    static const struct {
        int64_t code;
        enum tw_status status;
        const char *flags; /* NULL: none */
    } cases[] = {
        {200, TW_STATUS_UNSET, NULL},
        {302, TW_STATUS_OK, NULL},
        {404, TW_STATUS_UNSET, "\"error\":true,\"cause\""},
        {404, TW_STATUS_ERROR, "\"error\":true,\"cause\""},
        {429, TW_STATUS_UNSET, "\"error\":true,\"throttle\":true,\"cause\""},
        {500, TW_STATUS_UNSET, "\"fault\":true,\"cause\""},
        {599, TW_STATUS_OK, "\"fault\":true,\"cause\""},
        {200, TW_STATUS_ERROR, "\"fault\":true,\"cause\""},
    };
    for (unsigned older = 0; older < 2; older++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            char response[64];
            struct tw_record record = a_child("call");
            struct tw_tag_value tag = made_int(older ? "http.status_code" : "http.response.status_code", cases[i].code);
            made_tags(&record, &tag, 1);
            record.status = cases[i].status;
            const char *doc = doc_of(&record);
            (void)sprintf(response, "\"http\":{\"response\":{\"status\":%d}}", (int)cases[i].code);
            assert_holds(doc, response);
            if (cases[i].flags) {
                assert_holds(doc, cases[i].flags);
                continue;
            }
            assert_lacks(doc, "\"error\"");
            assert_lacks(doc, "\"fault\"");
            assert_lacks(doc, "\"throttle\"");
            assert_lacks(doc, "\"cause\"");
        }
    }
}

static void http_of_a_server(void **state)
{
    (void)state;
    struct tw_record record = a_segment("front");
    struct tw_tag_value tags[] = {
        made_str("http.request.method", "GET"),
        made_str("url.full", "http://shop/cart"),
        made_str("http.url", "older"),
        made_str("user_agent.original", "curl/8"),
        made_str("http.request.header.x-forwarded-for", "10.0.0.1, 10.0.0.2"),
        made_int("http.response.status_code", 200),
        made_uint("http.response.body.size", 512),
        made_bool("aws.xray.traced", true),
    };
    made_tags(&record, tags, 8);
    record.span_kind = TW_KIND_SERVER;
    assert_holds(doc_of(&record),
                 "\"http\":{\"request\":{\"method\":\"GET\",\"url\":\"http://shop/cart\",\"user_agent\":\"curl/8\","
                 "\"client_ip\":\"10.0.0.1\",\"x_forwarded_for\":true},"
                 "\"response\":{\"status\":200,\"content_length\":512}}");
    assert_holds(emitted.last,
                 "\"metadata\":{\"default\":{\"http.url\":\"older\",\"http.request.header.x-forwarded-for\":"
                 "\"10.0.0.1, 10.0.0.2\",\"aws.xray.traced\":true}}}");
}

static void a_url_is_put_together_from_its_parts(void **state)
{
    (void)state;
    struct tw_record record = a_segment("front");
    struct tw_tag_value tags[] = {made_str("http.request.method", "GET"), made_str("url.scheme", "https"),
                                  made_str("server.address", "shop"),     made_int("server.port", 8443),
                                  made_str("url.path", "/cart"),          made_str("url.query", "a=1")};
    made_tags(&record, tags, 6);
    assert_holds(doc_of(&record), "\"request\":{\"method\":\"GET\",\"url\":\"https://shop:8443/cart?a=1\"}");
    assert_lacks(emitted.last, "metadata");
    tags[3].value.i = 443;
    assert_holds(doc_of(&record), "\"url\":\"https://shop/cart?a=1\"");
}

static void http_of_a_client_is_remote(void **state)
{
    (void)state;
    struct tw_record record = a_child("back");
    struct tw_tag_value tags[] = {made_str("http.method", "POST"), made_str("http.url", "http://back/"),
                                  made_bool("aws.xray.traced", true)};
    made_tags(&record, tags, 3);
    record.span_kind = TW_KIND_CLIENT;
    assert_holds(doc_of(&record), "\"namespace\":\"remote\",\"http\":{\"request\":{\"method\":\"POST\",\"url\":\"http:/"
                                  "/back/\",\"traced\":true}}");
}

static void sql_is_of_subsegments(void **state)
{
    (void)state;
    struct tw_tag_value tags[] = {made_str("db.system.name", "postgresql"),
                                  made_str("db.query.text", "SELECT ?"),
                                  made_str("db.namespace", "shop"),
                                  made_str("server.address", "db1"),
                                  made_int("server.port", 5432),
                                  made_str("db.user", "u"),
                                  made_str("db.preparation", "statement"),
                                  made_str("db.version", "15")};
    struct tw_record record = a_child("query");
    made_tags(&record, tags, 8);
    assert_holds(doc_of(&record),
                 "\"sql\":{\"url\":\"db1:5432/shop\",\"sanitized_query\":\"SELECT ?\",\"database_type\":\"postgresql\","
                 "\"database_version\":\"15\",\"user\":\"u\",\"preparation\":\"statement\"}");
    assert_lacks(emitted.last, "metadata");
    record = a_segment("query");
    made_tags(&record, tags, 8);
    assert_lacks(doc_of(&record), "\"sql\"");
    assert_holds(emitted.last, "\"db.query.text\":\"SELECT ?\"");
}

static void aws_is_of_subsegments_and_resources(void **state)
{
    (void)state;
    struct tw_tag_value tags[] = {made_str("rpc.system", "aws-api"), made_str("rpc.method", "PutItem"),
                                  made_str("aws.region", "eu-west-1"), made_str("aws.request_id", "r1"),
                                  made_str("aws.table_name", "carts")};
    struct tw_tag_value attributes[] = {
        made_str("service.name", "shop"),      made_str("service.version", "1.2"),
        made_str("cloud.platform", "aws_ecs"), made_str("cloud.account.id", "123456789012"),
        made_str("container.id", "c1"),        made_str("host.id", "i-1")};
    struct tw__xray_options options = {.resource = attributes,
                                       .resource_count = 6,
                                       .sdk_version = made_text("0.1.0"),
                                       .segment_name = made_text("Shop")};
    struct tw_record record = a_child("DynamoDB");
    made_tags(&record, tags, 5);
    record.span_kind = TW_KIND_CLIENT;
    struct tw__xray_node node = {.span.record = &record};
    enc_with(&options, &node);
    assert_holds(emitted.last, "{\"name\":\"DynamoDB\"");
    assert_holds(emitted.last, "\"namespace\":\"aws\",\"aws\":{\"operation\":\"PutItem\",\"region\":\"eu-west-1\","
                               "\"request_id\":\"r1\",\"table_name\":\"carts\"}");
    struct tw_tag_value more[] = {made_str("aws.xray.rule_name", "all"), made_str("enduser.id", "u1")};
    record = a_segment("front");
    made_tags(&record, more, 2);
    enc_with(&options, &node);
    assert_holds(emitted.last, "{\"name\":\"Shop\"");
    assert_holds(emitted.last,
                 "\"service\":{\"name\":\"shop\",\"version\":\"1.2\"},\"origin\":\"AWS::ECS::Container\",\"user\":"
                 "\"u1\",\"aws\":"
                 "{\"account_id\":\"123456789012\",\"ecs\":{\"container_id\":\"c1\"},\"xray\":{\"sdk\":\"Trackway\","
                 "\"sdk_version\":\"0.1.0\",\"rule_name\":\"all\"}}}");
}

static void tags_are_annotations_if_they_can_be_searched(void **state)
{
    (void)state;
    static char long_text[1002];
    struct tw_record record = a_child("work");
    memset(long_text, 'x', 1001);
    struct tw_tag_value tags[] = {made_str("k", "replaced"),
                                  made_int("k", 1),
                                  made_bool("b", false),
                                  made_double("d", 0.5),
                                  made_str("s_1", "v"),
                                  made_uint("u", UINT64_MAX),
                                  made_str("user.id", "dotted"),
                                  made_double("inf", 1e308 * 10),
                                  made_bytes("raw", "\x00\xff", 2),
                                  made_str("long", long_text),
                                  made_str("", "no key")};
    made_tags(&record, tags, 11);
    assert_holds(
        doc_of(&record),
        "\"annotations\":{\"k\":1,\"b\":false,\"d\":0.5,\"s_1\":\"v\",\"u\":18446744073709551615},\"metadata\":"
        "{\"default\":{\"user.id\":\"dotted\",\"inf\":\"inf\",\"raw\":\"00ff\",\"long\":\"xxx");
    assert_holds(emitted.last, "x\",\"\":\"no key\"}}}");
}

static void fifty_annotations_and_the_rest_is_metadata(void **state)
{
    (void)state;
    struct tw_tag_value tags[60];
    char keys[60][8];
    struct tw_record record = a_child("work");
    for (unsigned i = 0; i < 60; i++) {
        (void)sprintf(keys[i], "k%u", i);
        tags[i] = made_int(keys[i], i);
    }
    made_tags(&record, tags, 60);
    assert_holds(doc_of(&record), "\"k49\":49},\"metadata\":{\"default\":{\"k50\":50,");
}

static void a_long_field_is_cut_and_stands_whole_in_the_metadata(void **state)
{
    (void)state;
    char url[400], expected[600];
    struct tw_record record = a_child("call");
    memset(url, 'u', sizeof url - 1);
    url[sizeof url - 1] = 0;
    struct tw_tag_value tag = made_str("url.full", url);
    made_tags(&record, &tag, 1);
    (void)sprintf(expected, "\"url\":\"%.250s\"}}", url);
    assert_holds(doc_of(&record), expected);
    (void)sprintf(expected, "\"metadata\":{\"default\":{\"url.full\":\"%s\"}}", url);
    assert_holds(emitted.last, expected);
    assert_int_equal(emitted.docs[0].cut_texts, 0);
}

static void an_exception_is_the_cause(void **state)
{
    (void)state;
    static const struct tw__xray_options options = {0};
    struct tw_record record = a_child("work"), exception = made_event(&record, TW_RECORD_EVENT, "exception", NOW);
    struct tw_tag_value tags[] = {made_str("exception.type", "IOError"), made_str("exception.message", "disk full"),
                                  made_str("exception.stacktrace", "  at write (a.c:1)\n\tat main (b.c:2)\r\n\n")};
    made_tags(&exception, tags, 3);
    const struct tw_record *events[] = {&exception};
    struct tw__xray_node node = {.span = {&record, events, 1}};
    enc_with(&options, &node);
    assert_holds(emitted.last, "\"fault\":true,\"cause\":{\"exceptions\":[{\"id\":\"8f256aad6a5c6b0d\",\"message\":"
                               "\"disk full\",\"type\":\"IOError\","
                               "\"stack\":[{\"label\":\"at write (a.c:1)\"},{\"label\":\"at main (b.c:2)\"}]}]}}");
    record.status = TW_STATUS_OK; /* it was caught */
    enc_with(&options, &node);
    assert_lacks(emitted.last, "cause");
    assert_holds(
        emitted.last,
        "\"metadata\":{\"trackway\":{\"events\":[{\"name\":\"exception\",\"time\":1795162112.250000000,\"tags\":{");
    record.status = TW_STATUS_ERROR;
    record.status_message = made_text("no cart");
    node.span.event_count = 0;
    enc_with(&options, &node);
    assert_holds(emitted.last, "\"message\":\"no cart\",\"type\":\"error\"}]}");
    struct tw_tag_value cause = made_str("cause", "0123456789abcdef");
    made_tags(&record, &cause, 1);
    enc_with(&options, &node);
    assert_holds(emitted.last, "\"fault\":true,\"cause\":\"0123456789abcdef\"}");
}

static void the_story_has_events_and_links(void **state)
{
    (void)state;
    static const struct tw__xray_options options = {0};
    struct tw__xray_node node = {.span = made_story()};
    enc_with(&options, &node);
    assert_holds(emitted.last, "\"trackway\":{\"events\":[{\"name\":\"cache.miss\",\"time\":1795225832.600000000,"
                               "\"tags\":{\"attempt\":2,\"host\":\"h1\"}},"
                               "{\"name\":\"here\",\"kind\":\"mark\",\"time\":1795225832.650000000},");
    assert_holds(emitted.last,
                 "\"links\":[{\"trace_id\":\"1-6a000000-0102030405060708090a0b0c\",\"id\":\"0000000000000031\"},"
                 "{\"trace_id\":\"1-6a000000-ffffffffffffffffffffffff\",\"id\":\"0000000000000032\"}]");
}

/* A tree: nodes 1 .. count; the parent of i is given. */
enum { NODES = 2000 };
static struct tw_record records[NODES];
static struct tw__xray_node nodes[NODES], *tops[NODES];

static size_t grow(size_t count, size_t (*parent)(size_t))
{
    memset(nodes, 0, sizeof nodes);
    for (size_t i = 0; i < count; i++) {
        records[i] = a_child("node");
        made_id(records[i].span_id, i + 1);
        made_id(records[i].parent_id, i ? parent(i) + 1 : 0);
        records[i].time_ns += i;
        nodes[i].span.record = &records[i];
    }
    return tw__xray_link(nodes, count, tops);
}

static size_t under_the_root(size_t i)
{
    (void)i;
    return 0;
}

static size_t under_the_one_before(size_t i)
{
    return i - 1;
}

static size_t in_a_tree_of_three(size_t i)
{
    return (i - 1) / 3;
}

static void children_are_embedded(void **state)
{
    (void)state;
    static const struct tw__xray_options options = {0};
    assert_int_equal(grow(4, in_a_tree_of_three), 1);
    enc_with(&options, tops[0]);
    assert_int_equal(emitted.count, 1);
    assert_int_equal(emitted.docs[0].spans, 4);
    assert_holds(
        emitted.last,
        "\"subsegments\":[{\"name\":\"node\",\"id\":\"0000000000000002\",\"start_time\":1795162112.250000001,");
    assert_lacks(emitted.last, "\"type\"");
    assert_int_equal(grow(3, under_the_one_before), 1);
    enc_with(&options, tops[0]);
    assert_holds(emitted.last,
                 "0000000003\",\"start_time\":1795162112.250000002,\"end_time\":1795162112.750000000}]}]}");
}

static void every_span_is_in_one_document_whatever_the_tree(void **state)
{
    (void)state;
    static size_t (*const shapes[])(size_t) = {under_the_root, under_the_one_before, in_a_tree_of_three};
    for (size_t shape = 0; shape < 3; shape++) {
        for (size_t count = 1; count <= NODES; count = count * 3 + 1) {
            static const struct tw__xray_options options = {.limit = TW__XRAY_LEAST};
            assert_int_equal(grow(count, shapes[shape]), 1);
            enc_with(&options, tops[0]);
            size_t spans = 0, split = 0;
            for (int i = 0; i < emitted.count; i++) {
                spans += emitted.docs[i].spans;
                split += emitted.docs[i].split;
                assert_true(emitted.docs[i].len <= TW__XRAY_LEAST);
                assert_int_equal(emitted.docs[i].cut_texts + emitted.docs[i].dropped, 0);
            }
            assert_int_equal(spans, count);
            if (shape == 0) assert_int_equal(split + 1, emitted.count);
        }
    }
}

static void rings_segments_and_early_children_are_tops(void **state)
{
    (void)state;
    static const struct tw__xray_options options = {0};
    memset(nodes, 0, sizeof nodes);
    for (size_t i = 0; i < 6; i++) {
        records[i] = a_child("node");
        made_id(records[i].span_id, i + 1);
        nodes[i].span.record = &records[i];
    }
    made_id(records[0].parent_id, 2); /* 1 and 2 claim each other; 3 claims itself */
    made_id(records[1].parent_id, 1);
    made_id(records[2].parent_id, 3);
    made_id(records[3].parent_id, 3); /* 4 begins before 3 */
    records[3].time_ns--;
    made_id(records[4].parent_id, 3); /* 5 is a server; 6 a good child */
    records[4].span_kind = TW_KIND_SERVER;
    made_id(records[5].parent_id, 3);
    records[5].time_ns++;
    size_t count = tw__xray_link(nodes, 6, tops), spans = 0;
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) {
        enc_with(&options, tops[i]);
        spans += emitted.docs[0].spans;
        assert_int_equal(emitted.count, 1);
    }
    assert_int_equal(spans, 6);
    assert_int_equal(tw__xray_link(NULL, 0, NULL), 0);
}

static void a_span_too_large_alone_loses_its_longest_texts(void **state)
{
    (void)state;
    enum { LEN = 40000 };
    static char text[LEN];
    static const struct tw__xray_options options = {0};
    memset(text, 't', LEN);
    struct tw_record record = a_segment("large"), child = a_child("child");
    struct tw_tag_value tags[] = {made_str("short", "whole"), made_str("long.1", ""), made_str("long.2", ""),
                                  made_str("long.3", "")};
    for (unsigned i = 1; i < 4; i++) tags[i].text = (struct tw_text){text, LEN};
    made_tags(&record, tags, 4);
    memcpy(child.parent_id, record.span_id, 8);
    made_id(child.span_id, 99);
    child.time_ns++;
    struct tw__xray_node pair[] = {{.span.record = &record}, {.span.record = &child}};
    assert_int_equal(tw__xray_link(pair, 2, tops), 1);
    enc_with(&options, tops[0]);
    assert_int_equal(emitted.count, 2);
    assert_int_equal(emitted.docs[0].split, 1);
    assert_int_equal(emitted.docs[0].cut_texts, 3);
    assert_int_equal(emitted.docs[0].dropped, 0);
    assert_string_equal(emitted.docs[0].record->name.ptr, "large");
    assert_true(emitted.docs[0].len > 3 * 16384);
    assert_int_equal(emitted.docs[1].cut_texts, 0);
    enc_with(&options, &(struct tw__xray_node){.span.record = &record});
    assert_holds(emitted.last, "\"short\":\"whole\"");
    assert_holds(emitted.last, "ttt...(23616 more bytes)\"");
    assert_holds(emitted.last, "\"trackway\":{\"cut_texts\":3}");
}

static void a_span_with_everything_too_large_still_fits(void **state)
{
    (void)state;
    enum { MANY = 5000, LEN = 4000 };
    static struct tw_tag_value tags[MANY];
    static char keys[MANY][8], text[LEN];
    static struct tw_context links[MANY];
    static struct tw_record event, span;
    static const struct tw_record *events[MANY];
    static const char *const special[] = {"http.request.method", "url.full",          "user_agent.original",
                                          "client.address",      "db.query.text",     "db.system.name",
                                          "db.namespace",        "server.address",    "db.user",
                                          "db.version",          "db.driver.version", "db.connection_string",
                                          "aws.operation",       "aws.region",        "aws.request_id",
                                          "aws.queue_url",       "aws.table_name",    "cloud.account.id",
                                          "exception.type",      "exception.message", "exception.stacktrace"};
    static const char *const attribute_keys[] = {"service.name", "service.version", "process.runtime.name",
                                                 "process.runtime.version", "cloud.account.id"};
    struct tw_tag_value attributes[6];
    memset(text, 1, LEN); /* six bytes each, in JSON */
    const struct tw_text all = {text, LEN};
    span = a_child("");
    span.name = span.status_message = all;
    span.status = TW_STATUS_ERROR;
    for (unsigned i = 0; i < MANY; i++) {
        (void)sprintf(keys[i], "k%u", i);
        tags[i] = made_str(i < 21 ? special[i] : keys[i], "");
        tags[i].text = all;
        links[i] = made_context(1, 2, i);
        events[i] = &event;
    }
    event = made_event(&span, TW_RECORD_EVENT, "exception", NOW);
    made_tags(&event, tags + 18, 100);
    made_tags(&span, tags, MANY);
    span.parents = links;
    span.parent_count = MANY;
    for (unsigned i = 0; i < 5; i++)
        attributes[i] = (struct tw_tag_value){.key = made_text(attribute_keys[i]), .type = TW_TYPE_STR, .text = all};
    attributes[5] = made_str("cloud.platform", "aws_ecs");
    for (unsigned i = 0; i < 4; i++) {
        struct tw__xray_options options = {.limit = i & 1 ? 1 : 0, .resource = attributes, .resource_count = 6};
        memset(span.parent_id, i & 2 ? 1 : 0, 8);
        struct tw__xray_node node = {.span = {&span, events, 200}};
        enc_with(&options, &node);
        assert_int_equal(emitted.count, 1);
        assert_true(emitted.docs[0].len <= (i & 1 ? TW__XRAY_LEAST : TW__XRAY_MAX));
        assert_true(emitted.docs[0].cut_texts > 0 && emitted.docs[0].dropped > 0);
    }
}

static int refuse(void *arg, const struct tw__xray_doc *doc)
{
    (void)doc;
    return --*(int *)arg ? 0 : TW_ERR_TIMEOUT;
}

static void stops_when_told_to(void **state)
{
    (void)state;
    static const struct tw__xray_options options = {.limit = 1};
    struct tw__buf scratch = {0};
    int left = 3;
    assert_int_equal(grow(1000, under_the_root), 1);
    assert_int_equal(tw__xray_enc(&options, tops[0], &scratch, refuse, &left), TW_ERR_TIMEOUT);
    assert_int_equal(left, 0);
    tw__buf_fini(&scratch);
}

static void metadata_has_the_namespaces_that_keys_name(void **state)
{
    (void)state;
    struct tw_tag_value tags[] = {made_str("aws.xray.metadata.cart.items.first", "apple"),
                                  made_str("plain.key", "p"),
                                  made_str("aws.xray.metadata.user.name", "u"),
                                  made_str("aws.xray.metadata.cart.note", "n"),
                                  made_str("aws.xray.metadata.AWS.x", "a"),
                                  made_str("aws.xray.metadata.", "b"),
                                  made_str("aws.xray.metadata.x.", "c"),
                                  made_str("aws.xray.metadata..y", "d"),
                                  made_str("aws.xray.metadata.default.z", "e")};
    struct tw_record record = a_child("work");
    record.tags = tags;
    record.tag_count = sizeof tags / sizeof *tags;
    assert_holds(
        doc_of(&record),
        "\"metadata\":{\"default\":{\"plain.key\":\"p\",\"aws.xray.metadata.AWS.x\":\"a\",\"aws.xray.metadata.\":\"b\","
        "\"aws.xray.metadata.x.\":\"c\",\"aws.xray.metadata..y\":\"d\",\"aws.xray.metadata.default.z\":\"e\"},"
        "\"cart\":{\"items.first\":\"apple\",\"note\":\"n\"},\"user\":{\"name\":\"u\"}}");
}

static void of_too_many_namespaces_the_last_stay_in_default(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    struct tw_tag_value tags[COUNT];
    char keys[COUNT][32];
    struct tw_record record = a_child("work");
    for (unsigned i = 0; i < COUNT; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "aws.xray.metadata.n%u.k", i);
        tags[i] = made_str(keys[i], "v");
    }
    record.tags = tags;
    record.tag_count = COUNT;
    const char *doc = doc_of(&record);
    assert_holds(doc, "\"n31\":{\"k\":\"v\"}");
    assert_lacks(doc, "\"n32\":{");
    assert_holds(doc, "\"aws.xray.metadata.n32.k\":\"v\"");
}

static void the_table_of_names_is_sorted(void **state)
{
    (void)state;
    static const char *const known[] = {"aws.account_id",
                                        "user_agent.original",
                                        "http.status_code",
                                        "url.full",
                                        "cause",
                                        "error.type",
                                        "aws.xray.sql.url",
                                        "aws.xray.traced",
                                        "aws.xray.rule_name",
                                        "net.peer.ip",
                                        "http.response.header.content-length",
                                        "db.system",
                                        "db.system.name",
                                        "rpc.system",
                                        "throttle"};
    static const char *const unknown[] = {"",    "a",       "aws",       "http.", "http.status", "http.status_codes",
                                          "zzz", "url.ful", "url.fulll", "\xff"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_not_equal(tw__xray_field_of(made_text(known[i])), TW__XRAY_NO_FIELD);
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(tw__xray_field_of(made_text(unknown[i])), TW__XRAY_NO_FIELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_root_is_a_segment),
        cmocka_unit_test(a_child_is_a_subsegment_and_a_server_is_not),
        cmocka_unit_test(an_open_span_is_in_progress),
        cmocka_unit_test(no_span_ends_before_it_begins),
        cmocka_unit_test(a_trace_id_from_another_time_is_noticed),
        cmocka_unit_test(names_are_cleaned_and_cut),
        cmocka_unit_test(a_status_code_says_whose_fault_it_is),
        cmocka_unit_test(http_of_a_server),
        cmocka_unit_test(a_url_is_put_together_from_its_parts),
        cmocka_unit_test(http_of_a_client_is_remote),
        cmocka_unit_test(sql_is_of_subsegments),
        cmocka_unit_test(aws_is_of_subsegments_and_resources),
        cmocka_unit_test(tags_are_annotations_if_they_can_be_searched),
        cmocka_unit_test(fifty_annotations_and_the_rest_is_metadata),
        cmocka_unit_test(a_long_field_is_cut_and_stands_whole_in_the_metadata),
        cmocka_unit_test(an_exception_is_the_cause),
        cmocka_unit_test(the_story_has_events_and_links),
        cmocka_unit_test(children_are_embedded),
        cmocka_unit_test(every_span_is_in_one_document_whatever_the_tree),
        cmocka_unit_test(rings_segments_and_early_children_are_tops),
        cmocka_unit_test(a_span_too_large_alone_loses_its_longest_texts),
        cmocka_unit_test(a_span_with_everything_too_large_still_fits),
        cmocka_unit_test(stops_when_told_to),
        cmocka_unit_test(metadata_has_the_namespaces_that_keys_name),
        cmocka_unit_test(of_too_many_namespaces_the_last_stay_in_default),
        cmocka_unit_test(the_table_of_names_is_sorted),
    };
    return cmocka_run_group_tests_name("xray", tests, NULL, NULL);
}
