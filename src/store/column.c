/* column: writing.
 *
 *     magic | count | check || number, end, check | ... || bytes of the first | bytes of the second ...
 *
 * Numbers are cut into planes of bytes, the lowest first: of times and ids the low planes are noise and are stored as
 * they are, the high ones are nearly constant and vanish. Compressed together the noise would hide the rest from an
 * entropy coder. Where they take fewer bytes than the planes do before these are compressed, numbers stand in groups of
 * 64, each with the bits that its widest needs.
 * Rejected: varints (twice as slow to read, not smaller after compression); bit packing to the widest number of a block
 * (one long span makes all of them wide).
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* -O2 does not vectorise loops of unknown length: the half of all time here */
#endif
#include "store/column.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "store/column_bytes.h"
#include "store/hash.h"

void tw__columns_fini(struct tw__columns *columns)
{
    tw__buf_fini(&columns->body);
    tw__buf_fini(&columns->directory);
    ZSTD_freeCCtx(columns->zstd);
    free(columns->scratch);
    *columns = (struct tw__columns){0};
}

void tw__columns_begin(struct tw__columns *columns)
{
    tw__buf_reset(&columns->body);
    tw__buf_reset(&columns->directory);
    columns->count = 0;
    columns->failed = false;
    if (!columns->zstd) columns->zstd = ZSTD_createCCtx();
    if (!columns->zstd) columns->failed = true;
}

static void le32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) out[i] = (uint8_t)(value >> 8 * i);
}

void tw__put_u32(struct tw__columns *columns, uint32_t value)
{
    uint8_t bytes[4];
    le32(bytes, value);
    tw__buf_add(&columns->body, bytes, sizeof bytes);
}

void tw__put_u64(struct tw__columns *columns, uint64_t value)
{
    tw__put_u32(columns, (uint32_t)value);
    tw__put_u32(columns, (uint32_t)(value >> 32));
}

void tw__put_bytes(struct tw__columns *columns, const void *bytes, size_t len)
{
    tw__buf_add(&columns->body, bytes, len);
}

void tw__column_begin(struct tw__columns *columns, uint32_t column)
{
    columns->open = column;
    columns->open_at = columns->body.len;
}

void tw__column_end(struct tw__columns *columns)
{
    size_t len = columns->body.len - columns->open_at;
    if (columns->body.len > UINT32_MAX) columns->failed = true;
    if (columns->body.failed || columns->failed) return;
    uint8_t entry[TW__ENTRY_BYTES];
    le32(entry, columns->open);
    le32(entry + 4, (uint32_t)columns->body.len);
    le32(entry + 8, (uint32_t)tw__hash(columns->body.ptr + columns->open_at, len));
    tw__buf_add(&columns->directory, entry, sizeof entry);
    columns->count++;
}

void tw__columns_end(struct tw__columns *columns, struct tw__buf *out)
{
    if (columns->failed || columns->body.failed || columns->directory.failed) {
        out->failed = true;
        return;
    }
    uint8_t front[TW__FRONT_BYTES];
    le32(front, TW__COLUMNS_MAGIC);
    le32(front + 4, columns->count);
    le32(front + 8, (uint32_t)tw__hash_seeded(columns->directory.ptr, columns->directory.len, columns->count));
    tw__buf_add(out, front, sizeof front);
    tw__buf_add(out, columns->directory.ptr, columns->directory.len);
    tw__buf_add(out, columns->body.ptr, columns->body.len);
}

static uint8_t *scratch_of(struct tw__columns *columns, size_t len)
{
    if (len <= columns->scratch_cap) return columns->scratch;
    free(columns->scratch);
    columns->scratch_cap = 0;
    columns->scratch = malloc(len + len / 2);
    if (columns->scratch) columns->scratch_cap = len + len / 2;
    if (!columns->scratch) columns->failed = true;
    return columns->scratch;
}

/* Whether compressing can pay: bytes of noise have a flat histogram. */
static bool is_noise(const uint8_t *bytes, size_t len)
{
    uint16_t seen[256] = {0};
    if (len < 512) return false;
    size_t step = len / 512, squares = 0;
    for (size_t i = 0; i < 512; i++) seen[bytes[i * step]]++;
    for (size_t i = 0; i < 256; i++) squares += (size_t)seen[i] * seen[i];
    return squares < 512 * 4; /* 512 draws of 256 equally likely values: 512 * 3 */
}

/* mode, then: RAW the bytes; ONE the byte that all are; ZSTD a length and a frame. room: for cap bytes of it. */
static void put_packed(struct tw__columns *columns, const uint8_t *bytes, size_t len, uint8_t *room, size_t cap)
{
    bool one = len > 0;
    for (size_t i = 1; i < len && one; i++) one = bytes[i] == bytes[0];
    if (one) {
        tw__buf_char(&columns->body, TW__PACKED_ONE);
        tw__buf_char(&columns->body, (char)bytes[0]);
        return;
    }
    if (len >= TW__PACKED_WORTH && !is_noise(bytes, len)) {
        size_t packed = ZSTD_compressCCtx(columns->zstd, room, cap, bytes, len, 1);
        /* An eighth at least: an entropy coder that saves less costs more to undo than it is worth. */
        if (!ZSTD_isError(packed) && packed + 4 + len / 8 < len) {
            tw__buf_char(&columns->body, TW__PACKED_ZSTD);
            tw__put_u32(columns, (uint32_t)packed);
            tw__buf_add(&columns->body, room, packed);
            return;
        }
    }
    tw__buf_char(&columns->body, TW__PACKED_RAW);
    tw__buf_add(&columns->body, bytes, len);
}

