/* tags: one tag's bytes, written where others may be reading.
 *
 * The head goes last, with release, over a zero: a reader that finds it finds the payload too (pairs with decode.c). */
#ifndef TW_RING_TAGS_H
#define TW_RING_TAGS_H

#include <string.h>

#include "base/atomics.h"
#include "ring/layout.h"

/* A tag about to be written. */
struct tw__tag_in {
    uint16_t key;
    uint8_t type;      /* enum tw__tag: INT, UINT, DOUBLE, BOOL, STR, BYTES, LITERAL, LINK, NAME, STATUS, MODULE,
                        * FUNCTION, LINE, INT32, UINT32 */
    uint32_t len;      /* of the payload at ptr, when ptr is set; the value of BOOL */
    uint32_t full_len; /* before it was cut */
    const void *ptr;   /* STR, BYTES, LINK, NAME, STATUS */
    uint64_t bits;     /* INT, UINT, DOUBLE, LITERAL, LINE, INT32, UINT32 */
};

/* Of a tag INTS, by its head; 0 of none. */
static inline uint32_t tw__tag_ints_size(uint32_t head)
{
    return head ? (4 + ((head >> 24 & 3) + 1) * 4 + 7) & ~7u : 0;
}

/* Bytes that the tag takes: a multiple of 8. */
static inline uint32_t tw__tag_size(const struct tw__tag_in *tag)
{
    switch (tag->type) {
    case TW__TAG_BOOL:
    case TW__TAG_LINE:
    case TW__TAG_INT32:
    case TW__TAG_UINT32:
    case TW__TAG_LITERAL: return 8;
    case TW__TAG_INT:
    case TW__TAG_UINT:
    case TW__TAG_DOUBLE: return 16;
    default: break;
    }
    uint32_t before = tag->len > 255 || tag->len != tag->full_len ? 12 : 4;
    return (before + tag->len + 7) & ~7u;
}

/* A number as short as it fits. type: INT or UINT. */
static inline struct tw__tag_in tw__tag_number(uint16_t key, enum tw__tag type, uint64_t bits)
{
    if (type == TW__TAG_INT && (int64_t)bits >= INT32_MIN && (int64_t)bits <= INT32_MAX) type = TW__TAG_INT32;
    if (type == TW__TAG_UINT && bits <= UINT32_MAX) type = TW__TAG_UINT32;
    return (struct tw__tag_in){.key = key, .type = (uint8_t)type, .bits = bits};
}

static inline void tw__tag_put_bytes(uint8_t *at, const uint8_t *from, uint32_t len)
{
#if defined(TW__PLAIN_MOVES)
    memcpy(at, from, len);
#else /* at is 4 past a multiple of 8; the last word is padded with zeros */
    for (uint32_t i = 0; i < len; i += 4) {
        uint32_t word = 0;
        memcpy(&word, from + i, len - i < 4 ? len - i : 4);
        tw__store_relaxed((uint32_t *)(void *)(at + i), word);
    }
#endif
}

static inline void tw__tag_put_head(uint8_t *at, uint32_t head)
{
    tw__store_release((uint32_t *)(void *)at, head); /* pairs with the reader's tag loop */
}

/* Writes the tag whole, padding included. */
static inline void tw__tag_write(uint8_t *at, const struct tw__tag_in *tag)
{
    uint32_t head = (uint32_t)tag->key | (uint32_t)tag->type << 16;
    uint32_t size = tw__tag_size(tag);
    switch (tag->type) {
    case TW__TAG_BOOL: head |= tag->len << 24; break;
    case TW__TAG_LINE:
    case TW__TAG_INT32:
    case TW__TAG_UINT32:
    case TW__TAG_LITERAL: tw__store_relaxed((uint32_t *)(void *)(at + 4), (uint32_t)tag->bits); break;
    case TW__TAG_INT:
    case TW__TAG_UINT:
    case TW__TAG_DOUBLE: tw__store_relaxed((uint64_t *)(void *)(at + 8), tag->bits); break;
    default:
        if (size > 8) tw__store_relaxed((uint64_t *)(void *)(at + size - 8), 0); /* padding; payload goes over it */
        else tw__store_relaxed((uint32_t *)(void *)(at + 4), 0);
        if (tag->len > 255 || tag->len != tag->full_len) {
            head = (uint32_t)tag->key | (uint32_t)TW__TAG_LONG << 16;
            tw__store_relaxed((uint32_t *)(void *)(at + 4), tag->len | (uint32_t)tag->type << 24);
            tw__store_relaxed((uint32_t *)(void *)(at + 8), tag->full_len);
            if (tag->len) tw__tag_put_bytes(at + 12, tag->ptr, tag->len);
        } else {
            head |= tag->len << 24;
            if (tag->len) tw__tag_put_bytes(at + 4, tag->ptr, tag->len);
        }
        break;
    }
    tw__tag_put_head(at, head);
}

#endif
