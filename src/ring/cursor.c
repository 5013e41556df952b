/* cursor: whole copies of chunks and slots, out of memory that is being written.
 *
 *     chunk:  word (acquire)  head, end  copy  word again: same ticket and not being taken -> the copy is whole
 *     slot:   id, emptied (acquire)       copy  both again: the same                       -> the copy is whole
 *             a slot that is full is emptied and filled again under the same id: emptied tells, and is odd meanwhile
 *
 * The writer never waits for a reader: a chunk that is taken during the copy is lost to it (counted by the caller).
 * Records behind the writer's cursor are not looked at, so an unfinished one is never seen.
 *
 * Every chunk is copied before it is looked at, also when one trace is searched: a copy into 8 KiB that stay in the
 * nearest cache and a walk there took 4.5 ms for 64 MB, a walk in place 6.5 ms (the loads of a walk depend on each
 * other, those of a copy do not), and no length is ever read twice. Pairs with src/ring/arena.c.
 */
#include <stddef.h>
#include <string.h>

#include "base/atomics.h"
#include "ring/view.h"

enum { SLOT_TRIES = 8 };

/* Where the records of an open chunk end: at the cursor of its owner. False when the cursor is not in this chunk. */
static bool end_of_open(const struct tw_reader *reader, uint32_t index, uint64_t *end)
{
    uint32_t owner = tw__load_relaxed(&tw__view_chunk(reader, index)->block);
    if (owner >= tw__view_blocks(reader)) return false;
    /* The pointer is the writer's, a number to us. */
    const void *at = &tw__view_block(reader, owner)->cursor;
    uint64_t cursor = tw__load_acquire((const uint64_t *)at); /* pairs with the writer's end of a record */
    uint64_t chunk = reader->shape.map_addr + reader->shape.arena_off + (uint64_t)index * TW__CHUNK_BYTES;
    *end = cursor - chunk;
    return *end >= TW__CHUNK_HEAD_BYTES && *end <= TW__CHUNK_BYTES;
}

bool tw__chunk_peek(const struct tw_reader *reader, uint32_t index, struct tw__chunk_info *info)
{
    const struct tw__chunk *chunk = tw__view_chunk(reader, index);
    uint64_t word = tw__load_acquire(&chunk->word), end = 0; /* pairs with arena.c: take and close */
    bool damaged = false;

    for (int tries = 0;; tries++) {
        unsigned state = word & 3;
        if (state == TW__CHUNK_FREE || state == TW__CHUNK_TAKEN) return false;
        if (state == TW__CHUNK_CLOSED) {
            end = tw__load_relaxed(&chunk->commit);
            damaged = end < TW__CHUNK_HEAD_BYTES || end > TW__CHUNK_BYTES || end % 8 != 0;
            break;
        }
        if (end_of_open(reader, index, &end)) {
            damaged = end % 8 != 0;
            break;
        }
        uint64_t again = tw__load_acquire(&chunk->word);
        if (again == word || tries == 3) { /* its owner is between two chunks, or died there */
            end = TW__CHUNK_HEAD_BYTES;
            break;
        }
        word = again;
    }
    *info = (struct tw__chunk_info){.index = index,
                                    .ticket = word >> 16,
                                    .end = damaged ? TW__CHUNK_HEAD_BYTES : (uint32_t)end,
                                    .closed = (word & 3) == TW__CHUNK_CLOSED,
                                    .damaged = damaged,
                                    .first_tick = tw__load_relaxed(&chunk->first_tick),
                                    .last_tick = tw__load_relaxed(&chunk->last_tick),
                                    .tid = tw__load_relaxed(&chunk->tid)};
    return true;
}

bool tw__chunk_copy(const struct tw_reader *reader, const struct tw__chunk_info *info, uint32_t from, uint64_t *bytes)
{
    const struct tw__chunk *chunk = tw__view_chunk(reader, info->index);
    if (from < info->end) tw__words_copy_from(bytes + from / 8, (const uint8_t *)chunk + from, info->end - from);
    uint64_t word = tw__load_acquire(&chunk->word); /* pairs with arena.c: take, which sets it before it writes */
    return word >> 16 == info->ticket && (word & 3) != TW__CHUNK_TAKEN;
}

/* First to last: whoever has a tag's head gets the payload that was there before it. (A memcpy may begin at the
 * end.) */
static void copy_tags(uint8_t *to, const struct tw__slot *from)
{
    for (size_t i = 0; i < TW__SLOT_TAG_BYTES; i += 8) {
        /* Pairs with tw__tag_put_head. */
        uint64_t word = tw__load_acquire((const uint64_t *)(const void *)(from->tags + i));
        memcpy(to + i, &word, sizeof word);
    }
}

bool tw__slot_copy(const struct tw_reader *reader, uint32_t block, unsigned slot, struct tw__slot *out)
{
    const struct tw__slot *from = tw__view_slot(reader, block, slot);
    uint64_t id = tw__load_acquire(&from->id); /* pairs with the begin of a span */
    bool same = false;
    if (id % 2 == 0 || tw__record_type(tw__load_relaxed(&from->head)) != TW__TYPE_SPAN) return false;
    memset(out, 0, sizeof *out);
    for (int tries = 0; tries < SLOT_TRIES && !same; tries++) {
        uint32_t emptied = tw__load_acquire(&from->emptied); /* pairs with tag.c: flush_slot */
        tw__words_copy_from(out, from, offsetof(struct tw__slot, link)); /* what follows is the writer's own */
        out->tags_len = tw__load_acquire(&from->tags_len);
        copy_tags(out->tags, from);
        out->emptied = emptied;
        same = emptied % 2 == 0 && tw__load_acquire(&from->emptied) == emptied;
        if (tw__load_acquire(&from->id) != id) return false;
        if (emptied % 2) break; /* all of them are in a record */
    }
    if (!same) out->tags_len = 0; /* or emptied faster than it can be read: better none than torn ones */
    out->id = id;
    return tw__record_type(out->head) == TW__TYPE_SPAN;
}
