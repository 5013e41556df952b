/* api: what the handlers of the collector's own HTTP address share, and their routes.
 *
 * A group of calls is a file with a table of routes; the table is named here and in routes.c. The context of every
 * handler is the struct tw__api. */
#ifndef TW_SERVE_API_H
#define TW_SERVE_API_H

#include "ingest/httpd.h"
#include "ingest/intake.h"
#include "serve/doors.h"
#include "store/store.h"

struct tw__api {
    struct tw__store *store;
    struct tw__intake *intake;
    const struct tw__settings *settings;
    struct tw__doors *doors;
    struct tw__span_metrics *metrics;
    struct tw__door_stats stats; /* of this server's own requests */
    uint64_t started_ns;
    uint32_t ready; /* atomic: all doors are open, and none is draining */
};

extern const struct tw__route tw__health_routes[];        /* /healthz, /readyz, /metrics */
extern const struct tw__route tw__list_routes[];          /* /api/tw/services, operations, tags, info */
extern const struct tw__route tw__search_routes[];        /* /api/tw/search, heatmap, map */
extern const struct tw__route tw__tempo_routes[];         /* /api/search, /api/v2, /api/echo */
extern const struct tw__route tw__tempo_metrics_routes[]; /* /api/metrics */
extern const struct tw__route tw__jaeger_routes[];        /* /api/services, traces, dependencies */
extern const struct tw__route tw__jaeger_v3_routes[];     /* /api/v3 */
extern const struct tw__route tw__page_routes[];          /* /, /trace, /assets */
extern const struct tw__route tw__otlp_routes[];          /* /api/tw/otlp: whole spans, for the command */
extern const struct tw__route tw__trace_routes[];         /* /api/tw/traces */

/* Jaeger and Tempo both have /api/traces/{id}: whether a request is Tempo's, and its answer. */
bool tw__tempo_asks(const struct tw__request *request);
void tw__tempo_trace(struct tw__api *api, const struct tw__request *request, struct tw__reply *reply);

/* All of the tables, one after the other, to a zero method; the first that matches counts. NULL: no memory. free() it.
 */
struct tw__route *tw__routes_all(void);

#endif
