/* sampling: rates asked for at run time, and decisions about one trace. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <trackway/propagate.h>
#include <trackway/sampling.h>
#include <trackway/trace.h>

#include "recording.h"

static bool is_sampled(const char *name)
{
    return the(name)->flags & TW_FLAG_SAMPLED;
}

static void a_rate_that_is_asked_for_counts_from_the_next_trace_on(void **state)
{
    unsigned sampled = 0;
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tw_sampling_set_rate(i ? 1 : 0), 0);
        tw_span root = tw_span_begin_root("root");
        tw_span child = tw_span_begin_named(i ? "in a sampled one" : "in another");
        assert_int_equal(tw_sampling_set_rate(i ? 0 : 1), 0); /* not for what has begun */
        tw_span grandchild = tw_span_begin_named(i ? "deep in a sampled one" : "deep in another");
        tw_span_end(grandchild);
        tw_span_end(child);
        tw_span_end(root);
    }
    assert_true(is_sampled("in a sampled one") && is_sampled("deep in a sampled one"));
    assert_false(is_sampled("in another") || is_sampled("deep in another"));
    assert_int_equal(tw_sampling_set_rate(0.5), 0);
    for (int i = 0; i < 1000; i++) {
        struct tw_context context;
        tw_span root = tw_span_begin_root("one of many");
        assert_true(tw_span_context(root, &context));
        sampled += context.flags & TW_FLAG_SAMPLED;
        tw_span_end(root);
    }
    assert_in_range(sampled, 400, 600); /* 500, and 6 standard deviations */
    assert_int_equal(tw_sampling_set_rate(TW_RATE_AS_CONFIGURED), 0);
    tw_span root = tw_span_begin_root("as configured");
    tw_span_end(root);
    assert_true(is_sampled("as configured"));
}

static void detached_roots_hear_of_it_too(void **state)
{
    const struct tw_span_options options = {.root = true, .detached = true};
    (void)state;
    for (int i = 0; i < 3; i++) { /* also when the site is known */
        assert_int_equal(tw_sampling_set_rate(0), 0);
        tw_span span = tw_span_begin_with("detached", &options);
        struct tw_context context;
        assert_true(tw_span_context(span, &context));
        assert_false(context.flags & TW_FLAG_SAMPLED);
        tw_span_end(span);
    }
}

static void a_decision_that_came_along_is_followed(void **state)
{
    const struct tw_context yes = {.trace_id = {1}, .span_id = {2}, .flags = TW_FLAG_SAMPLED},
                            no = {.trace_id = {1}, .span_id = {2}};
    (void)state;
    assert_int_equal(tw_sampling_set_rate(0), 0);
    tw_span a = tw_span_begin_under("under yes", &yes);
    tw_span_end(a);
    assert_int_equal(tw_sampling_set_rate(1), 0);
    tw_span b = tw_span_begin_under("under no", &no);
    tw_span_end(b);
    assert_true(is_sampled("under yes"));
    assert_false(is_sampled("under no"));
}

/* Else a batch would be missing in the traces of all its transactions but the first's. */
static void of_several_parents_one_that_is_sampled_suffices(void **state)
{
    const struct tw_context parents[] = {{.trace_id = {1}, .span_id = {1}},
                                         {.trace_id = {2}, .span_id = {2}, .flags = TW_FLAG_RANDOM},
                                         {.trace_id = {3}, .flags = TW_FLAG_SAMPLED}, /* no span: invalid */
                                         {.trace_id = {4}, .span_id = {4}, .flags = TW_FLAG_SAMPLED}};
    (void)state;
    tw_span batch = tw_span_begin_joined("batch", parents, 4), below = tw_span_begin("below");
    tw_span_end(below);
    tw_span_end(batch);
    const struct tw_record *record = the("batch");
    assert_memory_equal(record->trace_id, parents[0].trace_id, 16);
    assert_memory_equal(record->parent_id, parents[0].span_id, 8);
    assert_int_equal(record->parent_count, 2);
    assert_memory_equal(&record->parents[0], &parents[1], sizeof *parents);
    assert_memory_equal(&record->parents[1], &parents[3], sizeof *parents);
    assert_true(is_sampled("batch") && is_sampled("below"));
    tw_span_end(tw_span_begin_joined("of the others", parents, 3));
    assert_memory_equal(the("of the others")->trace_id, parents[0].trace_id, 16);
    assert_false(is_sampled("of the others"));
}

