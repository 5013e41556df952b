/* where: a search as text of the filter language, for the APIs and the command.
 *
 *     struct tw__where *where;
 *     struct tw__search search = {.limit = 20};
 *     if (tw__where_new("service=cart status=error duration>200ms", len, &where, &refusal) < 0) ...
 *     tw__where_apply(where, &search);
 *     tw__query_search(store, &search, &pool, &found);
 *     tw__where_free(where);
 *
 * Conditions that the store knows how to skip by (service, name, kind, status, duration, root, equal tags, as far as
 * all of the filter must hold them) are handed to it; the whole filter is then asked of the spans that are left. What
 * is about the trace (trace.*) is asked when all of it has been read, but for the name and the service of a root, which
 * are the trace's. */
#ifndef TW_QUERY_WHERE_H
#define TW_QUERY_WHERE_H

#include "filter/filter.h"
#include "query/query.h"

struct tw__where;

/* Returns 0 and *out, or a negative enum tw_err with the refusal filled (may be NULL). */
int tw__where_new(const char *text, size_t len, struct tw__where **out, struct tw__refusal *refusal);
void tw__where_free(struct tw__where *where);

/* Adds its conditions to those that the search has. Of what both say of one field (another service, a smaller least
 * duration), both hold.
 * With search->whole.needed set, spans.filter alone lets more through: scans and heat maps cannot ask it.
 * Owns     the search borrows from where. Its spans.filter and spans.equals must be empty; they are set.
 * Threads  a where by one search at a time. */
void tw__where_apply(struct tw__where *where, struct tw__search *search);

/* Which spans of a whole trace meet it. */
void tw__where_select(const struct tw__where *where, const struct tw__spans *trace, const struct tw__trace_view *of,
                      bool *selected);

/* Parts of spans that it looks at, beside tags (enum tw__store_part); of a field. NULL: none. */
unsigned tw__where_parts(const struct tw__where *where);
unsigned tw__where_parts_of(struct tw_text field);

/* Fields that are known of whole traces only; of those, the ones that a root tells by itself. */
bool tw__where_is_of_trace(uint32_t id);
bool tw__where_is_root_name(uint32_t id);

/* How much the store can skip by it, from 0 on, to choose between several. NULL: 0. */
unsigned tw__where_rank(const struct tw__where *where);

#endif
