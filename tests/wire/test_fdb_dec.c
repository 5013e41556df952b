/* FoundationDB's datagrams, read: the published vectors, packets captured from released versions, and what has to be
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "span_made.h"
#include "wire/fdb.h"
#include "wire/fdb_dec.h"

static uint8_t datagram[TW__FDB_MAX + 1];
static struct tw__spans spans;
static struct tw__fdb_found found;

#define HEAD_A "97 ae3132372e302e302e313a34353030 cf0102030405060708 cf1112131415161718 cb3ff8000000000000 "
#define HEAD_A8 "98 ae3132372e302e302e313a34353030 cf0102030405060708 cf1112131415161718 cb3ff8000000000000 "
#define HEAD_CD "9c cfa0a1a2a3a4a5a6a7 cfb0b1b2b3b4b5b6b7 cf1112131415161718 "
#define GP_X "a447503a78 cb3ff8000000000000 cb3ffc000000000000 "
#define ADDRESS "81 a761646472657373 a3683a31"

static int reset(void **state)
{
    (void)state;
    tw__spans_reset(&spans);
    return 0;
}

static int dec_hex(const char *hex)
{
    return tw__fdb_dec(&spans, datagram, made_hex(hex, datagram, sizeof datagram), &found);
}

/* The one span in the batch, which stands for itself. */
static const struct tw__span *dec(const char *hex, enum tw__fdb_seen layout)
{
    int code = dec_hex(hex);
    if (code < 0) fail_msg("%s at byte %zu", found.why, found.error_at);
    assert_int_equal(found.layout, layout);
    return &spans.items[spans.count - 1];
}

static void assert_text(struct tw_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.ptr, expected, text.len);
}

static void assert_id(const uint8_t *id, uint64_t expected)
{
    uint8_t bytes[8];
    made_id(bytes, expected);
    assert_memory_equal(id, bytes, 8);
}

static void assert_tag(const struct tw__span *span, const char *key, const char *value)
{
    const struct tw_tag_value *tag = tw__tag_find(span->tags, span->tag_count, key);
    assert_non_null(tag);
    assert_text(tag->text, value);
}

static const struct tw__resource *sender(const struct tw__span *span)
{
    return &spans.resources[span->resource];
}

