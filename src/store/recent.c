/* recent: see the header.
 *
 *     strings     "" | "GET /cart" | "http.method" | ...          each text once
 *     fields      key and type, key and type, ...                 shapes are slices of it, each shape once
 *     values      one number for each field of each list          lists are a shape and a first value
 *     rows        fixed size, 112 bytes a span
 *
 * Most of a batch was there before. Keys of a list are compared with those that followed last time (ways), other texts
 * with one that had the same ends and length (seen); only what is not found so is hashed and looked up. Both are
 * guesses that are checked: a wrong one costs time, a table without any room for more of them is as right as before.
 *
 * A batch that cannot be added whole is taken back: counts return to what they were, and the sets forget what is beyond
 * them.
 * Limits: the store seals a table long before it is full.
 * Rejected: rows of varying length in one buffer. A block is made from columns, and a column from such rows is a
 * parser.
 */
#include "store/recent.h"

#include <stdlib.h>
#include <string.h>

#include "store/recent_sets.h"

#define FAST static inline __attribute__((always_inline))

enum { SIBLINGS_MAX = 6 /* looked at before a key is looked up instead */ };

FAST uint64_t load(const char *at, size_t len)
{
    uint64_t word = 0;
    memcpy(&word, at, len);
    return word;
}

/* The first and last bytes, up to eight each. */
FAST void ends_of(const char *ptr, size_t len, uint64_t *first, uint64_t *last)
{
    if (len >= 8) {
        *first = load(ptr, 8);
        *last = load(ptr + len - 8, 8);
    } else if (len >= 4) {
        *first = load(ptr, 4);
        *last = load(ptr + len - 4, 4);
    } else {
        *first = (uint8_t)ptr[0] | (uint64_t)(uint8_t)ptr[len / 2] << 8;
        *last = (uint8_t)ptr[len - 1];
    }
}

/* len > 0. Mostly a few words, and mostly equal: not worth a call. */
FAST bool same(const char *a, const char *b, size_t len)
{
    uint64_t a_first, a_last, b_first, b_last;
    ends_of(a, len, &a_first, &a_last);
    ends_of(b, len, &b_first, &b_last);
    if (a_first != b_first || a_last != b_last) return false;
    for (size_t at = 8; at + 8 < len; at += 8)
        if (load(a + at, 8) != load(b + at, 8)) return false;
    return true;
}

/* The id of a text that came more than once lately; false: it must be looked up. place: where it would be. */
FAST bool seen_lately(struct tw__recent *recent, struct tw_text text, uint32_t *out, struct tw__seen **place)
{
    uint64_t first, last;
    ends_of(text.ptr, text.len, &first, &last);
    uint64_t mixed = ((first ^ text.len) * UINT64_C(0x9e3779b97f4a7c15) ^ last) * UINT64_C(0xff51afd7ed558ccd);
    struct tw__seen *seen = &recent->seen[mixed >> 53];
    *place = seen;
    *out = seen->id;
    return seen->len == text.len && same(seen->ptr, text.ptr, text.len);
}

_Static_assert(TW__SEEN == 1 << (64 - 53), "the shift above");

static int look_up(struct tw__recent *recent, struct tw_text text, uint32_t hash, struct tw__seen *seen, uint32_t *out)
{
    bool fresh;
    if (tw__add_string(recent, text, hash, out, &fresh) < 0) return TW_ERR_MEMORY;
    /* What comes for the first time may never come again. */
    if (!fresh) *seen = (struct tw__seen){recent->strings[*out].ptr, (uint32_t)text.len, *out};
    return 0;
}

FAST int intern(struct tw__recent *recent, struct tw_text text, uint32_t *out)
{
    struct tw__seen *seen;
    *out = 0;
    if (text.len == 0 || seen_lately(recent, text, out, &seen)) return 0;
    return look_up(recent, text, tw__string_hash(text), seen, out);
}

static int look_up_later(struct tw__recent *recent)
{
    for (size_t i = 0; i < recent->later_count; i++) {
        struct tw__later *later = &recent->later[i];
        uint32_t id;
        if (look_up(recent, later->text, later->hash, later->seen, &id) < 0) return TW_ERR_MEMORY;
        recent->values[later->value] = id;
    }
    recent->later_count = 0;
    return 0;
}

/* A value's text, at once or with others: the set is large, and each look at it a wait for memory. */
FAST int intern_value(struct tw__recent *recent, struct tw_text text)
{
    uint32_t id = 0;
    struct tw__seen *seen;
    size_t value = recent->count.values++;
    if (text.len == 0 || seen_lately(recent, text, &id, &seen)) {
        recent->values[value] = id;
        return 0;
    }
    if (recent->later_count == TW__LATER && look_up_later(recent) < 0) return TW_ERR_MEMORY;
    uint32_t hash = tw__string_hash(text);
    struct tw__set *set = &recent->string_set;
    __builtin_prefetch(&set->slots[hash & set->mask]);
    recent->later[recent->later_count++] = (struct tw__later){text, seen, value, hash};
    return 0;
}

