/* FoundationDB's datagrams: the vectors of the reference byte for byte, the mapping, and spans that are too large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "span_made.h"
#include "wire/fdb.h"

static uint8_t datagram[TW__FDB_MAX + 1];

static size_t enc_with(enum tw__fdb_layout layout, const char *source, const struct tw__span_in *in,
                       struct tw__fdb_cuts *cuts)
{
    const struct tw__fdb_options options = {layout, made_text(source)};
    int len = tw__fdb_enc(&options, in, datagram, TW__FDB_MAX, cuts);
    assert_true(len > 0);
    return (size_t)len;
}

static void assert_datagram(enum tw__fdb_layout layout, const char *source, const struct tw_record *record,
                            const char *hex, const char *file)
{
    static uint8_t expected[TW__FDB_MAX];
    const struct tw__span_in in = {.record = record};
    struct tw__fdb_cuts cuts;
    size_t len = enc_with(layout, source, &in, &cuts), wanted = made_hex(hex, expected, sizeof expected);
    assert_int_equal(len, wanted);
    assert_memory_equal(datagram, expected, wanted);
    assert_int_equal(cuts.texts + cuts.tags + cuts.events + cuts.parents, 0);
    if (file) made_dump(file, datagram, len);
}

/* Common to the vectors: begin 1.5, end 1.75. */
static struct tw_record a_span(const char *name)
{
    return made_span(0xffffffffffffffff, 0x0102030405060708, 0x1112131415161718, name, 1500000000, 1750000000);
}

static void a1_a_root_has_seven_elements(void **state)
{
    (void)state;
    struct tw_record record = a_span("Transaction");
    assert_datagram(TW__FDB_7, "127.0.0.1:4500", &record,
                    "97 ae3132372e302e302e313a34353030 cf0102030405060708 cf1112131415161718 cb3ff8000000000000 "
                    "cb3fd0000000000000 ab5472616e73616374696f6e 80", "a1");
}

static void a2_a_child_has_eight_and_its_tags_are_bytes(void **state)
{
    (void)state;
    struct tw_record record = a_span("NAPI:getValue");
    struct tw_tag_value tag = {.key = made_text("key"), .type = TW_TYPE_STR, .text = {"\x15\xffk", 3}};
    made_tags(&record, &tag, 1);
    made_id(record.parent_id, 0x2122232425262728);
    assert_datagram(TW__FDB_7, "127.0.0.1:4500", &record,
                    "98 ae3132372e302e302e313a34353030 cf0102030405060708 cf1112131415161718 cb3ff8000000000000 "
                    "cb3fd0000000000000 ad4e4150493a67657456616c7565 81 a36b6579 a315ff6b 91 cf2122232425262728", "a2");
}

static void a3_sixteen_parents_in_the_order_given(void **state)
{
    (void)state;
    char hex[512], *at = hex;
    struct tw_context others[15];
    struct tw_record record = a_span("MP:commitBatch");
    record.end_ns = record.time_ns;
    made_id(record.parent_id, 1);
    for (unsigned i = 0; i < 15; i++) others[i] = made_context(i, 7, i + 2);
    record.parents = others;
    record.parent_count = 15;
    at += sprintf(at, "98 ae5b3a3a315d3a343530303a746c73 cf0102030405060708 cf1112131415161718 cb3ff8000000000000 "
                      "cb0000000000000000 ae4d503a636f6d6d69744261746368 80 dc0010");
    for (unsigned i = 1; i <= 16; i++) at += sprintf(at, " cf%016x", i);
    assert_datagram(TW__FDB_7, "[::1]:4500:tls", &record, hex, "a3");
}

static void a4_and_a5_a_long_text_as_7_0_and_as_7_1_write_it(void **state)
{
    (void)state;
    char value[301], hex[1000], head[] = "97 ae3132372e302e302e313a34353030 cf0102030405060708 cf1112131415161718 "
                                         "cb3ff8000000000000 cb3fd0000000000000 ab5472616e73616374696f6e 81 a36b6579";
    struct tw_record record = a_span("Transaction");
    memset(value, 'k', 300);
    value[300] = 0;
    struct tw_tag_value tag = made_str("key", value);
    made_tags(&record, &tag, 1);
    for (unsigned faulty = 0; faulty < 2; faulty++) {
        char *at = hex + sprintf(hex, "%s %s", head, faulty ? "da2c" : "da012c");
        for (unsigned i = 0; i < 300; i++) at += sprintf(at, "6b");
        assert_datagram(faulty ? TW__FDB_7_FAULTY : TW__FDB_7, "127.0.0.1:4500", &record, hex, faulty ? NULL : "a5");
    }
}

