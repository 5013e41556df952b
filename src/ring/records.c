/* records: the answer to a query.
 *
 *     scan -> keep? -> sort by time, then order -> the newest `limit` -> decode, joining further tags to their spans
 *
 *     tw_reader_each: the same, but decoded in parts: what is no span, then PART spans at a time
 *
 * Only what is delivered is decoded. Everything that the records point to lies in slabs that tw_records owns, so they
 * outlive the reader; of a part of spans, until the next. A slot that is full is emptied into a record TAGS and filled
 * again, so those come first, in the order of writing, and what the span's own record holds comes last. Tags whose span
 * is not delivered are not delivered either.
 */
#include <stdlib.h>
#include <string.h>

#include "ring/reader.h"
#include "ring/scan.h"

/* Spans at a time: as records, and again as whatever they become, they fit into a cache of 2 MB. */
enum { PART = 1024 };

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

/* Tags of one record after another may lie in two copies (waiting in the position and found again): one of them is
 * left. */
static void sort_tags(struct tw__found_list *tags)
{
    size_t kept = 0;
    if (tags->count < 2) return;
    qsort(tags->items, tags->count, sizeof *tags->items, by_span);
    for (size_t i = 1; i < tags->count; i++)
        if (by_span(&tags->items[kept], &tags->items[i]) != 0) tags->items[++kept] = tags->items[i];
    tags->count = kept + 1;
}

/* From what was found to records, in as many steps as there are parts. */
struct decoding {
    struct tw__scan *scan;
    struct tw__decoder decoder;
    struct tw__image *tags;
    uint8_t *joined; /* of tags: their span has been delivered */
    uint64_t damaged; /* told already */
};

/* keep: of what lives until the end. */
static bool begin(struct decoding *d, struct tw__scan *scan, struct tw__slabs *keep)
{
    struct tw__found_list *found = &scan->found;
    *d = (struct decoding){.scan = scan, .decoder = {.time = scan->time, .slabs = keep, .pid = scan->reader->head.pid}};
    if (found->count > 1) qsort(found->items, found->count, sizeof *found->items, by_time);
    sort_tags(&scan->tags);
    tw__texts_init(&d->decoder.texts, scan->reader, keep);
    d->tags = calloc(scan->tags.count + 1, sizeof *d->tags);
    d->joined = calloc(scan->tags.count + 1, 1);
    if (!d->tags || !d->joined || (found->count && !tw__decode_threads(&d->decoder, scan->reader))) return false;
    for (size_t i = 0; i < scan->tags.count; i++) d->tags[i] = scan->tags.items[i].image;
    return true;
}

static void end(struct decoding *d)
{
    free(d->tags);
    free(d->joined);
    free(d->decoder.parents);
    tw__texts_fini(&d->decoder.texts);
}

static bool is_span(const struct tw__found *found)
{
    return tw__record_type(found->image.words[TW__AT_HEAD]) == TW__TYPE_SPAN;
}

static bool decode(struct decoding *d, const struct tw__found *from, size_t count, struct tw_record *items)
{
    const struct tw__scan *scan = d->scan;
    for (size_t i = 0; i < count; i++) {
        const struct tw__image *image = &from[i].image;
        size_t first = 0, more = 0;
        if (scan->tags.count && is_span(&from[i])) more = tags_of_span(&scan->tags, image->words, &first);
        if (!image->open && more) memset(d->joined + first, 1, more);
        if (!tw__decode(&d->decoder, image, more ? d->tags + first : NULL, more, &items[i])) return false;
    }
    return true;
}

/* Places at which bytes made no sense, since this was asked last. */
static uint64_t damaged_since(struct decoding *d)
{
    uint64_t all = d->scan->damaged + d->decoder.damaged + d->decoder.texts.damaged, since = all - d->damaged;
    d->damaged = all;
    return since;
}

