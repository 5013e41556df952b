/* store_walk: what matches a query, block by block and table by table; everything that reads goes through here.
 *
 *     view    tables and partitions as they are now, held. Blocks of the view's tables, sealed meanwhile, are passed
 * over by their numbers, so that each span is seen once, in the one place or in the other walk    newest partitions
 * first; of a block the index, then the head, then what the callback reads
 *
 * Rows of a table that is still written to are looked at under the store's lock, some thousand at a time.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* -O2 does not vectorise loops of unknown length: the half of all time here */
#endif
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "model/text.h"
#include "store/inside.h"

enum { STRIDE = 4096 };

/* -- views */

/* A day stands after its last hour: what is in it was written later. */
static int by_time(const void *a, const void *b)
{
    const struct tw__part *one = *(struct tw__part *const *)a, *two = *(struct tw__part *const *)b;
    if (one->name.until_ns != two->name.until_ns) return one->name.until_ns < two->name.until_ns ? -1 : 1;
    if (one->name.from_ns != two->name.from_ns) return one->name.from_ns > two->name.from_ns ? -1 : 1;
    return strcmp(one->name.text, two->name.text);
}

int tw__view_open(struct tw__store *store, uint64_t since_ns, uint64_t until_ns, struct tw__view *out)
{
    struct tw__view view = {.store = store, .before_seq = UINT64_MAX};
    (void)pthread_mutex_lock(&store->lock);
    size_t tables = 0;
    for (const struct tw__table *table = store->oldest; table; table = table->next) tables++;
    view.tables = malloc((tables + 1) * sizeof(struct tw__table *));
    view.parts = malloc((store->part_count + 1) * sizeof(struct tw__part *));
    if (view.tables && view.parts) {
        for (struct tw__table *table = store->oldest; table; table = table->next) {
            if (table->sealed) continue; /* another reader's */
            table->refs++;
            if (table->seq < view.before_seq) view.before_seq = table->seq;
            view.tables[view.table_count++] = table;
        }
        for (size_t i = 0; i < store->part_count; i++) {
            struct tw__part *part = store->parts[i];
            if (part->name.until_ns <= since_ns || (until_ns && part->name.from_ns >= until_ns)) continue;
            part->refs++;
            view.parts[view.part_count++] = part;
        }
    }
    (void)pthread_mutex_unlock(&store->lock);
    if (!view.tables || !view.parts) {
        free(view.tables);
        free(view.parts);
        return TW_ERR_MEMORY;
    }
    if (view.part_count) qsort(view.parts, view.part_count, sizeof *view.parts, by_time);
    *out = view;
    return 0;
}

void tw__view_drop_tables(struct tw__view *view)
{
    (void)pthread_mutex_lock(&view->store->lock);
    for (size_t i = 0; i < view->table_count; i++) view->tables[i]->refs--;
    view->table_count = 0;
    tw__store_drop_tables(view->store);
    (void)pthread_mutex_unlock(&view->store->lock);
}

void tw__view_close(struct tw__view *view)
{
    struct tw__store *store = view->store;
    (void)pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < view->table_count; i++) view->tables[i]->refs--;
    for (size_t i = 0; i < view->part_count; i++) tw__store_part_release(view->parts[i]);
    tw__store_drop_tables(store);
    (void)pthread_mutex_unlock(&store->lock);
    free(view->tables);
    free(view->parts);
}

/* Closes the least used reader when there are too many; one that is in use is left alone. */
static void close_one(struct tw__store *store, const struct tw__part *but)
{
    struct tw__part *least = NULL;
    size_t open = 0;
    (void)pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->part_count; i++) {
        struct tw__part *part = store->parts[i];
        if (!part->is_open || part == but) continue;
        open++;
        if (!least || part->used < least->used) least = part;
    }
    if (open < TW__READERS_MAX) least = NULL;
    if (least) {
        least->refs++;
        least->is_open = false;
    }
    (void)pthread_mutex_unlock(&store->lock);
    if (!least) return;
    if (pthread_mutex_trylock(&least->mutex) == 0) {
        tw__part_close_reader(least);
        (void)pthread_mutex_unlock(&least->mutex);
    }
    (void)pthread_mutex_lock(&store->lock);
    tw__store_part_release(least);
    (void)pthread_mutex_unlock(&store->lock);
}

