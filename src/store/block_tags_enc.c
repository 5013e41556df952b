/* block_tags_enc: lists of tags as streams by key.
 *
 *     lists    one shape each: which keys, of which types, in which order
 *     streams  one for each key with a type: its values in the order of the lists
 *
 * Order, repetition and types of the tags of a span come back as they were. A search for a key reads its stream and the
 * shapes, and no other.
 * Texts of a stream have a dictionary of their own; values that are all different have no index.
 */
#include <stdlib.h>
#include <string.h>

#include "store/block_bytes.h"
#include "store/block_enc.h"
#include "store/hash.h"

enum { AHEAD = 10 };

/* A field of the table, with its values in the block. */
struct stream {
    uint32_t field;
    size_t count, at; /* values, and how many are there already */
    uint64_t *values, *fulls;
};

struct lists {
    struct tw__tag_list *items;
    size_t count;
    struct tw__ids shapes;
    uint64_t *shape_of;
    uint32_t *uses;     /* of each shape */
    uint32_t *shape_at; /* of each shape, its first in places */
    uint32_t *places;   /* stream of each field of each shape */
    struct stream *streams;
    size_t stream_count;
};

/* Which shapes there are, and which streams they need: one for each different field, in the order in which they are
 * met. */
static int find_streams(struct tw__block_enc *enc, struct lists *lists)
{
    const struct tw__recent *recent = enc->recent;
    struct tw__ids fields;
    lists->shape_of = tw__pool_take(&enc->pool, (lists->count + 1) * sizeof *lists->shape_of, 8);
    if (!lists->shape_of || tw__ids_begin(enc, &lists->shapes, lists->count) < 0) return TW_ERR_MEMORY;
    for (size_t i = 0; i < lists->count; i++)
        lists->shape_of[i] = tw__ids_put(enc, &lists->shapes, lists->items[i].shape);
    size_t places = 0;
    for (uint32_t s = 0; s < lists->shapes.count; s++) places += recent->shapes[lists->shapes.items[s]].count;
    lists->uses = tw__pool_zeroed(&enc->pool, lists->shapes.count + 1, sizeof *lists->uses);
    lists->places = tw__pool_take(&enc->pool, (places + 1) * sizeof *lists->places, 4);
    lists->shape_at = tw__pool_take(&enc->pool, (lists->shapes.count + 1) * sizeof *lists->shape_at, 4);
    if (!lists->uses || !lists->places || !lists->shape_at || tw__ids_begin(enc, &fields, places) < 0)
        return TW_ERR_MEMORY;
    for (size_t i = 0; i < lists->count; i++) lists->uses[lists->shape_of[i]]++;
    places = 0;
    for (uint32_t s = 0; s < lists->shapes.count; s++) {
        const struct tw__shape *shape = &recent->shapes[lists->shapes.items[s]];
        lists->shape_at[s] = (uint32_t)places;
        for (uint32_t f = 0; f < shape->count; f++)
            lists->places[places++] = tw__ids_put(enc, &fields, enc->field_of[shape->first + f]);
    }
    lists->shape_at[lists->shapes.count] = (uint32_t)places;
    lists->streams = tw__pool_zeroed(&enc->pool, fields.count + 1, sizeof *lists->streams);
    if (!lists->streams) return TW_ERR_MEMORY;
    lists->stream_count = fields.count;
    for (uint32_t f = 0; f < fields.count; f++) lists->streams[f].field = enc->fields[fields.items[f]];
    return 0;
}

/* Values of all lists, each to its stream. */
static int fill_streams(struct tw__block_enc *enc, struct lists *lists)
{
    for (uint32_t s = 0; s < lists->shapes.count; s++)
        for (uint32_t f = lists->shape_at[s]; f < lists->shape_at[s + 1]; f++)
            lists->streams[lists->places[f]].count += lists->uses[s];
    for (size_t s = 0; s < lists->stream_count; s++) {
        struct stream *stream = &lists->streams[s];
        size_t each = TW__FIELD_CUT(stream->field) ? 2 : 1;
        stream->values = tw__pool_take(&enc->pool, stream->count * each * sizeof *stream->values, 8);
        if (!stream->values) return TW_ERR_MEMORY;
        stream->fulls = each == 2 ? stream->values + stream->count : NULL;
    }
    for (size_t i = 0; i < lists->count; i++) {
        /* Rows are sorted, values are where they came in. */
        if (i + AHEAD < lists->count) {
            const uint64_t *ahead = enc->recent->values + lists->items[i + AHEAD].values;
            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + 8);
        }
        const uint64_t *value = enc->recent->values + lists->items[i].values;
        for (uint32_t f = lists->shape_at[lists->shape_of[i]]; f < lists->shape_at[lists->shape_of[i] + 1]; f++) {
            struct stream *stream = &lists->streams[lists->places[f]];
            stream->values[stream->at] = *value++;
            if (stream->fulls) stream->fulls[stream->at] = *value++;
            stream->at++;
        }
    }
    return 0;
}

