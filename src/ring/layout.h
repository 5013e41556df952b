/* layout: the bytes of a segment. docs/format/segment.md is the same in prose and for other languages.
 *
 *     header | live traces | dictionary | blocks (one or more per thread) | arena: chunks of 8 KiB, a head and records
 *
 * Included by src/ring and by the hot path in src/trace, by nobody else. All integers are in the writer's byte order;
 * the magic tells. Words that several sides touch are accessed only through base/atomics.h.
 *
 * Who writes what: a block and its slots: the thread that owns the block (state and remote: any thread, by compare and
 * swap). A chunk: the thread that holds it open. The header: fixed after opening, except the words said otherwise
 * below.
 */
#ifndef TW_RING_LAYOUT_H
#define TW_RING_LAYOUT_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/propagate.h>
#include <trackway/tag.h>

#define TW__MAGIC "TRACKWAY"

enum {
    TW__VERSION = 2,
    TW__VERSION_OLDEST = 1, /* that readers understand: the same without BRIEF and INTS */
    TW__PAGE = 4096,
    TW__HEADER_BYTES = 4096,
    TW__DICT_BYTES = 1 << 20,
    TW__DICT_STEP = 1 << 16,   /* the dictionary gets memory in such pieces */
    TW__DICT_KEY_MAX = 65536,  /* keys have 16-bit ids: offset / 8, so they must begin in the first 512 KiB */
    TW__BLOCK_BYTES = 16384,
    TW__BLOCK_HEAD_BYTES = 512,
    TW__BLOCK_MAX = 8192,
    TW__SLOT_BYTES = 512,
    TW__SLOTS = (TW__BLOCK_BYTES - TW__BLOCK_HEAD_BYTES) / TW__SLOT_BYTES, /* 31 */
    TW__SLOT_HEAD_BYTES = 96,
    TW__SLOT_TAG_BYTES = 384, /* a multiple of 32: tags are moved in half lines */
    TW__CHUNK_BYTES = 8192,
    TW__CHUNK_HEAD_BYTES = 64,
    TW__CALIBRATIONS = 8,
    TW__SPAN_HEAD_BYTES = 64,
    TW__EVENT_HEAD_BYTES = 48,
    TW__BRIEF_HEAD_BYTES = 16,
    TW__TAGS_NUMBER_MAX = 0xffffff /* of a record TAGS: it begins anew behind it */
};

#define TW__SAMPLE_ASKED ((uint64_t)1 << 63)

enum tw__clock { TW__CLOCK_TSC = 1, TW__CLOCK_MONOTONIC = 2 };
enum tw__segment_state { TW__SEGMENT_OPEN = 1, TW__SEGMENT_CLOSED = 2 };

/* Ticks wrap around: an own time before the machine's boot is a tick before 0. */
static inline bool tw__tick_before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

/* Three clocks read together. mono and wall are CLOCK_MONOTONIC and CLOCK_REALTIME in ns. */
struct tw__calibration {
    uint64_t tick, mono_ns, wall_ns;
};

/* What an exporter of the process has done so far. Written by its thread; name and problem may be half new. */
struct tw__export_words {
    char name[16];
    uint64_t records, sent, bytes, dropped, errors, missed;
    char problem[64];
};
/* And of what it lost, why. */
struct tw__export_causes {
    uint64_t backing_off, too_long, cut;
};
enum { TW__EXPORT_WORDS = 4 };

