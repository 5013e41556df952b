#include "ring/segment_builder.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCKS_ALIGN = 64 };

void builder_init(struct builder *b, uint32_t blocks, uint32_t chunks, uint32_t dict_bytes)
{
    size_t dict_off = TW__HEADER_BYTES;
    size_t blocks_off = (dict_off + dict_bytes + BLOCKS_ALIGN - 1) / BLOCKS_ALIGN * BLOCKS_ALIGN;
    size_t arena_off = blocks_off + (size_t)blocks * TW__BLOCK_BYTES;
    b->len = arena_off + (size_t)chunks * TW__CHUNK_BYTES;
    b->bytes = aligned_alloc(64, (b->len + 63) / 64 * 64);
    if (!b->bytes) abort();
    memset(b->bytes, 0, b->len);
    b->header = (struct tw__header *)(void *)b->bytes;
    *b->header = (struct tw__header){
        .magic = {'T', 'R', 'A', 'C', 'K', 'W', 'A', 'Y'},
        .version = TW__VERSION,
        .header_bytes = TW__HEADER_BYTES,
        .file_bytes = b->len,
        .map_addr = BUILDER_MAP_ADDR,
        .dict_off = dict_off,
        .dict_bytes = dict_bytes,
        .blocks_off = blocks_off,
        .block_bytes = TW__BLOCK_BYTES,
        .block_max = blocks,
        .slot_bytes = TW__SLOT_BYTES,
        .slots_per_block = TW__SLOTS,
        .arena_off = arena_off,
        .arena_reserve_bytes = (uint64_t)chunks * TW__CHUNK_BYTES,
        .chunk_bytes = TW__CHUNK_BYTES,
        .chunk_max = chunks,
        .pid = 4242,
        .uid = 1000,
        .start_ticks = 7,
        .pid_ns = 9,
        .started_ns = BUILDER_WALL0,
        .opened_ns = BUILDER_WALL0,
        .clock = TW__CLOCK_MONOTONIC,
        .state = TW__SEGMENT_OPEN,
        .recording = 1,
        .chunk_count = chunks,
        .chunk_high = chunks,
        .block_high = blocks,
        .first_calibration = {0, 0, BUILDER_WALL0},
        .service = "shop",
        .host = "here",
        .command = "shop --serve",
    };
    memset(b->header->boot_id, 0xb0, sizeof b->header->boot_id);
    if (dict_bytes >= 16) (void)builder_text(b, "?");
}

void builder_fini(struct builder *b)
{
    free(b->bytes);
    b->bytes = NULL;
}

struct tw__entry *builder_entry(const struct builder *b, uint32_t id)
{
    return (struct tw__entry *)(void *)(b->bytes + b->header->dict_off + (size_t)id * 8);
}

static uint32_t enter(struct builder *b, enum tw__entry_kind kind, const void *payload, size_t len)
{
    uint32_t id = b->header->dict_used, units = (uint32_t)((sizeof(struct tw__entry) + len + 7) / 8);
    if (((uint64_t)id + units) * 8 > b->header->dict_bytes) abort();
    struct tw__entry *entry = builder_entry(b, id);
    entry->head = (uint32_t)kind << 24 | (uint32_t)len;
    entry->units = units;
    memcpy(entry + 1, payload, len);
    b->header->dict_used += units;
    return id;
}

uint32_t builder_text(struct builder *b, const char *text)
{
    return enter(b, TW__ENTRY_TEXT, text, strlen(text));
}

uint32_t builder_site(struct builder *b, const char *name, const char *module, const char *function, uint32_t line)
{
    uint8_t payload[1024];
    uint16_t lens[] = {(uint16_t)strlen(name), (uint16_t)strlen(module), (uint16_t)strlen(function)};
    const char *texts[] = {name, module, function};
    size_t len = 12;
    memcpy(payload, &line, 4);
    memcpy(payload + 4, lens, 6);
    payload[10] = TW__TYPE_SPAN;
    payload[11] = 0;
    for (int i = 0; i < 3; i++) {
        if (len + lens[i] > sizeof payload) abort();
        memcpy(payload + len, texts[i], lens[i]);
        len += lens[i];
    }
    return enter(b, TW__ENTRY_SITE, payload, len);
}

struct tw__block *builder_block(const struct builder *b, uint32_t index)
{
    if (index >= b->header->block_max) abort();
    return (struct tw__block *)(void *)(b->bytes + b->header->blocks_off + (size_t)index * TW__BLOCK_BYTES);
}

void builder_thread(struct builder *b, uint32_t index, uint32_t tid, const char *name)
{
    struct tw__block *block = builder_block(b, index);
    block->state = TW__BLOCK_USED;
    block->index = index;
    block->tid = tid;
    block->role = TW__ROLE_THREAD;
    memset(block->name, 0, sizeof block->name);
    memcpy(block->name, name, strlen(name) < 15 ? strlen(name) : 15);
    b->header->threads_total++;
}

struct tw__slot *builder_slot(const struct builder *b, uint32_t block, unsigned slot)
{
    return (struct tw__slot *)(void *)((uint8_t *)builder_block(b, block) + TW__BLOCK_HEAD_BYTES +
                                       (size_t)slot * TW__SLOT_BYTES);
}

static uint64_t head_of(const struct builder_record *r, uint32_t len)
{
    return (uint64_t)len | (uint64_t)r->type << 16 | (uint64_t)r->bits << 24 | (uint64_t)r->site << 32;
}

