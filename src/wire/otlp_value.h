/* otlp_value: what the readers of OpenTelemetry's two forms share. For src/wire alone. */
#ifndef TW_WIRE_OTLP_VALUE_H
#define TW_WIRE_OTLP_VALUE_H

#include "model/spans.h"

/* Reads an AnyValue of protobuf into tag's type and value; texts are slices of it, JSON text is in the pool.
 * Returns  0; TW_ERR_SYNTAX; TW_ERR_MEMORY; TW_ERR_SPACE: too deep or too long, to be left out. */
int tw__otlp_value_dec(struct tw__pool *pool, const uint8_t *bytes, size_t len, struct tw_tag_value *tag);

static inline uint8_t tw__otlp_kind(uint64_t kind)
{
    return kind >= 1 && kind <= 5 ? (uint8_t)(kind - 1) : (uint8_t)TW__KIND_UNSPECIFIED;
}

#endif
