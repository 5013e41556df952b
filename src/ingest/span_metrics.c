/* span_metrics: see the header.
 *
 *     span -> number of its service, hash of its name -> row     one lock for a batch, one look into a table for a span
 *
 * Rows are never taken back: a series that vanishes would look like a restart to who reads it. So their number has a
 * limit, and what comes beyond it is told by two counters. A row's texts are what is written to /metrics: made valid
 * and cut before they are looked up, since two rows that are written alike would make the whole page invalid.
 */
#define XXH_INLINE_ALL /* names are a dozen bytes long */
#include "ingest/span_metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/hex.h"
#include "ingest/service_calls.h"
#include "model/text.h"
#include "wire/otlp_spans.h"
#include "wire/utf8.h"

enum { ROOM = 4096, NONE = 0, AHEAD = 8 }; /* ROOM of each table: a power of two, twice the rows */

struct tw__span_metrics {
    pthread_mutex_t lock;
    struct tw__pool pool;
    struct tw__operation *operations;
    struct tw__service_edge *edges;
    struct tw_text services[TW__METRIC_SERVICES_MAX];
    uint64_t hashes[ROOM]; /* of operations, at their places */
    uint16_t service_of_operation[TW__OPERATIONS_MAX];
    uint16_t operation_at[ROOM], edge_at[ROOM], service_at[ROOM]; /* number + 1; NONE: free */
    size_t operation_count, operation_cap, edge_count, edge_cap, service_count;
    struct tw__call_halves halves;
    uint64_t left_out_spans, left_out_calls;
};

struct tw__span_metrics *tw__span_metrics_new(void)
{
    struct tw__span_metrics *metrics = calloc(1, sizeof *metrics);
    if (!metrics) return NULL;
    if (tw__call_halves_init(&metrics->halves) < 0) {
        free(metrics);
        return NULL;
    }
    (void)pthread_mutex_init(&metrics->lock, NULL);
    return metrics;
}

void tw__span_metrics_free(struct tw__span_metrics *metrics)
{
    if (!metrics) return;
    (void)pthread_mutex_destroy(&metrics->lock);
    tw__call_halves_fini(&metrics->halves);
    tw__pool_fini(&metrics->pool);
    free(metrics->operations);
    free(metrics->edges);
    free(metrics);
}

/* -- texts */

struct clean {
    char bytes[TW__METRIC_NAME_MAX];
};

/* The text as it may be written: itself, or a copy in room. */
static struct tw_text clean(struct tw_text text, struct clean *room)
{
    size_t at = 0, len = 0;
    bool same = true;
    while (at < text.len) {
        uint32_t code_point = 0;
        size_t n = tw__utf8_next(text.ptr + at, text.len - at, &code_point);
        bool bad = n == 0 || code_point < 0x20 || code_point == 0x7f;
        if (len + (bad ? 1 : n) > sizeof room->bytes) break;
        if (bad) {
            room->bytes[len++] = '?';
            same = false;
            at += n ? n : 1;
            continue;
        }
        memcpy(room->bytes + len, text.ptr + at, n);
        len += n;
        at += n;
    }
    return same && at == text.len ? text : (struct tw_text){room->bytes, len};
}

static bool copy(struct tw__pool *pool, struct tw_text text, struct tw_text *out)
{
    *out = (struct tw_text){tw__pool_copy(pool, text.ptr, text.len), text.len};
    return out->ptr != NULL;
}

/* Room for one more in an array outside the pool, since it is copied when it is read. */
static bool grow(void *items, size_t count, size_t *cap, size_t size)
{
    void **array = items;
    if (count < *cap) return true;
    size_t next = *cap ? 2 * *cap : 64;
    void *more = realloc(*array, next * size);
    if (!more) return false;
    *array = more;
    *cap = next;
    return true;
}

/* -- rows */

struct wanted {
    struct tw_text name;
    uint16_t service;
    uint8_t kind, status;
};

