/* batch: records in, forests of spans out.
 *
 *     add, add, ...   keeps the records, packed
 *     build           collect   spans and events into two arrays, one trace each; a span seen twice is kept once
 *                     sort      both by trace, time, process, order
 *                     link      parents by id; chains that come back are cut; children in order; events to their spans
 *                     sum up    counts, extents, messages
 *
 * Invariant: after build, following parent from any span ends, and every span is reached exactly once from first_top of
 * its trace. This holds for every input: a span that is its own ancestor loses the link that closes the circle. A span
 * in progress and its finished record may both be found (the process died between the two): the finished one wins.
 * Limits: memory is what the records need; nothing recurses, so that a chain of 100,000 spans is as good as a flat one.
 * Rejected: a general arena for what build makes (all counts are known by then, so that some arrays do); trees built
 * while adding (the parent often comes from a file that is read later).
 */
#include "model/batch.h"

#include <stdlib.h>
#include <string.h>

#include "model/map.h"

struct added {
    const struct tw__kept *record;
    const struct tw_process *process;
};

struct tw__batch_private {
    struct tw__keeper keeper;
    struct added *added;
    size_t added_count, added_cap, added_spans;
    struct tw__map trace_map; /* trace id -> index in traces + 1 */
    struct tw_batch_span **span_order;
    uint32_t *span_table; /* by hash of trace id and span id: index in spans + 1, 0: free. The keys are in the spans */
    size_t span_mask;
    uint64_t seed;
};

static const uint8_t no_id[16];

bool tw__record_is_span(const struct tw_record *record)
{
    return record->kind == TW_RECORD_SPAN || record->kind == TW_RECORD_OPEN;
}

static struct tw__map_key key_of(const uint8_t *trace_id, const uint8_t *span_id)
{
    struct tw__map_key key = {{0}};
    memcpy(key.word, trace_id, 16);
    if (span_id) memcpy(&key.word[2], span_id, 8);
    return key;
}

struct tw_batch *tw__batch_new(void)
{
    struct tw_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    batch->private_ = calloc(1, sizeof *batch->private_);
    if (batch->private_) return batch;
    free(batch);
    return NULL;
}

static void free_built(struct tw_batch *batch)
{
    struct tw__batch_private *p = batch->private_;
    tw__map_fini(&p->trace_map);
    free(p->span_order);
    free(p->span_table);
    free(batch->spans);
    free(batch->events);
    free(batch->traces);
    p->span_order = NULL;
    p->span_table = NULL;
    batch->spans = NULL;
    batch->events = NULL;
    batch->traces = NULL;
    batch->span_count = batch->event_count = batch->trace_count = 0;
}

void tw__batch_free(struct tw_batch *batch)
{
    if (!batch) return;
    free_built(batch);
    free(batch->private_->added);
    tw__keeper_fini(&batch->private_->keeper);
    free(batch->private_);
    free(batch);
}

/* Large arrays grow by moving pages, not bytes. */
static int make_room(struct tw__batch_private *p, size_t count)
{
    size_t cap = p->added_cap + p->added_cap / 2;
    if (count <= p->added_cap - p->added_count) return 0;
    if (cap < p->added_count + count) cap = p->added_count + count;
    struct added *added = realloc(p->added, cap * sizeof *added);
    if (!added) return TW_ERR_MEMORY;
    p->added = added;
    p->added_cap = cap;
    return 0;
}

int tw__batch_add(struct tw_batch *batch, const struct tw_process *process, const struct tw_records *records)
{
    struct tw__batch_private *p = batch->private_;
    if (make_room(p, records->count) < 0) return TW_ERR_MEMORY;
    for (size_t i = 0; i < records->count; i++) {
        if (memcmp(records->items[i].trace_id, no_id, sizeof no_id) == 0) continue;
        const struct tw__kept *record = tw__keeper_add(&p->keeper, &records->items[i]);
        if (!record) return TW_ERR_MEMORY;
        p->added[p->added_count++] = (struct added){record, process};
        p->added_spans += tw__kept_is_span(record);
    }
    return 0;
}