/* The way from one to a tag's field; 0: there is none, and no room for one. */
FAST int way_on(struct tw__recent *recent, uint32_t from, const struct tw_tag_value *tag, uint32_t *out)
{
    struct tw__way *ways = recent->ways;
    uint32_t type = (uint32_t)tag->cut << 3 | ((uint32_t)tag->type & 7), key, before = 0;
    unsigned tries = 0;
    for (uint32_t at = ways[from].first; at && tries < SIBLINGS_MAX; before = at, at = ways[at].next, tries++) {
        if ((ways[at].field & 15) != type || ways[at].key_len != tag->key.len || tag->key.len == 0 ||
            !same(ways[at].key, tag->key.ptr, tag->key.len))
            continue;
        if (before) { /* the last one used stands first */
            ways[before].next = ways[at].next;
            ways[at].next = ways[from].first;
            ways[from].first = at;
        }
        *out = at;
        return 0;
    }
    *out = 0;
    if (recent->way_count == TW__WAYS || tag->key.len > UINT32_MAX) return 0;
    if (intern(recent, tag->key, &key) < 0) return TW_ERR_MEMORY;
    *out = (uint32_t)recent->way_count++;
    ways[*out] = (struct tw__way){.key = recent->strings[key].ptr,
                                  .key_len = (uint32_t)tag->key.len,
                                  .field = TW__FIELD(key, tag->cut, tag->type & 7),
                                  .next = ways[from].first,
                                  .before = from};
    ways[from].first = *out;
    return 0;
}

FAST int add_value(struct tw__recent *recent, const struct tw_tag_value *tag)
{
    unsigned type = (unsigned)tag->type & 7;
    if (type >= TW_TYPE_STR) {
        if (intern_value(recent, tag->text) < 0) return TW_ERR_MEMORY;
    } else {
        uint64_t value = tag->value.u;
        if (type == TW_TYPE_DOUBLE) memcpy(&value, &tag->value.d, sizeof value);
        if (type == TW_TYPE_BOOL) value = value != 0;
        if (type == TW_TYPE_NONE) value = 0;
        recent->values[recent->count.values++] = value;
    }
    if (tag->cut) recent->values[recent->count.values++] = tag->full_len;
    return 0;
}

static uint32_t *scratch_of(struct tw__recent *recent, size_t count)
{
    if (count <= recent->scratch_cap) return recent->scratch;
    uint32_t *scratch = realloc(recent->scratch, count * 2 * sizeof *scratch);
    if (!scratch) return NULL;
    recent->scratch = scratch;
    recent->scratch_cap = count * 2;
    return scratch;
}

/* Where no way goes: every key is looked up. */
static int shape_of_tags(struct tw__recent *recent, const struct tw_tag_value *tags, size_t count, uint32_t *out)
{
    uint32_t *scratch = scratch_of(recent, count), key;
    if (!scratch) return TW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (intern(recent, tags[i].key, &key) < 0) return TW_ERR_MEMORY;
        scratch[i] = TW__FIELD(key, tags[i].cut, tags[i].type & 7);
    }
    return tw__add_shape(recent, scratch, count, out);
}

static int shape_of_way(struct tw__recent *recent, uint32_t way, size_t count, uint32_t *out)
{
    uint32_t *scratch = scratch_of(recent, count);
    if (!scratch) return TW_ERR_MEMORY;
    uint32_t at = way;
    for (size_t i = count; i-- > 0; at = recent->ways[at].before) scratch[i] = recent->ways[at].field;
    if (tw__add_shape(recent, scratch, count, out) < 0) return TW_ERR_MEMORY;
    recent->ways[way].shape = *out;
    return 0;
}

static int add_tags(struct tw__recent *recent, const struct tw_tag_value *tags, size_t count, struct tw__tag_list *out)
{
    uint32_t way = 0;
    bool lost = false;
    *out = (struct tw__tag_list){0, (uint32_t)recent->count.values};
    if (count == 0) return 0;
    if (count > UINT32_MAX / 4) return TW_ERR_MEMORY;
    if (tw__recent_grow(&recent->values, recent->count.values, count * 2, &recent->cap.values, sizeof *recent->values) <
        0)
        return TW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        if (!lost && way_on(recent, way, &tags[i], &way) < 0) return TW_ERR_MEMORY;
        lost |= way == 0;
        if (add_value(recent, &tags[i]) < 0) return TW_ERR_MEMORY;
    }
    if (lost) return shape_of_tags(recent, tags, count, &out->shape);
    out->shape = recent->ways[way].shape;
    return out->shape ? 0 : shape_of_way(recent, way, count, &out->shape);
}

static int add_resource(struct tw__recent *recent, const struct tw__resource *in, uint32_t *out)
{
    struct tw__origin origin = {.dropped_tags = in->dropped_tags};
    if (intern(recent, in->service, &origin.name) < 0 || intern(recent, in->schema_url, &origin.schema_url) < 0 ||
        add_tags(recent, in->tags, in->tag_count, &origin.tags) < 0)
        return TW_ERR_MEMORY;
    if (look_up_later(recent) < 0) return TW_ERR_MEMORY;
    return tw__add_origin(recent, false, &origin, out);
}

