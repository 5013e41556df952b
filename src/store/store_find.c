/* store_find: searches: the newest or the slowest spans that match.
 *
 * The best matches are kept as places (block and row), and spans are read only of those that are left at the end; a
 * block that can hold nothing better than what is there is not opened.
 */
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

struct place {
    uint64_t key; /* larger is better */
    uint64_t seq;
    int64_t block;
    uint32_t at; /* in the view: of partitions by time, then of tables by age */
    uint32_t row, out;
};

struct finding {
    const struct tw__store_query *query;
    const struct tw__view *view;
    struct place *heap; /* the worst on top */
    size_t count, limit;
    bool moved; /* a block was removed or compacted while places were read */
};

static void sift_down(struct place *heap, size_t count, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1, right = left + 1;
        if (left < count && heap[left].key < heap[least].key) least = left;
        if (right < count && heap[right].key < heap[least].key) least = right;
        if (least == at) return;
        struct place swap = heap[at];
        heap[at] = heap[least];
        heap[least] = swap;
        at = least;
    }
}

static void offer(struct finding *finding, const struct place *place)
{
    struct place *heap = finding->heap;
    if (finding->count == finding->limit) {
        if (place->key <= heap[0].key) return;
        heap[0] = *place;
        sift_down(heap, finding->count, 0);
        return;
    }
    size_t at = finding->count++;
    heap[at] = *place;
    while (at > 0 && heap[(at - 1) / 2].key > heap[at].key) {
        struct place swap = heap[at];
        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = swap;
        at = (at - 1) / 2;
    }
}

static uint64_t key_of_row(const struct finding *finding, const struct tw__hits *hits, uint32_t row)
{
    bool slowest = finding->query->order == TW__ORDER_SLOWEST;
    if (hits->table) {
        const struct tw__row *it = &hits->table->recent.rows[row];
        if (!slowest) return it->start_ns;
        return it->open || it->end_ns < it->start_ns ? 0 : it->end_ns - it->start_ns;
    }
    const struct tw__head *head = hits->head;
    if (!slowest) return head->start_ns[row];
    bool open = head->classes[head->class_of[row]].bits & TW__CLASS_OPEN;
    return open || head->duration_ns[row] >> 63 ? 0 : head->duration_ns[row];
}

static int find_hits(void *data, struct tw__hits *hits)
{
    struct finding *finding = data;
    if (hits->table) (void)pthread_mutex_lock(&hits->store->lock);
    for (size_t i = 0; i < hits->count; i++) {
        struct place place = {.key = key_of_row(finding, hits, hits->rows[i]),
                              .seq = hits->part ? hits->block->seq : 0,
                              .block = hits->part ? hits->block->id : 0,
                              .at = (uint32_t)(hits->index + (hits->part ? 0 : finding->view->part_count)),
                              .row = hits->rows[i]};
        offer(finding, &place);
    }
    if (hits->table) (void)pthread_mutex_unlock(&hits->store->lock);
    return 0;
}

static bool find_wants(void *data, const struct tw__part_block *block)
{
    const struct finding *finding = data;
    if (finding->count < finding->limit) return true;
    uint64_t worst = finding->heap[0].key;
    if (finding->query->order == TW__ORDER_NEWEST) return block->max_ns > worst;
    if (block->damaged) return true;
    const struct tw_text *wanted = &finding->query->service;
    for (uint32_t i = 0; i < block->index.service_count; i++) {
        const struct tw__block_service *service = &block->index.services[i];
        if (wanted->ptr &&
            (service->name.len != wanted->len || memcmp(service->name.ptr, wanted->ptr, wanted->len) != 0))
            continue;
        if (service->max_ns > worst) return true;
    }
    return false;
}

/* Of copies the one that stands later was written later. */
static int by_writing(const void *a, const void *b)
{
    const struct place *one = a, *two = b;
    if (one->at != two->at) return one->at < two->at ? -1 : 1;
    if (one->seq != two->seq) return one->seq < two->seq ? -1 : 1;
    if (one->block != two->block) return one->block < two->block ? -1 : 1;
    return one->row < two->row ? -1 : one->row > two->row;
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

/* Of spans and places in the order of writing: copies are dropped, then the best stand first. */
static int arrange(struct finding *finding, struct tw__spans *out, size_t first)
{
    struct place *places = finding->heap;
    size_t count = finding->count;
    uint32_t *from = malloc((count + 1) * sizeof *from);
    struct tw__span *sorted = malloc((count + 1) * sizeof *sorted);
    int error = from && sorted ? tw__spans_drop_copies(out, first, from) : TW_ERR_MEMORY;
    count = out->count - first;
    if (!error && count) {
        for (size_t i = 0; i < count; i++) {
            places[i] = places[from[i]];
            places[i].out = (uint32_t)i;
        }
        qsort(places, count, sizeof *places, by_key);
        for (size_t i = 0; i < count; i++) sorted[i] = out->items[first + places[i].out];
        memcpy(out->items + first, sorted, count * sizeof *sorted);
    }
    free(from);
    free(sorted);
    return error;
}

int tw__store_find(struct tw__store *store, const struct tw__store_query *query, unsigned parts, struct tw__spans *out)
{
    enum { LIMIT_DEFAULT = 1000, LIMIT_MAX = 20000, TRIES = 3 /* when blocks are compacted meanwhile */ };
    struct finding finding = {.query = query, .limit = query->limit ? query->limit : LIMIT_DEFAULT};
    if (finding.limit > LIMIT_MAX) finding.limit = LIMIT_MAX;
    size_t first = out->count;
    struct tw__view view;
    finding.heap = malloc(finding.limit * sizeof *finding.heap);
    if (!finding.heap) return TW_ERR_MEMORY;
    int error = 0;
    for (unsigned tries = 0; tries < TRIES && !error && (tries == 0 || finding.moved); tries++) {
        out->count = first;
        finding.count = 0;
        finding.moved = false;
        error = tw__view_open(store, query->since_ns, query->until_ns, &view);
        if (error) break;
        finding.view = &view;
        struct tw__walk walk = {
            .view = &view, .query = query, .times = true, .fn = find_hits, .wanted = find_wants, .data = &finding};
        error = tw__walk(&walk);
        if (!error) error = read_places(&view, &finding, parts, out);
        if (!error) error = arrange(&finding, out, first);
        tw__view_close(&view);
    }
    free(finding.heap);
    return error;
}
