/* xray_dec: see the header. Spans take their places in the batch as their objects begin; who is whose parent is noted
 * by place and becomes an id at the end, because the id may stand behind the children.
 *
 * Invariant: a document that is refused leaves the batch as it was, but for memory of the pool. Times are read from the
 * digits, not by way of a double: a double has 0.2 us at today's dates.
 * Rejected: reading each object twice, ids first (quadratic in the depth).
 */
#include "wire/xray_dec.h"

#include <string.h>

#include "base/hex.h"
#include "model/text.h"
#include "wire/xray_parts_dec.h"

static const struct tw_text nothing = {"", 0};

bool tw__xray_read_trace_id(struct tw_text text, uint8_t id[16])
{
    if (text.len == 32) return tw__hex_dec(text.ptr, id, 16) && !tw__all_zero(id, 16);
    return text.len == 35 && memcmp(text.ptr, "1-", 2) == 0 && text.ptr[10] == '-' &&
           tw__hex_dec(text.ptr + 2, id, 4) && tw__hex_dec(text.ptr + 11, id + 4, 12) && !tw__all_zero(id, 16);
}

int tw__xray_read_time(struct tw__json_in *in, uint64_t *ns, bool *found)
{
    return tw__json_in_scaled(in, 9, ns, found);
}

static int read_part(struct tw__json_in *in, struct tw__xray_doc_in *doc, uint32_t parent);

struct children {
    struct tw__xray_doc_in *doc;
    uint32_t parent;
};

static int child(struct tw__json_in *in, void *target)
{
    const struct children *children = target;
    if (tw__json_in_peek(in) != TW__JSON_OBJECT) return tw__json_in_skip(in);
    return read_part(in, children->doc, children->parent);
}

static int read_children(struct tw__json_in *in, struct tw__xray_part_in *part)
{
    struct children children = {part->doc, (uint32_t)(part->index - part->doc->first)};
    return tw__json_in_list(in, child, &children);
}

/* What only the outermost object says. */
static int read_outermost(struct tw__json_in *in, struct tw__xray_part_in *part, bool *taken)
{
    struct tw_text text = nothing;
    struct tw__json_reader *json = &in->json;
    bool found;
    int code;
    *taken = true;
    if (tw__json_is(json, "trace_id")) {
        code = tw__json_in_text(in, &text);
        part->doc->has_trace = tw__xray_read_trace_id(text, part->doc->trace_id);
        return code;
    }
    if (tw__json_is(json, "parent_id")) return tw__json_in_hex(in, part->span.parent_id, 8, &found);
    if (tw__json_is(json, "type")) {
        code = tw__json_in_text(in, &text);
        part->doc->is_subsegment = tw__text_is(text, "subsegment");
        return code;
    }
    if (tw__json_is(json, "service")) return tw__xray_read_service(in, part);
    if (tw__json_is(json, "origin")) return tw__xray_read_origin(in, part);
    *taken = false;
    return 0;
}

static int part_member(struct tw__json_in *in, void *target)
{
    static const struct {
        const char *name;
        tw__json_in_fn *read;
    } parts[] = {{"http", tw__xray_read_http},
                 {"sql", tw__xray_read_sql},
                 {"aws", tw__xray_read_aws},
                 {"cause", tw__xray_read_cause},
                 {"annotations", tw__xray_read_annotations},
                 {"metadata", tw__xray_read_metadata},
                 {"links", tw__xray_read_links},
                 {"precursor_ids", tw__xray_read_precursors}};
    struct tw__xray_part_in *part = target;
    const struct tw__json_reader *json = &in->json;
    bool taken = false;
    if (tw__json_is(json, "id")) return tw__json_in_hex(in, part->span.span_id, 8, &part->has_id);
    if (tw__json_is(json, "name")) return tw__json_in_text(in, &part->span.name);
    if (tw__json_is(json, "start_time")) return tw__xray_read_time(in, &part->span.start_ns, &part->has_start);
    if (tw__json_is(json, "end_time")) return tw__xray_read_time(in, &part->span.end_ns, &part->has_end);
    if (tw__json_is(json, "in_progress")) return tw__json_in_bool(in, &part->in_progress);
    if (tw__json_is(json, "subsegments")) return read_children(in, part);
    if (tw__json_is(json, "error")) return tw__json_in_bool(in, &part->error);
    if (tw__json_is(json, "fault")) return tw__json_in_bool(in, &part->fault);
    if (tw__json_is(json, "throttle")) return tw__json_in_bool(in, &part->throttle);
    if (tw__json_is(json, "namespace")) return tw__json_in_text(in, &part->space);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (tw__json_is(json, parts[i].name)) return parts[i].read(in, part);
    if (tw__json_is(json, "user")) return tw__json_in_tag(in, &part->tags, (struct tw_text){"enduser.id", 10});
    if (tw__json_is(json, "resource_arn"))
        return tw__json_in_tag(in, &part->tags, (struct tw_text){"aws.xray.resource_arn", 21});
    int code = part->embedded ? 0 : read_outermost(in, part, &taken);
    return taken || code < 0 ? code : tw__json_in_skip(in);
}

