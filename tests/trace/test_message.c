#include "trace/recording.h"

#include <pthread.h>
#include <stdlib.h>

static const struct tw_message job = {
    .peer = "queue:mail", .size = 1234, .bytes = "From: secret@example.com", .byte_count = 24};

static void a_send_has_peer_size_and_an_id_but_no_contents(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("span");
    uint64_t id = tw_message_send(&job);
    tw_span_end(span);
    assert_true(id != 0);
    const struct tw_record *r = the("send");
    assert_int_equal(r->kind, TW_RECORD_SEND);
    assert_memory_equal(r->trace_id, the("span")->trace_id, 16);
    assert_memory_equal(r->span_id, the("span")->span_id, 8);
    assert_tag_str(r, "peer", "queue:mail");
    assert_int_equal(tag(r, "size")->value.u, 1234);
    assert_true(tag(r, "id")->value.u == id);
    assert_int_equal(r->tag_count, 3);
    assert_no_losses();
}

static void contents_are_kept_only_when_asked_for_and_only_so_much(void **state)
{
    (void)state;
    struct tw_config config = small_config();
    config.payload_max = 6;
    assert_int_equal(tw_shutdown(SECOND), 0);
    assert_int_equal(tw_init(&config), 0);
    (void)tw_message_send(&job);
    tw_message_receive(&(struct tw_message){.bytes = "abc", .byte_count = 3, .size = 3}, NULL);
    assert_int_equal(tag(the("send"), "bytes")->type, TW_TYPE_BYTES);
    assert_text_is(tag(the("send"), "bytes")->text, "From: ");
    assert_text_is(tag(the("receive"), "bytes")->text, "abc");
}

static void an_own_message_id_is_kept_on_both_sides(void **state)
{
    (void)state;
    struct tw_message message = {.id = 0xfeedface, .size = 1};
    assert_true(tw_message_send(&message) == 0xfeedface);
    tw_message_receive(&message, NULL);
    assert_true(tag(the("send"), "id")->value.u == 0xfeedface);
    assert_true(tag(the("receive"), "id")->value.u == 0xfeedface);
    assert_int_equal(the("send")->tag_count, 2); /* the peer is not known */
}

static void a_message_of_null_is_one_of_no_size(void **state)
{
    (void)state;
    assert_true(tw_message_send(NULL) != 0);
    tw_message_receive(NULL, NULL);
    assert_int_equal(tag(the("send"), "size")->value.u, 0);
    assert_int_equal(the("receive")->kind, TW_RECORD_RECEIVE);
}

static void message_ids_differ(void **state)
{
    (void)state;
    uint64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t id = tw_message_send(NULL);
        assert_true(id != 0 && id != last);
        last = id;
    }
}

static void a_receive_is_filed_under_the_senders_trace(void **state)
{
    (void)state;
    struct tw_context sender;
    tw_span span = tw_span_begin("sender");
    (void)tw_context_current(&sender);
    tw_span_end(span);
    tw_span other = tw_span_begin_root("receiver");
    tw_message_receive(&job, &sender);
    tw_span_end(other);
    assert_memory_equal(the("receive")->trace_id, the("sender")->trace_id, 16);
    assert_memory_equal(the("receive")->span_id, the("sender")->span_id, 8);
}

static void *handles(void *data)
{
    const struct tw_envelope *envelope = data;
    tw_attach at = tw_message_adopt(&(struct tw_message){.peer = "main", .size = 1234}, envelope);
    tw_span span = tw_span_begin("handle");
    tw_span_end(span);
    tw_context_detach(at);
    tw_span_end(tw_span_begin("after"));
    return NULL;
}

static void a_carried_context_is_adopted_by_the_receiver(void **state)
{
    (void)state;
    struct tw_envelope envelope;
    tw_span span = tw_span_begin("producer");
    tw_message_carry(&job, &envelope);
    tw_span_end(span);
    on_thread(handles, &envelope);
    const struct tw_record *send = the("send"), *receive = the("receive");
    assert_true(envelope.message_id != 0);
    assert_true(tag(send, "id")->value.u == envelope.message_id);
    assert_true(tag(receive, "id")->value.u == envelope.message_id);
    assert_memory_equal(receive->trace_id, send->trace_id, 16);
    assert_memory_equal(receive->span_id, the("producer")->span_id, 8);
    assert_int_not_equal(receive->tid, send->tid);
    assert_child_of(the("handle"), the("producer"));
    assert_root(the("after"));
    assert_no_losses();
}

static void an_envelope_of_no_trace_is_adopted_as_no_trace(void **state)
{
    (void)state;
    struct tw_envelope envelope;
    memset(&envelope, 0xee, sizeof envelope);
    tw_message_carry(&job, &envelope);
    assert_true(envelope.message_id != 0);
    assert_memory_equal(&envelope.context, &(struct tw_context){0}, sizeof envelope.context);
    tw_span span = tw_span_begin("another request");
    handles(&envelope);
    tw_span_end(span);
    assert_root(the("handle"));
    assert_memory_not_equal(the("handle")->trace_id, the("another request")->trace_id, 16);
    assert_true(tag(the("receive"), "id")->value.u == envelope.message_id);
    assert_no_losses();
}

