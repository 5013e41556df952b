/* column: many numbers or texts in few bytes, and a table of contents for them. docs/format/store.md has the bytes.
 *
 *     struct tw__columns columns = {0};                       writing
 *     tw__columns_begin(&columns);
 *     tw__column_begin(&columns, TW__COLUMN(ID, 0));
 *     tw__put_numbers(&columns, numbers, count);
 *     tw__column_end(&columns);
 *     tw__columns_end(&columns, &out);                        appends; out.failed tells of lack of memory
 *
 *     struct tw__contents contents;                           reading
 *     if (tw__contents_open(bytes, len, &contents) < 0) return TW_ERR_CORRUPT;
 *     struct tw__column column = tw__column_find(&contents, TW__COLUMN(ID, 0));
 *     const uint64_t *numbers = tw__get_numbers(&column, count, pool);
 *     if (column.bad) return column.bad;
 *
 * Reading trusts nothing: lengths, counts and checksums are looked at before bytes are, and a problem is sticky in the
 * column: everything read after it is NULL or zero. */
#ifndef TW_STORE_COLUMN_H
#define TW_STORE_COLUMN_H

#include <trackway/read.h>

#include "base/buf.h"
#include "base/pool.h"

/* Number of a column: what it is, and which one of several. Columns stand in rising order. */
#define TW__COLUMN(id, sub) ((uint32_t)(id) << 24 | (uint32_t)(sub))

enum { TW__COLUMN_ITEMS_MAX = 1 << 26 }; /* numbers or texts in one column */

struct tw__columns {
    struct tw__buf body, directory;
    uint32_t count, open;
    size_t open_at;
    void *zstd; /* kept between uses */
    uint8_t *scratch;
    size_t scratch_cap;
    bool failed;
};
void tw__columns_fini(struct tw__columns *columns);
void tw__columns_begin(struct tw__columns *columns);
void tw__columns_end(struct tw__columns *columns, struct tw__buf *out);
void tw__column_begin(struct tw__columns *columns, uint32_t column);
void tw__column_end(struct tw__columns *columns);

/* As many byte planes as the largest number needs, each compressed by itself; or groups of bits, where those are
 * smaller. */
void tw__put_numbers(struct tw__columns *columns, const uint64_t *numbers, size_t count);
/* Lengths, then all bytes, compressed. */
void tw__put_texts(struct tw__columns *columns, const struct tw_text *texts, size_t count);
void tw__put_bytes(struct tw__columns *columns, const void *bytes, size_t len);
void tw__put_u32(struct tw__columns *columns, uint32_t value);
void tw__put_u64(struct tw__columns *columns, uint64_t value);

struct tw__contents {
    const uint8_t *directory, *body;
    size_t body_len;
    uint32_t count;
};
struct tw__column {
    const uint8_t *at, *end;
    int bad; /* 0, TW_ERR_CORRUPT, TW_ERR_MEMORY */
};

/* Bytes in front that hold the table of contents of bytes of which the first 12 are given: to read no more than is
 * needed. 0: not ours. */
size_t tw__contents_len(const uint8_t first[12]);

/* 0 or TW_ERR_CORRUPT. Borrows bytes. */
int tw__contents_open(const void *bytes, size_t len, struct tw__contents *out);
/* A column that is not there is bad. */
struct tw__column tw__column_find(const struct tw__contents *contents, uint32_t column);
bool tw__column_there(const struct tw__contents *contents, uint32_t column);

/* In the pool; NULL when the column is bad. Never NULL for count 0 of a good one. */
uint64_t *tw__get_numbers(struct tw__column *column, size_t count, struct tw__pool *pool);
/* The same, and each below limit, else the column is bad. */
uint32_t *tw__get_indexes(struct tw__column *column, size_t count, size_t limit, struct tw__pool *pool);
struct tw_text *tw__get_texts(struct tw__column *column, size_t count, struct tw__pool *pool);
const uint8_t *tw__get_bytes(struct tw__column *column, size_t len);
uint32_t tw__get_u32(struct tw__column *column);
uint64_t tw__get_u64(struct tw__column *column);

/* The thread's decompressor is made on first use; this frees it before the thread ends. */
void tw__column_thread_done(void);

#endif
