/* xray_parts: what the files of the X-Ray encoder share. */
#ifndef TW_WIRE_XRAY_PARTS_H
#define TW_WIRE_XRAY_PARTS_H

#include "wire/json.h"
#include "wire/xray.h"

/* What a tag says, in X-Ray's words. */
enum tw__xray_field {
    TW__XRAY_NO_FIELD,
    TW__XRAY_METHOD,
    TW__XRAY_URL,
    TW__XRAY_USER_AGENT,
    TW__XRAY_CLIENT_IP,
    TW__XRAY_FORWARDED, /* the header's text */
    TW__XRAY_IS_FORWARDED,
    TW__XRAY_TRACED,
    TW__XRAY_STATUS,
    TW__XRAY_CONTENT_LENGTH,
    TW__XRAY_SCHEME, /* parts of a URL */
    TW__XRAY_HOST,
    TW__XRAY_PORT,
    TW__XRAY_PATH,
    TW__XRAY_QUERY,
    TW__XRAY_SQL_URL,
    TW__XRAY_SQL_CONNECTION,
    TW__XRAY_SQL_QUERY,
    TW__XRAY_SQL_TYPE,
    TW__XRAY_SQL_VERSION,
    TW__XRAY_SQL_DRIVER,
    TW__XRAY_SQL_USER,
    TW__XRAY_SQL_PREPARATION,
    TW__XRAY_SQL_DATABASE,
    TW__XRAY_RPC_SYSTEM,
    TW__XRAY_RPC_METHOD,
    TW__XRAY_AWS_OPERATION,
    TW__XRAY_AWS_ACCOUNT,
    TW__XRAY_AWS_REGION,
    TW__XRAY_AWS_REQUEST,
    TW__XRAY_AWS_QUEUE,
    TW__XRAY_AWS_TABLE,
    TW__XRAY_RULE,
    TW__XRAY_NAMESPACE,
    TW__XRAY_USER,
    TW__XRAY_ERROR,
    TW__XRAY_FAULT,
    TW__XRAY_THROTTLE,
    TW__XRAY_CAUSE,
    TW__XRAY_ERROR_TYPE,
    TW__XRAY_EXCEPTION_TYPE,
    TW__XRAY_EXCEPTION_MESSAGE,
    TW__XRAY_EXCEPTION_STACK,
    TW__XRAY_FIELD_COUNT
};

enum { TW__XRAY_KNOWN = 64 };

/* The tags of a span by what they say. */
struct tw__xray_fields {
    const struct tw_tag_value *tags[TW__XRAY_FIELD_COUNT];
    bool told[TW__XRAY_FIELD_COUNT]; /* stands in the document whole: not needed in the metadata */
    uint8_t known[TW__XRAY_KNOWN];   /* enum tw__xray_field of the first tags: looked up once */
};

enum { TW__XRAY_TEXT = 250, TW__XRAY_NAME = 200 }; /* characters */

/* A document being written. */
struct tw__xray_out {
    struct tw__json json;
    const struct tw__xray_options *options;
    size_t text_max; /* bytes of a text */
    size_t item_max; /* tags, events, links, exceptions and frames of a span, each */
    size_t limit;    /* bytes: who writes lists gives up behind it, the document is thrown away then */
    uint32_t cut_texts, dropped;
};

/* One span being written into it. */
struct tw__xray_span {
    const struct tw__span_in *in;
    struct tw__xray_fields fields;
    const char *namespace; /* NULL: none */
    bool segment;
    bool error, throttle, fault;
};

/* Too long already, or out of memory. */
static inline bool tw__xray_is_lost(const struct tw__xray_out *out)
{
    return out->json.out->len > out->limit || out->json.out->failed;
}

/* xray_fields.c */
void tw__xray_collect(const struct tw_record *record, struct tw__xray_fields *fields);
enum tw__xray_field tw__xray_field_of(struct tw_text key);
bool tw__xray_was_told(const struct tw__xray_fields *fields, const struct tw_record *record, size_t index);
bool tw__xray_number(const struct tw_tag_value *tag, int64_t *number);
/* Writes the text of a field under name; at most max characters. Notes that it was told when it was whole. */
void tw__xray_put_field(struct tw__xray_out *out, struct tw__xray_span *span, enum tw__xray_field field,
                        const char *name);

/* xray_text.c */
/* Returns whether all of it was written; not counting what text_max took. */
bool tw__xray_put_text(struct tw__xray_out *out, const char *name, struct tw_text text, size_t max);
void tw__xray_put_name(struct tw__xray_out *out, struct tw_text name);
void tw__xray_put_value(struct tw__xray_out *out, struct tw_text key, const struct tw_tag_value *tag);
void tw__xray_put_seconds(struct tw__xray_out *out, const char *name, uint64_t ns);

/* xray_span.c: everything but the bracket that closes it and the children. */
void tw__xray_put_span(struct tw__xray_out *out, const struct tw__span_in *in, bool embedded);

/* xray_http.c: http, sql and aws of a subsegment. */
void tw__xray_put_calls(struct tw__xray_out *out, struct tw__xray_span *span);
/* xray_cause.c */
void tw__xray_judge(struct tw__xray_span *span);
void tw__xray_put_cause(struct tw__xray_out *out, struct tw__xray_span *span);
bool tw__xray_is_told(const struct tw__xray_span *span, const struct tw_record *event);
/* xray_resource.c: service, origin, and aws of a segment. */
void tw__xray_put_resource(struct tw__xray_out *out, struct tw__xray_span *span);

#endif
