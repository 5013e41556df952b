/* json_lines: the door for JSON lines over a Unix socket: records of calls, nameko-tracer's and our own, records as the
 * exporter file writes them, and OpenTelemetry's spans (ingest/lines.h). A request is stored at once, as an open span,
 * and its response replaces it; a request without one for json-timeout is stored again, marked. */
#ifndef TW_INGEST_JSON_LINES_H
#define TW_INGEST_JSON_LINES_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_json_lines;

#endif
