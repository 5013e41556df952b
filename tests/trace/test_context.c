/* TSAN: contexts and tasks that go from thread to thread. */
#include "trace/recording.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

#include "trace/runtime.h"

static const struct tw_context foreign = {
    .trace_id = {0x0f, [15] = 1}, .span_id = {0x0e, [7] = 2}, .flags = TW_FLAG_SAMPLED};

static bool current_is(const struct tw_context *expected)
{
    struct tw_context ctx;
    return tw_context_current(&ctx) && memcmp(&ctx, expected, sizeof ctx) == 0;
}

static bool in_no_trace(void)
{
    struct tw_context ctx, zero = {0};
    memset(&ctx, 0xee, sizeof ctx);
    return !tw_context_current(&ctx) && memcmp(&ctx, &zero, sizeof ctx) == 0;
}

static struct tw_context context_of(tw_span span)
{
    struct tw_context ctx;
    if (!tw_span_context(span, &ctx)) fail_msg("no context");
    return ctx;
}

static void nothing_is_current_outside_of_a_span(void **state)
{
    (void)state;
    assert_true(in_no_trace());
    assert_null(tw_span_current().slot);
    tw_span_end(tw_span_begin("span"));
    assert_true(in_no_trace());
    assert_null(tw_span_current().slot);
}

static void the_innermost_open_span_is_current(void **state)
{
    (void)state;
    tw_span a = tw_span_begin("a");
    struct tw_context of_a = context_of(a);
    assert_true(current_is(&of_a));
    tw_span b = tw_span_begin("b");
    struct tw_context of_b = context_of(b);
    assert_true(current_is(&of_b));
    assert_memory_equal(of_a.trace_id, of_b.trace_id, 16);
    assert_memory_not_equal(of_a.span_id, of_b.span_id, 8);
    assert_int_equal(tw_span_current().id, b.id);
    tw_span_end(b);
    assert_true(current_is(&of_a));
    tw_span_end(a);
    assert_memory_equal(the("a")->span_id, of_a.span_id, 8);
    assert_memory_equal(the("a")->trace_id, of_a.trace_id, 16);
}

static void an_attached_context_is_current_until_it_is_detached(void **state)
{
    (void)state;
    tw_attach at = tw_context_attach(&foreign);
    assert_true(current_is(&foreign));
    assert_null(tw_span_current().slot); /* the span is elsewhere */
    tw_span span = tw_span_begin("span");
    tw_span_end(span);
    tw_event("event");
    tw_mark("mark");
    tw_context_detach(at);
    assert_true(in_no_trace());
    assert_memory_equal(the("span")->trace_id, foreign.trace_id, 16);
    assert_memory_equal(the("span")->parent_id, foreign.span_id, 8);
    assert_memory_equal(the("event")->span_id, foreign.span_id, 8);
    assert_memory_equal(the("mark")->trace_id, foreign.trace_id, 16);
    assert_int_equal(process_now().open_spans, 0);
    assert_int_equal(process_now().spans_begun, 1); /* a context is no span */
    assert_no_losses();
}

static void attaching_nothing_hides_what_is_current(void **state)
{
    (void)state;
    const struct tw_context half = {.trace_id = {1}}, *nothing[] = {NULL, &half};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tw_recorder_clear(), 0);
        tw_span outer = tw_span_begin("outer");
        tw_attach at = tw_context_attach(nothing[i]);
        assert_true(in_no_trace());
        assert_null(tw_span_current().slot);
        tw_mark("in no trace");
        tw_span_end(tw_span_begin("root"));
        tw_context_detach(at);
        assert_ptr_equal(tw_span_current().slot, outer.slot);
        tw_span_end(outer);
        assert_root(the("root"));
        assert_memory_not_equal(the("root")->trace_id, the("outer")->trace_id, 16);
        assert_int_equal(read_all()->count, 2);
    }
    assert_no_losses();
}

