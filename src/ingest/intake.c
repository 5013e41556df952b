/* intake: see the header. */
#include "ingest/intake.h"

#include "base/os.h"

enum { TRIES = 20 };
static const uint64_t RETRY_NS = 25000000;

int tw__intake_write(struct tw__intake *intake, struct tw__spans *spans, struct tw__door_stats *stats)
{
    if (spans->count == 0) return 0;
    size_t dropped = 0;
    int code = intake->rules ? tw__rules_apply(intake->rules, spans, &dropped) : 0;
    tw__stat_add(&stats->dropped_spans, dropped);
    size_t count = spans->count;
    if (code == 0 && count) code = intake->sink.write(intake->sink.to, spans);
    if (code == 0 && count && intake->metrics) tw__span_metrics_add(intake->metrics, spans);
    if (code == 0)
        tw__stat_add(&stats->spans, count);
    else if (code == TW_ERR_SPACE)
        tw__stat_add(&stats->later, 1);
    else
        tw__stat_add(&stats->failures, 1);
    return code;
}

void tw__intake_offer(struct tw__intake *intake, struct tw__spans *spans, struct tw__door_stats *stats)
{
    int code = tw__intake_write(intake, spans, stats);
    for (int i = 0; i < TRIES && code == TW_ERR_SPACE; i++) {
        tw__os_sleep_ns(RETRY_NS);
        code = tw__intake_write(intake, spans, stats);
    }
    if (code < 0) tw__stat_add(&stats->rejected_spans, spans->count);
    tw__spans_reset(spans);
}
