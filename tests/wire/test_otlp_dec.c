/* OTLP requests read. The first request was written by protoc --encode; the JSON is the example of OpenTelemetry's own
 * repository with more of what its specification allows; what our encoder writes comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "span_made.h"

#include "base/hex.h"
#include "wire/otlp.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_reply.h"

static const char everything_hex[] =
    "0aaa030a210a160a0c736572766963652e6e616d6512060a0473686f700a070a016e1202180112f3020a130a036c69621203312e321a07"
    "0a01731202180112b6020a105b8efff798038103d269b633813fc60c1208eee19b7ec3c1b1741a03613d622208eee19b7ec3c1b1732a11"
    "49276d206120736572766572207370616e300239ffffffffffffffff410112f41efbeb6f154a3f0a046c69737412372a350a050a036122"
    "620a0b18808080808080808080010a0921000000000000f07f0a053a0300ff800a0b32090a070a016b120210010a004a0f0a0169120a18"
    "ffffffffffffffff7f4a0e0a01641209219a9999999999b93f4a070a0162120210014a090a017812043a0200014a060a046e6f6e654a04"
    "1202180150025a180907000000000000001201651a080a016b12030a0176200560036a2f0a103031323334353637383961626364656612"
    "0830313233343536371a03633d6422070a016c12021803350100000070047a071203626164180285010103000012150a0573686f727412"
    "0830313233343536372a026e6f1a0c73636f70652d736368656d611a0f7265736f757263652d736368656d61";

static const char everything_json[] =
    "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{"
    "\"attributes\":[{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"a\\\"b\"},"
    "{\"intValue\":\"-9223372036854775808\"},{\"doubleValue\":\"Infinity\"},{\"bytesValue\":\"AP+A\"},"
    "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"boolValue\":true}}]}},{}]}}},"
    "{\"key\":\"i\",\"value\":{\"intValue\":9223372036854775807}},{\"value\":{\"doubleValue\":0.1},\"key\":\"d\"},"
    "{\"key\":\"b\",\"value\":{\"boolValue\":true}},{\"key\":\"x\",\"value\":{\"bytesValue\":\"AAE=\"}},"
    "{\"key\":\"none\"},{\"value\":{\"intValue\":1}}],\"unknown\":{\"a\":[1,{\"b\":null}]},"
    "\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"EEE19B7EC3C1B174\","
    "\"parentSpanId\":\"eee19b7ec3c1b173\",\"traceState\":\"a=b\",\"name\":\"I\\u0027m a server span\",\"kind\":2,"
    "\"startTimeUnixNano\":\"18446744073709551615\",\"endTimeUnixNano\":1544712661000000001,"
    "\"droppedAttributesCount\":2,\"droppedEventsCount\":3,\"droppedLinksCount\":4,"
    "\"events\":[{\"timeUnixNano\":\"7\",\"name\":\"e\",\"attributes\":[{\"key\":\"k\",\"value\":{\"stringValue\":"
    "\"v\"}}],"
    "\"droppedAttributesCount\":5}],\"links\":[{\"traceId\":\"30313233343536373839616263646566\","
    "\"spanId\":\"3031323334353637\",\"traceState\":\"c=d\",\"attributes\":[{\"key\":\"l\",\"value\":{\"intValue\":3}}]"
    ","
    "\"flags\":1}],\"status\":{\"message\":\"bad\",\"code\":2},\"flags\":769},"
    "{\"traceId\":\"short\",\"spanId\":\"3031323334353637\",\"name\":\"no\"}],"
    "\"scope\":{\"name\":\"lib\",\"version\":\"1.2\",\"attributes\":[{\"key\":\"s\",\"value\":{\"intValue\":1}}]},"
    "\"schemaUrl\":\"scope-schema\"}],\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
    "{\"stringValue\":\"shop\"}},{\"key\":\"n\",\"value\":{\"intValue\":\"1\"}}]},\"schemaUrl\":\"resource-schema\"}]}";

static void same_text(struct tw_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.ptr, expected, text.len);
}

static void look_at_tags(const struct tw__span *span)
{
    const struct tw_tag_value *tags = span->tags;
    assert_int_equal(span->tag_count, 6);
    assert_int_equal(tags[0].type, TW_TYPE_JSON);
    same_text(tags[0].text, "[\"a\\\"b\",-9223372036854775808,\"Infinity\",\"AP+A\",{\"k\":true},null]");
    assert_int_equal(tags[1].type, TW_TYPE_INT);
    assert_true(tags[1].value.i == INT64_MAX);
    assert_int_equal(tags[2].type, TW_TYPE_DOUBLE);
    assert_true(tags[2].value.d == 0.1);
    assert_int_equal(tags[3].type, TW_TYPE_BOOL);
    assert_int_equal(tags[3].value.u, 1);
    assert_int_equal(tags[4].type, TW_TYPE_BYTES);
    assert_int_equal(tags[4].text.len, 2);
    assert_memory_equal(tags[4].text.ptr, "\0\1", 2);
    same_text(tags[5].key, "none");
    assert_int_equal(tags[5].type, TW_TYPE_NONE);
    assert_int_equal(span->dropped_tags, 3); /* two of the sender, and the one without a key */
}

