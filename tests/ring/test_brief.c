/* Records that leave out whose they are, put there by hand. */
#include "ring/made.h"

#include <string.h>

enum { LEVEL = 4 };

static struct builder_record log_of(const struct made *m, uint64_t trace, uint64_t time)
{
    struct builder_record r = made_event(m, time);
    r.type = TW__TYPE_LOG;
    r.trace = trace;
    r.id = trace * 2 + 1;
    return r;
}

static struct builder_record brief_of(const struct made *m, uint64_t time, const struct builder_tags *tags)
{
    return (struct builder_record){
        .type = TW__TYPE_BRIEF, .bits = LEVEL, .site = made_event(m, time).site, .time = time, .tags = tags};
}

static void a_brief_record_is_of_the_span_of_the_log_before_it(void **state)
{
    struct made *m = *state;
    struct builder_tags tags = {.len = 0};
    const int32_t values[] = {-1, -1, 7};
    builder_tag(&tags, 0, TW__TAG_INTS, 2 | 4 << 1, values, 12);
    struct builder_record first = log_of(m, 5, 1), event = made_event(m, 2), second = log_of(m, 6, 4),
                          brief = brief_of(m, 3, &tags);
    first.tid = 123;
    first.flags = 1;
    builder_add(&m->b, 0, &first);
    builder_add(&m->b, 0, &event);
    uint32_t at = builder_add(&m->b, 0, &brief);
    builder_add(&m->b, 0, &second);
    brief.time = 5;
    builder_add(&m->b, 0, &brief);

    const struct tw_records *all = made_read(m);
    assert_int_equal(all->count, 5);
    assert_int_equal(all->damaged, 0);
    const struct tw_record *got = &all->items[2];
    assert_int_equal(got->kind, TW_RECORD_LOG);
    assert_int_equal(got->time_ns, BUILDER_WALL0 + 3);
    assert_int_equal(got->order, 1 << 13 | at);
    assert_int_equal(got->trace_id[7], 0x11);
    assert_int_equal(got->trace_id[15], 5);
    assert_int_equal(got->span_id[7], 11);
    assert_int_equal(got->tid, 123);
    assert_int_equal(got->flags, 1);
    assert_int_equal(got->level, LEVEL);
    assert_int_equal(got->arg_count, 3);
    assert_int_equal(got->tag_count, 0);
    assert_true(got->args[0].type == TW_TYPE_INT && got->args[0].value.i == -1);
    assert_true(got->args[1].type == TW_TYPE_UINT && got->args[1].value.u == UINT32_MAX);
    assert_true(got->args[2].type == TW_TYPE_INT && got->args[2].value.i == 7);
    assert_int_equal(all->items[4].trace_id[15], 6);
    assert_int_equal(all->items[4].span_id[7], 13);
    assert_int_equal(all->items[4].flags, second.flags);
}

static void a_search_for_a_trace_finds_its_brief_records_and_no_others(void **state)
{
    struct made *m = *state;
    uint8_t trace[16] = {[6] = 0, [7] = 0x11, [15] = 5};
    trace[6] = 0x11;
    for (uint64_t i = 0; i < 40; i += 4) {
        struct builder_record one = log_of(m, 5 + i / 4 % 2, i), span = made_span(m, i + 1);
        struct builder_record brief = brief_of(m, i + 2, NULL), more = brief_of(m, i + 3, NULL);
        span.trace = 99;
        builder_add(&m->b, 0, &one);
        builder_add(&m->b, 0, &span);
        builder_add(&m->b, 0, &brief);
        builder_add(&m->b, 0, &more);
    }
    const struct tw_query queries[] = {{.trace_id = trace}, {.trace_id = trace, .since_ns = 1}};
    for (size_t q = 0; q < 2; q++) {
        const struct tw_records *found = made_read_with(m, &queries[q]);
        assert_int_equal(found->damaged, 0);
        assert_int_equal(found->count, 15);
        for (size_t i = 0; i < 15; i++) assert_int_equal(found->items[i].trace_id[15], 5);
    }
    m->b.header->event_bound = 3; /* the last three are of the other trace */
    assert_int_equal(made_read_with(m, &queries[0])->count, 0);
    assert_int_equal(made_read(m)->count, 3);
}

