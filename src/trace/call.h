/* call: what its parts share. */
#ifndef TW_TRACE_CALL_H
#define TW_TRACE_CALL_H

#include "redact/secrets.h"
#include "trace/call_rules.h"
#include "trace/record.h"

/* Keys of the records' tags, under the names that nameko-tracer ships. */
#define TW__CALL_KEYS(X)                                                                                               \
    X(service)                                                                                                         \
    X(entrypoint_type) X(entrypoint_name) X(context_data) X(call_id) X(call_id_stack) X(origin_call_id) X(call_args)   \
        X(call_args_redacted) X(redacted_count) X(call_args_truncated) X(call_args_length) X(response)                 \
            X(response_truncated) X(response_length) X(exception_type) X(exception_path) X(exception_args)             \
                X(exception_value) X(exception_traceback) X(exception_expected) X(response_time_ns) X(cut)

enum tw__call_key {
#define TW__CALL_KEY(name) TW__CALL_##name,
    TW__CALL_KEYS(TW__CALL_KEY)
#undef TW__CALL_KEY
        TW__CALL_KEY_COUNT
};

/* A value as it was written into somebody's memory. */
struct tw__call_text {
    const char *ptr;
    uint32_t len;
    bool truncated; /* by the rules for its entrypoint: the beginning of its display form, no JSON */
    bool counted;   /* there is such a rule: chars is its whole length */
    bool cut;       /* by want of room */
    uint64_t chars;
};

/* What tw_call.own holds. */
struct tw__call_own {
    const struct tw__call_rules *rules; /* NULL: nothing is recorded */
    uint64_t begin_ns;                  /* CLOCK_MONOTONIC */
    uint32_t hits;
    uint16_t id_len;
    bool has_parents, open, dropped;
    struct tw__call_text args, context;
    struct tw__secrets secrets;
};

/* Tags in the making. */
enum { TW__CALL_TAGS_MAX = 24 };
struct tw__call_tags {
    struct tw__block *block;
    size_t count;
    struct tw__tag_in items[TW__CALL_TAGS_MAX];
};

/* call_record.c */
void tw__call_tag_text(struct tw__call_tags *tags, enum tw__call_key key, const char *text, size_t len);
void tw__call_tag_uint(struct tw__call_tags *tags, enum tw__call_key key, uint64_t value);
void tw__call_tag_bool(struct tw__call_tags *tags, enum tw__call_key key, bool value);
/* The tags that both records have; stack has room for TW__CALL_STACK_MAX bytes and is kept until the record is written.
 */
enum { TW__CALL_STACK_MAX = TW_CALL_CHAIN_BYTES + 4 * (TW_CALL_PARENTS_MAX + 2) };
void tw__call_tags_common(struct tw__call_tags *tags, const struct tw_call *call, struct tw__call_own *own,
                          char *stack);

/* call_text.c: writes a value into out with what is sensitive replaced. headers: a JSON text is a map of headers. */
void tw__call_write(struct tw__call_own *own, const struct tw_value *value, bool response, bool truncate, bool headers,
                    char *out, size_t cap, struct tw__call_text *text);
/* A free text, and a list of values: of errors. */
void tw__call_write_text(struct tw__call_own *own, const char *value, char *out, size_t cap,
                         struct tw__call_text *text);

#endif
