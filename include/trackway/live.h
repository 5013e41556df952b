#ifndef TRACKWAY_LIVE_H
#define TRACKWAY_LIVE_H

/* Live traces: what a reader of another process needs to see more than the process records by itself.
 */

#include <trackway/read.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TW_LIVE_REF_CAP = 13, /* 12 hexadecimal digits and NUL */
    TW_LIVE_FILE_CAP = 256,
    TW_LIVE_MAX = 8 /* in one process at a time */
};

/* How a live trace does. */
enum tw_live_state {
    TW_LIVE_ACTIVE = 2,
    TW_LIVE_STOPPING = 3,
    TW_LIVE_ENDED = 4,
    TW_LIVE_LOST = 5 /* its reader is gone */
};
struct tw_live_status {
    char ref[TW_LIVE_REF_CAP];
    enum tw_live_state state;
    uint32_t pid; /* that is watched */
    uint32_t reader_pid;
    uint64_t started_ns, ended_ns; /* CLOCK_REALTIME */
    uint64_t lines, bytes;         /* in the file, by this trace */
    uint64_t dropped;              /* selected and not written: over the rate, or the disk was full */
    uint64_t missed;               /* chunks of records overwritten before they were read */
    char file[TW_LIVE_FILE_CAP], filter[256];
    char problem[96]; /* why it ended, or what went wrong last; "" */
};

/* What a reader of another process needs to be a live trace: a seat in its segment. The process's own live traces sit
 * there too. Whoever may write the segment's file may take one: the same user, or root. */
struct tw_live_seat;

/* Lines of these levels (bit 0 emergency .. bit 7 debug) from this module and function; NULL any. */
struct tw_live_rule {
    unsigned levels;
    const char *module, *function;
};
enum { TW_LIVE_RULES = 8 };

struct tw_live_ask {
    const char *ref, *file, *filter;
    const struct tw_live_rule *rules; /* any of them; at most TW_LIVE_RULES */
    size_t rule_count;
    bool calls; /* entries and exits of functions are wanted */
};

/* Takes a seat; sites see it at once.
 * Returns  0 and *out (tw_live_seat_leave), TW_ERR_PERMISSION, TW_ERR_SPACE (all are taken), TW_ERR_STATE (the process
 * has ended, or its library is too old for it), TW_ERR_RANGE (too many rules), TW_ERR_MEMORY, TW_ERR_SYSTEM. */
int tw_live_seat_take(struct tw_reader *reader, const struct tw_live_ask *ask, struct tw_live_seat **out);
/* Says that the reader is there and how it goes (lines, bytes, dropped, missed, problem of status); to be called every
 * few seconds: the process takes back the seat of a reader that has been silent for ten. Returns  0; TW_ERR_STATE:
 * somebody has asked it to end, or the seat was taken back. */
int tw_live_seat_beat(struct tw_live_seat *seat, const struct tw_live_status *status);
void tw_live_seat_leave(struct tw_live_seat *seat, const struct tw_live_status *status);

/* Number index of the seats that are or were taken in a segment. TW_ERR_NOT_FOUND beyond the last. */
int tw_live_seat_status(struct tw_reader *reader, size_t index, struct tw_live_status *out);
/* Asks the live trace to end; its reader does so within a tenth of a second.
 * Returns  0 and *out, TW_ERR_NOT_FOUND (no such trace here, or it has ended), TW_ERR_PERMISSION, TW_ERR_SYSTEM. */
int tw_live_seat_stop(struct tw_reader *reader, const char *ref, struct tw_live_status *out);

#ifdef __cplusplus
}
#endif
#endif
