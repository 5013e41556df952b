/* fold: which spans a person need not see one by one.
 *
 * A loop of 312 queries is one fact, not 312. Children are grouped by what would make their lines look alike, wherever
 * they stand among their siblings: in "read, decode, read, decode, ..." neither is a run of neighbours, and both are
 * noise. An error is folded only with the same error, so that no message disappears. Events do not keep a loop from
 * being folded when each turn has the same ones and none of them is what a person looks for: a plain event that is no
 * exception, or a log line below a warning.
 * Invariant: of each fold exactly one member has ->fold, all others have ->folded, and count is their number together.
 * Rejected: folding spans that have children (the subtrees differ, and one of them is usually what is looked for).
 */
#include "model/fold.h"

#include <stdlib.h>
#include <string.h>

#include <trackway/log.h>

#include "model/text.h"

static int compare_text(struct tw_text a, struct tw_text b)
{
    if (a.len != b.len) return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}

static int compare_events(const struct tw_batch_event *a, const struct tw_batch_event *b)
{
    for (; a && b; a = a->next, b = b->next) {
        int order = a->record->kind - b->record->kind;
        if (order == 0) order = compare_text(*a->record->name, *b->record->name);
        if (order) return order;
    }
    return !b - !a;
}

static int compare_looks(const struct tw_batch_span *a, const struct tw_batch_span *b)
{
    int order = compare_text(*a->record->name, *b->record->name);
    if (order) return order;
    if (a->record->status != b->record->status) return a->record->status < b->record->status ? -1 : 1;
    if (a->process != b->process) return a->process < b->process ? -1 : 1;
    order = compare_text(*a->record->status_message, *b->record->status_message);
    return order ? order : compare_events(a->first_event, b->first_event);
}

static int compare_looks_then_time(const void *left, const void *right)
{
    const struct tw_batch_span *a = *(struct tw_batch_span *const *)left, *b = *(struct tw_batch_span *const *)right;
    int order = compare_looks(a, b);
    if (order) return order;
    if (a->record->time_ns != b->record->time_ns) return a->record->time_ns < b->record->time_ns ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int compare_u64(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static bool is_quiet(const struct tw__kept *event)
{
    if (event->kind == TW_RECORD_LOG) return event->level > TW_LOG_WARNING;
    return event->kind == TW_RECORD_EVENT && !tw__text_is(*event->name, "exception");
}

static bool is_foldable(const struct tw_batch_span *span)
{
    size_t events = 0;
    if (span->first_child || span->open || span->orphan || span->looping || span->record->parent_count) return false;
    for (const struct tw_batch_event *event = span->first_event; event; event = event->next)
        if (++events > TW__FOLD_EVENTS || !is_quiet(event->record)) return false;
    return true;
}

static void fold_run(struct tw_batch_span **run, size_t count, uint64_t *durations, struct tw_batch_fold *fold)
{
    *fold = (struct tw_batch_fold){.count = count, .begin_ns = run[0]->record->time_ns, .end_ns = run[0]->end_ns};
    for (size_t i = 0; i < count; i++) {
        durations[i] = tw__batch_duration(run[i]);
        fold->sum_ns += durations[i];
        if (run[i]->end_ns > fold->end_ns) fold->end_ns = run[i]->end_ns;
        run[i]->folded = i > 0;
    }
    qsort(durations, count, sizeof *durations, compare_u64);
    fold->p50_ns = durations[(count - 1) / 2];
    fold->max_ns = durations[count - 1];
    run[0]->fold = fold;
}

/* Folds among the children of one parent. scratch and durations have room for all of them. */
static void fold_children(const struct tw_batch_span *parent, struct tw_batch_span **scratch, uint64_t *durations,
                          struct tw__folds *out)
{
    size_t count = 0;
    for (struct tw_batch_span *child = parent->first_child; child; child = child->next)
        if (is_foldable(child)) scratch[count++] = child;
    if (count < TW__FOLD_MIN) return;
    qsort(scratch, count, sizeof(struct tw_batch_span *), compare_looks_then_time);
    for (size_t from = 0, to = 0; from < count; from = to) {
        to = from + 1;
        while (to < count && compare_looks(scratch[from], scratch[to]) == 0) to++;
        if (to - from >= TW__FOLD_MIN) fold_run(scratch + from, to - from, durations, &out->items[out->count++]);
    }
}

int tw__fold_trace(const struct tw_batch_trace *trace, struct tw__folds *out)
{
    struct tw__folds folds = {0};
    struct tw_batch_span **scratch = calloc(trace->span_count + 1, sizeof(struct tw_batch_span *));
    uint64_t *durations = calloc(trace->span_count + 1, sizeof *durations);
    folds.items = calloc(trace->span_count / TW__FOLD_MIN + 1, sizeof *folds.items);
    int result = scratch && durations && folds.items ? 0 : TW_ERR_MEMORY;
    for (size_t i = 0; result == 0 && i < trace->span_count; i++)
        if (trace->spans[i]->child_count >= TW__FOLD_MIN) fold_children(trace->spans[i], scratch, durations, &folds);
    free(scratch);
    free(durations);
    if (result == 0)
        *out = folds;
    else
        free(folds.items);
    return result;
}

void tw__folds_fini(struct tw__folds *folds, const struct tw_batch_trace *trace)
{
    for (size_t i = 0; i < trace->span_count; i++) {
        trace->spans[i]->fold = NULL;
        trace->spans[i]->folded = false;
    }
    free(folds->items);
    *folds = (struct tw__folds){0};
}
