/* zipkin_dec: from a Zipkin span to ours; the forms are in zipkin_json_dec.c and zipkin_pb_dec.c.
 *
 * Why the client's half keeps the shared id: it is often not known to be shared when it comes, the server's half always
 * is.
 * Invariant: the id of a server's half is never zero, and depends on the shared id alone.
 */
#include "wire/zipkin_dec.h"

#include <string.h>

#include "base/be64.h"
#include "base/hex.h"
#include "model/text.h"
#include "wire/span.h"
#include "wire/zipkin_parts_dec.h"

static const struct tw_text nothing = {"", 0};
static const char shared_key[] = "zipkin.shared";

void tw__zipkin_span_init(struct tw__zipkin_span *span)
{
    const struct tw__zipkin_endpoint nobody = {.service = nothing, .ip = nothing};
    *span = (struct tw__zipkin_span){
        .name = nothing, .local = nobody, .remote = nobody, .server = nobody, .client = nobody};
    span->kind = TW__KIND_UNSPECIFIED;
    span->tags.limit = TW__ZIPKIN_TAGS_MAX;
}

static uint64_t ns_of(uint64_t us)
{
    return us > UINT64_MAX / 1000 ? UINT64_MAX : us * 1000;
}

int tw__zipkin_span_event(struct tw__pool *pool, struct tw__zipkin_span *span, uint64_t us, struct tw_text value)
{
    if (span->event_count == TW__ZIPKIN_EVENTS_MAX) {
        span->dropped_events++;
        return 0;
    }
    if (tw__pool_grow(pool, &span->events, span->event_count, &span->event_cap, sizeof *span->events) < 0)
        return TW_ERR_MEMORY;
    span->events[span->event_count++] =
        (struct tw__span_event){.time_ns = ns_of(us), .name = value, .kind = TW_RECORD_EVENT};
    return 0;
}

/* -- senders */

static int add_port(struct tw__pool *pool, struct tw__tag_list *tags, const char *key, uint64_t port)
{
    struct tw_tag_value tag = {.key = {key, strlen(key)}, .type = TW_TYPE_INT, .text = nothing};
    tag.value.i = port > INT64_MAX ? INT64_MAX : (int64_t)port;
    return port ? tw__tag_list_add(pool, tags, &tag) : 0;
}

static int endpoint_tags(struct tw__pool *pool, struct tw__tag_list *tags, const struct tw__zipkin_endpoint *endpoint,
                         const char *const keys[3])
{
    int code = endpoint->service.len ? tw__tag_list_text(pool, tags, keys[0], endpoint->service) : 0;
    if (code == 0 && endpoint->ip.len) code = tw__tag_list_text(pool, tags, keys[1], endpoint->ip);
    return code < 0 ? code : add_port(pool, tags, keys[2], endpoint->port);
}

/* Spans of one sender come in a row: the last resources are looked at before another is made. */
static uint32_t resource_of(struct tw__spans *spans, const struct tw__zipkin_endpoint *local)
{
    static const char *const keys[] = {"service.name", "host.ip", "host.port"};
    struct tw__tag_list tags = {.limit = 3};
    size_t looked = 0;
    if (endpoint_tags(&spans->pool, &tags, local, keys) < 0) return UINT32_MAX;
    for (size_t i = spans->resource_count; i-- > 0 && looked < 32; looked++) {
        const struct tw__resource *known = &spans->resources[i];
        bool same = known->tag_count == tags.count;
        for (size_t t = 0; same && t < tags.count; t++)
            same = tw__text_same(known->tags[t].key, tags.items[t].key) && known->tags[t].type == tags.items[t].type &&
                   tw__text_same(known->tags[t].text, tags.items[t].text) &&
                   known->tags[t].value.u == tags.items[t].value.u;
        if (same) return (uint32_t)i;
    }
    return tw__spans_add_resource(
        spans,
        &(struct tw__resource){.service = local->service, .tags = tags.items, .tag_count = (uint32_t)tags.count});
}

/* -- tags that are more */

static void take_status(struct tw__span *span, struct tw__tag_list *tags)
{
    const struct tw_tag_value *code = tw__tag_find(tags->items, tags->count, "otel.status_code");
    const struct tw_tag_value *error = tw__tag_find(tags->items, tags->count, "error");
    bool failed = error && !(error->type == TW_TYPE_BOOL && !error->value.u) && !tw__text_is(error->text, "false");
    if (failed) span->status = TW_STATUS_ERROR;
    if (failed && error->type == TW_TYPE_STR && !tw__text_is(error->text, "true")) span->status_message = error->text;
    if (!code) return;
    if (tw__text_is(code->text, "ERROR")) span->status = TW_STATUS_ERROR;
    if (tw__text_is(code->text, "OK")) span->status = TW_STATUS_OK;
    if (span->status == TW_STATUS_UNSET) return;
    size_t at = (size_t)(code - tags->items);
    memmove(&tags->items[at], &tags->items[at + 1], (tags->count - at - 1) * sizeof *tags->items);
    tags->count--;
}

