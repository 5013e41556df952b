/* stack: the current span of each thread, and everything that is not last in, first out.
 *
 *     block->current -> span C -> span B -> holder (attached context) -> span A -> &tw__no_slot        by slot->link
 *
 * begin pushes, end pops; span.c does that alone as long as the span that ends is the current one. Here are the rest:
 *
 *   - A span that ends below others, or on another thread, cannot be unlinked by its ender. It becomes a zombie: its id
 *     is even again, its trace is zeroed (so that begin takes the slow way), and its thread takes it away: when it
 *     finds it on top, or when it has no free slot left (sweep; else spans that overlap one another for ever would take
 *     ever more).
 *   - Detached spans (link = &tw__detached) are in no stack and go straight back to their owner.
 *   - A slot leaves a stack (taken away, or abandoned when its thread exits or detaches what is below) and its span
 *     ends, in either order and on two threads at once. Each swaps its mark into slot->remote: who comes second gives
 *     the slot back.
 *   - A task switched to another thread brings a stack of foreign slots. Its top is wrapped in a holder with an alias
 *     (a stand-in), so that the fast path, which takes the current slot for its own, never sees a foreign one. What the
 *     task begins there links to the stand-in; when the task has moved on, stand-ins in its stack are passed by and
 *     given back.
 *
 * Rejected: an index or a list of open spans per thread (work on every begin for what hardly ever happens).
 */
#include "trace/stack.h"

#include <string.h>

#include "base/be64.h"

bool tw__context_is_valid(const struct tw_context *context)
{
    return context && tw__be64(context->span_id) != 0 &&
           (tw__be64(context->trace_id) | tw__be64(context->trace_id + 8)) != 0;
}

void tw__context_of_slot(const struct tw__slot *slot, struct tw_context *out)
{
    tw__be64_put(tw__load_relaxed(&slot->trace[0]), out->trace_id);
    tw__be64_put(tw__load_relaxed(&slot->trace[1]), out->trace_id + 8);
    tw__be64_put(tw__load_relaxed(&slot->id), out->span_id);
    out->flags = (uint8_t)(tw__load_relaxed(&slot->misc) >> 32);
}

/* Only of a root that was alone until now, hence once. Another thread may ask, and the slot be a stand-in meanwhile:
 * its alias is another thread's slot, a root's is its own thread's, so that the comparison cannot mistake one for the
 * other. */
void tw__slot_handed(const struct tw__slot *slot)
{
    if (tw__load_relaxed(&slot->parent)) return;
    struct tw__slot *root = (struct tw__slot *)(uintptr_t)slot, *alias = tw__load_relaxed(&root->alias);
    if (alias && !tw__is_holder(root)) (void)tw__cas_acq_rel(&root->alias, &alias, NULL);
}

static bool is_zombie(const struct tw__slot *slot)
{
    if (slot == &tw__no_slot || tw__is_holder(slot)) return false;
    return (tw__load_acquire(&slot->id) & 1) == 0; /* pairs with close_slot */
}

static bool is_stand_in(const struct tw__slot *slot)
{
    return tw__is_holder(slot) && slot->alias;
}

/* Whether something on top of a stack has ended elsewhere. */
static bool has_ended(const struct tw__slot *top)
{
    return is_zombie(is_stand_in(top) ? top->alias : top);
}

/* The slot is in no stack from here on; pairs with tw__stack_end. */
static void leave_stack(struct tw__block *block, struct tw__slot *slot)
{
    if (tw__swap_acq_rel(&slot->remote, &tw__poison) == &tw__detached) tw__slot_give(block, slot);
}

/* The first in a stack that is alive; what is above it is given back. */
static struct tw__slot *first_alive(struct tw__block *block, struct tw__slot *slot)
{
    while (slot != &tw__no_slot && slot != &tw__detached) {
        struct tw__slot *gone = slot;
        if (is_stand_in(slot)) {
            slot = slot->alias;
            tw__holder_close(gone);
            tw__slot_give(block, gone);
        } else if (is_zombie(slot)) {
            slot = slot->link;
            leave_stack(block, gone);
        } else {
            return slot;
        }
    }
    return &tw__no_slot;
}

void tw__stack_sweep(struct tw__block *block)
{
    struct tw__slot *above = NULL, *next;
    for (struct tw__slot *slot = block->saved; slot != &tw__no_slot && slot != &tw__detached; slot = next) {
        next = slot->link;
        if (is_stand_in(slot)) { /* what it stands for is a stack_top's business */
            above = slot->alias;
            next = above->link;
            continue;
        }
        if (!is_zombie(slot)) {
            above = slot;
            continue;
        }
        if (above)
            tw__store_relaxed(&above->link, next);
        else
            block->saved = next;
        leave_stack(block, slot);
    }
}

