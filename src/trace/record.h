/* record: records other than spans, and what tags and records share. */
#ifndef TW_TRACE_RECORD_H
#define TW_TRACE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/span.h>

#include "ring/tags.h"
#include "trace/runtime.h"

/* Bits of a record's head, see docs/format/segment.md. */
enum { TW__MARK_CUT = 1 << 5, TW__MARK_OWN_TIME = 1 << 6 };

enum { TW__TAGS_MAX = 64 }; /* of one event; more are dropped and counted as cut */

/* Whose trace a record belongs to. */
struct tw__owner {
    uint64_t trace[2], span, flags;
};

/* The trace of a handle (span or holder); false when it is stale. None: zero, and true. */
bool tw__owner_of(tw_span span, struct tw__owner *out);
void tw__owner_of_context(const struct tw_context *context, struct tw__owner *out);

/* Appends an event-like record. tick 0: now. Between tw__enter and tw__leave. False: no room, counted. */
bool tw__record_append(struct tw__block *block, uint64_t head, uint64_t tick, const struct tw__owner *owner,
                       const struct tw__tag_in *tags, size_t count);

/* The same, with tags that are bytes already, in two parts; lengths are multiples of 8. Time: now. */
bool tw__record_append_bytes(struct tw__block *block, uint64_t head, const struct tw__owner *owner, const void *tags,
                             size_t len, const void *more, size_t more_len);

/* A text as a tag, cut to max bytes; counts the cut. */
struct tw__tag_in tw__text_tag(struct tw__block *block, enum tw__tag type, uint16_t key, const void *text, size_t len,
                               size_t max);

/* A public attribute as a tag. */
struct tw__tag_in tw__attr_tag(struct tw__block *block, const struct tw_attr *attr);

#endif
