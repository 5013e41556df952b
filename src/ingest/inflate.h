/* inflate: what senders have compressed, with a limit on what comes out. */
#ifndef TW_INGEST_INFLATE_H
#define TW_INGEST_INFLATE_H

#include <stddef.h>

#include <trackway/read.h>

enum tw__packing { TW__PACKING_NONE, TW__PACKING_GZIP, TW__PACKING_DEFLATE /* zlib, as HTTP means it */ };

struct libdeflate_decompressor;

/* Zeroed is ready. Keeps its memory for the next time. Threads  one at a time for each. */
struct tw__inflate {
    struct libdeflate_decompressor *machine;
    char *out;
    size_t cap;
};

/* Undoes a whole message; gzip may have several members.
 * Returns  0 and *out, which lives until the next call; TW_ERR_SYNTAX: damaged or cut off; TW_ERR_SPACE: more than
 *          max_bytes would come out; TW_ERR_MEMORY.
 * Cost     memory of twice what comes out; nothing by what the sender says of its size. */
int tw__inflate(struct tw__inflate *inflate, enum tw__packing packing, struct tw_text in, size_t max_bytes,
                struct tw_text *out);
/* Gives back what a large message has left; fini gives back all. */
void tw__inflate_trim(struct tw__inflate *inflate, size_t keep_bytes);
void tw__inflate_fini(struct tw__inflate *inflate);

#endif