static void what_is_no_rate_is_refused(void **state)
{
    char path[512];
    (void)state;
    assert_int_equal(tw_sampling_set_rate(1.01), TW_ERR_RANGE);
    assert_int_equal(tw_sampling_set_rate(-0.5), TW_ERR_RANGE);
    assert_int_equal(tw_sampling_set_rate((double)NAN), TW_ERR_RANGE);
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    assert_int_equal(tw_sampling_set_rate_of(path, 2), TW_ERR_RANGE);
    assert_int_equal(tw_sampling_set_rate_of("/dev/null", 1), TW_ERR_FOREIGN);
    assert_int_equal(tw_sampling_set_rate_of("/dev/shm/no such file", 1), TW_ERR_NOT_FOUND);
}

static void another_process_asks_through_the_file(void **state)
{
    char path[512];
    (void)state;
    assert_true(tw_recorder_path(path, sizeof path) > 0);
    static const double rates[] = {0.25, 0.1, 0.3, 1e-9, 1 / 3.0, 1};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        assert_int_equal(tw_sampling_set_rate_of(path, rates[i]), 0);
        struct tw_process process = process_now();
        assert_true(process.rate_asked);
        if (i == 4)
            assert_true(process.rate > 0.33333333 && process.rate < 0.33333334);
        else
            assert_memory_equal(&process.rate, &rates[i], sizeof *rates);
    }
    assert_int_equal(tw_sampling_set_rate_of(path, 0), 0);
    tw_span root = tw_span_begin_root("not sampled");
    tw_span_end(root);
    assert_false(is_sampled("not sampled"));
    assert_int_equal(tw_sampling_set_rate_of(path, TW_RATE_AS_CONFIGURED), 0);
    assert_false(process_now().rate_asked);
}

