/* arena: chunks in one first-in-first-out order, shared by all threads.
 *
 *     tickets   ... 4094 4095 | 4096 4097 4098 ...        chunk of ticket n = n mod chunk_count
 *                 closed closed    open  open  next
 *
 * A thread holds one chunk open and fills it alone. When it is full it takes the next ticket and with it the oldest
 * chunk. One locked add gives a busy thread several tickets at once, so that threads do not meet on that line at every
 * chunk. A thread that ends leaves its chunk open in its block, and the next thread that gets the block goes on in it:
 * thousands of short threads fill chunks like a long one.
 *
 * A chunk that is open cannot be overwritten, so a thread that falls idle would keep its chunk for ever. Therefore an
 * open chunk is a lease: after `expire` its owner must confirm it (a compare and swap of the version) before it writes
 * again, and GRACE later anybody may take it, if the owner is not inside a call (its current is not poisoned). Why that
 * is safe without a fence in every span: an owner that writes without confirming has read a clock before `expire`,
 * after it had stored the poison; the taker reads a clock GRACE later and does not see the poison. So the store would
 * have been on its way for GRACE, a second; store buffers drain in nanoseconds, and entering the kernel empties them.
 * An owner that sleeps in the middle of a record is still poisoned, however long it sleeps. A chunk whose block is free
 * may be taken at once: who gets that block confirms before it writes.
 *
 * Limits: a record is at most TW__RECORD_MAX. When every chunk is open and not expired the record is dropped and
 * counted, and the thread does not try again for a millisecond. 8 KiB chunks: 2,048 threads fit in the default 16 MiB.
 * Rejected: 64 KiB chunks (256 threads); membarrier at taking (a system call); rseq (not everywhere, and assembly).
 */
#include "ring/segment.h"

#include "base/atomics.h"

enum { BATCH = 8 };

/* The state of a chunk. */
static uint64_t word_of(uint64_t ticket, uint64_t version, enum tw__chunk_state state)
{
    return ticket << 16 | (version & 0x3fff) << 2 | (uint64_t)state;
}

static enum tw__chunk_state state_of(uint64_t word)
{
    return (enum tw__chunk_state)(word & 3);
}

static uint64_t lease(const struct tw__segment *segment)
{
    return tw__load_relaxed(&segment->ticks_per_second);
}

/* Writers that hold a chunk keep 64 bytes free at its end: tags are moved in half lines, and a short log line stores
 * all that it may have (trace/log.c). */
static void open_for(struct tw__block *block, struct tw__chunk *chunk, uint64_t word, uint64_t expire)
{
    uint8_t *begin = (uint8_t *)chunk;
    tw__store_relaxed(&block->chunk, chunk);
    tw__store_relaxed(&block->chunk_word, word);
    block->expire = expire;
    block->log_span = TW__NO_LOG;
    tw__store_release(&block->cursor, begin + TW__CHUNK_HEAD_BYTES); /* pairs with the reader's cursor */
    tw__store_relaxed(&block->limit, begin + TW__CHUNK_BYTES - 64);
}

/* Closes the open chunk of the caller's own block, within its lease: nobody else writes to its head (see above), so
 * plain stores do. A locked instruction would wait for every store before it. */
static void close_own(struct tw__block *block, uint64_t now)
{
    struct tw__chunk *chunk = tw__load_relaxed(&block->chunk);
    uint64_t word = tw__load_relaxed(&block->chunk_word);
    tw__store_relaxed(&chunk->commit, (uint32_t)(tw__load_relaxed(&block->cursor) - (uint8_t *)chunk));
    tw__store_relaxed(&chunk->last_tick, now);
    tw__store_release(&chunk->word, word_of(word >> 16, (word >> 2) + 1, TW__CHUNK_CLOSED)); /* pairs with the reader */
    tw__store_relaxed(&block->chunk, NULL);
    tw__store_relaxed(&block->limit, NULL);
}

