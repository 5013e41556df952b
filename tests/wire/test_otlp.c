/* OTLP: requests byte for byte where that is short, rooms of every size, and answers. test_otlp_protoc.py has others
 * read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "span_made.h"
#include "wire/otlp.h"

enum { ROOM = 1 << 20 };
static uint8_t room[ROOM];

static const struct tw__otlp_resource nobody = {0};

static void an_empty_request_is_empty_messages(void **state)
{
    (void)state;
    struct tw__otlp_enc enc;
    tw__otlp_begin(&enc, room, ROOM, &nobody);
    struct tw_text request = tw__otlp_end(&enc);
    assert_int_equal(request.len, 8);
    assert_memory_equal(request.ptr, "\x0a\x06\x0a\x00\x12\x02\x0a\x00", 8);
}

static void a_small_span_byte_for_byte(void **state)
{
    (void)state;
    static const char hex[] = "0a50 0a00 124c 0a00 1248"
                              "0a10 00000000000000010000000000000002 1208 0000000000000003 2a01 61 3001"
                              "39 0100000000000000 41 0200000000000000"
                              "4a09 0a016b 1204 0a02 7631" /* k=v1 */
                              "7a02 1801"
                              "8501 01000000";
    uint8_t expected[128];
    struct tw_record record = made_span(1, 2, 3, "a", 1, 2);
    struct tw_tag_value tag = made_str("k", "v1");
    made_tags(&record, &tag, 1);
    record.status = TW_STATUS_OK;
    const struct tw__span_in in = {.record = &record};
    struct tw__otlp_enc enc;
    tw__otlp_begin(&enc, room, ROOM, &nobody);
    assert_int_equal(tw__otlp_span(&enc, &in), 0);
    struct tw_text request = tw__otlp_end(&enc);
    size_t len = made_hex(hex, expected, sizeof expected);
    assert_int_equal(request.len, len);
    assert_memory_equal(request.ptr, expected, len);
}

static struct tw_text story_request(size_t spans)
{
    struct tw_tag_value attributes[] = {made_str("service.name", "shop"), made_int("process.pid", 17)};
    struct tw__otlp_resource resource = {.attributes = attributes, .attribute_count = 2, .places = true};
    resource.scope_name = made_text("trackway");
    resource.scope_version = made_text("0.1.0");
    struct tw__otlp_enc enc;
    tw__otlp_begin(&enc, room, ROOM, &resource);
    struct tw__span_in in = made_story();
    for (size_t i = 0; i < spans; i++) assert_int_equal(tw__otlp_span(&enc, &in), 0);
    assert_int_equal(enc.span_count, spans);
    return tw__otlp_end(&enc);
}

static void requests_of_every_length_of_lengths_go_to_the_oracles(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 30, 1000};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        char name[32];
        struct tw_text request = story_request(counts[i]);
        assert_true(request.len > 0);
        (void)sprintf(name, "request%zu", counts[i]);
        made_dump(name, request.ptr, request.len);
    }
}

static void a_span_of_every_length_of_lengths_goes_to_the_oracles(void **state)
{
    (void)state;
    static char value[20000];
    struct tw__otlp_enc enc;
    struct tw_record record = made_span(1, 2, 3, "", 1, 2);
    struct tw_tag_value tag = {.key = made_text("k"), .type = TW_TYPE_STR};
    const struct tw__span_in in = {.record = &record};
    memset(value, 'v', sizeof value);
    made_tags(&record, &tag, 1);
    tw__otlp_begin(&enc, room, ROOM, &nobody);
    for (size_t len = 0; len < 300; len++) {
        tag.text = (struct tw_text){value, len};
        assert_int_equal(tw__otlp_span(&enc, &in), 0);
    }
    for (size_t len = 16200; len < 16250; len++) {
        tag.text = (struct tw_text){value, len};
        if (tw__otlp_span(&enc, &in) < 0) break;
    }
    struct tw_text request = tw__otlp_end(&enc);
    made_dump("lengths", request.ptr, request.len);
}

