/* Folding, and edges between traces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <trackway/log.h>

#include "model/fold.h"
#include "model/links.h"
#include "model/records.h"

static struct tw_batch *build(struct recording *r)
{
    struct tw_batch *batch = tw__batch_new();
    assert_int_equal(tw__batch_add(batch, &r->process, &r->records), 0);
    assert_int_equal(tw__batch_build(batch), 0);
    return batch;
}

static void nine_alike_are_folded_and_eight_are_not(void **state)
{
    (void)state;
    for (uint16_t count = 8; count <= 9; count++) {
        struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
        struct tw__folds folds;
        span_add(r, 1, 0, "root", 1, 1000);
        for (uint16_t i = 0; i < count; i++) span_add(r, (uint16_t)(10 + i), 1, "leaf", 10u * i + 10, 10u * i + 11 + i);
        struct tw_batch *batch = build(r);
        assert_int_equal(tw__fold_trace(batch->traces, &folds), 0);
        assert_int_equal(folds.count, count == 9);
        if (count == 9) {
            const struct tw_batch_fold *fold = batch->traces->root->first_child->fold;
            assert_int_equal(fold->count, 9);
            assert_int_equal(fold->p50_ns, 5);
            assert_int_equal(fold->max_ns, 9);
            assert_int_equal(fold->sum_ns, 45);
            assert_int_equal(fold->begin_ns, 10);
            assert_int_equal(fold->end_ns, 99);
            assert_true(batch->traces->root->first_child->next->folded);
        }
        tw__folds_fini(&folds, batch->traces);
        assert_null(batch->traces->root->first_child->fold);
        assert_false(batch->traces->root->first_child->next->folded);
        tw__batch_free(batch);
        free(r);
    }
}

static void names_that_alternate_are_folded_each(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    struct tw__folds folds;
    span_add(r, 1, 0, "root", 1, 1000);
    for (uint16_t i = 0; i < 40; i++) span_add(r, (uint16_t)(10 + i), 1, i % 2 ? "read" : "decode", 10u + i, 11u + i);
    struct tw_batch *batch = build(r);
    assert_int_equal(tw__fold_trace(batch->traces, &folds), 0);
    assert_int_equal(folds.count, 2);
    tw__folds_fini(&folds, batch->traces);
    tw__batch_free(batch);
    free(r);
}

static size_t folds_of(struct recording *r, size_t *count)
{
    struct tw__folds folds;
    struct tw_batch *batch = build(r);
    assert_int_equal(tw__fold_trace(batch->traces, &folds), 0);
    size_t found = folds.count;
    *count = found ? folds.items[0].count : 0;
    tw__folds_fini(&folds, batch->traces);
    tw__batch_free(batch);
    return found;
}

/* Twelve leaves, each with an event and a line. */
static struct recording *twelve(uint8_t level, const char *event)
{
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 1, 0, "root", 1, 1000);
    for (uint16_t i = 0; i < 12; i++) {
        span_add(r, (uint16_t)(10 + i), 1, "leaf", 10u + 10u * i, 19u + 10u * i);
        record_add(r, TW_RECORD_EVENT, 1, (uint16_t)(10 + i), 0, event, 11u + 10u * i, 0);
        record_add(r, TW_RECORD_LOG, 1, (uint16_t)(10 + i), 0, "row %d", 12u + 10u * i, 0)->level = level;
    }
    return r;
}

static void events_that_are_alike_and_quiet_are_folded_with_their_span(void **state)
{
    (void)state;
    size_t count;
    struct recording *r = twelve(TW_LOG_INFO, "cache.miss");
    assert_int_equal(folds_of(r, &count), 1);
    assert_int_equal(count, 12);
    record_add(r, TW_RECORD_EVENT, 1, 13, 0, "one more", 49, 0);
    assert_int_equal(folds_of(r, &count), 1);
    assert_int_equal(count, 11);
    r->items[2].name = text_of("cache.hit");
    assert_int_equal(folds_of(r, &count), 1);
    assert_int_equal(count, 10);
    r->items[9].level = TW_LOG_WARNING; /* the line of the third; then the second's event */
    r->items[5].kind = TW_RECORD_MARK;
    assert_int_equal(folds_of(r, &count), 0);
    free(r);
    r = twelve(TW_LOG_DEBUG, "exception");
    assert_int_equal(folds_of(r, &count), 0);
    free(r);
}