static int add_flag(struct tw__pool *pool, struct tw__tag_list *tags, const char *key, bool is_set)
{
    struct tw_tag_value tag = {.key = {key, strlen(key)}, .type = TW_TYPE_BOOL, .value.u = 1, .text = nothing};
    return is_set ? tw__tag_list_add(pool, tags, &tag) : 0;
}

/* The id of the server's half. */
static void derive(const uint8_t id[8], uint8_t out[8])
{
    uint64_t x = tw__be64(id) + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    if (x == 0) x = 1;
    tw__be64_put(x, out);
}

static int add_one(struct tw__zipkin_dec *dec, struct tw__zipkin_span *in)
{
    static const char *const keys[] = {"peer.service", "network.peer.address", "network.peer.port"};
    struct tw__spans *spans = dec->spans;
    struct tw__span span = {.name = in->name, .status_message = nothing, .trace_state = nothing, .kind = in->kind};
    take_status(&span, &in->tags);
    int code = endpoint_tags(&spans->pool, &in->tags, &in->remote, keys);
    if (code == 0) code = add_flag(&spans->pool, &in->tags, shared_key, in->shared);
    if (code == 0) code = add_flag(&spans->pool, &in->tags, "zipkin.debug", in->debug);
    span.resource = code == 0 ? resource_of(spans, &in->local) : UINT32_MAX;
    struct tw__span *added = span.resource == UINT32_MAX ? NULL : tw__spans_add(spans, span.resource, 0);
    if (!added) return TW_ERR_MEMORY;
    memcpy(span.trace_id, in->trace_id, 16);
    memcpy(span.span_id, in->id, 8);
    memcpy(span.parent_id, in->parent_id, 8);
    if (in->shared) {
        memcpy(span.parent_id, in->id, 8);
        derive(in->id, span.span_id);
    }
    span.start_ns = ns_of(in->timestamp_us);
    span.open = !in->has_duration;
    if (!span.open) span.end_ns = span.start_ns + ns_of(in->duration_us);
    if (!span.open && span.end_ns < span.start_ns) span.end_ns = UINT64_MAX;
    span.door = TW__DOOR_ZIPKIN;
    span.flags = TW_FLAG_SAMPLED;
    span.tags = in->tags.items;
    span.tag_count = (uint32_t)in->tags.count;
    span.dropped_tags = in->tags.dropped;
    span.events = in->events;
    span.event_count = in->event_count;
    span.dropped_events = in->dropped_events;
    *added = span;
    return 0;
}

/* -- version 1 */

/* Times of one side from its core annotations. */
static void times_of(struct tw__zipkin_span *span, enum tw__zipkin_core begin, enum tw__zipkin_core end)
{
    span->has_timestamp = span->cores[begin].there;
    span->timestamp_us = span->cores[begin].us;
    span->has_duration =
        span->cores[begin].there && span->cores[end].there && span->cores[end].us >= span->cores[begin].us;
    span->duration_us = span->has_duration ? span->cores[end].us - span->cores[begin].us : 0;
}

static const struct tw__zipkin_endpoint *endpoint_of(const struct tw__zipkin_span *span, enum tw__zipkin_core a,
                                                     enum tw__zipkin_core b)
{
    return span->cores[a].there ? &span->cores[a].endpoint : &span->cores[b].endpoint;
}

/* Kind, sides and times from the core annotations. Returns whether the span is both sides at once: *server is the other
 * half. */