void tw__arena_close(struct tw__segment *segment, struct tw__block *block, uint64_t now)
{
    struct tw__chunk *chunk = tw__load_relaxed(&block->chunk);
    (void)segment;
    if (!chunk) return;
    const uint64_t own = tw__load_relaxed(&block->chunk_word);
    uint64_t word = own;
    /* commit and last_tick are read only when the word says closed; if the chunk was taken from us they are overwritten
     * words of the new owner's head, so claim the right to write them first. */
    if (tw__cas_acq_rel(&chunk->word, &word, word_of(own >> 16, (own >> 2) + 1, TW__CHUNK_OPEN))) {
        word = word_of(own >> 16, (own >> 2) + 1, TW__CHUNK_OPEN);
        tw__store_relaxed(&chunk->commit, (uint32_t)(tw__load_relaxed(&block->cursor) - (uint8_t *)chunk));
        tw__store_relaxed(&chunk->last_tick, now);
        /* Pairs with the reader. */
        (void)tw__cas_acq_rel(&chunk->word, &word, (word & ~(uint64_t)3) | TW__CHUNK_CLOSED);
    }
    tw__store_relaxed(&block->chunk, NULL);
    tw__store_relaxed(&block->limit, NULL);
}

/* The lease ran out, or the block has a new owner: confirms it. False when somebody took the chunk. */
static bool confirm(struct tw__segment *segment, struct tw__block *block, struct tw__chunk *chunk, uint64_t now)
{
    uint64_t word = tw__load_relaxed(&block->chunk_word);
    uint64_t next = word_of(word >> 16, (word >> 2) + 1, TW__CHUNK_OPEN);
    if (!tw__cas_acq_rel(&chunk->word, &word, next)) return false;
    tw__store_relaxed(&block->chunk_word, next);
    block->expire = now + lease(segment);
    tw__store_relaxed(&chunk->expire, block->expire);
    return true;
}

/* Whether less than half of the arena has been taken since the chunk was: what goes into it now will not be among the
 * first to be overwritten. */
static bool is_young(const struct tw__segment *segment, const struct tw__chunk *chunk, uint64_t word)
{
    uint32_t count = tw__load_relaxed(&segment->header->chunk_count);
    return chunk < tw__chunk_at(segment, count) &&
           tw__load_relaxed(&segment->header->next_ticket) - (word >> 16) < count / 2;
}

void tw__arena_resume(struct tw__segment *segment, struct tw__block *block, uint64_t now)
{
    struct tw__chunk *chunk = tw__load_relaxed(&block->chunk);
    if (chunk && is_young(segment, chunk, tw__load_relaxed(&block->chunk_word)) &&
        confirm(segment, block, chunk, now)) {
        block->log_span = TW__NO_LOG; /* the last line is of another thread */
        tw__store_relaxed(&block->limit, (uint8_t *)chunk + TW__CHUNK_BYTES - 64);
        return;
    }
    tw__arena_close(segment, block, now);
    tw__store_relaxed(&block->cursor, (uint8_t *)block); /* in no chunk */
}

static const struct tw__block *owner_of(const struct tw__segment *segment, const struct tw__chunk *chunk)
{
    uint32_t index = tw__load_relaxed(&chunk->block);
    return index < TW__BLOCK_MAX ? tw__block_at(segment, index) : NULL;
}

bool tw__arena_is_left(const struct tw__segment *segment, const struct tw__chunk *chunk)
{
    const struct tw__block *owner = owner_of(segment, chunk);
    return owner && tw__load_acquire(&owner->state) == TW__BLOCK_FREE; /* pairs with block.c: give */
}

/* Whether an open chunk may be taken from its owner. The caller has read its word (acquire) and will compare it. In
 * this order: an owner that confirms is poisoned until expire is there. */
static bool abandoned(const struct tw__segment *segment, const struct tw__chunk *chunk, uint64_t now)
{
    const struct tw__block *owner = owner_of(segment, chunk);
    if (!owner) return false;
    if (tw__arena_is_left(segment, chunk)) return true;
    if (tw__load_acquire(&owner->current) == &tw__poison) return false; /* pairs with every leave */
    uint64_t expire = tw__load_relaxed(&chunk->expire);
    return now >= expire && now - expire >= lease(segment);
}

/* Bytes of records in a chunk that is about to be overwritten. */
static uint64_t content(const struct tw__segment *segment, const struct tw__chunk *chunk, enum tw__chunk_state state)
{
    uint64_t end = tw__load_relaxed(&chunk->commit);
    if (state == TW__CHUNK_OPEN)
        end = (uint64_t)(tw__load_relaxed(&tw__block_at(segment, tw__load_relaxed(&chunk->block))->cursor) -
                         (const uint8_t *)chunk);
    return state != TW__CHUNK_FREE && end > TW__CHUNK_HEAD_BYTES && end <= TW__CHUNK_BYTES ? end - TW__CHUNK_HEAD_BYTES
                                                                                           : 0;
}

