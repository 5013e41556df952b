/* api_tempo: the part of Grafana Tempo's API that its data source in Grafana asks.
 *
 *     GET /api/echo  /ready  /api/status/buildinfo
 *     GET /api/v2/traces/{id}  /tempo/api/traces/{id}                 protobuf, or OTLP JSON as Accept says
 *     GET /api/search?q=&tags=&minDuration=&maxDuration=&limit=&spss=&start=&end=
 *     GET /api/v2/search/tags?scope=  /api/v2/search/tag/{scope.tag}/values?q=&start=&end=&limit=
 *     GET /api/search/tags  /api/search/tag/{tag}/values
 *     GET /api/metrics/query_range?q=&start=&end=&step=  /api/metrics/query
 *
 * /api/traces/{id} is Jaeger's here unless Accept asks for protobuf: both ask for the same path. TraceQL is
 * query/traceql.h's.
 * Source   grafana/tempo docs, api.
 */
#include <string.h>

#include "base/number.h"
#include "filter/filter.h"
#include "model/text.h"
#include "query/spansets.h"
#include "serve/ask.h"
#include "serve/tempo_found.h"
#include "serve/tempo_values.h"
#include "wire/otlp_json.h"
#include "wire/otlp_spans.h"
#include "wire/record_json.h"

static void echo(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    (void)context;
    (void)request;
    reply->type = "text/plain; charset=utf-8";
    tw__buf_cstr(&reply->body, "echo");
}

static void ready(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    (void)context;
    (void)request;
    reply->type = "text/plain; charset=utf-8";
    tw__buf_cstr(&reply->body, "ready\n");
}

static void buildinfo(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    (void)context;
    (void)request;
    reply->type = "application/json"; /* Grafana switches features by a version of Tempo's */
    tw__buf_cstr(&reply->body, "{\"version\":\"2.8.0\",\"revision\":\"trackway\",\"branch\":\"\",\"buildDate\":\"\","
                               "\"buildUser\":\"\",\"goVersion\":\"\"}");
}

/* -- a trace */

static bool wants_protobuf(const struct tw__request *request)
{
    const char *accept = tw__request_header(request, "accept");
    return accept && strstr(accept, "application/protobuf");
}

/* A message of one field around the bytes from at on: TraceByIDResponse { trace = 1 }. */
static void wrap(struct tw__buf *out, size_t at)
{
    uint8_t head[12];
    size_t len = out->len - at, used = 0;
    head[used++] = 0x0a;
    for (uint64_t rest = len; used < sizeof head; rest >>= 7) {
        head[used++] = (uint8_t)(rest >= 0x80 ? (rest & 0x7f) | 0x80 : rest);
        if (rest < 0x80) break;
    }
    tw__buf_fill(out, 0, used);
    if (out->failed) return;
    memmove(out->ptr + at + used, out->ptr + at, len);
    memcpy(out->ptr + at, head, used);
}

static void trace(struct tw__api *api, const struct tw__request *request, struct tw__reply *reply, bool wrapped)
{
    struct tw__ask ask;
    struct tw__spans spans = {.pool.limit_bytes = TW__WHOLE_TRACE_BYTES};
    tw__ask_begin(&ask, api, request, reply);
    tw__ask_trace(&ask, request->rest, TW__PART_ALL, &spans);
    if (!ask.failed && wants_protobuf(request)) {
        reply->type = "application/protobuf";
        tw__otlp_spans(&spans, &reply->body);
        if (wrapped) wrap(&reply->body, 0);
    } else if (!ask.failed) {
        if (wrapped) tw__buf_cstr(&reply->body, "{\"trace\":");
        tw__otlp_json(&spans, 0, spans.count, &reply->body);
        if (wrapped) tw__buf_char(&reply->body, '}');
    }
    tw__spans_fini(&spans);
    tw__ask_end(&ask);
}

static void trace_v2(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    trace(context, request, reply, true);
}

void tw__tempo_trace(struct tw__api *api, const struct tw__request *request, struct tw__reply *reply)
{
    trace(api, request, reply, false);
}

