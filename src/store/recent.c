/* recent: see the header.
 *
 *     strings     "" | "GET /cart" | "http.method" | ...          each text once
 *     fields      key and type, key and type, ...                 shapes are slices of it, each shape once
 *     values      one number for each field of each list          lists are a shape and a first value
 *     rows        fixed size, 112 bytes a span
 *
 * A batch that cannot be added whole is taken back: counts return to what they were, and the sets forget what is beyond
 * them. Limits: 2^28 strings, 2^32 of anything else; the store seals a table long before. Rejected: rows of varying
 * length in one buffer. A block is made from columns, and a column from such rows is a parser.
 */
#define XXH_INLINE_ALL /* a third of the time of interning is the call */
#include "store/recent.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "store/hash.h"
#include "store/store.h"

enum { SET_MIN = 1024, STRINGS_MAX = 1 << 28 };

static int grow(void *array, size_t count, size_t more, size_t *cap, size_t size)
{
    void **items = array;
    if (more <= *cap - count) return 0;
    if (more > UINT32_MAX - count) return TW_ERR_MEMORY;
    size_t wanted = *cap < 512 ? 1024 : *cap + *cap / 2;
    if (wanted < count + more) wanted = count + more;
    if (wanted > SIZE_MAX / 2 / size) return TW_ERR_MEMORY;
    void *moved = realloc(*items, wanted * size);
    if (!moved) return TW_ERR_MEMORY;
    *items = moved;
    *cap = wanted;
    return 0;
}

static int set_grow(struct tw__set *set)
{
    size_t cap = set->slots ? (set->mask + 1) * 2 : SET_MIN;
    struct tw__set_slot *slots = calloc(cap, sizeof *slots);
    if (!slots) return TW_ERR_MEMORY;
    for (size_t i = 0; set->slots && i <= set->mask; i++) {
        if (set->slots[i].id == 0) continue;
        size_t at = set->slots[i].hash & (cap - 1);
        while (slots[at].id) at = (at + 1) & (cap - 1);
        slots[at] = set->slots[i];
    }
    free(set->slots);
    set->slots = slots;
    set->mask = cap - 1;
    return 0;
}

/* Room for one more, so that a place found stays a place. */
static int set_room(struct tw__set *set)
{
    return set->slots && set->used < set->mask / 2 ? 0 : set_grow(set);
}

static void set_put(struct tw__set *set, uint32_t hash, size_t id)
{
    size_t at = hash & set->mask;
    while (set->slots[at].id) at = (at + 1) & set->mask;
    set->slots[at] = (struct tw__set_slot){hash, (uint32_t)id + 1};
    set->used++;
}

/* Forgets ids from first on: rebuilt, because open addressing cannot just leave holes. */
static void set_cut(struct tw__set *set, size_t first)
{
    struct tw__set_slot *old = set->slots;
    size_t cap = old ? set->mask + 1 : 0, kept = 0;
    for (size_t i = 0; i < cap; i++)
        if (old[i].id && old[i].id - 1 < first) old[kept++] = old[i];
    struct tw__set_slot *keep = kept ? malloc(kept * sizeof *keep) : NULL;
    if (kept && !keep) {
        /* Without memory texts are found no more, and stand twice: larger, not wrong. */
        memset(old, 0, cap * sizeof *old);
        set->used = 0;
        return;
    }
    if (kept) memcpy(keep, old, kept * sizeof *keep);
    if (cap) memset(old, 0, cap * sizeof *old);
    set->used = 0;
    for (size_t i = 0; i < kept; i++) set_put(set, keep[i].hash, keep[i].id - 1);
    free(keep);
}

static int intern(struct tw__recent *recent, struct tw_text text, uint32_t *out)
{
    if (text.len == 0) {
        *out = 0;
        return 0;
    }
    struct tw__set *set = &recent->string_set;
    uint32_t hash = (uint32_t)XXH3_64bits(text.ptr, text.len);
    if (set_room(set) < 0) return TW_ERR_MEMORY;
    for (size_t at = hash & set->mask; set->slots[at].id; at = (at + 1) & set->mask) {
        if (set->slots[at].hash != hash) continue;
        uint32_t id = set->slots[at].id - 1;
        const struct tw_text *there = &recent->strings[id];
        if (there->len == text.len && memcmp(there->ptr, text.ptr, text.len) == 0) {
            *out = id;
            return 0;
        }
    }
    if (recent->count.strings >= STRINGS_MAX || text.len > UINT32_MAX) return TW_ERR_MEMORY;
    if (grow(&recent->strings, recent->count.strings, 1, &recent->cap.strings, sizeof *recent->strings) < 0)
        return TW_ERR_MEMORY;
    const char *copy = tw__pool_copy(&recent->pool, text.ptr, text.len);
    if (!copy) return TW_ERR_MEMORY;
    *out = (uint32_t)recent->count.strings;
    recent->strings[recent->count.strings] = (struct tw_text){copy, text.len};
    set_put(set, hash, recent->count.strings++);
    recent->count.string_bytes += text.len;
    return 0;
}