static void put_streams_column(struct tw__block_enc *enc, const struct lists *lists, uint64_t *numbers,
                               struct tw_text *texts)
{
    for (size_t s = 0; s < lists->stream_count; s++) {
        uint32_t field = lists->streams[s].field;
        texts[s] = enc->recent->strings[TW__FIELD_KEY(field)];
        numbers[s] = field & 15;
    }
    tw__put_u32(&enc->columns, (uint32_t)lists->stream_count);
    tw__put_numbers(&enc->columns, numbers, lists->stream_count);
    for (size_t s = 0; s < lists->stream_count; s++) numbers[s] = lists->streams[s].count;
    tw__put_numbers(&enc->columns, numbers, lists->stream_count);
    tw__put_texts(&enc->columns, texts, lists->stream_count);
}

static int put_lists(struct tw__block_enc *enc, const struct lists *lists, unsigned base)
{
    size_t fields = lists->shape_at[lists->shapes.count], most = fields;
    if (lists->shapes.count > most) most = lists->shapes.count;
    uint64_t *numbers = tw__pool_take(&enc->pool, (most + 1) * sizeof *numbers, 8);
    struct tw_text *texts = tw__pool_take(&enc->pool, (lists->stream_count + 1) * sizeof *texts, 8);
    if (!numbers || !texts) return TW_ERR_MEMORY;
    tw__column_begin(&enc->columns, TW__COLUMN(base + TW__TAGS_SHAPES, 0));
    tw__put_u32(&enc->columns, lists->shapes.count);
    tw__put_u32(&enc->columns, (uint32_t)fields);
    for (uint32_t s = 0; s < lists->shapes.count; s++) numbers[s] = lists->shape_at[s + 1] - lists->shape_at[s];
    tw__put_numbers(&enc->columns, numbers, lists->shapes.count);
    for (size_t f = 0; f < fields; f++) numbers[f] = lists->places[f];
    tw__put_numbers(&enc->columns, numbers, fields);
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, TW__COLUMN(base + TW__TAGS_STREAMS, 0));
    put_streams_column(enc, lists, numbers, texts);
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, TW__COLUMN(base + TW__TAGS_LISTS, 0));
    tw__put_u32(&enc->columns, (uint32_t)lists->count);
    tw__put_numbers(&enc->columns, lists->shape_of, lists->count);
    tw__column_end(&enc->columns);
    return 0;
}

/* Whole numbers as what they exceed the smallest by; bits of doubles as they are. */
static void put_number_stream(struct tw__block_enc *enc, const struct stream *stream)
{
    unsigned type = TW__FIELD_TYPE(stream->field);
    uint64_t least = 0;
    if (type == TW_TYPE_INT || type == TW_TYPE_UINT) {
        bool is_signed = type == TW_TYPE_INT;
        least = stream->values[0];
        for (size_t i = 1; i < stream->count; i++)
            if (is_signed ? (int64_t)stream->values[i] < (int64_t)least : stream->values[i] < least)
                least = stream->values[i];
        for (size_t i = 0; i < stream->count; i++) stream->values[i] -= least;
    }
    tw__put_u64(&enc->columns, least);
    tw__put_numbers(&enc->columns, stream->values, stream->count);
    if (stream->fulls) tw__put_numbers(&enc->columns, stream->fulls, stream->count);
}

