/* value_bins: numbers of either sign, counted in four bins for each power of two, as the store's durations are. Bin b
 * holds [floor(b), floor(b + 1)), from the least to the largest; the one in the middle holds 0 and what is nearer to it
 * than 2^-30, the outermost what is beyond 2^64 too. */
#ifndef TW_QUERY_VALUE_BINS_H
#define TW_QUERY_VALUE_BINS_H

#include <stdint.h>

enum { TW__VALUE_BINS_SIDE = 4 * (30 + 64), TW__VALUE_BINS = 2 * TW__VALUE_BINS_SIDE + 1 };

/* value: finite. */
unsigned tw__value_bin(double value);
double tw__value_bin_floor(unsigned bin);
/* The value below which a share (0 to 1) of the counts lies; 0 when there are none. */
double tw__value_bins_quantile(const uint32_t bins[TW__VALUE_BINS], double share);

#endif
