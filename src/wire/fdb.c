/* fdb: writing spans as FoundationDB does.
 *
 * It is MessagePack with fewer choices: integers always take nine bytes, doubles nine, kind and status two; texts and
 * collections take their shortest header, except that there is no map32, array32 or str32.
 *
 *     97 source trace span start duration operation {tags}                                        a root
 *     98 source trace span start duration operation {tags} [parents]
 *     9c trace-high trace-low span parent name begin end kind status [links] [events] {attributes}
 *
 * Links are flat, three integers each, and so are events: name, time, map.
 *
 * A span that is too large is written again with less: texts are cut at ever smaller lengths, so that the longest lose
 * first; then tags, events and parents are halved. Each try stops where the room ends, so a span costs at most ATTEMPTS
 * times what the room costs to fill. Nearly every span fits at the first.
 *
 * Invariant: the result is one MessagePack value and nothing after it, unless a faulty layout was asked for.
 * Rejected: shrinking by arithmetic before writing: twice the code, to make the rare case faster.
 */
#include "wire/fdb.h"

#include "base/be64.h"
#include "model/span_words.h"
#include "wire/value.h"

enum {
    FIXSTR_MAX = 31,
    FIXED_MAX = 15, /* entries of the shortest arrays and maps */
    COUNT_MAX = 65535,
    TEXT_LEAST = 16,
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    UINT8 = 0xcc,
    UINT64 = 0xcf,
    DOUBLE = 0xcb,
    STR8 = 0xd9,
    STR16 = 0xda,
    ARRAY16 = 0xdc,
    MAP16 = 0xde,
};

/* One try. Sticky: once something found no room, nothing more is written. */
struct out {
    uint8_t *at, *end;
    bool full;
    bool short_str16, bare_maps, counts_threes; /* the faults */
    size_t text_max, item_max, tag_max;
    size_t shown; /* tags of the span */
    struct tw__fdb_cuts cuts;
};

/* Returns where len bytes go, or NULL. */
static uint8_t *claim(struct out *out, size_t len)
{
    if (out->full || (size_t)(out->end - out->at) < len) {
        out->full = true;
        return NULL;
    }
    uint8_t *at = out->at;
    out->at += len;
    return at;
}

static void put_u8(struct out *out, uint8_t value)
{
    uint8_t *at = claim(out, 2);
    if (!at) return;
    at[0] = UINT8;
    at[1] = value;
}

static void put_64(struct out *out, uint8_t head, uint64_t value)
{
    uint8_t *at = claim(out, 9);
    if (!at) return;
    at[0] = head;
    tw__be64_put(value, at + 1);
}

static void put_u64(struct out *out, uint64_t value)
{
    put_64(out, UINT64, value);
}

static void put_seconds(struct out *out, double seconds)
{
    uint64_t bits;
    memcpy(&bits, &seconds, sizeof bits);
    put_64(out, DOUBLE, bits);
}

/* Seconds of a time, rounded once. */
static double seconds_of(uint64_t ns)
{
    return (double)(ns / 1000000000) + (double)(ns % 1000000000) / 1e9;
}

/* A header of one byte with the count in it, or of three. */
static void put_count(struct out *out, uint8_t fixed, size_t fixed_max, uint8_t wide, size_t count)
{
    uint8_t *at = claim(out, count <= fixed_max ? 1 : 3);
    if (!at) return;
    if (count <= fixed_max) {
        at[0] = (uint8_t)(fixed | count);
        return;
    }
    at[0] = wide;
    at[1] = (uint8_t)(count >> 8);
    at[2] = (uint8_t)count;
}

static void put_text(struct out *out, struct tw_text text)
{
    if (text.len > out->text_max) {
        text = tw__utf8_at_most(text, out->text_max);
        out->cuts.texts++;
    }
    if (text.len > FIXSTR_MAX && text.len <= UINT8_MAX) {
        uint8_t *at = claim(out, 2);
        if (!at) return;
        at[0] = STR8;
        at[1] = (uint8_t)text.len;
    } else {
        put_count(out, FIXSTR, FIXSTR_MAX, STR16, text.len);
        if (text.len > UINT8_MAX && out->short_str16 && !out->full) {
            out->at[-2] = (uint8_t)text.len;
            out->at--;
        }
    }
    uint8_t *at = claim(out, text.len);
    if (at && text.len) memcpy(at, text.ptr, text.len);
}

