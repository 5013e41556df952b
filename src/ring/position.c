/* position: where a repeated reader stands, so that each record is delivered once.
 *
 *     per chunk: the ticket it had and the offset up to which its records were delivered
 *
 * Records are only ever added behind that offset, or the chunk has another ticket. Tickets of one chunk are chunk_count
 * apart, so the difference of two tickets tells how often it was overwritten unseen; a chunk that was still open when
 * it was read and is gone now had more records, most likely, and counts as missed too.
 *
 * Further tags of spans still in progress have been passed by when their span ends; copies of them wait here
 * (PENDING_MAX at most, the oldest go first).
 *
 * With max_bytes a pass over all chunks takes several reads. Each goes on behind the chunk at which the last one
 * stopped, and a chunk is looked at once in a pass, so that a program that is as fast as its reader cannot keep it
 * among the newest ones.
 *
 * The scan works on a copy of the marks, so that a read that fails for lack of memory delivers nothing and forgets
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "ring/scan.h"

enum { PENDING_MAX = 4096 };

struct tw_position *tw_position_new(void)
{
    return calloc(1, sizeof(struct tw_position));
}

static void drop_pending(uint64_t **pending, size_t count)
{
    for (size_t i = 0; i < count; i++) free(pending[i]);
    free(pending);
}

void tw_position_free(struct tw_position *position)
{
    if (!position) return;
    drop_pending(position->pending, position->pending_count);
    free(position->marks);
    free(position);
}

bool tw__position_begin(struct tw__scan *scan)
{
    const struct tw_position *p = scan->query->after;
    if (!p) return true;
    if (p->count > scan->chunks) scan->chunks = p->count; /* chunk_high does not shrink, unless the file lies */
    if (scan->chunks > scan->reader->shape.chunk_max) scan->chunks = scan->reader->shape.chunk_max;
    scan->pass_chunks = scan->chunks;
    /* Goes on with it; chunks that were taken for the first time meanwhile are for the next pass. */
    if (p->pass_chunks) {
        scan->pass_chunks = p->pass_chunks < scan->chunks ? p->pass_chunks : scan->chunks;
        scan->pass_from = p->pass_from;
        scan->pass_done = p->pass_done;
    }
    scan->marks = calloc((size_t)scan->chunks + 1, sizeof *scan->marks);
    if (!scan->marks) return false;
    uint32_t count = p->count < scan->chunks ? p->count : scan->chunks;
    if (count) memcpy(scan->marks, p->marks, count * sizeof *scan->marks);
    for (size_t i = 0; i < p->pending_count; i++) {
        size_t len = p->pending[i][1] & 0xffff;
        uint64_t *copy = tw__slabs_take(scan->slabs, len);
        if (!copy) return false;
        memcpy(copy, p->pending[i] + 1, len);
        struct tw__found found = {.image = {.words = copy, .order = p->pending[i][0]}};
        if (!tw__found_add(scan, &scan->tags, &found)) return false;
    }
    return true;
}

uint32_t tw__position_resume(struct tw__scan *scan, const struct tw__chunk_info *info, uint32_t *log)
{
    *log = 0;
    const struct tw_position *p = scan->query->after;
    uint64_t laps = scan->chunk_count ? scan->chunk_count : 1;
    /* The first pass: what was there when it began, and is overwritten by now. */
    if (p && !p->begun && p->pass_chunks) {
        if (info->ticket > p->pass_ticket && info->ticket > laps)
            scan->missed += (info->ticket - p->pass_ticket + laps - 1) / laps;
        return TW__CHUNK_HEAD_BYTES;
    }
    if (!p || !p->begun) return TW__CHUNK_HEAD_BYTES;
    const struct tw__mark *mark = &scan->marks[info->index];
    if (!mark->seen) {
        if (info->ticket > p->next_ticket) scan->missed += (info->ticket - p->next_ticket) / laps;
        return TW__CHUNK_HEAD_BYTES;
    }
    if (mark->ticket == info->ticket) {
        uint32_t from = mark->end < info->end ? mark->end : info->end;
        /* Else the chunk has shrunk: the file lies. */
        if (mark->log + (uint32_t)TW__EVENT_HEAD_BYTES <= from) *log = mark->log;
        return from;
    }
    if (info->ticket > mark->ticket) scan->missed += (info->ticket - mark->ticket - 1) / laps + !mark->done;
    return TW__CHUNK_HEAD_BYTES;
}

void tw__position_note(struct tw__scan *scan, const struct tw__chunk_info *info, uint32_t end, uint32_t log, bool done)
{
    if (scan->marks) scan->marks[info->index] = (struct tw__mark){info->ticket, end, (uint16_t)log, true, done};
}

bool tw__position_commit(struct tw__scan *scan, const uint8_t *joined)
{
    struct tw_position *p = scan->query->after;
    size_t waiting = 0, skip, count = 0;
    if (!p || !scan->marks) return true;
    for (size_t i = 0; i < scan->tags.count; i++) waiting += !joined[i];
    skip = waiting > PENDING_MAX ? waiting - PENDING_MAX : 0;
    uint64_t **pending = NULL;
    if (waiting) {
        pending = calloc(waiting - skip, sizeof(uint64_t *));
        if (!pending) return false;
    }
    for (size_t i = 0; i < scan->tags.count; i++) {
        const struct tw__image *image = &scan->tags.items[i].image;
        if (joined[i] || (skip && skip--)) continue;
        size_t len = image->words[TW__AT_HEAD] & 0xffff;
        pending[count] = malloc(8 + len);
        if (!pending[count]) {
            drop_pending(pending, count);
            return false;
        }
        pending[count][0] = image->order;
        memcpy(pending[count] + 1, image->words, len);
        count++;
    }
    drop_pending(p->pending, p->pending_count);
    free(p->marks);
    p->pending = pending;
    p->pending_count = count;
    p->marks = scan->marks;
    p->count = scan->chunks;
    scan->marks = NULL;
    if (!p->pass_chunks) p->pass_ticket = scan->next_ticket;
    p->pass_from = scan->pass_from;
    p->pass_done = scan->pass_done;
    p->pass_chunks = scan->pass_done < scan->pass_chunks ? scan->pass_chunks : 0;
    if (p->pass_chunks) return true;
    p->next_ticket = p->pass_ticket;
    p->begun = true;
    return true;
}
