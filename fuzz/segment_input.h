/* segment_input: a segment out of any bytes.
 *
 * Input that begins with the magic is a whole file. Any other is a recipe, so that small inputs reach deep:
 *     u8 n, n times {u16 offset, u64 word} put over a valid header of one block and two chunks;
 *     u16 dictionary bytes, dictionary; u16 slot bytes, slot 0 of block 0; the rest: the two chunks, heads included.
 */
#ifndef TW_FUZZ_SEGMENT_INPUT_H
#define TW_FUZZ_SEGMENT_INPUT_H

#include <stdlib.h>
#include <string.h>

#include "ring/layout.h"
#include "ring/reader.h"

enum { DICT = 512, FILE_BYTES = TW__HEADER_BYTES + DICT + TW__BLOCK_BYTES + 2 * TW__CHUNK_BYTES };

struct input {
    const uint8_t *at;
    size_t rest;
};

static void take(struct input *in, void *to, size_t len)
{
    if (len > in->rest) len = in->rest;
    if (len) memcpy(to, in->at, len);
    in->at += len;
    in->rest -= len;
}

static void take_part(struct input *in, uint8_t *to, size_t cap)
{
    uint16_t len = 0;
    take(in, &len, sizeof len);
    take(in, to, len < cap ? len : cap);
}

static void cook(struct input in, uint8_t *bytes)
{
    struct tw__header h = {
        .magic = {'T', 'R', 'A', 'C', 'K', 'W', 'A', 'Y'},
        .version = TW__VERSION,
        .header_bytes = TW__HEADER_BYTES,
        .file_bytes = FILE_BYTES,
        .dict_off = TW__HEADER_BYTES,
        .dict_bytes = DICT,
        .blocks_off = TW__HEADER_BYTES + DICT,
        .block_bytes = TW__BLOCK_BYTES,
        .block_max = 1,
        .slot_bytes = TW__SLOT_BYTES,
        .slots_per_block = TW__SLOTS,
        .arena_off = FILE_BYTES - 2 * TW__CHUNK_BYTES,
        .arena_reserve_bytes = 2 * TW__CHUNK_BYTES,
        .chunk_bytes = TW__CHUNK_BYTES,
        .chunk_max = 2,
        .clock = TW__CLOCK_MONOTONIC,
        .chunk_count = 2,
        .chunk_high = 2,
        .block_high = 1,
    };
    uint8_t n = 0;
    memcpy(bytes, &h, sizeof h);
    take(&in, &n, 1);
    for (; n && in.rest >= 10; n--) {
        uint16_t at = 0;
        take(&in, &at, 2);
        take(&in, bytes + at % (TW__HEADER_BYTES - 8), 8);
    }
    take_part(&in, bytes + h.dict_off, DICT);
    take_part(&in, bytes + h.blocks_off + TW__BLOCK_HEAD_BYTES, TW__SLOT_BYTES);
    take(&in, bytes + h.arena_off, 2 * TW__CHUNK_BYTES);
}

/* Owned by the caller. malloc aligns well enough, and ends where the file ends. */
static uint8_t *segment_of(const uint8_t *data, size_t size, size_t *len)
{
    bool whole = size >= 8 && memcmp(data, TW__MAGIC, 8) == 0;
    *len = whole ? size : FILE_BYTES;
    uint8_t *bytes = calloc(1, *len);
    if (!bytes) abort();
    if (whole)
        memcpy(bytes, data, size);
    else
        cook((struct input){data, size}, bytes);
    return bytes;
}

#endif
