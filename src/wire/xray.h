/* xray: spans as AWS X-Ray's segment documents, one a datagram, for the daemon's UDP port.
 *
 *     struct tw__xray_node nodes[N] = {{.span = in}, ...};
 *     size_t count = tw__xray_link(nodes, N, tops);       embed children; leave it out to send each span by itself
 *     for (size_t i = 0; i < count; i++)
 *         if (tw__xray_enc(&options, tops[i], &scratch, send_one, socket) < 0) ...
 *
 * A root or server span is a segment, everything else a subsegment. How a record becomes one:
 *
 *     name        cleaned of what X-Ray does not allow, at most 200 characters; a segment's may be replaced
 *     trace id    1-8-24 digits; when its first 4 bytes are no time around the span, the document says so in odd_epoch
 *     times       seconds with nine decimals; an end before the begin becomes the begin; an open span is in_progress
 *     http, sql,  from tags with OpenTelemetry's names, newer and older (wire/xray_fields.c has the table); a value of
 *     aws, user   more than X-Ray's 250 characters is cut there and stands whole in the metadata
 *     error       429: throttle and error; other 4xx: error; 5xx: fault; failed without a code, or an exception: fault;
 *                 boolean tags error, fault, throttle
 *     cause       events named exception, tags exception.*, or the status message; a tag cause of 16 hex digits
 *     annotations tags whose key is [A-Za-z0-9_] and whose value is a boolean, a number or a text of at most 1000
 *                 characters, the first 50
 *     metadata    tags aws.xray.metadata.NAMESPACE.KEY in their namespace, all others in "default"; events and links,
 *                 and what was cut, in "trackway"
 */
#ifndef TW_WIRE_XRAY_H
#define TW_WIRE_XRAY_H

#include "base/buf.h"
#include "wire/span.h"

enum {
    TW__XRAY_MAX = 65507,  /* bytes that fit into one datagram of IPv4 */
    TW__XRAY_LEAST = 8192, /* a smaller limit is raised to this */
};

struct tw__xray_options {
    struct tw_text segment_name; /* instead of the names of segments (AWS_XRAY_TRACING_NAME); empty: the span's */
    struct tw_text sdk_version;
    const struct tw_tag_value *resource; /* service.name, cloud.platform, host.id, ...: see wire/xray_resource.c */
    size_t resource_count;
    size_t limit; /* bytes of a datagram; 0: TW__XRAY_MAX */
};

/* A span in a tree. The caller sets span; everything else is set by tw__xray_link, or left zero. */
struct tw__xray_node {
    struct tw__span_in span;
    struct tw__xray_node *parent, *first_child, *next;
    size_t size; /* of it and the children with it; while a document is divided */
    bool alone;  /* has a document of its own */
};

/* One document: bytes are a datagram, header line included, valid during the call. */
struct tw__xray_doc {
    const char *bytes;
    size_t len;
    const struct tw_record *record; /* the span at its top: what diagnostics name */
    uint32_t spans;                 /* in it */
    uint32_t split;                 /* children that got documents of their own because it would have been too large */
    uint32_t cut_texts;             /* shortened for lack of room; each ends with how much is missing */
    uint32_t dropped;               /* tags, events and links left out for lack of room */
    bool odd_epoch;                 /* X-Ray may refuse it: the trace id was not made around the time of the span */
};

/* Puts spans under their parents. Children stay with their parent if they are in the same process's care: not segments,
 * and not begun before it.
 * Shape    nodes are sorted; tops has room for count pointers.
 * Returns  how many tops there are: each is to be given to tw__xray_enc.
 * Cost     no allocation; count * log2(count). */
size_t tw__xray_link(struct tw__xray_node *nodes, size_t count, struct tw__xray_node **tops);

/* Writes top and what is under it: one document, or more when they would be larger than the limit. Children get
 * documents of their own first; if a span alone is too large its longest texts are cut, then tags, events and links
 * left out.
 * Shape    scratch is reset and used for all documents. emit returns 0, or an error to stop with.
 * Returns  the number of documents, or TW_ERR_MEMORY, or what emit returned.
 * Threads  one scratch and one tree are used by one thread at a time
 * Cost     no allocation once scratch is as large as a document; 4 us for a span with eight tags. */
int tw__xray_enc(const struct tw__xray_options *options, struct tw__xray_node *top, struct tw__buf *scratch,
                 int (*emit)(void *arg, const struct tw__xray_doc *doc), void *arg);

/* Whether the span is a segment: a root, or the server's side of a call. */
bool tw__xray_is_segment(const struct tw_record *record);

#endif
