/* zipkin_dec: Zipkin's lists of spans, read: JSON of version 2 and 1, and version 2's protobuf.
 *
 *     struct tw__zipkin_dec dec = {.spans = &spans, .take = give_to_store, .data = store};
 *     int code = tw__zipkin_json_dec(&dec, body, len);
 *
 * How one becomes a span:
 *
 *     tags         tags, texts as they are (version 1: numbers and booleans by their type); a tag error is the status
 *                  ERROR and, unless it is "true", the status message; otel.status_code goes back to the status
 *     annotations  events
 *     endpoints    the local one is the sender: service.name, host.ip, host.port; the remote one the tags peer.service,
 *                  network.peer.address and network.peer.port
 *     no duration  the span is open
 *
 * Shared spans: a server that goes on with its client's span id says so (shared; in version 1 the core annotations of
 * both sides may stand in one span, which is two spans then). The client's half keeps the id. The server's half gets
 * another, made from the id, so that it is the same each time; its parent is the client's half, and it has the tag
 * zipkin.shared. Spans of the same service with that id as their parent, in the same request, become children of the
 * server's half; those of other requests cannot be known and stay children of the client's.
 *
 * A span is rejected when its trace id or its own id is missing, zero or not hexadecimal.
 * Source   zipkin.io, zipkin2-api.yaml, zipkin-api.yaml, zipkin.proto; zipkin's V1SpanConverter.
 */
#ifndef TW_WIRE_ZIPKIN_DEC_H
#define TW_WIRE_ZIPKIN_DEC_H

#include "model/spans.h"

enum {
    TW__ZIPKIN_TAGS_MAX = 1024,       /* of a span; further ones are counted as dropped */
    TW__ZIPKIN_EVENTS_MAX = 1024,     /* the same */
    TW__ZIPKIN_BATCH_SPANS = 32768,   /* a request of more is handed on in several batches, */
    TW__ZIPKIN_BATCH_BYTES = 24 << 20 /* or of more memory than this */
};

struct tw__zipkin_dec {
    /* Given. */
    struct tw__spans *spans; /* empty; reset before this returns, but keeps its memory */
    /* Takes a batch, which lies in spans and in the bytes decoded. A negative result ends the decoding and is its
     * result. */
    int (*take)(void *data, struct tw__spans *spans);
    void *data;

    /* Found. */
    uint64_t rejected; /* spans left out */
    const char *why;   /* of an error */
    size_t error_at;   /* JSON: where */
};

/* Decode a whole request. Requests of one batch are handed on only when all of them made sense.
 * Returns  0; TW_ERR_SYNTAX, TW_ERR_SPACE (a depth or text beyond the limits) with why; TW_ERR_MEMORY; or what take
 *          returned. */
int tw__zipkin_json_dec(struct tw__zipkin_dec *dec, const void *bytes, size_t len);
int tw__zipkin_pb_dec(struct tw__zipkin_dec *dec, const void *bytes, size_t len);

#endif
