/* block_dec: the index and the head of a block, read.
 *
 * Both are hostile input. What is checked here once is not checked again: rows per trace sum up to the rows, every
 * index is below its count.
 */
#include <string.h>

#include "store/block.h"
#include "store/block_bytes.h"
#include "store/hash.h"

/* -- the index */

static int read_filter(struct tw__column *in, struct tw__pool *pool, struct tw__filter *out)
{
    uint32_t bits = tw__get_u32(in);
    const uint8_t *filter = bits % 8 == 0 && bits ? tw__get_bytes(in, bits / 8) : NULL;
    if (!filter || in->bad) return TW_ERR_CORRUPT;
    *out = (struct tw__filter){(const uint8_t *)tw__pool_copy(pool, filter, bits / 8), bits};
    return out->bits ? 0 : TW_ERR_MEMORY;
}

int tw__block_index_read(const void *bytes, size_t len, struct tw__pool *pool, struct tw__block_index *out)
{
    const uint8_t *start = bytes;
    if (len < 12) return TW_ERR_CORRUPT;
    struct tw__column check = {start + len - 4, start + len, 0}, in = {start, start + len - 4, 0};
    if (tw__get_u32(&check) != (uint32_t)tw__hash(start, len - 4)) return TW_ERR_CORRUPT;
    struct tw__block_index index = {.service_count = tw__get_u32(&in)};
    if (index.service_count > TW__BLOCK_ROWS) return TW_ERR_CORRUPT;
    struct tw__block_service *services = tw__pool_zeroed(pool, index.service_count + 1, sizeof *services);
    if (!services) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < index.service_count; i++) {
        uint32_t name_len = tw__get_u32(&in);
        const uint8_t *name = tw__get_bytes(&in, name_len);
        if (!name) return TW_ERR_CORRUPT;
        services[i].name = (struct tw_text){tw__pool_copy(pool, name, name_len), name_len};
        if (!services[i].name.ptr) return TW_ERR_MEMORY;
        services[i].spans = tw__get_u32(&in);
        services[i].errors = tw__get_u32(&in);
        services[i].max_ns = tw__get_u64(&in);
    }
    index.services = services;
    int error = read_filter(&in, pool, &index.traces);
    if (!error) error = read_filter(&in, pool, &index.values);
    if (!error && in.at != in.end) error = TW_ERR_CORRUPT;
    if (!error) *out = index;
    return error;
}

uint64_t tw__trace_hash(const uint8_t trace_id[16])
{
    return tw__hash(trace_id, 16);
}

bool tw__block_index_may_have(const struct tw__block_index *index, uint64_t trace)
{
    return tw__filter_may_have(&index->traces, trace, TW__BLOOM_PROBES);
}

uint64_t tw__value_hash_of(uint64_t key_hash, const struct tw_text *text)
{
    return text ? tw__hash_seeded(text->ptr, text->len, key_hash) : key_hash ^ UINT64_C(0x9e3779b97f4a7c15);
}

uint64_t tw__value_hash(struct tw_text key, const struct tw_text *text)
{
    return tw__value_hash_of(tw__hash(key.ptr, key.len), text);
}

bool tw__block_index_may_equal(const struct tw__block_index *index, struct tw_text key, struct tw_text value)
{
    return tw__filter_may_have(&index->values, tw__value_hash(key, &value), TW__VALUES_PROBES) ||
           tw__filter_may_have(&index->values, tw__value_hash(key, NULL), TW__VALUES_PROBES);
}

/* -- the head */

static int read_counts(const struct tw__contents *contents, struct tw__head *head, uint64_t *min_ns)
{
    struct tw__column in = tw__column_find(contents, TW__COLUMN(TW__HEAD_COUNTS, 0));
    head->rows = tw__get_u32(&in);
    head->trace_count = tw__get_u32(&in);
    head->class_count = tw__get_u32(&in);
    head->resource_count = tw__get_u32(&in);
    head->scope_count = tw__get_u32(&in);
    head->name_count = tw__get_u32(&in);
    *min_ns = tw__get_u64(&in);
    if (in.bad) return in.bad;
    bool good = head->rows >= 1 && head->rows <= TW__BLOCK_ROWS && head->trace_count >= 1 &&
                head->trace_count <= head->rows && head->class_count >= 1 && head->class_count <= head->rows &&
                head->resource_count >= 1 && head->resource_count <= head->class_count && head->scope_count >= 1 &&
                head->scope_count <= head->class_count && head->name_count >= 1 &&
                head->name_count <= head->class_count;
    return good ? 0 : TW_ERR_CORRUPT;
}

static int read_traces(const struct tw__contents *contents, struct tw__head *head, struct tw__pool *pool)
{
    struct tw__column ids = tw__column_find(contents, TW__COLUMN(TW__HEAD_TRACE_IDS, 0));
    struct tw__column lens = tw__column_find(contents, TW__COLUMN(TW__HEAD_TRACE_ROWS, 0));
    const uint8_t *bytes = tw__get_bytes(&ids, (size_t)head->trace_count * 16);
    if (!bytes) return ids.bad;
    head->trace_ids = (const uint8_t *)tw__pool_copy(pool, bytes, (size_t)head->trace_count * 16);
    uint32_t *rows = tw__get_indexes(&lens, head->trace_count, (size_t)head->rows + 1, pool);
    uint32_t *first = tw__pool_take(pool, (head->trace_count + 1) * sizeof *first, 4);
    if (lens.bad) return lens.bad;
    if (!head->trace_ids || !first) return TW_ERR_MEMORY;
    uint32_t row = 0;
    for (uint32_t t = 0; t < head->trace_count; t++) {
        first[t] = row;
        if (rows[t] == 0 || rows[t] > head->rows - row) return TW_ERR_CORRUPT;
        row += rows[t];
    }
    first[head->trace_count] = row;
    head->trace_first = first;
    return row == head->rows ? 0 : TW_ERR_CORRUPT;
}

