/* process_json: what a segment says of its process, as JSON. */
#ifndef TW_WIRE_PROCESS_JSON_H
#define TW_WIRE_PROCESS_JSON_H

#include "wire/json.h"

/* Writes the members of a process into the object that is open. */
void tw__json_process(struct tw__json *json, const struct tw_process *process);

uint64_t tw__losses_sum(const struct tw_losses *losses);

/* "exporters": what each has sent, dropped and missed; empty without any. */
void tw__json_exporters(struct tw__json *json, struct tw_reader *reader);

#endif
