/* xray: see the header. A subsegment that comes by itself does not say whose it is: it gets the service of the last
 * segment from the same address and port, which is the same process as long as that lives. A few thousand are
 * remembered; a place is taken over by who comes next.
 */
#include "ingest/xray.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ingest/batches.h"
#include "ingest/datagrams.h"
#include "ingest/xray_quotas.h"
#include "wire/json.h"
#include "wire/json_in_dec.h"
#include "wire/xray_dec.h"

enum { SENDERS = 4096, NAME_MAX_BYTES = 200, LARGE_BYTES = 4 << 20 };

struct sender {
    uint64_t key; /* of address and port; 0: free */
    uint8_t len;
    char name[NAME_MAX_BYTES];
};

struct state {
    struct tw__open_door *door;
    struct tw__intake *intake;
    struct tw__datagrams *datagrams;
    struct tw__httpd *server;
    struct tw__xray_quotas *quotas;
    struct tw__batches batches;
    struct sender *senders; /* of the datagrams' thread */
    struct tw__route routes[4];
};

/* -- UDP */

static uint64_t mix(uint64_t key, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) key = (key ^ at[i]) * UINT64_C(0x100000001b3);
    return key;
}

static uint64_t key_of(const struct sockaddr *from)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325);
    if (from->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)from;
        key = mix(mix(key, &v4->sin_addr, sizeof v4->sin_addr), &v4->sin_port, sizeof v4->sin_port);
    } else if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)from;
        key = mix(mix(key, &v6->sin6_addr, sizeof v6->sin6_addr), &v6->sin6_port, sizeof v6->sin6_port);
    }
    key ^= key >> 29;
    return key ? key : 1;
}

static struct tw_text remembered(struct tw__pool *pool, const struct sender *sender, uint64_t key)
{
    const char *copy = sender->key == key ? tw__pool_copy(pool, sender->name, sender->len) : NULL;
    return copy ? (struct tw_text){copy, sender->len} : (struct tw_text){"", 0};
}

static void remember(struct sender *sender, uint64_t key, struct tw_text name)
{
    if (name.len == 0) return;
    size_t len = name.len < NAME_MAX_BYTES ? name.len : NAME_MAX_BYTES;
    sender->key = key;
    sender->len = (uint8_t)len;
    memcpy(sender->name, name.ptr, len);
}

static void count(struct tw__door_stats *stats, int code, const struct tw__xray_found *found)
{
    if (code == TW_ERR_MEMORY)
        tw__stat_add(&stats->failures, 1);
    else if (code == TW_ERR_SPACE)
        tw__stat_add(&stats->too_large, 1);
    else if (code < 0)
        tw__stat_add(&stats->bad, 1);
    else if (found->left_out)
        tw__stat_add(&stats->rejected_spans, found->left_out);
}

static void take(void *data, struct tw__spans *spans, const struct sockaddr *from, const char *bytes, size_t len)
{
    struct state *state = data;
    struct tw__xray_found found = {0};
    uint64_t key = key_of(from);
    struct sender *sender = &state->senders[key % SENDERS];
    int code = tw__xray_dec_datagram(spans, bytes, len, remembered(&spans->pool, sender, key), &found);
    if (code == 0) remember(sender, key, found.segment);
    count(&state->door->stats, code, &found);
}

/* -- TCP */

static uint64_t now_s(void)
{
    return tw__clock_wall_ns() / 1000000000u;
}

static void post_rules(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct state *state = context;
    (void)request;
    reply->type = "application/json";
    tw__xray_quotas_rules(state->quotas, &reply->body);
}

static void post_targets(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct state *state = context;
    int code = tw__xray_quotas_targets(state->quotas, request->body, now_s(), &reply->body);
    reply->type = "application/json";
    if (code == 0) return;
    if (code != TW_ERR_MEMORY) tw__stat_add(&state->door->stats.bad, 1);
    tw__reply_error(reply, code == TW_ERR_MEMORY ? 503 : 400,
                    code == TW_ERR_MEMORY ? "out of memory" : "no SamplingStatisticsDocuments");
}

struct segments {
    struct state *state;
    struct tw__spans *spans;
    struct tw__json refused;
    bool seen;
};

static int segment(struct tw__json_in *in, void *target)
{
    struct segments *segments = target;
    struct tw__xray_found found;
    struct tw_text text = {"", 0};
    int code = tw__json_in_text(in, &text);
    if (code < 0) return code;
    code = tw__xray_dec(segments->spans, text.ptr, text.len, (struct tw_text){"", 0}, &found);
    count(&segments->state->door->stats, code, &found);
    if (code == 0 || code == TW_ERR_MEMORY) return code;
    tw__json_open(&segments->refused, NULL, '{');
    tw__json_cstr(&segments->refused, "ErrorCode", code == TW_ERR_SPACE ? "TooLarge" : "ParseError");
    tw__json_cstr(&segments->refused, "Message", found.why);
    tw__json_close(&segments->refused, '}');
    return 0;
}

static int segments_member(struct tw__json_in *in, void *target)
{
    struct segments *segments = target;
    if (!tw__json_is(&in->json, "TraceSegmentDocuments")) return tw__json_in_skip(in);
    segments->seen = true;
    return tw__json_in_list(in, segment, segments);
}

