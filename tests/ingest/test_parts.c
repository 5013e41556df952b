/* What doors stand on: addresses, sources, tokens, decompression, waiting events, marks, settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <zlib.h>

#include "ingest/grpc_session.h"
#include "ingest/inflate.h"
#include "ingest/listen.h"
#include "ingest/pending.h"
#include "ingest/segment_marks.h"
#include "ingest/sources.h"
#include "ingest/tokens.h"
#include "serve/settings.h"

static void an_address_is_read_in_each_of_its_forms(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned port;
        bool good, loopback;
    } cases[] = {
        {"127.0.0.1:4318", "127.0.0.1", 4318, true, true},
        {"[::1]:0", "::1", 0, true, true},
        {"localhost:1", "127.0.0.1", 1, true, true},
        {"4318", "127.0.0.1", 4318, true, true},
        {":65535", "", 65535, true, false},
        {"*:1", "", 1, true, false},
        {"0.0.0.0:1", "0.0.0.0", 1, true, false},
        {"10.0.0.1:1", "10.0.0.1", 1, true, false},
        {"[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1, true, true},
        {"::1:1", "", 0, false, false},
        {"127.0.0.1", "", 0, false, false},
        {"example.org:1", "", 0, false, false},
        {"127.0.0.1:65536", "", 0, false, false},
        {"127.0.0.1:", "", 0, false, false},
        {"127.0.0.1:1x", "", 0, false, false},
        {"", "", 0, false, false},
        {"[]:1", "", 1, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tw__listen_address address;
        int code = tw__listen_parse(cases[i].text, &address);
        assert_int_equal(code == 0, cases[i].good);
        if (code < 0) continue;
        assert_string_equal(address.host, cases[i].host);
        assert_int_equal(address.port, cases[i].port);
        assert_int_equal(tw__listen_is_loopback(&address), cases[i].loopback);
    }
}

static struct sockaddr_in source_of(uint32_t address)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
}

static void a_source_has_as_many_connections_as_it_may(void **state)
{
    struct tw__sources *sources = tw__sources_new(2, 0);
    struct sockaddr_in one = source_of(1), two = source_of(2);
    (void)state;
    int first = tw__sources_enter(sources, (void *)&one);
    assert_true(first >= 0);
    assert_true(tw__sources_enter(sources, (void *)&one) >= 0);
    assert_true(tw__sources_enter(sources, (void *)&one) < 0);
    assert_true(tw__sources_enter(sources, (void *)&two) >= 0);
    tw__sources_leave(sources, first);
    assert_true(tw__sources_enter(sources, (void *)&one) >= 0);
    tw__sources_free(sources);
}

static void a_source_pays_for_what_it_sends(void **state)
{
    struct tw__sources *sources = tw__sources_new(0, 1000);
    struct sockaddr_in one = source_of(1), two = source_of(2);
    const uint64_t second = 1000000000;
    (void)state;
    assert_true(tw__sources_charge(sources, (void *)&one, 3000, 100 * second)); /* on credit */
    assert_false(tw__sources_charge(sources, (void *)&one, 1, 101 * second));
    assert_true(tw__sources_charge(sources, (void *)&two, 1, 101 * second));
    assert_true(tw__sources_charge(sources, (void *)&one, 1, 103 * second));
    tw__sources_free(sources);
}

static void a_flood_of_sources_shares_what_is_left(void **state)
{
    struct tw__sources *sources = tw__sources_new(1, 0);
    size_t refused = 0;
    (void)state;
    for (uint32_t i = 0; i < 20000; i++) {
        struct sockaddr_in source = source_of(i);
        refused += tw__sources_enter(sources, (void *)&source) < 0;
    }
    assert_true(refused > 10000);
    tw__sources_free(sources);
}

