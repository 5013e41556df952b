#ifndef TRACKWAY_EXPORT_H
#define TRACKWAY_EXPORT_H

/* Exporters: readers of the program's own recording that hand its sampled spans on.
 *
 * Nothing is exported unless TRACKWAY_EXPORTER (or tw_config.exporter) names exporters, several with commas:
 *
 *     none (disabled)          nothing
 *     file (logfile, log_file) one JSON object a line        TRACKWAY_FILE, TRACKWAY_FILE_MAX
 *     network_lossy            FoundationDB's datagrams       TRACKWAY_FDB, TRACKWAY_FDB_LAYOUT
 *     xray                     documents to an X-Ray daemon   AWS_XRAY_DAEMON_ADDRESS, TRACKWAY_XRAY_...
 *     otlp                     OTLP/HTTP, with protobuf       OTEL_EXPORTER_OTLP_..., TRACKWAY_OTLP_...
 *
 * docs/configuration.md has all of these variables. otlp lives in a library of its own, libtrackway-otlp, which is
 * loaded when it is asked for: a program links and knows nothing of it (but see <trackway/otlp.h> for static linking).
 *
 * One thread serves them all. It reads the segment like any other reader: the program never waits for it, and when it
 * cannot keep up, the arena laps it and it counts what it missed. A crash loses nothing that another process cannot
 * still read.
 *
 * What is exported: finished spans, events and messages of traces whose sampled flag is set (tw_config.sample_rate,
 * TRACKWAY_SAMPLE_RATE, OTEL_TRACES_SAMPLER; default 1).
 */

#include <trackway/recorder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Hands everything recorded so far to the exporters, and waits until they have passed it on, or given it up.
 * Returns  0; TW_ERR_TIMEOUT (something is held back still); TW_ERR_STATE when there is no exporter.
 * Threads  [any thread], not from a signal handler. */
int tw_flush(uint64_t timeout_ns);

/* Asks exporters that write to files to open them again, after a rotation by others. Any thread. */
void tw_export_reopen(void);

/* What an exporter has done: struct tw_export_stats in <trackway/read.h>. The same is shown from outside by trackway
 * stats. The counters of exporter number index. Returns 0, or TW_ERR_NOT_FOUND when there are fewer. */
int tw_export_counters(size_t index, struct tw_export_stats *out);

/* Makes an exporter of another library known by its name: tw_exporter_register(tw_otlp_exporter()). Before the first
 * span.
 * Returns  0, TW_ERR_VERSION (made for another libtrackway), TW_ERR_SPACE. */
struct tw__exporter_class;
int tw_exporter_register(const struct tw__exporter_class *exporter);

#ifdef __cplusplus
}
#endif
#endif
