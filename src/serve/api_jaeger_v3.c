/* api_jaeger_v3: Jaeger's stable API over HTTP: traces are OTLP JSON.
 *
 *     GET /api/v3/services  /api/v3/operations  /api/v3/traces  /api/v3/traces/{id}  /api/v3/trace-summaries
 *
 * Parameters have two spellings, query.serviceName and query.service_name: Grafana sends the second. Durations are Go's
 * ("1.5ms"). Errors: {"error":{"httpCode","message"}}.
 * Source   jaeger-idl, api_v3/query_service.proto.
 */
#include <stdio.h>
#include <string.h>

#include "serve/jaeger_tags.h"
#include "wire/jaeger.h"
#include "wire/otlp_json.h"

static void finish(struct tw__ask *ask)
{
    if (ask->failed) {
        unsigned status = ask->reply->status;
        tw__buf_reset(&ask->reply->body);
        ask->json.comma = false;
        tw__json_open(&ask->json, NULL, '{');
        tw__json_open(&ask->json, "error", '{');
        tw__json_u64(&ask->json, "httpCode", status);
        tw__json_cstr(&ask->json, "message", ask->why);
        tw__json_close(&ask->json, '}');
        tw__json_close(&ask->json, '}');
    }
    tw__ask_end(ask);
}

static void services(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    if (!tw__ask_failed(&ask, tw__store_services(ask.api->store, &ask.pool, &names))) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "services", '[');
        for (size_t i = 0; i < names.count; i++) tw__json_text(&ask.json, NULL, names.items[i].name);
        tw__json_close(&ask.json, ']');
        tw__json_close(&ask.json, '}');
    }
    finish(&ask);
}

static void operations(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    const char *kind = tw__ask_text(&ask, "spanKind");
    if (!kind) kind = tw__ask_text(&ask, "span_kind");
    struct tw_text service = tw__ask_as_text(tw__ask_text(&ask, "service"));
    if (!service.ptr) tw__ask_refuse(&ask, 400, "service is required");
    if (!ask.failed && !tw__ask_failed(&ask, tw__store_operations(ask.api->store, service, &ask.pool, &names))) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "operations", '[');
        for (size_t i = 0; i < names.count; i++) {
            const char *own = tw__jaeger_kind(names.items[i].kind);
            if (kind && strcmp(kind, own) != 0) continue;
            tw__json_open(&ask.json, NULL, '{');
            tw__json_text(&ask.json, "name", names.items[i].name);
            tw__json_cstr(&ask.json, "spanKind", own);
            tw__json_close(&ask.json, '}');
        }
        tw__json_close(&ask.json, ']');
        tw__json_close(&ask.json, '}');
    }
    finish(&ask);
}

static void put_result(struct tw__ask *ask, const struct tw__spans *spans)
{
    tw__json_open(&ask->json, NULL, '{');
    tw__json_name(&ask->json, (struct tw_text){"result", 6});
    tw__otlp_json(spans, 0, spans->count, &ask->reply->body);
    ask->json.comma = true;
    tw__json_close(&ask->json, '}');
}

static void trace(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__spans spans = {.pool.limit_bytes = TW__WHOLE_TRACE_BYTES};
    tw__ask_begin(&ask, context, request, reply);
    tw__ask_trace(&ask, request->rest, TW__PART_ALL, &spans);
    if (!ask.failed) put_result(&ask, &spans);
    tw__spans_fini(&spans);
    finish(&ask);
}

/* -- search */

/* The parameter by either spelling. */
static const char *either(struct tw__ask *ask, const char *camel, const char *snake)
{
    return tw__ask_text(ask, camel) ? camel : snake;
}

