/* store: what is written is found, once, whatever happened in between. */
#include "store/made.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT(word)                                                                                                     \
    {                                                                                                                  \
        (word), sizeof(word) - 1                                                                                       \
    }

static uint64_t now_ns = MADE_EPOCH_NS;

static uint64_t clock_of_test(void)
{
    return now_ns;
}

static struct tw__store_options options_of(const char *folder)
{
    return (struct tw__store_options){.folder = folder, .now_ns = clock_of_test};
}

/* Every span of in is found by its trace, and is the same. */
static void assert_all_there(struct tw__store *store, const struct tw__spans *in)
{
    for (size_t i = 0; i < in->count; i++) {
        struct tw__spans out = {0};
        assert_int_equal(tw__store_trace(store, in->items[i].trace_id, TW__PART_ALL, &out), 0);
        size_t at = made_find(&out, in->items[i].trace_id, in->items[i].span_id);
        if (at == SIZE_MAX || !made_equal(in, i, &out, at)) fail_msg("span %zu came back otherwise, or not", i);
        tw__spans_fini(&out);
    }
}

static void spans_come_back_as_they_were_from_memory_from_blocks_and_after_a_restart(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    struct tw__spans in = {0};
    made_spans(7, 300, &in);
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_all_there(store, &in);
    assert_int_equal(tw__store_flush(store), 0);
    assert_all_there(store, &in);
    assert_int_equal(made_count(store), in.count);
    tw__store_close(store);
    store = made_open(&options);
    assert_all_there(store, &in);
    assert_int_equal(made_count(store), in.count);
    tw__store_close(store);
    tw__spans_fini(&in);
    made_remove(folder);
}

static void many_blocks_hold_what_was_written(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    size_t total = 0;
    for (uint64_t i = 0; i < 20; i++) {
        struct tw__spans in = {0};
        made_spans(100 + i, 1000, &in);
        assert_int_equal(tw__store_write(store, &in), 0);
        total += in.count;
        tw__spans_fini(&in);
    }
    assert_int_equal(tw__store_flush(store), 0);
    assert_int_equal(made_count(store), total);
    for (uint64_t i = 0; i < 20; i += 7) {
        struct tw__spans in = {0};
        made_spans(100 + i, 1000, &in);
        in.count = 40;
        assert_all_there(store, &in);
        tw__spans_fini(&in);
    }
    assert_int_equal(tw__store_check(store, made_tell, NULL), 0);
    tw__store_close(store);
    made_remove(folder);
}

