/* traceql: the part of Grafana Tempo's query language that its data source writes, as text of our filter language.
 *
 *     { resource.service.name = "front" && span.http.status_code >= 500 } | select(status) | count() > 2
 *  -> (service="front" and tag.http.status_code>=500)
 *
 * One spanset; =, !=, <, <=, >, >=, =~, !~, &&, ||, !, parentheses; scoped and unscoped attributes, intrinsics, with a
 * dot or a colon; nil. After it | select(..), | count() with a comparison, or one metrics function: rate(),
 * count_over_time(), quantile_over_time(duration, q, ...), histogram_over_time(duration), with by(one attribute). min_,
 * max_ and avg_over_time, several spansets and what stands between them are not there. What is not understood is
 * refused with its place: an answer to another question would be worse.
 * Source   grafana/tempo docs, TraceQL. */
#ifndef TW_QUERY_TRACEQL_H
#define TW_QUERY_TRACEQL_H

#include "base/buf.h"
#include "base/refusal.h"

enum tw__traceql_function {
    TW__TRACEQL_NONE,
    TW__TRACEQL_RATE,
    TW__TRACEQL_COUNT,
    TW__TRACEQL_QUANTILE,
    TW__TRACEQL_HISTOGRAM
};
enum { TW__TRACEQL_QUANTILES = 8 };

struct tw__traceql {
    struct tw__buf where;          /* the filter; empty: every span */
    uint64_t count_min, count_max; /* matching spans of a trace: from count(); max UINT64_MAX: no condition */
    enum tw__traceql_function function;
    double quantiles[TW__TRACEQL_QUANTILES];
    unsigned quantile_count;
    struct tw__buf by;       /* of a metric: the key as the filter language has it; empty: none */
    struct tw__buf by_label; /* as it was written */
    struct tw__buf fields;   /* the names in conditions and in select(), as they were written, a 0 behind each */
};

/* Returns 0, or a negative enum tw_err with the refusal filled. Free in either case. */
int tw__traceql_parse(const char *text, size_t len, struct tw__traceql *out, struct tw__refusal *refusal);
void tw__traceql_fini(struct tw__traceql *traceql);

#endif
