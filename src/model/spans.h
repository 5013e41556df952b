/* spans: the batch of the collector: spans from any door on their way to the store, and from the store to whoever
 * asked.
 *
 *     struct tw__spans spans = {0};
 *     uint32_t resource = tw__spans_add_resource(&spans, &sender);       whose spans follow
 *     struct tw__span *span = tw__spans_add(&spans, resource, 0);
 *     if (!span) goto no_memory;
 *     span->name = name;                                                borrowed; see below
 *     ...
 *     tw__spans_reset(&spans);
 *
 * One type for all doors and all readers. Nothing is corrected here: times are what the sender said, in ns; zero
 * durations and ends before begins stay; ids may be zero. Several parents: parent_id is the tree parent, further causes
 * are links; a link into the span's own trace is as much a cause as the parent is.
 *
 * Owns: its spans; everything else is in the pool, or borrowed from the bytes that a door decoded: those must live
 * until the reset. Arrays may be shared by several spans. A value is not changed once it is in the batch, except by the
 * redaction between decoding and storing, which puts other texts in place.
 */
#ifndef TW_MODEL_SPANS_H
#define TW_MODEL_SPANS_H

#include <trackway/read.h>

#include "base/pool.h"

/* An instant in a span: event, mark, message, log. */
struct tw__span_event {
    uint64_t time_ns;
    struct tw_text name;
    const struct tw_tag_value *tags;
    uint32_t tag_count, dropped_tags;
    enum tw_record_kind kind; /* TW_RECORD_EVENT and what else is no span */
};

struct tw__span_link {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint32_t flags;
    struct tw_text trace_state;
    const struct tw_tag_value *tags;
    uint32_t tag_count, dropped_tags;
};

struct tw__span {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t parent_id[8]; /* zero: root */
    uint64_t start_ns;    /* CLOCK_REALTIME ns */
    uint64_t end_ns;      /* with open: 0, or the last that is known of its process, which died */
    struct tw_text name;
    struct tw_text status_message, trace_state;
    const struct tw_tag_value *tags;
    const struct tw__span_event *events;
    const struct tw__span_link *links;
    uint32_t tag_count, event_count, link_count;
    uint32_t dropped_tags, dropped_events, dropped_links; /* by the sender */
    uint32_t resource, scope;                             /* indexes into the batch */
    uint32_t flags; /* OpenTelemetry's: W3C flags in the low 8 bits, 256 and 512: parent remote */
    uint8_t kind;   /* enum tw_span_kind, or TW__KIND_UNSPECIFIED */
    uint8_t status; /* enum tw_status */
    uint8_t door;   /* enum tw__door */
    bool open;      /* in progress, or was when its process died */
};

enum { TW__KIND_UNSPECIFIED = 255 };

/* The tags of a span that was open when its process died, for those to whom OTLP tells no end beside open; and the last
 * that is known of that process. */
#define TW__OPEN_AT_DEATH "trackway.open_at_death"
#define TW__LAST_KNOWN    "trackway.last_known_ns"

/* Where spans came in. Number and name, once: counters, --json and docs follow. Numbers are stored and never change. */
#define TW__DOOR_TABLE(X)                                                                                              \
    X(NONE, 0, "none")                                                                                                 \
    X(SEGMENT, 1, "segment") /* of this host's processes */                                                            \
    X(OTLP_HTTP, 2, "otlp-http")                                                                                       \
    X(OTLP_GRPC, 3, "otlp-grpc")                                                                                       \
    X(FDB, 4, "fdb")                                                                                                   \
    X(XRAY, 5, "xray")                                                                                                 \
    X(ZIPKIN, 6, "zipkin")                                                                                             \
    X(JSON, 7, "json")                                                                                                 \
    X(IMPORT, 8, "import")
enum tw__door {
#define TW__DOOR_ENUM(name, number, text) TW__DOOR_##name = (number),
    TW__DOOR_TABLE(TW__DOOR_ENUM)
#undef TW__DOOR_ENUM
        TW__DOOR_COUNT
};
const char *tw__door_name(enum tw__door door);

/* Who sent spans: a process, mostly. service: the tag service.name, or empty. */
struct tw__resource {
    struct tw_text service;
    const struct tw_tag_value *tags;
    uint32_t tag_count, dropped_tags;
    struct tw_text schema_url;
};

/* What made spans: an instrumentation library. */
struct tw__scope {
    struct tw_text name, version;
    const struct tw_tag_value *tags;
    uint32_t tag_count, dropped_tags;
    struct tw_text schema_url;
};

/* Zeroed is empty and ready. Items move while a batch grows: hold indexes, not pointers. */
struct tw__spans {
    struct tw__pool pool;
    struct tw__span *items;
    size_t count, cap;
    struct tw__resource *resources;
    size_t resource_count, resource_cap;
    struct tw__scope *scopes; /* scope 0 is the empty one */
    size_t scope_count, scope_cap;
};

/* Adds a zeroed span of the resource and scope. NULL: no memory, or the pool's limit. */
struct tw__span *tw__spans_add(struct tw__spans *spans, uint32_t resource, uint32_t scope);

/* Adds a resource or scope, borrowed; finds service.name among the tags. UINT32_MAX: no memory. */
uint32_t tw__spans_add_resource(struct tw__spans *spans, const struct tw__resource *resource);
uint32_t tw__spans_add_scope(struct tw__spans *spans, const struct tw__scope *scope);

/* Empty again, the memory kept. */
void tw__spans_reset(struct tw__spans *spans);
void tw__spans_fini(struct tw__spans *spans);

/* The last tag of a key; NULL: none. */
const struct tw_tag_value *tw__tag_find(const struct tw_tag_value *tags, size_t count, const char *key);

/* End minus begin; 0 when the end lies before the begin, or the span is open. */
static inline uint64_t tw__span_duration_ns(const struct tw__span *span)
{
    return span->open || span->end_ns < span->start_ns ? 0 : span->end_ns - span->start_ns;
}

/* Until when it is known to have lasted: one in progress until now_ns, unless its process died. Never before its
 * begin. */
static inline uint64_t tw__span_until_ns(const struct tw__span *span, uint64_t now_ns)
{
    uint64_t until_ns = span->open && span->end_ns == 0 ? now_ns : span->end_ns;
    return until_ns > span->start_ns ? until_ns : span->start_ns;
}

#endif
