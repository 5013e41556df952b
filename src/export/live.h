/* live: a live trace: a reader with a filter, a format, a file and limits. */
#ifndef TW_EXPORT_LIVE_H
#define TW_EXPORT_LIVE_H

#include <trackway/live.h>

struct tw__live;

struct tw__live_setup {
    struct tw_live_options options;
    int fd; /* write here instead of to a file; -1: no */
    bool utc, color;
    bool stays; /* goes on when the last process has ended: others may come */
};

/* Compiles filter, format and level and opens the file. No process is watched yet.
 * Returns  0 and *out (tw__live_free), or as tw_live_start, with why (TW_WHY_MAX) in words. */
int tw__live_new(const struct tw__live_setup *setup, struct tw__live **out, char *why);
void tw__live_free(struct tw__live *live);

/* Watches the process of a segment from now on; one that is watched already is left alone.
 * Returns  0, or what tw_reader_open and tw_live_seat_take return, with why. */
int tw__live_watch(struct tw__live *live, const char *path, char *why);

/* Reads what is new and writes what passes. Returns false when the live trace has ended: by a limit, because somebody
 * asked, because nothing is left to watch. *busy: there was something. */
bool tw__live_step(struct tw__live *live, bool *busy);

/* Ends it: a last step, and the reason as a line in the file when it is not empty. */
void tw__live_end(struct tw__live *live, const char *reason);

/* lines, bytes, dropped, missed, ref, file, problem. */
const struct tw_live_status *tw__live_status(const struct tw__live *live);
size_t tw__live_watched(const struct tw__live *live);

#endif
