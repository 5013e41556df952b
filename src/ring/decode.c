/* decode: from the bytes of a record to a struct tw_record.
 *
 * Works on private copies only: the bytes no longer change, but they may still be nonsense.
 * Invariant: at <= end at every step, and nothing is read that does not end at or before end. Whatever cannot be right
 * ends the list of tags (counted as damaged); what was read before it is delivered. Texts of tags point into the copy,
 * names into the dictionary's copies.
 *
 * Limits: none of its own. A record of 8 KiB holds at most 1016 tags.
 */
#include "ring/decode.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomics.h"
#include "base/be64.h"

enum { PARENT_BYTES = 28, TAG_HEAD = 4, TAG_STEP = 8, NUMBER_AT = 4, LONG_HEAD = 8 };

struct piece {
    const uint8_t *at, *end;
};

static struct tw_tag_value *new_tag(struct tw__decoder *d, uint16_t key)
{
    if (d->tag_count == d->tag_cap) return NULL;
    struct tw_tag_value *tag = &d->tags[d->tag_count++];
    memset(tag, 0, sizeof *tag);
    if (key == 0 && d->args_possible) {
        d->arg_count++;
        return tag;
    }
    d->args_possible = false;
    const struct tw__text_entry *entry = tw__texts_get(&d->texts, key);
    tag->key = entry->name;
    if (entry->site) { /* an id of a site is no key */
        tag->key = (struct tw_text){"?", 1};
        d->damaged++;
    }
    return tag;
}

static void add_parent(struct tw__decoder *d, const uint8_t *payload)
{
    struct tw_context *parents = tw__array_room(d->parents, &d->parent_cap, d->parent_count + 1, sizeof *parents);
    if (!parents) {
        d->no_memory = true;
        return;
    }
    d->parents = parents;
    struct tw_context *parent = &parents[d->parent_count++];
    uint32_t flags;
    memcpy(parent->trace_id, payload, 16);
    memcpy(parent->span_id, payload + 16, 8);
    memcpy(&flags, payload + 24, 4);
    parent->flags = (uint8_t)flags;
}

/* Texts: tags STR and BYTES, and what replaces a name. type is the one behind LONG. False: unknown. */
static bool add_text(struct tw__decoder *d, struct tw_record *out, unsigned type, uint16_t key, struct tw_text text,
                     uint64_t full_len)
{
    bool cut = full_len > text.len;
    struct tw_tag_value *tag;
    switch (type) {
    case TW__TAG_STR:
    case TW__TAG_BYTES:
        tag = new_tag(d, key);
        if (!tag) return true;
        tag->type = type == TW__TAG_STR ? TW_TYPE_STR : TW_TYPE_BYTES;
        tag->text = text;
        tag->full_len = cut ? full_len : text.len;
        tag->cut = cut;
        break;
    case TW__TAG_NAME:
        out->name = text;
        break;
    case TW__TAG_STATUS:
        out->status_message = text;
        break;
    case TW__TAG_MODULE:
        out->module = text;
        break;
    case TW__TAG_FUNCTION:
        out->function = text;
        break;
    default:
        return false;
    }
    if (cut) out->marks |= TW_RECORD_CUT;
    return true;
}

static void add_number(struct tw__decoder *d, unsigned type, uint16_t key, const uint8_t *payload)
{
    struct tw_tag_value *tag = new_tag(d, key);
    if (!tag) return;
    memcpy(&tag->value, payload, 8);
    tag->type = type == TW__TAG_INT ? TW_TYPE_INT : type == TW__TAG_UINT ? TW_TYPE_UINT : TW_TYPE_DOUBLE;
}

static void add_literal(struct tw__decoder *d, uint16_t key, const uint8_t *payload)
{
    struct tw_tag_value *tag = new_tag(d, key);
    uint32_t id;
    if (!tag) return;
    memcpy(&id, payload, 4);
    const struct tw__text_entry *entry = tw__texts_get(&d->texts, id);
    tag->type = TW_TYPE_STR;
    tag->text = entry->name;
    if (entry->site) {
        tag->text = (struct tw_text){"?", 1};
        d->damaged++;
    }
    tag->full_len = tag->text.len;
}

