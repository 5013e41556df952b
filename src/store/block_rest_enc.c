/* block_rest_enc: events, links, resources and scopes of a block, without their tags.
 *
 * Events and links stand in the order of their spans, counted for each span.
 */
#include <string.h>

#include "store/block_bytes.h"
#include "store/block_enc.h"

static const struct tw__row *row_at(const struct tw__block_enc *enc, size_t index)
{
    return &enc->rows[index];
}

/* Counts of each row, and their sum. */
static uint64_t *put_counts(struct tw__block_enc *enc, bool links, size_t *total)
{
    uint64_t *counts = tw__pool_take(&enc->pool, enc->count * sizeof *counts, 8);
    *total = 0;
    if (!counts) return NULL;
    for (size_t i = 0; i < enc->count; i++) {
        counts[i] = links ? row_at(enc, i)->link_count : row_at(enc, i)->event_count;
        *total += counts[i];
    }
    tw__put_numbers(&enc->columns, counts, enc->count);
    return counts;
}

int tw__put_events(struct tw__block_enc *enc)
{
    size_t total, n = 0;
    tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_EVENTS, 0));
    if (!put_counts(enc, false, &total)) return TW_ERR_MEMORY;
    uint64_t *numbers = tw__pool_take(&enc->pool, (total + 1) * 4 * sizeof *numbers, 8);
    if (!numbers) return TW_ERR_MEMORY;
    uint64_t *times = numbers, *names = times + total, *kinds = names + total, *dropped = kinds + total;
    for (size_t i = 0; i < enc->count; i++) {
        const struct tw__row *row = row_at(enc, i);
        for (size_t e = 0; e < row->event_count; e++, n++) {
            const struct tw__event_row *event = &enc->recent->events[row->first_event + e];
            int64_t after = (int64_t)(event->time_ns - row->start_ns);
            times[n] = (uint64_t)after << 1 ^ (uint64_t)(after >> 63);
            names[n] = event->name;
            kinds[n] = event->kind;
            dropped[n] = event->dropped_tags;
        }
    }
    if (total) {
        tw__put_numbers(&enc->columns, times, total);
        tw__put_text_column(enc, names, total);
        tw__put_numbers(&enc->columns, kinds, total);
        tw__put_numbers(&enc->columns, dropped, total);
    }
    tw__column_end(&enc->columns);
    return 0;
}

int tw__put_links(struct tw__block_enc *enc)
{
    size_t total, n = 0;
    tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_LINKS, 0));
    if (!put_counts(enc, true, &total)) return TW_ERR_MEMORY;
    uint64_t *numbers = tw__pool_take(&enc->pool, (total + 1) * 3 * sizeof *numbers, 8);
    if (!numbers) return TW_ERR_MEMORY;
    uint64_t *flags = numbers, *states = flags + total, *dropped = states + total;
    for (size_t i = 0; i < enc->count; i++) {
        const struct tw__row *row = row_at(enc, i);
        for (size_t e = 0; e < row->link_count; e++, n++) {
            const struct tw__link_row *link = &enc->recent->links[row->first_link + e];
            tw__put_bytes(&enc->columns, link->trace_id, sizeof link->trace_id);
            tw__put_bytes(&enc->columns, link->span_id, sizeof link->span_id);
            flags[n] = link->flags;
            states[n] = link->trace_state;
            dropped[n] = link->dropped_tags;
        }
    }
    if (total) {
        tw__put_numbers(&enc->columns, flags, total);
        tw__put_text_column(enc, states, total);
        tw__put_numbers(&enc->columns, dropped, total);
    }
    tw__column_end(&enc->columns);
    return 0;
}

static int put_origin_column(struct tw__block_enc *enc, const struct tw__ids *ids, const struct tw__origin *items,
                             bool scopes)
{
    uint64_t *numbers = tw__pool_take(&enc->pool, (ids->count + 1) * sizeof *numbers, 8);
    if (!numbers) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < ids->count; i++) numbers[i] = items[ids->items[i]].schema_url;
    tw__put_text_column(enc, numbers, ids->count);
    for (uint32_t i = 0; i < ids->count; i++) numbers[i] = items[ids->items[i]].dropped_tags;
    tw__put_numbers(&enc->columns, numbers, ids->count);
    if (!scopes) return 0;
    for (uint32_t i = 0; i < ids->count; i++) numbers[i] = items[ids->items[i]].name;
    tw__put_text_column(enc, numbers, ids->count);
    for (uint32_t i = 0; i < ids->count; i++) numbers[i] = items[ids->items[i]].version;
    tw__put_text_column(enc, numbers, ids->count);
    return 0;
}

int tw__put_origins(struct tw__block_enc *enc)
{
    tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_RESOURCES, 0));
    if (put_origin_column(enc, &enc->resources, enc->recent->resources, false) < 0) return TW_ERR_MEMORY;
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_SCOPES, 0));
    if (put_origin_column(enc, &enc->scopes, enc->recent->scopes, true) < 0) return TW_ERR_MEMORY;
    tw__column_end(&enc->columns);
    return 0;
}
