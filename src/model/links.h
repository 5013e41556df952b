/* links: where a trace goes on in another, and what its causes in other traces are called. */
#ifndef TW_MODEL_LINKS_H
#define TW_MODEL_LINKS_H

#include "model/batch.h"

enum {
    TW__LINKS_MAX = 64,      /* of each kind; more are counted */
    TW__LINK_NAME_MAX = 120, /* bytes of a name that are kept */
};

struct tw_link {
    struct tw_context here;  /* the span of our trace */
    struct tw_context there; /* the span of the other trace */
    char name[TW__LINK_NAME_MAX];
    size_t name_len;
    bool named; /* the span of the other trace was found */
};

struct tw_links {
    uint8_t trace_id[16];
    struct tw_link causes[TW__LINKS_MAX]; /* further parents of our spans that lie in other traces */
    size_t cause_count, causes_more;
    struct tw_link results[TW__LINKS_MAX]; /* spans of other traces that name one of ours as further parent */
    size_t result_count, results_more;
};

/* Notes the causes; results come from the scans. */
void tw__links_init(struct tw_links *links, const struct tw_batch_trace *trace);
/* Looks through any records, of any traces. The records are not kept. */
void tw__links_scan(struct tw_links *links, const struct tw_records *records);
void tw__links_scan_batch(struct tw_links *links, const struct tw_batch *batch);
/* The name of a cause; empty when it was not found. */
struct tw_text tw__links_cause(const struct tw_links *links, const struct tw_context *there);

#endif
