/* attach: gives a thread its block, and a signal handler its lane.
 *
 * A thread's first record comes here: segment (made if need be), block, slots, exit hook. Later calls pass by with one
 * compare. A thread whose block belongs to an ended segment comes here again.
 *
 * A signal handler may interrupt any call. If the thread was inside one (current is poisoned), the handler works on the
 * lane: a second block with its own slots and chunk, taken the first time it is needed. A handler that interrupts a
 * call made by another handler on the lane is refused and counted, and so is one that interrupts the attaching itself.
 */
#include "trace/attach.h"

#include <pthread.h>

#include "base/os.h"
#include "trace/runtime.h"
#include "trace/stack.h"

struct tw__block tw__nobody = {.current = &tw__no_slot};
struct tw__slot tw__detached;
_Thread_local struct tw__block *tw__me __attribute__((tls_model("initial-exec"))) = &tw__nobody;

static _Thread_local bool held __attribute__((tls_model("initial-exec")));
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

void tw__attach_hold(bool hold)
{
    held = hold;
    tw__signal_fence();
}

void tw__attach_forget(void)
{
    tw__me = &tw__nobody;
}

void tw__lost(enum tw__loss loss)
{
    const struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    if (segment) tw__add_relaxed(&segment->header->losses[loss], 1);
}

static void dissolve(struct tw__segment *segment, struct tw__block *block)
{
    if (block->current != &tw__poison) block->saved = block->current;
    tw__store_relaxed(&block->current, &tw__poison);
    tw__signal_fence();
    if (block->spare) tw__store_relaxed(&block->free, block->spare);
    block->spare = NULL;
    unsigned left = block->saved ? tw__stack_abandon(block, &tw__no_slot) : 0;
    while (left-- > 0) tw__count(&block->losses[TW__LOSS_unbalanced]);
    tw__block_dissolve(segment, block);
}

static void at_thread_exit(void *data)
{
    struct tw__block *block = data;
    struct tw__segment *segment = tw__load_acquire(&tw__runtime.segment);
    if (tw__me != block) return; /* forked meanwhile, or begun anew */
    tw__me = &tw__nobody;
    if (!segment || block->generation != tw__load_relaxed(&tw__runtime.generation)) return;
    struct tw__block *lane = block->lane;
    held = true;
    if (lane) dissolve(segment, lane);
    dissolve(segment, block);
    held = false;
}

static void make_exit_key(void)
{
    (void)pthread_key_create(&exit_key, at_thread_exit);
}

static struct tw__block *take_block(struct tw__segment *segment, enum tw__block_role role)
{
    struct tw__block *block = tw__block_take(segment, role);
    if (!block) {
        tw__lost(TW__LOSS_no_thread);
        return NULL;
    }
    block->generation = segment->generation; /* not the runtime's: it may have gone on */
    block->saved = &tw__no_slot;
    tw__store_release(&block->current, &tw__no_slot); /* pairs with arena.c: abandoned */
    tw__block_adopt(block, block);
    return block;
}

static struct tw__block *attach(void)
{
    if (held) {
        tw__lost(TW__LOSS_nested_refused);
        return NULL;
    }
    held = true;
    tw__signal_fence();
    struct tw__segment *segment = tw__runtime_segment();
    struct tw__block *block = segment ? take_block(segment, TW__ROLE_THREAD) : NULL;
    if (block) {
        tw__add_relaxed(&segment->header->threads_total, 1);
        pthread_once(&exit_once, make_exit_key);
        (void)pthread_setspecific(exit_key, block);
        tw__me = block;
    }
    tw__signal_fence();
    held = false;
    return block;
}

static struct tw__block *lane_of(struct tw__block *block)
{
    if (!block->lane && !held) {
        held = true;
        tw__signal_fence();
        block->lane = take_block(tw__segment_of(block), TW__ROLE_LANE);
        tw__signal_fence();
        held = false;
    }
    struct tw__block *lane = block->lane;
    if (!lane || lane->current == &tw__poison) {
        tw__lost(TW__LOSS_nested_refused);
        return NULL;
    }
    return lane;
}

/* One try. The block is poisoned when it returns; *before is what was current. */
static struct tw__block *enter_once(struct tw__slot **before)
{
    struct tw__block *block = tw__me;
    if (block->generation != tw__load_relaxed(&tw__runtime.generation) || block == &tw__nobody) {
        block = attach();
        if (!block) return NULL;
    }
    if (tw__load_relaxed(&block->current) == &tw__poison) {
        block = lane_of(block);
        if (!block) return NULL;
    }
    /* saved twice: for a handler that comes right after the poison, and because one that came right before it has left
     * its own there. tw__leave makes saved current again. */
    struct tw__slot *current = tw__load_relaxed(&block->current);
    block->saved = current;
    tw__signal_fence();
    tw__store_relaxed(&block->current, &tw__poison);
    tw__signal_fence();
    block->saved = current;
    *before = current;
    return block;
}

struct tw__block *tw__enter(void)
{
    struct tw__slot *before;
    struct tw__block *block = enter_once(&before);
    /* Ended, and perhaps begun anew, since the first look: what is entered into the old dictionary now would have the
     * wrong id in the new one for ever. tw_shutdown looks for poison only after a pause, as arena.c does and for the
     * same reason. */
    while (block && block->generation != tw__load_relaxed(&tw__runtime.generation)) {
        tw__store_release(&block->current, before);
        block = enter_once(&before);
    }
    if (!block) return NULL;
    if (tw__load_relaxed(&tw__runtime.slow_clock) && block->spare) {
        tw__store_relaxed(&block->free, block->spare);
        block->spare = NULL;
    }
    return block;
}

bool tw__runtime_ready(void)
{
    if (tw__load_acquire(&tw__runtime.segment)) return true; /* pairs with runtime.c: begin */
    struct tw__block *block = tw__enter();
    if (block) tw__leave(block);
    return block || !tw__load_relaxed(&tw__gate);
}

struct tw__slot *tw__slot_take(struct tw__block *block)
{
    if (!tw__load_relaxed(&block->free)) tw__block_drain(block);
    if (!tw__load_relaxed(&block->free)) tw__stack_sweep(block);
    /* A block may come without a free slot: all are spans that outlived their threads. Bounded by the number of
     * blocks. */
    while (!tw__load_relaxed(&block->free)) {
        struct tw__block *more = tw__block_take(tw__segment_of(block), TW__ROLE_MORE);
        if (!more) break;
        more->current = more->saved = &tw__no_slot;
        more->next = block->next;
        block->next = more;
        tw__block_adopt(block, more);
    }
    struct tw__slot *slot = tw__load_relaxed(&block->free);
    if (!slot) {
        tw__count(&block->losses[TW__LOSS_no_slot]);
        return NULL;
    }
    tw__store_relaxed(&block->free, slot->link);
    return slot;
}

void tw__slot_give(struct tw__block *block, struct tw__slot *slot)
{
    if (tw__load_acquire(&slot->owner) == block) {
        tw__store_relaxed(&slot->remote, NULL);
        tw__store_relaxed(&slot->misc, block->tid);
        tw__store_relaxed(&slot->link, tw__load_relaxed(&block->free));
        tw__store_relaxed(&block->free, slot);
    } else {
        tw__block_return(slot);
    }
}
