#ifndef TRACKWAY_PROPAGATE_H
#define TRACKWAY_PROPAGATE_H

/* Propagation: a context on its way to another process and back into a program.
 *
 * Formats: W3C trace context (traceparent, tracestate), X-Ray (X-Amzn-Trace-Id), B3 (one header or several), W3C
 * baggage. Carriers: whatever has named values. Two callbacks of a few lines make one of HTTP headers, AMQP properties,
 * Kafka headers, gRPC metadata, environment variables.
 *
 *     struct tw_context ctx;
 *     static _Thread_local struct tw_carried carried;          9 KB: beside the request, not on a small stack
 *     if (tw_extract(NULL, my_get, request, &ctx, &carried) == TW_EXTRACT_PARENT) ...   server, on the way in
 *     ...
 *     tw_context_current(&ctx);
 *     tw_inject(NULL, &ctx, &carried, my_set, outgoing);                                client, on the way out
 *
 * What is malformed means "no trace", never an error, and is counted. Nothing here allocates, locks, or reads the
 * locale, the environment or the clock: [any thread] [async-signal-safe] throughout, as far as the callbacks are. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The formats. Names are those of OTEL_PROPAGATORS. Reading, b3 and b3multi are the same: one header, else several. */
#define TW_FORMAT_TABLE(X)                                                                                             \
    X(TW_FORMAT_TRACECONTEXT, 1, "tracecontext") /* traceparent, tracestate */                                         \
    X(TW_FORMAT_XRAY, 2, "xray")                 /* x-amzn-trace-id */                                                 \
    X(TW_FORMAT_B3, 3, "b3")                     /* b3 */                                                              \
    X(TW_FORMAT_B3_MULTI, 4, "b3multi")          /* x-b3-traceid, ... */                                               \
    X(TW_FORMAT_BAGGAGE, 5, "baggage")           /* baggage */

enum tw_format {
    TW_FORMAT_NONE = 0,
#define TW__FORMAT_ENUM(name, value, text) name = value,
    TW_FORMAT_TABLE(TW__FORMAT_ENUM)
#undef TW__FORMAT_ENUM
};

/* A list of formats, in order. A value; zero is the empty list. */
enum { TW_FORMATS_MAX = 5 };
struct tw_formats {
    uint8_t count;
    uint8_t list[TW_FORMATS_MAX]; /* enum tw_format, each at most once */
};

/* Reads a list such as "tracecontext,xray,b3" (OTEL_PROPAGATORS; "none" is the empty list).
 * Shape    names of either case, separated by commas, spaces around them allowed; a name given again is skipped.
 * Returns  how many names are not known (0: all understood); the others are taken. TW_ERR_SYNTAX when no name is known,
 *          the text empty included; then *out is untouched. */
int tw_formats_parse(const char *text, size_t len, struct tw_formats *out);

/* What was dropped, by cause. */
#define TW_DROP_TABLE(X)                                                                                               \
    X(traceparent, "traceparent malformed or given twice")                                                             \
    X(tracestate, "tracestate malformed, a key twice, or more than 32 members")                                        \
    X(tracestate_member, "members of tracestate left out for want of room")                                            \
    X(xray, "X-Amzn-Trace-Id malformed or given twice")                                                                \
    X(xray_field, "fields of X-Amzn-Trace-Id left out: not printable, or no room")                                     \
    X(b3, "b3 or X-B3 headers malformed or given twice")                                                               \
    X(baggage_member, "members of baggage left out: malformed, or no room")                                            \
    X(value, "trace value of a job not understood")

/* Threads  may be shared: added to by any, read by any, each word whole (relaxed). */
struct tw_drops {
#define TW__DROP_FIELD(name, text) uint64_t name;
    TW_DROP_TABLE(TW__DROP_FIELD)
#undef TW__DROP_FIELD
};

/* How to propagate. Fixed while in use. Where NULL is given for it, the default holds: read tracecontext, xray, b3,
 * baggage; write tracecontext, baggage; drops counted for the process. TRACKWAY_PROPAGATORS (else OTEL_PROPAGATORS) in
 * the environment is both lists instead, TRACKWAY_PROPAGATORS_READ and _WRITE one of them each. */
struct tw_propagation {
    struct tw_formats read;  /* the first that gives a trace wins; baggage is read besides */
    struct tw_formats write; /* all of them are written */
    struct tw_drops *drops;  /* where to count; NULL: for the process */
};

