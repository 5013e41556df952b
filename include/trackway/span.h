#ifndef TRACKWAY_SPAN_H
#define TRACKWAY_SPAN_H

/* Spans, tags, events and messages: what an application calls while it works.
 *
 *     void handle(request *r) {
 *         tw_span span = tw_span_begin("GET /cart");      child of the current span; current until it ends
 *         tw_tag(span, "user.id", r->user_id);            one name for every type
 *         if (load_cart(r) < 0) tw_span_fail(span, "cart not found");
 *         tw_span_end(span);
 *     }
 *
 * Nothing here can fail, block, allocate or print. What cannot be kept is counted (tw_recorder_stats). A handle that is
 * zero, ended, stale or from before a fork is harmless everywhere and counted.
 *
 * Threads  Any thread may begin spans; each has its own current span. One span may be used from one thread at a time;
 *          it may end on another thread than it began on. Everything here is [async-signal-safe] once the thread has
 *          recorded anything, except where said.
 * Cost     begin and end together: two clock reads and about 40 instructions each side; a tag: about 15 instructions.
 *          No lock, allocation or system call after a thread's first record.
 * Strings  UTF-8, NUL-terminated unless a length is given, copied before the call returns. Beyond TW_TEXT_MAX bytes
 *          they are cut, flagged and counted (stats.cut_long).
 */

#include <trackway/context.h>
#ifdef __cplusplus
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast" /* C's are all there are in what both languages read */
#endif
#include <trackway/tag.h>
#ifdef __cplusplus
#pragma GCC diagnostic pop
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TW_TEXT_MAX = 4000, /* bytes of one string or byte tag */
    TW_NAME_MAX = 255   /* bytes of a name or key */
};

#ifdef __cplusplus
#define TW_SPAN_NONE (tw_span{nullptr, 0})
#define TW__NULL     nullptr
#else
#define TW_SPAN_NONE ((tw_span){NULL, 0})
#define TW__NULL     NULL
#endif

enum tw_span_kind { TW_KIND_INTERNAL = 0, TW_KIND_SERVER, TW_KIND_CLIENT, TW_KIND_PRODUCER, TW_KIND_CONSUMER };
enum tw_status { TW_STATUS_UNSET = 0, TW_STATUS_OK, TW_STATUS_ERROR };

/* A place in the source. Made by the macros below, one static object each; registered on first use. */
struct tw_site {
    uint64_t head; /* 0 until registered */
    const char *name, *module, *function;
    uint32_t line;
    uint8_t type, level;
    uint16_t reserved;
};

#ifndef TW_MODULE
/* The file's base name without its suffix becomes the module; define it before the include. */
#define TW_MODULE __FILE__
#endif

/* 0 when recording is off. Read by the macros: a disabled site costs this load and one branch. */
extern uint32_t tw__gate;
#define TW__ON() __atomic_load_n(&tw__gate, __ATOMIC_RELAXED)
#define TW__OFF 1 /* id of a handle that is none because recording was off; of no span */

enum tw_sample { TW_SAMPLE_BY_RATE = 0, TW_SAMPLE_ON, TW_SAMPLE_OFF, TW_SAMPLE_UNDECIDED };

struct tw_span_options {
    const struct tw_context *parents; /* NULL and 0: the current span, or a root when there is none */
    size_t parent_count;              /* any number; the first is the tree parent, the others are equal causes. The
                                       * span is sampled when one of them is */
    bool root;                        /* begin a new trace whatever is current */
    bool detached;                    /* do not make it the current span of this thread */
    enum tw_span_kind kind;
    uint64_t start_ns;       /* CLOCK_REALTIME ns since the epoch; 0: now */
    const char *name;        /* replaces the site's name; for names known only at run time */
    const uint8_t *trace_id; /* 16 bytes: own trace id of a root */
    enum tw_sample sample;   /* of a root: whether its trace is exported; children follow their parent. UNDECIDED: a
                              * parent from elsewhere that leaves the decision to us (TW_SAMPLING_UNDECIDED) */
};

#define TW__PASTE2(a, b) a##b
#define TW__PASTE(a, b) TW__PASTE2(a, b)
#define TW__LIKELY(x) __builtin_expect(!!(x), 1)
#define TW__SITE(var, type_, name_)                                                                                    \
    static struct tw_site var = {0, "" name_, TW_MODULE, __func__, __LINE__, (type_), 0, 0}
