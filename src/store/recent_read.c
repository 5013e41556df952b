/* recent_read: rows of a table as spans of a batch.
 *
 * Resources and scopes come into the batch when the first span needs them. Texts are copied, each time:
 * what is recent is little, and the table goes away when it is sealed.
 */
#include <string.h>

#include "store/recent.h"
#include "store/store.h"

static const struct tw_text text_none = {"", 0};

static bool wanted(const struct tw__recent_reader *reader, struct tw_text key)
{
    for (size_t i = 0; i < reader->key_count; i++)
        if (reader->keys[i].len == key.len && memcmp(reader->keys[i].ptr, key.ptr, key.len) == 0) return true;
    return false;
}

static struct tw_text text_of(struct tw__recent_reader *reader, uint64_t string)
{
    struct tw_text text = reader->recent->strings[string];
    if (text.len == 0) return text_none;
    text.ptr = tw__pool_copy(&reader->out->pool, text.ptr, text.len);
    if (text.ptr) return text;
    reader->failed = true;
    return text_none;
}

static void read_tag(struct tw__recent_reader *reader, uint32_t field, const uint64_t *value, struct tw_tag_value *tag)
{
    *tag = (struct tw_tag_value){.key = text_of(reader, TW__FIELD_KEY(field)),
                                 .type = (enum tw_type)TW__FIELD_TYPE(field),
                                 .cut = TW__FIELD_CUT(field)};
    if (tag->type >= TW_TYPE_STR) {
        tag->text = text_of(reader, *value);
        tag->full_len = tag->cut ? value[1] : tag->text.len;
    } else {
        tag->value.u = *value;
        if (tag->cut) tag->full_len = value[1];
    }
}

/* all: whatever keys are wanted. */
static int read_tags(struct tw__recent_reader *reader, const struct tw__tag_list *list, bool all,
                     const struct tw_tag_value **tags, uint32_t *count)
{
    const struct tw__recent *recent = reader->recent;
    const struct tw__shape *shape = &recent->shapes[list->shape];
    if (shape->count == 0 || (!all && reader->key_count == 0)) return 0;
    struct tw_tag_value *out =
        tw__pool_take(&reader->out->pool, shape->count * sizeof *out, _Alignof(struct tw_tag_value));
    if (!out) return TW_ERR_MEMORY;
    uint32_t n = 0;
    const uint64_t *value = recent->values + list->values;
    for (size_t i = 0; i < shape->count; i++) {
        uint32_t field = recent->fields[shape->first + i];
        if (all || wanted(reader, recent->strings[TW__FIELD_KEY(field)])) read_tag(reader, field, value, &out[n++]);
        value += 1 + TW__FIELD_CUT(field);
    }
    *tags = out;
    *count = n;
    return 0;
}

static int read_resource(struct tw__recent_reader *reader, uint32_t id, uint32_t *out)
{
    const struct tw__recent *recent = reader->recent;
    if (reader->resources[id] == UINT32_MAX) {
        const struct tw__origin *origin = &recent->resources[id];
        struct tw__resource resource = {.service = text_of(reader, origin->name),
                                        .schema_url = text_of(reader, origin->schema_url),
                                        .dropped_tags = origin->dropped_tags};
        bool all = reader->parts & TW__PART_RESOURCES;
        if (read_tags(reader, &origin->tags, all, &resource.tags, &resource.tag_count) < 0) return TW_ERR_MEMORY;
        reader->resources[id] = tw__spans_add_resource(reader->out, &resource);
        if (reader->resources[id] == UINT32_MAX) return TW_ERR_MEMORY;
    }
    *out = reader->resources[id];
    return 0;
}

static int read_scope(struct tw__recent_reader *reader, uint32_t id, uint32_t *out)
{
    const struct tw__recent *recent = reader->recent;
    if (reader->scopes[id] == UINT32_MAX) {
        const struct tw__origin *origin = &recent->scopes[id];
        struct tw__scope scope = {.name = text_of(reader, origin->name),
                                  .version = text_of(reader, origin->version),
                                  .schema_url = text_of(reader, origin->schema_url),
                                  .dropped_tags = origin->dropped_tags};
        bool all = reader->parts & TW__PART_RESOURCES;
        if (read_tags(reader, &origin->tags, all, &scope.tags, &scope.tag_count) < 0) return TW_ERR_MEMORY;
        reader->scopes[id] = tw__spans_add_scope(reader->out, &scope);
        if (reader->scopes[id] == UINT32_MAX) return TW_ERR_MEMORY;
    }
    *out = reader->scopes[id];
    return 0;
}