/* The tags of one word. */
static void add_word(struct tw__decoder *d, struct tw_record *out, unsigned type, uint16_t key, const uint8_t *payload)
{
    uint32_t value;
    memcpy(&value, payload, 4);
    if (type == TW__TAG_LINE) {
        out->line = value;
        return;
    }
    struct tw_tag_value *tag = new_tag(d, key);
    if (!tag) return;
    tag->type = type == TW__TAG_INT32 ? TW_TYPE_INT : TW_TYPE_UINT;
    if (type == TW__TAG_INT32)
        tag->value.i = (int32_t)value;
    else
        tag->value.u = value;
}

/* Several of them, each of one word. Returns the length of the payload; what is beyond rest is not looked at. */
static size_t add_ints(struct tw__decoder *d, struct tw_record *out, unsigned len, uint16_t key, const uint8_t *payload,
                       size_t rest)
{
    unsigned count = (len & 3) + 1;
    if (rest < count * 4) return count * 4;
    for (unsigned i = 0; i < count; i++)
        add_word(d, out, len >> (2 + i) & 1 ? TW__TAG_UINT32 : TW__TAG_INT32, key, payload + (size_t)4 * i);
    return count * 4;
}

/* One tag at at, of which rest bytes are left. Returns its length without padding; 0 when it makes no sense. */
static size_t one_tag(struct tw__decoder *d, struct tw_record *out, const uint8_t *at, size_t rest)
{
    uint32_t head, word[2];
    memcpy(&head, at, TAG_HEAD);
    uint16_t key = (uint16_t)(head & 0xffff);
    unsigned type = head >> 16 & 0xff, len = head >> 24;
    const uint8_t *payload = at + TAG_HEAD;
    size_t need = 0;
    rest -= TAG_HEAD;

    switch (type) {
    case TW__TAG_INT:
    case TW__TAG_UINT:
    case TW__TAG_DOUBLE:
        need = NUMBER_AT + 8;
        if (rest >= need) add_number(d, type, key, payload + NUMBER_AT);
        break;
    case TW__TAG_BOOL: {
        struct tw_tag_value *tag = new_tag(d, key);
        if (!tag) break;
        tag->type = TW_TYPE_BOOL;
        tag->value.u = len != 0;
        break;
    }
    case TW__TAG_LONG:
        if (rest < LONG_HEAD) return 0;
        memcpy(word, payload, LONG_HEAD);
        need = LONG_HEAD + (word[0] & 0xffffff);
        if (word[0] >> 24 > TW__TAG_STATUS) return 0;
        if (rest >= need && !add_text(d, out, word[0] >> 24, key,
                                      (struct tw_text){(const char *)payload + LONG_HEAD, need - LONG_HEAD}, word[1]))
            return 0;
        break;
    case TW__TAG_LITERAL:
        need = 4;
        if (rest >= need) add_literal(d, key, payload);
        break;
    case TW__TAG_LINE:
    case TW__TAG_INT32:
    case TW__TAG_UINT32:
        need = 4;
        if (rest >= need) add_word(d, out, type, key, payload);
        break;
    case TW__TAG_INTS:
        need = add_ints(d, out, len, key, payload, rest);
        break;
    case TW__TAG_LINK:
        need = PARENT_BYTES;
        if (rest >= need) add_parent(d, payload);
        break;
    default:
        need = len;
        if (rest >= need && !add_text(d, out, type, key, (struct tw_text){(const char *)payload, len}, len)) return 0;
        break;
    }
    return need <= rest ? TAG_HEAD + need : 0;
}

static void all_tags(struct tw__decoder *d, struct tw_record *out, struct piece piece)
{
    while (piece.end - piece.at >= TAG_STEP && !d->no_memory) {
        uint32_t head;
        memcpy(&head, piece.at, TAG_HEAD);
        if (head == 0) return;
        size_t rest = (size_t)(piece.end - piece.at), len = one_tag(d, out, piece.at, rest);
        if (len == 0) {
            d->damaged++;
            return;
        }
        len = (len + TAG_STEP - 1) / TAG_STEP * TAG_STEP;
        if (len >= rest) return; /* the padding of the last one may be missing */
        piece.at += len;
    }
}