static int look_at_everything(void *data, struct tw__spans *spans)
{
    const struct tw__span *span = spans->items;
    uint8_t id[16];
    ++*(int *)data;
    assert_int_equal(spans->count, 1);
    made_hex("5b8efff798038103d269b633813fc60c", id, sizeof id);
    assert_memory_equal(span->trace_id, id, 16);
    made_hex("eee19b7ec3c1b174eee19b7ec3c1b173", id, sizeof id);
    assert_memory_equal(span->span_id, id, 8);
    assert_memory_equal(span->parent_id, id + 8, 8);
    same_text(span->trace_state, "a=b");
    same_text(span->name, "I'm a server span");
    same_text(span->status_message, "bad");
    assert_int_equal(span->kind, TW_KIND_SERVER);
    assert_int_equal(span->status, TW_STATUS_ERROR);
    assert_int_equal(span->door, TW__DOOR_OTLP_HTTP);
    assert_int_equal(span->flags, 769);
    assert_true(span->start_ns == UINT64_MAX);
    assert_true(span->end_ns == 1544712661000000001);
    look_at_tags(span);
    assert_int_equal(span->event_count, 1);
    assert_int_equal(span->dropped_events, 3);
    assert_int_equal(span->events[0].time_ns, 7);
    assert_int_equal(span->events[0].dropped_tags, 5);
    same_text(span->events[0].name, "e");
    same_text(span->events[0].tags[0].text, "v");
    assert_int_equal(span->link_count, 1);
    assert_int_equal(span->dropped_links, 4);
    assert_memory_equal(span->links[0].trace_id, "0123456789abcdef", 16);
    assert_memory_equal(span->links[0].span_id, "01234567", 8);
    assert_int_equal(span->links[0].flags, 1);
    same_text(span->links[0].trace_state, "c=d");
    assert_int_equal(span->links[0].tags[0].value.i, 3);
    same_text(spans->resources[span->resource].service, "shop");
    same_text(spans->resources[span->resource].schema_url, "resource-schema");
    assert_int_equal(spans->resources[span->resource].tag_count, 2);
    same_text(spans->scopes[span->scope].name, "lib");
    same_text(spans->scopes[span->scope].version, "1.2");
    same_text(spans->scopes[span->scope].schema_url, "scope-schema");
    assert_int_equal(spans->scopes[span->scope].tag_count, 1);
    return 0;
}

static struct tw__spans spans;

static struct tw__otlp_dec decoder(int (*take)(void *data, struct tw__spans *batch), void *data)
{
    return (struct tw__otlp_dec){.spans = &spans, .door = TW__DOOR_OTLP_HTTP, .take = take, .data = data};
}

static void end(struct tw__otlp_dec *dec)
{
    tw__pool_fini(&dec->kept);
    tw__spans_fini(&spans);
}

static void what_protoc_wrote_is_read_with_everything_in_it(void **state)
{
    uint8_t bytes[sizeof everything_hex / 2];
    size_t len = made_hex(everything_hex, bytes, sizeof bytes);
    int batches = 0;
    struct tw__otlp_dec dec = decoder(look_at_everything, &batches);
    (void)state;
    assert_int_equal(tw__otlp_dec(&dec, bytes, len), 0);
    assert_int_equal(batches, 1);
    assert_int_equal(dec.rejected, 1);
    end(&dec);
}

