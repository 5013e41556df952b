#ifndef TRACKWAY_TAG_H
#define TRACKWAY_TAG_H

/* The inlined part of tw_tag: how a number or a literal gets into an open span. Included by <trackway/span.h>; not for
 * use by itself.
 *
 * A call would cost as much as the work. So this much of a span in progress is fixed for as long as the library is
 * called libtrackway.so.0 (src/ring/layout.h asserts it): its id, how many bytes of tags it has, and where they begin.
 * A tag is a word of key, type, and an int, an unsigned or a literal's dictionary id; or two words, the second a longer
 * number. The bytes after the last tag are zero, and key and type are stored last, so that whoever reads the span
 * meanwhile, or after a crash, finds each tag whole or not at all.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Called through the global offset table instead of a stub: one jump less. */
#if defined(__has_attribute)
#if __has_attribute(noplt)
#define TW__DIRECT __attribute__((noplt))
#endif
#endif
#ifndef TW__DIRECT
#define TW__DIRECT
#endif
/* With -finstrument-functions the calls that are watched are the program's, not what is inlined of ours. */
#define TW__INLINE static inline __attribute__((no_instrument_function))

/* A span in progress: a cheap value of two words. A zeroed one is "none". */
typedef struct tw_span {
    struct tw__slot *slot;
    uint64_t id;
} tw_span;

/* A tag key at a place in the source. Made by the macros, one static object each; registered on first use. */
struct tw_key {
    uint32_t head; /* 0 until registered: key id:16 | type:8 */
    uint32_t size; /* of its tag, unless that is a text; more than a span has room for until registered: one compare
                    * finds both */
    const char *name;
    const void *literal; /* of a literal value: which one pair stands for */
    uint64_t pair;
};

#define TW__KEY_NEW 0x8000u /* size of a key that is not registered */

enum {
    TW__SLOT_ID_AT = 32,
    TW__SLOT_TAGS_LEN_AT = 72,
    TW__SLOT_TAGS_AT = 96,
    TW__SLOT_TAGS_MAX = 384,
    TW__TAG_IS_INT = 1,
    TW__TAG_IS_UINT = 2,
    TW__TAG_IS_DOUBLE = 3,
    TW__TAG_IS_BOOL = 4,
    TW__TAG_IS_INT32 = 15,
    TW__TAG_IS_UINT32 = 16
};

/* More than 32 bits: of the same key as those that fit. */
TW__DIRECT void tw__tag_wide(tw_span span, struct tw_key *key, int type, uint64_t bits);
/* The span is not open, the key is new, or there is no room. */
void tw__tag_bits_slow(tw_span span, struct tw_key *key, int type, uint64_t bits) __attribute__((cold));
void tw__tag_literal_slow(tw_span span, struct tw_key *key, const char *text) __attribute__((cold));

/* One thread uses a span at a time, so a load and a store will do. A signal handler that tags the very span it
 * interrupted, between the two, has its tag overwritten; one instruction for both (xadd) cost 0.35 ns a tag and was not
 * worth it. */
