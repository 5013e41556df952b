/* remote_spans: a collector's answer as the processes and records that segments would have given.
 *
 * The collector keeps the place of a span (thread, function, line), and what kind of event an event is, as
 * OpenTelemetry's attributes. Here they become what they were. A span in progress has no end; of its process is said
 * what its tag tells: dead, else alive and in progress until now.
 */
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "cli/remote.h"
#include "model/text.h"
#include "query/records.h"
#include "wire/log_event.h"
#include "wire/otlp_dec.h"
#include "wire/span.h"

/* -- copies, since what a decoder hands on is gone when it returns */

struct copying {
    struct tw__spans *out;
    uint32_t *resources; /* of this batch: their numbers in out */
    bool failed;
};

static struct tw_text copy_text(struct copying *c, struct tw_text text)
{
    const char *copy = text.len ? tw__pool_copy(&c->out->pool, text.ptr, text.len) : "";
    c->failed |= copy == NULL;
    return copy ? (struct tw_text){copy, text.len} : (struct tw_text){"", 0};
}

static void *room(struct copying *c, size_t count, size_t size)
{
    void *items = tw__pool_zeroed(&c->out->pool, count + 1, size);
    c->failed |= items == NULL;
    return items;
}

static struct tw_tag_value *copy_tags(struct copying *c, const struct tw_tag_value *tags, size_t count)
{
    struct tw_tag_value *copies = count ? room(c, count, sizeof *copies) : NULL;
    for (size_t i = 0; copies && i < count; i++) {
        copies[i] = tags[i];
        copies[i].key = copy_text(c, tags[i].key);
        if (tags[i].type == TW_TYPE_STR || tags[i].type == TW_TYPE_JSON || tags[i].type == TW_TYPE_BYTES)
            copies[i].text = copy_text(c, tags[i].text);
    }
    return copies;
}

static bool same_tags(const struct tw__resource *a, const struct tw__resource *b)
{
    if (a->tag_count != b->tag_count || !tw__text_same(a->service, b->service)) return false;
    for (size_t i = 0; i < a->tag_count; i++) {
        const struct tw_tag_value *x = &a->tags[i], *y = &b->tags[i];
        if (x->type != y->type || x->value.u != y->value.u || !tw__text_same(x->key, y->key)) return false;
        if (!tw__text_same(x->text, y->text)) return false;
    }
    return true;
}

/* Equal senders are one process, as often as they are told. */
static uint32_t resource_of(struct copying *c, const struct tw__resource *resource)
{
    for (size_t i = c->out->resource_count; i-- > 0;)
        if (same_tags(&c->out->resources[i], resource)) return (uint32_t)i;
    struct tw__resource copy = {.service = copy_text(c, resource->service),
                                .tags = copy_tags(c, resource->tags, resource->tag_count),
                                .tag_count = resource->tag_count,
                                .schema_url = {"", 0}};
    uint32_t number = tw__spans_add_resource(c->out, &copy);
    c->failed |= number == UINT32_MAX;
    return c->failed ? 0 : number;
}

static enum tw_record_kind kind_of(struct tw_text name)
{
    for (int kind = 0; kind <= TW_RECORD_OPEN; kind++) {
        const char *text = tw__event_kind(&(struct tw_record){.kind = (enum tw_record_kind)kind});
        if (text && tw__text_is(name, text)) return (enum tw_record_kind)kind;
    }
    return TW_RECORD_EVENT;
}

/* The number of a message: beyond 2^63 - 1 OTLP has texts only. */
static void restore_id(struct tw_tag_value *tags, size_t count)
{
    struct tw__field number;
    for (size_t i = 0; i < count; i++) {
        if (tags[i].type != TW_TYPE_STR || !tw__text_is(tags[i].key, "id")) continue;
        if (tw__number_read(tags[i].text.ptr, tags[i].text.len, &number) && number.type == TW__FIELD_UINT)
            tags[i] = (struct tw_tag_value){.key = tags[i].key, .type = TW_TYPE_UINT, .value.u = number.u};
    }
}

static void copy_events(struct copying *c, struct tw__span *span, const struct tw__span *from)
{
    struct tw__span_event *events = from->event_count ? room(c, from->event_count, sizeof *events) : NULL;
    for (uint32_t i = 0; events && i < from->event_count; i++) {
        const struct tw__span_event *event = &from->events[i];
        const struct tw_tag_value *kind = tw__tag_find(event->tags, event->tag_count, "trackway.kind");
        events[i] = *event;
        events[i].name = copy_text(c, event->name);
        struct tw_tag_value *tags = copy_tags(c, event->tags, event->tag_count);
        events[i].tags = tags;
        events[i].kind = kind && kind->type == TW_TYPE_STR ? kind_of(kind->text) : TW_RECORD_EVENT;
        bool is_message = events[i].kind == TW_RECORD_SEND || events[i].kind == TW_RECORD_RECEIVE;
        if (is_message && tags) restore_id(tags, event->tag_count);
    }
    span->events = events;
}

