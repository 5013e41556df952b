/* part: one partition of the store: the spans that began in one hour (or day), as blocks in an SQLite file.
 *
 * One connection writes and one reads, so that a search and a commit do not wait for each other. What tells whether a
 * block can hold anything wanted is in memory while the partition is open.
 *
 * Threads  the reader's side: between tw__part_lock and tw__part_unlock. The writer's: one at a time, which is the
 * store's business. */
#ifndef TW_STORE_PART_H
#define TW_STORE_PART_H

#include <pthread.h>

#include "store/block.h"

struct sqlite3;
struct sqlite3_stmt;

enum { TW__PART_NAME_MAX = 32, TW__PART_PATH_MAX = 1024 };

/* Which partition: its name, and the times that can be in it. */
struct tw__part_name {
    char text[TW__PART_NAME_MAX]; /* 2026-11-27T19, 2026-11-27, odd-2026-11-27 */
    uint64_t from_ns, until_ns;   /* begins of spans */
    uint64_t expires_ns;          /* its age is counted from here */
};

/* Number of the partition of a span that began then, in a journal begun at opened_ns: within a day of it the hour; up
 * to 400 days before, the day; else a partition of its own for the day of the journal. */
uint64_t tw__part_key(uint64_t start_ns, uint64_t opened_ns);
/* All begins in [from, from + len) have this number too; len may be 0. */
void tw__part_key_holds(uint64_t key, uint64_t opened_ns, uint64_t *from_ns, uint64_t *len_ns);
void tw__part_name_of(uint64_t key, struct tw__part_name *out);
/* false: not the name of a partition. */
bool tw__part_name_read(const char *text, struct tw__part_name *out);

/* A block as the partition lists it. */
struct tw__part_block {
    int64_t id;
    uint64_t seq; /* of the journal whose spans it has, the first if several */
    uint32_t rows;
    uint64_t min_ns, max_ns;
    bool damaged; /* its index could not be read: look inside for everything */
    struct tw__block_index index;
};

/* What is remembered of a partition; store_known.c. */
struct tw__known_filter {
    struct tw__known_filter *next;
    struct tw__filter filter;
    uint8_t bytes[];
};
struct tw__known_count {
    uint32_t name;
    uint64_t spans;
};
struct tw__known {
    bool tried, traces_read, any, names_read; /* any: it may have any trace */
    uint64_t traces_changes, names_changes;   /* as of these */
    int64_t last_id;                          /* of the filters */
    struct tw__known_filter *filters;
    struct tw__known_count *counts;
    size_t filter_bytes, count_total;
};

struct tw__part {
    struct tw__part_name name;
    char *path;
    bool sync;
    unsigned refs;          /* under the store's lock */
    bool gone;              /* the same: removed from the list */
    uint64_t used;          /* the same: for closing the least used */
    bool is_open;           /* the same */
    uint64_t changes;       /* the same: commits */
    struct tw__known known; /* the same */
    bool looked_through;    /* the same: what follows is known */
    uint64_t kept_changes, last_change_ns;
    bool counted; /* the same: what follows is known */
    uint64_t rows, block_total, min_ns, max_ns;

    pthread_mutex_t mutex; /* of what follows */
    struct sqlite3 *reader;
    struct sqlite3_stmt *head, *tail;
    struct tw__part_block *blocks;
    size_t block_count, block_cap;
    struct tw__pool pool; /* of the indexes */
    int64_t last_id, epoch, version;

    struct sqlite3 *writer; /* the writer's own */
};

struct tw__part *tw__part_new(const char *folder, const struct tw__part_name *name);
void tw__part_free(struct tw__part *part);

/* -- writing; all return 0, TW_ERR_SPACE, TW_ERR_SYSTEM, TW_ERR_CORRUPT, TW_ERR_VERSION, TW_ERR_MEMORY */
int tw__part_begin(struct tw__part *part);
/* Whether the spans of a journal are in it already. Inside begin. */
int tw__part_has(struct tw__part *part, uint64_t seq, bool *has);
int tw__part_mark(struct tw__part *part, uint64_t seq);
int tw__part_add(struct tw__part *part, uint64_t seq, const struct tw__block_bytes *block);
/* TW_ERR_NOT_FOUND: it is not there any more. */
int tw__part_drop(struct tw__part *part, int64_t id);
/* Copies of spans have been looked for in blocks up to this one. */
int tw__part_note_folded(struct tw__part *part, int64_t block);
/* Operations and keys of these rows join the lists. */
int tw__part_names(struct tw__part *part, const struct tw__recent *recent, const struct tw__row *rows, size_t count);
/* A filter of the rows' traces, which are sorted, joins those of the partition. */
int tw__part_traces(struct tw__part *part, uint64_t seq, const struct tw__row *rows, size_t count);
int tw__part_commit(struct tw__part *part);
void tw__part_rollback(struct tw__part *part);
void tw__part_close_writer(struct tw__part *part);
/* Gives pages that nothing uses back to the system. */
int tw__part_shrink(struct tw__part *part);

/* -- reading */
/* Opens if need be, starts a transaction and brings blocks up to date. TW_ERR_NOT_FOUND: there is nothing in it yet. */
int tw__part_lock(struct tw__part *part);
void tw__part_unlock(struct tw__part *part);
void tw__part_close_reader(struct tw__part *part); /* inside the mutex, not inside lock */
/* Bytes of a block; valid until the next call of the same. */
int tw__part_head(struct tw__part *part, int64_t id, const void **bytes, size_t *len);
int tw__part_tail(struct tw__part *part, int64_t id, const void **bytes, size_t *len);
/* Rows of the lists. */
typedef int tw__part_name_fn(void *data, struct tw_text service, struct tw_text name, unsigned number, uint64_t spans);
int tw__part_operations(struct tw__part *part, tw__part_name_fn *fn, void *data);
int tw__part_keys(struct tw__part *part, tw__part_name_fn *fn, void *data);
/* What was noted; 0: nothing. */
int64_t tw__part_folded(struct tw__part *part);
/* Filters of traces that were added after one; their bits are valid during the call. id INT64_MAX: there are none, it
 * may have any trace. */
typedef int tw__part_traces_fn(void *data, int64_t id, const struct tw__filter *filter);
int tw__part_each_traces(struct tw__part *part, int64_t after, tw__part_traces_fn *fn, void *data);
/* SQLite's own check; text gets the first problem, or "". */
int tw__part_integrity(struct tw__part *part, char *text, size_t cap);

uint64_t tw__part_disk_bytes(const struct tw__part *part);
/* Without pages that are free; by the writer. */
uint64_t tw__part_used_bytes(struct tw__part *part);
void tw__part_unlink(const struct tw__part *part);

#endif
