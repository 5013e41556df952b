/* Whose a line is: most records leave that out, and say by leaving it out that it is as in the one before. */
#include "trace/recording.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <trackway/sampling.h>

/* Logs n, so that what is read can be told by its argument. */
static void line(int n)
{
    tw_info("line %d of %u and %d", n, 3u, -n);
}

static const struct tw_record *line_of(const struct tw_records *all, int n)
{
    const struct tw_record *found = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const struct tw_record *r = &all->items[i];
        if (r->kind != TW_RECORD_LOG || r->arg_count != 3 || r->args[0].value.i != n) continue;
        if (found) fail_msg("line %d twice", n);
        found = r;
    }
    if (!found) fail_msg("no line %d", n);
    char text[64], expected[64];
    (void)tw_record_message(found, text, sizeof text);
    (void)snprintf(expected, sizeof expected, "line %d of %u and %d", n, 3u, -n);
    assert_string_equal(text, expected);
    return found;
}

static void assert_of(const struct tw_records *all, int n, const struct tw_context *context)
{
    const struct tw_record *r = line_of(all, n);
    assert_memory_equal(r->trace_id, context->trace_id, 16);
    assert_memory_equal(r->span_id, context->span_id, 8);
    assert_int_equal(r->flags, context->flags);
}

static void lines_are_of_the_span_that_was_current(void **state)
{
    (void)state;
    static const struct tw_context none;
    struct tw_context a, b, c;
    line(0);
    tw_span root = tw_span_begin_root("a");
    assert_true(tw_span_context(root, &a));
    line(1);
    line(2);
    tw_span child = tw_span_begin("b");
    assert_true(tw_span_context(child, &b));
    line(3);
    line(4);
    tw_span_end(child);
    line(5);
    line(6);
    child = tw_span_begin("c"); /* in the slot that b was in */
    assert_true(tw_span_context(child, &c));
    line(7);
    tw_event("in between");
    line(8);
    tw_span_end(child);
    tw_span_end(root);
    line(9);
    line(10);
    const struct tw_records *all = read_all();
    const struct tw_context *of[] = {&none, &a, &a, &b, &b, &a, &a, &c, &c, &none, &none};
    for (int i = 0; i < 11; i++) assert_of(all, i, of[i]);
    assert_no_losses();
}

/* A client may send an id that one of our spans has, or the same twice. */
static void contexts_with_the_same_span_id_are_not_mixed_up(void **state)
{
    (void)state;
    struct tw_context own, first, second;
    tw_span span = tw_span_begin_root("own");
    assert_true(tw_span_context(span, &own));
    line(0);
    line(1);
    first = second = own;
    first.trace_id[0] ^= 0x55;
    second.trace_id[15] ^= 0xaa;
    tw_attach a = tw_context_attach(&first);
    line(2);
    line(3);
    tw_attach b = tw_context_attach(&second);
    line(4);
    line(5);
    tw_context_detach(b);
    line(6);
    tw_context_detach(a);
    line(7);
    line(8);
    tw_span_end(span);
    const struct tw_records *all = read_all();
    const struct tw_context *of[] = {&own, &own, &first, &first, &second, &second, &first, &own, &own};
    for (int i = 0; i < 9; i++) assert_of(all, i, of[i]);
}

static void contexts_may_have_any_span_id(void **state)
{
    (void)state;
    struct tw_context contexts[16];
    for (int i = 0; i < 16; i++) {
        contexts[i] = (struct tw_context){
            .trace_id = {[0] = 7, [15] = (uint8_t)(1 + i)}, .span_id = {[7] = (uint8_t)(1 + i)}, .flags = 1};
        tw_attach attached = tw_context_attach(&contexts[i]);
        line(2 * i);
        line(2 * i + 1);
        tw_context_detach(attached);
    }
    const struct tw_records *all = read_all();
    assert_int_equal(all->damaged, 0);
    for (int i = 0; i < 32; i++) assert_of(all, i, &contexts[i / 2]);
}

/* The first line in a chunk and of a thread says whose it is, whatever was there before. */
static void the_first_line_of_a_thread_in_a_context_is_whole(void **state)
{
    (void)state;
    struct tw_context two = {.trace_id = {[15] = 9}, .span_id = {[7] = 2}, .flags = 1};
    tw_attach attached = tw_context_attach(&two);
    for (int i = 0; i < 600; i++) line(i); /* through several chunks */
    tw_context_detach(attached);
    const struct tw_records *all = read_all();
    assert_int_equal(all->damaged, 0);
    for (int i = 0; i < 600; i++) assert_of(all, i, &two);
}

static void what_a_trace_is_given_after_its_first_line_holds_for_the_next(void **state)
{
    (void)state;
    static const uint8_t id[16] = {1, 2, 3, [15] = 4};
    tw_span root = tw_span_begin_root("root");
    line(0);
    line(1);
    assert_int_equal(tw_span_set_sampled(root, false), 0);
    line(2);
    line(3);
    assert_int_equal(tw_span_set_trace_id(root, id), 0);
    line(4);
    line(5);
    tw_span_end(root);
    const struct tw_records *all = read_all();
    const struct tw_record *first = line_of(all, 0);
    for (int i = 0; i < 6; i++) {
        const struct tw_record *r = line_of(all, i);
        assert_int_equal(r->flags & TW_FLAG_SAMPLED, i < 2 ? TW_FLAG_SAMPLED : 0);
        assert_memory_equal(r->trace_id, i < 4 ? first->trace_id : id, 16);
        assert_memory_equal(r->span_id, first->span_id, 8);
    }
    assert_memory_not_equal(first->trace_id, id, 16);
}

