/* fdb_dec: FoundationDB's spans, read: one datagram, one span, four layouts told apart by their first byte.
 *
 *     struct tw__fdb_found found;
 *     if (tw__fdb_dec(&spans, bytes, len, &found) < 0) drop(found.why, found.error_at);
 *
 * How one becomes a span: the other way round of wire/fdb.h. Of 7 or 8 elements the trace id is the low half, parents
 * after the first are links into the same trace; the tags span.kind, otel.status_code and otel.status_description go
 * back to where they came from. Who sent it: the resource has service.name from a tag of that name, else fdb-ROLE for
 * operations named ROLE:something as FoundationDB's are, else fdb; and server.address. Values that are not UTF-8 (raw
 * keys) become bytes.
 *
 * Counts that released versions get wrong are not believed: what follows a header is told by its tags.
 * Source   FoundationDB's documentation, Request Tracing; fdbclient/Tracing.cpp of 7.0 to 7.4 and main.
 */
#ifndef TW_WIRE_FDB_DEC_H
#define TW_WIRE_FDB_DEC_H

#include "model/spans.h"

/* What is on the wire; name for counters and people. */
#define TW__FDB_SEEN_TABLE(X)                                                                                          \
    X(A, "7 or 8 elements (7.0, 7.1)")                                                                                 \
    X(B, "14 elements (7.1, unreleased)")                                                                              \
    X(C, "12 elements, counts in threes (7.2 to 7.4)")                                                                 \
    X(D, "12 elements, valid MessagePack (main since 2026-03)")                                                        \
    X(C_OR_D, "12 elements, without links and events (7.2 and later)")
enum tw__fdb_seen {
#define TW__FDB_SEEN_ENUM(name, text) TW__FDB_SEEN_##name,
    TW__FDB_SEEN_TABLE(TW__FDB_SEEN_ENUM)
#undef TW__FDB_SEEN_ENUM
        TW__FDB_SEEN_COUNT
};
const char *tw__fdb_seen_text(enum tw__fdb_seen seen);

struct tw__fdb_found {
    enum tw__fdb_seen layout;
    bool repaired;        /* a known fault of the sender was put right: lengths of 7.0, headers of 7.2 to 7.4 */
    uint32_t off_parents; /* parents that were not sampled: they have no id and are left out */
    const char *why;      /* of an error */
    size_t error_at;      /* byte */
};

/* Adds the span of one datagram to the batch. Borrows bytes until the batch is reset.
 * Returns  0, TW_ERR_SYNTAX (nothing is added), TW_ERR_MEMORY.
 * Cost     one pass; for a span with 7.0's fault in texts of 256 bytes and more up to REPAIR_MAX passes. */
int tw__fdb_dec(struct tw__spans *spans, const void *bytes, size_t len, struct tw__fdb_found *found);

#endif