static void copy_links(struct copying *c, struct tw__span *span, const struct tw__span *from)
{
    struct tw__span_link *links = from->link_count ? room(c, from->link_count, sizeof *links) : NULL;
    for (uint32_t i = 0; links && i < from->link_count; i++) {
        links[i] = from->links[i];
        links[i].trace_state = (struct tw_text){"", 0};
        links[i].tags = NULL;
        links[i].tag_count = 0;
    }
    span->links = links;
}

/* Until when a span is known that was open when its process died. */
static void restore_last(struct tw__span *span)
{
    const struct tw_tag_value *last = span->tags ? tw__tag_find(span->tags, span->tag_count, TW__LAST_KNOWN) : NULL;
    if (last && last->type == TW_TYPE_INT && last->value.i > 0) span->end_ns = last->value.u;
}

static int take(void *data, struct tw__spans *batch)
{
    struct copying c = {.out = data};
    c.resources = room(&c, batch->resource_count, sizeof *c.resources);
    for (size_t i = 0; !c.failed && i < batch->resource_count; i++)
        c.resources[i] = resource_of(&c, &batch->resources[i]);
    for (size_t i = 0; !c.failed && i < batch->count; i++) {
        const struct tw__span *from = &batch->items[i];
        struct tw__span *span = tw__spans_add(c.out, c.resources[from->resource], 0);
        if (!span) return TW_ERR_MEMORY;
        uint32_t resource = span->resource;
        *span = *from;
        span->resource = resource;
        span->scope = 0;
        span->open = from->end_ns == 0;
        span->name = copy_text(&c, from->name);
        span->status_message = copy_text(&c, from->status_message);
        span->trace_state = (struct tw_text){"", 0};
        span->tags = copy_tags(&c, from->tags, from->tag_count);
        if (span->open) restore_last(span);
        copy_events(&c, span, from);
        copy_links(&c, span, from);
    }
    return c.failed ? TW_ERR_MEMORY : 0;
}

int tw__remote_decode(struct tw__remote_spans *out, const char *text, size_t len)
{
    static const char more[] = ",\"more\":true}";
    struct tw__spans batch = {0};
    struct tw__otlp_dec dec = {.spans = &batch, .door = TW__DOOR_NONE, .take = take, .data = &out->spans};
    tw__spans_reset(&out->spans);
    int code = tw__otlp_json_dec(&dec, text, len);
    tw__spans_fini(&batch);
    tw__pool_fini(&dec.kept);
    out->more = len >= sizeof more && memcmp(text + len - (sizeof more - 1), more, sizeof more - 1) == 0;
    return code;
}

/* -- records */

/* Which tags of a record are told otherwise. */
static bool is_told(const struct tw_record *record, const struct tw_tag_value *tag)
{
    bool log = record->kind == TW_RECORD_LOG;
    if (log && (tw__text_is(tag->key, "level") || tw__text_is(tag->key, "message"))) return true;
    static const char *const of_spans[] = {"thread.id",        "thread.name",    "code.function.name",
                                           "code.line.number", "code.namespace", TW__LAST_KNOWN};
    if (!tw__record_is_span(record)) return tw__text_is(tag->key, "trackway.kind");
    for (size_t i = 0; i < sizeof of_spans / sizeof *of_spans; i++)
        if (tw__text_is(tag->key, of_spans[i])) return true;
    return false;
}

/* A log came as its text (wire/log_event.h): again it has a level, and a format that takes that text. */
static int restore_log(struct tw__pool *pool, struct tw_record *record)
{
    const struct tw_tag_value *level = tw__record_tag(record, "level"), *message = tw__record_tag(record, "message");
    if (level && level->type == TW_TYPE_STR)
        for (uint8_t i = 0; i < 8; i++)
            if (tw__text_is(level->text, tw__log_level_name(i))) record->level = i;
    if (!message || message->type != TW_TYPE_STR) return 0;
    struct tw_tag_value *args = tw__pool_take(pool, sizeof *args, 8);
    if (!args) return TW_ERR_MEMORY;
    *args = *message;
    record->name = tw__text_of("%s");
    record->args = args;
    record->arg_count = 1;
    return 0;
}

/* How a call ended is a tag of its response, where segments have a status. */
static void restore_response(struct tw_record *record)
{
    const struct tw_tag_value *status = tw__record_tag(record, "response_status");
    bool error = tw__record_tag(record, "exception_type") || (status && tw__text_is(status->text, "error"));
    record->status = error ? TW_STATUS_ERROR : TW_STATUS_OK;
}

static int tidy_tags(struct tw__pool *pool, struct tw_record *record)
{
    size_t kept = 0;
    if (record->kind == TW_RECORD_LOG && restore_log(pool, record) < 0) return TW_ERR_MEMORY;
    if (record->kind == TW_RECORD_RESPONSE) restore_response(record);
    struct tw_tag_value *tags = tw__pool_take(pool, (record->tag_count + 1) * sizeof *tags, 8);
    if (!tags) return TW_ERR_MEMORY;
    for (size_t i = 0; i < record->tag_count; i++)
        if (!is_told(record, &record->tags[i])) tags[kept++] = record->tags[i];
    record->tags = tags;
    record->tag_count = kept;
    return 0;
}

