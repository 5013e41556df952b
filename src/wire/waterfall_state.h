/* waterfall_state: what the two halves of the waterfall share. For waterfall*.c alone. */
#ifndef TW_WIRE_WATERFALL_STATE_H
#define TW_WIRE_WATERFALL_STATE_H

#include "wire/waterfall.h"

struct tw__waterfall {
    const struct tw_batch *batch;
    const struct tw_batch_trace *trace;
    const struct tw__waterfall_options *options;
    const struct tw__look *look;
    struct tw__buf *out;
    struct tw__buf scratch; /* text of the row in work */
    struct tw__buf value;   /* of one tag */
    struct tw__kept_view span_view, event_view;
    bool *more;              /* by depth: the span on the path has a later sibling that is shown */
    int stopped;             /* what flush returned */
    bool measuring;          /* first pass: only find the widest label */
    unsigned width;          /* of the whole; never 0 */
    unsigned label, bar;     /* columns; bar 0: none */
    unsigned widest, levels; /* levels: how many levels of the tree are drawn, the innermost */
};

enum tw__rail { TW__RAIL_SPAN, TW__RAIL_DETAIL };

/* The lines in front of a row; returns their columns. children: lines of the tree go on below a detail. */
unsigned tw__waterfall_rails(struct tw__waterfall *w, size_t depth, enum tw__rail kind, bool children);

/* The lines below a span: status, causes, tags, events, messages. */
void tw__waterfall_details(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth);
/* What belongs to no span in the data, and edges that could not be shown at one. */
void tw__waterfall_rest(struct tw__waterfall *w);

#endif
