/* block_bytes: numbers of the columns of heads and tails, and the parts that writing and reading share. */
#ifndef TW_STORE_BLOCK_BYTES_H
#define TW_STORE_BLOCK_BYTES_H

enum tw__head_column {
    TW__HEAD_TRACE_IDS = 1,
    TW__HEAD_TRACE_ROWS,
    TW__HEAD_TRACE_STARTS,
    TW__HEAD_STARTS,
    TW__HEAD_DURATIONS,
    TW__HEAD_CLASS_OF,
    TW__HEAD_CLASSES,
    TW__HEAD_NAMES,    /* of spans */
    TW__HEAD_SERVICES, /* of resources */
    TW__HEAD_COUNTS    /* rows, traces, classes, resources, scopes, names; first begin */
};

enum tw__tail_column {
    TW__TAIL_SPAN_IDS = 1,
    TW__TAIL_PARENTS,
    TW__TAIL_MESSAGES,
    TW__TAIL_TRACE_STATES,
    TW__TAIL_DROPPED,
    TW__TAIL_EVENTS,
    TW__TAIL_LINKS,
    TW__TAIL_RESOURCES,
    TW__TAIL_SCOPES,
    TW__TAIL_SPAN_TAGS = 0x10, /* and the four numbers after: enum tw__tags_column */
    TW__TAIL_EVENT_TAGS = 0x20,
    TW__TAIL_LINK_TAGS = 0x30,
    TW__TAIL_RESOURCE_TAGS = 0x40,
    TW__TAIL_SCOPE_TAGS = 0x50
};

enum tw__tags_column {
    TW__TAGS_SHAPES = 0,
    TW__TAGS_STREAMS = 1,
    TW__TAGS_LISTS = 2,
    TW__TAGS_VALUES = 3 /* sub: 2 * stream, and 2 * stream + 1 for the indexes of texts */
};

enum { TW__PARENT_NONE = 0, TW__PARENT_ELSEWHERE = 1, TW__PARENT_NEAR = 2 /* and the distance, zigzag */ };

enum {
    TW__BLOOM_BITS = 16 /* a trace */,
    TW__PART_BITS = 20 /* the same, of a partition's filters */,
    TW__BLOOM_PROBES = 8,
    TW__VALUES_BITS = 10 /* a text */,
    TW__VALUES_PROBES = 5
};

#endif
