/* compare: see the header. It observes as the store's filter, as series does, and lets nothing through. */
#include "query/compare.h"

#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "model/span_fields.h"
#include "model/span_words.h"
#include "model/text.h"
#include "store/hash.h"

enum { SLOTS = 1 << 17, VALUES_MAX = SLOTS / 4 };

struct comparer {
    struct tw__store_filter asked; /* the search's own */
    const struct tw__store_filter *selects;
    struct tw__comparison *out;
    struct tw__pool *pool;
    size_t attribute_room, value_room;
    uint64_t seed;    /* keys and values are the senders': nobody shall know which meet in the table */
    uint32_t *slots;  /* index + 1 of values */
    uint32_t *places; /* the same of attributes */
    int error;
};

static void add_one(struct comparer *c, uint64_t total[TW__COMPARE_SIDES], uint32_t *counts[TW__COMPARE_SIDES],
                    enum tw__compare_side side, size_t step)
{
    if (!counts[side]) counts[side] = tw__pool_zeroed(c->pool, c->out->steps, sizeof **counts);
    if (!counts[side]) {
        c->error = TW_ERR_MEMORY;
        return;
    }
    counts[side][step]++;
    total[side]++;
}

/* The attribute's index; UINT32_MAX: none, or no memory. */
static uint32_t find_attribute(struct comparer *c, struct tw_text scope, struct tw_text key)
{
    struct tw__comparison *out = c->out;
    size_t at = tw__hash_seeded(key.ptr, key.len, c->seed ^ scope.len) & (SLOTS - 1);
    for (; c->places[at]; at = (at + 1) & (SLOTS - 1)) {
        const struct tw__compared_attribute *one = &out->attributes[c->places[at] - 1];
        if (tw__text_same(one->key, key) && tw__text_same(one->scope, scope)) return c->places[at] - 1;
    }
    if (out->attribute_count == TW__COMPARE_ATTRIBUTES) {
        out->more = true;
        return UINT32_MAX;
    }
    struct tw_text own = {tw__pool_copy(c->pool, key.ptr, key.len), key.len};
    if (!own.ptr || tw__pool_grow(c->pool, &out->attributes, out->attribute_count, &c->attribute_room,
                                  sizeof *out->attributes) < 0) {
        c->error = TW_ERR_MEMORY;
        return UINT32_MAX;
    }
    out->attributes[out->attribute_count] = (struct tw__compared_attribute){.scope = scope, .key = own};
    c->places[at] = (uint32_t)++out->attribute_count;
    return c->places[at] - 1;
}

static bool same_value(const struct tw__field *a, const struct tw__field *b)
{
    if (a->type != b->type) return false;
    return a->type == TW__FIELD_TEXT ? a->len == b->len && (a->len == 0 || memcmp(a->ptr, b->ptr, a->len) == 0)
                                     : a->u == b->u;
}

/* NULL: there are too many, or no memory. */
static struct tw__compared_value *find_value(struct comparer *c, uint32_t attribute, const struct tw__field *value)
{
    struct tw__comparison *out = c->out;
    bool text = value->type == TW__FIELD_TEXT;
    const void *bytes = text ? (const void *)value->ptr : &value->u;
    size_t len = text ? value->len : sizeof value->u;
    size_t at = tw__hash_seeded(bytes, len, c->seed + attribute) & (SLOTS - 1);
    for (; c->slots[at]; at = (at + 1) & (SLOTS - 1)) {
        struct tw__compared_value *one = &out->values[c->slots[at] - 1];
        if (one->attribute == attribute && same_value(&one->value, value)) return one;
    }
    struct tw__compared_attribute *of = &out->attributes[attribute];
    if (of->values[0] + of->values[1] >= 2 * TW__COMPARE_VALUES || out->value_count == VALUES_MAX) {
        of->more = true;
        return NULL;
    }
    struct tw__compared_value made = {.value = *value, .attribute = attribute};
    if (text) made.value.ptr = tw__pool_copy(c->pool, value->ptr, value->len);
    if ((text && !made.value.ptr) ||
        tw__pool_grow(c->pool, &out->values, out->value_count, &c->value_room, sizeof made) < 0) {
        c->error = TW_ERR_MEMORY;
        return NULL;
    }
    out->values[out->value_count] = made;
    c->slots[at] = (uint32_t)++out->value_count;
    return &out->values[out->value_count - 1];
}

