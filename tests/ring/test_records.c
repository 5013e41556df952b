#include "ring/made.h"

#include <stdlib.h>

/* -- queries */

static void records_come_in_order_of_time_then_of_writing(void **state)
{
    struct made *m = *state;
    static const uint64_t times[] = {500, 100, 300, 100};
    builder_take(&m->b, 1, 0);
    for (unsigned i = 0; i < 4; i++) {
        struct builder_record r = made_event(m, times[i]);
        builder_add(&m->b, i % 2, &r); /* chunk 1 is the older one */
    }
    const struct tw_records *records = made_read(m);
    for (size_t i = 1; i < 4; i++) {
        const struct tw_record *a = &records->items[i - 1], *b = &records->items[i];
        assert_true(a->time_ns < b->time_ns || (a->time_ns == b->time_ns && a->order < b->order));
    }
}

static void one_trace_is_found_among_others(void **state)
{
    struct made *m = *state;
    uint8_t id[16] = {[6] = 0x11, [7] = 0x11, [15] = 6};
    for (uint64_t i = 0; i < 20; i++) {
        struct builder_record r = made_span(m, 2 * i + 1);
        r.trace = 5 + i % 2;
        builder_add(&m->b, 0, &r);
        if (i < 4)
            builder_open(&m->b, 0, (unsigned)i,
                         &(struct builder_record){.type = 1, .trace = r.trace, .id = 1001 + 2 * i});
    }
    assert_int_equal(made_read_with(m, &(struct tw_query){.trace_id = id, .open_spans = true})->count, 12);
    for (size_t i = 0; i < 12; i++) assert_int_equal(m->records->items[i].trace_id[15], 6);
    id[0] = 1;
    assert_int_equal(made_read_with(m, &(struct tw_query){.trace_id = id})->count, 0);
}

static void since_and_until_bound_what_overlaps_them(void **state)
{
    struct made *m = *state;
    for (uint64_t i = 1; i <= 9; i += 2) { /* [1000, 1500] [3000, 3500] ... [9000, 9500] */
        struct builder_record r = made_span(m, i);
        builder_add(&m->b, 0, &r);
    }
    assert_int_equal(made_read_with(m, &(struct tw_query){.since_ns = BUILDER_WALL0 + 5500})->count, 3);
    assert_int_equal(made_read_with(m, &(struct tw_query){.since_ns = BUILDER_WALL0 + 5501})->count, 2);
    assert_int_equal(made_read_with(m, &(struct tw_query){.until_ns = BUILDER_WALL0 + 5000})->count, 2);
    assert_int_equal(made_read_with(m, &(struct tw_query){.until_ns = BUILDER_WALL0 + 5001})->count, 3);
    assert_int_equal(made_read_with(m, &(struct tw_query){.since_ns = 1, .until_ns = UINT64_MAX})->count, 5);
    assert_int_equal(made_read_with(m, &(struct tw_query){.since_ns = UINT64_MAX})->count, 0);
}

static void a_chunk_closed_before_since_gives_only_tags_to_spans_that_began_in_its_time(void **state)
{
    struct made *m = *state;
    struct builder_tags more = {.len = 0};
    struct builder_record tags = made_event(m, 2000), done = made_span(m, 1), old = made_event(m, 1900);
    builder_tag_text(&more, m->key, TW__TAG_STR, "more");
    tags.type = TW__TYPE_TAGS;
    tags.tags = &more;
    builder_add(&m->b, 0, &old);
    builder_add(&m->b, 0, &tags);
    builder_chunk(&m->b, 0)->last_tick = 3000;
    done.end = 1000000;
    builder_take(&m->b, 1, 2);
    builder_add(&m->b, 1, &done);
    assert_int_equal(made_read_with(m, &(struct tw_query){.since_ns = BUILDER_WALL0 + 900000})->count, 1);
    assert_int_equal(m->records->items[0].tag_count, 1);
}

