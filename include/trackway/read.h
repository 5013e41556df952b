#ifndef TRACKWAY_READ_H
#define TRACKWAY_READ_H

/* Reading segments: of live processes, of dead ones, and of files copied from elsewhere.
 *
 * A segment is one process's recording in shared memory. Reading never writes to it, never stops or slows the process,
 * and treats every byte as hostile. The same calls serve the in-process recorder, the trackway command and the
 * collector.
 *
 *     struct tw_reader *reader;
 *     char why[TW_WHY_MAX];
 *     if (tw_reader_open(path, &reader, why) < 0) die(why);
 *     struct tw_records *records;
 *     if (tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records) == 0) {
 *         for (size_t i = 0; i < records->count; i++) print(&records->items[i]);
 *         tw_records_free(records);
 *     }
 *     tw_reader_close(reader);
 */

#include <trackway/context.h>
#include <trackway/propagate.h>
#include <trackway/span.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TW_WHY_MAX = 256 };

/* Bytes and a length; not NUL-terminated. Valid as long as what they were read from (each use says). */
struct tw_text {
    const char *ptr;
    size_t len;
};

enum tw_record_kind {
    TW_RECORD_SPAN = 1,     /* a finished span */
    TW_RECORD_EVENT = 2,    /* an instant */
    TW_RECORD_MARK = 3,     /* an instant that a person placed */
    TW_RECORD_SEND = 4,     /* a message left; tags peer, id, size, bytes */
    TW_RECORD_RECEIVE = 5,  /* a message arrived */
    TW_RECORD_CREATED = 6,  /* a thread began, made by tw_thread_create; tag creator: the tid of its maker */
    TW_RECORD_EXITED = 7,   /* a thread ended */
    TW_RECORD_TAGS = 8,     /* more tags of a span that had no room left; same span_id. tw_reader_read joins them */
    TW_RECORD_LOG = 9,      /* a line with a level; name is its format, tw_record_message makes the text */
    TW_RECORD_REQUEST = 10, /* an entrypoint was called; tags by the names of <trackway/call.h>, see docs/calls.md */
    TW_RECORD_RESPONSE = 11, /* and what came of it; status OK or ERROR */
    TW_RECORD_ENTER = 12,   /* a function was entered, and a live trace asked for it; args: its address, its caller's */
    TW_RECORD_LEAVE = 13,   /* and left */
    TW_RECORD_OPEN = 64     /* a span in progress, or that was in progress when its process died */
};

enum tw_record_flag {
    TW_RECORD_CUT = 1,       /* a text was longer than could be kept */
    TW_RECORD_BACKWARDS = 2, /* an own end time lies before the begin */
    TW_RECORD_OWN_TIME = 4   /* begin or end time were given by the program */
};

/* A tag as read. STR and BYTES: text; BOOL: 0 or 1 in value.u. */
struct tw_tag_value {
    struct tw_text key;
    enum tw_type type;
    bool cut;           /* longer when it was set; full_len tells how long */
    uint64_t full_len;
    union {
        int64_t i;
        uint64_t u;
        double d;
    } value;
    struct tw_text text;
};

struct tw_record {
    enum tw_record_kind kind;
    uint64_t time_ns; /* CLOCK_REALTIME ns: begin of a span, time of anything else */
    uint64_t end_ns;  /* end of a finished span; of an open span 0; else time_ns */
    uint64_t order;   /* unique in its segment; rises with time in each thread; breaks ties of equal times */
    uint8_t trace_id[16];
    uint8_t span_id[8];   /* of the span, or the span an event belongs to; zero: none */
    uint8_t parent_id[8]; /* tree parent; zero: root */
    uint8_t flags;        /* enum tw_context_flag */
    uint8_t marks;        /* enum tw_record_flag */
    enum tw_span_kind span_kind;
    enum tw_status status;
    struct tw_text status_message;
    struct tw_text name, module, function; /* module and function of the site; may be empty */
    uint32_t line;
    uint32_t pid, tid;           /* tid as the kernel numbers it; where it began */
    struct tw_text thread;       /* thread's name; may be empty */
    const struct tw_tag_value *tags;
    size_t tag_count;
    uint8_t level;                    /* of a log: enum tw_log_level */
    const struct tw_tag_value *args;  /* of a log: what its format takes, in order, without keys; of TW_RECORD_ENTER */
    size_t arg_count;
    const struct tw_context *parents; /* all causes after the first, in order given */
    size_t parent_count;
};

enum tw_process_state {
    TW_PROCESS_LIVE,
    TW_PROCESS_DEAD,   /* gone without a clean exit: killed, crashed, or replaced by exec */
    TW_PROCESS_EXITED, /* clean exit, file kept on request */
    TW_PROCESS_FOREIGN /* of another boot, machine or pid namespace: cannot be told */
};

