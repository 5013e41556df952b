#ifndef TRACKWAY_TRACE_H
#define TRACKWAY_TRACE_H

/* Tracing as users of AWS X-Ray know it: a trace is started, parts of it are recorded wherever a thread is in it, and
 * what is called outside of a trace records nothing and says so.
 *
 *     struct tw_trace trace;
 *     tw_trace_parse_or_new(header, strlen(header), &trace);             X-Amzn-Trace-Id, or a traceparent
 *     tw_span root = tw_tracing_start(&trace, "front");
 *
 *     tw_span part;                                                      anywhere below, any number of levels
 *     if (tw_subsegment_start("load cart", &part) == TW_ERR_OUT_OF_TRACE) ...   nothing need be done
 *     tw_tag(part, "rows", 17);
 *     tw_subsegment_finish(part);
 *
 *     tw_tracing_finish(root);
 *
 * Root and parts are spans as all others: tw_tag, tw_event, tw_span_begin work on and below them. What X-Ray has a
 * place for is set by the tw_span_set_ calls below, which are tags with OpenTelemetry's names; the exporter xray puts
 * them there.
 *
 *     AwsExRay                                   here
 *     Trace.new, parse, parse_or_new             tw_trace_new, tw_trace_parse, tw_trace_parse_or_new
 *     start_tracing, finish_tracing              tw_tracing_start, tw_tracing_finish
 *     start_subsegment -> {:ok, s}               tw_subsegment_start -> 0
 *                      -> {:error, :out_of_xray}                     -> TW_ERR_OUT_OF_TRACE
 *     finish_subsegment(s), (s, end_time)        tw_subsegment_finish, tw_subsegment_finish_at
 *     subsegment(name, fun)                      TW_SUBSEGMENT(s, name): until the block ends
 *     Process.keep_tracing(pid)                  tw_tracing_keep(context), tw_tracing_keep_thread(tid),
 *                                                tw_tracing_leave
 *     generate_trace_value(s)                    tw_trace_header
 *     add_annotation, add metadata               tw_annotation, tw_metadata
 *     set_http_request, set_http_response,       tw_span_set_http_request, tw_span_set_http_response,
 *     set_sql, set_aws, set_error                tw_span_set_sql, tw_span_set_aws, tw_span_set_error
 *
 * A trace that is not sampled behaves the same, is recorded the same, and is not sent; its header says Sampled=0.
 */

#include <trackway/propagate.h>
#include <trackway/recorder.h>
#include <trackway/span.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TW_TRACE_REST_MAX = 182,  /* bytes of a header besides Root, Parent and Sampled that are kept and sent on */
    TW_TRACE_HEADER_MAX = 256 /* bytes of a header; one more for the NUL is room for any */
};

/* What a root is begun in: a plain value. Zeroed, it is a trace that gets its id when it is started. */
struct tw_trace {
    struct tw_context context; /* the trace's id; the parent's span id, zero when there is none */
    enum tw_sample sample;     /* ON, OFF: decided. BY_RATE, UNDECIDED: the sampler decides at the start */
    uint16_t rest_len;
    char rest[TW_TRACE_REST_MAX]; /* ";Lineage=..." and other fields, to be sent on */
};

/* A new trace: an id as a new root would get. */
void tw_trace_new(struct tw_trace *out);

/* Reads a trace from a header's or a job's value.
 * Shape    text is len bytes, NUL not needed.
 * Accepts  X-Amzn-Trace-Id (fields in any order and case, spaces, `;` at the end; Self is dropped, Parent may be
 *          missing), or a traceparent.
 * Returns  0, or TW_ERR_NOT_FOUND: there is no trace in it, which is counted unless it is empty; then *out is
 *          untouched.
 * Threads  [any thread] [async-signal-safe] */
int tw_trace_parse(const char *text, size_t len, struct tw_trace *out);

/* The same, and a new trace where there is none; not sampled if the text says Sampled=0 all the same. */
void tw_trace_parse_or_new(const char *text, size_t len, struct tw_trace *out);

/* Starts tracing on this thread: a root that is current until it is finished. name is a string literal, _named takes
 * any text. In a trace already, it nests: that trace goes on when this one is finished.
 * Returns  the root; none when recording is off, which every call accepts. */
