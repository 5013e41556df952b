/* kept: records, packed, for as long as a batch of them is looked at: 128 bytes, and 24 for each tag beside its text,
 * where the record and its tags are 250 and 56, and texts that many have (names, keys, threads) once.
 *
 *     struct tw__keeper keeper = {0};
 *     const struct tw__kept *kept = tw__keeper_add(&keeper, &record);     the record may go
 *     struct tw__kept_view view = {0};
 *     const struct tw_record *again = tw__kept_open(kept, &view);         whole, until the view is used for another
 *     tw__kept_view_fini(&view);
 *     tw__keeper_fini(&keeper);                                           all that were added are gone
 *
 * Threads  one at a time for each keeper. */
#ifndef TW_MODEL_KEPT_H
#define TW_MODEL_KEPT_H

#include <trackway/read.h>

#include "base/pool.h"

/* The members have the names, and the meaning, that they have in a record. Texts are shared: equal ones are the same
 * pointer. Behind it lie the tags, then the arguments, then the further parents. */
struct tw__kept {
    uint64_t time_ns, end_ns, order;
    uint8_t trace_id[16], span_id[8], parent_id[8];
    const struct tw_text *name, *module, *function, *thread, *status_message; /* never NULL */
    uint32_t line, pid, tid;
    uint32_t tag_count, arg_count, parent_count;
    uint8_t kind, status, span_kind, flags, marks, level;
};

/* Zeroed is empty and ready. */
struct tw__keeper {
    struct tw__pool pool;
    const struct tw_text **texts; /* a hash table */
    size_t text_count, text_cap;
    uint64_t seed;
};

/* NULL on lack of memory; what was added before stays.
 * Cost     about 150 ns, and 20 ns a tag. */
const struct tw__kept *tw__keeper_add(struct tw__keeper *keeper, const struct tw_record *record);
void tw__keeper_fini(struct tw__keeper *keeper);

/* Room for one record. Zeroed is ready. */
struct tw__kept_view {
    struct tw_record record;
    struct tw_tag_value *tags;
    size_t tag_cap;
};

/* The record as it was. Its texts are the keeper's, its arrays the view's.
 * Returns  NULL on lack of memory. */
const struct tw_record *tw__kept_open(const struct tw__kept *kept, struct tw__kept_view *view);
void tw__kept_view_fini(struct tw__kept_view *view);

const struct tw_context *tw__kept_parents(const struct tw__kept *kept);

/* A span, finished or open. */
static inline bool tw__kept_is_span(const struct tw__kept *kept)
{
    return kept->kind == TW_RECORD_SPAN || kept->kind == TW_RECORD_OPEN;
}

#endif
