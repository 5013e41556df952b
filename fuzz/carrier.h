/* A carrier for fuzzing: the input is lines, each a value of one name (or `name: value`). */
#ifndef TW_FUZZ_CARRIER_H
#define TW_FUZZ_CARRIER_H

#include <stdlib.h>
#include <string.h>

#include <trackway/propagate.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lines {
    const char *name; /* the only name, all lines being values of it; NULL: a line is `name: value` */
    const char *text;
    size_t len;
};

static inline bool get_line(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    const struct lines *lines = carrier;
    const char *at = lines->text, *end = lines->text + lines->len;
    size_t name_len = strlen(name);

    if (lines->name && strcmp(lines->name, name) != 0) return false;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        size_t line_len = (size_t)(stop - at), skip = lines->name ? 0 : name_len + 1;
        bool mine = lines->name || (line_len > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == ':');
        if (mine && index-- == 0) {
            *value = at + skip;
            *len = line_len - skip;
            return true;
        }
        at = stop + 1;
    }
    return false;
}

/* Keeps what is injected as lines `name:value`, to be read again. Nothing that would break a header may come out. */
struct kept {
    char text[16384];
    size_t len;
};

static inline void keep_line(void *carrier, const char *name, const char *value, size_t len)
{
    struct kept *kept = carrier;
    size_t name_len = strlen(name);
    if (strlen(value) != len || kept->len + name_len + len + 2 > sizeof kept->text) abort();
    for (size_t i = 0; i < len; i++) {
        if (value[i] < 0x20 || value[i] > 0x7e) abort();
    }
    memcpy(kept->text + kept->len, name, name_len);
    kept->text[kept->len + name_len] = ':';
    memcpy(kept->text + kept->len + name_len + 1, value, len);
    kept->text[kept->len + name_len + 1 + len] = '\n';
    kept->len += name_len + len + 2;
}

static inline bool same_context(const struct tw_context *a, const struct tw_context *b)
{
    return memcmp(a->trace_id, b->trace_id, sizeof a->trace_id) == 0 &&
           memcmp(a->span_id, b->span_id, sizeof a->span_id) == 0 && a->flags == b->flags;
}

static inline bool same_carried(const struct tw_carried *a, const struct tw_carried *b)
{
    return a->format == b->format && a->sampling == b->sampling && a->tracestate_count == b->tracestate_count &&
           a->tracestate_len == b->tracestate_len && a->xray_len == b->xray_len && a->baggage_len == b->baggage_len &&
           a->baggage_count == b->baggage_count && memcmp(a->tracestate, b->tracestate, a->tracestate_len) == 0 &&
           memcmp(a->xray, b->xray, a->xray_len) == 0 && memcmp(a->baggage, b->baggage, a->baggage_len + 1u) == 0;
}

/* Extracts, injects in the same format and extracts again: both times the same. Returns what was found the first time.
 */
static inline int check_round_trip(enum tw_format format, struct lines *lines, struct tw_context *context,
                                   struct tw_carried *carried)
{
    static struct tw_carried again;
    static struct kept kept;
    struct tw_drops drops = {0};
    const struct tw_propagation how = {{1, {(uint8_t)format}}, {1, {(uint8_t)format}}, &drops};
    struct tw_context second;

    memset(carried, 0xee, sizeof *carried);
    memset(context, 0, sizeof *context);
    int found = tw_extract(&how, get_line, lines, context, carried);
    if (found < TW_EXTRACT_NONE || found > TW_EXTRACT_PARENT) abort();
    kept.len = 0;
    int written = tw_inject(&how, context, carried, keep_line, &kept);
    if (found == TW_EXTRACT_NONE && format != TW_FORMAT_BAGGAGE) {
        if (written != 0 || carried->format != TW_FORMAT_NONE) abort();
        return found;
    }
    struct lines back = {NULL, kept.text, kept.len};
    struct tw_drops none = {0}, more = {0};
    const struct tw_propagation reader = {how.read, how.write, &more};
    memset(&second, 0, sizeof second);
    if (tw_extract(&reader, get_line, &back, &second, &again) != found) abort();
    if (!same_context(context, &second) || !same_carried(carried, &again)) abort();
    if (memcmp(&none, &more, sizeof none) != 0) abort(); /* what we write is never dropped */
    return found;
}

#endif
