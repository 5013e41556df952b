/* record: events, marks and whatever else is an instant.
 *
 * One record, written straight into the thread's open chunk: head, time, whose it is, tags. Sizes are added up first,
 * so that room is made once; then the bytes go in and the cursor moves.
 */
#include "trace/record.h"

#include <string.h>

#include "base/be64.h"
#include "trace/site.h"
#include "trace/stack.h"

bool tw__owner_of(tw_span span, struct tw__owner *out)
{
    memset(out, 0, sizeof *out);
    if (!span.slot) return true;
    if (tw__load_acquire(&span.slot->id) != span.id) return false;
    out->trace[0] = tw__load_relaxed(&span.slot->trace[0]);
    out->trace[1] = tw__load_relaxed(&span.slot->trace[1]);
    out->span = span.id;
    out->flags = (tw__load_relaxed(&span.slot->misc) >> 32) & 0xff;
    return true;
}

void tw__owner_of_context(const struct tw_context *context, struct tw__owner *out)
{
    memset(out, 0, sizeof *out);
    if (!tw__context_is_valid(context)) return;
    out->trace[0] = tw__be64(context->trace_id);
    out->trace[1] = tw__be64(context->trace_id + 8);
    out->span = tw__be64(context->span_id);
    out->flags = context->flags;
}

bool tw__record_append(struct tw__block *block, uint64_t head, uint64_t tick, const struct tw__owner *owner,
                       const struct tw__tag_in *tags, size_t count)
{
    struct tw__segment *segment = tw__segment_of(block);
    size_t len = TW__EVENT_HEAD_BYTES;
    for (size_t i = 0; i < count; i++) len += tw__tag_size(&tags[i]);
    uint64_t now = tw__segment_tick(segment);
    if (!tw__arena_room(segment, block, len, now)) return false;
    uint8_t *record = block->cursor;
    uint64_t *words = (uint64_t *)(void *)record;
    tw__store_relaxed(words, (head & ~(uint64_t)0xffff) | len);
    tw__store_relaxed(words + 1, tick ? tick : now);
    tw__store_relaxed(words + 2, owner->trace[0]);
    tw__store_relaxed(words + 3, owner->trace[1]);
    tw__store_relaxed(words + 4, owner->span);
    tw__store_relaxed(words + 5, block->tid | owner->flags << 32);
    uint8_t *at = record + TW__EVENT_HEAD_BYTES;
    for (size_t i = 0; i < count; i++) {
        tw__tag_write(at, &tags[i]);
        at += tw__tag_size(&tags[i]);
    }
    tw__store_release(&block->cursor, record + len); /* pairs with the reader's cursor */
    return true;
}

bool tw__record_append_bytes(struct tw__block *block, uint64_t head, const struct tw__owner *owner, const void *tags,
                             size_t len, const void *more, size_t more_len)
{
    struct tw__segment *segment = tw__segment_of(block);
    size_t whole = TW__EVENT_HEAD_BYTES + len + more_len;
    uint64_t now = tw__segment_tick(segment);
    if (!tw__arena_room(segment, block, whole, now)) return false;
    uint8_t *record = block->cursor;
    uint64_t *words = (uint64_t *)(void *)record;
    tw__store_relaxed(words, (head & ~(uint64_t)0xffff) | whole);
    tw__store_relaxed(words + 1, now);
    tw__store_relaxed(words + 2, owner->trace[0]);
    tw__store_relaxed(words + 3, owner->trace[1]);
    tw__store_relaxed(words + 4, owner->span);
    tw__store_relaxed(words + 5, block->tid | owner->flags << 32);
    tw__words_copy_to(record + TW__EVENT_HEAD_BYTES, tags, len);
    tw__words_copy_to(record + TW__EVENT_HEAD_BYTES + len, more, more_len);
    tw__store_release(&block->cursor, record + whole); /* pairs with the reader's cursor */
    return true;
}

struct tw__tag_in tw__text_tag(struct tw__block *block, enum tw__tag type, uint16_t key, const void *text, size_t len,
                               size_t max)
{
    struct tw__tag_in tag = {.key = key, .type = (uint8_t)type, .ptr = text};
    tag.len = (uint32_t)(len < max ? len : max);
    tag.full_len = (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX);
    if (tag.len != tag.full_len) {
        tw__count(&block->losses[TW__LOSS_cut_long]);
        /* Never in the middle of a UTF-8 character. */
        const uint8_t *b = text;
        while (type != TW__TAG_BYTES && tag.len && (b[tag.len] & 0xc0) == 0x80) tag.len--;
    }
    return tag;
}