static uint32_t shape_hash(const uint32_t *fields, size_t count)
{
    return (uint32_t)XXH3_64bits(fields, count * sizeof *fields);
}

static int add_shape(struct tw__recent *recent, const uint32_t *fields, size_t count, uint32_t *out)
{
    struct tw__set *set = &recent->shape_set;
    uint32_t hash = shape_hash(fields, count);
    if (set_room(set) < 0) return TW_ERR_MEMORY;
    for (size_t at = hash & set->mask; set->slots[at].id; at = (at + 1) & set->mask) {
        const struct tw__shape *there = &recent->shapes[set->slots[at].id - 1];
        if (set->slots[at].hash == hash && there->count == count &&
            memcmp(recent->fields + there->first, fields, count * sizeof *fields) == 0) {
            *out = set->slots[at].id - 1;
            return 0;
        }
    }
    if (grow(&recent->shapes, recent->count.shapes, 1, &recent->cap.shapes, sizeof *recent->shapes) < 0 ||
        grow(&recent->fields, recent->count.fields, count, &recent->cap.fields, sizeof *recent->fields) < 0)
        return TW_ERR_MEMORY;
    memcpy(recent->fields + recent->count.fields, fields, count * sizeof *fields);
    recent->shapes[recent->count.shapes] = (struct tw__shape){(uint32_t)recent->count.fields, (uint32_t)count};
    recent->count.fields += count;
    *out = (uint32_t)recent->count.shapes;
    set_put(set, hash, recent->count.shapes++);
    return 0;
}

static int add_tag(struct tw__recent *recent, const struct tw_tag_value *tag, uint32_t *field)
{
    uint32_t key, text;
    unsigned type = (unsigned)tag->type & 7;
    uint64_t value = tag->value.u;
    if (intern(recent, tag->key, &key) < 0) return TW_ERR_MEMORY;
    if (type >= TW_TYPE_STR) {
        if (intern(recent, tag->text, &text) < 0) return TW_ERR_MEMORY;
        value = text;
    } else if (type == TW_TYPE_DOUBLE) {
        memcpy(&value, &tag->value.d, sizeof value);
    } else if (type == TW_TYPE_BOOL) {
        value = value != 0;
    } else if (type == TW_TYPE_NONE) {
        value = 0;
    }
    *field = TW__FIELD(key, tag->cut, type);
    recent->values[recent->count.values++] = value;
    if (tag->cut) recent->values[recent->count.values++] = tag->full_len;
    return 0;
}

static int add_tags(struct tw__recent *recent, const struct tw_tag_value *tags, size_t count, struct tw__tag_list *out)
{
    uint32_t *scratch = recent->scratch;
    if (count == 0) {
        *out = (struct tw__tag_list){0, (uint32_t)recent->count.values};
        return 0;
    }
    if (count > UINT32_MAX / 4) return TW_ERR_MEMORY;
    if (count > recent->scratch_cap) {
        scratch = realloc(scratch, count * 2 * sizeof *scratch);
        if (!scratch) return TW_ERR_MEMORY;
        recent->scratch = scratch;
        recent->scratch_cap = count * 2;
    }
    if (grow(&recent->values, recent->count.values, count * 2, &recent->cap.values, sizeof *recent->values) < 0)
        return TW_ERR_MEMORY;
    out->values = (uint32_t)recent->count.values;
    for (size_t i = 0; i < count; i++)
        if (add_tag(recent, &tags[i], &scratch[i]) < 0) return TW_ERR_MEMORY;
    return add_shape(recent, scratch, count, &out->shape);
}

