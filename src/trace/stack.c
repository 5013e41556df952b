/* stack: the current span of each thread, and everything that is not last in, first out.
 *
 *     block->current -> span C -> span B -> holder (attached context) -> span A -> &tw__no_slot        by slot->link
 *
 * begin pushes, end pops; span.c does that alone as long as the span that ends is the current one. Here are the rest:
 *
 *   - A span that ends below others, or on another thread, cannot be unlinked by its ender. It becomes a zombie: its id is
 *     even again, its trace is zeroed (so that begin takes the slow way), and whoever finds it on top takes it away.
 *   - Detached spans (link = &tw__detached) are in no stack and go straight back to their owner.
 *   - When a thread exits, its open spans are orphaned: the one who ends such a span gives the slot back. Exit and end may
 *     meet; each swaps its mark into slot->remote, and who comes second gives the slot back.
 *   - A task switched to another thread brings a stack of foreign slots. Its top is wrapped in a holder with an alias, so that
 *     the fast path, which takes the current slot for its own, never sees a foreign one.
 *
 * Rejected: an index or a list of open spans per thread (work on every begin for what hardly ever happens).
 */
#include "trace/stack.h"

#include <string.h>

uint64_t tw__id_from_bytes(const uint8_t bytes[8])
{
    uint64_t id = 0;
    for (int i = 0; i < 8; i++) id = id << 8 | bytes[i];
    return id;
}

void tw__id_to_bytes(uint64_t id, uint8_t bytes[8])
{
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(id >> (56 - 8 * i));
}

bool tw__context_is_valid(const struct tw_context *context)
{
    return context && tw__id_from_bytes(context->span_id) != 0 &&
           (tw__id_from_bytes(context->trace_id) | tw__id_from_bytes(context->trace_id + 8)) != 0;
}

void tw__context_of_slot(const struct tw__slot *slot, struct tw_context *out)
{
    tw__id_to_bytes(tw__load_relaxed(&slot->trace[0]), out->trace_id);
    tw__id_to_bytes(tw__load_relaxed(&slot->trace[1]), out->trace_id + 8);
    tw__id_to_bytes(tw__load_relaxed(&slot->id), out->span_id);
    out->flags = (uint8_t)(tw__load_relaxed(&slot->misc) >> 32);
}

static bool is_zombie(const struct tw__slot *slot)
{
    return slot != &tw__no_slot && !tw__is_holder(slot) && (tw__load_acquire(&slot->id) & 1) == 0; /* pairs with close_slot */
}

struct tw__slot *tw__stack_top(struct tw__block *block)
{
    while (is_zombie(block->saved)) {
        struct tw__slot *zombie = block->saved;
        block->saved = zombie->link;
        tw__slot_give(block, zombie);
    }
    return block->saved;
}

struct tw__slot *tw__stack_parent(struct tw__block *block)
{
    struct tw__slot *top = tw__stack_top(block);
    if (top == &tw__no_slot && block->role == TW__ROLE_LANE && !is_zombie(tw__me->saved)) return tw__me->saved;
    return top;
}

static void close_slot(struct tw__slot *slot)
{
    uint64_t used = tw__load_relaxed(&slot->tags_len);
    tw__store_release(&slot->id, tw__load_relaxed(&slot->id) + TW__ID_STEP); /* pairs with the reader's re-check */
    for (uint64_t i = 0; i < (used + 7) / 8 && i < TW__SLOT_TAG_BYTES / 8; i++)
        tw__store_relaxed((uint64_t *)(void *)slot->tags + i, 0);
    tw__store_relaxed(&slot->tags_len, 0);
    tw__store_relaxed(&slot->trace[1], 0);
}