#define TW__SPAN(var, name, call)                                                                                      \
    __extension__({                                                                                                    \
        TW__SITE(var, 1, name);                                                                                        \
        tw_span TW__PASTE(var, _h) = {TW__NULL, TW__OFF};                                                              \
        if (TW__ON()) TW__PASTE(var, _h) = call;                                                                       \
        TW__PASTE(var, _h);                                                                                            \
    })
#define TW__SPAN_PLAIN(var, name) TW__SPAN(var, name, tw__span_begin(&var))
/* Arguments that may be compound literals, whose commas a macro takes for its own, come last and as __VA_ARGS__. */
#define TW__SPAN_WITH(var, name, ...) TW__SPAN(var, name, tw__span_begin_with(&var, __VA_ARGS__))
#define TW__SPAN_LAP(var, span, name) TW__SPAN(var, name, tw__span_lap(span, &var))
#define TW__SPAN_UNDER(var, name, ...) TW__SPAN(var, name, tw__span_begin_under(&var, __VA_ARGS__, 1))
#define TW__SPAN_JOIN(var, name, ...) TW__SPAN(var, name, tw__span_begin_under(&var, __VA_ARGS__))
#define TW__SPAN_ROOT(var, name) TW__SPAN(var, name, tw__span_begin_root(&var))
#define TW__NEW(prefix) TW__PASTE(prefix, __COUNTER__)

/* Begin a span and make it current on this thread. name is a string literal.
 * tw_span_begin          child of the current span, or a root when the thread is in no trace
 * tw_span_begin_root     first span of a new trace
 * tw_span_begin_under    child of a given context (const struct tw_context *); NULL or invalid: a root
 * tw_span_begin_joined   several parents (array, count); the first is the tree parent, invalid ones are skipped. The
 *                        span is exported when the trace of one of them is
 * tw_span_begin_with     everything else (const struct tw_span_options *)
 * tw_span_begin_named    as tw_span_begin, with a name known at run time */
#define tw_span_begin(name) TW__SPAN_PLAIN(TW__NEW(tw__site_), name)
#define tw_span_begin_root(name) TW__SPAN_ROOT(TW__NEW(tw__site_), name)
#define tw_span_begin_under(name, ...) TW__SPAN_UNDER(TW__NEW(tw__site_), name, __VA_ARGS__)
#define tw_span_begin_joined(name, ...) TW__SPAN_JOIN(TW__NEW(tw__site_), name, __VA_ARGS__)
#define tw_span_begin_with(name, ...) TW__SPAN_WITH(TW__NEW(tw__site_), name, __VA_ARGS__)
#define tw_span_begin_named(text) TW__SPAN(tw__site_named, "?", tw__span_begin_named(&tw__site_named, text))

/* Ends span and begins the next one with one clock read: same parent, same depth. For phases in a row.
 * Returns  the next span; none if span was none or ended. */
#define tw_span_lap(span, name) TW__SPAN_LAP(TW__NEW(tw__site_), span, name)

/* Declares a span variable that ends when the block is left, by any way but longjmp.
 *     TW_SCOPE(span, "parse");  */
#define TW_SCOPE(var, name) tw_span var __attribute__((cleanup(tw__scope_end), unused)) = tw_span_begin(name)

/* Ends a span: writes its record. The span below it in this thread becomes current again.
 * Ending twice, in another order than begun, or on another thread is allowed. */
TW__DIRECT void tw_span_end(tw_span span);
/* The same with an own end time, CLOCK_REALTIME ns. An end before the begin is kept as it is and flagged. */
void tw_span_end_at(tw_span span, uint64_t end_ns);

/* This thread's innermost open span; none if it is in no trace or in a context attached from elsewhere, or in a signal
 * handler that has interrupted a call of this library (what the handler begins is a child of that span all the
 * same). */
tw_span tw_span_current(void);
/* The context to hand on. Returns false and zeroes *out for a handle that is none or ended. */
bool tw_span_context(tw_span span, struct tw_context *out);
bool tw_span_is_open(tw_span span);

void tw_span_rename(tw_span span, const char *name);
void tw_span_set_kind(tw_span span, enum tw_span_kind kind);
/* message may be NULL. The last call wins. */
void tw_span_set_status(tw_span span, enum tw_status status, const char *message);
/* tw_span_set_status with TW_STATUS_ERROR. */
void tw_span_fail(tw_span span, const char *message);
/* Adds a further cause to an open span, which stays in its trace, exported or not. */
void tw_span_add_parent(tw_span span, const struct tw_context *context);

