/* pb: the wire format of protocol buffers, both ways, over the caller's memory.
 *
 * Writing is sticky: what finds no room writes nothing, nor does anything after it, and full says so at the end. A
 * nested message whose size is not known before is opened and closed:
 *
 *     size_t at = tw__pb_open(&pb, TW__PB_TAG(2, TW__PB_LEN));
 *     ...
 *     tw__pb_close(&pb, at);       moves its bytes by one when the two kept for the length are not what is needed
 *
 * Tags of fields 1 to 15 are one byte; TW__PB_TAG makes no others.
 */
#ifndef TW_WIRE_PB_H
#define TW_WIRE_PB_H

#include <stdbool.h>
#include <string.h>

#include "wire/value.h"

enum { TW__PB_VARINT = 0, TW__PB_I64 = 1, TW__PB_LEN = 2, TW__PB_I32 = 5 };
#define TW__PB_TAG(field, type) ((uint8_t)((field) << 3 | (type)))

struct tw__pb {
    uint8_t *out;
    size_t len, cap;
    bool full; /* sticky */
};

static inline size_t tw__pb_varint_len(uint64_t value)
{
    return value < 0x80 ? 1 : (size_t)(70 - __builtin_clzll(value)) / 7;
}

/* Writes without asking for room. Returns what is behind it. */
static inline uint8_t *tw__pb_raw_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* Least significant byte first, on any machine. */
static inline uint8_t *tw__pb_raw_fixed(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) at[i] = (uint8_t)(value >> (8 * i));
    return at + bytes;
}

/* Room for len bytes, which are then part of the message; NULL when there is none. */
static inline uint8_t *tw__pb_claim(struct tw__pb *pb, size_t len)
{
    if (pb->full || pb->cap - pb->len < len) {
        pb->full = true;
        return NULL;
    }
    uint8_t *at = pb->out + pb->len;
    pb->len += len;
    return at;
}

static inline void tw__pb_varint(struct tw__pb *pb, uint8_t tag, uint64_t value)
{
    uint8_t *at = tw__pb_claim(pb, 1 + tw__pb_varint_len(value));
    if (!at) return;
    *at = tag;
    (void)tw__pb_raw_varint(at + 1, value);
}

static inline void tw__pb_i64(struct tw__pb *pb, uint8_t tag, uint64_t value)
{
    uint8_t *at = tw__pb_claim(pb, 9);
    if (!at) return;
    *at = tag;
    (void)tw__pb_raw_fixed(at + 1, value, 8);
}

static inline void tw__pb_bytes(struct tw__pb *pb, uint8_t tag, const void *bytes, size_t len)
{
    uint8_t *at = tw__pb_claim(pb, 1 + tw__pb_varint_len(len) + len);
    if (!at) return;
    *at = tag;
    at = tw__pb_raw_varint(at + 1, len);
    if (len) memcpy(at, bytes, len);
}

/* Text, repaired to the UTF-8 that a string has to be; size is what tw__utf8_repaired_len says of it. */
static inline uint8_t *tw__pb_raw_text(uint8_t *at, struct tw_text text, size_t size)
{
    at = tw__pb_raw_varint(at, size);
    if (size != text.len)
        tw__utf8_repaired_copy(text, (char *)at);
    else if (size)
        memcpy(at, text.ptr, size);
    return at + size;
}

static inline void tw__pb_text(struct tw__pb *pb, uint8_t tag, struct tw_text text)
{
    size_t size = tw__utf8_repaired_len(text);
    uint8_t *at = tw__pb_claim(pb, 1 + tw__pb_varint_len(size) + size);
    if (!at) return;
    *at = tag;
    (void)tw__pb_raw_text(at + 1, text, size);
}

enum { TW__PB_KEPT = 2 }; /* bytes kept for a length: 128 to 16383 fit without moving anything */

static inline size_t tw__pb_open(struct tw__pb *pb, uint8_t tag)
{
    uint8_t *at = tw__pb_claim(pb, 1 + TW__PB_KEPT);
    if (at) *at = tag;
    return pb->len;
}

static inline void tw__pb_close(struct tw__pb *pb, size_t start)
{
    if (pb->full) return;
    size_t len = pb->len - start, needed = tw__pb_varint_len(len);
    uint8_t *length = pb->out + start - TW__PB_KEPT;
    if (needed > TW__PB_KEPT && !tw__pb_claim(pb, needed - TW__PB_KEPT)) return;
    if (needed < TW__PB_KEPT) pb->len -= TW__PB_KEPT - needed;
    if (needed != TW__PB_KEPT) memmove(length + needed, length + TW__PB_KEPT, len);
    (void)tw__pb_raw_varint(length, len);
}

/* Reading. at moves behind what was read; a field that makes no sense ends it with bad set. */
struct tw__pb_in {
    const uint8_t *at, *end;
    bool bad; /* sticky */
};

struct tw__pb_field {
    uint64_t number; /* from 1 */
    unsigned type;   /* TW__PB_VARINT, _I64, _LEN, _I32 */
    uint64_t value;  /* of the numbers */
    const uint8_t *bytes;
    size_t len; /* of TW__PB_LEN */
};

/* Returns  false at the end of the message, and when it is bad. */
bool tw__pb_next(struct tw__pb_in *in, struct tw__pb_field *field);

#endif