static void metadata_comes_with_every_line_between_set_and_clear(void **state)
{
    (void)state;
    line(0);
    line(1);
    tw_meta_set(TW_ATTR("callid", "x"));
    line(2);
    line(3);
    tw_meta_clear();
    line(4);
    line(5);
    const struct tw_records *all = read_all();
    for (int i = 0; i < 6; i++) assert_int_equal(line_of(all, i)->tag_count, i == 2 || i == 3);
}

static void lines_go_on_in_the_next_chunk(void **state)
{
    (void)state;
    enum { LINES = 2000 };
    struct tw_context context;
    tw_span span = tw_span_begin_root("long");
    assert_true(tw_span_context(span, &context));
    for (int i = 0; i < LINES; i++) line(i);
    struct tw_records *records;
    assert_int_equal(tw_recorder_get_trace_id(context.trace_id, &records), 0);
    (void)kept(records);
    assert_int_equal(records->damaged, 0);
    assert_int_equal(count_of_kind(records, TW_RECORD_LOG), LINES);
    size_t n = 0;
    for (size_t i = 0; i < records->count; i++) {
        if (records->items[i].kind != TW_RECORD_LOG) continue;
        assert_int_equal(records->items[i].args[0].value.i, n++);
        assert_memory_equal(records->items[i].span_id, context.span_id, 8);
    }
    tw_span_end(span);
}

static volatile sig_atomic_t handled;
static void in_handler(int number)
{
    static const struct tw_context from = {.trace_id = {9}, .span_id = {8}, .flags = 1};
    (void)number;
    tw_attach attached = tw_context_attach(&from);
    line(-1 - handled);
    tw_context_detach(attached);
    handled++;
}

static void lines_of_a_signal_handler_stand_in_their_own_context(void **state)
{
    (void)state;
    enum { LINES = 20000 };
    struct tw_context context;
    handled = 0;
    assert_true(signal(SIGALRM, in_handler) != SIG_ERR);
    tw_span span = tw_span_begin_root("interrupted");
    assert_true(tw_span_context(span, &context));
    line(LINES);
    (void)ualarm(100, 100);
    for (int i = 0; i < 200000 || handled < 20; i++) tw_info("interrupted %d", i);
    (void)ualarm(0, 0);
    (void)signal(SIGALRM, SIG_DFL);
    const struct tw_records *all = read_all();
    assert_int_equal(all->damaged, 0);
    for (size_t i = 0; i < all->count; i++) {
        const struct tw_record *r = &all->items[i];
        if (r->kind != TW_RECORD_LOG) continue;
        bool handlers = r->arg_count == 3 && r->args[0].value.i < 0;
        assert_int_equal(r->trace_id[0] == 9 && r->span_id[0] == 8, handlers);
        if (!handlers) assert_memory_equal(r->span_id, context.span_id, 8);
    }
    tw_span_end(span);
}

static void integers_of_every_width_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* the first is long, the second brief */
        tw_info("%d %u %d", INT32_MIN, UINT32_MAX, INT32_MAX);
        tw_info("%hhd %hu %c", (signed char)-1, (unsigned short)65535, 'x');
        tw_info("%x", 0xdeadbeefu);
        tw_info("%d and %d", -1, 2);
        tw_info("%d %d %d %d", 1, -2, 3, -4);
        tw_info("%ld %d", INT64_MIN, -1);
        tw_info("%f %f", -1.5, 1e10);
        tw_info("nothing");
    }
    static const char *const expected[] = {"-2147483648 4294967295 2147483647",
                                           "-1 65535 x",
                                           "deadbeef",
                                           "-1 and 2",
                                           "1 -2 3 -4",
                                           "-9223372036854775808 -1",
                                           "-1.500000 10000000000.000000",
                                           "nothing"};
    const struct tw_records *all = read_all();
    size_t n = 0;
    for (size_t i = 0; i < all->count; i++) {
        char text[100];
        if (all->items[i].kind != TW_RECORD_LOG) continue;
        (void)tw_record_message(&all->items[i], text, sizeof text);
        assert_string_equal(text, expected[n++ % 8]);
    }
    assert_int_equal(n, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(lines_are_of_the_span_that_was_current),
        RECORDING(contexts_with_the_same_span_id_are_not_mixed_up),
        RECORDING(contexts_may_have_any_span_id),
        RECORDING(the_first_line_of_a_thread_in_a_context_is_whole),
        RECORDING(what_a_trace_is_given_after_its_first_line_holds_for_the_next),
        RECORDING(metadata_comes_with_every_line_between_set_and_clear),
        RECORDING(lines_go_on_in_the_next_chunk),
        RECORDING(lines_of_a_signal_handler_stand_in_their_own_context),
        RECORDING(integers_of_every_width_come_back),
    };
    return RUN_WITH_BOTH_CLOCKS("log_spans", tests);
}