int tw__view_lock(struct tw__view *view, struct tw__part *part, bool *there)
{
    struct tw__store *store = view->store;
    (void)pthread_mutex_lock(&store->lock);
    part->used = ++store->use;
    bool opened = part->is_open;
    part->is_open = true;
    (void)pthread_mutex_unlock(&store->lock);
    if (!opened) close_one(store, part);
    int error = tw__part_lock(part);
    *there = error == 0;
    if (!error) return 0;
    (void)pthread_mutex_lock(&store->lock);
    /* Removed meanwhile, or made and not written to yet: nothing. One that is damaged hides itself and nothing else. */
    bool nothing = part->gone || error == TW_ERR_NOT_FOUND;
    bool damaged = error == TW_ERR_CORRUPT || error == TW_ERR_VERSION || error == TW_ERR_PERMISSION;
    if (damaged && !nothing) store->counters.damaged_blocks++;
    (void)pthread_mutex_unlock(&store->lock);
    return nothing || damaged ? 0 : error;
}

/* -- blocks */

static bool may_match(const struct tw__store_query *query, const struct tw__part_block *block)
{
    if (query->since_ns && block->max_ns < query->since_ns) return false;
    if (query->until_ns && block->min_ns >= query->until_ns) return false;
    if (block->damaged) return true;
    for (size_t e = 0; e < query->equal_count; e++)
        if (!tw__block_index_may_equal(&block->index, query->equals[e].key, query->equals[e].value)) return false;
    bool errors = query->statuses == 1U << TW_STATUS_ERROR;
    if (!query->service.ptr && !query->min_duration_ns && !errors) return true;
    for (uint32_t i = 0; i < block->index.service_count; i++) {
        const struct tw__block_service *service = &block->index.services[i];
        if (query->service.ptr && !tw__text_same(service->name, query->service)) continue;
        if (service->max_ns >= query->min_duration_ns && (!errors || service->errors)) return true;
    }
    return false;
}

static bool kind_matches(const struct tw__store_query *query, unsigned kind)
{
    if (!query->kinds) return true;
    return query->kinds >> (kind < 30 ? kind : 30) & 1;
}

static uint64_t length_of(uint64_t duration, bool open)
{
    return open || duration >> 63 ? 0 : duration;
}

/* Rows whose class, times and tags match. */
static int match_rows(const struct tw__store_query *query, const struct tw__head *head, uint32_t *rows, size_t *count,
                      struct tw__pool *scratch)
{
    uint8_t *good = tw__pool_zeroed(scratch, head->class_count, 1);
    if (!good) return TW_ERR_MEMORY;
    bool any = false;
    for (uint32_t i = 0; i < head->class_count; i++) {
        const struct tw__class *class = &head->classes[i];
        good[i] = (!query->service.ptr || tw__text_same(head->services[class->service], query->service)) &&
                  (!query->name.ptr || tw__text_same(head->names[class->name], query->name)) &&
                  kind_matches(query, class->kind) &&
                  (!query->statuses || (class->status < 32 && query->statuses >> class->status & 1)) &&
                  (!query->roots || class->bits & TW__CLASS_ROOT);
        if (good[i] && class->bits & TW__CLASS_OPEN) good[i] = 2;
        any |= good[i] != 0;
    }
    size_t n = 0;
    uint64_t least = query->min_duration_ns, most = query->max_duration_ns ? query->max_duration_ns : UINT64_MAX;
    uint64_t since = query->since_ns, until = query->until_ns ? query->until_ns : UINT64_MAX;
    bool times = query->since_ns || query->until_ns || query->min_duration_ns || query->max_duration_ns;
    for (uint32_t i = 0; i < head->rows && any; i++) {
        uint8_t class = good[head->class_of[i]];
        rows[n] = i;
        n += class != 0;
        if (!class || !times) continue;
        uint64_t length = length_of(head->duration_ns[i], class == 2);
        bool in = length >= least && length <= most && head->start_ns[i] >= since && head->start_ns[i] < until;
        if (!in) n--;
    }
    *count = n;
    return 0;
}

