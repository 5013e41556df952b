/* pending: see the header. One block of memory an event, with its texts; a table of buckets; a list by age.
 *
 * Invariant: an event is in the list by age and in the list of its span, and the first of those is in a bucket.
 */
#include "ingest/pending.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096 };

static size_t bucket_of(const uint8_t trace_id[16], const uint8_t span_id[8])
{
    uint64_t a, b;
    memcpy(&a, trace_id + 8, sizeof a);
    memcpy(&b, span_id, sizeof b);
    return (size_t)(((a ^ b * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u) >> 52) % BUCKETS;
}

static bool same(const struct tw__pending_event *event, const uint8_t trace_id[16], const uint8_t span_id[8])
{
    return memcmp(event->span_id, span_id, 8) == 0 && memcmp(event->trace_id, trace_id, 16) == 0;
}

static struct tw_text copy_text(char **at, struct tw_text text)
{
    struct tw_text copy = {*at, text.len};
    if (text.len) memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return copy;
}

static struct tw__pending_event *copy(const struct tw_record *record)
{
    size_t size = sizeof(struct tw__pending_event) + record->tag_count * sizeof *record->tags + record->name.len;
    for (size_t i = 0; i < record->tag_count; i++) size += record->tags[i].key.len + record->tags[i].text.len;
    struct tw__pending_event *made = calloc(1, size);
    if (!made) return NULL;
    struct tw_tag_value *tags = (void *)(made + 1);
    char *at = (char *)(tags + record->tag_count);
    made->bytes = size;
    made->order = record->order;
    memcpy(made->trace_id, record->trace_id, sizeof made->trace_id);
    memcpy(made->span_id, record->span_id, sizeof made->span_id);
    made->event.time_ns = record->time_ns;
    made->event.kind = record->kind;
    made->event.name = copy_text(&at, record->name);
    for (size_t i = 0; i < record->tag_count; i++) {
        tags[i] = record->tags[i];
        tags[i].key = copy_text(&at, record->tags[i].key);
        tags[i].text = copy_text(&at, record->tags[i].text);
    }
    made->event.tags = tags;
    made->event.tag_count = (uint32_t)record->tag_count;
    return made;
}

/* Takes a span's first event out of its bucket; the pointer that named it then names what. */
static void replace_head(struct tw__pending *pending, struct tw__pending_event *head, struct tw__pending_event *with)
{
    struct tw__pending_event **at = &pending->buckets[bucket_of(head->trace_id, head->span_id)];
    while (*at != head) at = &(*at)->chain;
    if (with) {
        with->chain = head->chain;
        *at = with;
    } else {
        *at = head->chain;
    }
    head->chain = NULL;
}

static void forget(struct tw__pending *pending, struct tw__pending_event *event)
{
    if (event->older)
        event->older->newer = event->newer;
    else
        pending->oldest = event->newer;
    if (event->newer)
        event->newer->older = event->older;
    else
        pending->newest = event->older;
    pending->count--;
    pending->bytes -= event->bytes;
    free(event);
}

static void give_up(struct tw__pending *pending, struct tw__pending_event *event)
{
    struct tw__pending_event *head = tw__pending_find(pending, event->trace_id, event->span_id);
    if (head == event) {
        replace_head(pending, head, event->next);
    } else {
        while (head->next != event) head = head->next;
        head->next = event->next;
    }
    pending->lost++;
    forget(pending, event);
}

void tw__pending_add(struct tw__pending *pending, const struct tw_record *record)
{
    if (!pending->buckets) pending->buckets = calloc(BUCKETS, sizeof(struct tw__pending_event *));
    struct tw__pending_event *event = pending->buckets ? copy(record) : NULL;
    if (!event) {
        pending->lost++;
        return;
    }
    struct tw__pending_event *head = tw__pending_find(pending, event->trace_id, event->span_id);
    if (head) {
        replace_head(pending, head, event);
    } else {
        struct tw__pending_event **bucket = &pending->buckets[bucket_of(event->trace_id, event->span_id)];
        event->chain = *bucket;
        *bucket = event;
    }
    event->next = head;
    event->older = pending->newest;
    if (pending->newest)
        pending->newest->newer = event;
    else
        pending->oldest = event;
    pending->newest = event;
    pending->count++;
    pending->bytes += event->bytes;
    while (pending->count > TW__PENDING_MAX || pending->bytes > TW__PENDING_BYTES) give_up(pending, pending->oldest);
}

struct tw__pending_event *tw__pending_find(struct tw__pending *pending, const uint8_t trace_id[16],
                                           const uint8_t span_id[8])
{
    if (pending->count == 0) return NULL;
    struct tw__pending_event *event = pending->buckets[bucket_of(trace_id, span_id)];
    while (event && !same(event, trace_id, span_id)) event = event->chain;
    return event;
}

void tw__pending_remove(struct tw__pending *pending, struct tw__pending_event *first)
{
    replace_head(pending, first, NULL);
    for (struct tw__pending_event *event = first, *next; event; event = next) {
        next = event->next;
        forget(pending, event);
    }
}

void tw__pending_expire(struct tw__pending *pending, uint64_t before_ns)
{
    while (pending->oldest && pending->oldest->event.time_ns < before_ns) give_up(pending, pending->oldest);
}

void tw__pending_fini(struct tw__pending *pending)
{
    for (struct tw__pending_event *event = pending->oldest, *next; event; event = next) {
        next = event->newer;
        free(event);
    }
    free(pending->buckets);
    *pending = (struct tw__pending){0};
}