/* At most half of the table is used. The hash begins with a seed of this run, for the reason given in model/map.c. */
static int make_span_table(struct tw__batch_private *p)
{
    size_t size = 16;
    while (size / 2 < p->added_spans) size *= 2;
    p->span_table = calloc(size, sizeof *p->span_table);
    if (!p->span_table) return TW_ERR_MEMORY;
    p->span_mask = size - 1;
    p->seed = (uint64_t)(uintptr_t)p->span_table ^ (uint64_t)(uintptr_t)&size << 20;
    return 0;
}

static uint32_t *span_slot(const struct tw_batch *batch, const uint8_t *trace_id, const uint8_t *span_id)
{
    const struct tw__batch_private *p = batch->private_;
    struct tw__map_key key = key_of(trace_id, span_id);
    size_t at = (size_t)tw__map_hash(&key, p->seed) & p->span_mask;
    for (; p->span_table[at]; at = (at + 1) & p->span_mask) {
        const struct tw__kept *known = batch->spans[p->span_table[at] - 1].record;
        if (memcmp(known->span_id, span_id, sizeof known->span_id) == 0 &&
            memcmp(known->trace_id, trace_id, sizeof known->trace_id) == 0)
            break;
    }
    return &p->span_table[at];
}

static int allocate(struct tw_batch *batch)
{
    struct tw__batch_private *p = batch->private_;
    size_t spans = p->added_spans, all = p->added_count;
    if (all > UINT32_MAX - 2) return TW_ERR_MEMORY;
    /* One more than needed: no allocation of zero bytes, whose NULL would look like a failure. */
    batch->spans = calloc(spans + 1, sizeof *batch->spans);
    batch->events = calloc(all - spans + 1, sizeof *batch->events);
    p->span_order = calloc(spans + 1, sizeof(struct tw_batch_span *));
    bool tables = make_span_table(p) == 0 && tw__map_init(&p->trace_map, all);
    return batch->spans && batch->events && p->span_order && tables ? 0 : TW_ERR_MEMORY;
}

static uint64_t effective_end(const struct tw_process *process, const struct tw__kept *record)
{
    if (record->kind != TW_RECORD_OPEN) return record->end_ns;
    return process->last_ns > record->time_ns ? process->last_ns : record->time_ns;
}

/* Until the traces have their place in memory, trace holds none: collect gives each span and event its number by
 * map. */
static void collect_span(struct tw_batch *batch, const struct added *added)
{
    const struct tw__kept *record = added->record;
    uint32_t *at = span_slot(batch, record->trace_id, record->span_id);
    if (*at) {
        struct tw_batch_span *known = &batch->spans[*at - 1];
        batch->duplicates++;
        if (!known->open || record->kind == TW_RECORD_OPEN) return;
    } else {
        *at = (uint32_t)++batch->span_count;
    }
    batch->spans[*at - 1] = (struct tw_batch_span){
        .record = record,
        .process = added->process,
        .end_ns = effective_end(added->process, record),
        .open = record->kind == TW_RECORD_OPEN,
    };
}

static void collect(struct tw_batch *batch)
{
    struct tw__batch_private *p = batch->private_;
    for (size_t i = 0; i < p->added_count; i++) {
        const struct added *added = &p->added[i];
        bool found;
        struct tw__map_key key = key_of(added->record->trace_id, NULL);
        uint32_t *trace = tw__map_put(&p->trace_map, &key, &found);
        if (!found) *trace = (uint32_t)++batch->trace_count;
        if (tw__kept_is_span(added->record))
            collect_span(batch, added);
        else
            batch->events[batch->event_count++] =
                (struct tw_batch_event){.record = added->record, .process = added->process};
    }
    free(p->added);
    p->added = NULL;
    p->added_count = p->added_cap = p->added_spans = 0;
}

