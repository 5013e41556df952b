/* Zipkin's lists of spans, read: the API's own examples, what clients send, shared spans in all their forms, and what
 * has to be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"
#include "span_made.h"
#include "wire/zipkin_dec.h"

/* A batch does not outlive its request: look is called while it is there. */
static struct tw__spans spans;
static size_t batches;
static int answer;
static struct tw__zipkin_dec dec;
static void (*look)(const struct tw__spans *taken);

static int take(void *data, struct tw__spans *taken)
{
    (void)data;
    batches++;
    if (look && answer == 0) look(taken);
    return answer;
}

static int reset(void **state)
{
    (void)state;
    batches = 0;
    answer = 0;
    look = NULL;
    return 0;
}

static int json(const char *body, void (*then)(const struct tw__spans *taken))
{
    look = then;
    dec = (struct tw__zipkin_dec){.spans = &spans, .take = take};
    return tw__zipkin_json_dec(&dec, body, strlen(body));
}

static void taken(const char *body, void (*then)(const struct tw__spans *taken))
{
    int code = json(body, then);
    if (code < 0) fail_msg("%s at byte %zu", dec.why, dec.error_at);
    assert_int_equal(batches, 1);
}

static void assert_text(struct tw_text given, const char *expected)
{
    assert_int_equal(given.len, strlen(expected));
    assert_memory_equal(given.ptr, expected, given.len);
}

static void assert_tag(const struct tw__span *span, const char *key, const char *value)
{
    const struct tw_tag_value *tag = tw__tag_find(span->tags, span->tag_count, key);
    if (!tag) fail_msg("no tag %s", key);
    assert_text(tag->text, value);
}

static void assert_id(const uint8_t *id, uint64_t expected)
{
    uint8_t bytes[8];
    made_id(bytes, expected);
    assert_memory_equal(id, bytes, 8);
}

static void assert_service(const struct tw__spans *batch, size_t index, const char *expected)
{
    assert_text(batch->resources[batch->items[index].resource].service, expected);
}

/* zipkin2-api.yaml, ListOfSpans. */
static void look_at_example(const struct tw__spans *batch)
{
    const struct tw__span *span = &batch->items[0];
    assert_int_equal(batch->count, 1);
    assert_id(span->trace_id + 8, 0x5982fe77008310cc);
    assert_id(span->trace_id, 0x5af7183fb1d4cf5f);
    assert_id(span->parent_id, 0x6b221d5bc9e6496c);
    assert_id(span->span_id, 0x352bff9a74ca9ad2);
    assert_text(span->name, "get /api");
    assert_int_equal(span->kind, TW_KIND_CLIENT);
    assert_int_equal(span->start_ns, 1556604172355737000);
    assert_int_equal(span->end_ns - span->start_ns, 1431000);
    assert_int_equal(span->status, TW_STATUS_UNSET);
    assert_service(batch, 0, "frontend");
    const struct tw__resource *sender = &batch->resources[span->resource];
    assert_text(tw__tag_find(sender->tags, sender->tag_count, "host.ip")->text, "192.168.99.1");
    assert_int_equal(tw__tag_find(sender->tags, sender->tag_count, "host.port")->value.i, 3306);
    assert_tag(span, "peer.service", "backend");
    assert_tag(span, "network.peer.address", "172.19.0.2");
    assert_int_equal(tw__tag_find(span->tags, span->tag_count, "network.peer.port")->value.i, 58648);
    assert_tag(span, "http.method", "GET");
    assert_int_equal(span->event_count, 1);
    assert_text(span->events[0].name, "retry");
    assert_int_equal(span->events[0].time_ns, 1556604172355900000);
}

static void the_apis_example_is_read(void **state)
{
    (void)state;
    taken(
        "[{\"id\":\"352bff9a74ca9ad2\",\"traceId\":\"5af7183fb1d4cf5f5982fe77008310cc\",\"parentId\":"
        "\"6b221d5bc9e6496c\","
        "\"name\":\"get /api\",\"timestamp\":1556604172355737,\"duration\":1431,\"kind\":\"CLIENT\",\"localEndpoint\":{"
        "\"serviceName\":\"frontend\",\"ipv4\":\"192.168.99.1\",\"port\":3306},\"remoteEndpoint\":{\"serviceName\":"
        "\"backend\",\"ipv4\":\"172.19.0.2\",\"port\":58648},\"tags\":{\"http.method\":\"GET\",\"http.path\":\"/api\"},"
        "\"annotations\":[{\"timestamp\":1556604172355900,\"value\":\"retry\"}]}]",
        look_at_example);
}

