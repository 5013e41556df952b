/* recent: spans that are in the journal and not in a block yet: rows of numbers, all texts interned.
 *
 * What a batch adds at the ends of these arrays is what the journal writes, and what a block is made of: texts are
 * hashed once, here. Rows and everything else are only ever appended, so that a reader who has seen a count may read
 * below it; the arrays themselves move when they grow (under the store's lock), texts do not.
 *
 * Threads  one at a time, but a table that is not written to any more by any number. */
#ifndef TW_STORE_RECENT_H
#define TW_STORE_RECENT_H

#include "model/spans.h"

/* A key with a type, as shapes list them: string << 4 | cut << 3 | enum tw_type. A cut tag has two values: its own, and
 * full_len. */
#define TW__FIELD(key, cut, type) ((uint32_t)(key) << 4 | (uint32_t)(cut) << 3 | (uint32_t)(type))
#define TW__FIELD_KEY(field)      ((field) >> 4)
#define TW__FIELD_CUT(field)      ((field) >> 3 & 1)
#define TW__FIELD_TYPE(field)     ((field)&7)

/* A list of tags: a shape and its values, one after the other. Values of texts are strings. */
struct tw__tag_list {
    uint32_t shape, values;
};

/* The structures below stand in the journal as they are, little-endian; docs/format/store.md. */
struct tw__row {
    uint8_t trace_id[16], span_id[8], parent_id[8];
    uint64_t start_ns, end_ns;
    uint32_t name, status_message, trace_state; /* strings */
    uint32_t resource, scope, flags;
    struct tw__tag_list tags;
    uint32_t first_event, event_count, first_link, link_count;
    uint32_t dropped_tags, dropped_events, dropped_links;
    uint8_t kind, status, door, open;
};

struct tw__event_row {
    uint64_t time_ns;
    uint32_t name;
    struct tw__tag_list tags;
    uint32_t dropped_tags, kind, zero;
};

struct tw__link_row {
    uint8_t trace_id[16], span_id[8];
    uint32_t flags, trace_state;
    struct tw__tag_list tags;
    uint32_t dropped_tags, zero;
};

/* Resources and scopes. name: the service, or the scope's name. */
struct tw__origin {
    uint32_t name, version, schema_url;
    struct tw__tag_list tags;
    uint32_t dropped_tags;
};

struct tw__shape {
    uint32_t first, count; /* of fields */
};

/* Ids by hash. */
struct tw__set_slot {
    uint32_t hash, id; /* id + 1; 0: free */
};
struct tw__set {
    struct tw__set_slot *slots;
    size_t mask, used;
};

/* How lists go on: after these fields comes this one, and if it is the last this is the shape. A list like one before
 * is followed from key to key, and none of them is hashed. */
struct tw__way {
    const char *key; /* a string's */
    uint32_t key_len, field;
    uint32_t next, first, before; /* another field in its place; the one after; the one before. 0: none */
    uint32_t shape;               /* 0: not known */
};

/* Texts that came more than once lately, by their ends and length. */
struct tw__seen {
    const char *ptr;
    uint32_t len, id;
};
/* A value whose text is to be looked up. */
struct tw__later {
    struct tw_text text;
    struct tw__seen *seen;
    size_t value;
    uint32_t hash;
};
enum { TW__WAYS = 4096, TW__SEEN = 2048, TW__LATER = 32 };

/* All that grows. Count and kind of each array, in the order in which the journal writes them. */
#define TW__RECENT_ARRAYS(X)                                                                                           \
    X(fields, uint32_t)                                                                                                \
    X(shapes, struct tw__shape)                                                                                        \
    X(values, uint64_t)                                                                                                \
    X(resources, struct tw__origin)                                                                                    \
    X(scopes, struct tw__origin)                                                                                       \
    X(events, struct tw__event_row)                                                                                    \
    X(links, struct tw__link_row)                                                                                      \
    X(rows, struct tw__row)

struct tw__recent_counts {
    size_t strings, string_bytes;
#define TW__RECENT_COUNT(name, type) size_t name;
    TW__RECENT_ARRAYS(TW__RECENT_COUNT)
#undef TW__RECENT_COUNT
};

struct tw__recent {
    struct tw__recent_counts count, cap;
    struct tw_text *strings; /* 0 is the empty one */
#define TW__RECENT_ARRAY(name, type) type *name;
    TW__RECENT_ARRAYS(TW__RECENT_ARRAY)
#undef TW__RECENT_ARRAY
    struct tw__pool pool; /* of the strings' bytes */
    struct tw__set string_set, shape_set, resource_set, scope_set;
    struct tw__way *ways; /* 0: the beginning */
    size_t way_count;
    struct tw__seen *seen;
    struct tw__later later[TW__LATER];
    size_t later_count;
    uint32_t *scratch; /* fields of the list being added */
    size_t scratch_cap;
};

/* Ready to be written to: with the empty string, the empty shape and the empty scope. 0 or TW_ERR_MEMORY. */
int tw__recent_init(struct tw__recent *recent);
/* Empty again, the memory kept. 0 or TW_ERR_MEMORY, which leaves nothing. */
int tw__recent_reset(struct tw__recent *recent);
void tw__recent_fini(struct tw__recent *recent);

/* Appends a batch, or nothing: 0 or TW_ERR_MEMORY. Copies of a span of this batch are kept; sealing folds them. */
int tw__recent_add(struct tw__recent *recent, const struct tw__spans *spans);
/* Takes back what was appended since the counts were these. */
void tw__recent_undo(struct tw__recent *recent, const struct tw__recent_counts *before);

/* Makes room for more of everything: for the journal, which fills the arrays itself, of a table that nothing is added
 * to any more: what is in it is not found again. 0 or TW_ERR_MEMORY. _valid: whether everything from before on points
 * at what is there. */
int tw__recent_reserve(struct tw__recent *recent, const struct tw__recent_counts *more);
bool tw__recent_valid(const struct tw__recent *recent, const struct tw__recent_counts *before);

/* Memory of the arrays and texts. */
size_t tw__recent_bytes(const struct tw__recent *recent);

/* Brings spans back. keys: those wanted when parts has no TW__PART_TAGS. */
struct tw__recent_reader {
    const struct tw__recent *recent;
    unsigned parts;
    const struct tw_text *keys;
    size_t key_count;
    struct tw__spans *out;
    uint32_t *resources, *scopes; /* ours to out's; UINT32_MAX: not there yet */
    bool failed;                  /* a text found no memory */
};
/* Texts are copied: the batch may outlive the table. Both 0 or TW_ERR_MEMORY. */
int tw__recent_read_begin(struct tw__recent_reader *reader);
int tw__recent_read(struct tw__recent_reader *reader, size_t row);

#endif
