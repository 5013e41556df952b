/* trace_list: which live traces there are, and ending one. For cmd_trace.c. */
#ifndef TW_CLI_TRACE_LIST_H
#define TW_CLI_TRACE_LIST_H

#include "cli/cli.h"

int tw__trace_list(const struct tw__args *args);
int tw__trace_stop(const struct tw__args *args, const char *ref);

#endif
