/* part_read: the reader's side of a partition.
 *
 * One connection, used between lock and unlock in one transaction: what a search sees of a partition is of one moment,
 * whatever is committed meanwhile.
 * A full disk: reading needs a file of shared memory beside a database in WAL mode. Where that cannot be made and
 * nothing waits in the log, the database is opened as one that does not change.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sqlite3.h>

#include "store/part.h"
#include "store/part_sql.h"

static int64_t number(struct tw__part *part, const char *sql, int *error)
{
    struct sqlite3_stmt *stmt;
    int64_t value = 0;
    int code = sqlite3_prepare_v2(part->reader, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
        if (code == SQLITE_ROW) value = sqlite3_column_int64(stmt, 0);
        if (code == SQLITE_DONE) code = SQLITE_CORRUPT;
        (void)sqlite3_finalize(stmt);
    }
    *error = code == SQLITE_ROW ? 0 : tw__sql_error(sqlite3_extended_errcode(part->reader));
    if (code == SQLITE_CORRUPT) *error = TW_ERR_CORRUPT;
    return value;
}

static int connect(struct tw__part *part, bool unchanging)
{
    char uri[TW__PART_PATH_MAX + 64];
    int len = snprintf(uri, sizeof uri, "file:%s?mode=ro%s", part->path, unchanging ? "&immutable=1" : "");
    if (len < 0 || (size_t)len >= sizeof uri) return TW_ERR_RANGE;
    int code = sqlite3_open_v2(uri, &part->reader, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) code = sqlite3_busy_timeout(part->reader, 10000);
    if (code == SQLITE_OK) code = sqlite3_exec(part->reader, "PRAGMA cache_size = -2048", NULL, NULL, NULL);
    int error = code == SQLITE_OK ? tw__sql_version(part->reader) : tw__sql_error(code);
    if (code == SQLITE_CANTOPEN) error = TW_ERR_NOT_FOUND;
    /* A crash between the making of the file and its first transaction leaves it without tables. */
    int none = 0;
    if (error == TW_ERR_CORRUPT && number(part, "SELECT count(*) FROM sqlite_master", &none) == 0 && none == 0)
        error = TW_ERR_NOT_FOUND;
    else if (error == TW_ERR_CORRUPT && none == 0)
        error = tw__sql_version(part->reader); /* it was being made */
    if (!error) {
        code = sqlite3_prepare_v3(part->reader, "SELECT data FROM head WHERE id = ?", -1, SQLITE_PREPARE_PERSISTENT,
                                  &part->head, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_prepare_v3(part->reader, "SELECT data FROM tail WHERE id = ?", -1, SQLITE_PREPARE_PERSISTENT,
                                      &part->tail, NULL);
        if (code != SQLITE_OK) error = tw__sql_error(code);
    }
    if (error) tw__part_close_reader(part);
    return error;
}

static bool log_is_empty(const struct tw__part *part)
{
    char name[TW__PART_PATH_MAX];
    struct stat stat_;
    if ((size_t)snprintf(name, sizeof name, "%s-wal", part->path) >= sizeof name) return false;
    return stat(name, &stat_) != 0 || stat_.st_size == 0;
}

static int open_reader(struct tw__part *part)
{
    int error = connect(part, false);
    if (error && error != TW_ERR_VERSION && error != TW_ERR_CORRUPT && log_is_empty(part)) error = connect(part, true);
    return error;
}

void tw__part_close_reader(struct tw__part *part)
{
    (void)sqlite3_finalize(part->head);
    (void)sqlite3_finalize(part->tail);
    (void)sqlite3_close_v2(part->reader);
    part->reader = NULL;
    part->head = part->tail = NULL;
    free(part->blocks);
    part->blocks = NULL;
    part->block_count = part->block_cap = 0;
    tw__pool_fini(&part->pool);
    part->last_id = 0;
    part->epoch = part->version = -1;
}

static int read_block(struct tw__part *part, struct sqlite3_stmt *stmt)
{
    if (part->block_count == part->block_cap) {
        size_t cap = part->block_cap ? part->block_cap * 2 : 64;
        struct tw__part_block *blocks = realloc(part->blocks, cap * sizeof *blocks);
        if (!blocks) return TW_ERR_MEMORY;
        part->blocks = blocks;
        part->block_cap = cap;
    }
    struct tw__part_block block = {.id = sqlite3_column_int64(stmt, 0),
                                   .seq = (uint64_t)sqlite3_column_int64(stmt, 1),
                                   .rows = (uint32_t)sqlite3_column_int64(stmt, 2),
                                   .min_ns = (uint64_t)sqlite3_column_int64(stmt, 3),
                                   .max_ns = (uint64_t)sqlite3_column_int64(stmt, 4)};
    const void *bytes = sqlite3_column_blob(stmt, 5);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 5);
    int error = tw__block_index_read(bytes ? bytes : "", len, &part->pool, &block.index);
    if (error == TW_ERR_MEMORY) return error;
    if (block.rows > TW__BLOCK_ROWS) block.rows = TW__BLOCK_ROWS;
    block.damaged = error != 0;
    part->blocks[part->block_count++] = block;
    part->last_id = block.id;
    return 0;
}

