/* kept: see the header. A record is one piece of the pool: head, tags, arguments, parents. Texts of tags lie behind it,
 * each on its own; of one that was cut, its full length stands in front of the text.
 *
 * Names come from files that may be hostile: the hash of texts begins with a seed of this run, as in model/map.c.
 * Rejected: texts of tags in the table, too (most are ids, each there once); numbers in place of pointers (every reader
 * of a name would need the table beside it).
 */
#include "model/kept.h"

#include <stdlib.h>
#include <string.h>

struct kept_tag {
    const struct tw_text *key;
    union {
        uint64_t bits; /* of value, whatever its type */
        const char *text;
    } value;
    uint32_t len;
    uint8_t type;
    bool cut;
};

enum { TEXTS_MIN = 256, FULL_LEN = sizeof(uint64_t) };

static uint64_t hash_of(uint64_t hash, const char *text, size_t len)
{
    for (uint64_t word; len; text += sizeof word, len -= sizeof word) {
        word = len;
        memcpy(&word, text, len < sizeof word ? len : sizeof word);
        hash = (hash ^ word) * 0xd6e8feb86659fd93u;
        hash ^= hash >> 32;
        if (len < sizeof word) break;
    }
    return hash * 0xd6e8feb86659fd93u >> 16;
}

static size_t slot_of(const struct tw__keeper *keeper, const char *text, size_t len)
{
    size_t mask = keeper->text_cap - 1, at = (size_t)hash_of(keeper->seed ^ len, text, len) & mask;
    for (const struct tw_text *known; (known = keeper->texts[at]); at = (at + 1) & mask)
        if (known->len == len && memcmp(known->ptr, text, len) == 0) break;
    return at;
}

/* At most half of the table is used. */
static int make_room(struct tw__keeper *keeper)
{
    struct tw__keeper grown = *keeper;
    if (2 * (keeper->text_count + 1) <= keeper->text_cap) return 0;
    grown.text_cap = keeper->text_cap ? 2 * keeper->text_cap : TEXTS_MIN;
    grown.texts = calloc(grown.text_cap, sizeof(struct tw_text *));
    if (!grown.texts) return TW_ERR_MEMORY;
    if (!keeper->texts) grown.seed = (uint64_t)(uintptr_t)grown.texts ^ (uint64_t)(uintptr_t)&grown << 20;
    for (size_t i = 0; i < keeper->text_cap; i++)
        if (keeper->texts[i])
            grown.texts[slot_of(&grown, keeper->texts[i]->ptr, keeper->texts[i]->len)] = keeper->texts[i];
    free(keeper->texts);
    *keeper = grown;
    return 0;
}

/* The one text of these bytes, with a NUL behind it. */
static const struct tw_text *share(struct tw__keeper *keeper, struct tw_text text)
{
    static const struct tw_text nothing = {"", 0};
    if (text.len == 0) return &nothing;
    if (make_room(keeper) < 0) return NULL;
    size_t at = slot_of(keeper, text.ptr, text.len);
    if (keeper->texts[at]) return keeper->texts[at];
    struct tw_text *added = tw__pool_take(&keeper->pool, sizeof *added + text.len + 1, 8);
    if (!added) return NULL;
    char *bytes = (char *)(added + 1);
    memcpy(bytes, text.ptr, text.len);
    bytes[text.len] = '\0';
    *added = (struct tw_text){bytes, text.len};
    keeper->texts[at] = added;
    keeper->text_count++;
    return added;
}

static bool has_text(uint8_t type)
{
    return type == TW_TYPE_STR || type == TW_TYPE_JSON || type == TW_TYPE_BYTES;
}

static int keep_tags(struct tw__keeper *keeper, struct kept_tag *out, const struct tw_tag_value *tags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct tw_tag_value *tag = &tags[i];
        struct kept_tag kept = {.key = share(keeper, tag->key), .type = (uint8_t)tag->type, .cut = tag->cut};
        memcpy(&kept.value.bits, &tag->value, sizeof kept.value.bits);
        if (!kept.key) return TW_ERR_MEMORY;
        if (has_text(kept.type)) {
            size_t before = tag->cut ? FULL_LEN : 0;
            char *bytes = tw__pool_take(&keeper->pool, before + tag->text.len + 1, before ? 8 : 1);
            if (!bytes || tag->text.len > UINT32_MAX) return TW_ERR_MEMORY;
            if (before) memcpy(bytes, &tag->full_len, before);
            if (tag->text.len) memcpy(bytes + before, tag->text.ptr, tag->text.len);
            bytes[before + tag->text.len] = '\0';
            kept.value.text = bytes + before;
            kept.len = (uint32_t)tag->text.len;
        }
        out[i] = kept;
    }
    return 0;
}

static const struct kept_tag *tags_of(const struct tw__kept *kept)
{
    return (const struct kept_tag *)(kept + 1);
}

const struct tw_context *tw__kept_parents(const struct tw__kept *kept)
{
    return (const struct tw_context *)(tags_of(kept) + kept->tag_count + kept->arg_count);
}

