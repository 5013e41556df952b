/* Lines are baggage headers. What is kept is within its limits, reads back the same, and what is set can be got. */
#include "carrier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tw_carried carried;
    static char value[3 * TW_CARRIED_BAGGAGE_MAX], key[TW_CARRIED_BAGGAGE_MAX + 1];
    struct lines lines = {"baggage", (const char *)data, size};
    struct tw_context context;
    struct tw_member member;
    size_t pos = 0, count = 0;

    check_round_trip(TW_FORMAT_BAGGAGE, &lines, &context, &carried);
    if (carried.baggage_len > TW_CARRIED_BAGGAGE_MAX || carried.baggage_count > TW_BAGGAGE_MEMBERS_MAX) abort();
    while (tw_baggage_next(&carried, &pos, &member)) {
        memcpy(key, member.key, member.key_len);
        key[member.key_len] = '\0';
        if (tw_baggage_get(&carried, key, value, sizeof value) < 0) abort();
        count++;
    }
    if (count != carried.baggage_count) abort();
    if (count == 0) return 0;

    int len = tw_baggage_get(&carried, key, value, sizeof value); /* the last member's: UTF-8 now */
    static char back[sizeof value];
    if (tw_baggage_set(&carried, key, value, (size_t)len) == 0) {
        if (tw_baggage_get(&carried, key, back, sizeof back) != len || memcmp(value, back, (size_t)len) != 0) abort();
    }
    if (tw_baggage_set(&carried, key, NULL, 0) != 0) abort();
    if (tw_baggage_get(&carried, key, back, sizeof back) != TW_ERR_NOT_FOUND) abort();
    return 0;
}
