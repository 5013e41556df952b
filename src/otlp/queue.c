/* queue: see the header. In order of age; bounded by bytes, as they are sent. Short: 16 MiB of half a megabyte each, so
 * that a walk is as good as anything. */
#include "otlp/queue.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

enum { GZIP = 15 + 16 /* a window of 32 KiB, and gzip's frame */, LEVEL = 1, MEMORY = 8 };

static struct tw__otlp_request *with_room(size_t room)
{
    struct tw__otlp_request *request = malloc(sizeof *request + room);
    if (request) *request = (struct tw__otlp_request){.next = NULL};
    return request;
}

static struct tw__otlp_request *gzipped(const void *body, size_t len)
{
    z_stream z = {.zalloc = Z_NULL};
    struct tw__otlp_request *request = NULL;
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) return NULL;
    size_t room = deflateBound(&z, (uLong)len);
    request = with_room(room);
    if (request) {
        union {
            const void *in;
            unsigned char *out;
        } from = {body}; /* zlib does not write there, but says so only with ZLIB_CONST */
        z.next_in = from.out;
        z.avail_in = (uInt)len;
        z.next_out = request->body;
        z.avail_out = (uInt)room;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
            request->len = room - z.avail_out;
        } else {
            free(request);
            request = NULL;
        }
    }
    (void)deflateEnd(&z);
    return request;
}

struct tw__otlp_request *tw__otlp_request_new(const void *body, size_t len, bool gzip)
{
    if (gzip) return gzipped(body, len);
    struct tw__otlp_request *request = with_room(len);
    if (!request) return NULL;
    memcpy(request->body, body, len);
    request->len = len;
    return request;
}

bool tw__otlp_queue_put(struct tw__otlp_queue *queue, struct tw__otlp_request *request)
{
    if (queue->count && request->len + queue->bytes > TW__OTLP_QUEUE_BYTES) return false;
    if (queue->last)
        queue->last->next = request;
    else
        queue->first = request;
    queue->last = request;
    queue->bytes += request->len;
    queue->count++;
    return true;
}

struct tw__otlp_request *tw__otlp_queue_next(const struct tw__otlp_queue *queue)
{
    struct tw__otlp_request *request = queue->first;
    while (request && request->on_its_way) request = request->next;
    return request;
}

void tw__otlp_queue_drop(struct tw__otlp_queue *queue, struct tw__otlp_request *request)
{
    struct tw__otlp_request **at = &queue->first, *before = NULL;
    while (*at && *at != request) {
        before = *at;
        at = &before->next;
    }
    if (!*at) return;
    *at = request->next;
    if (queue->last == request) queue->last = before;
    queue->bytes -= request->len;
    queue->count--;
    free(request);
}

void tw__otlp_queue_fini(struct tw__otlp_queue *queue)
{
    while (queue->first) tw__otlp_queue_drop(queue, queue->first);
}
