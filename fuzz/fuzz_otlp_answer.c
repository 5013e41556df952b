/* What a receiver of spans answers, as both messages. What is read lies in the input; what is refused changes
 * nothing. */
#include <stdlib.h>

#include "wire/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int result, const struct tw__otlp_answer *answer, const uint8_t *data, size_t size)
{
    const uint8_t *text = (const uint8_t *)answer->message.ptr;
    if (result != 0 && (result != TW_ERR_SYNTAX || answer->code != 7)) abort();
    if (result == 0 && answer->message.len && (text < data || text + answer->message.len > data + size)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__otlp_answer answer = {.code = 7}, status = {.code = 7};
    check(tw__otlp_answer_dec(data, size, &answer), &answer, data, size);
    check(tw__otlp_status_dec(data, size, &status), &status, data, size);
    return 0;
}