static void attaching_nests(void **state)
{
    (void)state;
    enum { DEPTH = 100 };
    tw_attach at[DEPTH];
    struct tw_context ctx = foreign;
    for (uint8_t i = 0; i < DEPTH; i++) {
        ctx.span_id[7] = (uint8_t)(i + 1);
        at[i] = tw_context_attach(&ctx);
    }
    for (uint8_t i = DEPTH; i-- > 0;) {
        ctx.span_id[7] = (uint8_t)(i + 1);
        assert_true(current_is(&ctx));
        tw_context_detach(at[i]);
    }
    assert_true(in_no_trace());
    assert_no_losses();
}

static void detaching_a_lower_one_restores_what_is_below_it_and_is_counted(void **state)
{
    (void)state;
    struct tw_context second = foreign;
    second.span_id[7] = 9;
    tw_span below = tw_span_begin("below");
    struct tw_context of_below = context_of(below);
    tw_attach first = tw_context_attach(&foreign), middle = tw_context_attach(&second);
    tw_span inside = tw_span_begin("inside");
    tw_context_detach(first);
    assert_true(current_is(&of_below));
    tw_context_detach(middle); /* it went with the first */
    assert_true(current_is(&of_below));
    assert_true(tw_span_is_open(inside)); /* whoever has its handle may still end it */
    tw_span_end(inside);
    tw_span_end(below);
    assert_memory_equal(the("inside")->parent_id, second.span_id, 8);
    assert_int_equal(the("inside")->kind, TW_RECORD_SPAN);
    assert_losses((struct tw_losses){.unbalanced = 2});
}

static void detaching_twice_or_nothing_is_harmless(void **state)
{
    (void)state;
    tw_attach at = tw_context_attach(&foreign);
    tw_context_detach((tw_attach){0});
    assert_true(current_is(&foreign));
    tw_context_detach(at);
    tw_context_detach(at);
    tw_span reuses = tw_span_begin("reuses the slot");
    tw_context_detach(at);
    assert_true(tw_span_is_open(reuses));
    tw_attach again = tw_context_attach(&foreign); /* the same slot, another check */
    tw_context_detach(at);
    assert_true(current_is(&foreign));
    tw_context_detach(again);
    tw_span_end(reuses);
    assert_losses((struct tw_losses){.unbalanced = 3});
}

static void spans_left_open_below_a_detach_do_not_become_current_again(void **state)
{
    (void)state;
    tw_attach at = tw_context_attach(&foreign);
    tw_span forgotten = tw_span_begin("forgotten");
    tw_context_detach(at);
    assert_true(in_no_trace());
    tw_span_end(tw_span_begin("next request"));
    assert_root(the("next request"));
    assert_int_equal(the("forgotten")->kind, TW_RECORD_OPEN);
    tw_span_end(forgotten);
    assert_losses((struct tw_losses){.unbalanced = 1});
}

/* -- other threads */

struct work {
    struct tw_context ctx;
    tw_span span;
    tw_attach at;
};

static void *works_under(void *data)
{
    struct work *work = data;
    tw_attach at = tw_context_attach(&work->ctx);
    tw_span span = tw_span_begin("on the other thread");
    tw_span_end(span);
    tw_context_detach(at);
    return NULL;
}

static void a_context_can_be_handed_to_another_thread(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("producer");
    struct work work = {0};
    assert_true(tw_context_current(&work.ctx));
    on_thread(works_under, &work);
    tw_span_end(span);
    assert_child_of(the("on the other thread"), the("producer"));
    assert_int_not_equal(the("on the other thread")->tid, the("producer")->tid);
    assert_no_losses();
}

static void *is_in_no_trace(void *data)
{
    bool *yes = data;
    *yes = in_no_trace();
    tw_span_end(tw_span_begin("of another trace"));
    return NULL;
}

static void a_span_is_current_on_its_own_thread_only(void **state)
{
    (void)state;
    bool yes = false;
    tw_span span = tw_span_begin("span");
    on_thread(is_in_no_trace, &yes);
    tw_span_end(span);
    assert_true(yes);
    assert_root(the("of another trace"));
}

static void *ends(void *data)
{
    struct work *work = data;
    tw_tag(work->span, "ended", "elsewhere");
    tw_span_end(work->span);
    return NULL;
}