/* The slot of another thread on top of this block's stack goes, and what is below it comes up, wrapped again if need be. */
static void pop_alias(struct tw__block *block, struct tw__slot *holder, struct tw__slot *ended)
{
    struct tw__slot *below = ended->link;
    struct tw__slot *rest = holder->link;
    tw__slot_give(block, ended);
    while (is_zombie(below)) {
        struct tw__slot *zombie = below;
        below = zombie->link;
        tw__slot_give(block, zombie);
    }
    if (below == &tw__no_slot || below == &tw__detached) {
        tw__holder_close(holder);
        tw__slot_give(block, holder);
        block->saved = rest;
        return;
    }
    holder->alias = below;
    holder->alias_id = tw__load_relaxed(&below->id);
    tw__store_relaxed(&holder->trace[0], tw__load_relaxed(&below->trace[0]));
    tw__store_relaxed(&holder->trace[1], tw__load_relaxed(&below->trace[1]));
    tw__store_relaxed(&holder->id, holder->alias_id);
}

void tw__stack_end(struct tw__block *block, struct tw__slot *slot)
{
    close_slot(slot);
    if (block->saved == slot) {
        block->saved = slot->link;
        tw__slot_give(block, slot);
    } else if (tw__is_holder(block->saved) && block->saved->alias == slot) {
        pop_alias(block, block->saved, slot);
    } else if (slot->link == &tw__detached) {
        tw__slot_give(block, slot);
    } else {
        if (tw__load_relaxed(&slot->owner) == block) tw__count(&block->losses[TW__LOSS_out_of_order]);
        /* A zombie from here on, if it still is in its thread's stack; pairs with attach.c: orphan_chain */
        if (tw__swap_acq_rel(&slot->remote, &tw__detached) == &tw__poison) tw__slot_give(block, slot);
    }
}

/* Takes a slot and makes it stand for a context. NULL: none left. */
static struct tw__slot *holder_open(struct tw__block *block, const uint64_t trace[2], uint64_t id, uint64_t flags)
{
    struct tw__slot *slot = tw__slot_take(block);
    if (!slot) return NULL;
    uint64_t check = (block->random[1] += 2) | 1;
    tw__store_relaxed(&slot->head, (uint64_t)TW__TYPE_HOLDER << 16);
    tw__store_relaxed(&slot->time, slot->id);
    tw__store_relaxed(&slot->trace[0], trace[0]);
    tw__store_relaxed(&slot->trace[1], trace[1]);
    tw__store_relaxed(&slot->misc, block->tid | flags << 32);
    slot->holder = check;
    slot->alias = NULL;
    tw__store_release(&slot->id, id); /* pairs with the reader, who sees the type and passes on */
    return slot;
}

void tw__holder_close(struct tw__slot *slot)
{
    tw__store_relaxed(&slot->trace[1], 0);
    tw__store_release(&slot->id, slot->time); /* even: before the type can say span again */
    slot->holder = 0;
    slot->alias = NULL;
}

tw_attach tw_context_attach(const struct tw_context *context)
{
    tw_attach none = {NULL, 0};
    if (!tw__load_relaxed(&tw__gate)) return none;
    struct tw__block *block = tw__enter();
    if (!block) return none;
    uint64_t trace[2] = {0, 0}, id = 0, flags = 0;
    if (tw__context_is_valid(context)) {
        trace[0] = tw__id_from_bytes(context->trace_id);
        trace[1] = tw__id_from_bytes(context->trace_id + 8);
        id = tw__id_from_bytes(context->span_id);
        flags = context->flags;
    }
    struct tw__slot *holder = holder_open(block, trace, id, flags);
    tw_attach result = none;
    if (holder) {
        holder->link = tw__stack_top(block);
        block->saved = holder;
        result = (tw_attach){holder, holder->holder};
    }
    tw__leave(block);
    return result;
}

/* Takes everything above holder off the stack; false, and nothing done, when holder is not in it. */
static bool unwind_to(struct tw__block *block, const struct tw__slot *holder)
{
    const struct tw__slot *s = block->saved;
    while (s != &tw__no_slot && s != &tw__detached && s != holder) s = s->link;
    if (s != holder) return false;
    while (block->saved != holder) {
        struct tw__slot *top = block->saved;
        block->saved = top->link;
        if (tw__is_holder(top)) {
            tw__holder_close(top);
            tw__slot_give(block, top);
        } else if (is_zombie(top)) {
            tw__slot_give(block, top);
        } else {
            top->link = &tw__detached; /* still open; whoever has its handle ends it */
        }
    }
    return true;
}

