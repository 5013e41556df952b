/* Misuse: what a program does with handles that it should not, and how it is counted. Each kind of loss has a test
 * here. */
#include "trace/recording.h"

#include <pthread.h>
#include <stdlib.h>

#include "trace/attach.h"
#include "trace/runtime.h"

/* Everything that can be asked of a handle. */
static void use(tw_span span)
{
    const struct tw_context ctx = {.trace_id = {1}, .span_id = {1}};
    char text[300];
    memset(text, 't', sizeof text);
    tw_tag(span, "int", 1);
    tw_tag(span, "double", 1.0);
    tw_tag(span, "bool", (bool)true);
    tw_tag(span, "literal", "literal");
    tw_tag_strn(span, "strn", text, 5);
    tw_tag_strn(span, "strn", text, sizeof text);
    tw_tag_bytes(span, "bytes", text, 5);
    tw_span_set_int(span, "int", 1);
    tw_span_set_uint(span, "uint", 1);
    tw_span_set_double(span, "double", 1);
    tw_span_set_bool(span, "bool", true);
    tw_span_set_str(span, "str", "str");
    tw_span_set_strn(span, "strn", text, 5);
    tw_span_set_bytes(span, "bytes", text, 5);
    tw_span_rename(span, "renamed");
    tw_span_set_kind(span, TW_KIND_SERVER);
    tw_span_set_status(span, TW_STATUS_OK, "ok");
    tw_span_fail(span, "failed");
    tw_span_add_parent(span, &ctx);
    tw_span_end(span);
    tw_span_end_at(span, wall_now());
    tw_span lapped = tw_span_lap(span, "lapped");
    assert_null(lapped.slot);
}
enum { USES = 22, TAG_MACROS = 7 };

static void nothing_is_done_with_an_ended_span_and_all_is_counted(void **state)
{
    (void)state;
    tw_span outer = tw_span_begin("outer"), span = tw_span_begin("span");
    tw_span_end(span);
    use(span);
    tw_span_event(span, "event");
    assert_false(tw_span_is_open(span));
    const struct tw_record *r = the("span");
    assert_int_equal(r->tag_count + r->parent_count, 0);
    assert_int_equal(r->status, TW_STATUS_UNSET);
    assert_ptr_equal(tw_span_current().slot, outer.slot);
    assert_int_equal(read_all()->count, 2);
    tw_span_end(outer);
    assert_int_equal(the("outer")->tag_count, 0);
    assert_losses((struct tw_losses){.stale = USES + 1});
}

static void ending_twice_is_counted_once_each_time(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("span");
    tw_span_end(span);
    tw_span_end(span);
    tw_span_end(span);
    assert_int_equal(count_of(read_all(), "span"), 1);
    assert_losses((struct tw_losses){.stale = 2});
}

static void none_is_harmless_everywhere(void **state)
{
    (void)state;
    struct tw_context ctx;
    memset(&ctx, 0xee, sizeof ctx);
    use(TW_SPAN_NONE);
    tw_span_event(TW_SPAN_NONE, "of no span");
    assert_false(tw_span_is_open(TW_SPAN_NONE));
    assert_false(tw_span_context(TW_SPAN_NONE, &ctx));
    assert_memory_equal(&ctx, &(struct tw_context){0}, sizeof ctx);
    assert_int_equal(the("of no span")->kind, TW_RECORD_EVENT);
    /* the macros tw_tag* test for none themselves, which costs and counts nothing */
    assert_losses((struct tw_losses){.stale = USES - TAG_MACROS});
}

static void none_is_harmless_before_a_threads_first_record_and_when_off(void **state)
{
    (void)state;
    assert_int_equal(tw_recorder_disable(), 0);
    use(TW_SPAN_NONE);
    tw_span_event(TW_SPAN_NONE, "of no span");
    assert_int_equal(tw_recorder_enable(), 0);
    assert_int_equal(read_all()->count, 0);
    assert_no_losses();
}

static void a_span_begun_while_off_is_none_and_its_end_no_mistake(void **state)
{
    (void)state;
    assert_int_equal(tw_recorder_disable(), 0);
    tw_span span = tw_span_begin("while off");
    assert_int_equal(tw_recorder_enable(), 0);
    assert_false(tw_span_is_open(span));
    tw_span_event(span, "of no span");
    assert_int_equal(the("of no span")->kind, TW_RECORD_EVENT);
    uint64_t before = losses_now().stale;
    tw_tag(span, "key", 1);
    tw_span_end(span);
    assert_int_equal(losses_now().stale, before);
    assert_int_equal(read_all()->count, 1);
}

