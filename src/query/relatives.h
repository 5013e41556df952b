/* relatives: which spans of a trace have a parent, an ancestor, a child .. among some of them, in the same group. */
#ifndef TW_QUERY_RELATIVES_H
#define TW_QUERY_RELATIVES_H

#include "query/query.h"
#include "query/traceql.h"

struct tw__relations {
    const struct tw__trace_layout *layout;
    const uint32_t *group; /* by span; relatives of another group do not count */
    uint32_t groups;       /* numbers up to it */
    struct tw__pool *pool;
};

/* Which spans, by index in the batch, have one of these where the operator looks from its right side; from_left: from
 * its left. op: of structure.
 * Returns  NULL: no memory.
 * Owns     in the pool. */
bool *tw__relatives(const struct tw__relations *r, enum tw__spanset_op op, bool from_left, const bool *of);

#endif