/* Tags an open span. key is a string literal; value is an integer of any kind, bool, float, double, or a string.
 *     tw_tag(span, "http.status_code", 200);
 * In C++ also std::string and std::string_view.
 * (In C before C23 the words true and false are ints; a variable or a comparison cast to bool is a bool.)
 * tw_tag_bytes and tw_tag_strn take a pointer and a length. A key set twice: the reader shows the last. */
#define tw_tag(span, key, value) TW__TAG(TW__NEW(tw__key_), span, key, value)
#define tw_tag_strn(span, key, text, len) TW__TAG_N(TW__NEW(tw__key_), tw__tag_strn, span, key, text, len)
#define tw_tag_bytes(span, key, data, len) TW__TAG_N(TW__NEW(tw__key_), tw__tag_bytes, span, key, data, len)

/* The same with keys known at run time; key is looked up by content (about 20 ns more). For bindings. */
void tw_span_set_int(tw_span span, const char *key, int64_t value);
void tw_span_set_uint(tw_span span, const char *key, uint64_t value);
void tw_span_set_double(tw_span span, const char *key, double value);
void tw_span_set_bool(tw_span span, const char *key, bool value);
void tw_span_set_str(tw_span span, const char *key, const char *value);
void tw_span_set_strn(tw_span span, const char *key, const char *value, size_t len);
void tw_span_set_bytes(tw_span span, const char *key, const void *data, size_t len);

/* Attributes of an event: a plain value. Build it with TW_ATTR(key, value); strings are borrowed until the call
 * returns. */
enum tw_type {
    TW_TYPE_NONE = 0,
    TW_TYPE_INT,
    TW_TYPE_UINT,
    TW_TYPE_DOUBLE,
    TW_TYPE_BOOL,
    TW_TYPE_STR,
    TW_TYPE_BYTES,
    TW_TYPE_JSON /* a list or map, as JSON text: from other tracers, and in calls; spans of this library have none */
};
struct tw_attr {
    const char *key;
    enum tw_type type;
    uint32_t len; /* of STR and BYTES */
    union {
        int64_t i;
        uint64_t u;
        double d;
        const void *p;
    } value;
};

/* An instant in the current span of this thread, or in a given one. name is a string literal.
 *     tw_event("cache.miss");
 *     tw_event_tags("retry", TW_ATTR("attempt", 2), TW_ATTR("host", host));
 * tw_span_event_with takes an array and a time (CLOCK_REALTIME ns; 0: now).
 * Outside of any trace an event is recorded without a trace id. */
#define tw_event(name) TW__EVENT_HERE(TW__NEW(tw__site_), name)
#define tw_event_tags(name, ...) TW__EVENT_TAGS(TW__NEW(tw__site_), name, tw_span_current_or_context(), __VA_ARGS__)
#define tw_span_event(span, name) TW__EVENT(TW__NEW(tw__site_), name, span, 0, 0, 0)
#define tw_span_event_tags(span, name, ...) TW__EVENT_TAGS(TW__NEW(tw__site_), name, span, __VA_ARGS__)
#define tw_span_event_with(span, name, ...) TW__EVENT(TW__NEW(tw__site_), name, span, __VA_ARGS__)

/* Messages: something handed between threads, processes, queues or sockets. Recorded under the trace of the sender, on
 * both sides, with the same message id, so that a reader can draw who sent what to whom and see what never arrived. */
struct tw_message {
    const char *peer;  /* whom it goes to, or comes from: a queue, a thread, host:port; NULL unknown */
    uint64_t id;       /* 0: one is made (send), or the envelope's is used (receive) */
    uint64_t size;     /* bytes of the message */
    const void *bytes; /* its first bytes, kept only if payloads were switched on (tw_config.payload_max) */
    size_t byte_count;
};
/* What travels inside the message: copy it as bytes, or use its traceparent. Host byte order: for messages within a
 * host. */
struct tw_envelope {
    struct tw_context context;
    uint8_t reserved[7];
    uint64_t message_id;
};

/* Records a send in the current context. Returns the message id (never 0 while recording; 0 when off). */
uint64_t tw_message_send(const struct tw_message *message);
/* Records a receive. sender NULL: labelled with the current context. */
void tw_message_receive(const struct tw_message *message, const struct tw_context *sender);
/* Send and fill the envelope to put inside the message. */
void tw_message_carry(const struct tw_message *message, struct tw_envelope *out);
/* Receive under the envelope's trace and make it current here; envelope NULL: the message had none, so no trace is.
 * Detach when the message has been dealt with. */
