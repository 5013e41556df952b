/* The batch: what records of several processes become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/batch.h"
#include "model/records.h"

static struct tw_batch *build(struct recording *one, struct recording *two)
{
    struct tw_batch *batch = tw__batch_new();
    assert_non_null(batch);
    assert_int_equal(tw__batch_add(batch, &one->process, &one->records), 0);
    if (two) assert_int_equal(tw__batch_add(batch, &two->process, &two->records), 0);
    assert_int_equal(tw__batch_build(batch), 0);
    return batch;
}

/* Every span of every trace is met once on the walk, and every chain of parents ends. */
static void assert_is_forest(const struct tw_batch *batch)
{
    size_t met = 0;
    for (size_t i = 0; i < batch->trace_count; i++) {
        size_t depth = 0;
        for (const struct tw_batch_span *span = batch->traces[i].first_top; span; span = tw__batch_walk(span, &depth)) {
            size_t above = 0;
            for (const struct tw_batch_span *up = span->parent; up; up = up->parent)
                assert_true(++above <= batch->span_count);
            assert_int_equal(above, depth);
            assert_true(++met <= batch->span_count);
        }
    }
    assert_int_equal(met, batch->span_count);
}

static void joins_the_spans_of_two_processes_into_one_tree(void **state)
{
    (void)state;
    struct recording *front = recording_new(1, "front", TW_PROCESS_LIVE),
                     *back = recording_new(2, "back", TW_PROCESS_DEAD);
    span_add(front, 1, 0, "GET", 100, 500);
    span_add(front, 2, 1, "call", 150, 400);
    span_add(back, 3, 2, "serve", 200, 300)->status = TW_STATUS_ERROR;
    struct tw_batch *batch = build(back, front); /* the parent comes last */
    assert_int_equal(batch->trace_count, 1);
    const struct tw_batch_trace *trace = batch->traces;
    assert_int_equal(trace->span_count, 3);
    assert_int_equal(trace->processes, 2);
    assert_int_equal(trace->threads, 2);
    assert_int_equal(trace->error_count, 1);
    assert_int_equal(trace->begin_ns, 100);
    assert_int_equal(trace->end_ns, 500);
    assert_false(trace->rootless);
    assert_string_equal(trace->root->record->name->ptr, "GET");
    assert_string_equal(trace->root->first_child->first_child->record->name->ptr, "serve");
    assert_is_forest(batch);
    tw__batch_free(batch);
    free(front);
    free(back);
}

static void orders_children_by_begin_whatever_the_order_of_records(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 2, 1, "second", 20, 30);
    span_add(r, 3, 1, "first", 10, 40);
    span_add(r, 4, 1, "also second", 20, 25); /* same time: order decides */
    span_add(r, 1, 0, "root", 5, 50);
    struct tw_batch *batch = build(r, NULL);
    const struct tw_batch_span *child = batch->traces->root->first_child;
    assert_string_equal(child->record->name->ptr, "first");
    assert_string_equal(child->next->record->name->ptr, "second");
    assert_string_equal(child->next->next->record->name->ptr, "also second");
    assert_null(child->next->next->next);
    assert_int_equal(batch->traces->root->child_count, 3);
    tw__batch_free(batch);
    free(r);
}

static void a_finished_record_wins_over_the_open_slot_of_the_same_span(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_DEAD);
    record_add(r, TW_RECORD_OPEN, 1, 1, 0, "root", 10, 0);
    span_add(r, 1, 0, "root", 10, 30);
    record_add(r, TW_RECORD_OPEN, 1, 1, 0, "root", 10, 0);
    struct tw_batch *batch = build(r, NULL);
    assert_int_equal(batch->span_count, 1);
    assert_int_equal(batch->duplicates, 2);
    assert_false(batch->traces->root->open);
    assert_int_equal(tw__batch_duration(batch->traces->root), 20);
    tw__batch_free(batch);
    free(r);
}

