/* span: what the codecs that send spans take: a finished or open span with its events.
 *
 *     tw__events_sort(events, count);                   once for a batch: pointers to its records that are no spans
 *     struct tw__span_in in = {.record = span};
 *     in.events = tw__events_of(events, count, span, &in.event_count);
 */
#ifndef TW_WIRE_SPAN_H
#define TW_WIRE_SPAN_H

#include <string.h>

#include <trackway/read.h>

struct tw__span_in {
    const struct tw_record *record;
    const struct tw_record *const *events; /* of this span, by time; everything is borrowed for the call */
    size_t event_count;
};

/* Sorts by trace, span, time and order; in place, without memory of its own. */
void tw__events_sort(const struct tw_record **events, size_t count);

/* The events of a span among sorted ones.
 * Returns  the first of *found events in a row; NULL when there are none. */
const struct tw_record *const *tw__events_of(const struct tw_record *const *events, size_t count,
                                             const struct tw_record *span, size_t *found);

/* What tells marks, messages, threads and logs from plain events: the value of the attribute trackway.kind. NULL: an
 * event. */
const char *tw__event_kind(const struct tw_record *event);

enum { TW__TAG_FAR = 256 };

/* Whether a later tag has the same key and so replaces this one. Looked for among the next few only: a record can hold
 * thousands of tags, and all pairs would be a hang. */
static inline bool tw__tag_replaced(const struct tw_tag_value *tags, size_t count, size_t index)
{
    const struct tw_text *key = &tags[index].key;
    size_t end = count - index > TW__TAG_FAR ? index + TW__TAG_FAR : count;
    for (size_t i = index + 1; i < end; i++) {
        const struct tw_text *later = &tags[i].key;
        if (later->len != key->len) continue;
        if (later->ptr == key->ptr || memcmp(later->ptr, key->ptr, key->len) == 0) return true;
    }
    return false;
}

#endif