static void what_has_children_other_events_causes_or_another_error_stays(void **state)
{
    (void)state;
    static struct tw_context cause;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    struct tw__folds folds;
    span_add(r, 1, 0, "root", 1, 1000);
    for (uint16_t i = 0; i < 12; i++) span_add(r, (uint16_t)(10 + i), 1, "leaf", 10u + i, 11u + i);
    span_add(r, 50, 12, "child of a leaf", 12, 13);
    record_add(r, TW_RECORD_EVENT, 1, 13, 0, "event of a leaf", 13, 13);
    r->items[1].status = TW_STATUS_ERROR;
    r->items[2].parents = &cause;
    r->items[2].parent_count = 1;
    struct tw_batch *batch = build(r);
    assert_int_equal(tw__fold_trace(batch->traces, &folds), 0);
    assert_int_equal(folds.count, 0); /* 12 less 4 are 8 */
    tw__folds_fini(&folds, batch->traces);
    tw__batch_free(batch);
    free(r);
}

static void edges_are_found_from_both_sides(void **state)
{
    (void)state;
    struct tw_context causes[] = {context_of(2, 5), context_of(1, 3)};
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 3, 0, "order one", 10, 20);
    record_add(r, TW_RECORD_SPAN, 2, 5, 0, "order two", 10, 20);
    struct tw_record *commit = span_add(r, 4, 3, "commit", 30, 40);
    commit->parents = &causes[0];
    commit->parent_count = 1;
    struct tw_batch *batch = build(r);
    struct tw_links *links = calloc(1, sizeof *links);
    assert_non_null(links);

    tw__links_init(links, &batch->traces[0]);
    tw__links_scan(links, &r->records);
    assert_int_equal(links->cause_count, 1);
    assert_int_equal(links->result_count, 0);
    assert_int_equal(tw__links_cause(links, &causes[0]).len, strlen("order two"));

    tw__links_init(links, &batch->traces[1]);
    tw__links_scan(links, &r->records);
    assert_int_equal(links->cause_count, 0);
    assert_int_equal(links->result_count, 1);
    assert_memory_equal(links->results[0].name, "commit", 6);
    assert_int_equal(links->results[0].here.span_id[7], 5);
    assert_int_equal(links->results[0].there.span_id[7], 4);
    free(links);
    tw__batch_free(batch);
    free(r);
}

static void more_edges_than_are_kept_are_counted(void **state)
{
    (void)state;
    static struct tw_context cause;
    cause = context_of(1, 1);
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 1, 0, "root", 1, 2);
    for (uint16_t i = 0; i < TW__LINKS_MAX + 5; i++) {
        struct tw_record *record = record_add(r, TW_RECORD_SPAN, 2, (uint16_t)(100 + i), 0, "batch", 5, 6);
        record->parents = &cause;
        record->parent_count = 1;
    }
    struct tw_batch *batch = build(r);
    struct tw_links *links = calloc(1, sizeof *links);
    tw__links_init(links, &batch->traces[0]);
    tw__links_scan(links, &r->records);
    assert_int_equal(links->result_count, TW__LINKS_MAX);
    assert_int_equal(links->results_more, 5);
    free(links);
    tw__batch_free(batch);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nine_alike_are_folded_and_eight_are_not),
        cmocka_unit_test(names_that_alternate_are_folded_each),
        cmocka_unit_test(events_that_are_alike_and_quiet_are_folded_with_their_span),
        cmocka_unit_test(what_has_children_other_events_causes_or_another_error_stays),
        cmocka_unit_test(edges_are_found_from_both_sides),
        cmocka_unit_test(more_edges_than_are_kept_are_counted),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
