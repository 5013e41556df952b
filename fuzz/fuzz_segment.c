/* Whatever the bytes of a segment, opening, describing and reading it touches nothing outside, and what is delivered is whole.
 *
 * Input that begins with the magic is a whole file. Any other is a recipe, so that small inputs reach deep:
 *     u8 n, n times {u16 offset, u64 word} put over a valid header of one block and two chunks;
 *     u16 dictionary bytes, dictionary; u16 slot bytes, slot 0 of block 0; the rest: the two chunks, heads included.
 */
#include <stdlib.h>
#include <string.h>

#include <trackway/live.h>

#include "ring/layout.h"
#include "ring/reader.h"

enum { DICT = 512, FILE_BYTES = TW__HEADER_BYTES + DICT + TW__BLOCK_BYTES + 2 * TW__CHUNK_BYTES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* Reads every byte that was delivered. */
static void touch(const struct tw_records *records)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < records->count; i++) {
        const struct tw_record *r = &records->items[i];
        if (i && r[-1].time_ns > r->time_ns) abort();
        const struct tw_text texts[] = {r->name, r->module, r->function, r->thread, r->status_message};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            for (size_t k = 0; k < texts[t].len; k++) sum += (uint8_t)texts[t].ptr[k];
        for (size_t t = 0; t < r->tag_count; t++) {
            const struct tw_tag_value *tag = &r->tags[t];
            for (size_t k = 0; k < tag->key.len; k++) sum += (uint8_t)tag->key.ptr[k];
            for (size_t k = 0; k < tag->text.len; k++) sum += (uint8_t)tag->text.ptr[k];
            if (tag->type == TW_TYPE_NONE || tag->full_len < tag->text.len) abort();
        }
        for (size_t t = 0; t < r->arg_count; t++)
            for (size_t k = 0; k < r->args[t].text.len; k++) sum += (uint8_t)r->args[t].text.ptr[k];
        char message[300];
        size_t len = tw_record_message(r, message, sizeof message);
        if (len >= sizeof message || message[len] != 0) abort();
        for (size_t k = 0; k < len; k++) sum += (uint8_t)message[k];
        for (size_t t = 0; t < r->parent_count; t++) sum += r->parents[t].flags;
    }
    if (sum == 0x123456789abcdef) abort(); /* so that the loops stay */
}

static bool touch_site(const struct tw_site_value *site, void *data)
{
    *(uint64_t *)data += site->name.len + site->line;
    for (size_t i = 0; i < site->function.len; i++) *(uint64_t *)data += (uint8_t)site->function.ptr[i];
    return true;
}

static void read_as(struct tw_reader *reader, const struct tw_query *query)
{
    struct tw_records *records = NULL;
    if (tw_reader_read(reader, query, &records) != 0) return;
    touch(records);
    tw_records_free(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t trace[16] = {[15] = 1};
    bool whole = size >= 8 && memcmp(data, TW__MAGIC, 8) == 0;
    size_t len = whole ? size : FILE_BYTES;
    uint8_t *bytes = calloc(1, len); /* malloc aligns well enough, and ends where the file ends */
    struct tw_reader *reader;
    struct tw_process process;
    struct tw_position *position = tw_position_new();

    if (!bytes || !position) abort();
    if (whole)
        memcpy(bytes, data, size);
    else
        cook((struct input){data, size}, bytes);
    if (tw__reader_over(bytes, len, "fuzz", &reader, NULL) == 0) {
        (void)tw_reader_process(reader, &process);
        struct tw_live_status status;
        uint64_t sum = 0;
        (void)tw_reader_sites(reader, touch_site, &sum);
        for (size_t i = 0; tw_live_seat_status(reader, i, &status) == 0; i++)
            if (strlen(status.ref) >= sizeof status.ref || strlen(status.problem) >= sizeof status.problem) abort();
        read_as(reader, &(struct tw_query){.open_spans = true});
        read_as(reader, &(struct tw_query){.trace_id = trace, .open_spans = true, .limit = 3});
        read_as(reader, &(struct tw_query){.since_ns = 1000, .until_ns = 1u << 30, .after = position});
        read_as(reader, &(struct tw_query){.open_spans = true, .after = position});
        read_as(reader, &(struct tw_query){.only_open = true});
        tw_reader_close(reader);
    }
    tw_position_free(position);
    free(bytes);
    return 0;
}
