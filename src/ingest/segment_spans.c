/* segment_spans: see the header.
 *
 * An event is a record of its own and comes before its span's, which is written when the span ends: in the same read or
 * in a later one. Events that were read before their span are copied and wait; a read's own are found by sorting.
 *
 * Spans in progress are handed on when they are two seconds old and then each time their age has doubled, so that a
 * query sees what hangs, and a span of an hour costs a dozen writes. The store puts the finished one in their place.
 * The place of a span, which is not among its tags, is added as OpenTelemetry names it.
 */
#include "ingest/segment_spans.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "wire/log_event.h"
#include "wire/span.h"

enum { PLACES = 7, EVENTS_MAX = 1024 };
static const uint64_t OPEN_NS = 2000000000;

static bool is_span(const struct tw_record *record)
{
    return record->kind == TW_RECORD_SPAN || record->kind == TW_RECORD_OPEN;
}

static bool is_event(const struct tw_record *record)
{
    return !is_span(record) && record->kind != TW_RECORD_TAGS && !tw__all_zero(record->span_id, sizeof record->span_id);
}

static void free_events(struct tw__segment_join *join)
{
    free(join->events);
    free(join->used);
    tw__pool_fini(&join->texts);
}

int tw__segment_join_begin(struct tw__segment_join *join)
{
    size_t count = join->records->count, events = 0;
    join->at = 0;
    join->event_count = 0;
    for (size_t i = 0; i < count; i++) events += is_event(&join->records->items[i]);
    join->events = calloc(events + 1, sizeof(const struct tw_record *));
    join->used = calloc(events + 1, sizeof *join->used);
    if (!join->events || !join->used) {
        free_events(join);
        return TW_ERR_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const struct tw_record *record = &join->records->items[i];
        if (!is_event(record)) continue;
        join->events[join->event_count] = join->logs_told ? record : tw__log_event(record, &join->texts);
        if (!join->events[join->event_count++]) {
            free_events(join);
            return TW_ERR_MEMORY;
        }
    }
    tw__events_sort(join->events, join->event_count);
    return 0;
}

/* Field by field, where the tag will be: one made elsewhere and copied is read while its stores are still on their
 * way. */
static void put_text(struct tw_tag_value *tag, const char *key, struct tw_text text)
{
    tag->key.ptr = key;
    tag->key.len = strlen(key);
    tag->type = TW_TYPE_STR;
    tag->cut = false;
    tag->full_len = text.len;
    tag->value.u = 0;
    tag->text = text;
}

static void put_number(struct tw_tag_value *tag, const char *key, enum tw_type type, uint64_t number)
{
    tag->key.ptr = key;
    tag->key.len = strlen(key);
    tag->type = type;
    tag->cut = false;
    tag->full_len = 0;
    tag->value.u = number;
    tag->text.ptr = NULL;
    tag->text.len = 0;
}

static int add_tags(const struct tw__segment_join *join, struct tw__pool *pool, struct tw__span *span,
                    const struct tw_record *record)
{
    struct tw_tag_value *tags =
        tw__pool_take(pool, (record->tag_count + PLACES) * sizeof *tags, alignof(struct tw_tag_value));
    if (!tags) return TW_ERR_MEMORY;
    struct tw_tag_value *at = tags + record->tag_count;
    if (record->tag_count) memcpy(tags, record->tags, record->tag_count * sizeof *tags);
    put_number(at++, "thread.id", TW_TYPE_INT, record->tid);
    if (record->thread.len) put_text(at++, "thread.name", record->thread);
    if (record->module.len) put_text(at++, "code.namespace", record->module);
    if (record->function.len) put_text(at++, "code.function.name", record->function);
    if (record->line) put_number(at++, "code.line.number", TW_TYPE_INT, record->line);
    if (join->dead && span->open) {
        put_number(at++, TW__OPEN_AT_DEATH, TW_TYPE_BOOL, 1);
        put_number(at++, TW__LAST_KNOWN, TW_TYPE_INT, span->end_ns);
    }
    span->tags = tags;
    span->tag_count = (uint32_t)(at - tags);
    return 0;
}

static int add_links(struct tw__pool *pool, struct tw__span *span, const struct tw_record *record)
{
    if (record->parent_count == 0) return 0;
    struct tw__span_link *links = tw__pool_zeroed(pool, record->parent_count, sizeof *links);
    if (!links) return TW_ERR_MEMORY;
    for (size_t i = 0; i < record->parent_count; i++) {
        memcpy(links[i].trace_id, record->parents[i].trace_id, sizeof links[i].trace_id);
        memcpy(links[i].span_id, record->parents[i].span_id, sizeof links[i].span_id);
        links[i].flags = record->parents[i].flags;
        links[i].trace_state = (struct tw_text){"", 0};
    }
    span->links = links;
    span->link_count = (uint32_t)record->parent_count;
    return 0;
}

/* Events that waited, the earliest first, and then those of this read; they are in the order of time, as records
 * are. */
static int add_events(struct tw__segment_join *join, struct tw__pool *pool, struct tw__span *span,
                      const struct tw_record *record)
{
    size_t found = 0, waited = 0, at = 0;
    const struct tw_record *const *own = tw__events_of(join->events, join->event_count, record, &found);
    struct tw__pending_event *first = tw__pending_find(join->pending, record->trace_id, record->span_id);
    for (const struct tw__pending_event *event = first; event; event = event->next) waited++;
    if (found + waited == 0) return 0;
    size_t all = found + waited, kept = all < EVENTS_MAX ? all : EVENTS_MAX;
    struct tw__span_event *events = tw__pool_zeroed(pool, kept, sizeof *events);
    if (!events) return TW_ERR_MEMORY;
    at = waited;
    for (const struct tw__pending_event *event = first; event; event = event->next)
        if (--at < kept) events[at] = event->event;
    at = waited;
    for (size_t i = 0; i < found && at < kept; i++, at++)
        events[at] = (struct tw__span_event){.time_ns = own[i]->time_ns,
                                             .name = own[i]->name,
                                             .tags = own[i]->tags,
                                             .tag_count = (uint32_t)own[i]->tag_count,
                                             .kind = own[i]->kind};
    span->events = events;
    span->event_count = (uint32_t)kept;
    span->dropped_events = (uint32_t)(all - kept);
    for (size_t i = 0; i < found && !span->open; i++) join->used[(size_t)(own - join->events) + i] = true;
    return 0;
}

