/* otlp_reply: what a receiver of OpenTelemetry answers, in protobuf and JSON. */
#ifndef TW_WIRE_OTLP_REPLY_H
#define TW_WIRE_OTLP_REPLY_H

#include "base/buf.h"

/* google.rpc.Code, as far as we say them. */
enum tw__rpc_code {
    TW__RPC_OK = 0,
    TW__RPC_CANCELLED = 1,
    TW__RPC_INVALID_ARGUMENT = 3,
    TW__RPC_DEADLINE_EXCEEDED = 4,
    TW__RPC_NOT_FOUND = 5,
    TW__RPC_PERMISSION_DENIED = 7,
    TW__RPC_RESOURCE_EXHAUSTED = 8,
    TW__RPC_UNIMPLEMENTED = 12,
    TW__RPC_INTERNAL = 13,
    TW__RPC_UNAVAILABLE = 14,
    TW__RPC_UNAUTHENTICATED = 16
};

/* Appends an ExportTraceServiceResponse: nothing rejected and no message: all went well, which in protobuf is no byte.
 */
void tw__otlp_reply_export(struct tw__buf *out, bool json, uint64_t rejected, const char *message);
/* Appends a google.rpc.Status. */
void tw__otlp_reply_status(struct tw__buf *out, bool json, enum tw__rpc_code code, const char *message);

/* Appends a google.rpc.Status with a google.rpc.RetryInfo: the sender may try again after so long. For gRPC. */
void tw__otlp_reply_retry(struct tw__buf *out, enum tw__rpc_code code, const char *message, unsigned delay_s);

#endif
