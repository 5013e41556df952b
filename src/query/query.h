/* query: what a person asks, in terms of traces: pure functions over the store.
 *
 *     struct tw__search search = {.spans = {.service = cart, .min_duration_ns = 200000000}, .limit = 20};
 *     struct tw__summaries found;
 *     struct tw__pool pool = {0};
 *     if (tw__query_search(store, &search, &pool, &found) == 0) print(&found);
 *     tw__pool_fini(&pool);
 *
 * No I/O but the store's, no clock, no state. Results are in the caller's pool, which may have a limit.
 * Errors   what the store returns; TW_ERR_MEMORY.
 * Threads  [any thread], a pool by one at a time. */
#ifndef TW_QUERY_QUERY_H
#define TW_QUERY_QUERY_H

#include "store/store.h"

/* Traces of which one span fulfils spans, and which themselves fulfil the rest. The duration of a span and that of the
 * trace are two conditions. */
struct tw__trace_view;
struct tw__search {
    struct tw__store_query spans; /* its order tells by what traces are listed: newest or slowest matching span */
    uint64_t min_trace_ns, max_trace_ns; /* from the first begin to the last end; 0: no condition */
    size_t limit;                        /* traces; 0: 20 */
    unsigned matched_parts;              /* enum tw__store_part: of tw__summary.matched */
    size_t matched_max;                  /* of each set of tw__summary.matched; 0: TW__MATCHED_USUAL */
    bool matched_places;                 /* tw__summary.matched_places is wanted; with whole.needed */

    /* What can be told of a span only when its whole trace is known. Then spans is how candidates are found, and the
     * spans that match are looked for in the whole trace. */
    struct {
        /* Says of each span in which set of spans it is, from 1; 0, as it was before: it does not match.
         * Returns 0, or a negative enum tw_err. */
        int (*select)(void *data, const struct tw__spans *trace, const struct tw__trace_view *of, uint32_t *sets);
        void *data;     /* select NULL: every span, in one set */
        unsigned parts; /* that it needs */
        bool needed;    /* spans alone lets more through */
        bool by_root;   /* spans.roots is a way to find the traces, no condition on the spans that match */
        bool by_others; /* all of spans is */
    } whole;
};

/* Where a span stands in its trace, as the numbers of nested sets: those of its descendants lie between its own. */
struct tw__nested_set {
    uint32_t left, right, parent; /* from 1; parent: the left one of its parent, 0: a top */
};

/* Spans that match and belong together. */
struct tw__matched_set {
    uint32_t count;       /* how many there are */
    uint32_t first, kept; /* those that were taken, in the arrays of the summary */
};

struct tw__summary_service {
    struct tw_text name;
    uint32_t spans, errors;
};

struct tw__summary {
    uint8_t trace_id[16];
    struct tw_text root_service, root_name; /* of the first span without a parent; else the first span */
    bool rootless;                          /* there was none without a parent */
    uint64_t start_ns, duration_ns;         /* of everything in it */
    uint32_t span_count, error_count, open_count;
    const struct tw__summary_service *services; /* by name */
    uint32_t service_count;
    uint32_t matched_count;
    const struct tw__matched_set *matched_sets; /* up to TW__MATCHED_SETS, in the order of their first spans */
    uint32_t matched_set_count;
    uint32_t matched_kept;                       /* in matched: as many of each set as were wanted */
    const struct tw__span *matched;              /* newest or slowest first; with names, and what else was wanted */
    struct tw__resource *matched_resources;      /* of each of them; their tags if wanted */
    struct tw__scope *matched_scopes;            /* the same */
    const struct tw__nested_set *matched_places; /* of each of them, if wanted; else NULL */
};
enum { TW__MATCHED_USUAL = 8, TW__MATCHED_SETS = 50 };

struct tw__summaries {
    struct tw__summary *items;
    size_t count;
    bool more;    /* the search stopped at a limit: there may be more */
    bool partial; /* before it had as many as were asked for: it had looked at too much */
};
int tw__query_search(struct tw__store *store, const struct tw__search *search, struct tw__pool *pool,
                     struct tw__summaries *out);

/* A trace laid out: spans as a forest in walking order, parents before children, siblings by begin. Parent chains end
 * whatever was stored. */
struct tw__trace_cause {
    uint32_t from, to; /* indexes: from caused to; besides the tree parent */
};
struct tw__trace_layout {
    size_t count;
    const uint32_t *order;                /* [i]: the span's index in the batch */
    const uint32_t *parent;               /* [i]: index in this order; UINT32_MAX: a top */
    const uint32_t *depth;                /* [i] */
    const uint32_t *tree_size;            /* [i]: spans in its subtree, itself included */
    const bool *orphan;                   /* [i]: names a parent that is not there, or was cut out of a loop */
    const bool *critical;                 /* [i]: on the critical path */
    const uint64_t *critical_ns;          /* [i]: how long the path stays on this span itself */
    const struct tw__trace_cause *causes; /* links inside the trace */
    size_t cause_count;
    uint64_t start_ns, end_ns;
};
/* Lays out the spans of one trace (what tw__store_trace returned).
 * Cost     O(n log n); about 40 bytes a span in the pool. */
int tw__query_layout(const struct tw__spans *spans, struct tw__pool *pool, struct tw__trace_layout *out);

/* The whole trace as filters see it. Borrows from the summary. */
struct tw__trace_view tw__query_view(const struct tw__summary *summary);

/* Summary of a trace from its spans; matched is left empty. */
int tw__query_summary(const struct tw__spans *spans, struct tw__pool *pool, struct tw__summary *out);

#endif
