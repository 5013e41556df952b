/* call: what its parts share. */
#ifndef TW_TRACE_CALL_H
#define TW_TRACE_CALL_H

#include "redact/form.h"
#include "redact/secrets.h"
#include "trace/call_rules.h"
#include "trace/record.h"

/* Keys of the records' tags, under the names that nameko-tracer ships. */
#define TW__CALL_KEYS(X)                                                                                               \
    X(service)                                                                                                         \
    X(entrypoint_type)                                                                                                 \
    X(entrypoint_name) X(context_data) X(call_id) X(call_id_stack) X(origin_call_id) X(call_args)                      \
        X(call_args_redacted) X(redacted_count) X(call_args_truncated) X(call_args_length) X(response)                 \
            X(response_truncated) X(response_length) X(exception_type) X(exception_path) X(exception_args)             \
                X(exception_value) X(exception_traceback) X(exception_expected) X(response_time_ns) X(cut)

enum tw__call_key {
#define TW__CALL_KEY(name) TW__CALL_##name,
    TW__CALL_KEYS(TW__CALL_KEY)
#undef TW__CALL_KEY
        TW__CALL_KEY_COUNT
};

/* How a value was written. */
struct tw__call_text {
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
    uint32_t common_len; /* bytes of tags in tw_call.space that both records have */
    uint16_t id_len;
    bool has_parents, open, dropped, cut;
    struct tw__secrets secrets;
};

/* Tags in the making: the bytes that a record has. */
struct tw__call_image {
    struct tw__block *block;
    uint8_t *bytes;
    size_t len, cap;
    bool full;
};

/* call_record.c. Between tw__enter and tw__leave. */
void tw__call_put_text(struct tw__call_image *image, enum tw__call_key key, const char *text, size_t len);
void tw__call_put_uint(struct tw__call_image *image, enum tw__call_key key, uint64_t value);
void tw__call_put_bool(struct tw__call_image *image, enum tw__call_key key, bool value);
/* A text that is made in place: where, and how much at most; then how much it was. */
char *tw__call_text_room(struct tw__call_image *image, size_t max, size_t *room);
void tw__call_text_done(struct tw__call_image *image, enum tw__call_key key, size_t len);
/* Whose call it is: entrypoint, id, stack. */
void tw__call_put_who(struct tw__call_image *image, const struct tw_call *call, const struct tw__call_own *own);

/* call_text.c: writes a value into out with what is sensitive replaced. */
enum tw__call_part { TW__CALL_OF_ARGS, TW__CALL_OF_CONTEXT, TW__CALL_OF_RESPONSE };
struct tw__call_text tw__call_write(struct tw__call_own *own, const struct tw_value *value, enum tw__call_part part,
                                    bool truncate, char *out, size_t cap);
/* A free text: of errors. */
struct tw__call_text tw__call_write_text(struct tw__call_own *own, const char *value, char *out, size_t cap);

#endif
