/* otlp_http: see the header. A request is decoded and written to the store by the server's thread that read it; what
 * the sender is told comes after that. */
#include "ingest/otlp_http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ingest/request_door.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_reply.h"

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

/* A wrong path is what most senders are first configured with: the address alone, or a browser's. */
static const char *explain(unsigned status, const char *message)
{
    if (status == 404) return "spans come by POST to /v1/traces here; the page and queries have the address --http";
    return status == 405 ? "spans come by POST" : message;
}

static void refuse(const struct tw__request *request, unsigned status, const char *message, struct tw__reply *reply)
{
    enum encoding encoding = encoding_of(request);
    message = explain(status, message);
    reply->status = status;
    reply->type = type_of(encoding);
    if (status == 503 || status == 429) reply->retry_after_s = 1;
    tw__otlp_reply_status(&reply->body, encoding != PROTOBUF, code_of(status), message);
}

static void answer(struct tw__request_door *door, const struct tw__request *request, int code,
                   const struct tw__otlp_dec *dec, struct tw__reply *reply)
{
    enum encoding encoding = encoding_of(request);
    tw__stat_add(&door->door->stats.rejected_spans, dec->rejected);
    if (code == 0) {
        reply->type = type_of(encoding);
        tw__otlp_reply_export(&reply->body, encoding == JSON, dec->rejected, dec->rejected ? dec->why : NULL);
    } else if (code == TW_ERR_SYNTAX) {
        char why[TW_WHY_MAX];
        tw__stat_add(&door->door->stats.bad, 1);
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
    struct tw__request_door *door = context;
    enum encoding encoding = encoding_of(request);
    if (encoding == OTHER) {
        tw__stat_add(&door->door->stats.bad, 1);
        refuse(request, 415, "Content-Type has to be application/x-protobuf or application/json", reply);
        return;
    }
    struct tw__batch *batch = tw__request_door_batch(door);
    if (!batch) {
        refuse(request, 503, "out of memory; try again later", reply);
        return;
    }
    struct tw__otlp_dec dec = {
        .spans = &batch->spans, .door = TW__DOOR_OTLP_HTTP, .take = tw__request_door_take, .data = door};
    dec.kept = batch->pool;
    int code = encoding == JSON ? tw__otlp_json_dec(&dec, request->body.ptr, request->body.len)
                                : tw__otlp_dec(&dec, request->body.ptr, request->body.len);
    batch->pool = dec.kept;
    tw__request_door_done(door, batch, request->body.len);
    answer(door, request, code, &dec, reply);
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
    static const struct tw__route routes[] = {{"POST", "/v1/traces", TW__ROLE_WRITE, 0, post_traces},
                                              {"POST", "/v1/metrics", TW__ROLE_WRITE, 0, post_other},
                                              {"POST", "/v1/logs", TW__ROLE_WRITE, 0, post_other},
                                              {0}};
    return tw__request_door_http(door, config, routes, refuse, why);
}

const struct tw__door_kind tw__door_otlp_http = {.number = TW__DOOR_OTLP_HTTP,
                                                 .name = "otlp-http",
                                                 .stream = true,
                                                 .asks_for_token = true,
                                                 .open = open_door,
                                                 TW__REQUEST_DOOR};