static int add_scope(struct tw__recent *recent, const struct tw__scope *in, uint32_t *out)
{
    struct tw__origin origin = {.dropped_tags = in->dropped_tags};
    if (intern(recent, in->name, &origin.name) < 0 || intern(recent, in->version, &origin.version) < 0 ||
        intern(recent, in->schema_url, &origin.schema_url) < 0 ||
        add_tags(recent, in->tags, in->tag_count, &origin.tags) < 0)
        return TW_ERR_MEMORY;
    if (look_up_later(recent) < 0) return TW_ERR_MEMORY;
    return tw__add_origin(recent, true, &origin, out);
}

static int add_events(struct tw__recent *recent, const struct tw__span *span, struct tw__row *row)
{
    if (tw__recent_grow(&recent->events, recent->count.events, span->event_count, &recent->cap.events,
                        sizeof *recent->events) < 0)
        return TW_ERR_MEMORY;
    for (size_t i = 0; i < span->event_count; i++) {
        const struct tw__span_event *in = &span->events[i];
        struct tw__event_row event = {.time_ns = in->time_ns, .dropped_tags = in->dropped_tags, .kind = in->kind};
        if (intern(recent, in->name, &event.name) < 0 || add_tags(recent, in->tags, in->tag_count, &event.tags) < 0)
            return TW_ERR_MEMORY;
        recent->events[recent->count.events++] = event;
    }
    row->event_count = span->event_count;
    return 0;
}

static int add_links(struct tw__recent *recent, const struct tw__span *span, struct tw__row *row)
{
    if (tw__recent_grow(&recent->links, recent->count.links, span->link_count, &recent->cap.links,
                        sizeof *recent->links) < 0)
        return TW_ERR_MEMORY;
    for (size_t i = 0; i < span->link_count; i++) {
        const struct tw__span_link *in = &span->links[i];
        struct tw__link_row link = {.flags = in->flags, .dropped_tags = in->dropped_tags};
        memcpy(link.trace_id, in->trace_id, sizeof link.trace_id);
        memcpy(link.span_id, in->span_id, sizeof link.span_id);
        if (intern(recent, in->trace_state, &link.trace_state) < 0 ||
            add_tags(recent, in->tags, in->tag_count, &link.tags) < 0)
            return TW_ERR_MEMORY;
        recent->links[recent->count.links++] = link;
    }
    row->link_count = span->link_count;
    return 0;
}

/* The row is behind the last one, where there is room. */
static int add_span(struct tw__recent *recent, const struct tw__span *span, uint32_t resource, uint32_t scope)
{
    struct tw__row *row = &recent->rows[recent->count.rows];
    memcpy(row->trace_id, span->trace_id, sizeof row->trace_id);
    memcpy(row->span_id, span->span_id, sizeof row->span_id);
    memcpy(row->parent_id, span->parent_id, sizeof row->parent_id);
    row->start_ns = span->start_ns;
    row->end_ns = span->end_ns;
    row->resource = resource;
    row->scope = scope;
    row->flags = span->flags;
    row->first_event = (uint32_t)recent->count.events;
    row->first_link = (uint32_t)recent->count.links;
    row->event_count = row->link_count = 0;
    row->dropped_tags = span->dropped_tags;
    row->dropped_events = span->dropped_events;
    row->dropped_links = span->dropped_links;
    row->kind = span->kind;
    row->status = span->status;
    row->door = span->door;
    row->open = span->open;
    if (intern(recent, span->name, &row->name) < 0 || intern(recent, span->status_message, &row->status_message) < 0 ||
        intern(recent, span->trace_state, &row->trace_state) < 0 ||
        add_tags(recent, span->tags, span->tag_count, &row->tags) < 0 ||
        (span->event_count && add_events(recent, span, row) < 0) ||
        (span->link_count && add_links(recent, span, row) < 0))
        return TW_ERR_MEMORY;
    recent->count.rows++;
    return 0;
}

int tw__recent_add(struct tw__recent *recent, const struct tw__spans *spans)
{
    struct tw__recent_counts before = recent->count;
    size_t origins = spans->resource_count + spans->scope_count;
    uint32_t *ids = malloc((origins + 1) * sizeof *ids);
    int error = ids ? 0 : TW_ERR_MEMORY;
    for (size_t i = 0; i < spans->resource_count && !error; i++)
        error = add_resource(recent, &spans->resources[i], &ids[i]);
    for (size_t i = 0; i < spans->scope_count && !error; i++)
        error = add_scope(recent, &spans->scopes[i], &ids[spans->resource_count + i]);
    if (!error)
        error =
            tw__recent_grow(&recent->rows, recent->count.rows, spans->count, &recent->cap.rows, sizeof *recent->rows);
    for (size_t i = 0; i < spans->count && !error; i++) {
        const struct tw__span *span = &spans->items[i];
        error = add_span(recent, span, ids[span->resource], ids[spans->resource_count + span->scope]);
    }
    free(ids);
    if (!error) error = look_up_later(recent);
    if (error) tw__recent_undo(recent, &before);
    return error;
}