static int match_tags(const struct tw__store_query *query, const struct tw__tail *tail, uint32_t *rows, size_t *count,
                      struct tw__pool *scratch)
{
    uint8_t *hits = tw__pool_zeroed(scratch, TW__BLOCK_ROWS, 1);
    if (!hits) return TW_ERR_MEMORY;
    for (size_t i = 0; i < *count; i++) hits[rows[i]] = 1;
    for (size_t e = 0; e < query->equal_count; e++) {
        int error = tw__block_equal(tail, &query->equals[e], scratch, hits);
        if (error) return error;
    }
    size_t n = 0;
    for (size_t i = 0; i < *count; i++)
        if (hits[rows[i]]) rows[n++] = rows[i];
    *count = n;
    return 0;
}

/* Lets the query's own filter look at the rows. */
static int match_filter(const struct tw__store_query *query, struct tw__hits *hits, uint32_t *rows)
{
    const struct tw__store_filter *filter = &query->filter;
    struct tw__spans spans = {.pool.limit_bytes = (size_t)1 << 30};
    int error = tw__hits_read(hits, filter->parts, filter->keys, filter->key_count, &spans);
    size_t n = 0;
    for (size_t i = 0; i < hits->count && !error; i++)
        if (filter->match(filter->data, &spans, i)) rows[n++] = rows[i];
    hits->count = n;
    tw__spans_fini(&spans);
    return error;
}

static int walk_block(struct tw__walk *walk, size_t index, const struct tw__part_block *block, struct tw__pool *scratch)
{
    struct tw__part *part = walk->view->parts[index];
    const struct tw__store_query *query = walk->query;
    const void *bytes;
    size_t len;
    struct tw__head head;
    uint32_t *rows = tw__pool_take(scratch, (TW__BLOCK_ROWS + 1) * sizeof *rows, 4);
    bool times = walk->times || query->since_ns || query->until_ns || query->min_duration_ns ||
                 query->max_duration_ns || query->filter.match;
    bool texts = walk->texts || query->name.ptr || query->filter.match;
    if (!rows) return TW_ERR_MEMORY;
    struct tw__hits hits = {.store = walk->view->store,
                            .part = part,
                            .index = index,
                            .block = block,
                            .head = &head,
                            .rows = rows,
                            .scratch = scratch};
    int error = tw__part_head(part, block->id, &bytes, &len);
    if (!error)
        error =
            tw__head_read(bytes, len, (times ? TW__HEAD_TIMES : 0U) | (texts ? TW__HEAD_TEXTS : 0U), scratch, &head);
    if (!error) error = match_rows(query, &head, rows, &hits.count, scratch);
    if (!error && hits.count && query->equal_count) {
        struct tw__tail tail;
        error = tw__part_tail(part, block->id, &bytes, &len);
        if (!error) error = tw__tail_open(bytes, len, &head, &tail);
        if (!error) error = match_tags(query, &tail, rows, &hits.count, scratch);
    }
    if (!error && hits.count && query->filter.match && !walk->everything) error = match_filter(query, &hits, rows);
    if (error || hits.count == 0) return error;
    return walk->fn(walk->data, &hits);
}

static int walk_part(struct tw__walk *walk, size_t index)
{
    struct tw__part *part = walk->view->parts[index];
    bool there;
    int error = tw__view_lock(walk->view, part, &there);
    if (error || !there) return error;
    struct tw__pool scratch = {.limit_bytes = (size_t)1 << 30};
    uint64_t damaged = 0;
    for (size_t i = part->block_count; i-- > 0 && error == 0;) {
        const struct tw__part_block *block = &part->blocks[i];
        if (block->seq >= walk->view->before_seq || !may_match(walk->query, block)) continue;
        if (walk->wanted && !walk->wanted(walk->data, block)) continue;
        error = walk_block(walk, index, block, &scratch);
        tw__pool_reset(&scratch);
        /* A block that cannot be read hides itself and nothing else. */
        if (error == TW_ERR_CORRUPT) {
            damaged++;
            error = 0;
        }
    }
    tw__pool_fini(&scratch);
    tw__part_unlock(part);
    if (damaged) {
        (void)pthread_mutex_lock(&walk->view->store->lock);
        walk->view->store->counters.damaged_blocks += damaged;
        (void)pthread_mutex_unlock(&walk->view->store->lock);
    }
    return error;
}

/* -- tables */

static bool tag_is(const struct tw__recent *recent, const struct tw__tag_list *list,
                   const struct tw__store_equal *equal)
{
    const struct tw__shape *shape = &recent->shapes[list->shape];
    const uint64_t *value = recent->values + list->values;
    for (uint32_t f = 0; f < shape->count; f++) {
        uint32_t field = recent->fields[shape->first + f];
        if (tw__text_same(recent->strings[TW__FIELD_KEY(field)], equal->key) &&
            tw__value_is(TW__FIELD_TYPE(field), *value, recent->strings, equal->value))
            return true;
        value += 1 + TW__FIELD_CUT(field);
    }
    return false;
}

