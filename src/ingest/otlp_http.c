/* otlp_http: see the header. A request is decoded and written to the store by the server's thread that read it; what
 * the sender is told comes after that. */
#include "ingest/otlp_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ingest/batches.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_reply.h"

enum { LARGE_BYTES = 4 << 20 };

struct state {
    struct tw__httpd *server;
    struct tw__open_door *door;
    struct tw__intake *intake;
    struct tw__batches batches;
    struct tw__route routes[4];
};

enum encoding { OTHER, PROTOBUF, JSON };

static enum encoding encoding_of(const struct tw__request *request)
{
    const char *type = tw__request_header(request, "Content-Type");
    size_t len = type ? strcspn(type, "; ") : 0;
    if (!type) return OTHER;
    if ((len == 22 && strncasecmp(type, "application/x-protobuf", len) == 0) ||
        (len == 20 && strncasecmp(type, "application/protobuf", len) == 0))
        return PROTOBUF;
    return len == 16 && strncasecmp(type, "application/json", len) == 0 ? JSON : OTHER;
}

static const char *type_of(enum encoding encoding)
{
    return encoding == PROTOBUF ? "application/x-protobuf" : "application/json";
}

static enum tw__rpc_code code_of(unsigned status)
{
    switch (status) {
    case 400:
        return TW__RPC_INVALID_ARGUMENT;
    case 401:
        return TW__RPC_UNAUTHENTICATED;
    case 403:
        return TW__RPC_PERMISSION_DENIED;
    case 404:
        return TW__RPC_NOT_FOUND;
    case 413:
    case 429:
        return TW__RPC_RESOURCE_EXHAUSTED;
    case 503:
        return TW__RPC_UNAVAILABLE;
    case 405:
    case 415:
        return TW__RPC_UNIMPLEMENTED;
    default:
        return TW__RPC_INTERNAL;
    }
}

static void refuse(const struct tw__request *request, unsigned status, const char *message, struct tw__reply *reply)
{
    enum encoding encoding = encoding_of(request);
    reply->status = status;
    reply->type = type_of(encoding);
    if (status == 503 || status == 429) reply->retry_after_s = 1;
    tw__otlp_reply_status(&reply->body, encoding != PROTOBUF, code_of(status), message);
}

static int take(void *data, struct tw__spans *spans)
{
    struct state *state = data;
    return tw__intake_write(state->intake, spans, &state->door->stats);
}

static void answer(struct state *state, const struct tw__request *request, int code, const struct tw__otlp_dec *dec,
                   struct tw__reply *reply)
{
    enum encoding encoding = encoding_of(request);
    tw__stat_add(&state->door->stats.rejected_spans, dec->rejected);
    if (code == 0) {
        reply->type = type_of(encoding);
        tw__otlp_reply_export(&reply->body, encoding == JSON, dec->rejected, dec->rejected ? dec->why : NULL);
    } else if (code == TW_ERR_SYNTAX) {
        char why[TW_WHY_MAX];
        tw__stat_add(&state->door->stats.bad, 1);
        if (encoding == JSON)
            (void)snprintf(why, sizeof why, "at byte %zu: %s", dec->error_at, dec->why);
        else
            (void)snprintf(why, sizeof why, "%s", dec->why);
        refuse(request, 400, why, reply);
    } else {
        refuse(request, 503, "the store cannot take it now; try again later", reply);
    }
}

static void post_traces(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct state *state = context;
    enum encoding encoding = encoding_of(request);
    if (encoding == OTHER) {
        tw__stat_add(&state->door->stats.bad, 1);
        refuse(request, 415, "Content-Type has to be application/x-protobuf or application/json", reply);
        return;
    }
    struct tw__batch *batch = tw__batches_take(&state->batches);
    if (!batch) {
        tw__stat_add(&state->door->stats.failures, 1);
        refuse(request, 503, "out of memory; try again later", reply);
        return;
    }
    struct tw__otlp_dec dec = {.spans = &batch->spans, .door = TW__DOOR_OTLP_HTTP, .take = take, .data = state};
    dec.kept = batch->pool;
    int code = encoding == JSON ? tw__otlp_json_dec(&dec, request->body.ptr, request->body.len)
                                : tw__otlp_dec(&dec, request->body.ptr, request->body.len);
    batch->pool = dec.kept;
    tw__batches_give(&state->batches, batch, request->body.len > LARGE_BYTES);
    answer(state, request, code, &dec, reply);
}

/* Metrics and logs: senders send them to the same address unless told otherwise, and should not fail for it. */
static void post_other(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    enum encoding encoding = encoding_of(request);
    (void)context;
    if (encoding == OTHER) {
        refuse(request, 415, "Content-Type has to be application/x-protobuf or application/json", reply);
        return;
    }
    reply->type = type_of(encoding);
    tw__otlp_reply_export(&reply->body, encoding == JSON, 0, "only traces are kept here");
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
    state->routes[0] = (struct tw__route){"POST", "/v1/traces", TW__ROLE_WRITE, config->body_max_bytes, post_traces};
    state->routes[1] = (struct tw__route){"POST", "/v1/metrics", TW__ROLE_WRITE, config->body_max_bytes, post_other};
    state->routes[2] = (struct tw__route){"POST", "/v1/logs", TW__ROLE_WRITE, config->body_max_bytes, post_other};
    struct tw__httpd_config http = {.fd = config->stream_fd,
                                    .routes = state->routes,
                                    .context = state,
                                    .tls = config->tls,
                                    .tokens = config->tokens,
                                    .stats = &door->stats,
                                    .loopback = config->loopback,
                                    .threads = config->threads,
                                    .connections_max = config->connections_max,
                                    .source_connections_max = config->source_connections_max,
                                    .waiting_max_bytes = config->waiting_max_bytes,
                                    .source_rate_bytes = config->source_rate_bytes,
                                    .refuse = refuse};
    int code = tw__httpd_open(&http, &state->server, why);
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
    return tw__httpd_reload(state->server, why);
}

static void drain(struct tw__open_door *door)
{
    struct state *state = door->state;
    tw__httpd_drain(state->server);
}

static bool idle(struct tw__open_door *door)
{
    struct state *state = door->state;
    return tw__httpd_idle(state->server);
}

static void close_door(struct tw__open_door *door)
{
    struct state *state = door->state;
    tw__httpd_close(state->server);
    tw__batches_fini(&state->batches);
    free(state);
}

const struct tw__door_kind tw__door_otlp_http = {.number = TW__DOOR_OTLP_HTTP,
                                                 .name = "otlp-http",
                                                 .stream = true,
                                                 .asks_for_token = true,
                                                 .open = open_door,
                                                 .reload = reload,
                                                 .drain = drain,
                                                 .idle = idle,
                                                 .close = close_door};
