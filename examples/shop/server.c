/* The server: libmicrohttpd with integrations/microhttpd, which begins a span for each request under its caller's
 * context and ends it when the reply is sent. Handlers run in between on the same thread, so whatever span they begin
 * is a child of it; they pass no context along and need not know that they are traced. Left to do here: the route's
 * name, and what went wrong.
 *
 * Each thread of the pool takes one connection at a time. A handler may therefore wait (for a query, a commit, another
 * server) without holding up any request but its own; those beyond the pool wait in the listen queue.
 */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/trackway.h>
#include <trackway_microhttpd.h>

enum { IDLE_TIMEOUT_S = 10 };

struct server {
    struct server_options options;
    struct tw_mhd traced;
    struct MHD_Daemon *daemon;
};

void reply_print(struct reply *reply, unsigned status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply->status = status;
    if (vsnprintf(reply->text, sizeof reply->text, format, args) < 0) reply->text[0] = '\0';
    va_end(args);
}

bool parse_number(const char *text, long max, long *out)
{
    char *end;
    errno = 0;
    const long number = strtol(text, &end, 10);
    if (errno || end == text || *end || number < 1 || number > max) return false;
    *out = number;
    return true;
}

bool request_number(const struct request *request, const char *key, long fallback, long max, long *out)
{
    const char *text = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, key);
    if (text) return parse_number(text, max, out);
    *out = fallback;
    return true;
}

static void no_such_page(void *data, const struct request *request, struct reply *reply)
{
    (void)data;
    (void)request;
    reply_print(reply, MHD_HTTP_NOT_FOUND, "no such page");
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

static const struct route *find_route(const struct server *server, const char *method, const char *path)
{
    static const struct route none = {"", "", NULL, no_such_page};
    for (size_t i = 0; i < server->options.route_count; i++) {
        const struct route *route = &server->options.routes[i];
        if (!strcmp(method, route->method) && !strncmp(path, route->prefix, strlen(route->prefix))) return route;
    }
    return &none;
}

/* Sends the reply, with the trace id in a header: what a customer quotes to support, `trackway show` understands. */
static enum MHD_Result send_reply(struct MHD_Connection *connection, const struct reply *reply, tw_span span)
{
    char body[REPLY_MAX + 1], trace[TW_TRACE_ID_HEX_LEN + 1];
    const int len = snprintf(body, sizeof body, "%s\n", reply->text);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len < 0 ? 0 : (size_t)len, body, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    struct tw_context context;
    if (tw_span_context(span, &context)) {
        tw_trace_id_format(context.trace_id, trace);
        MHD_add_response_header(response, "X-Trace-Id", trace);
    }
    const enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_len, void **seen)
{
    (void)version;
    (void)upload;
    if (!*seen) { /* the first call brings the headers alone */
        *seen = data;
        return MHD_YES;
    }
    if (*upload_len) { /* no route takes a body */
        *upload_len = 0;
        return MHD_YES;
    }
    const struct server *server = data;
    const struct route *route = find_route(server, method, path);
    const struct request request = {.rest = path + strlen(route->prefix), .connection = connection};
    struct reply reply = {.status = MHD_HTTP_INTERNAL_SERVER_ERROR};

    tw_span span = tw_mhd_span(seen);
    if (route->pattern) tw_mhd_route(seen, route->pattern);
    tw_meta_set(TW_ATTR("path", path)); /* of every line that this request logs */
    route->handle(server->options.data, &request, &reply);
    tw_meta_clear();
    if (reply.status >= MHD_HTTP_BAD_REQUEST) tw_span_fail(span, reply.text);
    return send_reply(connection, &reply, span);
}

int server_open(const struct server_options *options, struct server **out)
{
    struct server *server = malloc(sizeof *server);
    if (!server) return -1;
    server->options = *options;
    server->traced = (struct tw_mhd){.handler = answer, .data = server};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct MHD_OptionItem settings[] = {
        {MHD_OPTION_SOCK_ADDR, 0, &address},
        {MHD_OPTION_THREAD_POOL_SIZE, SERVER_THREADS, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, SERVER_THREADS, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_TIMEOUT_S, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    const unsigned flags = MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG;
    server->daemon =
        MHD_start_daemon(flags, options->port, NULL, NULL, tw_mhd_handle, &server->traced, MHD_OPTION_NOTIFY_COMPLETED,
                         tw_mhd_completed, &server->traced, MHD_OPTION_ARRAY, settings, MHD_OPTION_END);
    if (!server->daemon) {
        free(server);
        return -1;
    }
    *out = server;
    return 0;
}

uint16_t server_port(const struct server *server)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}

void server_close(struct server *server)
{
    if (!server) return;
    MHD_stop_daemon(server->daemon);
    free(server);
}