static bool row_matches(const struct tw__store_query *query, const struct tw__recent *recent, const struct tw__row *row)
{
    bool endless = row->open || row->end_ns < row->start_ns;
    uint64_t length = endless ? 0 : row->end_ns - row->start_ns;
    const struct tw__origin *resource = &recent->resources[row->resource];
    if ((query->since_ns && row->start_ns < query->since_ns) || (query->until_ns && row->start_ns >= query->until_ns) ||
        length < query->min_duration_ns || (query->max_duration_ns && length > query->max_duration_ns) ||
        !kind_matches(query, row->kind) ||
        (query->statuses && (row->status >= 32 || !(query->statuses >> row->status & 1))) ||
        (query->roots && !tw__all_zero(row->parent_id, sizeof row->parent_id)) ||
        (query->service.ptr && !tw__text_same(recent->strings[resource->name], query->service)) ||
        (query->name.ptr && !tw__text_same(recent->strings[row->name], query->name)))
        return false;
    for (size_t e = 0; e < query->equal_count; e++)
        if (!tag_is(recent, &row->tags, &query->equals[e]) && !tag_is(recent, &resource->tags, &query->equals[e]))
            return false;
    return true;
}

static int walk_table(struct tw__walk *walk, size_t index)
{
    struct tw__store *store = walk->view->store;
    const struct tw__table *table = walk->view->tables[index];
    struct tw__pool scratch = {0};
    uint32_t *rows = malloc(STRIDE * sizeof *rows);
    int error = rows ? 0 : TW_ERR_MEMORY;
    bool more = true;
    for (size_t from = 0; more && !error; from += STRIDE) {
        struct tw__hits hits = {.store = store, .table = table, .index = index, .rows = rows, .scratch = &scratch};
        (void)pthread_mutex_lock(&store->lock);
        size_t count = table->recent.count.rows;
        for (size_t i = from; i < count && i < from + STRIDE; i++)
            if (row_matches(walk->query, &table->recent, &table->recent.rows[i])) rows[hits.count++] = (uint32_t)i;
        more = count > from + STRIDE;
        (void)pthread_mutex_unlock(&store->lock);
        if (hits.count && walk->query->filter.match && !walk->everything)
            error = match_filter(walk->query, &hits, rows);
        if (!error && hits.count) error = walk->fn(walk->data, &hits);
        tw__pool_reset(&scratch);
    }
    tw__pool_fini(&scratch);
    free(rows);
    return error;
}

int tw__walk(struct tw__walk *walk)
{
    int error = 0;
    for (size_t i = walk->view->table_count; i-- > 0 && error == 0;) error = walk_table(walk, i);
    for (size_t i = walk->view->part_count; i-- > 0 && error == 0;) error = walk_part(walk, i);
    return error > 0 ? 0 : error;
}

int tw__hits_read(struct tw__hits *hits, unsigned parts, const struct tw_text *keys, size_t key_count,
                  struct tw__spans *out)
{
    if (hits->table) {
        struct tw__recent_reader reader = {
            .recent = &hits->table->recent, .parts = parts, .keys = keys, .key_count = key_count, .out = out};
        struct tw__store *store = hits->store;
        (void)pthread_mutex_lock(&store->lock);
        int error = tw__recent_read_begin(&reader);
        for (size_t i = 0; i < hits->count && !error; i++) error = tw__recent_read(&reader, hits->rows[i]);
        (void)pthread_mutex_unlock(&store->lock);
        return error;
    }
    struct tw__tail tail;
    const void *bytes;
    size_t len;
    int error = tw__part_tail(hits->part, hits->block->id, &bytes, &len);
    if (!error) error = tw__tail_open(bytes, len, hits->head, &tail);
    struct tw__block_read read = {.head = hits->head,
                                  .tail = &tail,
                                  .rows = hits->rows,
                                  .row_count = hits->count,
                                  .parts = parts,
                                  .keys = keys,
                                  .key_count = key_count,
                                  .scratch = hits->scratch};
    return error ? error : tw__block_read(&read, out);
}
