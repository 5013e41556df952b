/* store_lists: services, operations, keys and values of tags: what a person picks from.
 *
 * From the lists of all partitions, mostly as they are remembered (store_known), and from tables row by row. Limits:
 * LIST_MAX names; a list that is longer says so. How many spans each has is about right while a journal is being
 * sealed: its spans may be counted in both places.
 */
#include <stdlib.h>
#include <string.h>

#include "model/text.h"
#include "store/hash.h"
#include "store/inside.h"

enum { LIST_MAX = 65536 };

/* A list in the making. Names are in the caller's pool. */
struct listing {
    struct tw__pool *pool;
    struct tw__store_name *items;
    size_t count, cap, limit;
    uint32_t *slots; /* index + 1 */
    size_t mask;
    bool more;
    struct tw_text service, prefix;
    unsigned scopes;
};

static int grow_slots(struct listing *list)
{
    size_t cap = list->slots ? (list->mask + 1) * 2 : 1024;
    uint32_t *slots = calloc(cap, sizeof *slots);
    if (!slots) return TW_ERR_MEMORY;
    for (size_t i = 0; i < list->count; i++) {
        size_t at = tw__hash_seeded(list->items[i].name.ptr, list->items[i].name.len, list->items[i].kind) & (cap - 1);
        while (slots[at]) at = (at + 1) & (cap - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(list->slots);
    list->slots = slots;
    list->mask = cap - 1;
    return 0;
}

static int add(struct listing *list, struct tw_text name, unsigned kind, uint64_t spans)
{
    if ((!list->slots || list->count >= list->mask / 2) && grow_slots(list) < 0) return TW_ERR_MEMORY;
    size_t at = tw__hash_seeded(name.ptr, name.len, kind) & list->mask;
    for (; list->slots[at]; at = (at + 1) & list->mask) {
        struct tw__store_name *item = &list->items[list->slots[at] - 1];
        if (item->kind == kind && tw__text_same(item->name, name)) {
            item->spans += spans;
            return 0;
        }
    }
    if (list->count >= list->limit) {
        list->more = true;
        return 0;
    }
    const char *copy = tw__pool_copy(list->pool, name.ptr, name.len);
    if (!copy || tw__pool_grow(list->pool, &list->items, list->count, &list->cap, sizeof *list->items) < 0)
        return TW_ERR_MEMORY;
    list->items[list->count] = (struct tw__store_name){{copy, name.len}, (uint8_t)kind, spans};
    list->slots[at] = (uint32_t)++list->count;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const struct tw__store_name *one = a, *two = b;
    int order = tw__text_order(one->name, two->name);
    return order ? order : (int)one->kind - (int)two->kind;
}

static int finish(struct listing *list, int error, struct tw__store_names *out)
{
    free(list->slots);
    if (error) return error;
    if (list->count) qsort(list->items, list->count, sizeof *list->items, by_name);
    *out = (struct tw__store_names){list->items, list->count, list->more};
    return 0;
}

/* -- what each list takes from a partition and from a table */

struct source {
    bool keys;
    int (*name)(struct listing *list, const struct tw__known_name *name, uint64_t spans);
    int (*row)(struct listing *list, const struct tw__recent *recent, const struct tw__row *row);
};

/* A partition of which there is no room to remember names. */
struct telling {
    struct listing *list;
    const struct source *source;
};

static int tell_name(void *data, struct tw_text service, struct tw_text name, unsigned number, uint64_t spans)
{
    struct telling *telling = data;
    struct tw__known_name known = {service, name, (uint8_t)number, telling->source->keys};
    return telling->source->name(telling->list, &known, spans);
}

static int read_part(struct tw__view *view, struct tw__part *part, struct telling *telling)
{
    bool there;
    int error = tw__view_lock(view, part, &there);
    if (error || !there) return error;
    error =
        telling->source->keys ? tw__part_keys(part, tell_name, telling) : tw__part_operations(part, tell_name, telling);
    tw__part_unlock(part);
    return error;
}

/* Under lock: what is remembered of the view's partitions, added up. */
static int add_known(const struct tw__view *view, struct listing *list, const struct source *source)
{
    const struct tw__known_names *names = &view->store->names;
    uint64_t *sums = calloc(names->count + 1, sizeof *sums);
    int error = sums ? 0 : TW_ERR_MEMORY;
    for (size_t i = 0; i < view->part_count && !error; i++) {
        const struct tw__known *known = &view->parts[i]->known;
        for (size_t c = 0; c < known->count_total; c++) sums[known->counts[c].name] += known->counts[c].spans;
    }
    for (size_t i = 0; i < names->count && !error; i++)
        if (sums[i] && names->items[i].is_key == source->keys) error = source->name(list, &names->items[i], sums[i]);
    free(sums);
    return error;
}

static int collect(struct tw__store *store, struct listing *list, const struct source *source)
{
    struct tw__view view;
    struct telling telling = {list, source};
    int error = tw__view_open(store, 0, 0, &view);
    if (error) return error;
    tw__known_lists_begin(store);
    for (size_t i = view.part_count; i-- > 0 && !error;) {
        error = tw__known_lists(&view, view.parts[i]);
        if (error == TW_ERR_SPACE) error = read_part(&view, view.parts[i], &telling);
        if (error == TW_ERR_CORRUPT) error = 0; /* hides itself and nothing else */
    }
    (void)pthread_mutex_lock(&store->lock);
    if (!error) error = add_known(&view, list, source);
    for (size_t t = 0; t < view.table_count && !error; t++) {
        const struct tw__recent *recent = &view.tables[t]->recent;
        for (size_t i = 0; i < recent->count.rows && !error; i++) error = source->row(list, recent, &recent->rows[i]);
    }
    (void)pthread_mutex_unlock(&store->lock);
    tw__known_lists_end(store);
    tw__view_close(&view);
    return error;
}

static int name_service(struct listing *list, const struct tw__known_name *name, uint64_t spans)
{
    return add(list, name->service, 0, spans);
}

static int row_service(struct listing *list, const struct tw__recent *recent, const struct tw__row *row)
{
    return add(list, recent->strings[recent->resources[row->resource].name], 0, 1);
}

int tw__store_services(struct tw__store *store, struct tw__pool *pool, struct tw__store_names *out)
{
    static const struct source source = {false, name_service, row_service};
    struct listing list = {.pool = pool, .limit = LIST_MAX};
    return finish(&list, collect(store, &list, &source), out);
}

static int take_operation(struct listing *list, struct tw_text service, struct tw_text name, unsigned kind,
                          uint64_t spans)
{
    if (list->service.ptr && !tw__text_same(service, list->service)) return 0;
    return add(list, name, kind, spans);
}

static int name_operation(struct listing *list, const struct tw__known_name *name, uint64_t spans)
{
    return take_operation(list, name->service, name->name, name->number, spans);
}

static int row_operation(struct listing *list, const struct tw__recent *recent, const struct tw__row *row)
{
    return take_operation(list, recent->strings[recent->resources[row->resource].name], recent->strings[row->name],
                          row->kind, 1);
}

int tw__store_operations(struct tw__store *store, struct tw_text service, struct tw__pool *pool,
                         struct tw__store_names *out)
{
    static const struct source source = {false, name_operation, row_operation};
    struct listing list = {.pool = pool, .limit = LIST_MAX, .service = service};
    return finish(&list, collect(store, &list, &source), out);
}

static int take_key(struct listing *list, struct tw_text name, unsigned scope, uint64_t spans)
{
    return list->scopes & scope ? add(list, name, 0, spans) : 0;
}

static int name_key(struct listing *list, const struct tw__known_name *name, uint64_t spans)
{
    return take_key(list, name->name, name->number, spans);
}

static int list_keys(struct listing *list, const struct tw__recent *recent, const struct tw__tag_list *tags,
                     unsigned scope)
{
    const struct tw__shape *shape = &recent->shapes[tags->shape];
    int error = 0;
    for (uint32_t f = 0; f < shape->count && !error; f++)
        error = take_key(list, recent->strings[TW__FIELD_KEY(recent->fields[shape->first + f])], scope, 1);
    return error;
}

static int row_keys(struct listing *list, const struct tw__recent *recent, const struct tw__row *row)
{
    int error = list_keys(list, recent, &row->tags, TW__SCOPE_SPAN);
    if (!error) error = list_keys(list, recent, &recent->resources[row->resource].tags, TW__SCOPE_RESOURCE);
    for (uint32_t e = 0; e < row->event_count && !error; e++)
        error = list_keys(list, recent, &recent->events[row->first_event + e].tags, TW__SCOPE_EVENT);
    return error;
}

int tw__store_tag_keys(struct tw__store *store, unsigned scopes, struct tw__pool *pool, struct tw__store_names *out)
{
    static const struct source source = {true, name_key, row_keys};
    struct listing list = {.pool = pool, .limit = LIST_MAX, .scopes = scopes};
    return finish(&list, collect(store, &list, &source), out);
}

/* -- values */

struct valuing {
    struct listing *list;
    unsigned scopes;
    struct tw_text key;
    int error;
};

static bool take_value(void *data, struct tw_text value, uint64_t count)
{
    struct valuing *valuing = data;
    valuing->error = add(valuing->list, value, 0, count);
    return valuing->error == 0 && !valuing->list->more;
}

static void list_values(struct valuing *valuing, const struct tw__recent *recent, const struct tw__tag_list *tags)
{
    const struct tw__shape *shape = &recent->shapes[tags->shape];
    const uint64_t *value = recent->values + tags->values;
    char room[TW__VALUE_TEXT_MAX];
    for (uint32_t f = 0; f < shape->count; f++) {
        uint32_t field = recent->fields[shape->first + f];
        if (tw__text_same(recent->strings[TW__FIELD_KEY(field)], valuing->key))
            (void)take_value(valuing, tw__value_of(TW__FIELD_TYPE(field), *value, recent->strings, room), 1);
        value += 1 + TW__FIELD_CUT(field);
    }
}

static int value_hits(void *data, struct tw__hits *hits)
{
    struct valuing *valuing = data;
    int error = 0;
    if (hits->table) {
        const struct tw__recent *recent = &hits->table->recent;
        (void)pthread_mutex_lock(&hits->store->lock);
        for (size_t i = hits->count; i-- > 0 && !valuing->error && !valuing->list->more;) {
            const struct tw__row *row = &recent->rows[hits->rows[i]];
            if (valuing->scopes & TW__SCOPE_SPAN) list_values(valuing, recent, &row->tags);
            if (valuing->scopes & TW__SCOPE_RESOURCE)
                list_values(valuing, recent, &recent->resources[row->resource].tags);
            for (uint32_t e = 0; valuing->scopes & TW__SCOPE_EVENT && e < row->event_count; e++)
                list_values(valuing, recent, &recent->events[row->first_event + e].tags);
        }
        (void)pthread_mutex_unlock(&hits->store->lock);
    } else {
        struct tw__tail tail;
        const void *bytes;
        size_t len;
        error = tw__part_tail(hits->part, hits->block->id, &bytes, &len);
        if (!error) error = tw__tail_open(bytes, len, hits->head, &tail);
        if (!error) error = tw__block_values(&tail, valuing->scopes, valuing->key, hits->scratch, take_value, valuing);
        if (error > 0) error = 0;
    }
    if (valuing->error) return valuing->error;
    return error ? error : valuing->list->more ? 1 : 0;
}

int tw__store_tag_values(struct tw__store *store, unsigned scopes, struct tw_text key, uint64_t since_ns,
                         uint64_t until_ns, size_t limit, struct tw__pool *pool, struct tw__store_names *out)
{
    struct listing list = {.pool = pool, .limit = limit && limit < LIST_MAX ? limit : LIST_MAX};
    struct valuing valuing = {.list = &list, .scopes = scopes, .key = key};
    struct tw__store_query query = {.since_ns = since_ns, .until_ns = until_ns};
    struct tw__view view;
    int error = tw__view_open(store, since_ns, until_ns, &view);
    if (!error) {
        struct tw__walk walk = {.view = &view, .query = &query, .fn = value_hits, .data = &valuing};
        error = tw__walk(&walk);
        tw__view_close(&view);
    }
    return finish(&list, error, out);
}