static int flag(struct tw__pool *pool, struct tw__xray_part_in *part, const char *key, bool is_set)
{
    const struct tw_tag_value tag = {.key = {key, strlen(key)}, .type = TW_TYPE_BOOL, .value.u = 1, .text = nothing};
    if (!is_set) return 0;
    part->span.status = TW_STATUS_ERROR;
    return tw__tag_list_add(pool, &part->tags, &tag);
}

static uint8_t kind_of(const struct tw__xray_part_in *part)
{
    if (part->embedded || part->doc->is_subsegment)
        return tw__text_is(part->space, "remote") || tw__text_is(part->space, "aws") ? TW_KIND_CLIENT
                                                                                     : TW_KIND_INTERNAL;
    return part->requested || !tw__all_zero(part->span.parent_id, 8) ? TW_KIND_SERVER : TW_KIND_INTERNAL;
}

static int finish_part(struct tw__json_in *in, struct tw__xray_part_in *part)
{
    struct tw__span *span = &part->span;
    int code = flag(in->pool, part, "error", part->error);
    if (code == 0) code = flag(in->pool, part, "fault", part->fault);
    if (code == 0) code = flag(in->pool, part, "throttle", part->throttle);
    if (code == 0 && part->space.len)
        code = tw__tag_list_text(in->pool, &part->tags, "aws.xray.namespace", part->space);
    if (code < 0) return code;
    if (span->status != TW_STATUS_ERROR) span->status_message = nothing;
    span->open = part->in_progress || !part->has_end;
    if (span->open) span->end_ns = 0;
    span->kind = kind_of(part);
    span->tags = part->tags.items;
    span->tag_count = (uint32_t)part->tags.count;
    span->dropped_tags = part->tags.dropped;
    span->events = part->events;
    span->links = part->links;
    for (uint32_t i = 0; i < span->event_count; i++)
        if (part->events[i].time_ns == 0) part->events[i].time_ns = span->open ? span->start_ns : span->end_ns;
    bool whole = part->has_id && part->has_start && span->name.len && !tw__all_zero(span->span_id, 8);
    if (!whole) memset(span->span_id, 0, sizeof span->span_id);
    if (!whole && !part->embedded) return TW_ERR_SYNTAX;
    uint32_t resource = part->doc->spans->items[part->index].resource;
    part->doc->spans->items[part->index] = *span;
    part->doc->spans->items[part->index].resource = resource;
    return 0;
}

static int read_part(struct tw__json_in *in, struct tw__xray_doc_in *doc, uint32_t parent)
{
    struct tw__spans *spans = doc->spans;
    struct tw__xray_part_in part = {.doc = doc, .index = spans->count, .embedded = parent != UINT32_MAX};
    if (doc->depth == TW__XRAY_DEPTH_MAX) return TW_ERR_SPACE;
    if (!tw__spans_add(spans, (uint32_t)spans->resource_count - 1, 0)) return TW_ERR_MEMORY;
    if (tw__pool_grow(in->pool, &doc->parents, part.index - doc->first, &doc->parent_cap, sizeof *doc->parents) < 0)
        return TW_ERR_MEMORY;
    doc->parents[part.index - doc->first] = parent;
    part.span = (struct tw__span){.name = nothing,
                                  .status_message = nothing,
                                  .trace_state = nothing,
                                  .door = TW__DOOR_XRAY,
                                  .flags = TW_FLAG_SAMPLED};
    part.tags.limit = TW__XRAY_TAGS_MAX;
    part.space = nothing;
    doc->depth++;
    int code = tw__json_in_object(in, part_member, &part);
    doc->depth--;
    return code < 0 ? code : finish_part(in, &part);
}

/* Ids of parents and traces; who has no id is taken out. */
static void link_parts(struct tw__xray_doc_in *doc)
{
    struct tw__spans *spans = doc->spans;
    struct tw__span *items = spans->items + doc->first;
    size_t count = spans->count - doc->first, kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t parent = doc->parents[i];
        while (parent != UINT32_MAX && tw__all_zero(items[parent].span_id, 8)) parent = doc->parents[parent];
        if (parent != UINT32_MAX) memcpy(items[i].parent_id, items[parent].span_id, 8);
        memcpy(items[i].trace_id, doc->trace_id, 16);
        struct tw__span_link *links = (struct tw__span_link *)(uintptr_t)items[i].links; /* ours until we return */
        for (uint32_t l = 0; l < items[i].link_count; l++)
            if (tw__all_zero(links[l].trace_id, 16)) memcpy(links[l].trace_id, doc->trace_id, 16);
    }
    for (size_t i = 0; i < count; i++) {
        if (tw__all_zero(items[i].span_id, 8))
            doc->left_out++;
        else
            items[kept++] = items[i];
    }
    spans->count = doc->first + kept;
}

