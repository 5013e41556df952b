/* batch: records of several processes, assembled into spans and traces.
 *
 *     struct tw_batch *batch = tw__batch_new();
 *     tw__batch_add(batch, &process, records);       as often as there are processes
 *     if (tw__batch_build(batch) == 0)
 *         for (size_t i = 0; i < batch->trace_count; i++) show(&batch->traces[i]);
 *     tw__batch_free(batch);
 *
 * No I/O, no clock. Processes are borrowed and must outlive the batch; records are kept packed (model/kept.h) and may
 * go. */
#ifndef TW_MODEL_BATCH_H
#define TW_MODEL_BATCH_H

#include "model/kept.h"

/* An instant: event, mark, message or thread record. */
struct tw_batch_event {
    const struct tw__kept *record;
    const struct tw_process *process;
    struct tw_batch_trace *trace;
    struct tw_batch_span *span;         /* NULL: its span is not in the data, or it has none */
    struct tw_batch_event *next;        /* of the same span (or, without one, of the same trace), by time */
    const struct tw_batch_event *other; /* the first receive of a send, the send of a receive; NULL: not in the data */
    uint64_t message_id;                /* of messages; 0: none */
};

/* A span. In each trace the tops and their children form a forest: whatever the file said, parent chains end. */
struct tw_batch_span {
    const struct tw__kept *record;
    const struct tw_process *process;
    struct tw_batch_trace *trace;
    struct tw_batch_span *parent;      /* tree parent, if it is in the data */
    struct tw_batch_span *first_child; /* by begin */
    struct tw_batch_span *next;        /* sibling, or the next top */
    struct tw_batch_event *first_event;
    struct tw_batch_fold *fold; /* set by tw__fold_trace on the span that stands for a run */
    uint64_t end_ns;            /* of an open span: now, or when its process died */
    uint32_t child_count;
    bool open;
    bool orphan;  /* names a parent that is not in the data */
    bool looping; /* its parent chain came back to itself and was cut here */
    bool folded;  /* another span stands for it */
};

struct tw_batch_trace {
    uint8_t id[16];
    struct tw_batch_span **spans; /* by begin */
    size_t span_count;
    struct tw_batch_span *first_top;    /* roots and orphans, by begin */
    const struct tw_batch_span *root;   /* the first real root, else the first top; NULL without spans */
    struct tw_batch_event *first_event; /* those that belong to no span in the data */
    size_t event_count, error_count, open_count;
    uint32_t threads, processes;
    uint64_t begin_ns, end_ns; /* of everything in it */
    bool rootless;             /* root only stands in for one that is not in the data */
};

struct tw_batch {
    struct tw_batch_trace *traces; /* by begin */
    size_t trace_count;
    struct tw_batch_span *spans;
    size_t span_count;
    struct tw_batch_event *events;
    size_t event_count;
    size_t duplicates; /* records of a span that was there already */
    struct tw__batch_private *private_;
};

/* NULL on lack of memory. */
struct tw_batch *tw__batch_new(void);
void tw__batch_free(struct tw_batch *batch);

/* May be called several times for a process, with further records of it.
 * Returns 0 or TW_ERR_MEMORY. */
int tw__batch_add(struct tw_batch *batch, const struct tw_process *process, const struct tw_records *records);

/* Call once, after the last add. Records without a trace id are left out.
 * Returns  0 or TW_ERR_MEMORY (also for more than 2^32 - 2 records); then there are no traces.
 * Cost     O(n log n) time; together with the record, about 250 bytes and 24 a tag. */
int tw__batch_build(struct tw_batch *batch);

/* NULL if it is not there. */
const struct tw_batch_trace *tw__batch_find(const struct tw_batch *batch, const uint8_t trace_id[16]);
const struct tw_batch_span *tw__batch_find_span(const struct tw_batch *batch, const uint8_t trace_id[16],
                                                const uint8_t span_id[8]);

/* End minus begin; 0 when the end lies before the begin. */
uint64_t tw__batch_duration(const struct tw_batch_span *span);
/* How long the request took: of its root, or of everything when the root is not in the data. */
uint64_t tw__batch_trace_duration(const struct tw_batch_trace *trace);

/* The span after this one, parents before children, siblings by time, tops in order; NULL at the end. *depth
 * follows. */
struct tw_batch_span *tw__batch_walk(const struct tw_batch_span *span, size_t *depth);

/* The last tag of that name, or NULL. */
const struct tw_tag_value *tw__record_tag(const struct tw_record *record, const char *key);
/* Whether a later tag of the record has the same key, and so replaces this one. */
bool tw__record_tag_hidden(const struct tw_record *record, size_t index);
/* A span, finished or open. */
bool tw__record_is_span(const struct tw_record *record);

#endif
