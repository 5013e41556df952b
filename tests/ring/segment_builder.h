/* segment_builder: makes segments by hand, word by word, from docs/format/segment.md: the states a test needs, not the
 * ones a writer happens to leave. Offsets come from layout.h, values from the caller; nothing is checked but that it
 * lies inside. */
#ifndef TW_TEST_SEGMENT_BUILDER_H
#define TW_TEST_SEGMENT_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "ring/layout.h"

enum { BUILDER_TAGS_MAX = 8192, BUILDER_DICT_BYTES = 4096 };
/* Clock 2; tick 0 is this wall time, and the boot is nobody's. */
#define BUILDER_WALL0 UINT64_C(1700000000000000000)
/* Where the writer is said to have had the file. */
#define BUILDER_MAP_ADDR UINT64_C(0x7f0000000000)

struct builder {
    uint8_t *bytes;
    size_t len;
    struct tw__header *header;
};

struct builder_tags {
    uint8_t bytes[BUILDER_TAGS_MAX];
    uint32_t len;
};

struct builder_record {
    unsigned type; /* enum tw__type */
    uint32_t bits, site;
    uint64_t time, end;
    uint64_t trace, id, parent; /* trace: the low half; the high one is 0x1111 */
    uint32_t tid, flags;
    const struct builder_tags *tags;
};

/* A valid empty segment in zeroed memory. */
void builder_init(struct builder *b, uint32_t blocks, uint32_t chunks, uint32_t dict_bytes);
void builder_fini(struct builder *b);

uint32_t builder_text(struct builder *b, const char *text);
uint32_t builder_site(struct builder *b, const char *name, const char *module, const char *function, uint32_t line);
struct tw__entry *builder_entry(const struct builder *b, uint32_t id);

struct tw__block *builder_block(const struct builder *b, uint32_t index);
/* Says that a thread has the block. */
void builder_thread(struct builder *b, uint32_t index, uint32_t tid, const char *name);
struct tw__slot *builder_slot(const struct builder *b, uint32_t block, unsigned slot);
/* Puts an open span there (id odd). */
void builder_open(struct builder *b, uint32_t block, unsigned slot, const struct builder_record *record);

struct tw__chunk *builder_chunk(const struct builder *b, uint32_t index);
/* Takes a chunk, closed and empty. */
void builder_take(struct builder *b, uint32_t index, uint64_t ticket);
/* Makes it open, held by a block, with the block's cursor at the end of its records. */
void builder_hold(struct builder *b, uint32_t index, uint32_t block);
void builder_set_state(struct builder *b, uint32_t index, enum tw__chunk_state state);
/* Appends a record at commit; returns its offset. Moves the cursor of the holder when the chunk is open. */
uint32_t builder_add(struct builder *b, uint32_t index, const struct builder_record *record);
/* The word of a record that begins at an offset. */
uint64_t *builder_word(const struct builder *b, uint32_t index, uint32_t offset);

void builder_tag(struct builder_tags *tags, uint32_t key, unsigned type, unsigned len, const void *payload,
                 size_t size);
void builder_tag_text(struct builder_tags *tags, uint32_t key, unsigned type, const char *text);
void builder_tag_long(struct builder_tags *tags, uint32_t key, unsigned type, const char *text, uint32_t stored,
                      uint32_t full);

#endif