static void a_span_may_end_on_another_thread_while_it_is_current_here(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer");
    struct work work = {.span = tw_span_begin("inner")};
    on_thread(ends, &work);
    struct tw_context of_outer = context_of(outer);
    assert_true(current_is(&of_outer));
    assert_ptr_equal(tw_span_current().slot, outer.slot);
    tw_span_end(tw_span_begin("after"));
    tw_event("event");
    tw_span_end(outer);
    assert_true(in_no_trace());
    assert_tag_str(the("inner"), "ended", "elsewhere");
    assert_int_equal(the("inner")->tid, the("outer")->tid); /* where it began */
    assert_child_of(the("after"), the("outer"));
    assert_memory_equal(the("event")->span_id, of_outer.span_id, 8);
    assert_no_losses();
}

static void spans_below_the_current_one_may_end_on_another_thread(void **state)
{
    (void)state;
    tw_span a = tw_span_begin("a");
    struct work b = {.span = tw_span_begin("b")}, c = {.span = tw_span_begin("c")};
    tw_span d = tw_span_begin("d");
    on_thread(ends, &b);
    on_thread(ends, &c);
    assert_ptr_equal(tw_span_current().slot, d.slot);
    tw_span_end(d);
    assert_ptr_equal(tw_span_current().slot, a.slot);
    tw_span_end(tw_span_begin("e"));
    tw_span_end(a);
    assert_child_of(the("e"), the("a"));
    assert_int_equal(process_now().open_spans, 0);
    assert_no_losses();
}

static void *ends_eight(void *data)
{
    struct work *work = data;
    for (int i = 0; i < 8; i++) (void)ends(&work[i]);
    return NULL;
}

static void slots_of_spans_ended_elsewhere_come_back(void **state)
{
    (void)state;
    assert_int_equal(tw_recorder_set_buffer_size(65536), 0); /* each thread takes a chunk */
    for (int round = 0; round < 200; round++) {
        struct work work[8];
        for (int i = 0; i < 8; i++) work[i].span = tw_span_begin("span");
        on_thread(ends_eight, work);
    }
    assert_true(in_no_trace());
    assert_int_equal(count_of(read_all(), "span"), 1600);
    assert_in_range(tw__runtime.segment->header->block_high, 2, 4);
    assert_no_losses();
}

static void *begins(void *data)
{
    struct work *work = data;
    (void)tw_span_begin("below");
    work->span = tw_span_begin("left open");
    work->ctx = context_of(work->span);
    return NULL;
}

static void spans_open_when_their_thread_exits_stay_open_and_may_be_ended_later(void **state)
{
    (void)state;
    struct work work = {0};
    on_thread(begins, &work);
    assert_int_equal(process_now().open_spans, 2);
    assert_int_equal(process_now().threads, 0);
    assert_int_equal(the("left open")->kind, TW_RECORD_OPEN);
    assert_true(tw_span_is_open(work.span));
    tw_tag(work.span, "by", "the main thread");
    tw_span_end(work.span);
    assert_int_equal(the("left open")->kind, TW_RECORD_SPAN);
    assert_tag_str(the("left open"), "by", "the main thread");
    assert_child_of(the("left open"), the("below"));
    assert_int_equal(process_now().open_spans, 1);
    assert_no_losses();
}

static void a_thousand_threads_that_leave_a_span_each_lose_none(void **state)
{
    (void)state;
    enum { THREADS = 1000 };
    static struct work work[THREADS];
    assert_int_equal(tw_recorder_set_buffer_size(16384), 0);
    for (int i = 0; i < THREADS; i++) on_thread(begins, &work[i]);
    assert_int_equal(process_now().open_spans, 2 * THREADS);
    assert_int_equal(process_now().threads_total, THREADS);
    for (int i = 0; i < THREADS; i++) tw_span_end(work[i].span);
    const struct tw_records *all = read_all();
    assert_int_equal(count_of_kind(all, TW_RECORD_SPAN), THREADS);
    assert_int_equal(count_of_kind(all, TW_RECORD_OPEN), THREADS);
    assert_no_losses();
}

static void *attaches(void *data)
{
    struct work *work = data;
    work->at = tw_context_attach(&foreign);
    return NULL;
}

