/* jaeger: traces as Jaeger's query service answers them (its older API, which Grafana and the Jaeger page ask).
 *
 * What a span has becomes: parents CHILD_OF, links FOLLOWS_FROM; kind, status, its message, trace state and scope are
 * tags as Jaeger's own converter writes them (span.kind, otel.status_code, error, otel.status_description,
 * w3c.tracestate, otel.scope.name, otel.scope.version); events are logs, their name the field "event". Times are
 * microseconds, rounded down.
 * Source   Jaeger 2.20, internal/uimodel. */
#ifndef TW_WIRE_JAEGER_H
#define TW_WIRE_JAEGER_H

#include "model/spans.h"
#include "wire/json.h"

/* One trace as an element of "data": all spans of the batch. */
void tw__jaeger_trace(struct tw__json *json, const struct tw__spans *spans);

/* A kind as Jaeger writes it: "server"; "" for unspecified and internal where only others are said. */
const char *tw__jaeger_kind(uint8_t kind);

#endif
