/* xray_dec: X-Ray's documents, read: one datagram, or one document without the line before it, with everything inside
 * it.
 *
 *     struct tw__xray_found found;
 *     if (tw__xray_dec_datagram(&spans, bytes, len, service_of_sender, &found) < 0) drop(found.why, found.error_at);
 *
 * A segment or subsegment is a span; subsegments inside it are its children. The other way round of wire/xray.h:
 *
 *     kind        of a segment SERVER, when it has a parent or says what was requested, else INTERNAL; of a subsegment
 *                 CLIENT in the namespaces remote and aws, else INTERNAL
 *     status      ERROR when error, fault or throttle is true; each that is true stands as a tag, too
 *     cause       exceptions are events named exception, at the span's end; the first message is the status message
 *     http, sql,  tags with OpenTelemetry's names; members of aws that have none as aws.NAME
 *     aws, user
 *     annotations tags
 *     metadata    tags: of the namespace "default" under their names, others as aws.xray.metadata.NAMESPACE.NAME; lists
 *                 and objects as JSON text. Our own namespace "trackway" is events and links again
 *     sender      service.name is the name of the segment, of our own exporter that of its service; origin, service and
 *                 aws of a segment are attributes of the resource. A subsegment by itself does not say whose it is
 *     links,      links; precursors into the same trace
 *     precursor_ids
 *
 * Source   AWS X-Ray developer guide, "segment documents"; what both SDKs write.
 */
#ifndef TW_WIRE_XRAY_DEC_H
#define TW_WIRE_XRAY_DEC_H

#include "model/spans.h"

enum { TW__XRAY_DEPTH_MAX = 48, TW__XRAY_TAGS_MAX = 1024, TW__XRAY_PARTS_MAX = 1024, TW__XRAY_FRAMES_MAX = 256 };

struct tw__xray_found {
    struct tw_text segment; /* whose it is, when it said so: for subsegments of the same sender. As long as the batch */
    uint32_t left_out;      /* subsegments without an id; their children are their parent's */
    const char *why;        /* of an error */
    size_t error_at;        /* byte of the document */
};

/* Adds the spans of one document. Borrows bytes until the batch is reset. service: whose subsegments by themselves are.
 * Returns  0, TW_ERR_SYNTAX (no such document), TW_ERR_SPACE (deeper or longer than the limits), TW_ERR_MEMORY: then
 *          nothing is added. */
int tw__xray_dec(struct tw__spans *spans, const void *bytes, size_t len, struct tw_text service,
                 struct tw__xray_found *found);
/* The same behind the line {"format":"json","version":1}. */
int tw__xray_dec_datagram(struct tw__spans *spans, const void *bytes, size_t len, struct tw_text service,
                          struct tw__xray_found *found);

#endif