static void d1_and_c1_are_the_same_without_links_and_events(void **state)
{
    (void)state;
    struct tw_record record =
        made_span(0xa0a1a2a3a4a5a6a7, 0xb0b1b2b3b4b5b6b7, 0x1112131415161718, "Transaction", 1500000000, 1750000000);
    record.span_kind = TW_KIND_SERVER;
    record.status = TW_STATUS_OK;
    const char *hex = "9c cfa0a1a2a3a4a5a6a7 cfb0b1b2b3b4b5b6b7 cf1112131415161718 cf0000000000000000 "
                      "ab5472616e73616374696f6e cb3ff8000000000000 cb3ffc000000000000 cc02 cc01 90 90 "
                      "81 a761646472657373 ae3132372e302e302e313a34353030";
    assert_datagram(TW__FDB_12, "127.0.0.1:4500", &record, hex, "d1");
    assert_datagram(TW__FDB_12_FAULTY, "127.0.0.1:4500", &record, hex, NULL);
}

static void d2_counts_the_items_of_links_and_c2_the_links(void **state)
{
    (void)state;
    char hex[512];
    struct tw_context link = made_context(1, 2, 3);
    struct tw_record record =
        made_span(0xa0a1a2a3a4a5a6a7, 0xb0b1b2b3b4b5b6b7, 0x1112131415161718, "GP:x", 1500000000, 1750000000);
    record.span_kind = TW_KIND_SERVER;
    record.status = TW_STATUS_OK;
    record.parents = &link;
    record.parent_count = 1;
    for (unsigned faulty = 0; faulty < 2; faulty++) {
        (void)sprintf(hex, "9c cfa0a1a2a3a4a5a6a7 cfb0b1b2b3b4b5b6b7 cf1112131415161718 cf0000000000000000 a447503a78 "
                           "cb3ff8000000000000 cb3ffc000000000000 cc02 cc01 %s cf0000000000000001 cf0000000000000002 "
                           "cf0000000000000003 90 81 a761646472657373 a3683a31", faulty ? "91" : "93");
        assert_datagram(faulty ? TW__FDB_12_FAULTY : TW__FDB_12, "h:1", &record, hex, faulty ? NULL : "d2");
    }
}

static void d6_six_links_are_eighteen_items(void **state)
{
    (void)state;
    static const uint8_t header[] = {0xdc, 0x00, 0x12};
    struct tw_context links[6];
    struct tw_record record = made_span(1, 2, 3, "", 0, 0);
    for (unsigned i = 0; i < 6; i++) links[i] = made_context(1, 2, i);
    record.parents = links;
    record.parent_count = 6;
    const struct tw__span_in in = {.record = &record};
    (void)enc_with(TW__FDB_12, "", &in, NULL);
    assert_memory_equal(datagram + 1 + 4 * 9 + 1 + 2 * 9 + 2 * 2, header, sizeof header);
}

static void d4_events_are_flat_too(void **state)
{
    (void)state;
    char hex[512];
    struct tw_record record =
        made_span(0xa0a1a2a3a4a5a6a7, 0xb0b1b2b3b4b5b6b7, 0x1112131415161718, "GP:x", 1500000000, 1750000000);
    struct tw_tag_value tag = made_str("foo", "bar");
    made_id(record.parent_id, 0x99);
    record.span_kind = TW_KIND_CLIENT;
    record.status = TW_STATUS_ERROR;
    struct tw_record event = made_event(&record, TW_RECORD_EVENT, "e1", 1625000000);
    made_tags(&event, &tag, 1);
    const struct tw_record *events[] = {&event};
    const struct tw__span_in in = {&record, events, 1};
    for (unsigned faulty = 0; faulty < 2; faulty++) {
        uint8_t expected[256];
        (void)sprintf(hex,
                      "9c cfa0a1a2a3a4a5a6a7 cfb0b1b2b3b4b5b6b7 cf1112131415161718 cf0000000000000099 a447503a78 "
                      "cb3ff8000000000000 cb3ffc000000000000 cc01 cc02 90 %s a26531 cb3ffa000000000000 81 a3666f6f "
                      "a3626172 81 a761646472657373 a3683a31",
                      faulty ? "91" : "93");
        size_t len = enc_with(faulty ? TW__FDB_12_FAULTY : TW__FDB_12, "h:1", &in, NULL);
        assert_int_equal(len, made_hex(hex, expected, sizeof expected));
        assert_memory_equal(datagram, expected, len);
    }
}