static void json_is_read_whatever_the_order_of_its_members(void **state)
{
    int batches = 0;
    struct tw__otlp_dec dec = decoder(look_at_everything, &batches);
    (void)state;
    assert_int_equal(tw__otlp_json_dec(&dec, everything_json, sizeof everything_json - 1), 0);
    assert_int_equal(batches, 1);
    assert_int_equal(dec.rejected, 1);
    end(&dec);
}

static int count_spans(void *data, struct tw__spans *batch)
{
    *(size_t *)data += batch->count;
    return 0;
}

static int look_for_open(void *data, struct tw__spans *batch)
{
    unsigned *seen = data;
    assert_int_equal(batch->count, 2);
    assert_true(batch->items[0].open);
    assert_false(batch->items[1].open);
    assert_int_equal(tw__span_duration_ns(&batch->items[1]), 0);
    ++*seen;
    return 0;
}

static void an_end_of_zero_is_none_and_a_duration_of_zero_is_one(void **state)
{
    static const char json[] =
        "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
        "{\"traceId\":\"01010101010101010101010101010101\",\"spanId\":\"0202020202020202\",\"startTimeUnixNano\":\"5\","
        "\"endTimeUnixNano\":\"0\"},"
        "{\"traceId\":\"01010101010101010101010101010101\",\"spanId\":\"0202020202020203\",\"startTimeUnixNano\":\"5\","
        "\"endTimeUnixNano\":\"5\"}]}]}]}";
    static const char hex[] = "0a59125712250a100101010101010101010101010101010112080202020202020202390500000000"
                              "000000122e0a10010101010101010101010101010101011208020202020202020339050000000000"
                              "0000410500000000000000";
    uint8_t bytes[sizeof hex / 2];
    unsigned seen = 0;
    struct tw__otlp_dec dec = decoder(look_for_open, &seen);
    (void)state;
    assert_int_equal(tw__otlp_json_dec(&dec, json, sizeof json - 1), 0);
    assert_int_equal(tw__otlp_dec(&dec, bytes, made_hex(hex, bytes, sizeof bytes)), 0);
    assert_int_equal(seen, 2);
    end(&dec);
}

static void a_request_cut_off_anywhere_is_bad_and_hands_on_nothing(void **state)
{
    uint8_t bytes[sizeof everything_hex / 2];
    size_t len = made_hex(everything_hex, bytes, sizeof bytes), count = 0;
    struct tw__otlp_dec dec = decoder(count_spans, &count);
    (void)state;
    for (size_t cut = 1; cut < len; cut++) {
        uint8_t *exact = malloc(cut);
        assert_non_null(exact);
        memcpy(exact, bytes, cut);
        assert_int_equal(tw__otlp_dec(&dec, exact, cut), TW_ERR_SYNTAX);
        free(exact);
    }
    for (size_t cut = 0; cut + 1 < sizeof everything_json; cut++)
        assert_int_equal(tw__otlp_json_dec(&dec, everything_json, cut), TW_ERR_SYNTAX);
    assert_int_equal(count, 0);
    assert_int_equal(tw__otlp_dec(&dec, bytes, 0), 0); /* an empty request is one */
    assert_int_equal(tw__otlp_json_dec(&dec, "{}", 2), 0);
    end(&dec);
}

static int look_at_order(void *data, struct tw__spans *batch)
{
    (void)data;
    same_text(batch->resources[batch->items[0].resource].service, "s");
    same_text(batch->scopes[batch->items[0].scope].name, "c");
    return 0;
}

static void protobuf_fields_come_in_any_order(void **state)
{
    /* resource_spans { scope_spans { spans { ids } scope { name } } resource { service.name } } */
    static const char hex[] = "0a3c 1223 121c 0a10 00000000000000000000000000000001 1208 0000000000000002 0a03 0a0163"
                              "0a15 0a13 0a0c 736572766963652e6e616d65 1203 0a0173";
    uint8_t bytes[128];
    size_t len = made_hex(hex, bytes, sizeof bytes);
    (void)state;
    struct tw__otlp_dec dec = decoder(look_at_order, NULL);
    assert_int_equal(tw__otlp_dec(&dec, bytes, len), 0);
    end(&dec);
}

