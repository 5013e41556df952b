/* span_fields: a switch over the names of span_fields.h.
 *
 * Of a process that records here, resource.KEY answers what every process has (service.name, host.name, process.pid,
 * process.command_line); of spans that came in by a door, what their sender said.
 * JSON texts (lists and maps of other tracers) are texts.
 *
 * Invariant: an answer is borrowed from the view, the record or the batch; nothing is allocated.
 * Rejected: dotted names for everything (span.name, span.duration): the short ones are what people type.
 */
#include "model/span_fields.h"

#include <string.h>

#include "base/hex.h"
#include "model/span_words.h"
#include "model/text.h"

static const struct {
    const char *name;
    uint8_t id, holds;
} fields[] = {
#define ROW(id, name, holds) {name, TW__SPAN_##id, TW__FILTER_##holds},
    TW__SPAN_FIELD_TABLE(ROW)
#undef ROW
        {"trace", TW__SPAN_TRACE_ID, TW__FILTER_TRACE_ID},
    {"span", TW__SPAN_SPAN_ID, TW__FILTER_TEXT},
    {"severity", TW__SPAN_LEVEL, TW__FILTER_ANYTHING},
};

#define PREFIX(text)                                                                                                   \
    {                                                                                                                  \
        text, sizeof text - 1                                                                                          \
    }
static const struct {
    const char *text;
    size_t len;
} prefixes[] = {[TW__SPAN_TAG] = PREFIX(""),
                [TW__SPAN_TAG_PREFIXED] = PREFIX("tag."),
                [TW__SPAN_RESOURCE] = PREFIX("resource."),
                [TW__SPAN_SCOPE_TAG] = PREFIX("scope."),
                [TW__SPAN_EVENT_TAG] = PREFIX("event."),
                [TW__SPAN_LINK_TAG] = PREFIX("link.")};
#undef PREFIX

static size_t row_of(const char *name, size_t len)
{
    size_t i = 0;
    while (i < sizeof fields / sizeof *fields &&
           (strlen(fields[i].name) != len || memcmp(fields[i].name, name, len) != 0))
        i++;
    return i;
}

static uint32_t resolve(const void *data, const char *name, size_t len)
{
    (void)data;
    for (uint32_t id = TW__SPAN_TAG_PREFIXED; id <= TW__SPAN_LINK_TAG; id++)
        if (len > prefixes[id].len && memcmp(name, prefixes[id].text, prefixes[id].len) == 0) return id;
    size_t row = row_of(name, len);
    return row < sizeof fields / sizeof *fields ? fields[row].id : TW__SPAN_TAG;
}

static enum tw__filter_holds holds(const char *name, size_t len)
{
    size_t row = row_of(name, len);
    return row < sizeof fields / sizeof *fields ? (enum tw__filter_holds)fields[row].holds : TW__FILTER_ANYTHING;
}

static const char *const *values(const char *name, size_t len)
{
    static const char *const records[] = {"span",           "event",         "mark", "send",    "receive",
                                          "thread_created", "thread_exited", "log",  "request", "response",
                                          "call",           "return",        "open", NULL};
    size_t row = row_of(name, len);
    uint8_t id = row < sizeof fields / sizeof *fields ? fields[row].id : TW__SPAN_TAG;
    return id == TW__SPAN_KIND     ? tw__span_kind_words
           : id == TW__SPAN_STATUS ? tw__status_words
           : id == TW__SPAN_RECORD ? records
                                   : NULL;
}

static bool is_of_event(uint32_t id)
{
    return id == TW__SPAN_EVENT || id == TW__SPAN_EVENT_TIME || id == TW__SPAN_EVENT_TAG;
}

static bool is_of_link(uint32_t id)
{
    return id == TW__SPAN_LINK_TRACE_ID || id == TW__SPAN_LINK_SPAN_ID || id == TW__SPAN_LINK_TAG;
}

static bool many(uint32_t id)
{
    return is_of_event(id) || is_of_link(id);
}

const struct tw__filter_schema tw__span_schema = {.resolve = resolve, .holds = holds, .values = values, .many = many};

const char *tw__span_field_name(size_t index)
{
    return index < TW__SPAN_FIELD_COUNT - TW__SPAN_SERVICE ? fields[index].name : NULL;
}

static bool set_id(char *digits, const uint8_t *id, size_t count)
{
    tw__hex_enc(id, count, digits);
    return !tw__all_zero(id, count);
}

