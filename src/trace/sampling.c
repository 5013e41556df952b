/* sampling: the rate that is asked for while the program runs. The word lies in the segment's header, so that code and
 * other processes ask the same way; slow.c looks at it whenever a trace begins. */
#include <trackway/sampling.h>

#include "ring/control.h"
#include "sample/rate.h"
#include "trace/runtime.h"

static int threshold_of(double rate, uint64_t *threshold)
{
    bool back = rate <= TW_RATE_AS_CONFIGURED && rate >= TW_RATE_AS_CONFIGURED;
    if (!back && !(rate >= 0 && rate <= 1)) return TW_ERR_RANGE;
    *threshold = back ? TW__AS_CONFIGURED : tw__rate_threshold(rate);
    return 0;
}

int tw_sampling_set_rate(double rate)
{
    uint64_t threshold;
    int result = threshold_of(rate, &threshold);
    if (result < 0) return result;
    struct tw__segment *segment = tw__runtime_segment();
    if (!segment) return TW_ERR_OFF;
    tw__control_rate(segment, threshold);
    return 0;
}

int tw_sampling_set_rate_of(const char *path, double rate)
{
    uint64_t threshold;
    int result = threshold_of(rate, &threshold);
    return result < 0 ? result : tw__control_rate_of(path, threshold);
}
