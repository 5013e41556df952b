/* fdb: spans as FoundationDB's request tracing sends them: one MessagePack array, one datagram, one span.
 *
 * How a record becomes one; where the 7 layout has no place for something it becomes a tag:
 *
 *                  7 or 8 elements (to 7.1, as documented)       12 elements (from 7.2)
 *     source       element 0                                     attribute "address", the first
 *     trace id     the low 8 bytes                               both halves
 *     tree parent  the first of the parents                      the parent; 0: root
 *     further      parents after it, their span ids only         links
 *     name         operation                                     name
 *     times        start and duration, seconds                   begin and end, seconds
 *     kind         tag span.kind, unless internal                kind, FoundationDB's numbers
 *     status       tag otel.status_code, unless unset            status
 *       message    tag otel.status_description                   attribute otel.status_description
 *     tags         tags, values as text                          attributes, values as text
 *     events       left out                                      events; attribute trackway.kind unless plain
 *
 * Seven elements when the span has no parent, eight when it has. Texts are sent byte for byte, UTF-8 or not.
 */
#ifndef TW_WIRE_FDB_H
#define TW_WIRE_FDB_H

#include "wire/span.h"

/* The faulty ones write what released versions really send, mistakes included: to test receivers with. */
enum tw__fdb_layout {
    TW__FDB_7,         /* 7 or 8 elements */
    TW__FDB_12,        /* 12 elements, valid MessagePack: FoundationDB's main since 2026-03 */
    TW__FDB_7_FAULTY,  /* 7.0: one length byte too few for texts of 256 bytes and more; at most 15 tags */
    TW__FDB_12_FAULTY, /* 7.2 to 7.4: links and events counted in threes, no header for more than 15 attributes */
};

enum {
    TW__FDB_MAX = 65507, /* bytes that fit into one datagram of IPv4 */
    TW__FDB_LEAST = 512, /* a smaller room is refused */
};

struct tw__fdb_options {
    enum tw__fdb_layout layout;
    struct tw_text source; /* "127.0.0.1:4500", "[::1]:4500:tls" */
};

/* What had to go to make a span fit. */
struct tw__fdb_cuts {
    uint32_t texts;   /* shortened */
    uint32_t tags;    /* left out; those of events count too */
    uint32_t events;  /* left out */
    uint32_t parents; /* left out */
};

/* Writes one datagram into out. What does not fit into cap bytes is shortened, longest texts first, then left out.
 * Shape    cuts may be NULL.
 * Returns  its length, or TW_ERR_SPACE (cap is less than TW__FDB_LEAST), TW_ERR_STATE (not a finished span).
 * Threads  [any thread]
 * Cost     no allocation; 0.3 us for a span with eight tags.
 * Source   FoundationDB's documentation, Request Tracing; fdbclient/Tracing.cpp. */
int tw__fdb_enc(const struct tw__fdb_options *options, const struct tw__span_in *span, uint8_t *out, size_t cap,
                struct tw__fdb_cuts *cuts);

#endif
