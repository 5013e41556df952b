/* xray_link: spans put under their parents.
 *
 * The nodes are sorted by trace and span id, and each looks for its parent by binary search.
 *
 * Invariant: a child is later than its parent by (time, order); so parent links cannot form a ring, whatever ids the
 * spans claim. A child that its program says began before its parent is a top: it is sent by itself, which is as good.
 * Limits: heap sort, in place. Of two spans with one id (sent in progress, and finished) one is the parent, it does not
 * matter which.
 */
#include "wire/xray.h"

static int compare(const struct tw__xray_node *a, const uint8_t trace_id[16], const uint8_t span_id[8])
{
    int order = memcmp(a->span.record->trace_id, trace_id, 16);
    return order ? order : memcmp(a->span.record->span_id, span_id, 8);
}

static bool before(const struct tw__xray_node *a, const struct tw__xray_node *b)
{
    return compare(a, b->span.record->trace_id, b->span.record->span_id) < 0;
}

static void sink(struct tw__xray_node *nodes, size_t root, size_t count)
{
    struct tw__xray_node node = nodes[root];
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && before(&nodes[child], &nodes[child + 1])) child++;
        if (!before(&node, &nodes[child])) break;
        nodes[root] = nodes[child];
    }
    nodes[root] = node;
}

static void sort(struct tw__xray_node *nodes, size_t count)
{
    for (size_t i = count / 2; i-- > 0;) sink(nodes, i, count);
    for (size_t i = count; i-- > 1;) {
        struct tw__xray_node largest = nodes[0];
        nodes[0] = nodes[i];
        nodes[i] = largest;
        sink(nodes, 0, i);
    }
}

static struct tw__xray_node *find_parent(struct tw__xray_node *nodes, size_t count, const struct tw_record *record)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(&nodes[middle], record->trace_id, record->parent_id);
        if (order == 0) return &nodes[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool begins_after(const struct tw_record *child, const struct tw_record *parent)
{
    if (child->time_ns != parent->time_ns) return child->time_ns > parent->time_ns;
    return child->order > parent->order;
}

size_t tw__xray_link(struct tw__xray_node *nodes, size_t count, struct tw__xray_node **tops)
{
    size_t top_count = 0;
    if (count) sort(nodes, count);
    for (size_t i = 0; i < count; i++) nodes[i].parent = nodes[i].first_child = nodes[i].next = NULL;
    for (size_t i = count; i-- > 0;) {
        struct tw__xray_node *node = &nodes[i], *parent = NULL;
        const struct tw_record *record = node->span.record;
        if (!tw__xray_is_segment(record)) parent = find_parent(nodes, count, record);
        if (!parent || !begins_after(record, parent->span.record)) {
            tops[top_count++] = node;
            continue;
        }
        node->parent = parent;
        node->next = parent->first_child;
        parent->first_child = node;
    }
    return top_count;
}
