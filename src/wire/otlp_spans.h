/* otlp_spans: stored spans as OpenTelemetry's protobuf: TracesData, which is what Tempo calls a Trace.
 *
 *     tw__otlp_spans(&spans, &body);                     resource_spans { resource, scope_spans { scope, spans } }
 *
 * The mapping is that of wire/otlp_json.h. Not the exporters' encoder (wire/otlp.h), which takes records and is made
 * for speed. */
#ifndef TW_WIRE_OTLP_SPANS_H
#define TW_WIRE_OTLP_SPANS_H

#include "base/buf.h"
#include "model/spans.h"

/* Appends all spans of the batch; lack of memory becomes out->failed. */
void tw__otlp_spans(const struct tw__spans *spans, struct tw__buf *out);

/* The bytes of one of its messages Span, without writing it. Cost: some ns a tag. */
size_t tw__otlp_span_size(const struct tw__span *span);

#endif
