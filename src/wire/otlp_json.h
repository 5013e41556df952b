/* otlp_json: OpenTelemetry's JSON form, written: what exports are made of, and answers of v3 query calls.
 *
 *     tw__otlp_json(&spans, 0, spans.count, &out);       {"resourceSpans":[...]}, without a newline
 *
 * As the specification has it: ids in hex, 64-bit numbers as text, enums as numbers, bytes in base64, what JSON cannot
 * say of doubles as "NaN", "Infinity", "-Infinity". Lists and maps (TW_TYPE_JSON) are written as such, other JSON texts
 * as text. Kinds of events that are not plain are in their attribute trackway.kind, as in the protobuf form. An
 * unsigned number beyond 2^63 - 1 is a text; that a value was cut, a span's door, and that it is open (its end is "0")
 * have no place there. */
#ifndef TW_WIRE_OTLP_JSON_H
#define TW_WIRE_OTLP_JSON_H

#include "base/buf.h"
#include "model/spans.h"

/* Spans first to first + count, grouped by resource and scope in the order in which those are met. */
void tw__otlp_json(const struct tw__spans *spans, size_t first, size_t count, struct tw__buf *out);

#endif
