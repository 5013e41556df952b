/* remote: spans from a collector instead of segments, for the commands that take --server.
 *
 *     struct tw__sources sources;
 *     tw__sources_open(&sources, args);                    with --server: opens nothing, and sources.remote is there
 *     if (sources.remote) code = tw__remote_open(&sources, args);
 *     ...                                                        the processes and their records, as after a read
 *
 * Each call replaces what the sources have. Returns an exit code with the message printed. */
#ifndef TW_CLI_REMOTE_H
#define TW_CLI_REMOTE_H

#include "cli/source.h"
#include "model/spans.h"

struct tw__remote;

int tw__remote_new(const struct tw__args *args, struct tw__remote **out);
void tw__remote_free(struct tw__remote *remote);

/* Whole traces that may pass the options: what a span or a trace can be searched by is searched by, and the rest is for
 * the caller to look at. At most limit (up to TW__REMOTE_TRACES_MAX); *more: there are more. */
enum { TW__REMOTE_TRACES_MAX = 1000 };
int tw__remote_traces(struct tw__sources *sources, const struct tw__args *args, uint64_t limit, bool *more);

/* One trace, and the spans of others that are linked with it, as a batch (tw__batch_free; its processes are remote's):
 * the sources stay empty. The answer is read as it comes. */
int tw__remote_trace(struct tw__sources *sources, const uint8_t id[16], struct tw_batch **batch);

/* Spans whose trace's id begins with these digits, or is number (may be NULL). */
int tw__remote_prefix(struct tw__sources *sources, const char *digits, const uint8_t number[16]);

/* Spans in progress that may pass the options. */
int tw__remote_open(struct tw__sources *sources, const struct tw__args *args);

/* Spans that ended since a time, and began less than ten minutes ago. */
int tw__remote_ended(struct tw__sources *sources, const struct tw__args *args, uint64_t ended_since_ns);

/* Sends spans as OpenTelemetry's JSON; returns once they are stored, with those refused for their ids added to
 * *refused. A collector that says try later is tried for a minute. */
int tw__remote_send(struct tw__remote *remote, const char *json, size_t len, uint64_t *refused);

/* For remote alone: the answer as processes and records; TW_ERR_SYNTAX: it is none. */
struct tw__remote_spans {
    struct tw__spans spans;
    bool more;
};
int tw__remote_decode(struct tw__remote_spans *out, const char *text, size_t len);
int tw__remote_fill(struct tw__sources *sources, struct tw__remote_spans *spans, uint64_t now_ns);

/* The same of an answer in pieces: each a request, decoded into a batch and forgotten. The processes stay. */
struct tw__remote_process;
struct tw__remote_stream {
    struct tw_batch *batch;
    struct tw__remote_spans piece;
    struct tw__spans senders;              /* no spans: who sent any so far */
    struct tw__remote_process **processes; /* of each sender; in its pool, so that they do not move */
    size_t process_cap;
};
int tw__remote_stream_take(struct tw__remote_stream *stream, const char *text, size_t len);
/* After the last: what is known of the processes that are still running ends now. */
void tw__remote_stream_end(struct tw__remote_stream *stream, uint64_t now_ns);
void tw__remote_stream_fini(struct tw__remote_stream *stream);

#endif