static int compare_records(const struct tw__kept *a, const struct tw_process *ap, const struct tw__kept *b,
                           const struct tw_process *bp)
{
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns ? -1 : 1;
    if (ap != bp && ap->pid != bp->pid) return ap->pid < bp->pid ? -1 : 1;
    if (a->order != b->order) return a->order < b->order ? -1 : 1;
    return memcmp(a->span_id, b->span_id, sizeof a->span_id);
}

static int compare_spans(const void *left, const void *right)
{
    const struct tw_batch_span *a = *(struct tw_batch_span *const *)left, *b = *(struct tw_batch_span *const *)right;
    if (a->trace != b->trace) return a->trace < b->trace ? -1 : 1;
    return compare_records(a->record, a->process, b->record, b->process);
}

static int compare_events(const void *left, const void *right)
{
    const struct tw_batch_event *a = left, *b = right;
    if (a->trace != b->trace) return a->trace < b->trace ? -1 : 1;
    return compare_records(a->record, a->process, b->record, b->process);
}

static int compare_traces(const void *left, const void *right)
{
    const struct tw_batch_trace *a = left, *b = right;
    if (a->begin_ns != b->begin_ns) return a->begin_ns < b->begin_ns ? -1 : 1;
    return memcmp(a->id, b->id, sizeof a->id);
}

static struct tw_batch_trace *trace_of(const struct tw_batch *batch, const struct tw__kept *record)
{
    struct tw__map_key key = key_of(record->trace_id, NULL);
    const uint32_t *at = tw__map_get(&batch->private_->trace_map, &key);
    return at ? &batch->traces[*at - 1] : NULL;
}

static void extend(struct tw_batch_trace *trace, const struct tw__kept *record, uint64_t end_ns)
{
    memcpy(trace->id, record->trace_id, sizeof trace->id);
    if (trace->begin_ns == 0 || record->time_ns < trace->begin_ns) trace->begin_ns = record->time_ns;
    if (end_ns > trace->end_ns) trace->end_ns = end_ns;
    if (record->time_ns > trace->end_ns) trace->end_ns = record->time_ns;
}

/* Traces by begin, and every span and event in its trace. The map is renumbered to the new order. */
static int place_traces(struct tw_batch *batch)
{
    batch->traces = calloc(batch->trace_count + 1, sizeof *batch->traces);
    if (!batch->traces) return TW_ERR_MEMORY;
    for (size_t i = 0; i < batch->span_count; i++)
        extend(trace_of(batch, batch->spans[i].record), batch->spans[i].record, batch->spans[i].end_ns);
    for (size_t i = 0; i < batch->event_count; i++)
        extend(trace_of(batch, batch->events[i].record), batch->events[i].record, 0);
    qsort(batch->traces, batch->trace_count, sizeof *batch->traces, compare_traces);
    for (size_t i = 0; i < batch->trace_count; i++) {
        bool found;
        struct tw__map_key key = key_of(batch->traces[i].id, NULL);
        *tw__map_put(&batch->private_->trace_map, &key, &found) = (uint32_t)(i + 1);
    }
    for (size_t i = 0; i < batch->span_count; i++) {
        struct tw_batch_span *span = &batch->spans[i];
        span->trace = trace_of(batch, span->record);
        span->trace->span_count++;
        span->trace->error_count += span->record->status == TW_STATUS_ERROR;
        span->trace->open_count += span->open;
        batch->private_->span_order[i] = span;
    }
    for (size_t i = 0; i < batch->event_count; i++) {
        batch->events[i].trace = trace_of(batch, batch->events[i].record);
        batch->events[i].trace->event_count++;
    }
    qsort(batch->private_->span_order, batch->span_count, sizeof(struct tw_batch_span *), compare_spans);
    qsort(batch->events, batch->event_count, sizeof *batch->events, compare_events);
    return 0;
}

static struct tw_batch_span *find_span(const struct tw_batch *batch, const uint8_t *trace_id, const uint8_t *span_id)
{
    uint32_t at = batch->private_->span_table ? *span_slot(batch, trace_id, span_id) : 0;
    return at ? &batch->spans[at - 1] : NULL;
}

