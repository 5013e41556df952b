/* shelf: events that were read before their span had ended, kept until it does. */
#ifndef TW_EXPORT_SHELF_H
#define TW_EXPORT_SHELF_H

#include <trackway/read.h>

enum { TW__SHELF_BUCKETS = 1024, TW__SHELF_BYTES = 4 << 20 };

struct tw__kept;

struct tw__shelf {
    struct tw__kept *buckets[TW__SHELF_BUCKETS];
    struct tw__kept *oldest, *newest;
    struct tw__kept *taken; /* until sweep */
    size_t count, bytes;
    uint64_t lost; /* made room for others, or found no memory; their span may never have been one of ours */
};

/* Keeps a copy of the record. */
void tw__shelf_put(struct tw__shelf *shelf, const struct tw_record *record);

/* Takes a record of this span off, in no order; NULL when there is none. Valid until tw__shelf_sweep. */
const struct tw_record *tw__shelf_take(struct tw__shelf *shelf, const struct tw_record *span);

/* Frees what was taken. */
void tw__shelf_sweep(struct tw__shelf *shelf);
void tw__shelf_fini(struct tw__shelf *shelf);

/* A copy of a record in one piece, with before bytes in front that are the caller's (a multiple of 16); free what lies
 * there.
 * Returns  the record, NULL on lack of memory; *size gets the bytes of all. */
struct tw_record *tw__record_copy(const struct tw_record *record, size_t before, size_t *size);

#endif
