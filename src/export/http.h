/* http: as much of an HTTP/1.1 client as talking to a daemon on the same host takes. Bytes in, bytes out. */
#ifndef TW_EXPORT_HTTP_H
#define TW_EXPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { TW__HTTP_HEAD_MAX = 16 * 1024 };

/* Appends a POST of JSON that asks for the connection to be closed after the answer. host: "127.0.0.1:2000". */
void tw__http_post(struct tw__buf *out, const char *host, const char *path, const char *body, size_t len);

struct tw__http_answer {
    int status; /* of the final answer; 1xx are passed over */
    const char *body;
    size_t body_len;
};

/* Reads an answer from everything that has come so far.
 * Shape    bytes: a chunked body is put together in place, so call this no more once it has returned 1. closed: the
 * peer has closed, nothing will follow.
 * Returns  1 and *answer, pointing into bytes; 0: more is needed; TW_ERR_SYNTAX: not HTTP/1, or cut off; TW_ERR_SPACE:
 *          the head is longer than TW__HTTP_HEAD_MAX. The body's length is the caller's to bound. */
int tw__http_read(char *bytes, size_t len, bool closed, struct tw__http_answer *answer);

#endif
