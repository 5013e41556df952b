/* Whatever is accepted is not zero, can be written, and reads back as the same. */
#include <stdlib.h>
#include <string.h>

#include <trackway/context.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t zero[16];
    uint8_t first[16], second[16];
    char text[TW_TRACE_ID_HEX_LEN + 1];

    if (tw_trace_id_parse((const char *)data, size, first) < 0) return 0;
    if (memcmp(first, zero, sizeof zero) == 0) abort();
    tw_trace_id_format(first, text);
    if (strlen(text) != TW_TRACE_ID_HEX_LEN) abort();
    if (tw_trace_id_parse(text, TW_TRACE_ID_HEX_LEN, second) < 0) abort();
    if (memcmp(first, second, sizeof first) != 0) abort();
    return 0;
}
