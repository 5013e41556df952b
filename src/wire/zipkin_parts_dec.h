/* zipkin_parts_dec: a Zipkin span as it was read, before it becomes one of ours: what the readers of its forms
 * share. */
#ifndef TW_WIRE_ZIPKIN_PARTS_DEC_H
#define TW_WIRE_ZIPKIN_PARTS_DEC_H

#include "wire/json_in_dec.h"
#include "wire/zipkin_dec.h"

struct tw__zipkin_endpoint {
    struct tw_text service, ip;
    uint64_t port; /* 0: not known */
};

/* When version 1's core annotations stand. */
enum tw__zipkin_core {
    TW__ZIPKIN_CS,
    TW__ZIPKIN_CR,
    TW__ZIPKIN_SR,
    TW__ZIPKIN_SS,
    TW__ZIPKIN_MS,
    TW__ZIPKIN_MR,
    TW__ZIPKIN_CORES
};

struct tw__zipkin_span {
    uint8_t trace_id[16], id[8], parent_id[8];
    bool has_trace, has_id, has_timestamp, has_duration, shared, debug;
    uint8_t kind;
    uint64_t timestamp_us, duration_us;
    struct tw_text name;
    struct tw__zipkin_endpoint local, remote;
    struct tw__tag_list tags;
    struct tw__span_event *events;
    size_t event_cap;
    uint32_t event_count, dropped_events;
    /* Of version 1. */
    struct {
        bool there;
        uint64_t us;
        struct tw__zipkin_endpoint endpoint;
    } cores[TW__ZIPKIN_CORES];
    struct tw__zipkin_endpoint server, client; /* of sa, ca */
};

void tw__zipkin_span_init(struct tw__zipkin_span *span);
int tw__zipkin_span_event(struct tw__pool *pool, struct tw__zipkin_span *span, uint64_t us, struct tw_text value);
/* Into the batch, as one span or two; hands the batch on when it is enough. Returns 0, TW_ERR_MEMORY or what take
 * returned. */
int tw__zipkin_add(struct tw__zipkin_dec *dec, struct tw__zipkin_span *span);
/* Hands on what is left. */
int tw__zipkin_finish(struct tw__zipkin_dec *dec);

#endif
