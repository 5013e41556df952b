/* A file of rules for calls. What is refused says why; what is accepted says nothing that a C string cannot hold. */
#include <stdlib.h>
#include <string.h>

#include "trace/call_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__call_texts texts = {0};
    char why[TW_WHY_MAX] = "";
    int result = tw__call_texts_parse(&texts, (const char *)data, size, why);
    if (result > 0 || memchr(why, 0, sizeof why) == NULL || texts.named_count > TW__CALL_NAMED_MAX) abort();
    for (size_t i = 0; result == 0 && i < texts.named_count; i++)
        if (!texts.named[i].pattern || !texts.named[i].sensitive) abort();
    tw__call_texts_fini(&texts);
    return 0;
}
