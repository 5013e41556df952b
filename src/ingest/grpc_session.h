/* grpc_session: one connection's gRPC, unary calls only: bytes in, calls to a handler, bytes out. No I/O.
 *
 *     session = tw__grpc_session_new(&service, source);
 *     tw__grpc_session_recv(session, bytes, len, now)      calls service->handle for every call that is complete
 *     tw__grpc_session_send(session, &out)                 what is to be sent
 *
 * Source: gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md); RFC 9113. */
#ifndef TW_INGEST_GRPC_SESSION_H
#define TW_INGEST_GRPC_SESSION_H

#include <trackway/read.h>

#include "base/buf.h"
#include "ingest/inflate.h"
#include "ingest/sources.h"
#include "ingest/stats.h"
#include "ingest/tokens.h"
#include "ingest/under_way.h"
#include "wire/otlp_reply.h"

enum {
    TW__GRPC_STREAMS_MAX = 128, /* at a time, of a connection */
    TW__GRPC_HEADERS_MAX = 64,  /* of a call; and 16 KiB of them */
    TW__GRPC_WHY_MAX = 256
};

struct tw__grpc_call {
    const char *path;       /* "/package.Service/Method" */
    struct tw_text message; /* decompressed; until the handler returns */
    /* The answer: */
    enum tw__rpc_code code;
    char why[TW__GRPC_WHY_MAX]; /* when code is not OK */
    struct tw__buf reply;       /* the message; empty is one */
};

/* What all connections of a server have. */
struct tw__grpc_service {
    void (*handle)(void *context, struct tw__grpc_call *call);
    void *context;
    const struct tw__tokens *tokens; /* NULL: nobody is asked */
    enum tw__role role;
    struct tw__door_stats *stats;
    struct tw__sources *sources;
    size_t message_max_bytes; /* before and after decompression */
    size_t waiting_max_bytes; /* of all connections */
    uint64_t waiting_bytes;   /* atomic */
    struct tw__under_way under_way;
};

struct tw__grpc_session;

/* source and inflate are borrowed; inflate may be shared by the sessions of a thread. NULL: no memory. */
struct tw__grpc_session *tw__grpc_session_new(struct tw__grpc_service *service, const struct sockaddr *source,
                                              struct tw__inflate *inflate);
void tw__grpc_session_free(struct tw__grpc_session *session);

/* Takes what came. Returns 0, or TW_ERR_SYNTAX, TW_ERR_MEMORY: send what there is to send, and close. */
int tw__grpc_session_recv(struct tw__grpc_session *session, const void *bytes, size_t len, uint64_t now_ns);
/* Appends what is to be sent, some 256 KiB at most. Returns 0, or an error as above. */
int tw__grpc_session_send(struct tw__grpc_session *session, struct tw__buf *out);
/* Whether the connection has done all it had to do and is to be closed. */
bool tw__grpc_session_is_over(const struct tw__grpc_session *session);
size_t tw__grpc_session_streams(const struct tw__grpc_session *session);
/* Ends calls whose deadline is over. */
void tw__grpc_session_tick(struct tw__grpc_session *session, uint64_t now_ns);
/* Takes no new calls (GOAWAY); those under way are answered. */
void tw__grpc_session_drain(struct tw__grpc_session *session);

/* Reads grpc-timeout: up to 8 digits and one of H M S m u n. Returns false when it is not one. */
bool tw__grpc_timeout_parse(const char *text, uint64_t *ns);

#endif
