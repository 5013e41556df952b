/* fdb: see the header. A datagram is copied into the batch: the socket's places are read into again before the batch is stored.
 */
#include "ingest/fdb.h"

#include <stdio.h>
#include <stdlib.h>

#include "ingest/datagrams.h"
#include "wire/fdb_dec.h"

struct state {
    struct tw__open_door *door;
    struct tw__intake *intake;
    struct tw__datagrams *datagrams;
    struct tw__spans spans;
};

static size_t take(void *data, const struct sockaddr *from, const uint8_t *bytes, size_t len)
{
    struct state *state = data;
    struct tw__door_stats *stats = &state->door->stats;
    struct tw__fdb_found found;
    (void)from;
    const char *copy = tw__pool_copy(&state->spans.pool, bytes, len);
    int code = copy ? tw__fdb_dec(&state->spans, copy, len, &found) : TW_ERR_MEMORY;
    if (code == TW_ERR_MEMORY)
        tw__stat_add(&stats->failures, 1);
    else if (code < 0)
        tw__stat_add(&stats->bad, 1);
    else if (found.repaired)
        tw__stat_add(&stats->repaired, 1);
    return state->spans.count;
}

static void store(void *data)
{
    struct state *state = data;
    tw__intake_offer(state->intake, &state->spans, &state->door->stats);
}

static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    struct state *state = calloc(1, sizeof *state);
    if (!state) {
        (void)snprintf(why, TW_WHY_MAX, "out of memory");
        return TW_ERR_MEMORY;
    }
    state->door = door;
    state->intake = config->intake;
    const struct tw__datagrams_config datagrams = {.fd = config->datagram_fd,
                                                   .thread_name = "fdb",
                                                   .stats = &door->stats,
                                                   .source_rate_bytes = config->source_rate_bytes,
                                                   .take = take,
                                                   .store = store,
                                                   .data = state};
    int code = tw__datagrams_open(&datagrams, &state->datagrams, why);
    if (code < 0) {
        free(state);
        return code;
    }
    door->state = state;
    return 0;
}

static void drain(struct tw__open_door *door)
{
    tw__datagrams_drain(((struct state *)door->state)->datagrams);
}

static bool idle(struct tw__open_door *door)
{
    return tw__datagrams_idle(((struct state *)door->state)->datagrams);
}

static void close_door(struct tw__open_door *door)
{
    struct state *state = door->state;
    tw__datagrams_close(state->datagrams);
    tw__spans_fini(&state->spans);
    free(state);
}

const struct tw__door_kind tw__door_fdb = {.number = TW__DOOR_FDB,
                                           .name = "fdb",
                                           .datagram = true,
                                           .open = open_door,
                                           .drain = drain,
                                           .idle = idle,
                                           .close = close_door};
