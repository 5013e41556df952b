/* api_tempo_metrics: TraceQL's metrics, which Grafana's drill-down draws: rates, counts, quantiles and histograms of
 * spans over time.
 *
 *     GET /api/metrics/query_range?q=&start=&end=&step=
 *         {"series":[{"labels":[..],"promLabels","exemplars","samples":[{"timestampMs","value"}]}]}
 *     GET /api/metrics/query?q=&start=&end=
 *         the same with one sample a series, as value too
 *
 * Each is read off the store's heat map: counts by time and duration. by(attribute) asks once for each of its values,
 * the first SERIES_MAX; a quantile is exact to a quarter of a power of two.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/text.h"
#include "query/traceql.h"
#include "serve/ask.h"
#include "serve/tempo_values.h"

enum { SERIES_MAX = 20, STEPS_MAX = 1000, STEPS_USUAL = 60 };

struct range {
    uint64_t from_ns, step_ns;
    size_t steps;
    bool instant; /* one step, whose value stands beside the samples too */
};

static void put_label(struct tw__json *json, const char *key, struct tw_text value)
{
    tw__json_open(json, NULL, '{');
    tw__json_cstr(json, "key", key);
    tw__json_open(json, "value", '{');
    tw__json_text(json, "stringValue", value);
    tw__json_close(json, '}');
    tw__json_close(json, '}');
}

struct series {
    const char *name; /* of the metric, when there is no attribute */
    const char *by;   /* NULL: none */
    struct tw_text by_value;
    double extra; /* the quantile, or the histogram's bucket */
    const char *extra_key;
};

/* {name="value"}, as Prometheus writes labels. */
static void put_label_text(struct tw__buf *out, const char *key, struct tw_text value)
{
    tw__buf_fmt(out, "%s%s=\"", out->len > 1 ? ", " : "", key);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\') tw__buf_char(out, '\\');
        tw__buf_char(out, value.ptr[i]);
    }
    tw__buf_char(out, '"');
}

static void put_prom_labels(struct tw__json *json, const struct series *s, const char *number)
{
    struct tw__buf text = {0};
    tw__buf_char(&text, '{');
    put_label_text(&text, s->by ? s->by : "__name__", s->by ? s->by_value : tw__ask_as_text(s->name));
    if (s->extra_key) put_label_text(&text, s->extra_key, tw__ask_as_text(number));
    tw__buf_char(&text, '}');
    if (!text.failed) tw__json_text(json, "promLabels", (struct tw_text){text.ptr, text.len});
    tw__buf_fini(&text);
}

static void open_series(struct tw__ask *ask, const struct series *s)
{
    struct tw__json *json = &ask->json;
    char number[32];
    (void)snprintf(number, sizeof number, "%g", s->extra);
    tw__json_open(json, NULL, '{');
    tw__json_open(json, "labels", '[');
    if (s->by)
        put_label(json, s->by, s->by_value);
    else
        put_label(json, "__name__", tw__ask_as_text(s->name));
    if (s->extra_key) put_label(json, s->extra_key, tw__ask_as_text(number));
    tw__json_close(json, ']');
    put_prom_labels(json, s, number);
    tw__json_open(json, "exemplars", '[');
    tw__json_close(json, ']');
    tw__json_open(json, "samples", '[');
}

static void close_series(struct tw__ask *ask, const struct range *range, double value)
{
    tw__json_close(&ask->json, ']');
    if (range->instant) tw__json_f64(&ask->json, "value", value);
    tw__json_close(&ask->json, '}');
}

static void put_sample(struct tw__ask *ask, const struct range *range, size_t step, double value)
{
    tw__json_open(&ask->json, NULL, '{');
    tw__ask_put_time(&ask->json, "timestampMs", (range->from_ns + step * range->step_ns) / 1000000);
    tw__json_f64(&ask->json, "value", value);
    tw__json_close(&ask->json, '}');
}

static uint64_t sum_of(const uint32_t bins[TW__BINS])
{
    uint64_t sum = 0;
    for (unsigned b = 0; b < TW__BINS; b++) sum += bins[b];
    return sum;
}

static void put_quantiles(struct tw__ask *ask, const struct tw__traceql *traceql, const struct range *range,
                          const struct tw__store_heat *heat, struct series s)
{
    for (unsigned q = 0; q < traceql->metric.quantile_count; q++) {
        s.extra = traceql->metric.quantiles[q];
        s.extra_key = "p";
        open_series(ask, &s);
        double value = 0;
        for (size_t i = 0; i < range->steps; i++) {
            if (!sum_of(heat->cells[i])) continue;
            value = (double)tw__bins_quantile(heat->cells[i], s.extra) / 1e9;
            put_sample(ask, range, i, value);
        }
        close_series(ask, range, value);
    }
}

