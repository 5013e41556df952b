/* series: spans counted and measured over time, apart for each combination of values of some attributes: what metrics
 * of TraceQL are made of.
 *
 *     struct tw__series_list list = {.traceql = &traceql, .from_ns = from, .step_ns = step, .steps = 60};
 *     if (tw__series_collect(store, &search, &pool, &list) == 0) print(&list);
 *
 * Measured is the field of the metric, or the duration: durations in seconds, everything else as it is. Spans without a
 * number there are not counted; without one of the attributes they are a series of their own.
 * Where nothing but counts and durations of one series is asked for, the store's heat map answers. What can be told
 * only of whole traces (structure, rootName ..) is asked of all of those that have a candidate in the time.
 * Limits   TW__SERIES_MAX series: spans of further ones are left out, and more says so. TW__SERIES_TRACES whole traces:
 *          beyond it nothing is answered, since a part of them would be another number. Spans that were stored twice
 *          count twice until they are folded (store.h), but in whole traces. */
#ifndef TW_QUERY_SERIES_H
#define TW_QUERY_SERIES_H

#include "base/field.h"
#include "query/query.h"
#include "query/traceql.h"

enum { TW__SERIES_MAX = 1000, TW__SERIES_TRACES = 4000 };

struct tw__series_cell {
    uint64_t count;
    double sum, least, most;
    uint32_t *bins; /* of what is measured, see below; NULL: none, or not asked for */
};

struct tw__series {
    const struct tw__field *values; /* TW__TRACEQL_BY_MAX, in the order of by; type NONE: not there */
    uint64_t count;                 /* in all cells */
    struct tw__series_cell *cells;  /* steps of them */
};

struct tw__series_list {
    const struct tw__traceql *traceql; /* given: its metric; its spansets are in the search */
    uint64_t from_ns, step_ns;         /* given */
    size_t steps;                      /* given */
    struct tw__series *items;          /* by values */
    size_t count;
    bool more;    /* there were more series than are kept */
    bool numbers; /* bins are those of value_bins.h; else the store's, of nanoseconds */
};

/* Of what a cell has measured, the value below which a share lies; durations in seconds. */
double tw__series_quantile(const struct tw__series_list *list, const struct tw__series_cell *cell, double share);
/* The bins from first on that make a bucket: a power of two, or 0. Returns the one behind them, 0 at the end; *end is
 * where it ends. */
unsigned tw__series_bucket(const struct tw__series_list *list, unsigned first, double *end);

/* Returns 0, TW_ERR_RANGE for too many whole traces, or what the store returns.
 * Owns     items are in the pool. The search's filter is asked through another one, and put back. */
int tw__series_collect(struct tw__store *store, struct tw__search *search, struct tw__pool *pool,
                       struct tw__series_list *list);

#endif
