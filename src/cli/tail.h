/* tail: following the records of all processes as they come, for commands that print them. */
#ifndef TW_CLI_TAIL_H
#define TW_CLI_TAIL_H

#include "cli/cli.h"

/* What of the records is shown, and how. */
struct tw__tail_view {
    bool (*passes)(const struct tw__args *args, const struct tw_record *record, const struct tw_process *process);
    void (*print)(const struct tw__args *args, struct tw__buf *out, const struct tw_record *record,
                  const struct tw_process *process);
};

/* Until Ctrl-C, or --for is over. Returns an exit code. */
int tw__tail_follow(const struct tw__args *args, const struct tw__tail_view *view);
/* The same of a collector. */
int tw__tail_remote(const struct tw__args *args, const struct tw__tail_view *view);

#endif
