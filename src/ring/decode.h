/* decode: from the bytes of a record to a struct tw_record. */
#ifndef TW_RING_DECODE_H
#define TW_RING_DECODE_H

#include "ring/slabs.h"
#include "ring/view.h"

/* Dictionary entries met in one read, each copied once. */
struct tw__text_entry {
    uint32_t id, line;
    bool site, bad;
    struct tw_text name, module, function; /* name: also the bytes of a plain text */
};
struct tw__texts {
    const struct tw_reader *reader;
    struct tw__slabs *slabs;
    struct tw__text_entry *entries;
    size_t count, cap;
    uint32_t *table; /* index + 1 by hash of id; 0 empty */
    size_t table_size;
    uint64_t budget; /* bytes that may still be copied: entries do not overlap, so the dictionary's length is enough */
    uint64_t damaged;
    bool no_memory;
};
void tw__texts_init(struct tw__texts *texts, const struct tw_reader *reader, struct tw__slabs *slabs);
void tw__texts_fini(struct tw__texts *texts);
static inline size_t tw__texts_place(const struct tw__texts *texts, uint32_t id)
{
    return (id * 2654435761u >> 8) & (texts->table_size - 1);
}
/* For tw__texts_get: ids that are not where they are looked for first. */
const struct tw__text_entry *tw__texts_find(struct tw__texts *texts, uint32_t id);
/* The entry of an id; "?" for id 0 and for what makes no sense (counted as damaged). Until the next call: the table may
 * move. */
static inline const struct tw__text_entry *tw__texts_get(struct tw__texts *texts, uint32_t id)
{
    if (texts->table_size) {
        uint32_t first = texts->table[tw__texts_place(texts, id)];
        if (first && texts->entries[first - 1].id == id) return &texts->entries[first - 1];
    }
    return tw__texts_find(texts, id);
}

/* Names of threads by tid. */
struct tw__thread_name {
    uint64_t attached_tick;
    uint32_t tid, len;
    char name[16];
};

struct tw__decoder {
    struct tw__texts texts;
    const struct tw__timebase *time;
    struct tw__slabs *slabs;
    const struct tw__thread_name *threads; /* sorted by tid */
    size_t thread_count;
    uint32_t pid;
    uint64_t damaged;
    bool no_memory;
    struct tw_tag_value *tags; /* of the record at hand, in slabs */
    size_t tag_count, tag_cap; /* cap: as many as the bytes can hold */
    size_t arg_count;   /* of them, in front: a log's arguments */
    bool args_possible; /* no tag with a key has come yet */
    struct tw_context *parents;
    size_t parent_count, parent_cap;
};

/* A copy of a record or of a slot; it must live as long as the result, whose texts point into it. */
struct tw__image {
    const uint64_t *words;
    uint64_t order;
    bool open; /* a slot */
};

/* Reads the names of all threads into decoder->slabs. False on lack of memory. */
bool tw__decode_threads(struct tw__decoder *decoder, const struct tw_reader *reader);

/* Fills *out from the tags of further records (type TAGS) of the same span, in their order, and from an image. False on
 * lack of memory. */
bool tw__decode(struct tw__decoder *decoder, const struct tw__image *image, const struct tw__image *more,
                size_t more_count, struct tw_record *out);

#endif
