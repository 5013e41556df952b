/* datagrams: the thread of a door that takes datagrams: reads them, many at a time, and stores the spans that the door
 * finds in them.
 *
 * Every datagram is charged to its source and counted; what the kernel dropped is counted. Nothing that comes in stops
 * it. */
#ifndef TW_INGEST_DATAGRAMS_H
#define TW_INGEST_DATAGRAMS_H

#include <sys/socket.h>

#include "ingest/door.h"

struct tw__datagrams;

struct tw__datagrams_config {
    int fd; /* the thread's from here on, also when opening fails */
    const char *thread_name;
    struct tw__intake *intake;
    struct tw__door_stats *stats;
    uint64_t source_rate_bytes;
    bool with_from; /* take is told who sent each */
    /* One datagram: adds its spans to the batch. bytes for as long as the batch; from (NULL unless asked for) until it
     * returns. */
    void (*take)(void *data, struct tw__spans *spans, const struct sockaddr *from, const char *bytes, size_t len);
    void *data;
};

/* Returns 0 and *out, or TW_ERR_MEMORY, TW_ERR_SYSTEM with why in words. */
int tw__datagrams_open(const struct tw__datagrams_config *config, struct tw__datagrams **out, char why[TW_WHY_MAX]);
/* What is in the socket now is still taken. */
void tw__datagrams_drain(struct tw__datagrams *datagrams);
bool tw__datagrams_idle(struct tw__datagrams *datagrams);
void tw__datagrams_close(struct tw__datagrams *datagrams);

#endif