#define tw_tracing_start(trace, name) TW__TRACING_START(TW__NEW(tw__site_), name, trace)
#define tw_tracing_start_named(trace, text)                                                                            \
    TW__SPAN(tw__site_named, "?", tw__tracing_start(&tw__site_named, trace, text))
TW__INLINE void tw_tracing_finish(tw_span root)
{
    if (root.slot) tw_span_end(root);
}

/* Whom a subsegment calls. NONE: it is work of this process. */
enum tw_callee { TW_CALLEE_NONE = 0, TW_CALLEE_REMOTE, TW_CALLEE_AWS };

struct tw_subsegment_options {
    enum tw_callee callee;            /* AwsExRay's namespace */
    const struct tw_context *tracing; /* in the trace of another thread: under this context, not current on this one */
    uint64_t start_ns;                /* CLOCK_REALTIME ns since the epoch; 0: now */
    const char *name;                 /* known only at run time; replaces the literal */
};

/* Starts a part of the trace that this thread is in; it is current until it is finished.
 * Shape    name is a string literal; options, a const struct tw_subsegment_options *, come last and may be a compound
 *          literal.
 * Returns  0 and the span in *span. Otherwise *span is none, which every call accepts, and nothing is recorded:
 *          TW_ERR_OUT_OF_TRACE when the thread is in no trace (or as TRACKWAY_CONTEXT_MISSING says: ignored, told once
 *          for each place in the source through the diagnostics callback, or a root is begun after all and 0 returned);
 *          TW_ERR_OFF when recording is off; TW_ERR_SPACE when there was no room (counted).
 * Cost     as tw_span_begin and a look at what is current. */
#define tw_subsegment_start(name, span) TW__SUBSEGMENT(TW__NEW(tw__site_), name, span, 0)
#define tw_subsegment_start_with(name, span, ...) TW__SUBSEGMENT(TW__NEW(tw__site_), name, span, __VA_ARGS__)
TW__INLINE void tw_subsegment_finish(tw_span span)
{
    if (span.slot) tw_span_end(span); /* out of the trace there is nothing to end, and nothing to count as a mistake */
}
/* end_ns: CLOCK_REALTIME ns. */
TW__INLINE void tw_subsegment_finish_at(tw_span span, uint64_t end_ns)
{
    if (span.slot) tw_span_end_at(span, end_ns);
}

/* Declares a subsegment that ends with the block; none, and harmless, outside of a trace. */
#define TW_SUBSEGMENT(var, name)                                                                                       \
    tw_span var __attribute__((cleanup(tw__subsegment_end), unused)) = __extension__({                                 \
        tw_span tw__part;                                                                                              \
        (void)tw_subsegment_start(name, &tw__part);                                                                    \
        tw__part;                                                                                                      \
    })

/* Keeps tracing on this thread: what is begun here is in the trace of another thread, until tw_tracing_leave.
 * tw_tracing_keep         under a context that was handed over (tw_context_current on the thread that traces)
 * tw_tracing_keep_thread  under what the thread with this id (gettid) is in at the moment
 * Returns  0, or TW_ERR_OUT_OF_TRACE (the context is none; the thread is in no trace, or there is no such thread),
 *          TW_ERR_TIMEOUT (that thread did not leave a call of this library for some ms: it is stopped), TW_ERR_OFF,
 *          TW_ERR_SPACE; then *keep is zero, which tw_tracing_leave accepts.
 * Threads  [owner thread]: leave on the thread that keeps. _thread is not for signal handlers. */
int tw_tracing_keep(const struct tw_context *tracing, tw_attach *keep);
int tw_tracing_keep_thread(int tid, tw_attach *keep);
TW__INLINE void tw_tracing_leave(tw_attach keep)
{
    tw_context_detach(keep);
}

/* The context that the thread with this id is in. Returns as tw_tracing_keep_thread. */
int tw_tracing_of_thread(int tid, struct tw_context *out);

