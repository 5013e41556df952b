/* api_jaeger: Jaeger's query API, the older paths that Grafana's data source and the Jaeger page ask.
 *
 *     GET /api/services  /api/services/{s}/operations  /api/operations
 *     GET /api/traces  /api/traces/{id}  /api/dependencies
 *     POST /api/transform
 *
 * Envelope: {"data":..., "total":n, "limit":0, "offset":0, "errors":null | [{"code","msg"}]}. A tag condition is
 * equality on the value's text; minDuration and maxDuration are of spans, as they are in Jaeger. One Grafana sends
 * start and end in milliseconds: times are told apart by their size.
 * Source   Jaeger 2.20, cmd/jaeger/internal/extension/jaegerquery.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/text.h"
#include "serve/jaeger_tags.h"
#include "wire/jaeger.h"
#include "wire/otlp_dec.h"

static void open_data(struct tw__ask *ask, char bracket)
{
    tw__json_open(&ask->json, NULL, '{');
    tw__json_open(&ask->json, "data", bracket);
}

static void close_data(struct tw__ask *ask, char bracket, size_t total)
{
    struct tw__json *json = &ask->json;
    tw__json_close(json, bracket);
    tw__json_u64(json, "total", total);
    tw__json_u64(json, "limit", 0);
    tw__json_u64(json, "offset", 0);
    tw__json_null(json, "errors");
    tw__json_close(json, '}');
}

/* Errors in the envelope, whatever was the matter. */
static void finish(struct tw__ask *ask)
{
    if (ask->failed) {
        unsigned status = ask->reply->status;
        tw__buf_reset(&ask->reply->body);
        ask->json.comma = false;
        struct tw__json *json = &ask->json;
        tw__json_open(json, NULL, '{');
        tw__json_null(json, "data");
        tw__json_u64(json, "total", 0);
        tw__json_u64(json, "limit", 0);
        tw__json_u64(json, "offset", 0);
        tw__json_open(json, "errors", '[');
        tw__json_open(json, NULL, '{');
        tw__json_u64(json, "code", status);
        tw__json_cstr(json, "msg", ask->why);
        tw__json_close(json, '}');
        tw__json_close(json, ']');
        tw__json_close(json, '}');
    }
    tw__ask_end(ask);
}

static void services(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    if (!tw__ask_failed(&ask, tw__store_services(ask.api->store, &ask.pool, &names))) {
        open_data(&ask, '[');
        for (size_t i = 0; i < names.count; i++) tw__json_text(&ask.json, NULL, names.items[i].name);
        close_data(&ask, ']', names.count);
    }
    finish(&ask);
}

/* Names once, whatever the kind; with kinds, each pair. */
static void put_operations(struct tw__ask *ask, struct tw_text service, const char *kind, bool with_kinds)
{
    struct tw__store_names names = {0};
    size_t total = 0;
    if (ask->failed || tw__ask_failed(ask, tw__store_operations(ask->api->store, service, &ask->pool, &names))) return;
    open_data(ask, '[');
    for (size_t i = 0; i < names.count; i++) {
        const struct tw__store_name *one = &names.items[i];
        if (kind && *kind && strcmp(kind, tw__jaeger_kind(one->kind)) != 0) continue;
        if (!with_kinds && i > 0 && tw__text_same(names.items[i - 1].name, one->name)) continue;
        total++;
        if (!with_kinds) {
            tw__json_text(&ask->json, NULL, one->name);
            continue;
        }
        tw__json_open(&ask->json, NULL, '{');
        tw__json_text(&ask->json, "name", one->name);
        tw__json_cstr(&ask->json, "spanKind", tw__jaeger_kind(one->kind));
        tw__json_close(&ask->json, '}');
    }
    close_data(ask, ']', total);
}

static void operations(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    tw__ask_begin(&ask, context, request, reply);
    const char *service = tw__ask_text(&ask, "service");
    if (!service) tw__ask_refuse(&ask, 400, "parameter 'service' is required");
    put_operations(&ask, tw__ask_as_text(service), tw__ask_text(&ask, "spanKind"), true);
    finish(&ask);
}

