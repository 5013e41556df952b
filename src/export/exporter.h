/* exporter: what each of them is to export.c. */
#ifndef TW_EXPORT_EXPORTER_H
#define TW_EXPORT_EXPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/export.h>

#include "trace/env.h"

/* One exporter: a vtable and its state behind it. All calls come from the exporters' thread, but open and close. */
struct tw__exporter {
    struct tw_export_stats stats; /* written by the thread; whole words, read by any */
    const struct tw__exporter_class *class;
    void *state;
};

struct tw__exporter_class {
    const char *names[4]; /* the first is the one that is shown */
    /* 0, or an error and stats.problem; then nothing is left to close. */
    int (*open)(struct tw__exporter *self, const struct tw__settings *settings);
    /* Records in time order, borrowed for the call. Never blocks. */
    void (*records)(struct tw__exporter *self, const struct tw_records *records, const struct tw_process *process, uint64_t now_ns);
    /* Passes on what it holds back; may wait until deadline_ns (CLOCK_MONOTONIC). True when nothing is left. */
    bool (*flush)(struct tw__exporter *self, uint64_t deadline_ns);
    void (*reopen)(struct tw__exporter *self);
    void (*close)(struct tw__exporter *self);
};

extern const struct tw__exporter_class tw__exporter_file, tw__exporter_network_lossy;

/* Sets stats.problem and counts an error. */
void tw__exporter_problem(struct tw__exporter *self, const char *what, int error_number);

#endif
