/* otlp_grpc: see the header. A call is decoded and written to the store by the thread that read it. */
#include "ingest/otlp_grpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ingest/batches.h"
#include "ingest/grpcd.h"
#include "wire/otlp_dec.h"

enum { LARGE_BYTES = 4 << 20 };

struct state {
    struct tw__grpcd *server;
    struct tw__open_door *door;
    struct tw__intake *intake;
    struct tw__batches batches;
};

static void answer(struct tw__grpc_call *call, enum tw__rpc_code code, const char *why)
{
    call->code = code;
    (void)snprintf(call->why, sizeof call->why, "%s", why);
}

static int take(void *data, struct tw__spans *spans)
{
    struct state *state = data;
    return tw__intake_write(state->intake, spans, &state->door->stats);
}

static void export_traces(struct state *state, struct tw__grpc_call *call)
{
    struct tw__door_stats *stats = &state->door->stats;
    struct tw__batch *batch = tw__batches_take(&state->batches);
    if (!batch) {
        tw__stat_add(&stats->failures, 1);
        answer(call, TW__RPC_UNAVAILABLE, "out of memory; try again later");
        return;
    }
    struct tw__otlp_dec dec = {.spans = &batch->spans, .door = TW__DOOR_OTLP_GRPC, .take = take, .data = state};
    int code = tw__otlp_dec(&dec, call->message.ptr, call->message.len);
    tw__batches_give(&state->batches, batch, call->message.len > LARGE_BYTES);
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
    struct state *state = context;
    if (strcmp(call->path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export") == 0)
        export_traces(state, call);
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
    struct state *state = calloc(1, sizeof *state);
    if (!state) {
        (void)snprintf(why, TW_WHY_MAX, "out of memory");
        return TW_ERR_MEMORY;
    }
    state->door = door;
    state->intake = config->intake;
    tw__batches_init(&state->batches);
    struct tw__grpcd_config grpc = {.fd = config->stream_fd,
                                    .service = {.handle = handle,
                                                .context = state,
                                                .tokens = config->tokens,
                                                .role = TW__ROLE_WRITE,
                                                .stats = &door->stats,
                                                .message_max_bytes = config->body_max_bytes,
                                                .waiting_max_bytes = config->waiting_max_bytes},
                                    .tls = config->tls,
                                    .threads = config->threads,
                                    .connections_max = config->connections_max,
                                    .source_connections_max = config->source_connections_max,
                                    .source_rate_bytes = config->source_rate_bytes};
    int code = tw__grpcd_open(&grpc, &state->server, why);
    if (code < 0) {
        tw__batches_fini(&state->batches);
        free(state);
        return code;
    }
    door->state = state;
    return 0;
}

static int reload(struct tw__open_door *door, char why[TW_WHY_MAX])
{
    struct state *state = door->state;
    return tw__grpcd_reload(state->server, why);
}

static void drain(struct tw__open_door *door)
{
    struct state *state = door->state;
    tw__grpcd_drain(state->server);
}

static bool idle(struct tw__open_door *door)
{
    struct state *state = door->state;
    return tw__grpcd_idle(state->server);
}

static void close_door(struct tw__open_door *door)
{
    struct state *state = door->state;
    tw__grpcd_close(state->server);
    tw__batches_fini(&state->batches);
    free(state);
}

const struct tw__door_kind tw__door_otlp_grpc = {.number = TW__DOOR_OTLP_GRPC,
                                                 .name = "otlp-grpc",
                                                 .stream = true,
                                                 .asks_for_token = true,
                                                 .open = open_door,
                                                 .reload = reload,
                                                 .drain = drain,
                                                 .idle = idle,
                                                 .close = close_door};
