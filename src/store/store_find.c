/* store_find: searches: the newest or the slowest spans that match.
 *
 * The best matches are kept as places (block and row), and spans are read only of those that are left at the end; a
 * block that can hold nothing better than what is there is not opened.
 *
 * Which places are copies of one span is not known before their spans are read. So of places with one key that is
 * better which counts among copies, and when copies made the answer shorter than it may be, the same is asked again
 * with more places, of which the ids are read first.
 * Limits: PLACES_MAX, at which copies do make an answer shorter.
 * Rejected: looking at ids while places are offered. In a block they are in the tail, which costs more than the head.
 */
#include <stdlib.h>
#include <string.h>

#include "model/text.h"
#include "store/inside.h"

struct place {
    uint64_t key; /* larger is better */
    uint64_t seq;
    int64_t block;
    uint32_t at; /* in the view: of partitions by time, then of tables by age */
    uint32_t row, out;
    bool open;
};

struct finding {
    const struct tw__store_query *query;
    const struct tw__view *view;
    struct place *heap; /* the worst on top */
    size_t count, limit, wanted;
    bool moved;  /* a block was removed or compacted while places were read */
    bool copies; /* some were dropped */
};

/* Of copies the one that stands later was written later. */
static int by_writing(const void *a, const void *b)
{
    const struct place *one = a, *two = b;
    if (one->at != two->at) return one->at < two->at ? -1 : 1;
    if (one->seq != two->seq) return one->seq < two->seq ? -1 : 1;
    if (one->block != two->block) return one->block < two->block ? -1 : 1;
    return one->row < two->row ? -1 : one->row > two->row;
}

/* Of one key that is better which counts, if they are copies. */
static bool is_worse(const struct place *one, const struct place *two)
{
    if (one->key != two->key) return one->key < two->key;
    return one->open != two->open ? one->open : by_writing(one, two) < 0;
}

/* Puts a place where the worst was. Which of two is worse nobody can foretell: unless their keys are the same, it is
 * added and not jumped over (half of the time of a search that takes all it sees). */
