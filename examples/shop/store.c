/* The store: one SQLite file in WAL mode, one connection that writes and one per thread that reads.
 *
 * Every statement runs inside a span of its own, so a waterfall shows where the time of a request went, and the text of
 * an SQLite error stands beside the statement that failed.
 *
 * The report is slow on purpose and honestly: "within a day of each other" is a condition no index helps with, so
 * SQLite compares each sale with each other. While it runs it leaves an event now and then: when the process is killed
 * in the middle, the events say how far it had come.
 */
#include "store.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <trackway/trackway.h>

enum { BUSY_TIMEOUT_MS = 5000, PROGRESS_STEPS = 20000000 };

struct store {
    char *file;
    sqlite3 *writer;
    pthread_key_t readers; /* sqlite3 *, closed when its thread ends */
    atomic_bool stopping;
};

struct progress {
    struct store *store;
    int64_t steps;
};

static const char schema[] =
    "PRAGMA journal_mode = WAL;"
    "BEGIN;"
    "CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL,"
    "  stock INTEGER NOT NULL CHECK (stock >= 0));"
    "CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, item INTEGER NOT NULL, quantity INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS sales (day INTEGER NOT NULL, item INTEGER NOT NULL);"
    "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)"
    "  INSERT OR IGNORE INTO items SELECT i, 'item ' || i, 99 + i * 7 % 500, 1000 FROM n;"
    "WITH n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 36499)"
    "  INSERT INTO sales SELECT i / 10, 1 + i * 31 % 200 FROM n WHERE NOT EXISTS (SELECT 1 FROM sales);"
    "COMMIT;";

static const char *const result_texts[] = {
    [STORE_OK] = "done",
    [STORE_NOT_FOUND] = "no such item",
    [STORE_REFUSED] = "not enough in stock",
    [STORE_STOPPED] = "stopped: the shop is closing",
    [STORE_FAILED] = "the store is out of order",
};

const char *store_text(enum store_result result)
{
    return result_texts[result];
}

static void close_reader(void *reader)
{
    sqlite3_close(reader);
}

static sqlite3 *open_connection(const char *file)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(file, &db) != SQLITE_OK || sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS) != SQLITE_OK) {
        fprintf(stderr, "shop: %s: %s\n", file, db ? sqlite3_errmsg(db) : "out of memory");
        sqlite3_close(db);
        return NULL;
    }
    return db;
}

int store_open(const char *file, struct store **out)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store) return -1;
    store->file = sqlite3_mprintf("%s", file);
    if (!store->file) goto free_store;
    store->writer = open_connection(file);
    if (!store->writer) goto free_file;
    if (sqlite3_exec(store->writer, schema, NULL, NULL, NULL) != SQLITE_OK) {
        fprintf(stderr, "shop: %s: %s\n", file, sqlite3_errmsg(store->writer));
        goto close_writer;
    }
    if (pthread_key_create(&store->readers, close_reader) != 0) goto close_writer;
    *out = store;
    return 0;

close_writer:
    sqlite3_close(store->writer);
free_file:
    sqlite3_free(store->file);
free_store:
    free(store);
    return -1;
}

void store_close(struct store *store)
{
    if (!store) return;
    pthread_key_delete(store->readers);
    sqlite3_close(store->writer);
    sqlite3_free(store->file);
    free(store);
}

void store_stop(struct store *store)
{
    atomic_store_explicit(&store->stopping, true, memory_order_relaxed);
}

static sqlite3 *thread_reader(struct store *store)
{
    sqlite3 *reader = pthread_getspecific(store->readers);
    if (reader) return reader;
    TW_SCOPE(span, "open database"); /* once per thread: it shows why a first request is slower */
    reader = open_connection(store->file);
    if (reader && pthread_setspecific(store->readers, reader) != 0) {
        sqlite3_close(reader);
        reader = NULL;
    }
    if (!reader) tw_span_fail(span, "no connection");
    return reader;
}

/* Fails span with SQLite's own words and gives the result that fits its code. */
static enum store_result failed(tw_span span, sqlite3 *db)
{
    tw_span_fail(span, db ? sqlite3_errmsg(db) : store_text(STORE_FAILED));
    switch (db ? sqlite3_errcode(db) : SQLITE_ERROR) {
    case SQLITE_CONSTRAINT:
        return STORE_REFUSED;
    case SQLITE_INTERRUPT:
        return STORE_STOPPED;
    default:
        return STORE_FAILED;
    }
}

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
    *out = NULL;
    return db ? sqlite3_prepare_v2(db, sql, -1, out, NULL) : SQLITE_ERROR;
}