static void link_parents(struct tw_batch *batch)
{
    for (size_t i = 0; i < batch->span_count; i++) {
        struct tw_batch_span *span = &batch->spans[i];
        const struct tw__kept *record = span->record;
        if (memcmp(record->parent_id, no_id, sizeof record->parent_id) == 0) continue;
        span->parent = find_span(batch, record->trace_id, record->parent_id);
        span->orphan = span->parent == NULL;
    }
}

/* Follows each chain upwards once. child_count serves as the colour: 0 new, 1 on this walk, 2 known to end. */
static void cut_loops(struct tw_batch *batch)
{
    for (size_t i = 0; i < batch->span_count; i++) {
        struct tw_batch_span *span = &batch->spans[i];
        while (span && span->child_count == 0) {
            span->child_count = 1;
            if (span->parent && span->parent->child_count == 1) {
                span->parent = NULL;
                span->looping = true;
            }
            span = span->parent;
        }
        for (span = &batch->spans[i]; span && span->child_count == 1; span = span->parent) span->child_count = 2;
    }
    for (size_t i = 0; i < batch->span_count; i++) batch->spans[i].child_count = 0;
}

/* Backwards, so that putting each in front leaves the lists in order. */
static void link_children(struct tw_batch *batch)
{
    for (size_t i = batch->span_count; i-- > 0;) {
        struct tw_batch_span *span = batch->private_->span_order[i];
        struct tw_batch_trace *trace = span->trace;
        trace->spans = &batch->private_->span_order[i];
        struct tw_batch_span **list = span->parent ? &span->parent->first_child : &trace->first_top;
        span->next = *list;
        *list = span;
        if (span->parent) span->parent->child_count++;
    }
    for (size_t i = batch->event_count; i-- > 0;) {
        struct tw_batch_event *event = &batch->events[i];
        event->span = find_span(batch, event->record->trace_id, event->record->span_id);
        struct tw_batch_event **list = event->span ? &event->span->first_event : &event->trace->first_event;
        event->next = *list;
        *list = event;
    }
}

static void choose_root(struct tw_batch_trace *trace)
{
    trace->root = trace->first_top;
    trace->rootless = true;
    for (const struct tw_batch_span *top = trace->first_top; top; top = top->next) {
        if (top->orphan || top->looping) continue;
        trace->root = top;
        trace->rootless = false;
        return;
    }
}

static void count_once(struct tw__map *seen, const struct tw_batch_trace *trace, const struct tw_process *process,
                       uint64_t tid, uint32_t *count)
{
    bool found;
    struct tw__map_key key = {{(uint64_t)(uintptr_t)trace, (uint64_t)(uintptr_t)process, tid, 1}};
    (void)tw__map_put(seen, &key, &found);
    *count += !found;
}

static int count_threads(struct tw_batch *batch)
{
    struct tw__map seen;
    if (!tw__map_init(&seen, 2 * (batch->span_count + batch->event_count))) return TW_ERR_MEMORY;
    for (size_t i = 0; i < batch->span_count; i++) {
        struct tw_batch_span *span = &batch->spans[i];
        count_once(&seen, span->trace, span->process, span->record->tid, &span->trace->threads);
        count_once(&seen, span->trace, span->process, UINT64_MAX, &span->trace->processes);
    }
    for (size_t i = 0; i < batch->event_count; i++) {
        struct tw_batch_event *event = &batch->events[i];
        count_once(&seen, event->trace, event->process, event->record->tid, &event->trace->threads);
        count_once(&seen, event->trace, event->process, UINT64_MAX, &event->trace->processes);
    }
    tw__map_fini(&seen);
    return 0;
}

static int find_message_ids(struct tw_batch *batch)
{
    struct tw__kept_view view = {0};
    int result = 0;
    for (size_t i = 0; i < batch->event_count && result == 0; i++) {
        struct tw_batch_event *event = &batch->events[i];
        if (event->record->kind != TW_RECORD_SEND && event->record->kind != TW_RECORD_RECEIVE) continue;
        const struct tw_record *record = tw__kept_open(event->record, &view);
        const struct tw_tag_value *id = record ? tw__record_tag(record, "id") : NULL;
        if (id && (id->type == TW_TYPE_UINT || id->type == TW_TYPE_INT)) event->message_id = id->value.u;
        if (!record) result = TW_ERR_MEMORY;
    }
    tw__kept_view_fini(&view);
    return result;
}

