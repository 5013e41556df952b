/* block: what a thread has, and who owns a slot when.
 *
 * A slot is at any time in exactly one place: on its owner's free list; open, in somebody's handle; a zombie, ended but
 * still below another span of its thread (src/trace/stack.c); on a remote list; or loose, when its thread is gone. So
 *
 *     free + open + zombies + remote + loose = 31      for each block
 *
 * Threads come and go. A block is taken with one compare and swap on a bitmap, and its loose slots are adopted by the
 * new thread. Slots that outlive their thread stay open; who ends them pushes them on the remote list of slot->owner,
 * which is always the head of some block and so always there, and the thread that has that block, now or next, takes
 * them.
 *
 * Rejected: finding free slots by their even id (an ended slot on its way to a remote list has one too).
 */
#include "ring/segment.h"

#include "base/atomics.h"
#include "base/os.h"

struct tw__slot tw__no_slot, tw__poison;

static void prepare_new(struct tw__block *block)
{
    uint64_t random[TW__SLOTS];
    tw__os_random(random, sizeof random);
    for (unsigned i = 0; i < TW__SLOTS; i++) {
        struct tw__slot *slot = tw__block_slot(block, i);
        slot->first_id = random[i] & ~(uint64_t)1;
        slot->owner = block;
        slot->remote = NULL;
        slot->loose = 1;
        tw__store_relaxed(&slot->id, slot->first_id);
    }
    tw__os_random(block->random, sizeof block->random);
    tw__os_random(block->seed, sizeof block->seed);
}

static bool claim_bit(struct tw__segment *segment, uint32_t *index)
{
    for (uint32_t w = 0; w < TW__BLOCK_MAX / 64; w++) {
        uint64_t bits = tw__load_relaxed(&segment->block_bits[w]);
        while (bits != UINT64_MAX) {
            unsigned bit = (unsigned)__builtin_ctzll(~bits);
            if (tw__cas_acq_rel(&segment->block_bits[w], &bits, bits | (uint64_t)1 << bit)) {
                *index = w * 64 + bit;
                return true;
            }
        }
    }
    return false;
}

static void release_bit(struct tw__segment *segment, uint32_t index)
{
    uint64_t bits = tw__load_relaxed(&segment->block_bits[index / 64]);
    while (!tw__cas_acq_rel(&segment->block_bits[index / 64], &bits, bits & ~((uint64_t)1 << index % 64))) {}
}

/* Readers look at it at any time; a name that changes meanwhile may come in two halves. */
static void take_name(struct tw__block *block)
{
    _Alignas(uint64_t) char name[sizeof block->name];
    tw__os_thread_name(name);
    tw__words_copy_to(block->name, name, sizeof name);
}

struct tw__block *tw__block_take(struct tw__segment *segment, enum tw__block_role role)
{
    uint32_t index;
    if (!claim_bit(segment, &index)) return NULL;
    struct tw__block *block = tw__block_at(segment, index);
    uint32_t *high = &segment->header->block_high;
    if (tw__load_acquire(high) <= index || block->random[0] == 0) { /* random: was prepared before */
        size_t at = (size_t)((uint8_t *)block - segment->map);
        int before = tw__os_cancel_not(); /* or the bit would stay set */
        bool backed = tw__os_back(segment->backing.fd, segment->path, segment->map, at, TW__BLOCK_BYTES) == 0;
        if (backed && block->random[0] == 0) prepare_new(block);
        tw__os_cancel_again(before);
        if (!backed) {
            release_bit(segment, index);
            return NULL;
        }
        block->random[0] |= 1;
        uint32_t seen = tw__load_relaxed(high);
        while (seen <= index && !tw__cas_acq_rel(high, &seen, index + 1)) {} /* pairs with the reader's scan */
    }
    tw__store_relaxed(&block->index, index);
    block->segment = segment;
    tw__store_relaxed(&block->role, role);
    tw__store_relaxed(&block->tid, tw__os_tid());
    take_name(block);
    uint64_t now = tw__segment_tick(segment);
    tw__store_relaxed(&block->attached_tick, now);
    tw__store_relaxed(&block->detached_tick, 0);
    tw__store_relaxed(&block->free, NULL);
    block->next = block->lane = NULL;
    block->retry_tick = 0;
    tw__store_relaxed(&block->current, &tw__poison);
    tw__store_release(&block->state, TW__BLOCK_USED); /* pairs with the reader's scan, and with arena.c: abandoned */
    if (role == TW__ROLE_MORE) /* its slots are wanted */
        tw__arena_close(segment, block, now);
    else
        tw__arena_resume(segment, block, now);
    return block;
}

static void give(struct tw__segment *segment, struct tw__block *block)
{
    tw__store_relaxed(&block->detached_tick, tw__segment_tick(segment));
    tw__store_relaxed(&block->limit, NULL);
    tw__store_release(&block->state, TW__BLOCK_FREE); /* pairs with the reader's scan, and with arena.c: abandoned */
    release_bit(segment, block->index);
}

static void push_free(struct tw__block *owner, struct tw__slot *slot)
{
    tw__store_relaxed(&slot->misc, owner->tid);
    tw__store_relaxed(&slot->link, tw__load_relaxed(&owner->free));
    tw__store_relaxed(&owner->free, slot);
}

/* Moves what others pushed on from's remote list to owner's free list. */
static void take_remote(struct tw__block *owner, struct tw__block *from)
{
    if (!tw__load_relaxed(&from->remote)) return;
    struct tw__slot *slot = tw__swap_acq_rel(&from->remote, NULL); /* pairs with tw__block_return */
    while (slot) {
        struct tw__slot *next = tw__load_relaxed(&slot->remote);
        tw__store_relaxed(&slot->remote, NULL);
        push_free(owner, slot);
        slot = next;
    }
}

void tw__block_adopt(struct tw__block *owner, struct tw__block *block)
{
    for (unsigned i = TW__SLOTS; i-- > 0;) {
        struct tw__slot *slot = tw__block_slot(block, i);
        tw__store_release(&slot->owner, owner); /* pairs with tw__block_return */
        if (!slot->loose) continue;
        tw__store_relaxed(&slot->loose, 0);
        push_free(owner, slot);
    }
    take_remote(owner, block);
}

void tw__block_return(struct tw__slot *slot)
{
    struct tw__block *owner = tw__load_acquire(&slot->owner);
    struct tw__slot *head = tw__load_relaxed(&owner->remote);
    do {
        tw__store_relaxed(&slot->remote, head);
    } while (!tw__cas_acq_rel(&owner->remote, &head, slot)); /* pairs with take_remote */
}

void tw__block_drain(struct tw__block *owner)
{
    for (struct tw__block *block = owner; block; block = block->next) take_remote(owner, block);
}

void tw__block_dissolve(struct tw__segment *segment, struct tw__block *owner)
{
    tw__block_drain(owner);
    tw__arena_account(segment, owner);
    for (struct tw__block *block = owner; block; block = block->next)
        for (unsigned i = 0; i < TW__SLOTS; i++) /* who ends it from now on returns it to its own block */
            tw__store_release(&tw__block_slot(block, i)->owner, block); /* pairs with tw__block_return */
    for (struct tw__slot *slot = tw__load_relaxed(&owner->free); slot; slot = slot->link)
        tw__store_relaxed(&slot->loose, 1);
    tw__store_relaxed(&owner->free, NULL);
    for (struct tw__block *block = owner, *next; block; block = next) {
        next = block->next;
        take_name(block); /* the last it had */
        give(segment, block);
    }
}
