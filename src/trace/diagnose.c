/* diagnose: see the header.
 *
 * A lock of its own, because the exporters' thread tells things while the runtime's lock is held by who waits for that
 * thread. File and callback get theirs outside of it, and whoever tells holds no other: a disk may be slow or gone, and
 * a callback is not ours. The file is for who has not written the program, or has no callback in it: a library prints
 * nothing by itself.
 *
 * What it does to a program that expects nothing of it: a file is opened so that nobody waits, and closed again; a
 * descriptor of the program's is asked first whether it has room (only another writer that fills it between question
 * and write can make a line wait). Its mode is not changed: others may share it. No link of somebody else's leads it to
 * another file. Signals that a write is answered with (nobody reads, RLIMIT_FSIZE) are taken back.
 */
#include "trace/diagnose.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/os.h"

enum { LINE_BYTES = 512 };

static struct {
    pthread_mutex_t lock;
    tw_diagnostic_fn *fn;
    void *data;
    char file[TW__DIAGNOSE_PATH_MAX];
} listener = {.lock = PTHREAD_MUTEX_INITIALIZER};

void tw__diagnose_to(tw_diagnostic_fn *fn, void *data)
{
    pthread_mutex_lock(&listener.lock);
    listener.fn = fn;
    listener.data = data;
    pthread_mutex_unlock(&listener.lock);
}

void tw__diagnose_file(const char *path)
{
    bool fits = strlen(path) < sizeof listener.file;
    pthread_mutex_lock(&listener.lock);
    memcpy(listener.file, fits ? path : "", fits ? strlen(path) + 1 : 1);
    pthread_mutex_unlock(&listener.lock);
}

/* The descriptor that a name in /dev or /proc means; -1: none of them. Opened anew, a plain file would be written from
 * its beginning by the program, over our lines or under them, and a socket cannot be opened. */
static int descriptor_of(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        size_t len = strlen(folders[i]);
        if (strncmp(path, folders[i], len) != 0) continue;
        size_t digits = strspn(path + len, "0123456789");
        if (digits > 0 && digits < 7 && !path[len + digits]) return (int)strtoul(path + len, NULL, 10);
    }
    return -1;
}

/* Opened for each line: there are few, and descriptors are the program's. A link is followed to a device only. */
static int open_file(const char *path)
{
    const int how = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat st;
    int fd = open(path, how | O_CREAT | O_NOFOLLOW, 0600);
    if (fd >= 0 || errno != ELOOP) return fd;
    fd = open(path, how);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode))) return fd;
    (void)close(fd);
    return -1;
}

/* Control bytes, and the C1 of UTF-8, which terminals obey as well: a program's name may be anybody's. */
static void make_harmless(char *text, size_t len)
{
    unsigned char last = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f || (last == 0xc2 && c >= 0x80 && c < 0xa0)) text[i] = '?';
        last = c;
    }
}

/* Whatever signal of these the write is answered with, the program never hears of it. SIGTTOU: a terminal is written to
 * from its background. */
static void write_unheard(int fd, const char *line, size_t len)
{
    static const struct timespec no_time;
    sigset_t mask, before, pending;
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGPIPE);
    (void)sigaddset(&mask, SIGXFSZ);
    (void)sigaddset(&mask, SIGTTOU);
    if (pthread_sigmask(SIG_BLOCK, &mask, &before) != 0) return;
    (void)sigpending(&pending);
    int raised = write(fd, line, len) >= 0 ? 0 : errno == EPIPE ? SIGPIPE : errno == EFBIG ? SIGXFSZ : 0;
    if (raised && sigismember(&pending, raised) == 0) {
        (void)sigemptyset(&mask);
        (void)sigaddset(&mask, raised);
        (void)sigtimedwait(&mask, NULL, &no_time);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Not when that would have to wait: a descriptor of the program's keeps its mode. */
static void write_line(int fd, const char *line, size_t len)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT)) write_unheard(fd, line, len);
}

static void append(const char *path, const char *text)
{
    char line[LINE_BYTES];
    int before = errno, cancel = tw__os_cancel_not();
    int len = snprintf(line, sizeof line, "trackway: %.64s %u: %.300s\n", tw__os_program(), tw__os_pid(), text);
    int own = descriptor_of(path), fd = own >= 0 ? own : open_file(path);
    if (fd >= 0 && len > 0) {
        make_harmless(line, (size_t)len - 1);
        write_line(fd, line, (size_t)len);
    }
    if (fd >= 0 && own < 0) (void)close(fd);
    tw__os_cancel_again(cancel);
    errno = before;
}

void tw__diagnose(int error, const char *text)
{
    char file[TW__DIAGNOSE_PATH_MAX];
    pthread_mutex_lock(&listener.lock);
    tw_diagnostic_fn *fn = listener.fn;
    void *data = listener.data;
    memcpy(file, listener.file, sizeof file);
    pthread_mutex_unlock(&listener.lock);
    if (*file) append(file, text);
    if (fn) fn(data, error, text);
}

void tw__diagnose_after_fork(void)
{
    static const pthread_mutex_t fresh = PTHREAD_MUTEX_INITIALIZER;
    listener.lock = fresh;
}