static struct piece tags_of(const struct tw__image *image)
{
    const uint8_t *bytes = (const uint8_t *)image->words;
    if (image->open) {
        uint64_t len = image->words[offsetof(struct tw__slot, tags_len) / 8];
        if (len > TW__SLOT_TAG_BYTES) len = TW__SLOT_TAG_BYTES;
        return (struct piece){bytes + TW__SLOT_HEAD_BYTES, bytes + TW__SLOT_HEAD_BYTES + len};
    }
    uint64_t head = image->words[TW__AT_HEAD];
    bool span = tw__record_type(head) == TW__TYPE_SPAN;
    return (struct piece){bytes + (span ? TW__SPAN_HEAD_BYTES : TW__EVENT_HEAD_BYTES), bytes + (head & 0xffff)};
}

/* A full slot is emptied into a record: whether this is the one, or a later one. (The slot is looked at before the
 * records.) */
static bool has_emptied(const struct tw__image *record, const struct tw__image *slot)
{
    uint32_t emptied;
    memcpy(&emptied, (const uint8_t *)slot->words + offsetof(struct tw__slot, emptied), sizeof emptied);
    uint64_t ahead = ((record->words[TW__AT_MISC] >> 40) - emptied / 2) & TW__TAGS_NUMBER_MAX;
    return ahead != 0 && ahead <= TW__TAGS_NUMBER_MAX / 2;
}

static void set_thread(const struct tw__decoder *d, struct tw_record *out)
{
    size_t low = 0, high = d->thread_count; /* the first with a greater tid */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (d->threads[middle].tid > out->tid)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0 || d->threads[low - 1].tid != out->tid) return;
    out->thread = (struct tw_text){d->threads[low - 1].name, d->threads[low - 1].len};
}

static void fixed_part(const struct tw__decoder *d, const struct tw__image *image, struct tw_record *out)
{
    const uint64_t *w = image->words;
    uint32_t bits = tw__record_bits(w[TW__AT_HEAD]), status = bits >> 3 & 3;
    bool span = tw__record_type(w[TW__AT_HEAD]) == TW__TYPE_SPAN;

    memset(out, 0, sizeof *out);
    out->kind = image->open ? TW_RECORD_OPEN : (enum tw_record_kind)tw__record_type(w[TW__AT_HEAD]);
    out->time_ns = out->end_ns = tw__time_ns(d->time, w[TW__AT_TIME]);
    out->order = image->order;
    tw__be64_put(w[TW__AT_TRACE], out->trace_id);
    tw__be64_put(w[TW__AT_TRACE + 1], out->trace_id + 8);
    tw__be64_put(w[TW__AT_ID], out->span_id);
    out->flags = (uint8_t)(w[TW__AT_MISC] >> 32);
    out->tid = (uint32_t)w[TW__AT_MISC];
    out->pid = d->pid;
    out->span_kind = (bits & 7) <= TW_KIND_CONSUMER ? (enum tw_span_kind)(bits & 7) : TW_KIND_INTERNAL;
    out->status = status <= TW_STATUS_ERROR ? (enum tw_status)status : TW_STATUS_UNSET;
    if (bits & TW__BIT_CUT) out->marks |= TW_RECORD_CUT;
    if (bits & TW__BIT_OWN_TIME) out->marks |= TW_RECORD_OWN_TIME;
    if (out->kind == TW_RECORD_LOG) {
        out->level = (uint8_t)(bits & 7);
        out->span_kind = TW_KIND_INTERNAL;
    }
    if (!span) return;
    tw__be64_put(w[TW__AT_PARENT], out->parent_id);
    out->end_ns = image->open ? 0 : tw__time_ns(d->time, w[TW__AT_END]);
    if (!image->open && tw__tick_before(w[TW__AT_END], w[TW__AT_TIME])) out->marks |= TW_RECORD_BACKWARDS;
}

