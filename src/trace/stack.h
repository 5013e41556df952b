/* stack: what is current on a thread. */
#ifndef TW_TRACE_STACK_H
#define TW_TRACE_STACK_H

#include <stdbool.h>
#include <stdint.h>

#include <trackway/span.h>

#include "trace/runtime.h"

/* All of these are called between tw__enter and tw__leave and work on block->saved, which is what will be current. */

/* The innermost thing that is current and alive: an open span, a holder, or &tw__no_slot. Takes zombies away. */
struct tw__slot *tw__stack_top(struct tw__block *block);

/* What a new span is a child of: the top, or in a lane whose stack is empty, what the interrupted thread was doing. */
struct tw__slot *tw__stack_parent(struct tw__block *block);

/* After the record of an open span has been written: closes the slot and takes it out of whatever stack it is in. */
void tw__stack_end(struct tw__block *block, struct tw__slot *slot);

/* Gives back ended spans from the middle of the stack. */
void tw__stack_sweep(struct tw__block *block);

/* Takes everything above end off the stack, all of it when end is &tw__no_slot. Open spans stay open: who has their
 * handles may end them. Returns how many attached contexts were among it. */
unsigned tw__stack_abandon(struct tw__block *block, const struct tw__slot *end);

/* Makes a slot stop being a holder. */
void tw__holder_close(struct tw__slot *slot);

/* From here on others know the context of this slot, and may begin a child of it anywhere: see sampling.c. [any
 * thread] */
void tw__slot_handed(const struct tw__slot *slot);

/* tw_context_current for who does not hand it on. */
bool tw__context_here(struct tw_context *out);

void tw__context_of_slot(const struct tw__slot *slot, struct tw_context *out);
bool tw__context_is_valid(const struct tw_context *context);

#endif
