/* batch: see the header.
 *
 * Events of a span are those of this batch and those on the shelf. Both go into one array of pointers, which is sorted
 * once; each span then finds its own as a row in it. What no span claimed goes on the shelf. Logs become events with
 * their text here, once for all exporters, and before they wait.
 */
#include "export/batch.h"

#include <stdlib.h>
#include <string.h>

#include "wire/log_event.h"

static int make_room(struct tw__batcher *batcher, size_t spans, size_t events)
{
    if (spans > batcher->span_room) {
        struct tw__span_in *more = realloc(batcher->spans, spans * sizeof *more);
        if (!more) return TW_ERR_MEMORY;
        batcher->spans = more;
        batcher->span_room = spans;
    }
    if (events > batcher->event_room) {
        const struct tw_record **more = realloc(batcher->events, events * sizeof *more);
        if (!more) return TW_ERR_MEMORY;
        batcher->events = more;
        bool *claimed = realloc(batcher->claimed, events * sizeof *claimed);
        if (!claimed) return TW_ERR_MEMORY;
        batcher->claimed = claimed;
        batcher->event_room = events;
    }
    return 0;
}

static bool is_event_of_a_span(const struct tw_record *record)
{
    static const uint8_t none[8];
    return record->kind != TW_RECORD_SPAN && memcmp(record->span_id, none, sizeof none) != 0;
}

/* Events of this batch and, for its spans, those on the shelf. */
static int gather_events(struct tw__batcher *batcher, const struct tw_records *records, size_t span_count)
{
    size_t count = 0;
    if (make_room(batcher, 0, records->count - span_count + batcher->shelf.count) < 0) return TW_ERR_MEMORY;
    for (size_t i = 0; i < records->count; i++) {
        if (!is_event_of_a_span(&records->items[i])) continue;
        batcher->events[count] = tw__log_event(&records->items[i], &batcher->texts);
        if (!batcher->events[count++]) return TW_ERR_MEMORY;
    }
    for (size_t i = 0; batcher->shelf.count && i < span_count; i++) {
        const struct tw_record *kept;
        while ((kept = tw__shelf_take(&batcher->shelf, batcher->spans[i].record))) batcher->events[count++] = kept;
    }
    if (count) memset(batcher->claimed, 0, count * sizeof *batcher->claimed);
    tw__events_sort(batcher->events, count);
    batcher->event_count = count;
    return 0;
}

int tw__batcher_make(struct tw__batcher *batcher, const struct tw_records *records, bool with_events,
                     struct tw__export_batch *batch)
{
    size_t count = 0;
    batcher->event_count = 0;
    batch->records = records;
    batch->span_count = 0;
    for (size_t i = 0; i < records->count; i++) count += records->items[i].kind == TW_RECORD_SPAN;
    if (make_room(batcher, count, 0) < 0) return TW_ERR_MEMORY;
    count = 0;
    for (size_t i = 0; i < records->count; i++)
        if (records->items[i].kind == TW_RECORD_SPAN)
            batcher->spans[count++] = (struct tw__span_in){.record = &records->items[i]};
    if (with_events && gather_events(batcher, records, count) < 0) return TW_ERR_MEMORY;
    for (size_t i = 0; batcher->event_count && i < count; i++) {
        struct tw__span_in *span = &batcher->spans[i];
        span->events = tw__events_of(batcher->events, batcher->event_count, span->record, &span->event_count);
        if (span->event_count)
            memset(batcher->claimed + (span->events - batcher->events), 1,
                   span->event_count * sizeof *batcher->claimed);
    }
    batch->spans = batcher->spans;
    batch->span_count = count;
    return 0;
}

void tw__batcher_done(struct tw__batcher *batcher)
{
    for (size_t i = 0; i < batcher->event_count; i++)
        if (!batcher->claimed[i]) tw__shelf_put(&batcher->shelf, batcher->events[i]);
    batcher->event_count = 0;
    tw__pool_reset(&batcher->texts);
    tw__shelf_sweep(&batcher->shelf);
}

void tw__batcher_fini(struct tw__batcher *batcher)
{
    tw__shelf_fini(&batcher->shelf);
    tw__pool_fini(&batcher->texts);
    free(batcher->spans);
    free(batcher->events);
    free(batcher->claimed);
    *batcher = (struct tw__batcher){.spans = NULL};
}
