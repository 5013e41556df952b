/* zipkin_json_dec: Zipkin's JSON. Version 1 and 2 are told apart by what stands in a span, not by where it was sent: a
 * span with core annotations or binaryAnnotations is one of version 1.
 *
 * Limits: a request is handed on in several batches, so that what is waiting stays small whatever comes.
 */
#include <string.h>

#include "model/text.h"
#include "wire/zipkin_parts_dec.h"

static const struct tw_text nothing = {"", 0};

struct reading {
    struct tw__zipkin_dec *dec;
    struct tw__zipkin_span span;
};

static int endpoint_member(struct tw__json_in *in, void *target)
{
    struct tw__zipkin_endpoint *endpoint = target;
    if (tw__json_is(&in->json, "serviceName")) return tw__json_in_text(in, &endpoint->service);
    if (tw__json_is(&in->json, "port")) return tw__json_in_scaled(in, 0, &endpoint->port, NULL);
    bool v6 = tw__json_is(&in->json, "ipv6");
    if (tw__json_is(&in->json, "ipv4") || (v6 && endpoint->ip.len == 0)) return tw__json_in_text(in, &endpoint->ip);
    return tw__json_in_skip(in);
}

struct annotation {
    uint64_t us;
    struct tw_text value;
    struct tw__zipkin_endpoint endpoint;
};

static int annotation_member(struct tw__json_in *in, void *target)
{
    struct annotation *annotation = target;
    if (tw__json_is(&in->json, "timestamp")) return tw__json_in_scaled(in, 0, &annotation->us, NULL);
    if (tw__json_is(&in->json, "value")) return tw__json_in_text(in, &annotation->value);
    return tw__json_is(&in->json, "endpoint") ? tw__json_in_object(in, endpoint_member, &annotation->endpoint)
                                              : tw__json_in_skip(in);
}

static void default_local(struct tw__zipkin_span *span, const struct tw__zipkin_endpoint *endpoint)
{
    if (span->local.service.len == 0 && endpoint->service.len) span->local = *endpoint;
}

static int annotation_element(struct tw__json_in *in, void *target)
{
    static const char *const cores[] = {"cs", "cr", "sr", "ss", "ms", "mr"};
    struct tw__zipkin_span *span = &((struct reading *)target)->span;
    struct annotation annotation = {.value = nothing, .endpoint = {.service = nothing, .ip = nothing}};
    int code = tw__json_in_object(in, annotation_member, &annotation);
    if (code < 0) return code;
    default_local(span, &annotation.endpoint);
    for (size_t i = 0; i < TW__ZIPKIN_CORES; i++) {
        if (!tw__text_is(annotation.value, cores[i])) continue;
        span->cores[i].there = true;
        span->cores[i].us = annotation.us;
        span->cores[i].endpoint = annotation.endpoint;
        return 0;
    }
    return tw__zipkin_span_event(in->pool, span, annotation.us, annotation.value);
}

struct binary {
    struct tw_text key;
    struct tw__tag_list value; /* one, under a key of its own */
    struct tw__zipkin_endpoint endpoint;
};

static int binary_member(struct tw__json_in *in, void *target)
{
    struct binary *binary = target;
    if (tw__json_is(&in->json, "key")) return tw__json_in_text(in, &binary->key);
    if (tw__json_is(&in->json, "value")) return tw__json_in_tag(in, &binary->value, (struct tw_text){"value", 5});
    return tw__json_is(&in->json, "endpoint") ? tw__json_in_object(in, endpoint_member, &binary->endpoint)
                                              : tw__json_in_skip(in);
}

/* sa, ca, ma: an address; lc: who the span is of; all others are tags. */
static int binary_element(struct tw__json_in *in, void *target)
{
    struct tw__zipkin_span *span = &((struct reading *)target)->span;
    struct binary binary = {.key = nothing, .value.limit = 1, .endpoint = {.service = nothing, .ip = nothing}};
    int code = tw__json_in_object(in, binary_member, &binary);
    if (code < 0) return code;
    if (tw__text_is(binary.key, "sa") || tw__text_is(binary.key, "ma")) {
        span->server = span->remote = binary.endpoint;
        return 0;
    }
    if (tw__text_is(binary.key, "ca")) {
        span->client = span->remote = binary.endpoint;
        return 0;
    }
    default_local(span, &binary.endpoint);
    if (binary.value.count == 0) return 0;
    struct tw_tag_value tag = binary.value.items[0];
    tag.key = binary.key;
    bool empty = tag.type == TW_TYPE_STR && tag.text.len == 0;
    return tw__text_is(binary.key, "lc") && empty ? 0 : tw__tag_list_add(in->pool, &span->tags, &tag);
}

