/* histogram: its bounds. */
#include "ingest/histogram.h"

#define BOUND(ns, text) (ns),
const uint64_t tw__histogram_bounds_ns[TW__HISTOGRAM_BUCKETS] = {TW__HISTOGRAM_BOUNDS(BOUND)};
#undef BOUND
#define TEXT(ns, text) text,
const char *const tw__histogram_texts[TW__HISTOGRAM_BUCKETS] = {TW__HISTOGRAM_BOUNDS(TEXT)};
#undef TEXT
