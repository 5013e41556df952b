/* shelf: see the header.
 *
 * Events are records of their own, written when they happen; their span is written when it ends, which may be minutes
 * later. Formats that put events inside their span need both. A kept record hangs in a bucket by its span's id and in a
 * queue by age. When the bytes exceed TW__SHELF_BYTES the oldest ones go.
 *
 * Invariant: bytes is the sum of what is in the queue; what was taken is in the list taken only.
 * Rejected: looking for the events in the arena when a span ends (a pass over the arena for each), keeping whole
 * batches (one event would hold megabytes).
 */
#include "export/shelf.h"

#include <stdlib.h>
#include <string.h>

struct tw__kept {
    struct tw__kept *next, **place; /* in its bucket, or in taken; what points to it there */
    struct tw__kept *older, *newer;
    size_t size;
    struct tw_record *record;
};

/* Where a copy's texts and arrays go. */
struct tail {
    char *at;
};

static struct tw_text copy_text(struct tail *tail, struct tw_text text)
{
    char *to = tail->at;
    if (text.len) memcpy(to, text.ptr, text.len);
    tail->at += text.len;
    return (struct tw_text){to, text.len};
}

static size_t text_bytes(const struct tw_record *record)
{
    size_t bytes =
        record->status_message.len + record->name.len + record->module.len + record->function.len + record->thread.len;
    for (size_t i = 0; i < record->tag_count; i++) bytes += record->tags[i].key.len + record->tags[i].text.len;
    return bytes;
}

struct tw_record *tw__record_copy(const struct tw_record *record, size_t before, size_t *size)
{
    size_t tags = record->tag_count * sizeof *record->tags, parents = record->parent_count * sizeof *record->parents;
    *size = before + sizeof *record + tags + parents + text_bytes(record);
    char *piece = malloc(*size);
    if (!piece) return NULL;
    struct tw_record *copy = (struct tw_record *)(void *)(piece + before);
    *copy = *record;
    struct tw_tag_value *tag = (struct tw_tag_value *)(void *)(copy + 1);
    struct tw_context *parent = (struct tw_context *)(void *)((char *)tag + tags);
    struct tail tail = {(char *)parent + parents};
    if (tags) memcpy(tag, record->tags, tags);
    if (parents) memcpy(parent, record->parents, parents);
    copy->args = NULL;
    copy->arg_count = 0;
    copy->tags = tag;
    copy->parents = parent;
    copy->status_message = copy_text(&tail, record->status_message);
    copy->name = copy_text(&tail, record->name);
    copy->module = copy_text(&tail, record->module);
    copy->function = copy_text(&tail, record->function);
    copy->thread = copy_text(&tail, record->thread);
    for (size_t i = 0; i < record->tag_count; i++) {
        tag[i].key = copy_text(&tail, tag[i].key);
        tag[i].text = copy_text(&tail, tag[i].text);
    }
    return copy;
}

static struct tw__kept **bucket_of(struct tw__shelf *shelf, const uint8_t span_id[8])
{
    uint64_t hash;
    memcpy(&hash, span_id, sizeof hash);
    hash *= UINT64_C(0x9E3779B97F4A7C15);
    return &shelf->buckets[hash >> 32 & (TW__SHELF_BUCKETS - 1)];
}

/* Takes it out of its bucket and of the queue. */
static void unlink_kept(struct tw__shelf *shelf, struct tw__kept *kept)
{
    *kept->place = kept->next;
    if (kept->next) kept->next->place = kept->place;
    *(kept->older ? &kept->older->newer : &shelf->oldest) = kept->newer;
    *(kept->newer ? &kept->newer->older : &shelf->newest) = kept->older;
    shelf->bytes -= kept->size;
    shelf->count--;
}

static void link_kept(struct tw__shelf *shelf, struct tw__kept *kept)
{
    kept->place = bucket_of(shelf, kept->record->span_id);
    kept->next = *kept->place;
    if (kept->next) kept->next->place = &kept->next;
    *kept->place = kept;
    kept->older = shelf->newest;
    *(shelf->newest ? &shelf->newest->newer : &shelf->oldest) = kept;
    shelf->newest = kept;
    shelf->bytes += kept->size;
    shelf->count++;
}

static void free_kept(struct tw__kept *kept)
{
    free(kept->record);
    free(kept);
}

static void drop_oldest(struct tw__shelf *shelf)
{
    struct tw__kept *kept = shelf->oldest;
    unlink_kept(shelf, kept);
    free_kept(kept);
    shelf->lost++;
}

void tw__shelf_put(struct tw__shelf *shelf, const struct tw_record *record)
{
    struct tw__kept *kept = calloc(1, sizeof *kept);
    if (kept) kept->record = tw__record_copy(record, 0, &kept->size);
    if (!kept || !kept->record) {
        free(kept);
        shelf->lost++;
        return;
    }
    kept->size += sizeof *kept;
    link_kept(shelf, kept);
    while (shelf->bytes > TW__SHELF_BYTES && shelf->oldest) drop_oldest(shelf);
}

const struct tw_record *tw__shelf_take(struct tw__shelf *shelf, const struct tw_record *span)
{
    if (!shelf->count) return NULL;
    for (struct tw__kept *kept = *bucket_of(shelf, span->span_id); kept; kept = kept->next) {
        if (memcmp(kept->record->span_id, span->span_id, 8) != 0 ||
            memcmp(kept->record->trace_id, span->trace_id, 16) != 0)
            continue;
        unlink_kept(shelf, kept);
        kept->next = shelf->taken;
        shelf->taken = kept;
        return kept->record;
    }
    return NULL;
}

void tw__shelf_sweep(struct tw__shelf *shelf)
{
    for (struct tw__kept *kept = shelf->taken; kept;) {
        struct tw__kept *next = kept->next;
        free_kept(kept);
        kept = next;
    }
    shelf->taken = NULL;
}

void tw__shelf_fini(struct tw__shelf *shelf)
{
    tw__shelf_sweep(shelf);
    while (shelf->oldest) drop_oldest(shelf);
}
