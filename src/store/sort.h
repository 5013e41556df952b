/* sort: the rows of a table in the order of blocks: by partition, then a trace's spans together, by begin; copies
 * folded. */
#ifndef TW_STORE_SORT_H
#define TW_STORE_SORT_H

#include "store/recent.h"

/* Sorts row indexes by trace id, begin and index. room: count of them. 0 or TW_ERR_MEMORY. */
int tw__sort_rows(const struct tw__recent *recent, uint32_t *rows, size_t count);

/* Takes copies of a span out of sorted rows: same trace, same span id, not zero. A finished one stays before an open
 * one, then the later one. *count shrinks. 0 or TW_ERR_MEMORY. */
int tw__fold_rows(const struct tw__recent *recent, uint32_t *rows, size_t *count);

/* Whether b, written later, replaces a of the same id: the rule, for all who fold. */
static inline bool tw__later_counts(bool a_open, bool b_open)
{
    return a_open || !b_open;
}

#endif
