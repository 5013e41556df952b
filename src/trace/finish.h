/* finish: what the fast ends of a span have in common: its tags, and the moment when its record is there. */
#ifndef TW_TRACE_FINISH_H
#define TW_TRACE_FINISH_H

#include "ring/segment.h"
#include "trace/runtime.h"

static inline void tw__half_copy(uint8_t *to, const uint64_t *from)
{
    tw__words_copy2(to, from);
    tw__words_copy2(to + 16, from + 2);
}

/* By half lines: four tags of one word are one. */
static inline void tw__tags_copy(uint8_t *to, const struct tw__slot *slot, uint64_t len)
{
    const uint64_t *from = (const uint64_t *)(const void *)slot->tags;
    tw__half_copy(to, from);
    if (len <= 32) return;
    tw__half_copy(to + 32, from + 4);
    for (uint64_t at = 64; __builtin_expect(at < len, 0); at += 32) tw__half_copy(to + at, from + at / 8);
}

static inline void tw__tags_clear(struct tw__slot *slot, uint64_t len)
{
    uint64_t *tags = (uint64_t *)(void *)slot->tags;
    tw__words_clear4(tags);
    tw__store_relaxed(&slot->tags_len, 0);
    if (len <= 32) return;
    tw__words_clear4(tags + 4);
    for (uint64_t at = 64; __builtin_expect(at < len, 0); at += 32) tw__words_clear4(tags + at / 8);
}

/* Asks for the line that a record will be written to 16 records later: where this one goes comes from the last cache,
 * and the processor does not see it coming in time. On an Emerald Rapids a span of two lines took 5 ns less with it. */
static inline void tw__record_fetch(const uint8_t *record)
{
    __builtin_prefetch(record + 1024, 1);
}

/* The record does not fit any more: the next chunk, if that is all there is to it. now: read after the poison was
 * stored. False: the slow way knows. */
bool tw__chunk_turn(struct tw__block *me, uint64_t now) __attribute__((cold));

static inline void tw__record_publish(struct tw__block *me, struct tw__slot *slot, uint64_t id, uint8_t *end)
{
    tw__store_release(&me->cursor, end);            /* pairs with the reader's cursor: the record is there */
    tw__store_release(&slot->id, id + TW__ID_STEP); /* pairs with the reader's re-check of open slots */
}

#endif
