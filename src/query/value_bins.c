/* value_bins: see the header. The bins of numbers below 0 are those above it, the other way round. */
#include "query/value_bins.h"

#include <math.h>

enum { LEAST = -30 }; /* power of two */

/* Where the bin of magnitudes begins. */
static double magnitude(unsigned bin)
{
    return ldexp(1 + (bin % 4) / 4.0, (int)(bin / 4) + LEAST);
}

unsigned tw__value_bin(double value)
{
    int power;
    double part = frexp(fabs(value), &power);
    if (part <= 0 || --power < LEAST) return TW__VALUE_BINS_SIDE;
    unsigned bin = 4 * (unsigned)(power - LEAST) + (unsigned)((part * 2 - 1) * 4);
    if (bin >= TW__VALUE_BINS_SIDE) bin = TW__VALUE_BINS_SIDE - 1;
    return value > 0 ? TW__VALUE_BINS_SIDE + 1 + bin : TW__VALUE_BINS_SIDE - 1 - bin;
}

double tw__value_bin_floor(unsigned bin)
{
    if (bin > TW__VALUE_BINS) bin = TW__VALUE_BINS;
    return bin > TW__VALUE_BINS_SIDE ? magnitude(bin - TW__VALUE_BINS_SIDE - 1) : -magnitude(TW__VALUE_BINS_SIDE - bin);
}

double tw__value_bins_quantile(const uint32_t bins[TW__VALUE_BINS], double share)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < TW__VALUE_BINS; i++) total += bins[i];
    double wanted = share * (double)total, before = 0;
    for (unsigned i = 0; i < TW__VALUE_BINS; i++) {
        if (bins[i] == 0) continue;
        if (before + bins[i] >= wanted) {
            double part = (wanted - before) / bins[i], from = tw__value_bin_floor(i);
            if (i == TW__VALUE_BINS_SIDE) return 0;
            return from + (tw__value_bin_floor(i + 1) - from) * (part < 0 ? 0 : part);
        }
        before += bins[i];
    }
    return 0;
}
