/* block_tags_dec: lists of tags, walked in their order with a position in each stream.
 *
 * Invariant after open: the lists together use exactly as many values of each stream as the stream has, so that walking
 * needs no check.
 */
#include <string.h>

#include "store/block_bytes.h"
#include "store/block_tags.h"

int tw__dictionary_copy(struct tw__dictionary *dictionary, uint32_t index, struct tw__pool *to, struct tw_text *out)
{
    if (!dictionary->copied[index]) {
        const char *copy = tw__pool_copy(to, dictionary->texts[index].ptr, dictionary->texts[index].len);
        if (!copy) return TW_ERR_MEMORY;
        dictionary->texts[index].ptr = copy;
        dictionary->copied[index] = 1;
    }
    *out = dictionary->texts[index];
    return 0;
}

static int get_dictionary(struct tw__column *in, size_t most, struct tw__pool *pool, struct tw__dictionary *dictionary)
{
    dictionary->count = tw__get_u32(in);
    if (!in->bad && dictionary->count > most) in->bad = TW_ERR_CORRUPT;
    dictionary->texts = tw__get_texts(in, dictionary->count, pool);
    if (in->bad) return in->bad;
    dictionary->copied = tw__pool_zeroed(pool, dictionary->count + 1, 1);
    return dictionary->copied ? 0 : TW_ERR_MEMORY;
}

int tw__get_text_column(struct tw__column *in, size_t count, struct tw__pool *pool, struct tw__dictionary *dictionary,
                        uint32_t **indexes)
{
    int error = get_dictionary(in, count, pool, dictionary);
    if (error) return error;
    *indexes = tw__get_indexes(in, count, dictionary->count, pool);
    return in->bad;
}

static int read_shapes(struct tw__tags *tags, uint32_t *fields, struct tw__pool *pool)
{
    struct tw__column in = tw__column_find(tags->contents, TW__COLUMN(tags->base + TW__TAGS_SHAPES, 0));
    tags->shape_count = tw__get_u32(&in);
    *fields = tw__get_u32(&in);
    if (in.bad || tags->shape_count > tags->list_count || *fields > TW__COLUMN_ITEMS_MAX) return TW_ERR_CORRUPT;
    const uint32_t *lens = tw__get_indexes(&in, tags->shape_count, (size_t)*fields + 1, pool);
    tags->places = tw__get_indexes(&in, *fields, TW__COLUMN_ITEMS_MAX, pool);
    tags->shape_at = tw__pool_take(pool, (tags->shape_count + 1) * sizeof *tags->shape_at, 4);
    if (in.bad) return in.bad;
    if (!tags->shape_at) return TW_ERR_MEMORY;
    uint32_t at = 0;
    for (uint32_t s = 0; s < tags->shape_count; s++) {
        tags->shape_at[s] = at;
        if (lens[s] > *fields - at) return TW_ERR_CORRUPT;
        at += lens[s];
    }
    tags->shape_at[tags->shape_count] = at;
    return at == *fields ? 0 : TW_ERR_CORRUPT;
}

static int read_streams(struct tw__tags *tags, uint32_t fields, struct tw__pool *pool)
{
    struct tw__column in = tw__column_find(tags->contents, TW__COLUMN(tags->base + TW__TAGS_STREAMS, 0));
    tags->stream_count = tw__get_u32(&in);
    if (in.bad || tags->stream_count > fields) return TW_ERR_CORRUPT;
    const uint32_t *types = tw__get_indexes(&in, tags->stream_count, 16, pool);
    const uint32_t *counts = tw__get_indexes(&in, tags->stream_count, TW__COLUMN_ITEMS_MAX, pool);
    const struct tw_text *keys = tw__get_texts(&in, tags->stream_count, pool);
    tags->streams = tw__pool_zeroed(pool, tags->stream_count + 1, sizeof *tags->streams);
    if (in.bad) return in.bad;
    if (!tags->streams) return TW_ERR_MEMORY;
    for (uint32_t s = 0; s < tags->stream_count; s++) {
        tags->streams[s].key = keys[s];
        tags->streams[s].type = types[s] & 7;
        tags->streams[s].cut = types[s] >> 3 & 1;
        tags->streams[s].count = counts[s];
    }
    for (uint32_t f = 0; f < fields; f++)
        if (tags->places[f] >= tags->stream_count) return TW_ERR_CORRUPT;
    return 0;
}

/* Counts the uses of each stream. */
static int check_counts(struct tw__tags *tags, struct tw__pool *pool)
{
    uint32_t *uses = tw__pool_zeroed(pool, tags->shape_count + 1, sizeof *uses);
    uint64_t *values = tw__pool_zeroed(pool, tags->stream_count + 1, sizeof *values);
    if (!uses || !values) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < tags->list_count; i++) uses[tags->shape_of[i]]++;
    for (uint32_t s = 0; s < tags->shape_count; s++)
        for (uint32_t f = tags->shape_at[s]; f < tags->shape_at[s + 1]; f++) values[tags->places[f]] += uses[s];
    for (uint32_t s = 0; s < tags->stream_count; s++)
        if (values[s] != tags->streams[s].count) return TW_ERR_CORRUPT;
    return 0;
}

