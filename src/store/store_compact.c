/* store_compact: small blocks joined, copies of spans folded.
 *
 *     1  hashes of (trace, span) of all rows, sorted: which stand more than once
 *     2  for those the rows themselves: which one counts, which ones go
 *     3  blocks that lose rows, and small ones, read into a table, up to 65536 rows of it, and written as new blocks in
 *        the transaction that drops the old ones
 *
 * Blocks of journals that a reader may hold as a table are left alone, since their numbers tell it what to pass over.
 * Others are kept from writing blocks by the writing of step 3, 65536 rows at a time, and by the giving back of pages
 * in the end, which of a file in use is done up to SHRINK_MAX; a block that went away meanwhile takes its part back.
 * How far a partition has been looked through stands in it (table folded), so that after a start only what was written
 * since, by sealing or by step 3, makes it be looked through again.
 * Limits: hashes are taken in passes of HASHES_MAX, so that memory is bounded; copies in different partitions (a span
 * sent again with another begin) stay.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "store/hash.h"
#include "store/inside.h"
#include "store/sort.h"

enum { HASHES_MAX = 2 << 20, SMALL_ROWS = TW__BLOCK_ROWS / 2, SHRINK_MAX = 128 << 20 };

struct copy {
    uint8_t trace_id[16], span_id[8]; /* equal hashes are not yet equal spans */
    uint32_t block, row;              /* index into the partition's blocks */
    bool open;
};

struct compacting {
    struct tw__store *store;
    struct tw__part *part;
    uint64_t before_seq;
    struct tw__part_block *blocks; /* copies of what the partition lists */
    size_t block_count;
    uint64_t *hashes;
    size_t hash_count;
    uint64_t *twice; /* sorted */
    size_t twice_count, twice_cap;
    struct copy *copies;
    size_t copy_count, copy_cap;
    uint8_t **gone; /* of each block: a byte for each row; NULL: nothing */
    struct tw__compaction *how;
    uint64_t folded, rewritten;
    struct tw__pool scratch;
};

static int read_block(struct compacting *c, size_t block, unsigned parts, struct tw__spans *out)
{
    const void *bytes;
    size_t len;
    struct tw__head head;
    struct tw__tail tail;
    int error = c->how->pause ? c->how->pause(c->how->data) : 0;
    if (!error) error = tw__part_lock(c->part);
    if (error) return error;
    error = tw__part_head(c->part, c->blocks[block].id, &bytes, &len);
    if (!error) error = tw__head_read(bytes, len, TW__HEAD_ALL, &c->scratch, &head);
    if (!error) error = tw__part_tail(c->part, c->blocks[block].id, &bytes, &len);
    if (!error) error = tw__tail_open(bytes, len, &head, &tail);
    uint32_t *rows = tw__pool_take(&c->scratch, TW__BLOCK_ROWS * sizeof *rows, 4);
    if (!error && !rows) error = TW_ERR_MEMORY;
    size_t count = 0;
    for (uint32_t i = 0; !error && i < head.rows; i++)
        if (!c->gone[block] || parts == 0 || !c->gone[block][i]) rows[count++] = i;
    struct tw__block_read read = {
        .head = &head, .tail = &tail, .rows = rows, .row_count = count, .parts = parts, .scratch = &c->scratch};
    if (!error) error = tw__block_read(&read, out);
    tw__part_unlock(c->part);
    tw__pool_reset(&c->scratch);
    return error;
}

static uint64_t hash_of(const struct tw__span *span)
{
    return tw__hash_seeded(span->span_id, sizeof span->span_id, tw__hash(span->trace_id, sizeof span->trace_id));
}

static int by_number(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, two = *(const uint64_t *)b;
    return one < two ? -1 : one > two;
}

static int push_twice(struct compacting *c, uint64_t hash)
{
    if (c->twice_count && c->twice[c->twice_count - 1] == hash) return 0;
    if (c->twice_count == c->twice_cap) {
        size_t cap = c->twice_cap ? c->twice_cap * 2 : 1024;
        uint64_t *more = realloc(c->twice, cap * sizeof *more);
        if (!more) return TW_ERR_MEMORY;
        c->twice = more;
        c->twice_cap = cap;
    }
    c->twice[c->twice_count++] = hash;
    return 0;
}

