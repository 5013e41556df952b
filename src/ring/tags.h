/* tags: one tag's bytes, written where others may be reading.
 *
 * The head goes last, with release, over a zero: a reader that finds it finds the payload too (pairs with decode.c). All
 * stores are 4-byte words, because a tag begins at a multiple of 4. */
#ifndef TW_RING_TAGS_H
#define TW_RING_TAGS_H

#include <string.h>

#include "base/atomics.h"
#include "ring/layout.h"

/* A tag about to be written. */
struct tw__tag_in {
    uint16_t key;
    uint8_t type;      /* enum tw__tag: INT, UINT, DOUBLE, BOOL, STR, BYTES, LITERAL, LINK, NAME, STATUS */
    uint32_t len;      /* of the payload at ptr, when ptr is set; the value of BOOL */
    uint32_t full_len; /* before it was cut */
    const void *ptr;   /* STR, BYTES, LINK, NAME, STATUS */
    uint64_t bits;     /* INT, UINT, DOUBLE, LITERAL */
};

/* Bytes that the tag takes: a multiple of 4. */
static inline uint32_t tw__tag_size(const struct tw__tag_in *tag)
{
    switch (tag->type) {
    case TW__TAG_BOOL: return 4;
    case TW__TAG_LITERAL: return 8;
    case TW__TAG_INT:
    case TW__TAG_UINT:
    case TW__TAG_DOUBLE: return 12;
    default: break;
    }
    uint32_t padded = (tag->len + 3) & ~3u;
    return tag->len > 255 || tag->len != tag->full_len ? 12 + padded : 4 + padded;
}

static inline void tw__tag_put_bytes(uint8_t *at, const uint8_t *from, uint32_t len)
{
#if defined(TW__PLAIN_MOVES)
    memcpy(at, from, len);
#else
    for (uint32_t i = 0; i < len; i += 4) {
        uint32_t word = 0;
        memcpy(&word, from + i, len - i < 4 ? len - i : 4);
        tw__store_relaxed((uint32_t *)(void *)(at + i), word);
    }
#endif
}

static inline void tw__tag_put_u64(uint8_t *at, uint64_t value)
{
#if defined(TW__PLAIN_MOVES)
    memcpy(at, &value, sizeof value);
#else
    tw__store_relaxed((uint32_t *)(void *)at, (uint32_t)value);
    tw__store_relaxed((uint32_t *)(void *)(at + 4), (uint32_t)(value >> 32));
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
    case TW__TAG_LITERAL: tw__store_relaxed((uint32_t *)(void *)(at + 4), (uint32_t)tag->bits); break;
    case TW__TAG_INT:
    case TW__TAG_UINT:
    case TW__TAG_DOUBLE: tw__tag_put_u64(at + 4, tag->bits); break;
    default:
        if (size > 4) tw__store_relaxed((uint32_t *)(void *)(at + size - 4), 0); /* padding; payload goes over it */
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
