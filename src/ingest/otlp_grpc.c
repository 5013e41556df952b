/* otlp_grpc: see the header. A call is decoded and written to the store by the thread that read it. */
#include "ingest/otlp_grpc.h"

#include <stdio.h>
#include <string.h>

#include "ingest/request_door.h"
#include "wire/otlp_dec.h"

static void answer(struct tw__grpc_call *call, enum tw__rpc_code code, const char *why)
{
    call->code = code;
    (void)snprintf(call->why, sizeof call->why, "%s", why);
}

static void export_traces(struct tw__request_door *door, struct tw__grpc_call *call)
{
    struct tw__door_stats *stats = &door->door->stats;
    struct tw__batch *batch = tw__request_door_batch(door);
    if (!batch) {
        answer(call, TW__RPC_UNAVAILABLE, "out of memory; try again later");
        return;
    }
    struct tw__otlp_dec dec = {
        .spans = &batch->spans, .door = TW__DOOR_OTLP_GRPC, .take = tw__request_door_take, .data = door};
    int code = tw__otlp_dec(&dec, call->message.ptr, call->message.len);
    tw__request_door_done(door, batch, call->message.len);
    tw__stat_add(&stats->rejected_spans, dec.rejected);
    if (code == TW_ERR_SYNTAX) {
        tw__stat_add(&stats->bad, 1);
        answer(call, TW__RPC_INVALID_ARGUMENT, dec.why);
    } else if (code < 0) {
        answer(call, TW__RPC_UNAVAILABLE, "the store cannot take it now; try again later");
    } else {
        tw__otlp_reply_export(&call->reply, false, dec.rejected, dec.rejected ? dec.why : NULL);
    }
}

static void handle(void *context, struct tw__grpc_call *call)
{
    struct tw__request_door *door = context;
    if (strcmp(call->path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export") == 0)
        export_traces(door, call);
    else if (strcmp(call->path, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export") == 0 ||
             strcmp(call->path, "/opentelemetry.proto.collector.logs.v1.LogsService/Export") == 0)
        tw__otlp_reply_export(&call->reply, false, 0, "only traces are kept here");
    else if (strcmp(call->path, "/grpc.health.v1.Health/Check") == 0)
        tw__buf_add(&call->reply, "\x08\x01", 2);
    else
        answer(call, TW__RPC_UNIMPLEMENTED, "there is no such method here");
}

static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    return tw__request_door_grpc(door, config, handle, why);
}

const struct tw__door_kind tw__door_otlp_grpc = {.number = TW__DOOR_OTLP_GRPC,
                                                 .name = "otlp-grpc",
                                                 .stream = true,
                                                 .asks_for_token = true,
                                                 .open = open_door,
                                                 TW__REQUEST_DOOR};
