/* store_seal: the thread that moves tables into blocks and removes what is too old or too much.
 *
 * A table is sealed partition by partition, each in one transaction that also notes the table's number; then its
 * journal is removed. What fails is tried again after a second: the table and its journal stay, and intake refuses what
 * would be too much.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"
#include "store/inside.h"
#include "store/sort.h"

#define SECOND_NS   UINT64_C(1000000000)
#define SEAL_AGE_NS (300 * SECOND_NS)
#define RETAIN_NS   (15 * SECOND_NS)
#define RELEASE_NS  (20 * SECOND_NS)

enum { EDGE_ROWS = 512 }; /* a block ends up to so many rows early rather than in the middle of a trace */

static size_t block_end(const struct tw__row *rows, size_t from, size_t count)
{
    if (count - from <= TW__BLOCK_ROWS) return count;
    size_t end = from + TW__BLOCK_ROWS;
    for (size_t at = end; at > end - EDGE_ROWS; at--)
        if (!tw__same_trace(&rows[at], &rows[at - 1])) return at;
    return end;
}

int tw__store_put_blocks(struct tw__part *part, const struct tw__recent *recent, const struct tw__row *rows,
                         size_t count, uint64_t seq)
{
    struct tw__block_enc *enc = tw__block_enc_new();
    struct tw__block_bytes bytes = {0};
    int error = enc ? 0 : TW_ERR_MEMORY;
    for (size_t from = 0, to; from < count && !error; from = to) {
        to = block_end(rows, from, count);
        error = tw__block_enc(enc, recent, rows + from, to - from, &bytes);
        if (!error) error = tw__part_add(part, seq, &bytes);
    }
    tw__buf_fini(&bytes.index);
    tw__buf_fini(&bytes.head);
    tw__buf_fini(&bytes.tail);
    tw__block_enc_free(enc);
    return error;
}

/* Rows of a table into a partition, as a transaction that also marks the journal. */
static int put_rows(struct tw__store *store, struct tw__part *part, const struct tw__recent *recent,
                    const uint32_t *rows, size_t count, uint64_t seq)
{
    bool has = false;
    size_t kept = count;
    struct tw__row *sorted = NULL;
    int error = tw__part_begin(part);
    if (!error) error = tw__part_has(part, seq, &has);
    if (!error && !has) error = tw__sort_rows(recent, rows, count, &sorted, &kept);
    if (!error && !has) error = tw__store_put_blocks(part, recent, sorted, kept, seq);
    if (!error && !has) error = tw__part_names(part, recent, sorted, kept);
    if (!error && !has) error = tw__part_traces(part, seq, sorted, kept);
    if (!error && !has) error = tw__part_mark(part, seq);
    free(sorted);
    if (!error) error = tw__part_commit(part);
    if (error) {
        tw__part_rollback(part);
        return error;
    }
    if (has) return 0;
    (void)pthread_mutex_lock(&store->lock);
    store->counters.sealed_spans += kept;
    store->counters.folded_spans += count - kept;
    part->counted = false;
    part->changes++;
    part->last_change_ns = tw__clock_mono_ns();
    (void)pthread_mutex_unlock(&store->lock);
    return 0;
}

/* Rows by partition: keys[i] is the partition of row i. Returns how many different ones; they stand in found. */
static size_t find_keys(const struct tw__table *table, uint64_t *keys, uint64_t **found)
{
    size_t count = 0, cap = 0;
    uint64_t *items = NULL, from_ns = 0, len_ns = 0;
    for (size_t i = 0; i < table->recent.count.rows; i++) {
        uint64_t start = table->recent.rows[i].start_ns;
        /* Mostly the hour of the one before. */
        if (start - from_ns < len_ns) {
            keys[i] = keys[i - 1];
            continue;
        }
        keys[i] = tw__part_key(start, table->opened_ns);
        tw__part_key_holds(keys[i], table->opened_ns, &from_ns, &len_ns);
        size_t at = count;
        while (at > 0 && items[at - 1] != keys[i]) at--;
        if (at > 0) continue;
        if (count == cap) {
            uint64_t *more = realloc(items, (cap = cap ? cap * 2 : 16) * sizeof *more);
            if (!more) {
                free(items);
                return 0;
            }
            items = more;
        }
        items[count++] = keys[i];
    }
    *found = items;
    return count;
}

