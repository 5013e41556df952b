/* segments: finds the segment files of this host.
 *
 * The folders lie in /dev/shm, where everybody may make names. So the default folders count only if they are real
 * folders that belong to the user in their name (or to root), nothing is followed that is a symbolic link, and only
 * plain files are named.
 *
 * Limits: FILES_MAX per call, by then the folder is no longer ours to make sense of. A program that uses TRACKWAY_DIR
 * has it searched whether or not it exists yet; a folder that was asked for by name must be there. Like the rest of the
 * environment (src/trace/env.c), TRACKWAY_DIR is not read in a program that has more rights than who started it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <trackway/read.h>

#include "base/backing.h"
#include "base/os.h"

#define SHM    "/dev/shm"
#define PREFIX "trackway-"
#define SUFFIX ".segment"
#define MAKING ".making"

enum { FILES_MAX = 65536 };

struct names {
    char **items;
    size_t count, cap;
    bool no_memory;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) free(names->items[i]);
    free(names->items);
}

static void add_name(struct names *names, const char *name)
{
    if (names->count == FILES_MAX) return;
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 64;
        char **items = realloc(names->items, cap * sizeof *items);
        if (!items) {
            names->no_memory = true;
            return;
        }
        names->items = items;
        names->cap = cap;
    }
    char *copy = strdup(name);
    if (copy)
        names->items[names->count++] = copy;
    else
        names->no_memory = true;
}

static int by_name(const void *a, const void *b)
{
    char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

typedef bool wanted_fn(int dir_fd, const char *name);

/* Names in an open folder that are wanted, sorted. Takes dir_fd. */
static int list(int dir_fd, wanted_fn *wanted, struct names *names)
{
    DIR *dir = fdopendir(dir_fd);
    if (!dir) {
        (void)close(dir_fd);
        return TW_ERR_MEMORY;
    }
    for (const struct dirent *entry = readdir(dir); entry && !names->no_memory; entry = readdir(dir))
        if (wanted(dirfd(dir), entry->d_name)) add_name(names, entry->d_name);
    (void)closedir(dir);
    if (names->count > 1) qsort(names->items, names->count, sizeof *names->items, by_name);
    return names->no_memory ? TW_ERR_MEMORY : 0;
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static bool is_segment(int dir_fd, const char *name)
{
    struct stat st;
    return ends_in(name, SUFFIX) && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static bool is_abandoned(int dir_fd, const char *name)
{
    return *name >= '1' && *name <= '9' && ends_in(name, MAKING) && tw__backing_is_abandoned(dir_fd, name);
}

static bool is_default_folder(int dir_fd, const char *name)
{
    struct stat st;
    char *end = NULL;
    const char *digits = name + sizeof PREFIX - 1;
    if (strncmp(name, PREFIX, sizeof PREFIX - 1) != 0 || *digits < '0' || *digits > '9') return false;
    unsigned long uid = strtoul(digits, &end, 10);
    return *end == 0 && fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
           (st.st_uid == uid || st.st_uid == 0);
}

static int open_dir(const char *path, int more)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | more);
    if (fd >= 0) return fd;
    if (errno == EACCES || errno == EPERM) return TW_ERR_PERMISSION;
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? TW_ERR_NOT_FOUND : TW_ERR_SYSTEM;
}

struct visit {
    wanted_fn *wanted;
    bool (*fn)(const char *path, void *data);
    void *data;
    bool done; /* fn wants no more */
};

/* Visits the files of one folder. */
static int visit(const char *dir, int more, struct visit *v)
{
    struct names names = {0};
    char path[PATH_MAX / 2];
    int visited = 0, fd = open_dir(dir, more);
    if (fd < 0) return fd;
    int result = list(fd, v->wanted, &names);
    for (size_t i = 0; i < names.count && result == 0 && !v->done; i++) {
        int n = snprintf(path, sizeof path, "%s/%s", dir, names.items[i]);
        if (n < 0 || (size_t)n >= sizeof path) continue;
        visited++;
        v->done = !v->fn(path, v->data);
    }
    names_free(&names);
    return result < 0 ? result : visited;
}

static int visit_all_users(struct visit *v)
{
    struct names folders = {0};
    char path[sizeof SHM + NAME_MAX + 2];
    int visited = 0, fd = open_dir(SHM, 0);
    if (fd < 0) return 0;
    int result = list(fd, is_default_folder, &folders);
    for (size_t i = 0; i < folders.count && result == 0 && !v->done; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", SHM, folders.items[i]);
        int n = visit(path, O_NOFOLLOW, v);
        if (n > 0) visited += n;
        if (n == TW_ERR_MEMORY) result = n;
    }
    names_free(&folders);
    return result < 0 ? result : visited;
}

static const char *dir_of_environment(void)
{
    return tw__os_is_privileged() ? NULL : getenv("TRACKWAY_DIR");
}

static int visit_folders(const char *dir, struct visit *v)
{
    const char *chosen = dir ? dir : dir_of_environment();
    char own[64];
    int more = 0;

    if (!chosen || !*chosen) {
        if (tw__os_uid() == 0) return visit_all_users(v);
        (void)snprintf(own, sizeof own, SHM "/" PREFIX "%u", (unsigned)tw__os_uid());
        chosen = own;
        more = O_NOFOLLOW;
    }
    int visited = visit(chosen, more, v);
    return visited == TW_ERR_NOT_FOUND && !dir ? 0 : visited;
}

int tw_segments_each(const char *dir, bool (*fn)(const char *path, void *data), void *data)
{
    return visit_folders(dir, &(struct visit){.wanted = is_segment, .fn = fn, .data = data});
}

int tw_segments_abandoned(const char *dir, bool (*fn)(const char *path, void *data), void *data)
{
    return visit_folders(dir, &(struct visit){.wanted = is_abandoned, .fn = fn, .data = data});
}

int tw_segments_dir(char *path, size_t cap)
{
    const char *dir = dir_of_environment();
    int n =
        dir && *dir ? snprintf(path, cap, "%s", dir) : snprintf(path, cap, SHM "/" PREFIX "%u", (unsigned)tw__os_uid());
    return n < 0 || (size_t)n >= cap ? TW_ERR_SPACE : n;
}
