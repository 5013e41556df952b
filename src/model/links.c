/* links: edges between traces.
 *
 * A batch span belongs to the trace of its first parent; its other parents are equal causes in other traces. Seen from
 * the batch span the edge is in its record. Seen from the cause nothing is recorded: only a look through everything
 * else finds that its request went on elsewhere. That look is one pass over records that are forgotten at once, so that
 * it needs the memory of what it found and nothing more.
 * Limits: 64 edges of each kind are kept, the others counted; names longer than 120 bytes are cut.
 * Rejected: keeping all records of all processes for this (ten processes with 16 MB arenas are 1 GB of records).
 */
#include "model/links.h"

#include <string.h>

static void add(struct tw_link *links, size_t *count, size_t *more, const struct tw_link *link)
{
    for (size_t i = 0; i < *count; i++)
        if (memcmp(links[i].there.trace_id, link->there.trace_id, sizeof link->there.trace_id) == 0 &&
            memcmp(links[i].there.span_id, link->there.span_id, sizeof link->there.span_id) == 0)
            return;
    if (*count == TW__LINKS_MAX)
        ++*more;
    else
        links[(*count)++] = *link;
}

static void set_name(struct tw_link *link, struct tw_text name)
{
    link->name_len = name.len < sizeof link->name ? name.len : sizeof link->name;
    if (link->name_len) memcpy(link->name, name.ptr, link->name_len);
    link->named = true;
}

void tw__links_init(struct tw_links *links, const struct tw_batch_trace *trace)
{
    *links = (struct tw_links){0};
    memcpy(links->trace_id, trace->id, sizeof links->trace_id);
    for (size_t i = 0; i < trace->span_count; i++) {
        const struct tw__kept *record = trace->spans[i]->record;
        for (size_t k = 0; k < record->parent_count; k++) {
            struct tw_link link = {.there = tw__kept_parents(record)[k]};
            if (memcmp(link.there.trace_id, trace->id, sizeof trace->id) == 0) continue;
            memcpy(link.here.trace_id, trace->id, sizeof trace->id);
            memcpy(link.here.span_id, record->span_id, sizeof record->span_id);
            add(links->causes, &links->cause_count, &links->causes_more, &link);
        }
    }
}

static void scan_parents(struct tw_links *links, const struct tw_context *span, const struct tw_context *parents,
                         size_t count, struct tw_text name)
{
    for (size_t k = 0; k < count; k++) {
        if (memcmp(parents[k].trace_id, links->trace_id, sizeof links->trace_id) != 0) continue;
        struct tw_link link = {.here = parents[k], .there = *span};
        set_name(&link, name);
        add(links->results, &links->result_count, &links->results_more, &link);
    }
}

static void scan_names(struct tw_links *links, const struct tw_context *span, struct tw_text name)
{
    for (size_t i = 0; i < links->cause_count; i++) {
        struct tw_link *cause = &links->causes[i];
        if (!cause->named && memcmp(cause->there.span_id, span->span_id, sizeof span->span_id) == 0 &&
            memcmp(cause->there.trace_id, span->trace_id, sizeof span->trace_id) == 0)
            set_name(cause, name);
    }
}

static void scan(struct tw_links *links, const uint8_t trace_id[16], const uint8_t span_id[8],
                 const struct tw_context *parents, size_t count, struct tw_text name)
{
    struct tw_context span = {.flags = 0};
    if (memcmp(trace_id, links->trace_id, sizeof links->trace_id) == 0) return;
    if (count == 0 && links->cause_count == 0) return;
    memcpy(span.trace_id, trace_id, sizeof span.trace_id);
    memcpy(span.span_id, span_id, sizeof span.span_id);
    scan_parents(links, &span, parents, count, name);
    scan_names(links, &span, name);
}

void tw__links_scan(struct tw_links *links, const struct tw_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        const struct tw_record *record = &records->items[i];
        if (tw__record_is_span(record))
            scan(links, record->trace_id, record->span_id, record->parents, record->parent_count, record->name);
    }
}

void tw__links_scan_batch(struct tw_links *links, const struct tw_batch *batch)
{
    for (size_t i = 0; i < batch->span_count; i++) {
        const struct tw__kept *record = batch->spans[i].record;
        scan(links, record->trace_id, record->span_id, tw__kept_parents(record), record->parent_count, *record->name);
    }
}

struct tw_text tw__links_cause(const struct tw_links *links, const struct tw_context *there)
{
    for (size_t i = 0; i < links->cause_count; i++) {
        const struct tw_link *cause = &links->causes[i];
        if (cause->named && memcmp(cause->there.span_id, there->span_id, sizeof there->span_id) == 0 &&
            memcmp(cause->there.trace_id, there->trace_id, sizeof there->trace_id) == 0)
            return (struct tw_text){cause->name, cause->name_len};
    }
    return (struct tw_text){0};
}
