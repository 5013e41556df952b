/* limbo: where rule sets wait until nobody can be looking at them. */
#ifndef TW_SAMPLE_LIMBO_H
#define TW_SAMPLE_LIMBO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TW__LIMBO_MAX = 8 };

typedef void tw__limbo_free_fn(void *data, void *object);

/* Zeroed is ready. */
struct tw__limbo {
    /* Any thread. */
    uint32_t inside[2]; /* readers between enter and leave */
    uint32_t which;     /* of the two new readers use; a hint */
    uint32_t forks;     /* changes only in a forked child */
    /* The owner's. */
    size_t count;
    struct {
        void *object;
        tw__limbo_free_fn *free;
        void *data;
        unsigned seen_empty; /* a bit for each of the two, since it was replaced */
    } waiting[TW__LIMBO_MAX];
};

/* Around every use of a pointer that may be retired. Load the pointer with tw__load_seq_cst in between.
 * Threads  [any thread] [async-signal-safe]. Two atomic additions. */
uint32_t tw__limbo_enter(struct tw__limbo *limbo);
void tw__limbo_leave(struct tw__limbo *limbo, uint32_t ticket);

/* Whether one more object could wait. Ask before replacing a pointer.  [owner thread] */
bool tw__limbo_has_room(struct tw__limbo *limbo);

/* Hands over an object that has just been replaced with tw__swap_seq_cst; NULL is nothing.  [owner thread] */
void tw__limbo_retire(struct tw__limbo *limbo, void *object, tw__limbo_free_fn *free, void *data);

/* Frees what nobody can be looking at any more. Never waits; each object needs two or three calls. Returns how many
 * still wait.  [owner thread] */
size_t tw__limbo_sweep(struct tw__limbo *limbo);

/* Frees everything: no reader is left.  [owner thread] */
void tw__limbo_fini(struct tw__limbo *limbo);

/* In a forked child, before anything else: readers of the parent do not exist here. */
void tw__limbo_after_fork(struct tw__limbo *limbo);

#endif
