#ifndef TRACKWAY_CONTEXT_H
#define TRACKWAY_CONTEXT_H

/* Context: what travels of a trace. Who it is (trace id), which span sent it on (span id), and its flags.
 *
 * Every thread has one current context, kept for it by the span calls. This header is for the places where the thread
 * changes and the trace does not: hand a context to another thread, carry it in a header, switch it in an event loop.
 *
 *     struct tw_context ctx;
 *     tw_context_current(&ctx);               producer: take it along with the work
 *     ...
 *     tw_attach at = tw_context_attach(&ctx); consumer: spans begun here are its children
 *     ...
 *     tw_context_detach(at);                  balanced; nests
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/err.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tw_context_flag { TW_FLAG_SAMPLED = 1, TW_FLAG_RANDOM = 2 };

/* A plain value. Valid when neither id is all zero. */
struct tw_context {
    uint8_t trace_id[16]; /* big-endian; the first 4 bytes are epoch seconds unless random ids were asked for */
    uint8_t span_id[8];   /* big-endian */
    uint8_t flags;        /* enum tw_context_flag, the bits of W3C trace-flags */
};

/* The current context of this thread.
 * Returns  true and fills *out, or false with *out all zero when the thread is in no trace.
 * Threads  [any thread] [async-signal-safe]
 * Cost     two loads and a copy. */
bool tw_context_current(struct tw_context *out);

/* What tw_context_attach gives back. A value; zero is "nothing attached" and may be detached. */
typedef struct tw_attach {
    struct tw__slot *holder;
    uint64_t check;
} tw_attach;

/* Makes ctx the current context of this thread until the matching tw_context_detach.
 * Shape    ctx is copied. NULL or an invalid context attaches "no trace": spans begun next are roots.
 * Threads  [owner thread]: detach on the thread that attached. A detach that is missing or out of order restores the
 *          context below the one it names and is counted (stats.unbalanced).
 * Cost     about one span begin, without the clock; no lock, allocation or system call after the first record. */
tw_attach tw_context_attach(const struct tw_context *ctx);
void tw_context_detach(tw_attach attach);

/* Exchanges the whole current context of this thread, for event loops and coroutines.
 * Shape    *mine holds what the resumed task had; afterwards it holds what the thread had. A zeroed tw_task is a task
 *          that has not begun anything. Open spans stay open and belong to the task, not to the thread.
 * Threads  [owner thread] of this call; the task may be resumed on another thread.
 * Cost     two loads, two stores. */
typedef struct tw_task {
    struct tw__slot *current;
    uint64_t check;
} tw_task;
void tw_context_switch(tw_task *mine);

enum { TW_TRACEPARENT_LEN = 55, TW_TRACE_ID_HEX_LEN = 32, TW_SPAN_ID_HEX_LEN = 16 };

/* Reads a W3C traceparent header value.
 * Shape    text is len bytes, NUL not needed; spaces and tabs around the value are allowed.
 * Returns  0 and fills *out, or TW_ERR_SYNTAX (not a traceparent), TW_ERR_RANGE (a zero id); then *out is untouched.
 * Accepts  version 00 exactly; versions 01 to fe by their first four fields; never ff.
 * Threads  [any thread] [async-signal-safe]
 * Source   W3C Trace Context Level 2, sections 3.2 and 4.3. */
int tw_traceparent_parse(const char *text, size_t len, struct tw_context *out);

/* Writes a W3C traceparent header value of version 00.
 * Shape    text has room for cap bytes; TW_TRACEPARENT_LEN are written, no NUL.
 * Returns  TW_TRACEPARENT_LEN, or TW_ERR_SPACE, TW_ERR_RANGE (a zero id); then nothing is written.
 * Threads  [any thread] [async-signal-safe] */
int tw_traceparent_format(const struct tw_context *context, char *text, size_t cap);

/* Reads a trace id as people write it.
 * Accepts  32 hex digits of either case; X-Ray's 1-8hex-24hex; a decimal number below 2^128 (FoundationDB prints the
 *          low half so, Erlang the whole). 32 digits are always read as hex.
 * Returns  0 and fills id, or TW_ERR_SYNTAX, TW_ERR_RANGE (zero, or a number too large); then id is untouched.
 * Threads  [any thread] [async-signal-safe] */
int tw_trace_id_parse(const char *text, size_t len, uint8_t id[16]);

/* Writes 32 lower-case hex digits and a NUL. */
void tw_trace_id_format(const uint8_t id[16], char text[TW_TRACE_ID_HEX_LEN + 1]);
void tw_span_id_format(const uint8_t id[8], char text[TW_SPAN_ID_HEX_LEN + 1]);

/* A fresh trace id, as a new root span would get.
 * Threads  [any thread]. Cost: a few nanoseconds after the thread's first record. */
void tw_trace_id_new(uint8_t id[16]);

#ifdef __cplusplus
}
#endif
#endif
