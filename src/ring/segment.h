/* segment: one process's shared memory, from the writer's side.
 *
 * The struct is the writer's view of the file: pointers into the mapping, and the clock's calibration. There is one at
 * a time; src/trace/runtime.c owns it. Everything reachable from it stays mapped for the life of the process, also
 * after closing. */
#ifndef TW_RING_SEGMENT_H
#define TW_RING_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/read.h>

#include "base/backing.h"
#include "ring/layout.h"

enum { TW__PATH_MAX = 256, TW__DEDUP_SLOTS = 8192 };

/* Two slots that are nobody's. A block's current points to no_slot when its thread is in no trace, and to poison while
 * the thread is inside a call: a signal handler that sees the poison leaves the block alone and uses the thread's
 * lane. */
extern struct tw__slot tw__no_slot, tw__poison;

/* Numbers of the losses, in the order of TW_LOSS_TABLE. */
enum tw__loss {
#define TW__LOSS_ENUM(name, text) TW__LOSS_##name,
    TW_LOSS_TABLE(TW__LOSS_ENUM)
#undef TW__LOSS_ENUM
    TW__LOSS_COUNT
};
static_assert(TW__LOSS_COUNT <= 16, "room in header and blocks");

struct tw__segment {
    struct tw__segment *older; /* all there ever were: threads may still hold what they had of one */
    uint8_t *map;
    size_t map_len;
    struct tw__header *header;
    struct tw__live_page *live;
    uint8_t *dict, *blocks, *arena;
    uint64_t block_bits[TW__BLOCK_MAX / 64]; /* taken blocks; compare and swap */
    uint32_t dedup[TW__DEDUP_SLOTS];         /* dictionary ids by hash of their bytes; 0 empty */
    uint32_t dict_backed;                    /* bytes of the dictionary that have memory */
    uint32_t calibrating;                    /* somebody is; others go on */
    uint32_t generation;                     /* its number in this process */
    uint64_t calibrated_tick;
    uint64_t ticks_per_second;
    bool tsc;
    bool keep_file;
    bool dropped;   /* the arena is zero memory that goes on to a forked child */
    bool forgotten; /* so are the blocks */
    char path[TW__PATH_MAX];
    char spare[TW__PATH_MAX]; /* its name while it is made, where it must have one */
    struct tw__backing backing;
};

struct tw__segment_options {
    const char *dir; /* NULL: the default folder of this user */
    const char *service;
    size_t arena_bytes;
    size_t payload_max;
    bool keep_file;
    size_t keep_dead; /* recordings of dead processes that stay in the folder; 0: all of them */
    const struct tw__segment *previous; /* NULL, or one whose dictionary ids stay valid: sites remember theirs */
    bool force_monotonic; /* tests: behave as on a machine without a trusted TSC */
    bool force_spare;     /* tests: behave as on a file system that has no files without a name */
};

enum {
    TW__ARENA_MIN = 512 << 10,
    TW__ARENA_DEFAULT = 16 << 20
};
#define TW__ARENA_MAX ((size_t)4 << 30)

/* Makes the file, gives it memory, fills the header, and only then gives it its name: see base/backing.h. Where there
 * is no memory the oldest recordings of dead processes make room, but for the newest. On error nothing is left behind
 * and *segment is unusable; what says which step failed (a static text). About 0.6 ms a MiB.
 * Errors  TW_ERR_SPACE, TW_ERR_PERMISSION, TW_ERR_SYSTEM, TW_ERR_RANGE. */
int tw__segment_open(struct tw__segment *segment, const struct tw__segment_options *options, const char **what);

/* Marks a clean exit and removes the file unless it is to be kept. The mapping stays. */
void tw__segment_close(struct tw__segment *segment);

/* Give memory back; it reads as zero and may be written to without harm. Blocks stay. */
void tw__segment_drop_arena(struct tw__segment *segment);
void tw__segment_drop_dict(struct tw__segment *segment);
/* In a forked child, where only header and dictionary of the parent's segment came along. */
void tw__segment_forget(struct tw__segment *segment);

/* Now, in ticks; and times of CLOCK_REALTIME in ticks, as far as 2^63 ticks (90 years) away. */
uint64_t tw__segment_tick(const struct tw__segment *segment);
uint64_t tw__segment_tick_of(const struct tw__segment *segment, uint64_t wall_ns);