static void read_search(struct tw__ask *ask, struct tw__search *search, struct tw__jaeger_tags *conditions)
{
    const char *service = tw__ask_text(ask, either(ask, "query.serviceName", "query.service_name"));
    const char *operation = tw__ask_text(ask, either(ask, "query.operationName", "query.operation_name"));
    const char *attributes = tw__ask_text(ask, "query.attributes");
    const char *depth = either(ask, "query.searchDepth",
                               tw__ask_text(ask, "query.search_depth") ? "query.search_depth" : "query.num_traces");
    *conditions = (struct tw__jaeger_tags){.ask = ask, .search = search};
    *search = (struct tw__search){.limit = (size_t)tw__ask_number(ask, depth, 100, 1000)};
    search->spans.since_ns = tw__ask_time(ask, either(ask, "query.startTimeMin", "query.start_time_min"));
    search->spans.until_ns = tw__ask_time(ask, either(ask, "query.startTimeMax", "query.start_time_max"));
    if (!search->spans.since_ns || !search->spans.until_ns)
        tw__ask_refuse(ask, 400, "query.startTimeMin and query.startTimeMax are required");
    search->spans.min_duration_ns = tw__ask_duration(ask, either(ask, "query.durationMin", "query.duration_min"));
    search->spans.max_duration_ns = tw__ask_duration(ask, either(ask, "query.durationMax", "query.duration_max"));
    if (service) search->spans.service = tw__ask_as_text(service);
    if (operation) search->spans.name = tw__ask_as_text(operation);
    if (attributes) tw__jaeger_tags_add_json(conditions, "query.attributes", attributes);
    tw__ask_where(ask, tw__ask_text(ask, "query.filter"), search);
    tw__jaeger_tags_apply(conditions);
}

static void traces(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search search;
    struct tw__jaeger_tags conditions;
    struct tw__summaries found = {0};
    struct tw__spans spans = {.pool.limit_bytes = TW__WHOLE_TRACE_BYTES};
    tw__ask_begin(&ask, context, request, reply);
    read_search(&ask, &search, &conditions);
    if (!ask.failed && !tw__ask_failed(&ask, tw__query_search(ask.api->store, &search, &ask.pool, &found))) {
        for (size_t i = 0; i < found.count && !ask.failed; i++) {
            int code = tw__store_trace(ask.api->store, found.items[i].trace_id, TW__PART_ALL, &spans);
            if (code != TW_ERR_NOT_FOUND && code != TW_ERR_CORRUPT) (void)tw__ask_failed(&ask, code);
        }
        if (!ask.failed) put_result(&ask, &spans);
    }
    tw__spans_fini(&spans);
    finish(&ask);
}

static void summaries(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search search;
    struct tw__jaeger_tags conditions;
    struct tw__summaries found = {0};
    tw__ask_begin(&ask, context, request, reply);
    read_search(&ask, &search, &conditions);
    if (!ask.failed && !tw__ask_failed(&ask, tw__query_search(ask.api->store, &search, &ask.pool, &found))) {
        struct tw__json *json = &ask.json;
        tw__json_open(json, NULL, '{');
        tw__json_open(json, "summaries", '[');
        for (size_t i = 0; i < found.count; i++) {
            const struct tw__summary *one = &found.items[i];
            tw__json_open(json, NULL, '{');
            tw__json_hex(json, "traceId", one->trace_id, 16);
            tw__json_text(json, "rootServiceName", one->root_service);
            tw__json_text(json, "rootOperationName", one->root_name);
            tw__ask_put_time(json, "minStartTimeUnixNano", one->start_ns);
            tw__ask_put_time(json, "maxEndTimeUnixNano", one->start_ns + one->duration_ns);
            tw__json_u64(json, "spanCount", one->span_count);
            tw__json_u64(json, "errorSpanCount", one->error_count);
            tw__json_open(json, "services", '[');
            for (uint32_t s = 0; s < one->service_count; s++) {
                tw__json_open(json, NULL, '{');
                tw__json_text(json, "name", one->services[s].name);
                tw__json_u64(json, "spanCount", one->services[s].spans);
                tw__json_u64(json, "errorSpanCount", one->services[s].errors);
                tw__json_close(json, '}');
            }
            tw__json_close(json, ']');
            tw__json_close(json, '}');
        }
        tw__json_close(json, ']');
        tw__json_close(json, '}');
    }
    finish(&ask);
}

const struct tw__route tw__jaeger_v3_routes[] = {
    {"GET", "/api/v3/services", TW__ROLE_READ, 0, services},
    {"GET", "/api/v3/operations", TW__ROLE_READ, 0, operations},
    {"GET", "/api/v3/traces", TW__ROLE_READ, 0, traces},
    {"GET", "/api/v3/traces/*", TW__ROLE_READ, 0, trace},
    {"GET", "/api/v3/trace-summaries", TW__ROLE_READ, 0, summaries},
    {0},
};
