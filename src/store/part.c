/* part: the writer's side of a partition, and its name.
 *
 *     journal(seq)                              journals whose spans are in, so that none is put in twice
 *     block(id, seq, rows, min, max, info)      the indexes
 *     head(id, data), tail(id, data)            the blocks
 *     operation(service, name, kind, spans), key(scope, name, spans)     for lists
 *     about(epoch)                              rises when blocks are removed
 *
 * Blocks of one journal, their names and its number are one transaction: after a crash either all or nothing is there.
 * Heads and tails are tables of their own so that a search pages in the heads alone. 8192-byte pages: a blob wastes
 * half a page.
 */
#include "store/part.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "store/part_sql.h"

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS about(one INTEGER PRIMARY KEY CHECK(one = 1), epoch INTEGER NOT NULL);"
    "INSERT OR IGNORE INTO about VALUES(1, 0);"
    "CREATE TABLE IF NOT EXISTS journal(seq INTEGER PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS block(id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL,"
    " rows INTEGER NOT NULL, min INTEGER NOT NULL, max INTEGER NOT NULL, info BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS head(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS tail(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS operation(service BLOB, name BLOB, kind INTEGER, spans INTEGER NOT NULL,"
    " PRIMARY KEY(service, name, kind)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS key(scope INTEGER, name BLOB, spans INTEGER NOT NULL,"
    " PRIMARY KEY(scope, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS traces(id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS folded(one INTEGER PRIMARY KEY CHECK(one = 1), block INTEGER NOT NULL);"
    /* One that was begun when there were no filters may have any trace. */
    "INSERT INTO traces(seq, data) SELECT 0, x'' WHERE EXISTS(SELECT 1 FROM block) AND NOT EXISTS(SELECT 1 FROM "
    "traces);"
    "PRAGMA application_id = 1414287188; PRAGMA user_version = 2;"
    "COMMIT;";

static int run(struct tw__part *part, const char *sql, const struct tw__sql_value *values, size_t count, int64_t *row,
               bool *found);

enum { HOUR_S = 3600, DAY_S = 86400, LATE_DAYS = 400, VERSION = 2 };
#define SECOND_NS UINT64_C(1000000000)

/* -- names */

enum shape { SHAPE_HOUR, SHAPE_DAY, SHAPE_ODD };

static void write_name(struct tw__part_name *out, enum shape shape, uint64_t from_s, uint64_t len_s)
{
    time_t at = (time_t)from_s;
    struct tm tm;
    size_t len = 0;
    if (!gmtime_r(&at, &tm)) memset(&tm, 0, sizeof tm);
    switch (shape) {
    case SHAPE_HOUR:
        len = strftime(out->text, sizeof out->text, "%Y-%m-%dT%H", &tm);
        break;
    case SHAPE_DAY:
        len = strftime(out->text, sizeof out->text, "%Y-%m-%d", &tm);
        break;
    case SHAPE_ODD:
        len = strftime(out->text, sizeof out->text, "odd-%Y-%m-%d", &tm);
        break;
    }
    if (len == 0) out->text[0] = 0;
    out->from_ns = from_s * SECOND_NS;
    out->expires_ns = out->until_ns = (from_s + len_s) * SECOND_NS;
}

static void write_odd(struct tw__part_name *out, uint64_t day_s)
{
    write_name(out, SHAPE_ODD, day_s, DAY_S);
    out->from_ns = 0;
    out->until_ns = UINT64_MAX;
}

enum { KIND_SHIFT = 60, KIND_HOUR = 1, KIND_DAY = 2, KIND_ODD = 3 };

static uint64_t key_of(uint64_t kind, uint64_t number)
{
    return kind << KIND_SHIFT | number;
}

uint64_t tw__part_key(uint64_t start_ns, uint64_t opened_ns)
{
    uint64_t start = start_ns / SECOND_NS, opened = opened_ns / SECOND_NS;
    if (start + DAY_S >= opened && start <= opened + DAY_S) return key_of(KIND_HOUR, start / HOUR_S);
    if (start < opened && start + LATE_DAYS * (uint64_t)DAY_S >= opened) return key_of(KIND_DAY, start / DAY_S);
    return key_of(KIND_ODD, opened / DAY_S);
}

void tw__part_key_holds(uint64_t key, uint64_t opened_ns, uint64_t *from_ns, uint64_t *len_ns)
{
    uint64_t from = (key & (UINT64_MAX >> (64 - KIND_SHIFT))) * HOUR_S * SECOND_NS;
    *from_ns = from;
    *len_ns = 0;
    if (key >> KIND_SHIFT != KIND_HOUR) return;
    if (tw__part_key(from, opened_ns) == key && tw__part_key(from + HOUR_S * SECOND_NS - 1, opened_ns) == key)
        *len_ns = HOUR_S * SECOND_NS;
}

void tw__part_name_of(uint64_t key, struct tw__part_name *out)
{
    uint64_t number = key & (UINT64_MAX >> (64 - KIND_SHIFT));
    if (key >> KIND_SHIFT == KIND_HOUR)
        write_name(out, SHAPE_HOUR, number * HOUR_S, HOUR_S);
    else if (key >> KIND_SHIFT == KIND_DAY)
        write_name(out, SHAPE_DAY, number * DAY_S, DAY_S);
    else
        write_odd(out, number * DAY_S);
}

