/* store_known: what is remembered of partitions, so that they need not be opened: filters of their traces, and the
 * names in their lists.
 *
 *     a trace     asks the filters of all partitions, and opens those that may have it
 *     a list      adds up what is remembered; names are kept once for all partitions, a partition has numbers and
 *                 counts
 *
 * What is remembered is as of some commit of the partition; a later one is noticed by its number (changes), and what is
 * new is read then. Another process's commits are not, so that a store that is only read opens every partition. Limits:
 * half of the store's memory for filters, beyond it the oldest partitions are opened for every trace; NAMES_MAX names
 * and COUNTS_MAX counts, beyond them a partition is read for every list.
 */
#include <stdlib.h>
#include <string.h>

#include "store/block_bytes.h"
#include "store/hash.h"
#include "store/inside.h"

enum { NAMES_MAX = 1 << 18, COUNTS_MAX = 1 << 22 };

/* -- filters */

struct reading {
    struct tw__known_filter *first, **end;
    int64_t last_id;
    size_t bytes;
    bool any;
};

static int take_filter(void *data, int64_t id, const struct tw__filter *filter)
{
    struct reading *reading = data;
    reading->last_id = id;
    if (filter->count == 0) {
        reading->any = true;
        return 0;
    }
    struct tw__known_filter *made = malloc(sizeof *made + filter->count / 8);
    if (!made) return TW_ERR_MEMORY;
    memcpy(made->bytes, filter->bits, filter->count / 8);
    *made = (struct tw__known_filter){.filter = {made->bytes, filter->count}};
    *reading->end = made;
    reading->end = &made->next;
    reading->bytes += sizeof *made + filter->count / 8;
    return 0;
}

static void free_filters(struct tw__known_filter *first)
{
    for (struct tw__known_filter *next; first; first = next) {
        next = first->next;
        free(first);
    }
}

/* Under lock. From now on the partition is opened for every trace. */
static void drop_filters(struct tw__store *store, struct tw__part *part)
{
    free_filters(part->known.filters);
    part->known.filters = NULL;
    store->filter_bytes -= part->known.filter_bytes;
    part->known.filter_bytes = 0;
    part->known.any = true;
}

/* Under lock. */
static void bound_filters(struct tw__store *store)
{
    while (store->filter_bytes > store->memory_bytes / 2) {
        struct tw__part *oldest = NULL;
        for (size_t i = 0; i < store->part_count; i++) {
            struct tw__part *part = store->parts[i];
            if (part->known.filters && (!oldest || part->name.until_ns < oldest->name.until_ns)) oldest = part;
        }
        if (!oldest) return;
        drop_filters(store, oldest);
    }
}

/* Reads the filters that are new. */
static int read_filters(struct tw__view *view, struct tw__part *part, uint64_t changes, int64_t after)
{
    struct tw__store *store = view->store;
    struct reading reading = {.end = &reading.first, .last_id = after};
    bool there;
    int error = tw__view_lock(view, part, &there);
    if (error || !there) return error;
    error = tw__part_each_traces(part, after, take_filter, &reading);
    tw__part_unlock(part);
    (void)pthread_mutex_lock(&store->lock);
    struct tw__known *known = &part->known;
    /* Somebody else may have read the same meanwhile. A partition that was removed is nobody's to count. */
    if (!error && known->last_id == after && !part->gone) {
        *reading.end = known->filters;
        known->filters = reading.first;
        known->filter_bytes += reading.bytes;
        store->filter_bytes += reading.bytes;
        known->last_id = reading.last_id;
        known->traces_read = true;
        known->traces_changes = changes;
        known->any |= reading.any;
        if (known->any) drop_filters(store, part);
        reading.first = NULL;
        bound_filters(store);
    }
    (void)pthread_mutex_unlock(&store->lock);
    free_filters(reading.first);
    return error;
}