static void a_token_has_to_be_whole_and_of_its_role(void **state)
{
    const struct tw__tokens tokens = {.read = "reading", .write = "writing"}, none = {0};
    (void)state;
    assert_true(tw__tokens_allow(&none, TW__ROLE_WRITE, NULL));
    assert_true(tw__tokens_allow(&tokens, TW__ROLE_ANY, NULL));
    assert_false(tw__tokens_allow(&tokens, TW__ROLE_WRITE, NULL));
    assert_true(tw__tokens_allow(&tokens, TW__ROLE_WRITE, "Bearer writing"));
    assert_true(tw__tokens_allow(&tokens, TW__ROLE_READ, "bearer  reading"));
    assert_false(tw__tokens_allow(&tokens, TW__ROLE_WRITE, "Bearer reading"));
    assert_false(tw__tokens_allow(&tokens, TW__ROLE_WRITE, "Bearer writin"));
    assert_false(tw__tokens_allow(&tokens, TW__ROLE_WRITE, "Bearer writing "));
    assert_false(tw__tokens_allow(&tokens, TW__ROLE_WRITE, "Bearer "));
    assert_true(tw__tokens_allow(&tokens, TW__ROLE_READ, "Basic YTpyZWFkaW5n"));  /* a:reading */
    assert_false(tw__tokens_allow(&tokens, TW__ROLE_READ, "Basic cmVhZGluZw==")); /* reading */
    assert_false(tw__tokens_allow(&tokens, TW__ROLE_READ, "Basic ?"));
    const struct tw__tokens only_write = {.write = "writing"};
    assert_false(tw__tokens_allow(&only_write, TW__ROLE_READ, "Bearer writing"));
}

/* gzip by zlib, which is not what we read with. */
static struct tw_text packed(const char *bytes, size_t len, int bits, char *room, size_t cap)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)len;
    z.next_out = (Bytef *)room;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    struct tw_text made = {room, z.total_out};
    (void)deflateEnd(&z);
    return made;
}

static void what_zlib_packed_is_unpacked_up_to_the_limit(void **state)
{
    enum { LEN = 1 << 20 };
    static char bytes[LEN], room[LEN];
    struct tw__inflate inflate = {0};
    struct tw_text out;
    (void)state;
    for (size_t i = 0; i < LEN; i++) bytes[i] = (char)(i / 100);
    struct tw_text in = packed(bytes, LEN, 31, room, sizeof room);
    assert_int_equal(tw__inflate(&inflate, TW__PACKING_GZIP, in, LEN, &out), 0);
    assert_int_equal(out.len, LEN);
    assert_memory_equal(out.ptr, bytes, LEN);
    tw__inflate_trim(&inflate, 0);
    assert_int_equal(tw__inflate(&inflate, TW__PACKING_GZIP, in, LEN - 1, &out), TW_ERR_SPACE);
    for (size_t cut = 0; cut < in.len; cut += 97)
        assert_int_equal(tw__inflate(&inflate, TW__PACKING_GZIP, (struct tw_text){in.ptr, cut}, LEN, &out),
                         TW_ERR_SYNTAX);
    in = packed(bytes, LEN, 15, room, sizeof room);
    assert_int_equal(tw__inflate(&inflate, TW__PACKING_DEFLATE, in, LEN, &out), 0);
    assert_int_equal(out.len, LEN);
    tw__inflate_fini(&inflate);
}

static void members_of_gzip_follow_each_other(void **state)
{
    static char room[4096];
    struct tw__inflate inflate = {0};
    struct tw_text out;
    (void)state;
    struct tw_text one = packed("hello ", 6, 31, room, sizeof room);
    struct tw_text two = packed("world", 5, 31, room + one.len, sizeof room - one.len);
    const struct tw_text both = {room, one.len + two.len};
    assert_int_equal(tw__inflate(&inflate, TW__PACKING_GZIP, both, 100, &out), 0);
    assert_int_equal(out.len, 11);
    assert_memory_equal(out.ptr, "hello world", 11);
    tw__inflate_fini(&inflate);
}

static void events_wait_for_their_span_within_limits(void **state)
{
    struct tw__pending pending = {0};
    struct tw_record record = {.kind = TW_RECORD_EVENT, .name = {"event", 5}};
    (void)state;
    for (unsigned i = 0; i < TW__PENDING_MAX + 1000; i++) {
        memcpy(record.span_id, &i, sizeof i);
        record.time_ns = i;
        tw__pending_add(&pending, &record);
    }
    assert_int_equal(pending.count, TW__PENDING_MAX);
    assert_int_equal(pending.lost, 1000);
    unsigned at = 5000;
    memcpy(record.span_id, &at, sizeof at);
    tw__pending_add(&pending, &record);
    struct tw__pending_event *first = tw__pending_find(&pending, record.trace_id, record.span_id);
    assert_non_null(first);
    assert_non_null(first->next);
    assert_null(first->next->next);
    assert_int_equal(first->event.name.len, 5);
    tw__pending_remove(&pending, first);
    assert_null(tw__pending_find(&pending, record.trace_id, record.span_id));
    tw__pending_expire(&pending, 20000);
    at = 15000;
    memcpy(record.span_id, &at, sizeof at);
    assert_null(tw__pending_find(&pending, record.trace_id, record.span_id));
    tw__pending_fini(&pending);
}