static void limit_keeps_the_newest(void **state)
{
    struct made *m = *state;
    for (uint64_t i = 1; i <= 9; i++) {
        struct builder_record r = made_event(m, i);
        builder_add(&m->b, 0, &r);
    }
    assert_int_equal(made_read_with(m, &(struct tw_query){.limit = 4})->count, 4);
    assert_int_equal(m->records->items[0].time_ns, BUILDER_WALL0 + 6);
    assert_int_equal(made_read_with(m, &(struct tw_query){.limit = SIZE_MAX})->count, 9);
}

static void the_bound_counts_the_newest_records_of_all_traces(void **state)
{
    struct made *m = *state;
    uint8_t id[16] = {[6] = 0x11, [7] = 0x11, [15] = 6};
    for (uint64_t i = 1; i <= 10; i++) {
        struct builder_record r = made_event(m, 100); /* all at once: the order of writing decides */
        r.trace = 5 + i % 2;
        builder_add(&m->b, 0, &r);
    }
    m->b.header->event_bound = 4;
    assert_int_equal(made_read(m)->count, 4);
    assert_int_equal(made_read_with(m, &(struct tw_query){.trace_id = id})->count, 2);
    m->b.header->event_bound = UINT64_MAX;
    assert_int_equal(made_read(m)->count, 10);
}

static void what_ended_before_the_clearing_is_forgotten(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 1), later = made_span(m, 3), own = made_event(m, 5);
    builder_add(&m->b, 0, &r);
    builder_add(&m->b, 0, &later);
    own.bits = OWN_TIME_BIT; /* of long ago, but written last */
    builder_add(&m->b, 0, &own);
    m->b.header->cleared_tick = r.end;
    assert_int_equal(made_read(m)->count, 2);
    m->b.header->cleared_tick = later.end;
    assert_int_equal(made_read(m)->count, 0);
}

static void a_backward_end_is_kept_and_flagged(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 9);
    r.bits = OWN_TIME_BIT;
    r.end = 10;
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read(m)->items[0].marks, TW_RECORD_BACKWARDS | TW_RECORD_OWN_TIME);
    assert_int_equal(m->records->items[0].end_ns, BUILDER_WALL0 + 10);
}

static bool keep_odd(void *data, uint64_t ticket, uint32_t offset)
{
    unsigned *asked = data;
    assert_true(ticket == UINT64_MAX || (ticket == 1 && offset >= 64));
    return (*asked)++ % 2 == 1;
}

static void each_record_that_matches_is_offered_once(void **state)
{
    struct made *m = *state;
    unsigned asked = 0;
    for (uint64_t i = 1; i <= 8; i++) {
        struct builder_record r = made_event(m, i);
        if (i == 3) r.type = TW__TYPE_TAGS; /* part of a span, not offered */
        builder_add(&m->b, 0, &r);
    }
    struct builder_record open = made_span(m, 11);
    builder_open(&m->b, 0, 0, &open);
    made_open(m);
    assert_int_equal(
        tw__reader_read_some(m->reader, &(struct tw_query){.open_spans = true}, keep_odd, &asked, &m->records), 0);
    assert_int_equal(asked, 8);
    assert_int_equal(m->records->count, 4);
}

/* -- positions */

static void a_repeated_reader_gets_each_record_once(void **state)
{
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    struct tw_query query = {.after = position};
    struct builder_record r = made_event(m, 1);
    builder_hold(&m->b, 0, 0);
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    assert_int_equal(made_read_with(m, &query)->count, 0);
    builder_add(&m->b, 0, &r);
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 2);
    builder_set_state(&m->b, 0, TW__CHUNK_CLOSED);
    builder_take(&m->b, 1, 2);
    builder_add(&m->b, 1, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    assert_int_equal(m->records->missed, 0);
    tw_position_free(position);
}

static void chunks_overwritten_between_two_reads_count_as_missed(void **state)
{
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    struct tw_query query = {.after = position};
    struct builder_record r = made_event(m, 1);
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    builder_take(&m->b, 0, 1 + 4); /* the next round: delivered whole before */
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    assert_int_equal(m->records->missed, 0);
    builder_take(&m->b, 0, 1 + 4 + 3 * 4); /* two rounds unseen */
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    assert_int_equal(m->records->missed, 2);
    builder_hold(&m->b, 0, 0);
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    builder_take(&m->b, 0, 1 + 4 + 4 * 4); /* was open when read: it had more, most likely */
    (void)made_read_with(m, &query);
    assert_int_equal(m->records->missed, 1);
    tw_position_free(position);
}

