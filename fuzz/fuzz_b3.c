/* Lines are `name:value`, of b3 and of the several X-B3 headers. What is accepted reads back the same, in both forms.
 */
#include "carrier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tw_carried carried, again;
    struct lines lines = {NULL, (const char *)data, size}, single = {"b3", (const char *)data, size};
    struct tw_context context, second;

    int found = check_round_trip(TW_FORMAT_B3, &lines, &context, &carried);
    if (check_round_trip(TW_FORMAT_B3_MULTI, &lines, &second, &again) != found) abort();
    if (found != TW_EXTRACT_NONE && !same_context(&context, &second)) abort();
    if (carried.sampling != again.sampling) abort();
    check_round_trip(TW_FORMAT_B3, &single, &context, &carried);
    return 0;
}