static void count(struct comparer *c, enum tw__compare_side side, size_t step, const char *scope, struct tw_text key,
                  const struct tw__field *value)
{
    uint32_t attribute = find_attribute(c, (struct tw_text){scope, strlen(scope)}, key);
    if (attribute == UINT32_MAX || c->error) return;
    add_one(c, c->out->attributes[attribute].total, c->out->attributes[attribute].counts, side, step);
    struct tw__compared_value *found = find_value(c, attribute, value);
    if (!found || c->error) return;
    if (found->total[side] == 0) c->out->attributes[attribute].values[side]++;
    add_one(c, found->total, found->counts, side, step);
}

static void count_text(struct comparer *c, enum tw__compare_side side, size_t step, const char *scope, const char *key,
                       struct tw_text text)
{
    struct tw__field value = tw__field_text(text.ptr, text.len);
    if (text.len) count(c, side, step, scope, (struct tw_text){key, strlen(key)}, &value);
}

static void count_tags(struct comparer *c, enum tw__compare_side side, size_t step, const char *scope,
                       const struct tw_tag_value *tags, uint32_t tag_count)
{
    for (uint32_t i = 0; i < tag_count && !c->error; i++) {
        struct tw__field value;
        if (tw__tag_field(&tags[i], &value) && value.type != TW__FIELD_BYTES)
            count(c, side, step, scope, tags[i].key, &value);
    }
}

static bool observe(void *data, const struct tw__spans *spans, size_t index)
{
    struct comparer *c = data;
    const struct tw__span *span = &spans->items[index];
    const struct tw__resource *resource = &spans->resources[span->resource];
    uint64_t since = c->out->traceql->metric.since_ns, until = c->out->traceql->metric.until_ns;
    if (c->error || (c->asked.match && !c->asked.match(c->asked.data, spans, index))) return false;
    if (span->start_ns < c->out->from_ns) return false;
    size_t step = (size_t)((span->start_ns - c->out->from_ns) / c->out->step_ns);
    if (step >= c->out->steps) return false;
    bool selected = !until || (span->start_ns >= since && span->start_ns < until);
    if (selected && c->selects && c->selects->match) selected = c->selects->match(c->selects->data, spans, index);
    enum tw__compare_side side = selected ? TW__COMPARE_SELECTION : TW__COMPARE_BASELINE;
    const char *status = tw__status_words[span->status < 3 ? span->status : 0];
    const char *kind = tw__span_kind_words[span->kind < TW__UNSPECIFIED_WORD ? span->kind : TW__UNSPECIFIED_WORD];
    count_text(c, side, step, "", "name", span->name);
    count_text(c, side, step, "", "status", (struct tw_text){status, strlen(status)});
    count_text(c, side, step, "", "kind", (struct tw_text){kind, strlen(kind)});
    count_text(c, side, step, "", "statusMessage", span->status_message);
    if (!tw__tag_find(resource->tags, resource->tag_count, "service.name"))
        count_text(c, side, step, "resource.", "service.name", resource->service);
    count_tags(c, side, step, "resource.", resource->tags, resource->tag_count);
    count_tags(c, side, step, "span.", span->tags, span->tag_count);
    return false;
}

static int by_spans(const void *left, const void *right)
{
    const struct tw__compared_value *a = left, *b = right;
    uint64_t of_a = a->total[0] + a->total[1], of_b = b->total[0] + b->total[1];
    if (a->attribute != b->attribute) return a->attribute < b->attribute ? -1 : 1;
    return of_a > of_b ? -1 : of_a < of_b;
}

int tw__compare(struct tw__store *store, struct tw__search *search, const struct tw__store_filter *selects,
                struct tw__pool *pool, struct tw__comparison *comparison)
{
    struct comparer c = {.asked = search->spans.filter, .selects = selects, .out = comparison, .pool = pool};
    c.slots = tw__pool_zeroed(pool, SLOTS, sizeof *c.slots);
    c.places = tw__pool_zeroed(pool, SLOTS, sizeof *c.places);
    if (!c.slots || !c.places) return TW_ERR_MEMORY;
    tw__os_random(&c.seed, sizeof c.seed);
    search->spans.since_ns = comparison->from_ns;
    search->spans.until_ns = comparison->from_ns + comparison->steps * comparison->step_ns;
    search->spans.filter = (struct tw__store_filter){.match = observe,
                                                     .data = &c,
                                                     .parts = TW__PART_TAGS | TW__PART_RESOURCES | c.asked.parts |
                                                              (selects ? selects->parts : 0)};
    int error = tw__store_scan(store, &search->spans, 0, NULL, NULL);
    search->spans.filter = c.asked;
    if (!error) error = c.error;
    if (!error && comparison->value_count)
        qsort(comparison->values, comparison->value_count, sizeof *comparison->values, by_spans);
    return error;
}
