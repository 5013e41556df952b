/* tempo_found: traces found, as Tempo's search answers them. */
#ifndef TW_SERVE_TEMPO_FOUND_H
#define TW_SERVE_TEMPO_FOUND_H

#include "query/query.h"
#include "wire/json.h"

/* One trace; named is struct tw__traceql's. */
void tw__tempo_put_found(struct tw__json *json, const struct tw__summary *one, const struct tw__buf *named);

/* Parts of spans that it takes. */
unsigned tw__tempo_found_parts(const struct tw__buf *named);

#endif
