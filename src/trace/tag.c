/* tag: typed keys and values on open spans.
 *
 * A tag is reserved by adding its size to slot->tags_len, its payload is stored, and its head last. For numbers and
 * literals the header <trackway/tag.h> does that inline; here are the texts, and everything when the key is new, the
 * slot full, or the span not open.
 *
 * A slot holds 384 bytes of tags. When the next does not fit, what is there goes to the arena as a record of type TAGS
 * under the same span id and the slot begins anew; a reader joins them. A text longer than a slot goes there by itself.
 *
 * A reader may look at the slot before it is emptied and at the record after; the process may be killed between the
 * two. So slot->emptied counts, and a record has the number of times with itself: tags of a slot emptied 5 times are in
 * record 6, if there is one.
 * Rejected: comparing the bytes (a slot seen half full is only the beginning of its record, and a program may well set
 * the same tags again).
 */
#include <string.h>

#include "trace/record.h"
#include "trace/site.h"
#include "trace/stack.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static void stale(void)
{
    tw__lost(TW__LOSS_stale);
}

/* Whether all tags are written. One is not when this is a signal handler and the interrupted thread was about to. */
static bool all_written(const struct tw__slot *slot, uint64_t used)
{
    uint64_t at = 0;
    while (at < used) {
        uint32_t head = tw__load_relaxed((const uint32_t *)(const void *)(slot->tags + at)), len = head >> 24;
        if (head == 0) return false;
        switch (head >> 16 & 0xff) {
        case TW__TAG_BOOL:
        case TW__TAG_INT32:
        case TW__TAG_UINT32:
        case TW__TAG_LITERAL: at += 8; break;
        case TW__TAG_INT:
        case TW__TAG_UINT:
        case TW__TAG_DOUBLE: at += 16; break;
        case TW__TAG_LONG:
            len = (tw__load_relaxed((const uint32_t *)(const void *)(slot->tags + at + 4)) & 0xffffff) + 8;
            __attribute__((fallthrough));
        default: at += (4 + len + 7) & ~7u; break;
        }
    }
    return at == used;
}

/* The number of a record TAGS, where the flags have left room in misc. */
static uint64_t number_in_misc(uint32_t emptied)
{
    return (uint64_t)(emptied / 2 & TW__TAGS_NUMBER_MAX) << 40;
}

/* Moves the tags of a slot to a record of their own. Between tw__enter and tw__leave. False: not now. */
static bool flush_slot(struct tw__block *block, struct tw__slot *slot)
{
    struct tw__segment *segment = tw__segment_of(block);
    uint64_t used = slot->tags_len;
    if (used > TW__SLOT_TAG_BYTES || !all_written(slot, used)) return false;
    uint64_t len = TW__EVENT_HEAD_BYTES + used;
    uint64_t image[(TW__EVENT_HEAD_BYTES + TW__SLOT_TAG_BYTES) / 8];
    uint64_t now = tw__segment_tick(segment);
    uint32_t emptied = (tw__load_relaxed(&slot->emptied) & ~1u) + 2;
    memcpy(image, slot, TW__EVENT_HEAD_BYTES);
    image[0] = len | (uint64_t)TW__TYPE_TAGS << 16 | (slot->head & 0xffffffff00000000u);
    image[1] = now;
    image[5] |= number_in_misc(emptied);
    memcpy(image + 6, slot->tags, used);
    if (tw__arena_room(segment, block, len, now)) {
        tw__words_copy_to(block->cursor, image, len);
        tw__store_release(&block->cursor, block->cursor + len); /* pairs with the reader's cursor */
    }
    /* All in this order, for a reader that finds one and then looks for the one before; pairs with tw__slot_copy. */
    tw__store_release(&slot->emptied, emptied - 1);
    for (uint64_t i = 0; i < used / 8; i++) tw__store_release((uint64_t *)(void *)slot->tags + i, 0);
    tw__store_release(&slot->tags_len, 0);
    tw__store_release(&slot->emptied, emptied);
    return true;
}

