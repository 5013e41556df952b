#include "ring/made.h"

#include <stdlib.h>
#include <string.h>

/* -- records */

static void delivers_a_span_with_everything_it_has(void **state)
{
    struct made *m = *state;
    struct builder_tags tags = {.len = 0};
    uint64_t number = (uint64_t)-5;
    double half = 0.5;
    uint32_t literal = builder_text(&m->b, "literally");
    uint8_t parent[28] = {[0] = 0xaa, [16] = 0xbb, [24] = 3};
    builder_tag(&tags, m->key, TW__TAG_INT, 0, &number, 8);
    builder_tag(&tags, m->key, TW__TAG_UINT, 0, &number, 8);
    builder_tag(&tags, m->key, TW__TAG_DOUBLE, 0, &half, 8);
    builder_tag(&tags, m->key, TW__TAG_BOOL, 1, NULL, 0);
    builder_tag_text(&tags, m->key, TW__TAG_STR, "text");
    builder_tag_text(&tags, m->key, TW__TAG_BYTES, "bytes");
    builder_tag_long(&tags, m->key, TW__TAG_STR, "cut he", 6, 999);
    builder_tag(&tags, m->key, TW__TAG_LITERAL, 0, &literal, 4);
    builder_tag(&tags, 0, TW__TAG_LINK, 28, parent, 28);
    builder_tag_text(&tags, 0, TW__TAG_NAME, "renamed");
    builder_tag_text(&tags, 0, TW__TAG_STATUS, "no cart");
    builder_tag_text(&tags, 0, 12, "a module");
    builder_tag_text(&tags, 0, 13, "a function");
    struct builder_record r = made_span(m, 9);
    r.tags = &tags;
    r.bits = ERROR_BIT | TW_KIND_SERVER;
    r.parent = 0x0102030405060708;
    builder_add(&m->b, 0, &r);

    const struct tw_records *records = made_read(m);
    assert_int_equal(records->count, 1);
    assert_int_equal(records->damaged, 0);
    const struct tw_record *got = &records->items[0];
    assert_int_equal(got->kind, TW_RECORD_SPAN);
    assert_int_equal(got->time_ns, BUILDER_WALL0 + 9000);
    assert_int_equal(got->end_ns, BUILDER_WALL0 + 9500);
    assert_int_equal(got->order, 1 << 13 | 64);
    assert_int_equal(got->trace_id[7], 0x11);
    assert_int_equal(got->trace_id[15], 5);
    assert_int_equal(got->span_id[7], 9);
    assert_int_equal(got->parent_id[0], 1);
    assert_int_equal(got->parent_id[7], 8);
    assert_int_equal(got->flags, 1);
    assert_int_equal(got->span_kind, TW_KIND_SERVER);
    assert_int_equal(got->status, TW_STATUS_ERROR);
    assert_int_equal(got->marks, TW_RECORD_CUT);
    assert_int_equal(got->line, 17);
    assert_int_equal(got->tid, 77);
    assert_int_equal(got->pid, 4242);
    assert_text(got->thread, "worker");
    assert_text(got->name, "renamed");
    assert_text(got->module, "a module");
    assert_text(got->function, "a function");
    assert_text(got->status_message, "no cart");
    assert_int_equal(got->tag_count, 8);
    assert_text(got->tags[0].key, "user.id");
    assert_true(got->tags[0].type == TW_TYPE_INT && got->tags[0].value.i == -5);
    assert_true(got->tags[1].type == TW_TYPE_UINT && got->tags[1].value.u == number);
    assert_true(got->tags[2].type == TW_TYPE_DOUBLE && got->tags[2].value.d >= 0.5 && got->tags[2].value.d <= 0.5);
    assert_true(got->tags[3].type == TW_TYPE_BOOL && got->tags[3].value.u == 1);
    assert_text(got->tags[4].text, "text");
    assert_int_equal(got->tags[5].type, TW_TYPE_BYTES);
    assert_text(got->tags[6].text, "cut he");
    assert_true(got->tags[6].cut && got->tags[6].full_len == 999);
    assert_text(got->tags[7].text, "literally");
    assert_int_equal(got->parent_count, 1);
    assert_true(got->parents[0].trace_id[0] == 0xaa && got->parents[0].span_id[0] == 0xbb &&
                got->parents[0].flags == 3);
}