/* Room for all tags that the images may have, before they are read; keep_lists gives the rest back. */
static bool take_room(struct tw__decoder *d, const struct tw__image *image, const struct tw__image *more,
                      size_t more_count)
{
    enum { BYTES_LEAST = 4 }; /* of a tag: four numbers under one head have 5 each */
    struct piece piece = tags_of(image);
    size_t bytes = (size_t)(piece.end - piece.at);
    for (size_t i = 0; i < more_count; i++) {
        piece = tags_of(&more[i]);
        bytes += (size_t)(piece.end - piece.at);
    }
    d->tag_count = d->parent_count = d->arg_count = 0;
    d->tag_cap = bytes / BYTES_LEAST;
    d->tags = tw__slabs_take(d->slabs, d->tag_cap * sizeof *d->tags);
    return d->tags != NULL;
}

static bool keep_lists(struct tw__decoder *d, struct tw_record *out)
{
    tw__slabs_give_back(d->slabs, d->tags, d->tag_cap * sizeof *d->tags, d->tag_count * sizeof *d->tags);
    if (d->tag_count) {
        out->args = d->tags;
        out->arg_count = d->arg_count;
        out->tags = d->tags + d->arg_count;
        out->tag_count = d->tag_count - d->arg_count;
    }
    if (d->parent_count) {
        struct tw_context *parents = tw__slabs_take(d->slabs, d->parent_count * sizeof *parents);
        if (!parents) return false;
        memcpy(parents, d->parents, d->parent_count * sizeof *parents);
        out->parents = parents;
        out->parent_count = d->parent_count;
    }
    return true;
}

bool tw__decode(struct tw__decoder *d, const struct tw__image *image, const struct tw__image *more, size_t more_count,
                struct tw_record *out)
{
    fixed_part(d, image, out);
    const struct tw__text_entry *site = tw__texts_get(&d->texts, (uint32_t)(image->words[TW__AT_HEAD] >> 32));
    out->name = site->name;
    out->module = site->module;
    out->function = site->function;
    out->line = site->line;
    set_thread(d, out);
    if (!take_room(d, image, more, more_count)) return false;
    d->args_possible = out->kind == TW_RECORD_LOG || out->kind == TW_RECORD_ENTER || out->kind == TW_RECORD_LEAVE;
    bool again = false;
    for (size_t i = 0; i < more_count; i++) {
        if (tw__record_bits(more[i].words[TW__AT_HEAD]) & TW__BIT_CUT) out->marks |= TW_RECORD_CUT;
        all_tags(d, out, tags_of(&more[i]));
        again |= image->open && has_emptied(&more[i], image);
    }
    if (!again) all_tags(d, out, tags_of(image)); /* what the slot held last */
    return !d->no_memory && !d->texts.no_memory && keep_lists(d, out);
}

static int by_tid(const void *a, const void *b)
{
    const struct tw__thread_name *x = a, *y = b;
    if (x->tid != y->tid) return x->tid < y->tid ? -1 : 1;
    return (x->attached_tick > y->attached_tick) - (x->attached_tick < y->attached_tick);
}

bool tw__decode_threads(struct tw__decoder *d, const struct tw_reader *reader)
{
    uint32_t blocks = tw__view_blocks(reader);
    if (blocks == 0) return true;
    struct tw__thread_name *threads = tw__slabs_take(d->slabs, blocks * sizeof *threads);
    if (!threads) return false;
    for (uint32_t i = 0; i < blocks; i++) {
        const struct tw__block *block = tw__view_block(reader, i);
        threads[i].tid = tw__load_relaxed(&block->tid);
        threads[i].attached_tick = tw__load_relaxed(&block->attached_tick);
        tw__words_copy_from(threads[i].name, block->name, sizeof block->name);
        const char *end = memchr(threads[i].name, 0, sizeof threads[i].name);
        threads[i].len = end ? (uint32_t)(end - threads[i].name) : (uint32_t)sizeof threads[i].name;
    }
    qsort(threads, blocks, sizeof *threads, by_tid);
    d->threads = threads;
    d->thread_count = blocks;
    return true;
}
