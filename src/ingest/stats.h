/* stats: what a door counts. One table: the fields, /metrics and the docs follow.
 *
 * Every bound of a door has its counter here; a door that is silent about what it left out is wrong. */
#ifndef TW_INGEST_STATS_H
#define TW_INGEST_STATS_H

#include <stdint.h>

#include "base/atomics.h"

#define TW__DOOR_STATS_TABLE(X)                                                                                        \
    X(requests, "requests, datagrams, messages or lines that came in")                                                 \
    X(bytes, "bytes that came in, as they came")                                                                       \
    X(connections, "connections taken")                                                                                \
    X(spans, "spans given to the store")                                                                               \
    X(dropped_spans, "spans left out by a drop rule")                                                                  \
    X(rejected_spans, "spans left out: ids missing, or beyond a limit of their request")                               \
    X(lost_chunks, "chunks of a recorder's memory that were overwritten before they were read")                        \
    X(repaired, "known faults of senders put right")                                                                   \
    X(bad, "requests refused: not in the form of the protocol")                                                        \
    X(too_large, "requests refused: larger than the limit, before or after decompression")                             \
    X(refused_connections, "connections refused: too many, altogether or from one source")                             \
    X(refused_streams, "streams refused: beyond a limit of their connection")                                          \
    X(refused_rate, "requests refused: their source sends faster than it may")                                         \
    X(refused_memory, "requests refused: too many bytes were waiting already")                                         \
    X(unauthorised, "requests refused: no token, or a wrong one")                                                      \
    X(later, "requests answered with try later: the store could not take them")                                        \
    X(late, "requests given up: their deadline or the time for a request was over")                                    \
    X(kernel_drops, "datagrams dropped by the kernel: its buffer was full")                                            \
    X(lost_events, "events given up: their span did not come, or too many were waiting")                               \
    X(failures, "requests that failed for a reason of our own: memory, the system")

struct tw__door_stats {
#define TW__DOOR_STATS_FIELD(name, text) uint64_t name;
    TW__DOOR_STATS_TABLE(TW__DOOR_STATS_FIELD)
#undef TW__DOOR_STATS_FIELD
};

/* Adds to a counter that several threads write. */
#define tw__stat_add(counter, n) ((void)tw__add_relaxed((counter), (uint64_t)(n)))

#endif