/* Values of equal origins are equal numbers: texts are interned. */
static uint32_t origin_hash(const struct tw__recent *recent, const struct tw__origin *origin, size_t value_count)
{
    uint32_t fixed[5] = {origin->name, origin->version, origin->schema_url, origin->tags.shape, origin->dropped_tags};
    return (uint32_t)tw__hash_seeded(recent->values + origin->tags.values, value_count * sizeof *recent->values,
                                     tw__hash(fixed, sizeof fixed));
}

static size_t value_count_of(const struct tw__recent *recent, uint32_t shape)
{
    const struct tw__shape *it = &recent->shapes[shape];
    size_t count = it->count;
    for (size_t i = 0; i < it->count; i++) count += TW__FIELD_CUT(recent->fields[it->first + i]);
    return count;
}

static bool origin_equal(const struct tw__recent *recent, const struct tw__origin *a, const struct tw__origin *b,
                         size_t value_count)
{
    return a->name == b->name && a->version == b->version && a->schema_url == b->schema_url &&
           a->tags.shape == b->tags.shape && a->dropped_tags == b->dropped_tags &&
           (value_count == 0 || memcmp(recent->values + a->tags.values, recent->values + b->tags.values,
                                       value_count * sizeof *recent->values) == 0);
}

/* The id of an origin whose tags stand at the end of values; they are taken off again when it was there already. */
static int add_origin(struct tw__recent *recent, struct tw__set *set, const struct tw__origin *origin,
                      struct tw__origin **items, size_t *count, size_t *cap, uint32_t *out)
{
    size_t value_count = value_count_of(recent, origin->tags.shape);
    uint32_t hash = origin_hash(recent, origin, value_count);
    if (set_room(set) < 0) return TW_ERR_MEMORY;
    for (size_t at = hash & set->mask; set->slots[at].id; at = (at + 1) & set->mask) {
        uint32_t id = set->slots[at].id - 1;
        if (set->slots[at].hash != hash || !origin_equal(recent, &(*items)[id], origin, value_count)) continue;
        recent->count.values = origin->tags.values;
        *out = id;
        return 0;
    }
    if (grow(items, *count, 1, cap, sizeof **items) < 0) return TW_ERR_MEMORY;
    (*items)[*count] = *origin;
    *out = (uint32_t)*count;
    set_put(set, hash, (*count)++);
    return 0;
}

static int add_resource(struct tw__recent *recent, const struct tw__resource *in, uint32_t *out)
{
    struct tw__origin origin = {.dropped_tags = in->dropped_tags};
    if (intern(recent, in->service, &origin.name) < 0 || intern(recent, in->schema_url, &origin.schema_url) < 0 ||
        add_tags(recent, in->tags, in->tag_count, &origin.tags) < 0)
        return TW_ERR_MEMORY;
    return add_origin(recent, &recent->resource_set, &origin, &recent->resources, &recent->count.resources,
                      &recent->cap.resources, out);
}

static int add_scope(struct tw__recent *recent, const struct tw__scope *in, uint32_t *out)
{
    struct tw__origin origin = {.dropped_tags = in->dropped_tags};
    if (intern(recent, in->name, &origin.name) < 0 || intern(recent, in->version, &origin.version) < 0 ||
        intern(recent, in->schema_url, &origin.schema_url) < 0 ||
        add_tags(recent, in->tags, in->tag_count, &origin.tags) < 0)
        return TW_ERR_MEMORY;
    return add_origin(recent, &recent->scope_set, &origin, &recent->scopes, &recent->count.scopes, &recent->cap.scopes,
                      out);
}

