/* live_file: see the header.
 *
 * Lines are appended with O_APPEND, a batch in one write, under a lock on the file that all live traces take: several
 * may share one. What a full disk lets in of a line is taken out again, under the same lock, so that a file never ends
 * in half a line of ours. A file of another kind than a plain one (a device, a pipe) is refused: it could make the
 * reader wait.
 */
#include "export/live_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"

static int explain(char *why, const char *path, int error_number)
{
    if (why) {
        tw__os_problem_text(why, TW_WHY_MAX, path, error_number);
    }
    return error_number == EACCES || error_number == EPERM || error_number == EROFS ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
}

static void make_path(char path[TW_LIVE_FILE_CAP])
{
    uint8_t random[16];
    tw__os_random(random, sizeof random);
    int at = snprintf(path, TW_LIVE_FILE_CAP, "/tmp/");
    for (unsigned i = 0; i < sizeof random; i++)
        at += snprintf(path + at, TW_LIVE_FILE_CAP - (size_t)at, "%02x", random[i]);
    (void)snprintf(path + at, TW_LIVE_FILE_CAP - (size_t)at, ".log");
}

/* 0 or an errno. */
static int open_path(struct tw__live_file *file, int more)
{
    struct stat st;
    int fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | more, 0600);
    if (fd < 0) return errno;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return EINVAL;
    }
    file->fd = fd;
    file->device = (uint64_t)st.st_dev;
    file->inode = (uint64_t)st.st_ino;
    return 0;
}

int tw__live_file_open(struct tw__live_file *file, const char *path, char *why)
{
    *file = (struct tw__live_file){.fd = -1};
    if (path && strlen(path) >= sizeof file->path) {
        if (why) (void)snprintf(why, TW_WHY_MAX, "the name of the file is longer than %d bytes", TW_LIVE_FILE_CAP - 1);
        return TW_ERR_RANGE;
    }
    int saved = errno, problem = EEXIST;
    if (path) memcpy(file->path, path, strlen(path) + 1);
    for (int tries = 0; problem == EEXIST && tries < 8; tries++) {
        if (!path) make_path(file->path);
        problem = open_path(file, path ? 0 : O_EXCL | O_NOFOLLOW);
        if (path) break;
    }
    errno = saved;
    return problem ? explain(why, file->path, problem) : 0;
}

void tw__live_file_borrow(struct tw__live_file *file, int fd)
{
    *file = (struct tw__live_file){.fd = fd, .borrowed = true};
}

void tw__live_file_close(struct tw__live_file *file)
{
    if (file->fd >= 0 && !file->borrowed) close(file->fd);
    file->fd = -1;
}

/* Takes the beginning of a line out that got in at the end of the file. Under the lock. */
static void take_out(const struct tw__live_file *file, size_t len)
{
    struct stat st;
    if (len == 0 || file->borrowed || fstat(file->fd, &st) < 0 || st.st_size < (off_t)len) return;
    if (ftruncate(file->fd, st.st_size - (off_t)len) < 0) return;
}

size_t tw__live_file_write(struct tw__live_file *file, const char *lines, size_t len)
{
    size_t done = 0, whole;
    if (len == 0) return 0;
    int saved = errno, cancel = tw__os_cancel_not();
    if (file->fd >= 0 && !file->borrowed) (void)flock(file->fd, LOCK_EX);
    while (file->fd >= 0 && done < len) {
        ssize_t n = write(file->fd, lines + done, len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            tw__os_problem_text(file->problem, sizeof file->problem, "writing", errno);
            break;
        }
        done += (size_t)n;
    }
    whole = done;
    while (whole && whole < len && lines[whole - 1] != '\n') whole--;
    take_out(file, done - whole);
    if (file->fd >= 0 && !file->borrowed) (void)flock(file->fd, LOCK_UN);
    if (whole == len) file->problem[0] = 0;
    tw__os_cancel_again(cancel);
    errno = saved;
    return whole;
}

void tw__live_file_check(struct tw__live_file *file)
{
    struct stat st;
    int saved = errno, cancel = tw__os_cancel_not();
    bool same = file->borrowed || (file->fd >= 0 && stat(file->path, &st) == 0 && (uint64_t)st.st_dev == file->device &&
                                   (uint64_t)st.st_ino == file->inode);
    if (!same) {
        struct tw__live_file next = *file;
        int problem = open_path(&next, 0);
        if (problem == 0) {
            if (file->fd >= 0) close(file->fd);
            *file = next;
        } else {
            tw__os_problem_text(file->problem, sizeof file->problem, "opening again", problem);
        }
    }
    tw__os_cancel_again(cancel);
    errno = saved;
}
