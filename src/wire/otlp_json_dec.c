/* otlp_json: OpenTelemetry's JSON form, read with the pull reader as it comes.
 *
 * Members come in any order, and spans are handed on before the whole text is read: when spans come before their
 * resource or scope, the reader is copied, the rest looked through for it, and reading goes on where it stood.
 *
 * Invariant: texts point into the request, or into a pool when they had escapes.
 * Limits: those of the header; a text with escapes is at most SCRATCH_MAX bytes; KEPT_MAX bytes for all resources and
 * scopes of a request.
 */
#include "wire/otlp_dec.h"
#include "wire/otlp_json_in.h"
#include "wire/otlp_value.h"

enum { SCRATCH_MAX = 1 << 20, KEPT_MAX = 32 << 20 };

static const struct tw_text nothing = {"", 0};

static uint32_t sum(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* -- parts of spans */

struct event_reading {
    struct tw__span_event event;
    struct tw__otlp_json_tags tags;
};

static int event_member(struct tw__otlp_json_in *r, void *target)
{
    struct event_reading *reading = target;
    if (tw__json_is(&r->json, "timeUnixNano")) return tw__otlp_json_unsigned(r, &reading->event.time_ns);
    if (tw__json_is(&r->json, "name")) return tw__otlp_json_text(r, &reading->event.name);
    if (tw__json_is(&r->json, "attributes")) return tw__otlp_json_list(r, tw__otlp_json_tag, &reading->tags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? tw__otlp_json_small(r, &reading->event.dropped_tags)
                                                           : tw__otlp_json_skip(r);
}

struct link_reading {
    struct tw__span_link link;
    struct tw__otlp_json_tags tags;
};

static int link_member(struct tw__otlp_json_in *r, void *target)
{
    struct link_reading *reading = target;
    struct tw__span_link *link = &reading->link;
    size_t len;
    if (tw__json_is(&r->json, "traceId")) return tw__otlp_json_id(r, link->trace_id, sizeof link->trace_id, &len);
    if (tw__json_is(&r->json, "spanId")) return tw__otlp_json_id(r, link->span_id, sizeof link->span_id, &len);
    if (tw__json_is(&r->json, "traceState")) return tw__otlp_json_text(r, &link->trace_state);
    if (tw__json_is(&r->json, "attributes")) return tw__otlp_json_list(r, tw__otlp_json_tag, &reading->tags);
    if (tw__json_is(&r->json, "flags")) return tw__otlp_json_small(r, &link->flags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? tw__otlp_json_small(r, &link->dropped_tags)
                                                           : tw__otlp_json_skip(r);
}

struct span_reading {
    struct tw__span span;
    struct tw__otlp_json_tags tags;
    struct tw__span_event *events;
    struct tw__span_link *links;
    size_t event_cap, link_cap, trace_len, span_len, parent_len;
};

static int event_element(struct tw__otlp_json_in *r, void *target)
{
    struct span_reading *span = target;
    struct event_reading reading = {.event = {.kind = TW_RECORD_EVENT, .name = nothing},
                                    .tags = {.limit = TW__OTLP_PART_TAGS_MAX}};
    int code = tw__otlp_json_members(r, event_member, &reading);
    if (code < 0) return code;
    if (span->span.event_count == TW__OTLP_PARTS_MAX) {
        span->span.dropped_events = sum(span->span.dropped_events, 1);
        return 0;
    }
    if (tw__pool_grow(r->pool, &span->events, span->span.event_count, &span->event_cap, sizeof reading.event) < 0)
        return TW_ERR_MEMORY;
    reading.event.tags = reading.tags.items;
    reading.event.tag_count = (uint32_t)reading.tags.count;
    reading.event.dropped_tags = sum(reading.event.dropped_tags, reading.tags.dropped);
    span->events[span->span.event_count++] = reading.event;
    return 0;
}

static int link_element(struct tw__otlp_json_in *r, void *target)
{
    struct span_reading *span = target;
    struct link_reading reading = {.link = {.trace_state = nothing}, .tags = {.limit = TW__OTLP_PART_TAGS_MAX}};
    int code = tw__otlp_json_members(r, link_member, &reading);
    if (code < 0) return code;
    if (span->span.link_count == TW__OTLP_PARTS_MAX) {
        span->span.dropped_links = sum(span->span.dropped_links, 1);
        return 0;
    }
    if (tw__pool_grow(r->pool, &span->links, span->span.link_count, &span->link_cap, sizeof reading.link) < 0)
        return TW_ERR_MEMORY;
    reading.link.tags = reading.tags.items;
    reading.link.tag_count = (uint32_t)reading.tags.count;
    reading.link.dropped_tags = sum(reading.link.dropped_tags, reading.tags.dropped);
    span->links[span->span.link_count++] = reading.link;
    return 0;
}

static int status_member(struct tw__otlp_json_in *r, void *target)
{
    static const char *const names[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};
    struct tw__span *span = target;
    uint64_t code = 0;
    if (tw__json_is(&r->json, "message")) return tw__otlp_json_text(r, &span->status_message);
    if (!tw__json_is(&r->json, "code")) return tw__otlp_json_skip(r);
    int result = tw__otlp_json_enum(r, names, 3, &code);
    span->status = code == 1 ? TW_STATUS_OK : code == 2 ? TW_STATUS_ERROR : TW_STATUS_UNSET;
    return result;
}

static int kind_of(struct tw__otlp_json_in *r, struct tw__span *span)
{
    static const char *const names[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
                                        "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
    uint64_t kind = 0;
    int code = tw__otlp_json_enum(r, names, 6, &kind);
    span->kind = tw__otlp_kind(kind);
    return code;
}

static int rare_member(struct tw__otlp_json_in *r, struct span_reading *reading)
{
    struct tw__span *span = &reading->span;
    uint32_t dropped = 0;
    int code;
    if (tw__json_is(&r->json, "traceState")) return tw__otlp_json_text(r, &span->trace_state);
    if (tw__json_is(&r->json, "flags")) return tw__otlp_json_small(r, &span->flags);
    if (tw__json_is(&r->json, "droppedAttributesCount")) return tw__otlp_json_small(r, &span->dropped_tags);
    if (tw__json_is(&r->json, "droppedEventsCount")) {
        code = tw__otlp_json_small(r, &dropped);
        span->dropped_events = sum(span->dropped_events, dropped);
        return code;
    }
    if (!tw__json_is(&r->json, "droppedLinksCount")) return tw__otlp_json_skip(r);
    code = tw__otlp_json_small(r, &dropped);
    span->dropped_links = sum(span->dropped_links, dropped);
    return code;
}

static int span_member(struct tw__otlp_json_in *r, void *target)
{
    struct span_reading *reading = target;
    struct tw__span *span = &reading->span;
    if (tw__json_is(&r->json, "traceId"))
        return tw__otlp_json_id(r, span->trace_id, sizeof span->trace_id, &reading->trace_len);
    if (tw__json_is(&r->json, "spanId"))
        return tw__otlp_json_id(r, span->span_id, sizeof span->span_id, &reading->span_len);
    if (tw__json_is(&r->json, "parentSpanId"))
        return tw__otlp_json_id(r, span->parent_id, sizeof span->parent_id, &reading->parent_len);
    if (tw__json_is(&r->json, "name")) return tw__otlp_json_text(r, &span->name);
    if (tw__json_is(&r->json, "kind")) return kind_of(r, span);
    if (tw__json_is(&r->json, "startTimeUnixNano")) return tw__otlp_json_unsigned(r, &span->start_ns);
    if (tw__json_is(&r->json, "endTimeUnixNano")) return tw__otlp_json_unsigned(r, &span->end_ns);
    if (tw__json_is(&r->json, "attributes")) return tw__otlp_json_list(r, tw__otlp_json_tag, &reading->tags);
    if (tw__json_is(&r->json, "events")) return tw__otlp_json_list(r, event_element, reading);
    if (tw__json_is(&r->json, "links")) return tw__otlp_json_list(r, link_element, reading);
    if (tw__json_is(&r->json, "status")) return tw__otlp_json_object(r, status_member, span);
    return rare_member(r, reading);
}

/* -- groups */

struct group {
    struct tw__resource resource;
    struct tw__scope scope;
    struct tw__otlp_json_tags resource_tags, scope_tags;
    bool resource_seen, scope_seen;
    uint32_t resource_index, scope_index; /* UINT32_MAX: not in this batch yet */
};

static int place(struct tw__otlp_json_in *r, struct group *group)
{
    struct tw__spans *spans = r->dec->spans;
    if (group->resource_index == UINT32_MAX) {
        group->resource.tags = group->resource_tags.items;
        group->resource.tag_count = (uint32_t)group->resource_tags.count;
        group->resource_index = tw__spans_add_resource(spans, &group->resource);
    }
    if (group->scope_index == UINT32_MAX) {
        group->scope.tags = group->scope_tags.items;
        group->scope.tag_count = (uint32_t)group->scope_tags.count;
        group->scope_index = tw__spans_add_scope(spans, &group->scope);
    }
    return group->resource_index == UINT32_MAX || group->scope_index == UINT32_MAX ? TW_ERR_MEMORY : 0;
}

static int span_element(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    struct span_reading reading = {.tags = {.limit = TW__OTLP_TAGS_MAX}};
    reading.span = (struct tw__span){
        .name = nothing, .status_message = nothing, .trace_state = nothing, .kind = TW__KIND_UNSPECIFIED};
    r->pool = &r->dec->spans->pool;
    int code = tw__otlp_json_members(r, span_member, &reading);
    r->pool = &r->dec->kept;
    if (code < 0) return code;
    if (!tw__otlp_dec_finish(r->dec, &reading.span, reading.trace_len, reading.span_len, reading.parent_len)) return 0;
    if (place(r, group) < 0) return TW_ERR_MEMORY;
    struct tw__span *span = tw__spans_add(r->dec->spans, group->resource_index, group->scope_index);
    if (!span) return TW_ERR_MEMORY;
    *span = reading.span;
    span->resource = group->resource_index;
    span->scope = group->scope_index;
    span->door = (uint8_t)r->dec->door;
    span->tags = reading.tags.items;
    span->tag_count = (uint32_t)reading.tags.count;
    span->dropped_tags = sum(span->dropped_tags, reading.tags.dropped);
    span->events = reading.events;
    span->links = reading.links;
    code = tw__otlp_dec_flush(r->dec, false);
    if (r->dec->spans->count == 0) group->resource_index = group->scope_index = UINT32_MAX;
    return code;
}

static int scope_inner(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "name")) return tw__otlp_json_text(r, &group->scope.name);
    if (tw__json_is(&r->json, "version")) return tw__otlp_json_text(r, &group->scope.version);
    if (tw__json_is(&r->json, "attributes")) return tw__otlp_json_list(r, tw__otlp_json_tag, &group->scope_tags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? tw__otlp_json_small(r, &group->scope.dropped_tags)
                                                           : tw__otlp_json_skip(r);
}

static int resource_inner(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "attributes")) return tw__otlp_json_list(r, tw__otlp_json_tag, &group->resource_tags);
    return tw__json_is(&r->json, "droppedAttributesCount") ? tw__otlp_json_small(r, &group->resource.dropped_tags)
                                                           : tw__otlp_json_skip(r);
}

static int scope_head(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "schemaUrl")) return tw__otlp_json_text(r, &group->scope.schema_url);
    if (!tw__json_is(&r->json, "scope") || group->scope_seen) return tw__otlp_json_skip(r);
    group->scope_seen = true;
    return tw__otlp_json_object(r, scope_inner, group);
}

