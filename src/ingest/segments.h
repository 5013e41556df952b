/* segments: the door for this host's recordings: live processes continuously, dead ones once and completely.
 *
 * Every process with a segment that this user may read is found by itself. Spans open at the death of their process are
 * marked with trackway.open_at_death. A restart of the collector neither doubles nor loses what is still in memory. The
 * processes notice nothing: their segments are only read. */
#ifndef TW_INGEST_SEGMENTS_H
#define TW_INGEST_SEGMENTS_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_segments;

#endif
