/* A span made of the input, in all forms that exporters send. Whatever the texts are, what comes out fits into the
 * room, and a request's lengths add up. The first byte says kind, status, and how small the room is; then tags: a byte
 * of type, key and value up to a zero byte each. */
#include <stdlib.h>

#include "wire/fdb.h"
#include "wire/otlp.h"
#include "wire/xray.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TAGS_MAX = 200 };
static struct tw_tag_value tags[TAGS_MAX];
static uint8_t room[TW__FDB_MAX];
static size_t limit;

static struct tw_text text_to_zero(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *from = *at, *zero = from < end ? memchr(from, 0, (size_t)(end - from)) : NULL;
    *at = zero ? zero + 1 : end;
    return (struct tw_text){(const char *)from, zero ? (size_t)(zero - from) : (size_t)(end - from)};
}

static size_t read_tags(const uint8_t *at, const uint8_t *end)
{
    size_t count = 0;
    while (at < end && count < TAGS_MAX) {
        struct tw_tag_value *tag = &tags[count++];
        *tag = (struct tw_tag_value){.type = (enum tw_type)(*at++ % (TW_TYPE_BYTES + 1))};
        tag->key = text_to_zero(&at, end);
        tag->text = text_to_zero(&at, end);
        if (tag->text.len) memcpy(&tag->value.u, tag->text.ptr, tag->text.len < 8 ? tag->text.len : 8);
    }
    return count;
}

static int take(void *arg, const struct tw__xray_doc *doc)
{
    (void)arg;
    if (doc->len > limit || doc->bytes[doc->len - 1] != '}') abort();
    return 0;
}

/* Every message of a request ends where the one around it ends. */
static void check_request(struct tw_text request, unsigned depth)
{
    struct tw__pb_in in = {(const uint8_t *)request.ptr, (const uint8_t *)request.ptr + request.len, false};
    struct tw__pb_field field;
    while (tw__pb_next(&in, &field))
        if (depth < 2 && field.type == TW__PB_LEN)
            check_request((struct tw_text){(const char *)field.bytes, field.len}, depth + 1);
    if (in.bad) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    struct tw_record record = {.kind = TW_RECORD_SPAN, .tags = tags, .tag_count = read_tags(data + 1, data + size)};
    if (record.tag_count) record.name = record.status_message = tags[0].text;
    record.span_kind = (enum tw_span_kind)(data[0] & 7);
    record.status = (enum tw_status)(data[0] >> 3 & 3);
    record.parent_id[0] = data[0] >> 5 & 1;
    struct tw_record event = record;
    event.kind = TW_RECORD_EVENT;
    if (data[0] & 0x40) event.name = (struct tw_text){"exception", 9};
    const struct tw_record *events[] = {&event, &event};
    const struct tw__span_in span = {&record, events, 2};
    bool small = data[0] & 0x80;

    for (enum tw__fdb_layout layout = TW__FDB_7; layout <= TW__FDB_12_FAULTY; layout++) {
        const struct tw__fdb_options options = {layout, record.name};
        int len = tw__fdb_enc(&options, &span, room, small ? TW__FDB_LEAST : TW__FDB_MAX, NULL);
        if (len <= 0 || len > (small ? (int)TW__FDB_LEAST : (int)TW__FDB_MAX)) abort();
    }

    const struct tw__otlp_resource resource = {.attributes = tags,
                                               .attribute_count = record.tag_count > 3 ? 3 : record.tag_count};
    struct tw__otlp_enc enc;
    tw__otlp_begin(&enc, room, small ? 1000 : sizeof room, &resource);
    while (enc.span_count < 5 && tw__otlp_span(&enc, &span) == 0) continue;
    struct tw_text request = tw__otlp_end(&enc);
    if (request.len) check_request(request, 0);

    struct tw__xray_options options = {
        .limit = small ? 1 : 0, .resource = tags, .resource_count = resource.attribute_count};
    struct tw__xray_node node = {.span = span};
    struct tw__buf scratch = {0};
    limit = small ? TW__XRAY_LEAST : TW__XRAY_MAX;
    if (tw__xray_enc(&options, &node, &scratch, take, NULL) != 1) abort();
    tw__buf_fini(&scratch);
    return 0;
}
