/* spans: see the header. The spans are an array of their own, everything else is in the pool: an array in a pool leaves
 * its halves behind when it grows, which for a trace of a million spans were as much again.
 *
 * Invariant: every span's resource and scope are indexes below the counts; scope 0 is there as soon as a span is.
 */
#include "model/spans.h"

#include <stdlib.h>
#include <string.h>

/* Beyond HEAP_BYTES an array is as large at once as malloc maps in any case: such grow by moving pages, not bytes, and
 * leave no holes. What is not touched takes no memory. */
enum { CAP_MIN = 16, HEAP_BYTES = 4 << 20, MAPPED_BYTES = 33 << 20 };

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

/* Makes room for one more. The pool's limit is one on both. */
static int grow(struct tw__spans *spans)
{
    const struct tw__pool *pool = &spans->pool;
    size_t more = spans->cap ? spans->cap + spans->cap / 2 : CAP_MIN;
    if (more * sizeof *spans->items > HEAP_BYTES && more * sizeof *spans->items < MAPPED_BYTES)
        more = MAPPED_BYTES / sizeof *spans->items;
    if (more > SIZE_MAX / sizeof *spans->items) return TW_ERR_MEMORY;
    if (pool->limit_bytes && (pool->taken_bytes > pool->limit_bytes ||
                              (spans->count + 1) * sizeof *spans->items > pool->limit_bytes - pool->taken_bytes))
        return TW_ERR_MEMORY;
    struct tw__span *moved = realloc(spans->items, more * sizeof *moved);
    if (!moved) return TW_ERR_MEMORY;
    spans->items = moved;
    spans->cap = more;
    return 0;
}

struct tw__span *tw__spans_add(struct tw__spans *spans, uint32_t resource, uint32_t scope)
{
    if (spans->scope_count == 0 && tw__spans_add_scope(spans, &(struct tw__scope){0}) == UINT32_MAX) return NULL;
    if (resource >= spans->resource_count || scope >= spans->scope_count) return NULL;
    if (spans->count == spans->cap && grow(spans) < 0) return NULL;
    struct tw__span *span = &spans->items[spans->count++];
    *span = (struct tw__span){.resource = resource, .scope = scope};
    return span;
}

void tw__spans_reset(struct tw__spans *spans)
{
    tw__pool_reset(&spans->pool);
    *spans = (struct tw__spans){.pool = spans->pool, .items = spans->items, .cap = spans->cap};
}

void tw__spans_fini(struct tw__spans *spans)
{
    tw__pool_fini(&spans->pool);
    free(spans->items);
    *spans = (struct tw__spans){0};
}
