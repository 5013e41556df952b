/* span: begin, end, lap and the plain event: the hot path.
 *
 * begin takes a slot from the thread's free list, copies trace and parent from the slot below, reads the clock and
 * publishes the span's id. end reads the clock, copies the slot to the end of the thread's open chunk as a record,
 * publishes the end of the chunk, and gives the slot back. Nothing else, as long as
 *
 *     the thread is attached and has a free slot    (else free is NULL)
 *     the site is registered                        (else head is 0)
 *     there is a live current span or context       (else the low half of its trace is 0: no_slot, poison, zombie)
 *     the clock is the TSC                          (else free is NULL and limit too, always: see slow.c)
 *     the span that ends is the current one         (else it is detached, another's, out of order, or none)
 *     the record fits in the open chunk, whose lease has not run out
 *
 * and each of these is one compare that jumps to slow.c. While inside, current points to poison: a signal handler that
 * sees it keeps off. A handler that comes before that may record as it likes, so the cursor, the tags and the free list
 * are looked at only then. Counted with callgrind the pair is below 90 instructions through the shared library
 * (bench/).
 *
 * Where the clock stands: there are processors on which nothing that comes after its reading overlaps with it, and of
 * what comes before only chains of loads that are short (bench/README.md). So in begin it is read late, in end as soon
 * as the poison is stored (arena.c needs that order), and what can wait is looked at behind it.
 *
 * Invariant: the bytes of slot->tags from tags_len on are zero. end restores it half a line at a time, once the record
 * is there: who is killed before still has the tags in the slot.
 */
#include <trackway/span.h>

#include "base/clock.h"
#include "trace/detached.h"
#include "trace/finish.h"
#include "trace/runtime.h"
#include "trace/slow.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* tw_shutdown clears it. An atomic load would be an instruction of its own instead of an operand. */
static inline const uint8_t *limit_of(const struct tw__block *me)
{
#if defined(TW__PLAIN_MOVES)
    return me->limit;
#else
    return tw__load_relaxed(&me->limit);
#endif
}

tw_span tw__span_begin(struct tw_site *site)
{
    struct tw__block *me = tw__me;
    struct tw__slot *below = me->current;
    uint64_t head = tw__load_relaxed(&site->head);
    if (UNLIKELY(!head || !tw__load_relaxed(&below->trace[1]))) return tw__begin_slow(site, NULL);

    me->saved = below;
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    struct tw__slot *slot = tw__load_relaxed(&me->free);
    if (UNLIKELY(!slot)) {
        tw__signal_fence();
        tw__store_release(&me->current, below); /* pairs with tw_shutdown, which waits for it */
        return tw__begin_slow(site, NULL);
    }
    struct tw__slot *next = slot->link;
    slot->link = below;
    tw__words_copy2(&slot->trace[0], &below->trace[0]);
    tw__words_gather2(&slot->misc, &below->misc, &below->id); /* and parent */
    tw__store_relaxed(&slot->head, head);
    uint64_t now = tw__clock_tsc();
    uint64_t id = slot->id + TW__ID_STEP;
    tw__store_relaxed(&slot->time, now);
    tw__store_release(&slot->id, id); /* pairs with the reader's look at open slots */
    tw__store_relaxed(&me->free, next);
    tw__signal_fence();
    tw__store_release(&me->current, slot); /* pairs with tw_shutdown, which waits for it */
    return (tw_span){slot, id};
}

/* The rest of an end, when there is room at record: the record, and the span below becomes current. */
static inline __attribute__((always_inline)) void finish(struct tw__block *me, tw_span span, uint8_t *record,
                                                         uint64_t now)
{
    struct tw__slot *slot = span.slot;
    uint64_t tags_len = slot->tags_len, *words = (uint64_t *)(void *)record;
    uint8_t *end = record + TW__SPAN_HEAD_BYTES + tags_len;
    tw__record_fetch(record);
    tw__words_copy2(record + 16, &slot->trace[0]);
    tw__store_relaxed((uint64_t *)(void *)(record + 32), span.id);
    tw__words_copy2(record + 40, &slot->misc);
    tw__store_relaxed((uint64_t *)(void *)(record + 56), now);
    struct tw__slot *below = slot->link;
    if (UNLIKELY(tags_len)) {
        tw__record_fetch(record + 64);
        tw__store_relaxed(words, slot->head + tags_len);
        tw__store_relaxed(words + 1, slot->time);
        tw__tags_copy(record + TW__SPAN_HEAD_BYTES, slot, tags_len);
        tw__record_publish(me, slot, span.id, end);
        tw__tags_clear(slot, tags_len); /* last: until the record is there, they are nowhere else */
    } else {
        tw__words_gather2(record, &slot->head, &slot->time);
        tw__record_publish(me, slot, span.id, end);
    }
    slot->link = tw__load_relaxed(&me->free);
    tw__store_relaxed(&me->free, slot);
    tw__signal_fence();
    tw__store_release(&me->current, below); /* pairs with tw_shutdown, which waits for it */
}

/* There is no room, or the lease has run out. */
__attribute__((noinline, cold)) static void end_turning(tw_span span, uint64_t now, struct tw__block *me)
{
    if (tw__chunk_turn(me, now)) {
        finish(me, span, me->cursor, now);
        return;
    }
    tw__signal_fence();
    tw__store_release(&me->current, span.slot); /* pairs with tw_shutdown, which waits for it */
    tw__end_slow(span, 0);
}

