/* api_tempo_metrics: TraceQL's metrics, which Grafana's drill-down draws: numbers of spans over time.
 *
 *     GET /api/metrics/query_range?q=&start=&end=&step=
 *         {"series":[{"labels":[..],"promLabels","exemplars","samples":[{"timestampMs","value"}]}]}
 *     GET /api/metrics/query?q=&start=&end=
 *         {"series":[{"labels":[..],"promLabels","value"}]}: of all the time
 *
 * query/series.h collects; of each of its series a line is made for each quantile or bucket, topk() chooses among the
 * lines at each moment, as in Tempo. Quantiles and buckets are those of the bins, four a power of two.
 * Limits: SAMPLES_MAX samples, and TW__TEMPO_SERIES_BYTES of text; series that would go beyond are left out, and the
 * answer says so.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "query/series.h"
#include "query/spansets.h"
#include "serve/ask.h"
#include "serve/tempo_compare.h"
#include "serve/tempo_labels.h"

enum { STEPS_MAX = 1000, STEPS_USUAL = 60, SAMPLES_MAX = 1000000 };

/* What is drawn as one. NAN: no sample. */
struct line {
    const struct tw__series *series;
    const char *extra_key; /* NULL: none */
    double extra;          /* the quantile, or the end of the histogram's bucket */
    double *values;        /* by step */
};

struct lines {
    struct line *items;
    size_t count, cap;
    bool more; /* there were more than are answered */
};

/* NULL: no more of them, or no memory. */
static struct line *add_line(struct tw__ask *ask, struct lines *lines, const struct tw__series_list *list,
                             struct line line)
{
    lines->more |= (lines->count + 1) * list->steps > SAMPLES_MAX;
    if (lines->more) return NULL;
    line.values = tw__pool_take(&ask->pool, list->steps * sizeof *line.values, 8);
    if (!line.values || tw__pool_grow(&ask->pool, &lines->items, lines->count, &lines->cap, sizeof line) < 0) {
        (void)tw__ask_failed(ask, TW_ERR_MEMORY);
        return NULL;
    }
    lines->items[lines->count] = line;
    return &lines->items[lines->count++];
}

static double value_of(const struct tw__series_list *list, const struct tw__series_cell *cell)
{
    switch (list->traceql->metric.function) {
    case TW__TRACEQL_RATE:
        return (double)cell->count / ((double)list->step_ns / 1e9);
    case TW__TRACEQL_COUNT:
        return (double)cell->count;
    case TW__TRACEQL_MIN:
        return cell->count ? cell->least : (double)NAN;
    case TW__TRACEQL_MAX:
        return cell->count ? cell->most : (double)NAN;
    case TW__TRACEQL_SUM:
        return cell->count ? cell->sum : (double)NAN;
    case TW__TRACEQL_AVG:
        return cell->count ? cell->sum / (double)cell->count : (double)NAN;
    case TW__TRACEQL_NONE:
    case TW__TRACEQL_QUANTILE:
    case TW__TRACEQL_HISTOGRAM:
    case TW__TRACEQL_COMPARE:
        break;
    }
    return (double)NAN;
}

static void add_quantiles(struct tw__ask *ask, const struct tw__series_list *list, const struct tw__series *series,
                          struct lines *lines)
{
    for (unsigned q = 0; q < list->traceql->metric.quantile_count; q++) {
        double share = list->traceql->metric.quantiles[q];
        struct line *line = add_line(ask, lines, list, (struct line){series, "p", share, NULL});
        for (size_t i = 0; line && i < list->steps; i++) {
            const struct tw__series_cell *cell = &series->cells[i];
            line->values[i] = cell->count ? tw__series_quantile(list, cell, share) : (double)NAN;
        }
    }
}

/* How many there are in each step, or in all of them: values NULL. */
static uint64_t count_bucket(const struct tw__series_list *list, const struct tw__series *series, unsigned first,
                             unsigned next, double *values)
{
    uint64_t all = 0;
    for (size_t i = 0; i < list->steps; i++) {
        uint64_t count = 0;
        for (unsigned b = first; series->cells[i].bins && b < next; b++) count += series->cells[i].bins[b];
        if (values) values[i] = (double)count;
        all += count;
    }
    return all;
}

/* A line for each power of two that has spans: Tempo's buckets. */
static void add_buckets(struct tw__ask *ask, const struct tw__series_list *list, const struct tw__series *series,
                        struct lines *lines)
{
    double end;
    for (unsigned first = 0, next; (next = tw__series_bucket(list, first, &end)); first = next) {
        if (!count_bucket(list, series, first, next, NULL)) continue;
        struct line *line = add_line(ask, lines, list, (struct line){series, "__bucket", end, NULL});
        if (line) (void)count_bucket(list, series, first, next, line->values);
    }
}

