/* view: what the reader's files share: the mapping with its checked shape, whole copies of chunks and slots, and time.
 *
 * Layers inside the reader: reader.c (the file) <- cursor.c (whole copies) <- decode.c, texts.c (bytes to values)
 * <- records.c (a query's answer); process.c and position.c beside them. */
#ifndef TW_RING_VIEW_H
#define TW_RING_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/read.h>

#include "ring/layout.h"

/* Upper bounds on what a file may claim: far beyond what a writer makes, low enough that scanning it ends soon. */
enum { TW__READ_BLOCKS_MAX = 1 << 16, TW__READ_CHUNKS_MAX = 1 << 22 };

/* Where the parts are: read once at opening and checked against the file's size; never read again. */
struct tw__shape {
    uint64_t live_off; /* 0: none */
    uint64_t dict_off, dict_bytes, blocks_off, arena_off, end;
    uint64_t map_addr;
    uint32_t block_max, chunk_max;
};

/* Ticks to nanoseconds and back: mono = mono0 + ((tick - tick0) * mult >> shift). */
struct tw__timebase {
    uint64_t tick0, mono0, wall_minus_mono;
    uint64_t mult, back_mult;
    unsigned shift, back_shift;
};

struct tw_reader {
    const uint8_t *map;
    struct tw__shape shape;
    int fd; /* -1: over memory that is somebody else's */
    uint64_t inode, device;
    bool same_boot;
    struct tw__header head; /* as it was at opening; for the words that never change */
    struct tw__timebase time;
    uint64_t time_taken_ns; /* CLOCK_MONOTONIC; 0: not yet */
    char *path;
    char sampler[40], notice[96]; /* as they were when tw_reader_process looked last */
};

static inline const struct tw__header *tw__view_header(const struct tw_reader *reader)
{
    return (const struct tw__header *)(const void *)reader->map;
}
static inline const struct tw__block *tw__view_block(const struct tw_reader *reader, uint32_t index)
{
    return (const struct tw__block *)(const void *)(reader->map + reader->shape.blocks_off +
                                                    (uint64_t)index * TW__BLOCK_BYTES);
}
static inline const struct tw__chunk *tw__view_chunk(const struct tw_reader *reader, uint32_t index)
{
    return (const struct tw__chunk *)(const void *)(reader->map + reader->shape.arena_off +
                                                    (uint64_t)index * TW__CHUNK_BYTES);
}

/* False when the file has become shorter than it was: touching the mapping would kill the reader. */
bool tw__view_is_whole(const struct tw_reader *reader);

/* How many blocks and chunks to look at, never more than there are. */
uint32_t tw__view_blocks(const struct tw_reader *reader);
uint32_t tw__view_chunks(const struct tw_reader *reader);

/* timebase.c: tw__view_time gives the conversion of this segment's ticks, taken anew every few seconds. */
const struct tw__timebase *tw__view_time(struct tw_reader *reader);
uint64_t tw__time_ns(const struct tw__timebase *time, uint64_t tick);
/* The tick of a wall time, within 1024 ticks; 0 or UINT64_MAX when it lies beyond what ticks can say. */
uint64_t tw__time_tick(const struct tw__timebase *time, uint64_t wall_ns);

/* process.c: the state of the segment's process, asked anew each time. */
enum tw_process_state tw__view_process_state(const struct tw_reader *reader);

/* A chunk as its head says. */
struct tw__chunk_info {
    uint32_t index;
    uint64_t ticket;
    uint32_t end;    /* of its records, from the chunk's begin: 64 .. chunk_bytes, a multiple of 8 */
    bool closed;     /* no record will be added */
    bool damaged;    /* the head made no sense; end is 64 then */
    uint64_t first_tick, last_tick; /* last_tick only when closed */
    uint32_t tid;
};

/* Reads a chunk's head. False when there is nothing in it: never used, or being taken. */
bool tw__chunk_peek(const struct tw_reader *reader, uint32_t index, struct tw__chunk_info *info);

/* Copies the records from..info->end of a chunk to the same place in bytes (a chunk's length, 8-byte aligned).
 * Returns false when the chunk was taken meanwhile: the copy is to be thrown away. */
bool tw__chunk_copy(const struct tw_reader *reader, const struct tw__chunk_info *info, uint32_t from, uint64_t *bytes);

/* Copies a slot whose span is in progress; false when there is none, or it ended meanwhile. */
bool tw__slot_copy(const struct tw_reader *reader, uint32_t block, unsigned slot, struct tw__slot *out);
static inline const struct tw__slot *tw__view_slot(const struct tw_reader *reader, uint32_t block, unsigned slot)
{
    return (const struct tw__slot *)(const void *)((const uint8_t *)tw__view_block(reader, block) +
                                                   TW__BLOCK_HEAD_BYTES + (size_t)slot * TW__SLOT_BYTES);
}

/* The length of the record that begins with head and has rest bytes left in its chunk; 0 when it is not valid. */
static inline uint32_t tw__record_len(uint64_t head, uint32_t rest)
{
    uint32_t len = head & 0xffff, type = head >> 16 & 0xff;
    uint32_t least = type == TW__TYPE_SPAN    ? TW__SPAN_HEAD_BYTES
                     : type == TW__TYPE_BRIEF ? TW__BRIEF_HEAD_BYTES
                                              : TW__EVENT_HEAD_BYTES;
    return len % 8 == 0 && len >= least && len <= rest ? len : 0;
}
static inline unsigned tw__record_type(uint64_t head)
{
    return head >> 16 & 0xff;
}
static inline uint32_t tw__record_bits(uint64_t head)
{
    return head >> 24 & 0xff;
}

/* Words of a record. */
enum { TW__AT_HEAD, TW__AT_TIME, TW__AT_TRACE, TW__AT_ID = 4, TW__AT_MISC, TW__AT_PARENT, TW__AT_END };
enum { TW__BIT_CUT = 1 << 5, TW__BIT_OWN_TIME = 1 << 6 };

#endif
