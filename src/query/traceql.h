/* traceql: Grafana Tempo's query language, read into what is to be done, with the conditions as text of our filter
 * language.
 *
 *     { resource.service.name = "front" } >> { status = error } | by(name) | count() > 2
 *  -> filters service="front"; status=error. Nodes 0, 1, DESCENDANT(0, 1). Stages SPANSETS(2), BY(name), AGGREGATE
 *
 * docs/traceql.md says for people what of it is there. What is not understood is refused with its place and with what
 * there is instead: an answer to another question would be worse.
 * && and || bind equally and to the left, as in Tempo's grammar, between conditions and between spansets; what asks for
 * structure (>, >>, ~ ..) binds stronger.
 * Limits: the enum below; TW__FILTER_TEXT_MAX bytes of text. No recursion.
 * Source   grafana/tempo docs, TraceQL. */
#ifndef TW_QUERY_TRACEQL_H
#define TW_QUERY_TRACEQL_H

#include <trackway/read.h>

#include "base/buf.h"
#include "base/pool.h"
#include "base/refusal.h"

enum {
    TW__TRACEQL_FILTERS = 16, /* spansets in braces */
    TW__TRACEQL_NODES = 2 * TW__TRACEQL_FILTERS,
    TW__TRACEQL_STAGES = 16,
    TW__TRACEQL_FIELDS = 16, /* in functions and by() */
    TW__TRACEQL_BY_MAX = 5,
    TW__TRACEQL_QUANTILES = 8
};

/* An attribute or an intrinsic. */
struct tw__traceql_field {
    struct tw_text label;   /* as it was written */
    struct tw_text keys[2]; /* of the filter language; the first that is there counts. The second empty: none */
    uint32_t ids[2];        /* enum tw__span_field_id */
};

enum tw__spanset_op {
    TW__SPANSET_FILTER, /* a: which of the filters */
    TW__SPANSET_AND,
    TW__SPANSET_OR,
    TW__SPANSET_CHILD,      /* > */
    TW__SPANSET_DESCENDANT, /* >> */
    TW__SPANSET_PARENT,     /* < */
    TW__SPANSET_ANCESTOR,   /* << */
    TW__SPANSET_SIBLING     /* ~ */
};

/* An expression of spansets, children before parents. */
struct tw__spanset_node {
    uint8_t op;   /* enum tw__spanset_op */
    uint8_t a, b; /* nodes */
    bool negated; /* !> .. */
    bool of_both; /* &> ..: the left ones too */
};

enum tw__traceql_aggregate {
    TW__TRACEQL_AGG_COUNT,
    TW__TRACEQL_AGG_SUM,
    TW__TRACEQL_AGG_AVG,
    TW__TRACEQL_AGG_MIN,
    TW__TRACEQL_AGG_MAX
};

enum tw__traceql_stage_kind {
    TW__TRACEQL_SPANSETS,  /* node; of the spans that are left */
    TW__TRACEQL_AGGREGATE, /* aggregate of field, compared with number: of each group */
    TW__TRACEQL_BY,        /* field: groups */
    TW__TRACEQL_COALESCE   /* one group again */
};

struct tw__traceql_stage {
    uint8_t kind;
    uint8_t first, node; /* SPANSETS: the expression is nodes first to node */
    uint8_t aggregate, field;
    uint8_t orders; /* AGGREGATE: passes when its order to number is in it: TW__FILTER_IF_ */
    double number;
};

enum tw__traceql_function {
    TW__TRACEQL_NONE,
    TW__TRACEQL_RATE,
    TW__TRACEQL_COUNT,
    TW__TRACEQL_QUANTILE,
    TW__TRACEQL_HISTOGRAM,
    TW__TRACEQL_MIN,
    TW__TRACEQL_MAX,
    TW__TRACEQL_AVG,
    TW__TRACEQL_SUM,
    TW__TRACEQL_COMPARE
};

struct tw__traceql {
    struct tw__pool pool;                        /* of all texts */
    struct tw_text filters[TW__TRACEQL_FILTERS]; /* empty: every span */
    struct tw__spanset_node nodes[TW__TRACEQL_NODES];
    struct tw__traceql_stage stages[TW__TRACEQL_STAGES]; /* the first one is SPANSETS */
    struct tw__traceql_field fields[TW__TRACEQL_FIELDS];
    unsigned filter_count, node_count, stage_count, field_count;
    struct {
        enum tw__traceql_function function;
        bool has_field; /* fields[field] is what is measured; else durations */
        uint8_t field;
        double quantiles[TW__TRACEQL_QUANTILES];
        unsigned quantile_count;
        uint8_t by[TW__TRACEQL_BY_MAX];
        unsigned by_count;
        unsigned keep; /* topk, bottomk: how many series; 0: all */
        bool keep_smallest;
        struct tw_text selection; /* compare: a filter; empty: every span */
        uint64_t most, since_ns,
            until_ns; /* compare: values of an attribute; when the selection began, 0: at any time */
    } metric;
    struct tw__buf named; /* the names in conditions and in select(), as they were written, a 0 behind each */
    bool places;          /* select() names the nested sets */
};

/* Returns 0, or a negative enum tw_err with the refusal filled. Free in either case. */
int tw__traceql_parse(const char *text, size_t len, struct tw__traceql *out, struct tw__refusal *refusal);
void tw__traceql_fini(struct tw__traceql *traceql);

/* One spanset and nothing that needs whole traces: filters[0] is all there is to it. */
bool tw__traceql_is_filter(const struct tw__traceql *traceql);

#endif
