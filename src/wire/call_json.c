/* call_json: the members in nameko-tracer's order, under its names.
 *
 * Arguments, results and context data lie in the record as JSON texts. A record may come from a damaged or hostile
 * file, so each is looked at before it goes out as it is; one that is no JSON, or has been cut off by truncation, goes
 * out as a text. Behind the members that nameko-tracer has stand ours: how many values were hidden, whether something
 * was cut, and the ids of trace and span. Differences to nameko-tracer, all towards strict JSON: NaN is null and not
 * NaN; texts of bytes are texts and not b'..'; texts are UTF-8 and not escapes; no spaces behind : and ,. For ELASTIC
 * the original changed the record for whoever came after.
 */
#include "wire/call_json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "model/batch.h"
#include "wire/json_pretty.h"
#include "wire/json_read.h"

/* Names by profile. */
enum member { STAGE, TYPE, NAME, STACK, RESPONSE, STATUS };
static const char *const shipped[] = {"stage",         "entrypoint_type", "entrypoint_name",
                                      "call_id_stack", "response",        "response_status"};
static const char *const before_101[] = {"lifecycle_stage", "provider",    "provider_name",
                                         "call_stack",      "return_args", "status"};

struct writer {
    struct tw__json *json;
    const struct tw_record *record;
    const struct tw__call_look *look;
};

static const char *name_of(const struct writer *w, enum member member)
{
    return w->look->legacy ? before_101[member] : shipped[member];
}

static const struct tw_tag_value *text_tag(const struct writer *w, const char *key)
{
    const struct tw_tag_value *tag = tw__record_tag(w->record, key);
    return tag && tag->type == TW_TYPE_STR ? tag : NULL;
}

static bool is_true(const struct writer *w, const char *key)
{
    const struct tw_tag_value *tag = tw__record_tag(w->record, key);
    return tag && tag->type == TW_TYPE_BOOL && tag->value.u;
}

static void text(const struct writer *w, const char *name, const char *key)
{
    const struct tw_tag_value *tag = text_tag(w, key);
    if (tag) tw__json_text(w->json, name, tag->text);
}

