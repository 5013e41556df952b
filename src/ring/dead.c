/* dead: see the header.
 *
 * A process that is killed leaves its recording, 17 MB of memory: that is what it is for. One that is killed every
 * minute would have filled the memory in some hours, so who begins a recording removes the oldest of the dead beyond a
 * number of them.
 *
 * Invariant: what cannot be told to be dead is left alone: processes of other pid namespaces, boots and machines, files
 * of a version that is not known. Who has a recording mapped keeps it; only its name goes.
 * Limits: a live process that has got the number of a dead one protects its recording.
 */
#include "ring/dead.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "ring/slabs.h"
#include "ring/view.h"

struct dead {
    char *path;
    uint64_t opened_ns;
};

struct list {
    struct dead *items;
    size_t count, cap;
};

static bool add(const char *path, void *data)
{
    struct list *list = data;
    struct dead *items = tw__array_room(list->items, &list->cap, list->count + 1, sizeof *items);
    if (!items) return false;
    list->items = items;
    char *copy = strdup(path);
    if (!copy) return false;
    list->items[list->count++] = (struct dead){copy, 0};
    return true;
}

/* By the number in its name: the usual answer, without opening anything. */
static bool may_be_dead(const char *path)
{
    const char *slash = strrchr(path, '/');
    long pid = strtol(slash ? slash + 1 : path, NULL, 10);
    return pid > 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) != 0 && errno == ESRCH;
}

static bool is_dead(struct dead *one)
{
    struct tw_reader *reader;
    if (!may_be_dead(one->path) || tw_reader_open(one->path, &reader, NULL) < 0) return false;
    int state = tw_reader_state(reader);
    one->opened_ns = reader->head.opened_ns;
    tw_reader_close(reader);
    return state == TW_PROCESS_DEAD || state == TW_PROCESS_EXITED;
}

static int by_age(const void *a, const void *b)
{
    const struct dead *x = a, *y = b;
    return (x->opened_ns > y->opened_ns) - (x->opened_ns < y->opened_ns);
}

/* The dead alone, the oldest first. */
static void sift(struct list *list)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (is_dead(&list->items[i]))
            list->items[kept++] = list->items[i];
        else
            free(list->items[i].path);
    }
    list->count = kept;
    if (kept > 1) qsort(list->items, kept, sizeof *list->items, by_age);
}

size_t tw__dead_remove(const char *dir, size_t keep, size_t most)
{
    struct list list = {0};
    size_t removed = 0;
    int before = errno;
    (void)tw_segments_each(dir, add, &list);
    if (list.count > keep) sift(&list);
    for (size_t i = 0; i + keep < list.count && removed < most; i++, removed++) tw__os_unlink(list.items[i].path);
    for (size_t i = 0; i < list.count; i++) free(list.items[i].path);
    free(list.items);
    errno = before;
    return removed;
}
