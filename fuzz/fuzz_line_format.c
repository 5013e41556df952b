/* A format, a zero byte, and the bytes of an event: whatever compiles writes, and JSON lines are strict JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json_read.h"
#include "wire/line_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct event {
    const char *text;
    size_t len;
};

/* By the first letter of the name: a type; the values are made of the bytes of the event. */
static bool get(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    const struct event *event = data;
    uint64_t number = 0;
    memcpy(&number, event->text, event->len < 8 ? event->len : 8);
    switch (key->len ? key->name[0] : 'x') {
    case 't':
        *out = tw__field_uint(number);
        return true;
    case 'l':
        *out = (struct tw__field){.type = TW__FIELD_LEVEL, .u = number % 9};
        return true;
    case 'd':
        *out = (struct tw__field){.type = TW__FIELD_DOUBLE};
        memcpy(&out->d, &number, sizeof number);
        return true;
    case 'i':
        *out = tw__field_int((int64_t)number);
        return true;
    case 'b':
        *out = (struct tw__field){.type = TW__FIELD_BYTES, .ptr = event->text, .len = event->len};
        return true;
    case 'a':
        return false;
    default:
        *out = tw__field_text(event->text, event->len);
        return true;
    }
}

static bool each(const void *data, size_t index, struct tw__field_key *key, struct tw__field *value)
{
    const struct event *event = data;
    if (index >= event->len / 2 || index >= 100) return false;
    *key = (struct tw__field_key){.name = event->text + index, .len = 2};
    return get(event, key, value) || get(event, &(struct tw__field_key){.name = "x", .len = 1}, value);
}

static void write_with(const struct tw__line_format *format, const struct event *event, bool flag)
{
    static struct tw__line_clock clock; /* left from another event: it must not show */
    struct tw__buf out = {0};
    struct tw__line_source source = {event, get, each};
    tw__line_format_write(
        format, &source,
        &(struct tw__line_options){.utc = flag, .color = flag, .one_line = flag, .clock = flag ? &clock : NULL}, &out);
    if (out.failed) abort();
    tw__buf_fini(&out);
}

/* One line, and an object that a strict reader takes. */
static void check_json(const struct event *event)
{
    static char scratch[1 << 20];
    struct tw__line_format *format;
    struct tw__buf out = {0};
    struct tw__line_source source = {event, get, each};
    if (tw__line_format_compile("json", 4, NULL, NULL, &format, NULL) < 0) abort();
    tw__line_format_write(format, &source, &(struct tw__line_options){.utc = true}, &out);
    if (out.len < 3 || out.ptr[out.len - 1] != '\n' || memchr(out.ptr, '\n', out.len - 1)) abort();
    struct tw__json_reader json = {
        .text = out.ptr, .len = out.len, .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
    enum tw__json_event read;
    while ((read = tw__json_read(&json)) < TW__JSON_DONE) continue;
    if (read != TW__JSON_DONE) abort();
    tw__buf_fini(&out);
    tw__line_format_free(format);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__line_format *format = NULL;
    struct tw__refusal refusal;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    size_t len = zero ? (size_t)(zero - data) : size;
    struct event event = {(const char *)data + (zero ? len + 1 : size), zero ? size - len - 1 : 0};
    check_json(&event);
    int result = tw__line_format_compile((const char *)data, len, NULL, NULL, &format, &refusal);
    if (result < 0) {
        if (format || refusal.code != result || refusal.at > len || !refusal.text[0]) abort();
        return 0;
    }
    write_with(format, &event, false);
    write_with(format, &event, true);
    tw__line_format_free(format);
    return 0;
}