static void a1_a_root_of_seven_elements(void **state)
{
    (void)state;
    const struct tw__span *span = dec(HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e 80", TW__FDB_SEEN_A);
    assert_id(span->trace_id, 0);
    assert_id(span->trace_id + 8, 0x0102030405060708);
    assert_id(span->span_id, 0x1112131415161718);
    assert_id(span->parent_id, 0);
    assert_int_equal(span->start_ns, 1500000000);
    assert_int_equal(span->end_ns, 1750000000);
    assert_text(span->name, "Transaction");
    assert_text(sender(span)->service, "fdb");
    assert_text(sender(span)->tags[1].text, "127.0.0.1:4500");
    assert_int_equal(span->tag_count + span->link_count + span->event_count, 0);
    assert_false(found.repaired);
}

static void a2_raw_keys_are_bytes(void **state)
{
    (void)state;
    const struct tw__span *span =
        dec(HEAD_A8 "cb3fd0000000000000 ad4e4150493a67657456616c7565 81 a36b6579 a315ff6b 91 cf2122232425262728",
            TW__FDB_SEEN_A);
    assert_id(span->parent_id, 0x2122232425262728);
    assert_int_equal(span->tags[0].type, TW_TYPE_BYTES);
    assert_tag(span, "key", "\x15\xffk");
    assert_text(sender(span)->service, "fdb-NAPI");
}

static void a3_all_parents_are_kept_and_no_time_is_a_time(void **state)
{
    (void)state;
    char hex[1024] =
        "98 ae5b3a3a315d3a343530303a746c73 cf0102030405060708 cf1112131415161718 cb3ff8000000000000 cb0000000000000000 "
        "ae4d503a636f6d6d69744261746368 80 dc0010";
    for (int i = 1; i <= 16; i++) (void)snprintf(hex + strlen(hex), sizeof hex - strlen(hex), " cf%016x", (unsigned)i);
    const struct tw__span *span = dec(hex, TW__FDB_SEEN_A);
    assert_int_equal(span->end_ns, span->start_ns);
    assert_id(span->parent_id, 1);
    assert_int_equal(span->link_count, 15);
    for (uint32_t i = 0; i < 15; i++) {
        assert_id(span->links[i].span_id, i + 2);
        assert_memory_equal(span->links[i].trace_id, span->trace_id, 16);
    }
    assert_text(sender(span)->service, "fdb-MP");
    assert_text(sender(span)->tags[1].text, "[::1]:4500:tls");
}

static void parents_that_were_not_sampled_are_counted(void **state)
{
    (void)state;
    const struct tw__span *span =
        dec(HEAD_A8 "cb3fd0000000000000 a178 80 93 cf0000000000000000 cf0000000000000007 cf0000000000000008",
            TW__FDB_SEEN_A);
    assert_id(span->parent_id, 7);
    assert_int_equal(span->link_count, 1);
    assert_int_equal(found.off_parents, 1);
}

/* A tag of 300 bytes, with what stands before it. */
static size_t long_tag(const char *hex, size_t len)
{
    size_t at = made_hex(hex, datagram, sizeof datagram);
    memset(datagram + at, 'k', len);
    return at + len;
}

static void a4_the_lengths_of_7_0_are_repaired(void **state)
{
    (void)state;
    size_t len = long_tag(HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e 81 a36b6579 da2c", 300);
    assert_int_equal(tw__fdb_dec(&spans, datagram, len, &found), 0);
    assert_true(found.repaired);
    assert_int_equal(spans.items[0].tags[0].text.len, 300);
    len = long_tag(HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e 81 a36b6579 da012c", 300); /* a5: 7.1 */
    assert_int_equal(tw__fdb_dec(&spans, datagram, len, &found), 0);
    assert_false(found.repaired);
    assert_int_equal(spans.items[1].tags[0].text.len, 300);
}

static void several_faulty_lengths_are_repaired_together(void **state)
{
    (void)state;
    static char first[700], second[2000];
    memset(first, 'a', sizeof first);
    memset(second, 'b', sizeof second);
    struct tw_record record = made_span(0, 1, 2, "NAPI:x", 1500000000, 1750000000);
    struct tw_tag_value tags[] = {{.key = made_text("one"), .type = TW_TYPE_STR, .text = {first, sizeof first}},
                                  {.key = made_text("two"), .type = TW_TYPE_STR, .text = {second, sizeof second}}};
    made_tags(&record, tags, 2);
    made_id(record.parent_id, 9);
    const struct tw__span_in in = {.record = &record};
    int len = tw__fdb_enc(&(struct tw__fdb_options){TW__FDB_7_FAULTY, made_text("h:1")}, &in, datagram, sizeof datagram,
                          NULL);
    assert_true(len > 2700);
    assert_int_equal(tw__fdb_dec(&spans, datagram, (size_t)len, &found), 0);
    assert_true(found.repaired);
    assert_int_equal(spans.items[0].tags[0].text.len, sizeof first);
    assert_int_equal(spans.items[0].tags[1].text.len, sizeof second);
    assert_id(spans.items[0].parent_id, 9);
}

static void c1_a_root_of_twelve_elements(void **state)
{
    (void)state;
    const struct tw__span *span =
        dec(HEAD_CD "cf0000000000000000 ab5472616e73616374696f6e cb3ff8000000000000 cb3ffc000000000000 "
                    "cc02 cc01 90 90 81 a761646472657373 ae3132372e302e302e313a34353030",
            TW__FDB_SEEN_C_OR_D);
    assert_id(span->trace_id, 0xa0a1a2a3a4a5a6a7);
    assert_id(span->trace_id + 8, 0xb0b1b2b3b4b5b6b7);
    assert_int_equal(span->end_ns, 1750000000);
    assert_int_equal(span->kind, TW_KIND_SERVER);
    assert_int_equal(span->status, TW_STATUS_OK);
    assert_text(sender(span)->tags[1].text, "127.0.0.1:4500");
    assert_tag(span, "address", "127.0.0.1:4500");
}

static void c2_and_d2_are_the_same_span_by_two_counts(void **state)
{
    (void)state;
    (void)dec(HEAD_CD "cf0000000000000000 " GP_X
                      "cc02 cc01 91 cf0000000000000001 cf0000000000000002 cf0000000000000003 90 " ADDRESS,
              TW__FDB_SEEN_C);
    assert_true(found.repaired);
    (void)dec(HEAD_CD "cf0000000000000000 " GP_X
                      "cc02 cc01 93 cf0000000000000001 cf0000000000000002 cf0000000000000003 90 " ADDRESS,
              TW__FDB_SEEN_D);
    assert_false(found.repaired);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(spans.items[i].link_count, 1);
        assert_id(spans.items[i].links[0].trace_id, 1);
        assert_id(spans.items[i].links[0].trace_id + 8, 2);
        assert_id(spans.items[i].links[0].span_id, 3);
    }
}

static void c3_three_links_behind_the_header_of_one(void **state)
{
    (void)state;
    char hex[1024] = HEAD_CD "cf0000000000000000 " GP_X "cc02 cc01 93";
    for (int i = 1; i <= 9; i++) (void)snprintf(hex + strlen(hex), sizeof hex - strlen(hex), " cf%016x", (unsigned)i);
    (void)strcat(hex, " 90 " ADDRESS);
    assert_int_equal(dec(hex, TW__FDB_SEEN_C)->link_count, 3);
}

static void c4_and_d4_have_an_event(void **state)
{
    (void)state;
    for (int d = 0; d < 2; d++) {
        char hex[512];
        (void)snprintf(hex, sizeof hex,
                       HEAD_CD "cf0000000000000099 " GP_X
                               "cc01 cc02 90 %s a26531 cb3ffa000000000000 81 a3666f6f a3626172 " ADDRESS,
                       d ? "93" : "91");
        const struct tw__span *span = dec(hex, d ? TW__FDB_SEEN_D : TW__FDB_SEEN_C);
        assert_id(span->parent_id, 0x99);
        assert_int_equal(span->kind, TW_KIND_CLIENT);
        assert_int_equal(span->status, TW_STATUS_ERROR);
        assert_int_equal(span->event_count, 1);
        assert_text(span->events[0].name, "e1");
        assert_int_equal(span->events[0].time_ns, 1625000000);
        assert_text(span->events[0].tags[0].key, "foo");
        assert_text(span->events[0].tags[0].text, "bar");
        assert_tag(span, "address", "h:1");
    }
}

static void c5_more_than_fifteen_tags_have_no_header(void **state)
{
    (void)state;
    char hex[1024] = HEAD_CD "cf0000000000000000 " GP_X "cc02 cc01 90 90";
    for (int i = 0; i < 16; i++)
        (void)snprintf(hex + strlen(hex), sizeof hex - strlen(hex), " a26b%02x a176", (unsigned)(0x30 + i));
    const struct tw__span *span = dec(hex, TW__FDB_SEEN_C_OR_D);
    assert_int_equal(span->tag_count, 16);
    assert_true(found.repaired);
}

static void many_tags_come_back_in_order(void **state)
{
    (void)state;
    enum { COUNT = 60, LONG_AT = 40, LONG = 600 };
    for (int faulty = 0; faulty < 2; faulty++) {
        size_t len = made_hex(HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e de003c", datagram, sizeof datagram);
        for (unsigned i = 0; i < COUNT; i++) {
            len += (size_t)sprintf((char *)datagram + len, "\xa3k%02u", i);
            if (i == LONG_AT) {
                len += made_hex(faulty ? "da58" : "da0258", datagram + len, sizeof datagram - len);
                memset(datagram + len, 'v', LONG);
                len += LONG;
            } else {
                len += (size_t)sprintf((char *)datagram + len, "\xa2%02u", i);
            }
        }
        assert_int_equal(tw__fdb_dec(&spans, datagram, len, &found), 0);
        assert_int_equal(found.repaired, faulty);
        const struct tw__span *span = &spans.items[faulty];
        assert_int_equal(span->tag_count, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            char key[8];
            (void)snprintf(key, sizeof key, "k%02u", i);
            assert_text(span->tags[i].key, key);
            if (i != LONG_AT) assert_text(span->tags[i].text, key + 1);
        }
        assert_int_equal(span->tags[LONG_AT].text.len, LONG);
    }
}

static void a_bad_byte_anywhere_makes_a_value_bytes(void **state)
{
    (void)state;
    for (unsigned len = 1; len < 31; len++) {
        for (unsigned at = 0; at <= len; at++) {
            size_t all =
                made_hex(HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e 81 a36b6579", datagram, sizeof datagram);
            datagram[all++] = (uint8_t)(0xa0 + len);
            memset(datagram + all, 'a', len);
            if (at < len) datagram[all + at] = 0xff;
            tw__spans_reset(&spans);
            assert_int_equal(tw__fdb_dec(&spans, datagram, all + len, &found), 0);
            assert_int_equal(spans.items[0].tags[0].type, at < len ? TW_TYPE_BYTES : TW_TYPE_STR);
            if (len - at < 2 || at == len) continue;
            memcpy(datagram + all + at, "\xc3\xa4", 2);
            tw__spans_reset(&spans);
            assert_int_equal(tw__fdb_dec(&spans, datagram, all + len, &found), 0);
            assert_int_equal(spans.items[0].tags[0].type, TW_TYPE_STR);
        }
    }
}

static void b_fourteen_elements_have_their_parents_trace(void **state)
{
    (void)state;
    const struct tw__span *span =
        dec("9e cf0000000000000001 cf0000000000000002 cf0000000000000003 cf0000000000000001 cf0000000000000002 "
            "cf0000000000000004 " GP_X "cc00 cc00 90 90 80",
            TW__FDB_SEEN_B);
    assert_id(span->parent_id, 4);
    assert_id(span->trace_id, 1);
    assert_int_equal(span->kind, TW_KIND_INTERNAL);
}

static void a_packet_of_7_3_captured_on_a_wire(void **state)
{
    (void)state;
    const struct tw__span *span =
        dec("9c cfdd249233c84cf3e1 cf2fe7e373af63e3eb cf7328266de172ab7d cf0000000000000000 "
            "ba47503a6765744c697665436f6d6d697474656456657273696f6e cb41da1acaf88d708d cb41da1acaf88d7e70 cc02 cc01 "
            "91 cf497195d133883100 cf8f91291765cabca2 cf687c5e1a44bcbb17 90 81 a761646472657373 "
            "b332322e3137312e3130362e3133303a34353031",
            TW__FDB_SEEN_C);
    assert_text(span->name, "GP:getLiveCommittedVersion");
    assert_int_equal(span->link_count, 1);
    assert_id(span->links[0].span_id, 0x687c5e1a44bcbb17);
    assert_tag(span, "address", "22.171.106.130:4501");
    assert_text(sender(span)->service, "fdb-GP");
}

static void what_is_not_a_span_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "666f6f",
        "96 80",
        "c0",
        "9c",
        HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e de ffff a16b a176",           /* a map past the end */
        HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e 80 00",                       /* a byte too many */
        HEAD_A "cb3fd0000000000000 db00000001 61 80",                                     /* str32 */
        HEAD_A "cb3fd0000000000000 c40161 80",                                            /* bin */
        HEAD_A "cb7ff8000000000000 a161 80",                                              /* NaN */
        HEAD_A8 "cb3fd0000000000000 a161 80 dcffff cf0000000000000001",                   /* an array past the end */
        HEAD_CD "cf0000000000000000 " GP_X "cc02 cc01 91 cf0000000000000001 90 " ADDRESS, /* a third of a link */
        HEAD_CD "cf0000000000000000 " GP_X
                "cc02 cc01 92 cf0000000000000001 cf0000000000000002 cf0000000000000003 90 " ADDRESS,
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(dec_hex(bad[i]), TW_ERR_SYNTAX);
        assert_non_null(found.why);
    }
    assert_int_equal(spans.count, 0);
}

static void a_datagram_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    uint8_t whole[256];
    size_t len = made_hex(HEAD_A "cb3fd0000000000000 ab5472616e73616374696f6e 80", whole, sizeof whole);
    for (size_t cut = 0; cut < len; cut++) {
        memcpy(datagram, whole, cut);
        assert_int_equal(tw__fdb_dec(&spans, datagram, cut, &found), TW_ERR_SYNTAX);
    }
    assert_int_equal(tw__fdb_dec(&spans, whole, len, &found), 0);
}

static void what_our_encoder_writes_comes_back(void **state)
{
    (void)state;
    static const enum tw__fdb_layout layouts[] = {TW__FDB_7, TW__FDB_12, TW__FDB_7_FAULTY, TW__FDB_12_FAULTY};
    struct tw_record record = made_span(0, 0x55, 0x66, "POST /order", 1700000000500000000, 1700000001750000000);
    struct tw_tag_value tags[] = {made_str("service.name", "shop"), made_str("http.method", "POST"),
                                  made_int("status", 500)};
    made_tags(&record, tags, 3);
    record.span_kind = TW_KIND_SERVER;
    record.status = TW_STATUS_ERROR;
    record.status_message = made_text("no stock");
    const struct tw__span_in in = {.record = &record};
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        int len =
            tw__fdb_enc(&(struct tw__fdb_options){layouts[i], made_text("h:1")}, &in, datagram, sizeof datagram, NULL);
        assert_int_equal(tw__fdb_dec(&spans, datagram, (size_t)len, &found), 0);
        const struct tw__span *span = &spans.items[spans.count - 1];
        assert_int_equal(span->kind, TW_KIND_SERVER);
        assert_int_equal(span->status, TW_STATUS_ERROR);
        assert_text(span->status_message, "no stock");
        assert_text(sender(span)->service, "shop");
        assert_tag(span, "status", "500");
        assert_true(span->start_ns - 1700000000500000000 < 500); /* a double's resolution */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, reset)
        TEST(a1_a_root_of_seven_elements),
        TEST(a2_raw_keys_are_bytes),
        TEST(a3_all_parents_are_kept_and_no_time_is_a_time),
        TEST(parents_that_were_not_sampled_are_counted),
        TEST(a4_the_lengths_of_7_0_are_repaired),
        TEST(several_faulty_lengths_are_repaired_together),
        TEST(c1_a_root_of_twelve_elements),
        TEST(c2_and_d2_are_the_same_span_by_two_counts),
        TEST(c3_three_links_behind_the_header_of_one),
        TEST(c4_and_d4_have_an_event),
        TEST(c5_more_than_fifteen_tags_have_no_header),
        TEST(many_tags_come_back_in_order),
        TEST(a_bad_byte_anywhere_makes_a_value_bytes),
        TEST(b_fourteen_elements_have_their_parents_trace),
        TEST(a_packet_of_7_3_captured_on_a_wire),
        TEST(what_is_not_a_span_is_refused),
        TEST(a_datagram_cut_off_anywhere_is_refused),
        TEST(what_our_encoder_writes_comes_back),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    tw__spans_fini(&spans);
    return failed;
}
