/* live_event: see the header.
 *
 * A name that means something of every record is a field: a switch answers it. Anything else is a tag, looked for by
 * name, the last one first: the metadata of a line goes before its thread's. pid is a field, unless the program has a
 * tag of that name. The message is made when somebody asks for it, once.
 */
#include "export/live_event.h"

#include <string.h>

#include "base/hex.h"
#include "model/span_words.h"
#include "wire/human.h"
#include "wire/record_json.h"
#include "wire/span.h"
#include "wire/value.h"

enum field {
    TAG,
    MODULE,
    FUNCTION,
    LINE,
    PID,
    TID,
    THREAD,
    KIND,
    LEVEL,
    MESSAGE,
    NAME,
    TIME,
    TRACE,
    SPAN,
    PARENT,
    SERVICE,
    HOST,
    DURATION,
    STATUS
};

static const struct {
    const char *name;
    enum field field;
} fields[] = {
    {"module", MODULE},       {"mod", MODULE},       {"function", FUNCTION}, {"func", FUNCTION},
    {"line", LINE},           {"pid", PID},          {"tid", TID},           {"thread", THREAD},
    {"kind", KIND},           {"level", LEVEL},      {"severity", LEVEL},    {"message", MESSAGE},
    {"name", NAME},           {"time", TIME},        {"trace", TRACE},       {"trace_id", TRACE},
    {"span", SPAN},           {"span_id", SPAN},     {"parent_id", PARENT},  {"service", SERVICE},
    {"application", SERVICE}, {"from_app", SERVICE}, {"node", HOST},         {"host", HOST},
    {"duration", DURATION},   {"status", STATUS},
};

const char *const tw__live_kind_names[TW__LIVE_KINDS + 1] = {
    "log",           "begin",   "end",      "event", "mark",   "send", "receive", "thread_created",
    "thread_exited", "request", "response", "call",  "return", NULL};

uint32_t tw__live_field_id(const void *data, const char *name, size_t len)
{
    (void)data;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strlen(fields[i].name) == len && memcmp(fields[i].name, name, len) == 0) return fields[i].field;
    return TAG;
}

static enum tw__filter_holds holds(const char *name, size_t len)
{
    switch ((enum field)tw__live_field_id(NULL, name, len)) {
    case DURATION:
        return TW__FILTER_DURATION;
    case TRACE:
        return TW__FILTER_TRACE_ID;
    case SPAN:
    case PARENT:
    case MODULE:
    case FUNCTION:
    case NAME:
    case THREAD:
    case SERVICE:
    case HOST:
        return TW__FILTER_TEXT;
    case TAG:
    case LINE:
    case PID:
    case TID:
    case KIND:
    case LEVEL:
    case MESSAGE:
    case TIME:
    case STATUS:
        break;
    }
    return TW__FILTER_ANYTHING;
}

static const char *const *values(const char *name, size_t len)
{
    enum field field = (enum field)tw__live_field_id(NULL, name, len);
    return field == KIND ? tw__live_kind_names : field == STATUS ? tw__status_words : NULL;
}

const struct tw__filter_schema tw__live_schema = {.resolve = tw__live_field_id, .holds = holds, .values = values};

unsigned tw__live_level(const struct tw__live_event *event)
{
    if (event->kind == TW__LIVE_LOG) return event->record->level & 7;
    const bool failed = event->record->status == TW_STATUS_ERROR;
    if (failed && event->kind == TW__LIVE_RESPONSE) return 4; /* a warning, as in trackway calls and nameko-tracer */
    return failed && event->kind == TW__LIVE_END ? 3 : 6;
}

static bool text_field(struct tw_text text, struct tw__field *out)
{
    if (text.len == 0) return false;
    return tw__field_set_text(out, text.ptr, text.len);
}