static void marks_are_kept_from_one_start_to_the_next(void **state)
{
    char file[] = "/tmp/trackway-marks-XXXXXX";
    struct tw__segment_marks marks = {0}, again = {0};
    (void)state;
    assert_true(mkstemp(file) >= 0);
    assert_int_equal(tw__segment_marks_set(&marks, file, 1, 100), 0);
    assert_int_equal(tw__segment_marks_set(&marks, file, 2, UINT64_MAX), 0);
    assert_int_equal(tw__segment_marks_set(&marks, "/not there", 1, 5), 0);
    tw__segment_marks_tidy(&marks);
    assert_int_equal(tw__segment_marks_save(&marks, file), 0);
    assert_int_equal(tw__segment_marks_load(&again, file), 0);
    assert_true(tw__segment_marks_get(&again, file, 1) == 100);
    assert_true(tw__segment_marks_get(&again, file, 2) == UINT64_MAX);
    assert_true(tw__segment_marks_get(&again, "/not there", 1) == 0);
    tw__segment_marks_fini(&marks);
    tw__segment_marks_fini(&again);
    (void)unlink(file);
}

static void sizes_are_read_with_their_units(void **state)
{
    uint64_t bytes;
    (void)state;
    assert_true(tw__size_parse("64MiB", &bytes) && bytes == 64 << 20);
    assert_true(tw__size_parse("10GB", &bytes) && bytes == 10000000000);
    assert_true(tw__size_parse("0", &bytes) && bytes == 0);
    assert_false(tw__size_parse("", &bytes));
    assert_false(tw__size_parse("-1", &bytes));
    assert_false(tw__size_parse("1 parsec", &bytes));
    assert_false(tw__size_parse("99999999TB", &bytes));
}

static void every_default_is_one_that_could_be_given(void **state)
{
    struct tw__settings settings = {0};
    char why[TW_WHY_MAX];
    size_t count = 0;
    (void)state;
    for (const struct tw__setting *setting = tw__settings_table; setting->name; setting++, count++) {
        if (setting->fallback && *setting->fallback)
            assert_int_equal(tw__settings_set(&settings, setting->name, setting->fallback, TW__FROM_FLAG, why), 0);
    }
    assert_true(count < TW__SETTINGS_MAX);
    tw__settings_fini(&settings);
}

static void the_deadline_of_a_call_is_read(void **state)
{
    uint64_t ns;
    (void)state;
    assert_true(tw__grpc_timeout_parse("10S", &ns) && ns == 10000000000);
    assert_true(tw__grpc_timeout_parse("99999999H", &ns));
    assert_true(tw__grpc_timeout_parse("100u", &ns) && ns == 100000);
    assert_false(tw__grpc_timeout_parse("100000000n", &ns));
    assert_false(tw__grpc_timeout_parse("S", &ns));
    assert_false(tw__grpc_timeout_parse("10", &ns));
    assert_false(tw__grpc_timeout_parse("10SS", &ns));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_read_in_each_of_its_forms),
        cmocka_unit_test(a_source_has_as_many_connections_as_it_may),
        cmocka_unit_test(a_source_pays_for_what_it_sends),
        cmocka_unit_test(a_flood_of_sources_shares_what_is_left),
        cmocka_unit_test(a_token_has_to_be_whole_and_of_its_role),
        cmocka_unit_test(what_zlib_packed_is_unpacked_up_to_the_limit),
        cmocka_unit_test(members_of_gzip_follow_each_other),
        cmocka_unit_test(events_wait_for_their_span_within_limits),
        cmocka_unit_test(marks_are_kept_from_one_start_to_the_next),
        cmocka_unit_test(sizes_are_read_with_their_units),
        cmocka_unit_test(every_default_is_one_that_could_be_given),
        cmocka_unit_test(the_deadline_of_a_call_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
