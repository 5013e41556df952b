/* Blocks of any bytes: read whole, asked for values and tags, and again in part. A u32 says where the head ends and the
 * tail begins. Checks are put right first, or nothing would get past them; whatever comes out must be in itself
 * sound. */
#include <stdlib.h>
#include <string.h>

#include "store/block.h"
#include "store/column_bytes.h"
#include "store/hash.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t get(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void put(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

static void put_checks_right(uint8_t *bytes, size_t len)
{
    if (len < TW__FRONT_BYTES) return;
    put(bytes, TW__COLUMNS_MAGIC);
    uint32_t count = get(bytes + 4) % 512, start = 0;
    size_t front = TW__FRONT_BYTES + (size_t)count * TW__ENTRY_BYTES;
    if (front > len) return;
    put(bytes + 4, count);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *entry = bytes + TW__FRONT_BYTES + (size_t)i * TW__ENTRY_BYTES;
        uint32_t end = get(entry + 4);
        if (end >= start && end <= len - front) put(entry + 8, (uint32_t)tw__hash(bytes + front + start, end - start));
        start = end;
    }
    put(bytes + 8, (uint32_t)tw__hash_seeded(bytes + TW__FRONT_BYTES, front - TW__FRONT_BYTES, count));
}

static bool take_value(void *data, struct tw_text value, uint64_t count)
{
    *(uint64_t *)data += count + (value.len ? (uint8_t)value.ptr[value.len - 1] : 0);
    return true;
}

static void look(const struct tw__head *head, const struct tw__tail *tail, unsigned parts, struct tw__pool *pool)
{
    static const struct tw_text keys[] = {{"user.id", 7}};
    static uint32_t rows[TW__BLOCK_ROWS];
    struct tw__spans out = {.pool.limit_bytes = 64 << 20};
    size_t count = 0;
    for (uint32_t i = 0; i < head->rows; i += parts == TW__PART_ALL ? 1 : 3) rows[count++] = i;
    struct tw__block_read read = {.head = head,
                                  .tail = tail,
                                  .rows = rows,
                                  .row_count = count,
                                  .parts = parts,
                                  .keys = keys,
                                  .key_count = 1,
                                  .scratch = pool};
    int error = tw__block_read(&read, &out);
    if (out.count != (error ? 0 : count)) abort();
    for (size_t i = 0; i < out.count; i++)
        if (out.items[i].resource >= out.resource_count || out.items[i].scope >= out.scope_count) abort();
    tw__spans_fini(&out);
}

static void read_block(const uint8_t *bytes, size_t head_len, size_t len)
{
    struct tw__pool pool = {.limit_bytes = 64 << 20};
    struct tw__head head;
    struct tw__tail tail;
    uint64_t sum = 0;
    static uint8_t hits[TW__BLOCK_ROWS];
    const struct tw__store_equal equal = {{"user.id", 7}, {"1", 1}};
    if (tw__head_read(bytes, head_len, TW__HEAD_ALL, &pool, &head) == 0 &&
        tw__tail_open(bytes + head_len, len - head_len, &head, &tail) == 0) {
        look(&head, &tail, TW__PART_ALL, &pool);
        look(&head, &tail, 0, &pool);
        (void)tw__block_values(&tail, TW__SCOPE_ANY, equal.key, &pool, take_value, &sum);
        memset(hits, 1, sizeof hits);
        (void)tw__block_equal(&tail, &equal, &pool, hits);
    }
    tw__pool_fini(&pool);
}

static void read_index(uint8_t *bytes, size_t len)
{
    struct tw__pool pool = {.limit_bytes = 64 << 20};
    struct tw__block_index index;
    if (len >= 4) put(bytes + len - 4, (uint32_t)tw__hash(bytes, len - 4));
    const uint8_t id[16] = {1};
    if (tw__block_index_read(bytes, len, &pool, &index) == 0) {
        (void)tw__block_index_may_have(&index, tw__trace_hash(id));
        (void)tw__block_index_may_equal(&index, (struct tw_text){"user.id", 7}, (struct tw_text){"1", 1});
    }
    tw__pool_fini(&pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4) return 0;
    size_t len = size - 4, head_len = get(data);
    if (head_len > len) head_len = len;
    uint8_t *bytes = malloc(len + 1);
    if (!bytes) return 0;
    memcpy(bytes, data + 4, len);
    put_checks_right(bytes, head_len);
    put_checks_right(bytes + head_len, len - head_len);
    read_block(bytes, head_len, len);
    read_index(bytes, len);
    free(bytes);
    return 0;
}
