/* sampling: the rate that is asked for while the program runs. The word lies in the segment's header, so that code and
 * other processes ask the same way; slow.c looks at it whenever a trace begins. */
#include <trackway/sampling.h>

#include "base/be64.h"
#include "ring/control.h"
#include "sample/rate.h"
#include "trace/runtime.h"
#include "trace/stack.h"

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

/* Whether the span is a root alone; between enter and leave. Nothing was begun on this thread since: the slot that was
 * free then is the first one still, and has the same id. And nobody has the root's context, by which a child could be
 * begun on another thread or in another process: who gets it (tw__slot_handed) clears alias. So a child costs nothing
 * more than before. */
static bool is_alone(const struct tw__block *block, tw_span span)
{
    const struct tw__slot *slot = span.slot;
    if (!slot || tw__load_acquire(&slot->id) != span.id || tw__is_holder(slot))
        return false; /* pairs with begin and end */
    if (slot->owner != block || block->saved != slot || tw__load_relaxed(&slot->parent) != 0) return false;
    const struct tw__slot *next = tw__load_relaxed(&slot->alias);
    return next && next == tw__load_relaxed(&block->free) && tw__load_relaxed(&next->id) == slot->alias_id;
}

int tw_span_set_sampled(tw_span root, bool sampled)
{
    const uint64_t flag = (uint64_t)TW_FLAG_SAMPLED << 32;
    struct tw__block *block = tw__enter();
    if (!block) return TW_ERR_STATE;
    bool alone = is_alone(block, root);
    if (alone) {
        uint64_t misc = tw__load_relaxed(&root.slot->misc);
        block->log_span = TW__NO_LOG;
        tw__store_relaxed(&root.slot->misc, sampled ? misc | flag : misc & ~flag);
    }
    tw__leave(block);
    return alone ? 0 : TW_ERR_STATE;
}

int tw_span_set_trace_id(tw_span root, const uint8_t trace_id[16])
{
    uint64_t high = tw__be64(trace_id), low = tw__be64(trace_id + 8);
    if (!low) return TW_ERR_RANGE;
    struct tw__block *block = tw__enter();
    if (!block) return TW_ERR_STATE;
    bool alone = is_alone(block, root);
    if (alone) {
        block->log_span = TW__NO_LOG;
        tw__store_relaxed(&root.slot->trace[0], high);
        tw__store_relaxed(&root.slot->trace[1], low);
    }
    tw__leave(block);
    return alone ? 0 : TW_ERR_STATE;
}