/* Sends first, then each receive finds its send: a receive may carry an earlier time than its send when clocks
 * differ. */
static int join_messages(struct tw_batch *batch)
{
    struct tw__map sends;
    if (find_message_ids(batch) < 0 || !tw__map_init(&sends, batch->event_count)) return TW_ERR_MEMORY;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < batch->event_count; i++) {
            struct tw_batch_event *event = &batch->events[i];
            if (event->record->kind != (pass ? TW_RECORD_RECEIVE : TW_RECORD_SEND) || !event->message_id) continue;
            struct tw__map_key key = key_of(event->record->trace_id, NULL);
            key.word[2] = event->message_id;
            if (pass == 0) {
                bool found;
                uint32_t *at = tw__map_put(&sends, &key, &found);
                if (!found) *at = (uint32_t)i;
                continue;
            }
            const uint32_t *at = tw__map_get(&sends, &key);
            if (!at) continue;
            event->other = &batch->events[*at];
            if (!batch->events[*at].other) batch->events[*at].other = event;
        }
    }
    tw__map_fini(&sends);
    return 0;
}

int tw__batch_build(struct tw_batch *batch)
{
    int result = allocate(batch);
    if (result == 0) {
        collect(batch);
        result = place_traces(batch);
    }
    if (result == 0) {
        link_parents(batch);
        cut_loops(batch);
        link_children(batch);
        for (size_t i = 0; i < batch->trace_count; i++) choose_root(&batch->traces[i]);
        result = count_threads(batch);
    }
    if (result == 0) result = join_messages(batch);
    if (result < 0) free_built(batch);
    return result;
}

const struct tw_batch_trace *tw__batch_find(const struct tw_batch *batch, const uint8_t trace_id[16])
{
    struct tw__map_key key = key_of(trace_id, NULL);
    const uint32_t *at = tw__map_get(&batch->private_->trace_map, &key);
    return at ? &batch->traces[*at - 1] : NULL;
}

const struct tw_batch_span *tw__batch_find_span(const struct tw_batch *batch, const uint8_t trace_id[16],
                                                const uint8_t span_id[8])
{
    return find_span(batch, trace_id, span_id);
}

uint64_t tw__batch_duration(const struct tw_batch_span *span)
{
    return span->end_ns > span->record->time_ns ? span->end_ns - span->record->time_ns : 0;
}

uint64_t tw__batch_trace_duration(const struct tw_batch_trace *trace)
{
    if (trace->root && !trace->rootless) return tw__batch_duration(trace->root);
    return trace->end_ns - trace->begin_ns;
}

struct tw_batch_span *tw__batch_walk(const struct tw_batch_span *span, size_t *depth)
{
    if (span->first_child) {
        ++*depth;
        return span->first_child;
    }
    while (!span->next && span->parent) {
        span = span->parent;
        --*depth;
    }
    return span->next;
}

const struct tw_tag_value *tw__record_tag(const struct tw_record *record, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = record->tag_count; i-- > 0;) {
        const struct tw_text *name = &record->tags[i].key;
        if (name->len == len && memcmp(name->ptr, key, len) == 0) return &record->tags[i];
    }
    return NULL;
}

bool tw__record_tag_hidden(const struct tw_record *record, size_t index)
{
    /* Looked for among the next few only: a record can hold thousands of tags, and all pairs would be a hang. */
    enum { FAR = 256 };
    const struct tw_text *key = &record->tags[index].key;
    size_t end = record->tag_count - index > FAR ? index + FAR : record->tag_count;
    for (size_t i = index + 1; i < end; i++) {
        const struct tw_text *later = &record->tags[i].key;
        if (later->len == key->len && (key->len == 0 || memcmp(later->ptr, key->ptr, key->len) == 0)) return true;
    }
    return false;
}
