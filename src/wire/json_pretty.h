/* json_pretty: one JSON text over several lines, members in order of their names, as json.dumps(indent=4,
 * sort_keys=True). */
#ifndef TW_WIRE_JSON_PRETTY_H
#define TW_WIRE_JSON_PRETTY_H

#include <trackway/read.h>

#include "base/buf.h"

/* Adds it, without a line end behind it. What is no JSON is added as it is. */
void tw__json_pretty(struct tw__buf *out, struct tw_text text);

#endif
