/* fdb: see the header. */
#include "ingest/fdb.h"

#include "ingest/datagrams.h"
#include "wire/fdb_dec.h"

static void take(void *data, struct tw__spans *spans, const struct sockaddr *from, const char *bytes, size_t len)
{
    struct tw__door_stats *stats = data;
    struct tw__fdb_found found;
    (void)from;
    int code = tw__fdb_dec(spans, bytes, len, &found);
    if (code == TW_ERR_MEMORY)
        tw__stat_add(&stats->failures, 1);
    else if (code < 0)
        tw__stat_add(&stats->bad, 1);
    else if (found.repaired)
        tw__stat_add(&stats->repaired, 1);
}

static int open_door(struct tw__open_door *door, const struct tw__door_config *config, char why[TW_WHY_MAX])
{
    const struct tw__datagrams_config datagrams = {.fd = config->datagram_fd,
                                                   .thread_name = "fdb",
                                                   .intake = config->intake,
                                                   .stats = &door->stats,
                                                   .source_rate_bytes = config->source_rate_bytes,
                                                   .take = take,
                                                   .data = &door->stats};
    struct tw__datagrams *made;
    int code = tw__datagrams_open(&datagrams, &made, why);
    if (code == 0) door->state = made;
    return code;
}

static void drain(struct tw__open_door *door)
{
    tw__datagrams_drain(door->state);
}

static bool idle(struct tw__open_door *door)
{
    return tw__datagrams_idle(door->state);
}

static void close_door(struct tw__open_door *door)
{
    tw__datagrams_close(door->state);
}

const struct tw__door_kind tw__door_fdb = {.number = TW__DOOR_FDB,
                                           .name = "fdb",
                                           .datagram = true,
                                           .open = open_door,
                                           .drain = drain,
                                           .idle = idle,
                                           .close = close_door};