/* All lines of a series, or none. */
static void make_lines(struct tw__ask *ask, const struct tw__series_list *list, struct lines *lines)
{
    for (size_t s = 0; s < list->count && !ask->failed && !lines->more; s++) {
        const struct tw__series *series = &list->items[s];
        size_t before = lines->count;
        if (list->traceql->metric.function == TW__TRACEQL_QUANTILE) {
            add_quantiles(ask, list, series, lines);
        } else if (list->traceql->metric.function == TW__TRACEQL_HISTOGRAM) {
            add_buckets(ask, list, series, lines);
        } else {
            struct line *line = add_line(ask, lines, list, (struct line){series, NULL, 0, NULL});
            for (size_t i = 0; line && i < list->steps; i++) line->values[i] = value_of(list, &series->cells[i]);
        }
        if (lines->more) lines->count = before;
    }
}

static int largest_first(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a > b ? -1 : a < b;
}

/* Of each step the largest or smallest keep values; of equal ones those of earlier lines. */
static void choose(struct tw__ask *ask, const struct tw__series_list *list, struct lines *lines)
{
    size_t keep = list->traceql->metric.keep;
    double sign = list->traceql->metric.keep_smallest ? -1 : 1;
    double *sorted = tw__pool_take(&ask->pool, (lines->count + 1) * sizeof *sorted, 8);
    if (!sorted) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    for (size_t i = 0; sorted && i < list->steps; i++) {
        size_t count = 0, equal = 0;
        for (size_t l = 0; l < lines->count; l++)
            if (!isnan(lines->items[l].values[i])) sorted[count++] = sign * lines->items[l].values[i];
        if (count <= keep) continue;
        qsort(sorted, count, sizeof *sorted, largest_first);
        double least = sorted[keep - 1];
        for (size_t n = 0; n < keep; n++) equal += sorted[n] <= least;
        for (size_t l = 0; l < lines->count; l++) {
            double *value = &lines->items[l].values[i];
            bool stays = sign * *value > least || (sign * *value >= least && equal && equal--);
            if (!stays) *value = (double)NAN;
        }
    }
}

static void put_line(struct tw__ask *ask, const struct tw__series_list *list, const struct line *line, bool instant)
{
    static const char *const names[] = {
        [TW__TRACEQL_RATE] = "rate",
        [TW__TRACEQL_COUNT] = "count_over_time",
        [TW__TRACEQL_QUANTILE] = "quantile_over_time",
        [TW__TRACEQL_HISTOGRAM] = "histogram_over_time",
        [TW__TRACEQL_MIN] = "min_over_time",
        [TW__TRACEQL_MAX] = "max_over_time",
        [TW__TRACEQL_AVG] = "avg_over_time",
        [TW__TRACEQL_SUM] = "sum_over_time",
    };
    const struct tw__traceql *traceql = list->traceql;
    struct tw__json *json = &ask->json;
    struct tw__tempo_labels labels = {.json = json};
    tw__json_open(json, NULL, '{');
    tw__tempo_labels_begin(&labels);
    for (unsigned i = 0; i < traceql->metric.by_count; i++)
        tw__tempo_label(&labels, traceql->fields[traceql->metric.by[i]].label, &line->series->values[i]);
    if (traceql->metric.by_count == 0)
        tw__tempo_label_text(&labels, "__name__", tw__ask_as_text(names[traceql->metric.function]));
    if (line->extra_key) tw__tempo_label_number(&labels, line->extra_key, line->extra);
    tw__tempo_labels_end(&labels);
    if (instant) {
        tw__json_f64_or_text(json, "value", line->values[0]);
    } else {
        tw__tempo_samples_begin(json);
        for (size_t i = 0; i < list->steps; i++)
            if (!isnan(line->values[i])) tw__tempo_sample(json, list->from_ns + i * list->step_ns, line->values[i]);
        tw__json_close(json, ']');
    }
    tw__json_close(json, '}');
}

/* start, end, since, step; instant: one step. */
static void read_range(struct tw__ask *ask, bool instant, struct tw__series_list *list)
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
    list->from_ns = from;
    list->step_ns = instant ? until - from : step ? step : (until - from) / STEPS_USUAL + 1;
    if (list->step_ns == 0) list->step_ns = 1;
    if ((until - from) / list->step_ns >= STEPS_MAX) tw__ask_refuse(ask, 400, "step: more than %d steps", STEPS_MAX);
    list->steps = ask->failed ? 1 : (size_t)((until - from + list->step_ns - 1) / list->step_ns);
}

