/* bins: durations counted in four bins for each power of two.
 *
 * Below 4 ns each value is a bin; above, bin = 4 * (log2 - 1) + the two bits after the leading one. A quantile read
 * from them, interpolated inside its bin, is off by at most 12 %: enough for colours and for telling fast from slow,
 * and small enough to keep one for every edge of a service map.
 */
#include "store/store.h"

unsigned tw__bin_of(uint64_t duration_ns)
{
    if (duration_ns < 4) return (unsigned)duration_ns;
    unsigned log = 63U - (unsigned)__builtin_clzll(duration_ns);
    return 4 * (log - 1) + (unsigned)(duration_ns >> (log - 2) & 3);
}

uint64_t tw__bin_floor(unsigned bin)
{
    if (bin < 4) return bin;
    if (bin >= TW__BINS) return UINT64_MAX;
    return (UINT64_C(4) | (bin & 3)) << (bin / 4 - 1);
}

uint64_t tw__bins_quantile(const uint32_t bins[TW__BINS], double share)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < TW__BINS; i++) total += bins[i];
    if (total == 0) return 0;
    double wanted = share * (double)total, before = 0;
    for (unsigned i = 0; i < TW__BINS; i++) {
        if (bins[i] == 0) continue;
        if (before + bins[i] >= wanted) {
            double part = (wanted - before) / bins[i], width = (double)(tw__bin_floor(i + 1) - tw__bin_floor(i));
            return tw__bin_floor(i) + (uint64_t)(width * (part < 0 ? 0 : part));
        }
        before += bins[i];
    }
    return tw__bin_floor(TW__BINS - 1);
}