static int read_blocks(struct tw__part *part)
{
    int error;
    int64_t epoch = number(part, "SELECT epoch FROM about", &error);
    if (error) return error;
    if (epoch != part->epoch) {
        part->block_count = 0;
        part->last_id = 0;
        tw__pool_reset(&part->pool);
        part->epoch = epoch;
    }
    struct sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(
        part->reader, "SELECT id, seq, rows, min, max, info FROM block WHERE id > ? ORDER BY id", -1, &stmt, NULL);
    if (code != SQLITE_OK) return tw__sql_error(code);
    (void)sqlite3_bind_int64(stmt, 1, part->last_id);
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && !error) error = read_block(part, stmt);
    (void)sqlite3_finalize(stmt);
    return error ? error : code == SQLITE_DONE ? 0 : tw__sql_error(code);
}

int tw__part_lock(struct tw__part *part)
{
    (void)pthread_mutex_lock(&part->mutex);
    int error = part->reader ? 0 : open_reader(part);
    if (!error) {
        int code = sqlite3_exec(part->reader, "BEGIN", NULL, NULL, NULL);
        error = code == SQLITE_OK ? 0 : tw__sql_error(code);
        /* The transaction begins with the first read: this one. */
        if (!error) (void)number(part, "SELECT epoch FROM about", &error);
        int64_t version = error ? 0 : number(part, "PRAGMA data_version", &error);
        if (!error && version != part->version) error = read_blocks(part);
        if (!error) part->version = version;
    }
    if (error) {
        tw__part_close_reader(part);
        (void)pthread_mutex_unlock(&part->mutex);
    }
    return error;
}

void tw__part_unlock(struct tw__part *part)
{
    (void)sqlite3_reset(part->head);
    (void)sqlite3_reset(part->tail);
    (void)sqlite3_exec(part->reader, "COMMIT", NULL, NULL, NULL);
    (void)pthread_mutex_unlock(&part->mutex);
}

static int blob(struct sqlite3_stmt *stmt, int64_t id, const void **bytes, size_t *len)
{
    (void)sqlite3_reset(stmt);
    (void)sqlite3_bind_int64(stmt, 1, id);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_DONE) return TW_ERR_CORRUPT;
    if (code != SQLITE_ROW) return tw__sql_error(code);
    *bytes = sqlite3_column_blob(stmt, 0);
    *len = (size_t)sqlite3_column_bytes(stmt, 0);
    return *bytes ? 0 : TW_ERR_CORRUPT;
}

int tw__part_head(struct tw__part *part, int64_t id, const void **bytes, size_t *len)
{
    return blob(part->head, id, bytes, len);
}

int tw__part_tail(struct tw__part *part, int64_t id, const void **bytes, size_t *len)
{
    return blob(part->tail, id, bytes, len);
}

static struct tw_text text_of(struct sqlite3_stmt *stmt, int column)
{
    const char *bytes = sqlite3_column_blob(stmt, column);
    return (struct tw_text){bytes ? bytes : "", bytes ? (size_t)sqlite3_column_bytes(stmt, column) : 0};
}

static int each(struct tw__part *part, const char *sql, tw__part_name_fn *fn, void *data)
{
    struct sqlite3_stmt *stmt;
    int error = 0, code = sqlite3_prepare_v2(part->reader, sql, -1, &stmt, NULL);
    if (code != SQLITE_OK) return tw__sql_error(code);
    while (!error && (code = sqlite3_step(stmt)) == SQLITE_ROW)
        error = fn(data, text_of(stmt, 0), text_of(stmt, 1), (unsigned)sqlite3_column_int(stmt, 2),
                   (uint64_t)sqlite3_column_int64(stmt, 3));
    (void)sqlite3_finalize(stmt);
    return error ? error : tw__sql_error(code);
}

int tw__part_operations(struct tw__part *part, tw__part_name_fn *fn, void *data)
{
    return each(part, "SELECT service, name, kind, spans FROM operation", fn, data);
}

int tw__part_keys(struct tw__part *part, tw__part_name_fn *fn, void *data)
{
    return each(part, "SELECT '', name, scope, spans FROM key", fn, data);
}

int tw__part_integrity(struct tw__part *part, char *text, size_t cap)
{
    struct sqlite3_stmt *stmt;
    text[0] = 0;
    int code = sqlite3_prepare_v2(part->reader, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
    if (code != SQLITE_OK) return tw__sql_error(code);
    code = sqlite3_step(stmt);
    const char *said = code == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    if (said && strcmp(said, "ok") != 0) (void)snprintf(text, cap, "%s", said);
    (void)sqlite3_finalize(stmt);
    return tw__sql_error(code);
}

int64_t tw__part_folded(struct tw__part *part)
{
    int error;
    int64_t block = number(part, "SELECT coalesce(max(block), 0) FROM folded", &error);
    return error ? 0 : block;
}
