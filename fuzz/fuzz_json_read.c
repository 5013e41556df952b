/* The first byte chooses lenience, scratch memory and where the text is cut. In pieces the same events come as from the
 * whole, and every slice handed out lies in the text or in the scratch memory. */
#include <stdlib.h>
#include <string.h>

#include "wire/json_read.h"
#include "wire/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads until the text is used up; folds what was read into *sum. */
static enum tw__json_event read_on(struct tw__json_reader *json, uint64_t *sum)
{
    enum tw__json_event event;
    while ((event = tw__json_read(json)) < TW__JSON_DONE) {
        uint64_t bits = 0;
        if (json->at > json->len || json->from >= json->at || json->depth > TW__JSON_DEPTH_MAX) abort();
        if (event == TW__JSON_NUMBER) memcpy(&bits, &json->f64, sizeof bits);
        if (event == TW__JSON_NUMBER) bits ^= json->u64 ^ (uint64_t)json->i64 ^ (uint64_t)json->number;
        if (event == TW__JSON_STRING || event == TW__JSON_NAME) {
            const char *p = json->string.ptr;
            bool inside = p >= json->text && p + json->string.len <= json->text + json->len;
            if (!inside && !(p == json->scratch && json->string.len <= json->scratch_cap)) abort();
            for (size_t i = 0, n; i < json->string.len; i += n) {
                uint32_t cp;
                n = tw__utf8_next(p + i, json->string.len - i, &cp);
                if (n == 0) abort();
                bits = bits * 31 + cp;
            }
        }
        *sum = (*sum ^ bits ^ (uint64_t)event << 56) * 0x9E3779B97F4A7C15u;
    }
    return event;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char scratch[256];
    if (size == 0) return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1, cut = len ? (size_t)(data[0] >> 4) * len / 16 : 0;
    struct tw__json_reader whole = {.text = text,
                                    .len = len,
                                    .last = true,
                                    .lenience = data[0] & 7,
                                    .scratch = scratch,
                                    .scratch_cap = data[0] & 8 ? sizeof scratch : 16};
    struct tw__json_reader pieces = whole, skipped = whole;
    uint64_t first = 0, second = 0;

    enum tw__json_event end = read_on(&whole, &first);
    if (end == TW__JSON_MORE) abort();
    if (end == TW__JSON_BAD && (whole.error_at > len || !whole.why)) abort();

    pieces.last = false;
    pieces.len = cut;
    enum tw__json_event middle = read_on(&pieces, &second);
    if (middle == TW__JSON_DONE) abort();
    if (middle == TW__JSON_MORE) {
        pieces.last = true;
        pieces.len = len;
        middle = read_on(&pieces, &second);
    }
    if (middle != end || first != second) abort();
    if (end == TW__JSON_BAD && (pieces.error_at != whole.error_at || pieces.error != whole.error)) abort();

    if (end == TW__JSON_DONE && !(skipped.lenience & TW__JSON_MANY)) {
        if (tw__json_skip(&skipped) == TW__JSON_BAD || tw__json_read(&skipped) != TW__JSON_DONE) abort();
    }
    return 0;
}
