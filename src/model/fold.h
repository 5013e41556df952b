/* fold: long runs of the same small child, told in one line. */
#ifndef TW_MODEL_FOLD_H
#define TW_MODEL_FOLD_H

#include "model/batch.h"

enum {
    TW__FOLD_MIN = 9,   /* children of one name that are shown one by one at most: 8 */
    TW__FOLD_EVENTS = 8 /* of one that is folded, at most */
};

struct tw_batch_fold {
    size_t count;
    uint64_t p50_ns, max_ns, sum_ns;
    uint64_t begin_ns, end_ns; /* of all of them */
};

/* The folds of one trace; owns what span->fold points to. */
struct tw__folds {
    struct tw_batch_fold *items;
    size_t count;
};

/* Folds, under each parent, the children that have the same name, status, status message and names of events, have
 * ended, and have neither children nor further parents, nor an event that has to be seen (a mark, a message, an
 * exception, a warning), when there are more than 8 of them. The first by time stands for the others.
 * Returns  0 or TW_ERR_MEMORY; then nothing is folded.
 * Cost     O(n log n). */
int tw__fold_trace(const struct tw_batch_trace *trace, struct tw__folds *out);
/* Also unfolds the trace. */
void tw__folds_fini(struct tw__folds *folds, const struct tw_batch_trace *trace);

#endif