static void one_without_a_log_before_it_ends_its_chunk(void **state)
{
    struct made *m = *state;
    struct builder_record brief = brief_of(m, 2, NULL), log = log_of(m, 5, 1);
    builder_add(&m->b, 0, &log);
    builder_take(&m->b, 1, 2); /* what stands in another chunk is of no help */
    builder_add(&m->b, 1, &brief);
    builder_add(&m->b, 1, &log);
    assert_int_equal(made_read(m)->count, 1);
    assert_int_equal(m->records->damaged, 1);
    const uint8_t trace[16] = {[6] = 0x11, [7] = 0x11, [15] = 5};
    assert_int_equal(made_read_with(m, &(struct tw_query){.trace_id = trace})->count, 1);
}

static void a_reader_that_goes_on_knows_the_log_it_read_before(void **state)
{
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    const struct tw_query query = {.after = position};
    struct builder_record log = log_of(m, 5, 1), event = made_event(m, 2);
    builder_hold(&m->b, 0, 0);
    builder_add(&m->b, 0, &log);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    for (uint64_t i = 0; i < 3; i++) {
        struct builder_record brief = brief_of(m, 3 + i, NULL);
        builder_add(&m->b, 0, &event);
        builder_add(&m->b, 0, &brief);
        const struct tw_records *more = made_read_with(m, &query);
        assert_int_equal(more->count, 2);
        assert_int_equal(more->damaged, 0);
        assert_int_equal(more->items[1].kind, TW_RECORD_LOG);
        assert_int_equal(more->items[1].trace_id[15], 5);
    }
    tw_position_free(position);
}

static void a_chunk_that_shrinks_has_no_log_where_it_was(void **state)
{
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    const struct tw_query query = {.after = position};
    struct builder_record log = log_of(m, 5, 3), event = made_event(m, 2);
    uint32_t one = builder_add(&m->b, 0, &event), two = builder_add(&m->b, 0, &event);
    builder_add(&m->b, 0, &log);
    const uint32_t ends[] = {builder_chunk(&m->b, 0)->commit, one, two}, counts[] = {3, 0, 1};
    for (size_t i = 0; i < 3; i++) {
        builder_chunk(&m->b, 0)->commit = ends[i];
        *builder_word(&m->b, 0, one + 8) += i; /* its time: what is read is what is there now */
        const struct tw_records *got = made_read_with(m, &query);
        assert_int_equal(got->count, counts[i]);
        assert_int_equal(got->damaged, 0);
    }
    assert_int_equal(m->records->items[0].kind, TW_RECORD_EVENT);
    assert_int_equal(m->records->items[0].time_ns, BUILDER_WALL0 + 2 + 1 + 2);
    tw_position_free(position);
}

static void the_shortest_may_end_where_the_chunk_ends(void **state)
{
    struct made *m = *state;
    struct builder_record log = log_of(m, 5, 1), brief = brief_of(m, 2, NULL);
    const uint8_t trace[16] = {[6] = 0x11, [7] = 0x11, [15] = 5}, other[16] = {[15] = 9};
    uint32_t at = builder_add(&m->b, 0, &log);
    for (; at < TW__CHUNK_BYTES - TW__BRIEF_HEAD_BYTES;) at = builder_add(&m->b, 0, &brief);
    size_t count = 1 + (TW__CHUNK_BYTES - 64 - 48) / 16;
    assert_int_equal(made_read(m)->count, count);
    assert_int_equal(made_read_with(m, &(struct tw_query){.trace_id = trace})->count, count);
    assert_int_equal(made_read_with(m, &(struct tw_query){.trace_id = other})->count, 0);
    assert_int_equal(m->records->damaged, 0);
}

static void integers_that_are_not_all_there_are_none(void **state)
{
    struct made *m = *state;
    struct builder_tags tags = {.len = 0};
    const int32_t values[] = {1, 2, 3};
    builder_tag(&tags, 0, TW__TAG_INTS, 3, values, 12);
    struct builder_record log = log_of(m, 5, 1), brief = brief_of(m, 2, &tags);
    builder_add(&m->b, 0, &log);
    builder_add(&m->b, 0, &brief);
    const struct tw_records *all = made_read(m);
    assert_int_equal(all->count, 2);
    assert_int_equal(all->damaged, 1);
    assert_int_equal(all->items[1].arg_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MADE(a_brief_record_is_of_the_span_of_the_log_before_it),
        MADE(a_search_for_a_trace_finds_its_brief_records_and_no_others),
        MADE(one_without_a_log_before_it_ends_its_chunk),
        MADE(a_reader_that_goes_on_knows_the_log_it_read_before),
        MADE(a_chunk_that_shrinks_has_no_log_where_it_was),
        MADE(the_shortest_may_end_where_the_chunk_ends),
        MADE(integers_that_are_not_all_there_are_none),
    };
    return cmocka_run_group_tests_name("brief", tests, NULL, NULL);
}
