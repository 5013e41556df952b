/* inside: what the files of the store share. For src/store/store*.c alone.
 *
 * Locks, in the order in which they are taken:
 *     compacting  who joins and folds blocks
 *     writing   who writes into partitions: sealing, compaction, retention
 *     mutex of a partition   who reads in it
 *     lock      everything else: the lists, the counters, the table that is written to
 */
#ifndef TW_STORE_INSIDE_H
#define TW_STORE_INSIDE_H

#include <pthread.h>

#include "store/journal.h"
#include "store/part.h"
#include "store/store.h"

/* Recent spans and their journal. */
struct tw__table {
    struct tw__table *next; /* newer */
    struct tw__recent recent;
    struct tw__journal journal;
    char *path; /* of the journal; NULL: none */
    uint64_t seq, opened_ns;
    uint64_t first_mono_ns;   /* of the first span; 0: empty */
    uint64_t written, synced; /* tickets */
    bool closed;              /* not written to any more */
    bool sealed;              /* its spans are in blocks; only readers keep it */
    unsigned refs;            /* readers */
};

enum { TW__SPARES = 2 };

/* Names in the lists of all partitions, each once. */
struct tw__known_name {
    struct tw_text service, name;
    uint8_t number; /* kind of an operation, scope of a key */
    bool is_key;
};
struct tw__known_names {
    struct tw__known_name *items;
    size_t count, cap;
    uint32_t *slots; /* index + 1 */
    struct tw__pool pool;
    unsigned lists;  /* that are being made of them */
    bool full, gone; /* there was no room for more; some may be of partitions that are gone */
};

struct tw__store {
    struct tw__store_options options;
    char *folder, *journals, *blocks, *spare; /* spare: a journal's file */
    int lock_fd, journals_fd;
    uint64_t memory_bytes, seal_bytes;

    pthread_mutex_t compacting;
    pthread_mutex_t writing;
    pthread_mutex_t lock;
    pthread_cond_t wake;   /* the sealer */
    pthread_cond_t room;   /* who waits for the sealer */
    pthread_cond_t sync;   /* the syncer */
    pthread_cond_t synced; /* who waits for the syncer */
    pthread_cond_t keep;   /* the keeper */
    struct tw__table *oldest, *active;
    struct tw__recent spares[TW__SPARES]; /* of tables that went: making their pages again costs a tenth of a write */
    size_t spare_count;
    struct tw__part **parts;
    size_t part_count, part_cap;
    struct tw__known_names names;
    size_t filter_bytes, count_total; /* what is remembered of all partitions */
    struct tw__store_info counters;
    uint64_t tickets, synced_ticket, use;
    uint64_t flush_seq; /* tables up to here are wanted in blocks now */
    int seal_error, sync_error;
    bool stop, sync_now, journals_dirty, threads;
    pthread_t sealer, syncer, keeper;
    bool keeping; /* the keeper is there */
};

enum { TW__SEAL_ROWS = 65536, TW__READERS_MAX = 24 };

/* -- lists; under lock */
struct tw__part *tw__store_part(struct tw__store *store, const struct tw__part_name *name);
int tw__store_rotate(struct tw__store *store);
/* Memory that waits for the next tables is given back. Takes the lock. */
void tw__store_release(struct tw__store *store);
/* Frees tables that are sealed and not read. */
void tw__store_drop_tables(struct tw__store *store);
void tw__store_part_release(struct tw__part *part);

/* -- sealing */
void *tw__store_sealer(void *store);
/* Inside writing: limits on age and size. */
void tw__store_retain(struct tw__store *store);
/* Inside a partition's transaction: sorted rows become blocks. */
int tw__store_put_blocks(struct tw__part *part, const struct tw__recent *recent, const struct tw__row *rows,
                         size_t count, uint64_t seq);

