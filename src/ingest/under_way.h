/* under_way: what a server has under way with its peers, so that a drain knows whom to wait for: who gets on, but not a
 * peer that has sent half a request, or does not read its answer. Half a request was not acknowledged, and what an
 * answer acknowledges is kept.
 *
 * Threads  [any thread]. */
#ifndef TW_INGEST_UNDER_WAY_H
#define TW_INGEST_UNDER_WAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomics.h"
#include "base/clock.h"

enum { TW__STANDSTILL_MS = 1500 }; /* after which a peer is not waited for */

/* Zeroed is nothing. */
struct tw__under_way {
    uint32_t requests; /* atomic: from their first byte to the answer's last */
    uint32_t handling; /* atomic: how much of it is being worked on here */
    uint64_t moved_ns; /* atomic: when one of them last got on */
};

/* A peer got on; also at the beginning of a drain, which gives all of them that much time. */
static inline void tw__under_way_moved(struct tw__under_way *under_way)
{
    tw__store_relaxed(&under_way->moved_ns, tw__clock_mono_ns());
}

static inline void tw__under_way_begin(struct tw__under_way *under_way)
{
    tw__under_way_moved(under_way);
    (void)tw__add_relaxed(&under_way->requests, 1U);
}

static inline void tw__under_way_end(struct tw__under_way *under_way)
{
    (void)tw__sub_release(&under_way->requests, 1U); /* pairs with tw__under_way_done */
}

static inline void tw__under_way_handle(struct tw__under_way *under_way)
{
    (void)tw__add_relaxed(&under_way->handling, 1U);
}

static inline void tw__under_way_handled(struct tw__under_way *under_way)
{
    tw__under_way_moved(under_way);
    (void)tw__sub_release(&under_way->handling, 1U); /* pairs with tw__under_way_done */
}

/* Whether a drain need not wait any longer. */
static inline bool tw__under_way_done(const struct tw__under_way *under_way)
{
    if (tw__load_acquire(&under_way->handling) > 0) return false; /* pairs with tw__under_way_handled */
    if (tw__load_acquire(&under_way->requests) == 0) return true; /* pairs with tw__under_way_end */
    uint64_t moved_ns = tw__load_relaxed(&under_way->moved_ns), now_ns = tw__clock_mono_ns();
    return now_ns > moved_ns &&
           now_ns - moved_ns > TW__STANDSTILL_MS * UINT64_C(1000000); /* it may have moved after now */
}

#endif