/* The header, or the value in a job, that hands a span's trace on: "Root=...;Parent=...;Sampled=1" and what came
 * besides.
 * Shape    trace is the one that was parsed, for what came besides; NULL: nothing. text has room for cap bytes with
 *          the NUL; TW_TRACE_HEADER_MAX + 1 are always enough.
 * Returns  the length; 0 and "" for a span that is none; TW_ERR_SPACE. */
int tw_trace_header(tw_span span, const struct tw_trace *trace, char *text, size_t cap);

/* The response header for a caller that wrote `Sampled=?`: "Root=...;Sampled=1". Returns as tw_trace_header. */
int tw_trace_answer(tw_span root, char *text, size_t cap);

/* How to begin the span of a request, from what tw_extract found in it: a child of the caller's span, a root of its
 * trace, or a new one, of kind server, sampled as the caller says where he says it.
 *     int found = tw_extract(NULL, get, request, &from, &carried);
 *     struct tw_span_options options = tw_span_options_of(found, &from, &carried);
 *     tw_span span = tw_span_begin_with("POST /order", &options);
 * Shape    from is pointed to by the result: it stays until the span has begun. carried may be NULL. A decision that
 *          the caller has left to us is made when the span begins: carried->sampling becomes TW_SAMPLING_FLAG, nobody
 *          else is asked. */
struct tw_span_options tw_span_options_of(int found, const struct tw_context *from, struct tw_carried *carried);

/* An annotation: a tag that X-Ray indexes, if key is of letters, digits and `_`; else it is found in the metadata.
 * Metadata: a tag under a namespace. All arguments but value are string literals; value as for tw_tag. */
#define tw_annotation(span, key, value) tw_tag(span, key, value)
#define tw_metadata(span, space, key, value) tw_tag(span, "aws.xray.metadata." space "." key, value)

/* What follows sets tags on an open span. Fields that are NULL or "" are left out. */

struct tw_http_request {
    const char *method, *url, *user_agent, *client_ip;
    bool x_forwarded_for; /* of a root: client_ip is what a proxy said */
    bool traced;          /* of a subsegment: the called server traces too, and is to be waited for */
};
void tw_span_set_http_request(tw_span span, const struct tw_http_request *request);

/* 429 is a throttle and an error, another 4xx an error, 5xx a fault. length: bytes of the body; negative: not known. */
void tw_span_set_http_response(tw_span span, int status, int64_t length);

struct tw_sql {
    const char *url, *connection_string, *sanitized_query, *database_type, *database_version, *driver_version, *user;
    const char *preparation; /* "call" or "statement" */
};
void tw_span_set_sql(tw_span span, const struct tw_sql *sql);

struct tw_aws {
    const char *operation, *account_id, *region, *request_id, *queue_url, *table_name;
};
void tw_span_set_aws(tw_span span, const struct tw_aws *aws);

/* What went wrong: error is the caller's mistake, throttle that he calls too often, fault ours. */
struct tw_error {
    bool error, throttle, fault;
    const char *type, *message, *stack; /* the cause: an exception's type and text, and its frames, a line each */
    const char *cause_id;               /* or the id of an exception in another subsegment, 16 hex digits */
};
void tw_span_set_error(tw_span span, const struct tw_error *error);

/* Below: what the macros expand to. Not for direct use. */

tw_span tw__tracing_start(struct tw_site *site, const struct tw_trace *trace, const char *name);
int tw__subsegment_start(struct tw_site *site, tw_span *out, const struct tw_subsegment_options *options);

TW__INLINE int tw__subsegment_off(tw_span *out)
{
    *out = TW_SPAN_NONE;
    return TW_ERR_OFF;
}

TW__INLINE void tw__subsegment_end(tw_span *span)
{
    tw_subsegment_finish(*span);
}

#define TW__TRACING_START(var, name, trace) TW__SPAN(var, name, tw__tracing_start(&var, trace, 0))
#define TW__SUBSEGMENT(var, name, span, ...)                                                                           \
    __extension__({                                                                                                    \
        TW__SITE(var, 1, name);                                                                                        \
        TW__ON() ? tw__subsegment_start(&var, span, __VA_ARGS__) : tw__subsegment_off(span);                           \
    })

#ifdef __cplusplus
}
#endif
#endif
