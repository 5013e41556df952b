/* torn: records that can be checked by themselves.
 *
 * Everything in such a record follows from its span id, by a hash: how many tags, of which kinds and lengths, and every
 * byte of them. A record that is torn, or made of two, or that nobody wrote, does not agree with its id. The first tag
 * is a number that the writer chose.
 *
 * A slot that overflows is emptied into records of its own, which are overwritten on their own. So of a span with much
 * to tag some may be gone when it is read; what is there must be right and in order. */
#ifndef TW_SOAK_TORN_H
#define TW_SOAK_TORN_H

#include <stdbool.h>
#include <stdint.h>

#include <trackway/read.h>
#include <trackway/trackway.h>

/* Begins a span and tags it. */
tw_span torn_begin(uint64_t number);
/* Begins, tags, ends; every so many with an event, or with a lap. */
void torn_write(uint64_t number);

struct torn_seen {
    uint64_t number; /* 0: it has none (a root, a lap, a span that was just begun, or in part) */
    bool in_part;    /* tags of a span that overflowed are gone */
};
/* Whether a record is what its id says. NULL, or what is wrong. */
const char *torn_check(const struct tw_record *record, struct torn_seen *seen);

/* Whether every tag that torn_begin sets is there. */
bool torn_has_all(const struct tw_record *record);

#endif
