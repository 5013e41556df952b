/* http_exchange: see the header.
 *
 * A request is an exchange: head -> checks (route, host, origin, token, length) -> body, counted as it grows -> undone
 * gzip -> handler -> reply. What fails a check is answered at once when its body is long, else after the body has been
 * read, so that the connection can be used again.
 *
 * Invariant: waiting_bytes is the memory of all bodies under way, compressed and not; beyond the limit a request is
 * answered with 503.
 */
#include "ingest/http_exchange.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "ingest/inflate.h"
#include "wire/json.h"

enum {
    REQUEST_S = 120,         /* for a whole request */
    READ_REFUSED = 16 << 20, /* of a body that is refused: who has not sent it all does not read the answer */
    KEEP_BYTES = 4 << 20,    /* of an inflater's memory between requests */
    PIECE_BYTES = 64 << 10
};

struct tw__http_machine {
    struct tw__inflate inflate;
    struct tw__http_machine *next;
};

struct exchange {
    struct tw__http_exchanges *server;
    const struct tw__route *route;
    struct tw__request request;
    struct tw__buf body;
    size_t counted_bytes; /* in waiting_bytes */
    enum tw__packing packing;
    unsigned refused; /* status */
    size_t passed_over_bytes;
    const char *why;
    uint64_t began_ns;
};

struct stream {
    struct tw__http_exchanges *server;
    struct tw__reply reply;
    size_t at;
    bool ended;
};

/* -- what handlers call */

const char *tw__request_header(const struct tw__request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct search {
    const char *name, *found;
    size_t index;
};

static enum MHD_Result search_one(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct search *search = data;
    (void)kind;
    if (strcmp(name, search->name) != 0 || search->index-- != 0) return MHD_YES;
    search->found = value ? value : "";
    return MHD_NO;
}

const char *tw__request_query(const struct tw__request *request, const char *name, size_t index)
{
    struct search search = {.name = name, .index = index};
    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, search_one, &search);
    return search.found;
}

struct visit {
    void (*fn)(void *data, const char *name, const char *value);
    void *data;
};

static enum MHD_Result visit_one(void *data, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct visit *visit = data;
    (void)kind;
    visit->fn(visit->data, name, value ? value : "");
    return MHD_YES;
}

void tw__request_queries(const struct tw__request *request, void (*fn)(void *data, const char *name, const char *value),
                         void *data)
{
    struct visit visit = {fn, data};
    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, visit_one, &visit);
}

