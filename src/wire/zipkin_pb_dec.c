/* zipkin_pb_dec: Zipkin's protobuf, which is version 2 only.
 *
 *     ListOfSpans { spans = 1 }
 *     Span { trace_id = 1; parent_id = 2; id = 3; kind = 4; name = 5; timestamp = 6 fixed64; duration = 7; local = 8;
 *            remote = 9; annotations = 10; tags = 11 { key = 1; value = 2 }; debug = 12; shared = 13 }
 *     Endpoint { service_name = 1; ipv4 = 2; ipv6 = 3; port = 4 }
 *     Annotation { timestamp = 1 fixed64; value = 2 }
 */
#include <arpa/inet.h>
#include <string.h>

#include "wire/pb.h"
#include "wire/zipkin_parts_dec.h"

static struct tw__pb_in inside(const struct tw__pb_field *field)
{
    return (struct tw__pb_in){field->bytes, field->bytes + field->len, false};
}

static struct tw_text text_of(const struct tw__pb_field *field)
{
    return field->len ? (struct tw_text){(const char *)field->bytes, field->len} : (struct tw_text){"", 0};
}

/* Bytes on the right, zeros before them. Returns whether there were any, and not too many. */
static bool id_of(const struct tw__pb_field *field, uint8_t *id, size_t count)
{
    memset(id, 0, count);
    if (field->len == 0 || field->len > count) return false;
    memcpy(id + count - field->len, field->bytes, field->len);
    return true;
}

static int read_ip(struct tw__pool *pool, const struct tw__pb_field *field, struct tw_text *ip)
{
    char text[INET6_ADDRSTRLEN];
    int family = field->len == 4 ? AF_INET : AF_INET6;
    if ((field->len != 4 && field->len != 16) || !inet_ntop(family, field->bytes, text, sizeof text)) return 0;
    ip->len = strlen(text);
    ip->ptr = tw__pool_copy(pool, text, ip->len);
    return ip->ptr ? 0 : TW_ERR_MEMORY;
}

static int read_endpoint(struct tw__pool *pool, struct tw__pb_in in, struct tw__zipkin_endpoint *endpoint)
{
    struct tw__pb_field field;
    int code = 0;
    while (code == 0 && tw__pb_next(&in, &field)) {
        if (field.type == TW__PB_LEN && field.number == 1) endpoint->service = text_of(&field);
        if (field.type == TW__PB_LEN && (field.number == 2 || (field.number == 3 && endpoint->ip.len == 0)))
            code = read_ip(pool, &field, &endpoint->ip);
        if (field.type == TW__PB_VARINT && field.number == 4) endpoint->port = field.value;
    }
    return in.bad ? TW_ERR_SYNTAX : code;
}

static int read_annotation(struct tw__pool *pool, struct tw__pb_in in, struct tw__zipkin_span *span)
{
    struct tw__pb_field field;
    struct tw_text value = {"", 0};
    uint64_t us = 0;
    while (tw__pb_next(&in, &field)) {
        if (field.type == TW__PB_I64 && field.number == 1) us = field.value;
        if (field.type == TW__PB_LEN && field.number == 2) value = text_of(&field);
    }
    return in.bad ? TW_ERR_SYNTAX : tw__zipkin_span_event(pool, span, us, value);
}

static int read_tag(struct tw__pool *pool, struct tw__pb_in in, struct tw__zipkin_span *span)
{
    struct tw__pb_field field;
    struct tw_tag_value tag = {.key = {"", 0}, .text = {"", 0}, .type = TW_TYPE_STR};
    while (tw__pb_next(&in, &field)) {
        if (field.type == TW__PB_LEN && field.number == 1) tag.key = text_of(&field);
        if (field.type == TW__PB_LEN && field.number == 2) tag.text = text_of(&field);
    }
    return in.bad ? TW_ERR_SYNTAX : tw__tag_list_add(pool, &span->tags, &tag);
}

static int read_message(struct tw__pool *pool, const struct tw__pb_field *field, struct tw__zipkin_span *span)
{
    bool found;
    switch (field->number) {
    case 1:
        span->has_trace = id_of(field, span->trace_id, 16);
        return 0;
    case 2:
        found = id_of(field, span->parent_id, 8);
        (void)found;
        return 0;
    case 3:
        span->has_id = id_of(field, span->id, 8);
        return 0;
    case 5:
        span->name = text_of(field);
        return 0;
    case 8:
        return read_endpoint(pool, inside(field), &span->local);
    case 9:
        return read_endpoint(pool, inside(field), &span->remote);
    case 10:
        return read_annotation(pool, inside(field), span);
    case 11:
        return read_tag(pool, inside(field), span);
    default:
        return 0;
    }
}

static void read_number(const struct tw__pb_field *field, struct tw__zipkin_span *span)
{
    static const uint8_t kinds[] = {TW__KIND_UNSPECIFIED, TW_KIND_CLIENT, TW_KIND_SERVER, TW_KIND_PRODUCER,
                                    TW_KIND_CONSUMER};
    if (field->number == 6 && field->type == TW__PB_I64) {
        span->timestamp_us = field->value;
        span->has_timestamp = true;
    }
    if (field->type != TW__PB_VARINT) return;
    if (field->number == 4 && field->value < sizeof kinds) span->kind = kinds[field->value];
    if (field->number == 7) {
        span->duration_us = field->value;
        span->has_duration = true;
    }
    if (field->number == 12) span->debug = field->value != 0;
    if (field->number == 13) span->shared = field->value != 0;
}

static int read_span(struct tw__zipkin_dec *dec, struct tw__pb_in in)
{
    struct tw__zipkin_span span;
    struct tw__pb_field field;
    int code = 0;
    tw__zipkin_span_init(&span);
    while (code == 0 && tw__pb_next(&in, &field)) {
        if (field.type == TW__PB_LEN)
            code = read_message(&dec->spans->pool, &field, &span);
        else
            read_number(&field, &span);
    }
    if (in.bad) return TW_ERR_SYNTAX;
    return code < 0 ? code : tw__zipkin_add(dec, &span);
}

int tw__zipkin_pb_dec(struct tw__zipkin_dec *dec, const void *bytes, size_t len)
{
    struct tw__pb_in in = {bytes, (const uint8_t *)bytes + len, false};
    struct tw__pb_field field;
    int code = 0;
    dec->rejected = 0;
    dec->why = NULL;
    dec->error_at = 0;
    while (code == 0 && tw__pb_next(&in, &field))
        if (field.number == 1 && field.type == TW__PB_LEN) code = read_span(dec, inside(&field));
    if (code == 0 && in.bad) code = TW_ERR_SYNTAX;
    if (code == TW_ERR_SYNTAX) dec->why = "not a protobuf list of spans";
    if (code == 0) code = tw__zipkin_finish(dec);
    tw__spans_reset(dec->spans);
    return code;
}
