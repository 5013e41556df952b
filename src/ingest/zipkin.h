/* zipkin: the door for Zipkin's senders: POST /api/v2/spans, JSON or protobuf, and /api/v1/spans, JSON; 202 when they
 * are kept. */
#ifndef TW_INGEST_ZIPKIN_H
#define TW_INGEST_ZIPKIN_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_zipkin;

#endif
