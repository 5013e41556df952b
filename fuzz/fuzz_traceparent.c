/* Whatever is accepted can be written, and reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include <trackway/context.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw_context first, second;
    char text[TW_TRACEPARENT_LEN];

    if (tw_traceparent_parse((const char *)data, size, &first) < 0) return 0;
    if (tw_traceparent_format(&first, text, sizeof text) != TW_TRACEPARENT_LEN) abort();
    if (tw_traceparent_parse(text, sizeof text, &second) < 0) abort();
    if (memcmp(&first, &second, sizeof first) != 0) abort();
    return 0;
}
