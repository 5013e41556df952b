/* store_rivals: what the same spans cost otherwise: as rows of one SQLite table with two indexes, (trace) and (service,
 * begin, duration), tags as one text.
 */
#include <stdio.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "store_parts.h"

enum { RIVAL_SPANS = 200000 };

static void put_tags(const struct tw__span *span, char *text, size_t cap, size_t *len)
{
    *len = 0;
    for (uint32_t i = 0; i < span->tag_count && *len + 200 < cap; i++) {
        const struct tw_tag_value *tag = &span->tags[i];
        int n = tag->type == TW_TYPE_STR ? snprintf(text + *len, cap - *len, "%.*s=%.*s;", (int)tag->key.len,
                                                    tag->key.ptr, (int)tag->text.len, tag->text.ptr)
                                         : snprintf(text + *len, cap - *len, "%.*s=%lld;", (int)tag->key.len,
                                                    tag->key.ptr, (long long)tag->value.i);
        *len += n > 0 ? (size_t)n : 0;
    }
}

static void insert_batch(sqlite3_stmt *stmt, const struct tw__spans *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct tw__span *span = &batch->items[i];
        struct tw_text service = batch->resources[span->resource].service;
        char text[2048];
        size_t len;
        put_tags(span, text, sizeof text, &len);
        (void)sqlite3_bind_blob(stmt, 1, span->trace_id, 16, SQLITE_STATIC);
        (void)sqlite3_bind_blob(stmt, 2, span->span_id, 8, SQLITE_STATIC);
        (void)sqlite3_bind_blob(stmt, 3, span->parent_id, 8, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 4, service.ptr, (int)service.len, SQLITE_STATIC);
        (void)sqlite3_bind_text(stmt, 5, span->name.ptr, (int)span->name.len, SQLITE_STATIC);
        (void)sqlite3_bind_int64(stmt, 6, (sqlite3_int64)span->start_ns);
        (void)sqlite3_bind_int64(stmt, 7, (sqlite3_int64)(span->end_ns - span->start_ns));
        (void)sqlite3_bind_int(stmt, 8, span->kind);
        (void)sqlite3_bind_int(stmt, 9, span->status);
        (void)sqlite3_bind_text(stmt, 10, text, (int)len, SQLITE_STATIC);
        if (sqlite3_step(stmt) != SQLITE_DONE) store_fail("SQLite", TW_ERR_SYSTEM);
        (void)sqlite3_reset(stmt);
    }
}

static void bench_rows(struct generator *generator, const char *folder)
{
    char path[256];
    sqlite3 *db;
    sqlite3_stmt *stmt = NULL;
    struct tw__spans batch = {0};
    double making = 0;
    (void)snprintf(path, sizeof path, "%s/rows.sqlite", folder);
    if (sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(
            db,
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "CREATE TABLE span(trace BLOB, id BLOB, parent BLOB, service TEXT, name TEXT, start INTEGER, duration "
            "INTEGER, kind INTEGER, status INTEGER, tags TEXT);"
            "CREATE INDEX by_trace ON span(trace); CREATE INDEX by_service ON span(service, start, duration);",
            NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(db, "INSERT INTO span VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &stmt, NULL) != SQLITE_OK)
        store_fail("SQLite", TW_ERR_SYSTEM);
    double begin = store_seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < RIVAL_SPANS; i += STORE_BATCH) {
        double at = store_seconds(CLOCK_THREAD_CPUTIME_ID);
        if (generator_fill(generator, &batch, STORE_BATCH, false) < 0) store_fail("generator", TW_ERR_MEMORY);
        making += store_seconds(CLOCK_THREAD_CPUTIME_ID) - at;
        (void)sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        insert_batch(stmt, &batch);
        (void)sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    double cpu = store_seconds(CLOCK_PROCESS_CPUTIME_ID) - begin - making;
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(db);
    tw__spans_fini(&batch);
    char note[64];
    (void)snprintf(note, sizeof note, "%.2f M spans/s a core", RIVAL_SPANS / cpu / 1e6);
    (void)bench_report(
        &(struct bench_row){.name = "rival.sqlite_rows", .value = cpu / RIVAL_SPANS * 1e9, .unit = "ns", .note = note});
    (void)unlink(path);
}

void store_bench_rivals(struct generator *generator, const char *folder)
{
    if (bench_wanted("rival.sqlite_rows")) bench_rows(generator, folder);
}
