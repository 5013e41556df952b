/* tempo_values: what Tempo's clients complete a query with: the values of an attribute, with their types, and only
 * those that the rest of the query leaves. */
#ifndef TW_SERVE_TEMPO_VALUES_H
#define TW_SERVE_TEMPO_VALUES_H

#include "serve/ask.h"

struct tw__tempo_value {
    struct tw_text text;
    const char *type; /* string, int, float, bool or keyword: a client puts what is a string in quotes */
};
struct tw__tempo_values {
    struct tw__tempo_value *items; /* by text, each pair once; in the pool of the ask */
    size_t count;
};

/* name as a client writes it: span.KEY, resource.KEY, event.KEY, .KEY, KEY, or an intrinsic. Reads the parameters q,
 * start, end and limit. q that cannot be read, as while somebody is typing, counts as far as it can be. */
void tw__tempo_values(struct tw__ask *ask, struct tw_text name, struct tw__tempo_values *out);

#endif
