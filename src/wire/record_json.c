/* record_json: one record, one set of members, for dump, show, open and tail.
 *
 * Members that say nothing are left out (no parent, no status message, no tags), so that a line of a plain span stays
 * short. Tags are one object with the last value of each key, as the reader of a record sees it; typed by JSON itself.
 * Bytes, which JSON cannot hold, are {"hex": "..."}; a text that was cut is named in "cut" with its full length. Times
 * are nanoseconds since the epoch: exact as integers, which a double would not be.
 */
#include "wire/record_json.h"

#include <string.h>

#include "model/batch.h"
#include "model/span_words.h"
#include "wire/call_json.h"
#include "wire/log_event.h"

enum { LOG_MESSAGE_MAX = 4097 };

static const uint8_t no_id[16];

const char *tw__record_kind_name(enum tw_record_kind kind)
{
    static const struct {
        enum tw_record_kind kind;
        const char *name;
    } names[] = {
        {TW_RECORD_SPAN, "span"},
        {TW_RECORD_EVENT, "event"},
        {TW_RECORD_MARK, "mark"},
        {TW_RECORD_SEND, "send"},
        {TW_RECORD_RECEIVE, "receive"},
        {TW_RECORD_CREATED, "thread_created"},
        {TW_RECORD_EXITED, "thread_exited"},
        {TW_RECORD_LOG, "log"},
        {TW_RECORD_REQUEST, "request"},
        {TW_RECORD_RESPONSE, "response"},
        {TW_RECORD_ENTER, "call"},
        {TW_RECORD_LEAVE, "return"},
        {TW_RECORD_OPEN, "open"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].kind == kind) return names[i].name;
    return "unknown";
}

static const char *name_at(const char *const *names, size_t count, unsigned value)
{
    return value < count ? names[value] : "unknown";
}

const char *tw__status_name(enum tw_status status)
{
    return name_at(tw__status_words, TW_STATUS_ERROR + 1, (unsigned)status);
}

const char *tw__process_state_name(enum tw_process_state state)
{
    static const char *const names[] = {"live", "dead", "exited", "foreign"};
    return name_at(names, 4, (unsigned)state);
}

const char *tw__span_kind_name(enum tw_span_kind kind)
{
    return name_at(tw__span_kind_words, TW_KIND_CONSUMER + 1, (unsigned)kind);
}

static void write_value(struct tw__json *json, const struct tw_tag_value *tag)
{
    if (tag->type == TW_TYPE_INT)
        tw__json_i64(json, NULL, tag->value.i);
    else if (tag->type == TW_TYPE_UINT)
        tw__json_u64(json, NULL, tag->value.u);
    else if (tag->type == TW_TYPE_DOUBLE)
        tw__json_f64(json, NULL, tag->value.d);
    else if (tag->type == TW_TYPE_BOOL)
        tw__json_bool(json, NULL, tag->value.u != 0);
    else if (tag->type == TW_TYPE_STR || tag->type == TW_TYPE_JSON)
        tw__json_text(json, NULL, tag->text);
    else if (tag->type == TW_TYPE_BYTES) {
        tw__json_open(json, NULL, '{');
        tw__json_hex(json, "hex", (const uint8_t *)tag->text.ptr, tag->text.len);
        tw__json_close(json, '}');
    } else
        tw__json_null(json, NULL);
}

static void write_tags(struct tw__json *json, const struct tw_record *record)
{
    bool cut = false;
    if (record->tag_count == 0) return;
    tw__json_open(json, "tags", '{');
    for (size_t i = 0; i < record->tag_count; i++) {
        if (tw__record_tag_hidden(record, i)) continue;
        tw__json_name(json, record->tags[i].key);
        write_value(json, &record->tags[i]);
        cut = cut || record->tags[i].cut;
    }
    tw__json_close(json, '}');
    if (!cut) return;
    tw__json_open(json, "cut", '{');
    for (size_t i = 0; i < record->tag_count; i++) {
        if (!record->tags[i].cut || tw__record_tag_hidden(record, i)) continue;
        tw__json_name(json, record->tags[i].key);
        tw__json_u64(json, NULL, record->tags[i].full_len);
    }
    tw__json_close(json, '}');
}

