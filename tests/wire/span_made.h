/* span_made: spans written by hand for the tests of codecs, and the story that every codec tells. Static storage. */
#ifndef TW_TESTS_WIRE_SPAN_MADE_H
#define TW_TESTS_WIRE_SPAN_MADE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/span.h"

static inline struct tw_text made_text(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

static inline struct tw_tag_value made_str(const char *key, const char *value)
{
    return (struct tw_tag_value){.key = made_text(key), .type = TW_TYPE_STR, .text = made_text(value)};
}

static inline struct tw_tag_value made_int(const char *key, int64_t value)
{
    return (struct tw_tag_value){.key = made_text(key), .type = TW_TYPE_INT, .value.i = value};
}

static inline struct tw_tag_value made_uint(const char *key, uint64_t value)
{
    return (struct tw_tag_value){.key = made_text(key), .type = TW_TYPE_UINT, .value.u = value};
}

static inline struct tw_tag_value made_double(const char *key, double value)
{
    return (struct tw_tag_value){.key = made_text(key), .type = TW_TYPE_DOUBLE, .value.d = value};
}

static inline struct tw_tag_value made_bool(const char *key, bool value)
{
    return (struct tw_tag_value){.key = made_text(key), .type = TW_TYPE_BOOL, .value.u = value};
}

static inline struct tw_tag_value made_bytes(const char *key, const void *bytes, size_t len)
{
    return (struct tw_tag_value){.key = made_text(key), .type = TW_TYPE_BYTES, .text = {bytes, len}};
}

static inline void made_id(uint8_t *id, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) id[i] = (uint8_t)(value >> (56 - 8 * i));
}

/* Trace id high and low, span id, name, times. */
static inline struct tw_record made_span(uint64_t high, uint64_t low, uint64_t span, const char *name,
                                         uint64_t begin_ns, uint64_t end_ns)
{
    struct tw_record record = {.kind = TW_RECORD_SPAN, .time_ns = begin_ns, .end_ns = end_ns, .name = made_text(name)};
    made_id(record.trace_id, high);
    made_id(record.trace_id + 8, low);
    made_id(record.span_id, span);
    record.flags = TW_FLAG_SAMPLED;
    return record;
}

static inline struct tw_context made_context(uint64_t high, uint64_t low, uint64_t span)
{
    struct tw_context context = {.flags = 1};
    made_id(context.trace_id, high);
    made_id(context.trace_id + 8, low);
    made_id(context.span_id, span);
    return context;
}

static inline struct tw_record made_event(const struct tw_record *of, enum tw_record_kind kind, const char *name,
                                          uint64_t time_ns)
{
    struct tw_record record = {.kind = kind, .time_ns = time_ns, .end_ns = time_ns, .name = made_text(name)};
    memcpy(record.trace_id, of->trace_id, 16);
    memcpy(record.span_id, of->span_id, 8);
    return record;
}

static inline void made_tags(struct tw_record *record, const struct tw_tag_value *tags, size_t count)
{
    record->tags = tags;
    record->tag_count = count;
}

/* A span with everything: what the oracles of other people decode. Valid until the next call. */
static inline struct tw__span_in made_story(void)
{
    static struct tw_tag_value tags[8], event_tags[2], message_tags[2];
    static struct tw_context causes[2];
    static struct tw_record span, event, mark, send;
    static const struct tw_record *events[3];

    span = made_span(0x6a00000001020304, 0x05060708090a0b0c, 0x1112131415161718, "load cart", 1795225832500000001,
                     1795225832750000002);
    made_id(span.parent_id, 0x2122232425262728);
    span.span_kind = TW_KIND_CLIENT;
    span.status = TW_STATUS_ERROR;
    span.status_message = made_text("cart not found");
    span.tid = 4711;
    span.thread = made_text("worker-1");
    span.function = made_text("load_cart");
    span.line = 42;
    tags[0] = made_str("user.id", "hidden");
    tags[1] = made_int("items", -3);
    tags[2] = made_uint("huge", UINT64_MAX);
    tags[3] = made_double("ratio", 0.1);
    tags[4] = made_bool("cached", true);
    tags[5] = made_bytes("digest", "\x00\xff\x80", 3);
    tags[6] = made_str("user.id", "caf\xc3\xa9 \xff");
    tags[7] = made_str("", "no key");
    made_tags(&span, tags, 8);
    causes[0] = made_context(0x6a00000001020304, 0x05060708090a0b0c, 0x31);
    causes[1] = made_context(0x6a000000ffffffff, 0xffffffffffffffff, 0x32);
    span.parents = causes;
    span.parent_count = 2;
    event = made_event(&span, TW_RECORD_EVENT, "cache.miss", 1795225832600000000);
    event_tags[0] = made_int("attempt", 2);
    event_tags[1] = made_str("host", "h1");
    made_tags(&event, event_tags, 2);
    mark = made_event(&span, TW_RECORD_MARK, "here", 1795225832650000000);
    send = made_event(&span, TW_RECORD_SEND, "send", 1795225832700000000);
    message_tags[0] = made_uint("id", 99);
    message_tags[1] = made_uint("size", 1000);
    made_tags(&send, message_tags, 2);
    events[0] = &send;
    events[1] = &event;
    events[2] = &mark;
    tw__events_sort(events, 3);
    struct tw__span_in in = {.record = &span};
    in.events = tw__events_of(events, 3, &span, &in.event_count);
    return in;
}

/* Hands bytes to the oracles: a file in $TRACKWAY_WIRE_DUMP, when that is set. */
static inline void made_dump(const char *name, const void *bytes, size_t len)
{
    const char *folder = getenv("TRACKWAY_WIRE_DUMP");
    char path[512];
    if (!folder) return;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, len) != (ssize_t)len) abort();
    (void)close(fd);
}

/* The bytes of hex digits; spaces between them do not count. Returns how many. */
static inline size_t made_hex(const char *hex, uint8_t *bytes, size_t cap)
{
    size_t n = 0;
    for (; *hex; hex++) {
        char pair[3] = {hex[0], hex[1], 0};
        if (*hex == ' ') continue;
        if (n == cap) abort();
        bytes[n++] = (uint8_t)strtoul(pair, NULL, 16);
        hex++;
    }
    return n;
}

#endif