static void look_at_status(const struct tw__spans *batch)
{
    assert_int_equal(batch->count, 6);
    assert_int_equal(batch->items[0].status, TW_STATUS_ERROR);
    assert_text(batch->items[0].status_message, "no money");
    assert_int_equal(batch->items[1].status, TW_STATUS_ERROR);
    assert_text(batch->items[1].status_message, "");
    assert_int_equal(batch->items[2].status, TW_STATUS_UNSET);
    assert_int_equal(batch->items[3].status, TW_STATUS_OK);
    assert_int_equal(batch->items[3].tag_count, 1);
    assert_int_equal(batch->items[4].status, TW_STATUS_ERROR);
    assert_int_equal(batch->items[5].status, TW_STATUS_UNSET);
    for (size_t i = 0; i < 6; i++) assert_true(batch->items[i].open);
}

static void errors_are_the_status_and_a_span_without_duration_is_open(void **state)
{
    (void)state;
    taken(
        "[{\"traceId\":\"1\",\"id\":\"1\",\"tags\":{\"error\":\"no money\"}},{\"traceId\":\"1\",\"id\":\"2\",\"tags\":{"
        "\"error\":\"true\"}},{\"traceId\":\"1\",\"id\":\"3\",\"tags\":{\"error\":\"false\"}},{\"traceId\":\"1\","
        "\"id\":\"4\","
        "\"tags\":{\"otel.status_code\":\"OK\",\"a\":\"b\"}},{\"traceId\":\"1\",\"id\":\"5\",\"tags\":{\"error\":\"\"}}"
        ","
        "{\"traceId\":\"1\",\"id\":\"6\"}]",
        look_at_status);
}

#define SPAN(id, parent, kind, service, more)                                                                          \
    "{\"traceId\":\"aa\",\"id\":\"" id "\",\"parentId\":\"" parent "\",\"name\":\"n\",\"timestamp\":1,\"duration\":2," \
    "\"kind\":\"" kind "\",\"localEndpoint\":{\"serviceName\":\"" service "\"}" more "}"

static void look_at_shared(const struct tw__spans *batch)
{
    const struct tw__span *s = batch->items;
    assert_int_equal(batch->count, 5);
    assert_id(s[1].span_id, 0xb);
    assert_id(s[1].parent_id, 0xa);
    assert_memory_equal(s[2].parent_id, s[1].span_id, 8); /* the server's half under the client's */
    assert_true(memcmp(s[2].span_id, s[1].span_id, 8) != 0);
    assert_non_null(tw__tag_find(s[2].tags, s[2].tag_count, "zipkin.shared"));
    assert_memory_equal(s[0].parent_id, s[2].span_id, 8); /* what the server did, though it came first */
    assert_memory_equal(s[3].parent_id, s[1].span_id, 8); /* what the client did */
    assert_id(s[4].parent_id, 0xc);
}

static void a_shared_span_is_split_and_the_servers_children_go_with_it(void **state)
{
    (void)state;
    taken("[" SPAN("c", "b", "CLIENT", "back", "") "," SPAN("b", "a", "CLIENT", "front", "") "," SPAN(
              "b", "a", "SERVER", "back", ",\"shared\":true") "," SPAN("d", "b", "CLIENT", "front",
                                                                       "") "," SPAN("e", "c", "SERVER", "db", "") "]",
          look_at_shared);
}

static uint8_t half[8];

static void keep_half(const struct tw__spans *batch)
{
    assert_int_equal(batch->count, 1);
    memcpy(half, batch->items[0].span_id, 8);
}

static void the_servers_half_has_the_same_id_each_time(void **state)
{
    (void)state;
    uint8_t first[8];
    taken("[" SPAN("b", "a", "SERVER", "back", ",\"shared\":true") "]", keep_half);
    memcpy(first, half, 8);
    batches = 0;
    taken("[" SPAN("b", "a", "SERVER", "back", ",\"shared\":true,\"debug\":true") "]", keep_half);
    assert_memory_equal(first, half, 8);
    assert_false(tw__all_zero(half, 8));
}

