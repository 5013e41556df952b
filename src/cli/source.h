/* source: the segments that a command looks at. */
#ifndef TW_CLI_SOURCE_H
#define TW_CLI_SOURCE_H

#include "cli/cli.h"
#include "model/batch.h"

struct tw__source {
    char *path;
    struct tw_reader *reader;
    struct tw_process process;
    struct tw_records *records; /* NULL until read */
};

struct tw__remote;

struct tw__sources {
    struct tw__source *items;
    size_t count, cap;
    size_t failed; /* files that could not be read, each complained about */
    struct tw__remote *remote; /* a collector is asked instead (cli/remote.h): readers and paths are NULL */
    const char *dir;           /* --dir; NULL: as tw_segments_each has it */
    bool asked;                /* --file, --pid or --service was given: finding nothing is a failure */
};

/* Opens what the arguments ask for, and complains about each file that cannot be read.
 * Returns  0 (also with nothing found), or an exit code when the whole cannot go on. */
int tw__sources_open(struct tw__sources *sources, const struct tw__args *args);
void tw__sources_close(struct tw__sources *sources);

/* Reads the records of all of them; complains about damage. Returns 0 or an exit code. */
int tw__sources_read(struct tw__sources *sources, const struct tw_query *query);
void tw__sources_drop(struct tw__sources *sources);

/* Assembles what was read. Returns 0 and *batch (tw__batch_free), or an exit code. */
int tw__sources_assemble(struct tw__sources *sources, struct tw_batch **batch);
/* Reads and assembles, keeping no records beside the batch; complains about damage. A query without limit. Returns 0
 * and *batch (tw__batch_free), or an exit code. */
int tw__sources_batch(struct tw__sources *sources, const struct tw_query *query, struct tw_batch **batch);

/* What a command that found something, or nothing, exits with; complains when a process was asked for and not found. */
int tw__sources_exit(const struct tw__sources *sources);

/* Whether a process is among those asked for. */
bool tw__source_wanted(const struct tw__args *args, const struct tw_process *process);

/* Whether text matches a shell pattern. */
bool tw__glob(const char *pattern, struct tw_text text);

/* Whether name, duration and status pass --name, --min-duration and --status. */
bool tw__filter_passes(const struct tw__args *args, struct tw_text name, uint64_t duration_ns, enum tw_status status);

int tw__out_of_memory(void);
/* What became of one that was opened, on stderr. Returns the exit code. */
int tw__source_failed(const struct tw__source *source, int error);

#endif