struct tw__tag_in tw__attr_tag(struct tw__block *block, const struct tw_attr *attr)
{
    uint16_t key = tw__key_id(block, attr->key ? attr->key : "?");
    switch (attr->type) {
    case TW_TYPE_STR:
        if (attr->value.p) return tw__text_tag(block, TW__TAG_STR, key, attr->value.p, attr->len, TW_TEXT_MAX);
        break;
    case TW_TYPE_BYTES:
        if (attr->value.p || !attr->len)
            return tw__text_tag(block, TW__TAG_BYTES, key, attr->value.p, attr->len, TW_TEXT_MAX);
        break;
    case TW_TYPE_INT: return tw__tag_number(key, TW__TAG_INT, attr->value.u);
    case TW_TYPE_UINT: return tw__tag_number(key, TW__TAG_UINT, attr->value.u);
    case TW_TYPE_DOUBLE: return (struct tw__tag_in){.key = key, .type = TW__TAG_DOUBLE, .bits = attr->value.u};
    case TW_TYPE_BOOL: return (struct tw__tag_in){.key = key, .type = TW__TAG_BOOL, .len = attr->value.u ? 1 : 0};
    case TW_TYPE_JSON:
    case TW_TYPE_NONE: break;
    }
    return (struct tw__tag_in){.key = key, .type = TW__TAG_STR, .ptr = ""};
}

/* As many tags as one record holds. */
static size_t tags_of(struct tw__block *block, const struct tw_attr *attrs, size_t count, struct tw__tag_in *tags)
{
    size_t n = 0, room = TW__RECORD_MAX - TW__EVENT_HEAD_BYTES - 8;
    for (size_t i = 0; i < count; i++) {
        struct tw__tag_in tag = tw__attr_tag(block, &attrs[i]);
        size_t size = tw__tag_size(&tag);
        if (n == TW__TAGS_MAX || size > room) {
            tw__count(&block->losses[TW__LOSS_cut_long]);
            continue;
        }
        room -= size;
        tags[n++] = tag;
    }
    return n;
}

void tw__event(tw_span span, struct tw_site *site, const struct tw_attr *attrs, size_t count, uint64_t time_ns)
{
    struct tw__block *block = tw__enter();
    if (!block) return;
    struct tw__owner owner;
    if (!tw__owner_of(span, &owner)) {
        tw__count(&block->losses[TW__LOSS_stale]);
    } else {
        uint64_t head = tw__site_head(block, site, TW__EVENT_HEAD_BYTES), tick = 0;
        if (time_ns) {
            tick = tw__segment_tick_of(tw__segment_of(block), time_ns);
            head |= (uint64_t)TW__MARK_OWN_TIME << 24;
        }
        if (count == 0) {
            (void)tw__record_append(block, head, tick, &owner, NULL, 0);
        } else {
            struct tw__tag_in tags[TW__TAGS_MAX];
            size_t n = tags_of(block, attrs, count, tags);
            (void)tw__record_append(block, head, tick, &owner, tags, n);
        }
    }
    tw__leave(block);
}

void tw_mark_with(const char *name, const struct tw_attr *attrs, size_t count)
{
    static struct tw_site site = {0, "mark", "", "", 0, TW__TYPE_MARK, 0, 0};
    struct tw_context context;
    if (!tw__load_relaxed(&tw__gate) || !tw__context_here(&context)) return;
    struct tw__block *block = tw__enter();
    if (!block) return;
    struct tw__owner owner;
    tw__owner_of_context(&context, &owner);
    struct tw__tag_in tags[TW__TAGS_MAX + 1];
    tags[0] = tw__text_tag(block, TW__TAG_NAME, 0, name ? name : "?", name ? strlen(name) : 1, TW_NAME_MAX);
    size_t n = 1 + tags_of(block, attrs, count, tags + 1);
    (void)tw__record_append(block, tw__site_head(block, &site, TW__EVENT_HEAD_BYTES), 0, &owner, tags, n);
    tw__leave(block);
}

void tw_mark(const char *name)
{
    tw_mark_with(name, NULL, 0);
}

struct tw_attr tw_attr_int(const char *key, int64_t value)
{
    return (struct tw_attr){.key = key, .type = TW_TYPE_INT, .value.i = value};
}

struct tw_attr tw_attr_uint(const char *key, uint64_t value)
{
    return (struct tw_attr){.key = key, .type = TW_TYPE_UINT, .value.u = value};
}

struct tw_attr tw_attr_double(const char *key, double value)
{
    return (struct tw_attr){.key = key, .type = TW_TYPE_DOUBLE, .value.d = value};
}

struct tw_attr tw_attr_bool(const char *key, bool value)
{
    return (struct tw_attr){.key = key, .type = TW_TYPE_BOOL, .value.u = value ? 1 : 0};
}

struct tw_attr tw_attr_str(const char *key, const char *value)
{
    size_t len = value ? strlen(value) : 0;
    return (struct tw_attr){.key = key, .type = TW_TYPE_STR, .len = (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX),
                            .value.p = value};
}

struct tw_attr tw_attr_bytes(const char *key, const void *data, size_t len)
{
    return (struct tw_attr){.key = key, .type = TW_TYPE_BYTES, .len = (uint32_t)(len < UINT32_MAX ? len : UINT32_MAX),
                            .value.p = data};
}