int tw__tags_open(const struct tw__contents *contents, unsigned base, size_t list_count, struct tw__pool *pool,
                  struct tw__tags *out)
{
    struct tw__tags tags = {.contents = contents, .base = base, .list_count = (uint32_t)list_count};
    uint32_t fields = 0;
    if (list_count == 0) {
        *out = tags;
        return 0;
    }
    struct tw__column in = tw__column_find(contents, TW__COLUMN(base + TW__TAGS_LISTS, 0));
    if (tw__get_u32(&in) != list_count && !in.bad) in.bad = TW_ERR_CORRUPT;
    int error = in.bad;
    if (!error) error = read_shapes(&tags, &fields, pool);
    if (!error) tags.shape_of = tw__get_indexes(&in, list_count, tags.shape_count, pool);
    if (!error) error = in.bad;
    if (!error) error = read_streams(&tags, fields, pool);
    if (!error) error = check_counts(&tags, pool);
    if (!error) *out = tags;
    return error;
}

int tw__tags_load(struct tw__tags *tags, struct tw__stream *stream, struct tw__pool *pool)
{
    if (stream->loaded) return 0;
    uint32_t number = TW__COLUMN(tags->base + TW__TAGS_VALUES, 2 * (stream - tags->streams));
    struct tw__column in = tw__column_find(tags->contents, number);
    if (stream->type < TW_TYPE_STR) {
        uint64_t least = tw__get_u64(&in);
        stream->numbers = tw__get_numbers(&in, stream->count, pool);
        if (stream->cut) stream->fulls = tw__get_numbers(&in, stream->count, pool);
        if (in.bad) return in.bad;
        for (uint32_t i = 0; i < stream->count && least; i++) stream->numbers[i] += least;
    } else {
        struct tw__column indexes = tw__column_find(tags->contents, number + 1);
        int error = get_dictionary(&in, stream->count, pool, &stream->dictionary);
        if (error) return error;
        if (stream->dictionary.count != stream->count)
            stream->indexes = tw__get_indexes(&indexes, stream->count, stream->dictionary.count, pool);
        if (stream->cut) stream->fulls = tw__get_numbers(&indexes, stream->count, pool);
        if (indexes.bad) return indexes.bad;
    }
    stream->loaded = true;
    return 0;
}

int tw__tags_want(struct tw__tags *tags, bool all, const struct tw_text *keys, size_t key_count, struct tw__pool *pool)
{
    for (uint32_t s = 0; s < tags->stream_count; s++) {
        struct tw__stream *stream = &tags->streams[s];
        stream->wanted = all;
        for (size_t k = 0; k < key_count && !stream->wanted; k++)
            stream->wanted = keys[k].len == stream->key.len && memcmp(keys[k].ptr, stream->key.ptr, keys[k].len) == 0;
        tags->any_wanted |= stream->wanted;
        int error = stream->wanted ? tw__tags_load(tags, stream, pool) : 0;
        if (error) return error;
    }
    return 0;
}

static int read_tag(struct tw__stream *stream, struct tw__pool *to, struct tw_tag_value *tag)
{
    uint32_t at = stream->at;
    if (!stream->owned) {
        const char *copy = tw__pool_copy(to, stream->key.ptr, stream->key.len);
        if (!copy) return TW_ERR_MEMORY;
        stream->key.ptr = copy;
        stream->owned = true;
    }
    *tag = (struct tw_tag_value){.key = stream->key, .type = (enum tw_type)stream->type, .cut = stream->cut};
    if (stream->type >= TW_TYPE_STR) {
        uint32_t index = stream->indexes ? stream->indexes[at] : at;
        if (tw__dictionary_copy(&stream->dictionary, index, to, &tag->text) < 0) return TW_ERR_MEMORY;
        tag->full_len = tag->text.len;
    } else {
        tag->value.u = stream->numbers[at];
    }
    if (stream->cut) tag->full_len = stream->fulls[at];
    return 0;
}

int tw__tags_read(struct tw__tags *tags, uint32_t list, struct tw__pool *to, const struct tw_tag_value **out,
                  uint32_t *count)
{
    *count = 0;
    *out = NULL;
    if (!tags->any_wanted || list >= tags->list_count) return 0;
    for (; tags->next < list; tags->next++) {
        uint32_t shape = tags->shape_of[tags->next];
        for (uint32_t f = tags->shape_at[shape]; f < tags->shape_at[shape + 1]; f++)
            tags->streams[tags->places[f]].at++;
    }
    uint32_t shape = tags->shape_of[list], from = tags->shape_at[shape], end = tags->shape_at[shape + 1], n = 0;
    for (uint32_t f = from; f < end; f++) n += tags->streams[tags->places[f]].wanted;
    struct tw_tag_value *items = n ? tw__pool_take(to, n * sizeof *items, 8) : NULL;
    if (n && !items) return TW_ERR_MEMORY;
    n = 0;
    for (uint32_t f = from; f < end; f++) {
        struct tw__stream *stream = &tags->streams[tags->places[f]];
        if (stream->wanted && read_tag(stream, to, &items[n++]) < 0) return TW_ERR_MEMORY;
        stream->at++;
    }
    tags->next = list + 1;
    *out = items;
    *count = n;
    return 0;
}
