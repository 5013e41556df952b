/* store: where the collector's spans stay, and how they are found again.
 *
 *     struct tw__store *store;
 *     char why[TW_WHY_MAX];
 *     if (tw__store_open(&(struct tw__store_options){.folder = "/var/lib/trackway"}, &store, why) < 0) die(why);
 *     if (tw__store_write(store, &batch) == TW_ERR_SPACE) answer_try_later();
 *     tw__store_trace(store, trace_id, &spans);
 *     tw__store_close(store);
 *
 * The interface is narrow on purpose: the folder of column blocks is the first implementation, a database server is to
 * be another. All that is asked is asked in terms of spans; what a search means for traces is src/query's.
 *
 * The same span twice: spans of one trace with the same span id (not zero) are one span. A finished one counts before
 * an open one, then the one written later. trace hands out the one that counts; find the one that counts of those that
 * match, but for one that is too short for the slowest, or began too early for the newest, to be looked at. Scans, heat
 * maps, edges and counts see what is stored: two copies, when they were written far apart, until compaction has folded
 * them, which happens in the background: store_keep.c says when.
 *
 * Threads  [any thread] all calls but open and close; writers and readers do not wait for each other. */
#ifndef TW_STORE_STORE_H
#define TW_STORE_STORE_H

#include "model/spans.h"

struct tw__store;

/* What a write that returned 0 survives. */
enum tw__durability {
    TW__DURABLE_PROCESS = 0, /* the death of the process at once, that of the machine within a second */
    TW__DURABLE_MACHINE, /* also the machine's: each write waits for the disk, writers at the same time share the wait
                          */
    TW__DURABLE_NONE     /* nothing: what is not in a block yet is gone */
};

struct tw__store_options {
    const char *folder;    /* made if it is not there; borrowed until open returns */
    uint64_t keep_ns;      /* spans that began longer ago are removed, by the hour; 0: never */
    uint64_t keep_bytes;   /* beyond it the oldest are removed; 0: no limit */
    uint64_t memory_bytes; /* about how much may be held; 0: 96 MiB */
    enum tw__durability durability;
    /* How often partitions that were written to are looked through for small blocks and copies; 0: every minute,
     * UINT64_MAX: never. */
    uint64_t compact_ns;
    bool read_only;           /* beside another process that writes: as it stands at open */
    uint64_t (*now_ns)(void); /* NULL: CLOCK_REALTIME */
};

/* Opens a store and finishes what a crash interrupted.
 * Returns  0 and *out; TW_ERR_STATE (another process writes to it), TW_ERR_VERSION, TW_ERR_CORRUPT, TW_ERR_PERMISSION,
 *          TW_ERR_SPACE, TW_ERR_MEMORY, TW_ERR_SYSTEM. Then why (TW_WHY_MAX bytes, may be NULL) says what and what to
 *          do.
 * Owns     three threads of its own, unless read_only. */
int tw__store_open(const struct tw__store_options *options, struct tw__store **out, char *why);
/* Writes into blocks what is not there yet. NULL is allowed. */
void tw__store_close(struct tw__store *store);

/* Writes all spans of the batch or none. Nothing of the batch is kept.
 * Returns  0 when durable at the configured level; TW_ERR_SPACE (no room on the disk or in memory: the same write can
 *          succeed later), TW_ERR_MEMORY, TW_ERR_SYSTEM (the disk fails), TW_ERR_STATE (read_only).
 * Cost     about 0.4 us a span, one write to a file. */
int tw__store_write(struct tw__store *store, const struct tw__spans *spans);

/* Which parts of spans a reader wants; ids, times, name, service, kind and status always come. */
enum tw__store_part {
    TW__PART_TAGS = 1,
    TW__PART_EVENTS = 2,
    TW__PART_LINKS = 4,
    TW__PART_RESOURCES = 8, /* tags of resources and scopes */
    TW__PART_ALL = 15
};

/* Appends the spans of a trace, each once, by begin.
 * Returns  0, TW_ERR_NOT_FOUND, TW_ERR_MEMORY (also: out's pool limit), TW_ERR_CORRUPT (some could not be read; the
 * others are there), TW_ERR_SYSTEM. */
int tw__store_trace(struct tw__store *store, const uint8_t trace_id[16], unsigned parts, struct tw__spans *out);

/* A tag that a span or its resource must have: the value's text is this ("200", "true", "GET"). */
struct tw__store_equal {
    struct tw_text key, value;
};

/* Any further condition. match sees spans with the parts and keys it asked for. */
struct tw__store_filter {
    bool (*match)(void *data, const struct tw__spans *spans, size_t index); /* NULL: none */
    void *data;
    unsigned parts;             /* enum tw__store_part */
    const struct tw_text *keys; /* tags it needs when parts has no TW__PART_TAGS; of spans and of resources */
    size_t key_count;
};

enum tw__store_order { TW__ORDER_NEWEST = 0, TW__ORDER_SLOWEST };

/* Which spans: all conditions hold. Zeroed is every span. Everything is borrowed for the call. */
struct tw__store_query {
    uint64_t since_ns, until_ns;               /* begins in [since, until); 0: open on that side */
    struct tw_text service, name;              /* equal; ptr NULL: any */
    uint32_t kinds;                            /* bits 1 << enum tw_span_kind, TW__KINDS_UNSPECIFIED; 0: any */
    uint32_t statuses;                         /* bits 1 << enum tw_status; 0: any */
    uint64_t min_duration_ns, max_duration_ns; /* 0: no condition */
    bool roots;                                /* without a parent */
    const struct tw__store_equal *equals;
    size_t equal_count;
    struct tw__store_filter filter;
    enum tw__store_order order; /* of find */
    size_t limit;               /* of find; 0: 1000 */
};
enum { TW__KINDS_UNSPECIFIED = 1 << 30 };

