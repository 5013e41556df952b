/* detached: begin and end of a span that is in no stack, for servers with many requests in hand on one thread.
 *
 * Such a span is begun with tw_span_begin_with, under a caller's context or as a root, and lives outside of the
 * thread's stack. So there is less to do than in span.c, not more: no span below to link to, nothing that becomes
 * current again. The protocol is the same: poison, look, work, publish, leave.
 *
 *     the thread is attached and has a free slot         (else free is NULL; always, when the clock is not the TSC)
 *     the site is registered; no own name, no own time   (both need the dictionary or the calibration)
 *     at most one parent, and no sampler or rate to ask
 *     the span that ends was begun on this thread        (else its slot goes back another way)
 *     the record fits in the open chunk, whose lease has not run out
 *
 * Invariant: a slot whose link is &tw__detached is in no stack, so nobody but who has its handle ends it.
 * Rejected: making tw__enter inline for everybody (it saves half as much here and grows every slow path).
 */
#include "trace/detached.h"

#include "base/be64.h"
#include "base/clock.h"
#include "trace/finish.h"
#include "trace/runtime.h"
#include "trace/slow.h"
#include "trace/stack.h"

/* Lines of the cache after a record, for the next one. The arena is larger than the caches that are near, and between
 * two of these records lie whole requests, so that nothing else fetches ahead: two lines not asked for in time cost
 * more than the span. */
enum { PREFETCH = 6 };

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Whether this is one of the plain ways to begin. */
static bool is_plain(const struct tw__block *me, const struct tw_span_options *options)
{
    if (options->start_ns || options->name || options->parent_count > 1) return false;
    if (options->root)
        return options->sample != TW_SAMPLE_BY_RATE || !tw__load_relaxed(&tw__segment_of(me)->header->sample_asked);
    return options->parent_count == 1 && options->sample == TW_SAMPLE_BY_RATE && tw__context_is_valid(options->parents);
}

/* Trace, parent and flags into a slot that nobody sees yet. */
static void descend(struct tw__block *me, struct tw__slot *slot, const struct tw_span_options *options, uint64_t now)
{
    uint64_t trace[2] = {0, 0}, parent = 0, flags;
    if (!options->root) {
        const struct tw_context *from = options->parents;
        trace[0] = tw__be64(from->trace_id);
        trace[1] = tw__be64(from->trace_id + 8);
        parent = tw__be64(from->span_id);
        flags = from->flags;
    } else {
        if (options->trace_id) {
            trace[0] = tw__be64(options->trace_id);
            trace[1] = tw__be64(options->trace_id + 8);
        }
        if (!(trace[0] | trace[1])) tw__trace_new(me, trace, now);
        flags = tw__load_relaxed(&tw__runtime.random_trace_ids) ? TW_FLAG_RANDOM : 0;
        if (options->sample != TW_SAMPLE_OFF) flags |= TW_FLAG_SAMPLED;
    }
    tw__store_relaxed(&slot->trace[0], trace[0]);
    tw__store_relaxed(&slot->trace[1], trace[1]);
    tw__store_relaxed(&slot->parent, parent);
    tw__store_relaxed(&slot->misc, me->tid | flags << 32);
}

bool tw__begin_detached(struct tw_site *site, const struct tw_span_options *options, tw_span *out)
{
    struct tw__block *me = tw__me;
    struct tw__slot *current = tw__load_relaxed(&me->current);
    uint64_t head = tw__load_relaxed(&site->head);
    if (UNLIKELY(!head || current == &tw__poison || !is_plain(me, options))) return false;
    if (UNLIKELY(tw__load_relaxed(&tw__runtime.sampler) != NULL)) return false;

    me->saved = current;
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    me->saved = current; /* again, as in attach.c */
    struct tw__slot *slot = tw__load_relaxed(&me->free);
    if (UNLIKELY(!slot)) {
        tw__signal_fence();
        tw__store_release(&me->current, current); /* pairs with tw_shutdown, which waits for it */
        return false;
    }
    struct tw__slot *next = slot->link;
    uint64_t now = tw__clock_tsc(), id = slot->id + TW__ID_STEP;
    slot->link = &tw__detached;
    tw__store_relaxed(&slot->head, head | (uint64_t)(options->kind & 7) << 24);
    tw__store_relaxed(&slot->time, now);
    descend(me, slot, options, now);
    tw__store_release(&slot->id, id); /* pairs with the reader's look at open slots */
    tw__store_relaxed(&me->free, next);
    tw__signal_fence();
    tw__store_release(&me->current, current); /* pairs with tw_shutdown, which waits for it */
    *out = (tw_span){slot, id};
    return true;
}

/* Whether it is open, in no stack, and of this thread. The id comes first: only who holds it may look at the rest. */
static bool is_ours(const struct tw__block *me, tw_span span)
{
    const struct tw__slot *slot = span.slot;
    return slot && tw__load_acquire(&slot->id) == span.id &&
           tw__load_relaxed(&slot->owner) == me && /* as slow.c: end_at */
           tw__load_relaxed(&slot->link) == &tw__detached && !tw__is_holder(slot);
}

void tw__end_other(tw_span span)
{
    struct tw__block *me = tw__me;
    struct tw__slot *slot = span.slot, *current = tw__load_relaxed(&me->current);
    if (UNLIKELY(!is_ours(me, span) || current == &tw__poison)) {
        tw__end_slow(span, 0);
        return;
    }
    me->saved = current;
    tw__store_relaxed(&me->current, &tw__poison);
    tw__signal_fence();
    me->saved = current;
    uint8_t *record = me->cursor;
    uint64_t now = tw__clock_tsc(), tags_len = slot->tags_len;
    uint8_t *end = record + TW__SPAN_HEAD_BYTES + tags_len;
    if (UNLIKELY(end > tw__load_relaxed(&me->limit) || now > me->expire || tags_len > TW__SLOT_TAG_BYTES)) {
        tw__signal_fence();
        tw__store_release(&me->current, current); /* pairs with tw_shutdown, which waits for it */
        tw__end_slow(span, 0);
        return;
    }
    tw__words_copy2(record, &slot->head);
    tw__words_copy2(record + 16, &slot->trace[0]);
    tw__words_copy2(record + 32, &slot->id);
    tw__store_relaxed((uint64_t *)(void *)(record + 48), slot->parent);
    tw__store_relaxed((uint64_t *)(void *)(record + 56), now);
    tw__tags_copy(record + TW__SPAN_HEAD_BYTES, slot, tags_len);
    uint64_t *head = (uint64_t *)(void *)record;
    tw__store_relaxed(head, tw__load_relaxed(head) + tags_len); /* nobody takes it for one before cursor says so */
    tw__record_publish(me, slot, span.id, end);
    for (int i = 0; i < PREFETCH; i++) __builtin_prefetch(end + 64 * i, 1);
    tw__tags_clear(slot, tags_len);
    slot->link = tw__load_relaxed(&me->free);
    tw__store_relaxed(&me->free, slot);
    tw__signal_fence();
    tw__store_release(&me->current, current); /* pairs with tw_shutdown, which waits for it */
}
