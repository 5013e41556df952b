/* call_json: requests and responses of calls, as nameko-tracer's users know them.
 *
 *     TW__CALL_JSON      one line of strict JSON
 *     TW__CALL_PRETTY    the same over several lines, indented by 4, keys in order of the alphabet
 *     TW__CALL_ELASTIC   one line; what has no fixed shape is JSON in a text, so that an index's mapping does not grow
 *                        with it
 *     TW__CALL_PLAIN     the message of the log record alone */
#ifndef TW_WIRE_CALL_JSON_H
#define TW_WIRE_CALL_JSON_H

#include <trackway/read.h>

#include "wire/json.h"

enum tw__call_format { TW__CALL_JSON, TW__CALL_PRETTY, TW__CALL_ELASTIC, TW__CALL_PLAIN };

struct tw__call_look {
    enum tw__call_format format;
    bool legacy; /* names of the documentation's sample output, from before version 1.0.1 */
    bool iso;    /* times as 2017-08-10T18:07:12.106972Z instead of Python's 2017-08-10 18:07:12.106972 */
};

static inline bool tw__is_call(const struct tw_record *record)
{
    return record->kind == TW_RECORD_REQUEST || record->kind == TW_RECORD_RESPONSE;
}

/* Writes the record, with the end of its line. */
void tw__call_print(struct tw__buf *out, const struct tw_record *record, const struct tw_process *process,
                    const struct tw__call_look *look);

/* Its members alone, into an object of other members. */
void tw__call_members(struct tw__json *json, const struct tw_record *record, const struct tw_process *process,
                      const struct tw__call_look *look);

/* INFO, or WARNING for an error. */
const char *tw__call_level(const struct tw_record *record);

/* "service.entrypoint". */
void tw__call_name(struct tw__buf *out, const struct tw_record *record);

#endif