void tw__reply_error(struct tw__reply *reply, unsigned status, const char *message)
{
    struct tw__json json = {.out = &reply->body};
    tw__buf_reset(&reply->body);
    reply->status = status;
    reply->type = "application/json";
    tw__json_open(&json, NULL, '{');
    tw__json_cstr(&json, "error", message);
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

/* -- checks */

static bool ends_with(const char *text, size_t len, const char *end)
{
    size_t tail = strlen(end);
    return len >= tail && strncasecmp(text + len - tail, end, tail) == 0;
}

/* Whether Host names this machine by number or as localhost: any other name may have been made to point here. */
static bool host_is_here(const char *host)
{
    struct in_addr v4;
    char number[INET_ADDRSTRLEN];
    size_t len = host ? strcspn(host, ":") : 0;
    if (!host || host[0] == '[') return true;
    if (ends_with(host, len, "localhost") && (len == 9 || host[len - 10] == '.')) return true;
    if (len >= sizeof number) return false;
    memcpy(number, host, len);
    number[len] = '\0';
    return inet_pton(AF_INET, number, &v4) == 1;
}

static bool origin_is_host(const char *origin, const char *host)
{
    const char *name = strstr(origin, "://");
    return host && name && strcasecmp(name + 3, host) == 0;
}

static bool matches(const struct tw__route *route, const char *path, const char **rest)
{
    size_t len = strlen(route->path);
    bool star = len && route->path[len - 1] == '*';
    if (star && strncmp(route->path, path, len - 1) == 0) {
        *rest = path + len - 1;
        return true;
    }
    *rest = "";
    return !star && strcmp(route->path, path) == 0;
}

static bool method_fits(const struct tw__route *route, const char *method)
{
    return strcmp(route->method, method) == 0 || (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void refuse(struct exchange *exchange, unsigned status, const char *why)
{
    exchange->refused = status;
    exchange->why = why;
}

static void find_route(struct exchange *exchange)
{
    bool path_known = false;
    for (const struct tw__route *route = exchange->server->config->routes; route->method; route++) {
        const char *rest;
        if (!matches(route, exchange->request.path, &rest)) continue;
        path_known = true;
        if (!method_fits(route, exchange->request.method)) continue;
        exchange->route = route;
        exchange->request.rest = rest;
        return;
    }
    refuse(exchange, path_known ? 405 : 404, path_known ? "not with this method" : "there is nothing here");
}

static void check_encoding(struct exchange *exchange)
{
    const char *encoding = tw__request_header(&exchange->request, "Content-Encoding");
    if (!encoding || !*encoding || strcasecmp(encoding, "identity") == 0) return;
    if (strcasecmp(encoding, "gzip") == 0 || strcasecmp(encoding, "x-gzip") == 0)
        exchange->packing = TW__PACKING_GZIP;
    else if (strcasecmp(encoding, "deflate") == 0)
        exchange->packing = TW__PACKING_DEFLATE;
    else
        refuse(exchange, 415, "this Content-Encoding is not understood; gzip, deflate and identity are");
}

static uint64_t content_length(const struct exchange *exchange)
{
    const char *text = tw__request_header(&exchange->request, "Content-Length");
    return text ? strtoull(text, NULL, 10) : 0;
}

static void check_head(struct exchange *exchange)
{
    const struct tw__http_exchanges *server = exchange->server;
    const struct tw__request *request = &exchange->request;
    const char *host = tw__request_header(request, "Host"), *origin = tw__request_header(request, "Origin");
    bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    find_route(exchange);
    if (exchange->refused) return;
    if (server->config->loopback && !host_is_here(host)) {
        refuse(exchange, 403, "the Host header names another machine");
    } else if (origin && !reads && !origin_is_host(origin, host)) {
        refuse(exchange, 403, "not from pages of other origins");
    } else if (!tw__tokens_allow(server->config->tokens, exchange->route->role,
                                 tw__request_header(request, "Authorization"))) {
        tw__stat_add(&server->config->stats->unauthorised, 1);
        refuse(exchange, 401, "a token is needed: Authorization: Bearer TOKEN");
    } else if (content_length(exchange) > exchange->route->body_max_bytes) {
        tw__stat_add(&server->config->stats->too_large, 1);
        refuse(exchange, 413, "the body is larger than the limit");
    } else {
        check_encoding(exchange);
    }
}

/* -- bodies */

static bool reserve(struct exchange *exchange, size_t bytes)
{
    struct tw__http_exchanges *server = exchange->server;
    uint64_t before = tw__add_relaxed(&server->waiting_bytes, bytes);
    exchange->counted_bytes += bytes;
    if (before + bytes <= server->config->waiting_max_bytes || exchange->counted_bytes <= TW__HTTP_CONNECTION_BYTES)
        return true;
    tw__stat_add(&server->config->stats->refused_memory, 1);
    refuse(exchange, 503, "too much is waiting already; try again later");
    return false;
}

static void take_piece(struct exchange *exchange, const char *bytes, size_t len)
{
    if (exchange->refused) return;
    if (len > exchange->route->body_max_bytes - exchange->body.len) {
        tw__stat_add(&exchange->server->config->stats->too_large, 1);
        refuse(exchange, 413, "the body is larger than the limit");
        return;
    }
    size_t before = exchange->body.cap;
    tw__buf_add(&exchange->body, bytes, len);
    if (exchange->body.failed)
        refuse(exchange, 503, "out of memory; try again later");
    else if (exchange->body.cap > before)
        (void)reserve(exchange, exchange->body.cap - before);
}

static struct tw__http_machine *take_machine(struct tw__http_exchanges *server)
{
    (void)pthread_mutex_lock(&server->lock);
    struct tw__http_machine *machine = server->machines;
    if (machine) server->machines = machine->next;
    (void)pthread_mutex_unlock(&server->lock);
    return machine ? machine : calloc(1, sizeof *machine);
}

static void give_machine(struct tw__http_exchanges *server, struct tw__http_machine *machine)
{
    if (!machine) return;
    tw__inflate_trim(&machine->inflate, KEEP_BYTES);
    (void)pthread_mutex_lock(&server->lock);
    machine->next = server->machines;
    server->machines = machine;
    (void)pthread_mutex_unlock(&server->lock);
}

static void unpack(struct exchange *exchange, struct tw__http_machine *machine)
{
    struct tw__http_exchanges *server = exchange->server;
    size_t before = machine->inflate.cap;
    int code = tw__inflate(&machine->inflate, exchange->packing, exchange->request.body,
                           exchange->route->body_max_bytes, &exchange->request.body);
    if (code == TW_ERR_SPACE) {
        tw__stat_add(&server->config->stats->too_large, 1);
        refuse(exchange, 413, "the body is larger than the limit once it is decompressed");
    } else if (code == TW_ERR_MEMORY) {
        tw__stat_add(&server->config->stats->failures, 1);
        refuse(exchange, 503, "out of memory; try again later");
    } else if (code < 0) {
        tw__stat_add(&server->config->stats->bad, 1);
        refuse(exchange, 400, "the body is not what Content-Encoding says");
    } else if (machine->inflate.cap > before) {
        (void)reserve(exchange, machine->inflate.cap - before);
    }
}

/* -- replies */

static ssize_t stream_read(void *data, uint64_t position, char *out, size_t max)
{
    struct stream *stream = data;
    struct tw__buf *body = &stream->reply.body;
    tw__under_way_moved(&stream->server->under_way);
    (void)position;
    while (stream->at == body->len) {
        if (stream->ended) return MHD_CONTENT_READER_END_OF_STREAM;
        tw__buf_reset(body);
        stream->at = 0;
        tw__under_way_handle(&stream->server->under_way);
        stream->ended = !stream->reply.next(stream->reply.state, body);
        tw__under_way_handled(&stream->server->under_way);
        if (body->failed) return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t len = body->len - stream->at < max ? body->len - stream->at : max;
    memcpy(out, body->ptr + stream->at, len);
    stream->at += len;
    return (ssize_t)len;
}

static void stream_free(void *data)
{
    struct stream *stream = data;
    if (stream->reply.done) stream->reply.done(stream->reply.state);
    tw__buf_fini(&stream->reply.body);
    free(stream);
}

static struct MHD_Response *make_response(struct tw__http_exchanges *server, struct tw__reply *reply)
{
    if (reply->next) {
        struct stream *stream = calloc(1, sizeof *stream);
        if (!stream) {
            if (reply->done) reply->done(reply->state);
            return NULL;
        }
        stream->server = server;
        stream->reply = *reply;
        stream->at = stream->reply.body.len;
        *reply = (struct tw__reply){.status = reply->status};
        struct MHD_Response *made =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES, stream_read, stream, stream_free);
        if (!made) stream_free(stream);
        return made;
    }
    if (reply->fixed.ptr)
        return MHD_create_response_from_buffer(reply->fixed.len, (void *)(uintptr_t)reply->fixed.ptr,
                                               MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *made =
        reply->body.len ? MHD_create_response_from_buffer(reply->body.len, reply->body.ptr, MHD_RESPMEM_MUST_FREE)
                        : MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (made && reply->body.len) reply->body = (struct tw__buf){0};
    return made;
}

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (value) (void)MHD_add_response_header(response, name, value);
}

static const char POLICY[] = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
                             "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'";

static void add_headers(struct exchange *exchange, struct tw__reply *reply, struct MHD_Response *response)
{
    char number[16];
    add_header(response, "Content-Type", reply->type);
    add_header(response, "Content-Encoding", reply->encoding);
    add_header(response, "ETag", reply->etag);
    add_header(response, "X-Content-Type-Options", "nosniff");
    if (reply->retry_after_s) {
        (void)snprintf(number, sizeof number, "%u", reply->retry_after_s);
        add_header(response, "Retry-After", number);
    }
    if (reply->status == 401) add_header(response, "WWW-Authenticate", "Basic realm=\"trackway\", charset=\"UTF-8\"");
    if (reply->status == 405) {
        const char *rest;
        for (const struct tw__route *route = exchange->server->config->routes; route->method; route++)
            if (matches(route, exchange->request.path, &rest)) add_header(response, "Allow", route->method);
    }
    if (!exchange->route || exchange->route->role != TW__ROLE_WRITE) {
        add_header(response, "Cache-Control", reply->cache ? reply->cache : "no-store");
        add_header(response, "Content-Security-Policy", POLICY);
        add_header(response, "Cross-Origin-Resource-Policy", "same-origin");
        add_header(response, "Referrer-Policy", "no-referrer");
    }
    if (tw__load_relaxed(&exchange->server->draining)) add_header(response, "Connection", "close");
}

static bool is_current(const struct exchange *exchange, const struct tw__reply *reply)
{
    const char *have = reply->etag ? tw__request_header(&exchange->request, "If-None-Match") : NULL;
    return have && reply->status == 200 && strstr(have, reply->etag);
}

static enum MHD_Result answer(struct exchange *exchange, struct tw__reply *reply)
{
    if (reply->body.failed) {
        tw__stat_add(&exchange->server->config->stats->failures, 1);
        tw__buf_fini(&reply->body);
        if (reply->done) reply->done(reply->state);
        *reply = (struct tw__reply){.status = 503, .retry_after_s = 1};
    }
    if (reply->status == 0) reply->status = 200;
    if (is_current(exchange, reply)) {
        reply->status = 304;
        reply->fixed = (struct tw_text){"", 0};
    }
    struct tw__reply head = *reply; /* make_response takes the body away */
    struct MHD_Response *response = make_response(exchange->server, reply);
    if (!response) return MHD_NO;
    add_headers(exchange, &head, response);
    enum MHD_Result result = MHD_queue_response(exchange->request.connection, head.status, response);
    MHD_destroy_response(response);
    tw__buf_fini(&reply->body);
    return result;
}

static enum MHD_Result answer_refusal(struct exchange *exchange)
{
    struct tw__reply reply = {0};
    const struct tw__httpd_config *config = exchange->server->config;
    if (config->refuse)
        config->refuse(&exchange->request, exchange->refused, exchange->why, &reply);
    else
        tw__reply_error(&reply, exchange->refused, exchange->why);
    reply.status = exchange->refused;
    if (reply.status == 503 || reply.status == 429) reply.retry_after_s = 1;
    return answer(exchange, &reply);
}

/* -- a request from beginning to end */

const struct sockaddr *tw__http_source(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

static enum MHD_Result finish(struct exchange *exchange)
{
    struct tw__http_exchanges *server = exchange->server;
    struct tw__http_machine *machine = NULL;
    const struct sockaddr *source = tw__http_source(exchange->request.connection);
    exchange->request.body = (struct tw_text){exchange->body.ptr ? exchange->body.ptr : "", exchange->body.len};
    tw__stat_add(&server->config->stats->requests, 1);
    tw__stat_add(&server->config->stats->bytes, exchange->body.len);
    if (!exchange->refused && source &&
        !tw__sources_charge(server->sources, source, exchange->body.len, tw__clock_mono_ns())) {
        tw__stat_add(&server->config->stats->refused_rate, 1);
        refuse(exchange, 429, "this source sends faster than it may; try again later");
    }
    if (!exchange->refused && exchange->packing != TW__PACKING_NONE && exchange->body.len) {
        machine = take_machine(server);
        if (machine)
            unpack(exchange, machine);
        else
            refuse(exchange, 503, "out of memory; try again later");
    }
    enum MHD_Result result;
    if (exchange->refused) {
        result = answer_refusal(exchange);
    } else {
        struct tw__reply reply = {0};
        exchange->route->handle(server->config->context, &exchange->request, &reply);
        result = answer(exchange, &reply);
    }
    give_machine(server, machine);
    return result;
}

static struct exchange *begin(struct tw__http_exchanges *server, struct MHD_Connection *connection, const char *path,
                              const char *method)
{
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange) return NULL;
    *exchange = (struct exchange){.server = server, .began_ns = tw__clock_mono_ns()};
    exchange->request = (struct tw__request){.method = method, .path = path, .rest = "", .connection = connection};
    exchange->request.body = (struct tw_text){"", 0};
    tw__under_way_begin(&server->under_way);
    check_head(exchange);
    return exchange;
}

enum MHD_Result tw__http_exchange_on(void *data, struct MHD_Connection *connection, const char *path,
                                     const char *method, const char *version, const char *bytes, size_t *len,
                                     void **state)
{
    struct tw__http_exchanges *server = data;
    struct exchange *exchange = *state;
    (void)version;
    if (!exchange) {
        exchange = begin(server, connection, path, method);
        if (!exchange) return MHD_NO;
        *state = exchange;
        bool expects = tw__request_header(&exchange->request, "Expect") != NULL;
        if (exchange->refused && (expects || content_length(exchange) > READ_REFUSED)) return finish(exchange);
        return MHD_YES;
    }
    if (*len) {
        take_piece(exchange, bytes, *len);
        tw__under_way_moved(&server->under_way);
        if (exchange->refused) exchange->passed_over_bytes += *len;
        *len = 0;
        if (exchange->passed_over_bytes > READ_REFUSED) return MHD_NO;
        if (tw__clock_mono_ns() - exchange->began_ns < REQUEST_S * UINT64_C(1000000000)) return MHD_YES;
        tw__stat_add(&server->config->stats->late, 1);
        return MHD_NO;
    }
    tw__under_way_handle(&server->under_way);
    enum MHD_Result result = finish(exchange);
    tw__under_way_handled(&server->under_way);
    return result;
}

void tw__http_exchange_end(void *data, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code)
{
    struct tw__http_exchanges *server = data;
    struct exchange *exchange = *state;
    (void)connection;
    (void)code;
    if (!exchange) return;
    (void)tw__add_relaxed(&server->waiting_bytes, (uint64_t)0 - exchange->counted_bytes);
    tw__buf_fini(&exchange->body);
    free(exchange);
    *state = NULL;
    tw__under_way_end(&server->under_way);
}

void tw__http_exchanges_init(struct tw__http_exchanges *server, const struct tw__httpd_config *config)
{
    *server = (struct tw__http_exchanges){.config = config};
    (void)pthread_mutex_init(&server->lock, NULL);
}

void tw__http_exchanges_fini(struct tw__http_exchanges *server)
{
    for (struct tw__http_machine *machine = server->machines, *next; machine; machine = next) {
        next = machine->next;
        tw__inflate_fini(&machine->inflate);
        free(machine);
    }
    (void)pthread_mutex_destroy(&server->lock);
}