/* -- compaction; inside compacting */
struct tw__compaction {
    bool copies;              /* fold copies, or join small blocks only */
    int (*pause)(void *data); /* called before each block is read; an error ends it. NULL: in one go */
    void *data;
    bool left; /* found: blocks that a reader may hold as a table were left alone */
};
int tw__compact_part(struct tw__store *store, struct tw__part *part, struct tw__compaction *how);
void *tw__store_keeper(void *store);

/* -- reading: what there is at one moment */
struct tw__view {
    struct tw__store *store;
    struct tw__table **tables; /* oldest first */
    size_t table_count;
    struct tw__part **parts; /* by time */
    size_t part_count;
    uint64_t before_seq; /* blocks of earlier journals are in it */
};
int tw__view_open(struct tw__store *store, uint64_t since_ns, uint64_t until_ns, struct tw__view *out);
void tw__view_close(struct tw__view *view);
/* From now on the view is of partitions alone. */
void tw__view_drop_tables(struct tw__view *view);
/* tw__part_lock, with no more than TW__READERS_MAX of them open. 0 with *there false: it was removed meanwhile. */
int tw__view_lock(struct tw__view *view, struct tw__part *part, bool *there);

/* -- what is known without opening a partition */
/* Whether it may have a trace: a hash. Opens what is not known yet, or not any more. */
int tw__known_may_have(struct tw__view *view, struct tw__part *part, uint64_t trace, bool *may);
/* Around everything that a list takes from known.counts. */
void tw__known_lists_begin(struct tw__store *store);
void tw__known_lists_end(struct tw__store *store);
/* Makes part->known.counts current. TW_ERR_SPACE: there is no room for them, they are to be read. */
int tw__known_lists(struct tw__view *view, struct tw__part *part);
/* Under lock: the partition is going. */
void tw__known_forget(struct tw__store *store, struct tw__part *part);
void tw__known_names_fini(struct tw__known_names *names);
/* Reads the filters of one partition of which nothing is known, the newest first. false: of none. */
bool tw__known_warm(struct tw__store *store);

/* Spans that match a query, block by block and table by table. */
struct tw__hits {
    struct tw__store *store;
    struct tw__part *part; /* NULL: of a table */
    const struct tw__part_block *block;
    const struct tw__head *head;
    const struct tw__table *table;
    size_t index; /* of part or table in the view */
    const uint32_t *rows;
    size_t count;
    struct tw__pool *scratch; /* emptied after each call */
};
struct tw__walk {
    struct tw__view *view;
    const struct tw__store_query *query;
    bool times;      /* the callback needs begins and durations */
    bool texts;      /* and names; to read spans both are needed */
    bool everything; /* do not apply the query's filter */
    /* Called for blocks and tables with at least one match; a table's rows are read under the lock. 1: stop. */
    int (*fn)(void *data, struct tw__hits *hits);
    /* May tell that a block is not needed; NULL: all are. */
    bool (*wanted)(void *data, const struct tw__part_block *block);
    void *data;
};
int tw__walk(struct tw__walk *walk);
/* Appends the hits' spans. */
int tw__hits_read(struct tw__hits *hits, unsigned parts, const struct tw_text *keys, size_t key_count,
                  struct tw__spans *out);

enum { TW__VALUE_TEXT_MAX = 40 };
/* A value's text, in room or where it is. */
struct tw_text tw__value_of(unsigned type, uint64_t number, const struct tw_text *strings,
                            char room[TW__VALUE_TEXT_MAX]);
/* Whether a value's text is this; number: an index into strings for texts. */
bool tw__value_is(unsigned type, uint64_t number, const struct tw_text *strings, struct tw_text text);

/* Folds copies of spans from index first on: the later in the batch counts more. Sorts by begin. */
int tw__spans_fold(struct tw__spans *spans, size_t first);
/* The same without sorting: each span stands where its first copy stood. from: of each that stays, which it was, from
 * first on; may be NULL. */
int tw__spans_drop_copies(struct tw__spans *spans, size_t first, uint32_t *from);

#endif