bool tw__part_name_read(const char *text, struct tw__part_name *out)
{
    bool odd = strncmp(text, "odd-", 4) == 0;
    int year, month, day, hour = 0, end = 0;
    const char *at = odd ? text + 4 : text;
    if (sscanf(at, "%4d-%2d-%2d%n", &year, &month, &day, &end) != 3) return false;
    bool hourly = !odd && at[end] == 'T';
    if (hourly) {
        int more = 0;
        if (sscanf(at + end, "T%2d%n", &hour, &more) != 1) return false;
        end += more;
    }
    if (strcmp(at + end, ".sqlite") != 0 || year < 1970 || year > 2554 || month < 1 || month > 12 || day < 1 ||
        day > 31 || hour < 0 || hour > 23)
        return false;
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour};
    time_t seconds = timegm(&tm);
    if (seconds < 0) return false;
    if (odd)
        write_odd(out, (uint64_t)seconds);
    else
        write_name(out, hourly ? SHAPE_HOUR : SHAPE_DAY, (uint64_t)seconds, hourly ? HOUR_S : DAY_S);
    return true;
}

/* -- the file */

struct tw__part *tw__part_new(const char *folder, const struct tw__part_name *name)
{
    struct tw__part *part = calloc(1, sizeof *part);
    size_t len = strlen(folder) + sizeof "/.sqlite" + TW__PART_NAME_MAX;
    if (!part) return NULL;
    part->path = malloc(len);
    if (!part->path || pthread_mutex_init(&part->mutex, NULL) != 0) {
        free(part->path);
        free(part);
        return NULL;
    }
    (void)snprintf(part->path, len, "%s/%s.sqlite", folder, name->text);
    part->name = *name;
    part->version = -1;
    return part;
}

void tw__part_free(struct tw__part *part)
{
    if (!part) return;
    tw__part_close_reader(part);
    tw__part_close_writer(part);
    (void)pthread_mutex_destroy(&part->mutex);
    free(part->path);
    free(part);
}

static uint64_t size_of(const char *path, const char *ending)
{
    char name[TW__PART_PATH_MAX];
    struct stat stat_;
    if ((size_t)snprintf(name, sizeof name, "%s%s", path, ending) >= sizeof name) return 0;
    return stat(name, &stat_) == 0 ? (uint64_t)stat_.st_size : 0;
}

uint64_t tw__part_disk_bytes(const struct tw__part *part)
{
    return size_of(part->path, "") + size_of(part->path, "-wal");
}

uint64_t tw__part_used_bytes(struct tw__part *part)
{
    int64_t pages = 0, unused = 0, size = 0;
    if (run(part, "PRAGMA page_count", NULL, 0, &pages, NULL) || run(part, "PRAGMA page_size", NULL, 0, &size, NULL) ||
        run(part, "PRAGMA freelist_count", NULL, 0, &unused, NULL) || unused > pages)
        return tw__part_disk_bytes(part);
    return (uint64_t)(pages - unused) * (uint64_t)size;
}

void tw__part_unlink(const struct tw__part *part)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char name[TW__PART_PATH_MAX];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if ((size_t)snprintf(name, sizeof name, "%s%s", part->path, endings[i]) < sizeof name) (void)unlink(name);
}

int tw__sql_error(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return TW_ERR_MEMORY;
    case SQLITE_FULL:
        return TW_ERR_SPACE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a table that is not there */
    case SQLITE_MISMATCH:
        return TW_ERR_CORRUPT;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return TW_ERR_PERMISSION;
    case SQLITE_IOERR:
        return code == SQLITE_IOERR_SHMSIZE || code == SQLITE_IOERR_WRITE ? TW_ERR_SPACE : TW_ERR_SYSTEM;
    default:
        return TW_ERR_SYSTEM;
    }
}

int tw__sql_version(struct sqlite3 *db)
{
    struct sqlite3_stmt *stmt;
    int64_t version = -1;
    int code = sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL);
    if (code != SQLITE_OK) return tw__sql_error(code);
    code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) version = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    if (code != SQLITE_ROW) return tw__sql_error(code == SQLITE_DONE ? SQLITE_CORRUPT : code);
    return version >= 1 && version <= VERSION ? 0 : version == 0 ? TW_ERR_CORRUPT : TW_ERR_VERSION;
}