void tw__span_view_record(struct tw__span_view *view, const struct tw_record *record, const struct tw_process *process,
                          uint64_t end_ns)
{
    *view = (struct tw__span_view){
        .name = record->name,
        .service = process->service,
        .status_message = record->status_message,
        .host = process->host,
        .thread = record->thread,
        .module = record->module,
        .function = record->function,
        .tags = record->tags,
        .tag_count = record->tag_count,
        .duration_ns = end_ns > record->time_ns ? end_ns - record->time_ns : 0,
        .pid = record->pid ? record->pid : process->pid,
        .tid = record->tid,
        .line = record->line,
        .kind = (uint8_t)record->span_kind,
        .status = (uint8_t)record->status,
        .level = record->kind == TW_RECORD_LOG ? record->level : UINT8_MAX,
        .is_span = tw__record_is_span(record),
        .open = record->kind == TW_RECORD_OPEN,
    };
    view->has_trace = set_id(view->trace_id, record->trace_id, sizeof record->trace_id);
    view->has_span = set_id(view->span_id, record->span_id, sizeof record->span_id);
    view->has_parent = set_id(view->parent_id, record->parent_id, sizeof record->parent_id);
    view->root = view->is_span && !view->has_parent;
}

void tw__span_view_span(struct tw__span_view *view, const struct tw__spans *spans, const struct tw__span *span)
{
    const struct tw__resource *resource = &spans->resources[span->resource];
    const struct tw_tag_value *host = tw__tag_find(resource->tags, resource->tag_count, "host.name");
    *view = (struct tw__span_view){
        .name = span->name,
        .service = resource->service,
        .status_message = span->status_message,
        .scope = spans->scopes[span->scope].name,
        .span = span,
        .made_by = &spans->scopes[span->scope],
        .tags = span->tags,
        .tag_count = span->tag_count,
        .resource_tags = resource->tags,
        .resource_tag_count = resource->tag_count,
        .duration_ns = tw__span_duration_ns(span),
        .kind = span->kind,
        .status = span->status,
        .level = UINT8_MAX,
        .is_span = true,
        .open = span->open,
    };
    view->digits = view->link_digits;
    if (host) view->host = host->text;
    view->has_trace = set_id(view->trace_id, span->trace_id, sizeof span->trace_id);
    view->has_span = set_id(view->span_id, span->span_id, sizeof span->span_id);
    view->has_parent = set_id(view->parent_id, span->parent_id, sizeof span->parent_id);
    view->root = !view->has_parent;
}

static bool text(struct tw_text value, struct tw__field *out)
{
    return value.len && tw__field_set_text(out, value.ptr, value.len);
}

static bool number(uint64_t value, struct tw__field *out)
{
    return tw__field_set_number(out, TW__FIELD_UINT, value);
}

static bool yes_or_no(bool known, bool value, struct tw__field *out)
{
    return known && tw__field_set_number(out, TW__FIELD_BOOL, value);
}

static bool one_of(const char *const *names, unsigned count, unsigned index, struct tw__field *out)
{
    return index < count && tw__field_set_text(out, names[index], strlen(names[index]));
}

bool tw__tag_field(const struct tw_tag_value *tag, struct tw__field *out)
{
    switch (tag->type) {
    case TW_TYPE_INT:
        return tw__field_set_number(out, TW__FIELD_INT, tag->value.u);
    case TW_TYPE_UINT:
        return tw__field_set_number(out, TW__FIELD_UINT, tag->value.u);
    case TW_TYPE_DOUBLE:
        return tw__field_set_number(out, TW__FIELD_DOUBLE, tag->value.u);
    case TW_TYPE_BOOL:
        return tw__field_set_number(out, TW__FIELD_BOOL, tag->value.u != 0);
    case TW_TYPE_STR:
    case TW_TYPE_JSON:
        return tw__field_set_text(out, tag->text.ptr, tag->text.len);
    case TW_TYPE_BYTES:
        (void)tw__field_set_text(out, tag->text.ptr, tag->text.len);
        out->type = TW__FIELD_BYTES;
        return true;
    case TW_TYPE_NONE:
        break;
    }
    return false;
}

static bool tag(const struct tw_tag_value *tags, size_t count, struct tw_text key, struct tw__field *out)
{
    for (size_t i = count; i-- > 0;)
        if (tags[i].key.len == key.len && memcmp(tags[i].key.ptr, key.ptr, key.len) == 0)
            return tw__tag_field(&tags[i], out);
    return false;
}