static void an_open_span_lasts_until_its_process_was_last_seen(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_DEAD);
    r->process.last_ns = 70;
    record_add(r, TW_RECORD_OPEN, 1, 1, 0, "root", 10, 0);
    record_add(r, TW_RECORD_OPEN, 1, 2, 1, "begun after", 80, 0);
    struct tw_batch *batch = build(r, NULL);
    assert_int_equal(batch->traces->open_count, 2);
    assert_int_equal(tw__batch_duration(batch->traces->root), 60);
    assert_int_equal(tw__batch_duration(batch->traces->root->first_child), 0);
    tw__batch_free(batch);
    free(r);
}

static void a_span_whose_parent_is_missing_is_a_top_and_marked(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 2, 1, "orphan", 10, 20);
    struct tw_batch *batch = build(r, NULL);
    assert_true(batch->traces->rootless);
    assert_true(batch->traces->root->orphan);
    assert_int_equal(tw__batch_trace_duration(batch->traces), 10);
    tw__batch_free(batch);
    free(r);
}

static void circles_are_cut_and_no_span_is_lost(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 1, 1, "own parent", 10, 20);
    span_add(r, 2, 4, "a", 11, 20);
    span_add(r, 3, 2, "b", 12, 20);
    span_add(r, 4, 3, "c", 13, 20);
    span_add(r, 5, 3, "beside the circle", 14, 20);
    struct tw_batch *batch = build(r, NULL);
    assert_is_forest(batch);
    size_t cut = 0;
    for (size_t i = 0; i < batch->span_count; i++) cut += batch->spans[i].looping;
    assert_int_equal(cut, 2);
    tw__batch_free(batch);
    free(r);
}

static void random_parents_always_make_a_forest(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 200; round++) {
        struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
        for (int i = 0; i < 60; i++) {
            seed = seed * 1664525u + 1013904223u;
            span_add(r, (uint16_t)(seed >> 8 & 63), (uint16_t)(seed >> 16 & 63), "s", seed >> 24, seed >> 20);
        }
        struct tw_batch *batch = build(r, NULL);
        assert_is_forest(batch);
        tw__batch_free(batch);
        free(r);
    }
}

static void a_chain_of_four_thousand_is_walked_without_recursion(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    for (uint16_t i = 1; i <= 4000; i++) span_add(r, i, (uint16_t)(i - 1), "deep", i, 9000u - i);
    struct tw_batch *batch = build(r, NULL);
    size_t depth = 0, deepest = 0;
    for (const struct tw_batch_span *s = batch->traces->first_top; s; s = tw__batch_walk(s, &depth))
        if (depth > deepest) deepest = depth;
    assert_int_equal(deepest, 3999);
    tw__batch_free(batch);
    free(r);
}

static void events_go_to_their_span_or_else_to_the_trace(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    span_add(r, 1, 0, "root", 10, 90);
    record_add(r, TW_RECORD_EVENT, 1, 1, 0, "second", 40, 40);
    record_add(r, TW_RECORD_MARK, 1, 1, 0, "first", 30, 30);
    record_add(r, TW_RECORD_EVENT, 1, 77, 0, "of a lost span", 50, 50);
    record_add(r, TW_RECORD_EVENT, 0, 0, 0, "of no trace", 50, 50);
    struct tw_batch *batch = build(r, NULL);
    assert_int_equal(batch->event_count, 3);
    assert_string_equal(batch->traces->root->first_event->record->name->ptr, "first");
    assert_string_equal(batch->traces->root->first_event->next->record->name->ptr, "second");
    assert_string_equal(batch->traces->first_event->record->name->ptr, "of a lost span");
    assert_null(batch->traces->first_event->next);
    tw__batch_free(batch);
    free(r);
}