static void a_handle_of_a_slot_that_is_used_again_reaches_nobody(void **state)
{
    (void)state;
    tw_span old = tw_span_begin("old");
    tw_span_end(old);
    tw_span now = tw_span_begin("now");
    assert_ptr_equal(now.slot, old.slot); /* the slot last given back is the first taken */
    use(old);
    tw_span_event(old, "event");
    assert_true(tw_span_is_open(now));
    const struct tw_record *r = the("now");
    assert_int_equal(r->kind, TW_RECORD_OPEN);
    assert_int_equal(r->tag_count, 0);
    tw_span_end(now);
    assert_losses((struct tw_losses){.stale = USES + 1});
}

static void a_slot_taken_a_million_times_never_gives_an_old_id(void **state)
{
    (void)state;
    tw_span old = tw_span_begin("old");
    tw_span_end(old);
    for (int i = 0; i < 1000000; i++) {
        tw_span span = tw_span_begin("now");
        if (span.slot == old.slot && span.id == old.id) fail_msg("again after %d", i);
        tw_span_end(span);
    }
    assert_false(tw_span_is_open(old));
}

static void ended_in_another_order_all_spans_are_kept(void **state)
{
    (void)state;
    tw_span a = tw_span_begin("a"), b = tw_span_begin("b"), c = tw_span_begin("c"), d = tw_span_begin("d");
    tw_span_end(b);
    assert_ptr_equal(tw_span_current().slot, d.slot);
    tw_span_end(a);
    assert_false(tw_span_is_open(a));
    tw_span_end(d);
    assert_ptr_equal(tw_span_current().slot, c.slot); /* the next that is alive */
    tw_span e = tw_span_begin("e");
    tw_span_end(e);
    tw_span_end(c);
    assert_null(tw_span_current().slot);
    tw_span_end(tw_span_begin("f"));

    assert_int_equal(count_of_kind(read_all(), TW_RECORD_SPAN), 6);
    assert_child_of(the("b"), the("a"));
    assert_child_of(the("c"), the("b"));
    assert_child_of(the("d"), the("c"));
    assert_child_of(the("e"), the("c"));
    assert_root(the("f"));
    assert_losses((struct tw_losses){.out_of_order = 2});
}

static void spans_ended_in_the_order_begun_give_their_slots_back(void **state)
{
    (void)state;
    enum { OPEN = 100, ROUNDS = 50 };
    tw_span spans[OPEN];
    uint32_t blocks = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < OPEN; i++) spans[i] = tw_span_begin("span");
        for (int i = 0; i < OPEN; i++) tw_span_end(spans[i]);
        if (round == 0) blocks = tw__runtime.segment->header->block_high;
    }
    assert_int_equal(tw__runtime.segment->header->block_high, blocks);
    assert_int_equal(count_of(read_all(), "span"), OPEN * ROUNDS);
    assert_losses((struct tw_losses){.out_of_order = (OPEN - 1) * ROUNDS});
}

/* Takes every block that is left; gives them back. */
static void occupy_blocks(uint64_t before[TW__BLOCK_MAX / 64])
{
    memcpy(before, tw__runtime.segment->block_bits, sizeof tw__runtime.segment->block_bits);
    memset(tw__runtime.segment->block_bits, 0xff, sizeof tw__runtime.segment->block_bits);
}

static void vacate_blocks(const uint64_t before[TW__BLOCK_MAX / 64])
{
    memcpy(tw__runtime.segment->block_bits, before, sizeof tw__runtime.segment->block_bits);
}

static void too_many_open_spans_are_counted_and_recording_goes_on(void **state)
{
    (void)state;
    static uint64_t bits[TW__BLOCK_MAX / 64];
    tw_span spans[TW__SLOTS + 2], first = tw_span_begin("first");
    tw_span_end(first);
    occupy_blocks(bits);
    for (int i = 0; i < TW__SLOTS + 2; i++) spans[i] = tw_span_begin("span");
    assert_non_null(spans[TW__SLOTS - 1].slot);
    assert_null(spans[TW__SLOTS].slot);
    tw_attach at = tw_context_attach(&(struct tw_context){.trace_id = {1}, .span_id = {1}}); /* takes a slot too */
    assert_null(at.holder);
    tw_context_detach(at);
    tw_event("event");
    for (int i = TW__SLOTS + 2; i-- > 0;) tw_span_end(spans[i]);
    tw_span again = tw_span_begin("again");
    assert_true(tw_span_is_open(again));
    tw_span_end(again);
    vacate_blocks(bits);
    assert_int_equal(count_of(read_all(), "span"), TW__SLOTS);
    assert_memory_equal(the("event")->span_id, read_all()->items[TW__SLOTS].span_id, 8);
    assert_losses((struct tw_losses){.no_slot = 3, .stale = 2});
}

