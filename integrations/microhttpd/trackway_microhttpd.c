/* trackway_microhttpd: the request's span, carried from call to call.
 *
 * MHD calls the handler once with the headers, then with pieces of the body, then to be answered, and again after every
 * resume; which thread that is depends on the daemon's mode. Between the calls the thread serves others. So a request
 * is a task (tw_context_switch): its current span, and what the handler has begun below it, is taken off the thread
 * after each call and put on whichever thread makes the next. A detached span with an attached context would do for
 * children, but the handler could not tag tw_span_current().
 *
 *     MHD's request pointer -> struct state { ..., user } <- the handler's request pointer is &state->user
 *
 * Hence the handler's pointer leads back to the state, and it needs no table and no thread-local to find its span.
 *
 * Completion is MHD's word that the request is over, the answer sent or not. Only then is the status known to have
 * stayed.
 */
#include "trackway_microhttpd.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <trackway/trace.h>

enum { NAME_SIZE = TW_NAME_MAX + 1, METHOD_SIZE = 16, CODE_SIZE = 16, MAGIC = 0x6d686474 };

struct state {
    unsigned magic;
    char method[METHOD_SIZE]; /* one of the known ones, or "HTTP" */
    tw_span span;             /* none: not traced */
    tw_task task;             /* of the request while the handler is not called, of the thread while it is */
    uint64_t received;        /* bytes of the body */
    bool asked;               /* the caller speaks X-Ray and has left the decision about sampling to us */
    struct tw_carried carried;
    void *user;
};

static struct state *state_of(void **request)
{
    struct state *state = (struct state *)(void *)((char *)request - offsetof(struct state, user));
    return state->magic == MAGIC ? state : NULL;
}

/* ---- skip rules */

/* `*` stands for any text; everything else for itself. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*') pattern++;
    return !*pattern;
}

static bool is_skipped(const struct tw_mhd *traced, const char *method, const char *path)
{
    for (const char *const *rule = traced->skip; rule && *rule; rule++) {
        const char *pattern = *rule, *space = strchr(pattern, ' ');
        if (space) {
            const size_t len = (size_t)(space - pattern);
            if (strlen(method) != len || strncasecmp(method, pattern, len) != 0) continue;
            pattern = space + 1;
        }
        if (matches(pattern, path)) return true;
    }
    return false;
}

/* ---- headers */

static const char *header(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* The values of one name, counted: MHD_lookup_connection_value knows only the first. */
struct search {
    const char *name, *value;
    unsigned skip;
};

static enum MHD_Result compare_header(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct search *search = data;
    (void)kind;
    if (!value || strcasecmp(name, search->name) != 0) return MHD_YES;
    if (search->skip-- > 0) return MHD_YES;
    search->value = value;
    return MHD_NO;
}

static bool get_header(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    struct search search = {.name = name, .skip = index};
    MHD_get_connection_values(carrier, MHD_HEADER_KIND, compare_header, &search);
    if (!search.value) return false;
    *value = search.value;
    *len = strlen(search.value);
    return true;
}

/* ---- tags */

static void tag_peer(struct MHD_Connection *connection, tw_span span, char address[INET6_ADDRSTRLEN])
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    address[0] = '\0';
    if (!info || !info->client_addr) return;
    uint16_t port = 0;
    if (info->client_addr->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, info->client_addr, sizeof v4);
        inet_ntop(AF_INET, &v4.sin_addr, address, INET6_ADDRSTRLEN);
        port = ntohs(v4.sin_port);
    } else if (info->client_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, info->client_addr, sizeof v6);
        inet_ntop(AF_INET6, &v6.sin6_addr, address, INET6_ADDRSTRLEN);
        port = ntohs(v6.sin6_port);
    }
    if (!address[0]) return;
    tw_tag(span, "network.peer.address", (const char *)address);
    tw_tag(span, "network.peer.port", port);
}

static void tag_client(const struct tw_mhd *traced, struct MHD_Connection *connection, tw_span span)
{
    char peer[INET6_ADDRSTRLEN];
    tag_peer(connection, span, peer);
    const char *first = NULL;
    if (!traced->peer_only) {
        first = header(connection, "X-Real-IP");
        if (!first || !*first) first = header(connection, "X-Forwarded-For");
    }
    if (first) first += strspn(first, " \t,");
    if (first && *first) {
        tw_tag_strn(span, "client.address", first, strcspn(first, " \t,"));
        tw_tag(span, "aws.xray.x_forwarded_for", (bool)true); /* X-Ray's name; C11's true alone is an int */
    } else if (peer[0]) {
        tw_tag(span, "client.address", (const char *)peer);
    }
}

/* Names of methods are the client's to choose, those of spans are not. */
static bool is_known_method(const char *method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(method, known[i]) == 0) return true;
    return false;
}

/* "localhost:8080" -> localhost and 8080, "[::1]" -> ::1 */
static void tag_host(tw_span span, const char *host)
{
    if (!host || !*host) return;
    const bool bracket = *host == '[';
    const char *end = host + strcspn(host, bracket ? "]" : ":"), *colon = strchr(end, ':');
    tw_tag_strn(span, "server.address", host + bracket, (size_t)(end - host) - (bracket ? 1 : 0));
    const long port = colon ? strtol(colon + 1, NULL, 10) : 0;
    if (port > 0 && port <= UINT16_MAX) tw_tag(span, "server.port", port);
}