/* Takes a new pair of clock readings if the last is older than a second. Wait-free. */
void tw__segment_calibrate(struct tw__segment *segment, uint64_t now);

/* Changes the number of chunks in use. TW_ERR_RANGE beyond the reserve, TW_ERR_SPACE when there is no memory. One
 * caller at a time; writers and readers go on. */
int tw__segment_resize(struct tw__segment *segment, size_t chunks);

/* dict.c: the id of a text or a site, entering it if it is new. 0 when there is no room (the caller counts). Wait-free
 * but for a system call each 64 KiB; two threads may enter the same text twice, which is harmless. */
uint32_t tw__dict_text(struct tw__segment *segment, const char *text, size_t len);
/* The same for a tag key: an id below 65536. */
uint16_t tw__dict_key(struct tw__segment *segment, const char *text, size_t len);
/* Takes over all entries of another segment under the same ids. */
int tw__dict_inherit(struct tw__segment *segment, const struct tw__segment *from);
struct tw__dict_site {
    const char *name, *module, *function;
    uint32_t line;
    uint8_t type, level;
};
uint32_t tw__dict_site(struct tw__segment *segment, const struct tw__dict_site *site);

/* block.c: takes a free block (memory behind it, slots ready, state used) or NULL. Wait-free but for a system call when
 * the block was never used before. */
struct tw__block *tw__block_take(struct tw__segment *segment, enum tw__block_role role);
/* Puts a block's loose slots on its owner's free list. */
void tw__block_adopt(struct tw__block *owner, struct tw__block *block);
/* A thread ends: its free slots become loose, and its blocks are given back. Spans still open in them stay open. */
void tw__block_dissolve(struct tw__segment *segment, struct tw__block *owner);
/* Takes back what other threads ended. */
void tw__block_drain(struct tw__block *owner);
/* Hands a slot to the thread it belongs to. Any thread. */
void tw__block_return(struct tw__slot *slot);

/* arena.c: makes room for len bytes at block->cursor, if need be by closing the open chunk and taking another; false
 * when there is none (counted). now: this moment in ticks. Wait-free: a bounded number of tries. */
bool tw__arena_room(struct tw__segment *segment, struct tw__block *block, size_t len, uint64_t now);
/* Takes the next chunk when the open one is full and its lease has not run out: the usual case alone. False: nothing is
 * counted. */
bool tw__arena_turn(struct tw__segment *segment, struct tw__block *block, uint64_t now);
/* Closes the chunk a block holds open. */
void tw__arena_close(struct tw__segment *segment, struct tw__block *block, uint64_t now);
/* Whether nobody holds the open chunk: its thread has ended. The caller has read its word (acquire) and will compare
 * it. */
bool tw__arena_is_left(const struct tw__segment *segment, const struct tw__chunk *chunk);
/* The block has a new thread, which is poisoned: it goes on in the chunk that the last one left open, or closes it. */
void tw__arena_resume(struct tw__segment *segment, struct tw__block *block, uint64_t now);

/* Adds what a block has overwritten to the header: not at each chunk, because all threads share that line. */
void tw__arena_account(struct tw__segment *segment, struct tw__block *block);

enum { TW__RECORD_MAX = TW__CHUNK_BYTES - TW__CHUNK_HEAD_BYTES - 64 };

static inline struct tw__block *tw__block_at(const struct tw__segment *segment, uint32_t index)
{
    return (struct tw__block *)(void *)(segment->blocks + (size_t)index * TW__BLOCK_BYTES);
}

static inline struct tw__slot *tw__block_slot(struct tw__block *block, unsigned number)
{
    return (struct tw__slot *)(void *)((uint8_t *)block + TW__BLOCK_HEAD_BYTES + (size_t)number * TW__SLOT_BYTES);
}

static inline struct tw__chunk *tw__chunk_at(const struct tw__segment *segment, uint32_t number)
{
    return (struct tw__chunk *)(void *)(segment->arena + (size_t)number * TW__CHUNK_BYTES);
}

/* The block a slot lies in (blocks are aligned to their size). */
static inline struct tw__block *tw__slot_block(const struct tw__slot *slot)
{
    return (struct tw__block *)((uintptr_t)slot & ~(uintptr_t)(TW__BLOCK_BYTES - 1));
}

/* Span ids: begin adds a step, end adds a step; open spans are odd. */
#define TW__ID_STEP ((uint64_t)0x5851F42D)

#endif
