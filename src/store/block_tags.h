/* block_tags: lists of tags of a block, read. For src/store/block_*_dec.c alone. */
#ifndef TW_STORE_BLOCK_TAGS_H
#define TW_STORE_BLOCK_TAGS_H

#include "store/block.h"

/* Texts of which those used are copied, once each. */
struct tw__dictionary {
    struct tw_text *texts;
    uint8_t *copied;
    uint32_t count;
};
int tw__dictionary_copy(struct tw__dictionary *dictionary, uint32_t index, struct tw__pool *to, struct tw_text *out);
/* A text column: how many, texts, an index for each of count. */
int tw__get_text_column(struct tw__column *in, size_t count, struct tw__pool *pool, struct tw__dictionary *dictionary,
                        uint32_t **indexes);

struct tw__stream {
    struct tw_text key;
    uint8_t type;
    bool cut, loaded, wanted, owned;
    uint32_t count;                   /* values */
    uint64_t *numbers, *fulls;        /* of numbers; of cut ones */
    struct tw__dictionary dictionary; /* of texts */
    uint32_t *indexes;                /* NULL: value i is text i */
    uint32_t at;                      /* next value when lists are walked */
};

struct tw__tags {
    const struct tw__contents *contents;
    unsigned base;
    uint32_t list_count, shape_count, stream_count;
    uint32_t *shape_of; /* list */
    uint32_t *shape_at; /* one more at the end: first of each in places */
    uint32_t *places;   /* streams */
    struct tw__stream *streams;
    bool any_wanted;
    uint32_t next; /* list, when walked */
};

/* Everything but values. TW_ERR_CORRUPT also when there are not list_count lists, or the streams are not as long as the
 * lists say. */
int tw__tags_open(const struct tw__contents *contents, unsigned base, size_t list_count, struct tw__pool *pool,
                  struct tw__tags *out);
int tw__tags_load(struct tw__tags *tags, struct tw__stream *stream, struct tw__pool *pool);
/* Loads streams of these keys, or all. */
int tw__tags_want(struct tw__tags *tags, bool all, const struct tw_text *keys, size_t key_count, struct tw__pool *pool);
/* The wanted tags of a list, copied; lists rise from call to call. */
int tw__tags_read(struct tw__tags *tags, uint32_t list, struct tw__pool *to, const struct tw_tag_value **out,
                  uint32_t *count);

#endif