/* A series for each power of two that has spans: Tempo's buckets. */
static void put_histogram(struct tw__ask *ask, const struct range *range, const struct tw__store_heat *heat,
                          struct series s)
{
    for (unsigned first = 0; first < TW__BINS; first += 4) {
        uint64_t any = 0;
        for (size_t i = 0; i < range->steps; i++)
            for (unsigned b = first; b < first + 4 && b < TW__BINS; b++) any += heat->cells[i][b];
        if (!any) continue;
        s.extra = (double)tw__bin_floor(first + 4 < TW__BINS ? first + 4 : TW__BINS - 1) / 1e9;
        s.extra_key = "__bucket";
        open_series(ask, &s);
        uint64_t count = 0;
        for (size_t i = 0; i < range->steps; i++) {
            count = 0;
            for (unsigned b = first; b < first + 4 && b < TW__BINS; b++) count += heat->cells[i][b];
            put_sample(ask, range, i, (double)count);
        }
        close_series(ask, range, (double)count);
    }
}

static void put_counts(struct tw__ask *ask, const struct tw__traceql *traceql, const struct range *range,
                       const struct tw__store_heat *heat, const struct series *s)
{
    double per = traceql->metric.function == TW__TRACEQL_RATE ? (double)range->step_ns / 1e9 : 1;
    open_series(ask, s);
    for (size_t i = 0; i < range->steps; i++) put_sample(ask, range, i, (double)sum_of(heat->cells[i]) / per);
    close_series(ask, range, range->steps ? (double)sum_of(heat->cells[0]) / per : 0);
}

/* One series, or one for each quantile or bucket, of the spans that where selects. Empty ones are left out where there
 * is a by. */
static void put_one(struct tw__ask *ask, const struct tw__traceql *traceql, const struct range *range,
                    const char *where, struct series s)
{
    struct tw__search search = {0};
    struct tw__store_heat heat = {.from_ns = range->from_ns, .step_ns = range->step_ns, .columns = range->steps};
    heat.cells = calloc(range->steps, sizeof *heat.cells);
    tw__where_free(ask->where);
    ask->where = NULL;
    if (!heat.cells) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    if (*where) tw__ask_where(ask, where, &search);
    if (search.whole.needed || search.min_trace_ns || search.max_trace_ns)
        tw__ask_refuse(ask, 400,
                       "metrics are of spans: rootName and rootServiceName need nestedSetParent < 0 beside them, and "
                       "traceDuration cannot be asked");
    search.spans.since_ns = range->from_ns;
    search.spans.until_ns = range->from_ns + range->steps * range->step_ns;
    uint64_t all = 0;
    if (!ask->failed && !tw__ask_failed(ask, tw__store_heat(ask->api->store, &search.spans, &heat)))
        for (size_t i = 0; i < range->steps; i++) all += sum_of(heat.cells[i]);
    if (ask->failed || (s.by && all == 0)) {
        free(heat.cells);
        return;
    }
    if (traceql->metric.function == TW__TRACEQL_QUANTILE)
        put_quantiles(ask, traceql, range, &heat, s);
    else if (traceql->metric.function == TW__TRACEQL_HISTOGRAM)
        put_histogram(ask, range, &heat, s);
    else
        put_counts(ask, traceql, range, &heat, &s);
    free(heat.cells);
}

/* The values of the attribute that by() names. */
static void values_of(struct tw__ask *ask, struct tw_text key, struct tw__store_names *names)
{
    struct tw_text none = {NULL, 0};
    if (tw__text_is(key, "status") || tw__text_is(key, "kind")) {
        tw__ask_words(ask, key, names);
    } else if (tw__text_is(key, "name") || tw__text_is(key, "trace.name")) {
        (void)tw__ask_failed(ask, tw__store_operations(ask->api->store, none, &ask->pool, names));
    } else if (tw__text_is(key, "service") || tw__text_is(key, "trace.service")) {
        (void)tw__ask_failed(ask, tw__store_services(ask->api->store, &ask->pool, names));
    } else {
        bool resource = key.len > 9 && memcmp(key.ptr, "resource.", 9) == 0,
             tag = key.len > 4 && memcmp(key.ptr, "tag.", 4) == 0;
        struct tw_text name = {key.ptr + (resource ? 9 : tag ? 4 : 0), key.len - (resource ? 9u : tag ? 4u : 0u)};
        (void)tw__ask_failed(ask, tw__store_tag_values(ask->api->store, resource ? TW__SCOPE_RESOURCE : TW__SCOPE_SPAN,
                                                       name, 0, 0, SERIES_MAX + 1, &ask->pool, names));
    }
}

