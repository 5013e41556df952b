/* lines: JSON lines of any form that is understood, as batches of spans: for the door that is a socket and for trackway
 * ingest.
 *
 *     struct tw__lines *lines = tw__lines_new(&(struct tw__lines_config){.take = give_to_store, .data = store, ...});
 *     while (next_line(&text, &len))
 *         if (tw__lines_take(lines, text, len) == TW_ERR_SYNTAX) tell(tw__lines_why(lines, &at));
 *     tw__lines_end(lines, true);
 *     tw__lines_free(lines);
 *
 *     records    what trackway dump and the exporter file write: events are put into their spans, whichever comes first
 *     calls      nameko-tracer's records under both sets of names, and our own (wire/call_json_dec.h): a request is an
 *                open span at once, its response takes its place; a request without one for timeout is handed on again,
 *                marked
 *     otlp       OpenTelemetry's requests in JSON, as trackway store export writes them
 *
 * Limits: WINDOW_RECORDS records, or WINDOW_BYTES of them, are looked at together: an event that is further from its
 * span waits for it when it came before (ingest/pending.h), and is counted as lost when it came after. WAITING_BYTES of
 * requests are waited for; beyond that they are open spans like others. PROCESSES are known at a time: then the window
 * ends, and what waits is lost.
 * Threads  one at a time for each. */
#ifndef TW_INGEST_LINES_H
#define TW_INGEST_LINES_H

#include "model/spans.h"

enum tw__lines_form { TW__LINES_ANY, TW__LINES_RECORDS, TW__LINES_CALLS, TW__LINES_OTLP };

struct tw__lines_config {
    enum tw__lines_form form;
    enum tw__door door;
    uint64_t timeout_ns; /* of requests; by this machine's clock for a door, by the lines' own for a file */
    bool waits;          /* a door: lines come as they happen */
    /* Takes a batch; it is emptied afterwards. A negative result ends what was being done, and is its result. */
    int (*take)(void *data, struct tw__spans *spans);
    void *data;
};

struct tw__lines_counts {
    uint64_t lines;       /* that were not empty */
    uint64_t bad;         /* not understood */
    uint64_t spans;       /* taken */
    uint64_t rejected;    /* of OTLP: ids missing, or beyond a limit */
    uint64_t unanswered;  /* requests without a response */
    uint64_t lost_events; /* whose span did not come, or was handed on before */
};

struct tw__lines;

/* NULL: no memory. */
struct tw__lines *tw__lines_new(const struct tw__lines_config *config);
void tw__lines_free(struct tw__lines *lines);

/* Takes one line, without its end. What it makes is handed on later.
 * Returns  0, also for an empty line; TW_ERR_SYNTAX: not understood, counted; TW_ERR_MEMORY: left out; or what take
 *          returned. */
int tw__lines_take(struct tw__lines *lines, const char *text, size_t len);
/* Why the last line was not understood, and at which byte. */
const char *tw__lines_why(const struct tw__lines *lines, size_t *at);
/* Whether something has gathered that is not handed on yet. */
bool tw__lines_waiting(const struct tw__lines *lines);
/* Hands on what has gathered. */
int tw__lines_flush(struct tw__lines *lines);
/* Marks requests that were waited for long enough, and hands them on. */
int tw__lines_tick(struct tw__lines *lines);
/* Nothing will come: flushes, and with unanswered marks the requests whose time is over now. */
int tw__lines_end(struct tw__lines *lines, bool unanswered);
struct tw__lines_counts tw__lines_counts(const struct tw__lines *lines);

#endif