static int read_events(struct tw__recent_reader *reader, const struct tw__row *row, struct tw__span *span)
{
    const struct tw__recent *recent = reader->recent;
    struct tw__span_event *events = tw__pool_zeroed(&reader->out->pool, row->event_count, sizeof *events);
    if (!events) return TW_ERR_MEMORY;
    for (size_t i = 0; i < row->event_count; i++) {
        const struct tw__event_row *in = &recent->events[row->first_event + i];
        events[i] = (struct tw__span_event){.time_ns = in->time_ns,
                                            .name = text_of(reader, in->name),
                                            .dropped_tags = in->dropped_tags,
                                            .kind = (enum tw_record_kind)in->kind};
        if (read_tags(reader, &in->tags, true, &events[i].tags, &events[i].tag_count) < 0) return TW_ERR_MEMORY;
    }
    span->events = events;
    span->event_count = row->event_count;
    return 0;
}

static int read_links(struct tw__recent_reader *reader, const struct tw__row *row, struct tw__span *span)
{
    const struct tw__recent *recent = reader->recent;
    struct tw__span_link *links = tw__pool_zeroed(&reader->out->pool, row->link_count, sizeof *links);
    if (!links) return TW_ERR_MEMORY;
    for (size_t i = 0; i < row->link_count; i++) {
        const struct tw__link_row *in = &recent->links[row->first_link + i];
        links[i].flags = in->flags;
        links[i].trace_state = text_of(reader, in->trace_state);
        links[i].dropped_tags = in->dropped_tags;
        memcpy(links[i].trace_id, in->trace_id, sizeof links[i].trace_id);
        memcpy(links[i].span_id, in->span_id, sizeof links[i].span_id);
        if (read_tags(reader, &in->tags, true, &links[i].tags, &links[i].tag_count) < 0) return TW_ERR_MEMORY;
    }
    span->links = links;
    span->link_count = row->link_count;
    return 0;
}

int tw__recent_read_begin(struct tw__recent_reader *reader)
{
    const struct tw__recent_counts *count = &reader->recent->count;
    size_t bytes = (count->resources + count->scopes + 1) * sizeof *reader->resources;
    reader->resources = tw__pool_take(&reader->out->pool, bytes, _Alignof(uint32_t));
    if (!reader->resources) return TW_ERR_MEMORY;
    memset(reader->resources, 0xff, bytes);
    reader->scopes = reader->resources + count->resources;
    return 0;
}

int tw__recent_read(struct tw__recent_reader *reader, size_t index)
{
    const struct tw__recent *recent = reader->recent;
    const struct tw__row *row = &recent->rows[index];
    uint32_t resource, scope;
    if (read_resource(reader, row->resource, &resource) < 0 || read_scope(reader, row->scope, &scope) < 0)
        return TW_ERR_MEMORY;
    struct tw__span *span = tw__spans_add(reader->out, resource, scope);
    if (!span) return TW_ERR_MEMORY;
    memcpy(span->trace_id, row->trace_id, sizeof span->trace_id);
    memcpy(span->span_id, row->span_id, sizeof span->span_id);
    memcpy(span->parent_id, row->parent_id, sizeof span->parent_id);
    span->start_ns = row->start_ns;
    span->end_ns = row->end_ns;
    span->name = text_of(reader, row->name);
    span->status_message = text_of(reader, row->status_message);
    span->trace_state = text_of(reader, row->trace_state);
    span->dropped_tags = row->dropped_tags;
    span->dropped_events = row->dropped_events;
    span->dropped_links = row->dropped_links;
    span->flags = row->flags;
    span->kind = row->kind;
    span->status = row->status;
    span->door = row->door;
    span->open = row->open;
    if (reader->failed ||
        read_tags(reader, &row->tags, reader->parts & TW__PART_TAGS, &span->tags, &span->tag_count) < 0 ||
        (reader->parts & TW__PART_EVENTS && row->event_count && read_events(reader, row, span) < 0) ||
        (reader->parts & TW__PART_LINKS && row->link_count && read_links(reader, row, span) < 0) || reader->failed) {
        reader->out->count--;
        return TW_ERR_MEMORY;
    }
    return 0;
}
