/* metrics_spans: request rate, errors and duration in Prometheus' text form. */
#ifndef TW_SERVE_METRICS_SPANS_H
#define TW_SERVE_METRICS_SPANS_H

#include "base/buf.h"
#include "ingest/span_metrics.h"

/* Adds all series. */
void tw__metrics_spans(struct tw__span_metrics *metrics, struct tw__buf *out);

#endif