static void a_span_sent_twice_is_one_in_one_batch_in_one_journal_and_in_different_blocks(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    for (unsigned round = 0; round < 3; round++) {
        struct tw__spans in = {0};
        made_span(&in, "cart", "a", 1, 1, 1, 10);
        made_span(&in, "cart", "b", 1, 2, 2, 10);
        if (round == 0) made_span(&in, "cart", "a", 1, 1, 1, 10);
        assert_int_equal(tw__store_write(store, &in), 0);
        tw__spans_fini(&in);
        if (round == 1) assert_int_equal(tw__store_flush(store), 0);
    }
    assert_int_equal(tw__store_flush(store), 0);
    struct tw__spans out = {0};
    const uint8_t id[16] = {[15] = 1};
    assert_int_equal(tw__store_trace(store, id, TW__PART_ALL, &out), 0);
    assert_int_equal(out.count, 2);
    assert_int_equal(out.items[0].name.ptr[0], 'a');
    tw__spans_reset(&out);
    assert_int_equal(tw__store_find(store, &(struct tw__store_query){0}, 0, &out), 0);
    assert_int_equal(out.count, 2);
    assert_int_equal(made_count(store), 4);
    assert_int_equal(tw__store_compact(store), 0);
    assert_int_equal(made_count(store), 2);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

static void a_finished_span_counts_before_an_open_one_and_then_the_later(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    static const struct {
        const char *name;
        bool open;
    } copies[] = {{"begun", true}, {"ended", false}, {"begun again", true}, {"corrected", false}, {"late open", true}};
    for (size_t i = 0; i < 5; i++) {
        struct tw__spans in = {0};
        made_span(&in, "cart", copies[i].name, 1, 1, 1, 10)->open = copies[i].open;
        assert_int_equal(tw__store_write(store, &in), 0);
        tw__spans_fini(&in);
        if (i % 2) assert_int_equal(tw__store_flush(store), 0);
        struct tw__spans out = {0};
        const uint8_t id[16] = {[15] = 1};
        assert_int_equal(tw__store_trace(store, id, 0, &out), 0);
        assert_int_equal(out.count, 1);
        const char *expected = i == 0 ? "begun" : i < 3 ? "ended" : "corrected";
        assert_memory_equal(out.items[0].name.ptr, expected, strlen(expected));
        tw__spans_fini(&out);
    }
    assert_int_equal(tw__store_compact(store), 0);
    struct tw__spans out = {0};
    assert_int_equal(tw__store_find(store, &(struct tw__store_query){0}, 0, &out), 0);
    assert_int_equal(out.count, 1);
    assert_memory_equal(out.items[0].name.ptr, "corrected", 9);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

static void an_open_span_is_as_hot_as_it_is_known_to_be_long(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    struct tw__spans in = {0};
    made_span(&in, "cart", "hangs", 1, 1, 1, 5000)->open = true;
    made_span(&in, "cart", "began", 1, 2, 1, 5000)->open = true;
    in.items[1].end_ns = 0;
    assert_int_equal(tw__store_write(store, &in), 0);
    tw__spans_fini(&in);
    for (int flushed = 0; flushed < 2; flushed++) {
        uint32_t cells[1][TW__BINS] = {{0}};
        struct tw__store_heat heat = {.from_ns = MADE_EPOCH_NS, .step_ns = 10000000000, .columns = 1, .cells = cells};
        assert_int_equal(tw__store_heat(store, &(struct tw__store_query){0}, &heat), 0);
        assert_int_equal(cells[0][tw__bin_of(5000000000)], 1);
        assert_int_equal(cells[0][tw__bin_of(0)], 1);
        assert_int_equal(tw__store_flush(store), 0);
    }
    tw__store_close(store);
    made_remove(folder);
}

static void spans_without_an_id_are_never_taken_for_copies(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    struct tw__spans in = {0}, out = {0};
    for (unsigned i = 0; i < 5; i++) made_span(&in, "cart", "same", 1, 0, 1, 10);
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__store_compact(store), 0);
    const uint8_t id[16] = {[15] = 1};
    assert_int_equal(tw__store_trace(store, id, 0, &out), 0);
    assert_int_equal(out.count, 5);
    tw__spans_fini(&in);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

static bool has_part(const char *folder, const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/blocks/%s.sqlite", folder, name);
    return access(path, F_OK) == 0;
}

static void times_decide_the_partition_and_absurd_ones_have_their_own(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    static const uint64_t starts[] = {
        MADE_EPOCH_S, MADE_EPOCH_S + 3600, MADE_EPOCH_S - 30 * 86400, MADE_EPOCH_S - 5 * 86400, 0,
        7258118400 /* 2200 */};
    struct tw__spans in = {0}, out = {0};
    for (uint8_t i = 0; i < 6; i++) {
        struct tw__span *span = made_span(&in, "cart", "x", 1, (uint8_t)(i + 1), 0, 10);
        span->start_ns = starts[i] * 1000000000;
        span->end_ns = span->start_ns + 1;
    }
    struct tw__span *last = made_span(&in, "cart", "x", 1, 7, 0, 10);
    last->start_ns = UINT64_MAX;
    last->end_ns = 0;
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__store_flush(store), 0);
    assert_true(has_part(folder, "2026-11-27T17") || has_part(folder, "2026-11-27T16"));
    assert_true(has_part(folder, "2026-10-28"));
    assert_true(has_part(folder, "odd-2026-11-27"));
    const uint8_t id[16] = {[15] = 1};
    assert_int_equal(tw__store_trace(store, id, 0, &out), 0);
    assert_int_equal(out.count, 7);
    assert_int_equal(out.items[0].start_ns, 0);
    assert_true(out.items[6].start_ns == UINT64_MAX && out.items[6].end_ns == 0);
    tw__spans_reset(&out);
    struct tw__store_query old = {.until_ns = 1000};
    assert_int_equal(tw__store_find(store, &old, 0, &out), 0);
    assert_int_equal(out.count, 1);
    tw__spans_fini(&in);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

/* What is open for longer than a day goes on in the partition of the day. */
static void a_copy_in_the_partition_of_the_day_is_later_than_one_of_its_last_hour(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    static const char *const names[] = {"of the hour", "of the day"};
    for (int i = 0; i < 2; i++) {
        struct tw__spans in = {0};
        now_ns = (UINT64_C(1795823940) + (uint64_t)i * 90000) * 1000000000; /* 23:59 UTC; 25 hours later */
        struct tw__store *store = made_open(&options);
        struct tw__span *span = made_span(&in, "cart", names[i], 1, 1, 0, 0);
        span->start_ns = UINT64_C(1795823940000000000);
        span->end_ns = 0;
        span->open = true;
        assert_int_equal(tw__store_write(store, &in), 0);
        tw__spans_fini(&in);
        tw__store_close(store);
    }
    assert_true(has_part(folder, "2026-11-27T23") && has_part(folder, "2026-11-27"));
    struct tw__store *store = made_open(&options);
    struct tw__spans out = {0};
    const uint8_t id[16] = {[15] = 1};
    assert_int_equal(tw__store_trace(store, id, 0, &out), 0);
    assert_memory_equal(out.items[0].name.ptr, names[1], strlen(names[1]));
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
    now_ns = MADE_EPOCH_NS;
}

static void late_spans_join_their_trace(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    for (uint8_t i = 0; i < 10; i++) {
        struct tw__spans in = {0};
        made_span(&in, "cart", "x", 9, (uint8_t)(i + 1), 3000.0 * i, 10);
        assert_int_equal(tw__store_write(store, &in), 0);
        assert_int_equal(tw__store_flush(store), 0);
        tw__spans_fini(&in);
    }
    struct tw__spans out = {0};
    const uint8_t id[16] = {[15] = 9};
    assert_int_equal(tw__store_trace(store, id, 0, &out), 0);
    assert_int_equal(out.count, 10);
    for (uint8_t i = 0; i < 10; i++) assert_int_equal(out.items[i].span_id[7], i + 1);
    const uint8_t other[16] = {[15] = 8};
    assert_int_equal(tw__store_trace(store, other, 0, &out), TW_ERR_NOT_FOUND);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

static void memory_that_is_used_again_and_again_does_not_grow(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    for (uint8_t i = 0; i < 80; i++) {
        struct tw__spans in = {0};
        made_span(&in, "cart", "x", i, 1, i, 10);
        assert_int_equal(tw__store_write(store, &in), 0);
        assert_int_equal(tw__store_flush(store), 0);
        tw__spans_fini(&in);
    }
    assert_int_equal(made_count(store), 80);
    tw__store_close(store);
    made_remove(folder);
}

static void what_is_older_than_it_may_be_goes_by_the_hour(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    options.keep_ns = UINT64_C(7200) * 1000000000;
    struct tw__store *store = made_open(&options);
    struct tw__spans in = {0}, out = {0};
    made_span(&in, "cart", "old", 1, 1, 0, 10);
    made_span(&in, "cart", "new", 2, 1, 3 * 3600, 10);
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__store_compact(store), 0);
    assert_int_equal(made_count(store), 2);
    now_ns = MADE_EPOCH_NS + UINT64_C(4) * 3600 * 1000000000;
    assert_int_equal(tw__store_compact(store), 0);
    now_ns = MADE_EPOCH_NS;
    assert_int_equal(made_count(store), 1);
    assert_int_equal(tw__store_find(store, &(struct tw__store_query){0}, 0, &out), 0);
    assert_int_equal(out.items[0].name.ptr[0], 'n');
    struct tw__store_info info;
    assert_int_equal(tw__store_info(store, &info), 0);
    assert_int_equal(info.expired_spans, 1);
    tw__spans_fini(&in);
    tw__spans_fini(&out);
    tw__store_close(store);
    made_remove(folder);
}

static void what_is_more_than_it_may_be_goes_oldest_first(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    options.keep_bytes = 600000;
    struct tw__store *store = made_open(&options);
    for (uint8_t hour = 0; hour < 4; hour++) {
        struct tw__spans in = {0};
        made_spans(hour, 1000, &in);
        for (size_t i = 0; i < in.count; i++) {
            in.items[i].start_ns += hour * UINT64_C(3600) * 1000000000;
            in.items[i].trace_id[0] = hour;
        }
        assert_int_equal(tw__store_write(store, &in), 0);
        assert_int_equal(tw__store_flush(store), 0);
        tw__spans_fini(&in);
    }
    assert_int_equal(tw__store_compact(store), 0);
    struct tw__store_info info;
    assert_int_equal(tw__store_info(store, &info), 0);
    assert_true(info.evicted_spans > 0);
    assert_true(info.spans > 0 && info.spans < 4000);
    assert_true(info.oldest_ns >= MADE_EPOCH_NS + UINT64_C(3500) * 1000000000);
    tw__store_close(store);
    made_remove(folder);
}

static void two_processes_do_not_write_to_one_store_but_another_may_look(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options), *second;
    char why[TW_WHY_MAX];
    struct tw__spans in = {0};
    made_spans(3, 100, &in);
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__store_open(&options, &second, why), TW_ERR_STATE);
    assert_non_null(strstr(why, "another process"));
    options.read_only = true;
    second = made_open(&options);
    assert_all_there(second, &in);
    assert_int_equal(tw__store_write(second, &in), TW_ERR_STATE);
    tw__store_close(second);
    assert_int_equal(tw__store_flush(store), 0);
    second = made_open(&options);
    assert_all_there(second, &in);
    assert_int_equal(made_count(second), in.count);
    tw__store_close(second);
    tw__store_close(store);
    tw__spans_fini(&in);
    made_remove(folder);
}