static void tag_value(const struct tw_tag_value *tag, struct tw__field *out)
{
    switch (tag->type) {
    case TW_TYPE_INT:
        (void)tw__field_set_number(out, TW__FIELD_INT, tag->value.u);
        return;
    case TW_TYPE_UINT:
        (void)tw__field_set_number(out, TW__FIELD_UINT, tag->value.u);
        return;
    case TW_TYPE_BOOL:
        (void)tw__field_set_number(out, TW__FIELD_BOOL, tag->value.u);
        return;
    case TW_TYPE_DOUBLE:
        (void)tw__field_set_number(out, TW__FIELD_DOUBLE, tag->value.u);
        return;
    case TW_TYPE_BYTES:
    case TW_TYPE_NONE:
    case TW_TYPE_STR:
    case TW_TYPE_JSON:
        break;
    }
    (void)tw__field_set_text(out, tag->text.ptr, tag->text.len);
    if (tag->type == TW_TYPE_BYTES) out->type = TW__FIELD_BYTES;
}

static bool find_tag(const struct tw_record *record, const char *name, size_t len, struct tw__field *out)
{
    for (size_t i = record->tag_count; i-- > 0;) {
        const struct tw_tag_value *tag = &record->tags[i];
        if (tag->key.len != len || memcmp(tag->key.ptr, name, len) != 0) continue;
        tag_value(tag, out);
        return true;
    }
    return false;
}

static void add_tags(struct tw__buf *out, const struct tw_record *record)
{
    char scratch[TW__NUMBER_MAX];
    for (size_t i = 0; i < record->tag_count; i++) {
        if (tw__tag_replaced(record->tags, record->tag_count, i)) continue;
        struct tw_text value = tw__value_text(&record->tags[i], scratch);
        tw__buf_char(out, ' ');
        tw__buf_add(out, record->tags[i].key.ptr, record->tags[i].key.len);
        tw__buf_char(out, '=');
        tw__buf_add(out, value.ptr, value.len);
    }
}

static bool is_call(const struct tw__live_event *event)
{
    return event->kind == TW__LIVE_CALL || event->kind == TW__LIVE_RETURN;
}

static void make_message(const struct tw__live_event *event, struct tw__buf *out)
{
    const struct tw_record *r = event->record;
    tw__buf_reset(out);
    if (event->kind == TW__LIVE_LOG) {
        char *at = tw__buf_room(out, TW__LINE_MESSAGE_MAX + 1);
        if (at) out->len += tw_record_message(r, at, TW__LINE_MESSAGE_MAX + 1);
        return;
    }
    if (event->kind != TW__LIVE_EVENT) {
        tw__buf_cstr(out, tw__live_kind_names[event->kind]);
        tw__buf_char(out, ' ');
    }
    struct tw_text name = is_call(event) ? event->called : r->name;
    tw__buf_add(out, name.ptr, name.len);
    if (event->kind == TW__LIVE_BEGIN) return;
    if (event->kind == TW__LIVE_END) {
        tw__buf_char(out, ' ');
        tw__buf_cstr(out, tw__human_duration(r->end_ns > r->time_ns ? r->end_ns - r->time_ns : 0).text);
        if (r->status == TW_STATUS_ERROR) tw__buf_cstr(out, " error");
        if (r->status_message.len) tw__buf_cstr(out, ": ");
        tw__buf_add(out, r->status_message.ptr, r->status_message.len);
    }
    add_tags(out, r);
}

static bool message(const struct tw__live_event *event, struct tw__field *out)
{
    struct tw__live_scratch *scratch = event->scratch;
    if (scratch->of != event) make_message(event, &scratch->message);
    scratch->of = event;
    return tw__field_set_text(out, scratch->message.ptr, scratch->message.len);
}

static bool id_field(const uint8_t *id, size_t size, char *text, struct tw__field *out)
{
    tw__hex_enc(id, size, text);
    return tw__field_set_text(out, text, 2 * size) && !tw__all_zero(id, size);
}

static bool cstr_field(const char *text, struct tw__field *out)
{
    return tw__field_set_text(out, text, strlen(text));
}

static bool duration(const struct tw__live_event *event, struct tw__field *out)
{
    const struct tw_record *r = event->record;
    if (event->kind != TW__LIVE_END) return false;
    return tw__field_set_number(out, TW__FIELD_UINT, r->end_ns > r->time_ns ? r->end_ns - r->time_ns : 0);
}