static struct tw_records shown(struct decoding *d, const struct tw_record *items, size_t count)
{
    const struct tw__scan *scan = d->scan;
    return (struct tw_records){.items = items,
                               .count = count,
                               .missed = scan->missed,
                               .damaged = damaged_since(d),
                               .more = scan->pass_done < scan->pass_chunks ? scan->pass_chunks - scan->pass_done : 0};
}

/* The newest, as many as are wanted. */
static struct tw__found *wanted(const struct tw__scan *scan, size_t *count)
{
    const struct tw__found_list *found = &scan->found;
    size_t limit = scan->query->limit, skip = limit && found->count > limit ? found->count - limit : 0;
    *count = found->count - skip;
    return found->items ? found->items + skip : NULL;
}

static bool build(struct tw__scan *scan, struct answer *answer)
{
    struct decoding d;
    size_t count = 0;
    bool done = begin(&d, scan, &answer->slabs);
    if (done) {
        const struct tw__found *from = wanted(scan, &count);
        answer->items = calloc(count + 1, sizeof *answer->items);
        done = answer->items && decode(&d, from, count, answer->items) && tw__position_commit(scan, d.joined);
    }
    if (done) answer->shown = shown(&d, answer->items, count);
    end(&d);
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

/* Moves what is no span to the front, all in their order. Returns how many. */
static size_t spans_last(struct tw__found *items, size_t count, struct tw__found *room)
{
    size_t others = 0, spans = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_span(&items[i]))
            room[spans++] = items[i];
        else
            items[others++] = items[i];
    }
    if (spans) memcpy(items + others, room, spans * sizeof *items);
    return others;
}

/* Count records: the first part, those of spans after it, and the end. slabs: of what is gone after a part. */
static int tell(struct decoding *d, struct tw__found *from, size_t count, struct tw__slabs *slabs, tw_records_fn *fn,
                void *data)
{
    struct tw__found *room = malloc((count + 1) * sizeof *room);
    size_t others = room ? spans_last(from, count, room) : 0;
    free(room);
    struct tw_record *first = room ? malloc((others + 1) * sizeof *first) : NULL, *part = malloc(PART * sizeof *part);
    int code = first && part && decode(d, from, others, first) ? 0 : TW_ERR_MEMORY;
    if (code == 0) {
        struct tw_records records = shown(d, first, others);
        code = fn(&records, data);
    }
    d->decoder.slabs = slabs;
    for (size_t at = others, n; at < count && code == 0; at += n) {
        n = count - at < PART ? count - at : PART;
        tw__slabs_reset(slabs);
        if (!decode(d, from + at, n, part)) code = TW_ERR_MEMORY;
        const struct tw_records records = {.items = part, .count = n, .damaged = damaged_since(d)};
        if (code == 0) code = fn(&records, data);
    }
    if (code == 0 && !tw__position_commit(d->scan, d->joined)) code = TW_ERR_MEMORY;
    if (code == 0) code = fn(NULL, data);
    free(first);
    free(part);
    return code;
}

int tw_reader_each(struct tw_reader *reader, const struct tw_query *query, tw_records_fn *fn, void *data)
{
    struct tw__slabs keep = {0}, slabs = {0};
    struct decoding d = {0};
    if (!tw__view_is_whole(reader)) return TW_ERR_CORRUPT;
    struct tw__scan scan = {.reader = reader, .query = query, .time = tw__view_time(reader), .slabs = &keep};
    int code = TW_ERR_MEMORY;
    if (tw__scan_run(&scan)) {
        apply_keep(&scan, NULL, NULL);
        if (!scan.no_memory && begin(&d, &scan, &keep)) {
            size_t count;
            struct tw__found *from = wanted(&scan, &count);
            code = tell(&d, from, count, &slabs, fn, data);
        }
        end(&d);
    }
    tw__scan_fini(&scan);
    tw__slabs_free(&slabs);
    tw__slabs_free(&keep);
    return code;
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