static void records_outlive_the_reader_and_the_segment(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 9);
    builder_add(&m->b, 0, &r);
    (void)made_read(m);
    tw_reader_close(m->reader);
    m->reader = NULL;
    memset(m->b.bytes, 0xff, m->b.len);
    assert_text(m->records->items[0].name, "GET /cart");
    assert_text(m->records->items[0].thread, "worker");
}

static void records_of_unknown_types_are_skipped_by_their_length(void **state)
{
    struct made *m = *state;
    struct builder_record strange = made_event(m, 1), known = made_event(m, 2);
    strange.type = 99;
    builder_add(&m->b, 0, &strange);
    builder_add(&m->b, 0, &known);
    assert_int_equal(made_read(m)->count, 1);
    assert_int_equal(m->records->damaged, 0);
}

static void a_record_with_an_impossible_length_ends_its_chunk_and_no_other(void **state)
{
    struct made *m = *state;
    static const uint64_t wrong[] = {0, 8, 40, 47, 65, 56, 8192, 65535, 65528};
    struct builder_record r = made_span(m, 1);
    builder_add(&m->b, 0, &r);
    uint32_t at = builder_add(&m->b, 0, &r);
    builder_take(&m->b, 1, 2);
    builder_add(&m->b, 1, &r);
    uint64_t *head = builder_word(&m->b, 0, at);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        *head = (*head & ~(uint64_t)0xffff) | wrong[i];
        assert_int_equal(made_read(m)->count, 2);
        assert_int_equal(m->records->damaged, 1);
    }
}

static void a_record_may_end_where_its_chunk_ends_and_not_behind(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_event(m, 1);
    uint32_t at = 64;
    for (; at + 48 <= TW__CHUNK_BYTES - 96; at += 48) builder_add(&m->b, 0, &r);
    at = builder_add(&m->b, 0, &r);
    uint32_t rest = TW__CHUNK_BYTES - at;
    *builder_word(&m->b, 0, at) = (*builder_word(&m->b, 0, at) & ~(uint64_t)0xffff) | rest;
    builder_chunk(&m->b, 0)->commit = TW__CHUNK_BYTES;
    size_t whole = made_read(m)->count;
    assert_int_equal(m->records->damaged, 0);
    *builder_word(&m->b, 0, at) += 8;
    assert_int_equal(made_read(m)->count, whole - 1);
    assert_int_equal(m->records->damaged, 1);
}

/* -- dictionary */

static void assert_name_is_unknown(struct made *m)
{
    assert_int_equal(made_read(m)->count, 1);
    assert_text(m->records->items[0].name, "?");
    assert_int_equal(m->records->damaged, 1);
}

static void ids_outside_of_the_dictionary_read_as_a_question_mark(void **state)
{
    struct made *m = *state;
    static const uint32_t wrong[] = {BUILDER_DICT_BYTES / 8, BUILDER_DICT_BYTES / 8 + 1, UINT32_MAX, (uint32_t)1 << 29};
    struct builder_record r = made_event(m, 1);
    uint32_t at = builder_add(&m->b, 0, &r);
    for (size_t i = 0; i < 4; i++) {
        uint64_t *head = builder_word(&m->b, 0, at);
        *head = (*head & UINT32_MAX) | (uint64_t)wrong[i] << 32;
        assert_name_is_unknown(m);
    }
    *builder_word(&m->b, 0, at) &= UINT32_MAX; /* 0 is that text */
    assert_text(made_read(m)->items[0].name, "?");
    assert_int_equal(m->records->damaged, 0);
}