/* Step 1 for hashes whose share of the range is this pass's. A block that cannot be read is left as it is. */
static int find_twice(struct compacting *c, struct tw__spans *spans, uint64_t from, uint64_t to)
{
    c->hash_count = 0;
    for (size_t b = 0; b < c->block_count; b++) {
        tw__spans_reset(spans);
        int error = read_block(c, b, 0, spans);
        if (error == TW_ERR_CORRUPT) continue;
        if (error) return error;
        for (size_t i = 0; i < spans->count; i++) {
            uint64_t hash = hash_of(&spans->items[i]);
            if (hash < from || hash > to || tw__all_zero(spans->items[i].span_id, 8)) continue;
            if (c->hash_count == HASHES_MAX) return 0; /* uneven hashes: the rest stays as it is */
            c->hashes[c->hash_count++] = hash;
        }
    }
    if (c->hash_count) qsort(c->hashes, c->hash_count, sizeof *c->hashes, by_number);
    for (size_t i = 1; i < c->hash_count; i++)
        if (c->hashes[i] == c->hashes[i - 1] && push_twice(c, c->hashes[i]) < 0) return TW_ERR_MEMORY;
    return 0;
}

static int find_copies(struct compacting *c, struct tw__spans *spans)
{
    for (size_t b = 0; b < c->block_count && c->twice_count; b++) {
        tw__spans_reset(spans);
        int error = read_block(c, b, 0, spans);
        if (error == TW_ERR_CORRUPT) continue;
        if (error) return error;
        for (size_t i = 0; i < spans->count; i++) {
            uint64_t hash = hash_of(&spans->items[i]);
            if (!bsearch(&hash, c->twice, c->twice_count, sizeof hash, by_number)) continue;
            if (c->copy_count == c->copy_cap) {
                size_t cap = c->copy_cap ? c->copy_cap * 2 : 1024;
                struct copy *more = realloc(c->copies, cap * sizeof *more);
                if (!more) return TW_ERR_MEMORY;
                c->copies = more;
                c->copy_cap = cap;
            }
            struct copy *copy = &c->copies[c->copy_count++];
            *copy = (struct copy){.block = (uint32_t)b, .row = (uint32_t)i, .open = spans->items[i].open};
            memcpy(copy->trace_id, spans->items[i].trace_id, sizeof copy->trace_id);
            memcpy(copy->span_id, spans->items[i].span_id, sizeof copy->span_id);
        }
    }
    return 0;
}

static int by_id(const struct copy *one, const struct copy *two)
{
    int order = memcmp(one->trace_id, two->trace_id, sizeof one->trace_id);
    return order ? order : memcmp(one->span_id, two->span_id, sizeof one->span_id);
}

static int by_id_and_place(const void *a, const void *b)
{
    const struct copy *one = a, *two = b;
    int order = by_id(one, two);
    if (order) return order;
    if (one->block != two->block) return one->block < two->block ? -1 : 1;
    return one->row < two->row ? -1 : one->row > two->row;
}

/* Step 2: of copies the one that counts stays. */
static int choose(struct compacting *c, uint64_t *folded)
{
    if (c->copy_count) qsort(c->copies, c->copy_count, sizeof *c->copies, by_id_and_place);
    for (size_t from = 0, to; from < c->copy_count; from = to) {
        size_t best = from;
        for (to = from + 1; to < c->copy_count && by_id(&c->copies[to], &c->copies[from]) == 0; to++)
            if (tw__later_counts(c->copies[best].open, c->copies[to].open)) best = to;
        for (size_t i = from; i < to; i++) {
            if (i == best) continue;
            uint8_t **gone = &c->gone[c->copies[i].block];
            if (!*gone) *gone = calloc(TW__BLOCK_ROWS, 1);
            if (!*gone) return TW_ERR_MEMORY;
            (*gone)[c->copies[i].row] = 1;
            ++*folded;
        }
    }
    return 0;
}

/* Inside writing: the partition was removed meanwhile. */
static bool gone(const struct compacting *c)
{
    (void)pthread_mutex_lock(&c->store->lock);
    bool is_gone = c->part->gone;
    (void)pthread_mutex_unlock(&c->store->lock);
    return is_gone;
}

