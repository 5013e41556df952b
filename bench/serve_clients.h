/* serve_clients: senders of prepared requests, as fast as the collector answers. For bench_serve. */
#ifndef SERVE_CLIENTS_H
#define SERVE_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>

struct request {
    char *bytes;
    size_t len;
};

/* Send each request once over one connection, keeping up to 8 (gRPC) or 1 (HTTP) under way. port: of the loopback.
 * Return how many were taken: 200 and an empty answer; grpc-status 0. */
size_t serve_send_http(unsigned port, const struct request *requests, size_t count, const char *type, bool gzip);
size_t serve_send_grpc(unsigned port, const struct request *requests, size_t count, bool gzip);
/* GETs a path; text is NUL-terminated. */
bool serve_get(unsigned port, const char *path, char *text, size_t cap);

#endif