static void a_root_alone_can_be_forced_and_renumbered(void **state)
{
    const uint8_t id[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    (void)state;
    tw_span root = tw_span_begin_root("root");
    assert_int_equal(tw_span_set_trace_id(root, id), 0);
    assert_int_equal(tw_span_set_sampled(root, false), 0);
    tw_span child = tw_span_begin("child");
    tw_span_end(child);
    tw_span_end(root);
    assert_memory_equal(the("root")->trace_id, id, 16);
    assert_memory_equal(the("child")->trace_id, id, 16);
    assert_false(is_sampled("root") || is_sampled("child"));
    assert_int_equal(tw_sampling_set_rate(0), 0);
    tw_span forced = tw_span_begin_root("forced");
    assert_int_equal(tw_span_set_sampled(forced, true), 0);
    tw_span below = tw_span_begin("below");
    tw_span_end(below);
    tw_span_end(forced);
    assert_true(is_sampled("forced") && is_sampled("below"));
}

static void after_the_first_child_it_is_an_error_and_nothing_changes(void **state)
{
    const uint8_t id[16] = {1, [15] = 1}, zero[16] = {1};
    (void)state;
    tw_span root = tw_span_begin_root("root");
    assert_int_equal(tw_span_set_trace_id(root, zero), TW_ERR_RANGE);
    tw_span child = tw_span_begin("child");
    assert_int_equal(tw_span_set_sampled(root, false), TW_ERR_STATE);
    assert_int_equal(tw_span_set_sampled(child, false), TW_ERR_STATE);
    tw_span_end(child);
    assert_int_equal(tw_span_set_sampled(root, false), TW_ERR_STATE);
    assert_int_equal(tw_span_set_trace_id(root, id), TW_ERR_STATE);
    tw_span_end(root);
    assert_int_equal(tw_span_set_sampled(root, false), TW_ERR_STATE); /* ended */
    assert_int_equal(tw_span_set_sampled((tw_span){NULL, 0}, false), TW_ERR_STATE);
    assert_true(is_sampled("root") && is_sampled("child"));
    tw_span next = tw_span_begin_root("next"); /* in the same slot, and alone again */
    assert_int_equal(tw_span_set_sampled(next, false), 0);
    tw_span_end(next);
}

static void *from_another_thread(void *data)
{
    const tw_span *root = data;
    assert_int_equal(tw_span_set_sampled(*root, false), TW_ERR_STATE);
    return NULL;
}

static void another_thread_may_not(void **state)
{
    pthread_t thread;
    (void)state;
    tw_span root = tw_span_begin_root("root");
    assert_int_equal(pthread_create(&thread, NULL, from_another_thread, &root), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    tw_span_end(root);
}

/* Each gets the context of a root out of its hands; then begins a child of it, where that takes no second thread. */
static void by_its_handle(tw_span root)
{
    struct tw_context context;
    assert_true(tw_span_context(root, &context));
    tw_span_end(tw_span_begin_under("child", &context));
}

static void by_what_is_current(tw_span root)
{
    struct tw_context context;
    (void)root;
    assert_true(tw_context_current(&context));
}

static void by_a_header(tw_span root)
{
    char text[TW_TRACE_HEADER_MAX + 1];
    assert_true(tw_trace_header(root, NULL, text, sizeof text) > 0);
}

static void by_an_envelope(tw_span root)
{
    struct tw_envelope envelope;
    (void)root;
    tw_message_carry(NULL, &envelope);
    assert_true(envelope.message_id);
}

static void *keep_tracing_of(void *data)
{
    tw_attach keep;
    assert_int_equal(tw_tracing_keep_thread(*(const int *)data, &keep), 0);
    tw_span_end(tw_span_begin("child"));
    tw_tracing_leave(keep);
    return NULL;
}

static void by_another_thread(tw_span root)
{
    pthread_t thread;
    int tid = (int)syscall(SYS_gettid);
    (void)root;
    assert_int_equal(pthread_create(&thread, NULL, keep_tracing_of, &tid), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *resume(void *data)
{
    tw_context_switch(data);
    tw_span_end(tw_span_begin("child"));
    tw_context_switch(data);
    return NULL;
}

static void by_a_task_that_moves(tw_span root)
{
    pthread_t thread;
    tw_task task = {0};
    (void)root;
    tw_context_switch(&task);
    assert_int_equal(pthread_create(&thread, NULL, resume, &task), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    tw_context_switch(&task);
}

static void whoever_has_the_context_of_a_root_has_a_trace_that_stays(void **state)
{
    static void (*const ways[])(tw_span) = {by_its_handle,  by_what_is_current, by_a_header,
                                            by_an_envelope, by_another_thread,  by_a_task_that_moves};
    const uint8_t id[16] = {1, [15] = 1};
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const char *name = (const char *[]){"1", "2", "3", "4", "5", "6"}[i];
        tw_span root = tw_span_begin_with("root", &(struct tw_span_options){.root = true, .name = name});
        ways[i](root);
        assert_int_equal(tw_span_set_sampled(root, false), TW_ERR_STATE);
        assert_int_equal(tw_span_set_trace_id(root, id), TW_ERR_STATE);
        tw_span_end(root);
        assert_true(is_sampled(name));
        tw_span next = tw_span_begin_root("next");
        assert_int_equal(tw_span_set_sampled(next, false), 0);
        tw_span_end(next);
    }
}

static void what_is_only_recorded_of_a_root_leaves_it_alone(void **state)
{
    (void)state;
    tw_span root = tw_span_begin_root("root");
    tw_tag(root, "user.id", 7);
    tw_event("arrived");
    (void)tw_message_send(NULL);
    tw_message_receive(NULL, NULL);
    assert_int_equal(tw_span_set_sampled(root, false), 0);
    tw_span_end(root);
    assert_false(is_sampled("root"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(a_rate_that_is_asked_for_counts_from_the_next_trace_on),
        RECORDING(detached_roots_hear_of_it_too),
        RECORDING(a_decision_that_came_along_is_followed),
        RECORDING(of_several_parents_one_that_is_sampled_suffices),
        RECORDING(what_is_no_rate_is_refused),
        RECORDING(another_process_asks_through_the_file),
        RECORDING(a_root_alone_can_be_forced_and_renumbered),
        RECORDING(after_the_first_child_it_is_an_error_and_nothing_changes),
        RECORDING(another_thread_may_not),
        RECORDING(whoever_has_the_context_of_a_root_has_a_trace_that_stays),
        RECORDING(what_is_only_recorded_of_a_root_leaves_it_alone),
    };
    return RUN_WITH_BOTH_CLOCKS("sampling", tests);
}
