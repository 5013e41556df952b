/* api_search: traces found, their latencies as a heat map, and who calls whom.
 *
 *     GET /api/tw/search?where=&service=&name=&since=&until=&min_trace=&max_trace=&order=newest|slowest&limit=
 *     GET /api/tw/heatmap?where=&service=&name=&since=&until=&columns=
 *     GET /api/tw/map?since=&until=
 */
#include <stdlib.h>

#include "serve/ask.h"

static void put_matched(struct tw__json *json, const struct tw__summary *summary)
{
    tw__json_u64(json, "matched", summary->matched_count);
    tw__json_open(json, "spans", '[');
    for (uint32_t i = 0; i < summary->matched_kept; i++) {
        const struct tw__span *span = &summary->matched[i];
        tw__json_open(json, NULL, '{');
        tw__json_hex(json, "span_id", span->span_id, 8);
        tw__json_text(json, "name", span->name);
        tw__ask_put_time(json, "start_ns", span->start_ns);
        tw__json_u64(json, "duration_ns", tw__span_duration_ns(span));
        tw__json_bool(json, "error", span->status == TW_STATUS_ERROR);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
}

static void put_summary(struct tw__json *json, const struct tw__summary *summary)
{
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "trace_id", summary->trace_id, 16);
    tw__json_text(json, "service", summary->root_service);
    tw__json_text(json, "name", summary->root_name);
    if (summary->rootless) tw__json_bool(json, "rootless", true);
    tw__ask_put_time(json, "start_ns", summary->start_ns);
    tw__json_u64(json, "duration_ns", summary->duration_ns);
    tw__json_u64(json, "span_count", summary->span_count);
    tw__json_u64(json, "error_count", summary->error_count);
    tw__json_u64(json, "open_count", summary->open_count);
    tw__json_open(json, "services", '[');
    for (uint32_t i = 0; i < summary->service_count; i++) {
        tw__json_open(json, NULL, '{');
        tw__json_text(json, "name", summary->services[i].name);
        tw__json_u64(json, "spans", summary->services[i].spans);
        tw__json_u64(json, "errors", summary->services[i].errors);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
    put_matched(json, summary);
    tw__json_close(json, '}');
}

static void search(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search what;
    struct tw__summaries found = {0};
    tw__ask_begin(&ask, context, request, reply);
    tw__ask_search(&ask, &what);
    if (!ask.failed && !tw__ask_failed(&ask, tw__query_search(ask.api->store, &what, &ask.pool, &found))) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "traces", '[');
        for (size_t i = 0; i < found.count; i++) put_summary(&ask.json, &found.items[i]);
        tw__json_close(&ask.json, ']');
        tw__json_bool(&ask.json, "more", found.more);
        tw__json_close(&ask.json, '}');
    }
    tw__ask_end(&ask);
}

enum { COLUMNS_MAX = 500 };

static void put_heat(struct tw__json *json, const struct tw__store_heat *heat)
{
    tw__json_open(json, NULL, '{');
    tw__ask_put_time(json, "from_ns", heat->from_ns);
    tw__json_u64(json, "step_ns", heat->step_ns);
    tw__json_open(json, "columns", '[');
    for (size_t c = 0; c < heat->columns; c++) {
        uint64_t all = 0;
        tw__json_open(json, NULL, '{');
        tw__json_open(json, "cells", '[');
        for (unsigned b = 0; b < TW__BINS; b++) {
            if (!heat->cells[c][b]) continue;
            all += heat->cells[c][b];
            tw__json_open(json, NULL, '[');
            tw__json_u64(json, NULL, tw__bin_floor(b));
            tw__json_u64(json, NULL, heat->cells[c][b]);
            tw__json_close(json, ']');
        }
        tw__json_close(json, ']');
        tw__json_u64(json, "spans", all);
        tw__json_u64(json, "errors", heat->errors[c]);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
    tw__json_close(json, '}');
}

static void heatmap(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search what;
    tw__ask_begin(&ask, context, request, reply);
    tw__ask_search_spans(&ask, &what);
    struct tw__store_heat heat = {.columns = (size_t)tw__ask_number(&ask, "columns", 60, COLUMNS_MAX)};
    if (heat.columns == 0) heat.columns = 1;
    if (!what.spans.until_ns) what.spans.until_ns = ask.now_ns + 1;
    if (!what.spans.since_ns)
        what.spans.since_ns = what.spans.until_ns > 3600000000000u ? what.spans.until_ns - 3600000000000u : 1;
    if (what.spans.since_ns >= what.spans.until_ns) tw__ask_refuse(&ask, 400, "since: not before until");
    heat.from_ns = what.spans.since_ns;
    heat.step_ns = (what.spans.until_ns - what.spans.since_ns + heat.columns - 1) / heat.columns;
    heat.cells = tw__pool_zeroed(&ask.pool, heat.columns, sizeof *heat.cells);
    heat.errors = tw__pool_zeroed(&ask.pool, heat.columns, sizeof *heat.errors);
    if (!heat.cells || !heat.errors) (void)tw__ask_failed(&ask, TW_ERR_MEMORY);
    if (!ask.failed && !tw__ask_failed(&ask, tw__store_heat(ask.api->store, &what.spans, &heat)))
        put_heat(&ask.json, &heat);
    tw__ask_end(&ask);
}

static void map(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__store_edges edges = {0};
    tw__ask_begin(&ask, context, request, reply);
    uint64_t since_ns = tw__ask_time(&ask, "since"), until_ns = tw__ask_time(&ask, "until");
    if (!ask.failed && !tw__ask_failed(&ask, tw__store_edges(ask.api->store, since_ns, until_ns, &ask.pool, &edges))) {
        struct tw__json *json = &ask.json;
        tw__json_open(json, NULL, '{');
        tw__json_open(json, "edges", '[');
        for (size_t i = 0; i < edges.count; i++) {
            const struct tw__store_edge *edge = &edges.items[i];
            tw__json_open(json, NULL, '{');
            tw__json_text(json, "parent", edge->parent);
            tw__json_text(json, "child", edge->child);
            tw__json_u64(json, "calls", edge->calls);
            tw__json_u64(json, "errors", edge->errors);
            tw__json_u64(json, "p50_ns", tw__bins_quantile(edge->bins, 0.50));
            tw__json_u64(json, "p95_ns", tw__bins_quantile(edge->bins, 0.95));
            tw__json_u64(json, "p99_ns", tw__bins_quantile(edge->bins, 0.99));
            tw__json_close(json, '}');
        }
        tw__json_close(json, ']');
        tw__json_u64(json, "unknown_parents", edges.unknown);
        tw__json_bool(json, "more", edges.more);
        tw__json_close(json, '}');
    }
    tw__ask_end(&ask);
}

const struct tw__route tw__search_routes[] = {
    {"GET", "/api/tw/search", TW__ROLE_READ, 0, search},
    {"GET", "/api/tw/heatmap", TW__ROLE_READ, 0, heatmap},
    {"GET", "/api/tw/map", TW__ROLE_READ, 0, map},
    {0},
};
