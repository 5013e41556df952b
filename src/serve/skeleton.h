/* skeleton: a trace as columns of numbers, small enough for a million spans: the answer to GET /api/tw/traces/ID.
 *
 *     struct tw__skeleton *skeleton;
 *     int code = tw__skeleton_new(&spans, &layout, &(struct tw__skeleton_what){.count = UINT32_MAX}, &skeleton);
 *     tw__spans_fini(&spans);                                 it has what it needs
 *     if (code == 0) tw__skeleton_reply(skeleton, reply);     and is freed when it has been sent
 *
 * Two forms of the same; docs/api.md describes both.
 *     JSON      an object with an array for each column: about 40 bytes a span
 *     packed    a length (4 bytes, the lowest first), a JSON object of so many bytes with everything but the rows, then
 *               the rows: eight numbers each, as in protobuf 7 bits a byte, the lowest first: about 15 bytes a span
 *
 * Cost     38 bytes a row, until the peer has read it. */
#ifndef TW_SERVE_SKELETON_H
#define TW_SERVE_SKELETON_H

#include "ingest/httpd.h"
#include "query/query.h"

enum tw__skeleton_flag {
    TW__SKELETON_ERROR = 1,
    TW__SKELETON_OPEN = 2,
    TW__SKELETON_ORPHAN = 4,
    TW__SKELETON_CRITICAL = 8,
    TW__SKELETON_EVENTS = 16
};

struct tw__skeleton;

struct tw__skeleton_what {
    uint64_t from, count; /* of the rows, in the order of the layout; what is beyond the trace's end is left out */
    bool packed;
};

/* Returns 0 and *out, or TW_ERR_MEMORY. Keeps nothing of spans and layout. */
int tw__skeleton_new(const struct tw__spans *spans, const struct tw__trace_layout *layout,
                     const struct tw__skeleton_what *what, struct tw__skeleton **out);
/* Makes it the reply's. */
void tw__skeleton_reply(struct tw__skeleton *skeleton, struct tw__reply *reply);

#endif