static void replace_worst(struct place *heap, size_t count, const struct place *place)
{
    size_t at = 0;
    for (size_t child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count) {
            const struct place *left = &heap[child], *right = left + 1;
            if (left->key == right->key)
                child += is_worse(right, left);
            else
                child += right->key < left->key;
        }
        if (!is_worse(&heap[child], place)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = *place;
}

static void offer(struct finding *finding, const struct place *place)
{
    struct place *heap = finding->heap;
    if (finding->count == finding->limit) {
        if (is_worse(&heap[0], place)) replace_worst(heap, finding->count, place);
        return;
    }
    size_t at = finding->count++;
    heap[at] = *place;
    while (at > 0 && is_worse(&heap[at], &heap[(at - 1) / 2])) {
        struct place swap = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

static bool is_open(const struct tw__hits *hits, uint32_t row)
{
    if (hits->table) return hits->table->recent.rows[row].open;
    return hits->head->classes[hits->head->class_of[row]].bits & TW__CLASS_OPEN;
}

static uint64_t key_of(const struct finding *finding, const struct tw__hits *hits, uint32_t row)
{
    bool slowest = finding->query->order == TW__ORDER_SLOWEST;
    if (hits->table) {
        const struct tw__row *it = &hits->table->recent.rows[row];
        if (!slowest) return it->start_ns;
        return it->open || it->end_ns < it->start_ns ? 0 : it->end_ns - it->start_ns;
    }
    if (!slowest) return hits->head->start_ns[row];
    uint64_t length = hits->head->duration_ns[row];
    return is_open(hits, row) || length >> 63 ? 0 : length;
}

static int find_hits(void *data, struct tw__hits *hits)
{
    struct finding *finding = data;
    if (hits->table) (void)pthread_mutex_lock(&hits->store->lock);
    for (size_t i = 0; i < hits->count; i++) {
        uint32_t row = hits->rows[i];
        uint64_t key = key_of(finding, hits, row);
        if (finding->count == finding->limit && key < finding->heap[0].key) continue;
        offer(finding, &(struct place){.key = key,
                                       .seq = hits->part ? hits->block->seq : 0,
                                       .block = hits->part ? hits->block->id : 0,
                                       .at = (uint32_t)(hits->index + (hits->part ? 0 : finding->view->part_count)),
                                       .row = row,
                                       .open = is_open(hits, row)});
    }
    if (hits->table) (void)pthread_mutex_unlock(&hits->store->lock);
    return 0;
}

/* With the key of the worst a block can hold what counts before it; of what is as slow only what is open is stored
 * again and again. */
static bool find_wants(void *data, const struct tw__part_block *block)
{
    const struct finding *finding = data;
    if (finding->count < finding->limit) return true;
    uint64_t worst = finding->heap[0].key;
    if (finding->query->order == TW__ORDER_NEWEST) return block->max_ns >= worst;
    if (block->damaged || finding->heap[0].open) return true;
    const struct tw_text *wanted = &finding->query->service;
    for (uint32_t i = 0; i < block->index.service_count; i++) {
        const struct tw__block_service *service = &block->index.services[i];
        if (wanted->ptr && !tw__text_same(service->name, *wanted)) continue;
        if (service->max_ns > worst) return true;
    }
    return false;
}

static int by_key(const void *a, const void *b)
{
    const struct place *one = a, *two = b;
    if (one->key != two->key) return one->key > two->key ? -1 : 1;
    return one->out < two->out ? -1 : one->out > two->out;
}

static int by_block(const void *a, const void *b)
{
    const struct tw__part_block *one = a, *two = b;
    return one->id < two->id ? -1 : one->id > two->id;
}

/* Reads the spans of places that lie in one block or table. */
static int read_group(struct tw__view *view, const struct place *places, size_t count, unsigned parts,
                      struct tw__pool *scratch, struct tw__spans *out)
{
    uint32_t *rows = tw__pool_take(scratch, count * sizeof *rows, 4);
    if (!rows) return TW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) rows[i] = places[i].row;
    struct tw__hits hits = {.store = view->store, .rows = rows, .count = count, .scratch = scratch};
    if (places->at >= view->part_count) {
        hits.table = view->tables[places->at - view->part_count];
        return tw__hits_read(&hits, parts, NULL, 0, out);
    }
    bool there;
    struct tw__part *part = view->parts[places->at];
    int error = tw__view_lock(view, part, &there);
    if (error || !there) return error ? error : TW_ERR_NOT_FOUND;
    struct tw__part_block block = {.id = places->block};
    if (!bsearch(&block, part->blocks, part->block_count, sizeof block, by_block)) {
        tw__part_unlock(part);
        return TW_ERR_NOT_FOUND;
    }
    struct tw__head head;
    const void *bytes;
    size_t len;
    hits.part = part;
    hits.block = &block;
    hits.head = &head;
    error = tw__part_head(part, block.id, &bytes, &len);
    if (!error) error = tw__head_read(bytes, len, TW__HEAD_ALL, scratch, &head);
    if (!error && places[count - 1].row >= head.rows) error = TW_ERR_CORRUPT;
    if (!error) error = tw__hits_read(&hits, parts, NULL, 0, out);
    tw__part_unlock(part);
    return error;
}

/* Spans of all places, in the order of writing; both without those that are not there any more. */
static int read_places(struct tw__view *view, struct finding *finding, unsigned parts, struct tw__spans *out)
{
    struct place *places = finding->heap;
    size_t n = 0;
    struct tw__pool scratch = {.limit_bytes = (size_t)1 << 30};
    int error = 0;
    if (finding->count) qsort(places, finding->count, sizeof *places, by_writing);
    for (size_t from = 0, to; from < finding->count && !error; from = to) {
        for (to = from + 1;
             to < finding->count && places[to].at == places[from].at && places[to].block == places[from].block;)
            to++;
        error = read_group(view, places + from, to - from, parts, &scratch, out);
        tw__pool_reset(&scratch);
        /* Removed or compacted meanwhile, or damaged. */
        bool lost = error == TW_ERR_CORRUPT || error == TW_ERR_NOT_FOUND;
        finding->moved |= error == TW_ERR_NOT_FOUND;
        for (size_t i = from; i < to && !error; i++) places[n++] = places[i];
        if (lost) error = 0;
    }
    tw__pool_fini(&scratch);
    finding->count = n;
    return error;
}

/* Of spans and places in the order of writing copies are dropped. */
static int drop_copies(struct finding *finding, struct tw__spans *spans, size_t first)
{
    uint32_t *from = malloc((finding->count + 1) * sizeof *from);
    int error = from ? tw__spans_drop_copies(spans, first, from) : TW_ERR_MEMORY;
    size_t count = spans->count - first;
    for (size_t i = 0; i < count && !error; i++) finding->heap[i] = finding->heap[from[i]];
    free(from);
    if (error) return error;
    finding->copies = count < finding->count;
    finding->count = count;
    return 0;
}

/* The best first. */
static int arrange(struct finding *finding, struct tw__spans *out, size_t first)
{
    struct place *places = finding->heap;
    size_t count = finding->count;
    if (count == 0) return 0;
    struct tw__span *sorted = malloc(count * sizeof *sorted);
    if (!sorted) return TW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) places[i].out = (uint32_t)i;
    qsort(places, count, sizeof *places, by_key);
    for (size_t i = 0; i < count; i++) sorted[i] = out->items[first + places[i].out];
    memcpy(out->items + first, sorted, count * sizeof *sorted);
    free(sorted);
    return 0;
}

static int read_found(struct tw__view *view, struct finding *finding, unsigned parts, struct tw__spans *out)
{
    size_t first = out->count;
    int error;
    if (finding->limit == finding->wanted) {
        error = read_places(view, finding, parts, out);
        if (!error) error = drop_copies(finding, out, first);
    } else {
        struct tw__spans ids = {0};
        error = read_places(view, finding, 0, &ids);
        if (!error) error = drop_copies(finding, &ids, 0);
        tw__spans_fini(&ids);
        for (size_t i = 0; i < finding->count; i++) finding->heap[i].out = (uint32_t)i;
        if (finding->count) qsort(finding->heap, finding->count, sizeof *finding->heap, by_key);
        if (finding->count > finding->wanted) finding->count = finding->wanted;
        if (!error) error = read_places(view, finding, parts, out);
    }
    return error ? error : arrange(finding, out, first);
}

/* 0: there are as many as are wanted, or there are no more. */
static size_t more_places(const struct finding *finding, bool full)
{
    enum { PLACES_MAX = 100000 };
    if (!full || !finding->copies || finding->count >= finding->wanted) return 0;
    size_t limit = finding->limit, more = limit / 2 + 16;
    /* As many copies of each as among those that were looked at, and some more. */
    if (finding->count) more += limit * finding->wanted / finding->count - limit;
    if (limit + more > PLACES_MAX) more = limit < PLACES_MAX ? PLACES_MAX - limit : 0;
    return more ? limit + more : 0;
}

int tw__store_find(struct tw__store *store, const struct tw__store_query *query, unsigned parts, struct tw__spans *out)
{
    enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 20000, TRIES = 3 /* when blocks are compacted meanwhile */ };
    size_t first = out->count, limit = query->limit ? query->limit : LIMIT_DEFAULT;
    if (limit > LIMIT_MAX) limit = LIMIT_MAX;
    struct finding finding = {.query = query, .wanted = limit};
    struct tw__view view;
    int error = 0;
    for (unsigned tries = 0; limit;) {
        if (limit > finding.limit) {
            free(finding.heap);
            finding.heap = malloc(limit * sizeof *finding.heap);
            finding.limit = limit;
        }
        if (!finding.heap) return TW_ERR_MEMORY;
        out->count = first;
        finding.count = 0;
        finding.moved = false;
        error = tw__view_open(store, query->since_ns, query->until_ns, &view);
        if (error) break;
        finding.view = &view;
        struct tw__walk walk = {
            .view = &view, .query = query, .times = true, .fn = find_hits, .wanted = find_wants, .data = &finding};
        error = tw__walk(&walk);
        bool full = finding.count == finding.limit;
        if (!error) error = read_found(&view, &finding, parts, out);
        tw__view_close(&view);
        if (error) break;
        if (!finding.moved || ++tries >= TRIES) limit = more_places(&finding, full);
    }
    free(finding.heap);
    return error;
}
