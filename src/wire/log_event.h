/* log_event: a log as exporters and doors hand it on: an event whose attributes say what a reader would have made of
 * it.
 *
 *     name         the format's text, the same for all lines of a site: what is counted and grouped
 *     level        "error", "info", ..: as in our JSON lines
 *     message      the line itself, formatted
 *     and the log's own metadata */
#ifndef TW_WIRE_LOG_EVENT_H
#define TW_WIRE_LOG_EVENT_H

#include <trackway/read.h>

#include "base/pool.h"

/* The record itself if it is no log, else a copy with the attributes above before its own, which stand where a key is
 * in both. Arguments are not in it. Owns: what is new is in the pool; the rest is borrowed from the record.
 * Returns  NULL: no memory. */
const struct tw_record *tw__log_event(const struct tw_record *record, struct tw__pool *pool);

/* "emergency" for 0 .. "debug" for 7; "unknown" for others. */
const char *tw__log_level_name(unsigned level);

#endif