static void c5_sixteen_attributes_have_a_header_unless_faults_are_asked_for(void **state)
{
    (void)state;
    struct tw_tag_value tags[16];
    char keys[16][4];
    struct tw_record record = made_span(1, 2, 3, "", 0, 0);
    for (unsigned i = 0; i < 16; i++) {
        (void)sprintf(keys[i], "k%u", i);
        tags[i] = made_str(keys[i], "v");
    }
    made_tags(&record, tags, 16);
    const struct tw__span_in in = {.record = &record};
    const size_t at = 1 + 4 * 9 + 1 + 2 * 9 + 2 * 2 + 2;
    (void)enc_with(TW__FDB_12, "", &in, NULL);
    assert_memory_equal(datagram + at, "\xde\x00\x10\xa2k0\xa1v\xa2k1\xa1v", 13);
    (void)enc_with(TW__FDB_12_FAULTY, "", &in, NULL);
    assert_memory_equal(datagram + at, "\xa2k0\xa1v\xa2k1\xa1v", 10);
}

static uint64_t ns_of_bits(uint64_t bits)
{
    double seconds;
    memcpy(&seconds, &bits, sizeof seconds);
    return (uint64_t)seconds * 1000000000 + (uint64_t)((seconds - (double)(uint64_t)seconds) * 1e9 + 0.5);
}

static void packets_that_were_captured_come_out_the_same(void **state)
{
    (void)state;
    struct tw_context link = made_context(0x497195d133883100, 0x8f91291765cabca2, 0x687c5e1a44bcbb17);
    struct tw_record record =
        made_span(0xdd249233c84cf3e1, 0x2fe7e373af63e3eb, 0x7328266de172ab7d, "GP:getLiveCommittedVersion",
                  ns_of_bits(0x41da1acaf88d708d), ns_of_bits(0x41da1acaf88d7e70));
    record.span_kind = TW_KIND_SERVER;
    record.status = TW_STATUS_OK;
    record.parents = &link;
    record.parent_count = 1;
    const struct tw__span_in in = {.record = &record};
    uint8_t expected[144];
    assert_int_equal(
        made_hex("9c cfdd249233c84cf3e1 cf2fe7e373af63e3eb cf7328266de172ab7d cf0000000000000000 "
                 "ba47503a6765744c697665436f6d6d697474656456657273696f6e cb41da1acaf88d708d cb41da1acaf88d7e70 "
                 "cc02 cc01 91 cf497195d133883100 cf8f91291765cabca2 cf687c5e1a44bcbb17 90 81 a761646472657373 "
                 "b332322e3137312e3130362e3133303a34353031",
                 expected, sizeof expected),
        144);
    assert_int_equal(enc_with(TW__FDB_12_FAULTY, "22.171.106.130:4501", &in, NULL), 144);
    assert_memory_equal(datagram, expected, 144);
}

static void the_story_goes_to_the_oracle(void **state)
{
    (void)state;
    struct tw__span_in in = made_story();
    made_dump("story7", datagram, enc_with(TW__FDB_7, "[::1]:4500", &in, NULL));
    made_dump("story12", datagram, enc_with(TW__FDB_12, "[::1]:4500", &in, NULL));
}

static bool contains(const uint8_t *bytes, size_t len, const char *what)
{
    size_t n = strlen(what);
    for (size_t i = 0; i + n <= len; i++)
        if (memcmp(bytes + i, what, n) == 0) return true;
    return false;
}

static void what_is_too_large_loses_its_longest_texts_first(void **state)
{
    (void)state;
    enum { LEN = 30000 };
    static char value[LEN + 1];
    struct tw_record record = made_span(1, 2, 3, "name", 0, 0);
    struct tw_tag_value tags[5];
    memset(value, 'v', LEN);
    tags[0] = made_str("short", "whole");
    for (unsigned i = 1; i < 5; i++) tags[i] = made_str("long", value);
    tags[1].key = made_text("l1");
    tags[2].key = made_text("l2");
    tags[3].key = made_text("l3");
    made_tags(&record, tags, 5);
    const struct tw__span_in in = {.record = &record};
    struct tw__fdb_cuts cuts;
    for (enum tw__fdb_layout layout = TW__FDB_7; layout <= TW__FDB_12; layout++) {
        size_t len = enc_with(layout, "h:1", &in, &cuts);
        assert_int_equal(cuts.texts, 4);
        assert_int_equal(cuts.tags, 0);
        assert_true(len > 4 * 4096 && len < TW__FDB_MAX);
        assert_true(contains(datagram, len, "\xa5whole"));
        made_dump(layout == TW__FDB_7 ? "large7" : "large12", datagram, len);
    }
}

