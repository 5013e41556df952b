/* zipkin: see the header. A request is decoded and written to the store by the server's thread that read it; what the
 * sender is told comes after that. Version 1's Thrift, which nobody has sent by default since 2018, is refused with
 * 415. */
#include "ingest/zipkin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ingest/request_door.h"
#include "wire/zipkin_dec.h"

static bool is_type(const struct tw__request *request, const char *type)
{
    const char *given = tw__request_header(request, "Content-Type");
    size_t len = given ? strcspn(given, "; ") : 0;
    return len == strlen(type) && strncasecmp(given, type, len) == 0;
}

static void refuse(const struct tw__request *request, unsigned status, const char *message, struct tw__reply *reply)
{
    (void)request;
    if (status == 404)
        message = "spans come by POST to /api/v2/spans here; the page and queries have the address --http";
    if (status == 405) message = "spans come by POST; what was stored is asked for at the address --http";
    tw__reply_error(reply, status, message);
    if (status == 503 || status == 429) reply->retry_after_s = 1;
}

static void answer(struct tw__request_door *door, const struct tw__request *request, int code,
                   const struct tw__zipkin_dec *dec, struct tw__reply *reply)
{
    char why[TW_WHY_MAX];
    if (code == 0) {
        tw__stat_add(&door->door->stats.rejected_spans, dec->rejected);
        reply->status = 202;
    } else if (dec->why) {
        tw__stat_add(&door->door->stats.bad, 1);
        (void)snprintf(why, sizeof why, "at byte %zu: %.200s", dec->error_at, dec->why);
        refuse(request, 400, why, reply);
    } else {
        refuse(request, 503, "the store cannot take it now; try again later", reply);
    }
}

static void post(struct tw__request_door *door, const struct tw__request *request,
                 int (*decode)(struct tw__zipkin_dec *dec, const void *bytes, size_t len), struct tw__reply *reply)
{
    struct tw__batch *batch = tw__request_door_batch(door);
    if (!batch) {
        refuse(request, 503, "out of memory; try again later", reply);
        return;
    }
    struct tw__zipkin_dec dec = {.spans = &batch->spans, .take = tw__request_door_take, .data = door};
    int code = decode(&dec, request->body.ptr, request->body.len);
    tw__request_door_done(door, batch, request->body.len);
    answer(door, request, code, &dec, reply);
}

static void post_v2(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    bool protobuf = is_type(request, "application/x-protobuf") || is_type(request, "application/protobuf");
    post(context, request, protobuf ? tw__zipkin_pb_dec : tw__zipkin_json_dec, reply);
}

static void post_v1(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__request_door *door = context;
    if (is_type(request, "application/x-thrift")) {
        tw__stat_add(&door->door->stats.bad, 1);
        refuse(request, 415, "Thrift is not understood: send JSON, or version 2", reply);
        return;
    }
    post(door, request, tw__zipkin_json_dec, reply);
}

static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    static const struct tw__route routes[] = {{"POST", "/api/v2/spans", TW__ROLE_WRITE, 0, post_v2},
                                              {"POST", "/api/v1/spans", TW__ROLE_WRITE, 0, post_v1},
                                              {0}};
    return tw__request_door_http(door, config, routes, refuse, why);
}

const struct tw__door_kind tw__door_zipkin = {.number = TW__DOOR_ZIPKIN,
                                              .name = "zipkin",
                                              .stream = true,
                                              .asks_for_token = true,
                                              .open = open_door,
                                              TW__REQUEST_DOOR};
