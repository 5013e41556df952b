/* spans: see the header. Three growing arrays in one pool.
 *
 * Invariant: every span's resource and scope are indexes below the counts; scope 0 is there as soon as a span is.
 */
#include "model/spans.h"

#include <string.h>

const char *tw__door_name(enum tw__door door)
{
    switch (door) {
#define DOOR_NAME(name, number, text)                                                                                  \
    case TW__DOOR_##name:                                                                                              \
        return text;
        TW__DOOR_TABLE(DOOR_NAME)
#undef DOOR_NAME
    case TW__DOOR_COUNT:
        break;
    }
    return "unknown";
}

const struct tw_tag_value *tw__tag_find(const struct tw_tag_value *tags, size_t count, const char *key)
{
    size_t len = strlen(key);
    for (size_t i = count; i-- > 0;)
        if (tags[i].key.len == len && memcmp(tags[i].key.ptr, key, len) == 0) return &tags[i];
    return NULL;
}

uint32_t tw__spans_add_scope(struct tw__spans *spans, const struct tw__scope *scope)
{
    struct tw__pool *pool = &spans->pool;
    if (tw__pool_grow(pool, &spans->scopes, spans->scope_count, &spans->scope_cap, sizeof *scope) < 0)
        return UINT32_MAX;
    if (spans->scope_count == 0) spans->scopes[spans->scope_count++] = (struct tw__scope){0};
    if (scope->name.len == 0 && scope->version.len == 0 && scope->tag_count == 0 && scope->schema_url.len == 0)
        return 0;
    if (tw__pool_grow(pool, &spans->scopes, spans->scope_count, &spans->scope_cap, sizeof *scope) < 0)
        return UINT32_MAX;
    spans->scopes[spans->scope_count] = *scope;
    return (uint32_t)spans->scope_count++;
}

uint32_t tw__spans_add_resource(struct tw__spans *spans, const struct tw__resource *resource)
{
    if (tw__pool_grow(&spans->pool, &spans->resources, spans->resource_count, &spans->resource_cap, sizeof *resource) <
        0)
        return UINT32_MAX;
    struct tw__resource *added = &spans->resources[spans->resource_count];
    *added = *resource;
    if (added->service.len == 0) {
        const struct tw_tag_value *tag = tw__tag_find(resource->tags, resource->tag_count, "service.name");
        if (tag && tag->type == TW_TYPE_STR) added->service = tag->text;
    }
    return (uint32_t)spans->resource_count++;
}

struct tw__span *tw__spans_add(struct tw__spans *spans, uint32_t resource, uint32_t scope)
{
    if (spans->scope_count == 0 && tw__spans_add_scope(spans, &(struct tw__scope){0}) == UINT32_MAX) return NULL;
    if (resource >= spans->resource_count || scope >= spans->scope_count) return NULL;
    if (tw__pool_grow(&spans->pool, &spans->items, spans->count, &spans->cap, sizeof *spans->items) < 0) return NULL;
    struct tw__span *span = &spans->items[spans->count++];
    *span = (struct tw__span){.resource = resource, .scope = scope};
    return span;
}

void tw__spans_reset(struct tw__spans *spans)
{
    tw__pool_reset(&spans->pool);
    *spans = (struct tw__spans){.pool = spans->pool};
}

void tw__spans_fini(struct tw__spans *spans)
{
    tw__pool_fini(&spans->pool);
    *spans = (struct tw__spans){0};
}