static int take_segments(struct segments *segments, struct tw_text body)
{
    int code = tw__json_in_whole(&segments->spans->pool, body, segments_member, segments);
    if (code == 0 && !segments->seen) code = TW_ERR_SYNTAX;
    if (code != 0) return code;
    return tw__intake_write(segments->state->intake, segments->spans, &segments->state->door->stats) == 0
               ? 0
               : TW_ERR_SYSTEM;
}

static void post_segments(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct state *state = context;
    struct tw__batch *batch = tw__batches_take(&state->batches);
    struct tw__json json = {.out = &reply->body};
    reply->type = "application/json";
    if (!batch) {
        tw__stat_add(&state->door->stats.failures, 1);
        tw__reply_error(reply, 503, "out of memory; try again later");
        return;
    }
    struct segments segments = {.state = state, .spans = &batch->spans};
    tw__json_open(&json, NULL, '{');
    tw__json_open(&json, "UnprocessedTraceSegments", '[');
    segments.refused = json;
    int code = take_segments(&segments, request->body);
    json = segments.refused;
    tw__json_close(&json, ']');
    tw__json_close(&json, '}');
    tw__spans_reset(&batch->spans);
    tw__batches_give(&state->batches, batch, request->body.len > LARGE_BYTES);
    if (code == 0) return;
    bool theirs = code == TW_ERR_SYNTAX || code == TW_ERR_SPACE;
    if (theirs) tw__stat_add(&state->door->stats.bad, 1);
    tw__reply_error(reply, theirs ? 400 : 503,
                    theirs ? "not a PutTraceSegments request" : "the store cannot take it now; try again later");
    if (!theirs) reply->retry_after_s = 1;
}

/* -- the door */

static void free_state(struct state *state)
{
    if (state->server) tw__httpd_close(state->server);
    tw__xray_quotas_free(state->quotas);
    tw__batches_fini(&state->batches);
    free(state->senders);
    free(state);
}

static int open_http(struct state *state, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    state->routes[0] = (struct tw__route){"POST", "/GetSamplingRules", TW__ROLE_WRITE, 64 << 10, post_rules};
    state->routes[1] = (struct tw__route){"POST", "/SamplingTargets", TW__ROLE_WRITE, 1 << 20, post_targets};
    state->routes[2] =
        (struct tw__route){"POST", "/TraceSegments", TW__ROLE_WRITE, config->body_max_bytes, post_segments};
    struct tw__httpd_config http = {.fd = config->stream_fd,
                                    .routes = state->routes,
                                    .context = state,
                                    .stats = &state->door->stats,
                                    .loopback = config->loopback,
                                    .threads = config->threads,
                                    .connections_max = config->connections_max,
                                    .source_connections_max = config->source_connections_max,
                                    .waiting_max_bytes = config->waiting_max_bytes,
                                    .source_rate_bytes = config->source_rate_bytes};
    return tw__httpd_open(&http, &state->server, why);
}

static int open_datagrams(struct state *state, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    const struct tw__datagrams_config datagrams = {.fd = config->datagram_fd,
                                                   .thread_name = "xray",
                                                   .with_from = true,
                                                   .intake = state->intake,
                                                   .stats = &state->door->stats,
                                                   .source_rate_bytes = config->source_rate_bytes,
                                                   .take = take,
                                                   .data = state};
    return tw__datagrams_open(&datagrams, &state->datagrams, why);
}

static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    struct state *state = calloc(1, sizeof *state);
    const char *file = config->setting ? config->setting(config->settings, "xray-rules") : NULL;
    int code = TW_ERR_MEMORY;
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!state) goto close;
    state->door = door;
    state->intake = config->intake;
    tw__batches_init(&state->batches);
    state->senders = calloc(SENDERS, sizeof *state->senders);
    if (!state->senders) goto free;
    code = tw__xray_quotas_new(file, now_s(), &state->quotas, why);
    if (code < 0) goto free;
    code = open_http(state, config, why);
    if (code < 0) goto free;
    code = open_datagrams(state, config, why); /* its socket is the thread's now, and the other one the server's */
    if (code < 0) {
        free_state(state);
        return code;
    }
    door->state = state;
    return 0;

free:
    free_state(state);
close:
    (void)close(config->stream_fd);
    (void)close(config->datagram_fd);
    return code;
}

static int reload(struct tw__open_door *door, char why[TW_WHY_MAX])
{
    return tw__xray_quotas_reload(((struct state *)door->state)->quotas, now_s(), why);
}

static void drain(struct tw__open_door *door)
{
    struct state *state = door->state;
    tw__datagrams_drain(state->datagrams);
    tw__httpd_drain(state->server);
}

static bool idle(struct tw__open_door *door)
{
    struct state *state = door->state;
    return tw__datagrams_idle(state->datagrams) && tw__httpd_idle(state->server);
}

static void close_door(struct tw__open_door *door)
{
    struct state *state = door->state;
    tw__datagrams_close(state->datagrams);
    free_state(state);
}

const struct tw__door_kind tw__door_xray = {.number = TW__DOOR_XRAY,
                                            .name = "xray",
                                            .stream = true,
                                            .datagram = true,
                                            .open = open_door,
                                            .reload = reload,
                                            .drain = drain,
                                            .idle = idle,
                                            .close = close_door};