static void a_message_is_joined_to_its_send_and_one_that_never_arrived_is_not(void **state)
{
    (void)state;
    static const struct tw_tag_value id7 = {.key = {"id", 2}, .type = TW_TYPE_UINT, .value.u = 7};
    static const struct tw_tag_value id8 = {.key = {"id", 2}, .type = TW_TYPE_UINT, .value.u = 8};
    struct recording *a = recording_new(1, "a", TW_PROCESS_LIVE), *b = recording_new(2, "b", TW_PROCESS_LIVE);
    struct tw_record *sent = record_add(a, TW_RECORD_SEND, 1, 0, 0, "send", 10, 10);
    struct tw_record *lost = record_add(a, TW_RECORD_SEND, 1, 0, 0, "send", 11, 11);
    struct tw_record *received = record_add(b, TW_RECORD_RECEIVE, 1, 0, 0, "receive", 9, 9); /* its clock is behind */
    sent->tags = received->tags = &id7;
    lost->tags = &id8;
    sent->tag_count = received->tag_count = lost->tag_count = 1;
    struct tw_batch *batch = build(a, b);
    const struct tw_batch_event *receive = batch->traces->first_event, *send = receive->next;
    assert_ptr_equal(receive->other, send);
    assert_ptr_equal(send->other, receive);
    assert_null(send->next->other);
    assert_int_equal(send->next->message_id, 8);
    tw__batch_free(batch);
    free(a);
    free(b);
}

static void traces_come_by_begin_and_are_found_by_id(void **state)
{
    (void)state;
    struct recording *r = recording_new(1, "x", TW_PROCESS_LIVE);
    record_add(r, TW_RECORD_SPAN, 9, 1, 0, "late", 50, 60);
    record_add(r, TW_RECORD_SPAN, 4, 1, 0, "early", 10, 20);
    struct tw_batch *batch = build(r, NULL);
    assert_int_equal(batch->trace_count, 2);
    assert_string_equal(batch->traces[0].root->record->name->ptr, "early");
    struct tw_context late = context_of(9, 1), none = context_of(5, 1);
    assert_ptr_equal(tw__batch_find(batch, late.trace_id), &batch->traces[1]);
    assert_null(tw__batch_find(batch, none.trace_id));
    assert_ptr_equal(tw__batch_find_span(batch, late.trace_id, late.span_id), batch->traces[1].root);
    tw__batch_free(batch);
    free(r);
}

static void nothing_at_all_is_a_batch_without_traces(void **state)
{
    (void)state;
    struct tw_batch *batch = tw__batch_new();
    assert_int_equal(tw__batch_build(batch), 0);
    assert_int_equal(batch->trace_count, 0);
    tw__batch_free(batch);
    tw__batch_free(NULL);
}

static void of_a_tag_set_twice_the_last_counts(void **state)
{
    (void)state;
    struct tw_tag_value tags[] = {
        {.key = {"k", 1}, .type = TW_TYPE_INT, .value.i = 1},
        {.key = {"other", 5}, .type = TW_TYPE_INT, .value.i = 2},
        {.key = {"k", 1}, .type = TW_TYPE_INT, .value.i = 3},
    };
    struct tw_record record = {.tags = tags, .tag_count = 3};
    assert_int_equal(tw__record_tag(&record, "k")->value.i, 3);
    assert_null(tw__record_tag(&record, "kk"));
    assert_true(tw__record_tag_hidden(&record, 0));
    assert_false(tw__record_tag_hidden(&record, 1));
    assert_false(tw__record_tag_hidden(&record, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_the_spans_of_two_processes_into_one_tree),
        cmocka_unit_test(orders_children_by_begin_whatever_the_order_of_records),
        cmocka_unit_test(a_finished_record_wins_over_the_open_slot_of_the_same_span),
        cmocka_unit_test(an_open_span_lasts_until_its_process_was_last_seen),
        cmocka_unit_test(a_span_whose_parent_is_missing_is_a_top_and_marked),
        cmocka_unit_test(circles_are_cut_and_no_span_is_lost),
        cmocka_unit_test(random_parents_always_make_a_forest),
        cmocka_unit_test(a_chain_of_four_thousand_is_walked_without_recursion),
        cmocka_unit_test(events_go_to_their_span_or_else_to_the_trace),
        cmocka_unit_test(a_message_is_joined_to_its_send_and_one_that_never_arrived_is_not),
        cmocka_unit_test(traces_come_by_begin_and_are_found_by_id),
        cmocka_unit_test(nothing_at_all_is_a_batch_without_traces),
        cmocka_unit_test(of_a_tag_set_twice_the_last_counts),
    };
    return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