/* Every kind of loss, once. name: for --json and stats; text: for people. */
#define TW_LOSS_TABLE(X)                                                                            \
    X(no_slot, "spans not kept: too many open at once")                                             \
    X(no_chunk, "records not kept: every chunk of the arena was being written by another thread")   \
    X(no_thread, "records not kept: no room for another thread")                                    \
    X(no_dictionary, "names or keys shown as \"?\": the dictionary was full")                       \
    X(cut_long, "texts cut: longer than can be kept")                                               \
    X(stale, "calls on spans that had ended or never begun")                                        \
    X(out_of_order, "spans ended in another order than begun")                                      \
    X(unbalanced, "contexts detached out of order or not at all")                                   \
    X(nested_refused, "records not kept: made by a signal handler inside another's record")

struct tw_losses {
#define TW__LOSS_FIELD(name, text) uint64_t name;
    TW_LOSS_TABLE(TW__LOSS_FIELD)
#undef TW__LOSS_FIELD
};

/* What a segment says of its process. Texts are valid until the reader is closed. */
struct tw_process {
    uint32_t pid, uid;
    enum tw_process_state state;
    bool recording;
    struct tw_text service, command, host, path;
    uint64_t started_ns;   /* of the process, CLOCK_REALTIME */
    uint64_t opened_ns;    /* of the segment */
    uint64_t last_ns;      /* newest time found in it (live: now) */
    uint64_t oldest_ns;    /* oldest record still there; 0 when empty */
    uint64_t arena_bytes, used_bytes, overwritten_bytes;
    uint64_t spans_begun;  /* since the segment was opened; exact when no thread is running */
    uint32_t threads, threads_total; /* attached now (or at death), and ever */
    uint32_t open_spans;
    struct tw_losses losses;
    struct tw_drops drops;  /* of headers of others: not understood, or no room (<trackway/propagate.h>) */
    struct tw_text sampler; /* how it samples by configuration; empty: everything */
    struct tw_text notice;  /* what was asked for and is not, or cannot be; empty: nothing */
    bool rate_asked;        /* a rate was asked for while it ran (<trackway/sampling.h>) */
    double rate;            /* that rate */
};

/* What an exporter has done so far. */
struct tw_export_stats {
    char name[32];
    uint64_t records;     /* handed to it */
    uint64_t sent;        /* passed on: lines, datagrams, spans of accepted requests */
    uint64_t bytes;
    uint64_t dropped;     /* given up, of all causes */
    uint64_t backing_off; /* of these: while it was waiting after an error */
    uint64_t too_long;    /* of these: larger than the transport takes */
    uint64_t cut;         /* sent, but shortened because it was larger than the transport takes */
    uint64_t errors;      /* refusals of the operating system or the peer */
    uint64_t missed;      /* chunks of the arena that were overwritten before the thread came to them */
    char problem[128];    /* the last one, in words; "" */
};

struct tw_reader;

/* Opens a segment file.
 * Returns  0 and *out, to be closed with tw_reader_close; or TW_ERR_NOT_FOUND, TW_ERR_PERMISSION, TW_ERR_FOREIGN (not a
 *          segment), TW_ERR_VERSION (a newer format), TW_ERR_CORRUPT (sizes that contradict each other or the file),
 *          TW_ERR_MEMORY, TW_ERR_SYSTEM. On error why (TW_WHY_MAX bytes, may be NULL) says in words what and what to
 *          do.
 * Owns     the mapping, read-only. The file may be unlinked afterwards. A symbolic link or anything but a plain file is
 *          refused.
 * Threads  a reader is used by one thread at a time.
 * Cost     one open, fstat and mmap; no allocation sized by the file. */
int tw_reader_open(const char *path, struct tw_reader **out, char *why);
void tw_reader_close(struct tw_reader *reader);

/* Reads header, threads and chunk heads, and asks the kernel whether the process is there.
 * Returns  0, or TW_ERR_CORRUPT when the file has been cut since it was opened.
 * Cost     proportional to threads and chunks: 0.15 ms for 8192 chunks, plus the system's answer. */
int tw_reader_process(struct tw_reader *reader, struct tw_process *out);

/* Of all that, whether the process is there: enum tw_process_state, or TW_ERR_CORRUPT. Costs the system's answer
 * alone. */
int tw_reader_state(struct tw_reader *reader);

/* What the exporters of the process have done, as it said last; the first four of them, and problem cut to 63 bytes.
 * Returns 0, TW_ERR_NOT_FOUND when there are fewer, TW_ERR_CORRUPT. */
int tw_reader_exporter(struct tw_reader *reader, size_t index, struct tw_export_stats *out);

