/* record_json_dec: records as JSON lines, read: what dump and the exporter file write (wire/record_json.h).
 *
 *     struct tw__record_line line;
 *     int code = tw__record_json_dec(&pool, text, len, &line);
 *     if (code == 0 && line.is_process) ...                         a line of dump that tells of a process alone
 *
 * The record is what a reader of the segment would have had, with these differences: a log is an event of the kind
 * TW_RECORD_LOG whose tags level and message say what its format and arguments made (wire/log_event.h); the members of
 * a call are its tags; of flags only sampled is known; a text of JSON is a text.
 */
#ifndef TW_WIRE_RECORD_JSON_DEC_H
#define TW_WIRE_RECORD_JSON_DEC_H

#include <trackway/read.h>

#include "base/pool.h"

enum { TW__RECORD_TAGS_MAX = 1024, TW__RECORD_PARENTS_MAX = 1024 };

struct tw__record_line {
    bool is_process;
    struct tw_record record;   /* zeroed with is_process */
    struct tw_process process; /* pid, service, host and state; with is_process also command */
    const char *why;           /* of an error */
    size_t error_at;
};

/* Reads one line. Everything points into bytes or into the pool.
 * Returns  0; TW_ERR_SYNTAX (no JSON, or no record: its kind, its time or its ids are missing), TW_ERR_SPACE (a depth
 *          or a text beyond the limit), TW_ERR_MEMORY; then only why and error_at are set. */
int tw__record_json_dec(struct tw__pool *pool, const void *bytes, size_t len, struct tw__record_line *out);

#endif