/* The default, to be changed from. */
struct tw_propagation tw_propagation_default(void);

/* Makes other lists the default of this process. NULL: that list stays as it is.
 * Threads  [any thread], also while others extract and inject: each takes the old lists or the new. */
void tw_propagation_set_default(const struct tw_formats *read, const struct tw_formats *write);

/* What has been counted for the process, in a child since the fork. Its recording has it too: trackway stats. */
void tw_propagation_drops(struct tw_drops *out);

/* What the sender said about sampling, where the sampled flag of the context cannot say it. */
enum tw_sampling {
    TW_SAMPLING_FLAG = 0,  /* the flag of the context is the decision */
    TW_SAMPLING_UNDECIDED, /* X-Ray `Sampled=?` or missing, B3 without a state: decide here, answer an X-Ray caller */
    TW_SAMPLING_DEBUG,     /* B3 debug: sampled, and past every limit */
    TW_SAMPLING_DENY,      /* B3 `0` without ids, X-Ray Sampled=0 without a valid Root: no trace, and do not sample the
                            * one that begins here */
    TW_SAMPLING_ACCEPT,    /* B3 `1` without ids: no trace, but sample the one that begins here */
};

enum {
    TW_CARRIED_TRACESTATE_MAX = 490, /* with ours in front it is 512, what the recommendation asks to carry */
    TW_CARRIED_XRAY_MAX = 182,       /* with Root, Parent and Sampled in front it is 256, X-Ray's practical limit */
    TW_CARRIED_BAGGAGE_MAX = 8192,   /* and TW_BAGGAGE_MEMBERS_MAX members: W3C Baggage, section 3.3.2 */
    TW_BAGGAGE_MEMBERS_MAX = 64,
    TW_TRACESTATE_MEMBERS_MAX = 32, /* ours included */
};

/* What came with the context and is to be sent on: others' data, kept as text that has been checked.
 * Shape    caller's storage; a plain value without pointers. Only the lengths need be zero to begin with: use
 *          tw_carried_init, or static storage. tw_extract sets all of it.
 * Caps     a tracestate loses whole members: those over 128 characters first, from the right, then the right-most.
 *          X-Ray loses its last fields; baggage the members that no longer fit. All counted.
 * Undecided  When sampling is UNDECIDED and the flag of the context is clear, tw_inject asks the next in turn
 *          (`Sampled=?`, B3 without a state). Whoever decides sets or clears the flag and sets sampling to
 *          TW_SAMPLING_FLAG. */
struct tw_carried {
    uint8_t format;   /* enum tw_format the context was read from; TW_FORMAT_NONE: none */
    uint8_t sampling; /* enum tw_sampling */
    uint8_t tracestate_count;
    uint8_t baggage_count;
    uint16_t tracestate_len;
    uint16_t xray_len;
    uint16_t baggage_len;
    uint8_t nearest[8];                         /* the nearest span of Trackway's above, from `tw=`; zero: unknown */
    char tracestate[TW_CARRIED_TRACESTATE_MAX]; /* members of other vendors, "k=v,k=v" */
    char xray[TW_CARRIED_XRAY_MAX];             /* ";Lineage=...;key=value", as to be appended */
    char baggage[TW_CARRIED_BAGGAGE_MAX + 1];   /* "k=v;p,k=v", still percent-encoded, and a NUL */
};

/* Cost     a few stores, whatever the size. */
void tw_carried_init(struct tw_carried *carried);

/* Looks up a value in a carrier.
 * Shape    name is lower case, NUL-terminated; whether the look-up minds case is up to the carrier (HTTP must not).
 *          index counts the values of that name from 0: a carrier with one value a name returns false for others. A
 *          carrier that joins repeated values with commas is as good.
 * Returns  true and *value, *len: a slice that stays valid until tw_extract returns. */
typedef bool (*tw_carrier_get)(void *carrier, const char *name, unsigned index, const char **value, size_t *len);

/* Sets a value of a carrier, in place of any before.
 * Shape    name as above; value is len bytes of printable ASCII, and a NUL after them. Valid during the call. */
typedef void (*tw_carrier_set)(void *carrier, const char *name, const char *value, size_t len);

/* What was found. */
enum tw_extract {
    TW_EXTRACT_NONE = 0,  /* no trace: *context is untouched. Begin one; carried->sampling may be DENY, ACCEPT, DEBUG */
    TW_EXTRACT_TRACE = 1, /* a trace without a parent (X-Ray without Parent): span_id is zero. Begin a root in it */
    TW_EXTRACT_PARENT = 2, /* a valid context: begin a child of it */
};