/* Puts any tag on an open span: into its slot, or, when it can never fit there, into the arena. */
static void put(struct tw__block *block, struct tw__slot *slot, const struct tw__tag_in *tag)
{
    uint32_t size = tw__tag_size(tag);
    /* What was set before goes out before, so that a reader finds the tags in the order in which they were set. */
    bool room = slot->tags_len + size <= TW__SLOT_TAG_BYTES;
    /* Not from a handler that has interrupted a call: the call may be moving the tags of this very span. */
    if (!room && (block->role != TW__ROLE_LANE || tw__load_relaxed(&slot->owner) == block))
        room = flush_slot(block, slot);
    if (size > TW__SLOT_TAG_BYTES || !room) {
        uint64_t flags = (slot->misc >> 32) & 0xff, number = number_in_misc(tw__load_relaxed(&slot->emptied));
        struct tw__owner owner = {{slot->trace[0], slot->trace[1]}, slot->id, flags | number >> 32};
        uint64_t head = (uint64_t)TW__TYPE_TAGS << 16 | (slot->head & 0xffffffff00000000u);
        (void)tw__record_append(block, head, 0, &owner, tag, 1);
        return;
    }
    uint64_t at = slot->tags_len;
    tw__tag_reserve((char *)slot, at + size);
    tw__tag_write(slot->tags + at, tag);
}

/* Enters for one change to an open span; NULL when it is none, stale or a holder (counted). */
static struct tw__block *enter_for(tw_span span)
{
    if (!span.slot || tw__load_acquire(&span.slot->id) != span.id || tw__is_holder(span.slot)) {
        if (tw__load_relaxed(&tw__gate)) stale();
        return NULL;
    }
    return tw__enter();
}

static void put_text(tw_span span, enum tw__tag type, const char *key, const void *text, size_t len, size_t max)
{
    struct tw__block *block = enter_for(span);
    if (!block) return;
    uint16_t id = key ? tw__key_id(block, key) : 0;
    struct tw__tag_in tag = tw__text_tag(block, type, id, text ? text : "", text ? len : 0, max);
    put(block, span.slot, &tag);
    tw__leave(block);
}

static void put_bits(tw_span span, enum tw__tag type, const char *key, uint64_t bits)
{
    struct tw__block *block = enter_for(span);
    if (!block) return;
    struct tw__tag_in tag = tw__tag_number(key ? tw__key_id(block, key) : 0, type, bits);
    if (type == TW__TAG_BOOL) tag.len = (uint32_t)bits;
    put(block, span.slot, &tag);
    tw__leave(block);
}

/* A key of integers is one of short ones, whatever its first value. */
static enum tw__tag short_of(enum tw__tag type)
{
    return type == TW__TAG_INT ? TW__TAG_INT32 : type == TW__TAG_UINT ? TW__TAG_UINT32 : type;
}

void tw__tag_bits_slow(tw_span span, struct tw_key *key, int type, uint64_t bits)
{
    struct tw__block *block = enter_for(span);
    if (!block) return;
    if (tw__load_relaxed(&key->head) == 0) tw__key_register(block, key, short_of((enum tw__tag)type));
    struct tw__tag_in tag = {.key = (uint16_t)tw__load_relaxed(&key->head), .type = (uint8_t)type, .bits = bits,
                             .len = type == TW__TAG_BOOL ? (uint32_t)bits : 0};
    put(block, span.slot, &tag);
    tw__leave(block);
}

void tw__tag_wide(tw_span span, struct tw_key *key, int type, uint64_t bits)
{
    uint64_t at;
    if (UNLIKELY(!tw__tag_begin(span, key, 8, &at))) {
        tw__tag_bits_slow(span, key, type, bits);
        return;
    }
    tw__store_relaxed((uint64_t *)(void *)(span.slot->tags + at + 8), bits);
    tw__tag_commit(span, key, at, (uint32_t)(type ^ (int)short_of((enum tw__tag)type)) << 16);
}

__attribute__((noinline, cold)) static void text_slow(tw_span span, struct tw_key *key, enum tw__tag type,
                                                      const void *text, size_t len)
{
    struct tw__block *block = enter_for(span);
    if (!block) return;
    if (tw__load_relaxed(&key->head) == 0) tw__key_register(block, key, type);
    struct tw__tag_in tag = tw__text_tag(block, type, (uint16_t)tw__load_relaxed(&key->head), text ? text : "",
                                         text ? len : 0, TW_TEXT_MAX);
    put(block, span.slot, &tag);
    tw__leave(block);
}

