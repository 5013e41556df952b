/* span_metrics: rate, errors and duration of every operation, and of every call between services, counted as spans come
 * in.
 *
 *     struct tw__span_metrics *metrics = tw__span_metrics_new();
 *     intake.metrics = metrics;                                      tw__intake_write counts what the store took
 *     struct tw__span_totals totals;
 *     if (tw__span_metrics_read(metrics, &totals) == 0) print(&totals);
 *     tw__span_totals_fini(&totals);
 *
 * A span in progress is not counted; it is when it has ended. A span that its sender sends twice is counted twice: only
 * the store knows that it is one. */
#ifndef TW_INGEST_SPAN_METRICS_H
#define TW_INGEST_SPAN_METRICS_H

#include "ingest/histogram.h"
#include "model/spans.h"

enum {
    TW__OPERATIONS_MAX = 2048, /* of a service, name, kind and status each; spans of further ones are counted alone */
    TW__EDGES_MAX = 1024,      /* of two services each; calls of further ones are counted alone */
    TW__METRIC_SERVICES_MAX = 1024, /* spans and calls of further ones are counted alone */
    TW__METRIC_NAME_MAX = 128,      /* bytes; what is longer counts under its beginning */
    TW__SIZES_EXACT = 16, /* spans of a row whose size is measured; of further ones, one of TW__SIZES_EACH is */
    TW__SIZES_EACH = 16
};

struct tw__operation {
    struct tw_text service, name; /* valid UTF-8 without control characters, at most TW__METRIC_NAME_MAX bytes */
    uint8_t kind, status;         /* as in a span */
    struct tw__histogram latency;
    uint64_t
        bytes; /* of the spans in OpenTelemetry's protobuf; beyond TW__SIZES_EXACT spans each sixteenth is measured */
};

/* Calls: the two spans are one call when the caller's is the parent of the called one's. */
struct tw__service_edge {
    struct tw_text client, server;
    uint64_t failed; /* one of the two spans has an error */
    struct tw__histogram client_latency, server_latency;
};

/* All that was counted, at one time. Texts live as long as the metrics. */
struct tw__span_totals {
    struct tw__operation *operations;
    struct tw__service_edge *edges;
    size_t operation_count, edge_count;
    uint64_t left_out_spans; /* not counted: there are too many operations */
    uint64_t left_out_calls; /* the same: too many services that call each other */
    uint64_t unpaired;       /* calls of which one half did not come while there was room to wait for it */
};

struct tw__span_metrics;
struct tw__span_metrics *tw__span_metrics_new(void); /* NULL: no memory */
void tw__span_metrics_free(struct tw__span_metrics *metrics);

/* Counts the spans of a batch. Threads [any thread]. Cost: some 80 ns a span (bench_serve, row span metrics). */
void tw__span_metrics_add(struct tw__span_metrics *metrics, const struct tw__spans *spans);

/* Returns 0 or TW_ERR_MEMORY. Threads [any thread]; those who add wait for a copy of memory, not for the reader. */
int tw__span_metrics_read(struct tw__span_metrics *metrics, struct tw__span_totals *out);
void tw__span_totals_fini(struct tw__span_totals *totals);

#endif
