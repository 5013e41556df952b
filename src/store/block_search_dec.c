/* block_search_dec: what is asked of the tags of a block without making spans of it.
 *
 * A value that is looked for is looked up in a stream's dictionary; mostly it is not there, and neither the indexes nor
 * any row have been looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/text.h"
#include "store/block_bytes.h"
#include "store/block_tags.h"
#include "store/inside.h"

/* A number's text; the shortest that reads back for doubles. */
static struct tw_text number_text(unsigned type, uint64_t number, char room[TW__VALUE_TEXT_MAX])
{
    int len = 0;
    double value;
    switch (type) {
    case TW_TYPE_INT:
        len = snprintf(room, TW__VALUE_TEXT_MAX, "%lld", (long long)(int64_t)number);
        break;
    case TW_TYPE_UINT:
        len = snprintf(room, TW__VALUE_TEXT_MAX, "%llu", (unsigned long long)number);
        break;
    case TW_TYPE_BOOL:
        len = snprintf(room, TW__VALUE_TEXT_MAX, "%s", number ? "true" : "false");
        break;
    case TW_TYPE_DOUBLE:
        memcpy(&value, &number, sizeof value);
        len = snprintf(room, TW__VALUE_TEXT_MAX, "%.15g", value);
        if (strtod(room, NULL) != value) len = snprintf(room, TW__VALUE_TEXT_MAX, "%.17g", value);
        break;
    default:
        break;
    }
    return (struct tw_text){room, len > 0 ? (size_t)len : 0};
}

struct tw_text tw__value_of(unsigned type, uint64_t number, const struct tw_text *strings,
                            char room[TW__VALUE_TEXT_MAX])
{
    return type >= TW_TYPE_STR ? strings[number] : number_text(type, number, room);
}

bool tw__value_is(unsigned type, uint64_t number, const struct tw_text *strings, struct tw_text text)
{
    char room[TW__VALUE_TEXT_MAX];
    if (type >= TW_TYPE_STR) return tw__text_same(strings[number], text);
    return tw__text_same(number_text(type, number, room), text);
}

/* The number that has this text; false: none has. */
static bool number_of(unsigned type, struct tw_text text, uint64_t *out)
{
    char copy[TW__VALUE_TEXT_MAX], room[TW__VALUE_TEXT_MAX], *end = copy;
    double value;
    if (text.len == 0 || text.len >= sizeof copy) return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    switch (type) {
    case TW_TYPE_INT:
        *out = (uint64_t)strtoll(copy, &end, 10);
        break;
    case TW_TYPE_UINT:
        *out = strtoull(copy, &end, 10);
        break;
    case TW_TYPE_BOOL:
        *out = copy[0] == 't';
        end = copy + text.len;
        break;
    case TW_TYPE_DOUBLE:
        value = strtod(copy, &end);
        memcpy(out, &value, sizeof *out);
        if (end != copy + text.len) return false;
        return true; /* 1.50 finds 1.5 */
    default:
        return false;
    }
    return end == copy + text.len && tw__text_same(number_text(type, *out, room), text);
}

/* Marks lists that have a value of the stream that is wanted. marks[i] of value i. */
static void mark_lists(const struct tw__tags *tags, const struct tw__stream *stream, const uint8_t *marks,
                       uint8_t *lists)
{
    uint32_t which = (uint32_t)(stream - tags->streams), at = 0;
    for (uint32_t i = 0; i < tags->list_count && at < stream->count; i++) {
        uint32_t shape = tags->shape_of[i];
        for (uint32_t f = tags->shape_at[shape]; f < tags->shape_at[shape + 1]; f++)
            if (tags->places[f] == which && marks[at++]) lists[i] = 1;
    }
}

static int match_stream(struct tw__tags *tags, struct tw__stream *stream, struct tw_text value, struct tw__pool *pool,
                        uint8_t *lists)
{
    uint64_t number = 0;
    if (stream->type < TW_TYPE_STR && !number_of(stream->type, value, &number)) return 0;
    int error = tw__tags_load(tags, stream, pool);
    uint8_t *marks = error ? NULL : tw__pool_zeroed(pool, stream->count + 1, 1);
    if (error || !marks) return error ? error : TW_ERR_MEMORY;
    bool any = false;
    if (stream->type < TW_TYPE_STR) {
        for (uint32_t i = 0; i < stream->count; i++) any |= marks[i] = stream->numbers[i] == number;
    } else {
        uint32_t text = 0;
        while (text < stream->dictionary.count && !tw__text_same(stream->dictionary.texts[text], value)) text++;
        if (text == stream->dictionary.count) return 0;
        for (uint32_t i = 0; i < stream->count; i++)
            any |= marks[i] = (stream->indexes ? stream->indexes[i] : i) == text;
    }
    if (any) mark_lists(tags, stream, marks, lists);
    return 0;
}

