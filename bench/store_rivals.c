/* store_rivals: what the same spans cost otherwise.
 *
 * As rows of one SQLite table with two indexes, (trace) and (service, begin, duration), tags as one text. And before any store:
 * the same spans as OTLP requests of 512, unpacked by protobuf-c and freed, and nothing else; beside it our own decoder, which
 * makes the batch that the store is given.
 */
#include <stdio.h>
#include <unistd.h>

#include <sqlite3.h>

#include "bench.h"
#include "store_parts.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_spans.h"
#ifdef BENCH_PROTOBUF_C
#include "trace.pb-c.h"
#endif

enum { RIVAL_SPANS = 200000, REQUEST_SPANS = 512, REQUESTS = 128, ROUNDS = 3 };

/* -- rows */

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

/* -- decoding */

static int throw_away(void *data, struct tw__spans *spans)
{
    *(size_t *)data += spans->count;
    return 0;
}

static void decode_ours(const struct tw__buf *requests, size_t count)
{
    struct tw__spans spans = {0};
    size_t seen = 0;
    for (size_t i = 0; i < count; i++) {
        struct tw__otlp_dec dec = {.spans = &spans, .door = TW__DOOR_OTLP_HTTP, .take = throw_away, .data = &seen};
        int error = tw__otlp_dec(&dec, requests[i].ptr, requests[i].len);
        tw__pool_fini(&dec.kept);
        if (error) store_fail("decoding", error);
    }
    tw__spans_fini(&spans);
    if (seen != count * REQUEST_SPANS) store_fail("decoding", TW_ERR_CORRUPT);
}

static void decode_protobuf_c(const struct tw__buf *requests, size_t count)
{
#ifdef BENCH_PROTOBUF_C
    for (size_t i = 0; i < count; i++) {
        Otlp__ExportTraceServiceRequest *request =
            otlp__export_trace_service_request__unpack(NULL, requests[i].len, (const uint8_t *)requests[i].ptr);
        if (!request) store_fail("protobuf-c", TW_ERR_CORRUPT);
        otlp__export_trace_service_request__free_unpacked(request, NULL);
    }
#else
    (void)requests;
    (void)count;
#endif
}

static void bench_decoder(const char *name, void (*decode)(const struct tw__buf *requests, size_t count),
                          const struct tw__buf *requests, double bytes)
{
    double best = 1e9;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double begin = store_seconds(CLOCK_THREAD_CPUTIME_ID);
        decode(requests, REQUESTS);
        double cpu = store_seconds(CLOCK_THREAD_CPUTIME_ID) - begin;
        if (cpu < best) best = cpu;
    }
    char note[96];
    (void)snprintf(note, sizeof note, "%.2f M spans/s a core; OTLP of %.0f B a span, decoded only",
                   REQUESTS * REQUEST_SPANS / best / 1e6, bytes / (REQUESTS * REQUEST_SPANS));
    (void)bench_report(&(struct bench_row){
        .name = name, .value = best / (REQUESTS * REQUEST_SPANS) * 1e9, .unit = "ns", .note = note});
}

static void bench_decoding(struct generator *generator)
{
    static struct tw__buf requests[REQUESTS];
    struct tw__spans spans = {0};
    double bytes = 0;
    for (size_t i = 0; i < REQUESTS; i++) {
        if (generator_fill(generator, &spans, REQUEST_SPANS, true) < 0) store_fail("generator", TW_ERR_MEMORY);
        tw__otlp_spans(&spans, &requests[i]);
        if (requests[i].failed) store_fail("encoding", TW_ERR_MEMORY);
        bytes += (double)requests[i].len;
    }
    tw__spans_fini(&spans);
#ifdef BENCH_PROTOBUF_C
    bench_decoder("rival.protobuf_c", decode_protobuf_c, requests, bytes);
#else
    (void)decode_protobuf_c;
    bench_skip("rival.protobuf_c", "libprotobuf-c is not installed");
#endif
    bench_decoder("rival.our_decoder", decode_ours, requests, bytes);
    for (size_t i = 0; i < REQUESTS; i++) tw__buf_fini(&requests[i]);
}

void store_bench_rivals(struct generator *generator, const char *folder)
{
    if (bench_wanted("rival.sqlite_rows")) bench_rows(generator, folder);
    if (bench_wanted("rival.protobuf_c") || bench_wanted("rival.our_decoder")) bench_decoding(generator);
}