static int resource_head(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    if (tw__json_is(&r->json, "schemaUrl")) return tw__otlp_json_text(r, &group->resource.schema_url);
    if (!tw__json_is(&r->json, "resource") || group->resource_seen) return tw__otlp_json_skip(r);
    group->resource_seen = true;
    return tw__otlp_json_object(r, resource_inner, group);
}

/* Looks through the rest of the object for what should have come first, and goes back. */
static int look_ahead(struct tw__otlp_json_in *r, tw__otlp_json_fn *head, struct group *group)
{
    struct tw__json_reader before = r->json;
    int code = tw__otlp_json_skip(r);
    if (code == 0) code = tw__otlp_json_members(r, head, group);
    r->json = before;
    return code;
}

static int scope_spans_member(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    if (!tw__json_is(&r->json, "spans")) return scope_head(r, group);
    int code = group->scope_seen ? 0 : look_ahead(r, scope_head, group);
    return code < 0 ? code : tw__otlp_json_list(r, span_element, group);
}

static int scope_spans_element(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    group->scope = (struct tw__scope){.name = nothing, .version = nothing, .schema_url = nothing};
    group->scope_tags = (struct tw__otlp_json_tags){.limit = TW__OTLP_TAGS_MAX};
    group->scope_seen = false;
    group->scope_index = UINT32_MAX;
    return tw__otlp_json_members(r, scope_spans_member, group);
}