static int put_stream(struct tw__block_enc *enc, const struct stream *stream, uint32_t number)
{
    struct tw__ids ids;
    unsigned base = number >> 24;
    struct tw_text key = enc->recent->strings[TW__FIELD_KEY(stream->field)];
    bool asked = base == TW__TAIL_SPAN_TAGS + TW__TAGS_VALUES || base == TW__TAIL_RESOURCE_TAGS + TW__TAGS_VALUES;
    uint64_t key_hash = asked ? tw__hash(key.ptr, key.len) : 0;
    tw__column_begin(&enc->columns, number);
    if (asked && tw__reserve_value_hashes(enc, stream->count + 1) < 0) return TW_ERR_MEMORY;
    if (TW__FIELD_TYPE(stream->field) < TW_TYPE_STR) {
        if (asked) tw__put_value_hash(enc, key_hash, NULL);
        put_number_stream(enc, stream);
        tw__column_end(&enc->columns);
        return 0;
    }
    if (tw__ids_begin(enc, &ids, stream->count) < 0) return TW_ERR_MEMORY;
    for (size_t i = 0; i < stream->count; i++) {
        if (i + AHEAD < stream->count) __builtin_prefetch(&enc->local[stream->values[i + AHEAD]]);
        stream->values[i] = tw__ids_put(enc, &ids, (uint32_t)stream->values[i]);
    }
    const struct tw_text *texts = tw__texts_of(enc, &ids);
    if (!texts) return TW_ERR_MEMORY;
    for (uint32_t i = 0; asked && i < ids.count; i++) {
        if (i + AHEAD < ids.count) __builtin_prefetch(texts[i + AHEAD].ptr);
        tw__put_value_hash(enc, key_hash, &texts[i]);
    }
    tw__put_u32(&enc->columns, ids.count);
    tw__put_texts(&enc->columns, texts, ids.count);
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, number + 1);
    if (ids.count != stream->count) tw__put_numbers(&enc->columns, stream->values, stream->count);
    if (stream->fulls) tw__put_numbers(&enc->columns, stream->fulls, stream->count);
    tw__column_end(&enc->columns);
    return 0;
}

static int put_tags(struct tw__block_enc *enc, struct lists *lists, unsigned base)
{
    if (find_streams(enc, lists) < 0 || fill_streams(enc, lists) < 0 || put_lists(enc, lists, base) < 0)
        return TW_ERR_MEMORY;
    for (size_t s = 0; s < lists->stream_count; s++)
        if (put_stream(enc, &lists->streams[s], TW__COLUMN(base + TW__TAGS_VALUES, 2 * s)) < 0) return TW_ERR_MEMORY;
    return 0;
}

static int put_span_parts(struct tw__block_enc *enc, unsigned base)
{
    const struct tw__recent *recent = enc->recent;
    size_t total = 0, n = 0;
    for (size_t i = 0; i < enc->count; i++) {
        const struct tw__row *row = &enc->rows[i];
        total += base == TW__TAIL_SPAN_TAGS ? 1 : base == TW__TAIL_EVENT_TAGS ? row->event_count : row->link_count;
    }
    struct lists lists = {.items = tw__pool_take(&enc->pool, (total + 1) * sizeof *lists.items, 8), .count = total};
    if (total == 0) return 0;
    if (!lists.items) return TW_ERR_MEMORY;
    for (size_t i = 0; i < enc->count; i++) {
        const struct tw__row *row = &enc->rows[i];
        if (base == TW__TAIL_SPAN_TAGS) lists.items[n++] = row->tags;
        for (size_t e = 0; e < row->event_count && base == TW__TAIL_EVENT_TAGS; e++)
            lists.items[n++] = recent->events[row->first_event + e].tags;
        for (size_t e = 0; e < row->link_count && base == TW__TAIL_LINK_TAGS; e++)
            lists.items[n++] = recent->links[row->first_link + e].tags;
    }
    return put_tags(enc, &lists, base);
}

static int put_origin_tags(struct tw__block_enc *enc, const struct tw__ids *ids, const struct tw__origin *items,
                           unsigned base)
{
    struct lists lists = {.items = tw__pool_take(&enc->pool, (ids->count + 1) * sizeof *lists.items, 8),
                          .count = ids->count};
    if (!lists.items) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < ids->count; i++) lists.items[i] = items[ids->items[i]].tags;
    return put_tags(enc, &lists, base);
}

int tw__put_all_tags(struct tw__block_enc *enc)
{
    if (put_span_parts(enc, TW__TAIL_SPAN_TAGS) < 0 || put_span_parts(enc, TW__TAIL_EVENT_TAGS) < 0 ||
        put_span_parts(enc, TW__TAIL_LINK_TAGS) < 0 ||
        put_origin_tags(enc, &enc->resources, enc->recent->resources, TW__TAIL_RESOURCE_TAGS) < 0)
        return TW_ERR_MEMORY;
    return put_origin_tags(enc, &enc->scopes, enc->recent->scopes, TW__TAIL_SCOPE_TAGS);
}