/* Entries of a map that are no tags of the record. */
struct pairs {
    struct {
        const char *key;
        struct tw_text value;
    } items[3];
    size_t count;
    size_t in_front; /* so many stand before the tags, the others behind */
};

static void put_pairs(struct out *out, const struct pairs *pairs, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        put_text(out, (struct tw_text){pairs->items[i].key, strlen(pairs->items[i].key)});
        put_text(out, pairs->items[i].value);
    }
}

/* How many tags have not been replaced by later ones. */
static size_t count_shown(const struct tw_record *record)
{
    size_t shown = 0;
    for (size_t i = 0; i < record->tag_count; i++) shown += !tw__tag_replaced(record->tags, record->tag_count, i);
    return shown;
}

static void put_map(struct out *out, const struct tw_record *record, size_t shown, const struct pairs *pairs)
{
    size_t room = out->tag_max - pairs->count;
    size_t taken = shown < room ? shown : room, entries = taken + pairs->count;
    out->cuts.tags += (uint32_t)(shown - taken);
    if (entries <= FIXED_MAX || !out->bare_maps) put_count(out, FIXMAP, FIXED_MAX, MAP16, entries);
    put_pairs(out, pairs, 0, pairs->in_front);
    for (size_t i = 0; taken > 0 && !out->full; i++) {
        char scratch[TW__NUMBER_MAX];
        if (tw__tag_replaced(record->tags, record->tag_count, i)) continue;
        put_text(out, record->tags[i].key);
        put_text(out, tw__value_text(&record->tags[i], scratch));
        taken--;
    }
    put_pairs(out, pairs, pairs->in_front, pairs->count);
}

static void add_pair(struct pairs *pairs, const char *key, struct tw_text value)
{
    pairs->items[pairs->count].key = key;
    pairs->items[pairs->count++].value = value;
}

/* How many of count items are sent; the rest is counted in *left. */
static size_t take(const struct out *out, size_t count, uint32_t *left)
{
    size_t taken = count < out->item_max ? count : out->item_max;
    *left += (uint32_t)(count - taken);
    return taken;
}

