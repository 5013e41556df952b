#ifndef SHOP_SERVER_H
#define SHOP_SERVER_H

/* An HTTP server on a pool of threads, with one span per request. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct MHD_Connection;

struct request {
    const char *rest; /* the path behind the route's prefix */
    struct MHD_Connection *connection;
};

enum { REPLY_MAX = 1024 };

/* What a handler answers. 400 and above makes the request's span a failed one, with text as its message. */
struct reply {
    unsigned status;
    char text[REPLY_MAX]; /* NUL-terminated, cut when longer */
};

void reply_print(struct reply *reply, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));

typedef void route_handler(void *data, const struct request *request, struct reply *reply);

/* Requests of this method whose path begins with prefix. pattern names the span: a few distinct ones, so never the
 * path. */
struct route {
    const char *method, *prefix, *pattern;
    route_handler *handle;
};

/* A number in the query string.
 * Returns  true and *out, fallback when it is missing; false when it is not a number between 1 and max. */
bool request_number(const struct request *request, const char *key, long fallback, long max, long *out);
/* A header's value, or NULL; valid as long as the request. */
const char *request_header(const struct request *request, const char *name);
/* A whole text that is a number between 1 and max. */
bool parse_number(const char *text, long max, long *out);

struct server_options {
    const struct route *routes; /* both arrays outlive the server */
    size_t route_count;
    void *data;    /* handed to every handler */
    uint16_t port; /* 0: any free one */
};

struct server;

/* Listens on 127.0.0.1 and answers on SERVER_THREADS threads. Returns 0 and *out, or -1. */
enum { SERVER_THREADS = 8 };
int server_open(const struct server_options *options, struct server **out);
uint16_t server_port(const struct server *server);
/* Waits for the requests in progress. */
void server_close(struct server *server);

#endif