unsigned tw__stack_abandon(struct tw__block *block, const struct tw__slot *end)
{
    struct tw__slot *slot = block->saved;
    unsigned contexts = 0;
    while (slot != end && slot != &tw__no_slot && slot != &tw__detached) {
        struct tw__slot *gone = slot;
        bool stand_in = is_stand_in(slot);
        slot = stand_in ? slot->alias : slot->link;
        if (!tw__is_holder(gone)) {
            leave_stack(block, gone);
            continue;
        }
        contexts += stand_in ? 0 : 1;
        tw__holder_close(gone);
        tw__slot_give(block, gone);
    }
    block->saved = slot == end ? slot : &tw__no_slot;
    return contexts;
}

/* What the stand-in on top of this block's stack stands for is gone; the next is what lives in the stack below. */
static void stand_for_next(struct tw__block *block, struct tw__slot *stand_in, struct tw__slot *below)
{
    struct tw__slot *next = first_alive(block, below);
    if (next == &tw__no_slot || tw__load_acquire(&next->owner) == block) {
        block->saved = next;
        tw__holder_close(stand_in);
        tw__slot_give(block, stand_in);
        return;
    }
    tw__store_relaxed(&stand_in->alias, next);
    stand_in->alias_id = tw__load_relaxed(&next->id);
    tw__store_relaxed(&stand_in->trace[0], tw__load_relaxed(&next->trace[0]));
    tw__store_relaxed(&stand_in->trace[1], tw__load_relaxed(&next->trace[1]));
    tw__store_relaxed(&stand_in->misc, block->tid | (next->misc >> 32 & 0xff) << 32);
    tw__store_relaxed(&stand_in->id, stand_in->alias_id);
}

/* The same, and gives back what it stood for, which has ended or been detached here. */
static void pop_alias(struct tw__block *block, struct tw__slot *stand_in)
{
    struct tw__slot *gone = stand_in->alias, *below = gone->link;
    tw__slot_give(block, gone);
    stand_for_next(block, stand_in, below);
}

