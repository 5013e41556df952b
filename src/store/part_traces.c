/* part_traces: filters of trace ids of a whole partition, one for each journal that was sealed into it: so that a trace
 * is looked for in the partitions that may have it, and the others are not opened.
 *
 *     traces(id, seq, data)        data: u32 bits, bits / 8 bytes, u32 check; empty: it may have any trace
 *
 * TW__PART_BITS bits a trace: one in seven thousand says maybe for nothing. A partition that was begun before there
 * were filters gets an empty one.
 */
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "store/block.h"
#include "store/block_bytes.h"
#include "store/filter.h"
#include "store/hash.h"
#include "store/part.h"
#include "store/part_sql.h"
#include "store/sort.h"

static void put_u32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The filter's bytes; to be freed. NULL: no memory. */
static uint8_t *make_filter(const struct tw__row *rows, size_t count, size_t *len)
{
    size_t traces = 0;
    uint64_t *hashes = malloc((count + 1) * sizeof *hashes);
    if (!hashes) return NULL;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !tw__same_trace(&rows[i], &rows[i - 1])) hashes[traces++] = tw__trace_hash(rows[i].trace_id);
    uint32_t bits = tw__filter_bits(traces, TW__PART_BITS);
    uint8_t *bytes = calloc(1, bits / 8 + 8);
    if (bytes) {
        put_u32(bytes, bits);
        tw__filter_fill(bytes + 4, bits, hashes, traces, TW__BLOOM_PROBES);
        put_u32(bytes + 4 + bits / 8, (uint32_t)tw__hash(bytes, 4 + bits / 8));
        *len = bits / 8 + 8;
    }
    free(hashes);
    return bytes;
}

int tw__part_traces(struct tw__part *part, uint64_t seq, const struct tw__row *rows, size_t count)
{
    struct sqlite3_stmt *stmt;
    size_t len = 0;
    uint8_t *bytes = make_filter(rows, count, &len);
    if (!bytes) return TW_ERR_MEMORY;
    int code = sqlite3_prepare_v2(part->writer, "INSERT INTO traces(seq, data) VALUES(?, ?)", -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        (void)sqlite3_bind_int64(stmt, 1, (sqlite3_int64)seq);
        (void)sqlite3_bind_blob64(stmt, 2, bytes, len, SQLITE_STATIC);
        code = sqlite3_step(stmt);
        (void)sqlite3_finalize(stmt);
    }
    free(bytes);
    return code == SQLITE_DONE ? 0 : tw__sql_error(sqlite3_extended_errcode(part->writer));
}

/* A filter as it was stored; a damaged one says maybe. */
static struct tw__filter read_filter(const uint8_t *bytes, size_t len)
{
    struct tw__filter any = {NULL, 0};
    if (len < 8) return any;
    uint32_t bits = get_u32(bytes);
    if (bits == 0 || bits % 8 || bits / 8 != len - 8 || get_u32(bytes + len - 4) != (uint32_t)tw__hash(bytes, len - 4))
        return any;
    return (struct tw__filter){bytes + 4, bits};
}

int tw__part_each_traces(struct tw__part *part, int64_t after, tw__part_traces_fn *fn, void *data)
{
    struct sqlite3_stmt *stmt;
    int error = 0;
    int code =
        sqlite3_prepare_v2(part->reader, "SELECT id, data FROM traces WHERE id > ? ORDER BY id", -1, &stmt, NULL);
    /* A table that is not there: nothing has been written since there is one. */
    if (code != SQLITE_OK) return fn(data, INT64_MAX, &(struct tw__filter){NULL, 0});
    (void)sqlite3_bind_int64(stmt, 1, after);
    while (!error && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
        const uint8_t *bytes = sqlite3_column_blob(stmt, 1);
        struct tw__filter filter = read_filter(bytes, bytes ? (size_t)sqlite3_column_bytes(stmt, 1) : 0);
        error = fn(data, sqlite3_column_int64(stmt, 0), &filter);
    }
    (void)sqlite3_finalize(stmt);
    return error ? error : tw__sql_error(code);
}
