/* spansets: a TraceQL query made ready to be searched by.
 *
 *     struct tw__spansets *spansets;
 *     if (tw__spansets_new(&traceql, &spansets, &refusal) < 0) ...
 *     tw__spansets_apply(spansets, &search);
 *     tw__query_search(store, &search, &pool, &found);
 *     tw__spansets_free(spansets);
 *
 * What is one spanset is a search by its filter. Anything else is asked of whole traces: the filter of one spanset that
 * must find something tells which. */
#ifndef TW_QUERY_SPANSETS_H
#define TW_QUERY_SPANSETS_H

#include "query/query.h"
#include "query/traceql.h"

struct tw__spansets;

/* Returns 0 and *out, or a negative enum tw_err with the refusal filled.
 * Owns     borrows from traceql. */
int tw__spansets_new(const struct tw__traceql *traceql, struct tw__spansets **out, struct tw__refusal *refusal);
void tw__spansets_free(struct tw__spansets *spansets);

/* Adds its conditions to those that the search has (since, until and durations of traces).
 * Owns     the search borrows from spansets, whose memory it uses: one search at a time. */
void tw__spansets_apply(struct tw__spansets *spansets, struct tw__search *search);

/* The first value of a field; false: none. Borrowed as tw__span_field's. */
struct tw__span_view;
struct tw__field;
bool tw__traceql_value(const struct tw__traceql_field *field, const struct tw__span_view *view, struct tw__field *out);

#endif
