/* exporter: what each of them is to export.c, and to libraries that bring one (src/otlp).
 *
 * Such a library calls nothing of libtrackway's: it is handed everything, so that it fits a program that has
 * libtrackway.a inside as well as one with the .so. TW__EXPORTER_ABI changes whenever something here, in settings.h or
 * in read.h does. */
#ifndef TW_EXPORT_EXPORTER_H
#define TW_EXPORT_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/export.h>

#include "export/resource.h"
#include "trace/env.h"
#include "wire/span.h"

enum { TW__EXPORTER_ABI = 1 };

/* What came since the last time; borrowed for the call. */
struct tw__export_batch {
    const struct tw_records *records; /* everything, in time order */
    const struct tw__span_in *spans; /* the finished spans among them; with their events if the exporter wants_events */
    size_t span_count;
    const struct tw_process *process;
    uint64_t now_ns; /* CLOCK_MONOTONIC */
};

/* One exporter: a vtable and its state behind it. All calls come from the exporters' thread, but open, forget and
 * close. */
struct tw__exporter {
    struct tw_export_stats stats; /* written by the thread; whole words, read by any */
    const struct tw__exporter_class *class;
    const struct tw__settings *settings;
    const struct tw__resource *resource;
    void *state;
    bool wants_events;     /* set by open */
    uint64_t open_each_ns; /* set by open: how often to be shown open spans; 0 never */
    uint64_t told;         /* export.c: errors up to here were told */
    uint64_t told_ns;
};

struct tw__exporter_class {
    uint32_t abi;         /* TW__EXPORTER_ABI */
    const char *names[4]; /* the first is the one that is shown */
    /* It uses libraries that undo themselves in atexit (OpenSSL): the thread has to end before them. */
    bool ends_early;
    /* 0, or an error and stats.problem; then nothing is left to close. */
    int (*open)(struct tw__exporter *self);
    /* Never blocks. */
    void (*records)(struct tw__exporter *self, const struct tw__export_batch *batch);
    /* Sampled spans in progress; after records, so whatever is in there has not been handed over yet. May be NULL. */
    void (*open_spans)(struct tw__exporter *self, const struct tw_records *open, const struct tw_process *process,
                       uint64_t now_ns);
    /* Goes on with what is under way, waiting no longer than until_ns (CLOCK_MONOTONIC). True: there is something that
     * wants to be called again at once. May be NULL. */
    bool (*work)(struct tw__exporter *self, uint64_t until_ns);
    /* Passes on what it holds back; may wait until until_ns. True when nothing is left; false: it will be called again.
     */
    bool (*flush)(struct tw__exporter *self, uint64_t until_ns);
    void (*reopen)(struct tw__exporter *self); /* may be NULL */
    /* In a forked child, with the thread it belonged to in the middle of anything: closes descriptors, without a byte
     * to anybody, and leaves the memory alone. */
    void (*forget)(struct tw__exporter *self);
    void (*close)(struct tw__exporter *self);
};

extern const struct tw__exporter_class tw__exporter_file, tw__exporter_network_lossy, tw__exporter_xray;

/* Sets stats.problem and counts an error: "what: text of the error". */
void tw__exporter_problem(struct tw__exporter *self, const char *what, int error_number);
/* The same in words of one's own. */
void tw__exporter_say(struct tw__exporter *self, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Counts what is given up; cause may be NULL. */
void tw__exporter_drop(struct tw__exporter *self, uint64_t *cause, uint64_t count);

#endif