static bool is_long(void *data, const struct tw__spans *spans, size_t index)
{
    const struct tw_tag_value *tag = tw__tag_find(spans->items[index].tags, spans->items[index].tag_count, "rows");
    (void)data;
    return tag && tag->value.i >= 50;
}

static void write_shop(struct tw__store *store, bool flushed)
{
    static const char *const services[] = {"front", "cart", "pay"};
    for (uint8_t round = 0; round < 3; round++) {
        struct tw__spans in = {0};
        for (uint8_t i = 0; i < 60; i++) {
            struct tw_tag_value *tags = tw__pool_zeroed(&in.pool, 3, sizeof *tags);
            tags[0] = (struct tw_tag_value){.key = TEXT("rows"), .type = TW_TYPE_INT, .value.i = i};
            tags[1] =
                (struct tw_tag_value){.key = TEXT("user"), .type = TW_TYPE_STR, .text = TEXT("ann"), .full_len = 3};
            tags[2] = (struct tw_tag_value){.key = TEXT("hit"), .type = TW_TYPE_BOOL, .value.u = i & 1};
            struct tw__span *span = made_span(&in, services[i % 3], i % 2 ? "GET" : "PUT", round, (uint8_t)(i + 1),
                                              100.0 * round + i, (uint64_t)i * 10);
            span->tags = tags;
            span->tag_count = i % 4 ? 3 : 1;
            span->kind = i % 5;
            span->status = i % 10 == 0 ? TW_STATUS_ERROR : TW_STATUS_OK;
            if (i) span->parent_id[7] = (uint8_t)((i + 1) / 2);
        }
        assert_int_equal(tw__store_write(store, &in), 0);
        if (flushed) assert_int_equal(tw__store_flush(store), 0);
        tw__spans_fini(&in);
    }
}