static void entries_that_do_not_fit_read_as_a_question_mark(void **state)
{
    struct made *m = *state;
    struct tw__entry *entry = builder_entry(&m->b, m->site), before = *entry;
    struct builder_record r = made_event(m, 1);
    uint32_t lens[3] = {0xffff, 0, 0};
    builder_add(&m->b, 0, &r);
    entry->head = 0; /* not committed */
    assert_name_is_unknown(m);
    entry->head = 3u << 24 | 16; /* another kind */
    assert_name_is_unknown(m);
    entry->head = before.head | 0xffffff; /* payload beyond the units */
    assert_name_is_unknown(m);
    entry->head = 2u << 24 | 11; /* shorter than a site */
    assert_name_is_unknown(m);
    entry->head = before.head;
    entry->units = 0;
    assert_name_is_unknown(m);
    entry->units = UINT32_MAX; /* units beyond the dictionary */
    assert_name_is_unknown(m);
    entry->units = before.units;
    memcpy((uint8_t *)(entry + 1) + 4, lens, 2); /* name longer than the payload */
    assert_name_is_unknown(m);
}

static void texts_together_are_never_longer_than_the_dictionary(void **state)
{
    struct made *m = *state;
    struct tw__entry *all = builder_entry(&m->b, m->site);
    uint32_t units = BUILDER_DICT_BYTES / 8 - m->site - 64;
    for (uint32_t i = 0; i < 32; i++) /* thirty-two texts, each nearly the whole dictionary */
        all[i] = (struct tw__entry){.head = 1u << 24 | (units * 8 - 8), .units = units};
    for (uint32_t i = 0; i < 32; i++) {
        struct builder_record r = made_event(m, i + 1);
        r.site = m->site + i;
        builder_add(&m->b, 0, &r);
    }
    size_t total = 0;
    (void)made_read(m);
    for (size_t i = 0; i < m->records->count; i++) total += m->records->items[i].name.len;
    assert_true(total <= BUILDER_DICT_BYTES + 32);
    assert_true(m->records->damaged >= 30);
}

/* -- tags */

static void tags_that_do_not_fit_end_the_list_and_what_was_read_stays(void **state)
{
    struct made *m = *state;
    static const uint32_t wrong[] = {TW__TAG_STR << 16 | 200u << 24, TW__TAG_LINK << 16, 14u << 16, 255u << 16, 1u,
                                     TW__TAG_LONG << 16};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct builder_tags tags = {.len = 0};
        uint32_t words[2] = {0xffffff | 5u << 24, UINT32_MAX};
        builder_take(&m->b, 0, 1);
        builder_tag(&tags, m->key, TW__TAG_BOOL, 1, NULL, 0);
        memcpy(tags.bytes + tags.len, &wrong[i], 4);
        memcpy(tags.bytes + tags.len + 4, words, 8);
        tags.len += 12;
        struct builder_record r = made_event(m, 1);
        r.tags = &tags;
        builder_add(&m->b, 0, &r);
        assert_int_equal(made_read(m)->count, 1);
        assert_int_equal(m->records->items[0].tag_count, 1);
        assert_int_equal(m->records->damaged, 1);
    }
}

static void a_record_full_of_tags_is_read_whole(void **state)
{
    struct made *m = *state;
    struct builder_tags *tags = calloc(1, sizeof *tags);
    assert_non_null(tags);
    for (int i = 0; i < 1008; i++) builder_tag(tags, m->key, TW__TAG_BOOL, 1, NULL, 0);
    struct builder_record r = made_span(m, 1);
    r.tags = tags;
    builder_add(&m->b, 0, &r);
    free(tags);
    assert_int_equal(made_read(m)->items[0].tag_count, 1008);
}

static void further_tags_join_their_span_finished_or_open_and_no_other(void **state)
{
    struct made *m = *state;
    struct builder_tags first = {.len = 0}, more = {.len = 0}, rename = {.len = 0};
    struct builder_record tags = made_event(m, 1), done = made_span(m, 3), open = made_span(m, 5),
                          other = made_span(m, 7);
    tags.type = TW__TYPE_TAGS;
    builder_tag_text(&first, m->key, TW__TAG_STR, "first");
    builder_tag_text(&more, m->key, TW__TAG_STR, "more");
    builder_tag_text(&rename, 0, TW__TAG_NAME, "renamed");
    tags.tags = &more;
    tags.id = 3;
    builder_add(&m->b, 0, &tags);
    tags.id = 5;
    builder_add(&m->b, 0, &tags);
    tags.trace = 6;
    builder_add(&m->b, 0, &tags); /* of another trace's span with the same id */
    tags.trace = 5;
    tags.tags = &rename;
    tags.id = 3;
    builder_add(&m->b, 0, &tags);
    done.tags = &first;
    builder_add(&m->b, 0, &done);
    builder_add(&m->b, 0, &other);
    builder_open(&m->b, 0, 0, &open);

    const struct tw_records *records = made_read(m);
    assert_int_equal(records->count, 3);
    assert_int_equal(records->items[0].tag_count, 2);
    assert_text(records->items[0].tags[0].text, "more");
    assert_text(records->items[0].tags[1].text, "first");
    assert_text(records->items[0].name, "renamed");
    assert_int_equal(records->items[1].kind, TW_RECORD_OPEN);
    assert_int_equal(records->items[1].tag_count, 1);
    assert_int_equal(records->items[2].tag_count, 0);
}

