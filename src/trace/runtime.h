/* runtime: the one recorder of this process, and what each thread has of it.
 *
 * The hot path (span.c, tag.c) knows only tw__me. Everything else enters through tw__enter, which attaches the thread,
 * keeps signal handlers out, and gives them a lane of their own when they come in the middle. */
#ifndef TW_TRACE_RUNTIME_H
#define TW_TRACE_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include <trackway/recorder.h>

#include "base/atomics.h"
#include "ring/segment.h"
#include "sample/sampler.h"

/* This thread's block; tw__nobody before it has one. */
extern _Thread_local struct tw__block *tw__me __attribute__((tls_model("initial-exec")));
extern struct tw__block tw__nobody;

/* Links of slots that are below nobody: ended ones go straight back to their owner. */
extern struct tw__slot tw__detached;

struct tw__runtime {
    struct tw__segment *segment; /* NULL: none. Release when made; pairs with tw__runtime_segment */
    uint32_t generation;         /* counts segments; threads compare it with their block's */
    uint32_t random_trace_ids;
    bool slow_clock; /* ticks are not the TSC */
    size_t payload_max;
    uint32_t context_missing; /* enum tw__missing */
    struct tw__sampler *sampler; /* decides at roots; never freed */
    struct tw_text service;
};
extern struct tw__runtime tw__runtime;

/* The segment, made now if this is the first use. NULL when recording is off or failed. May take a lock, allocate, and
 * call the kernel: only from slow paths. */
struct tw__segment *tw__runtime_segment(void);

/* Makes the segment if this is the first use. False: cannot be said now (a handler in the middle of attaching); true
 * also when recording is off or failed. [async-signal-safe] as tw__enter. */
bool tw__runtime_ready(void);

/* Where records of this call go: this thread's block, or its lane inside a signal handler that interrupted a call.
 * NULL: record nothing (counted). The block's current is poisoned until tw__leave; block->saved is what it was.
 * [async-signal-safe] once the thread is attached. */
struct tw__block *tw__enter(void);

/* Ends a call. block->saved becomes current again. */
static inline void tw__leave(struct tw__block *block)
{
    if (tw__load_relaxed(&tw__runtime.slow_clock)) { /* keeps span.c, which knows only the TSC, from doing anything */
        block->spare = tw__load_relaxed(&block->free);
        tw__store_relaxed(&block->free, NULL);
        tw__store_relaxed(&block->limit, NULL);
    }
    tw__signal_fence();
    tw__store_release(&block->current, block->saved); /* pairs with arena.c: abandoned */
}

/* The segment behind a block that tw__enter gave. It may have ended meanwhile; it is there all the same. */
static inline struct tw__segment *tw__segment_of(const struct tw__block *block)
{
    return block->segment;
}

/* Whether ids of the block's dictionary are those of the next segments too: none has begun since. Ask after
 * entering. */
static inline bool tw__ids_hold(const struct tw__block *block)
{
    return block->generation == tw__load_acquire(&tw__runtime.generation);
}

/* A slot for a span or a holder, from the block's free list, its remote list, or a further block; NULL: counted. */
struct tw__slot *tw__slot_take(struct tw__block *block);

/* Gives a slot back to whoever owns it. */
void tw__slot_give(struct tw__block *block, struct tw__slot *slot);

/* recorder.c: what its lock guards is the parent's business. */
void tw__recorder_after_fork(void);

/* Says that something is wrong while recording goes on. From slow paths only. */
void tw__runtime_notice(int error, const char *what);

/* Counts where there may be no block. */
void tw__lost(enum tw__loss loss);

/* An attached context: a slot that is no span. stack.c makes them. */
static inline bool tw__is_holder(const struct tw__slot *slot)
{
    return tw__load_relaxed(&slot->holder) != 0; /* asked by who has an old handle, too */
}

#endif