/* Longer than most. Out of line so that the common case needs no stack. */
__attribute__((noinline)) static void copy_long(uint8_t *at, const void *text, size_t len, uint32_t head)
{
    tw__tag_put_bytes(at + 4, text, (uint32_t)len);
    tw__tag_put_head(at, head);
}

static inline void text_fast(tw_span span, struct tw_key *key, enum tw__tag type, const void *text, size_t len)
{
    struct tw__slot *slot = span.slot;
    uint32_t head = tw__load_relaxed(&key->head);
    uint64_t place = slot->tags_len, end = (place + len + 11) & ~(uint64_t)7;
    if (UNLIKELY(slot->id != span.id || len > 255 || head == 0 || end > TW__SLOT_TAG_BYTES)) {
        text_slow(span, key, type, text, len);
        return;
    }
    tw__tag_reserve((char *)slot, end);
    uint8_t *at = slot->tags + place;
    head |= (uint32_t)len << 24;
#if defined(TW__PLAIN_MOVES)
    /* Two overlapping moves for 4 to 16 bytes; the padding is zero already. */
    if (len >= 8 && len <= 16) {
        memcpy(at + 4, text, 8);
        memcpy(at + 4 + len - 8, (const uint8_t *)text + len - 8, 8);
        tw__tag_put_head(at, head);
        return;
    }
    if (len >= 4 && len < 8) {
        memcpy(at + 4, text, 4);
        memcpy(at + 4 + len - 4, (const uint8_t *)text + len - 4, 4);
        tw__tag_put_head(at, head);
        return;
    }
#endif
    copy_long(at, text, len, head);
}

void tw__tag_strn(tw_span span, struct tw_key *key, const char *text, size_t len)
{
    if (UNLIKELY(!text))
        text_slow(span, key, TW__TAG_STR, "", 0);
    else
        text_fast(span, key, TW__TAG_STR, text, len);
}

void tw__tag_bytes(tw_span span, struct tw_key *key, const void *data, size_t len)
{
    if (UNLIKELY(!data))
        text_slow(span, key, TW__TAG_BYTES, "", 0);
    else
        text_fast(span, key, TW__TAG_BYTES, data, len);
}

/* Out of line, so that the common case needs no stack. */
__attribute__((noinline)) static void text_long(tw_span span, struct tw_key *key, const char *text)
{
    text_fast(span, key, TW__TAG_STR, text, strlen(text));
}

/* Most texts are short, and a call of strlen takes longer than they do. Aligned pieces never reach into a page that the
 * text does not; but a sanitizer would object. */
void tw__tag_text(tw_span span, struct tw_key *key, const char *text)
{
    if (UNLIKELY(!text)) {
        text_slow(span, key, TW__TAG_STR, "", 0);
        return;
    }
#if defined(TW__PLAIN_MOVES) && !defined(TW__ASAN)
    uintptr_t before = (uintptr_t)text & 15;
    const __m128i *piece = (const __m128i *)((uintptr_t)text - before), zero = _mm_setzero_si128();
    uint32_t zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128(piece), zero)) >> before;
    if (zeros) {
        text_fast(span, key, TW__TAG_STR, text, (size_t)__builtin_ctz(zeros));
        return;
    }
    zeros = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128(piece + 1), zero));
    if (zeros) {
        text_fast(span, key, TW__TAG_STR, text, 16 - before + (size_t)__builtin_ctz(zeros));
        return;
    }
#endif
    text_long(span, key, text);
}

/* A literal value is entered into the dictionary once; its tag is one word. The compiler may have made several copies
 * of one tw_tag with different literals but one key object: the first literal wins, the others are stored as texts. */