/* Tagged on one thread, then on another whose chunk is older. */
static void further_tags_come_in_the_order_of_time(void **state)
{
    struct made *m = *state;
    struct builder_tags early = {.len = 0}, late = {.len = 0};
    struct builder_record tags = made_event(m, 20), done = made_span(m, 1);
    builder_tag_text(&early, m->key, TW__TAG_STR, "early");
    builder_tag_text(&late, m->key, TW__TAG_STR, "late");
    tags.type = TW__TYPE_TAGS;
    tags.tags = &late;
    builder_add(&m->b, 0, &tags);
    builder_take(&m->b, 1, 9);
    tags.time = 10;
    tags.tags = &early;
    builder_add(&m->b, 1, &tags);
    builder_add(&m->b, 1, &done);
    const struct tw_records *records = made_read(m);
    assert_int_equal(records->count, 1);
    assert_int_equal(records->items[0].tag_count, 2);
    assert_text(records->items[0].tags[0].text, "early");
    assert_text(records->items[0].tags[1].text, "late");
}

/* A slot of one tag, emptied so often / 2, and records TAGS of so many tags and such a number. Returns how many tags
 * are shown. */
static size_t tags_of_emptied(struct made *m, uint32_t emptied, size_t in_slot, uint32_t number, size_t in_record)
{
    struct builder_tags own = {.len = 0}, more = {.len = 0};
    struct builder_record open = made_span(m, 5), tags = made_event(m, 5);
    for (size_t i = 0; i < in_slot; i++) builder_tag_text(&own, m->key, TW__TAG_STR, "the same");
    for (size_t i = 0; i < in_record; i++) builder_tag_text(&more, m->key, TW__TAG_STR, "the same");
    tags.type = TW__TYPE_TAGS;
    tags.tags = &more;
    tags.id = 5;
    open.tags = &own;
    uint32_t at = builder_add(&m->b, 0, &tags);
    builder_word(&m->b, 0, at)[5] |= (uint64_t)number << 40;
    builder_open(&m->b, 0, 0, &open);
    builder_slot(&m->b, 0, 0)->emptied = emptied;
    const struct tw_records *records = made_read(m);
    assert_int_equal(records->count, 1);
    assert_int_equal(records->items[0].kind, TW_RECORD_OPEN);
    return records->items[0].tag_count;
}

/* The slot was copied, then emptied, then the records were read; or the process died between. */
static void tags_that_have_gone_to_a_record_count_once(void **state)
{
    assert_int_equal(tags_of_emptied(*state, 10, 1, 6, 3), 3);
}

static void tags_of_a_slot_emptied_more_than_once_since_count_once(void **state)
{
    assert_int_equal(tags_of_emptied(*state, 10, 2, 8, 3), 3);
}

static void tags_that_are_being_cleared_do_not_count(void **state)
{
    assert_int_equal(tags_of_emptied(*state, 11, 2, 6, 3), 3);
}

static void the_same_tags_set_again_count_twice(void **state)
{
    assert_int_equal(tags_of_emptied(*state, 12, 3, 6, 3), 6);
}

static void numbers_of_records_of_tags_begin_anew(void **state)
{
    assert_int_equal(tags_of_emptied(*state, 2 * TW__TAGS_NUMBER_MAX, 2, 0, 3), 3);
}

/* -- spans in progress */

