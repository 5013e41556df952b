/* recent and sort: a table gives back what came in, and its rows stand as blocks want them. */
#include "store/made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/recent.h"
#include "store/sort.h"

static struct tw_text text_of(struct tw__spans *spans, const char *format, unsigned long long number)
{
    char text[80];
    int len = snprintf(text, sizeof text, "%s%llu", format, number);
    return (struct tw_text){tw__pool_copy(&spans->pool, text, (size_t)len), (size_t)len};
}

/* What a table has is the batch: span for span. */
static void assert_comes_back(struct tw__recent *recent, size_t first, const struct tw__spans *in)
{
    struct tw__spans out = {0};
    struct tw__recent_reader reader = {.recent = recent, .parts = TW__PART_ALL, .out = &out};
    assert_int_equal(tw__recent_read_begin(&reader), 0);
    for (size_t i = 0; i < in->count; i++) assert_int_equal(tw__recent_read(&reader, first + i), 0);
    for (size_t i = 0; i < in->count; i++)
        if (!made_equal(in, i, &out, i)) fail_msg("span %zu came back otherwise", i);
    tw__spans_fini(&out);
}

static void texts_with_the_same_ends_and_length_are_told_apart(void **state)
{
    (void)state;
    struct tw__recent recent;
    struct tw__spans in = {0};
    assert_int_equal(tw__recent_init(&recent), 0);
    /* Twice, so that each is known as one seen lately when the next one comes. */
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 200; i++) {
            struct tw__span *span = made_span(&in, "cart", "work", 1, (uint8_t)i, 1, 1);
            struct tw_tag_value *tags = tw__pool_take(&in.pool, 2 * sizeof *tags, 8);
            char *value = tw__pool_take(&in.pool, 24, 1), *key = tw__pool_take(&in.pool, 24, 1);
            memcpy(value, "beginning.........ending", 24);
            memcpy(key, "beginning.........ending", 24);
            value[8 + i % 8] = (char)('0' + i / 8);
            key[8 + i % 5] = (char)('a' + i / 8);
            tags[0] = (struct tw_tag_value){.key = {key, 24}, .type = TW_TYPE_STR, .text = {value, 24}, .full_len = 24};
            tags[1] = (struct tw_tag_value){.key = {key, 1 + i % 24}, .type = TW_TYPE_INT, .value.i = i};
            span->tags = tags;
            span->tag_count = 2;
        }
    assert_int_equal(tw__recent_add(&recent, &in), 0);
    assert_comes_back(&recent, 0, &in);
    tw__spans_fini(&in);
    tw__recent_fini(&recent);
}

static void lists_come_back_when_there_are_more_of_them_than_ways(void **state)
{
    (void)state;
    struct tw__recent recent;
    assert_int_equal(tw__recent_init(&recent), 0);
    for (unsigned round = 0; round < 2; round++) {
        struct tw__spans in = {0};
        for (unsigned i = 0; i < 3 * TW__WAYS; i++) {
            struct tw__span *span = made_span(&in, "cart", "work", 1, (uint8_t)i, 1, 1);
            struct tw_tag_value *tags = tw__pool_take(&in.pool, 3 * sizeof *tags, 8);
            for (unsigned t = 0; t < 3; t++)
                tags[t] = (struct tw_tag_value){.key = text_of(&in, "key.", t * 31 + i % (97 + t)),
                                                .type = i % 3 ? TW_TYPE_INT : TW_TYPE_STR,
                                                .cut = i % 7 == 0,
                                                .full_len = 9 + i,
                                                .value.i = i % 3 ? i : 0,
                                                .text = i % 3 ? (struct tw_text){"", 0} : text_of(&in, "v", i)};
            for (unsigned t = 0; t < 3; t++)
                if (!tags[t].cut) tags[t].full_len = tags[t].text.len;
            span->tags = tags;
            span->tag_count = 3;
        }
        assert_int_equal(tw__recent_add(&recent, &in), 0);
        assert_comes_back(&recent, round * in.count, &in);
        tw__spans_fini(&in);
    }
    tw__recent_fini(&recent);
}

/* After an undo nothing of what was taken back is found. */
static void what_was_taken_back_is_not_there(void **state)
{
    (void)state;
    struct tw__recent recent;
    assert_int_equal(tw__recent_init(&recent), 0);
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct tw__spans lost = {0}, in = {0};
        struct tw__recent_counts before = recent.count;
        made_spans(seed + 100, 60, &lost);
        made_spans(seed, 60, &in);
        assert_int_equal(tw__recent_add(&recent, &lost), 0);
        tw__recent_undo(&recent, &before);
        assert_int_equal(tw__recent_add(&recent, &in), 0);
        assert_true(tw__recent_valid(&recent, &before));
        assert_comes_back(&recent, before.rows, &in);
        tw__spans_fini(&lost);
        tw__spans_fini(&in);
    }
    tw__recent_fini(&recent);
}

