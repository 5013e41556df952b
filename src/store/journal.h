/* journal: what was acknowledged and is not in a block yet. A file for each table of recent spans;
 * docs/format/store.md.
 *
 * A record is what one batch added to the table: the ends of its arrays, as they are in memory. Reading a journal makes
 * the table again. */
#ifndef TW_STORE_JOURNAL_H
#define TW_STORE_JOURNAL_H

#include "store/recent.h"

struct tw__journal {
    int fd; /* -1: none */
    uint64_t len, seq;
};

/* Makes a file, which begins a table: of the spare one if that is there. 0, TW_ERR_SPACE, TW_ERR_SYSTEM. */
int tw__journal_new(const char *path, const char *spare, uint64_t seq, uint64_t opened_ns, struct tw__journal *out);
/* The file is not needed any more: it becomes the spare one, or goes if it is large. */
void tw__journal_retire(const char *path, const char *spare);
void tw__journal_close(struct tw__journal *journal);

/* Writes what the table has more than before. On failure the file is as it was, and the table still has it.
 * 0, TW_ERR_SPACE, TW_ERR_SYSTEM, TW_ERR_MEMORY. */
int tw__journal_append(struct tw__journal *journal, const struct tw__recent *recent,
                       const struct tw__recent_counts *before);

/* Reads a file into an initialised table. A record cut off by a crash ends it: nobody was told that it is safe.
 * Returns  0 with *opened_ns, or TW_ERR_FOREIGN (no journal: a crash came before its first bytes were complete),
 *          TW_ERR_VERSION, TW_ERR_MEMORY, TW_ERR_SYSTEM. *damaged: bytes at the end that made no record. */
int tw__journal_read(const char *path, uint64_t seq, struct tw__recent *recent, uint64_t *opened_ns, uint64_t *damaged);

#endif
