/* block_enc: what the files that write a block share. For src/store/block_*_enc.c alone. */
#ifndef TW_STORE_BLOCK_ENC_H
#define TW_STORE_BLOCK_ENC_H

#include "store/block.h"

/* Ids of the table, renumbered in the order in which they are met. Only one numbering is open at a time. */
struct tw__local {
    uint32_t round, id;
};
struct tw__ids {
    uint32_t *items; /* of the table, by ours */
    uint32_t count, round;
};

struct tw__block_enc {
    struct tw__columns columns;
    struct tw__pool pool;
    struct tw__local *local; /* by the table's id: strings, shapes, resources, scopes, different fields */
    size_t local_cap;
    uint32_t round;
    const struct tw__recent *recent;
    const struct tw__row *rows;
    uint32_t *field_of, *fields; /* of each field of the table, which of the different ones it is; and those */
    size_t count;
    uint32_t *trace_first;
    uint32_t trace_count, class_count;
    uint64_t min_ns, max_ns;
    uint64_t *of; /* class of each row */
    uint64_t *durations;
    uint64_t *value_hashes; /* of texts of tags, for the index */
    size_t value_count, value_cap;
    struct tw__ids resources, scopes, names;
};

/* cap: how many there can be. */
int tw__ids_begin(struct tw__block_enc *enc, struct tw__ids *ids, size_t cap);
uint32_t tw__ids_put(struct tw__block_enc *enc, struct tw__ids *ids, uint32_t id);
void tw__put_ids_texts(struct tw__block_enc *enc, const struct tw__ids *ids);
/* Their texts, in the pool; NULL: no memory. */
const struct tw_text *tw__texts_of(struct tw__block_enc *enc, const struct tw__ids *ids);
/* Texts of strings: how many different, those, and an index for each. */
void tw__put_text_column(struct tw__block_enc *enc, const uint64_t *strings, size_t count);

/* Remembers that a key has this text as value; text NULL: values that are no texts. key_hash: tw__hash of the key. */
void tw__put_value_hash(struct tw__block_enc *enc, uint64_t key_hash, const struct tw_text *text);
/* Room for so many more of them. */
int tw__reserve_value_hashes(struct tw__block_enc *enc, size_t more);

int tw__put_events(struct tw__block_enc *enc);
int tw__put_links(struct tw__block_enc *enc);
int tw__put_origins(struct tw__block_enc *enc);
int tw__put_all_tags(struct tw__block_enc *enc);

#endif