static void an_odd_id_is_a_span_in_progress(void **state)
{
    struct made *m = *state;
    struct builder_tags tags = {.len = 0};
    struct builder_record r = made_span(m, 3);
    builder_tag_text(&tags, m->key, TW__TAG_STR, "whole");
    builder_tag_text(&tags, m->key, TW__TAG_STR, "being written");
    memset(tags.bytes + 16, 0, 4);
    r.tags = &tags;
    builder_open(&m->b, 1, 30, &r);
    assert_int_equal(made_read(m)->count, 1);
    assert_int_equal(m->records->items[0].kind, TW_RECORD_OPEN);
    assert_int_equal(m->records->items[0].end_ns, 0);
    assert_int_equal(m->records->items[0].tag_count, 1);
    assert_int_equal(m->records->items[0].order, UINT64_MAX - 61);
    assert_int_equal(made_read_with(m, &(struct tw_query){.only_open = true})->count, 1);
    assert_int_equal(made_read_with(m, &(struct tw_query){0})->count, 0);
    builder_slot(&m->b, 1, 30)->id = 4; /* ended */
    assert_int_equal(made_read(m)->count, 0);
    builder_slot(&m->b, 1, 30)->id = 5;
    builder_slot(&m->b, 1, 30)->head = TW__TYPE_HOLDER << 16; /* an attached context */
    assert_int_equal(made_read(m)->count, 0);
}

static void tags_len_beyond_the_slot_stops_at_its_end(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 3);
    builder_open(&m->b, 0, 0, &r);
    struct tw__slot *slot = builder_slot(&m->b, 0, 0);
    uint32_t flag = TW__TAG_BOOL << 16 | 1u << 24;
    for (size_t at = 0; at < sizeof(struct tw__slot) - TW__SLOT_HEAD_BYTES; at += 8)
        memcpy((uint8_t *)slot + TW__SLOT_HEAD_BYTES + at, &flag, 4);
    slot->tags_len = TW__SLOT_TAG_BYTES + 1;
    assert_int_equal(made_read(m)->items[0].tag_count, TW__SLOT_TAG_BYTES / 8);
    slot->tags_len = UINT64_MAX;
    assert_int_equal(made_read(m)->items[0].tag_count, TW__SLOT_TAG_BYTES / 8);
}

static void a_span_whose_record_is_there_is_not_open_any_more(void **state)
{
    struct made *m = *state;
    struct builder_record r = made_span(m, 3), other = made_span(m, 3);
    other.trace = 6;
    builder_open(&m->b, 0, 0, &r);
    builder_open(&m->b, 0, 1, &other);
    builder_add(&m->b, 0, &r);
    assert_int_equal(made_read(m)->count, 2);
    assert_int_equal(m->records->items[0].kind, TW_RECORD_SPAN);
    assert_int_equal(m->records->items[1].trace_id[15], 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MADE(delivers_a_span_with_everything_it_has),
        MADE(records_outlive_the_reader_and_the_segment),
        MADE(records_of_unknown_types_are_skipped_by_their_length),
        MADE(a_record_with_an_impossible_length_ends_its_chunk_and_no_other),
        MADE(a_record_may_end_where_its_chunk_ends_and_not_behind),
        MADE(ids_outside_of_the_dictionary_read_as_a_question_mark),
        MADE(entries_that_do_not_fit_read_as_a_question_mark),
        MADE(texts_together_are_never_longer_than_the_dictionary),
        MADE(tags_that_do_not_fit_end_the_list_and_what_was_read_stays),
        MADE(a_record_full_of_tags_is_read_whole),
        MADE(further_tags_join_their_span_finished_or_open_and_no_other),
        MADE(further_tags_come_in_the_order_of_time),
        MADE(tags_that_have_gone_to_a_record_count_once),
        MADE(tags_of_a_slot_emptied_more_than_once_since_count_once),
        MADE(tags_that_are_being_cleared_do_not_count),
        MADE(the_same_tags_set_again_count_twice),
        MADE(numbers_of_records_of_tags_begin_anew),
        MADE(an_odd_id_is_a_span_in_progress),
        MADE(tags_len_beyond_the_slot_stops_at_its_end),
        MADE(a_span_whose_record_is_there_is_not_open_any_more),
    };
    return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
