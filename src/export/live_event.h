/* live_event: what a live trace can match and write: a record, or the begin of one, seen through its fields. */
#ifndef TW_EXPORT_LIVE_EVENT_H
#define TW_EXPORT_LIVE_EVENT_H

#include <trackway/read.h>

#include "base/buf.h"
#include "base/field.h"
#include "filter/filter.h"
#include "wire/line_format.h"

enum tw__live_kind {
    TW__LIVE_LOG,
    TW__LIVE_BEGIN,
    TW__LIVE_END,
    TW__LIVE_EVENT,
    TW__LIVE_MARK,
    TW__LIVE_SEND,
    TW__LIVE_RECEIVE,
    TW__LIVE_CREATED,
    TW__LIVE_EXITED,
    TW__LIVE_REQUEST,
    TW__LIVE_RESPONSE,
    TW__LIVE_CALL,   /* a function is entered */
    TW__LIVE_RETURN, /* and left */
    TW__LIVE_KINDS
};
extern const char *const tw__live_kind_names[TW__LIVE_KINDS + 1]; /* NULL at the end */

/* What several events share: memory for texts that are made when they are asked for. */
struct tw__live_scratch {
    struct tw__buf message;
    const void *of; /* the event whose message it holds; NULL: none */
    char trace[33], span[17], parent[17];
    const void *each_of; /* where tw__live_each goes on */
    size_t each_index, each_at;
};

struct tw__live_event {
    const struct tw_record *record;
    const struct tw_process *process;
    struct tw__live_scratch *scratch;
    uint64_t time_ns;
    uint32_t source;
    enum tw__live_kind kind;
    struct tw_text called, object; /* of CALL and RETURN: the names of what the record has the address of */
};

/* The names of fields, for filters and formats: the schema of the one, the resolver of the other. What is no field is a
 * tag. */
uint32_t tw__live_field_id(const void *data, const char *name, size_t len);
extern const struct tw__filter_schema tw__live_schema;

/* A field of a struct tw__live_event. */
bool tw__live_field(const void *event, const struct tw__field_key *key, struct tw__field *out);
/* All it has, but time, level and message, one after the other. */
bool tw__live_each(const void *event, size_t index, struct tw__field_key *key, struct tw__field *value);

/* 0 emergency to 7 debug: a log's own; error for what failed; else info. */
unsigned tw__live_level(const struct tw__live_event *event);

/* What a filter can match among logs that have not been recorded: alternatives, each of levels, a module and a function
 * ("" any). No more than it could match is missing; more may be in it. calls: whether it names function entries and
 * exits. */
enum { TW__LIVE_RULES_MAX = 8, TW__LIVE_RULE_TEXT = 60 };
struct tw__live_wanted {
    size_t count;
    bool calls;
    struct tw__live_wants_one {
        unsigned levels;
        char module[TW__LIVE_RULE_TEXT], function[TW__LIVE_RULE_TEXT];
    } rules[TW__LIVE_RULES_MAX];
};
/* TW_ERR_MEMORY. */
int tw__live_wanted_of(const struct tw__filter *filter, unsigned levels, struct tw__live_wanted *out);

#endif