/* The spans that are measured, as a search, which borrows from what is made. */
static void read_spans(struct tw__ask *ask, const struct tw__traceql *traceql, struct tw__spansets **spansets,
                       struct tw__search *search)
{
    struct tw__refusal refusal;
    *search = (struct tw__search){0};
    int code = tw__spansets_new(traceql, spansets, &refusal);
    if (code == TW_ERR_MEMORY)
        (void)tw__ask_failed(ask, code);
    else if (code < 0)
        tw__ask_refuse(ask, 400, "invalid TraceQL query: %s", refusal.text);
    else
        tw__spansets_apply(*spansets, search);
    bool whole = search->whole.needed || search->min_trace_ns || search->max_trace_ns;
    if (!ask->failed && whole && traceql->metric.function == TW__TRACEQL_COMPARE)
        tw__ask_refuse(ask, 400,
                       "compare() is of one spanset whose conditions a span meets by itself: rootName and "
                       "rootServiceName need nestedSetParent < 0 beside them, and traceDuration cannot be asked");
}

static void put_series(struct tw__ask *ask, struct tw__search *search, struct tw__series_list *list, bool instant)
{
    struct lines lines = {0};
    int code = tw__series_collect(ask->api->store, search, &ask->pool, list);
    if (code == TW_ERR_RANGE)
        tw__ask_refuse(ask, 400,
                       "more than %d whole traces would have to be looked at: ask for less time, or for what a span "
                       "tells by itself (rootName needs nestedSetParent < 0 for that)",
                       TW__SERIES_TRACES);
    else
        (void)tw__ask_failed(ask, code);
    if (!ask->failed) make_lines(ask, list, &lines);
    if (!ask->failed && list->traceql->metric.keep) choose(ask, list, &lines);
    for (size_t l = 0; l < lines.count && !ask->failed; l++) {
        bool any = !list->traceql->metric.keep && !instant;
        for (size_t i = 0; i < list->steps && !any; i++) any = !isnan(lines.items[l].values[i]);
        bool fits = ask->reply->body.len < TW__TEMPO_SERIES_BYTES;
        if (any && fits) put_line(ask, list, &lines.items[l], instant);
        lines.more |= any && !fits;
    }
    list->more |= lines.more;
}

static void metrics(void *context, const struct tw__request *request, struct tw__reply *reply, bool instant)
{
    struct tw__ask ask;
    struct tw__traceql traceql;
    struct tw__refusal refusal;
    struct tw__search search;
    struct tw__spansets *spansets = NULL;
    struct tw__series_list list = {.traceql = &traceql};
    tw__ask_begin(&ask, context, request, reply);
    const char *q = tw__ask_text(&ask, "q");
    int code = tw__traceql_parse(q ? q : "", q ? strlen(q) : 0, &traceql, &refusal);
    if (code == TW_ERR_MEMORY) (void)tw__ask_failed(&ask, code);
    if (code < 0) tw__ask_refuse(&ask, 400, "invalid TraceQL query: at %zu: %s", refusal.at, refusal.text);
    if (code == 0 && traceql.metric.function == TW__TRACEQL_NONE)
        tw__ask_refuse(&ask, 400,
                       "not a metrics query: it ends with | rate(), count_over_time(), quantile_over_time(), "
                       "histogram_over_time(), min_, max_, avg_, sum_over_time() or compare()");
    read_range(&ask, instant, &list);
    if (!ask.failed) read_spans(&ask, &traceql, &spansets, &search);
    if (!ask.failed) {
        tw__json_open(&ask.json, NULL, '{');
        tw__json_open(&ask.json, "series", '[');
    }
    if (!ask.failed && traceql.metric.function == TW__TRACEQL_COMPARE)
        tw__tempo_compare(&ask, &search, &list, instant);
    else if (!ask.failed)
        put_series(&ask, &search, &list, instant);
    if (!ask.failed) {
        tw__json_close(&ask.json, ']');
        tw__json_open(&ask.json, "metrics", '{');
        tw__json_close(&ask.json, '}');
        if (list.more) {
            tw__json_cstr(&ask.json, "status", "PARTIAL");
            tw__json_cstr(
                &ask.json, "message",
                "more series than are answered: some are left out; ask for fewer by a filter, or for a larger "
                "step");
        }
        tw__json_close(&ask.json, '}');
    }
    tw__ask_end(&ask);
    tw__spansets_free(spansets);
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
