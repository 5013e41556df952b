/* request_door: see the header. A request is decoded and written to the store by the server's thread that read it; what
 * the sender is told comes after that. */
#include "ingest/request_door.h"

#include <stdio.h>
#include <stdlib.h>

enum { LARGE_BYTES = 4 << 20 }; /* of a request whose batch is not worth keeping */

static struct tw__request_door *new_door(struct tw__open_door *open, const struct tw__door_config *config,
                                         char why[TW_WHY_MAX])
{
    struct tw__request_door *door = calloc(1, sizeof *door);
    if (!door) {
        (void)snprintf(why, TW_WHY_MAX, "out of memory");
        return NULL;
    }
    door->door = open;
    door->intake = config->intake;
    tw__batches_init(&door->batches);
    return door;
}

/* Keeps the door when its server was opened. */
static int opened(struct tw__request_door *door, int code)
{
    if (code == 0) {
        door->door->state = door;
        return 0;
    }
    tw__batches_fini(&door->batches);
    free(door);
    return code;
}

int tw__request_door_http(struct tw__open_door *open, const struct tw__door_config *config,
                          const struct tw__route *routes,
                          void (*refuse)(const struct tw__request *request, unsigned status, const char *message,
                                         struct tw__reply *reply),
                          char why[TW_WHY_MAX])
{
    struct tw__request_door *door = new_door(open, config, why);
    if (!door) return TW_ERR_MEMORY;
    for (size_t i = 0; i < TW__REQUEST_ROUTES_MAX && routes[i].method; i++) {
        door->routes[i] = routes[i];
        door->routes[i].body_max_bytes = config->body_max_bytes;
    }
    struct tw__httpd_config http = {.fd = config->stream_fd,
                                    .routes = door->routes,
                                    .context = door,
                                    .tls = config->tls,
                                    .tokens = config->tokens,
                                    .stats = &open->stats,
                                    .loopback = config->loopback,
                                    .threads = config->threads,
                                    .connections_max = config->connections_max,
                                    .source_connections_max = config->source_connections_max,
                                    .waiting_max_bytes = config->waiting_max_bytes,
                                    .source_rate_bytes = config->source_rate_bytes,
                                    .refuse = refuse};
    return opened(door, tw__httpd_open(&http, &door->http, why));
}

int tw__request_door_grpc(struct tw__open_door *open, const struct tw__door_config *config,
                          void (*handle)(void *context, struct tw__grpc_call *call), char why[TW_WHY_MAX])
{
    struct tw__request_door *door = new_door(open, config, why);
    if (!door) return TW_ERR_MEMORY;
    struct tw__grpcd_config grpc = {.fd = config->stream_fd,
                                    .service = {.handle = handle,
                                                .context = door,
                                                .tokens = config->tokens,
                                                .role = TW__ROLE_WRITE,
                                                .stats = &open->stats,
                                                .message_max_bytes = config->body_max_bytes,
                                                .waiting_max_bytes = config->waiting_max_bytes},
                                    .tls = config->tls,
                                    .threads = config->threads,
                                    .connections_max = config->connections_max,
                                    .source_connections_max = config->source_connections_max,
                                    .source_rate_bytes = config->source_rate_bytes};
    return opened(door, tw__grpcd_open(&grpc, &door->grpc, why));
}

int tw__request_door_reload(struct tw__open_door *open, char why[TW_WHY_MAX])
{
    struct tw__request_door *door = open->state;
    return door->http ? tw__httpd_reload(door->http, why) : tw__grpcd_reload(door->grpc, why);
}

void tw__request_door_drain(struct tw__open_door *open)
{
    struct tw__request_door *door = open->state;
    if (door->http)
        tw__httpd_drain(door->http);
    else
        tw__grpcd_drain(door->grpc);
}

bool tw__request_door_idle(struct tw__open_door *open)
{
    struct tw__request_door *door = open->state;
    return door->http ? tw__httpd_idle(door->http) : tw__grpcd_idle(door->grpc);
}

void tw__request_door_close(struct tw__open_door *open)
{
    struct tw__request_door *door = open->state;
    if (door->http)
        tw__httpd_close(door->http);
    else
        tw__grpcd_close(door->grpc);
    tw__batches_fini(&door->batches);
    free(door);
}

struct tw__batch *tw__request_door_batch(struct tw__request_door *door)
{
    struct tw__batch *batch = tw__batches_take(&door->batches);
    if (!batch) tw__stat_add(&door->door->stats.failures, 1);
    return batch;
}

void tw__request_door_done(struct tw__request_door *door, struct tw__batch *batch, size_t request_bytes)
{
    tw__batches_give(&door->batches, batch, request_bytes > LARGE_BYTES);
}

int tw__request_door_take(void *data, struct tw__spans *spans)
{
    struct tw__request_door *door = data;
    return tw__intake_write(door->intake, spans, &door->door->stats);
}