static void further_tags_wait_for_their_span_across_reads(void **state)
{
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    struct tw_query query = {.after = position};
    struct builder_tags more = {.len = 0};
    struct builder_record tags = made_event(m, 1), done = made_span(m, 3);
    builder_tag_text(&more, m->key, TW__TAG_STR, "more");
    tags.type = TW__TYPE_TAGS;
    tags.id = 3;
    tags.tags = &more;
    builder_add(&m->b, 0, &tags);
    assert_int_equal(made_read_with(m, &query)->count, 0);
    assert_int_equal(made_read_with(m, &query)->count, 0);
    builder_add(&m->b, 0, &done);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    assert_int_equal(m->records->items[0].tag_count, 1);
    tw_position_free(position);
}

/* Chunk n has ticket n + 1 and the two events 10 * n + 1 and 10 * n + 2. Four tickets are given: in an arena chunk 1 is
 * the oldest. */
static void fill_four_chunks(struct made *m)
{
    for (uint64_t n = 0; n < 4; n++) {
        if (n) builder_take(&m->b, (uint32_t)n, n + 1);
        for (uint64_t i = 1; i <= 2; i++) {
            struct builder_record r = made_event(m, 10 * n + i);
            builder_add(&m->b, (uint32_t)n, &r);
        }
        if (n) builder_set_state(&m->b, (uint32_t)n, TW__CHUNK_CLOSED);
    }
    m->b.header->next_ticket = 4;
}

static void a_read_that_is_bounded_takes_the_oldest_and_the_next_goes_on(void **state)
{
    static const unsigned chunks[] = {1, 2, 3, 0};
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    struct tw_query query = {.after = position, .max_bytes = 1};
    fill_four_chunks(m);
    for (unsigned n = 0; n < 4; n++) {
        assert_int_equal(made_read_with(m, &query)->count, 2);
        assert_int_equal(m->records->more, 3 - n);
        for (unsigned i = 0; i < 2; i++) assert_int_equal(m->records->items[i].order >> 13, chunks[n] + 1);
    }
    assert_int_equal(made_read_with(m, &query)->count, 0);
    assert_true(m->records->more == 0 && m->records->missed == 0);
    struct builder_record r = made_event(m, 50);
    builder_take(&m->b, 0, 1 + 4);
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1);
    assert_true(m->records->missed == 0);
    tw_position_free(position);
}

static void what_is_overwritten_before_a_bounded_pass_comes_to_it_is_missed(void **state)
{
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    struct tw_query query = {.after = position, .max_bytes = 1};
    struct builder_record r = made_event(m, 90);
    fill_four_chunks(m);
    assert_int_equal(made_read_with(m, &query)->count, 2); /* chunk 1 */
    builder_take(&m->b, 2, 3 + 4);
    builder_add(&m->b, 2, &r);
    builder_take(&m->b, 1, 2 + 4); /* read in this pass: its new content is for the next one */
    builder_add(&m->b, 1, &r);
    assert_int_equal(made_read_with(m, &query)->count, 1); /* chunk 2 */
    assert_int_equal(m->records->missed, 1);
    builder_take(&m->b, 0, 1 + 3 * 4); /* three times */
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read_with(m, &query)->count, 2); /* chunk 3 */
    assert_int_equal(made_read_with(m, &query)->count, 1); /* chunk 0 */
    assert_int_equal(m->records->missed, 3);
    assert_int_equal(m->records->more, 0);
    assert_int_equal(made_read_with(m, &query)->count, 1); /* chunk 1 */
    assert_int_equal(m->records->missed, 0);
    tw_position_free(position);
}

/* -- in parts */

enum { MANY_CHUNKS = 12, MANY_SPANS = MANY_CHUNKS * 100 };

struct told {
    unsigned parts, ends, stop_at; /* stop_at: in which part to give up */
    size_t events, spans;
    uint64_t last_ns;
};

