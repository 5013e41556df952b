/* fdb: the door for FoundationDB's network_lossy tracer: UDP, one span a datagram, four layouts (wire/fdb_dec.h). */
#ifndef TW_INGEST_FDB_H
#define TW_INGEST_FDB_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_fdb;

#endif
