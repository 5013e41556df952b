/* A carrier for tests: a list of names and values, in order, names compared without case as HTTP does. */
#ifndef TW_TESTS_PROPAGATE_FIXTURE_H
#define TW_TESTS_PROPAGATE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include <trackway/propagate.h>

enum { HEADERS_MAX = 12, HEADER_VALUE_MAX = 9000 };

struct header {
    const char *name;
    const char *value;
};

struct headers {
    const struct header *list;
    size_t count;
};

static inline bool get_header(void *carrier, const char *name, unsigned index, const char **value, size_t *len)
{
    const struct headers *headers = carrier;
    for (size_t i = 0; i < headers->count; i++) {
        if (strcasecmp(headers->list[i].name, name) != 0 || index-- > 0) continue;
        *value = headers->list[i].value;
        *len = strlen(*value);
        return true;
    }
    return false;
}

/* Where what is injected goes. */
struct written {
    char names[HEADERS_MAX][32];
    char values[HEADERS_MAX][HEADER_VALUE_MAX];
    size_t count;
};

static inline void set_header(void *carrier, const char *name, const char *value, size_t len)
{
    struct written *written = carrier;
    assert_true(written->count < HEADERS_MAX && len < HEADER_VALUE_MAX);
    assert_int_equal(strlen(value), len); /* a NUL behind the value, and none in it */
    snprintf(written->names[written->count], sizeof written->names[0], "%s", name);
    snprintf(written->values[written->count++], HEADER_VALUE_MAX, "%s", value);
}

static inline const char *written_value(const struct written *written, const char *name)
{
    for (size_t i = 0; i < written->count; i++) {
        if (strcmp(written->names[i], name) == 0) return written->values[i];
    }
    return NULL;
}

static struct tw_context context;
static struct tw_carried carried;
static struct tw_drops drops;
static struct written out;

static inline struct tw_formats formats(const char *names)
{
    struct tw_formats result = {0};
    assert_int_equal(tw_formats_parse(names, strlen(names), &result), 0);
    return result;
}

/* Extracts with the formats named; context, carried and drops hold the result. */
static inline int extract(const char *names, const struct header *list, size_t count)
{
    const struct tw_propagation how = {.read = formats(names), .drops = &drops};
    struct headers headers = {list, count};
    memset(&context, 0xee, sizeof context);
    memset(&carried, 0xee, sizeof carried);
    memset(&drops, 0, sizeof drops);
    return tw_extract(&how, get_header, &headers, &context, &carried);
}

#define EXTRACT(names, ...)                                                                                            \
    extract(names, (const struct header[]){__VA_ARGS__},                                                               \
            sizeof((const struct header[]){__VA_ARGS__}) / sizeof(struct header))

/* Injects what was extracted with the formats named; out holds the result. */
static inline int inject(const char *names)
{
    const struct tw_propagation how = {.write = formats(names), .drops = &drops};
    out.count = 0;
    return tw_inject(&how, &context, &carried, set_header, &out);
}

static inline void assert_trace_id(const char *hex)
{
    char text[TW_TRACE_ID_HEX_LEN + 1];
    tw_trace_id_format(context.trace_id, text);
    assert_string_equal(text, hex);
}

static inline void assert_span_id(const char *hex)
{
    char text[TW_SPAN_ID_HEX_LEN + 1];
    tw_span_id_format(context.span_id, text);
    assert_string_equal(text, hex);
}

static inline void assert_untouched(void)
{
    struct tw_context before;
    memset(&before, 0xee, sizeof before);
    assert_memory_equal(&context, &before, sizeof before);
}

static inline void assert_text(const char *text, size_t len, const char *expected)
{
    if (len != strlen(expected) || memcmp(text, expected, len) != 0)
        fail_msg("\"%.*s\" is not \"%s\"", (int)len, text, expected);
}

#endif
