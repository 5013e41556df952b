/* tempo_found: traces found, as Tempo's search answers them. */
#ifndef TW_SERVE_TEMPO_FOUND_H
#define TW_SERVE_TEMPO_FOUND_H

#include "query/query.h"
#include "query/traceql.h"
#include "wire/json.h"

/* One trace, found by the query. */
void tw__tempo_put_found(struct tw__json *json, const struct tw__summary *one, const struct tw__traceql *traceql);

/* Parts of spans that it takes; named is the query's. */
unsigned tw__tempo_found_parts(const struct tw__buf *named);

#endif