static int add_events(struct tw__recent *recent, const struct tw__span *span, struct tw__row *row)
{
    if (grow(&recent->events, recent->count.events, span->event_count, &recent->cap.events, sizeof *recent->events) < 0)
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
    if (grow(&recent->links, recent->count.links, span->link_count, &recent->cap.links, sizeof *recent->links) < 0)
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

static int add_span(struct tw__recent *recent, const struct tw__span *span, uint32_t resource, uint32_t scope)
{
    struct tw__row row = {.start_ns = span->start_ns,
                          .end_ns = span->end_ns,
                          .resource = resource,
                          .scope = scope,
                          .flags = span->flags,
                          .first_event = (uint32_t)recent->count.events,
                          .first_link = (uint32_t)recent->count.links,
                          .dropped_tags = span->dropped_tags,
                          .dropped_events = span->dropped_events,
                          .dropped_links = span->dropped_links,
                          .kind = span->kind,
                          .status = span->status,
                          .door = span->door,
                          .open = span->open};
    memcpy(row.trace_id, span->trace_id, sizeof row.trace_id);
    memcpy(row.span_id, span->span_id, sizeof row.span_id);
    memcpy(row.parent_id, span->parent_id, sizeof row.parent_id);
    if (intern(recent, span->name, &row.name) < 0 || intern(recent, span->status_message, &row.status_message) < 0 ||
        intern(recent, span->trace_state, &row.trace_state) < 0 ||
        add_tags(recent, span->tags, span->tag_count, &row.tags) < 0 ||
        (span->event_count && add_events(recent, span, &row) < 0) ||
        (span->link_count && add_links(recent, span, &row) < 0))
        return TW_ERR_MEMORY;
    recent->rows[recent->count.rows++] = row;
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
    if (!error) error = grow(&recent->rows, recent->count.rows, spans->count, &recent->cap.rows, sizeof *recent->rows);
    for (size_t i = 0; i < spans->count && !error; i++) {
        const struct tw__span *span = &spans->items[i];
        error = add_span(recent, span, ids[span->resource], ids[spans->resource_count + span->scope]);
    }
    free(ids);
    if (error) tw__recent_undo(recent, &before);
    return error;
}

void tw__recent_undo(struct tw__recent *recent, const struct tw__recent_counts *before)
{
    recent->count = *before; /* bytes of strings stay in the pool until the table goes */
    set_cut(&recent->string_set, before->strings);
    set_cut(&recent->shape_set, before->shapes);
    set_cut(&recent->resource_set, before->resources);
    set_cut(&recent->scope_set, before->scopes);
}

int tw__recent_reserve(struct tw__recent *recent, const struct tw__recent_counts *more)
{
    if (grow(&recent->strings, recent->count.strings, more->strings, &recent->cap.strings, sizeof *recent->strings) < 0)
        return TW_ERR_MEMORY;
#define RESERVE(name, type)                                                                                            \
    if (grow(&recent->name, recent->count.name, more->name, &recent->cap.name, sizeof(type)) < 0) return TW_ERR_MEMORY;
    TW__RECENT_ARRAYS(RESERVE)
#undef RESERVE
    return 0;
}

static bool list_valid(const struct tw__recent *recent, const struct tw__tag_list *list)
{
    const struct tw__recent_counts *count = &recent->count;
    if (list->shape >= count->shapes) return false;
    const struct tw__shape *shape = &recent->shapes[list->shape];
    size_t at = list->values;
    for (size_t i = 0; i < shape->count; i++) {
        uint32_t field = recent->fields[shape->first + i];
        if (at >= count->values) return false;
        if (TW__FIELD_TYPE(field) >= TW_TYPE_STR && recent->values[at] >= count->strings) return false;
        at += 1 + TW__FIELD_CUT(field);
    }
    return at <= count->values;
}

static bool origins_valid(const struct tw__recent *recent, const struct tw__origin *items, size_t first, size_t count)
{
    size_t strings = recent->count.strings;
    for (size_t i = first; i < count; i++)
        if (items[i].name >= strings || items[i].version >= strings || items[i].schema_url >= strings ||
            !list_valid(recent, &items[i].tags))
            return false;
    return true;
}

static bool row_valid(const struct tw__recent *recent, const struct tw__row *row)
{
    const struct tw__recent_counts *count = &recent->count;
    return row->name < count->strings && row->status_message < count->strings && row->trace_state < count->strings &&
           row->resource < count->resources && row->scope < count->scopes && list_valid(recent, &row->tags) &&
           row->first_event <= count->events && row->event_count <= count->events - row->first_event &&
           row->first_link <= count->links && row->link_count <= count->links - row->first_link && row->open <= 1;
}

bool tw__recent_valid(const struct tw__recent *recent, const struct tw__recent_counts *before)
{
    const struct tw__recent_counts *count = &recent->count;
    for (size_t i = before->fields; i < count->fields; i++)
        if (TW__FIELD_KEY(recent->fields[i]) >= count->strings) return false;
    for (size_t i = before->shapes; i < count->shapes; i++)
        if (recent->shapes[i].first > count->fields ||
            recent->shapes[i].count > count->fields - recent->shapes[i].first)
            return false;
    if (!origins_valid(recent, recent->resources, before->resources, count->resources) ||
        !origins_valid(recent, recent->scopes, before->scopes, count->scopes))
        return false;
    for (size_t i = before->events; i < count->events; i++)
        if (recent->events[i].name >= count->strings || !list_valid(recent, &recent->events[i].tags)) return false;
    for (size_t i = before->links; i < count->links; i++)
        if (recent->links[i].trace_state >= count->strings || !list_valid(recent, &recent->links[i].tags)) return false;
    for (size_t i = before->rows; i < count->rows; i++)
        if (!row_valid(recent, &recent->rows[i])) return false;
    return true;
}

static int adopt_origins(struct tw__recent *recent, struct tw__set *set, const struct tw__origin *items, size_t first,
                         size_t count)
{
    for (size_t i = first; i < count; i++) {
        if (set_room(set) < 0) return TW_ERR_MEMORY;
        set_put(set, origin_hash(recent, &items[i], value_count_of(recent, items[i].tags.shape)), i);
    }
    return 0;
}

int tw__recent_adopt(struct tw__recent *recent, const struct tw__recent_counts *before)
{
    for (size_t i = before->strings; i < recent->count.strings; i++) {
        if (set_room(&recent->string_set) < 0) return TW_ERR_MEMORY;
        set_put(&recent->string_set, (uint32_t)tw__hash(recent->strings[i].ptr, recent->strings[i].len), i);
    }
    for (size_t i = before->shapes; i < recent->count.shapes; i++) {
        const struct tw__shape *shape = &recent->shapes[i];
        if (set_room(&recent->shape_set) < 0) return TW_ERR_MEMORY;
        set_put(&recent->shape_set, shape_hash(recent->fields + shape->first, shape->count), i);
    }
    if (adopt_origins(recent, &recent->resource_set, recent->resources, before->resources, recent->count.resources) < 0)
        return TW_ERR_MEMORY;
    return adopt_origins(recent, &recent->scope_set, recent->scopes, before->scopes, recent->count.scopes);
}

static int begin(struct tw__recent *recent)
{
    struct tw__recent_counts one = {.strings = 1, .shapes = 1, .fields = 1, .values = 1, .scopes = 1};
    if (tw__recent_reserve(recent, &one) < 0 || set_room(&recent->string_set) < 0 || set_room(&recent->shape_set) < 0) {
        tw__recent_fini(recent);
        return TW_ERR_MEMORY;
    }
    recent->strings[recent->count.strings++] = (struct tw_text){"", 0};
    recent->shapes[recent->count.shapes++] = (struct tw__shape){0, 0};
    uint32_t scope;
    if (add_scope(recent, &(struct tw__scope){0}, &scope) < 0) {
        tw__recent_fini(recent);
        return TW_ERR_MEMORY;
    }
    return 0;
}

static void set_reset(struct tw__set *set)
{
    if (set->slots) memset(set->slots, 0, (set->mask + 1) * sizeof *set->slots);
    set->used = 0;
}

int tw__recent_reset(struct tw__recent *recent)
{
    recent->count = (struct tw__recent_counts){0};
    tw__pool_reset(&recent->pool);
    set_reset(&recent->string_set);
    set_reset(&recent->shape_set);
    set_reset(&recent->resource_set);
    set_reset(&recent->scope_set);
    return begin(recent);
}

int tw__recent_init(struct tw__recent *recent)
{
    *recent = (struct tw__recent){0};
    return begin(recent);
}

void tw__recent_fini(struct tw__recent *recent)
{
#define FREE(name, type) free(recent->name);
    TW__RECENT_ARRAYS(FREE)
#undef FREE
    free(recent->strings);
    free(recent->scratch);
    free(recent->string_set.slots);
    free(recent->shape_set.slots);
    free(recent->resource_set.slots);
    free(recent->scope_set.slots);
    tw__pool_fini(&recent->pool);
    *recent = (struct tw__recent){0};
}

size_t tw__recent_bytes(const struct tw__recent *recent)
{
    size_t bytes = recent->count.string_bytes + recent->count.strings * (sizeof *recent->strings + 24);
#define ADD_BYTES(name, type) bytes += recent->count.name * sizeof(type);
    TW__RECENT_ARRAYS(ADD_BYTES)
#undef ADD_BYTES
    return bytes;
}