/* Byte planes of numbers that need width bytes. */
static void put_planes(struct tw__columns *columns, const uint64_t *numbers, size_t count, unsigned width)
{
    tw__buf_char(&columns->body, (char)width);
    size_t cap = ZSTD_compressBound(count);
    uint8_t *plane = scratch_of(columns, count + cap);
    if (!plane || columns->failed) return;
    for (unsigned p = 0; p < width; p++) {
        for (size_t i = 0; i < count; i++) plane[i] = (uint8_t)(numbers[i] >> 8 * p);
        put_packed(columns, plane, count, plane + count, cap);
    }
}

/* count numbers of width bits, the lowest first. Returns the end of what is written, at most 8 * width bytes. */
static uint8_t *put_group(uint8_t *out, const uint64_t *numbers, size_t count, unsigned width)
{
    uint64_t bits = 0, pairs[TW__BITS_GROUP / 2];
    unsigned used = 0;
    /* Small ones two by two: half of the steps below. */
    while (width <= 32 && count % 2 == 0 && count >= 8) {
        for (size_t i = 0; i < count / 2; i++) pairs[i] = numbers[2 * i] | numbers[2 * i + 1] << width;
        numbers = pairs;
        count /= 2;
        width *= 2;
    }
    for (size_t i = 0; i < count; i++) {
        bits |= numbers[i] << used;
        used += width;
        if (used < 64) continue;
        memcpy(out, &bits, sizeof bits);
        out += sizeof bits;
        used -= 64;
        bits = used ? numbers[i] >> (width - used) : 0;
    }
    for (; used > 0; used = used > 8 ? used - 8 : 0, bits >>= 8) *out++ = (uint8_t)bits;
    return out;
}

static void put_bits(struct tw__columns *columns, const uint64_t *numbers, size_t count, const uint8_t *widths,
                     size_t groups, size_t total)
{
    uint8_t *bytes = scratch_of(columns, total + 8);
    if (!bytes || columns->failed) return;
    uint8_t *at = bytes;
    for (size_t g = 0; g < groups; g++) {
        size_t from = g * TW__BITS_GROUP, here = count - from < TW__BITS_GROUP ? count - from : TW__BITS_GROUP;
        if (widths[g]) at = put_group(at, numbers + from, here, widths[g]);
    }
    tw__buf_char(&columns->body, TW__BITS);
    tw__buf_add(&columns->body, widths, groups);
    tw__buf_add(&columns->body, bytes, (size_t)(at - bytes));
}

static unsigned width_of(uint64_t any)
{
    return any ? 64U - (unsigned)__builtin_clzll(any) : 0;
}

void tw__put_numbers(struct tw__columns *columns, const uint64_t *numbers, size_t count)
{
    uint64_t any = 0, different = 0;
    size_t groups = (count + TW__BITS_GROUP - 1) / TW__BITS_GROUP, total = groups;
    uint8_t few[128], *widths = groups <= sizeof few ? few : malloc(groups);
    if (!widths) {
        columns->failed = true;
        return;
    }
    for (size_t g = 0; g < groups; g++) {
        size_t from = g * TW__BITS_GROUP, here = count - from < TW__BITS_GROUP ? count - from : TW__BITS_GROUP;
        uint64_t group = 0;
        for (size_t i = from; i < from + here; i++) group |= numbers[i];
        for (size_t i = from; i < from + here; i++) different |= numbers[i] ^ numbers[0];
        any |= group;
        widths[g] = (uint8_t)width_of(group);
        total += (here * widths[g] + 7) / 8;
    }
    unsigned width = (width_of(any) + 7) / 8;
    if (!different || total >= count * width)
        put_planes(columns, numbers, count, width);
    else
        put_bits(columns, numbers, count, widths, groups, total);
    if (widths != few) free(widths);
}

void tw__put_texts(struct tw__columns *columns, const struct tw_text *texts, size_t count)
{
    uint64_t *lens = calloc(count + 1, sizeof *lens);
    size_t total = 0;
    if (!lens) {
        columns->failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) total += lens[i] = texts[i].len;
    tw__put_numbers(columns, lens, count);
    free(lens);
    if (total > UINT32_MAX / 2) columns->failed = true;
    size_t cap = ZSTD_compressBound(total);
    uint8_t *bytes = columns->failed ? NULL : scratch_of(columns, total + cap);
    if (!bytes) return;
    uint8_t *at = bytes;
    for (size_t i = 0; i < count; i++) {
        if (texts[i].len) memcpy(at, texts[i].ptr, texts[i].len);
        at += texts[i].len;
    }
    put_packed(columns, bytes, total, at, cap);
}
