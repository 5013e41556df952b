/* The size of a span is that of its message, whatever is in it. The oracle is the encoder, which protoc reads in
 * tests/serve/test_tempo.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "span_made.h"
#include "wire/otlp_spans.h"
#include "wire/pb.h"

/* What a delimited field is longer than its content. */
static size_t around(size_t len)
{
    return 1 + tw__pb_varint_len(len);
}

static void assert_size(const struct tw__span *like, size_t number)
{
    struct tw__spans spans = {0};
    struct tw__buf out = {0};
    uint32_t resource = tw__spans_add_resource(&spans, &(struct tw__resource){0});
    uint32_t scope = tw__spans_add_scope(&spans, &(struct tw__scope){0});
    struct tw__span *span = tw__spans_add(&spans, resource, scope);
    assert_non_null(span);
    *span = *like;
    span->resource = resource;
    span->scope = scope;
    tw__otlp_spans(&spans, &out);
    assert_false(out.failed);
    size_t size = tw__otlp_span_size(span);
    /* resource_spans { resource {} scope_spans { scope {} span } } */
    size_t inner = 2 + size + around(size), outer = 2 + inner + around(inner), all = outer + around(outer);
    if (all != out.len) fail_msg("case %zu: %zu bytes and not %zu", number, out.len, all);
    tw__buf_fini(&out);
    tw__spans_fini(&spans);
}

static void it_is_the_length_of_the_message(void **state)
{
    static char text[70000];
    static struct tw_tag_value many[300];
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < 300; i++) many[i] = made_int("a key", (int64_t)(i * i * i * i * i * i * i));
    const struct tw_tag_value kinds[] = {
        made_int("zero", 0),
        made_int("minus", -1),
        made_int("least", INT64_MIN),
        made_uint("u", 300),
        made_uint("u", INT64_MAX),
        made_uint("u", (uint64_t)INT64_MAX + 1),
        made_uint("u", UINT64_MAX),
        made_double("d", 0.5),
        made_bool("yes", true),
        made_bool("no", false),
        made_str("s", "text"),
        made_str("", ""),
        made_bytes("b", "\0\1\xff", 3),
        {.key = made_text("none"), .type = TW_TYPE_NONE},
        {.key = made_text("json"), .type = TW_TYPE_JSON, .text = made_text("[1]")},
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    const struct tw__span_event events[] = {
        {.time_ns = 5, .name = made_text("event"), .kind = TW_RECORD_EVENT, .tags = kinds, .tag_count = KINDS},
        {.time_ns = 6, .name = made_text(""), .kind = TW_RECORD_MARK, .dropped_tags = 7},
        {.time_ns = 6, .name = made_text("m"), .kind = TW_RECORD_SEND, .tags = many, .tag_count = 300},
        {.time_ns = 6, .name = made_text("m"), .kind = TW_RECORD_LOG},
    };
    const struct tw__span_link links[] = {{.tags = kinds, .tag_count = KINDS},
                                          {.trace_state = made_text("a=b"), .dropped_tags = 1000}};
    const struct tw__span cases[] = {
        {.name = made_text("plain")},
        {.name = made_text(""), .kind = TW__KIND_UNSPECIFIED, .open = true},
        {.name = made_text("child"), .parent_id = {1}, .kind = 4, .start_ns = UINT64_MAX, .end_ns = 1},
        {.name = {text, 127}, .trace_state = {text, 128}},
        {.name = {text, 16384}, .trace_state = {text, 70000}},
        {.name = made_text("status"), .status = TW_STATUS_ERROR},
        {.name = made_text("status"), .status = TW_STATUS_ERROR, .status_message = {text, 200}},
        {.name = made_text("status"), .status_message = made_text("of nothing")},
        {.name = made_text("tags"), .tags = kinds, .tag_count = KINDS, .dropped_tags = 1},
        {.name = made_text("tags"), .tags = many, .tag_count = 300},
        {.name = made_text("events"), .events = events, .event_count = 4, .dropped_events = 200},
        {.name = made_text("links"), .links = links, .link_count = 2, .dropped_links = UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_size(&cases[i], i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_the_length_of_the_message)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