struct tw__slot *tw__stack_top(struct tw__block *block)
{
    while (has_ended(block->saved)) {
        struct tw__slot *top = block->saved;
        if (is_stand_in(top)) {
            stand_for_next(block, top, top->alias);
        } else {
            block->saved = top->link;
            leave_stack(block, top);
        }
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
    tw__store_relaxed(&slot->trace[1], 0);
    for (uint64_t i = 0; i < (used + 7) / 8 && i < TW__SLOT_TAG_BYTES / 8; i++)
        tw__store_relaxed((uint64_t *)(void *)slot->tags + i, 0);
    tw__store_relaxed(&slot->tags_len, 0);
}

void tw__stack_end(struct tw__block *block, struct tw__slot *slot)
{
    close_slot(slot);
    if (block->saved == slot) {
        block->saved = slot->link;
        tw__slot_give(block, slot);
    } else if (is_stand_in(block->saved) && block->saved->alias == slot) {
        pop_alias(block, block->saved);
    } else if (tw__load_relaxed(&slot->link) == &tw__detached) {
        tw__slot_give(block, slot);
    } else {
        bool ours = tw__load_relaxed(&slot->owner) == block;
        /* Its thread may give it back from here on; pairs with leave_stack */
        if (tw__swap_acq_rel(&slot->remote, &tw__detached) == &tw__poison)
            tw__slot_give(block, slot); /* it has left the stack already */
        else if (ours)
            tw__count(&block->losses[TW__LOSS_out_of_order]);
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
    tw__store_relaxed(&slot->holder, check);
    tw__store_relaxed(&slot->alias, NULL);
    tw__store_release(&slot->id, id); /* pairs with the reader, who sees the type and passes on */
    return slot;
}

void tw__holder_close(struct tw__slot *slot)
{
    tw__store_relaxed(&slot->trace[1], 0);
    tw__store_release(&slot->id, slot->time); /* even: before the type can say span again */
    tw__store_relaxed(&slot->holder, 0);
    tw__store_relaxed(&slot->alias, NULL);
}

tw_attach tw_context_attach(const struct tw_context *context)
{
    tw_attach none = {NULL, 0};
    if (!tw__load_relaxed(&tw__gate)) return none;
    struct tw__block *block = tw__enter();
    if (!block) return none;
    uint64_t trace[2] = {0, 0}, id = 0, flags = 0;
    if (tw__context_is_valid(context)) {
        trace[0] = tw__be64(context->trace_id);
        trace[1] = tw__be64(context->trace_id + 8);
        id = tw__be64(context->span_id);
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

static bool is_in_stack(const struct tw__block *block, const struct tw__slot *holder)
{
    const struct tw__slot *s = block->saved;
    while (s != &tw__no_slot && s != &tw__detached && s != holder) s = is_stand_in(s) ? s->alias : s->link;
    return s == holder;
}

void tw_context_detach(tw_attach attach)
{
    if (!attach.holder) return;
    struct tw__block *block = tw__enter();
    if (!block) return;
    struct tw__slot *top = tw__stack_top(block);
    bool held = tw__load_relaxed(&attach.holder->holder) == attach.check; /* its thread may be closing it */
    bool ours = held && tw__load_relaxed(&attach.holder->owner) == block;
    if (held && is_stand_in(top) && top->alias == attach.holder) {
        tw__holder_close(attach.holder); /* a task attached it on another thread */
        pop_alias(block, top);
        tw__leave(block);
        return;
    }
    if (ours && top != attach.holder) {
        tw__count(&block->losses[TW__LOSS_unbalanced]);
        ours = is_in_stack(block, attach.holder);
        if (ours) (void)tw__stack_abandon(block, attach.holder);
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
    if (is_stand_in(top)) {
        tw_task task = {top->alias, top->alias_id};
        block->saved = top->link;
        tw__holder_close(top);
        tw__slot_give(block, top);
        return task;
    }
    block->saved = &tw__no_slot;
    return (tw_task){top == &tw__no_slot ? NULL : top, tw__load_relaxed(&top->id)};
}

/* The top of the stack that a task brings. Its span may have ended meanwhile; then it waits there as a zombie. */
static struct tw__slot *resumed(struct tw__block *block, const tw_task *task)
{
    struct tw__slot *top = task->current;
    if (!top || !tw__load_acquire(&top->owner)) return &tw__no_slot; /* no owner: it was the parent's, before a fork */
    uint64_t id = tw__load_acquire(&top->id);
    if (id != task->check && id != task->check + TW__ID_STEP) return &tw__no_slot;
    return first_alive(block, top);
}

void tw_context_switch(tw_task *mine)
{
    struct tw__block *block = tw__enter();
    if (!block) return;
    tw_task before = switch_out(block);
    struct tw__slot *top = resumed(block, mine);
    if (top != &tw__no_slot && tw__load_relaxed(&top->owner) != block) {
        tw__slot_handed(top);
        uint64_t id = tw__load_relaxed(&top->id);
        struct tw__slot *holder = holder_open(block, top->trace, id, (top->misc >> 32) & 0xff);
        if (holder) {
            tw__store_relaxed(&holder->alias, top);
            holder->alias_id = id;
            holder->link = &tw__no_slot;
        }
        top = holder ? holder : &tw__no_slot;
    }
    block->saved = top;
    *mine = before;
    tw__leave(block);
}

static bool context_here(struct tw_context *out, bool handed)
{
    const struct tw__block *block = tw__me;
    const struct tw__slot *top = tw__load_relaxed(&block->current);
    memset(out, 0, sizeof *out);
    /* In a signal handler, or after another thread ended what was current. */
    if (top == &tw__poison || has_ended(top)) {
        struct tw__block *mine = tw__enter();
        if (!mine) return false;
        top = tw__stack_parent(mine);
        if (top->id != 0) tw__context_of_slot(top, out);
        if (top->id != 0 && handed) tw__slot_handed(top);
        tw__leave(mine);
    } else if (top->id != 0) {
        tw__context_of_slot(top, out);
        if (handed) tw__slot_handed(top);
    }
    return tw__context_is_valid(out);
}

bool tw__context_here(struct tw_context *out)
{
    return context_here(out, false);
}

bool tw_context_current(struct tw_context *out)
{
    return context_here(out, true);
}

/* The handle of what is current: with holders, the events' handle; without, spans only. */
static tw_span current_handle(bool holders)
{
    tw_span none = {NULL, 0};
    const struct tw__block *me = tw__me;
    struct tw__slot *top = tw__load_relaxed(&me->current);
    if (top == &tw__no_slot) return none;
    if (top == &tw__poison || has_ended(top)) {
        struct tw__block *block = tw__enter();
        if (!block) return none;
        top = tw__stack_parent(block);
        /* What a call is at work on that a handler has interrupted: a tag set now might end up in the next span. */
        bool being_changed = block->role == TW__ROLE_LANE && top != block->saved;
        tw__leave(block);
        if (being_changed && !holders) return none;
    }
    if (top == &tw__no_slot || top == &tw__poison) return none;
    if (is_stand_in(top) && !tw__is_holder(top->alias)) return (tw_span){top->alias, top->alias_id};
    if (tw__is_holder(top) && !holders) return none;
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
