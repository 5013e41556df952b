/* line_format: how an event is written as a line of text: the formats of Kazoo's traces and lager, and JSON lines.
 *
 *     struct tw__line_format *format;
 *     if (tw__line_format_compile(text, len, NULL, NULL, &format, &refusal) < 0) complain(refusal.at, refusal.text);
 *     tw__line_format_write(format, &source, &out);
 *     tw__line_format_free(format);
 *
 * Two notations. Text that begins with [ is a list of Erlang terms, as kz_data_tracing and lager take it; the option
 * lists
 * [{formatter, M}, {formatter_config, [..]}] of older versions are taken too:
 *     [time, " [", severity, "] ", {callid, "0000000000"}, "|", module, ":", line, " ", message, "\n"]
 * Anything else is a template:
 *     {time} [{severity}] {callid|0000000000}|{module}:{line} {message}\n
 * The word json alone means JSON lines. docs/filter.md lists the tokens.
 *
 * Bytes in, bytes out: no clock, no I/O. A compiled format is immutable and may be used by any number of threads at
 * once. */
#ifndef TW_WIRE_LINE_FORMAT_H
#define TW_WIRE_LINE_FORMAT_H

#include "base/buf.h"
#include "base/field.h"
#include "base/refusal.h"

enum {
    TW__LINE_FORMAT_TEXT_MAX = 4096,
    TW__LINE_FORMAT_PARTS_MAX = 256,
    TW__LINE_FORMAT_KEYS_MAX = 128,
    TW__LINE_FORMAT_DEPTH_MAX = 8,
    TW__LINE_FORMAT_WIDTH_MAX = 1024,
    TW__LINE_MESSAGE_MAX = 4096 /* bytes of a message; the rest is cut off, at a character */
};

struct tw__line_format;

/* What Kazoo writes when no format is given (with the default of callid that the printed page has lost), in its own
 * notation. */
#define TW__LINE_FORMAT_KAZOO                                                                                          \
    "[time, \" [\", severity, \"] |\", from_app, \"|\", {callid, <<\"0000000000\">>}, \"|\", mod, \":\", func, "       \
    "\":\", line, "                                                                                                    \
    "\" (\", pid, \") \", message, \"\\n\"]"

/* Compiles a format in either notation.
 * Shape    resolve makes ids of the names of fields (base/field.h); NULL: they are 0.
 * Returns  0 and *out (tw__line_format_free), or a negative enum tw_err with *refusal filled (may be NULL).
 * Threads  [any thread] */
int tw__line_format_compile(const char *text, size_t len, tw__field_resolve *resolve, const void *data,
                            struct tw__line_format **out, struct tw__refusal *refusal);
void tw__line_format_free(struct tw__line_format *format);

/* An event, as seen by a format. Fields asked for beside those that the format names:
 *     time     UINT, CLOCK_REALTIME ns       message  TEXT      level  LEVEL or TEXT, as severity     node  TEXT
 * Of a key that an event has twice, get answers the first. */
struct tw__line_source {
    const void *event;
    tw__field_get *get;
    /* The index-th piece of metadata, from 0, in any order; false beyond the last. NULL: none. */
    bool (*each)(const void *event, size_t index, struct tw__field_key *key, struct tw__field *value);
};

/* The text of the second that was written last. Zeroed is empty; of one thread at a time, and of one zone. */
struct tw__line_clock {
    uint64_t second; /* since the epoch, plus one */
    char date[10], time[8];
};

struct tw__line_options {
    bool utc;                     /* date and time in UTC, time followed by " UTC"; else local */
    bool color;                   /* the token color writes the terminal's sequence for the level */
    bool one_line;                /* control characters inside of values are written as \n, \t, \xHH */
    struct tw__line_clock *clock; /* saves asking the zone for each line; NULL: none */
};

/* Appends one event; nothing is added that the format does not say, so a newline only if it does (JSON lines: always).
 * Threads  [any thread]
 * Cost     about 0.3 us with a clock; no allocation beside out. */
void tw__line_format_write(const struct tw__line_format *format, const struct tw__line_source *source,
                           const struct tw__line_options *options, struct tw__buf *out);

#endif