bool tw__tempo_asks(const struct tw__request *request)
{
    return wants_protobuf(request);
}

static void trace_v1(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    trace(context, request, reply, false);
}

/* -- search */

enum { SPANS_MAX = 200 }; /* of a trace that is found; Grafana asks for up to 20 */

/* A query with what it was made into. */
struct query {
    struct tw__traceql traceql;
    struct tw__spansets *spansets;
};

static void free_query(struct query *query)
{
    tw__spansets_free(query->spansets);
    tw__traceql_fini(&query->traceql);
}

/* The query as a search, which borrows from it. */
static void read_query(struct tw__ask *ask, const char *text, struct query *query, struct tw__search *search)
{
    struct tw__refusal refusal;
    *search = (struct tw__search){0};
    int code = tw__traceql_parse(text ? text : "", text ? strlen(text) : 0, &query->traceql, &refusal);
    if (code == TW_ERR_MEMORY) (void)tw__ask_failed(ask, code);
    if (code < 0) tw__ask_refuse(ask, 400, "invalid TraceQL query: at %zu: %s", refusal.at, refusal.text);
    if (ask->failed) return;
    /* Where the mistake is in our form of the query helps nobody who wrote the other. */
    code = tw__spansets_new(&query->traceql, &query->spansets, &refusal);
    if (code == TW_ERR_MEMORY)
        (void)tw__ask_failed(ask, code);
    else if (code < 0)
        tw__ask_refuse(ask, 400, "invalid TraceQL query: %s", refusal.text);
    else
        tw__spansets_apply(query->spansets, search);
}

/* key=value of a tag; a value that may be meant as a number is looked for as either. */
static void put_condition(struct tw__buf *query, struct tw_text key, struct tw_text value, bool quoted)
{
    bool intrinsic = key.len == 4 && memcmp(key.ptr, "name", 4) == 0;
    struct tw__field field;
    bool number = !quoted && tw__number_read(value.ptr, value.len, &field);
    for (int as_number = 0; as_number <= number; as_number++) {
        tw__buf_cstr(query, as_number ? " || " : number ? "(" : "");
        if (!intrinsic) tw__buf_char(query, '.');
        tw__buf_add(query, key.ptr, key.len);
        tw__buf_char(query, '=');
        tw__buf_cstr(query, as_number ? "" : "\"");
        tw__filter_escape(query, value.ptr, value.len, false); /* TraceQL's quotes have the same escapes */
        tw__buf_cstr(query, as_number ? "" : "\"");
    }
    if (number) tw__buf_char(query, ')');
}

/* tags= as logfmt: key=value key="two words". */
static void read_tags(struct tw__ask *ask, const char *text, struct query *made, struct tw__search *search)
{
    struct tw__buf query = {0};
    const char *at = text;
    tw__buf_char(&query, '{');
    while (*at && !ask->failed) {
        const char *equal = strchr(at, '=');
        bool quoted = equal && equal[1] == '"';
        const char *begin = equal ? equal + 1 + quoted : at;
        const char *end = !equal ? NULL : quoted ? strchr(begin, '"') : begin + strcspn(begin, " ");
        if (!end) {
            tw__ask_refuse(ask, 400, "tags: key=value pairs are expected");
            break;
        }
        if (query.len > 1) tw__buf_cstr(&query, " && ");
        put_condition(&query, (struct tw_text){at, (size_t)(equal - at)},
                      (struct tw_text){begin, (size_t)(end - begin)}, quoted);
        at = end + quoted;
        at += strspn(at, " ");
    }
    tw__buf_cstr(&query, "}");
    tw__buf_char(&query, 0);
    if (!ask->failed && !query.failed) read_query(ask, query.ptr, made, search);
    tw__buf_fini(&query);
}