static void *records_one_span(void *data)
{
    tw_span span = tw_span_begin("on a thread");
    bool expected = data != NULL;
    if (tw_span_is_open(span) != expected) abort();
    tw_tag(span, "tag", 1);
    tw_event("event");
    tw_span_end(span);
    return NULL;
}

static void a_thread_without_room_records_nothing_and_is_counted(void **state)
{
    (void)state;
    static uint64_t bits[TW__BLOCK_MAX / 64];
    int yes = 1;
    occupy_blocks(bits);
    on_thread(records_one_span, NULL);
    vacate_blocks(bits);
    on_thread(records_one_span, &yes);
    assert_int_equal(count_of(read_all(), "on a thread"), 1);
    struct tw_losses losses = losses_now();
    assert_in_range(losses.no_thread, 2, 4); /* begin, event; ending none finds no thread again */
    assert_int_equal(losses.no_slot, 0);
}

static void a_full_dictionary_makes_names_question_marks(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("known");
    tw_span_end(span);
    uint32_t used = tw__runtime.segment->header->dict_used;
    tw__runtime.segment->header->dict_used = TW__DICT_BYTES / 8; /* as if it were full */
    span = tw_span_begin("known");
    tw_span_set_int(span, "unknown key", 7);
    tw_tag(span, "another", "a literal that has no room");
    tw_span_end(span);
    span = tw_span_begin_named("has a name of its own");
    tw_span_end(span);
    tw__runtime.segment->header->dict_used = used;
    const struct tw_records *all = read_all();
    assert_int_equal(all->count, 3);
    const struct tw_record *r = &all->items[1];
    assert_int_equal(r->tag_count, 2);
    assert_text_is(r->tags[0].key, "?");
    assert_int_equal(r->tags[0].value.i, 7);
    assert_text_is(r->tags[1].text, "a literal that has no room");
    assert_text_is(all->items[2].name, "has a name of its own");
    assert_true(losses_now().no_dictionary != 0);
}

static void *begins_while_held(void *data)
{
    (void)data;
    tw__attach_hold(true); /* as a signal handler that interrupts the attaching finds it */
    tw_span span = tw_span_begin("span");
    tw__attach_hold(false);
    if (tw_span_is_open(span)) abort();
    return NULL;
}

static void what_a_signal_handler_records_inside_the_attaching_is_refused(void **state)
{
    (void)state;
    on_thread(begins_while_held, NULL);
    assert_int_equal(read_all()->count, 0);
    assert_losses((struct tw_losses){.nested_refused = 1});
}

static void handles_from_before_a_shutdown_reach_nobody(void **state)
{
    (void)state;
    tw_span open = tw_span_begin("open"), ended = tw_span_begin("ended");
    tw_span_end(ended);
    tw_attach at = tw_context_attach(NULL);
    assert_int_equal(tw_shutdown(SECOND), 0);
    use(ended);
    tw_span_end(open);
    tw_span_end(open);
    tw_context_detach(at);
    struct tw_config config = small_config();
    assert_int_equal(tw_init(&config), 0);
    use(ended);
    tw_tag(open, "tag", 1);
    tw_span_end(open);
    tw_context_detach(at);
    assert_null(tw_span_current().slot);
    tw_span span = tw_span_begin("after");
    tw_span_end(span);
    assert_root(the("after"));
    assert_int_equal(count_of(read_all(), "after"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(nothing_is_done_with_an_ended_span_and_all_is_counted),
        RECORDING(ending_twice_is_counted_once_each_time),
        RECORDING(none_is_harmless_everywhere),
        RECORDING(none_is_harmless_before_a_threads_first_record_and_when_off),
        RECORDING(a_handle_of_a_slot_that_is_used_again_reaches_nobody),
        RECORDING(a_slot_taken_a_million_times_never_gives_an_old_id),
        RECORDING(ended_in_another_order_all_spans_are_kept),
        RECORDING(spans_ended_in_the_order_begun_give_their_slots_back),
        RECORDING(too_many_open_spans_are_counted_and_recording_goes_on),
        RECORDING(a_thread_without_room_records_nothing_and_is_counted),
        RECORDING(a_full_dictionary_makes_names_question_marks),
        RECORDING(what_a_signal_handler_records_inside_the_attaching_is_refused),
        RECORDING(handles_from_before_a_shutdown_reach_nobody),
        RECORDING(a_span_begun_while_off_is_none_and_its_end_no_mistake),
    };
    return RUN_WITH_BOTH_CLOCKS("handles", tests);
}