/* What is to be known of a process that the tags of its spans tell. */
static enum tw_process_state state_of(const struct tw_records *records, enum tw_process_state state)
{
    for (size_t i = 0; i < records->count && state != TW_PROCESS_DEAD; i++) {
        const struct tw_record *record = &records->items[i];
        if (record->kind != TW_RECORD_OPEN) continue;
        state = tw__record_tag(record, TW__OPEN_AT_DEATH) ? TW_PROCESS_DEAD : TW_PROCESS_LIVE;
    }
    return state;
}

static void set_end(struct tw_process *process, uint64_t now_ns)
{
    if (process->state == TW_PROCESS_LIVE && process->last_ns < now_ns) process->last_ns = now_ns;
}

/* As records of segments are: without the tags that are told otherwise, counted from order on. */
static int tidy(struct tw__pool *pool, struct tw_records *records, uint64_t order)
{
    struct tw_record *items = tw__pool_take(pool, (records->count + 1) * sizeof *items, 8);
    if (!items) return TW_ERR_MEMORY;
    if (records->count) memcpy(items, records->items, records->count * sizeof *items);
    records->items = items;
    for (size_t i = 0; i < records->count; i++) {
        if (tidy_tags(pool, &items[i]) < 0) return TW_ERR_MEMORY;
        items[i].order += order;
    }
    return 0;
}

int tw__remote_fill(struct tw__sources *sources, struct tw__remote_spans *spans, uint64_t now_ns)
{
    struct tw__records records;
    struct tw__pool *pool = &spans->spans.pool;
    if (tw__records_of(&spans->spans, pool, &records) < 0) return TW_ERR_MEMORY;
    free(sources->items);
    sources->items = calloc(records.count + 1, sizeof *sources->items);
    sources->count = sources->cap = 0;
    if (!sources->items) return TW_ERR_MEMORY;
    for (size_t i = 0; i < records.count; i++) {
        struct tw__process_records *item = &records.items[i];
        item->process.state = state_of(&item->records, item->process.state);
        set_end(&item->process, now_ns);
        if (tidy(pool, &item->records, 0) < 0) return TW_ERR_MEMORY;
        sources->items[sources->count++] = (struct tw__source){.process = item->process, .records = &item->records};
    }
    sources->cap = sources->count;
    return 0;
}

/* -- in pieces */

struct tw__remote_process {
    struct tw_process process;
    uint64_t record_count;
};

/* Whose records these are: resource is of the piece, the process of all. Its texts must outlive the piece. */
static struct tw__remote_process *process_of(struct tw__remote_stream *stream, const struct tw__resource *resource)
{
    struct copying c = {.out = &stream->senders};
    size_t known = stream->senders.resource_count;
    uint32_t number = resource_of(&c, resource);
    if (c.failed) return NULL;
    if (number < known) return stream->processes[number];
    struct tw__pool *pool = &stream->senders.pool;
    struct tw__remote_process *added = tw__pool_zeroed(pool, 1, sizeof *added);
    if (!added || tw__pool_grow(pool, &stream->processes, known, &stream->process_cap, sizeof added) < 0) return NULL;
    tw__records_process(&stream->senders.resources[number], &added->process);
    stream->processes[number] = added;
    return added;
}

int tw__remote_stream_take(struct tw__remote_stream *stream, const char *text, size_t len)
{
    struct tw__records records;
    struct tw__spans *spans = &stream->piece.spans;
    int code = tw__remote_decode(&stream->piece, text, len);
    if (code == 0) code = tw__records_of(spans, &spans->pool, &records);
    for (size_t i = 0; code == 0 && i < records.count; i++) {
        struct tw__process_records *item = &records.items[i];
        struct tw__remote_process *known = process_of(stream, &spans->resources[i]);
        if (!known || tidy(&spans->pool, &item->records, known->record_count) < 0) return TW_ERR_MEMORY;
        struct tw_process *process = &known->process;
        known->record_count += item->records.count;
        process->open_spans += item->process.open_spans;
        process->state = state_of(&item->records, process->state);
        if (item->process.last_ns > process->last_ns) process->last_ns = item->process.last_ns;
        code = tw__batch_add(stream->batch, process, &item->records);
    }
    return code;
}

void tw__remote_stream_end(struct tw__remote_stream *stream, uint64_t now_ns)
{
    for (size_t i = 0; i < stream->senders.resource_count; i++) set_end(&stream->processes[i]->process, now_ns);
}

void tw__remote_stream_fini(struct tw__remote_stream *stream)
{
    tw__spans_fini(&stream->piece.spans);
    tw__spans_fini(&stream->senders);
}
