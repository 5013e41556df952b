#ifndef TRACKWAY_OTLP_H
#define TRACKWAY_OTLP_H

/* The exporter otlp: OTLP over HTTP, with protobuf, to OpenTelemetry's Collector and everything that speaks as it does.
 *
 * It is in a library of its own, libtrackway-otlp, because it needs libcurl and zlib and libtrackway needs nothing.
 * Where that library is installed, TRACKWAY_EXPORTER=otlp is all there is to do: it is loaded by its name. Only a
 * program that links the archive libtrackway-otlp.a has to say so, before its first span:
 *
 *     #include <trackway/otlp.h>
 *     tw_exporter_register(tw_otlp_exporter());
 */

#include <trackway/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The exporter. Lasts for ever. */
const struct tw__exporter_class *tw_otlp_exporter(void);

#ifdef __cplusplus
}
#endif
#endif
