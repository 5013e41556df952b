/* httpd: an HTTP/1.1 server: for the doors that speak it, the query APIs and the page.
 *
 *     static const struct tw__route routes[] = {
 *         {"GET", "/api/traces/" "*", TW__ROLE_READ, 0, get_trace},
 *         {"POST", "/v1/traces", TW__ROLE_WRITE, 64 << 20, post_traces},
 *         {0},
 *     };
 *     static void get_trace(void *context, const struct tw__request *request, struct tw__reply *reply)
 *     {
 *         if (!find(context, request->rest)) { tw__reply_error(reply, 404, "no such trace"); return; }
 *         reply->type = "application/json";
 *         tw__buf_cstr(&reply->body, "{...}");
 *     }
 *
 * A handler is called once the body has come whole, with gzip undone, on one of the server's threads; it may take its
 * time. Limits, tokens, TLS and security headers are the server's: CORS is closed, nothing of the request is reflected.
 */
#ifndef TW_INGEST_HTTPD_H
#define TW_INGEST_HTTPD_H

#include <trackway/read.h>

#include "base/buf.h"
#include "ingest/stats.h"
#include "ingest/tokens.h"

struct tw__httpd;
struct tw__reply;

struct tw__request {
    const char *method;
    const char *path;    /* decoded, without the query */
    const char *rest;    /* what the star of the route stands for; "" without one */
    struct tw_text body; /* until the handler returns */
    void *connection;    /* the server's */
};

/* A header; a parameter of the query, the index-th of that name, decoded. NULL: there is none. Until the handler
 * returns. */
const char *tw__request_header(const struct tw__request *request, const char *name);
const char *tw__request_query(const struct tw__request *request, const char *name, size_t index);
/* Calls fn with each parameter of the query in order. */
void tw__request_queries(const struct tw__request *request, void (*fn)(void *data, const char *name, const char *value),
                         void *data);

struct tw__reply {
    unsigned status;        /* 200 unless set */
    const char *type;       /* Content-Type; a constant. NULL: none */
    struct tw__buf body;    /* the server frees it */
    struct tw_text fixed;   /* instead of body: bytes that outlive the server */
    const char *encoding;   /* Content-Encoding of fixed; a constant */
    const char *cache;      /* Cache-Control; a constant. NULL: no-store */
    const char *etag;       /* a constant; a request that has it is answered with 304 */
    unsigned retry_after_s; /* Retry-After; 0: none */
    /* Instead of both: a body in pieces, of unknown length. Each call adds the next piece to out; returns false after
     * the last. Called on the server's threads until false or until the peer is gone; then done, once. */
    bool (*next)(void *state, struct tw__buf *out);
    void (*done)(void *state);
    void *state;
};

/* Makes it an error: {"error":"message"} as JSON. message is a constant or what the handler wrote, never the request's.
 */
void tw__reply_error(struct tw__reply *reply, unsigned status, const char *message);

struct tw__route {
    const char *method; /* GET also answers HEAD */
    const char *path;   /* whole; or, ending with a star, all that begin so. The first that matches counts */
    enum tw__role role;
    size_t body_max_bytes; /* 0: a body is refused */
    void (*handle)(void *context, const struct tw__request *request, struct tw__reply *reply);
};

struct tw__tls_files {
    const char *certificate, *key; /* PEM; paths */
};

struct tw__httpd_config {
    int fd;                         /* listening; the server's once open has succeeded */
    const struct tw__route *routes; /* to a zero method */
    void *context;
    const struct tw__tls_files *tls; /* NULL: none; outlives the server, as do tokens and stats */
    const struct tw__tokens *tokens; /* NULL: nobody is asked */
    struct tw__door_stats *stats;
    bool loopback; /* reached from this host only: a name in Host that is not this host's is refused (rebinding) */
    unsigned threads, connections_max, source_connections_max;
    size_t waiting_max_bytes; /* bodies under way, all together */
    uint64_t source_rate_bytes;
    /* Writes an error of the server's own in the protocol's form: NULL: tw__reply_error. */
    void (*refuse)(const struct tw__request *request, unsigned status, const char *message, struct tw__reply *reply);
};

/* Returns  0 and *out, or TW_ERR_SYSTEM, TW_ERR_MEMORY, TW_ERR_NOT_FOUND (certificate or key) with why in words. */
int tw__httpd_open(const struct tw__httpd_config *config, struct tw__httpd **out, char why[TW_WHY_MAX]);
/* Reads the certificate again. New connections have it; those there are go on. When it cannot be used, the old one
 * stays.
 * Returns  0 or an error with why. */
int tw__httpd_reload(struct tw__httpd *server, char why[TW_WHY_MAX]);
/* No new connections; those there are close after the answer to what is under way. Returns at once. */
void tw__httpd_drain(struct tw__httpd *server);
/* Whether a drain need not wait any longer (ingest/under_way.h). */
bool tw__httpd_idle(struct tw__httpd *server);
void tw__httpd_close(struct tw__httpd *server);

#endif
