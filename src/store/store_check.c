/* store_check: figures, and everything read once to see whether it can be.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/os.h"
#include "store/inside.h"

enum { TRIES = 5, RETRY_NS = 50000000 };

static void count_part(struct tw__view *view, struct tw__part *part)
{
    bool there;
    (void)pthread_mutex_lock(&view->store->lock);
    bool counted = part->counted;
    (void)pthread_mutex_unlock(&view->store->lock);
    if (counted || tw__view_lock(view, part, &there) != 0 || !there) return;
    uint64_t rows = 0, min_ns = UINT64_MAX, max_ns = 0;
    for (size_t i = 0; i < part->block_count; i++) {
        rows += part->blocks[i].rows;
        if (part->blocks[i].min_ns < min_ns) min_ns = part->blocks[i].min_ns;
        if (part->blocks[i].max_ns > max_ns) max_ns = part->blocks[i].max_ns;
    }
    uint64_t blocks = part->block_count;
    tw__part_unlock(part);
    (void)pthread_mutex_lock(&view->store->lock);
    part->rows = rows;
    part->block_total = blocks;
    part->min_ns = min_ns;
    part->max_ns = max_ns;
    part->counted = true;
    (void)pthread_mutex_unlock(&view->store->lock);
}

static void span_times(struct tw__store_info *info, uint64_t min_ns, uint64_t max_ns)
{
    if (info->oldest_ns == 0 || min_ns < info->oldest_ns) info->oldest_ns = min_ns;
    if (max_ns > info->newest_ns) info->newest_ns = max_ns;
}

int tw__store_info(struct tw__store *store, struct tw__store_info *out)
{
    struct tw__view view;
    int error = tw__view_open(store, 0, 0, &view);
    if (error) return error;
    for (size_t i = 0; i < view.part_count; i++) count_part(&view, view.parts[i]);
    (void)pthread_mutex_lock(&store->lock);
    struct tw__store_info info = store->counters;
    for (size_t i = 0; i < view.part_count; i++) {
        const struct tw__part *part = view.parts[i];
        info.disk_bytes += tw__part_disk_bytes(part);
        info.partitions++;
        info.spans += part->rows;
        info.blocks += part->block_total;
        if (part->rows) span_times(&info, part->min_ns, part->max_ns);
    }
    for (size_t t = 0; t < view.table_count; t++) {
        const struct tw__table *table = view.tables[t];
        struct stat stat_;
        info.recent_spans += table->recent.count.rows;
        info.recent_bytes += tw__recent_bytes(&table->recent);
        if (table->path && stat(table->path, &stat_) == 0) info.journal_disk_bytes += (uint64_t)stat_.st_size;
        for (size_t i = 0; i < table->recent.count.rows; i++)
            span_times(&info, table->recent.rows[i].start_ns, table->recent.rows[i].start_ns);
    }
    struct stat spare;
    if (stat(store->spare, &spare) == 0) info.journal_disk_bytes += (uint64_t)spare.st_size;
    (void)pthread_mutex_unlock(&store->lock);
    info.spans += info.recent_spans;
    info.disk_bytes += info.journal_disk_bytes;
    tw__view_close(&view);
    *out = info;
    return 0;
}

/* -- checking */

struct checking {
    void (*tell)(void *data, const char *line);
    void *data;
    int problems;
};

static void problem(struct checking *check, const struct tw__part *part, int64_t block, const char *what, int error)
{
    char line[TW__PART_PATH_MAX + 512];
    if (block)
        (void)snprintf(line, sizeof line, "%s: block %lld: %s%s%s", part->path, (long long)block, what,
                       error ? ": " : "", error ? tw_err_text(error) : "");
    else
        (void)snprintf(line, sizeof line, "%s: %s%s%s", part->path, what, error ? ": " : "",
                       error ? tw_err_text(error) : "");
    check->problems++;
    check->tell(check->data, line);
}

static int read_whole(struct tw__part *part, const struct tw__part_block *block, struct tw__pool *scratch,
                      struct tw__spans *out, bool *traces_known)
{
    const void *bytes;
    size_t len;
    struct tw__head head;
    struct tw__tail tail;
    int error = tw__part_head(part, block->id, &bytes, &len);
    if (!error) error = tw__head_read(bytes, len, TW__HEAD_ALL, scratch, &head);
    if (!error) error = tw__part_tail(part, block->id, &bytes, &len);
    if (!error) error = tw__tail_open(bytes, len, &head, &tail);
    uint32_t *rows = tw__pool_take(scratch, TW__BLOCK_ROWS * sizeof *rows, 4);
    if (error || !rows) return error ? error : TW_ERR_MEMORY;
    for (uint32_t i = 0; i < head.rows; i++) rows[i] = i;
    *traces_known = true;
    for (uint32_t t = 0; t < head.trace_count && !block->damaged; t++)
        *traces_known &= tw__block_index_may_have(&block->index, tw__trace_hash(head.trace_ids + (size_t)t * 16));
    struct tw__block_read read = {
        .head = &head, .tail = &tail, .rows = rows, .row_count = head.rows, .parts = TW__PART_ALL, .scratch = scratch};
    return tw__block_read(&read, out);
}

static void check_part(struct tw__part *part, struct checking *check)
{
    char text[256];
    int error = tw__part_lock(part);
    /* One that is being made at this moment is neither nothing nor whole. */
    for (unsigned i = 0; i < TRIES && error && error != TW_ERR_NOT_FOUND; i++) {
        tw__os_sleep_ns(RETRY_NS);
        error = tw__part_lock(part);
    }
    if (error && error != TW_ERR_NOT_FOUND) problem(check, part, 0, "cannot be opened", error);
    if (error) return;
    error = tw__part_integrity(part, text, sizeof text);
    if (error || text[0]) problem(check, part, 0, text[0] ? text : "SQLite's check failed", error);
    struct tw__pool scratch = {.limit_bytes = (size_t)1 << 30};
    struct tw__spans spans = {.pool.limit_bytes = (size_t)1 << 30};
    for (size_t i = 0; i < part->block_count; i++) {
        const struct tw__part_block *block = &part->blocks[i];
        bool traces_known = true;
        if (block->damaged) problem(check, part, block->id, "its index is damaged", 0);
        error = read_whole(part, block, &scratch, &spans, &traces_known);
        if (error)
            problem(check, part, block->id, "cannot be read", error);
        else if (spans.count != block->rows)
            problem(check, part, block->id, "has another number of spans than it says", 0);
        if (!traces_known) problem(check, part, block->id, "its filter does not know all its traces", 0);
        tw__spans_reset(&spans);
        tw__pool_reset(&scratch);
    }
    tw__spans_fini(&spans);
    tw__pool_fini(&scratch);
    tw__part_unlock(part);
}

int tw__store_check(struct tw__store *store, void (*tell)(void *data, const char *line), void *data)
{
    struct checking check = {tell, data, 0};
    struct tw__view view;
    int error = tw__view_open(store, 0, 0, &view);
    if (error) return error;
    for (size_t i = 0; i < view.part_count; i++) check_part(view.parts[i], &check);
    tw__view_close(&view);
    return check.problems;
}
