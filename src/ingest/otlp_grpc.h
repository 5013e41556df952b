/* otlp_grpc: the door for OpenTelemetry over gRPC: TraceService/Export.
 *
 *     OK                  taken, and what the store's durability says; with partial_success when spans were rejected
 *     INVALID_ARGUMENT    not a request      RESOURCE_EXHAUSTED  too large: not to be sent again as it is
 *     UNAVAILABLE         try later          DEADLINE_EXCEEDED, UNAUTHENTICATED, UNIMPLEMENTED   as anywhere
 *
 * Metrics and logs are answered with OK and a warning, grpc.health.v1 with SERVING. */
#ifndef TW_INGEST_OTLP_GRPC_H
#define TW_INGEST_OTLP_GRPC_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_otlp_grpc;

#endif
