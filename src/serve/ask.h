/* ask: what requests to the query APIs have in common: parameters read, searches made of them, errors told.
 *
 *     struct tw__ask ask;
 *     tw__ask_begin(&ask, context, request, reply);
 *     ...                                            once ask.failed is set, the reply is an error and stays it
 *     tw__ask_end(&ask);
 *
 * Times: nanoseconds since 1970, or micro-, milliseconds or seconds, told apart by their size; RFC 3339; or how long
 * ago: 15m. A parameter that is not understood is an error that names it: a search that silently found something else
 * would be worse. */
#ifndef TW_SERVE_ASK_H
#define TW_SERVE_ASK_H

#include "query/query.h"
#include "query/where.h"
#include "serve/api.h"
#include "wire/json.h"

struct tw__ask {
    struct tw__api *api;
    const struct tw__request *request;
    struct tw__reply *reply;
    struct tw__pool pool; /* with a limit: no question takes all memory */
    struct tw__json json; /* into the reply's body */
    struct tw__where *where;
    uint64_t now_ns;
    bool failed; /* sticky: the reply is an error already */
    char why[2 * TW_WHY_MAX];
};

/* Zeroes ask and sets it up. */
void tw__ask_begin(struct tw__ask *ask, struct tw__api *api, const struct tw__request *request,
                   struct tw__reply *reply);
void tw__ask_end(struct tw__ask *ask);

/* Makes the reply an error; the first one counts. */
void tw__ask_refuse(struct tw__ask *ask, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for what the store or a query returned. Returns whether it was an error. */
bool tw__ask_failed(struct tw__ask *ask, int code);

/* A parameter; empty and not there are the same. NULL: not there. */
const char *tw__ask_text(struct tw__ask *ask, const char *name);
uint64_t tw__ask_number(struct tw__ask *ask, const char *name, uint64_t usual, uint64_t most);
/* 0: not there. */
uint64_t tw__ask_time(struct tw__ask *ask, const char *name);
uint64_t tw__ask_duration(struct tw__ask *ask, const char *name);

/* Parameters where, service, name, since, until, min_trace, max_trace, order, limit. Borrows from ask. */
void tw__ask_search(struct tw__ask *ask, struct tw__search *search);
/* The same where single spans are asked for: conditions on their traces, which the store cannot meet, are refused. */
void tw__ask_search_spans(struct tw__ask *ask, struct tw__search *search);
/* Adds a filter; at most one an ask. */
void tw__ask_where(struct tw__ask *ask, const char *text, struct tw__search *search);

/* Of traces that are answered as one text, several times as large: about 170,000 spans. Beyond it the answer is 503. */
enum { TW__WHOLE_TRACE_BYTES = 64 << 20 };

/* The whole trace that the star of the route names, in spans, whose pool may have a limit. */
void tw__ask_trace(struct tw__ask *ask, const char *id, unsigned parts, struct tw__spans *spans);

/* A time as text, since numbers beyond 2^53 do not survive every reader of JSON. */
void tw__ask_put_time(struct tw__json *json, const char *name, uint64_t ns);

static inline struct tw_text tw__ask_as_text(const char *text)
{
    size_t len = 0;
    while (text && text[len]) len++;
    return (struct tw_text){text, len};
}

/* Of a span's kind, which may be unspecified. */
const char *tw__ask_kind_name(unsigned kind);
/* The words that status and kind, as fields of filters, can be: a list by name. */
void tw__ask_words(struct tw__ask *ask, struct tw_text field, struct tw__store_names *names);

/* RFC 3339 with any number of decimals, as ns; false when it is none. */
bool tw__rfc3339(const char *text, uint64_t *ns);

#endif
