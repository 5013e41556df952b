/* file: one JSON object a line with everything, appended to a file.
 *
 * Each line is written whole or not at all: what a write leaves over is kept for the next, up to HELD_MAX; beyond that
 * whole batches are dropped and counted, so a full disk costs spans and nothing else. Rotation: when the file has
 * reached TRACKWAY_FILE_MAX, by the line that does, it is renamed to <name>.1 (replacing the one before) and begun
 * anew; tw_export_reopen follows a rotation by others. The file is made with mode 0600: tags may hold what not
 * everybody should read.
 *
 * Several processes may share a file. Its size is then what all have written, who renames it holds a lock on it, and
 * everybody looks before a write whether the name is still that of the file that is open: who wrote on into <name>.1
 * would see that replaced, and who renamed by a count of his own would replace it with a file that has just been
 * begun. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomics.h"
#include "base/os.h"
#include "export/exporter.h"
#include "wire/record_json.h"

enum { HELD_MAX = 8 << 20, TW__FILE_MAX = 512 };

struct file {
    int fd;
    char path[TW__FILE_MAX];
    uint64_t size, max_bytes;
    struct tw__buf out;
    size_t lines;   /* in out */
    bool in_a_line; /* the first of them is written in part */
    bool waits;     /* a pipe is full */
};

static int open_path(struct tw__exporter *self)
{
    struct file *file = self->state;
    struct stat st;
    file->fd = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (file->fd < 0) {
        tw__exporter_problem(self, file->path, errno);
        return errno == EACCES || errno == EPERM ? TW_ERR_PERMISSION : TW_ERR_SYSTEM;
    }
    file->size = fstat(file->fd, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

static int file_open(struct tw__exporter *self)
{
    const struct tw__settings *settings = self->settings;
    const char *path = tw__setting(settings, TW__SETTING_FILE);
    struct file *file = calloc(1, sizeof *file);
    if (!file) return TW_ERR_MEMORY;
    self->state = file;
    file->max_bytes = settings->file_max_bytes;
    if (strlen(path) >= sizeof file->path) {
        tw__exporter_say(self, "TRACKWAY_FILE is longer than %d bytes", TW__FILE_MAX - 1);
        free(file);
        return TW_ERR_RANGE;
    }
    if (*path)
        memcpy(file->path, path, strlen(path) + 1);
    else
        (void)snprintf(file->path, sizeof file->path, "trackway-%s-%u.jsonl", settings->service, tw__os_pid());
    int result = open_path(self);
    if (result < 0) free(file);
    return result;
}

static void drop_held(struct tw__exporter *self)
{
    struct file *file = self->state;
    const char *end = file->in_a_line && file->out.len ? memchr(file->out.ptr, '\n', file->out.len) : NULL;
    size_t rest = end ? (size_t)(end - file->out.ptr) + 1 : 0; /* of a line that stands in the file already */
    tw__store_relaxed(&self->stats.dropped, self->stats.dropped + file->lines - (rest ? 1 : 0));
    file->out.len = rest;
    file->out.failed = false;
    file->lines = rest ? 1 : 0;
}

/* Whether the file that is open still has its name; and how large it is now. */
static bool is_named(struct file *file)
{
    struct stat open, named;
    if (fstat(file->fd, &open) != 0) return false;
    file->size = open.st_size > 0 ? (uint64_t)open.st_size : 0;
    return stat(file->path, &named) == 0 && named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

static void rotate(struct tw__exporter *self)
{
    struct file *file = self->state;
    char old[TW__FILE_MAX + 4];
    if (flock(file->fd, LOCK_EX | LOCK_NB) != 0) return; /* another is at it: the next write follows */
    (void)snprintf(old, sizeof old, "%s.1", file->path);
    if (is_named(file) && rename(file->path, old) != 0) tw__exporter_problem(self, old, errno);
    close(file->fd);
    (void)open_path(self);
}

/* A file to write to: with a rotation the one that has the name now, but not in the middle of a line. */
static bool is_open(struct tw__exporter *self)
{
    struct file *file = self->state;
    if (file->fd >= 0 && file->max_bytes && !file->in_a_line && !is_named(file)) {
        close(file->fd);
        file->fd = -1;
    }
    return file->fd >= 0 || open_path(self) == 0;
}

/* Writes what is held. True when nothing is left. */
static bool write_held(struct tw__exporter *self)
{
    struct file *file = self->state;
    file->waits = false;
    if (!is_open(self)) return false;
    while (file->out.len) {
        ssize_t n = write(file->fd, file->out.ptr, file->out.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            file->waits = errno == EAGAIN;
            if (!file->waits) tw__exporter_problem(self, file->path, errno);
            return false;
        }
        file->in_a_line = file->out.ptr[n - 1] != '\n';
        memmove(file->out.ptr, file->out.ptr + n, file->out.len - (size_t)n);
        file->out.len -= (size_t)n;
        file->size += (uint64_t)n;
        tw__store_relaxed(&self->stats.bytes, self->stats.bytes + (uint64_t)n);
    }
    tw__store_relaxed(&self->stats.sent, self->stats.sent + file->lines);
    file->lines = 0;
    if (file->max_bytes && file->size >= file->max_bytes) rotate(self);
    return true;
}

static void file_records(struct tw__exporter *self, const struct tw__export_batch *batch)
{
    struct file *file = self->state;
    for (size_t i = 0; i < batch->records->count; i++) {
        const struct tw_record *record = &batch->records->items[i];
        struct tw__json json = {.out = &file->out};
        tw__json_open(&json, NULL, '{');
        tw__json_record(&json, record, batch->process, record->end_ns);
        tw__json_close(&json, '}');
        tw__json_line(&json);
        file->lines++;
        if (file->out.failed) drop_held(self);
        bool full = file->max_bytes && file->size + file->out.len >= file->max_bytes;
        if (full || file->out.len >= HELD_MAX / 8) (void)write_held(self);
        if (file->out.len >= HELD_MAX) drop_held(self);
    }
    (void)write_held(self);
}

static bool file_flush(struct tw__exporter *self, uint64_t until_ns)
{
    struct file *file = self->state;
    (void)until_ns; /* a file takes it at once or not at all; waiting helps with a pipe only */
    return write_held(self) || !file->waits;
}

static void file_reopen(struct tw__exporter *self)
{
    struct file *file = self->state;
    if (file->fd >= 0) close(file->fd);
    (void)open_path(self);
}

static void file_forget(struct tw__exporter *self)
{
    struct file *file = self->state;
    if (file->fd >= 0) close(file->fd);
}

static void file_close(struct tw__exporter *self)
{
    struct file *file = self->state;
    if (file->fd >= 0) close(file->fd);
    tw__buf_fini(&file->out);
    free(file);
    self->state = NULL;
}

const struct tw__exporter_class tw__exporter_file = {
    .abi = TW__EXPORTER_ABI,
    .names = {"file", "logfile", "log_file"},
    .open = file_open,
    .records = file_records,
    .flush = file_flush,
    .reopen = file_reopen,
    .forget = file_forget,
    .close = file_close,
};
