/* routes: every table of routes, in the order in which they are asked. */
#include <stdlib.h>

#include "serve/api.h"

static const struct tw__route *const tables[] = {
    tw__health_routes, tw__list_routes,          tw__search_routes,    tw__trace_routes,  tw__otlp_routes,
    tw__tempo_routes,  tw__tempo_metrics_routes, tw__jaeger_v3_routes, tw__jaeger_routes, tw__page_routes,
};

struct tw__route *tw__routes_all(void)
{
    size_t count = 1, at = 0;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct tw__route *route = tables[i]; route->method; route++) count++;
    struct tw__route *all = calloc(count, sizeof *all);
    for (size_t i = 0; all && i < sizeof tables / sizeof *tables; i++)
        for (const struct tw__route *route = tables[i]; route->method; route++) all[at++] = *route;
    return all;
}
