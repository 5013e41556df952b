/* sort: rows of a table in the order of blocks: a trace's spans together, by begin; copies folded. */
#ifndef TW_STORE_SORT_H
#define TW_STORE_SORT_H

#include <string.h>

#include "store/recent.h"

/* Copies rows (rising), traces together in the order in which they came, their spans by begin and place, without copies
 * of a span: same trace, same span id, not zero. A finished one stays before an open one, then the later one. 0 with
 * *out, to be freed, and *kept of them; or TW_ERR_MEMORY. */
int tw__sort_rows(const struct tw__recent *recent, const uint32_t *rows, size_t count, struct tw__row **out,
                  size_t *kept);

static inline bool tw__same_trace(const struct tw__row *a, const struct tw__row *b)
{
    uint64_t one[2], two[2];
    memcpy(one, a->trace_id, sizeof one);
    memcpy(two, b->trace_id, sizeof two);
    return one[0] == two[0] && one[1] == two[1];
}

/* Whether b, written later, replaces a of the same id: the rule, for all who fold. */
static inline bool tw__later_counts(bool a_open, bool b_open)
{
    return a_open || !b_open;
}

#endif