static void write_parents(struct tw__json *json, const struct tw_record *record)
{
    if (record->parent_count == 0) return;
    tw__json_open(json, "further_parents", '[');
    for (size_t i = 0; i < record->parent_count; i++) {
        tw__json_open(json, NULL, '{');
        tw__json_hex(json, "trace_id", record->parents[i].trace_id, 16);
        tw__json_hex(json, "span_id", record->parents[i].span_id, 8);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
}

/* Numbers as syslog has them. */
static void write_log(struct tw__json *json, const struct tw_record *record)
{
    struct tw__buf text = {0};
    char *at = tw__buf_room(&text, LOG_MESSAGE_MAX);
    tw__json_cstr(json, "level", tw__log_level_name(record->level));
    tw__json_text(json, "message", (struct tw_text){at, at ? tw_record_message(record, at, LOG_MESSAGE_MAX) : 0});
    json->out->failed |= text.failed;
    tw__buf_fini(&text);
    if (record->arg_count == 0) return;
    tw__json_open(json, "args", '[');
    for (size_t i = 0; i < record->arg_count; i++) write_value(json, &record->args[i]);
    tw__json_close(json, ']');
}

static void write_span(struct tw__json *json, const struct tw_record *record, uint64_t end_ns)
{
    tw__json_u64(json, "begin_ns", record->time_ns);
    if (record->kind == TW_RECORD_OPEN)
        tw__json_null(json, "end_ns");
    else
        tw__json_u64(json, "end_ns", record->end_ns);
    tw__json_u64(json, "duration_ns", end_ns > record->time_ns ? end_ns - record->time_ns : 0);
    tw__json_cstr(json, "span_kind", tw__span_kind_name(record->span_kind));
    tw__json_cstr(json, "status", tw__status_name(record->status));
    if (record->status_message.len) tw__json_text(json, "status_message", record->status_message);
    write_parents(json, record);
}

static void write_place(struct tw__json *json, const struct tw_record *record, const struct tw_process *process)
{
    if (record->module.len) tw__json_text(json, "module", record->module);
    if (record->function.len) tw__json_text(json, "function", record->function);
    if (record->line) tw__json_u64(json, "line", record->line);
    tw__json_u64(json, "pid", record->pid);
    tw__json_u64(json, "tid", record->tid);
    if (record->thread.len) tw__json_text(json, "thread", record->thread);
    tw__json_text(json, "service", process->service);
    tw__json_text(json, "host", process->host);
    tw__json_cstr(json, "process", tw__process_state_name(process->state));
}

void tw__json_record(struct tw__json *json, const struct tw_record *record, const struct tw_process *process,
                     uint64_t end_ns)
{
    tw__json_cstr(json, "kind", tw__record_kind_name(record->kind));
    if (memcmp(record->trace_id, no_id, 16) != 0) tw__json_hex(json, "trace_id", record->trace_id, 16);
    if (memcmp(record->span_id, no_id, 8) != 0) tw__json_hex(json, "span_id", record->span_id, 8);
    if (memcmp(record->parent_id, no_id, 8) != 0) tw__json_hex(json, "parent_id", record->parent_id, 8);
    tw__json_text(json, "name", record->name);
    if (tw__record_is_span(record))
        write_span(json, record, end_ns);
    else
        tw__json_u64(json, "time_ns", record->time_ns);
    if (record->kind == TW_RECORD_LOG) write_log(json, record);
    tw__json_u64(json, "order", record->order);
    write_place(json, record, process);
    tw__json_bool(json, "sampled", record->flags & TW_FLAG_SAMPLED);
    if (record->marks & TW_RECORD_CUT) tw__json_bool(json, "was_cut", true);
    if (record->marks & TW_RECORD_BACKWARDS) tw__json_bool(json, "backwards", true);
    if (record->marks & TW_RECORD_OWN_TIME) tw__json_bool(json, "own_time", true);
    if (tw__is_call(record)) {
        tw__json_open(json, "call", '{');
        tw__call_members(json, record, process, &(struct tw__call_look){.format = TW__CALL_JSON});
        tw__json_close(json, '}');
    } else {
        write_tags(json, record);
    }
}