/* /api/services/{service}/operations: a service may have slashes in its name. */
static void service_operations(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    static const char end[] = "/operations";
    struct tw__ask ask;
    size_t len = strlen(request->rest);
    tw__ask_begin(&ask, context, request, reply);
    if (len <= sizeof end - 1 || strcmp(request->rest + len - (sizeof end - 1), end) != 0)
        tw__ask_refuse(&ask, 404, "not found");
    put_operations(&ask, (struct tw_text){request->rest, len - (sizeof end - 1)}, NULL, false);
    finish(&ask);
}

/* -- search */

static void read_search(struct tw__ask *ask, struct tw__search *search, struct tw__jaeger_tags *conditions)
{
    const char *service = tw__ask_text(ask, "service"), *operation = tw__ask_text(ask, "operation"), *tags, *tag;
    *search = (struct tw__search){.limit = (size_t)tw__ask_number(ask, "limit", 100, 1000)};
    *conditions = (struct tw__jaeger_tags){.ask = ask, .search = search};
    search->spans.since_ns = tw__ask_time(ask, "start");
    search->spans.until_ns = tw__ask_time(ask, "end");
    search->spans.min_duration_ns = tw__ask_duration(ask, "minDuration");
    search->spans.max_duration_ns = tw__ask_duration(ask, "maxDuration");
    if (service) search->spans.service = tw__ask_as_text(service);
    if (operation) search->spans.name = tw__ask_as_text(operation);
    if (!service) tw__ask_refuse(ask, 400, "parameter 'service' is required");
    for (size_t i = 0; (tags = tw__request_query(ask->request, "tags", i)) && !ask->failed; i++)
        tw__jaeger_tags_add_json(conditions, "tags", tags);
    for (size_t i = 0; (tag = tw__request_query(ask->request, "tag", i)) && !ask->failed; i++) {
        const char *colon = strchr(tag, ':');
        if (colon)
            tw__jaeger_tags_add(conditions, (struct tw_text){tag, (size_t)(colon - tag)}, tw__ask_as_text(colon + 1));
        else
            tw__ask_refuse(ask, 400, "malformed 'tag' parameter, expecting key:value");
    }
    tw__jaeger_tags_apply(conditions);
}

static void put_trace(struct tw__ask *ask, const char *id, bool must)
{
    struct tw__spans spans = {.pool.limit_bytes = TW__WHOLE_TRACE_BYTES};
    struct tw__ask one;
    struct tw__reply scratch = {0};
    tw__ask_begin(&one, ask->api, ask->request, &scratch);
    tw__ask_trace(&one, id, TW__PART_ALL, &spans);
    if (!one.failed)
        tw__jaeger_trace(&ask->json, &spans);
    else if (must)
        tw__ask_refuse(ask, scratch.status, "%s", strcmp(one.why, "no such trace") == 0 ? "trace not found" : one.why);
    tw__spans_fini(&spans);
    tw__ask_end(&one);
    tw__buf_fini(&scratch.body);
}

static void traces(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search search;
    struct tw__jaeger_tags conditions;
    struct tw__summaries found = {0};
    const char *id = tw__request_query(request, "traceID", 0);
    tw__ask_begin(&ask, context, request, reply);
    if (id) {
        size_t total = 0;
        open_data(&ask, '[');
        for (; (id = tw__request_query(request, "traceID", total)); total++) put_trace(&ask, id, false);
        close_data(&ask, ']', total);
    } else {
        read_search(&ask, &search, &conditions);
        if (!ask.failed && !tw__ask_failed(&ask, tw__query_search(ask.api->store, &search, &ask.pool, &found))) {
            open_data(&ask, '[');
            for (size_t i = 0; i < found.count; i++) {
                char hex[TW_TRACE_ID_HEX_LEN + 1];
                tw_trace_id_format(found.items[i].trace_id, hex);
                put_trace(&ask, hex, false);
            }
            close_data(&ask, ']', found.count);
        }
    }
    finish(&ask);
}

static void trace(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    if (tw__tempo_asks(request)) {
        tw__tempo_trace(context, request, reply);
        return;
    }
    tw__ask_begin(&ask, context, request, reply);
    open_data(&ask, '[');
    put_trace(&ask, request->rest, true);
    if (!ask.failed) close_data(&ask, ']', 1);
    finish(&ask);
}