static int share_texts(struct tw__keeper *keeper, const struct tw_record *record, struct tw__kept *kept)
{
    kept->name = share(keeper, record->name);
    kept->module = share(keeper, record->module);
    kept->function = share(keeper, record->function);
    kept->thread = share(keeper, record->thread);
    kept->status_message = share(keeper, record->status_message);
    bool done = kept->name && kept->module && kept->function && kept->thread && kept->status_message;
    return done ? 0 : TW_ERR_MEMORY;
}

const struct tw__kept *tw__keeper_add(struct tw__keeper *keeper, const struct tw_record *record)
{
    size_t tags = record->tag_count, args = record->arg_count, parents = record->parent_count;
    if (tags > UINT32_MAX || args > UINT32_MAX || parents > UINT32_MAX) return NULL;
    struct tw__kept head = {.time_ns = record->time_ns,
                            .end_ns = record->end_ns,
                            .order = record->order,
                            .line = record->line,
                            .pid = record->pid,
                            .tid = record->tid,
                            .tag_count = (uint32_t)tags,
                            .arg_count = (uint32_t)args,
                            .parent_count = (uint32_t)parents,
                            .kind = (uint8_t)record->kind,
                            .status = (uint8_t)record->status,
                            .span_kind = (uint8_t)record->span_kind,
                            .flags = record->flags,
                            .marks = record->marks,
                            .level = record->level};
    memcpy(head.trace_id, record->trace_id, sizeof head.trace_id);
    memcpy(head.span_id, record->span_id, sizeof head.span_id);
    memcpy(head.parent_id, record->parent_id, sizeof head.parent_id);
    if (share_texts(keeper, record, &head) < 0) return NULL;
    struct tw__kept *kept = tw__pool_take(
        &keeper->pool, sizeof *kept + (tags + args) * sizeof(struct kept_tag) + parents * sizeof(struct tw_context), 8);
    if (!kept) return NULL;
    *kept = head;
    struct kept_tag *to = (struct kept_tag *)(kept + 1);
    if (parents) memcpy(to + tags + args, record->parents, parents * sizeof *record->parents);
    if (keep_tags(keeper, to, record->tags, tags) < 0) return NULL;
    return keep_tags(keeper, to + tags, record->args, args) < 0 ? NULL : kept;
}

void tw__keeper_fini(struct tw__keeper *keeper)
{
    tw__pool_fini(&keeper->pool);
    free(keeper->texts);
    *keeper = (struct tw__keeper){0};
}

static void open_tag(const struct kept_tag *kept, struct tw_tag_value *tag)
{
    *tag =
        (struct tw_tag_value){.key = *kept->key, .type = (enum tw_type)kept->type, .cut = kept->cut, .text = {"", 0}};
    if (!has_text(kept->type)) {
        memcpy(&tag->value, &kept->value.bits, sizeof tag->value);
        return;
    }
    tag->text = (struct tw_text){kept->value.text, kept->len};
    tag->full_len = kept->len;
    if (kept->cut) memcpy(&tag->full_len, kept->value.text - FULL_LEN, FULL_LEN);
}

const struct tw_record *tw__kept_open(const struct tw__kept *kept, struct tw__kept_view *view)
{
    size_t count = (size_t)kept->tag_count + kept->arg_count;
    if (count > view->tag_cap) {
        struct tw_tag_value *tags = realloc(view->tags, 2 * count * sizeof *tags);
        if (!tags) return NULL;
        view->tags = tags;
        view->tag_cap = 2 * count;
    }
    for (size_t i = 0; i < count; i++) open_tag(&tags_of(kept)[i], &view->tags[i]);
    view->record = (struct tw_record){.kind = (enum tw_record_kind)kept->kind,
                                      .time_ns = kept->time_ns,
                                      .end_ns = kept->end_ns,
                                      .order = kept->order,
                                      .flags = kept->flags,
                                      .marks = kept->marks,
                                      .span_kind = (enum tw_span_kind)kept->span_kind,
                                      .status = (enum tw_status)kept->status,
                                      .status_message = *kept->status_message,
                                      .name = *kept->name,
                                      .module = *kept->module,
                                      .function = *kept->function,
                                      .line = kept->line,
                                      .pid = kept->pid,
                                      .tid = kept->tid,
                                      .thread = *kept->thread,
                                      .tags = view->tags,
                                      .tag_count = kept->tag_count,
                                      .level = kept->level,
                                      .args = kept->arg_count ? view->tags + kept->tag_count : NULL,
                                      .arg_count = kept->arg_count,
                                      .parents = tw__kept_parents(kept),
                                      .parent_count = kept->parent_count};
    memcpy(view->record.trace_id, kept->trace_id, sizeof kept->trace_id);
    memcpy(view->record.span_id, kept->span_id, sizeof kept->span_id);
    memcpy(view->record.parent_id, kept->parent_id, sizeof kept->parent_id);
    return &view->record;
}

void tw__kept_view_fini(struct tw__kept_view *view)
{
    free(view->tags);
    *view = (struct tw__kept_view){0};
}