static void pass_over_events(struct tw__segment_join *join, const struct tw_record *record)
{
    size_t found = 0;
    const struct tw_record *const *own = tw__events_of(join->events, join->event_count, record, &found);
    for (size_t i = 0; i < found; i++) join->used[(size_t)(own - join->events) + i] = true;
}

/* Whether an open span is to be handed on now. */
static bool is_due(const struct tw__segment_join *join, const struct tw_record *record)
{
    if (join->dead) return true;
    uint64_t age_ns = join->now_ns > record->time_ns ? join->now_ns - record->time_ns : 0;
    uint64_t before_ns = join->before_ns > record->time_ns ? join->before_ns - record->time_ns : 0;
    if (age_ns < OPEN_NS) return false;
    return before_ns < OPEN_NS || __builtin_clzll(age_ns / OPEN_NS) != __builtin_clzll(before_ns / OPEN_NS);
}

/* Until when an open span is known to have been open. What hangs writes nothing: that it was there at the last look
 * says more than its process's last record. */
static uint64_t open_until(const struct tw__segment_join *join)
{
    if (!join->dead) return join->now_ns;
    return join->before_ns > join->process->last_ns ? join->before_ns : join->process->last_ns;
}

static int add_span(struct tw__segment_join *join, struct tw__spans *spans, const struct tw_record *record)
{
    struct tw__span *span = tw__spans_add(spans, 0, 0);
    if (!span) return TW_ERR_MEMORY;
    memcpy(span->trace_id, record->trace_id, sizeof span->trace_id);
    memcpy(span->span_id, record->span_id, sizeof span->span_id);
    memcpy(span->parent_id, record->parent_id, sizeof span->parent_id);
    span->start_ns = record->time_ns;
    span->end_ns = record->end_ns;
    span->name = record->name;
    span->status_message = record->status_message;
    span->trace_state = (struct tw_text){"", 0};
    span->flags = record->flags;
    span->kind = (uint8_t)record->span_kind;
    span->status = (uint8_t)record->status;
    span->door = TW__DOOR_SEGMENT;
    span->open = record->kind == TW_RECORD_OPEN;
    if (span->open) span->end_ns = open_until(join);
    int code = add_tags(join, &spans->pool, span, record);
    if (code == 0) code = add_links(&spans->pool, span, record);
    if (code == 0) code = add_events(join, &spans->pool, span, record);
    return code;
}

static int add_process(const struct tw_process *process, struct tw__spans *spans)
{
    struct tw_tag_value *tags = tw__pool_take(&spans->pool, 4 * sizeof *tags, alignof(struct tw_tag_value));
    struct tw_tag_value *at = tags;
    if (!tags) return TW_ERR_MEMORY;
    put_text(at++, "service.name", process->service);
    put_number(at++, "process.pid", TW_TYPE_INT, process->pid);
    if (process->command.len) put_text(at++, "process.command_line", process->command);
    if (process->host.len) put_text(at++, "host.name", process->host);
    const struct tw__resource resource = {
        .service = process->service, .tags = tags, .tag_count = (uint32_t)(at - tags), .schema_url = {"", 0}};
    return tw__spans_add_resource(spans, &resource) == UINT32_MAX ? TW_ERR_MEMORY : 0;
}

/* Events that waited for the spans at hand, which have been stored with them. */
static void forget_waited(struct tw__segment_join *join)
{
    for (size_t i = 0; i < join->records->count && join->pending->count; i++) {
        const struct tw_record *record = &join->records->items[i];
        if (record->kind != TW_RECORD_SPAN) continue;
        struct tw__pending_event *first = tw__pending_find(join->pending, record->trace_id, record->span_id);
        if (first) tw__pending_remove(join->pending, first);
    }
}

int tw__segment_join_next(struct tw__segment_join *join, struct tw__spans *spans)
{
    tw__spans_reset(spans);
    if (join->at < join->records->count && add_process(join->process, spans) < 0) return TW_ERR_MEMORY;
    for (; join->at < join->records->count && spans->count < TW__SEGMENT_BATCH; join->at++) {
        const struct tw_record *record = &join->records->items[join->at];
        if (!is_span(record) || tw__all_zero(record->trace_id, sizeof record->trace_id)) continue;
        if (record->kind == TW_RECORD_OPEN && !is_due(join, record)) continue;
        if (record->kind == TW_RECORD_SPAN && record->end_ns < join->stored_until_ns) {
            pass_over_events(join, record);
            continue;
        }
        if (add_span(join, spans, record) < 0) return TW_ERR_MEMORY;
    }
    if (spans->count == 0) forget_waited(join);
    return (int)spans->count;
}

void tw__segment_join_go_on(struct tw__segment_join *join, const struct tw_records *records)
{
    join->records = records;
    join->at = 0;
}

void tw__segment_join_end(struct tw__segment_join *join, bool keep)
{
    for (size_t i = 0; keep && i < join->event_count; i++)
        if (!join->used[i]) tw__pending_add(join->pending, join->events[i]);
    free_events(join);
    *join = (struct tw__segment_join){0};
}
