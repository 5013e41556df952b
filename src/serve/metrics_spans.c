/* metrics_spans: what was counted of spans, as the series that Grafana's service graph and span metrics read.
 *
 *     traces_spanmetrics_calls_total            {service, span_name, span_kind, status_code}
 *     traces_spanmetrics_size_total             the same; bytes
 *     traces_spanmetrics_latency                the same; a histogram in seconds
 *     traces_service_graph_request_total        {client, server}
 *     traces_service_graph_request_failed_total, _request_server_seconds, _request_client_seconds
 *
 * Source   Tempo's metrics generator, whose names and labels these are.
 */
#include "serve/metrics_spans.h"

#include <inttypes.h>

static void put_text(struct tw__buf *out, struct tw_text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\') tw__buf_char(out, '\\');
        tw__buf_char(out, text.ptr[i]); /* there are no line ends: ingest/span_metrics */
    }
}

static void put_operation(struct tw__buf *out, const struct tw__operation *row)
{
    static const char *const kinds[] = {"INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"};
    static const char *const statuses[] = {"UNSET", "OK", "ERROR"};
    tw__buf_cstr(out, "service=\"");
    put_text(out, row->service);
    tw__buf_cstr(out, "\",span_name=\"");
    put_text(out, row->name);
    tw__buf_fmt(out, "\",span_kind=\"SPAN_KIND_%s\",status_code=\"STATUS_CODE_%s\"",
                row->kind <= TW_KIND_CONSUMER ? kinds[row->kind] : "UNSPECIFIED",
                statuses[row->status <= TW_STATUS_ERROR ? row->status : 0]);
}

static void put_edge(struct tw__buf *out, const struct tw__service_edge *edge)
{
    tw__buf_cstr(out, "client=\"");
    put_text(out, edge->client);
    tw__buf_cstr(out, "\",server=\"");
    put_text(out, edge->server);
    tw__buf_cstr(out, "\"");
}

static void head(struct tw__buf *out, const char *name, const char *type, const char *help)
{
    tw__buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_count(struct tw__buf *out, const char *name, const struct tw__buf *labels, uint64_t value)
{
    tw__buf_fmt(out, "%s{", name);
    tw__buf_add(out, labels->ptr, labels->len);
    tw__buf_fmt(out, "} %" PRIu64 "\n", value);
}

static void put_histogram(struct tw__buf *out, const char *name, const struct tw__buf *labels,
                          const struct tw__histogram *histogram)
{
    uint64_t below = 0;
    for (size_t i = 0; i <= TW__HISTOGRAM_BUCKETS; i++) {
        bool last = i == TW__HISTOGRAM_BUCKETS;
        below = last ? histogram->count : below + histogram->buckets[i];
        tw__buf_fmt(out, "%s_bucket{", name);
        tw__buf_add(out, labels->ptr, labels->len);
        tw__buf_fmt(out, ",le=\"%s\"} %" PRIu64 "\n", last ? "+Inf" : tw__histogram_texts[i], below);
    }
    tw__buf_fmt(out, "%s_sum{", name);
    tw__buf_add(out, labels->ptr, labels->len);
    tw__buf_fmt(out, "} %" PRIu64 ".%09" PRIu64 "\n", histogram->sum_ns / 1000000000, histogram->sum_ns % 1000000000);
    tw__buf_fmt(out, "%s_count{", name);
    tw__buf_add(out, labels->ptr, labels->len);
    tw__buf_fmt(out, "} %" PRIu64 "\n", histogram->count);
}

static void put_operations(struct tw__buf *out, const struct tw__span_totals *totals, struct tw__buf *labels)
{
    static const struct {
        const char *name, *type, *help;
    } series[] = {
        {"traces_spanmetrics_calls_total", "counter", "spans that have ended"},
        {"traces_spanmetrics_size_total", "counter", "their bytes, as OpenTelemetry's protobuf has them"},
        {"traces_spanmetrics_latency", "histogram", "how long spans took, in seconds"},
    };
    for (size_t s = 0; s < sizeof series / sizeof *series; s++) {
        head(out, series[s].name, series[s].type, series[s].help);
        for (size_t i = 0; i < totals->operation_count; i++) {
            const struct tw__operation *row = &totals->operations[i];
            tw__buf_reset(labels);
            put_operation(labels, row);
            if (s < 2)
                put_count(out, series[s].name, labels, s ? row->bytes : row->latency.count);
            else
                put_histogram(out, series[s].name, labels, &row->latency);
        }
    }
}

static void put_edges(struct tw__buf *out, const struct tw__span_totals *totals, struct tw__buf *labels)
{
    static const struct {
        const char *name, *type, *help;
    } series[] = {
        {"traces_service_graph_request_total", "counter", "calls from one service to another"},
        {"traces_service_graph_request_failed_total", "counter", "those with an error on either side"},
        {"traces_service_graph_request_server_seconds", "histogram", "how long they took where they were answered"},
        {"traces_service_graph_request_client_seconds", "histogram", "how long they took where they were asked"},
    };
    for (size_t s = 0; s < sizeof series / sizeof *series; s++) {
        head(out, series[s].name, series[s].type, series[s].help);
        for (size_t i = 0; i < totals->edge_count; i++) {
            const struct tw__service_edge *edge = &totals->edges[i];
            tw__buf_reset(labels);
            put_edge(labels, edge);
            if (s < 2)
                put_count(out, series[s].name, labels, s ? edge->failed : edge->server_latency.count);
            else
                put_histogram(out, series[s].name, labels, s == 2 ? &edge->server_latency : &edge->client_latency);
        }
    }
}

void tw__metrics_spans(struct tw__span_metrics *metrics, struct tw__buf *out)
{
    struct tw__span_totals totals;
    struct tw__buf labels = {0};
    if (tw__span_metrics_read(metrics, &totals) < 0) return;
    put_operations(out, &totals, &labels);
    put_edges(out, &totals, &labels);
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } own[] = {
        {"trackway_spanmetrics_operations", "gauge", "rows of service, name, kind and status that are counted",
         totals.operation_count},
        {"trackway_spanmetrics_left_out_spans_total", "counter", "spans not counted above: too many operations",
         totals.left_out_spans},
        {"trackway_service_graph_left_out_total", "counter", "calls not counted above: too many pairs of services",
         totals.left_out_calls},
        {"trackway_service_graph_unpaired_total", "counter",
         "calls not counted above: their other half did not come in time", totals.unpaired},
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        head(out, own[i].name, own[i].type, own[i].help);
        tw__buf_fmt(out, "%s %" PRIu64 "\n", own[i].name, own[i].value);
    }
    out->failed |= labels.failed;
    tw__buf_fini(&labels);
    tw__span_totals_fini(&totals);
}
