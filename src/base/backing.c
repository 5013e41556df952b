/* backing: see the header. One of the few files that may ask for GNU extensions.
 *
 * The lock is flock's: it goes with its holder however that ends, and holds across pid namespaces that share a folder,
 * which a pid in the name does not. A child that is forked meanwhile holds it on until it execs or ends; then the file
 * is left alone for longer, no harm. Between open and flock lie microseconds in which the file would look abandoned; so
 * those that are younger than YOUNG_S are not.
 */
#define _GNU_SOURCE
#include "base/backing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"

enum { YOUNG_S = 10 };

static uint64_t inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* A program may close all that it did not open, on another thread, and then open something of that number. */
static bool is_ours(const struct tw__backing *backing)
{
    return backing->fd >= 0 && (backing->inode == 0 || inode_of(backing->fd) == backing->inode);
}

static int new_file(struct tw__backing *backing, const char *dir, const char *spare, bool use_spare)
{
    int fd = use_spare ? -1 : open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    backing->spare = NULL;
    if (fd < 0 && !use_spare && errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT) return -1;
    if (fd < 0) {
        fd = open(spare, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) return -1;
        backing->spare = spare;
        (void)flock(fd,
                    LOCK_EX | LOCK_NB); /* where there are no locks, it is left alone: see tw__backing_is_abandoned */
    }
    backing->fd = fd;
    return 0;
}

int tw__backing_new(struct tw__backing *backing, const char *dir, const char *spare, bool use_spare, size_t len)
{
    int saved = errno, result = 0;
    struct rlimit limit;
    *backing = (struct tw__backing){.fd = -1};
    if (new_file(backing, dir, spare, use_spare) < 0)
        result = tw__os_error_of(errno);
    else if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < len)
        result = TW_ERR_SPACE; /* to try would raise SIGXFSZ, which kills */
    else if (ftruncate(backing->fd, (off_t)len) != 0)
        result = tw__os_error_of(errno);
    else
        backing->inode = inode_of(backing->fd);
    if (result < 0) tw__backing_close(backing);
    errno = saved;
    return result;
}

static void advise(uint8_t *map, size_t len, size_t inherited)
{
    madvise(map + inherited, len - inherited, MADV_DONTFORK);
    madvise(map, len, MADV_DONTDUMP);
}

/* Reserves more than needed, maps into the middle, gives the ends back. */
static uint8_t *map_aligned(int fd, size_t len, size_t align)
{
    uint8_t *wide = mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (wide == MAP_FAILED) return NULL;
    size_t before = (align - (uintptr_t)wide % align) % align;
    uint8_t *map = mmap(wide + before, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    if (map == MAP_FAILED) {
        munmap(wide, len + align);
        return NULL;
    }
    if (before) munmap(wide, before);
    if (before < align) munmap(map + len, align - before);
    return map;
}

int tw__backing_map(const struct tw__backing *backing, size_t len, size_t align, size_t inherited, uint8_t **map)
{
    int saved = errno, result = 0;
    *map = map_aligned(backing->fd, len, align);
    if (*map)
        advise(*map, len, inherited);
    else
        result = tw__os_error_of(errno);
    errno = saved;
    return result;
}

/* Not AT_EMPTY_PATH: that takes a privilege. */
static int link_unnamed(int fd, const char *path)
{
    char at[32];
    (void)snprintf(at, sizeof at, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, at, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

int tw__backing_name(struct tw__backing *backing, const char *path)
{
    int saved = errno, result = 0, done = -1;
    if (backing->spare) {
        done = renameat2(AT_FDCWD, backing->spare, AT_FDCWD, path, RENAME_NOREPLACE);
        if (done < 0 && errno == EINVAL) done = rename(backing->spare, path); /* file systems without NOREPLACE */
    } else if (is_ours(backing)) {
        done = link_unnamed(backing->fd, path);
    } else {
        errno = EBADF;
    }
    if (done < 0)
        result = tw__os_error_of(errno);
    else
        backing->spare = NULL;
    errno = saved;
    return result;
}

int tw__backing_map_again(const struct tw__backing *backing, const char *path, uint8_t *map, size_t len,
                          size_t inherited, bool *again)
{
    int saved = errno, result = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    *again = false;
    if (fd >= 0 && inode_of(fd) == backing->inode) {
        *again = mmap(map, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED;
        if (*again)
            advise(map, len, inherited);
        else
            result = TW_ERR_SPACE;
    }
    if (fd >= 0) close(fd);
    errno = saved;
    return result;
}

void tw__backing_close(struct tw__backing *backing)
{
    int saved = errno;
    if (backing->spare) unlink(backing->spare);
    if (is_ours(backing)) close(backing->fd);
    *backing = (struct tw__backing){.fd = -1};
    errno = saved;
}

bool tw__backing_is_abandoned(int dir_fd, const char *name)
{
    struct stat st;
    struct timespec now;
    int saved = errno, fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
    bool is = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
              (st.st_mtim.tv_sec > now.tv_sec || now.tv_sec - st.st_mtim.tv_sec > YOUNG_S) &&
              flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (fd >= 0) close(fd);
    errno = saved;
    return is;
}