struct tw__header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t file_bytes;
    uint64_t map_addr; /* where the writer has the file's first byte: cursors in blocks are such addresses */
    uint64_t dict_off, dict_bytes;
    uint64_t blocks_off;
    uint32_t block_bytes, block_max;
    uint32_t slot_bytes, slots_per_block;
    uint64_t arena_off, arena_reserve_bytes;
    uint32_t chunk_bytes, chunk_max;
    /* 96: the process */
    uint32_t pid, uid;
    uint64_t start_ticks;  /* field 22 of /proc/PID/stat */
    uint64_t pid_ns;       /* inode of /proc/self/ns/pid */
    uint8_t boot_id[16];
    uint64_t started_ns;   /* CLOCK_REALTIME */
    uint64_t opened_ns;
    uint32_t clock;        /* enum tw__clock */
    uint32_t payload_max;
    /* 160: changing words, each alone or rarely written; relaxed unless said */
    uint32_t state;        /* enum tw__segment_state */
    uint32_t recording;
    uint32_t chunk_count;  /* in use for new tickets */
    uint32_t chunk_high;   /* most ever: readers scan this many. Release after the memory is there */
    uint32_t block_high;   /* blocks ever used */
    uint32_t dict_used;    /* bytes reserved, in units of 8; entries below are committed one by one */
    uint32_t calibration_count; /* release after the entry; the newest is [(count - 1) % 8], the first is kept apart */
    uint32_t threads_total;
    uint64_t cleared_tick; /* records that end before are forgotten */
    uint64_t event_bound;  /* readers show the newest this many; 0 all */
    uint64_t overwritten_bytes;
    uint64_t losses[16];   /* of threads that have no block; order of TW_LOSS_TABLE */
    struct tw__calibration first_calibration;
    struct tw__calibration calibrations[TW__CALIBRATIONS];
    char service[128], host[64], command[256]; /* NUL-terminated, cut to fit */
    uint64_t live_off;         /* struct tw__live_page; 0: there is none */
    uint8_t pad[216];
    struct tw_drops drops; /* of headers of others; a u64 each, order of TW_DROP_TABLE */
    /* 1296: about what is sent */
    struct tw__export_causes causes[TW__EXPORT_WORDS];
    uint64_t sample_asked;     /* by the process or from outside: TW__SAMPLE_ASKED | threshold; 0: as configured */
    char sampler[40];          /* as configured; "": everything */
    char notice[96];           /* what was asked for and is not, or cannot be; "" */
    struct tw__export_words exporters[TW__EXPORT_WORDS];
    /* 2048: written by every thread that takes a chunk; a line of its own */
    uint64_t next_ticket;
    uint8_t pad2[TW__HEADER_BYTES - 2048 - 8];
};

/* Live traces: what readers want of this process that it would not record by itself. Written by the process and from
 * outside, by whoever may write the file; see src/ring/live.c. Whatever stands here, sites can at worst be turned
 * on. */
enum { TW__LIVE_MAX = 8, TW__LIVE_RULES = 8, TW__LIVE_BYTES = 20480 };
enum tw__live_state {
    TW__LIVE_FREE = 0,
    TW__LIVE_TAKEN = 1,    /* by compare and swap: somebody fills it */
    TW__LIVE_ACTIVE = 2,   /* release */
    TW__LIVE_STOPPING = 3, /* somebody has asked the reader to end */
    TW__LIVE_ENDED = 4     /* for the list, until it is used again */
};
/* Lines of one of these levels (bit 0 emergency .. bit 7 debug) from this module and function; "" any. */
struct tw__live_rule {
    uint32_t levels;
    char module[64], function[60];
};
struct tw__live_entry {
    uint32_t state, rule_count;
    uint64_t alive_tick; /* the reader promises to be there until then; ticks */
    uint32_t reader_pid, calls; /* calls: function entries and exits are wanted */
    uint64_t started_ns, ended_ns;
    uint64_t lines, bytes, dropped, missed;
    char ref[16], file[256], filter[256], problem[96]; /* NUL-terminated */
    uint8_t pad[328];
    struct tw__live_rule rules[TW__LIVE_RULES];
};
struct tw__live_page {
    uint32_t generation; /* changes whenever the answer to "is this wanted" may have */
    uint8_t pad[4092];
    struct tw__live_entry entries[TW__LIVE_MAX];
};

/* Dictionary entry, at dict_off + 8 * id. Entries follow one another, each padded to 8 bytes. */
struct tw__entry {
    uint32_t head;  /* 0: not yet committed; else kind << 24 | payload length. Release, written last */
    uint32_t units; /* length of the whole entry in units of 8, written first: how to step over it */
    /* payload. TEXT: bytes. SITE: u32 line, u16 name length, u16 module length, u16 function length, u8 type, u8 level,
     * bytes */
};
enum tw__entry_kind { TW__ENTRY_TEXT = 1, TW__ENTRY_SITE = 2 };

/* One record in progress: the image of its record, then what only the writer needs, then tags.
 * Open when id is odd and the type in head is SPAN. id is written last when a span begins (release) and first to change
 * when it ends. The bytes of tags from tags_len on are zero, so a tag being written shows as a zero tag head. */
struct tw__slot {
    uint64_t head;            /* see record */
    uint64_t time;            /* ticks */
    uint64_t trace[2];        /* big-endian halves read as numbers: high, low */
    uint64_t id;
    uint64_t misc;            /* see record */
    uint64_t parent;
    struct tw__slot *link;    /* in the record: end time. Here: the span below in its thread, or the next free slot */
    struct tw__block *owner;  /* whose thread takes it back */
    uint64_t tags_len;        /* bytes reserved for tags; more than TW__SLOT_TAG_BYTES: the last one did not fit */
    uint64_t first_id;        /* spans begun here = (id - first_id) / step, see docs */
    struct tw__slot *remote;  /* next in owner->remote, or a mark, see block.c; the alias of a holder */
    uint8_t tags[TW__SLOT_TAG_BYTES];
    uint32_t loose;           /* 1: free, and on nobody's list. Kept while no thread has the block */
    uint32_t emptied;         /* how often its tags went to a record, times 2. Odd: they have, and are being cleared.
                               * Never set back */
    uint64_t holder;          /* not 0: an attached context; the check of its tw_attach. Its own id waits in time */
    struct tw__slot *alias;   /* of a holder: the span of another thread that it stands for, and that span's id. Of a
                               * root: trace/sampling.c */
    uint64_t alias_id;
};