static void a_context_left_attached_at_thread_exit_is_counted(void **state)
{
    (void)state;
    struct work work = {0};
    on_thread(attaches, &work);
    assert_losses((struct tw_losses){.unbalanced = 1});
    tw_context_detach(work.at);
    assert_losses((struct tw_losses){.unbalanced = 2});
    assert_true(in_no_trace());
}

static void *detaches(void *data)
{
    struct work *work = data;
    tw_context_detach(work->at);
    return NULL;
}

static void detaching_on_another_thread_does_nothing_and_is_counted(void **state)
{
    (void)state;
    struct work work = {.at = tw_context_attach(&foreign)};
    on_thread(detaches, &work);
    assert_true(current_is(&foreign));
    tw_context_detach(work.at);
    assert_true(in_no_trace());
    assert_losses((struct tw_losses){.unbalanced = 1});
}

/* -- one thread begins, the other ends, both at full speed */

enum { HANDED = 20000 };
static struct {
    sem_t empty, full;
    tw_span span;
} hand;

static void *begins_many(void *data)
{
    (void)data;
    tw_span keep = tw_span_begin("keep");
    for (int i = 0; i < HANDED; i++) {
        (void)sem_wait(&hand.empty);
        hand.span = tw_span_begin("handed");
        (void)sem_post(&hand.full);
    }
    tw_span_end(keep);
    return NULL;
}

static void *ends_many(void *data)
{
    (void)data;
    for (int i = 0; i < HANDED; i++) {
        (void)sem_wait(&hand.full);
        tw_span span = hand.span;
        (void)sem_post(&hand.empty);
        tw_span_end(span);
    }
    return NULL;
}

static void spans_begun_on_one_thread_and_ended_on_another_are_all_kept(void **state)
{
    (void)state;
    pthread_t a, b;
    assert_int_equal(tw_recorder_set_buffer_size(200000), 0);
    (void)sem_init(&hand.empty, 0, 1);
    (void)sem_init(&hand.full, 0, 0);
    assert_int_equal(pthread_create(&a, NULL, begins_many, NULL), 0);
    assert_int_equal(pthread_create(&b, NULL, ends_many, NULL), 0);
    (void)pthread_join(a, NULL);
    (void)pthread_join(b, NULL);
    assert_int_equal(count_of(read_all(), "handed"), HANDED);
    struct tw_losses losses = losses_now();
    assert_int_equal(losses.no_slot + losses.no_chunk + losses.stale + losses.unbalanced, 0);
    assert_int_equal(process_now().open_spans, 0);
}

/* -- tasks */

static void a_switched_task_has_a_context_of_its_own(void **state)
{
    (void)state;
    tw_task a = {0}, b = {0};
    tw_span of_thread = tw_span_begin("thread");

    tw_context_switch(&a); /* the thread's goes where the task's was */
    assert_true(in_no_trace());
    tw_span a1 = tw_span_begin("a1");
    tw_context_switch(&a);
    assert_ptr_equal(tw_span_current().slot, of_thread.slot);

    tw_context_switch(&b);
    tw_span b1 = tw_span_begin("b1");
    tw_context_switch(&b);

    tw_context_switch(&a);
    assert_ptr_equal(tw_span_current().slot, a1.slot);
    tw_span_end(tw_span_begin("a2"));
    tw_span_end(a1);
    assert_true(in_no_trace());
    tw_context_switch(&a);

    tw_context_switch(&b);
    tw_span_end(tw_span_begin("b2"));
    tw_span_end(b1);
    tw_context_switch(&b);

    assert_ptr_equal(tw_span_current().slot, of_thread.slot);
    tw_span_end(of_thread);
    assert_child_of(the("a2"), the("a1"));
    assert_child_of(the("b2"), the("b1"));
    assert_root(the("a1"));
    assert_root(the("b1"));
    assert_no_losses();
}

static void a_task_keeps_its_attached_context_over_a_switch(void **state)
{
    (void)state;
    tw_task task = {0};
    tw_context_switch(&task);
    tw_attach at = tw_context_attach(&foreign);
    tw_context_switch(&task);
    assert_true(in_no_trace());
    tw_context_switch(&task);
    assert_true(current_is(&foreign));
    tw_context_detach(at);
    tw_context_switch(&task);
    assert_no_losses();
}