void tw_context_detach(tw_attach attach)
{
    if (!attach.holder) return;
    struct tw__block *block = tw__enter();
    if (!block) return;
    bool ours = attach.holder->holder == attach.check && tw__load_relaxed(&attach.holder->owner) == block;
    if (ours && tw__stack_top(block) != attach.holder) {
        tw__count(&block->losses[TW__LOSS_unbalanced]);
        ours = unwind_to(block, attach.holder);
    } else if (!ours) {
        tw__count(&block->losses[TW__LOSS_unbalanced]);
    }
    if (ours) {
        block->saved = attach.holder->link;
        tw__holder_close(attach.holder);
        tw__slot_give(block, attach.holder);
    }
    tw__leave(block);
}

/* What a task takes along: the real top, without the holder that stood for it here. */
static tw_task switch_out(struct tw__block *block)
{
    struct tw__slot *top = tw__stack_top(block);
    if (tw__is_holder(top) && top->alias) {
        tw_task task = {top->alias, top->alias_id};
        block->saved = top->link;
        tw__holder_close(top);
        tw__slot_give(block, top);
        return task;
    }
    block->saved = &tw__no_slot;
    return (tw_task){top == &tw__no_slot ? NULL : top, tw__load_relaxed(&top->id)};
}

void tw_context_switch(tw_task *mine)
{
    struct tw__block *block = tw__enter();
    if (!block) return;
    tw_task before = switch_out(block);
    struct tw__slot *top = mine->current ? mine->current : &tw__no_slot;
    if (top != &tw__no_slot && tw__load_relaxed(&top->owner) != block) {
        struct tw__slot *holder = NULL;
        if (tw__load_relaxed(&top->id) == mine->check)
            holder = holder_open(block, top->trace, mine->check, (top->misc >> 32) & 0xff);
        if (holder) {
            holder->alias = top;
            holder->alias_id = mine->check;
            holder->link = &tw__no_slot;
        }
        top = holder ? holder : &tw__no_slot;
    }
    block->saved = top;
    *mine = before;
    tw__leave(block);
}

bool tw_context_current(struct tw_context *out)
{
    const struct tw__block *block = tw__me;
    const struct tw__slot *top = tw__load_relaxed(&block->current);
    memset(out, 0, sizeof *out);
    if (top == &tw__poison || is_zombie(top)) { /* in a signal handler, or after another thread ended what was current */
        struct tw__block *mine = tw__enter();
        if (!mine) return false;
        top = tw__stack_parent(mine);
        if (top->id != 0) tw__context_of_slot(top, out);
        tw__leave(mine);
    } else if (top->id != 0) {
        tw__context_of_slot(top, out);
    }
    return tw__context_is_valid(out);
}

/* The handle of what is current: with holders, the events' handle; without, spans only. */
static tw_span current_handle(bool holders)
{
    tw_span none = {NULL, 0};
    const struct tw__block *me = tw__me;
    struct tw__slot *top = tw__load_relaxed(&me->current);
    if (top == &tw__no_slot) return none;
    if (top == &tw__poison || is_zombie(top)) {
        struct tw__block *block = tw__enter();
        if (!block) return none;
        top = tw__stack_parent(block);
        tw__leave(block);
    }
    if (top == &tw__no_slot || top == &tw__poison) return none;
    if (tw__is_holder(top) && !holders) return top->alias ? (tw_span){top->alias, top->alias_id} : none;
    return (tw_span){top, tw__load_relaxed(&top->id)};
}

tw_span tw_span_current(void)
{
    return current_handle(false);
}

tw_span tw_span_current_or_context(void)
{
    return current_handle(true);
}