static bool take_cores(struct tw__zipkin_span *span, struct tw__zipkin_span *server)
{
    bool is_client = span->cores[TW__ZIPKIN_CS].there || span->cores[TW__ZIPKIN_CR].there;
    bool is_server = span->cores[TW__ZIPKIN_SR].there || span->cores[TW__ZIPKIN_SS].there;
    struct tw__zipkin_span whole = *span;
    if (is_client) {
        span->kind = TW_KIND_CLIENT;
        span->local = *endpoint_of(span, TW__ZIPKIN_CS, TW__ZIPKIN_CR);
        span->remote = is_server && span->server.service.len == 0 ? *endpoint_of(span, TW__ZIPKIN_SR, TW__ZIPKIN_SS)
                                                                  : span->server;
        if (!span->has_timestamp || (is_server && !span->has_duration)) times_of(span, TW__ZIPKIN_CS, TW__ZIPKIN_CR);
    } else if (is_server) {
        span->kind = TW_KIND_SERVER;
        span->local = *endpoint_of(span, TW__ZIPKIN_SR, TW__ZIPKIN_SS);
        span->remote = span->client;
        if (!span->has_timestamp) { /* who did not begin the span does not say when it began: it was the client's */
            times_of(span, TW__ZIPKIN_SR, TW__ZIPKIN_SS);
            span->shared = !tw__all_zero(span->parent_id, 8);
        }
    } else if (span->cores[TW__ZIPKIN_MS].there || span->cores[TW__ZIPKIN_MR].there) {
        bool sends = span->cores[TW__ZIPKIN_MS].there;
        span->kind = sends ? TW_KIND_PRODUCER : TW_KIND_CONSUMER;
        span->local = span->cores[sends ? TW__ZIPKIN_MS : TW__ZIPKIN_MR].endpoint;
        if (!span->has_timestamp) times_of(span, sends ? TW__ZIPKIN_MS : TW__ZIPKIN_MR, TW__ZIPKIN_MR);
    }
    if (!is_client || !is_server) return false;
    tw__zipkin_span_init(server);
    memcpy(server->trace_id, whole.trace_id, 16);
    memcpy(server->id, whole.id, 8);
    memcpy(server->cores, whole.cores, sizeof whole.cores);
    server->name = whole.name;
    server->kind = TW_KIND_SERVER;
    server->shared = true;
    server->debug = whole.debug;
    server->local = *endpoint_of(&whole, TW__ZIPKIN_SR, TW__ZIPKIN_SS);
    server->remote = whole.client;
    times_of(server, TW__ZIPKIN_SR, TW__ZIPKIN_SS);
    return true;
}

/* -- batches */

struct shared_half {
    const uint8_t *trace_id, *parent_id, *span_id;
    struct tw_text service;
};

static struct shared_half *find_half(struct shared_half *table, size_t cap, const uint8_t *trace_id, const uint8_t *id)
{
    size_t at = (size_t)(tw__be64(id) * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (cap - 1);
    while (table[at].span_id &&
           (memcmp(table[at].parent_id, id, 8) != 0 || memcmp(table[at].trace_id, trace_id, 16) != 0))
        at = (at + 1) & (cap - 1);
    return &table[at];
}

static bool is_half(const struct tw__span *span)
{
    return span->kind == TW_KIND_SERVER && tw__tag_find(span->tags, span->tag_count, shared_key) != NULL;
}

/* Children of a server that goes on with its client's id. */
static int move_children(struct tw__spans *spans)
{
    size_t count = 0, cap = 4;
    for (size_t i = 0; i < spans->count; i++) count += is_half(&spans->items[i]);
    if (count == 0) return 0;
    while (cap < 2 * count) cap *= 2;
    struct shared_half *table = tw__pool_zeroed(&spans->pool, cap, sizeof *table);
    if (!table) return TW_ERR_MEMORY;
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        if (!is_half(span)) continue;
        *find_half(table, cap, span->trace_id, span->parent_id) = (struct shared_half){
            span->trace_id, span->parent_id, span->span_id, spans->resources[span->resource].service};
    }
    for (size_t i = 0; i < spans->count; i++) {
        struct tw__span *span = &spans->items[i];
        if (is_half(span)) continue;
        const struct shared_half *half = find_half(table, cap, span->trace_id, span->parent_id);
        if (half->span_id && tw__text_same(half->service, spans->resources[span->resource].service))
            memcpy(span->parent_id, half->span_id, 8);
    }
    return 0;
}

static int flush(struct tw__zipkin_dec *dec)
{
    int code = move_children(dec->spans);
    if (code == 0 && dec->spans->count) code = dec->take(dec->data, dec->spans);
    tw__spans_reset(dec->spans);
    return code < 0 ? code : 0;
}

int tw__zipkin_finish(struct tw__zipkin_dec *dec)
{
    return flush(dec);
}

int tw__zipkin_add(struct tw__zipkin_dec *dec, struct tw__zipkin_span *span)
{
    struct tw__zipkin_span server;
    const struct tw__spans *spans = dec->spans;
    if (!span->has_trace || !span->has_id || tw__all_zero(span->trace_id, 16) || tw__all_zero(span->id, 8)) {
        dec->rejected++;
        return 0;
    }
    bool both = span->kind == TW__KIND_UNSPECIFIED && take_cores(span, &server);
    int code = add_one(dec, span);
    if (code == 0 && both) code = add_one(dec, &server);
    if (code < 0) return code;
    bool enough = spans->count >= TW__ZIPKIN_BATCH_SPANS || spans->pool.taken_bytes >= TW__ZIPKIN_BATCH_BYTES;
    return enough ? flush(dec) : 0;
}
