/* reader: what the in-process recorder needs of the reader beyond <trackway/read.h>. */
#ifndef TW_RING_READER_H
#define TW_RING_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <trackway/read.h>

/* A reader over memory that is mapped already: this process's own segment. The memory must outlive the reader. Same
 * errors as tw_reader_open; tw_reader_close frees the reader and leaves the mapping alone. */
int tw__reader_over(const void *map, size_t len, const char *path, struct tw_reader **out, char *why);

/* As tw_reader_read, but each record is first offered to keep, with its unique place: the ticket of its chunk and its
 * offset in it (open spans: ticket UINT64_MAX). What keep refuses is left out. Used by dump, to take each record
 * once. */
typedef bool tw__reader_keep_fn(void *data, uint64_t ticket, uint32_t offset);
int tw__reader_read_some(struct tw_reader *reader, const struct tw_query *query, tw__reader_keep_fn *keep, void *data,
                         struct tw_records **out);

#endif
