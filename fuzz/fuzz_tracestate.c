/* Lines are tracestate headers beside a good traceparent. What is kept is within its limits and reads back the same. */
#include "carrier.h"

static bool get_with_parent(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    static const char parent[] = "00-12345678901234567890123456789012-1234567890123456-01";
    if (strcmp(name, "traceparent") != 0) return get_line(carrier, name, index, value, len);
    *value = parent;
    *len = sizeof parent - 1;
    return index == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tw_carried carried, again;
    static struct kept kept;
    struct tw_drops drops = {0};
    struct tw_propagation how = {{1, {TW_FORMAT_TRACECONTEXT}}, {1, {TW_FORMAT_TRACECONTEXT}}, &drops};
    struct lines lines = {"tracestate", (const char *)data, size};
    struct tw_context context, second;
    struct tw_member member;
    size_t pos = 0, count = 0;

    if (tw_extract(&how, get_with_parent, &lines, &context, &carried) != TW_EXTRACT_PARENT) abort();
    if (carried.tracestate_len > TW_CARRIED_TRACESTATE_MAX || carried.tracestate_count >= TW_TRACESTATE_MEMBERS_MAX)
        abort();
    while (tw_tracestate_next(&carried, &pos, &member)) count++;
    if (count != carried.tracestate_count) abort();

    kept.len = 0;
    if (tw_inject(&how, &context, &carried, keep_line, &kept) != 2) abort();
    struct lines back = {NULL, kept.text, kept.len};
    uint64_t before = drops.tracestate + drops.tracestate_member;
    if (tw_extract(&how, get_line, &back, &second, &again) != TW_EXTRACT_PARENT) abort();
    if (!same_context(&context, &second) || !same_carried(&carried, &again)) abort();
    if (before != drops.tracestate + drops.tracestate_member) abort();
    if (memcmp(again.nearest, context.span_id, sizeof again.nearest) != 0) abort();
    return 0;
}
