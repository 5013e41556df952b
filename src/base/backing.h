/* backing: the file behind shared memory, while it is made.
 *
 *     new    a file without a name (O_TMPFILE), or, where there are none, under a spare name, locked
 *     name   it gets its name, complete as it is by now
 *
 * Who is killed in between leaves nothing; or, under the spare name, a file that nobody holds locked.
 * errno is left as the caller found it. */
#ifndef TW_BASE_BACKING_H
#define TW_BASE_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/err.h>

struct tw__backing {
    int fd;            /* -1: it has its name, or there is none. Not kept: programs close what they did not open */
    const char *spare; /* the name it has meanwhile; NULL: none */
    uint64_t inode;
};

/* Makes a file of mode 0600 and len bytes (sparse) in dir. spare: a name for it where there are no files without one,
 * or where use_spare says so; kept until tw__backing_name or tw__backing_close. TW_ERR_SPACE when the file system is
 * full or files may not be so long, TW_ERR_PERMISSION, TW_ERR_SYSTEM. */
int tw__backing_new(struct tw__backing *backing, const char *dir, const char *spare, bool use_spare, size_t len);

/* Maps it shared, at an address that is a multiple of align. Of the mapping only the first inherited bytes go on to a
 * forked child, and none into a core dump. */
int tw__backing_map(const struct tw__backing *backing, size_t len, size_t align, size_t inherited, uint8_t **map);

/* Gives the file its name, which nothing may have yet. TW_ERR_SPACE; TW_ERR_PERMISSION and TW_ERR_SYSTEM also when a
 * file without a name cannot be named here (no /proc): try again under a spare name. */
int tw__backing_name(struct tw__backing *backing, const char *path);

/* Maps the file once more over its own mapping: a file that had no name when it was mapped is shown as "(deleted)" in
 * /proc/PID/maps for ever, which people and tools take for a defect. *again: done, and the pages are to be touched
 * again. TW_ERR_SPACE when the mapping was lost by that. */
int tw__backing_map_again(const struct tw__backing *backing, const char *path, uint8_t *map, size_t len,
                          size_t inherited, bool *again);

/* Closes the file; one that has only a spare name is removed. */
void tw__backing_close(struct tw__backing *backing);

/* Whether a file with a spare name is nobody's any more: a plain file, older than 10 s, that nobody holds locked. */
bool tw__backing_is_abandoned(int dir_fd, const char *name);

#endif
