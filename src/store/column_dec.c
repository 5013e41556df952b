/* column_dec: reading. Every byte may be hostile.
 *
 * Counts come from elsewhere in the block and are as hostile as the bytes: they are limited by TW__COLUMN_ITEMS_MAX and
 * by the pool's limit, since one byte can stand for a million equal ones.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* -O2 does not vectorise loops of unknown length: the half of all time here */
#endif
#include <string.h>

#include <pthread.h>
#include <zstd.h>

#include "store/column.h"
#include "store/column_bytes.h"
#include "store/hash.h"

enum { GROUP_MAX = TW__BITS_GROUP * 8 + 8 };

static uint32_t le32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* One decompressor for each thread that reads, freed when the thread ends. */
static pthread_key_t unzip_key;
static pthread_once_t unzip_once = PTHREAD_ONCE_INIT;
static bool unzip_keyed;

static void unzip_free(void *zstd)
{
    ZSTD_freeDCtx(zstd);
}

static void unzip_init(void)
{
    unzip_keyed = pthread_key_create(&unzip_key, unzip_free) == 0;
}

static ZSTD_DCtx *unzip(void)
{
    if (pthread_once(&unzip_once, unzip_init) != 0 || !unzip_keyed) return NULL;
    ZSTD_DCtx *zstd = pthread_getspecific(unzip_key);
    if (!zstd) {
        zstd = ZSTD_createDCtx();
        if (zstd && pthread_setspecific(unzip_key, zstd) != 0) {
            ZSTD_freeDCtx(zstd);
            zstd = NULL;
        }
    }
    return zstd;
}

void tw__column_thread_done(void)
{
    if (pthread_once(&unzip_once, unzip_init) != 0 || !unzip_keyed) return;
    ZSTD_freeDCtx(pthread_getspecific(unzip_key));
    (void)pthread_setspecific(unzip_key, NULL);
}

size_t tw__contents_len(const uint8_t first[12])
{
    if (le32(first) != TW__COLUMNS_MAGIC || le32(first + 4) > TW__COLUMN_ITEMS_MAX) return 0;
    return TW__FRONT_BYTES + (size_t)le32(first + 4) * TW__ENTRY_BYTES;
}

int tw__contents_open(const void *bytes, size_t len, struct tw__contents *out)
{
    const uint8_t *at = bytes;
    size_t front = len < TW__FRONT_BYTES ? 0 : tw__contents_len(at);
    if (front == 0 || len < front) return TW_ERR_CORRUPT;
    uint32_t count = le32(at + 4), before = 0, end = 0;
    const uint8_t *directory = at + TW__FRONT_BYTES;
    if ((uint32_t)tw__hash_seeded(directory, front - TW__FRONT_BYTES, count) != le32(at + 8)) return TW_ERR_CORRUPT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = le32(directory + (size_t)i * TW__ENTRY_BYTES);
        uint32_t ends = le32(directory + (size_t)i * TW__ENTRY_BYTES + 4);
        if ((i > 0 && number <= before) || ends < end) return TW_ERR_CORRUPT;
        before = number;
        end = ends;
    }
    *out = (struct tw__contents){directory, at + front, len - front, count};
    return 0;
}

