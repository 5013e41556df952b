/* store: opening, closing and writing.
 *
 *     write -> table in memory + journal file -> (65536 spans, or five minutes) -> blocks in partitions -> journal
 * removed
 *
 * Tables have rising numbers, the newest is written to. A partition remembers the numbers whose spans it has: a journal
 * that is read again after a crash puts into each partition only what is not there, so that nothing is lost and nothing
 * doubled, wherever the crash was. Spans go to partitions by their begin and the journal's own time, never by the
 * clock: the second time they go where they went the first time. The syncer brings the journal to the disk once a
 * second, or at once while writers wait for it.
 * Rejected: SQLite as the journal. A commit for each batch costs more than all the rest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/os.h"
#include "store/inside.h"

enum { MEMORY_DEFAULT = 96 << 20, MEMORY_MIN = 8 << 20, TABLE_MAX = 28 << 20, WAITING_MAX = 2 };
#define SECOND_NS  UINT64_C(1000000000)
#define SYNC_NS    (SECOND_NS * 9 / 10)
#define ROOM_NS    (5 * SECOND_NS)
#define COMPACT_NS (60 * SECOND_NS)

static uint64_t now_of(const struct tw__store *store)
{
    return store->options.now_ns ? store->options.now_ns() : tw__clock_wall_ns();
}

static char *joined(const char *folder, const char *name)
{
    size_t len = strlen(folder) + strlen(name) + 2;
    char *path = malloc(len);
    if (path) (void)snprintf(path, len, "%s/%s", folder, name);
    return path;
}

/* -- tables */

static void free_table(struct tw__table *table)
{
    tw__journal_close(&table->journal);
    tw__recent_fini(&table->recent);
    free(table->path);
    free(table);
}

static int init_recent(struct tw__store *store, struct tw__recent *recent)
{
    if (store->spare_count == 0) return tw__recent_init(recent);
    *recent = store->spares[--store->spare_count];
    return tw__recent_reset(recent);
}

/* Keeps the memory of one that is as large as they usually are. */
static void keep_recent(struct tw__store *store, struct tw__recent *recent)
{
    if (store->spare_count == TW__SPARES || tw__recent_bytes(recent) > 2 * store->seal_bytes) return;
    store->spares[store->spare_count++] = *recent;
    *recent = (struct tw__recent){0};
}

void tw__store_release(struct tw__store *store)
{
    struct tw__recent spares[TW__SPARES];
    (void)pthread_mutex_lock(&store->lock);
    size_t count = store->spare_count;
    memcpy(spares, store->spares, count * sizeof *spares);
    store->spare_count = 0;
    (void)pthread_mutex_unlock(&store->lock);
    for (size_t i = 0; i < count; i++) tw__recent_fini(&spares[i]);
    (void)unlink(store->spare);
}

static struct tw__table *new_table(struct tw__store *store, uint64_t seq)
{
    char name[40];
    struct tw__table *table = calloc(1, sizeof *table);
    if (!table) return NULL;
    table->seq = seq;
    table->journal.fd = -1;
    (void)snprintf(name, sizeof name, "%020llu.journal", (unsigned long long)seq);
    table->path = joined(store->journals, name);
    if (!table->path || init_recent(store, &table->recent) < 0) {
        free_table(table);
        return NULL;
    }
    return table;
}

static void link_table(struct tw__store *store, struct tw__table *table)
{
    struct tw__table **at = &store->oldest;
    while (*at) at = &(*at)->next;
    *at = table;
}

int tw__store_rotate(struct tw__store *store)
{
    uint64_t now = now_of(store), last = store->active ? store->active->seq : 0;
    for (const struct tw__table *table = store->oldest; table; table = table->next)
        if (table->seq > last) last = table->seq;
    struct tw__table *table = new_table(store, now > last ? now : last + 1);
    if (!table) return TW_ERR_MEMORY;
    table->opened_ns = now;
    if (store->options.durability != TW__DURABLE_NONE && !store->options.read_only) {
        int error = tw__journal_new(table->path, store->spare, table->seq, now, &table->journal);
        if (error) {
            free_table(table);
            return error;
        }
        store->journals_dirty = true;
    }
    if (store->active) store->active->closed = true;
    link_table(store, table);
    store->active = table;
    return 0;
}