static int read_times(const struct tw__contents *contents, struct tw__head *head, uint64_t min_ns,
                      struct tw__pool *pool)
{
    struct tw__column firsts = tw__column_find(contents, TW__COLUMN(TW__HEAD_TRACE_STARTS, 0));
    struct tw__column others = tw__column_find(contents, TW__COLUMN(TW__HEAD_STARTS, 0));
    struct tw__column durations = tw__column_find(contents, TW__COLUMN(TW__HEAD_DURATIONS, 0));
    const uint64_t *first = tw__get_numbers(&firsts, head->trace_count, pool);
    const uint64_t *after = tw__get_numbers(&others, head->rows - head->trace_count, pool);
    head->duration_ns = tw__get_numbers(&durations, head->rows, pool);
    uint64_t *starts = tw__pool_take(pool, head->rows * sizeof *starts, 8);
    if (firsts.bad || others.bad || durations.bad)
        return firsts.bad ? firsts.bad : others.bad ? others.bad : durations.bad;
    if (!starts) return TW_ERR_MEMORY;
    for (uint32_t t = 0; t < head->trace_count; t++) {
        uint64_t time = min_ns + first[t];
        starts[head->trace_first[t]] = time;
        for (uint32_t i = head->trace_first[t] + 1; i < head->trace_first[t + 1]; i++) starts[i] = time += *after++;
    }
    head->start_ns = starts;
    return 0;
}

/* Of each resource its service. */
static uint32_t *read_services(const struct tw__contents *contents, struct tw__head *head, struct tw__pool *pool,
                               int *bad)
{
    struct tw__column in = tw__column_find(contents, TW__COLUMN(TW__HEAD_SERVICES, 0));
    head->service_count = tw__get_u32(&in);
    if (!in.bad && head->service_count > head->resource_count) in.bad = TW_ERR_CORRUPT;
    head->services = tw__get_texts(&in, head->service_count, pool);
    uint32_t *of = tw__get_indexes(&in, head->resource_count, head->service_count, pool);
    *bad = in.bad;
    return of;
}

static int read_classes(const struct tw__contents *contents, struct tw__head *head, struct tw__pool *pool)
{
    struct tw__column of = tw__column_find(contents, TW__COLUMN(TW__HEAD_CLASS_OF, 0));
    struct tw__column in = tw__column_find(contents, TW__COLUMN(TW__HEAD_CLASSES, 0));
    const size_t limits[8] = {
        head->resource_count, head->scope_count, head->name_count, SIZE_MAX, 256, 256, 256, 8,
    };
    const uint32_t *fields[8];
    int bad;
    for (unsigned f = 0; f < 8; f++) fields[f] = tw__get_indexes(&in, head->class_count, limits[f], pool);
    head->class_of = tw__get_indexes(&of, head->rows, head->class_count, pool);
    const uint32_t *service = read_services(contents, head, pool, &bad);
    struct tw__class *classes = tw__pool_take(pool, head->class_count * sizeof *classes, 8);
    if (of.bad || in.bad || bad) return of.bad ? of.bad : in.bad ? in.bad : bad;
    if (!classes) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < head->class_count; i++)
        classes[i] = (struct tw__class){.resource = fields[0][i],
                                        .scope = fields[1][i],
                                        .name = fields[2][i],
                                        .service = service[fields[0][i]],
                                        .flags = fields[3][i],
                                        .kind = (uint8_t)fields[4][i],
                                        .status = (uint8_t)fields[5][i],
                                        .door = (uint8_t)fields[6][i],
                                        .bits = (uint8_t)fields[7][i]};
    head->classes = classes;
    return 0;
}

int tw__head_read(const void *bytes, size_t len, unsigned parts, struct tw__pool *pool, struct tw__head *out)
{
    struct tw__contents contents;
    struct tw__head head = {0};
    uint64_t min_ns = 0;
    int error = tw__contents_open(bytes, len, &contents);
    if (!error) error = read_counts(&contents, &head, &min_ns);
    if (!error) error = read_traces(&contents, &head, pool);
    if (!error) error = read_classes(&contents, &head, pool);
    if (!error && parts & TW__HEAD_TIMES) error = read_times(&contents, &head, min_ns, pool);
    if (!error && parts & TW__HEAD_TEXTS) {
        struct tw__column texts = tw__column_find(&contents, TW__COLUMN(TW__HEAD_NAMES, 0));
        head.names = tw__get_texts(&texts, head.name_count, pool);
        error = texts.bad;
    }
    if (!error) *out = head;
    return error;
}

int tw__head_trace(const struct tw__head *head, const uint8_t trace_id[16])
{
    for (uint32_t t = 0; t < head->trace_count; t++)
        if (memcmp(head->trace_ids + (size_t)t * 16, trace_id, 16) == 0) return (int)t;
    return -1;
}

bool tw__head_may_have(const struct tw__contents *contents, const uint8_t trace_id[16])
{
    struct tw__column ids = tw__column_find(contents, TW__COLUMN(TW__HEAD_TRACE_IDS, 0));
    if (ids.bad) return true;
    for (; ids.end - ids.at >= 16; ids.at += 16)
        if (memcmp(ids.at, trace_id, 16) == 0) return true;
    return false;
}