/* Fields that spans from elsewhere have as tags, under OpenTelemetry's names. */
static const struct {
    uint32_t id;
    const char *key;
} as_tags[] = {
    {TW__SPAN_THREAD, "thread.name"},
    {TW__SPAN_TID, "thread.id"},
    {TW__SPAN_FUNCTION, "code.function.name"},
    {TW__SPAN_LINE, "code.line.number"},
    {TW__SPAN_LEVEL, "level"},
    {TW__SPAN_HOST, "host.name"},  /* of the resource */
    {TW__SPAN_PID, "process.pid"}, /* of the resource */
};

/* The key of the tag that a name with a prefix asks for. */
static struct tw_text rest_of(const struct tw__field_key *key)
{
    return (struct tw_text){key->name + prefixes[key->id].len, key->len - prefixes[key->id].len};
}

bool tw__span_field_tag(const struct tw__field_key *key, struct tw_text *out)
{
    if (key->id == TW__SPAN_TAG || key->id == TW__SPAN_TAG_PREFIXED || key->id == TW__SPAN_RESOURCE) {
        *out = rest_of(key);
        return true;
    }
    for (size_t i = 0; i < sizeof as_tags / sizeof *as_tags; i++) {
        if (as_tags[i].id != key->id) continue;
        *out = (struct tw_text){as_tags[i].key, strlen(as_tags[i].key)};
        return true;
    }
    return false;
}

static bool as_tag(const struct tw__span_view *v, uint32_t id, struct tw__field *out)
{
    for (size_t i = 0; i < sizeof as_tags / sizeof *as_tags; i++) {
        struct tw_text key = {as_tags[i].key, strlen(as_tags[i].key)};
        if (as_tags[i].id != id) continue;
        return tag(v->tags, v->tag_count, key, out) || tag(v->resource_tags, v->resource_tag_count, key, out);
    }
    return false;
}

static bool resource(const struct tw__span_view *view, struct tw_text key, struct tw__field *out)
{
    if (tag(view->resource_tags, view->resource_tag_count, key, out)) return true;
    if (tw__text_is(key, "service.name")) return text(view->service, out);
    if (tw__text_is(key, "host.name")) return text(view->host, out);
    if (tw__text_is(key, "process.pid")) return view->pid && number(view->pid, out);
    return false;
}

static bool of_trace(const struct tw__trace_view *trace, enum tw__span_field_id id, struct tw__field *out)
{
    if (!trace) return false;
    if (id == TW__SPAN_TRACE_DURATION) return number(trace->duration_ns, out);
    if (id == TW__SPAN_TRACE_SPANS) return number(trace->spans, out);
    if (id == TW__SPAN_TRACE_ERRORS) return number(trace->errors, out);
    return text(id == TW__SPAN_TRACE_NAME ? trace->name : trace->service, out);
}

/* The value of the nth event or link; of those that have none NONE. */
static bool tag_or_none(const struct tw_tag_value *tags, size_t count, struct tw_text name, struct tw__field *out)
{
    if (!tag(tags, count, name, out)) out->type = TW__FIELD_NONE;
    return true;
}

static bool of_event(const struct tw__span_view *v, const struct tw__field_key *key, struct tw__field *out)
{
    if (!v->span || key->nth >= v->span->event_count) return false;
    const struct tw__span_event *event = &v->span->events[key->nth];
    if (key->id == TW__SPAN_EVENT) return tw__field_set_text(out, event->name.ptr, event->name.len);
    if (key->id == TW__SPAN_EVENT_TIME)
        return tw__field_set_number(out, TW__FIELD_INT, event->time_ns - v->span->start_ns);
    return tag_or_none(event->tags, event->tag_count, rest_of(key), out);
}

static bool of_link(const struct tw__span_view *v, const struct tw__field_key *key, struct tw__field *out)
{
    if (!v->span || key->nth >= v->span->link_count) return false;
    const struct tw__span_link *link = &v->span->links[key->nth];
    if (key->id == TW__SPAN_LINK_TAG) return tag_or_none(link->tags, link->tag_count, rest_of(key), out);
    size_t bytes = key->id == TW__SPAN_LINK_TRACE_ID ? sizeof link->trace_id : sizeof link->span_id;
    tw__hex_enc(key->id == TW__SPAN_LINK_TRACE_ID ? link->trace_id : link->span_id, bytes, v->digits);
    return tw__field_set_text(out, v->digits, 2 * bytes);
}