void tw__store_drop_tables(struct tw__store *store)
{
    for (struct tw__table **at = &store->oldest; *at;) {
        struct tw__table *table = *at;
        if (!table->sealed || table->refs) {
            at = &table->next;
            continue;
        }
        *at = table->next;
        keep_recent(store, &table->recent);
        free_table(table);
    }
}

/* -- partitions */

struct tw__part *tw__store_part(struct tw__store *store, const struct tw__part_name *name)
{
    for (size_t i = 0; i < store->part_count; i++)
        if (strcmp(store->parts[i]->name.text, name->text) == 0) return store->parts[i];
    if (store->part_count == store->part_cap) {
        size_t cap = store->part_cap ? store->part_cap * 2 : 64;
        struct tw__part **parts = realloc(store->parts, cap * sizeof(struct tw__part *));
        if (!parts) return NULL;
        store->parts = parts;
        store->part_cap = cap;
    }
    struct tw__part *part = tw__part_new(store->blocks, name);
    if (!part) return NULL;
    part->sync = store->options.durability != TW__DURABLE_NONE;
    part->refs = 1;
    store->parts[store->part_count++] = part;
    return part;
}

void tw__store_part_release(struct tw__part *part)
{
    if (--part->refs == 0) tw__part_free(part);
}

/* -- opening */

static int say(char *why, int error, const char *format, const char *what)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    if (why) (void)snprintf(why, TW_WHY_MAX, format, what);
#pragma GCC diagnostic pop
    return error;
}

static int make_folder(const struct tw__store *store, const char *path, char *why)
{
    if (store->options.read_only || mkdir(path, 0700) == 0 || errno == EEXIST) return 0;
    int number = errno;
    if (why) tw__os_problem_text(why, TW_WHY_MAX, path, number);
    return number == EACCES || number == EPERM || number == EROFS ? TW_ERR_PERMISSION
           : number == ENOSPC                                     ? TW_ERR_SPACE
                                                                  : TW_ERR_SYSTEM;
}

static int take_lock(struct tw__store *store, char *why)
{
    if (store->options.read_only) return 0;
    char *path = joined(store->folder, "lock");
    if (!path) return TW_ERR_MEMORY;
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int error = store->lock_fd < 0 ? TW_ERR_PERMISSION : 0;
    if (error)
        (void)say(why, error, "%s cannot be opened", path);
    else if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0)
        error = say(why, TW_ERR_STATE, "another process writes to the store %s", store->folder);
    free(path);
    return error;
}

static int find_parts(struct tw__store *store, char *why)
{
    DIR *folder = opendir(store->blocks);
    if (!folder) return say(why, TW_ERR_NOT_FOUND, "%s is not there", store->blocks);
    int error = 0;
    for (struct dirent *entry; !error && (entry = readdir(folder));) {
        struct tw__part_name name;
        if (tw__part_name_read(entry->d_name, &name) && !tw__store_part(store, &name)) error = TW_ERR_MEMORY;
    }
    (void)closedir(folder);
    return error;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, two = *(const uint64_t *)b;
    return one < two ? -1 : one > two;
}

static int list_journals(const struct tw__store *store, uint64_t **numbers, size_t *count, char *why)
{
    DIR *folder = opendir(store->journals);
    size_t cap = 0;
    if (!folder) return say(why, TW_ERR_NOT_FOUND, "%s is not there", store->journals);
    int error = 0;
    for (struct dirent *entry; !error && (entry = readdir(folder));) {
        char *end;
        uint64_t number = strtoull(entry->d_name, &end, 10);
        if (end == entry->d_name || strcmp(end, ".journal") != 0) continue;
        if (*count == cap) {
            uint64_t *more = realloc(*numbers, (cap = cap ? cap * 2 : 16) * sizeof *more);
            if (!more) error = TW_ERR_MEMORY;
            if (more) *numbers = more;
        }
        if (!error) (*numbers)[(*count)++] = number;
    }
    (void)closedir(folder);
    if (*count) qsort(*numbers, *count, sizeof **numbers, compare_numbers);
    return error;
}