/* The same questions of spans in memory and of spans in blocks; what is right is computed by hand from write_shop. */
static void ask_shop(struct tw__store *store)
{
    const struct {
        struct tw__store_query query;
        size_t count;
    } questions[] = {
        {{0}, 180},
        {{.service = TEXT("cart")}, 60},
        {{.service = TEXT("none")}, 0},
        {{.service = TEXT("cart"), .name = TEXT("GET")}, 30},
        {{.min_duration_ns = 500000000}, 30},
        {{.min_duration_ns = 500000000, .max_duration_ns = 500000000}, 3},
        {{.statuses = 1 << TW_STATUS_ERROR}, 18},
        {{.kinds = 1 << TW_KIND_SERVER | 1 << TW_KIND_CLIENT}, 72},
        {{.kinds = TW__KINDS_UNSPECIFIED}, 0},
        {{.roots = true}, 3},
        {{.since_ns = MADE_EPOCH_NS + UINT64_C(100000000000)}, 120},
        {{.since_ns = MADE_EPOCH_NS + UINT64_C(100000000000), .until_ns = MADE_EPOCH_NS + UINT64_C(110000000000)}, 10},
        {{.equals = (const struct tw__store_equal[]){{TEXT("rows"), TEXT("7")}}, .equal_count = 1}, 3},
        {{.equals = (const struct tw__store_equal[]){{TEXT("rows"), TEXT("07")}}, .equal_count = 1}, 0},
        {{.equals = (const struct tw__store_equal[]){{TEXT("user"), TEXT("ann")}}, .equal_count = 1}, 135},
        {{.equals = (const struct tw__store_equal[]){{TEXT("user"), TEXT("ann")}, {TEXT("hit"), TEXT("true")}},
          .equal_count = 2},
         90},
        {{.filter = {.match = is_long, .keys = (const struct tw_text[]){TEXT("rows")}, .key_count = 1}}, 30},
        {{.filter = {.match = is_long, .parts = TW__PART_TAGS}, .service = TEXT("pay")}, 12},
    };
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        struct tw__spans out = {0};
        assert_int_equal(tw__store_find(store, &questions[i].query, 0, &out), 0);
        if (out.count != questions[i].count)
            fail_msg("question %zu: %zu spans, not %zu", i, out.count, questions[i].count);
        for (size_t k = 1; k < out.count; k++) assert_true(out.items[k].start_ns <= out.items[k - 1].start_ns);
        tw__spans_fini(&out);
    }
    struct tw__spans out = {0};
    struct tw__store_query slow = {.order = TW__ORDER_SLOWEST, .limit = 5};
    assert_int_equal(tw__store_find(store, &slow, TW__PART_TAGS, &out), 0);
    assert_int_equal(out.count, 5);
    for (size_t k = 0; k < 5; k++) assert_int_equal(tw__span_duration_ns(&out.items[k]), k < 3 ? 590000000 : 580000000);
    assert_int_equal(out.items[0].tags[0].value.i, 59);
    tw__spans_fini(&out);
}

