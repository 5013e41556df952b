/* scan: one pass over slots and chunks, gathering copies of what a query asks for. position: where a repeated reader
 * stands. */
#ifndef TW_RING_SCAN_H
#define TW_RING_SCAN_H

#include "ring/decode.h"

struct tw__found {
    uint64_t time_ns;
    uint64_t written; /* tick at which it was written, as far as its own times tell; see scan.c */
    struct tw__image image;
};
struct tw__found_list {
    struct tw__found *items;
    size_t count, cap;
};

/* When a record was written, to rank it. */
struct tw__rank {
    uint64_t written, order;
};

/* What has been delivered of one chunk. */
struct tw__mark {
    uint64_t ticket;
    uint32_t end;
    uint16_t log;    /* where the last record LOG before end begins; 0: there is none */
    bool seen, done; /* done: closed when it was read */
};
struct tw_position {
    struct tw__mark *marks;
    uint32_t count;
    bool begun;
    uint64_t next_ticket; /* when the last whole pass began */
    /* A pass in several reads, oldest chunk first; 0 chunks: none is under way. */
    uint32_t pass_chunks, pass_from, pass_done;
    uint64_t pass_ticket; /* next_ticket when it began */
    uint64_t **pending;   /* records TAGS whose span has not ended yet; each with its order in front */
    size_t pending_count;
};

struct tw__scan {
    struct tw_reader *reader;
    const struct tw_query *query;
    const struct tw__timebase *time;
    struct tw__slabs *slabs;
    uint64_t trace[2];
    uint64_t cleared, bound, since_tick;
    uint32_t chunks, chunk_count;
    uint32_t pass_chunks, pass_from, pass_done; /* which chunks: pass_from + pass_done and on, round and round */
    uint64_t taken;                             /* bytes of records */
    uint64_t next_ticket;
    struct tw__found_list found, opens, tags; /* opens: by span id; written is not 0 when it turned out to have ended */
    struct tw__rank *ranks;
    size_t rank_count, rank_cap;
    struct tw__mark *marks; /* becomes the position's when the read has succeeded */
    bool tags_only, skipped;
    uint64_t missed, damaged;
    bool no_memory;
};

/* Fills everything after scan->slabs. False on lack of memory. Undone by tw__scan_fini in both cases. */
bool tw__scan_run(struct tw__scan *scan);
void tw__scan_fini(struct tw__scan *scan);

/* Where to begin in a chunk, and the record LOG before that which a BRIEF refers to, or 0; counts what was overwritten
 * since the position. */
uint32_t tw__position_resume(struct tw__scan *scan, const struct tw__chunk_info *info, uint32_t *log);
/* Notes what was read of a chunk: up to end, and where its last record LOG is. */
void tw__position_note(struct tw__scan *scan, const struct tw__chunk_info *info, uint32_t end, uint32_t log, bool done);
bool tw__position_begin(struct tw__scan *scan);
/* Moves the position to where the scan ended, keeping the tags not joined yet. False on lack of memory; then nothing
 * moved. */
bool tw__position_commit(struct tw__scan *scan, const uint8_t *joined);

bool tw__found_add(struct tw__scan *scan, struct tw__found_list *list, const struct tw__found *found);

#endif