static uint64_t misc_of(const struct builder_record *r)
{
    return (uint64_t)r->tid | (uint64_t)r->flags << 32;
}

void builder_open(struct builder *b, uint32_t block, unsigned slot, const struct builder_record *r)
{
    struct tw__slot *s = builder_slot(b, block, slot);
    s->head = head_of(r, 0);
    s->time = r->time;
    s->trace[0] = 0x1111;
    s->trace[1] = r->trace;
    s->misc = misc_of(r);
    s->parent = r->parent;
    if (r->tags) {
        s->tags_len = r->tags->len;
        memcpy(s->tags, r->tags->bytes, r->tags->len < TW__SLOT_TAG_BYTES ? r->tags->len : TW__SLOT_TAG_BYTES);
    }
    s->first_id = r->id - 0x5851F42D;
    s->id = r->id;
}

struct tw__chunk *builder_chunk(const struct builder *b, uint32_t index)
{
    if (index >= b->header->chunk_max) abort();
    return (struct tw__chunk *)(void *)(b->bytes + b->header->arena_off + (size_t)index * TW__CHUNK_BYTES);
}

void builder_set_state(struct builder *b, uint32_t index, enum tw__chunk_state state)
{
    struct tw__chunk *chunk = builder_chunk(b, index);
    chunk->word = (chunk->word & ~(uint64_t)3) | (uint64_t)state;
}

void builder_take(struct builder *b, uint32_t index, uint64_t ticket)
{
    struct tw__chunk *chunk = builder_chunk(b, index);
    memset(chunk, 0, TW__CHUNK_BYTES);
    chunk->word = ticket << 16 | TW__CHUNK_CLOSED;
    chunk->commit = TW__CHUNK_HEAD_BYTES;
    chunk->last_tick = UINT64_MAX / 2;
    if (b->header->next_ticket <= ticket) b->header->next_ticket = ticket + 1;
}

static void set_cursor(struct builder *b, uint32_t index)
{
    struct tw__chunk *chunk = builder_chunk(b, index);
    uint64_t at = BUILDER_MAP_ADDR + b->header->arena_off + (uint64_t)index * TW__CHUNK_BYTES + chunk->commit;
    memcpy(&builder_block(b, chunk->block)->cursor, &at, sizeof at);
}

void builder_hold(struct builder *b, uint32_t index, uint32_t block)
{
    builder_chunk(b, index)->block = block;
    builder_set_state(b, index, TW__CHUNK_OPEN);
    set_cursor(b, index);
}

uint64_t *builder_word(const struct builder *b, uint32_t index, uint32_t offset)
{
    return (uint64_t *)(void *)((uint8_t *)builder_chunk(b, index) + offset);
}

static uint32_t head_bytes_of(unsigned type)
{
    return type == TW__TYPE_SPAN    ? TW__SPAN_HEAD_BYTES
           : type == TW__TYPE_BRIEF ? TW__BRIEF_HEAD_BYTES
                                    : TW__EVENT_HEAD_BYTES;
}

uint32_t builder_add(struct builder *b, uint32_t index, const struct builder_record *r)
{
    struct tw__chunk *chunk = builder_chunk(b, index);
    uint32_t at = chunk->commit, head = head_bytes_of(r->type);
    uint32_t tags = r->tags ? r->tags->len : 0, len = (head + tags + 7) / 8 * 8;
    if (at + len > TW__CHUNK_BYTES) abort();
    uint64_t *words = builder_word(b, index, at);
    memset(words, 0, len);
    words[0] = head_of(r, len);
    words[1] = r->time;
    if (r->type != TW__TYPE_BRIEF) {
        words[2] = 0x1111;
        words[3] = r->trace;
        words[4] = r->id;
        words[5] = misc_of(r);
    }
    if (r->type == TW__TYPE_SPAN) {
        words[6] = r->parent;
        words[7] = r->end;
    }
    if (tags) memcpy((uint8_t *)words + head, r->tags->bytes, tags);
    chunk->commit = at + len;
    if ((chunk->word & 3) == TW__CHUNK_OPEN) set_cursor(b, index);
    return at;
}

void builder_tag(struct builder_tags *tags, uint32_t key, unsigned type, unsigned len, const void *payload, size_t size)
{
    uint32_t head = key | type << 16 | len << 24;
    size_t at = type <= TW__TAG_DOUBLE ? 8 : 4, len8 = (at + size + 7) / 8 * 8; /* numbers lie at 8 */
    if (tags->len + len8 > BUILDER_TAGS_MAX) abort();
    memset(tags->bytes + tags->len, 0, len8);
    memcpy(tags->bytes + tags->len, &head, 4);
    if (size) memcpy(tags->bytes + tags->len + at, payload, size);
    tags->len += (uint32_t)len8;
}

void builder_tag_text(struct builder_tags *tags, uint32_t key, unsigned type, const char *text)
{
    builder_tag(tags, key, type, (unsigned)strlen(text), text, strlen(text));
}

void builder_tag_long(struct builder_tags *tags, uint32_t key, unsigned type, const char *text, uint32_t stored,
                      uint32_t full)
{
    static uint8_t payload[BUILDER_TAGS_MAX]; /* small stacks */
    uint32_t words[2] = {stored | type << 24, full};
    memcpy(payload, words, 8);
    memcpy(payload + 8, text, stored);
    builder_tag(tags, key, TW__TAG_LONG, 0, payload, 8 + (size_t)stored);
}