static void ask_lists(struct tw__store *store)
{
    struct tw__pool pool = {0};
    struct tw__store_names names;
    assert_int_equal(tw__store_services(store, &pool, &names), 0);
    assert_int_equal(names.count, 3);
    assert_memory_equal(names.items[0].name.ptr, "cart", 4);
    assert_int_equal(names.items[0].spans, 60);
    assert_int_equal(tw__store_operations(store, (struct tw_text)TEXT("pay"), &pool, &names), 0);
    assert_int_equal(names.count, 10);
    assert_int_equal(names.items[0].spans, 6);
    assert_int_equal(tw__store_tag_keys(store, TW__SCOPE_SPAN, &pool, &names), 0);
    assert_int_equal(names.count, 3);
    assert_memory_equal(names.items[0].name.ptr, "hit", 3);
    assert_int_equal(tw__store_tag_values(store, TW__SCOPE_ANY, (struct tw_text)TEXT("rows"), 0, 0, 0, &pool, &names),
                     0);
    assert_int_equal(names.count, 60);
    assert_int_equal(tw__store_tag_values(store, TW__SCOPE_ANY, (struct tw_text)TEXT("hit"), 0, 0, 0, &pool, &names),
                     0);
    assert_int_equal(names.count, 2);
    assert_int_equal(names.items[0].spans, 45);
    struct tw__store_edges edges;
    assert_int_equal(tw__store_edges(store, 0, 0, &pool, &edges), 0);
    uint64_t calls = 0, errors = 0;
    for (size_t i = 0; i < edges.count; i++) {
        calls += edges.items[i].calls;
        errors += edges.items[i].errors;
    }
    assert_int_equal(calls, 177);
    assert_int_equal(errors, 15);
    assert_int_equal(edges.unknown, 0);
    static uint32_t cells[4][TW__BINS];
    uint32_t failed[4] = {0}, sum = 0;
    memset(cells, 0, sizeof cells);
    struct tw__store_heat heat = {
        .from_ns = MADE_EPOCH_NS, .step_ns = UINT64_C(100000000000), .columns = 4, .cells = cells, .errors = failed};
    assert_int_equal(tw__store_heat(store, &(struct tw__store_query){.service = TEXT("front")}, &heat), 0);
    for (unsigned b = 0; b < TW__BINS; b++) sum += cells[1][b];
    assert_int_equal(sum, 20);
    assert_int_equal(cells[0][tw__bin_of(30000000)], 1);
    assert_int_equal(failed[2], 2);
    tw__pool_fini(&pool);
}