static void dependencies(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_edges edges = {0};
    size_t total = 0;
    tw__ask_begin(&ask, context, request, reply);
    uint64_t end_ns = tw__ask_time(&ask, "endTs"),
             lookback_ms = tw__ask_number(&ask, "lookback", 86400000, UINT64_MAX / 1000000);
    const char *service = tw__ask_text(&ask, "service");
    if (!end_ns) end_ns = ask.now_ns;
    uint64_t since_ns = end_ns > lookback_ms * 1000000 ? end_ns - lookback_ms * 1000000 : 1;
    if (!ask.failed && !tw__ask_failed(&ask, tw__store_edges(ask.api->store, since_ns, end_ns, &ask.pool, &edges))) {
        open_data(&ask, '[');
        for (size_t i = 0; i < edges.count; i++) {
            const struct tw__store_edge *edge = &edges.items[i];
            if (tw__text_same(edge->parent, edge->child)) continue;
            if (service && !tw__text_same(edge->parent, tw__ask_as_text(service)) &&
                !tw__text_same(edge->child, tw__ask_as_text(service)))
                continue;
            tw__json_open(&ask.json, NULL, '{');
            tw__json_text(&ask.json, "parent", edge->parent);
            tw__json_text(&ask.json, "child", edge->child);
            tw__json_u64(&ask.json, "callCount", edge->calls);
            tw__json_close(&ask.json, '}');
            total++;
        }
        close_data(&ask, ']', total);
    }
    finish(&ask);
}

/* -- OTLP JSON as traces of this form, stored nowhere: what the Jaeger page makes of a file */

enum { TRANSFORM_MAX_BYTES = 32 << 20 };

struct transforming {
    struct tw__ask *ask;
    size_t total;
};

static int by_trace(const void *a, const void *b)
{
    const struct tw__span *one = a, *two = b;
    int order = memcmp(one->trace_id, two->trace_id, sizeof one->trace_id);
    return order ? order : (one->start_ns > two->start_ns) - (one->start_ns < two->start_ns);
}

static int take(void *data, struct tw__spans *spans)
{
    struct transforming *transforming = data;
    qsort(spans->items, spans->count, sizeof *spans->items, by_trace);
    for (size_t first = 0, end; first < spans->count; first = end) {
        const uint8_t *id = spans->items[first].trace_id;
        for (end = first + 1; end < spans->count && memcmp(spans->items[end].trace_id, id, 16) == 0;) end++;
        struct tw__spans one = *spans; /* borrowed */
        one.items += first;
        one.count = end - first;
        tw__jaeger_trace(&transforming->ask->json, &one);
        transforming->total++;
    }
    return 0;
}

static void transform(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__spans spans = {0};
    struct transforming transforming = {.ask = &ask};
    struct tw__otlp_dec dec = {.spans = &spans, .door = TW__DOOR_NONE, .take = take, .data = &transforming};
    tw__ask_begin(&ask, context, request, reply);
    open_data(&ask, '[');
    int code = tw__otlp_json_dec(&dec, request->body.ptr, request->body.len);
    if (code == TW_ERR_SYNTAX)
        tw__ask_refuse(&ask, 400, "at byte %zu: %s", dec.error_at, dec.why ? dec.why : "not OpenTelemetry's JSON");
    else if (!tw__ask_failed(&ask, code))
        close_data(&ask, ']', transforming.total);
    tw__pool_fini(&dec.kept);
    tw__spans_fini(&spans);
    finish(&ask);
}

const struct tw__route tw__jaeger_routes[] = {
    {"GET", "/api/services", TW__ROLE_READ, 0, services},
    {"GET", "/api/services/*", TW__ROLE_READ, 0, service_operations},
    {"GET", "/api/operations", TW__ROLE_READ, 0, operations},
    {"GET", "/api/traces", TW__ROLE_READ, 0, traces},
    {"GET", "/api/traces/*", TW__ROLE_READ, 0, trace},
    {"GET", "/api/dependencies", TW__ROLE_READ, 0, dependencies},
    {"POST", "/api/transform", TW__ROLE_READ, TRANSFORM_MAX_BYTES, transform},
    {0},
};
