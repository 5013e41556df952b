/* sources: how many connections each source has, and how fast it sends. A source is an IPv4 address or an IPv6 /64. */
#ifndef TW_INGEST_SOURCES_H
#define TW_INGEST_SOURCES_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/socket.h>

struct tw__sources;

/* rate_bytes: a second, 0: any; connections_max for each source. NULL: no memory. */
struct tw__sources *tw__sources_new(unsigned connections_max, uint64_t rate_bytes);
void tw__sources_free(struct tw__sources *sources);

/* A connection begins. Returns its place, to be given to leave once; negative: its source has as many as it may.
 * Threads  [any thread] */
int tw__sources_enter(struct tw__sources *sources, const struct sockaddr *source);
void tw__sources_leave(struct tw__sources *sources, int place);

/* Whether a source may send so many bytes now; then they are charged. What it did not use in the last second it may
 * still.
 * Threads  [any thread]. Cost: nothing without a rate. */
bool tw__sources_charge(struct tw__sources *sources, const struct sockaddr *source, uint64_t bytes, uint64_t now_ns);

#endif