/* Under lock. */
static bool says_maybe(const struct tw__known *known, uint64_t trace)
{
    if (known->any) return true;
    for (const struct tw__known_filter *it = known->filters; it; it = it->next)
        if (tw__filter_may_have(&it->filter, trace, TW__BLOOM_PROBES)) return true;
    return false;
}

int tw__known_may_have(struct tw__view *view, struct tw__part *part, uint64_t trace, bool *may)
{
    struct tw__store *store = view->store;
    *may = true;
    if (store->options.read_only) return 0;
    for (unsigned tries = 0; tries < 2; tries++) {
        (void)pthread_mutex_lock(&store->lock);
        struct tw__known *known = &part->known;
        uint64_t changes = part->changes;
        int64_t after = known->last_id;
        bool current = known->traces_read && (known->any || known->traces_changes == changes);
        if (current) *may = says_maybe(known, trace);
        (void)pthread_mutex_unlock(&store->lock);
        if (current) return 0;
        int error = read_filters(view, part, changes, after);
        if (error) return error == TW_ERR_CORRUPT ? 0 : error;
    }
    return 0;
}

/* -- names */

static uint64_t name_hash(const struct tw__known_name *name)
{
    uint64_t hash = tw__hash_seeded(name->name.ptr, name->name.len, name->number + (name->is_key ? 256U : 0U));
    return tw__hash_seeded(name->service.ptr, name->service.len, hash);
}

static bool name_equal(const struct tw__known_name *a, const struct tw__known_name *b)
{
    return a->number == b->number && a->is_key == b->is_key && a->name.len == b->name.len &&
           a->service.len == b->service.len && memcmp(a->name.ptr, b->name.ptr, a->name.len) == 0 &&
           memcmp(a->service.ptr, b->service.ptr, a->service.len) == 0;
}