tw_attach tw_message_adopt(const struct tw_message *message, const struct tw_envelope *envelope);

/* pthread_create that hands the current context to the new thread and records its creation and exit.
 * Shape    thread is a pthread_t *, attr a const pthread_attr_t * or NULL (typed void so that this header needs no
 *          others).
 * Returns  what pthread_create returns. Allocates 64 bytes. Not async-signal-safe. */
int tw_thread_create(void *thread, const void *attr, void *(*start)(void *), void *arg);

/* Below: what the macros expand to. Not for direct use. */

TW__DIRECT tw_span tw__span_begin(struct tw_site *site);
tw_span tw__span_begin_root(struct tw_site *site);
tw_span tw__span_begin_under(struct tw_site *site, const struct tw_context *parents, size_t count);
tw_span tw__span_begin_with(struct tw_site *site, const struct tw_span_options *options);
tw_span tw__span_begin_named(struct tw_site *site, const char *name);
TW__DIRECT tw_span tw__span_lap(tw_span span, struct tw_site *site);
TW__DIRECT void tw__tag_text(tw_span span, struct tw_key *key, const char *text);
void tw__tag_strn(tw_span span, struct tw_key *key, const char *text, size_t len);
void tw__tag_bytes(tw_span span, struct tw_key *key, const void *data, size_t len);
TW__DIRECT void tw__event_here(struct tw_site *site);
TW__DIRECT void tw__event(tw_span span, struct tw_site *site, const struct tw_attr *attrs, size_t count,
                          uint64_t time_ns);
/* The current span, or a handle of the attached context that only the event calls understand. */
tw_span tw_span_current_or_context(void);

/* A handle that is none is counted by the callee, but not one that was begun while recording was off: of that the
 * compiler knows it behind the begin, so that a span asks once whether recording is on. */
TW__INLINE __attribute__((always_inline)) void tw__span_end(tw_span span)
{
    if (span.slot || (span.id != TW__OFF && TW__ON())) (tw_span_end)(span);
}
#define tw_span_end(span) tw__span_end(span)

TW__INLINE void tw__scope_end(tw_span *span)
{
    tw__span_end(*span);
}

struct tw_attr tw_attr_int(const char *key, int64_t value);
struct tw_attr tw_attr_uint(const char *key, uint64_t value);
struct tw_attr tw_attr_double(const char *key, double value);
struct tw_attr tw_attr_bool(const char *key, bool value);
struct tw_attr tw_attr_str(const char *key, const char *value);
struct tw_attr tw_attr_bytes(const char *key, const void *data, size_t len);

#define TW__KEY(var, name_) static struct tw_key var = {0, TW__KEY_NEW, "" name_, TW__NULL, 0}
/* The test for none stands here and not in the callee: the compiler makes it once for all tags of a span. */
#define TW__TAG(var, span, key, value)                                                  \
    do {                                                                                \
        TW__KEY(var, key);                                                              \
        const tw_span TW__PASTE(var, _s) = (span);                                      \
        if (TW__LIKELY(TW__PASTE(var, _s).slot)) TW__TAG_OF(value)(TW__PASTE(var, _s), &var, value); \
    } while (0)
#define TW__TAG_N(var, call, span, key, data, len)                                      \
    do {                                                                                \
        TW__KEY(var, key);                                                              \
        const tw_span TW__PASTE(var, _s) = (span);                                      \
        if (TW__LIKELY(TW__PASTE(var, _s).slot)) call(TW__PASTE(var, _s), &var, data, len); \
    } while (0)
#define TW__EVENT_HERE(var, name)                                                       \
    do {                                                                                \
        TW__SITE(var, 2, name);                                                         \
        if (TW__ON()) tw__event_here(&var);                                 \
    } while (0)
#define TW__EVENT(var, name, span, ...)                                                 \
    do {                                                                                \
        TW__SITE(var, 2, name);                                                         \
        if (TW__ON()) tw__event(span, &var, __VA_ARGS__);                   \
    } while (0)
#define TW__EVENT_TAGS(var, name, span, ...)                                            \
    do {                                                                                \
        TW__SITE(var, 2, name);                                                         \
        if (TW__ON()) {                                                                 \
            const struct tw_attr TW__PASTE(var, _a)[] = {__VA_ARGS__};                  \
            tw__event(span, &var, TW__PASTE(var, _a), sizeof TW__PASTE(var, _a) / sizeof(struct tw_attr), 0); \
        }                                                                               \
    } while (0)