static bool is_json(struct tw_text json_text)
{
    char scratch[64];
    struct tw__json_reader json = {
        .text = json_text.ptr, .len = json_text.len, .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
    for (size_t i = 0; i < json_text.len; i++)
        if ((unsigned char)json_text.ptr[i] < ' ') return false; /* would break the line */
    enum tw__json_event event = tw__json_skip(&json);
    return event != TW__JSON_BAD && event != TW__JSON_DONE && tw__json_read(&json) == TW__JSON_DONE;
}

/* A value without a fixed shape. truncated: the beginning of what it looks like, no JSON. */
static void value(const struct writer *w, const char *name, const char *key, bool truncated)
{
    const struct tw_tag_value *tag = text_tag(w, key);
    if (!tag) return;
    bool raw = !truncated && !tag->cut && is_json(tag->text);
    if (w->look->format != TW__CALL_ELASTIC) {
        if (raw)
            tw__json_raw(w->json, name, tag->text);
        else
            tw__json_text(w->json, name, tag->text);
        return;
    }
    struct tw__buf quoted = {0};
    struct tw__json inner = {.out = &quoted};
    if (!raw) tw__json_text(&inner, NULL, tag->text);
    tw__json_text(w->json, name, raw ? tag->text : (struct tw_text){quoted.ptr, quoted.len});
    w->json->out->failed |= quoted.failed;
    tw__buf_fini(&quoted);
}

static void flag(const struct writer *w, const char *key)
{
    const struct tw_tag_value *tag = tw__record_tag(w->record, key);
    if (tag && tag->type == TW_TYPE_BOOL) tw__json_bool(w->json, key, tag->value.u != 0);
}

static void count(const struct writer *w, const char *key)
{
    const struct tw_tag_value *tag = tw__record_tag(w->record, key);
    if (tag && tag->type == TW_TYPE_UINT) tw__json_u64(w->json, key, tag->value.u);
}

/* As str() of a datetime: no fraction when it is zero. */
static void timestamp(const struct writer *w)
{
    time_t seconds = (time_t)(w->record->time_ns / 1000000000u);
    unsigned micros = (unsigned)(w->record->time_ns / 1000 % 1000000u);
    struct tm tm = {0};
    char made[64];
    if (!gmtime_r(&seconds, &tm)) tm = (struct tm){.tm_mday = 1};
    int len = snprintf(made, sizeof made, "%04d-%02d-%02d%c%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, w->look->iso ? 'T' : ' ', tm.tm_hour, tm.tm_min, tm.tm_sec);
    if (len > 0 && (micros || w->look->iso))
        (void)snprintf(made + len, sizeof made - (size_t)len, ".%06u%s", micros, w->look->iso ? "Z" : "");
    tw__json_cstr(w->json, "timestamp", made);
}

static void outcome(const struct writer *w)
{
    bool error = w->record->status == TW_STATUS_ERROR;
    const struct tw_tag_value *took = tw__record_tag(w->record, "response_time_ns");
    tw__json_cstr(w->json, name_of(w, STATUS), error ? "error" : "success");
    if (!error) value(w, name_of(w, RESPONSE), "response", is_true(w, "response_truncated"));
    text(w, "exception_type", "exception_type");
    text(w, "exception_path", "exception_path");
    value(w, "exception_args", "exception_args", false);
    text(w, "exception_value", "exception_value");
    text(w, "exception_traceback", "exception_traceback");
    flag(w, "exception_expected");
    if (took && took->type == TW_TYPE_UINT) tw__json_f64(w->json, "response_time", (double)took->value.u / 1e9);
}

void tw__call_name(struct tw__buf *out, const struct tw_record *record)
{
    const struct tw_tag_value *service = tw__record_tag(record, "service"),
                              *name = tw__record_tag(record, "entrypoint_name");
    if (service && service->type == TW_TYPE_STR) tw__buf_add(out, service->text.ptr, service->text.len);
    tw__buf_char(out, '.');
    if (name && name->type == TW_TYPE_STR) tw__buf_add(out, name->text.ptr, name->text.len);
}

static void who(const struct writer *w, const struct tw_process *process)
{
    bool legacy = w->look->legacy;
    timestamp(w);
    if (!legacy) tw__json_text(w->json, "hostname", process->host);
    text(w, "service", "service");
    text(w, name_of(w, TYPE), "entrypoint_type");
    text(w, name_of(w, NAME), "entrypoint_name");
    if (!legacy) return;
    struct tw__buf name = {0};
    tw__call_name(&name, w->record);
    tw__json_text(w->json, "entrypoint", (struct tw_text){name.ptr, name.len});
    w->json->out->failed |= name.failed;
    tw__buf_fini(&name);
}

void tw__call_members(struct tw__json *json, const struct tw_record *record, const struct tw_process *process,
                      const struct tw__call_look *look)
{
    const struct writer w = {json, record, look};
    who(&w, process);
    value(&w, "context_data", "context_data", false);
    text(&w, "call_id", "call_id");
    const struct tw_tag_value *stack = text_tag(&w, "call_id_stack");
    if (stack && !stack->cut && is_json(stack->text)) tw__json_raw(json, name_of(&w, STACK), stack->text);
    if (!look->legacy) {
        if (text_tag(&w, "origin_call_id"))
            text(&w, "origin_call_id", "origin_call_id");
        else
            tw__json_null(json, "origin_call_id");
    }
    tw__json_cstr(json, name_of(&w, STAGE), record->kind == TW_RECORD_REQUEST ? "request" : "response");
    value(&w, "call_args", "call_args", is_true(&w, "call_args_truncated"));
    flag(&w, "call_args_redacted");
    if (record->kind == TW_RECORD_RESPONSE) outcome(&w);
    flag(&w, "call_args_truncated");
    count(&w, "call_args_length");
    flag(&w, "response_truncated");
    count(&w, "response_length");
    count(&w, "redacted_count");
    flag(&w, "cut");
}

const char *tw__call_level(const struct tw_record *record)
{
    return record->kind == TW_RECORD_RESPONSE && record->status == TW_STATUS_ERROR ? "WARNING" : "INFO";
}

static void plain(struct tw__buf *out, const struct tw_record *record)
{
    const struct tw_tag_value *id = tw__record_tag(record, "call_id");
    tw__buf_char(out, '[');
    if (id && id->type == TW_TYPE_STR) tw__buf_add(out, id->text.ptr, id->text.len);
    tw__buf_cstr(out, record->kind == TW_RECORD_REQUEST ? "] entrypoint call trace" : "] entrypoint result trace");
}

static void document(struct tw__buf *out, const struct tw_record *record, const struct tw_process *process,
                     const struct tw__call_look *look)
{
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__call_members(&json, record, process, look);
    tw__json_hex(&json, "trace_id", record->trace_id, sizeof record->trace_id);
    tw__json_hex(&json, "span_id", record->span_id, sizeof record->span_id);
    tw__json_close(&json, '}');
}

void tw__call_print(struct tw__buf *out, const struct tw_record *record, const struct tw_process *process,
                    const struct tw__call_look *look)
{
    struct tw__buf compact = {0};
    if (look->format == TW__CALL_PLAIN) {
        plain(out, record);
    } else if (look->format == TW__CALL_PRETTY) {
        document(&compact, record, process, look);
        if (!compact.failed) tw__json_pretty(out, (struct tw_text){compact.ptr, compact.len});
        out->failed |= compact.failed;
        tw__buf_fini(&compact);
    } else {
        document(out, record, process, look);
    }
    tw__buf_char(out, '\n');
}
