/* Spans in no stack, as servers with many requests in hand on one thread have them: what span.c does for others is done
 * by detached.c for these, and what neither does falls back to slow.c. Each case is one of the conditions named
 * there. */
#include <stdlib.h>
#include <string.h>

#include "recording.h"

static const struct tw_context caller = {
    .trace_id = {0x5f, 1, [15] = 9}, .span_id = {7, [7] = 1}, .flags = TW_FLAG_SAMPLED};

static tw_span begin_request(const struct tw_context *parent)
{
    const struct tw_span_options options = {
        .parents = parent, .parent_count = parent ? 1 : 0, .root = !parent, .detached = true, .kind = TW_KIND_SERVER};
    return tw_span_begin_with("request", &options);
}

static void many_requests_end_in_any_order(void **state)
{
    enum { COUNT = 100 }; /* more than one block has slots */
    (void)state;
    tw_span spans[COUNT];
    struct tw_context contexts[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        spans[i] = begin_request(i % 2 ? &caller : NULL);
        tw_tag(spans[i], "number", i);
        assert_true(tw_span_context(spans[i], &contexts[i]));
    }
    assert_null(tw_span_current().slot);
    for (unsigned i = 0; i < COUNT; i++) tw_span_end(spans[i * 37 % COUNT]);
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const struct tw_record *r = &all->items[i];
        const uint64_t number = tag(r, "number")->value.u;
        assert_int_equal(r->kind, TW_RECORD_SPAN);
        assert_int_equal(r->span_kind, TW_KIND_SERVER);
        assert_memory_equal(r->span_id, contexts[number].span_id, 8);
        assert_memory_equal(r->trace_id, contexts[number].trace_id, 16);
        if (number % 2) {
            assert_memory_equal(r->trace_id, caller.trace_id, 16);
            assert_memory_equal(r->parent_id, caller.span_id, 8);
        } else {
            assert_root(r);
        }
    }
    assert_no_losses();
}

static void what_is_current_stays_so(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer"), request = begin_request(&caller);
    tw_span inner = tw_span_begin("inner");
    tw_span_end(request);
    assert_int_equal(tw_span_current().id, inner.id);
    tw_span_end(inner);
    tw_span_end(outer);
    assert_child_of(the("inner"), the("outer"));
    assert_memory_equal(the("request")->parent_id, caller.span_id, 8);
    assert_no_losses();
}

static void the_second_end_is_stale(void **state)
{
    (void)state;
    tw_span request = begin_request(NULL);
    tw_span_end(request);
    tw_span_end(request);
    assert_false(tw_span_is_open(request));
    assert_int_equal(count_of(read_all(), "request"), 1);
    assert_losses((struct tw_losses){.stale = 1});
}

static void *ends(void *span)
{
    tw_span_end(*(tw_span *)span);
    return NULL;
}

static void it_ends_on_another_thread(void **state)
{
    (void)state;
    tw_span request = begin_request(NULL);
    on_thread(ends, &request);
    assert_false(tw_span_is_open(request));
    tw_span_end(begin_request(NULL)); /* in the slot that has come back, or another */
    assert_int_equal(count_of(read_all(), "request"), 2);
    assert_no_losses();
}

static void tags_of_any_size_are_kept(void **state)
{
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text);
    static const size_t sizes[] = {0, 1, 50, 100, 255, 256, 1000, sizeof text};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tw_span request = begin_request(NULL);
        tw_tag(request, "size", sizes[i]);
        for (int n = 0; n < 3; n++) tw_tag_strn(request, "text", text, sizes[i]);
        tw_span_end(request);
    }
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, sizeof sizes / sizeof *sizes);
    for (size_t i = 0; i < all->count; i++) {
        assert_int_equal(all->items[i].tag_count, 4);
        assert_int_equal(tag(&all->items[i], "text")->text.len, tag(&all->items[i], "size")->value.u);
    }
    assert_no_losses();
}

static void enough_of_them_go_through_the_whole_arena(void **state)
{
    (void)state;
    for (int i = 0; i < 50000; i++) {
        tw_span request = begin_request(i % 3 ? &caller : NULL);
        tw_tag(request, "number", i);
        tw_span_end(request);
    }
    const struct tw_records *all = read_all();
    assert_true(all->count > 1000);
    for (size_t i = 1; i < all->count; i++)
        assert_int_equal(tag(&all->items[i], "number")->value.i, tag(&all->items[i - 1], "number")->value.i + 1);
    assert_int_equal(tag(&all->items[all->count - 1], "number")->value.i, 49999);
}

static void own_ids_and_decisions_are_a_roots(void **state)
{
    (void)state;
    struct tw_context got;
    const struct tw_span_options own = {
        .root = true, .detached = true, .trace_id = caller.trace_id, .sample = TW_SAMPLE_OFF};
    tw_span request = tw_span_begin_with("request", &own);
    assert_true(tw_span_context(request, &got));
    assert_memory_equal(got.trace_id, caller.trace_id, 16);
    assert_int_equal(got.flags & TW_FLAG_SAMPLED, 0);
    tw_span_end(request);
    assert_root(the("request"));
    request = begin_request(NULL);
    assert_true(tw_span_context(request, &got));
    assert_int_equal(got.flags & TW_FLAG_SAMPLED, TW_FLAG_SAMPLED);
    tw_span_end(request);
}

static void a_parents_decision_is_followed_unless_it_left_it_to_us(void **state)
{
    (void)state;
    struct tw_context undecided = caller, got;
    undecided.flags = 0;
    tw_span request = begin_request(&undecided);
    assert_true(tw_span_context(request, &got));
    assert_int_equal(got.flags & TW_FLAG_SAMPLED, 0);
    tw_span_end(request);
    const struct tw_span_options ours = {
        .parents = &undecided, .parent_count = 1, .detached = true, .sample = TW_SAMPLE_UNDECIDED};
    request = tw_span_begin_with("request", &ours);
    assert_true(tw_span_context(request, &got));
    assert_int_equal(got.flags & TW_FLAG_SAMPLED, TW_FLAG_SAMPLED);
    assert_memory_equal(got.trace_id, caller.trace_id, 16);
    tw_span_end(request);
}

static void handles_from_before_a_shutdown_are_harmless(void **state)
{
    (void)state;
    tw_span request = begin_request(NULL);
    assert_int_equal(tw_shutdown(SECOND), 0);
    tw_span_end(request);
    const struct tw_config config = small_config();
    assert_int_equal(tw_init(&config), 0);
    tw_span_end(request);
    tw_span_end(begin_request(&caller));
    struct tw_records *recorded;
    assert_int_equal(tw_recorder_get_trace_id(caller.trace_id, &recorded), 0);
    assert_int_equal(kept(recorded)->count, 1);
    assert_memory_equal(recorded->items[0].parent_id, caller.span_id, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(many_requests_end_in_any_order),
        RECORDING(what_is_current_stays_so),
        RECORDING(the_second_end_is_stale),
        RECORDING(it_ends_on_another_thread),
        RECORDING(tags_of_any_size_are_kept),
        RECORDING(enough_of_them_go_through_the_whole_arena),
        RECORDING(own_ids_and_decisions_are_a_roots),
        RECORDING(a_parents_decision_is_followed_unless_it_left_it_to_us),
        RECORDING(handles_from_before_a_shutdown_are_harmless),
    };
    return RUN_WITH_BOTH_CLOCKS("detached", tests);
}