bool tw__live_field(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    const struct tw__live_event *event = data;
    const struct tw_record *r = event->record;
    switch ((enum field)key->id) {
    case MODULE:
        return text_field(is_call(event) ? event->object : r->module, out);
    case FUNCTION:
        return text_field(is_call(event) ? event->called : r->function, out);
    case LINE:
        return tw__field_set_number(out, TW__FIELD_UINT, r->line) && r->line != 0;
    case PID:
        if (r->tag_count && find_tag(r, "pid", 3, out)) return true;
        return tw__field_set_number(out, TW__FIELD_UINT, r->pid);
    case TID:
        return tw__field_set_number(out, TW__FIELD_UINT, r->tid);
    case THREAD:
        return text_field(r->thread, out);
    case KIND:
        return cstr_field(tw__live_kind_names[event->kind], out);
    case LEVEL:
        return tw__field_set_number(out, TW__FIELD_LEVEL, tw__live_level(event));
    case MESSAGE:
        return message(event, out);
    case NAME:
        return text_field(is_call(event) ? event->called : r->name, out);
    case TIME:
        return tw__field_set_number(out, TW__FIELD_UINT, event->time_ns);
    case TRACE:
        return id_field(r->trace_id, 16, event->scratch->trace, out);
    case SPAN:
        return id_field(r->span_id, 8, event->scratch->span, out);
    case PARENT:
        return id_field(r->parent_id, 8, event->scratch->parent, out);
    case SERVICE:
        return text_field(event->process->service, out);
    case HOST:
        return text_field(event->process->host, out);
    case DURATION:
        return duration(event, out);
    case STATUS:
        return event->kind == TW__LIVE_END && cstr_field(tw__status_name(r->status), out);
    case TAG:
        break;
    }
    /* A span has no tags when it begins: those that a reader sees came later. */
    return event->kind != TW__LIVE_BEGIN && find_tag(r, key->name, key->len, out);
}

/* What every event has, sorted by name, which is how lines list it; then its tags. Who asks for one after the other, as
 * everybody does, goes on where the last answer was. */
bool tw__live_each(const void *data, size_t index, struct tw__field_key *key, struct tw__field *value)
{
#define OWN(text, id)                                                                                                  \
    {                                                                                                                  \
        text, sizeof text - 1, id                                                                                      \
    }
    static const struct {
        const char *name;
        size_t len;
        enum field field;
    } own[] = {OWN("duration", DURATION), OWN("function", FUNCTION), OWN("host", HOST),        OWN("kind", KIND),
               OWN("line", LINE),         OWN("module", MODULE),     OWN("parent_id", PARENT), OWN("pid", PID),
               OWN("service", SERVICE),   OWN("span_id", SPAN),      OWN("status", STATUS),    OWN("thread", THREAD),
               OWN("tid", TID),           OWN("trace_id", TRACE)};
#undef OWN
    enum { OWN_COUNT = sizeof own / sizeof own[0] };
    const struct tw__live_event *event = data;
    const struct tw_record *r = event->record;
    struct tw__live_scratch *scratch = event->scratch;
    bool further = index > 0 && scratch->each_of == event && scratch->each_index == index;
    size_t at = further ? scratch->each_at : 0, left = further ? 0 : index;
    size_t end = OWN_COUNT + (event->kind == TW__LIVE_BEGIN ? 0 : r->tag_count);
    for (; at < end; at++) {
        if (at < OWN_COUNT) {
            *key = (struct tw__field_key){.name = own[at].name, .len = own[at].len, .id = own[at].field};
            if (!tw__live_field(event, key, value) || left-- > 0) continue;
        } else {
            const struct tw_tag_value *tag = &r->tags[at - OWN_COUNT];
            if (tw__tag_replaced(r->tags, r->tag_count, at - OWN_COUNT) || left-- > 0) continue;
            *key = (struct tw__field_key){.name = tag->key.ptr, .len = tag->key.len};
            tag_value(tag, value);
        }
        scratch->each_of = event;
        scratch->each_index = index + 1;
        scratch->each_at = at + 1;
        return true;
    }
    return false;
}