/* Writes a table in the place of the blocks that are marked done. */
static int replace(struct compacting *c, const struct tw__recent *recent, const size_t *done, size_t done_count,
                   uint64_t seq)
{
    size_t count = recent->count.rows, kept = count;
    struct tw__row *sorted = NULL;
    uint32_t *rows = malloc((count + 1) * sizeof *rows);
    if (!rows) return TW_ERR_MEMORY;
    for (size_t i = 0; i < count; i++) rows[i] = (uint32_t)i;
    int error = tw__sort_rows(recent, rows, count, &sorted, &kept);
    (void)pthread_mutex_lock(&c->store->writing);
    if (!error && gone(c)) error = TW_ERR_NOT_FOUND;
    if (!error) error = tw__part_begin(c->part);
    if (!error) error = tw__store_put_blocks(c->part, recent, sorted, kept, seq);
    for (size_t i = 0; i < done_count && !error; i++) error = tw__part_drop(c->part, c->blocks[done[i]].id);
    if (!error) error = tw__part_commit(c->part);
    if (error) tw__part_rollback(c->part);
    if (c->how->pause) tw__part_close_writer(c->part);
    (void)pthread_mutex_unlock(&c->store->writing);
    if (!error) c->rewritten += done_count;
    free(sorted);
    free(rows);
    return error;
}

/* Step 3. */
static int rewrite(struct compacting *c, struct tw__spans *spans)
{
    size_t *done = malloc((c->block_count + 1) * sizeof *done), done_count = 0, small = 0;
    struct tw__recent recent;
    uint64_t seq = 0;
    if (!done || tw__recent_init(&recent) < 0) {
        free(done);
        return TW_ERR_MEMORY;
    }
    for (size_t b = 0; b < c->block_count; b++) small += c->blocks[b].rows < SMALL_ROWS;
    int error = 0;
    for (size_t b = 0; b <= c->block_count && !error; b++) {
        bool last = b == c->block_count, full = recent.count.rows + TW__BLOCK_ROWS > TW__SEAL_ROWS ||
                                                tw__recent_bytes(&recent) > c->store->seal_bytes;
        /* A joined block counts as written when the first of its blocks was: a reader in another process, which passes
         * over blocks of journals that it has as tables, sees it in any case. With copies that were not looked for,
         * none that was written between them may be left out. */
        bool between = !last && !c->how->copies && c->blocks[b].rows >= SMALL_ROWS;
        if (done_count && (last || full || between)) {
            if (done_count > 1 || c->how->copies) error = replace(c, &recent, done, done_count, seq);
            tw__recent_fini(&recent);
            if (!error) error = tw__recent_init(&recent);
            done_count = 0;
            seq = 0;
        }
        if (last || error || !(c->gone[b] || (small > 1 && c->blocks[b].rows < SMALL_ROWS))) continue;
        tw__spans_reset(spans);
        int problem = read_block(c, b, TW__PART_ALL, spans);
        if (problem == TW_ERR_CORRUPT) continue;
        error = problem ? problem : tw__recent_add(&recent, spans);
        if (done_count == 0) seq = c->blocks[b].seq;
        done[done_count++] = b;
    }
    tw__recent_fini(&recent);
    free(done);
    return error;
}

/* In the order in which their spans were written. */
static int by_seq(const void *a, const void *b)
{
    const struct tw__part_block *one = a, *two = b;
    if (one->seq != two->seq) return one->seq < two->seq ? -1 : 1;
    return one->id < two->id ? -1 : one->id > two->id;
}

static int list_blocks(struct compacting *c)
{
    int error = tw__part_lock(c->part);
    if (error) return error;
    c->blocks = malloc((c->part->block_count + 1) * sizeof *c->blocks);
    for (size_t i = 0; c->blocks && i < c->part->block_count; i++)
        if (c->part->blocks[i].seq < c->before_seq) c->blocks[c->block_count++] = c->part->blocks[i];
    c->how->left = c->block_count < c->part->block_count;
    tw__part_unlock(c->part);
    if (c->blocks && c->block_count) qsort(c->blocks, c->block_count, sizeof *c->blocks, by_seq);
    c->gone = calloc(c->block_count + 1, sizeof(uint8_t *));
    return c->blocks && c->gone ? 0 : TW_ERR_MEMORY;
}

