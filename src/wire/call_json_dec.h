/* call_json_dec: request and response records of calls, a JSON object each, as spans: nameko-tracer's, under its names
 * of today and those from before 1.0.1, and our own (wire/call_json.h).
 *
 * A response repeats what its request said and tells how long it took, so it is the whole span; a request is the same
 * span, open. Both have the same id, made from the call id; the parent's is made from the call before it in the stack,
 * the trace's from the first one. So chains join across services and files, in whatever order they come. NaN and bytes
 * as b'..' are taken.
 *
 *     service, hostname                     the sender: service.name, host.name
 *     entrypoint_name                       the span's name is SERVICE.NAME
 *     entrypoint_type, call_id, and others  tags call.KEY; lists and objects as JSON text
 *     exception_*                           an event exception and the status ERROR, unless the exception was expected
 *     trace_id, span_id (our own)           a link to the span of the recording
 */
#ifndef TW_WIRE_CALL_JSON_DEC_H
#define TW_WIRE_CALL_JSON_DEC_H

#include "model/spans.h"

enum { TW__CALL_TAGS_MAX = 256 };

struct tw__call_found {
    bool is_response;
    uint8_t span_id[8];
    const char *why; /* of an error */
    size_t error_at;
};

/* Adds the span of one line. Borrows bytes until the batch is reset. no_response: of a request that was waited for in
 * vain: the span stays open, is an ERROR and has the tag call.no_response.
 * Returns  0, TW_ERR_SYNTAX, TW_ERR_SPACE, TW_ERR_MEMORY: then nothing is added. */
int tw__call_json_dec(struct tw__spans *spans, const void *bytes, size_t len, bool no_response,
                      struct tw__call_found *found);

#endif