static int recover(struct tw__store *store, uint64_t seq, char *why)
{
    uint64_t damaged = 0;
    struct tw__table *table = new_table(store, seq);
    if (!table) return TW_ERR_MEMORY;
    int error = tw__journal_read(table->path, seq, &table->recent, &table->opened_ns, &damaged);
    if (error == TW_ERR_FOREIGN || error == TW_ERR_NOT_FOUND) {
        /* Made, and not written to before the crash; a reader beside a writer: sealed meanwhile. */
        if (!store->options.read_only && error == TW_ERR_FOREIGN) (void)unlink(table->path);
        free_table(table);
        return 0;
    }
    if (error) {
        (void)say(why, error, "the journal %s cannot be read", table->path);
        free_table(table);
        return error;
    }
    table->closed = true;
    store->counters.recovered_spans += table->recent.count.rows;
    link_table(store, table);
    return 0;
}

static int find_journals(struct tw__store *store, char *why)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    int error = list_journals(store, &numbers, &count, why);
    for (size_t i = 0; i < count && !error; i++) error = recover(store, numbers[i], why);
    free(numbers);
    return error;
}

/* Brings the journals to the disk. One for all: writers that wait at the same time wait for the same call. */
static void *syncer(void *data)
{
    enum { FILES = 8 };
    struct tw__store *store = data;
    (void)pthread_mutex_lock(&store->lock);
    while (!store->stop) {
        if (!store->sync_now) tw__os_cond_wait(&store->sync, &store->lock, SYNC_NS);
        store->sync_now = false;
        int fds[FILES], n = 0;
        struct tw__table *tables[FILES];
        uint64_t tickets[FILES], upto = store->tickets;
        for (struct tw__table *table = store->oldest; table && n < FILES; table = table->next) {
            if (table->written == table->synced || table->journal.fd < 0) continue;
            fds[n] = dup(table->journal.fd);
            table->refs++; /* it must not be freed meanwhile */
            tables[n] = table;
            tickets[n++] = table->written;
        }
        bool folder = store->journals_dirty;
        store->journals_dirty = false;
        (void)pthread_mutex_unlock(&store->lock);
        int error = 0;
        for (int i = 0; i < n; i++) {
            if (fds[i] < 0 || fdatasync(fds[i]) != 0) error = TW_ERR_SYSTEM;
            if (fds[i] >= 0) (void)close(fds[i]);
        }
        if (folder) (void)fsync(store->journals_fd);
        (void)pthread_mutex_lock(&store->lock);
        for (int i = 0; i < n; i++) {
            if (!error) tables[i]->synced = tickets[i];
            tables[i]->refs--;
        }
        tw__store_drop_tables(store);
        store->sync_error = error;
        if (!error) store->synced_ticket = upto;
        (void)pthread_cond_broadcast(&store->synced);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return NULL;
}

static int start_threads(struct tw__store *store)
{
    if (pthread_create(&store->sealer, NULL, tw__store_sealer, store) != 0) return TW_ERR_SYSTEM;
    if (pthread_create(&store->syncer, NULL, syncer, store) != 0) {
        (void)pthread_mutex_lock(&store->lock);
        store->stop = true;
        (void)pthread_cond_broadcast(&store->wake);
        (void)pthread_mutex_unlock(&store->lock);
        (void)pthread_join(store->sealer, NULL);
        return TW_ERR_SYSTEM;
    }
    store->threads = true;
    /* Without a keeper the store is as good as with one, only larger. */
    if (store->options.compact_ns == 0) store->options.compact_ns = COMPACT_NS;
    store->keeping =
        store->options.compact_ns != UINT64_MAX && pthread_create(&store->keeper, NULL, tw__store_keeper, store) == 0;
    return 0;
}

static void free_store(struct tw__store *store)
{
    while (store->oldest) {
        struct tw__table *table = store->oldest;
        store->oldest = table->next;
        free_table(table);
    }
    for (size_t i = 0; i < store->spare_count; i++) tw__recent_fini(&store->spares[i]);
    for (size_t i = 0; i < store->part_count; i++) {
        tw__known_forget(store, store->parts[i]);
        tw__store_part_release(store->parts[i]);
    }
    tw__known_names_fini(&store->names);
    free(store->parts);
    if (store->lock_fd >= 0) (void)close(store->lock_fd);
    if (store->journals_fd >= 0) (void)close(store->journals_fd);
    free(store->folder);
    free(store->journals);
    free(store->blocks);
    free(store->spare);
    (void)pthread_mutex_destroy(&store->compacting);
    (void)pthread_mutex_destroy(&store->writing);
    (void)pthread_mutex_destroy(&store->lock);
    (void)pthread_cond_destroy(&store->wake);
    (void)pthread_cond_destroy(&store->room);
    (void)pthread_cond_destroy(&store->sync);
    (void)pthread_cond_destroy(&store->synced);
    (void)pthread_cond_destroy(&store->keep);
    free(store);
}

static int open_store(struct tw__store *store, char *why)
{
    store->folder = joined(store->options.folder, "");
    store->journals = joined(store->options.folder, "journal");
    store->blocks = joined(store->options.folder, "blocks");
    if (store->journals) store->spare = joined(store->journals, "spare");
    if (!store->folder || !store->journals || !store->blocks || !store->spare) return TW_ERR_MEMORY;
    store->folder[strlen(store->folder) - 1] = 0;
    store->options.folder = store->folder;
    if (strlen(store->blocks) + TW__PART_NAME_MAX + sizeof ".sqlite-wal" > TW__PART_PATH_MAX)
        return say(why, TW_ERR_RANGE, "%s", "the folder's path is too long");
    if (strpbrk(store->folder, "?#%"))
        return say(why, TW_ERR_RANGE, "the folder's name has one of ?#%%: %s", store->folder);
    int error = make_folder(store, store->folder, why);
    if (!error) error = make_folder(store, store->journals, why);
    if (!error) error = make_folder(store, store->blocks, why);
    if (!error) error = take_lock(store, why);
    if (error) return error;
    store->journals_fd = open(store->journals, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->journals_fd < 0) return say(why, TW_ERR_NOT_FOUND, "there is no store in %s", store->folder);
    /* Journals before blocks: what a writer moves meanwhile is seen in both and taken from one. */
    error = find_journals(store, why);
    if (!error) error = find_parts(store, why);
    if (!error) error = tw__store_rotate(store);
    /* Without room for a journal there is none, and writes are refused; what is there can be read. */
    if (error == TW_ERR_SPACE) {
        enum tw__durability durability = store->options.durability;
        store->options.durability = TW__DURABLE_NONE;
        error = tw__store_rotate(store);
        store->options.durability = durability;
    }
    if (!error && !store->options.read_only) error = start_threads(store);
    return error;
}

int tw__store_open(const struct tw__store_options *options, struct tw__store **out, char *why)
{
    struct tw__store *store = calloc(1, sizeof *store);
    if (why) why[0] = 0;
    if (!store) return TW_ERR_MEMORY;
    store->options = *options;
    store->lock_fd = store->journals_fd = -1;
    store->memory_bytes = options->memory_bytes ? options->memory_bytes : MEMORY_DEFAULT;
    if (store->memory_bytes < MEMORY_MIN) store->memory_bytes = MEMORY_MIN;
    store->seal_bytes = store->memory_bytes / 4 < TABLE_MAX ? store->memory_bytes / 4 : TABLE_MAX;
    (void)pthread_mutex_init(&store->compacting, NULL);
    (void)pthread_mutex_init(&store->writing, NULL);
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_cond_init(&store->wake, NULL);
    (void)pthread_cond_init(&store->room, NULL);
    (void)pthread_cond_init(&store->sync, NULL);
    (void)pthread_cond_init(&store->synced, NULL);
    (void)pthread_cond_init(&store->keep, NULL);
    int error = open_store(store, why);
    if (error) {
        if (why && !why[0]) (void)say(why, error, "the store cannot be opened: %s", tw_err_text(error));
        free_store(store);
        return error;
    }
    *out = store;
    return 0;
}

void tw__store_close(struct tw__store *store)
{
    if (!store) return;
    if (store->threads) {
        (void)tw__store_flush(store);
        (void)pthread_mutex_lock(&store->lock);
        store->stop = true;
        (void)pthread_cond_broadcast(&store->wake);
        (void)pthread_cond_broadcast(&store->sync);
        (void)pthread_cond_broadcast(&store->keep);
        (void)pthread_mutex_unlock(&store->lock);
        if (store->keeping) (void)pthread_join(store->keeper, NULL);
        (void)pthread_join(store->sealer, NULL);
        (void)pthread_join(store->syncer, NULL);
        for (const struct tw__table *table = store->oldest; table; table = table->next)
            if (table->journal.fd >= 0 && table->written != table->synced) (void)fdatasync(table->journal.fd);
        tw__store_release(store);
    }
    free_store(store);
}

/* -- writing */

static bool is_full(const struct tw__store *store, const struct tw__table *table)
{
    return table->recent.count.rows >= TW__SEAL_ROWS || tw__recent_bytes(&table->recent) >= store->seal_bytes;
}

static size_t waiting(const struct tw__store *store)
{
    size_t count = 0;
    for (const struct tw__table *table = store->oldest; table; table = table->next)
        count += table->closed && !table->sealed;
    return count;
}

/* A table that can take more; waits for the sealer where that can help. */
static int make_room(struct tw__store *store)
{
    bool lacks_journal = store->options.durability != TW__DURABLE_NONE && store->active->journal.fd < 0;
    if (!lacks_journal && !is_full(store, store->active)) return 0;
    uint64_t deadline = tw__clock_mono_ns() + ROOM_NS;
    while (waiting(store) >= WAITING_MAX) {
        uint64_t now = tw__clock_mono_ns();
        if (store->seal_error || now >= deadline || store->stop) return TW_ERR_SPACE;
        tw__os_cond_wait(&store->room, &store->lock, deadline - now);
        if (!is_full(store, store->active) && store->active->journal.fd >= 0) return 0; /* somebody else went on */
    }
    int error = tw__store_rotate(store);
    if (!error) (void)pthread_cond_signal(&store->wake);
    return error;
}

static int append(struct tw__store *store, const struct tw__spans *spans, uint64_t *ticket)
{
    int error = make_room(store);
    if (error) return error;
    struct tw__table *table = store->active;
    struct tw__recent_counts before = table->recent.count;
    error = tw__recent_add(&table->recent, spans);
    if (error) return error;
    if (store->options.durability != TW__DURABLE_NONE) {
        uint64_t len = table->journal.len;
        error = tw__journal_append(&table->journal, &table->recent, &before);
        if (error) {
            tw__recent_undo(&table->recent, &before);
            return error;
        }
        store->counters.journal_bytes += table->journal.len - len;
    }
    *ticket = table->written = ++store->tickets;
    if (!table->first_mono_ns) table->first_mono_ns = tw__clock_mono_ns();
    store->counters.written_spans += spans->count;
    store->counters.written_batches++;
    return 0;
}

static int wait_for_disk(struct tw__store *store, uint64_t ticket)
{
    while (store->synced_ticket < ticket && !store->stop) {
        store->sync_now = true;
        (void)pthread_cond_signal(&store->sync);
        (void)pthread_cond_wait(&store->synced, &store->lock);
        if (store->sync_error) return store->sync_error;
    }
    return 0;
}

int tw__store_write(struct tw__store *store, const struct tw__spans *spans)
{
    uint64_t ticket;
    if (store->options.read_only) return TW_ERR_STATE;
    if (spans->count == 0) return 0;
    (void)pthread_mutex_lock(&store->lock);
    int error = append(store, spans, &ticket);
    if (!error && store->options.durability == TW__DURABLE_MACHINE) error = wait_for_disk(store, ticket);
    if (error == TW_ERR_SPACE)
        store->counters.refused_batches++;
    else if (error)
        store->counters.failed_batches++;
    (void)pthread_mutex_unlock(&store->lock);
    return error;
}
