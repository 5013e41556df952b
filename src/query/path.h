/* path: the critical path of a trace that is laid out. For src/query alone. */
#ifndef TW_QUERY_PATH_H
#define TW_QUERY_PATH_H

#include "query/query.h"

/* Sets critical and critical_ns; everything else is there. */
int tw__critical_path(const struct tw__spans *spans, struct tw__pool *pool, struct tw__trace_layout *layout);

/* Indexes of spans by begin, equal ones in their order. NULL: no memory. */
uint32_t *tw__sorted_by_begin(const struct tw__spans *spans, struct tw__pool *pool);

#endif