static void a_span_fits_into_every_room_from_the_least_on(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    static struct tw_tag_value tags[MANY];
    static char keys[MANY][40], name[5000];
    static struct tw_context parents[MANY];
    struct tw__span_in in = made_story();
    struct tw_record record = *in.record;
    in.record = &record;
    memset(name, 'n', sizeof name);
    for (unsigned i = 0; i < MANY; i++) {
        (void)sprintf(keys[i], "k%u.with.a.name.that.is.rather.long", i);
        tags[i] = made_str(keys[i], "some value");
        parents[i] = made_context(1, 2, i + 1);
    }
    made_tags(&record, tags, MANY);
    record.parents = parents;
    record.parent_count = MANY;
    record.name = record.status_message = (struct tw_text){name, sizeof name};
    for (size_t cap = TW__FDB_LEAST; cap <= TW__FDB_MAX + 1; cap += cap < 600 ? 1 : 1997) {
        for (enum tw__fdb_layout layout = TW__FDB_7; layout <= TW__FDB_12_FAULTY; layout++) {
            const struct tw__fdb_options options = {layout, {name, 300}};
            struct tw__fdb_cuts cuts;
            memset(datagram, 0xee, sizeof datagram);
            int len = tw__fdb_enc(&options, &in, datagram, cap, &cuts);
            assert_true(len > 0 && (size_t)len <= cap && len <= TW__FDB_MAX);
            if (cap < TW__FDB_MAX) assert_int_equal(datagram[cap], 0xee);
            if (cap < 20000) assert_true(cuts.tags + cuts.parents > 0);
            if (cap == TW__FDB_LEAST && layout < TW__FDB_7_FAULTY)
                made_dump(layout == TW__FDB_7 ? "least7" : "least12", datagram, (size_t)len);
        }
    }
}

static void refuses_little_room_and_what_is_no_finished_span(void **state)
{
    (void)state;
    const struct tw__fdb_options options = {TW__FDB_7, {"", 0}};
    struct tw_record record = made_span(1, 2, 3, "", 0, 0);
    const struct tw__span_in in = {.record = &record};
    assert_int_equal(tw__fdb_enc(&options, &in, datagram, TW__FDB_LEAST - 1, NULL), TW_ERR_SPACE);
    record.kind = TW_RECORD_OPEN;
    assert_int_equal(tw__fdb_enc(&options, &in, datagram, TW__FDB_MAX, NULL), TW_ERR_STATE);
}

static void a_span_that_ends_before_it_begins_lasts_less_than_nothing(void **state)
{
    (void)state;
    struct tw_record record = a_span("Transaction");
    record.end_ns = record.time_ns - 250000000;
    assert_datagram(TW__FDB_7, "h:1", &record,
                    "97 a3683a31 cf0102030405060708 cf1112131415161718 cb3ff8000000000000 cbbfd0000000000000 "
                    "ab5472616e73616374696f6e 80", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a1_a_root_has_seven_elements),
        cmocka_unit_test(a2_a_child_has_eight_and_its_tags_are_bytes),
        cmocka_unit_test(a3_sixteen_parents_in_the_order_given),
        cmocka_unit_test(a4_and_a5_a_long_text_as_7_0_and_as_7_1_write_it),
        cmocka_unit_test(d1_and_c1_are_the_same_without_links_and_events),
        cmocka_unit_test(d2_counts_the_items_of_links_and_c2_the_links),
        cmocka_unit_test(d6_six_links_are_eighteen_items),
        cmocka_unit_test(d4_events_are_flat_too),
        cmocka_unit_test(c5_sixteen_attributes_have_a_header_unless_faults_are_asked_for),
        cmocka_unit_test(packets_that_were_captured_come_out_the_same),
        cmocka_unit_test(the_story_goes_to_the_oracle),
        cmocka_unit_test(what_is_too_large_loses_its_longest_texts_first),
        cmocka_unit_test(a_span_fits_into_every_room_from_the_least_on),
        cmocka_unit_test(refuses_little_room_and_what_is_no_finished_span),
        cmocka_unit_test(a_span_that_ends_before_it_begins_lasts_less_than_nothing),
    };
    return cmocka_run_group_tests_name("fdb", tests, NULL, NULL);
}
