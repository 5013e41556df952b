/* compare: how often spans of a selection have each value of each attribute, beside the other spans: what compare() of
 * TraceQL shows.
 *
 * Of values as of attributes the first that come are looked at: of an attribute TW__COMPARE_VALUES a side on average
 * (one that both sides have counts for both), 32,768 in all; an attribute of which there are more says so. Numbers of
 * spans are exact.
 */
#ifndef TW_QUERY_COMPARE_H
#define TW_QUERY_COMPARE_H

#include "base/field.h"
#include "query/query.h"
#include "query/traceql.h"

enum { TW__COMPARE_ATTRIBUTES = 1000, TW__COMPARE_VALUES = 500 };

enum tw__compare_side { TW__COMPARE_BASELINE, TW__COMPARE_SELECTION, TW__COMPARE_SIDES };

struct tw__compared_value {
    struct tw__field value;
    uint32_t attribute;
    uint64_t total[TW__COMPARE_SIDES];
    uint32_t *counts[TW__COMPARE_SIDES]; /* by step; NULL: none */
};

struct tw__compared_attribute {
    struct tw_text scope, key; /* "span.", "http.method"; intrinsics: "", "status" */
    uint64_t total[TW__COMPARE_SIDES];
    uint32_t *counts[TW__COMPARE_SIDES];
    uint32_t values[TW__COMPARE_SIDES]; /* how many different ones */
    bool more;                          /* there were more values than are kept */
};

struct tw__comparison {
    const struct tw__traceql *traceql; /* given: its metric */
    uint64_t from_ns, step_ns;         /* given */
    size_t steps;                      /* given */
    struct tw__compared_attribute *attributes;
    size_t attribute_count;
    struct tw__compared_value *values; /* by attribute, then those with the most spans first */
    size_t value_count;
    bool more; /* there were more attributes than are kept */
};

/* selects: which of the spans are the selection; NULL: all.
 * Returns  0, or what the store returns.
 * Owns     everything is in the pool. The search's filter is asked through another one, and put back. */
int tw__compare(struct tw__store *store, struct tw__search *search, const struct tw__store_filter *selects,
                struct tw__pool *pool, struct tw__comparison *comparison);

#endif
