/* records: records written by hand, for tests of what stands on readers. Everything lives in one static struct per
 * test. */
#ifndef TW_TESTS_MODEL_RECORDS_H
#define TW_TESTS_MODEL_RECORDS_H

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <trackway/read.h>

enum { RECORDS_MAX = 4096 };

struct recording {
    struct tw_record items[RECORDS_MAX];
    struct tw_records records;
    struct tw_process process;
};

static inline struct tw_text text_of(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

static inline struct recording *recording_new(uint32_t pid, const char *service, enum tw_process_state state)
{
    struct recording *r = calloc(1, sizeof *r);
    assert(r);
    r->process = (struct tw_process){
        .pid = pid, .state = state, .service = text_of(service), .last_ns = 1000000, .recording = true};
    r->records.items = r->items;
    return r;
}

/* Trace ids are one byte at the end, span ids too; 0 is none. */
static inline struct tw_record *record_add(struct recording *r, enum tw_record_kind kind, uint8_t trace, uint16_t span,
                                           uint16_t parent, const char *name, uint64_t begin_ns, uint64_t end_ns)
{
    struct tw_record *record = &r->items[r->records.count];
    assert(r->records.count < RECORDS_MAX);
    *record = (struct tw_record){
        .kind = kind, .time_ns = begin_ns, .end_ns = end_ns, .order = r->records.count++, .name = text_of(name)};
    record->pid = r->process.pid;
    record->tid = r->process.pid;
    record->trace_id[0] = 0xa0;
    record->trace_id[15] = trace;
    record->span_id[6] = (uint8_t)(span >> 8);
    record->span_id[7] = (uint8_t)span;
    record->parent_id[6] = (uint8_t)(parent >> 8);
    record->parent_id[7] = (uint8_t)parent;
    if (trace == 0) record->trace_id[0] = 0;
    return record;
}

static inline struct tw_record *span_add(struct recording *r, uint16_t span, uint16_t parent, const char *name,
                                         uint64_t begin_ns, uint64_t end_ns)
{
    return record_add(r, TW_RECORD_SPAN, 1, span, parent, name, begin_ns, end_ns);
}

static inline struct tw_context context_of(uint8_t trace, uint8_t span)
{
    struct tw_context context = {.flags = 1};
    context.trace_id[0] = 0xa0;
    context.trace_id[15] = trace;
    context.span_id[7] = span;
    return context;
}

#endif