static struct tw__operation *find(struct tw__span_metrics *metrics, const struct wanted *wanted, uint64_t *hash,
                                  size_t *place)
{
    uint64_t rest = (uint64_t)wanted->service << 16 | (uint64_t)wanted->kind << 8 | wanted->status;
    *hash = XXH3_64bits(wanted->name.ptr, wanted->name.len) ^ rest * UINT64_C(0x9e3779b97f4a7c15);
    for (size_t at = *hash >> 32;; at++) {
        at %= ROOM;
        *place = at;
        if (metrics->operation_at[at] == NONE) return NULL;
        if (metrics->hashes[at] != *hash) continue;
        uint16_t number = (uint16_t)(metrics->operation_at[at] - 1);
        struct tw__operation *row = &metrics->operations[number];
        if (row->kind == wanted->kind && row->status == wanted->status &&
            metrics->service_of_operation[number] == wanted->service && tw__text_same(row->name, wanted->name))
            return row;
    }
}

/* The row of a span; NULL: there are too many, or no memory. */
static struct tw__operation *row_of(struct tw__span_metrics *metrics, struct wanted wanted)
{
    struct clean room;
    uint64_t hash;
    size_t place;
    if (wanted.service == UINT16_MAX) return NULL;
    struct tw__operation *row = find(metrics, &wanted, &hash, &place);
    if (row) return row;
    wanted.name = clean(wanted.name, &room);
    row = find(metrics, &wanted, &hash, &place);
    if (row || metrics->operation_count == TW__OPERATIONS_MAX) return row;
    struct tw__operation made = {
        .service = metrics->services[wanted.service], .kind = wanted.kind, .status = wanted.status};
    if (!copy(&metrics->pool, wanted.name, &made.name) ||
        !grow(&metrics->operations, metrics->operation_count, &metrics->operation_cap, sizeof made))
        return NULL;
    metrics->service_of_operation[metrics->operation_count] = wanted.service;
    metrics->operations[metrics->operation_count++] = made;
    metrics->operation_at[place] = (uint16_t)metrics->operation_count;
    metrics->hashes[place] = hash;
    return &metrics->operations[metrics->operation_count - 1];
}

/* The number of a service; UINT16_MAX: there are too many, or no memory. */
static uint16_t service_of(struct tw__span_metrics *metrics, struct tw_text name)
{
    struct clean room;
    name = clean(name, &room);
    for (size_t at = XXH3_64bits(name.ptr, name.len) % ROOM;; at = (at + 1) % ROOM) {
        uint16_t number = metrics->service_at[at];
        if (number != NONE && tw__text_same(metrics->services[number - 1], name)) return (uint16_t)(number - 1);
        if (number != NONE) continue;
        if (metrics->service_count == TW__METRIC_SERVICES_MAX) return UINT16_MAX;
        if (!copy(&metrics->pool, name, &metrics->services[metrics->service_count])) return UINT16_MAX;
        metrics->service_at[at] = (uint16_t)++metrics->service_count;
        return (uint16_t)(metrics->service_count - 1);
    }
}

/* -- calls */

static struct tw__service_edge *edge_of(struct tw__span_metrics *metrics, uint16_t client, uint16_t server)
{
    uint32_t both = (uint32_t)client << 16 | server;
    for (size_t at = XXH3_64bits(&both, sizeof both) % ROOM;; at = (at + 1) % ROOM) {
        uint16_t number = metrics->edge_at[at];
        struct tw__service_edge *edge = number ? &metrics->edges[number - 1] : NULL;
        if (edge && tw__text_same(edge->client, metrics->services[client]) &&
            tw__text_same(edge->server, metrics->services[server]))
            return edge;
        if (edge) continue;
        if (metrics->edge_count == TW__EDGES_MAX ||
            !grow(&metrics->edges, metrics->edge_count, &metrics->edge_cap, sizeof *edge))
            return NULL;
        edge = &metrics->edges[metrics->edge_count++];
        *edge = (struct tw__service_edge){.client = metrics->services[client], .server = metrics->services[server]};
        metrics->edge_at[at] = (uint16_t)metrics->edge_count;
        return edge;
    }
}

static void count_call(void *data, const struct tw__call_half *caller, const struct tw__call_half *called)
{
    struct tw__span_metrics *metrics = data;
    uint16_t client = (uint16_t)(caller->what >> 16), server = (uint16_t)(called->what >> 16);
    struct tw__service_edge *edge =
        client == UINT16_MAX || server == UINT16_MAX ? NULL : edge_of(metrics, client, server);
    if (!edge) {
        metrics->left_out_calls++;
        return;
    }
    edge->failed += ((caller->what | called->what) & TW__HALF_FAILED) != 0;
    tw__histogram_add(&edge->client_latency, caller->duration_ns);
    tw__histogram_add(&edge->server_latency, called->duration_ns);
}