static void put_by(struct tw__ask *ask, const struct tw__traceql *traceql, const struct range *range)
{
    struct tw__store_names names = {0};
    struct tw__buf label = {0}, where = {0}, key = {0};
    const struct tw__traceql_field *by = &traceql->fields[traceql->metric.by[0]];
    struct tw_text filter = traceql->filters[0];
    values_of(ask, by->keys[0], &names);
    tw__buf_add(&label, by->label.ptr, by->label.len);
    tw__buf_char(&label, 0);
    tw__buf_char(&key, '"');
    tw__filter_escape(&key, by->keys[0].ptr, by->keys[0].len, false);
    tw__buf_char(&key, '"');
    for (size_t i = 0, put = 0; i < names.count && put < SERIES_MAX && !ask->failed; i++) {
        if (i > 0 && tw__text_same(names.items[i].name, names.items[i - 1].name)) continue;
        tw__buf_reset(&where);
        if (filter.len) tw__buf_fmt(&where, "(%.*s) and ", (int)filter.len, filter.ptr);
        tw__tempo_put_equal(&where, (struct tw_text){key.ptr, key.len}, names.items[i].name);
        tw__buf_char(&where, 0);
        if (where.failed || label.failed) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
        if (!ask->failed)
            put_one(ask, traceql, range, where.ptr, (struct series){.by = label.ptr, .by_value = names.items[i].name});
        put++;
    }
    tw__buf_fini(&where);
    tw__buf_fini(&label);
    tw__buf_fini(&key);
}

/* start, end, since, step; instant: one step. */
static struct range read_range(struct tw__ask *ask, bool instant)
{
    uint64_t from = tw__ask_time(ask, "start"), until = tw__ask_time(ask, "end"),
             since = tw__ask_duration(ask, "since");
    const char *step_text = tw__ask_text(ask, "step");
    uint64_t step = 0;
    if (!until) until = ask->now_ns + 1;
    if (!from) from = since && since < until ? until - since : until > 3600000000000u ? until - 3600000000000u : 1;
    if (from >= until) tw__ask_refuse(ask, 400, "start is not before end");
    if (step_text && strspn(step_text, "0123456789") == strlen(step_text))
        step = tw__ask_number(ask, "step", 0, 86400 * 366u) * 1000000000u; /* seconds */
    else if (step_text)
        step = tw__ask_duration(ask, "step");
    struct range range = {.from_ns = from,
                          .instant = instant,
                          .step_ns = instant ? until - from
                                     : step  ? step
                                             : (until - from) / STEPS_USUAL + 1};
    if (range.step_ns == 0) range.step_ns = 1;
    if ((until - from) / range.step_ns >= STEPS_MAX) tw__ask_refuse(ask, 400, "step: more than %d steps", STEPS_MAX);
    range.steps = ask->failed ? 1 : (size_t)((until - from + range.step_ns - 1) / range.step_ns);
    return range;
}

static void metrics(void *context, const struct tw__request *request, struct tw__reply *reply, bool instant)
{
    static const char *const names[] = {"", "rate", "count_over_time", "quantile_over_time", "histogram_over_time"};
    struct tw__ask ask;
    struct tw__traceql traceql;
    struct tw__refusal refusal;
    tw__ask_begin(&ask, context, request, reply);
    const char *q = tw__ask_text(&ask, "q");
    int code = tw__traceql_parse(q ? q : "", q ? strlen(q) : 0, &traceql, &refusal);
    if (code < 0) tw__ask_refuse(&ask, 400, "invalid TraceQL query: at %zu: %s", refusal.at, refusal.text);
    if (code == 0 && traceql.metric.function == TW__TRACEQL_NONE)
        tw__ask_refuse(
            &ask, 400,
            "not a metrics query: | rate(), count_over_time(), quantile_over_time() or histogram_over_time()");
    struct range range = read_range(&ask, instant);
    struct tw__buf filter = {0};
    if (traceql.filters[0].len) tw__buf_add(&filter, traceql.filters[0].ptr, traceql.filters[0].len);
    tw__buf_char(&filter, 0);
    if (filter.failed) (void)tw__ask_failed(&ask, TW_ERR_MEMORY);
    if (!ask.failed && !tw__traceql_is_filter(&traceql))
        tw__ask_refuse(&ask, 400, "metrics are of one spanset: { .. } | rate()");
    if (!ask.failed && (traceql.metric.function > TW__TRACEQL_HISTOGRAM || traceql.metric.has_field ||
                        traceql.metric.by_count > 1 || traceql.metric.keep))
        tw__ask_refuse(&ask, 400, "of metrics there are rate(), count_over_time(), quantile_over_time(duration, ..), "
                                  "histogram_over_time(duration), by one attribute");
    if (!ask.failed) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "series", '[');
        if (traceql.metric.by_count)
            put_by(&ask, &traceql, &range);
        else
            put_one(&ask, &traceql, &range, filter.ptr, (struct series){.name = names[traceql.metric.function]});
    }
    if (!ask.failed) {
        tw__json_close(&ask.json, ']');
        tw__json_open(&ask.json, "metrics", '{');
        tw__json_close(&ask.json, '}');
        tw__json_close(&ask.json, '}');
    }
    tw__buf_fini(&filter);
    tw__ask_end(&ask);
    tw__traceql_fini(&traceql);
}

static void query_range(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    metrics(context, request, reply, false);
}

static void query(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    metrics(context, request, reply, true);
}

const struct tw__route tw__tempo_metrics_routes[] = {
    {"GET", "/api/metrics/query_range", TW__ROLE_READ, 0, query_range},
    {"GET", "/api/metrics/query", TW__ROLE_READ, 0, query},
    {0},
};
