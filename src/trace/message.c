/* message: what goes from one thread, process or queue to another.
 *
 * Both sides are recorded under the sender's trace with one message id, so a reader can join them, and a send without a
 * receive is a message that never arrived. Of the contents nothing is kept unless the program or its environment asked
 * for it. */
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include "trace/record.h"
#include "trace/site.h"
#include "trace/stack.h"

static struct tw_site send_site = {0, "send", "", "", 0, TW__TYPE_SEND, 0, 0};
static struct tw_site receive_site = {0, "receive", "", "", 0, TW__TYPE_RECEIVE, 0, 0};
static struct tw_site created_site = {0, "thread created", "", "", 0, TW__TYPE_CREATED, 0, 0};
static struct tw_site exited_site = {0, "thread exited", "", "", 0, TW__TYPE_EXITED, 0, 0};

static void append(struct tw__block *block, struct tw_site *site, const struct tw_message *message, uint64_t id,
                   const struct tw__owner *owner)
{
    static const struct tw_message empty;
    struct tw__tag_in tags[4];
    size_t n = 0;
    if (!message) message = &empty;
    tags[n++] = tw__tag_number(tw__key_id(block, "id"), TW__TAG_UINT, id);
    tags[n++] = tw__tag_number(tw__key_id(block, "size"), TW__TAG_UINT, message->size);
    if (message->peer)
        tags[n++] = tw__text_tag(block, TW__TAG_STR, tw__key_id(block, "peer"), message->peer, strlen(message->peer),
                                 TW_TEXT_MAX);
    size_t max = tw__load_relaxed(&tw__runtime.payload_max),
           keep = message->byte_count < max ? message->byte_count : max;
    if (keep && message->bytes)
        tags[n++] = (struct tw__tag_in){.key = tw__key_id(block, "bytes"),
                                        .type = TW__TAG_BYTES,
                                        .ptr = message->bytes,
                                        .len = (uint32_t)keep,
                                        .full_len = (uint32_t)keep};
    (void)tw__record_append(block, tw__site_head(block, site, TW__EVENT_HEAD_BYTES), 0, owner, tags, n);
}

static uint64_t send_in(const struct tw_message *message, const struct tw_context *context)
{
    struct tw__block *block = tw__enter();
    if (!block) return 0;
    uint64_t id = message && message->id ? message->id : (block->message_id += 2 * TW__ID_STEP) ^ block->random[0];
    if (id == 0) id = 1;
    struct tw__owner owner;
    tw__owner_of_context(context, &owner);
    append(block, &send_site, message, id, &owner);
    tw__leave(block);
    return id;
}

uint64_t tw_message_send(const struct tw_message *message)
{
    struct tw_context context;
    if (!tw__load_relaxed(&tw__gate)) return 0;
    (void)tw__context_here(&context);
    return send_in(message, &context);
}

static void receive_in(const struct tw_message *message, uint64_t id, const struct tw_context *context)
{
    struct tw__block *block = tw__enter();
    if (!block) return;
    struct tw__owner owner;
    tw__owner_of_context(context, &owner);
    append(block, &receive_site, message, id, &owner);
    tw__leave(block);
}

void tw_message_receive(const struct tw_message *message, const struct tw_context *sender)
{
    struct tw_context context;
    if (!tw__load_relaxed(&tw__gate)) return;
    if (!sender) (void)tw__context_here(&context);
    receive_in(message, message ? message->id : 0, sender ? sender : &context);
}

void tw_message_carry(const struct tw_message *message, struct tw_envelope *out)
{
    memset(out, 0, sizeof *out);
    if (!tw__load_relaxed(&tw__gate)) return;
    (void)tw_context_current(&out->context);
    out->message_id = send_in(message, &out->context);
}

tw_attach tw_message_adopt(const struct tw_message *message, const struct tw_envelope *envelope)
{
    static const struct tw_envelope none;
    if (!tw__load_relaxed(&tw__gate)) return (tw_attach){NULL, 0};
    if (!envelope) envelope = &none;
    uint64_t id = message && message->id ? message->id : envelope->message_id;
    receive_in(message, id, &envelope->context);
    return tw_context_attach(&envelope->context);
}

struct handover {
    void *(*start)(void *);
    void *arg;
    struct tw_context context;
    uint32_t creator;
    bool has_context;
};

static void thread_event(struct tw_site *site, const struct tw_context *context, uint32_t creator)
{
    struct tw__block *block = tw__load_relaxed(&tw__gate) ? tw__enter() : NULL;
    if (!block) return;
    struct tw__owner owner;
    tw__owner_of_context(context, &owner);
    const struct tw__tag_in tag = tw__tag_number(tw__key_id(block, "creator"), TW__TAG_UINT, creator);
    (void)tw__record_append(block, tw__site_head(block, site, TW__EVENT_HEAD_BYTES), 0, &owner, &tag, creator ? 1 : 0);
    tw__leave(block);
}

struct running {
    struct tw_context context;
    tw_attach attach;
};

static void finish(void *data)
{
    struct running *running = data;
    tw_context_detach(running->attach);
    thread_event(&exited_site, &running->context, 0);
}

static void *run(void *data)
{
    struct handover handover = *(struct handover *)data;
    struct running running = {.context = handover.context};
    void *result;
    free(data);
    thread_event(&created_site, &handover.context, handover.creator);
    if (handover.has_context) running.attach = tw_context_attach(&handover.context);
    pthread_cleanup_push(finish, &running); /* also on pthread_exit and cancellation */
    result = handover.start(handover.arg);
    pthread_cleanup_pop(1);
    return result;
}

int tw_thread_create(void *thread, const void *attr, void *(*start)(void *), void *arg)
{
    struct handover *handover = malloc(sizeof *handover);
    /* The program's thread matters more than its record. */
    if (!handover) return pthread_create(thread, attr, start, arg);
    *handover = (struct handover){.start = start, .arg = arg, .creator = tw__me->tid};
    handover->has_context = tw_context_current(&handover->context);
    int failed = pthread_create(thread, attr, run, handover);
    if (failed) free(handover);
    return failed;
}