static int seal_part(struct tw__store *store, const struct tw__table *table, const uint64_t *keys, uint64_t key,
                     uint32_t *rows)
{
    struct tw__part_name name;
    size_t count = 0;
    for (size_t i = 0; i < table->recent.count.rows; i++)
        if (keys[i] == key) rows[count++] = (uint32_t)i;
    tw__part_name_of(key, &name);
    (void)pthread_mutex_lock(&store->lock);
    struct tw__part *part = tw__store_part(store, &name);
    (void)pthread_mutex_unlock(&store->lock);
    return part ? put_rows(store, part, &table->recent, rows, count, table->seq) : TW_ERR_MEMORY;
}

/* Connections of partitions that nothing was written to are closed: an hour that is over has one less file open. */
static void close_writers(struct tw__store *store, const uint64_t *keys, size_t count)
{
    /* Only who holds writing changes the list. Closing takes long: the log is written into the file. */
    for (size_t i = 0; i < store->part_count; i++) {
        struct tw__part *part = store->parts[i];
        bool used = false;
        for (size_t k = 0; k < count && part->writer && !used; k++) {
            struct tw__part_name name;
            tw__part_name_of(keys[k], &name);
            used = strcmp(name.text, part->name.text) == 0;
        }
        if (part->writer && !used) tw__part_close_writer(part);
    }
}

static int seal(struct tw__store *store, const struct tw__table *table)
{
    enum { WRITERS_MAX = 8 };
    size_t count = table->recent.count.rows;
    uint64_t *keys = malloc((count + 1) * sizeof *keys), *found = NULL;
    uint32_t *rows = malloc((count + 1) * sizeof *rows);
    int error = keys && rows ? 0 : TW_ERR_MEMORY;
    size_t parts = error ? 0 : find_keys(table, keys, &found);
    if (!error && count && parts == 0) error = TW_ERR_MEMORY;
    for (size_t i = 0; i < parts && !error; i++) {
        error = seal_part(store, table, keys, found[i], rows);
        if (parts > WRITERS_MAX) close_writers(store, NULL, 0);
    }
    close_writers(store, found, parts > WRITERS_MAX ? 0 : parts);
    free(found);
    free(keys);
    free(rows);
    return error;
}

static struct tw__table *next_table(struct tw__store *store)
{
    for (struct tw__table *table = store->oldest; table; table = table->next)
        if (table->closed && !table->sealed) return table;
    struct tw__table *active = store->active;
    if (active->recent.count.rows == 0) return NULL;
    bool old = tw__clock_mono_ns() - active->first_mono_ns > SEAL_AGE_NS;
    if (!old && active->seq > store->flush_seq) return NULL;
    int error = tw__store_rotate(store);
    if (error) store->seal_error = error;
    return error ? NULL : active;
}

static bool untried(const struct tw__store *store)
{
    for (size_t i = 0; i < store->part_count; i++)
        if (!store->parts[i]->known.tried) return true;
    return false;
}

void *tw__store_sealer(void *data)
{
    struct tw__store *store = data;
    uint64_t retained = 0, sealed = tw__clock_mono_ns();
    (void)pthread_mutex_lock(&store->lock);
    while (!store->stop) {
        struct tw__table *table = next_table(store);
        bool due = tw__clock_mono_ns() - retained > RETAIN_NS;
        if (!table && !due) {
            if (store->seal_error) (void)pthread_cond_broadcast(&store->room);
            bool warmed = false;
            if (untried(store)) {
                (void)pthread_mutex_unlock(&store->lock);
                warmed = tw__known_warm(store);
                (void)pthread_mutex_lock(&store->lock);
            }
            if (warmed) continue;
            tw__os_cond_wait(&store->wake, &store->lock, SECOND_NS);
            continue;
        }
        (void)pthread_mutex_unlock(&store->lock);
        (void)pthread_mutex_lock(&store->writing);
        int error = table ? seal(store, table) : 0;
        if (!error && table && table->path) tw__journal_retire(table->path, store->spare);
        if (table) sealed = tw__clock_mono_ns();
        if (tw__clock_mono_ns() - sealed > RELEASE_NS) tw__store_release(store);
        if (due || error == TW_ERR_SPACE) {
            tw__store_retain(store);
            retained = tw__clock_mono_ns();
        }
        (void)pthread_mutex_unlock(&store->writing);
        (void)pthread_mutex_lock(&store->lock);
        store->seal_error = error;
        if (error) store->counters.seal_failures++;
        if (table && !error) table->sealed = true;
        tw__store_drop_tables(store);
        (void)pthread_cond_broadcast(&store->room);
        if (error && !store->stop) tw__os_cond_wait(&store->wake, &store->lock, SECOND_NS);
    }
    (void)pthread_mutex_unlock(&store->lock);
    tw__column_thread_done();
    return NULL;
}