/* zipkin-api.yaml's example, both sides in one span. */
static void look_at_v1(const struct tw__spans *batch)
{
    const struct tw__span *client = &batch->items[0], *server = &batch->items[1];
    assert_int_equal(batch->count, 2);
    assert_int_equal(client->kind, TW_KIND_CLIENT);
    assert_int_equal(server->kind, TW_KIND_SERVER);
    assert_id(client->span_id, 0xbd7a977555f6b982);
    assert_memory_equal(server->parent_id, client->span_id, 8);
    assert_service(batch, 0, "zipkin-web");
    assert_service(batch, 1, "zipkin-query");
    assert_int_equal(client->start_ns, 1458702548467000000);
    assert_int_equal(client->end_ns - client->start_ns, 386000000);
    assert_int_equal(server->start_ns, 1458702548478000000);
    assert_int_equal(server->end_ns - server->start_ns, 374000000);
    assert_tag(client, "peer.service", "zipkin-query");
    assert_tag(client, "http.path", "/api");
    assert_int_equal(client->event_count, 1);
    assert_int_equal(server->event_count, 0);
    assert_int_equal(server->tag_count, 3); /* zipkin.shared, and who called */
    assert_tag(server, "peer.service", "zipkin-web");
}

#define WEB   "\"endpoint\":{\"serviceName\":\"zipkin-web\",\"ipv4\":\"127.0.0.1\"}"
#define QUERY "\"endpoint\":{\"serviceName\":\"zipkin-query\",\"ipv4\":\"127.0.0.1\",\"port\":9411}"

static void both_sides_in_one_span_of_version_1_are_two(void **state)
{
    (void)state;
    taken("[{\"traceId\":\"bd7a977555f6b982\",\"name\":\"get-traces\",\"id\":\"bd7a977555f6b982\",\"timestamp\":"
          "1458702548467000,"
          "\"duration\":386000,\"annotations\":[{" WEB ",\"timestamp\":1458702548467000,\"value\":\"cs\"},{" QUERY
          ",\"timestamp\":"
          "1458702548478000,\"value\":\"sr\"},{" QUERY ",\"timestamp\":1458702548852000,\"value\":\"ss\"},{" WEB
          ",\"timestamp\":"
          "1458702548853000,\"value\":\"cr\"},{" WEB
          ",\"timestamp\":1458702548500000,\"value\":\"note\"}],\"binaryAnnotations\":["
          "{\"key\":\"http.path\",\"value\":\"/api\"," WEB "},{\"key\":\"sa\",\"value\":true," QUERY
          "},{\"key\":\"ca\",\"value\":"
          "true," WEB "}]}]",
          look_at_v1);
}

static void look_at_v1_sides(const struct tw__spans *batch)
{
    assert_int_equal(batch->count, 3);
    assert_int_equal(batch->items[0].kind, TW_KIND_SERVER);
    assert_id(batch->items[0].span_id, 2);
    assert_int_equal(batch->items[0].end_ns, 9000);
    assert_id(batch->items[1].parent_id, 3); /* without a timestamp of its own: it goes on with its client's */
    assert_int_equal(batch->items[1].start_ns, 5000);
    assert_int_equal(batch->items[1].end_ns, 9000);
    assert_int_equal(batch->items[2].kind, TW__KIND_UNSPECIFIED);
    assert_service(batch, 2, "job");
    assert_int_equal(tw__tag_find(batch->items[2].tags, batch->items[2].tag_count, "n")->value.i, 7);
}

static void one_side_of_version_1_is_one_span(void **state)
{
    (void)state;
    taken("[{\"traceId\":\"1\",\"id\":\"2\",\"timestamp\":5,\"duration\":4,\"annotations\":[{" QUERY
          ",\"timestamp\":5,\"value\":\"sr\"},"
          "{" QUERY ",\"timestamp\":9,\"value\":\"ss\"}]},{\"traceId\":\"1\",\"id\":\"3\",\"parentId\":\"2\","
          "\"annotations\":[{" QUERY ",\"timestamp\":5,\"value\":\"sr\"},{" QUERY
          ",\"timestamp\":9,\"value\":\"ss\"}]},{\"traceId\":\"1\",\"id\":\"4\","
          "\"timestamp\":5,\"binaryAnnotations\":[{\"key\":\"lc\",\"value\":\"\",\"endpoint\":{\"serviceName\":\"job\"}"
          "},{\"key\":"
          "\"n\",\"value\":7}]}]",
          look_at_v1_sides);
}

static void look_at_protobuf(const struct tw__spans *batch)
{
    const struct tw__span *span = &batch->items[0];
    assert_int_equal(batch->count, 1);
    assert_id(span->trace_id + 8, 0x0102030405060708);
    assert_id(span->span_id, 0x1112131415161718);
    assert_id(span->parent_id, 0x2122232425262728);
    assert_int_equal(span->kind, TW_KIND_SERVER);
    assert_text(span->name, "get");
    assert_int_equal(span->start_ns, 1000);
    assert_int_equal(span->end_ns, 3000);
    assert_service(batch, 0, "a");
    assert_tag(span, "k", "v");
    assert_tag(span, "network.peer.address", "10.0.0.1");
    assert_int_equal(span->event_count, 1);
}

