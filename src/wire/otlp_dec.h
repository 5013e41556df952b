/* otlp_dec: OpenTelemetry's requests to export spans, read: protobuf and JSON.
 *
 *     struct tw__otlp_dec dec = {.spans = &spans, .door = TW__DOOR_OTLP_HTTP, .take = give_to_store, .data = store};
 *     int code = tw__otlp_dec(&dec, body, len);
 *     if (code == 0 && dec.rejected) answer_partial_success(dec.rejected, dec.why);
 *
 * How an attribute becomes a tag: exact, by its type; lists and maps are JSON text (TW_TYPE_JSON), whose bytes are
 * base64 and whose numbers that JSON cannot say are the texts "NaN", "Infinity", "-Infinity". A span kind that is not
 * known, or not given, is TW__KIND_UNSPECIFIED. Times are what they are; an end of 0 says that the span is in progress.
 * A span is rejected when its trace id is not 16 bytes, its span id not 8, its parent's neither 8 nor 0, or one of the
 * first two is zero.
 */
#ifndef TW_WIRE_OTLP_DEC_H
#define TW_WIRE_OTLP_DEC_H

#include "model/spans.h"

enum {
    TW__OTLP_TAGS_MAX = 1024,       /* of a span, resource or scope; further ones are counted as dropped */
    TW__OTLP_PARTS_MAX = 1024,      /* events, and links, of a span; the same */
    TW__OTLP_PART_TAGS_MAX = 128,   /* of an event or link; the same */
    TW__OTLP_DEPTH_MAX = 32,        /* of lists in maps in lists; a tag that goes deeper is dropped */
    TW__OTLP_JSON_MAX = 1 << 20,    /* of a list or map as text; a larger one is dropped */
    TW__OTLP_BATCH_SPANS = 65536,   /* a request of more is handed on in several batches, */
    TW__OTLP_BATCH_BYTES = 24 << 20 /* or of more memory than this */
};

struct tw__otlp_dec {
    /* Given. */
    struct tw__spans *spans; /* empty; reset before this returns, but keeps its memory */
    enum tw__door door;
    /* Takes a batch, which lies in spans and in the bytes decoded. A negative result ends the decoding and is its
     * result. */
    int (*take)(void *data, struct tw__spans *spans);
    void *data;

    /* Found. */
    uint64_t rejected; /* spans left out */
    const char *why;   /* the reason of the first, or of the error */
    size_t error_at;   /* JSON: where */

    /* Its own. Memory that is kept for the next request: tw__pool_fini after the last. */
    struct tw__pool kept; /* of resources and scopes of JSON, which outlive a batch */
};

/* Decode a whole request. Requests of one batch are handed on only when all of them made sense.
 * Returns  0; TW_ERR_SYNTAX with why; TW_ERR_MEMORY; or what take returned. An empty request is valid and hands on
 * nothing.
 * Cost     protobuf: no copies, about 60 bytes of memory a tag; JSON: copies only texts with escapes. */
int tw__otlp_dec(struct tw__otlp_dec *dec, const void *bytes, size_t len);
int tw__otlp_json_dec(struct tw__otlp_dec *dec, const void *bytes, size_t len);

/* For both: hands on what has gathered when it is enough for a batch, or in any case. */
int tw__otlp_dec_flush(struct tw__otlp_dec *dec, bool in_any_case);
/* For both: the last look at a span: whether it has ended, and whether its ids are valid; if not it is counted. */
bool tw__otlp_dec_finish(struct tw__otlp_dec *dec, struct tw__span *span, size_t trace_len, size_t span_len,
                         size_t parent_len);

#endif
