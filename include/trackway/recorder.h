#ifndef TRACKWAY_RECORDER_H
#define TRACKWAY_RECORDER_H

/* The recorder: start, stop, and the flight recorder's questions asked from inside the program.
 *
 * Nothing needs to be called: the first span sets everything up from the environment. Everything that can go wrong
 * leaves the program running with recording off, and tw_recorder_error says why.
 *
 *     if (request_failed) {
 *         struct tw_records *events;
 *         if (tw_recorder_get_trace(trace_id_text, &events) == 0) { print(events); tw_records_free(events); }
 *     }
 *
 * Configuration comes from tw_config where it says something, else from the environment, else from the environment's
 * standard names (OTEL_..., AWS_XRAY_...). The most used of it:
 *     TRACKWAY               off: record nothing; on (default)
 *     TRACKWAY_SERVICE       service name; default OTEL_SERVICE_NAME, then the program's name
 *     TRACKWAY_ARENA         arena size: 16M (default), with K, M, G; 512K to 4G
 *     TRACKWAY_SAMPLE_RATE   share of the traces begun here that is exported, 0 to 1; default 1
 *     TRACKWAY_EXPORTER      exporters by name, with commas; see <trackway/export.h>; default none
 * docs/configuration.md has every one, with its field or without.
 */

#include <trackway/read.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Told once per distinct problem, from the thread that met it, never from the hot path. Must not call the library. */
typedef void tw_diagnostic_fn(void *data, int error, const char *text);

struct tw_config {
    size_t struct_size; /* sizeof(struct tw_config); 0 is taken as the whole */
    const char *service;
    const char *dir;
    size_t arena_bytes;
    bool off;
    bool keep_file;
    bool random_trace_ids;
    size_t payload_max;
    tw_diagnostic_fn *diagnostic;
    void *diagnostic_data;
    const char *exporter; /* names with commas, see <trackway/export.h> */
    double sample_rate;   /* of roots begun here: above 0 to 1; negative: none; 0: from the environment, default 1 */
    const char *const *variables; /* "NAME=value", NULL at the end: as if it stood in the environment, and before it */
};

/* Sets up recording. config NULL: all from the environment.
 * Returns  0; TW_ERR_STATE when already recording (nothing changes: the first call wins); TW_ERR_OFF when switched off
 *          by configuration; TW_ERR_SPACE, TW_ERR_PERMISSION, TW_ERR_SYSTEM, TW_ERR_RANGE: recording is off, the
 *          program runs on.
 * Threads  [any thread], not from a signal handler. After tw_shutdown it may be called again: a new segment begins.
 * Cost     creates and prefaults the file: about 0.6 ms a MiB of arena. */
int tw_init(const struct tw_config *config);

/* Ends recording and removes the segment's file (unless kept). Spans still open stay open in a kept file.
 * Returns  0, TW_ERR_STATE when not recording, TW_ERR_TIMEOUT when a thread was still inside a call after timeout_ns;
 *          recording has ended in every case. Other threads may go on calling: their calls record nothing. */
int tw_shutdown(uint64_t timeout_ns);

/* Why recording is off, or what went wrong last.
 * Returns  0 and "" when all is well; the error's code otherwise. text gets at most cap bytes with NUL; may be NULL
 *          with 0. */
int tw_recorder_error(char *text, size_t cap);

/* The segment's path; "" when there is none. Returns its length or TW_ERR_SPACE. */
int tw_recorder_path(char *path, size_t cap);

/* For programs that fork with a raw clone system call: call this first in the child. fork() needs nothing. */
void tw_after_fork(void);

/* Recording on and off at run time; idempotent. What was recorded stays. Spans open at disable() can still be ended. */
int tw_recorder_enable(void);
int tw_recorder_disable(void);
bool tw_recorder_is_enabled(void);

/* Everything recorded for one trace in this process, oldest first, open spans included; count 0 when there is nothing.
 * Shape    trace is text in any form of tw_trace_id_parse; the _id form takes 16 bytes, the _u64 form an id whose high
 *          half is zero, as FoundationDB's are.
 * Returns  0 and *out (tw_records_free), TW_ERR_SYNTAX, TW_ERR_RANGE, TW_ERR_OFF (no segment), TW_ERR_MEMORY.
 * Threads  [any thread], not from a signal handler. Allocates. */
int tw_recorder_get_trace(const char *trace, struct tw_records **out);
int tw_recorder_get_trace_id(const uint8_t trace_id[16], struct tw_records **out);
int tw_recorder_get_trace_u64(uint64_t trace_id, struct tw_records **out);

/* Get and clear as one step, by the same three forms of an id: each record is returned by exactly one dump, and what
 * arrives meanwhile stays for the next. Open spans are returned but not cleared. Cleared records stay visible to other
 * processes until overwritten. */
int tw_recorder_dump_trace(const char *trace, struct tw_records **out);
int tw_recorder_dump_trace_id(const uint8_t trace_id[16], struct tw_records **out);
int tw_recorder_dump_trace_u64(uint64_t trace_id, struct tw_records **out);

/* All records of this process; does not clear. */
int tw_recorder_dump_all(struct tw_records **out);

/* Forgets everything recorded so far, for every reader, inside and outside. Open spans stay. Returns 0 or
 * TW_ERR_OFF. */
int tw_recorder_clear(void);

/* Places a mark in the current trace of this thread; nothing when the thread is in no trace or recording is off. */
void tw_mark(const char *name);
/* The same with metadata. */
void tw_mark_with(const char *name, const struct tw_attr *attrs, size_t count);

/* Keeps at most the newest `events` records. The arena is resized to hold them (128 bytes each, between 512 KiB and the
 * room reserved at start); every reader sees the new bound at once, also while others write.
 * Returns  0, TW_ERR_RANGE (0, or beyond the reserve), TW_ERR_SPACE (tmpfs is full: the old size stays), TW_ERR_OFF. */
int tw_recorder_set_buffer_size(size_t events);

struct tw_stats {
    bool enabled;
    uint64_t buffer_events; /* bound set by tw_recorder_set_buffer_size; 0: by bytes only */
    uint64_t records;       /* in the arena now */
    struct tw_process process;
};
/* Everything counted; the texts of process are empty. Returns 0 or TW_ERR_OFF. Cost: one pass over the arena. */
int tw_recorder_stats(struct tw_stats *out);

#ifdef __cplusplus
}
#endif
#endif
