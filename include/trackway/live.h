#ifndef TRACKWAY_LIVE_H
#define TRACKWAY_LIVE_H

/* Live traces: what a running process does, as lines in a file: those that a filter selects, in a format, within
 * limits.
 *
 *     char ref[TW_LIVE_REF_CAP];
 *     tw_live_start(&(struct tw_live_options){.filter = "module=cart request>100"}, ref, why);
 *     ...
 *     tw_live_stop(ref, file, sizeof file);
 *
 * The same from outside, for any process that links the library: trackway trace start, list, stop
 * (docs/live-traces.md). A live trace is one more reader of the recording: the program's threads do for it what they
 * always do, but that log sites (and functions, see kind=call) that its filter can match are recorded whatever the
 * level in force is.
 *
 * Selected are log lines, begins and ends of spans, events, marks, messages, calls, thread begins and ends.
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

/* Zeroed: everything that is in a function, at every level, in Kazoo's format, into /tmp/<32 hexadecimal digits>.log,
 * made anew with mode 0600; for ten minutes, a hundred million bytes. */
struct tw_live_options {
    const char *filter;             /* in either notation of docs/filter.md; NULL: [{function, '*'}] */
    const char *file;               /* appended to when it is there; NULL: see above */
    const char *format;             /* in either notation; "json"; NULL: Kazoo's */
    const char *level;              /* debug, warning, =info, !=info, <=error, ...; NULL: debug */
    uint64_t time_ns, bytes, lines; /* it ends at the first of these; 0: ten minutes, 100 MB, no limit */
    uint64_t lines_per_second;      /* what is beyond is dropped, and said in the file; 0: no limit */
};

/* Starts a live trace of this process.
 * Shape    ref gets TW_LIVE_REF_CAP bytes; why TW_WHY_MAX, in words what is wrong, may be NULL.
 * Returns  0; TW_ERR_SYNTAX or TW_ERR_RANGE (filter, format or level), TW_ERR_PERMISSION or TW_ERR_SYSTEM (the file),
 *          TW_ERR_SPACE (TW_LIVE_MAX are running), TW_ERR_OFF (nothing is recorded), TW_ERR_MEMORY.
 * Threads  [any thread], not from a signal handler. The first begins a thread, which ends with the last. */
int tw_live_start(const struct tw_live_options *options, char ref[TW_LIVE_REF_CAP], char *why);

/* Ends one: what has been recorded until now is in the file when this returns.
 * Shape    file gets the name of the file, cap bytes with NUL; may be NULL with 0.
 * Returns  0; TW_ERR_NOT_FOUND: no such trace, or it has ended; TW_ERR_TIMEOUT. */
int tw_live_stop(const char *ref, char *file, size_t cap);

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

/* Live traces of this process, whoever started them, running and ended: number index. TW_ERR_NOT_FOUND beyond the last,
 * TW_ERR_OFF. */
int tw_live_look(size_t index, struct tw_live_status *out);

/* Ends all that this process has started. Returns how many. */
int tw_live_clear(void);

/* What the compiler puts into functions with -finstrument-functions: recorded while a live trace names kind=call or
 * kind=return. */
void __cyg_profile_func_enter(void *function, void *caller) __attribute__((no_instrument_function));
void __cyg_profile_func_exit(void *function, void *caller) __attribute__((no_instrument_function));

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
 * few seconds: the process takes back the seat of a reader that has been silent for ten.
 * Returns  0; TW_ERR_STATE: somebody has asked it to end, or the seat was taken back. */
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
