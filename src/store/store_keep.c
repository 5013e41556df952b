/* store_keep: the thread that joins small blocks and folds copies of spans while the store is in use.
 *
 * Every compact_ns (a minute) the partitions that were written to since the last look are gone through, one at a time:
 *
 *     SMALL_MIN small blocks or more        are joined
 *     up to FOLD_ROWS spans                 copies are looked for, and folded
 *     more                                  the same, once it has not been written to for QUIET_NS
 *
 * So a copy of a span that was sent again is counted twice for a minute or two; in an hour with more than FOLD_ROWS
 * spans until the hour is over. After each block that was read the thread sleeps nine times as long as it worked: a
 * tenth of a processor at most. It keeps the sealer waiting only while it writes: store_compact.c. A partition that
 * could not be opened or read is passed over until it is written to again.
 */
#include <time.h>

#include "base/clock.h"
#include "base/os.h"
#include "store/inside.h"

#define SECOND_NS UINT64_C(1000000000)
#define QUIET_NS  (120 * SECOND_NS)
#define WORK_NS   UINT64_C(10000000)

enum { SMALL_MIN = 8, FOLD_ROWS = 1 << 20, SHARE = 9 };

struct keeping {
    struct tw__store *store;
    uint64_t worked_ns; /* processor time at the last pause */
};

static uint64_t worked_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

static int rest(void *data)
{
    struct keeping *keeping = data;
    struct tw__store *store = keeping->store;
    uint64_t worked = worked_ns() - keeping->worked_ns;
    if (worked < WORK_NS) return 0;
    uint64_t until = tw__clock_mono_ns() + worked * SHARE;
    (void)pthread_mutex_lock(&store->lock);
    for (uint64_t now = tw__clock_mono_ns(); now < until && !store->stop; now = tw__clock_mono_ns())
        tw__os_cond_wait(&store->keep, &store->lock, until - now);
    bool stop = store->stop;
    (void)pthread_mutex_unlock(&store->lock);
    keeping->worked_ns = worked_ns();
    return stop ? TW_ERR_STATE : 0;
}

/* What a partition needs. false: nothing. */
static bool needs(struct tw__view *view, struct tw__part *part, bool quiet, struct tw__compaction *how)
{
    bool there;
    uint64_t rows = 0;
    size_t small = 0;
    if (tw__view_lock(view, part, &there) != 0 || !there) return false;
    for (size_t i = 0; i < part->block_count; i++) {
        rows += part->blocks[i].rows;
        small += part->blocks[i].rows < TW__BLOCK_ROWS / 2;
    }
    bool fresh = part->last_id > tw__part_folded(part);
    tw__part_unlock(part);
    how->copies = fresh && (rows <= FOLD_ROWS || quiet);
    return how->copies || small >= SMALL_MIN;
}

static int keep_part(struct tw__view *view, struct tw__part *part, struct tw__compaction *how, bool in_any_case)
{
    struct tw__store *store = view->store;
    uint64_t now = tw__clock_mono_ns();
    (void)pthread_mutex_lock(&store->lock);
    uint64_t changes = part->changes;
    bool due = !part->looked_through || part->kept_changes != changes;
    bool quiet = in_any_case || now - part->last_change_ns > QUIET_NS;
    (void)pthread_mutex_unlock(&store->lock);
    if (!due) return 0;
    int error = 0;
    how->left = false;
    bool needed = needs(view, part, quiet, how);
    if (needed) error = tw__compact_part(store, part, how);
    if (error == TW_ERR_STATE) return error; /* the store is closing */
    (void)pthread_mutex_lock(&store->lock);
    /* Without a look at copies it stays due: until it is quiet. So it does for want of room or memory, which may come;
     * what cannot be read will not get better. */
    bool again = error == TW_ERR_SPACE || error == TW_ERR_MEMORY;
    if ((quiet || how->copies) && !how->left && !again) {
        part->looked_through = true;
        part->kept_changes = changes;
    }
    if (error && error != TW_ERR_NOT_FOUND) store->counters.compaction_failures++;
    (void)pthread_mutex_unlock(&store->lock);
    return again ? error : 0;
}

static int keep(struct tw__store *store, struct tw__compaction *how, bool in_any_case)
{
    struct tw__view view;
    int error = tw__view_open(store, 0, 0, &view);
    if (error) return error;
    /* No table is held meanwhile: blocks of journals that a reader may hold are left alone. */
    tw__view_drop_tables(&view);
    (void)pthread_mutex_lock(&store->compacting);
    for (size_t i = view.part_count; i-- > 0 && !error;) error = keep_part(&view, view.parts[i], how, in_any_case);
    (void)pthread_mutex_unlock(&store->compacting);
    tw__view_close(&view);
    return error;
}

int tw__store_keep(struct tw__store *store)
{
    if (store->options.read_only) return TW_ERR_STATE;
    return keep(store, &(struct tw__compaction){0}, true);
}

void *tw__store_keeper(void *data)
{
    struct tw__store *store = data;
    struct keeping keeping = {.store = store};
    struct tw__compaction how = {.pause = rest, .data = &keeping};
    (void)pthread_mutex_lock(&store->lock);
    while (!store->stop) {
        tw__os_cond_wait(&store->keep, &store->lock, store->options.compact_ns);
        if (store->stop) break;
        (void)pthread_mutex_unlock(&store->lock);
        keeping.worked_ns = worked_ns();
        (void)keep(store, &how, false);
        (void)pthread_mutex_lock(&store->lock);
    }
    (void)pthread_mutex_unlock(&store->lock);
    tw__column_thread_done();
    return NULL;
}