TW__INLINE __attribute__((always_inline)) void tw__tag_reserve(char *slot, uint64_t end)
{
    __atomic_store_n((uint64_t *)(void *)(slot + TW__SLOT_TAGS_LEN_AT), end, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Room for a tag of key->size bytes and more, at *at in the tags. Then come the bytes behind its head, and
 * tw__tag_commit. False: the slow way. */
TW__INLINE __attribute__((always_inline)) bool tw__tag_begin(tw_span span, const struct tw_key *key, uint64_t more,
                                                             uint64_t *at)
{
    char *slot = (char *)span.slot;
    if (__builtin_expect(*(const uint64_t *)(const void *)(slot + TW__SLOT_ID_AT) != span.id, 0)) return false;
    *at = __atomic_load_n((uint64_t *)(void *)(slot + TW__SLOT_TAGS_LEN_AT), __ATOMIC_RELAXED);
    uint64_t end = *at + more + __atomic_load_n(&key->size, __ATOMIC_ACQUIRE); /* pairs with tw__key_register */
    if (__builtin_expect(end > TW__SLOT_TAGS_MAX, 0)) return false;
    tw__tag_reserve(slot, end);
    return true;
}

/* bits: what is different in the head from the key's. */
TW__INLINE __attribute__((always_inline)) void tw__tag_commit(tw_span span, const struct tw_key *key, uint64_t at,
                                                              uint32_t bits)
{
    /* pairs with the reader's tag loop */
    __atomic_store_n((uint32_t *)(void *)((char *)span.slot + TW__SLOT_TAGS_AT + at),
                     __atomic_load_n(&key->head, __ATOMIC_RELAXED) ^ bits, __ATOMIC_RELEASE);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_short(tw_span span, struct tw_key *key, int type, uint32_t bits)
{
    uint64_t at;
    if (__builtin_expect(!tw__tag_begin(span, key, 0, &at), 0)) {
        tw__tag_bits_slow(span, key, type, bits);
        return;
    }
    __atomic_store_n((uint32_t *)(void *)((char *)span.slot + TW__SLOT_TAGS_AT + 4 + at), bits, __ATOMIC_RELAXED);
    tw__tag_commit(span, key, at, 0);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_int(tw_span span, struct tw_key *key, int value)
{
    tw__tag_short(span, key, TW__TAG_IS_INT32, (uint32_t)value);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_uint(tw_span span, struct tw_key *key, unsigned value)
{
    tw__tag_short(span, key, TW__TAG_IS_UINT32, value);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_int64(tw_span span, struct tw_key *key, int64_t value)
{
    if (__builtin_expect(value == (int32_t)value, 1))
        tw__tag_short(span, key, TW__TAG_IS_INT32, (uint32_t)value);
    else
        tw__tag_wide(span, key, TW__TAG_IS_INT, (uint64_t)value);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_uint64(tw_span span, struct tw_key *key, uint64_t value)
{
    if (__builtin_expect(value == (uint32_t)value, 1))
        tw__tag_short(span, key, TW__TAG_IS_UINT32, (uint32_t)value);
    else
        tw__tag_wide(span, key, TW__TAG_IS_UINT, value);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_double(tw_span span, struct tw_key *key, double value)
{
    uint64_t at, bits;
    memcpy(&bits, &value, sizeof bits);
    if (__builtin_expect(!tw__tag_begin(span, key, 0, &at), 0)) {
        tw__tag_bits_slow(span, key, TW__TAG_IS_DOUBLE, bits);
        return;
    }
    __atomic_store_n((uint64_t *)(void *)((char *)span.slot + TW__SLOT_TAGS_AT + 8 + at), bits, __ATOMIC_RELAXED);
    tw__tag_commit(span, key, at, 0);
}

/* So that a float does not meet -Wdouble-promotion in the program. */
TW__INLINE __attribute__((always_inline)) void tw__tag_float(tw_span span, struct tw_key *key, float value)
{
    tw__tag_double(span, key, (double)value);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_bool(tw_span span, struct tw_key *key, bool value)
{
    uint64_t at;
    if (__builtin_expect(!tw__tag_begin(span, key, 0, &at), 0)) {
        tw__tag_bits_slow(span, key, TW__TAG_IS_BOOL, value ? 1u : 0u);
        return;
    }
    tw__tag_commit(span, key, at, (uint32_t)value << 24);
}

TW__INLINE __attribute__((always_inline)) void tw__tag_literal(tw_span span, struct tw_key *key, const char *text)
{
    char *slot = (char *)span.slot;
    const void *known = __atomic_load_n(&key->literal, __ATOMIC_ACQUIRE); /* pairs with tw__tag_literal_slow */
    if (__builtin_expect(*(const uint64_t *)(const void *)(slot + TW__SLOT_ID_AT) != span.id || known != text, 0)) {
        tw__tag_literal_slow(span, key, text);
        return;
    }
    uint64_t at = __atomic_load_n((uint64_t *)(void *)(slot + TW__SLOT_TAGS_LEN_AT), __ATOMIC_RELAXED);
    if (__builtin_expect(at > TW__SLOT_TAGS_MAX - 8, 0)) {
        tw__tag_literal_slow(span, key, text);
        return;
    }
    tw__tag_reserve(slot, at + 8);
    /* pairs with the reader's tag loop */
    __atomic_store_n((uint64_t *)(void *)(slot + TW__SLOT_TAGS_AT + at), key->pair, __ATOMIC_RELEASE);
}

#ifdef __cplusplus
}
#endif
#endif