struct resumed {
    tw_task task;
    int (*step)(void); /* with the task's context current */
    int result;
};

static void *resumes(void *data)
{
    struct resumed *resumed = data;
    tw_context_switch(&resumed->task);
    resumed->result = resumed->step();
    tw_context_switch(&resumed->task);
    if (!in_no_trace()) resumed->result = -1;
    return NULL;
}

static struct {
    tw_span a, b, c;
} moving;

static tw_attach moving_at;

static int begins_and_ends_a_child(void)
{
    tw_span current = tw_span_current();
    MUST(current.id == moving.b.id);
    tw_tag(current, "tagged", "on the other thread");
    tw_span child = tw_span_begin("child");
    tw_span_end(child);
    MUST(tw_span_current().id == moving.b.id);
    tw_event("event");
    return 0;
}

static int ends_both(void)
{
    tw_span_end(moving.b);
    MUST(tw_span_current().id == moving.a.id);
    tw_span_end(tw_span_begin("second child"));
    tw_span_end(moving.a);
    return !in_no_trace();
}

static void a_task_may_be_resumed_on_another_thread(void **state)
{
    (void)state;
    struct resumed resumed = {.step = begins_and_ends_a_child};
    tw_context_switch(&resumed.task);
    moving.a = tw_span_begin("a");
    moving.b = tw_span_begin("b");
    tw_context_switch(&resumed.task);
    on_thread(resumes, &resumed);
    assert_int_equal(resumed.result, 0);
    resumed.step = ends_both;
    on_thread(resumes, &resumed);
    assert_int_equal(resumed.result, 0);
    assert_tag_str(the("b"), "tagged", "on the other thread");
    assert_child_of(the("child"), the("b"));
    assert_child_of(the("second child"), the("a"));
    assert_memory_equal(the("event")->span_id, the("b")->span_id, 8);
    assert_int_equal(process_now().open_spans, 0);
    assert_no_losses();
}

static int begins_one_more(void)
{
    moving.c = tw_span_begin("c");
    return 0;
}

/* The stack of the task is then one of slots of two threads. */
static void a_task_may_begin_spans_on_one_thread_and_end_them_back_on_another(void **state)
{
    (void)state;
    struct resumed resumed = {.step = begins_one_more};
    tw_context_switch(&resumed.task);
    moving.a = tw_span_begin("a");
    moving.b = tw_span_begin("b");
    tw_context_switch(&resumed.task);
    on_thread(resumes, &resumed); /* begins c there */
    assert_int_equal(resumed.result, 0);

    tw_context_switch(&resumed.task);
    assert_int_equal(tw_span_current().id, moving.c.id);
    tw_span_end(moving.c);
    assert_int_equal(tw_span_current().id, moving.b.id);
    assert_true(tw_span_is_open(tw_span_current()));
    tw_span_end(tw_span_begin("child of b"));
    tw_span_end(moving.b);
    assert_int_equal(tw_span_current().id, moving.a.id);
    tw_span_end(moving.a);
    assert_true(in_no_trace());
    tw_context_switch(&resumed.task);

    assert_child_of(the("child of b"), the("b"));
    assert_child_of(the("c"), the("b"));
    assert_int_equal(process_now().open_spans, 0);
    assert_no_losses();
}

/* A hundred threads, each adds a span; a hundred more end one each. */
static tw_span pile[100];
static int piled;

static int adds_one(void)
{
    tw_span span = tw_span_begin("pile");
    MUST(tw_span_is_open(span));
    pile[piled++] = span;
    return 0;
}

static int takes_one(void)
{
    piled--;
    MUST(tw_span_current().id == pile[piled].id);
    tw_span_end(pile[piled]);
    return 0;
}