/* Which records. Zero means no condition. */
struct tw_query {
    const uint8_t *trace_id;   /* 16 bytes */
    uint64_t since_ns;         /* records that end at or after */
    uint64_t until_ns;         /* records that begin before */
    bool open_spans;           /* also spans in progress, as TW_RECORD_OPEN */
    bool only_open;            /* nothing else */
    uint8_t flags;             /* only records whose context has all of these enum tw_context_flag */
    size_t limit;              /* keep the newest this many; 0 all */
    struct tw_position *after; /* continue: only records not passed before, and pass these. Records that the other
                                * conditions leave out are passed too; open spans are delivered each time */
    size_t max_bytes;          /* with after: not much more than so many bytes of records, as they lie in the arena, the
                                * oldest first; 0 all. The next read goes on; tags that another thread gave a span may
                                * come too late for it. Without effect while tw_recorder_set_buffer_size is in force */
};

/* Records in time order (time_ns, then order); owns everything its items point to. */
struct tw_records {
    const struct tw_record *items;
    size_t count;
    uint64_t missed;  /* chunks overwritten while or before they were read, since the position given */
    uint64_t damaged; /* places where bytes made no sense; reading went on behind them */
    uint64_t more;    /* with max_bytes: chunks that were not looked at yet; 0: what there was when the first of these
                       * reads began is delivered */
};

/* Reads the records that match. A record is delivered whole or not at all; a span that ends during the read is
 * delivered once, finished. With only_open, tags that found no room in a span are not looked for.
 * Returns  0 and *out (free with tw_records_free), or TW_ERR_MEMORY, TW_ERR_CORRUPT (the file has been cut since it was
 *          opened); then *out is untouched and query->after stands where it stood.
 * Cost     one pass over the arena: 3.8 ms for one trace among a million spans (64 MB), 0.26 s for all of them; memory
 *          for what matches. */
int tw_reader_read(struct tw_reader *reader, const struct tw_query *query, struct tw_records **out);
void tw_records_free(struct tw_records *records);

/* The same for who looks at each record once: fn is called with all that are no spans, then with some hundred spans at
 * a time, each part in the order of time, and when query->after has moved, with NULL. A part of spans is gone when fn
 * returns, what came first when tw_reader_each does. missed and more are told with the first part, damaged with that in
 * which it was found.
 * Returns  0; what fn returned if that was not 0, which ends it, or as tw_reader_read: then query->after stands where
 *          it stood, unless it was the last call, with NULL.
 * Cost     as tw_reader_read, but memory for the records as they lie in the arena alone, a fifth of what they are
 *          decoded to. */
typedef int tw_records_fn(const struct tw_records *records, void *data);
int tw_reader_each(struct tw_reader *reader, const struct tw_query *query, tw_records_fn *fn, void *data);

/* The text of a log: its format with its arguments; of any other record its name. What does not fit its conversion is
 * shown by what it is, and an argument that is not there as <missing>.
 * Shape    UTF-8 as far as the program's texts are; a newline at the end is left out; NUL-terminated when cap is not 0.
 * Returns  the length of the text, which is cut to cap - 1.
 * Threads  [any thread]. Cost: about 50 ns and 20 ns an argument; no allocation. */
size_t tw_record_message(const struct tw_record *record, char *text, size_t cap);

/* A place in the source of a process that it has recorded from. Texts are valid until the function returns. */
struct tw_site_value {
    struct tw_text name, module, function;
    uint32_t line;
};
typedef bool tw_site_fn(const struct tw_site_value *site, void *data);
/* Calls fn with each, in the order in which they first recorded, until it returns false.
 * Returns  how many, or TW_ERR_CORRUPT, TW_ERR_MEMORY. */
int tw_reader_sites(struct tw_reader *reader, tw_site_fn *fn, void *data);

/* Where a repeated reader stands. One per reader. NULL on lack of memory. */
struct tw_position *tw_position_new(void);
void tw_position_free(struct tw_position *position);

/* Finds the segments of this host.
 * Shape    calls fn with the path of each file in dir, or, when dir is NULL, in $TRACKWAY_DIR, or else in the default
 *          folders of this user (of all users for root); a setuid program's environment is not asked. Order by name. fn
 *          returns false to stop.
 * Returns  how many files were visited, or TW_ERR_NOT_FOUND / TW_ERR_PERMISSION for a dir that was given. */
int tw_segments_each(const char *dir, bool (*fn)(const char *path, void *data), void *data);

/* Finds what was left by processes that were killed while they made their segment, where the file system knows no files
 * without a name (elsewhere nothing is left): files named PID.SALT.making, in the same folders, older than 10 s, that
 * no process holds locked. They hold nothing, and no process will come back to one.
 * Returns  how many, or TW_ERR_NOT_FOUND / TW_ERR_PERMISSION for a dir that was given. */
int tw_segments_abandoned(const char *dir, bool (*fn)(const char *path, void *data), void *data);

/* The default folder of this user, as text with NUL. Returns its length or TW_ERR_SPACE. */
int tw_segments_dir(char *path, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
