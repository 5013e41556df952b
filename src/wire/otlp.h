/* otlp: OpenTelemetry's protobuf: requests to export spans, written; answers to them, read.
 *
 *     struct tw__otlp_enc enc;
 *     tw__otlp_begin(&enc, room, sizeof room, &resource);
 *     while (next_span(&in))
 *         if (tw__otlp_span(&enc, &in) == TW_ERR_SPACE) ...      what was written stays valid: send it, and begin again
 *     struct tw_text request = tw__otlp_end(&enc);               an ExportTraceServiceRequest of one resource
 *
 * How a record becomes a span: further parents are links; events, marks, messages and thread records are events, with
 * trackway.kind unless plain; the last value of a key is its attribute; an unsigned number beyond 2^63 - 1 becomes
 * text. Text that is not UTF-8 is repaired: receivers refuse the whole request for one bad byte. What exceeds the
 * limits is counted in the span's dropped_*_count. trace_state is not known to a record and stays empty, as does
 * whether a parent is remote.
 */
#ifndef TW_WIRE_OTLP_H
#define TW_WIRE_OTLP_H

#include "wire/pb.h"
#include "wire/span.h"

enum {
    TW__OTLP_LIMIT = 128,     /* attributes, events and links of one span: the specification's default */
    TW__OTLP_CAP = 128 << 20, /* bytes of a request; room beyond it is left unused */
};

/* Who sends. Borrowed until tw__otlp_begin returns. */
struct tw__otlp_resource {
    const struct tw_tag_value *attributes; /* service.name and what else is known */
    size_t attribute_count;
    struct tw_text scope_name, scope_version;
    bool places;  /* also send thread.id, thread.name, code.function.name and code.line.number of each span */
    size_t limit; /* 0: TW__OTLP_LIMIT */
};

struct tw__otlp_enc {
    struct tw__pb pb; /* pb.full: the resource found no room, and nothing does */
    size_t span_count;
    size_t limit, scope_at, spans_at; /* spans_at: nothing but the resource so far */
    bool places;
};

/* Begins a request in cap bytes at out. Never fails visibly: see tw__otlp_span. */
void tw__otlp_begin(struct tw__otlp_enc *enc, void *out, size_t cap, const struct tw__otlp_resource *resource);

/* Adds one finished span with its events.
 * Returns  0; TW_ERR_SPACE (no room: the request is as it was. With span_count 0 the span is larger than the room, or
 *          the resource alone was); TW_ERR_STATE (not a finished span; nothing is added).
 * Threads  one encoder is used by one thread at a time
 * Cost     no allocation; 0.2 us for a span with eight attributes. */
int tw__otlp_span(struct tw__otlp_enc *enc, const struct tw__span_in *span);

/* Completes the request. Returns its bytes, in the room given; empty when the resource found no room. */
struct tw_text tw__otlp_end(struct tw__otlp_enc *enc);

/* What a receiver answered. */
struct tw__otlp_answer {
    int64_t rejected_spans; /* of a partial success; not to be sent again */
    int32_t code;           /* of an error: google.rpc.Code */
    struct tw_text message; /* points into the bytes read; may be empty, may be anything */
};

/* Read the body of a 200 (ExportTraceServiceResponse), and of an error (google.rpc.Status). Empty is valid: all went
 * well.
 * Returns  0, or TW_ERR_SYNTAX; then *out is untouched. */
int tw__otlp_answer_dec(const void *bytes, size_t len, struct tw__otlp_answer *out);
int tw__otlp_status_dec(const void *bytes, size_t len, struct tw__otlp_answer *out);

#endif