static struct tw_text text_of(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

/* What the 7 layout knows no element for. */
static void own_tags(const struct tw_record *record, struct pairs *pairs)
{
    if (record->span_kind > TW_KIND_INTERNAL && record->span_kind <= TW_KIND_CONSUMER)
        add_pair(pairs, "span.kind", text_of(tw__span_kind_words[record->span_kind]));
    if (record->status == TW_STATUS_OK || record->status == TW_STATUS_ERROR)
        add_pair(pairs, "otel.status_code", text_of(record->status == TW_STATUS_OK ? "OK" : "ERROR"));
    if (record->status_message.len) add_pair(pairs, "otel.status_description", record->status_message);
}

static void put_seven(struct out *out, const struct tw__fdb_options *options, const struct tw_record *record)
{
    struct pairs pairs = {0};
    uint64_t tree_parent = tw__be64(record->parent_id);
    size_t first = tree_parent ? 1 : 0, parents = take(out, first + record->parent_count, &out->cuts.parents);
    bool backwards = record->end_ns < record->time_ns;
    double duration = seconds_of(backwards ? record->time_ns - record->end_ns : record->end_ns - record->time_ns);

    put_count(out, FIXARRAY, FIXED_MAX, ARRAY16, parents ? 8 : 7);
    put_text(out, options->source);
    put_u64(out, tw__be64(record->trace_id + 8));
    put_u64(out, tw__be64(record->span_id));
    put_seconds(out, seconds_of(record->time_ns));
    put_seconds(out, backwards ? -duration : duration);
    put_text(out, record->name);
    own_tags(record, &pairs);
    put_map(out, record, out->shown, &pairs);
    if (parents == 0) return;
    put_count(out, FIXARRAY, FIXED_MAX, ARRAY16, parents);
    if (first) put_u64(out, tree_parent);
    for (size_t i = 0; i < parents - first; i++) put_u64(out, tw__be64(record->parents[i].span_id));
}

static void put_links(struct out *out, const struct tw_record *record)
{
    size_t count = take(out, record->parent_count, &out->cuts.parents);
    put_count(out, FIXARRAY, FIXED_MAX, ARRAY16, out->counts_threes ? count : 3 * count);
    for (size_t i = 0; i < count; i++) {
        put_u64(out, tw__be64(record->parents[i].trace_id));
        put_u64(out, tw__be64(record->parents[i].trace_id + 8));
        put_u64(out, tw__be64(record->parents[i].span_id));
    }
}

static void put_events(struct out *out, const struct tw__span_in *span)
{
    size_t count = take(out, span->event_count, &out->cuts.events);
    put_count(out, FIXARRAY, FIXED_MAX, ARRAY16, out->counts_threes ? count : 3 * count);
    for (size_t i = 0; i < count && !out->full; i++) {
        const struct tw_record *event = span->events[i];
        const char *kind = tw__event_kind(event);
        struct pairs pairs = {0};
        if (kind) add_pair(&pairs, "trackway.kind", text_of(kind));
        put_text(out, event->name);
        put_seconds(out, seconds_of(event->time_ns));
        put_map(out, event, count_shown(event), &pairs);
    }
}

static void put_twelve(struct out *out, const struct tw__fdb_options *options, const struct tw__span_in *span)
{
    static const uint8_t kinds[] = {0, 2, 1, 3, 4}; /* ours: internal, server, client, producer, consumer */
    const struct tw_record *record = span->record;
    struct pairs pairs = {0};

    put_count(out, FIXARRAY, FIXED_MAX, ARRAY16, 12);
    put_u64(out, tw__be64(record->trace_id));
    put_u64(out, tw__be64(record->trace_id + 8));
    put_u64(out, tw__be64(record->span_id));
    put_u64(out, tw__be64(record->parent_id));
    put_text(out, record->name);
    put_seconds(out, seconds_of(record->time_ns));
    put_seconds(out, seconds_of(record->end_ns));
    put_u8(out, record->span_kind <= TW_KIND_CONSUMER ? kinds[record->span_kind] : 0);
    put_u8(out, record->status <= TW_STATUS_ERROR ? (uint8_t)record->status : 0);
    put_links(out, record);
    put_events(out, span);
    if (options->source.len) add_pair(&pairs, "address", options->source);
    pairs.in_front = pairs.count;
    if (record->status_message.len) add_pair(&pairs, "otel.status_description", record->status_message);
    put_map(out, record, out->shown, &pairs);
}

/* Beyond this many of each, item_max changes nothing. */
static size_t most_items(const struct tw__span_in *span)
{
    const struct tw_record *record = span->record;
    size_t most = record->tag_count > record->parent_count + 1 ? record->tag_count : record->parent_count + 1;
    if (span->event_count > most) most = span->event_count;
    return most < COUNT_MAX / 3 ? most : COUNT_MAX / 3;
}

int tw__fdb_enc(const struct tw__fdb_options *options, const struct tw__span_in *span, uint8_t *out, size_t cap,
                struct tw__fdb_cuts *cuts)
{
    bool seven = options->layout == TW__FDB_7 || options->layout == TW__FDB_7_FAULTY;
    bool faulty_12 = options->layout == TW__FDB_12_FAULTY;
    size_t text_max = COUNT_MAX, item_max = most_items(span), shown = 0;

    if (cap < TW__FDB_LEAST) return TW_ERR_SPACE;
    if (span->record->kind != TW_RECORD_SPAN) return TW_ERR_STATE;
    if (cap > TW__FDB_MAX) cap = TW__FDB_MAX;
    shown = count_shown(span->record);
    for (;;) {
        struct out try = {.at = out, .end = out + cap, .text_max = text_max, .item_max = item_max, .shown = shown};
        try.tag_max = item_max + 3; /* our own always find room */
        try.short_str16 = options->layout == TW__FDB_7_FAULTY;
        try.bare_maps = try.counts_threes = faulty_12;
        if (try.short_str16 && try.tag_max > FIXED_MAX) try.tag_max = FIXED_MAX;
        if (seven)
            put_seven(&try, options, span->record);
        else
            put_twelve(&try, options, span);
        if (!try.full) {
            if (cuts) *cuts = try.cuts;
            return (int)(try.at - out);
        }
        if (text_max > TEXT_LEAST)
            text_max = text_max > 4096 ? 4096 : text_max / 2;
        else if (item_max > 0)
            item_max /= 2;
        else
            return TW_ERR_SPACE; /* cannot be: TW__FDB_LEAST holds any span with nothing in it */
    }
}