void (tw_span_end)(tw_span span)
{
    struct tw__block *me = tw__me;
    struct tw__slot *slot = span.slot;
    if (UNLIKELY(slot != me->current)) {
        tw__end_other(span);
        return;
    }
    /* saved stays what the last begin left: a handler that comes now finds a live span there, or none */
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    uint64_t now = tw__clock_tsc();
    tw__signal_fence();
    if (UNLIKELY(slot->id != span.id)) {
        tw__signal_fence();
        tw__store_release(&me->current, slot); /* pairs with tw_shutdown, which waits for it */
        tw__end_other(span);
        return;
    }
    uint8_t *record = me->cursor;
    if (UNLIKELY(record + TW__SPAN_HEAD_BYTES + slot->tags_len > limit_of(me) || now > me->expire)) {
        end_turning(span, now, me);
        return;
    }
    finish(me, span, record, now);
}

/* The rest of a lap, when there is room at record. */
static inline __attribute__((always_inline)) tw_span finish_lap(struct tw__block *me, tw_span span, uint64_t head,
                                                                uint8_t *record, uint64_t now)
{
    struct tw__slot *slot = span.slot;
    tw__record_fetch(record);
    tw__words_gather2(record, &slot->head, &slot->time);
    tw__words_copy2(record + 16, &slot->trace[0]);
    tw__store_relaxed((uint64_t *)(void *)(record + 32), span.id);
    tw__words_copy2(record + 40, &slot->misc);
    tw__store_relaxed((uint64_t *)(void *)(record + 56), now);
    tw__store_release(&me->cursor, record + TW__SPAN_HEAD_BYTES); /* pairs with the reader's cursor */
    uint64_t id = span.id + 2 * TW__ID_STEP;
    /* Even while head and time change: a reader sees the one span, nothing, or the next. */
    tw__store_release(&slot->id, span.id + TW__ID_STEP);
    tw__store_release(&slot->head, head);
    tw__store_release(&slot->time, now);
    tw__store_release(&slot->id, id); /* all pair with the reader's two looks at id */
    tw__signal_fence();
    tw__store_release(&me->current, slot); /* pairs with tw_shutdown, which waits for it */
    return (tw_span){slot, id};
}

/* There is no room, or the lease has run out, or the span has tags. */
__attribute__((noinline, cold)) static tw_span lap_turning(tw_span span, struct tw_site *site, struct tw__block *me,
                                                           uint64_t now)
{
    if (span.slot->tags_len == 0 && tw__chunk_turn(me, now))
        return finish_lap(me, span, tw__load_relaxed(&site->head), me->cursor, now);
    tw__signal_fence();
    tw__store_release(&me->current, span.slot); /* pairs with tw_shutdown, which waits for it */
    return tw__lap_slow(span, site);
}

tw_span tw__span_lap(tw_span span, struct tw_site *site)
{
    struct tw__block *me = tw__me;
    struct tw__slot *slot = span.slot;
    uint64_t head = tw__load_relaxed(&site->head);
    if (UNLIKELY(!head || slot != me->current)) return tw__lap_slow(span, site);
    if (UNLIKELY(slot->id != span.id)) return tw__lap_slow(span, site);
    me->saved = slot;
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    uint8_t *record = me->cursor;
    uint64_t now = tw__clock_tsc();
    if (UNLIKELY(slot->tags_len != 0 || record + TW__SPAN_HEAD_BYTES > limit_of(me) || now > me->expire))
        return lap_turning(span, site, me, now);
    return finish_lap(me, span, head, record, now);
}

/* The rest of an event, when there is room at record. */
static inline __attribute__((always_inline)) void put_event(struct tw__block *me, struct tw__slot *at, uint64_t head,
                                                            uint8_t *record, uint64_t now)
{
    tw__record_fetch(record);
    uint64_t *words = (uint64_t *)(void *)record;
    tw__store_relaxed(words, head);
    tw__store_relaxed(words + 1, now);
    tw__store_relaxed(words + 2, at->trace[0]);
    tw__store_relaxed(words + 3, at->trace[1]);
    tw__store_relaxed(words + 4, at->id);
    tw__store_relaxed(words + 5, at->misc);
    tw__store_release(&me->cursor, record + TW__EVENT_HEAD_BYTES); /* pairs with the reader's cursor */
    tw__signal_fence();
    tw__store_release(&me->current, at); /* pairs with tw_shutdown, which waits for it */
}

/* There is no room, or the lease has run out. */
__attribute__((noinline, cold)) static void event_turning(struct tw_site *site, struct tw__slot *at, uint64_t now,
                                                          struct tw__block *me)
{
    if (tw__chunk_turn(me, now)) {
        put_event(me, at, tw__load_relaxed(&site->head), me->cursor, now);
        return;
    }
    tw__signal_fence();
    tw__store_release(&me->current, at); /* pairs with tw_shutdown, which waits for it */
    tw__event((tw_span){at, at->id}, site, NULL, 0, 0);
}

__attribute__((noinline, cold)) static void event_slow(struct tw_site *site)
{
    tw__event(tw_span_current_or_context(), site, NULL, 0, 0);
}

void tw__event_here(struct tw_site *site)
{
    struct tw__block *me = tw__me;
    struct tw__slot *at = me->current;
    uint64_t head = tw__load_relaxed(&site->head);
    if (UNLIKELY(!head || !tw__load_relaxed(&at->trace[1]))) {
        event_slow(site);
        return;
    }
    me->saved = at;
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    uint8_t *record = me->cursor;
    uint64_t now = tw__clock_tsc();
    if (UNLIKELY(record + TW__EVENT_HEAD_BYTES > limit_of(me) || now > me->expire)) {
        event_turning(site, at, now, me);
        return;
    }
    put_event(me, at, head, record, now);
}
