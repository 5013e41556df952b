/* where: the option --where, and records against it. */
#ifndef TW_CLI_WHERE_H
#define TW_CLI_WHERE_H

#include "cli/cli.h"
#include "filter/filter.h"
#include "model/batch.h"

/* Compiles a filter into args->where; of several options each must match. Returns false with the message printed. */
bool tw__where_compile(struct tw__args *args, const char *command, const char *text);

/* Whether a record passes, for commands that look at records one by one: trace.* is absent. end_ns: see
 * tw__span_view_record. */
bool tw__where_record(const struct tw__args *args, const struct tw_record *record, const struct tw_process *process,
                      uint64_t end_ns);

/* Whether one of the trace's spans passes. */
bool tw__where_trace(const struct tw__args *args, const struct tw_batch_trace *trace);

#endif
