/* hold: see the header.
 *
 * A held span is one piece of memory: what is known of it, then the copy of its record; copies of its events hang on
 * it. While a round looks at all of them, those from before are sorted by address, so that a node's record is known as
 * one of them; who waits on is marked, and the others are freed at the end. New ones come behind.
 *
 * Invariant: bytes is the sum over items. A span's age is that of its arrival, however often it is held again.
 */
#include "export/hold.h"

#include <stdlib.h>
#include <string.h>

#include "export/shelf.h"

struct tw__held {
    struct tw_record *record; /* right behind this */
    uint64_t since_ns;
    size_t bytes;
    size_t event_count;
    const struct tw_record **events;
    bool waits; /* on */
};

enum { BEFORE = (sizeof(struct tw__held) + 15) / 16 * 16 };

static void held_free(struct tw__held *held)
{
    for (size_t i = 0; i < held->event_count; i++) {
        union {
            const struct tw_record *in;
            void *out;
        } event = {held->events[i]};
        free(event.out);
    }
    free(held->events);
    free(held);
}

static struct tw__held *held_new(const struct tw__span_in *span, uint64_t now_ns)
{
    size_t size = 0;
    struct tw_record *record = tw__record_copy(span->record, BEFORE, &size);
    if (!record) return NULL;
    struct tw__held *held = (struct tw__held *)(void *)((char *)record - BEFORE);
    *held = (struct tw__held){.record = record, .since_ns = now_ns, .bytes = size, .waits = true};
    if (!span->event_count) return held;
    held->events = calloc(span->event_count, sizeof *held->events);
    for (size_t i = 0; held->events && i < span->event_count; i++) {
        const struct tw_record *event = tw__record_copy(span->events[i], 0, &size);
        if (!event) break; /* the span counts for more than its last events */
        held->events[held->event_count++] = event;
        held->bytes += size;
    }
    return held;
}

static int compare(const void *a, const void *b)
{
    const struct tw__held *x = *(struct tw__held *const *)a, *y = *(struct tw__held *const *)b;
    return x->record < y->record ? -1 : x->record > y->record;
}

static struct tw__held *held_of(const struct tw__hold *hold, const struct tw_record *record)
{
    size_t low = 0, high = hold->taken;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct tw__held *held = hold->items[middle];
        if (held->record == record) return held;
        if (held->record < record)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool tw__hold_is_due(const struct tw__hold *hold, uint64_t now_ns)
{
    for (size_t i = 0; i < hold->count; i++)
        if (now_ns - hold->items[i]->since_ns >= hold->max_ns) return true;
    return false;
}

void tw__hold_take(struct tw__hold *hold, struct tw__xray_node *nodes)
{
    if (hold->count) qsort(hold->items, hold->count, sizeof(struct tw__held *), compare);
    hold->taken = hold->count;
    for (size_t i = 0; i < hold->count; i++) {
        struct tw__held *held = hold->items[i];
        held->waits = false;
        nodes[i] = (struct tw__xray_node){.span = {held->record, held->events, held->event_count}};
    }
}

static bool make_room(struct tw__hold *hold)
{
    if (hold->count < hold->room) return true;
    size_t room = hold->room ? hold->room * 2 : 64;
    struct tw__held **more = realloc(hold->items, room * sizeof(struct tw__held *));
    if (!more) return false;
    hold->items = more;
    hold->room = room;
    return true;
}

/* Next in the tree, parents first. */
static struct tw__xray_node *next_node(const struct tw__xray_node *node, const struct tw__xray_node *top)
{
    if (node->first_child) return node->first_child;
    while (node != top && !node->next) node = node->parent;
    return node == top ? NULL : node->next;
}

bool tw__hold_back(struct tw__hold *hold, struct tw__xray_node *top, uint64_t now_ns)
{
    static const uint8_t none[8];
    const struct tw_record *record = top->span.record;
    const struct tw__held *old = held_of(hold, record);
    if (tw__xray_is_segment(record) || memcmp(record->parent_id, none, sizeof none) == 0) return false;
    if ((old && now_ns - old->since_ns >= hold->max_ns) || hold->bytes >= TW__HOLD_BYTES) return false;
    for (struct tw__xray_node *node = top; node; node = next_node(node, top)) {
        struct tw__held *held = held_of(hold, node->span.record);
        if (held) {
            held->waits = true;
            continue;
        }
        held = make_room(hold) ? held_new(&node->span, now_ns) : NULL;
        if (!held && node == top) return false;
        if (!held) continue; /* no memory: this one is lost, which what encodes would have come to as well */
        hold->items[hold->count++] = held;
        hold->bytes += held->bytes;
    }
    return true;
}

void tw__hold_done(struct tw__hold *hold)
{
    size_t kept = 0;
    for (size_t i = 0; i < hold->count; i++) {
        struct tw__held *held = hold->items[i];
        if (held->waits) {
            hold->items[kept++] = held;
        } else {
            hold->bytes -= held->bytes;
            held_free(held);
        }
    }
    hold->count = kept;
    hold->taken = 0;
}

void tw__hold_fini(struct tw__hold *hold)
{
    for (size_t i = 0; i < hold->count; i++) held_free(hold->items[i]);
    free(hold->items);
    *hold = (struct tw__hold){.max_ns = hold->max_ns};
}
