/* xray_parts_dec: what the files of the X-Ray reader share. */
#ifndef TW_WIRE_XRAY_PARTS_DEC_H
#define TW_WIRE_XRAY_PARTS_DEC_H

#include "wire/json_in_dec.h"
#include "wire/xray_dec.h"

/* A document being read. */
struct tw__xray_doc_in {
    struct tw__spans *spans;
    size_t first;      /* of its spans in the batch */
    uint32_t *parents; /* of each, its parent's place behind first; UINT32_MAX: none */
    size_t parent_cap;
    uint32_t left_out;
    unsigned depth;
    struct tw__tag_list resource_tags;
    struct tw_text service, sdk;
    uint8_t trace_id[16];
    bool has_trace, is_subsegment;
    struct tw__buf text;
};

/* A segment or subsegment being read. */
struct tw__xray_part_in {
    struct tw__xray_doc_in *doc;
    struct tw__span span;
    struct tw__tag_list tags;
    struct tw__span_event *events;
    struct tw__span_link *links;
    size_t event_cap, link_cap, index;
    bool has_id, has_start, has_end, in_progress, embedded;
    bool error, fault, throttle, requested;
    struct tw_text space;
};

/* "1-5759e988-bd862e3fe1be46a994272793", or 32 digits. */
bool tw__xray_read_trace_id(struct tw_text text, uint8_t id[16]);
/* Seconds with a fraction. */
int tw__xray_read_time(struct tw__json_in *in, uint64_t *ns, bool *found);

/* The values of these members; target is a tw__xray_part_in. */
int tw__xray_read_http(struct tw__json_in *in, void *target);
int tw__xray_read_sql(struct tw__json_in *in, void *target);
int tw__xray_read_aws(struct tw__json_in *in, void *target);
int tw__xray_read_service(struct tw__json_in *in, void *target);
int tw__xray_read_origin(struct tw__json_in *in, void *target);
int tw__xray_read_cause(struct tw__json_in *in, void *target);
int tw__xray_read_annotations(struct tw__json_in *in, void *target);
int tw__xray_read_metadata(struct tw__json_in *in, void *target);
int tw__xray_read_links(struct tw__json_in *in, void *target);
int tw__xray_read_precursors(struct tw__json_in *in, void *target);

#endif
