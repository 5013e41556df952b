/* xray: the door for X-Ray's SDKs, in place of AWS's daemon: documents over UDP, and over TCP at the same port what
 * SDKs ask the daemon for: POST /GetSamplingRules, /SamplingTargets, /TraceSegments.
 *
 * The setting xray-rules names a file of local sampling rules; without one the rules are X-Ray's own. */
#ifndef TW_INGEST_XRAY_H
#define TW_INGEST_XRAY_H

#include "ingest/door.h"

extern const struct tw__door_kind tw__door_xray;

#endif
