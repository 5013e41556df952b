/* records: see the header. A resource becomes a process, a span a record, its events records of their own; links become
 * further parents. Records of a process are in time order, as a reader gives them.
 */
#include <stdlib.h>
#include <string.h>

#include "query/records.h"

static struct tw_text text_tag(const struct tw_tag_value *tags, size_t count, const char *key)
{
    const struct tw_tag_value *tag = tw__tag_find(tags, count, key);
    return tag && tag->type == TW_TYPE_STR ? tag->text : (struct tw_text){"", 0};
}

static uint32_t number_tag(const struct tw_tag_value *tags, size_t count, const char *key)
{
    const struct tw_tag_value *tag = tw__tag_find(tags, count, key);
    return tag && (tag->type == TW_TYPE_INT || tag->type == TW_TYPE_UINT) ? (uint32_t)tag->value.u : 0;
}

static int by_time(const void *a, const void *b)
{
    const struct tw_record *one = a, *two = b;
    if (one->time_ns != two->time_ns) return one->time_ns < two->time_ns ? -1 : 1;
    return one->order < two->order ? -1 : one->order > two->order;
}

static int put_parents(const struct tw__span *span, struct tw__pool *pool, struct tw_record *record)
{
    if (span->link_count == 0) return 0;
    struct tw_context *parents = tw__pool_zeroed(pool, span->link_count, sizeof *parents);
    if (!parents) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < span->link_count; i++) {
        memcpy(parents[i].trace_id, span->links[i].trace_id, sizeof parents[i].trace_id);
        memcpy(parents[i].span_id, span->links[i].span_id, sizeof parents[i].span_id);
        parents[i].flags = (uint8_t)span->links[i].flags;
    }
    record->parents = parents;
    record->parent_count = span->link_count;
    return 0;
}

static void put_span(const struct tw__span *span, struct tw_record *record)
{
    *record = (struct tw_record){.kind = span->open ? TW_RECORD_OPEN : TW_RECORD_SPAN,
                                 .time_ns = span->start_ns,
                                 .end_ns = span->end_ns,
                                 .flags = (uint8_t)span->flags,
                                 .marks = !span->open && span->end_ns < span->start_ns ? TW_RECORD_BACKWARDS : 0,
                                 .span_kind = span->kind == TW__KIND_UNSPECIFIED ? TW_KIND_INTERNAL
                                                                                 : (enum tw_span_kind)span->kind,
                                 .status = (enum tw_status)span->status,
                                 .status_message = span->status_message,
                                 .name = span->name,
                                 .module = text_tag(span->tags, span->tag_count, "code.namespace"),
                                 .function = text_tag(span->tags, span->tag_count, "code.function.name"),
                                 .line = number_tag(span->tags, span->tag_count, "code.line.number"),
                                 .tid = number_tag(span->tags, span->tag_count, "thread.id"),
                                 .thread = text_tag(span->tags, span->tag_count, "thread.name"),
                                 .tags = span->tags,
                                 .tag_count = span->tag_count};
    memcpy(record->trace_id, span->trace_id, sizeof record->trace_id);
    memcpy(record->span_id, span->span_id, sizeof record->span_id);
    memcpy(record->parent_id, span->parent_id, sizeof record->parent_id);
}

static void put_event(const struct tw__span *span, const struct tw__span_event *event, const struct tw_record *of,
                      struct tw_record *record)
{
    *record = (struct tw_record){.kind = event->kind ? event->kind : TW_RECORD_EVENT,
                                 .time_ns = event->time_ns,
                                 .end_ns = event->time_ns,
                                 .flags = of->flags,
                                 .name = event->name,
                                 .tid = of->tid,
                                 .thread = of->thread,
                                 .tags = event->tags,
                                 .tag_count = event->tag_count};
    memcpy(record->trace_id, span->trace_id, sizeof record->trace_id);
    memcpy(record->span_id, span->span_id, sizeof record->span_id);
}

void tw__records_process(const struct tw__resource *resource, struct tw_process *process)
{
    *process = (struct tw_process){.state = TW_PROCESS_FOREIGN};
    process->service = resource->service;
    process->pid = number_tag(resource->tags, resource->tag_count, "process.pid");
    process->host = text_tag(resource->tags, resource->tag_count, "host.name");
    process->command = text_tag(resource->tags, resource->tag_count, "process.command_line");
    process->path = (struct tw_text){"", 0};
}

static int fill(const struct tw__spans *spans, struct tw__pool *pool, struct tw__process_records *items,
                struct tw_record **rooms)
{
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        struct tw__process_records *item = &items[span->resource];
        struct tw_record *record = &rooms[span->resource][item->records.count++];
        put_span(span, record);
        record->order = item->records.count;
        record->pid = item->process.pid;
        if (put_parents(span, pool, record) < 0) return TW_ERR_MEMORY;
        uint64_t last = span->end_ns > span->start_ns ? span->end_ns : span->start_ns;
        if (last > item->process.last_ns) item->process.last_ns = last;
        item->process.open_spans += span->open;
        for (uint32_t e = 0; e < span->event_count; e++) {
            struct tw_record *event = &rooms[span->resource][item->records.count++];
            put_event(span, &span->events[e], record, event);
            event->order = item->records.count;
            event->pid = item->process.pid;
            if (event->time_ns > item->process.last_ns) item->process.last_ns = event->time_ns;
        }
    }
    return 0;
}

int tw__records_of(const struct tw__spans *spans, struct tw__pool *pool, struct tw__records *out)
{
    size_t count = spans->resource_count;
    struct tw__process_records *items = tw__pool_zeroed(pool, count + 1, sizeof *items);
    size_t *sizes = tw__pool_zeroed(pool, count + 1, sizeof *sizes);
    struct tw_record **rooms = tw__pool_zeroed(pool, count + 1, sizeof(struct tw_record *));
    if (!items || !sizes || !rooms) return TW_ERR_MEMORY;
    for (size_t i = 0; i < spans->count; i++) sizes[spans->items[i].resource] += 1 + spans->items[i].event_count;
    for (size_t r = 0; r < count; r++) {
        tw__records_process(&spans->resources[r], &items[r].process);
        rooms[r] = tw__pool_take(pool, (sizes[r] + 1) * sizeof(struct tw_record), 8);
        if (!rooms[r]) return TW_ERR_MEMORY;
        items[r].records.items = rooms[r];
    }
    if (fill(spans, pool, items, rooms) < 0) return TW_ERR_MEMORY;
    for (size_t r = 0; r < count; r++)
        if (items[r].records.count) qsort(rooms[r], items[r].records.count, sizeof *rooms[r], by_time);
    *out = (struct tw__records){items, count};
    return 0;
}