static int open_writer(struct tw__part *part)
{
    char pragmas[256];
    int code = sqlite3_open_v2(part->path, &part->writer,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    (void)snprintf(pragmas, sizeof pragmas,
                   "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = %s;"
                   "PRAGMA cache_size = -4096; PRAGMA wal_autocheckpoint = 1024; PRAGMA journal_size_limit = 16777216;",
                   part->sync ? "FULL" : "OFF");
    if (code == SQLITE_OK) code = sqlite3_busy_timeout(part->writer, 10000);
    if (code == SQLITE_OK) code = sqlite3_exec(part->writer, pragmas, NULL, NULL, NULL);
    /* One of a later version is left as it is. */
    int error = code == SQLITE_OK ? tw__sql_version(part->writer) : 0;
    if (error == TW_ERR_CORRUPT) error = 0; /* of none: it is being made */
    if (code == SQLITE_OK && !error) code = sqlite3_exec(part->writer, schema, NULL, NULL, NULL);
    if (code != SQLITE_OK) error = tw__sql_error(sqlite3_extended_errcode(part->writer));
    if (error) tw__part_close_writer(part);
    return error;
}

void tw__part_close_writer(struct tw__part *part)
{
    (void)sqlite3_close_v2(part->writer);
    part->writer = NULL;
}

static int exec(struct tw__part *part, const char *sql)
{
    int code = sqlite3_exec(part->writer, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : tw__sql_error(sqlite3_extended_errcode(part->writer));
}

int tw__part_begin(struct tw__part *part)
{
    int error = part->writer ? 0 : open_writer(part);
    return error ? error : exec(part, "BEGIN IMMEDIATE");
}

int tw__part_commit(struct tw__part *part)
{
    return exec(part, "COMMIT");
}

void tw__part_rollback(struct tw__part *part)
{
    if (part->writer && !sqlite3_get_autocommit(part->writer)) (void)exec(part, "ROLLBACK");
}

int tw__part_shrink(struct tw__part *part)
{
    int error = part->writer ? 0 : open_writer(part);
    if (!error) error = exec(part, "VACUUM");
    return error ? error : exec(part, "PRAGMA wal_checkpoint(TRUNCATE)");
}

/* Runs a statement of numbers and blobs to its end; row gets the first column of the first row. */
static int run(struct tw__part *part, const char *sql, const struct tw__sql_value *values, size_t count, int64_t *row,
               bool *found)
{
    struct sqlite3_stmt *stmt;
    int code = sqlite3_prepare_v2(part->writer, sql, -1, &stmt, NULL);
    if (code != SQLITE_OK) return tw__sql_error(code);
    for (size_t i = 0; i < count && code == SQLITE_OK; i++)
        code = values[i].bytes ? sqlite3_bind_blob64(stmt, (int)i + 1, values[i].bytes, values[i].number, SQLITE_STATIC)
                               : sqlite3_bind_int64(stmt, (int)i + 1, (int64_t)values[i].number);
    if (code == SQLITE_OK) code = sqlite3_step(stmt);
    if (found) *found = code == SQLITE_ROW;
    if (row && code == SQLITE_ROW) *row = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : tw__sql_error(sqlite3_extended_errcode(part->writer));
}

int tw__part_has(struct tw__part *part, uint64_t seq, bool *has)
{
    return run(part, "SELECT 1 FROM journal WHERE seq = ?", &(struct tw__sql_value){.number = seq}, 1, NULL, has);
}

int tw__part_mark(struct tw__part *part, uint64_t seq)
{
    return run(part, "INSERT OR IGNORE INTO journal VALUES(?)", &(struct tw__sql_value){.number = seq}, 1, NULL, NULL);
}

int tw__part_note_folded(struct tw__part *part, int64_t block)
{
    return run(part, "INSERT OR REPLACE INTO folded VALUES(1, ?)", &(struct tw__sql_value){.number = (uint64_t)block},
               1, NULL, NULL);
}

int tw__part_add(struct tw__part *part, uint64_t seq, const struct tw__block_bytes *block)
{
    const struct tw__sql_value values[] = {{.number = seq},
                                           {.number = block->rows},
                                           {.number = block->min_ns},
                                           {.number = block->max_ns},
                                           {.number = block->index.len, .bytes = block->index.ptr}};
    int error = run(part, "INSERT INTO block(seq, rows, min, max, info) VALUES(?, ?, ?, ?, ?)", values, 5, NULL, NULL);
    if (error) return error;
    uint64_t id = (uint64_t)sqlite3_last_insert_rowid(part->writer);
    const struct tw__sql_value head[] = {{.number = id}, {.number = block->head.len, .bytes = block->head.ptr}};
    const struct tw__sql_value tail[] = {{.number = id}, {.number = block->tail.len, .bytes = block->tail.ptr}};
    error = run(part, "INSERT INTO head VALUES(?, ?)", head, 2, NULL, NULL);
    return error ? error : run(part, "INSERT INTO tail VALUES(?, ?)", tail, 2, NULL, NULL);
}

int tw__part_drop(struct tw__part *part, int64_t id)
{
    static const char *const deletes[] = {"DELETE FROM block WHERE id = ?", "DELETE FROM head WHERE id = ?",
                                          "DELETE FROM tail WHERE id = ?"};
    int error = exec(part, "UPDATE about SET epoch = epoch + 1");
    for (size_t i = 0; i < sizeof deletes / sizeof *deletes && !error; i++) {
        error = run(part, deletes[i], &(struct tw__sql_value){.number = (uint64_t)id}, 1, NULL, NULL);
        if (!error && sqlite3_changes(part->writer) != 1) error = TW_ERR_NOT_FOUND;
    }
    return error;
}