/* Sorts all rows of the batch; checks that each is there, that traces stand together and go by begin. */
static void assert_sorts(const struct tw__spans *in)
{
    struct tw__recent recent;
    struct tw__row *sorted;
    size_t kept, pieces = 0, traces = 0;
    uint32_t *rows = calloc(in->count + 1, sizeof *rows);
    assert_int_equal(tw__recent_init(&recent), 0);
    assert_int_equal(tw__recent_add(&recent, in), 0);
    for (uint32_t i = 0; i < in->count; i++) rows[i] = i;
    assert_int_equal(tw__sort_rows(&recent, rows, in->count, &sorted, &kept), 0);
    assert_int_equal(kept, in->count);
    for (size_t i = 0; i < kept; i++) {
        bool begins = i == 0 || memcmp(sorted[i].trace_id, sorted[i - 1].trace_id, 16) != 0;
        pieces += begins;
        if (!begins) assert_true(sorted[i].start_ns >= sorted[i - 1].start_ns);
        assert_int_not_equal(made_find(in, sorted[i].trace_id, sorted[i].span_id), SIZE_MAX);
    }
    for (size_t i = 0; i < in->count; i++) {
        bool first = true;
        for (size_t other = 0; other < i && first; other++)
            first = memcmp(in->items[other].trace_id, in->items[i].trace_id, 16) != 0;
        traces += first;
    }
    assert_int_equal(pieces, traces);
    free(sorted);
    free(rows);
    tw__recent_fini(&recent);
}

static void rows_of_a_trace_stand_together_by_begin(void **state)
{
    (void)state;
    struct tw__spans in = {0};
    made_spans(3, 3000, &in);
    for (size_t i = 0; i < in.count; i++) in.items[i].start_ns = made_draw(&(uint64_t){i + 1}) % 1000;
    assert_sorts(&in);
    for (size_t i = 0; i < in.count; i++)
        memset(in.items[i].trace_id + 2, 0, 14); /* X-Ray's begin alike, others are short */
    assert_sorts(&in);
    tw__spans_fini(&in);
}

/* Ids that mix into the same number: what somebody would send who wants traces to be torn. */
static void traces_that_mix_into_one_number_are_told_apart(void **state)
{
    (void)state;
    struct tw__spans in = {0};
    for (unsigned i = 0; i < 120; i++) {
        const uint64_t words[2] = {5 + i % 3 * UINT64_C(0xc2b2ae3d27d4eb4f), 9 - i % 3 * UINT64_C(0x9e3779b97f4a7c15)};
        memcpy(made_span(&in, "cart", "work", 1, (uint8_t)(i + 1), i, 1)->trace_id, words, sizeof words);
    }
    assert_sorts(&in);
    tw__spans_fini(&in);
}

/* Copies of each span, finished ones and open ones, in traces of this many spans. */
static void fold_copies(unsigned spans)
{
    struct tw__spans in = {0};
    struct tw__recent recent;
    struct tw__row *sorted;
    size_t kept;
    for (unsigned round = 0; round < 4; round++)
        for (unsigned i = 0; i < spans; i++) {
            struct tw__span *span = made_span(&in, "cart", "work", (uint8_t)(i % 2), (uint8_t)(i + 1), i % 9, 1);
            /* Of the first half the second one is the last that is finished, of the others the last one counts. */
            span->open = round != 1 && i < spans / 2;
            span->start_ns += round == 3 ? 0 : 7 - round; /* what came later may have begun earlier */
            span->end_ns = span->start_ns + round;
        }
    uint32_t *rows = calloc(in.count, sizeof *rows);
    assert_int_equal(tw__recent_init(&recent), 0);
    assert_int_equal(tw__recent_add(&recent, &in), 0);
    for (uint32_t i = 0; i < in.count; i++) rows[i] = i;
    assert_int_equal(tw__sort_rows(&recent, rows, in.count, &sorted, &kept), 0);
    assert_int_equal(kept, spans);
    for (size_t i = 0; i < kept; i++)
        assert_int_equal(sorted[i].end_ns - sorted[i].start_ns, sorted[i].span_id[7] <= spans / 2 ? 1 : 3);
    free(rows);
    free(sorted);
    tw__spans_fini(&in);
    tw__recent_fini(&recent);
}

static void of_copies_the_last_finished_one_stays_in_short_traces_and_long_ones(void **state)
{
    (void)state;
    fold_copies(6);
    fold_copies(200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_with_the_same_ends_and_length_are_told_apart),
        cmocka_unit_test(lists_come_back_when_there_are_more_of_them_than_ways),
        cmocka_unit_test(what_was_taken_back_is_not_there),
        cmocka_unit_test(rows_of_a_trace_stand_together_by_begin),
        cmocka_unit_test(traces_that_mix_into_one_number_are_told_apart),
        cmocka_unit_test(of_copies_the_last_finished_one_stays_in_short_traces_and_long_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
