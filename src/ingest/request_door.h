/* request_door: what the doors have in common whose senders ask and are answered: a server, HTTP's or gRPC's, and a
 * batch for each request under way.
 *
 *     static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
 *     {
 *         return tw__request_door_http(door, config, routes, refuse, why);
 *     }
 *     const struct tw__door_kind tw__door_x = {.open = open_door, TW__REQUEST_DOOR, ...};
 *
 * Handlers get it as their context. */
#ifndef TW_INGEST_REQUEST_DOOR_H
#define TW_INGEST_REQUEST_DOOR_H

#include "ingest/batches.h"
#include "ingest/door.h"
#include "ingest/grpcd.h"

enum { TW__REQUEST_ROUTES_MAX = 3 };

struct tw__request_door {
    struct tw__open_door *door;
    struct tw__intake *intake;
    struct tw__batches batches;
    struct tw__httpd *http; /* one of the two */
    struct tw__grpcd *grpc;
    struct tw__route routes[TW__REQUEST_ROUTES_MAX + 1];
};

/* Opens the door with a server for HTTP; routes end with a zero method, and get the configured limit of a body. For
 * gRPC likewise.
 * Return  as a door's open. */
int tw__request_door_http(struct tw__open_door *door, const struct tw__door_config *config,
                          const struct tw__route *routes,
                          void (*refuse)(const struct tw__request *request, unsigned status, const char *message,
                                         struct tw__reply *reply),
                          char why[TW_WHY_MAX]);
int tw__request_door_grpc(struct tw__open_door *door, const struct tw__door_config *config,
                          void (*handle)(void *context, struct tw__grpc_call *call), char why[TW_WHY_MAX]);

/* The rest of a door's row. */
int tw__request_door_reload(struct tw__open_door *door, char why[TW_WHY_MAX]);
void tw__request_door_drain(struct tw__open_door *door);
bool tw__request_door_idle(struct tw__open_door *door);
void tw__request_door_close(struct tw__open_door *door);
#define TW__REQUEST_DOOR                                                                                               \
    .reload = tw__request_door_reload, .drain = tw__request_door_drain, .idle = tw__request_door_idle,                 \
    .close = tw__request_door_close

/* A batch for a request; NULL, and counted: no memory. Given back with the size of the request. */
struct tw__batch *tw__request_door_batch(struct tw__request_door *door);
void tw__request_door_done(struct tw__request_door *door, struct tw__batch *batch, size_t request_bytes);
/* What decoders hand their spans to; data is the door. */
int tw__request_door_take(void *data, struct tw__spans *spans);

#endif