/* Tries to take one chunk for ticket. */
static bool take(struct tw__segment *segment, struct tw__block *block, uint64_t ticket, uint64_t now)
{
    struct tw__header *header = segment->header;
    uint32_t count = tw__load_acquire(&header->chunk_count); /* pairs with tw__segment_resize */
    struct tw__chunk *chunk = tw__chunk_at(segment, (uint32_t)(ticket % count));
    uint64_t word = tw__load_acquire(&chunk->word);
    enum tw__chunk_state state = state_of(word);
    if (state == TW__CHUNK_TAKEN || (state != TW__CHUNK_FREE && word >> 16 >= ticket)) return false;
    if (state == TW__CHUNK_OPEN && !abandoned(segment, chunk, now)) return false;
    uint64_t lost = content(segment, chunk, state);
    if (!tw__cas_acq_rel(&chunk->word, &word, word_of(ticket, 0, TW__CHUNK_TAKEN))) return false;
    tw__store_relaxed(&block->overwritten, block->overwritten + lost);

    uint64_t open = word_of(ticket, 0, TW__CHUNK_OPEN), expire = now + lease(segment);
    tw__store_relaxed(&chunk->block, block->index);
    tw__store_relaxed(&chunk->tid, block->tid);
    tw__store_relaxed(&chunk->first_tick, now);
    tw__store_relaxed(&chunk->expire, expire);
    open_for(block, chunk, open, expire);
    tw__store_release(&chunk->word, open); /* pairs with the reader's first look and with abandoned */
    return true;
}

void tw__arena_account(struct tw__segment *segment, struct tw__block *block)
{
    uint64_t bytes = block->overwritten;
    tw__store_relaxed(&block->overwritten, 0);
    if (bytes) tw__add_relaxed(&segment->header->overwritten_bytes, bytes);
}

static uint64_t next_ticket(struct tw__segment *segment, struct tw__block *block, bool busy)
{
    uint64_t *next = &segment->header->next_ticket;
    if (block->ticket != block->ticket_end) {
        /* Tickets that lay about while the others went round would overwrite what is new. */
        uint32_t count = tw__load_relaxed(&segment->header->chunk_count);
        if (tw__load_relaxed(next) - block->ticket < count / 2) return block->ticket++;
    }
    uint64_t n = busy ? BATCH : 1;
    tw__arena_account(segment, block);
    block->ticket = tw__add_relaxed(next, n) + 1; /* tickets begin with 1: chunks never used hold ticket 0 */
    block->ticket_end = block->ticket + n;
    return block->ticket++;
}

/* Gives the open chunk up and takes the next that can be had. */
static bool take_next(struct tw__segment *segment, struct tw__block *block, uint64_t now)
{
    /* Busy: the last chunk was filled well within its lease. */
    bool within = tw__load_relaxed(&block->chunk) && now <= block->expire;
    bool busy = within && block->expire - now > lease(segment) / 2;
    if (within)
        close_own(block, now);
    else
        tw__arena_close(segment, block, now);
    tw__segment_calibrate(segment, now);
    uint32_t tries = tw__load_relaxed(&segment->header->chunk_count);
    for (uint32_t i = 0; i <= tries; i++)
        if (take(segment, block, next_ticket(segment, block, busy), now)) return true;
    block->retry_tick = now + lease(segment) / 1000;
    return false;
}

bool tw__arena_turn(struct tw__segment *segment, struct tw__block *block, uint64_t now)
{
    return tw__load_relaxed(&block->chunk) && now <= block->expire && take_next(segment, block, now);
}

bool tw__arena_room(struct tw__segment *segment, struct tw__block *block, size_t len, uint64_t now)
{
    struct tw__chunk *chunk = tw__load_relaxed(&block->chunk); /* once: tw_shutdown may close it under us */
    if (chunk) {
        bool fits = block->cursor + len <= (uint8_t *)chunk + TW__CHUNK_BYTES - 64;
        if (fits && now <= block->expire) return true;
        if (fits && confirm(segment, block, chunk, now)) return true;
    }
    if (len > TW__RECORD_MAX || now < block->retry_tick || !take_next(segment, block, now)) {
        tw__count(&block->losses[TW__LOSS_no_chunk]);
        return false;
    }
    return true;
}
