/* store_edges: who calls whom: each span against its parent's service.
 *
 * Spans of a trace mostly lie in one block, where a parent is a look into a small table. What is left waits, as hashes,
 * for a second walk over all spans, which asks of each whether somebody waits for it.
 * Limits: WAITING_MAX spans wait, EDGES_MAX edges are kept; the rest is counted. 64-bit hashes stand for trace and span
 * id: with a million waiting among ten million, a wrong edge is one in two million maps.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "store/hash.h"
#include "store/inside.h"

enum { WAITING_MAX = 1 << 20, EDGES_MAX = 8192, SERVICES_MAX = 4096 };

struct waiting {
    uint64_t parent; /* hash of trace and parent; 0: found */
    uint64_t length_ns;
    uint32_t service;
    bool failed;
};

struct mapping {
    struct tw__pool *pool;
    struct tw__store_edges *out;
    size_t edge_cap;
    struct tw_text *services;
    size_t service_count, service_cap;
    uint32_t *edge_slots; /* index + 1 */
    struct waiting *waiting;
    size_t waiting_count, waiting_cap;
    uint32_t *waiting_slots;
    size_t waiting_mask;
    bool second;
    struct tw__spans spans; /* of the block */
};

static uint64_t id_hash(const uint8_t trace_id[16], const uint8_t span_id[8])
{
    uint8_t both[24];
    memcpy(both, trace_id, 16);
    memcpy(both + 16, span_id, 8);
    uint64_t hash = tw__hash(both, sizeof both);
    return hash ? hash : 1;
}

static int service_of(struct mapping *map, struct tw_text name, uint32_t *out)
{
    for (size_t i = 0; i < map->service_count; i++) {
        if (map->services[i].len != name.len || memcmp(map->services[i].ptr, name.ptr, name.len) != 0) continue;
        *out = (uint32_t)i;
        return 0;
    }
    if (map->service_count == SERVICES_MAX) {
        *out = SERVICES_MAX - 1;
        map->out->more = true;
        return 0;
    }
    const char *copy = tw__pool_copy(map->pool, name.ptr, name.len);
    if (!copy ||
        tw__pool_grow(map->pool, &map->services, map->service_count, &map->service_cap, sizeof *map->services) < 0)
        return TW_ERR_MEMORY;
    *out = (uint32_t)map->service_count;
    map->services[map->service_count++] = (struct tw_text){copy, name.len};
    return 0;
}

static int count_edge(struct mapping *map, uint32_t parent, uint32_t child, uint64_t length_ns, bool failed)
{
    uint64_t key = (uint64_t)parent << 32 | child;
    size_t mask = 4 * EDGES_MAX - 1, at = tw__hash(&key, sizeof key) & mask;
    struct tw__store_edges *out = map->out;
    while (map->edge_slots[at]) {
        struct tw__store_edge *edge = &out->items[map->edge_slots[at] - 1];
        if (edge->parent.ptr == map->services[parent].ptr && edge->child.ptr == map->services[child].ptr) break;
        at = (at + 1) & mask;
    }
    if (!map->edge_slots[at]) {
        if (out->count == EDGES_MAX) {
            out->more = true;
            return 0;
        }
        uint32_t *bins = tw__pool_zeroed(map->pool, TW__BINS, sizeof *bins);
        if (!bins || tw__pool_grow(map->pool, &out->items, out->count, &map->edge_cap, sizeof *out->items) < 0)
            return TW_ERR_MEMORY;
        out->items[out->count] = (struct tw__store_edge){map->services[parent], map->services[child], 0, 0, bins};
        map->edge_slots[at] = (uint32_t)++out->count;
    }
    struct tw__store_edge *edge = &out->items[map->edge_slots[at] - 1];
    edge->calls++;
    edge->errors += failed;
    edge->bins[tw__bin_of(length_ns)]++;
    return 0;
}

static int wait_for(struct mapping *map, uint64_t parent, uint32_t service, const struct tw__span *span)
{
    if (map->waiting_count == WAITING_MAX) {
        map->out->unknown++;
        return 0;
    }
    if (map->waiting_count == map->waiting_cap) {
        size_t cap = map->waiting_cap ? map->waiting_cap * 2 : 4096;
        struct waiting *more = realloc(map->waiting, cap * sizeof *more);
        if (!more) return TW_ERR_MEMORY;
        map->waiting = more;
        map->waiting_cap = cap;
    }
    map->waiting[map->waiting_count++] = (struct waiting){.parent = parent,
                                                          .length_ns = tw__span_duration_ns(span),
                                                          .service = service,
                                                          .failed = span->status == TW_STATUS_ERROR};
    return 0;
}