/* Put together by hand from zipkin.proto. */
static void protobuf_is_read(void **state)
{
    (void)state;
    static uint8_t bytes[256];
    size_t len = made_hex(
        "0a 55 0a08 0102030405060708 1208 2122232425262728 1a08 1112131415161718 2002 2a03 676574 31 0100000000000000 "
        "3802 4203 0a0161 4a06 1204 0a000001 520c 09 0200000000000000 1201 78 5a06 0a016b 120176 6000",
        bytes, sizeof bytes);
    look = look_at_protobuf;
    dec = (struct tw__zipkin_dec){.spans = &spans, .take = take};
    assert_int_equal(tw__zipkin_pb_dec(&dec, bytes, len), 0);
    assert_int_equal(batches, 1);
    for (size_t cut = 1; cut < len; cut++) {
        batches = 0;
        look = NULL;
        assert_int_equal(tw__zipkin_pb_dec(&dec, bytes, cut), TW_ERR_SYNTAX);
        assert_non_null(dec.why);
        assert_int_equal(batches, 0);
    }
}

static void spans_without_ids_are_rejected_and_the_others_kept(void **state)
{
    (void)state;
    taken("[{},{\"traceId\":\"1\"},{\"id\":\"1\"},{\"traceId\":\"0\",\"id\":\"1\"},{\"traceId\":\"xyz\",\"id\":\"1\"},"
          "7,null,"
          "{\"traceId\":\"00000000000000000000000000000000a\",\"id\":\"1\"}," SPAN("b", "", "SERVER", "back", "") "]",
          keep_half);
    assert_int_equal(dec.rejected, 8);
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "{}", "7", "[", "[{]", "[] 1", "[{\"traceId\":\"1\",\"id\":\"1\"}", "[{\"traceId\":\"1\",\"id\":\"1\"},"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(json(bad[i], NULL), TW_ERR_SYNTAX);
        assert_non_null(dec.why);
    }
    assert_int_equal(batches, 0);
    assert_int_equal(json("[]", NULL), 0);
    assert_int_equal(batches, 0);
}

static void what_the_taker_says_is_the_result(void **state)
{
    (void)state;
    answer = TW_ERR_SPACE;
    assert_int_equal(json("[" SPAN("b", "a", "SERVER", "back", "") "]", NULL), TW_ERR_SPACE);
    assert_null(dec.why);
}

static size_t handed_on;

static void count_spans(const struct tw__spans *batch)
{
    handed_on += batch->count;
}

static void a_long_list_is_handed_on_in_pieces(void **state)
{
    (void)state;
    enum { COUNT = TW__ZIPKIN_BATCH_SPANS + 10 };
    static const char one[] = "{\"traceId\":\"1\",\"id\":\"1\"},";
    char *body = malloc(COUNT * sizeof one);
    assert_non_null(body);
    size_t len = 0;
    body[len++] = '[';
    for (size_t i = 0; i < COUNT; i++) {
        memcpy(body + len, one, sizeof one - 1);
        len += sizeof one - 1;
    }
    body[len - 1] = ']';
    body[len] = '\0';
    handed_on = 0;
    assert_int_equal(json(body, count_spans), 0);
    assert_int_equal(batches, 2);
    assert_int_equal(handed_on, COUNT);
    free(body);
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
        cmocka_unit_test_setup(the_apis_example_is_read, reset),
        cmocka_unit_test_setup(errors_are_the_status_and_a_span_without_duration_is_open, reset),
        cmocka_unit_test_setup(a_shared_span_is_split_and_the_servers_children_go_with_it, reset),
        cmocka_unit_test_setup(the_servers_half_has_the_same_id_each_time, reset),
        cmocka_unit_test_setup(both_sides_in_one_span_of_version_1_are_two, reset),
        cmocka_unit_test_setup(one_side_of_version_1_is_one_span, reset),
        cmocka_unit_test_setup(protobuf_is_read, reset),
        cmocka_unit_test_setup(spans_without_ids_are_rejected_and_the_others_kept, reset),
        cmocka_unit_test_setup(what_is_no_list_is_refused, reset),
        cmocka_unit_test_setup(what_the_taker_says_is_the_result, reset),
        cmocka_unit_test_setup(a_long_list_is_handed_on_in_pieces, reset),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
