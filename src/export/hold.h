/* hold: finished spans that wait for their parent, so that they can be sent in its document.
 *
 *     struct tw__xray_node nodes[new + hold->count];
 *     tw__hold_take(hold, nodes + new);                  everything that waits, among what is new
 *     tops = tw__xray_link(...);
 *     for each top: if (!tw__hold_back(hold, top, now)) send it
 *     tw__hold_done(hold);                               frees what was sent
 */
#ifndef TW_EXPORT_HOLD_H
#define TW_EXPORT_HOLD_H

#include "wire/xray.h"

enum { TW__HOLD_BYTES = 8 << 20 };

struct tw__held;

struct tw__hold {
    uint64_t max_ns; /* how long a span waits */
    struct tw__held *
        *items; /* those that wait; between take and done the first taken ones are sorted by their record's address */
    size_t count, taken, room, bytes;
};

/* Whether something has waited long enough. */
bool tw__hold_is_due(const struct tw__hold *hold, uint64_t now_ns);

/* Sets count nodes' spans, and empties the list. */
void tw__hold_take(struct tw__hold *hold, struct tw__xray_node *nodes);

/* Keeps a tree, copying what is not ours yet.
 * Returns  false: it is to be sent now, because its top is a segment or has no parent, because it has waited long
 *          enough, or for lack of room. */
bool tw__hold_back(struct tw__hold *hold, struct tw__xray_node *top, uint64_t now_ns);

void tw__hold_done(struct tw__hold *hold);
void tw__hold_fini(struct tw__hold *hold);

#endif