/* What a thread has. The first block of a thread carries its state; further ones only lend their slots. */
struct tw__block {
    uint32_t state;           /* enum tw__block_state; compare and swap */
    uint32_t index;
    uint32_t tid;
    uint32_t role;            /* enum tw__block_role */
    char name[16];
    uint64_t attached_tick, detached_tick;
    uint64_t reserved0[2];
    /* 64: hot, owner only; cursor is read by others (release after the record's bytes) */
    struct tw__slot *current;
    struct tw__slot *free;
    uint8_t *cursor;          /* next record; records of the open chunk end here */
    uint8_t *limit;           /* a record must end at or before; 0: take the slow way */
    uint64_t expire;          /* after this tick the chunk must be confirmed before writing */
    struct tw__slot *saved;   /* current, while current is poisoned */
    struct tw__chunk *chunk;
    uint64_t chunk_word;      /* state of chunk as we set it */
    /* 128: cold, owner only unless said */
    struct tw__slot *remote;  /* slots ended by other threads; any thread pushes, owner takes all */
    struct tw__block *next;   /* further blocks of this thread */
    struct tw__block *lane;   /* used by a signal handler that interrupts a record */
    uint64_t ticket, ticket_end; /* reserved, not yet used */
    uint64_t retry_tick;      /* no chunk to be had before */
    uint64_t random[2];
    /* 192 */
    uint64_t losses[16];      /* order of TW_LOSS_TABLE */
    uint64_t generation;
    uint64_t message_id;
    uint64_t overwritten;     /* bytes, not yet added to the header */
    struct tw__slot *spare;   /* the free list, while free is kept empty because the clock is not the TSC */
    uint64_t seed[2];         /* of trace ids */
    uint64_t seconds, seconds_until; /* for trace ids: epoch seconds, and the tick up to which they hold */
    struct tw__segment *segment; /* where the block lies: stays there, also when recording has ended */
    uint64_t log_span;        /* id in the last LOG of the open chunk, of which a BRIEF may follow; or TW__NO_LOG */
    uint8_t pad[TW__BLOCK_HEAD_BYTES - 192 - 128 - 80];
};
enum { TW__NO_LOG = 2 }; /* no span in progress has this for an id: those are odd, and 0 is no span */
enum tw__block_state { TW__BLOCK_FREE = 0, TW__BLOCK_USED = 1 };
enum tw__block_role { TW__ROLE_THREAD = 1, TW__ROLE_MORE = 2, TW__ROLE_LANE = 3 };

struct tw__chunk {
    uint64_t word;     /* ticket << 16 | version << 2 | state; compare and swap */
    uint32_t block;    /* index of the owner's block */
    uint32_t commit;   /* bytes from the chunk's begin, head included; valid when CLOSED */
    uint64_t first_tick, last_tick; /* taken; closed (valid when CLOSED) */
    uint64_t expire;   /* the owner's lease */
    uint32_t tid, reserved0;
    uint64_t reserved1[2];
};
enum tw__chunk_state { TW__CHUNK_FREE = 0, TW__CHUNK_OPEN = 1, TW__CHUNK_CLOSED = 2, TW__CHUNK_TAKEN = 3 };

/* Records: a multiple of 8 bytes, never across chunks. Common head, then tags.
 *
 *     0  u64 head   len:16 | type:8 | bits:8 | site:32        bits: kind:3 (LOG: level) | status:2 | marks:3
 *     8  u64 time   ticks
 *    16  u64 trace high, 24 u64 trace low
 *    32  u64 span id (of an event: its span)
 *    40  u64 misc   tid:32 | trace flags:8 | TAGS: number:24, see trace/tag.c; else 0. Lowest bits first
 *    48  u64 parent, 56 u64 end time                           SPAN only
 *                                                              BRIEF: head and time only
 *
 * A tag: u32 head = key:16 | type:8 | len:8, then the payload at 4 (8-byte numbers at 8), padded to a multiple of 8.
 */