static bool word(const struct tw__span_view *v, enum tw__span_field_id id, struct tw__field *out)
{
    if (id == TW__SPAN_STATUS) return one_of(tw__status_words, 3, v->status, out);
    return one_of(tw__span_kind_words, TW__UNSPECIFIED_WORD + 1,
                  v->kind < TW__UNSPECIFIED_WORD ? v->kind : TW__UNSPECIFIED_WORD, out);
}

static bool span_id(const struct tw__span_view *v, bool parent, struct tw__field *out)
{
    return (parent ? v->has_parent : v->has_span) &&
           tw__field_set_text(out, parent ? v->parent_id : v->span_id, sizeof v->span_id);
}

static bool of_scope(const struct tw__span_view *v, const struct tw__field_key *key, struct tw__field *out)
{
    if (key->id == TW__SPAN_SCOPE) return text(v->scope, out);
    if (!v->made_by) return false;
    if (key->id == TW__SPAN_SCOPE_VERSION) return text(v->made_by->version, out);
    return tag(v->made_by->tags, v->made_by->tag_count, rest_of(key), out);
}

bool tw__span_field(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    const struct tw__span_view *v = data;
    const enum tw__span_field_id id = (enum tw__span_field_id)key->id;
    switch (id) {
    case TW__SPAN_TAG:
    case TW__SPAN_TAG_PREFIXED:
        return tag(v->tags, v->tag_count, rest_of(key), out);
    case TW__SPAN_RESOURCE:
        return resource(v, rest_of(key), out);
    case TW__SPAN_SCOPE:
    case TW__SPAN_SCOPE_VERSION:
    case TW__SPAN_SCOPE_TAG:
        return of_scope(v, key, out);
    case TW__SPAN_EVENT:
    case TW__SPAN_EVENT_TIME:
    case TW__SPAN_EVENT_TAG:
        return of_event(v, key, out);
    case TW__SPAN_LINK_TRACE_ID:
    case TW__SPAN_LINK_SPAN_ID:
    case TW__SPAN_LINK_TAG:
        return of_link(v, key, out);
    case TW__SPAN_SERVICE:
        return text(v->service, out);
    case TW__SPAN_NAME:
        return text(v->name, out);
    case TW__SPAN_STATUS_MESSAGE:
        return text(v->status_message, out);
    case TW__SPAN_STATUS:
    case TW__SPAN_KIND:
        return v->is_span && word(v, id, out);
    case TW__SPAN_DURATION:
        return v->is_span && (!v->open || v->duration_ns) && number(v->duration_ns, out);
    case TW__SPAN_TRACE_DURATION:
    case TW__SPAN_TRACE_NAME:
    case TW__SPAN_TRACE_SERVICE:
    case TW__SPAN_TRACE_SPANS:
    case TW__SPAN_TRACE_ERRORS:
        return of_trace(v->trace, id, out);
    case TW__SPAN_TRACE_ID:
        return v->has_trace && tw__field_set_text(out, v->trace_id, sizeof v->trace_id);
    case TW__SPAN_SPAN_ID:
    case TW__SPAN_PARENT_ID:
        return span_id(v, id == TW__SPAN_PARENT_ID, out);
    case TW__SPAN_ROOT:
    case TW__SPAN_OPEN:
        return yes_or_no(v->is_span, id == TW__SPAN_ROOT ? v->root : v->open, out);
    case TW__SPAN_RECORD:
        return v->record && tw__field_set_text(out, v->record, strlen(v->record));
    case TW__SPAN_LEVEL:
        /* A span's tag of that name, where the record is no log. */
        return v->level < 8 ? tw__field_set_number(out, TW__FIELD_LEVEL, v->level) : as_tag(v, id, out);
    case TW__SPAN_HOST:
        return text(v->host, out);
    case TW__SPAN_PID:
        return v->pid ? number(v->pid, out) : as_tag(v, id, out);
    case TW__SPAN_TID:
        return v->tid ? number(v->tid, out) : as_tag(v, id, out);
    case TW__SPAN_THREAD:
        return text(v->thread, out) || as_tag(v, id, out);
    case TW__SPAN_MODULE:
        return text(v->module, out);
    case TW__SPAN_FUNCTION:
        return text(v->function, out) || as_tag(v, id, out);
    case TW__SPAN_LINE:
        return v->line ? number(v->line, out) : as_tag(v, id, out);
    case TW__SPAN_FIELD_COUNT:
        break;
    }
    return false;
}
