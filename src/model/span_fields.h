/* span_fields: spans as filters see them: which names mean what.
 *
 *     struct tw__filter *filter;
 *     static const char text[] = "status=error duration>200ms http.status_code>=500";
 *     tw__filter_compile(text, sizeof text - 1, &tw__span_schema, &filter, &refusal);
 *     struct tw__span_view view;
 *     tw__span_view_record(&view, record, process);
 *     if (tw__filter_match(filter, tw__span_field, &view)) ...
 *
 * A name of the table below is that field; resource.KEY is an attribute of the process, scope.KEY of what made the
 * span; event.KEY is a tag of one of its events, link.KEY of one of its links, of which there may be several; tag.KEY,
 * and every other name, is a tag of the span. docs/filter.md lists the fields for people. */
#ifndef TW_MODEL_SPAN_FIELDS_H
#define TW_MODEL_SPAN_FIELDS_H

#include "filter/filter.h"
#include "model/batch.h"
#include "model/spans.h"

/* Number, name, what it holds. Ids that spans have under two names stand twice. */
#define TW__SPAN_FIELD_TABLE(X)                                                                                        \
    X(SERVICE, "service", TEXT)                                                                                        \
    X(NAME, "name", TEXT)                                                                                              \
    X(STATUS, "status", ANYTHING)                                                                                      \
    X(STATUS_MESSAGE, "status.message", TEXT)                                                                          \
    X(KIND, "kind", ANYTHING)                                                                                          \
    X(DURATION, "duration", DURATION)                                                                                  \
    X(TRACE_DURATION, "trace.duration", DURATION)                                                                      \
    X(TRACE_NAME, "trace.name", TEXT)                                                                                  \
    X(TRACE_SERVICE, "trace.service", TEXT)                                                                            \
    X(TRACE_SPANS, "trace.spans", ANYTHING)                                                                            \
    X(TRACE_ERRORS, "trace.errors", ANYTHING)                                                                          \
    X(TRACE_ID, "trace_id", TRACE_ID)                                                                                  \
    X(SPAN_ID, "span_id", TEXT)                                                                                        \
    X(PARENT_ID, "parent_id", TEXT)                                                                                    \
    X(ROOT, "root", ANYTHING)                                                                                          \
    X(OPEN, "open", ANYTHING)                                                                                          \
    X(RECORD, "record", ANYTHING)                                                                                      \
    X(LEVEL, "level", ANYTHING)                                                                                        \
    X(HOST, "host", TEXT)                                                                                              \
    X(PID, "pid", ANYTHING)                                                                                            \
    X(TID, "tid", ANYTHING)                                                                                            \
    X(THREAD, "thread", TEXT)                                                                                          \
    X(MODULE, "module", TEXT)                                                                                          \
    X(FUNCTION, "function", TEXT)                                                                                      \
    X(LINE, "line", ANYTHING)                                                                                          \
    X(SCOPE, "scope", TEXT)                                                                                            \
    X(SCOPE_VERSION, "scope_version", TEXT)                                                                            \
    X(EVENT, "event", TEXT)                                                                                            \
    X(EVENT_TIME, "event_time", DURATION)                                                                              \
    X(LINK_TRACE_ID, "link_trace_id", TRACE_ID)                                                                        \
    X(LINK_SPAN_ID, "link_span_id", TEXT)

enum tw__span_field_id {
    TW__SPAN_TAG,
    TW__SPAN_TAG_PREFIXED, /* tag.KEY */
    TW__SPAN_RESOURCE,     /* resource.KEY */
    TW__SPAN_SCOPE_TAG,    /* scope.KEY */
    TW__SPAN_EVENT_TAG,    /* event.KEY */
    TW__SPAN_LINK_TAG,     /* link.KEY */
#define TW__SPAN_FIELD_ENUM(id, name, holds) TW__SPAN_##id,
    TW__SPAN_FIELD_TABLE(TW__SPAN_FIELD_ENUM)
#undef TW__SPAN_FIELD_ENUM
        TW__SPAN_FIELD_COUNT
};

extern const struct tw__filter_schema tw__span_schema;

/* The names of the table, one after the other, for completion and help; NULL at the end. */
const char *tw__span_field_name(size_t index);

/* What is known of the trace that a span belongs to. */
struct tw__trace_view {
    uint64_t duration_ns, spans, errors;
    struct tw_text name, service; /* of its root */
};

/* One span, or another record; borrowed. Is not copied. */
struct tw__span_view {
    struct tw_text name, service, status_message, host, thread, module, function, scope;
    const struct tw_tag_value *tags, *resource_tags;
    size_t tag_count, resource_tag_count;
    uint64_t duration_ns;
    const struct tw__trace_view *trace; /* NULL: trace.* is absent */
    uint32_t pid, tid, line;            /* 0: absent */
    uint8_t kind, status, level;        /* level: above 7 for none */
    bool is_span, root, open;
    const struct tw__span *span;     /* for its events and links; NULL: they are absent */
    const struct tw__scope *made_by; /* NULL: its version and tags are absent */
    const char *record;              /* span, event, log ... for those who look at all records; NULL: absent */
    char trace_id[32], span_id[16], parent_id[16]; /* digits */
    bool has_trace, has_span, has_parent;
    char link_digits[32], *digits; /* of the link that was asked for last; digits points into this view */
};

/* Sets a view up. trace and record are set by the caller, who knows them.
 * Of an open span the duration is until end_ns, as in the batch. */
void tw__span_view_record(struct tw__span_view *view, const struct tw_record *record, const struct tw_process *process,
                          uint64_t end_ns);
void tw__span_view_span(struct tw__span_view *view, const struct tw__spans *spans, const struct tw__span *span);

/* The value of a tag; false: it has none. Borrowed. */
bool tw__tag_field(const struct tw_tag_value *tag, struct tw__field *out);

/* Which tag, of the span or of its resource, answers a field of spans from the store; false: none is needed. So that a
 * reader of columns can leave the others undecoded. The text is borrowed from the key, or static. */
bool tw__span_field_tag(const struct tw__field_key *key, struct tw_text *tag);

/* A tw__field_get for keys that tw__span_schema resolved. Of a tag that is there twice the last one counts. */
bool tw__span_field(const void *view, const struct tw__field_key *key, struct tw__field *out);

#endif