static int look_at_story(void *data, struct tw__spans *batch)
{
    struct tw__span_in in = made_story();
    const struct tw__span *span = batch->items;
    ++*(int *)data;
    assert_memory_equal(span->trace_id, in.record->trace_id, 16);
    assert_true(span->start_ns == in.record->time_ns && span->end_ns == in.record->end_ns);
    assert_int_equal(span->event_count, in.event_count);
    assert_int_equal(span->link_count, in.record->parent_count);
    assert_int_equal(span->kind, in.record->span_kind);
    assert_int_equal(tw__tag_find(span->tags, span->tag_count, "items")->value.i, -3);
    assert_int_equal(tw__tag_find(span->tags, span->tag_count, "digest")->text.len, 3);
    return 0;
}

static void what_our_encoder_writes_comes_back(void **state)
{
    static uint8_t room[1 << 16];
    int batches = 0;
    struct tw_tag_value service = made_str("service.name", "shop");
    struct tw__otlp_resource resource = {.attributes = &service, .attribute_count = 1};
    struct tw__otlp_enc enc;
    struct tw__span_in in = made_story();
    (void)state;
    tw__otlp_begin(&enc, room, sizeof room, &resource);
    assert_int_equal(tw__otlp_span(&enc, &in), 0);
    struct tw_text request = tw__otlp_end(&enc);
    struct tw__otlp_dec dec = decoder(look_at_story, &batches);
    assert_int_equal(tw__otlp_dec(&dec, request.ptr, request.len), 0);
    assert_int_equal(batches, 1);
    end(&dec);
}

struct seen {
    size_t batches, spans;
};

static int count_batches(void *data, struct tw__spans *batch)
{
    struct seen *seen = data;
    seen->batches++;
    seen->spans += batch->count;
    assert_true(batch->count <= TW__OTLP_BATCH_SPANS);
    for (size_t i = 0; i < batch->count; i += 1000) same_text(batch->resources[batch->items[i].resource].service, "s");
    return 0;
}

static void a_large_request_is_handed_on_in_batches_that_know_their_resource(void **state)
{
    static const char span[] = "{\"traceId\":\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"0000000000000001\"},";
    static const char head[] = "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
                               "{\"stringValue\":\"s\"}}]},\"scopeSpans\":[{\"spans\":[";
    enum { SPANS = 150000 };
    size_t cap = sizeof head + SPANS * sizeof span + 64, len = 0;
    char *text = malloc(cap);
    struct seen seen = {0};
    struct tw__otlp_dec dec = decoder(count_batches, &seen);
    (void)state;
    assert_non_null(text);
    len += (size_t)sprintf(text, "%s", head);
    for (size_t i = 0; i < SPANS; i++, len += sizeof span - 1) memcpy(text + len, span, sizeof span);
    len += (size_t)sprintf(text + len - 1, "]}]}]}") - 1;
    assert_int_equal(tw__otlp_json_dec(&dec, text, len), 0);
    assert_int_equal(seen.spans, SPANS);
    assert_true(seen.batches >= 3);
    free(text);
    end(&dec);
}

static int look_at_quirks(void *data, struct tw__spans *batch)
{
    const struct tw__span *span = batch->items;
    (void)data;
    assert_int_equal(span->kind, TW_KIND_CLIENT);
    assert_int_equal(span->status, TW_STATUS_OK);
    assert_true(span->start_ns == 1700000000000000000);
    assert_true(tw__all_zero(span->parent_id, 8));
    assert_int_equal(span->tags[0].type, TW_TYPE_DOUBLE); /* beyond what an int can be */
    assert_true(span->tags[0].value.d == 1e21);
    assert_int_equal(span->tags[1].type, TW_TYPE_INT);
    assert_int_equal(span->tags[1].value.i, 2);
    assert_true(isnan(span->tags[2].value.d));
    same_text(span->tags[3].text, "\xef\xbf\xbd");
    return 0;
}

static void what_real_senders_write_in_json_is_understood(void **state)
{
    static const char text[] =
        "{\"resourceSpans\":[{\"resource\":null,\"scopeSpans\":[{\"spans\":[{\"traceId\":"
        "\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"0000000000000001\",\"parentSpanId\":\"\",\"kind\":"
        "\"SPAN_KIND_CLIENT\",\"startTimeUnixNano\":1.7e18,\"status\":{\"code\":\"STATUS_CODE_OK\"},\"events\":null,"
        "\"attributes\":[{\"key\":\"a\",\"value\":{\"intValue\":1e+21}},{\"key\":\"b\",\"value\":{\"stringValue\":null,"
        "\"intValue\":2}},{\"key\":\"c\",\"value\":{\"doubleValue\":\"NaN\"}},{\"key\":\"d\",\"value\":{"
        "\"stringValue\":"
        "\"\\ud800\"}}]}]}]}]}";
    struct tw__otlp_dec dec = decoder(look_at_quirks, NULL);
    (void)state;
    assert_int_equal(tw__otlp_json_dec(&dec, text, sizeof text - 1), 0);
    end(&dec);
}