static int match_all(const struct tw__tail *tail, unsigned base, size_t count, const struct tw__store_equal *equal,
                     struct tw__pool *pool, uint8_t **lists)
{
    struct tw__tags tags;
    *lists = tw__pool_zeroed(pool, count + 1, 1);
    if (!*lists) return TW_ERR_MEMORY;
    int error = tw__tags_open(&tail->contents, base, count, pool, &tags);
    for (uint32_t s = 0; !error && s < tags.stream_count; s++)
        if (tw__text_same(tags.streams[s].key, equal->key))
            error = match_stream(&tags, &tags.streams[s], equal->value, pool, *lists);
    return error;
}

int tw__block_equal(const struct tw__tail *tail, const struct tw__store_equal *equal, struct tw__pool *pool,
                    uint8_t *hits)
{
    const struct tw__head *head = tail->head;
    uint8_t *spans = NULL, *resources = NULL;
    int error = match_all(tail, TW__TAIL_SPAN_TAGS, head->rows, equal, pool, &spans);
    if (!error) error = match_all(tail, TW__TAIL_RESOURCE_TAGS, head->resource_count, equal, pool, &resources);
    if (error) return error;
    for (uint32_t i = 0; i < head->rows; i++)
        hits[i] &= spans[i] | resources[head->classes[head->class_of[i]].resource];
    return 0;
}

/* -- values and keys */

struct scope_base {
    unsigned scope, base;
};
static const struct scope_base scopes_of[] = {{TW__SCOPE_SPAN, TW__TAIL_SPAN_TAGS},
                                              {TW__SCOPE_RESOURCE, TW__TAIL_RESOURCE_TAGS},
                                              {TW__SCOPE_EVENT, TW__TAIL_EVENT_TAGS}};

/* How many lists there are: the tail says it first of all. */
static int open_scope(const struct tw__tail *tail, unsigned base, struct tw__pool *pool, struct tw__tags *out)
{
    *out = (struct tw__tags){0};
    if (!tw__column_there(&tail->contents, TW__COLUMN(base + TW__TAGS_LISTS, 0))) return 0;
    struct tw__column in = tw__column_find(&tail->contents, TW__COLUMN(base + TW__TAGS_LISTS, 0));
    uint32_t count = tw__get_u32(&in);
    if (in.bad || count > TW__COLUMN_ITEMS_MAX) return TW_ERR_CORRUPT;
    return tw__tags_open(&tail->contents, base, count, pool, out);
}

static int tell_values(struct tw__tags *tags, struct tw__stream *stream, struct tw__pool *pool, tw__block_value_fn *fn,
                       void *data)
{
    char room[TW__VALUE_TEXT_MAX];
    int error = tw__tags_load(tags, stream, pool);
    if (error) return error;
    if (stream->type < TW_TYPE_STR) {
        for (uint32_t i = 0; i < stream->count; i++)
            if (!fn(data, number_text(stream->type, stream->numbers[i], room), 1)) return 1;
        return 0;
    }
    uint32_t *uses = tw__pool_zeroed(pool, stream->dictionary.count + 1, sizeof *uses);
    if (!uses) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < stream->count; i++) uses[stream->indexes ? stream->indexes[i] : i]++;
    for (uint32_t i = 0; i < stream->dictionary.count; i++)
        if (!fn(data, stream->dictionary.texts[i], uses[i])) return 1;
    return 0;
}

int tw__block_values(const struct tw__tail *tail, unsigned scopes, struct tw_text key, struct tw__pool *pool,
                     tw__block_value_fn *fn, void *data)
{
    int error = 0;
    for (size_t i = 0; i < sizeof scopes_of / sizeof *scopes_of && !error; i++) {
        struct tw__tags tags;
        if (!(scopes & scopes_of[i].scope)) continue;
        error = open_scope(tail, scopes_of[i].base, pool, &tags);
        for (uint32_t s = 0; !error && s < tags.stream_count; s++)
            if (tw__text_same(tags.streams[s].key, key)) error = tell_values(&tags, &tags.streams[s], pool, fn, data);
    }
    return error;
}