enum store_result store_item(struct store *store, long id, struct store_item *out)
{
    static const char sql[] = "SELECT name, price, stock FROM items WHERE id = ?";
    sqlite3 *db = thread_reader(store);
    TW_SCOPE(span, "SELECT item");
    tw_tag(span, "db.statement", sql);
    tw_tag(span, "item.id", id);
    sqlite3_stmt *query;
    if (prepare(db, sql, &query) != SQLITE_OK || sqlite3_bind_int64(query, 1, id) != SQLITE_OK) {
        sqlite3_finalize(query);
        return failed(span, db);
    }
    enum store_result result = STORE_OK;
    switch (sqlite3_step(query)) {
    case SQLITE_ROW:
        snprintf(out->name, sizeof out->name, "%s", (const char *)sqlite3_column_text(query, 0));
        out->price_cents = (long)sqlite3_column_int64(query, 1);
        out->stock = (long)sqlite3_column_int64(query, 2);
        break;
    case SQLITE_DONE:
        result = STORE_NOT_FOUND;
        break;
    default:
        result = failed(span, db);
    }
    sqlite3_finalize(query);
    return result;
}

/* Called by SQLite every PROGRESS_STEPS steps; anything but 0 interrupts the query. */
static int report_progress(void *data)
{
    struct progress *progress = data;
    progress->steps += PROGRESS_STEPS;
    tw_event_tags("report.progress", TW_ATTR("steps", progress->steps));
    return atomic_load_explicit(&progress->store->stopping, memory_order_relaxed);
}

enum store_result store_report(struct store *store, long days, int64_t *pairs)
{
    static const char sql[] = "WITH recent AS MATERIALIZED (SELECT day, item FROM sales WHERE day < ?)"
                              " SELECT count(*) FROM recent a, recent b"
                              " WHERE a.item < b.item AND abs(a.day - b.day) <= 1";
    sqlite3 *db = thread_reader(store);
    TW_SCOPE(span, "SELECT report");
    tw_tag(span, "db.statement", sql);
    tw_tag(span, "report.days", days);
    sqlite3_stmt *query;
    if (prepare(db, sql, &query) != SQLITE_OK || sqlite3_bind_int64(query, 1, days) != SQLITE_OK) {
        sqlite3_finalize(query);
        return failed(span, db);
    }
    struct progress progress = {.store = store, .steps = 0};
    sqlite3_progress_handler(db, PROGRESS_STEPS, report_progress, &progress);
    enum store_result result = STORE_OK;
    if (sqlite3_step(query) == SQLITE_ROW)
        *pairs = sqlite3_column_int64(query, 0);
    else
        result = failed(span, db);
    sqlite3_progress_handler(db, 0, NULL, NULL);
    sqlite3_finalize(query);
    return result;
}

enum store_result store_begin(struct store *store)
{
    TW_SCOPE(span, "BEGIN");
    return sqlite3_exec(store->writer, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK ? STORE_OK
                                                                                         : failed(span, store->writer);
}

static int run_order_statement(sqlite3 *db, const char *sql, long item, long quantity)
{
    sqlite3_stmt *statement;
    int code = prepare(db, sql, &statement);
    if (code == SQLITE_OK) code = sqlite3_bind_int64(statement, 1, item);
    if (code == SQLITE_OK) code = sqlite3_bind_int64(statement, 2, quantity);
    if (code == SQLITE_OK) code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code;
}

enum store_result store_apply(struct store *store, long item, long quantity, int64_t *order)
{
    TW_SCOPE(span, "UPDATE stock");
    sqlite3 *db = store->writer;
    if (run_order_statement(db, "UPDATE items SET stock = stock - ?2 WHERE id = ?1", item, quantity) != SQLITE_DONE)
        return failed(span, db);
    if (sqlite3_changes(db) == 0) return STORE_NOT_FOUND;
    if (run_order_statement(db, "INSERT INTO orders (item, quantity) VALUES (?1, ?2)", item, quantity) != SQLITE_DONE)
        return failed(span, db);
    *order = sqlite3_last_insert_rowid(db);
    return STORE_OK;
}

enum store_result store_commit(struct store *store)
{
    TW_SCOPE(span, "COMMIT");
    if (sqlite3_exec(store->writer, "COMMIT", NULL, NULL, NULL) == SQLITE_OK) return STORE_OK;
    const enum store_result result = failed(span, store->writer);
    sqlite3_exec(store->writer, "ROLLBACK", NULL, NULL, NULL);
    return result;
}