static int read_kind(struct tw__json_in *in, struct tw__zipkin_span *span)
{
    static const struct {
        const char *name;
        enum tw_span_kind kind;
    } kinds[] = {{"CLIENT", TW_KIND_CLIENT},
                 {"SERVER", TW_KIND_SERVER},
                 {"PRODUCER", TW_KIND_PRODUCER},
                 {"CONSUMER", TW_KIND_CONSUMER}};
    struct tw_text text = nothing;
    int code = tw__json_in_text(in, &text);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (tw__text_is(text, kinds[i].name)) span->kind = (uint8_t)kinds[i].kind;
    return code;
}

static int span_member(struct tw__json_in *in, void *target)
{
    struct reading *reading = target;
    struct tw__zipkin_span *span = &reading->span;
    const struct tw__json_reader *json = &in->json;
    bool found;
    if (tw__json_is(json, "traceId")) return tw__json_in_hex(in, span->trace_id, 16, &span->has_trace);
    if (tw__json_is(json, "id")) return tw__json_in_hex(in, span->id, 8, &span->has_id);
    if (tw__json_is(json, "parentId")) return tw__json_in_hex(in, span->parent_id, 8, &found);
    if (tw__json_is(json, "name")) return tw__json_in_text(in, &span->name);
    if (tw__json_is(json, "kind")) return read_kind(in, span);
    if (tw__json_is(json, "timestamp")) return tw__json_in_scaled(in, 0, &span->timestamp_us, &span->has_timestamp);
    if (tw__json_is(json, "duration")) return tw__json_in_scaled(in, 0, &span->duration_us, &span->has_duration);
    if (tw__json_is(json, "localEndpoint")) return tw__json_in_object(in, endpoint_member, &span->local);
    if (tw__json_is(json, "remoteEndpoint")) return tw__json_in_object(in, endpoint_member, &span->remote);
    if (tw__json_is(json, "annotations")) return tw__json_in_list(in, annotation_element, reading);
    if (tw__json_is(json, "binaryAnnotations")) return tw__json_in_list(in, binary_element, reading);
    if (tw__json_is(json, "tags")) return tw__json_in_tags(in, &span->tags);
    if (tw__json_is(json, "shared")) return tw__json_in_bool(in, &span->shared);
    return tw__json_is(json, "debug") ? tw__json_in_bool(in, &span->debug) : tw__json_in_skip(in);
}

static int span_element(struct tw__json_in *in, void *target)
{
    struct reading *reading = target;
    tw__zipkin_span_init(&reading->span);
    if (tw__json_in_peek(in) != TW__JSON_OBJECT) {
        reading->dec->rejected++;
        return tw__json_in_skip(in);
    }
    int code = tw__json_in_object(in, span_member, reading);
    return code < 0 ? code : tw__zipkin_add(reading->dec, &reading->span);
}

int tw__zipkin_json_dec(struct tw__zipkin_dec *dec, const void *bytes, size_t len)
{
    struct reading reading = {.dec = dec};
    struct tw__pool kept = {0}; /* of the reader, which outlives a batch */
    struct tw__json_in in;
    dec->rejected = 0;
    dec->why = NULL;
    int code = tw__json_in_begin(&in, &kept, bytes, len);
    in.pool = &dec->spans->pool;
    if (code == 0 && tw__json_in_peek(&in) != TW__JSON_ARRAY) code = TW_ERR_SYNTAX;
    if (code == 0) code = tw__json_in_list(&in, span_element, &reading);
    if (code == 0) code = tw__json_in_end(&in);
    if (code == TW_ERR_SYNTAX || in.json.why) {
        dec->why = in.json.why ? in.json.why : "not a list of spans";
        dec->error_at = in.json.why ? in.json.error_at : 0;
    }
    if (code == 0) code = tw__zipkin_finish(dec);
    tw__spans_reset(dec->spans);
    tw__json_in_fini(&in);
    tw__pool_fini(&kept);
    return code;
}