static void questions_have_the_same_answers_in_memory_in_blocks_and_after_compaction(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        const char *folder = made_folder();
        struct tw__store_options options = options_of(folder);
        struct tw__store *store = made_open(&options);
        write_shop(store, how > 0);
        if (how == 2) assert_int_equal(tw__store_compact(store), 0);
        ask_shop(store);
        ask_lists(store);
        struct tw__store_info info;
        assert_int_equal(tw__store_info(store, &info), 0);
        assert_int_equal(info.spans, 180);
        assert_int_equal(info.blocks, how == 0 ? 0 : how == 1 ? 3 : 1);
        tw__store_close(store);
        made_remove(folder);
    }
}

static void damage_hides_a_block_and_nothing_else(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__store *store = made_open(&options);
    write_shop(store, true);
    tw__store_close(store);
    char command[256];
    (void)snprintf(
        command, sizeof command,
        "sqlite3 %s/blocks/2026-*T*.sqlite \"UPDATE head SET data = substr(data, 1, 200) || x'00' || substr(data, 202) "
        "WHERE id = 2\"",
        folder);
    if (system(command) != 0) {
        made_remove(folder);
        skip();
    }
    store = made_open(&options);
    assert_int_equal(made_count(store), 120);
    assert_int_equal(tw__store_check(store, made_tell, NULL), 1);
    struct tw__store_info info;
    assert_int_equal(tw__store_info(store, &info), 0);
    assert_int_equal(info.damaged_blocks, 1);
    tw__store_close(store);
    made_remove(folder);
}

static void bins_know_their_floors(void **state)
{
    (void)state;
    for (unsigned bin = 0; bin + 1 < TW__BINS; bin++) {
        assert_int_equal(tw__bin_of(tw__bin_floor(bin)), bin);
        assert_int_equal(tw__bin_of(tw__bin_floor(bin + 1) - 1), bin);
    }
    assert_int_equal(tw__bin_of(UINT64_MAX), TW__BINS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_come_back_as_they_were_from_memory_from_blocks_and_after_a_restart),
        cmocka_unit_test(many_blocks_hold_what_was_written),
        cmocka_unit_test(a_span_sent_twice_is_one_in_one_batch_in_one_journal_and_in_different_blocks),
        cmocka_unit_test(a_finished_span_counts_before_an_open_one_and_then_the_later),
        cmocka_unit_test(an_open_span_is_as_hot_as_it_is_known_to_be_long),
        cmocka_unit_test(spans_without_an_id_are_never_taken_for_copies),
        cmocka_unit_test(times_decide_the_partition_and_absurd_ones_have_their_own),
        cmocka_unit_test(a_copy_in_the_partition_of_the_day_is_later_than_one_of_its_last_hour),
        cmocka_unit_test(late_spans_join_their_trace),
        cmocka_unit_test(memory_that_is_used_again_and_again_does_not_grow),
        cmocka_unit_test(what_is_older_than_it_may_be_goes_by_the_hour),
        cmocka_unit_test(what_is_more_than_it_may_be_goes_oldest_first),
        cmocka_unit_test(two_processes_do_not_write_to_one_store_but_another_may_look),
        cmocka_unit_test(questions_have_the_same_answers_in_memory_in_blocks_and_after_compaction),
        cmocka_unit_test(damage_hides_a_block_and_nothing_else),
        cmocka_unit_test(bins_know_their_floors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