enum tw__type {
    TW__TYPE_SPAN = 1,
    TW__TYPE_EVENT = 2,
    TW__TYPE_MARK = 3,
    TW__TYPE_SEND = 4,
    TW__TYPE_RECEIVE = 5,
    TW__TYPE_CREATED = 6,
    TW__TYPE_EXITED = 7,
    TW__TYPE_TAGS = 8,
    TW__TYPE_LOG = 9, /* bits: level:3 in the place of the kind */
    TW__TYPE_REQUEST = 10,
    TW__TYPE_RESPONSE = 11,
    TW__TYPE_ENTER = 12, /* site 0; tags with key 0: the function's address, its caller's */
    TW__TYPE_LEAVE = 13,
    TW__TYPE_BRIEF = 14, /* a LOG with the trace, span and misc of the LOG before it in its chunk: tags begin at 16 */
    TW__TYPE_HOLDER = 65 /* in slots only: an attached context; id is foreign, the slot's own is in time */
};

enum tw__tag {
    TW__TAG_INT = 1,     /* 8 bytes */
    TW__TAG_UINT = 2,    /* 8 bytes */
    TW__TAG_DOUBLE = 3,  /* 8 bytes */
    TW__TAG_BOOL = 4,    /* no payload; len is the value */
    TW__TAG_STR = 5,     /* len bytes */
    TW__TAG_BYTES = 6,   /* len bytes */
    TW__TAG_LONG = 7,    /* see below */
    TW__TAG_LITERAL = 8, /* u32 dictionary id of a TEXT */
    TW__TAG_LINK = 9,    /* 28 bytes: trace id 16, span id 8 (big-endian), u32 flags; key 0 */
    TW__TAG_NAME = 10,   /* as STR, key 0: replaces the span's name */
    TW__TAG_STATUS = 11, /* as STR, key 0: status message */
    TW__TAG_MODULE = 12,   /* as STR, key 0: replaces the site's module */
    TW__TAG_FUNCTION = 13, /* as STR, key 0 */
    TW__TAG_LINE = 14,     /* u32, key 0 */
    TW__TAG_INT32 = 15,    /* i32: of a log's arguments */
    TW__TAG_UINT32 = 16,   /* u32 */
    TW__TAG_INTS = 17      /* several of those, u32 each; len: count - 1, and 4 << i for each i that is unsigned */
};
/* Of a record LOG, the tags with key 0 before any other are the arguments, in order: INTS, INT32, UINT32, INT, UINT,
 * DOUBLE, STR, LONG. */
/* LONG: two u32 after the head: stored length | (type << 24), full length; then stored bytes. For STR, BYTES, NAME and
 * STATUS of more than 255 bytes. stored < full: it was cut. */

static_assert(sizeof(struct tw__header) == TW__HEADER_BYTES, "header");
static_assert(offsetof(struct tw__header, pid) == 96, "header");
static_assert(offsetof(struct tw__header, state) == 160, "header");
static_assert(offsetof(struct tw__header, live_off) == 1008, "header");
static_assert(sizeof(struct tw__live_page) == TW__LIVE_BYTES && sizeof(struct tw__live_entry) == 2048, "live traces");
static_assert(offsetof(struct tw__live_entry, ref) == 72 && offsetof(struct tw__live_entry, rules) == 1024,
              "live traces");
static_assert(offsetof(struct tw__header, drops) == 1232, "header");
static_assert(offsetof(struct tw__header, causes) == 1296 && offsetof(struct tw__header, sample_asked) == 1392,
              "header");
static_assert(offsetof(struct tw__header, exporters) == 1536, "header");
static_assert(offsetof(struct tw__header, next_ticket) == 2048, "header");
static_assert(sizeof(struct tw__slot) == TW__SLOT_BYTES, "slot");
static_assert(offsetof(struct tw__slot, tags) == TW__SLOT_HEAD_BYTES, "slot");
static_assert(offsetof(struct tw__slot, id) == TW__SLOT_ID_AT, "inlined in <trackway/tag.h>");
static_assert(offsetof(struct tw__slot, tags_len) == TW__SLOT_TAGS_LEN_AT, "inlined");
static_assert(offsetof(struct tw__slot, tags) == TW__SLOT_TAGS_AT, "inlined");
static_assert(offsetof(struct tw__slot, emptied) == 484, "slot");
static_assert((int)TW__SLOT_TAG_BYTES == (int)TW__SLOT_TAGS_MAX, "inlined");
static_assert(sizeof(struct tw__block) == TW__BLOCK_HEAD_BYTES, "block");
static_assert(offsetof(struct tw__block, current) == 64, "block");
static_assert(offsetof(struct tw__block, losses) == 192 && offsetof(struct tw__block, overwritten) == 336, "block");
static_assert(sizeof(struct tw__chunk) == TW__CHUNK_HEAD_BYTES, "chunk");

#endif