static const uint8_t *find(const struct tw__contents *contents, uint32_t column)
{
    uint32_t low = 0, high = contents->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint8_t *entry = contents->directory + (size_t)middle * TW__ENTRY_BYTES;
        uint32_t number = le32(entry);
        if (number == column) return entry;
        if (number < column)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool tw__column_there(const struct tw__contents *contents, uint32_t column)
{
    return find(contents, column) != NULL;
}

struct tw__column tw__column_find(const struct tw__contents *contents, uint32_t column)
{
    struct tw__column bad = {.bad = TW_ERR_CORRUPT};
    const uint8_t *entry = find(contents, column);
    if (!entry) return bad;
    uint32_t from = entry == contents->directory ? 0 : le32(entry - TW__ENTRY_BYTES + 4), to = le32(entry + 4);
    if (to > contents->body_len) return bad;
    const uint8_t *bytes = contents->body + from;
    if ((uint32_t)tw__hash(bytes, to - from) != le32(entry + 8)) return bad;
    return (struct tw__column){bytes, bytes + (to - from), 0};
}

const uint8_t *tw__get_bytes(struct tw__column *column, size_t len)
{
    if (!column->bad && len > (size_t)(column->end - column->at)) column->bad = TW_ERR_CORRUPT;
    if (column->bad) return NULL;
    const uint8_t *bytes = column->at;
    column->at += len;
    return bytes;
}

uint32_t tw__get_u32(struct tw__column *column)
{
    const uint8_t *bytes = tw__get_bytes(column, 4);
    return bytes ? le32(bytes) : 0;
}

uint64_t tw__get_u64(struct tw__column *column)
{
    uint64_t low = tw__get_u32(column);
    return low | (uint64_t)tw__get_u32(column) << 32;
}

static void *take(struct tw__column *column, struct tw__pool *pool, size_t count, size_t size)
{
    if (!column->bad && count > TW__COLUMN_ITEMS_MAX) column->bad = TW_ERR_CORRUPT;
    if (column->bad) return NULL;
    void *room = tw__pool_take(pool, count * size, 8);
    if (!room) column->bad = TW_ERR_MEMORY;
    return room;
}

/* len bytes, packed: as they lie in the column, or unpacked into room. NULL when bad. */
static const uint8_t *get_packed(struct tw__column *column, size_t len, uint8_t *room)
{
    const uint8_t *mode = tw__get_bytes(column, 1);
    if (!mode) return NULL;
    if (*mode == TW__PACKED_RAW) return tw__get_bytes(column, len);
    if (*mode == TW__PACKED_ONE) {
        const uint8_t *byte = tw__get_bytes(column, 1);
        if (byte) memset(room, *byte, len);
        return byte ? room : NULL;
    }
    size_t stored = tw__get_u32(column);
    const uint8_t *bytes = *mode == TW__PACKED_ZSTD ? tw__get_bytes(column, stored) : NULL;
    ZSTD_DCtx *zstd = bytes ? unzip() : NULL;
    if (bytes && !zstd) column->bad = TW_ERR_MEMORY;
    if (zstd && ZSTD_decompressDCtx(zstd, room, len, bytes, stored) == len) return room;
    if (!column->bad) column->bad = TW_ERR_CORRUPT;
    return NULL;
}

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* 64 numbers of width bits; 8 bytes behind them can be read. Eight numbers end with a byte, so that places repeat. */
static void get_group(const uint8_t *bytes, unsigned width, uint64_t *out)
{
    uint64_t mask = UINT64_MAX >> (64 - width);
    if (width > 57) {
        for (unsigned i = 0; i < TW__BITS_GROUP; i++) {
            unsigned at = i * width & 7;
            uint64_t low = load(bytes + (i * width >> 3)) >> at;
            uint64_t high = at ? (uint64_t)bytes[(i * width >> 3) + 8] << (64 - at) : 0;
            out[i] = (low | high) & mask;
        }
        return;
    }
    for (unsigned i = 0; i < TW__BITS_GROUP; i += 8, bytes += width)
        for (unsigned k = 0; k < 8; k++) out[i + k] = load(bytes + (k * width >> 3)) >> (k * width & 7) & mask;
}

/* The same for at most 32 bits. */
static void get_group_32(const uint8_t *bytes, unsigned width, uint32_t *out)
{
    uint64_t mask = UINT64_MAX >> (64 - width);
    for (unsigned i = 0; i < TW__BITS_GROUP; i += 8, bytes += width)
        for (unsigned k = 0; k < 8; k++)
            out[i + k] = (uint32_t)(load(bytes + (k * width >> 3)) >> (k * width & 7) & mask);
}

/* The next group: its bytes, of which 8 behind them can be read; NULL when bad. padded: room for a last one. */
static const uint8_t *next_group(struct tw__column *column, size_t count, unsigned width, uint8_t *padded)
{
    size_t len = (count * width + 7) / 8;
    const uint8_t *bytes = tw__get_bytes(column, len);
    if (!bytes || (count == TW__BITS_GROUP && column->end - column->at >= 8)) return bytes;
    memset(padded, 0, GROUP_MAX);
    memcpy(padded, bytes, len);
    return padded;
}

static bool get_bits(struct tw__column *column, size_t count, uint64_t *out)
{
    const uint8_t *widths = tw__get_bytes(column, (count + TW__BITS_GROUP - 1) / TW__BITS_GROUP);
    uint8_t padded[GROUP_MAX];
    uint64_t some[TW__BITS_GROUP];
    for (size_t from = 0; widths && from < count; from += TW__BITS_GROUP, widths++) {
        size_t here = count - from < TW__BITS_GROUP ? count - from : TW__BITS_GROUP;
        if (*widths > 64) column->bad = TW_ERR_CORRUPT;
        const uint8_t *bytes = next_group(column, here, *widths, padded);
        if (!bytes) return false;
        if (*widths == 0) {
            memset(out + from, 0, here * sizeof *out);
            continue;
        }
        get_group(bytes, *widths, here == TW__BITS_GROUP ? out + from : some);
        if (here < TW__BITS_GROUP) memcpy(out + from, some, here * sizeof *out);
    }
    return widths != NULL;
}

static bool get_bits_32(struct tw__column *column, size_t count, uint32_t *out)
{
    const uint8_t *widths = tw__get_bytes(column, (count + TW__BITS_GROUP - 1) / TW__BITS_GROUP);
    uint8_t padded[GROUP_MAX];
    uint32_t some[TW__BITS_GROUP];
    for (size_t from = 0; widths && from < count; from += TW__BITS_GROUP, widths++) {
        size_t here = count - from < TW__BITS_GROUP ? count - from : TW__BITS_GROUP;
        if (*widths > 32) column->bad = TW_ERR_CORRUPT;
        const uint8_t *bytes = next_group(column, here, *widths, padded);
        if (!bytes) return false;
        if (*widths == 0) {
            memset(out + from, 0, here * sizeof *out);
            continue;
        }
        get_group_32(bytes, *widths, here == TW__BITS_GROUP ? out + from : some);
        if (here < TW__BITS_GROUP) memcpy(out + from, some, here * sizeof *out);
    }
    return widths != NULL;
}

uint64_t *tw__get_numbers(struct tw__column *column, size_t count, struct tw__pool *pool)
{
    const uint8_t *width = tw__get_bytes(column, 1);
    if (width && *width > TW__BITS) column->bad = TW_ERR_CORRUPT;
    uint64_t *numbers = take(column, pool, count, sizeof *numbers);
    if (!numbers) return NULL;
    if (*width == TW__BITS) return get_bits(column, count, numbers) ? numbers : NULL;
    if (*width == 0) memset(numbers, 0, count * sizeof *numbers);
    uint8_t *room = *width ? take(column, pool, count, 1) : NULL;
    if (*width && !room) return NULL;
    for (unsigned p = 0; p < *width; p++) {
        const uint8_t *plane = get_packed(column, count, room);
        if (!plane) return NULL;
        if (p == 0) {
            for (size_t i = 0; i < count; i++) numbers[i] = plane[i];
        } else {
            for (size_t i = 0; i < count; i++) numbers[i] |= (uint64_t)plane[i] << 8 * p;
        }
    }
    return numbers;
}

static bool get_index_planes(struct tw__column *column, size_t count, unsigned width, uint32_t *indexes,
                             struct tw__pool *pool)
{
    memset(indexes, 0, count * sizeof *indexes);
    uint8_t *room = width ? take(column, pool, count, 1) : NULL;
    if (width && !room) return false;
    for (unsigned p = 0; p < width; p++) {
        const uint8_t *plane = get_packed(column, count, room);
        if (!plane) return false;
        for (size_t i = 0; i < count; i++) indexes[i] |= (uint32_t)plane[i] << 8 * p;
    }
    return true;
}

uint32_t *tw__get_indexes(struct tw__column *column, size_t count, size_t limit, struct tw__pool *pool)
{
    const uint8_t *width = tw__get_bytes(column, 1);
    if (width && *width > 4 && *width != TW__BITS) column->bad = TW_ERR_CORRUPT;
    uint32_t *indexes = take(column, pool, count, sizeof *indexes);
    if (!indexes) return NULL;
    bool good = *width == TW__BITS ? get_bits_32(column, count, indexes)
                                   : get_index_planes(column, count, *width, indexes, pool);
    if (!good) return NULL;
    bool inside = true;
    for (size_t i = 0; i < count; i++) inside &= indexes[i] < limit;
    if (inside) return indexes;
    column->bad = TW_ERR_CORRUPT;
    return NULL;
}

struct tw_text *tw__get_texts(struct tw__column *column, size_t count, struct tw__pool *pool)
{
    uint64_t *lens = tw__get_numbers(column, count, pool);
    struct tw_text *texts = take(column, pool, count, sizeof *texts);
    if (!lens || !texts) return NULL;
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (lens[i] > UINT32_MAX) column->bad = TW_ERR_CORRUPT;
        total += lens[i] & UINT32_MAX;
    }
    if (total > UINT32_MAX / 2) column->bad = TW_ERR_CORRUPT;
    if (column->bad) return NULL;
    uint8_t *room = tw__pool_take(pool, total, 1);
    if (!room) {
        column->bad = TW_ERR_MEMORY;
        return NULL;
    }
    const uint8_t *bytes = get_packed(column, total, room);
    if (!bytes) return NULL;
    if (bytes != room) memcpy(room, bytes, total); /* a block's bytes go away before what was read from it does */
    const char *at = (const char *)room;
    for (size_t i = 0; i < count; i++) {
        texts[i] = (struct tw_text){at, lens[i]};
        at += lens[i];
    }
    return texts;
}
