/* waterfall: one trace as a tree with bars, for people. */
#ifndef TW_WIRE_WATERFALL_H
#define TW_WIRE_WATERFALL_H

#include "model/links.h"
#include "wire/term.h"

struct tw__waterfall_options {
    const struct tw__look *look;
    const struct tw_links *links; /* NULL: edges between traces are shown by their ids alone */
    bool all;                     /* every child, event and tag; nothing folded or shortened */
    bool brief;                   /* no tags of spans */
    /* Called after each row; may empty out. What it returns, if not 0, ends the picture. NULL: out gets it whole. */
    int (*flush)(struct tw__buf *out);
};

/* Appends the picture. trace belongs to batch; its spans are folded meanwhile and unfolded again.
 * Returns  0, TW_ERR_MEMORY (also when out failed), or what flush returned. */
int tw__waterfall_print(const struct tw_batch *batch, const struct tw_batch_trace *trace,
                        const struct tw__waterfall_options *options, struct tw__buf *out);

#endif
