/* live_file: where the lines of a live trace go: each whole or not at all, also when others write there, and when the
 * disk is full. */
#ifndef TW_EXPORT_LIVE_FILE_H
#define TW_EXPORT_LIVE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/live.h>

struct tw__live_file {
    int fd;
    bool borrowed; /* a descriptor of the caller's: no path, never closed */
    char path[TW_LIVE_FILE_CAP];
    uint64_t device, inode;
    char problem[96]; /* of the last write that failed; "" */
};

/* Opens path for appending, made with mode 0600 if it is not there; NULL: /tmp/<32 hexadecimal digits>.log, which must
 * not be there.
 * Returns  0, TW_ERR_PERMISSION, TW_ERR_SYSTEM, TW_ERR_RANGE (path too long); why (TW_WHY_MAX) in words. */
int tw__live_file_open(struct tw__live_file *file, const char *path, char *why);
void tw__live_file_borrow(struct tw__live_file *file, int fd);
void tw__live_file_close(struct tw__live_file *file);

/* Writes whole lines. Returns how many bytes of whole lines are in the file: len, or less and problem says why. */
size_t tw__live_file_write(struct tw__live_file *file, const char *lines, size_t len);

/* Opens the path again if another file, or none, is there now: somebody has rotated it. */
void tw__live_file_check(struct tw__live_file *file);

#endif