/* Steps 1 and 2. */
static int find_and_choose(struct compacting *c, struct tw__spans *spans)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < c->block_count; i++) rows += c->blocks[i].rows;
    c->hashes = malloc((rows < HASHES_MAX ? rows + 1 : HASHES_MAX) * sizeof *c->hashes);
    if (!c->hashes) return TW_ERR_MEMORY;
    uint64_t passes = rows / (HASHES_MAX / 4 * 3) + 1, width = UINT64_MAX / passes;
    int error = 0;
    for (uint64_t pass = 0; pass < passes && !error; pass++)
        error = find_twice(c, spans, pass * width, pass + 1 == passes ? UINT64_MAX : (pass + 1) * width - 1);
    if (!error && c->twice_count) qsort(c->twice, c->twice_count, sizeof *c->twice, by_number);
    if (!error) error = find_copies(c, spans);
    return error ? error : choose(c, &c->folded);
}

/* Notes how far it was looked through, and gives back what is not used any more if that is much and the file not
 * large. */
static int finish(struct compacting *c)
{
    (void)pthread_mutex_lock(&c->store->writing);
    int error = gone(c) ? TW_ERR_NOT_FOUND : tw__part_begin(c->part);
    if (!error) {
        uint64_t used = tw__part_used_bytes(c->part), all = tw__part_disk_bytes(c->part);
        int64_t last = 0;
        for (size_t i = 0; i < c->block_count; i++)
            if (c->blocks[i].id > last) last = c->blocks[i].id;
        error = tw__part_note_folded(c->part, last);
        if (!error) error = tw__part_commit(c->part);
        if (error) tw__part_rollback(c->part);
        bool small = !c->how->pause || all < SHRINK_MAX;
        if (!error && small && used < all / 10 * 9 && (!c->how->pause || c->rewritten))
            error = tw__part_shrink(c->part);
        tw__part_close_writer(c->part);
    }
    (void)pthread_mutex_unlock(&c->store->writing);
    return error;
}

static void free_compacting(struct compacting *c)
{
    for (size_t i = 0; c->gone && i < c->block_count; i++) free(c->gone[i]);
    free(c->gone);
    free(c->blocks);
    free(c->hashes);
    free(c->twice);
    free(c->copies);
    tw__pool_fini(&c->scratch);
}

int tw__compact_part(struct tw__store *store, struct tw__part *part, struct tw__compaction *how)
{
    struct compacting c = {.store = store, .part = part, .before_seq = UINT64_MAX, .how = how};
    struct tw__spans spans = {0};
    (void)pthread_mutex_lock(&store->lock);
    for (const struct tw__table *table = store->oldest; table; table = table->next)
        if (table->seq < c.before_seq) c.before_seq = table->seq;
    (void)pthread_mutex_unlock(&store->lock);
    int error = list_blocks(&c);
    if (!error && how->copies) error = find_and_choose(&c, &spans);
    if (!error) error = rewrite(&c, &spans);
    if (!error && how->copies) error = finish(&c);
    (void)pthread_mutex_lock(&store->lock);
    if (!error) store->counters.folded_spans += c.folded;
    store->counters.compacted_blocks += c.rewritten;
    part->counted = false;
    (void)pthread_mutex_unlock(&store->lock);
    free_compacting(&c);
    tw__spans_fini(&spans);
    return error;
}

int tw__store_compact(struct tw__store *store)
{
    struct tw__compaction how = {.copies = true};
    struct tw__view view;
    int error = tw__store_flush(store);
    if (!error) error = tw__view_open(store, 0, 0, &view);
    if (error) return error;
    tw__view_drop_tables(&view);
    (void)pthread_mutex_lock(&store->compacting);
    for (size_t i = 0; i < view.part_count && !error; i++) {
        error = tw__compact_part(store, view.parts[i], &how);
        if (error == TW_ERR_CORRUPT || error == TW_ERR_VERSION || error == TW_ERR_NOT_FOUND)
            error = 0; /* check tells of it */
    }
    (void)pthread_mutex_unlock(&store->compacting);
    tw__view_close(&view);
    (void)pthread_mutex_lock(&store->writing);
    tw__store_retain(store);
    (void)pthread_mutex_unlock(&store->writing);
    return error;
}
