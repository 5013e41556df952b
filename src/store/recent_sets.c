/* recent_sets: see the header.
 *
 * Open addressing with half of the slots free; a slot has the hash, so that what is unequal is mostly told without a
 * look at the thing.
 * Limits: 2^28 strings, 2^32 of anything else.
 */
#define XXH_INLINE_ALL /* a third of the time of interning is the call */
#include "store/recent_sets.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "store/hash.h"

enum { SET_MIN = 1024, STRINGS_MAX = 1 << 28 };

int tw__recent_grow(void *array, size_t count, size_t more, size_t *cap, size_t size)
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

int tw__set_room(struct tw__set *set)
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
void tw__set_cut(struct tw__set *set, size_t first)
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

void tw__set_reset(struct tw__set *set)
{
    if (set->slots) memset(set->slots, 0, (set->mask + 1) * sizeof *set->slots);
    set->used = 0;
}

/* -- strings */

uint32_t tw__string_hash(struct tw_text text)
{
    return (uint32_t)XXH3_64bits(text.ptr, text.len);
}

int tw__add_string(struct tw__recent *recent, struct tw_text text, uint32_t hash, uint32_t *out, bool *fresh)
{
    struct tw__set *set = &recent->string_set;
    if (tw__set_room(set) < 0) return TW_ERR_MEMORY;
    *fresh = false;
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
    if (tw__recent_grow(&recent->strings, recent->count.strings, 1, &recent->cap.strings, sizeof *recent->strings) < 0)
        return TW_ERR_MEMORY;
    const char *copy = tw__pool_copy(&recent->pool, text.ptr, text.len);
    if (!copy) return TW_ERR_MEMORY;
    *out = (uint32_t)recent->count.strings;
    *fresh = true;
    recent->strings[recent->count.strings] = (struct tw_text){copy, text.len};
    set_put(set, hash, recent->count.strings++);
    recent->count.string_bytes += text.len;
    return 0;
}

/* -- shapes */

int tw__add_shape(struct tw__recent *recent, const uint32_t *fields, size_t count, uint32_t *out)
{
    struct tw__set *set = &recent->shape_set;
    uint32_t hash = (uint32_t)XXH3_64bits(fields, count * sizeof *fields);
    if (tw__set_room(set) < 0) return TW_ERR_MEMORY;
    for (size_t at = hash & set->mask; set->slots[at].id; at = (at + 1) & set->mask) {
        const struct tw__shape *there = &recent->shapes[set->slots[at].id - 1];
        if (set->slots[at].hash == hash && there->count == count &&
            memcmp(recent->fields + there->first, fields, count * sizeof *fields) == 0) {
            *out = set->slots[at].id - 1;
            return 0;
        }
    }
    if (tw__recent_grow(&recent->shapes, recent->count.shapes, 1, &recent->cap.shapes, sizeof *recent->shapes) < 0 ||
        tw__recent_grow(&recent->fields, recent->count.fields, count, &recent->cap.fields, sizeof *recent->fields) < 0)
        return TW_ERR_MEMORY;
    memcpy(recent->fields + recent->count.fields, fields, count * sizeof *fields);
    recent->shapes[recent->count.shapes] = (struct tw__shape){(uint32_t)recent->count.fields, (uint32_t)count};
    recent->count.fields += count;
    *out = (uint32_t)recent->count.shapes;
    set_put(set, hash, recent->count.shapes++);
    return 0;
}

/* -- origins */

static size_t value_count_of(const struct tw__recent *recent, uint32_t shape)
{
    const struct tw__shape *it = &recent->shapes[shape];
    size_t count = it->count;
    for (size_t i = 0; i < it->count; i++) count += TW__FIELD_CUT(recent->fields[it->first + i]);
    return count;
}

/* Values of equal origins are equal numbers: texts are interned. */
static uint32_t origin_hash(const struct tw__recent *recent, const struct tw__origin *origin)
{
    uint32_t fixed[5] = {origin->name, origin->version, origin->schema_url, origin->tags.shape, origin->dropped_tags};
    size_t value_count = value_count_of(recent, origin->tags.shape);
    return (uint32_t)tw__hash_seeded(recent->values + origin->tags.values, value_count * sizeof *recent->values,
                                     tw__hash(fixed, sizeof fixed));
}

static bool origin_equal(const struct tw__recent *recent, const struct tw__origin *a, const struct tw__origin *b)
{
    if (a->name != b->name || a->version != b->version || a->schema_url != b->schema_url ||
        a->tags.shape != b->tags.shape || a->dropped_tags != b->dropped_tags)
        return false;
    size_t value_count = value_count_of(recent, a->tags.shape);
    return value_count == 0 || memcmp(recent->values + a->tags.values, recent->values + b->tags.values,
                                      value_count * sizeof *recent->values) == 0;
}

int tw__add_origin(struct tw__recent *recent, bool scope, const struct tw__origin *origin, uint32_t *out)
{
    struct tw__set *set = scope ? &recent->scope_set : &recent->resource_set;
    struct tw__origin **items = scope ? &recent->scopes : &recent->resources;
    size_t *count = scope ? &recent->count.scopes : &recent->count.resources;
    size_t *cap = scope ? &recent->cap.scopes : &recent->cap.resources;
    uint32_t hash = origin_hash(recent, origin);
    if (tw__set_room(set) < 0) return TW_ERR_MEMORY;
    for (size_t at = hash & set->mask; set->slots[at].id; at = (at + 1) & set->mask) {
        uint32_t id = set->slots[at].id - 1;
        if (set->slots[at].hash != hash || !origin_equal(recent, &(*items)[id], origin)) continue;
        recent->count.values = origin->tags.values;
        *out = id;
        return 0;
    }
    if (tw__recent_grow(items, *count, 1, cap, sizeof **items) < 0) return TW_ERR_MEMORY;
    (*items)[*count] = *origin;
    *out = (uint32_t)*count;
    set_put(set, hash, (*count)++);
    return 0;
}