/* Appends the newest or slowest spans that match, in that order, each once. Newest: by begin. */
int tw__store_find(struct tw__store *store, const struct tw__store_query *query, unsigned parts, struct tw__spans *out);

/* Calls fn for every match, in no order; spans is valid during the call. fn returns false to stop.
 * Limits   order and limit are not looked at. */
typedef bool tw__store_fn(void *data, const struct tw__spans *spans, size_t index);
int tw__store_scan(struct tw__store *store, const struct tw__store_query *query, unsigned parts, tw__store_fn *fn,
                   void *data);

/* Durations in bins: four for each power of two. Bin b holds [floor(b), floor(b + 1)). */
enum { TW__BINS = 252 };
unsigned tw__bin_of(uint64_t duration_ns);
uint64_t tw__bin_floor(unsigned bin);
/* The duration below which a share (0 to 1) of the counts lies; 0 when there are none. */
uint64_t tw__bins_quantile(const uint32_t bins[TW__BINS], double share);

/* A heat map: counts by begin and duration, of open ones so far as is known. */
struct tw__store_heat {
    uint64_t from_ns, step_ns;   /* given */
    size_t columns;              /* given: begins in [from, from + columns * step) */
    uint32_t (*cells)[TW__BINS]; /* given: columns of them, added to */
    uint32_t *errors;            /* given: columns of them, added to; may be NULL */
};
int tw__store_heat(struct tw__store *store, const struct tw__store_query *query, struct tw__store_heat *heat);

/* Calls between services: a span whose parent belongs to another service, or to the same. */
struct tw__store_edge {
    struct tw_text parent, child;
    uint64_t calls, errors;
    uint32_t *bins; /* TW__BINS; durations of the called spans */
};
struct tw__store_edges {
    struct tw__store_edge *items; /* in the pool */
    size_t count;
    uint64_t unknown; /* parents that were not found */
    bool more;        /* there were more edges than are kept */
};
int tw__store_edges(struct tw__store *store, uint64_t since_ns, uint64_t until_ns, struct tw__pool *pool,
                    struct tw__store_edges *out);

struct tw__store_name {
    struct tw_text name;
    uint8_t kind; /* of an operation */
    uint64_t spans;
};
struct tw__store_names {
    struct tw__store_name *items; /* by name, in the pool */
    size_t count;
    bool more; /* there were more than are kept */
};
int tw__store_services(struct tw__store *store, struct tw__pool *pool, struct tw__store_names *out);
/* service: ptr NULL: of all. One for each name and kind. */
int tw__store_operations(struct tw__store *store, struct tw_text service, struct tw__pool *pool,
                         struct tw__store_names *out);
enum tw__tag_scope { TW__SCOPE_SPAN = 1, TW__SCOPE_RESOURCE = 2, TW__SCOPE_EVENT = 4, TW__SCOPE_ANY = 7 };
int tw__store_tag_keys(struct tw__store *store, unsigned scopes, struct tw__pool *pool, struct tw__store_names *out);
/* Texts of values, the newest first until there are limit of them; since 0 and until 0: at any time. */
int tw__store_tag_values(struct tw__store *store, unsigned scopes, struct tw_text key, uint64_t since_ns,
                         uint64_t until_ns, size_t limit, struct tw__pool *pool, struct tw__store_names *out);

/* Counters since open; name for /metrics, text for people. */
#define TW__STORE_COUNTERS(X)                                                                                          \
    X(written_spans, "spans acknowledged")                                                                             \
    X(written_batches, "batches acknowledged")                                                                         \
    X(refused_batches, "batches refused: no room, try later")                                                          \
    X(failed_batches, "batches refused: the disk or memory failed")                                                    \
    X(journal_bytes, "bytes written to the journal")                                                                   \
    X(sealed_spans, "spans moved from the journal into blocks")                                                        \
    X(seal_failures, "attempts to write blocks that failed; they are repeated")                                        \
    X(folded_spans, "copies of spans that were there already and were dropped")                                        \
    X(compacted_blocks, "blocks that were joined, or written anew without copies")                                     \
    X(compaction_failures, "partitions whose compaction failed; repeated where room or memory was short")              \
    X(expired_spans, "spans removed because of their age")                                                             \
    X(evicted_spans, "spans removed because of the limit on size")                                                     \
    X(damaged_blocks, "blocks that could not be read")                                                                 \
    X(recovered_spans, "spans found in the journal at open")
struct tw__store_info {
    uint64_t spans;        /* in blocks and waiting */
    uint64_t recent_spans; /* waiting to be written into blocks */
    uint64_t recent_bytes;
    uint64_t blocks, partitions;
    uint64_t disk_bytes, journal_disk_bytes;
    uint64_t oldest_ns, newest_ns; /* begins; 0: empty */
#define TW__STORE_COUNTER_FIELD(name, text) uint64_t name;
    TW__STORE_COUNTERS(TW__STORE_COUNTER_FIELD)
#undef TW__STORE_COUNTER_FIELD
};
int tw__store_info(struct tw__store *store, struct tw__store_info *out);

/* Reads everything, and tells each problem in a line without newline.
 * Returns  how many problems, or a negative error. */
int tw__store_check(struct tw__store *store, void (*tell)(void *data, const char *line), void *data);

/* Writes into blocks what waits. */
int tw__store_flush(struct tw__store *store);
/* Flushes, joins small blocks and folds copies of spans; removes what is too old or too much. */
int tw__store_compact(struct tw__store *store);
/* What is done in the background every compact_ns, at once and without pauses. */
int tw__store_keep(struct tw__store *store);

#endif