static void search(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search what = {0};
    struct query query = {.spansets = NULL};
    struct tw__summaries found = {0};
    tw__ask_begin(&ask, context, request, reply);
    const char *q = tw__ask_text(&ask, "q"), *tags = tw__ask_text(&ask, "tags");
    if (q || !tags)
        read_query(&ask, q, &query, &what);
    else
        read_tags(&ask, tags, &query, &what);
    if (query.traceql.metric.function != TW__TRACEQL_NONE)
        tw__ask_refuse(&ask, 400, "a metrics query: ask /api/metrics/query_range");
    uint64_t min_ns = tw__ask_duration(&ask, "minDuration"), max_ns = tw__ask_duration(&ask, "maxDuration");
    if (min_ns > what.min_trace_ns) what.min_trace_ns = min_ns;
    if (max_ns && (!what.max_trace_ns || max_ns < what.max_trace_ns)) what.max_trace_ns = max_ns;
    what.spans.since_ns = tw__ask_time(&ask, "start");
    what.spans.until_ns = tw__ask_time(&ask, "end");
    what.limit = (size_t)tw__ask_number(&ask, "limit", 20, 1000);
    uint64_t most = tw__ask_number(&ask, "spss", 3, SPANS_MAX);
    what.matched_max = most ? (size_t)most : SPANS_MAX;
    what.matched_parts = tw__tempo_found_parts(&query.traceql.named);
    if (!ask.failed && !tw__ask_failed(&ask, tw__query_search(ask.api->store, &what, &ask.pool, &found))) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "traces", '[');
        for (size_t i = 0; i < found.count; i++) tw__tempo_put_found(&ask.json, &found.items[i], &query.traceql);
        tw__json_close(&ask.json, ']');
        tw__json_open(&ask.json, "metrics", '{');
        tw__json_u64(&ask.json, "completedJobs", 1);
        tw__json_u64(&ask.json, "totalJobs", 1);
        tw__json_close(&ask.json, '}');
        if (found.partial) {
            tw__json_cstr(&ask.json, "status", "PARTIAL");
            tw__json_cstr(&ask.json, "message",
                          "the newest traces were looked at, and there may be more: ask for less time, or with a "
                          "condition that fewer spans meet");
        }
        tw__json_close(&ask.json, '}');
    }
    tw__ask_end(&ask);
    free_query(&query);
}

/* -- tags */

static const char *const intrinsics[] = {"duration",
                                         "event:name",
                                         "event:timeSinceStart",
                                         "instrumentation:name",
                                         "instrumentation:version",
                                         "kind",
                                         "link:spanID",
                                         "link:traceID",
                                         "name",
                                         "nestedSetParent",
                                         "rootName",
                                         "rootServiceName",
                                         "span:duration",
                                         "span:id",
                                         "span:kind",
                                         "span:name",
                                         "span:parentID",
                                         "span:status",
                                         "span:statusMessage",
                                         "status",
                                         "statusMessage",
                                         "trace:duration",
                                         "trace:id",
                                         "trace:rootName",
                                         "trace:rootService",
                                         "traceDuration"};

static void put_scope(struct tw__ask *ask, const char *name, unsigned scopes)
{
    struct tw__store_names names = {0};
    if (ask->failed || tw__ask_failed(ask, tw__store_tag_keys(ask->api->store, scopes, &ask->pool, &names))) return;
    tw__json_open(&ask->json, NULL, '{');
    tw__json_cstr(&ask->json, "name", name);
    tw__json_open(&ask->json, "tags", '[');
    for (size_t i = 0; i < names.count; i++) tw__json_text(&ask->json, NULL, names.items[i].name);
    tw__json_close(&ask->json, ']');
    tw__json_close(&ask->json, '}');
}

/* Of links and instrumentation there are no lists. */
static const char *const scopes[] = {"resource", "span", "event", "link", "instrumentation", "intrinsic"};

