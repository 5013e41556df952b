/* read_spans: looks at every byte of a batch, so that ASan sees what lies outside of memory. */
#ifndef TW_FUZZ_READ_SPANS_H
#define TW_FUZZ_READ_SPANS_H

#include <stdlib.h>

#include "model/spans.h"

static uint64_t read_spans_sum;

static inline void read_text(struct tw_text text)
{
    if (text.len && !text.ptr) abort();
    for (size_t i = 0; i < text.len; i++) read_spans_sum += (uint8_t)text.ptr[i];
}

static inline void read_tags(const struct tw_tag_value *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        read_text(tags[i].key);
        read_text(tags[i].text);
        if (tags[i].type == TW_TYPE_NONE || tags[i].type > TW_TYPE_JSON) abort();
    }
}

static inline void read_spans(const struct tw__spans *spans)
{
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        if (span->resource >= spans->resource_count || span->scope >= spans->scope_count) abort();
        read_text(span->name);
        read_text(span->status_message);
        read_text(span->trace_state);
        read_tags(span->tags, span->tag_count);
        for (uint32_t e = 0; e < span->event_count; e++) {
            read_text(span->events[e].name);
            read_tags(span->events[e].tags, span->events[e].tag_count);
        }
        for (uint32_t l = 0; l < span->link_count; l++) {
            read_spans_sum += span->links[l].span_id[7];
            read_tags(span->links[l].tags, span->links[l].tag_count);
        }
    }
    for (size_t i = 0; i < spans->resource_count; i++) {
        read_text(spans->resources[i].service);
        read_tags(spans->resources[i].tags, spans->resources[i].tag_count);
    }
}

#endif