static int group_member(struct tw__otlp_json_in *r, void *target)
{
    struct group *group = target;
    if (!tw__json_is(&r->json, "scopeSpans")) return resource_head(r, group);
    int code = group->resource_seen ? 0 : look_ahead(r, resource_head, group);
    return code < 0 ? code : tw__otlp_json_list(r, scope_spans_element, group);
}

static int group_element(struct tw__otlp_json_in *r, void *target)
{
    struct group group = {.resource = {.service = nothing, .schema_url = nothing},
                          .resource_tags = {.limit = TW__OTLP_TAGS_MAX},
                          .resource_index = UINT32_MAX};
    (void)target;
    return tw__otlp_json_members(r, group_member, &group);
}

static int request_member(struct tw__otlp_json_in *r, void *target)
{
    (void)target;
    return tw__json_is(&r->json, "resourceSpans") ? tw__otlp_json_list(r, group_element, NULL) : tw__otlp_json_skip(r);
}

int tw__otlp_json_dec(struct tw__otlp_dec *dec, const void *bytes, size_t len)
{
    struct tw__otlp_json_in r = {.dec = dec, .pool = &dec->kept};
    dec->rejected = 0;
    dec->why = NULL;
    dec->kept.limit_bytes = KEPT_MAX;
    r.json = (struct tw__json_reader){.text = bytes, .len = len, .last = true, .lenience = TW__JSON_REPAIR};
    r.json.scratch_cap = len < SCRATCH_MAX ? len : SCRATCH_MAX;
    r.json.scratch = tw__pool_take(&dec->kept, r.json.scratch_cap, 1);
    int code = r.json.scratch ? tw__otlp_json_object(&r, request_member, NULL) : TW_ERR_MEMORY;
    if (code == 0 && tw__json_read(&r.json) != TW__JSON_DONE) code = TW_ERR_SYNTAX;
    if (code == TW_ERR_SYNTAX) {
        dec->why = r.json.why ? r.json.why : "a value has not the type that its name asks for";
        dec->error_at = r.json.why ? r.json.error_at : r.json.from;
    }
    if (code == 0) code = tw__otlp_dec_flush(dec, true);
    tw__spans_reset(dec->spans);
    tw__pool_reset(&dec->kept);
    return code;
}
