#ifndef TRACKWAY_EXPORT_H
#define TRACKWAY_EXPORT_H

/* Exporters: readers of the program's own recording that hand its sampled spans on.
 *
 * Nothing is exported unless TRACKWAY_EXPORTER (or tw_config.exporter) names exporters, several with commas:
 *
 *     none (disabled)          nothing
 *     file (logfile, log_file) one JSON object a line        TRACKWAY_FILE, TRACKWAY_FILE_MAX
 *     network_lossy            FoundationDB's datagrams       TRACKWAY_FDB, TRACKWAY_FDB_LAYOUT
 *
 * One thread serves them all. It reads the segment like any other reader: the program never waits for it, and when it cannot
 * keep up, the arena laps it and it counts what it missed. A crash loses nothing that another process cannot still read.
 *
 * What is exported: finished spans, events and messages of traces whose sampled flag is set (tw_config.sample_rate,
 * TRACKWAY_SAMPLE_RATE, OTEL_TRACES_SAMPLER; default 1).
 */

#include <trackway/recorder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Hands everything recorded so far to the exporters, and waits until they have passed it on.
 * Returns  0; TW_ERR_TIMEOUT; TW_ERR_STATE when there is no exporter.
 * Threads  [any thread], not from a signal handler. */
int tw_flush(uint64_t timeout_ns);

/* Asks exporters that write to files to open them again, after a rotation by others. Any thread. */
void tw_export_reopen(void);

struct tw_export_stats {
    char name[32];
    uint64_t records;     /* handed to it */
    uint64_t sent;        /* passed on: lines, datagrams */
    uint64_t bytes;
    uint64_t dropped;     /* given up, of all causes */
    uint64_t backing_off; /* of these: while it was waiting after an error */
    uint64_t too_long;    /* of these: larger than the transport takes */
    uint64_t errors;      /* refusals of the operating system or the peer */
    uint64_t missed;      /* chunks of the arena that were overwritten before the thread came to them */
    char problem[128];    /* the last one, in words; "" */
};

/* The counters of exporter number index. Returns 0, or TW_ERR_NOT_FOUND when there are fewer. */
int tw_export_counters(size_t index, struct tw_export_stats *out);

#ifdef __cplusplus
}
#endif
#endif
