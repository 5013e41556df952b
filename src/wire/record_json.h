/* record_json: a record as JSON, the same wherever it appears. docs/commands.md lists the members. */
#ifndef TW_WIRE_RECORD_JSON_H
#define TW_WIRE_RECORD_JSON_H

#include "wire/json.h"

/* Writes the members of a record into the object that is open: kind, ids, times, site, thread, process, status,
 * parents, tags. end_ns: of a span in progress, until when it is known to have run. */
void tw__json_record(struct tw__json *json, const struct tw_record *record, const struct tw_process *process,
                     uint64_t end_ns);

/* Names of the enumerations, as in the output; "unknown" for a number outside. */
const char *tw__record_kind_name(enum tw_record_kind kind);
const char *tw__status_name(enum tw_status status);
const char *tw__span_kind_name(enum tw_span_kind kind);
const char *tw__process_state_name(enum tw_process_state state);

#endif