static void a_message_without_an_envelope_is_adopted_as_no_trace(void **state)
{
    (void)state;
    tw_span span = tw_span_begin("another request");
    tw_attach at = tw_message_adopt(&job, NULL);
    tw_span_end(tw_span_begin("handle"));
    tw_context_detach(at);
    tw_context_detach(tw_message_adopt(NULL, NULL));
    tw_span_end(span);
    assert_root(the("handle"));
    assert_memory_not_equal(the("handle")->trace_id, the("another request")->trace_id, 16);
    assert_no_losses();
}

static void a_message_that_never_arrives_is_a_send_without_a_receive(void **state)
{
    (void)state;
    struct tw_envelope arrives, lost;
    tw_message_carry(&job, &arrives);
    tw_message_carry(&job, &lost);
    tw_context_detach(tw_message_adopt(NULL, &arrives));
    const struct tw_records *all = read_all();
    size_t missing = 0;
    for (size_t i = 0; i < all->count; i++) {
        bool found = all->items[i].kind != TW_RECORD_SEND;
        for (size_t j = 0; j < all->count && !found; j++)
            found = all->items[j].kind == TW_RECORD_RECEIVE &&
                    tag(&all->items[j], "id")->value.u == tag(&all->items[i], "id")->value.u;
        if (found) continue;
        missing++;
        assert_true(tag(&all->items[i], "id")->value.u == lost.message_id);
    }
    assert_int_equal(missing, 1);
}

static void switched_off_messages_cost_and_keep_nothing(void **state)
{
    (void)state;
    struct tw_envelope envelope;
    memset(&envelope, 0xee, sizeof envelope);
    assert_int_equal(tw_recorder_disable(), 0);
    assert_true(tw_message_send(&job) == 0);
    tw_message_carry(&job, &envelope);
    assert_memory_equal(&envelope, &(struct tw_envelope){0}, sizeof envelope);
    tw_context_detach(tw_message_adopt(&job, &envelope));
    tw_message_receive(&job, NULL);
    assert_int_equal(tw_recorder_enable(), 0);
    assert_int_equal(read_all()->count, 0);
    assert_no_losses();
}

/* -- threads */

static void *works(void *data)
{
    tw_span_end(tw_span_begin("work"));
    return data;
}

static void *exits_early(void *data)
{
    (void)works(data);
    pthread_exit(data);
}

static void a_created_thread_goes_on_in_the_trace_of_its_creator(void **state)
{
    (void)state;
    void *(*const starts[])(void *) = {works, exits_early};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tw_recorder_clear(), 0);
        pthread_t thread;
        void *result = NULL;
        int value = 0;
        tw_span span = tw_span_begin("creator");
        assert_int_equal(tw_thread_create(&thread, NULL, starts[i], &value), 0);
        (void)pthread_join(thread, &result);
        tw_span_end(span);
        assert_ptr_equal(result, &value);
        const struct tw_record *created = the("thread created"), *exited = the("thread exited"),
                               *creator = the("creator");
        assert_int_equal(created->kind, TW_RECORD_CREATED);
        assert_int_equal(exited->kind, TW_RECORD_EXITED);
        assert_memory_equal(created->trace_id, creator->trace_id, 16);
        assert_memory_equal(exited->trace_id, creator->trace_id, 16);
        assert_memory_equal(created->span_id, creator->span_id, 8);
        assert_int_equal(tag(created, "creator")->value.u, creator->tid);
        assert_int_equal(created->tid, exited->tid);
        assert_int_equal(created->tid, the("work")->tid);
        assert_int_not_equal(created->tid, creator->tid);
        assert_child_of(the("work"), creator);
        assert_true(created->time_ns <= exited->time_ns);
    }
    assert_no_losses();
}

static void the_first_thing_a_program_does_may_be_to_create_a_thread(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(tw_thread_create(&thread, NULL, works, NULL), 0);
    (void)pthread_join(thread, NULL);
    tw_span_end(tw_span_begin("creator"));
    assert_int_equal(tag(the("thread created"), "creator")->value.u, the("creator")->tid);
    assert_root(the("work"));
}

static void switched_off_threads_are_created_all_the_same(void **state)
{
    (void)state;
    pthread_t thread;
    void *result = NULL;
    int value = 0;
    assert_int_equal(tw_recorder_disable(), 0);
    assert_int_equal(tw_thread_create(&thread, NULL, works, &value), 0);
    (void)pthread_join(thread, &result);
    assert_ptr_equal(result, &value);
    assert_int_equal(tw_recorder_enable(), 0);
    assert_int_equal(read_all()->count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RECORDING(a_send_has_peer_size_and_an_id_but_no_contents),
        RECORDING(contents_are_kept_only_when_asked_for_and_only_so_much),
        RECORDING(an_own_message_id_is_kept_on_both_sides),
        RECORDING(a_message_of_null_is_one_of_no_size),
        RECORDING(message_ids_differ),
        RECORDING(a_receive_is_filed_under_the_senders_trace),
        RECORDING(a_carried_context_is_adopted_by_the_receiver),
        RECORDING(an_envelope_of_no_trace_is_adopted_as_no_trace),
        RECORDING(a_message_without_an_envelope_is_adopted_as_no_trace),
        RECORDING(a_message_that_never_arrives_is_a_send_without_a_receive),
        RECORDING(switched_off_messages_cost_and_keep_nothing),
        RECORDING(a_created_thread_goes_on_in_the_trace_of_its_creator),
        RECORDING(the_first_thing_a_program_does_may_be_to_create_a_thread),
        RECORDING(switched_off_threads_are_created_all_the_same),
    };
    return RUN_WITH_BOTH_CLOCKS("messages", tests);
}