static bool is_caller(const struct tw__span *span)
{
    return span->kind == TW_KIND_CLIENT || span->kind == TW_KIND_PRODUCER;
}

/* Whether a span is a half of a call, and of which. */
static bool key_of(const struct tw__span *span, uint64_t *key)
{
    bool calls = is_caller(span), is_called = span->kind == TW_KIND_SERVER || span->kind == TW_KIND_CONSUMER;
    if (span->open || (!calls && (!is_called || tw__all_zero(span->parent_id, sizeof span->parent_id)))) return false;
    *key = tw__call_key(span->trace_id, calls ? span->span_id : span->parent_id);
    return true;
}

static void add_half(struct tw__span_metrics *metrics, const struct tw__span *span, uint16_t service)
{
    uint64_t key;
    if (!key_of(span, &key)) return;
    uint64_t what = (uint64_t)service << 16;
    if (is_caller(span)) what |= TW__HALF_CALLER;
    if (span->status == TW_STATUS_ERROR) what |= TW__HALF_FAILED;
    tw__call_halves_add(&metrics->halves, key, tw__span_duration_ns(span), what, count_call, metrics);
}

/* A size is half as expensive as all else that is counted, so most spans of busy rows are taken to be as long as others
 * of theirs. */
static void count_bytes(struct tw__operation *row, const struct tw__span *span)
{
    uint64_t before = row->latency.count;
    if (before < TW__SIZES_EXACT)
        row->bytes += tw__otlp_span_size(span);
    else if (before % TW__SIZES_EACH == 0)
        row->bytes += TW__SIZES_EACH * tw__otlp_span_size(span);
}

void tw__span_metrics_add(struct tw__span_metrics *metrics, const struct tw__spans *spans)
{
    uint32_t resource = UINT32_MAX;
    uint16_t service = UINT16_MAX;
    (void)pthread_mutex_lock(&metrics->lock);
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        uint64_t ahead;
        if (i + AHEAD < spans->count && key_of(span + AHEAD, &ahead)) tw__call_halves_prefetch(&metrics->halves, ahead);
        if (span->open) continue;
        if (span->resource != resource) {
            resource = span->resource;
            service = service_of(metrics, spans->resources[resource].service);
        }
        struct tw__operation *row = row_of(metrics, (struct wanted){span->name, service, span->kind, span->status});
        if (row) {
            count_bytes(row, span);
            tw__histogram_add(&row->latency, tw__span_duration_ns(span));
        } else {
            metrics->left_out_spans++;
        }
        add_half(metrics, span, service);
    }
    (void)pthread_mutex_unlock(&metrics->lock);
}

/* -- reading */

int tw__span_metrics_read(struct tw__span_metrics *metrics, struct tw__span_totals *out)
{
    int code = 0;
    (void)pthread_mutex_lock(&metrics->lock);
    struct tw__span_totals totals = {.operation_count = metrics->operation_count,
                                     .edge_count = metrics->edge_count,
                                     .left_out_spans = metrics->left_out_spans,
                                     .left_out_calls = metrics->left_out_calls,
                                     .unpaired = metrics->halves.unpaired};
    totals.operations = malloc((totals.operation_count + 1) * sizeof *totals.operations);
    totals.edges = malloc((totals.edge_count + 1) * sizeof *totals.edges);
    if (totals.operations && totals.edges) {
        if (totals.operation_count)
            memcpy(totals.operations, metrics->operations, totals.operation_count * sizeof *totals.operations);
        if (totals.edge_count) memcpy(totals.edges, metrics->edges, totals.edge_count * sizeof *totals.edges);
        *out = totals;
    } else {
        tw__span_totals_fini(&totals);
        code = TW_ERR_MEMORY;
    }
    (void)pthread_mutex_unlock(&metrics->lock);
    return code;
}

void tw__span_totals_fini(struct tw__span_totals *totals)
{
    free(totals->operations);
    free(totals->edges);
    *totals = (struct tw__span_totals){0};
}
