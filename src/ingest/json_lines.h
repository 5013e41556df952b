/* json_lines: the door for records of calls, a JSON object a line, over a Unix socket: nameko-tracer's and our own
 * (wire/call_json_dec.h). A request is stored at once, as an open span, and its response replaces it; a request without one for
 * json-timeout is stored again, marked. */
#ifndef TW_INGEST_JSON_LINES_H
#define TW_INGEST_JSON_LINES_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_json_lines;

#endif