static int look_at_limits(void *data, struct tw__spans *batch)
{
    ++*(int *)data;
    assert_int_equal(batch->items[0].tag_count, 1);
    assert_int_equal(batch->items[0].dropped_tags, 1);
    same_text(batch->items[0].tags[0].key, "after");
    return 0;
}

static void a_list_that_is_too_deep_is_left_out_and_counted(void **state)
{
    static char text[8192];
    int batches = 0;
    size_t len = (size_t)sprintf(text, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":"
                                       "\"5b8efff798038103d269b633813fc60c\",\"spanId\":\"0000000000000001\","
                                       "\"attributes\":[{\"key\":\"deep\",\"value\":");
    struct tw__otlp_dec dec = decoder(look_at_limits, &batches);
    (void)state;
    for (int i = 0; i < 34; i++) len += (size_t)sprintf(text + len, "{\"arrayValue\":{\"values\":[");
    len += (size_t)sprintf(text + len, "{}");
    for (int i = 0; i < 34; i++) len += (size_t)sprintf(text + len, "]}}");
    len += (size_t)sprintf(text + len, "},{\"key\":\"after\",\"value\":{\"intValue\":1}}]}]}]}]}");
    assert_int_equal(tw__otlp_json_dec(&dec, text, len), 0);
    assert_int_equal(batches, 1);
    end(&dec);
}

static int no_room(void *data, struct tw__spans *batch)
{
    (void)data;
    (void)batch;
    return TW_ERR_SPACE;
}

static void what_the_store_says_is_the_result(void **state)
{
    struct tw__otlp_dec dec = decoder(no_room, NULL);
    (void)state;
    assert_int_equal(tw__otlp_json_dec(&dec, everything_json, sizeof everything_json - 1), TW_ERR_SPACE);
    end(&dec);
}

static void answers_are_read_back_by_the_sending_half(void **state)
{
    struct tw__buf out = {0};
    struct tw__otlp_answer answer;
    (void)state;
    tw__otlp_reply_export(&out, false, 0, NULL);
    assert_int_equal(out.len, 0);
    tw__otlp_reply_export(&out, false, 300, "no ids");
    assert_int_equal(tw__otlp_answer_dec(out.ptr, out.len, &answer), 0);
    assert_int_equal(answer.rejected_spans, 300);
    same_text(answer.message, "no ids");
    tw__buf_reset(&out);
    tw__otlp_reply_status(&out, false, TW__RPC_UNAVAILABLE, "later");
    assert_int_equal(tw__otlp_status_dec(out.ptr, out.len, &answer), 0);
    assert_int_equal(answer.code, 14);
    same_text(answer.message, "later");
    tw__buf_reset(&out);
    tw__otlp_reply_export(&out, true, 3, "no \"ids\"");
    same_text((struct tw_text){out.ptr, out.len},
              "{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"no \\\"ids\\\"\"}}");
    tw__buf_fini(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_protoc_wrote_is_read_with_everything_in_it),
        cmocka_unit_test(an_end_of_zero_is_none_and_a_duration_of_zero_is_one),
        cmocka_unit_test(json_is_read_whatever_the_order_of_its_members),
        cmocka_unit_test(a_request_cut_off_anywhere_is_bad_and_hands_on_nothing),
        cmocka_unit_test(protobuf_fields_come_in_any_order),
        cmocka_unit_test(what_our_encoder_writes_comes_back),
        cmocka_unit_test(a_large_request_is_handed_on_in_batches_that_know_their_resource),
        cmocka_unit_test(what_real_senders_write_in_json_is_understood),
        cmocka_unit_test(a_list_that_is_too_deep_is_left_out_and_counted),
        cmocka_unit_test(what_the_store_says_is_the_result),
        cmocka_unit_test(answers_are_read_back_by_the_sending_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