static int note_part(const struct tw_records *records, void *data)
{
    struct told *told = data;
    if (!records) {
        told->ends++;
        return 0;
    }
    assert_int_equal(told->ends, 0);
    if (++told->parts == told->stop_at) return 17;
    for (size_t i = 0; i < records->count; i++) {
        const struct tw_record *record = &records->items[i];
        assert_true((record->kind != TW_RECORD_SPAN) == (told->parts == 1));
        assert_text(record->name, "GET /cart");
        if (record->kind != TW_RECORD_SPAN) {
            told->events++;
            continue;
        }
        told->spans++;
        assert_true(record->time_ns > told->last_ns);
        told->last_ns = record->time_ns;
    }
    return 0;
}

/* 1,200 spans, the last one first, and an event after each hundred. */
static void make_many(struct made *m)
{
    builder_fini(&m->b);
    builder_init(&m->b, 2, MANY_CHUNKS, BUILDER_DICT_BYTES);
    m->site = builder_site(&m->b, "GET /cart", "cart", "handle", 17);
    for (uint32_t i = 0; i < MANY_SPANS; i++) {
        struct builder_record span = made_span(m, MANY_SPANS - i), event = made_event(m, 2000 * (uint64_t)MANY_SPANS);
        if (i % 100 == 0) builder_take(&m->b, i / 100, i / 100 + 1);
        builder_add(&m->b, i / 100, &span);
        if (i % 100 == 99) builder_add(&m->b, i / 100, &event);
    }
}

static void parts_have_what_is_no_span_first_and_then_each_span_once(void **state)
{
    struct made *m = *state;
    struct told told = {0};
    make_many(m);
    made_open(m);
    assert_int_equal(tw_reader_each(m->reader, &(struct tw_query){.open_spans = true}, note_part, &told), 0);
    assert_int_equal(told.events, MANY_CHUNKS);
    assert_int_equal(told.spans, MANY_SPANS);
    assert_true(told.parts > 2);
    assert_int_equal(told.ends, 1);
    struct told few = {0};
    assert_int_equal(tw_reader_each(m->reader, &(struct tw_query){.limit = 20}, note_part, &few), 0);
    assert_int_equal(few.events + few.spans, 20);
    assert_int_equal(few.last_ns, told.last_ns);
}

static void who_gives_up_in_a_part_is_told_all_of_it_again(void **state)
{
    struct made *m = *state;
    struct tw_position *position = tw_position_new();
    struct tw_query query = {.after = position};
    struct told first = {.stop_at = 3}, again = {0}, after = {0};
    make_many(m);
    made_open(m);
    assert_int_equal(tw_reader_each(m->reader, &query, note_part, &first), 17);
    assert_int_equal(first.ends, 0);
    assert_int_equal(tw_reader_each(m->reader, &query, note_part, &again), 0);
    assert_int_equal(again.events + again.spans, MANY_CHUNKS + MANY_SPANS);
    assert_int_equal(tw_reader_each(m->reader, &query, note_part, &after), 0);
    assert_int_equal(after.events + after.spans, 0);
    assert_int_equal(after.ends, 1);
    tw_position_free(position);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MADE(records_come_in_order_of_time_then_of_writing),
        MADE(one_trace_is_found_among_others),
        MADE(since_and_until_bound_what_overlaps_them),
        MADE(a_chunk_closed_before_since_gives_only_tags_to_spans_that_began_in_its_time),
        MADE(limit_keeps_the_newest),
        MADE(the_bound_counts_the_newest_records_of_all_traces),
        MADE(what_ended_before_the_clearing_is_forgotten),
        MADE(a_backward_end_is_kept_and_flagged),
        MADE(each_record_that_matches_is_offered_once),
        MADE(a_repeated_reader_gets_each_record_once),
        MADE(chunks_overwritten_between_two_reads_count_as_missed),
        MADE(further_tags_wait_for_their_span_across_reads),
        MADE(a_read_that_is_bounded_takes_the_oldest_and_the_next_goes_on),
        MADE(what_is_overwritten_before_a_bounded_pass_comes_to_it_is_missed),
        MADE(parts_have_what_is_no_span_first_and_then_each_span_once),
        MADE(who_gives_up_in_a_part_is_told_all_of_it_again),
    };
    return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
