/* zipkin: see the header. A request is decoded and written to the store by the server's thread that read it; what the sender is
 * told comes after that. Version 1's Thrift, which nobody has sent by default since 2018, is refused with 415. */
#include "ingest/zipkin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ingest/batches.h"
#include "wire/zipkin_dec.h"

enum { LARGE_BYTES = 4 << 20 };

struct state {
    struct tw__httpd *server;
    struct tw__open_door *door;
    struct tw__intake *intake;
    struct tw__batches batches;
    struct tw__route routes[3];
};

static bool is_type(const struct tw__request *request, const char *type)
{
    const char *given = tw__request_header(request, "Content-Type");
    size_t len = given ? strcspn(given, "; ") : 0;
    return len == strlen(type) && strncasecmp(given, type, len) == 0;
}

static void refuse(const struct tw__request *request, unsigned status, const char *message, struct tw__reply *reply)
{
    (void)request;
    tw__reply_error(reply, status, message);
    if (status == 503 || status == 429) reply->retry_after_s = 1;
}

static int take(void *data, struct tw__spans *spans)
{
    struct state *state = data;
    return tw__intake_write(state->intake, spans, &state->door->stats);
}

static void answer(struct state *state, const struct tw__request *request, int code, const struct tw__zipkin_dec *dec,
                   struct tw__reply *reply)
{
    char why[TW_WHY_MAX];
    if (code == 0) {
        tw__stat_add(&state->door->stats.rejected_spans, dec->rejected);
        reply->status = 202;
    } else if (dec->why) {
        tw__stat_add(&state->door->stats.bad, 1);
        (void)snprintf(why, sizeof why, "at byte %zu: %.200s", dec->error_at, dec->why);
        refuse(request, 400, why, reply);
    } else {
        refuse(request, 503, "the store cannot take it now; try again later", reply);
    }
}

static void post(struct state *state, const struct tw__request *request,
                 int (*decode)(struct tw__zipkin_dec *dec, const void *bytes, size_t len), struct tw__reply *reply)
{
    struct tw__batch *batch = tw__batches_take(&state->batches);
    if (!batch) {
        tw__stat_add(&state->door->stats.failures, 1);
        refuse(request, 503, "out of memory; try again later", reply);
        return;
    }
    struct tw__zipkin_dec dec = {.spans = &batch->spans, .take = take, .data = state};
    int code = decode(&dec, request->body.ptr, request->body.len);
    tw__batches_give(&state->batches, batch, request->body.len > LARGE_BYTES);
    answer(state, request, code, &dec, reply);
}

static void post_v2(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    bool protobuf = is_type(request, "application/x-protobuf") || is_type(request, "application/protobuf");
    post(context, request, protobuf ? tw__zipkin_pb_dec : tw__zipkin_json_dec, reply);
}

static void post_v1(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct state *state = context;
    if (is_type(request, "application/x-thrift")) {
        tw__stat_add(&state->door->stats.bad, 1);
        refuse(request, 415, "Thrift is not understood: send JSON, or version 2", reply);
        return;
    }
    post(state, request, tw__zipkin_json_dec, reply);
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
    state->routes[0] = (struct tw__route){"POST", "/api/v2/spans", TW__ROLE_WRITE, config->body_max_bytes, post_v2};
    state->routes[1] = (struct tw__route){"POST", "/api/v1/spans", TW__ROLE_WRITE, config->body_max_bytes, post_v1};
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

const struct tw__door_kind tw__door_zipkin = {.number = TW__DOOR_ZIPKIN,
                                              .name = "zipkin",
                                              .stream = true,
                                              .asks_for_token = true,
                                              .open = open_door,
                                              .reload = reload,
                                              .drain = drain,
                                              .idle = idle,
                                              .close = close_door};