static void what_is_over_the_limits_is_counted(void **state)
{
    (void)state;
    static struct tw_tag_value tags[5];
    static const char *const keys[] = {"a", "b", "c", "a", "d"};
    struct tw_context links[4];
    const struct tw_record *events[4];
    struct tw_record record = made_span(1, 2, 3, "full", 1, 2), event = made_event(&record, TW_RECORD_EVENT, "e", 1);
    struct tw__otlp_resource resource = {.limit = 2};
    for (unsigned i = 0; i < 5; i++) tags[i] = made_int(keys[i], i);
    for (unsigned i = 0; i < 4; i++) {
        links[i] = made_context(1, 2, i);
        events[i] = &event;
    }
    made_tags(&record, tags, 5);
    made_tags(&event, tags, 3);
    record.parents = links;
    record.parent_count = 4;
    const struct tw__span_in in = {&record, events, 4};
    struct tw__otlp_enc enc;
    tw__otlp_begin(&enc, room, ROOM, &resource);
    assert_int_equal(tw__otlp_span(&enc, &in), 0);
    struct tw_text request = tw__otlp_end(&enc);
    made_dump("limits", request.ptr, request.len);
}

static void a_room_of_any_size_holds_whole_spans_or_nothing(void **state)
{
    (void)state;
    static uint8_t small[4096];
    struct tw_tag_value attribute = made_str("service.name", "shop");
    struct tw__otlp_resource resource = {.attributes = &attribute, .attribute_count = 1};
    struct tw__span_in in = made_story();
    for (size_t cap = 0; cap < sizeof small - 1; cap++) {
        struct tw__otlp_enc enc;
        size_t spans = 0;
        memset(small, 0xee, sizeof small);
        tw__otlp_begin(&enc, small, cap, &resource);
        while (tw__otlp_span(&enc, &in) == 0) spans++;
        assert_int_equal(tw__otlp_span(&enc, &in), TW_ERR_SPACE);
        assert_int_equal(enc.span_count, spans);
        struct tw_text request = tw__otlp_end(&enc);
        assert_int_equal(small[cap], 0xee);
        assert_true(request.len <= cap);
        if (cap < 20) assert_int_equal(request.len, 0);
        if (request.len == 0) continue;
        /* The fields of the request cover it exactly. */
        struct tw__pb_in reader = {(const uint8_t *)request.ptr, (const uint8_t *)request.ptr + request.len, false};
        struct tw__pb_field field;
        size_t found = 0;
        while (tw__pb_next(&reader, &field)) {
            struct tw__pb_in resource_spans = {field.bytes, field.bytes + field.len, false};
            while (tw__pb_next(&resource_spans, &field)) {
                struct tw__pb_in scope_spans = {field.bytes, field.bytes + field.len, false};
                bool is_scope = field.number == 2;
                while (is_scope && tw__pb_next(&scope_spans, &field)) found += field.number == 2;
                assert_false(scope_spans.bad);
            }
            assert_false(resource_spans.bad);
        }
        assert_false(reader.bad);
        assert_int_equal(found, spans);
    }
}

static void only_finished_spans_are_taken(void **state)
{
    (void)state;
    struct tw_record record = made_span(1, 2, 3, "", 1, 0);
    const struct tw__span_in in = {.record = &record};
    struct tw__otlp_enc enc;
    record.kind = TW_RECORD_OPEN;
    tw__otlp_begin(&enc, room, ROOM, &nobody);
    assert_int_equal(tw__otlp_span(&enc, &in), TW_ERR_STATE);
    assert_int_equal(enc.span_count, 0);
}

