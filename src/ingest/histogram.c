/* histogram: its bounds. */
#include "ingest/histogram.h"

#define BOUND(ns, text) (ns),
const uint64_t tw__histogram_bounds_ns[TW__HISTOGRAM_BUCKETS] = {TW__HISTOGRAM_BOUNDS(BOUND)};
#undef BOUND
#define TEXT(ns, text) text,
const char *const tw__histogram_texts[TW__HISTOGRAM_BUCKETS] = {TW__HISTOGRAM_BOUNDS(TEXT)};
#undef TEXT

/* first[b]: how many bounds are below 2^b. */
const uint8_t tw__histogram_first[64] = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  1,  1,
                                         1,  2,  2,  3,  4,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 13,
                                         14, 14, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15,
                                         15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15};
