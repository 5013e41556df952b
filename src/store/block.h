/* block: up to 8192 spans in columns: a head (what searches look at), a tail (the rest) and an index (what is enough to
 * know that nothing in it is wanted). docs/format/store.md has the bytes.
 *
 * Writing takes rows of a table in the order in which they will stand: spans of one trace together, by begin.
 * Reading goes in steps: the index is in memory, the head says which spans match, and what is asked of those is read
 * from the tail. Everything read lives in the pool that was given, texts too: the bytes may go away afterwards, but a
 * tail borrows them. */
#ifndef TW_STORE_BLOCK_H
#define TW_STORE_BLOCK_H

#include "store/column.h"
#include "store/filter.h"
#include "store/recent.h"

enum { TW__BLOCK_ROWS = 8192 };

struct tw__block_enc;
struct tw__block_enc *tw__block_enc_new(void);
void tw__block_enc_free(struct tw__block_enc *enc);

struct tw__block_bytes {
    struct tw__buf index, head, tail;
    uint64_t min_ns, max_ns; /* begins */
    size_t rows;
};
/* Rows of a table, or copies of them, in the order in which they will stand. Replaces what is in out. An encoder is for
 * one table. 0, TW_ERR_MEMORY. */
int tw__block_enc(struct tw__block_enc *enc, const struct tw__recent *recent, const struct tw__row *rows, size_t count,
                  struct tw__block_bytes *out);

/* -- the index */
struct tw__block_service {
    struct tw_text name;
    uint32_t spans, errors;
    uint64_t max_ns; /* duration */
};
struct tw__block_index {
    const struct tw__block_service *services;
    uint32_t service_count;
    struct tw__filter traces, values; /* values: of texts of tags of spans and resources */
};
int tw__block_index_read(const void *bytes, size_t len, struct tw__pool *pool, struct tw__block_index *out);
/* What the filter of values knows a text of a key by; text NULL: that the key has values that are no texts. */
uint64_t tw__value_hash(struct tw_text key, const struct tw_text *text);
uint64_t tw__value_hash_of(uint64_t key_hash, const struct tw_text *text);
bool tw__block_index_may_equal(const struct tw__block_index *index, struct tw_text key, struct tw_text value);
/* trace: tw__trace_hash of the id. */
bool tw__block_index_may_have(const struct tw__block_index *index, uint64_t trace);
uint64_t tw__trace_hash(const uint8_t trace_id[16]);

/* -- the head */

/* What many spans have in common. */
struct tw__class {
    uint32_t resource, scope, name, service, flags; /* name: of names; service: of services */
    uint8_t kind, status, door, bits;               /* enum tw__class_bit */
};
enum tw__class_bit { TW__CLASS_OPEN = 1, TW__CLASS_ENDLESS = 2 /* end_ns is 0 */, TW__CLASS_ROOT = 4 };

struct tw__head {
    uint32_t rows, trace_count, class_count, resource_count, scope_count, name_count, service_count;
    const uint8_t *trace_ids;               /* 16 bytes each */
    const uint32_t *trace_first;            /* row of each; one more at the end */
    const uint64_t *start_ns, *duration_ns; /* end minus begin, modulo 2^64; 0 of the endless */
    const uint32_t *class_of;
    const struct tw__class *classes;
    const struct tw_text *names, *services;
};
/* Without the parts names and the times are NULL. 0, TW_ERR_CORRUPT, TW_ERR_MEMORY. */
enum tw__head_part { TW__HEAD_TIMES = 1, TW__HEAD_TEXTS = 2, TW__HEAD_ALL = 3 };
int tw__head_read(const void *bytes, size_t len, unsigned parts, struct tw__pool *pool, struct tw__head *out);
/* Index of a trace; -1: not there. */
int tw__head_trace(const struct tw__head *head, const uint8_t trace_id[16]);

/* Whether it is worth reading the head: false only when the trace is surely not there. */
bool tw__head_may_have(const struct tw__contents *contents, const uint8_t trace_id[16]);

/* -- the tail */
struct tw__tail {
    struct tw__contents contents;
    const struct tw__head *head;
};
/* Borrows bytes and head. */
int tw__tail_open(const void *bytes, size_t len, const struct tw__head *head, struct tw__tail *out);

struct tw__block_read {
    const struct tw__head *head; /* with all parts */
    const struct tw__tail *tail;
    const uint32_t *rows; /* rising */
    size_t row_count;
    unsigned parts;
    const struct tw_text *keys; /* wanted when parts has no TW__PART_TAGS */
    size_t key_count;
    struct tw__pool *scratch; /* for the columns; what out needs is copied to out's own pool */
};
/* Appends the rows' spans. 0, TW_ERR_CORRUPT, TW_ERR_MEMORY; then out has as many spans as before. */
int tw__block_read(const struct tw__block_read *read, struct tw__spans *out);

struct tw__store_equal;
/* Clears hits[row] of spans that have no tag like this, nor their resource. */
int tw__block_equal(const struct tw__tail *tail, const struct tw__store_equal *equal, struct tw__pool *pool,
                    uint8_t *hits);

/* Calls fn for texts of a key's values in the block, with how often; a text can come more than once. scopes: enum
 * tw__tag_scope. fn returns false to stop. Returns 0, 1 (stopped) or an error. */
typedef bool tw__block_value_fn(void *data, struct tw_text value, uint64_t count);
int tw__block_values(const struct tw__tail *tail, unsigned scopes, struct tw_text key, struct tw__pool *pool,
                     tw__block_value_fn *fn, void *data);

#endif