/* Reads a context out of a carrier.
 * Shape    how NULL: the default. carried NULL: what came with the context is not kept. Else it is set as a whole.
 * Returns  enum tw_extract. Never negative.
 * Accepts  traceparent as tw_traceparent_parse; tracestate only with it. X-Amzn-Trace-Id with its fields in any order
 *          and case, spaces around them, a `;` at the end; Self is dropped, fields not known are kept. B3 with 16 or 32
 *          digits. A header that is to be single and is not means no trace.
 * Cost     below 300 ns a format that is present, besides the callbacks. */
int tw_extract(const struct tw_propagation *how, tw_carrier_get get, void *carrier, struct tw_context *context,
               struct tw_carried *carried);

/* Writes a context into a carrier.
 * Shape    how NULL: the default. context NULL or without a trace id: only baggage is written; without a span id: only
 *          X-Ray (no Parent) and baggage. carried NULL: nothing is sent on. tracestate begins with our member, `tw=`.
 * Returns  how many values were set.
 * Cost     below 150 ns a format, besides the callbacks. */
int tw_inject(const struct tw_propagation *how, const struct tw_context *context, const struct tw_carried *carried,
              tw_carrier_set set, void *carrier);

/* The context as one string: a trace value in a job, a message, a row; an answer's X-Amzn-Trace-Id header.
 * Shape    format is TW_FORMAT_TRACECONTEXT (traceparent alone), TW_FORMAT_XRAY (with what was carried of X-Ray's) or
 *          TW_FORMAT_B3. text has room for cap bytes, TW_TRACE_VALUE_MAX are always enough; no NUL is written.
 * Returns  the length, or TW_ERR_RANGE (a zero id; other formats), TW_ERR_SPACE; then nothing is written. */
enum { TW_TRACE_VALUE_MAX = 256 };
int tw_trace_value_format(enum tw_format format, const struct tw_context *context, const struct tw_carried *carried,
                          char *text, size_t cap);

/* Reads what tw_trace_value_format writes, in any of the three formats, told apart by their form.
 * Returns  enum tw_extract, as tw_extract with *carried set likewise. Counted for the process when it means nothing. */
int tw_trace_value_parse(const char *text, size_t len, struct tw_context *context, struct tw_carried *carried);

/* Walks over tracestate or baggage as carried.
 * Shape    *pos is 0 at first; key and value are slices into carried; of baggage, value is still encoded and without
 *          properties.
 * Returns  false after the last. */
struct tw_member {
    const char *key;
    const char *value;
    size_t key_len;
    size_t value_len;
};
bool tw_tracestate_next(const struct tw_carried *carried, size_t *pos, struct tw_member *out);
bool tw_baggage_next(const struct tw_carried *carried, size_t *pos, struct tw_member *out);

/* A value of the baggage, percent-decoded; the last where a key is given again.
 * Shape    out has room for cap bytes; no NUL is written. What is not UTF-8 becomes U+FFFD, a `%` without two digits
 *          stays.
 * Returns  the length, or TW_ERR_NOT_FOUND, TW_ERR_SPACE; then out is unspecified up to cap. */
int tw_baggage_get(const struct tw_carried *carried, const char *key, char *out, size_t cap);

/* Sets a value of the baggage, percent-encoding it, in place of all that had the key; value NULL removes them.
 * Shape    key is an HTTP token; value is value_len bytes of UTF-8.
 *          value does not lie in carried.
 * Returns  0, or TW_ERR_SYNTAX (the key), TW_ERR_SPACE (over 8192 bytes or 64 members); then carried is as before. */
int tw_baggage_set(struct tw_carried *carried, const char *key, const char *value, size_t value_len);

/* An environment as a carrier: `TRACEPARENT`, `TRACESTATE`, `BAGGAGE`, `B3`, `X_B3_TRACEID`; X-Ray's is Lambda's
 * `_X_AMZN_TRACE_ID`.
 * Shape    carrier is a NULL-terminated array of "NAME=value", such as environ or the third argument of main. */
bool tw_carrier_get_environ(void *carrier, const char *name, unsigned index, const char **value, size_t *len);

/* The name a carrier's name has in an environment.
 * Shape    a static string, or NULL when it is none of the formats' names. */
const char *tw_carrier_environ_name(const char *name);

#ifdef __cplusplus
}
#endif
#endif