void tw__tag_literal_slow(tw_span span, struct tw_key *key, const char *text)
{
    struct tw__block *block = enter_for(span);
    if (!block) return;
    size_t len = strlen(text);
    const void *none = NULL;
    if (tw__load_relaxed(&key->head) == 0) tw__key_register(block, key, TW__TAG_STR);
    uint16_t id = (uint16_t)tw__load_relaxed(&key->head);
    if (len <= TW_NAME_MAX && tw__load_acquire(&key->literal) == none &&
        tw__cas_acq_rel(&key->literal, &none, &key->literal)) {
        uint32_t value = tw__dict_text(tw__segment_of(block), text, len);
        if (!tw__ids_hold(block)) {
            tw__store_release(&key->literal, none); /* another time */
        } else if (value) {
            tw__store_relaxed(&key->pair, id | (uint64_t)TW__TAG_LITERAL << 16 | (uint64_t)value << 32);
            tw__store_release(&key->literal, text); /* pairs with span_tag.h: tw__tag_literal */
        }
    }
    struct tw__tag_in tag = tw__text_tag(block, TW__TAG_STR, id, text, len, TW_TEXT_MAX);
    if (tw__load_acquire(&key->literal) == text)
        tag = (struct tw__tag_in){.key = id, .type = TW__TAG_LITERAL, .bits = tw__load_relaxed(&key->pair) >> 32};
    put(block, span.slot, &tag);
    tw__leave(block);
}

void tw_span_set_int(tw_span span, const char *key, int64_t value)
{
    put_bits(span, TW__TAG_INT, key, (uint64_t)value);
}

void tw_span_set_uint(tw_span span, const char *key, uint64_t value)
{
    put_bits(span, TW__TAG_UINT, key, value);
}

void tw_span_set_double(tw_span span, const char *key, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_bits(span, TW__TAG_DOUBLE, key, bits);
}

void tw_span_set_bool(tw_span span, const char *key, bool value)
{
    put_bits(span, TW__TAG_BOOL, key, value ? 1 : 0);
}

void tw_span_set_str(tw_span span, const char *key, const char *value)
{
    put_text(span, TW__TAG_STR, key, value, value ? strlen(value) : 0, TW_TEXT_MAX);
}

void tw_span_set_strn(tw_span span, const char *key, const char *value, size_t len)
{
    put_text(span, TW__TAG_STR, key, value, len, TW_TEXT_MAX);
}

void tw_span_set_bytes(tw_span span, const char *key, const void *data, size_t len)
{
    put_text(span, TW__TAG_BYTES, key, data, len, TW_TEXT_MAX);
}

void tw_span_rename(tw_span span, const char *name)
{
    put_text(span, TW__TAG_NAME, NULL, name, name ? strlen(name) : 0, TW_NAME_MAX);
}

void tw_span_add_parent(tw_span span, const struct tw_context *context)
{
    if (!tw__context_is_valid(context)) return;
    struct tw__block *block = enter_for(span);
    if (!block) return;
    uint8_t bytes[28] = {0};
    memcpy(bytes, context->trace_id, 16);
    memcpy(bytes + 16, context->span_id, 8);
    bytes[24] = context->flags;
    const struct tw__tag_in tag = {.type = TW__TAG_LINK, .len = 28, .full_len = 28, .ptr = bytes};
    put(block, span.slot, &tag);
    tw__leave(block);
}

void tw_span_set_kind(tw_span span, enum tw_span_kind kind)
{
    struct tw__block *block = enter_for(span);
    if (!block) return;
    tw__store_relaxed(&span.slot->head, (span.slot->head & ~((uint64_t)7 << 24)) | (uint64_t)(kind & 7) << 24);
    tw__leave(block);
}

void tw_span_set_status(tw_span span, enum tw_status status, const char *message)
{
    struct tw__block *block = enter_for(span);
    if (!block) return;
    tw__store_relaxed(&span.slot->head, (span.slot->head & ~((uint64_t)3 << 27)) | (uint64_t)(status & 3) << 27);
    if (message) {
        struct tw__tag_in tag = tw__text_tag(block, TW__TAG_STATUS, 0, message, strlen(message), TW_TEXT_MAX);
        put(block, span.slot, &tag);
    }
    tw__leave(block);
}

void tw_span_fail(tw_span span, const char *message)
{
    tw_span_set_status(span, TW_STATUS_ERROR, message);
}