#ifdef __cplusplus
}

#define TW__TAG_OF(value) tw__tag_any
/* clang-format off */
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, bool v) { tw__tag_bool(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, char v) { tw__tag_int(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, signed char v) { tw__tag_int(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, short v) { tw__tag_int(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, int v) { tw__tag_int(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, long v) { tw__tag_int64(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, long long v) { tw__tag_int64(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, unsigned char v) { tw__tag_uint(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, unsigned short v) { tw__tag_uint(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, unsigned v) { tw__tag_uint(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, unsigned long v) { tw__tag_uint64(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, unsigned long long v) { tw__tag_uint64(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, float v) { tw__tag_double(s, k, double{v}); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, double v) { tw__tag_double(s, k, v); }
TW__INLINE void tw__tag_any(tw_span s, struct tw_key *k, const char *v) { tw__tag_text(s, k, v); }
/* What has data() and size(): std::string, std::string_view. */
template <class T>
TW__INLINE auto tw__tag_any(tw_span s, struct tw_key *k, const T &v)
    -> decltype(static_cast<const char *>(v.data()), static_cast<void>(v.size()))
{
    tw__tag_strn(s, k, v.data(), v.size());
}

#define TW_ATTR(key, value) tw__attr_any(key, value)
TW__INLINE struct tw_attr tw__attr_any(const char *k, bool v) { return tw_attr_bool(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, char v) { return tw_attr_int(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, signed char v) { return tw_attr_int(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, short v) { return tw_attr_int(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, int v) { return tw_attr_int(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, long v) { return tw_attr_int(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, long long v) { return tw_attr_int(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, unsigned char v) { return tw_attr_uint(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, unsigned short v) { return tw_attr_uint(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, unsigned v) { return tw_attr_uint(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, unsigned long v) { return tw_attr_uint(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, unsigned long long v) { return tw_attr_uint(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, float v) { return tw_attr_double(k, double{v}); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, double v) { return tw_attr_double(k, v); }
TW__INLINE struct tw_attr tw__attr_any(const char *k, const char *v) { return tw_attr_str(k, v); }
template <class T>
TW__INLINE auto tw__attr_any(const char *k, const T &v)
    -> decltype(static_cast<const char *>(v.data()), static_cast<void>(v.size()), tw_attr())
{
    struct tw_attr attr = tw_attr_bytes(k, v.data(), v.size());
    attr.type = TW_TYPE_STR;
    return attr;
}
/* Borrowed until the call returns, by when a temporary is gone. */
template <class T>
auto tw__attr_any(const char *k, const T &&v)
    -> decltype(static_cast<const char *>(v.data()), static_cast<void>(v.size()), tw_attr()) = delete;
/* clang-format on */
#else
#define TW__BY_TYPE(value, prefix)                                                                      \
    _Generic((value), bool: prefix##bool, float: prefix##float, double: prefix##double,                 \
        char *: prefix##str(value), const char *: prefix##str(value),                                   \
        unsigned char: prefix##uint, unsigned short: prefix##uint, unsigned: prefix##uint,              \
        unsigned long: prefix##uint64, unsigned long long: prefix##uint64,                              \
        char: prefix##int, signed char: prefix##int, short: prefix##int, int: prefix##int,              \
        long: prefix##int64, long long: prefix##int64)
/* __builtin_constant_p sees a literal only here, not in a function that is given one. */
#define tw__tag_str(value) (__builtin_constant_p(TW__ONLY_TEXT(value)) ? tw__tag_literal : tw__tag_text)
/* Every branch of a _Generic is compiled: without this a float would be promoted there, with a warning. */
#define TW__ONLY_TEXT(value) _Generic((value), char *: (value), const char *: (value), default: "")
#define tw__attr_str(value) tw_attr_str
#define TW__TAG_OF(value) TW__BY_TYPE(value, tw__tag_)
#define TW_ATTR(key, value) TW__BY_TYPE(value, tw__attr_)(key, value)
#define tw__attr_bool tw_attr_bool
#define tw__attr_int tw_attr_int
#define tw__attr_int64 tw_attr_int
#define tw__attr_uint tw_attr_uint
#define tw__attr_uint64 tw_attr_uint
#define tw__attr_double tw_attr_double
TW__INLINE struct tw_attr tw__attr_float(const char *key, float value)
{
    return tw_attr_double(key, (double)value);
}
#endif
#endif