static void events_find_their_spans(void **state)
{
    (void)state;
    enum { SPANS = 50, EVENTS = 1000 };
    static struct tw_record spans[SPANS], events[EVENTS];
    static const struct tw_record *sorted[EVENTS];
    for (unsigned i = 0; i < SPANS; i++) spans[i] = made_span(i % 3, 1, i, "", 0, 0);
    for (unsigned i = 0; i < EVENTS; i++) {
        events[i] = made_event(&spans[i * 7919 % (SPANS - 1)], TW_RECORD_EVENT, "e", i * 31 % 500);
        events[i].order = i;
        sorted[i] = &events[i];
    }
    tw__events_sort(sorted, EVENTS);
    size_t total = 0;
    for (unsigned i = 0; i < SPANS; i++) {
        size_t count;
        const struct tw_record *const *of = tw__events_of(sorted, EVENTS, &spans[i], &count);
        assert_true((of != NULL) == (count > 0));
        for (size_t k = 0; k < count; k++) {
            assert_memory_equal(of[k]->span_id, spans[i].span_id, 8);
            assert_memory_equal(of[k]->trace_id, spans[i].trace_id, 16);
            if (k == 0) continue;
            assert_true(of[k - 1]->time_ns < of[k]->time_ns ||
                        (of[k - 1]->time_ns == of[k]->time_ns && of[k - 1]->order < of[k]->order));
        }
        total += count;
    }
    assert_int_equal(total, EVENTS);
    tw__events_sort(NULL, 0);
}

static void answers_are_read(void **state)
{
    (void)state;
    struct tw__otlp_answer answer = {.rejected_spans = 9};
    assert_int_equal(tw__otlp_answer_dec("", 0, &answer), 0);
    assert_int_equal(answer.rejected_spans, 0);
    /* Partial success: 300 rejected, a message, and a field from the future in front of each. */
    static const char partial[] = "\x18\x01\x0a\x10\x25\x01\x02\x03\x04\x08\xac\x02\x12\x06no way";
    assert_int_equal(tw__otlp_answer_dec(partial, sizeof partial - 1, &answer), 0);
    assert_int_equal(answer.rejected_spans, 300);
    assert_int_equal(answer.message.len, 6);
    assert_memory_equal(answer.message.ptr, "no way", 6);
    static const char status[] = "\x08\x03\x12\x03" "bad";
    assert_int_equal(tw__otlp_status_dec(status, sizeof status - 1, &answer), 0);
    assert_int_equal(answer.code, 3);
    assert_memory_equal(answer.message.ptr, "bad", 3);
    static const char negative[] = "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_int_equal(tw__otlp_status_dec(negative, sizeof negative - 1, &answer), 0);
    assert_int_equal(answer.code, -1);
}

static void answers_that_make_no_sense_change_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x0a", 1},         {"\x0a\x05\x08\x01", 4},     {"\x0a\x02\x08\x80", 4},         {"\x08", 1},
        {"\x00\x01", 2},     {"\x0b\x01", 2},             {"\x09\x01\x02", 3},             {"\x0d\x01\x02", 3},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11}, {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tw__otlp_answer answer = {.rejected_spans = 7};
        assert_int_equal(tw__otlp_answer_dec(bad[i].bytes, bad[i].len, &answer), TW_ERR_SYNTAX);
        assert_int_equal(answer.rejected_spans, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_request_is_empty_messages),
        cmocka_unit_test(a_small_span_byte_for_byte),
        cmocka_unit_test(requests_of_every_length_of_lengths_go_to_the_oracles),
        cmocka_unit_test(a_span_of_every_length_of_lengths_goes_to_the_oracles),
        cmocka_unit_test(what_is_over_the_limits_is_counted),
        cmocka_unit_test(a_room_of_any_size_holds_whole_spans_or_nothing),
        cmocka_unit_test(only_finished_spans_are_taken),
        cmocka_unit_test(events_find_their_spans),
        cmocka_unit_test(answers_are_read),
        cmocka_unit_test(answers_that_make_no_sense_change_nothing),
    };
    return cmocka_run_group_tests_name("otlp", tests, NULL, NULL);
}