static void a_task_that_visits_a_hundred_threads_keeps_its_stack(void **state)
{
    (void)state;
    struct resumed resumed = {.step = adds_one};
    piled = 0;
    for (int i = 0; i < 100; i++) {
        on_thread(resumes, &resumed);
        assert_int_equal(resumed.result, 0);
    }
    assert_int_equal(process_now().open_spans, 100);
    resumed.step = takes_one;
    for (int i = 0; i < 100; i++) {
        on_thread(resumes, &resumed);
        assert_int_equal(resumed.result, 0);
    }
    const struct tw_records *all = read_all();
    assert_int_equal(count_of(all, "pile"), 100);
    for (size_t i = 1; i < 100; i++) assert_child_of(&all->items[i], &all->items[i - 1]);
    assert_int_equal(process_now().open_spans, 0);
    assert_no_losses();
}

static void a_span_of_a_suspended_task_may_be_ended_elsewhere(void **state)
{
    (void)state;
    struct resumed resumed = {.step = begins_one_more};
    tw_context_switch(&resumed.task);
    moving.a = tw_span_begin("a");
    moving.b = tw_span_begin("b");
    tw_context_switch(&resumed.task);
    tw_span_end(moving.b); /* out of order here: it is in no stack of a thread's */
    on_thread(resumes, &resumed);
    assert_int_equal(resumed.result, 0);
    tw_span_end(moving.c);
    tw_span_end(moving.a);
    assert_child_of(the("c"), the("a"));
    assert_int_equal(process_now().open_spans, 0);
}

static int laps_and_detaches(void)
{
    MUST(tw_span_current().id == moving.a.id);
    moving.a = tw_span_lap(moving.a, "second");
    MUST(tw_span_current().id == moving.a.id);
    tw_span_end(moving.a);
    MUST(current_is(&foreign));
    MUST(!tw_span_current().slot);
    tw_context_detach(moving_at);
    MUST(in_no_trace());
    return 0;
}

static void a_task_may_attach_on_one_thread_and_lap_and_detach_on_another(void **state)
{
    (void)state;
    struct resumed resumed = {.step = laps_and_detaches};
    tw_context_switch(&resumed.task);
    moving_at = tw_context_attach(&foreign);
    moving.a = tw_span_begin("first");
    tw_context_switch(&resumed.task);
    on_thread(resumes, &resumed);
    assert_int_equal(resumed.result, 0);
    assert_memory_equal(the("second")->parent_id, foreign.span_id, 8);
    assert_int_equal(process_now().open_spans, 0);
    assert_no_losses();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(nothing_is_current_outside_of_a_span),
        RECORDING(the_innermost_open_span_is_current),
        RECORDING(an_attached_context_is_current_until_it_is_detached),
        RECORDING(attaching_nothing_hides_what_is_current),
        RECORDING(attaching_nests),
        RECORDING(detaching_a_lower_one_restores_what_is_below_it_and_is_counted),
        RECORDING(detaching_twice_or_nothing_is_harmless),
        RECORDING(spans_left_open_below_a_detach_do_not_become_current_again),
        RECORDING(a_context_can_be_handed_to_another_thread),
        RECORDING(a_span_is_current_on_its_own_thread_only),
        RECORDING(a_span_may_end_on_another_thread_while_it_is_current_here),
        RECORDING(spans_below_the_current_one_may_end_on_another_thread),
        RECORDING(slots_of_spans_ended_elsewhere_come_back),
        RECORDING(spans_open_when_their_thread_exits_stay_open_and_may_be_ended_later),
        RECORDING(a_thousand_threads_that_leave_a_span_each_lose_none),
        RECORDING(a_context_left_attached_at_thread_exit_is_counted),
        RECORDING(detaching_on_another_thread_does_nothing_and_is_counted),
        RECORDING(spans_begun_on_one_thread_and_ended_on_another_are_all_kept),
        RECORDING(a_switched_task_has_a_context_of_its_own),
        RECORDING(a_task_keeps_its_attached_context_over_a_switch),
        RECORDING(a_task_may_be_resumed_on_another_thread),
        RECORDING(a_task_may_begin_spans_on_one_thread_and_end_them_back_on_another),
        RECORDING(a_task_that_visits_a_hundred_threads_keeps_its_stack),
        RECORDING(a_span_of_a_suspended_task_may_be_ended_elsewhere),
        RECORDING(a_task_may_attach_on_one_thread_and_lap_and_detach_on_another),
    };
    return RUN_WITH_BOTH_CLOCKS("context", tests);
}