static void tag_request(const struct tw_mhd *traced, struct MHD_Connection *connection, const struct state *state,
                        const char *path, const char *method, const char *version)
{
    const tw_span span = state->span;
    if (strcmp(state->method, method) == 0) {
        tw_tag(span, "http.request.method", method);
    } else {
        tw_tag(span, "http.request.method", "_OTHER");
        tw_tag(span, "http.request.method_original", method);
    }
    tw_tag(span, "url.path", path);
    if (MHD_get_connection_info(connection, MHD_CONNECTION_INFO_PROTOCOL)) /* of TLS: NULL without */
        tw_tag(span, "url.scheme", "https");
    else
        tw_tag(span, "url.scheme", "http");
    tag_host(span, header(connection, "Host"));
    tag_client(traced, connection, span);
    const char *agent = header(connection, "User-Agent");
    if (agent) tw_tag(span, "user_agent.original", agent);
    if (strncmp(version, "HTTP/", 5) == 0) tw_tag(span, "network.protocol.version", version + 5);
}

/* ---- the request's life */

static void begin_span(const struct tw_mhd *traced, struct MHD_Connection *connection, struct state *state)
{
    struct tw_context caller;
    const int found = tw_extract(traced->propagation, get_header, connection, &caller, &state->carried);
    state->asked = state->carried.format == TW_FORMAT_XRAY && state->carried.sampling == TW_SAMPLING_UNDECIDED;
    struct tw_span_options options = tw_span_options_of(found, &caller, &state->carried);
    options.name = state->method;
    state->span = tw_span_begin_with("request", &options);
}

enum MHD_Result tw_mhd_handle(void *data, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_len, void **request)
{
    const struct tw_mhd *traced = data;
    struct state *state = *request;
    const bool first = !state;
    if (first) {
        state = malloc(sizeof *state); /* not cleared: carried is large, and set as a whole or not looked at */
        if (!state) return MHD_NO;
        state->magic = MAGIC;
        snprintf(state->method, sizeof state->method, "%s", is_known_method(method) ? method : "HTTP");
        state->span = TW_SPAN_NONE;
        state->task = (tw_task){0};
        state->received = 0;
        state->asked = false;
        state->user = NULL;
        tw_carried_init(&state->carried);
        *request = state;
    }
    tw_context_switch(&state->task);
    if (first && !is_skipped(traced, method, path)) {
        begin_span(traced, connection, state);
        if (tw_span_is_open(state->span)) tag_request(traced, connection, state, path, method, version);
    }
    const size_t offered = *upload_len;
    const enum MHD_Result result =
        traced->handler(traced->data, connection, path, method, version, upload, upload_len, &state->user);
    if (*upload_len < offered) state->received += offered - *upload_len;
    tw_context_switch(&state->task);
    return result;
}

static const char *what_broke(enum MHD_RequestTerminationCode how)
{
    switch (how) {
    case MHD_REQUEST_TERMINATED_COMPLETED_OK:
        return NULL;
    case MHD_REQUEST_TERMINATED_TIMEOUT_REACHED:
        return "timeout";
    case MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN:
        return "the server was stopped";
    case MHD_REQUEST_TERMINATED_READ_ERROR:
        return "the client sent no more";
    case MHD_REQUEST_TERMINATED_CLIENT_ABORT:
        return "the client went away";
    case MHD_REQUEST_TERMINATED_WITH_ERROR:
    default:
        return "the connection was closed";
    }
}

static void tag_response(struct MHD_Connection *connection, const struct state *state,
                         enum MHD_RequestTerminationCode how)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
    const char *broken = what_broke(how);
    const unsigned status = info ? info->http_status : 0;
    if (state->received) tw_tag(state->span, "http.request.body.size", state->received);
    if (status) tw_tag(state->span, "http.response.status_code", status);
    if (status >= 500) {
        char code[CODE_SIZE];
        snprintf(code, sizeof code, "%u", status);
        tw_tag(state->span, "error.type", (const char *)code);
        tw_span_set_status(state->span, TW_STATUS_ERROR, NULL);
    } else if (broken) {
        tw_tag(state->span, "error.type", broken);
        tw_span_fail(state->span, broken);
    }
}

void tw_mhd_completed(void *data, struct MHD_Connection *connection, void **request,
                      enum MHD_RequestTerminationCode how)
{
    const struct tw_mhd *traced = data;
    struct state *state = *request;
    if (!state) { /* it ended before the headers were there */
        if (traced->completed) traced->completed(traced->completed_data, connection, request, how);
        return;
    }
    tw_context_switch(&state->task);
    if (traced->completed) traced->completed(traced->completed_data, connection, &state->user, how);
    if (tw_span_is_open(state->span)) { /* ending none would be counted as a mistake */
        tag_response(connection, state, how);
        tw_span_end(state->span);
    }
    tw_context_switch(&state->task);
    state->magic = 0;
    free(state);
    *request = NULL;
}

void tw_mhd_route(void **request, const char *route)
{
    const struct state *state = state_of(request);
    char name[NAME_SIZE];
    if (!state || !tw_span_is_open(state->span)) return;
    snprintf(name, sizeof name, "%s %s", state->method, route);
    tw_span_rename(state->span, name);
    tw_tag(state->span, "http.route", route);
}

tw_span tw_mhd_span(void **request)
{
    const struct state *state = state_of(request);
    return state ? state->span : TW_SPAN_NONE;
}

const struct tw_carried *tw_mhd_carried(void **request)
{
    const struct state *state = state_of(request);
    return state ? &state->carried : NULL;
}

enum MHD_Result tw_mhd_answer(void **request, struct MHD_Response *response)
{
    const struct state *state = state_of(request);
    char text[TW_TRACE_HEADER_MAX + 1];
    if (!state || !state->asked || tw_trace_answer(state->span, text, sizeof text) <= 0) return MHD_YES;
    return MHD_add_response_header(response, "X-Amzn-Trace-Id", text);
}
