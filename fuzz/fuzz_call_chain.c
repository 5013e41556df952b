/* Lines `name: value` as a message's headers. What is extracted is injected and extracted again: the same chain. */
#include <trackway/call.h>

#include "carrier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lines lines = {NULL, (const char *)data, size};
    struct tw_call_chain first, second;
    struct tw_context context = {0}, again = {0};
    struct tw_value values[4];
    struct kept kept = {.len = 0};
    size_t count = tw_call_chain_extract(get_line, &lines, &first, &context);
    if (count != first.count || first.len > TW_CALL_CHAIN_BYTES || strlen(first.origin) > TW_CALL_ID_MAX) abort();
    size_t len = 0;
    for (size_t i = 0; i < count; i++) len += strlen(tw_call_chain_at(&first, i)) + 1;
    if (len != first.len || tw_call_chain_at(&first, count)) abort();
    if (count) {
        (void)tw_call_chain_inject(&first, &context, keep_line, &kept);
        struct lines out = {NULL, kept.text, kept.len};
        if (tw_call_chain_extract(get_line, &out, &second, &again) != count ||
            strcmp(first.origin, second.origin) != 0 || memcmp(first.text, second.text, first.len) != 0 ||
            !same_context(&context, &again))
            abort();
    }
    size_t values_count = tw_call_context_extract(get_line, &lines, values, 4);
    kept.len = 0;
    if (tw_call_context_inject(values, values_count, keep_line, &kept) > values_count) abort();
    return 0;
}