static int grow_names(struct tw__known_names *names)
{
    size_t cap = names->cap ? names->cap * 2 : 1024;
    struct tw__known_name *items = realloc(names->items, cap * sizeof *items);
    if (!items) return TW_ERR_MEMORY;
    names->items = items;
    uint32_t *slots = calloc(4 * cap, sizeof *slots);
    if (!slots) return TW_ERR_MEMORY;
    for (size_t i = 0; i < names->count; i++) {
        size_t at = name_hash(&items[i]) & (4 * cap - 1);
        while (slots[at]) at = (at + 1) & (4 * cap - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(names->slots);
    names->slots = slots;
    names->cap = cap;
    return 0;
}

/* Under lock. TW_ERR_SPACE: there are too many. */
static int add_name(struct tw__known_names *names, const struct tw__known_name *name, uint32_t *out)
{
    if (names->count == names->cap && grow_names(names) < 0) return TW_ERR_MEMORY;
    size_t at = name_hash(name) & (4 * names->cap - 1);
    for (; names->slots[at]; at = (at + 1) & (4 * names->cap - 1)) {
        *out = names->slots[at] - 1;
        if (name_equal(&names->items[*out], name)) return 0;
    }
    if (names->count == NAMES_MAX) return TW_ERR_SPACE;
    struct tw__known_name copy = *name;
    copy.name.ptr = tw__pool_copy(&names->pool, name->name.ptr, name->name.len);
    copy.service.ptr = tw__pool_copy(&names->pool, name->service.ptr, name->service.len);
    if (!copy.name.ptr || !copy.service.ptr) return TW_ERR_MEMORY;
    *out = (uint32_t)names->count;
    names->items[names->count++] = copy;
    names->slots[at] = *out + 1;
    return 0;
}

void tw__known_names_fini(struct tw__known_names *names)
{
    free(names->items);
    free(names->slots);
    tw__pool_fini(&names->pool);
    *names = (struct tw__known_names){0};
}

/* Under lock. */
static void drop_counts(struct tw__store *store, struct tw__part *part)
{
    store->count_total -= part->known.count_total;
    free(part->known.counts);
    part->known.counts = NULL;
    part->known.count_total = 0;
    part->known.names_read = false;
}

void tw__known_lists_begin(struct tw__store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    struct tw__known_names *names = &store->names;
    /* Names of partitions that are gone are in the way of others: all begin anew. */
    if (names->lists == 0 && names->full && names->gone) {
        tw__known_names_fini(names);
        for (size_t i = 0; i < store->part_count; i++) drop_counts(store, store->parts[i]);
    }
    names->lists++;
    (void)pthread_mutex_unlock(&store->lock);
}

void tw__known_lists_end(struct tw__store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    store->names.lists--;
    (void)pthread_mutex_unlock(&store->lock);
}

struct counting {
    struct tw__store *store;
    struct tw__known_count *counts;
    size_t count, cap;
    bool keys;
};

static int take_name(void *data, struct tw_text service, struct tw_text name, unsigned number, uint64_t spans)
{
    struct counting *counting = data;
    struct tw__known_name known = {service, name, (uint8_t)number, counting->keys};
    if (counting->count == counting->cap) {
        size_t cap = counting->cap ? counting->cap * 2 : 256;
        struct tw__known_count *counts = realloc(counting->counts, cap * sizeof *counts);
        if (!counts) return TW_ERR_MEMORY;
        counting->counts = counts;
        counting->cap = cap;
    }
    uint32_t id = 0;
    (void)pthread_mutex_lock(&counting->store->lock);
    int error = add_name(&counting->store->names, &known, &id);
    (void)pthread_mutex_unlock(&counting->store->lock);
    if (!error) counting->counts[counting->count++] = (struct tw__known_count){id, spans};
    return error;
}

/* Reads the lists of a partition. TW_ERR_SPACE: they cannot be kept. */
static int read_names(struct tw__view *view, struct tw__part *part, uint64_t changes)
{
    struct tw__store *store = view->store;
    struct counting counting = {.store = store};
    bool there;
    int error = tw__view_lock(view, part, &there);
    if (error || !there) return error;
    error = tw__part_operations(part, take_name, &counting);
    counting.keys = true;
    if (!error) error = tw__part_keys(part, take_name, &counting);
    tw__part_unlock(part);
    (void)pthread_mutex_lock(&store->lock);
    drop_counts(store, part);
    if (!error && store->count_total + counting.count > COUNTS_MAX) error = TW_ERR_SPACE;
    if (!error && !part->gone) {
        part->known.counts = counting.counts;
        part->known.count_total = counting.count;
        part->known.names_read = true;
        part->known.names_changes = changes;
        store->count_total += counting.count;
        counting.counts = NULL;
    }
    store->names.full |= error == TW_ERR_SPACE;
    (void)pthread_mutex_unlock(&store->lock);
    free(counting.counts);
    return error;
}

int tw__known_lists(struct tw__view *view, struct tw__part *part)
{
    struct tw__store *store = view->store;
    (void)pthread_mutex_lock(&store->lock);
    uint64_t changes = part->changes;
    bool current = part->known.names_read && part->known.names_changes == changes && !store->options.read_only;
    (void)pthread_mutex_unlock(&store->lock);
    return current ? 0 : read_names(view, part, changes);
}

void tw__known_forget(struct tw__store *store, struct tw__part *part)
{
    drop_filters(store, part);
    drop_counts(store, part);
    store->names.gone = true;
}

bool tw__known_warm(struct tw__store *store)
{
    struct tw__view view;
    bool may, tried = true;
    if (tw__view_open(store, 0, 0, &view) < 0) return false;
    for (size_t i = view.part_count; i-- > 0 && tried;) {
        (void)pthread_mutex_lock(&store->lock);
        tried = view.parts[i]->known.tried;
        view.parts[i]->known.tried = true;
        (void)pthread_mutex_unlock(&store->lock);
        if (!tried) (void)tw__known_may_have(&view, view.parts[i], 0, &may);
    }
    tw__view_close(&view);
    return !tried;
}
