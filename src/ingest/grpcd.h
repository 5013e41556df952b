/* grpcd: a gRPC server for unary calls: sockets, TLS and threads around grpc_session. */
#ifndef TW_INGEST_GRPCD_H
#define TW_INGEST_GRPCD_H

#include "ingest/grpc_session.h"
#include "ingest/httpd.h"

struct tw__grpcd;

struct tw__grpcd_config {
    int fd;                          /* listening, non-blocking; the server's once open has succeeded */
    struct tw__grpc_service service; /* without sources, waiting_bytes and under_way */
    const struct tw__tls_files *tls; /* NULL: h2c, with prior knowledge. Outlives the server */
    unsigned threads, connections_max, source_connections_max;
    uint64_t source_rate_bytes;
};

/* The handler is called on the server's threads, several at a time. Returns 0 and *out, or an error with why. */
int tw__grpcd_open(const struct tw__grpcd_config *config, struct tw__grpcd **out, char why[TW_WHY_MAX]);
int tw__grpcd_reload(struct tw__grpcd *server, char why[TW_WHY_MAX]);
/* No new connections; those there are told to go (GOAWAY) and close after what is under way. Returns at once. */
void tw__grpcd_drain(struct tw__grpcd *server);
/* Whether a drain need not wait any longer (ingest/under_way.h). */
bool tw__grpcd_idle(struct tw__grpcd *server);
void tw__grpcd_close(struct tw__grpcd *server);

#endif