static int first_look(struct mapping *map)
{
    size_t cap = 1024;
    const struct tw__spans *spans = &map->spans;
    while (cap < 2 * spans->count) cap *= 2;
    uint64_t *ids = calloc(cap, sizeof *ids);
    uint32_t *services = malloc(cap * sizeof *services);
    uint32_t *of = malloc((spans->resource_count + 1) * sizeof *of);
    int error = ids && services && of ? 0 : TW_ERR_MEMORY;
    for (size_t i = 0; i < spans->resource_count && !error; i++)
        error = service_of(map, spans->resources[i].service, &of[i]);
    for (size_t i = 0; i < spans->count && !error; i++) {
        uint64_t id = id_hash(spans->items[i].trace_id, spans->items[i].span_id);
        size_t at = id & (cap - 1);
        while (ids[at] && ids[at] != id) at = (at + 1) & (cap - 1);
        ids[at] = id;
        services[at] = of[spans->items[i].resource];
    }
    for (size_t i = 0; i < spans->count && !error; i++) {
        const struct tw__span *span = &spans->items[i];
        if (tw__all_zero(span->parent_id, sizeof span->parent_id)) continue;
        uint64_t id = id_hash(span->trace_id, span->parent_id);
        size_t at = id & (cap - 1);
        while (ids[at] && ids[at] != id) at = (at + 1) & (cap - 1);
        if (ids[at])
            error = count_edge(map, services[at], of[span->resource], tw__span_duration_ns(span),
                               span->status == TW_STATUS_ERROR);
        else
            error = wait_for(map, id, of[span->resource], span);
    }
    free(ids);
    free(services);
    free(of);
    return error;
}

static int second_look(struct mapping *map)
{
    const struct tw__spans *spans = &map->spans;
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        uint64_t id = id_hash(span->trace_id, span->span_id);
        uint32_t parent = UINT32_MAX;
        for (size_t at = id & map->waiting_mask; map->waiting_slots[at]; at = (at + 1) & map->waiting_mask) {
            struct waiting *waiting = &map->waiting[map->waiting_slots[at] - 1];
            if (waiting->parent != id) continue;
            if (parent == UINT32_MAX && service_of(map, spans->resources[span->resource].service, &parent) < 0)
                return TW_ERR_MEMORY;
            int error = count_edge(map, parent, waiting->service, waiting->length_ns, waiting->failed);
            if (error) return error;
            waiting->parent = 0;
        }
    }
    return 0;
}

static int edge_hits(void *data, struct tw__hits *hits)
{
    struct mapping *map = data;
    tw__spans_reset(&map->spans);
    int error = tw__hits_read(hits, 0, NULL, 0, &map->spans);
    if (error) return error;
    return map->second ? second_look(map) : first_look(map);
}

static int index_waiting(struct mapping *map)
{
    size_t cap = 1024;
    while (cap < 2 * map->waiting_count) cap *= 2;
    map->waiting_slots = calloc(cap, sizeof *map->waiting_slots);
    if (!map->waiting_slots) return TW_ERR_MEMORY;
    map->waiting_mask = cap - 1;
    for (size_t i = 0; i < map->waiting_count; i++) {
        size_t at = map->waiting[i].parent & map->waiting_mask;
        while (map->waiting_slots[at]) at = (at + 1) & map->waiting_mask;
        map->waiting_slots[at] = (uint32_t)i + 1;
    }
    return 0;
}

int tw__store_edges(struct tw__store *store, uint64_t since_ns, uint64_t until_ns, struct tw__pool *pool,
                    struct tw__store_edges *out)
{
    struct tw__store_query query = {.since_ns = since_ns, .until_ns = until_ns};
    struct mapping map = {.pool = pool, .out = out};
    struct tw__view view;
    *out = (struct tw__store_edges){0};
    map.edge_slots = calloc(4 * EDGES_MAX, sizeof *map.edge_slots);
    if (!map.edge_slots) return TW_ERR_MEMORY;
    int error = tw__view_open(store, since_ns, until_ns, &view);
    if (!error) {
        struct tw__walk walk = {
            .view = &view, .query = &query, .times = true, .texts = true, .fn = edge_hits, .data = &map};
        error = tw__walk(&walk);
        if (!error) error = index_waiting(&map);
        map.second = true;
        /* A parent may have begun before the range. */
        query = (struct tw__store_query){0};
        if (!error && map.waiting_count) error = tw__walk(&walk);
        tw__view_close(&view);
    }
    for (size_t i = 0; i < map.waiting_count; i++) out->unknown += map.waiting[i].parent != 0;
    tw__spans_fini(&map.spans);
    free(map.edge_slots);
    free(map.waiting);
    free(map.waiting_slots);
    return error;
}
