/* span: finding a span's events in a batch.
 *
 * Events are records of their own, in the order of time; the formats want them inside their span. One sort of pointers
 * and one binary search per span does it, in the caller's memory.
 *
 * Invariant: after tw__events_sort, events of one span are neighbours and ordered by (time, order).
 * Limits: heap sort, so that a batch made to be slow is not slower than others: count * log2(count) comparisons.
 * Rejected: qsort (glibc allocates for large arrays); a hash of span ids (needs memory, and the sort is not what
 * costs).
 */
#include "wire/span.h"

/* Events by trace and span alone. */
static int compare_span(const struct tw_record *a, const struct tw_record *b)
{
    int order = memcmp(a->trace_id, b->trace_id, sizeof a->trace_id);
    return order ? order : memcmp(a->span_id, b->span_id, sizeof a->span_id);
}

static bool before(const struct tw_record *a, const struct tw_record *b)
{
    int order = compare_span(a, b);
    if (order) return order < 0;
    if (a->time_ns != b->time_ns) return a->time_ns < b->time_ns;
    return a->order < b->order;
}

/* Lets the item at root sink until no child is larger. */
static void sink(const struct tw_record **items, size_t root, size_t count)
{
    const struct tw_record *item = items[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && before(items[child], items[child + 1])) child++;
        if (!before(item, items[child])) break;
        items[root] = items[child];
    }
    items[root] = item;
}

void tw__events_sort(const struct tw_record **events, size_t count)
{
    size_t i = 1;
    while (i < count && !before(events[i], events[i - 1])) i++;
    if (i >= count) return; /* in order already, as with one span */
    for (i = count / 2; i-- > 0;) sink(events, i, count);
    for (i = count - 1; i > 0; i--) {
        const struct tw_record *largest = events[0];
        events[0] = events[i];
        events[i] = largest;
        sink(events, 0, i);
    }
}

const struct tw_record *const *tw__events_of(const struct tw_record *const *events, size_t count,
                                             const struct tw_record *span, size_t *found)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_span(events[middle], span) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < count && compare_span(events[end], span) == 0) end++;
    *found = end - low;
    return end > low ? events + low : NULL;
}

const char *tw__event_kind(const struct tw_record *event)
{
    static const struct {
        enum tw_record_kind kind;
        const char *name;
    } names[] = {
        {TW_RECORD_MARK, "mark"},
        {TW_RECORD_SEND, "send"},
        {TW_RECORD_RECEIVE, "receive"},
        {TW_RECORD_CREATED, "thread_created"},
        {TW_RECORD_EXITED, "thread_exited"},
        {TW_RECORD_LOG, "log"},
        {TW_RECORD_REQUEST, "request"},
        {TW_RECORD_RESPONSE, "response"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].kind == event->kind) return names[i].name;
    return NULL;
}