static bool same_sender(const struct tw__resource *a, const struct tw__resource *b)
{
    if (a->tag_count != b->tag_count || !tw__text_same(a->service, b->service)) return false;
    for (uint32_t i = 0; i < a->tag_count; i++)
        if (!tw__text_same(a->tags[i].key, b->tags[i].key) || a->tags[i].type != b->tags[i].type ||
            a->tags[i].type != TW_TYPE_STR || !tw__text_same(a->tags[i].text, b->tags[i].text))
            return false;
    return true;
}

/* Documents of one process come in a row: the resource before is used again where it is the same. */
static int set_sender(struct tw__xray_doc_in *doc, struct tw__xray_found *found, struct tw_text service)
{
    struct tw__spans *spans = doc->spans;
    struct tw__resource *resource = &spans->resources[spans->resource_count - 1];
    bool ours = tw__text_is(doc->sdk, "Trackway");
    if (!doc->is_subsegment) service = ours && doc->service.len ? doc->service : spans->items[doc->first].name;
    if (service.len == 0) service = (struct tw_text){"xray", 4};
    int code = tw__tag_list_text(&spans->pool, &doc->resource_tags, "service.name", service);
    bool named = doc->service.len && !tw__text_is(doc->service, "unknown") && !ours;
    if (code == 0 && named)
        code = tw__tag_list_text(&spans->pool, &doc->resource_tags, "aws.xray.service.name", doc->service);
    if (code < 0) return code;
    resource->service = service;
    resource->tags = doc->resource_tags.items;
    resource->tag_count = (uint32_t)doc->resource_tags.count;
    resource->dropped_tags = doc->resource_tags.dropped;
    if (!doc->is_subsegment) found->segment = service;
    if (spans->resource_count < 2 || !same_sender(resource - 1, resource)) return 0;
    spans->resource_count--;
    for (size_t i = doc->first; i < spans->count; i++) spans->items[i].resource--;
    return 0;
}

int tw__xray_dec(struct tw__spans *spans, const void *bytes, size_t len, struct tw_text service,
                 struct tw__xray_found *found)
{
    struct tw__json_in in;
    struct tw__xray_doc_in doc = {.spans = spans, .first = spans->count, .service = nothing, .sdk = nothing};
    size_t resources = spans->resource_count;
    *found = (struct tw__xray_found){.segment = nothing};
    doc.resource_tags.limit = TW__XRAY_TAGS_MAX;
    int code = tw__json_in_begin(&in, &spans->pool, bytes, len);
    if (code == 0 && tw__spans_add_resource(spans, &(struct tw__resource){.service = {"?", 1}}) == UINT32_MAX)
        code = TW_ERR_MEMORY;
    if (code == 0) code = tw__json_in_peek(&in) == TW__JSON_OBJECT ? read_part(&in, &doc, UINT32_MAX) : TW_ERR_SYNTAX;
    if (code == 0) code = tw__json_in_end(&in);
    if (code == 0 && !doc.has_trace) code = TW_ERR_SYNTAX;
    if (code == 0) link_parts(&doc);
    if (code == 0) code = set_sender(&doc, found, service);
    if (code < 0) {
        spans->count = doc.first;
        spans->resource_count = resources;
        found->why = in.json.why             ? in.json.why
                     : code == TW_ERR_SYNTAX ? "a segment needs trace_id, id, name and start_time"
                     : code == TW_ERR_SPACE  ? "subsegments lie too deep in one another"
                                             : "out of memory";
        found->error_at = in.json.why ? in.json.error_at : 0;
    }
    found->left_out = doc.left_out;
    tw__buf_fini(&doc.text);
    tw__json_in_fini(&in);
    return code;
}

struct header {
    struct tw_text format;
    uint64_t version;
};

static int header_member(struct tw__json_in *in, void *target)
{
    struct header *header = target;
    if (tw__json_is(&in->json, "format")) return tw__json_in_text(in, &header->format);
    return tw__json_is(&in->json, "version") ? tw__json_in_scaled(in, 0, &header->version, NULL) : tw__json_in_skip(in);
}

static bool is_json(struct tw_text text)
{
    static const char word[] = "json";
    if (text.len != 4) return false;
    for (size_t i = 0; i < 4; i++)
        if ((text.ptr[i] | 32) != word[i]) return false;
    return true;
}

int tw__xray_dec_datagram(struct tw__spans *spans, const void *bytes, size_t len, struct tw_text service,
                          struct tw__xray_found *found)
{
    const char *text = bytes, *line = len ? memchr(text, '\n', len) : NULL;
    struct header header = {.format = nothing};
    size_t head = line ? (size_t)(line - text) : 0;
    *found = (struct tw__xray_found){.segment = nothing,
                                     .why = "no line {\"format\":\"json\",\"version\":1} before the document"};
    if (!line || head > 1024) return TW_ERR_SYNTAX;
    int code = tw__json_in_whole(&spans->pool, (struct tw_text){text, head}, header_member, &header);
    if (code == TW_ERR_MEMORY) return code;
    if (code < 0 || !is_json(header.format) || header.version != 1) return TW_ERR_SYNTAX;
    code = tw__xray_dec(spans, line + 1, len - head - 1, service, found);
    if (code < 0) found->error_at += head + 1;
    return code;
}
