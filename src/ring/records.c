/* records: the answer to a query.
 *
 *     scan -> keep? -> sort by time, then order -> the newest `limit` -> decode, joining further tags to their spans
 *
 * Only what is delivered is decoded. Everything that the records point to lies in slabs that tw_records owns, so they outlive
 * the reader. A slot that is full is emptied into a record TAGS and filled again, so those come first, in the order of writing,
 * and what the span's own record holds comes last. Tags whose span is not delivered are not delivered either.
 */
#include <stdlib.h>
#include <string.h>

#include "ring/reader.h"
#include "ring/scan.h"

struct answer {
    struct tw_records shown; /* first: tw_records_free gets its address */
    struct tw__slabs slabs;
    struct tw_record *items;
};

static int by_time(const void *a, const void *b)
{
    const struct tw__found *x = a, *y = b;
    if (x->time_ns != y->time_ns) return x->time_ns < y->time_ns ? -1 : 1;
    return (x->image.order > y->image.order) - (x->image.order < y->image.order);
}

static int compare_spans(const uint64_t *a, const uint64_t *b)
{
    static const unsigned words[] = {TW__AT_ID, TW__AT_TRACE, TW__AT_TRACE + 1};
    for (unsigned i = 0; i < 3; i++)
        if (a[words[i]] != b[words[i]]) return a[words[i]] < b[words[i]] ? -1 : 1;
    return 0;
}

/* By time, not by place: a span may be tagged on several threads, whose chunks are not of the same age. */
static int by_span(const void *a, const void *b)
{
    const struct tw__found *x = a, *y = b;
    uint64_t time_x = x->image.words[TW__AT_TIME], time_y = y->image.words[TW__AT_TIME];
    int c = compare_spans(x->image.words, y->image.words);
    if (c == 0) c = (time_x > time_y) - (time_x < time_y);
    return c ? c : (x->image.order > y->image.order) - (x->image.order < y->image.order);
}

static void apply_keep(struct tw__scan *scan, tw__reader_keep_fn *keep, void *data)
{
    struct tw__found_list *list = &scan->found;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t order = list->items[i].image.order;
        if (!keep || keep(data, order >> 13, order & 0x1fff)) list->items[kept++] = list->items[i];
    }
    list->count = kept;
    for (size_t i = 0; i < scan->opens.count; i++) {
        const struct tw__found *open = &scan->opens.items[i];
        if (open->written != 0) continue; /* it has ended, its record is there */
        if (keep && !keep(data, UINT64_MAX, (uint32_t)(UINT64_MAX - open->image.order))) continue;
        if (!tw__found_add(scan, list, open)) return;
    }
}

/* The records TAGS of a span: *first and how many. tags is sorted by span. */
static size_t tags_of_span(const struct tw__found_list *tags, const uint64_t *words, size_t *first)
{
    size_t low = 0, high = tags->count, n = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_spans(tags->items[middle].image.words, words) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + n < tags->count && compare_spans(tags->items[low + n].image.words, words) == 0) n++;
    *first = low;
    return n;
}

/* Tags of one record after another may lie in two copies (waiting in the position and found again): one of them is left. */
static void sort_tags(struct tw__found_list *tags)
{
    size_t kept = 0;
    if (tags->count < 2) return;
    qsort(tags->items, tags->count, sizeof *tags->items, by_span);
    for (size_t i = 1; i < tags->count; i++)
        if (by_span(&tags->items[kept], &tags->items[i]) != 0) tags->items[++kept] = tags->items[i];
    tags->count = kept + 1;
}

static bool decode_all(struct tw__decoder *decoder, const struct tw__scan *scan, const struct tw__found *from, size_t count,
                       const struct tw__image *tags, uint8_t *joined, struct tw_record *items)
{
    for (size_t i = 0; i < count; i++) {
        const struct tw__image *image = &from[i].image;
        size_t first = 0, more = 0;
        if (scan->tags.count && tw__record_type(image->words[TW__AT_HEAD]) == TW__TYPE_SPAN)
            more = tags_of_span(&scan->tags, image->words, &first);
        if (!image->open && more) memset(joined + first, 1, more);
        if (!tw__decode(decoder, image, more ? tags + first : NULL, more, &items[i])) return false;
    }
    return true;
}

static bool build(struct tw__scan *scan, struct answer *answer)
{
    const struct tw_query *query = scan->query;
    struct tw__decoder decoder = {.time = scan->time, .slabs = &answer->slabs, .pid = scan->reader->head.pid};
    struct tw__found_list *found = &scan->found;
    size_t skip = query->limit && found->count > query->limit ? found->count - query->limit : 0;
    size_t count = found->count - skip;
    bool done = false;

    if (found->count > 1) qsort(found->items, found->count, sizeof *found->items, by_time);
    sort_tags(&scan->tags);
    tw__texts_init(&decoder.texts, scan->reader, &answer->slabs);
    struct tw__image *tags = calloc(scan->tags.count + 1, sizeof *tags);
    uint8_t *joined = calloc(scan->tags.count + 1, 1);
    answer->items = calloc(count + 1, sizeof *answer->items);
    if (!tags || !joined || !answer->items || (count && !tw__decode_threads(&decoder, scan->reader))) goto undo;
    for (size_t i = 0; i < scan->tags.count; i++) tags[i] = scan->tags.items[i].image;
    if (!decode_all(&decoder, scan, found->items ? found->items + skip : NULL, count, tags, joined, answer->items) ||
        !tw__position_commit(scan, joined))
        goto undo;
    answer->shown = (struct tw_records){.items = answer->items, .count = count, .missed = scan->missed,
                                        .damaged = scan->damaged + decoder.damaged + decoder.texts.damaged,
                                        .more = scan->pass_done < scan->pass_chunks ? scan->pass_chunks - scan->pass_done : 0};
    done = true;
undo:
    free(tags);
    free(joined);
    free(decoder.parents);
    tw__texts_fini(&decoder.texts);
    return done;
}

int tw__reader_read_some(struct tw_reader *reader, const struct tw_query *query, tw__reader_keep_fn *keep, void *data,
                         struct tw_records **out)
{
    if (!tw__view_is_whole(reader)) return TW_ERR_CORRUPT;
    struct answer *answer = calloc(1, sizeof *answer);
    if (!answer) return TW_ERR_MEMORY;
    struct tw__scan scan = {.reader = reader, .query = query, .time = tw__view_time(reader), .slabs = &answer->slabs};
    bool done = tw__scan_run(&scan);
    if (done) {
        apply_keep(&scan, keep, data);
        done = !scan.no_memory && build(&scan, answer);
    }
    tw__scan_fini(&scan);
    if (!done) {
        tw_records_free(&answer->shown);
        return TW_ERR_MEMORY;
    }
    *out = &answer->shown;
    return 0;
}

int tw_reader_read(struct tw_reader *reader, const struct tw_query *query, struct tw_records **out)
{
    return tw__reader_read_some(reader, query, NULL, NULL, out);
}

void tw_records_free(struct tw_records *records)
{
    if (!records) return;
    struct answer *answer = (struct answer *)records;
    tw__slabs_free(&answer->slabs);
    free(answer->items);
    free(answer);
}