static bool waiting_tables(const struct tw__store *store)
{
    for (const struct tw__table *table = store->oldest; table; table = table->next)
        if (table->closed && !table->sealed) return true;
    return false;
}

int tw__store_flush(struct tw__store *store)
{
    if (store->options.read_only) return TW_ERR_STATE;
    (void)pthread_mutex_lock(&store->lock);
    uint64_t failures = store->counters.seal_failures;
    int error = 0;
    if (store->active->recent.count.rows || waiting_tables(store)) {
        uint64_t upto = store->active->seq;
        store->flush_seq = upto;
        store->seal_error = 0;
        for (;;) {
            bool done = true;
            for (const struct tw__table *table = store->oldest; table; table = table->next)
                if (table->seq <= upto && table->recent.count.rows && !table->sealed) done = false;
            error = store->counters.seal_failures > failures || store->seal_error ? store->seal_error : 0;
            if (done || error || store->stop) break;
            (void)pthread_cond_signal(&store->wake);
            tw__os_cond_wait(&store->room, &store->lock, SECOND_NS);
        }
        if (error == 0 && store->counters.seal_failures > failures) error = store->seal_error;
    }
    (void)pthread_mutex_unlock(&store->lock);
    return error;
}

/* -- retention */

/* Takes a partition out of the store. */
static void remove_part(struct tw__store *store, struct tw__part *part, uint64_t *counter)
{
    uint64_t rows = 0;
    tw__part_close_writer(part);
    if (tw__part_lock(part) == 0) {
        for (size_t i = 0; i < part->block_count; i++) rows += part->blocks[i].rows;
        tw__part_unlock(part);
    }
    tw__part_unlink(part);
    (void)pthread_mutex_lock(&store->lock);
    *counter += rows;
    part->gone = true;
    tw__known_forget(store, part);
    for (size_t i = 0; i < store->part_count; i++) {
        if (store->parts[i] != part) continue;
        store->parts[i] = store->parts[--store->part_count];
        break;
    }
    tw__store_part_release(part);
    (void)pthread_mutex_unlock(&store->lock);
}

static struct tw__part *oldest_part(struct tw__store *store)
{
    struct tw__part *oldest = NULL;
    (void)pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->part_count; i++)
        if (!oldest || store->parts[i]->name.expires_ns < oldest->name.expires_ns) oldest = store->parts[i];
    (void)pthread_mutex_unlock(&store->lock);
    return oldest;
}

/* Of the only partition: its oldest blocks. Their pages are used again, so that the file stays as large as it is. */
static void remove_blocks(struct tw__store *store, struct tw__part *part)
{
    uint64_t used = tw__part_begin(part) == 0 ? tw__part_used_bytes(part) : 0, dropped = 0, rows = 0;
    if (used <= store->options.keep_bytes) {
        tw__part_rollback(part);
        return;
    }
    int error = tw__part_lock(part);
    if (!error) {
        uint64_t total = 0;
        for (size_t i = 0; i < part->block_count; i++) total += part->blocks[i].rows;
        double share = 1.0 - 0.9 * (double)store->options.keep_bytes / (double)used;
        for (size_t i = 0; i < part->block_count && !error && (double)dropped < share * (double)total; i++) {
            error = tw__part_drop(part, part->blocks[i].id);
            dropped += part->blocks[i].rows;
        }
        rows = dropped;
        tw__part_unlock(part);
    }
    if (!error) error = tw__part_commit(part);
    if (error) tw__part_rollback(part);
    (void)pthread_mutex_lock(&store->lock);
    if (!error) store->counters.evicted_spans += rows;
    part->counted = false;
    (void)pthread_mutex_unlock(&store->lock);
}

void tw__store_retain(struct tw__store *store)
{
    uint64_t now = store->options.now_ns ? store->options.now_ns() : tw__clock_wall_ns();
    struct tw__part *part;
    while (store->options.keep_ns && (part = oldest_part(store)) && part->name.expires_ns < now &&
           now - part->name.expires_ns > store->options.keep_ns)
        remove_part(store, part, &store->counters.expired_spans);
    if (!store->options.keep_bytes) return;
    for (;;) {
        uint64_t bytes = 0;
        size_t count;
        (void)pthread_mutex_lock(&store->lock);
        count = store->part_count;
        for (size_t i = 0; i < count; i++) bytes += tw__part_disk_bytes(store->parts[i]);
        (void)pthread_mutex_unlock(&store->lock);
        part = oldest_part(store);
        if (!part || bytes <= store->options.keep_bytes) return;
        if (count == 1) break;
        remove_part(store, part, &store->counters.evicted_spans);
    }
    remove_blocks(store, part);
}