static void tags_v2(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    tw__ask_begin(&ask, context, request, reply);
    const char *scope = tw__ask_text(&ask, "scope");
    bool all = !scope || strcmp(scope, "none") == 0, known = all;
    for (size_t i = 0; !known && i < sizeof scopes / sizeof *scopes; i++) known = strcmp(scope, scopes[i]) == 0;
    if (!known)
        tw__ask_refuse(&ask, 400, "no such scope; there are resource, span, event, link, instrumentation, intrinsic");
    if (!ask.failed) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "scopes", '[');
    }
    if (all || strcmp(scope, "resource") == 0) put_scope(&ask, "resource", TW__SCOPE_RESOURCE);
    if (all || strcmp(scope, "span") == 0) put_scope(&ask, "span", TW__SCOPE_SPAN);
    if (all || strcmp(scope, "event") == 0) put_scope(&ask, "event", TW__SCOPE_EVENT);
    if (!ask.failed && (all || strcmp(scope, "intrinsic") == 0)) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_cstr(&ask.json, "name", "intrinsic");
        tw__json_open(&ask.json, "tags", '[');
        for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++)
            tw__json_cstr(&ask.json, NULL, intrinsics[i]);
        tw__json_close(&ask.json, ']');
        tw__json_close(&ask.json, '}');
    }
    if (!ask.failed) {
        tw__json_close(&ask.json, ']');
        tw__json_close(&ask.json, '}');
    }
    tw__ask_end(&ask);
}

static void tags_v1(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_names names = {0};
    tw__ask_begin(&ask, context, request, reply);
    if (!tw__ask_failed(&ask,
                        tw__store_tag_keys(ask.api->store, TW__SCOPE_SPAN | TW__SCOPE_RESOURCE, &ask.pool, &names))) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "tagNames", '[');
        for (size_t i = 0; i < names.count; i++) tw__json_text(&ask.json, NULL, names.items[i].name);
        tw__json_close(&ask.json, ']');
        tw__json_close(&ask.json, '}');
    }
    tw__ask_end(&ask);
}

static void values(void *context, const struct tw__request *request, struct tw__reply *reply, bool v2)
{
    static const char end[] = "/values";
    struct tw__ask ask;
    struct tw__tempo_values found = {0};
    size_t len = strlen(request->rest);
    tw__ask_begin(&ask, context, request, reply);
    if (len <= sizeof end - 1 || strcmp(request->rest + len - (sizeof end - 1), end) != 0)
        tw__ask_refuse(&ask, 404, "not found");
    else
        tw__tempo_values(&ask, (struct tw_text){request->rest, len - (sizeof end - 1)}, &found);
    if (!ask.failed) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "tagValues", '[');
        for (size_t i = 0; i < found.count; i++) {
            if (v2) tw__json_open(&ask.json, NULL, '{');
            if (v2) tw__json_cstr(&ask.json, "type", found.items[i].type);
            tw__json_text(&ask.json, v2 ? "value" : NULL, found.items[i].text);
            if (v2) tw__json_close(&ask.json, '}');
        }
        tw__json_close(&ask.json, ']');
        tw__json_close(&ask.json, '}');
    }
    tw__ask_end(&ask);
}

static void values_v1(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    values(context, request, reply, false);
}

static void values_v2(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    values(context, request, reply, true);
}

const struct tw__route tw__tempo_routes[] = {
    {"GET", "/api/echo", TW__ROLE_READ, 0, echo},
    {"GET", "/ready", TW__ROLE_ANY, 0, ready},
    {"GET", "/api/status/buildinfo", TW__ROLE_READ, 0, buildinfo},
    {"GET", "/api/v2/traces/*", TW__ROLE_READ, 0, trace_v2},
    {"GET", "/tempo/api/traces/*", TW__ROLE_READ, 0, trace_v1},
    {"GET", "/api/search", TW__ROLE_READ, 0, search},
    {"GET", "/api/search/tags", TW__ROLE_READ, 0, tags_v1},
    {"GET", "/api/search/tag/*", TW__ROLE_READ, 0, values_v1},
    {"GET", "/api/v2/search/tags", TW__ROLE_READ, 0, tags_v2},
    {"GET", "/api/v2/search/tag/*", TW__ROLE_READ, 0, values_v2},
    {0},
};
