/* block_enc: rows of a table become a block.
 *
 *     head   trace ids, begins, durations, and for each span a class: what many spans have in common
 *     tail   span ids, parents, tags by key, events, links, resources, scopes
 *     index  services with counts and longest span, filters of trace ids and of texts of tags
 *
 * A class is (resource, scope, name, kind, status, door, flags, open, root): a search on any of these looks at some
 * hundred classes, and then at two bytes a span. A parent in the same block is a distance, which is small because spans
 * of a trace stand together; any other is 8 bytes. Dictionaries are the block's own: a block can be read without any
 * other, and a damaged one costs only itself.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "store/block_bytes.h"
#include "store/block_enc.h"
#include "store/hash.h"
#include "store/sort.h"

struct tw__block_enc *tw__block_enc_new(void)
{
    return calloc(1, sizeof(struct tw__block_enc));
}

void tw__block_enc_free(struct tw__block_enc *enc)
{
    if (!enc) return;
    tw__columns_fini(&enc->columns);
    tw__pool_fini(&enc->pool);
    free(enc->local);
    free(enc->field_of);
    free(enc->fields);
    free(enc);
}

int tw__ids_begin(struct tw__block_enc *enc, struct tw__ids *ids, size_t cap)
{
    if (++enc->round == 0) {
        memset(enc->local, 0, enc->local_cap * sizeof *enc->local);
        enc->round = 1;
    }
    *ids = (struct tw__ids){.items = tw__pool_take(&enc->pool, (cap + 1) * sizeof *ids->items, 4), .round = enc->round};
    return ids->items ? 0 : TW_ERR_MEMORY;
}

uint32_t tw__ids_put(struct tw__block_enc *enc, struct tw__ids *ids, uint32_t id)
{
    struct tw__local *local = &enc->local[id];
    if (local->round != ids->round) {
        local->round = ids->round;
        local->id = ids->count;
        ids->items[ids->count++] = id;
    }
    return local->id;
}

const struct tw_text *tw__texts_of(struct tw__block_enc *enc, const struct tw__ids *ids)
{
    enum { AHEAD = 12 };
    struct tw_text *texts = tw__pool_take(&enc->pool, (ids->count + 1) * sizeof *texts, 8);
    for (uint32_t i = 0; texts && i < ids->count; i++) {
        if (i + AHEAD < ids->count) __builtin_prefetch(&enc->recent->strings[ids->items[i + AHEAD]]);
        texts[i] = enc->recent->strings[ids->items[i]];
    }
    return texts;
}

void tw__put_ids_texts(struct tw__block_enc *enc, const struct tw__ids *ids)
{
    const struct tw_text *texts = tw__texts_of(enc, ids);
    if (texts)
        tw__put_texts(&enc->columns, texts, ids->count);
    else
        enc->columns.failed = true;
}

void tw__put_text_column(struct tw__block_enc *enc, const uint64_t *strings, size_t count)
{
    struct tw__ids ids;
    uint64_t *indexes = tw__pool_take(&enc->pool, (count + 1) * sizeof *indexes, 8);
    if (!indexes || tw__ids_begin(enc, &ids, count) < 0) {
        enc->columns.failed = true;
        return;
    }
    for (size_t i = 0; i < count; i++) indexes[i] = tw__ids_put(enc, &ids, (uint32_t)strings[i]);
    tw__put_u32(&enc->columns, ids.count);
    tw__put_ids_texts(enc, &ids);
    tw__put_numbers(&enc->columns, indexes, count);
}

/* -- classes */

struct class_key {
    uint32_t resource, scope, name, flags;
    uint8_t kind, status, door, bits;
    uint32_t zero;
};

static struct class_key class_of(const struct tw__row *row)
{
    unsigned bits = row->open ? TW__CLASS_OPEN : 0;
    if (row->open && row->end_ns == 0) bits |= TW__CLASS_ENDLESS;
    if (tw__all_zero(row->parent_id, sizeof row->parent_id)) bits |= TW__CLASS_ROOT;
    return (struct class_key){.resource = row->resource,
                              .scope = row->scope,
                              .name = row->name,
                              .flags = row->flags,
                              .kind = row->kind,
                              .status = row->status,
                              .door = row->door,
                              .bits = (uint8_t)bits};
}

static size_t class_slot(const uint64_t words[3], size_t mask)
{
    uint64_t mixed = (words[0] * UINT64_C(0x9e3779b97f4a7c15) ^ words[1]) * UINT64_C(0xff51afd7ed558ccd) ^ words[2];
    return (size_t)(mixed * UINT64_C(0xc4ceb9fe1a85ec53) >> 32) & mask;
}

/* Finds or adds the class of each row. */
static int find_classes(struct tw__block_enc *enc, struct class_key *classes, uint64_t *of)
{
    enum { SLOTS = 4 * TW__BLOCK_ROWS };
    _Static_assert(sizeof *classes == 24, "compared as three words");
    uint16_t *slots = tw__pool_zeroed(&enc->pool, SLOTS, sizeof *slots);
    if (!slots) return TW_ERR_MEMORY;
    uint32_t count = 0;
    for (size_t i = 0; i < enc->count; i++) {
        struct class_key key = class_of(&enc->rows[i]);
        uint64_t words[3], there[3];
        memcpy(words, &key, sizeof words);
        size_t at = class_slot(words, SLOTS - 1);
        for (; slots[at]; at = (at + 1) % SLOTS) {
            memcpy(there, &classes[slots[at] - 1], sizeof there);
            if (there[0] == words[0] && there[1] == words[1] && there[2] == words[2]) break;
        }
        if (!slots[at]) {
            classes[count] = key;
            slots[at] = (uint16_t)++count;
        }
        of[i] = slots[at] - 1U;
    }
    enc->class_count = count;
    return 0;
}

static void put_class_field(struct tw__block_enc *enc, const struct class_key *classes, unsigned field)
{
    uint64_t *out = tw__pool_take(&enc->pool, (enc->class_count + 1) * sizeof *out, 8);
    if (!out) {
        enc->columns.failed = true;
        return;
    }
    for (uint32_t i = 0; i < enc->class_count; i++) {
        const struct class_key *c = &classes[i];
        const uint64_t fields[] = {c->resource, c->scope, c->name, c->flags, c->kind, c->status, c->door, c->bits};
        out[i] = fields[field];
    }
    tw__put_numbers(&enc->columns, out, enc->class_count);
}

static int put_classes(struct tw__block_enc *enc)
{
    struct class_key *classes = tw__pool_take(&enc->pool, enc->count * sizeof *classes, 8);
    uint64_t *of = tw__pool_take(&enc->pool, enc->count * sizeof *of, 8);
    if (!classes || !of || find_classes(enc, classes, of) < 0) return TW_ERR_MEMORY;
    if (tw__ids_begin(enc, &enc->resources, enc->class_count) < 0) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < enc->class_count; i++)
        classes[i].resource = tw__ids_put(enc, &enc->resources, classes[i].resource);
    if (tw__ids_begin(enc, &enc->scopes, enc->class_count) < 0) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < enc->class_count; i++) classes[i].scope = tw__ids_put(enc, &enc->scopes, classes[i].scope);
    if (tw__ids_begin(enc, &enc->names, enc->class_count) < 0) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < enc->class_count; i++) classes[i].name = tw__ids_put(enc, &enc->names, classes[i].name);
    uint64_t *services = tw__pool_take(&enc->pool, (enc->resources.count + 1) * sizeof *services, 8);
    if (!services) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < enc->resources.count; i++)
        services[i] = enc->recent->resources[enc->resources.items[i]].name;
    enc->of = of;
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_CLASS_OF, 0));
    tw__put_numbers(&enc->columns, of, enc->count);
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_CLASSES, 0));
    for (unsigned field = 0; field < 8; field++) put_class_field(enc, classes, field);
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_NAMES, 0));
    tw__put_ids_texts(enc, &enc->names);
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_SERVICES, 0));
    tw__put_text_column(enc, services, enc->resources.count);
    tw__column_end(&enc->columns);
    return 0;
}

/* -- the head */

static const struct tw__row *row_at(const struct tw__block_enc *enc, size_t index)
{
    return &enc->rows[index];
}

static int find_traces(struct tw__block_enc *enc)
{
    enc->trace_first = tw__pool_take(&enc->pool, (enc->count + 1) * sizeof *enc->trace_first, 4);
    if (!enc->trace_first) return TW_ERR_MEMORY;
    enc->trace_count = 0;
    enc->min_ns = UINT64_MAX;
    enc->max_ns = 0;
    for (uint32_t i = 0; i < enc->count; i++) {
        const struct tw__row *row = row_at(enc, i);
        if (i == 0 || !tw__same_trace(row, row_at(enc, i - 1))) enc->trace_first[enc->trace_count++] = i;
        if (row->start_ns < enc->min_ns) enc->min_ns = row->start_ns;
        if (row->start_ns > enc->max_ns) enc->max_ns = row->start_ns;
    }
    enc->trace_first[enc->trace_count] = (uint32_t)enc->count;
    return 0;
}

/* The first begin of each trace from the first of the block, every other from the one before it in its trace. */
static int put_starts(struct tw__block_enc *enc)
{
    uint64_t *numbers = tw__pool_take(&enc->pool, (enc->count + 1) * sizeof *numbers, 8);
    if (!numbers) return TW_ERR_MEMORY;
    for (uint32_t t = 0; t < enc->trace_count; t++)
        numbers[t] = row_at(enc, enc->trace_first[t])->start_ns - enc->min_ns;
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_TRACE_STARTS, 0));
    tw__put_numbers(&enc->columns, numbers, enc->trace_count);
    tw__column_end(&enc->columns);
    size_t n = 0;
    for (uint32_t t = 0; t < enc->trace_count; t++)
        for (uint32_t i = enc->trace_first[t] + 1; i < enc->trace_first[t + 1]; i++)
            numbers[n++] = row_at(enc, i)->start_ns - row_at(enc, i - 1)->start_ns;
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_STARTS, 0));
    tw__put_numbers(&enc->columns, numbers, n);
    tw__column_end(&enc->columns);
    for (size_t i = 0; i < enc->count; i++) {
        const struct tw__row *row = row_at(enc, i);
        numbers[i] = row->open && row->end_ns == 0 ? 0 : row->end_ns - row->start_ns;
    }
    enc->durations = numbers;
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_DURATIONS, 0));
    tw__put_numbers(&enc->columns, numbers, enc->count);
    tw__column_end(&enc->columns);
    return 0;
}

static int put_traces(struct tw__block_enc *enc)
{
    uint64_t *lens = tw__pool_take(&enc->pool, enc->trace_count * sizeof *lens, 8);
    if (!lens) return TW_ERR_MEMORY;
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_TRACE_IDS, 0));
    for (uint32_t t = 0; t < enc->trace_count; t++) {
        lens[t] = enc->trace_first[t + 1] - enc->trace_first[t];
        tw__put_bytes(&enc->columns, row_at(enc, enc->trace_first[t])->trace_id, 16);
    }
    tw__column_end(&enc->columns);
    tw__column_begin(&enc->columns, TW__COLUMN(TW__HEAD_TRACE_ROWS, 0));
    tw__put_numbers(&enc->columns, lens, enc->trace_count);
    tw__column_end(&enc->columns);
    return 0;
}

static int put_head(struct tw__block_enc *enc, struct tw__buf *out)
{
    struct tw__columns *columns = &enc->columns;
    tw__columns_begin(columns);
    if (find_traces(enc) < 0 || put_traces(enc) < 0 || put_starts(enc) < 0 || put_classes(enc) < 0)
        return TW_ERR_MEMORY;
    tw__column_begin(columns, TW__COLUMN(TW__HEAD_COUNTS, 0));
    tw__put_u32(columns, (uint32_t)enc->count);
    tw__put_u32(columns, enc->trace_count);
    tw__put_u32(columns, enc->class_count);
    tw__put_u32(columns, enc->resources.count);
    tw__put_u32(columns, enc->scopes.count);
    tw__put_u32(columns, enc->names.count);
    tw__put_u64(columns, enc->min_ns);
    tw__column_end(columns);
    tw__columns_end(columns, out);
    return out->failed ? TW_ERR_MEMORY : 0;
}

/* -- the tail */

static int put_ids(struct tw__block_enc *enc)
{
    tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_SPAN_IDS, 0));
    for (size_t i = 0; i < enc->count; i++) tw__put_bytes(&enc->columns, row_at(enc, i)->span_id, 8);
    tw__column_end(&enc->columns);
    return 0;
}

static uint64_t id_of(const uint8_t bytes[8])
{
    uint64_t id;
    memcpy(&id, bytes, sizeof id);
    return id;
}

static size_t parent_slot(uint64_t id, uint32_t trace, size_t mask)
{
    return (size_t)(((id ^ trace * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd)) >> 40) & mask;
}

/* Rows by span id and trace, then each parent looked up. Of copies the first one is meant. */
static int put_parents(struct tw__block_enc *enc)
{
    enum { SLOTS = 4 * TW__BLOCK_ROWS };
    uint16_t *slots = tw__pool_zeroed(&enc->pool, SLOTS, sizeof *slots);
    uint64_t *codes = tw__pool_take(&enc->pool, enc->count * sizeof *codes, 8);
    uint64_t *elsewhere = tw__pool_take(&enc->pool, enc->count * sizeof *elsewhere, 8);
    if (!slots || !codes || !elsewhere) return TW_ERR_MEMORY;
    size_t others = 0;
    for (uint32_t t = 0; t < enc->trace_count; t++) {
        uint32_t from = enc->trace_first[t], to = enc->trace_first[t + 1];
        for (uint32_t i = from; i < to; i++) {
            size_t at = parent_slot(id_of(row_at(enc, i)->span_id), t, SLOTS - 1);
            while (slots[at]) at = (at + 1) % SLOTS;
            slots[at] = (uint16_t)(i + 1);
        }
        for (uint32_t i = from; i < to; i++) {
            uint64_t parent = id_of(row_at(enc, i)->parent_id);
            codes[i] = TW__PARENT_NONE;
            if (parent == 0) continue;
            size_t at = parent_slot(parent, t, SLOTS - 1);
            while (slots[at] && (slots[at] - 1U < from || id_of(row_at(enc, slots[at] - 1U)->span_id) != parent))
                at = (at + 1) % SLOTS;
            if (slots[at]) {
                int64_t distance = (int64_t)i - (int64_t)(slots[at] - 1U);
                codes[i] = TW__PARENT_NEAR + ((uint64_t)distance << 1 ^ (uint64_t)(distance >> 63));
            } else {
                codes[i] = TW__PARENT_ELSEWHERE;
                elsewhere[others++] = parent;
            }
        }
    }
    tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_PARENTS, 0));
    tw__put_numbers(&enc->columns, codes, enc->count);
    tw__put_u32(&enc->columns, (uint32_t)others);
    tw__put_bytes(&enc->columns, elsewhere, others * 8);
    tw__column_end(&enc->columns);
    return 0;
}

static uint64_t row_number(const struct tw__row *row, unsigned what)
{
    const uint64_t numbers[] = {row->status_message, row->trace_state, row->dropped_tags, row->dropped_events,
                                row->dropped_links};
    return numbers[what];
}

static int put_rest(struct tw__block_enc *enc)
{
    uint64_t *numbers = tw__pool_take(&enc->pool, enc->count * sizeof *numbers, 8);
    if (!numbers) return TW_ERR_MEMORY;
    for (unsigned what = 0; what < 2; what++) {
        for (size_t i = 0; i < enc->count; i++) numbers[i] = row_number(row_at(enc, i), what);
        tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_MESSAGES + what, 0));
        tw__put_text_column(enc, numbers, enc->count);
        tw__column_end(&enc->columns);
    }
    tw__column_begin(&enc->columns, TW__COLUMN(TW__TAIL_DROPPED, 0));
    for (unsigned what = 2; what < 5; what++) {
        for (size_t i = 0; i < enc->count; i++) numbers[i] = row_number(row_at(enc, i), what);
        tw__put_numbers(&enc->columns, numbers, enc->count);
    }
    tw__column_end(&enc->columns);
    return 0;
}

static int put_tail(struct tw__block_enc *enc, struct tw__buf *out)
{
    tw__columns_begin(&enc->columns);
    if (put_ids(enc) < 0 || put_parents(enc) < 0 || put_rest(enc) < 0 || tw__put_events(enc) < 0 ||
        tw__put_links(enc) < 0 || tw__put_origins(enc) < 0 || tw__put_all_tags(enc) < 0)
        return TW_ERR_MEMORY;
    tw__columns_end(&enc->columns, out);
    return out->failed ? TW_ERR_MEMORY : 0;
}

/* -- the index */

static void add_u32(struct tw__buf *out, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) tw__buf_char(out, (char)(uint8_t)(value >> 8 * i));
}

int tw__reserve_value_hashes(struct tw__block_enc *enc, size_t more)
{
    size_t cap = enc->value_cap ? enc->value_cap : 4096;
    while (cap < enc->value_count + more) cap *= 2;
    if (cap == enc->value_cap) return 0;
    uint64_t *hashes = tw__pool_take(&enc->pool, cap * sizeof *hashes, 8);
    if (!hashes) return TW_ERR_MEMORY;
    if (enc->value_count) memcpy(hashes, enc->value_hashes, enc->value_count * sizeof *hashes);
    enc->value_hashes = hashes;
    enc->value_cap = cap;
    return 0;
}

void tw__put_value_hash(struct tw__block_enc *enc, uint64_t key_hash, const struct tw_text *text)
{
    enc->value_hashes[enc->value_count++] = tw__value_hash_of(key_hash, text);
}

/* A filter of which an empty one has a word too: it can be asked. */
static int put_filter(struct tw__block_enc *enc, const uint64_t *hashes, size_t count, unsigned bits_each,
                      unsigned probes, struct tw__buf *out)
{
    uint32_t bits = tw__filter_bits(count, bits_each);
    uint8_t *filter = tw__pool_zeroed(&enc->pool, bits / 8, 1);
    if (!filter) return TW_ERR_MEMORY;
    tw__filter_fill(filter, bits, hashes, count, probes);
    add_u32(out, bits, 4);
    tw__buf_add(out, filter, bits / 8);
    return 0;
}

static int put_filters(struct tw__block_enc *enc, struct tw__buf *out)
{
    uint64_t *hashes = tw__pool_take(&enc->pool, enc->trace_count * sizeof *hashes, 8);
    if (!hashes) return TW_ERR_MEMORY;
    for (uint32_t t = 0; t < enc->trace_count; t++)
        hashes[t] = tw__trace_hash(row_at(enc, enc->trace_first[t])->trace_id);
    if (put_filter(enc, hashes, enc->trace_count, TW__BLOOM_BITS, TW__BLOOM_PROBES, out) < 0) return TW_ERR_MEMORY;
    size_t values = enc->value_count < UINT32_MAX / 32 ? enc->value_count : UINT32_MAX / 32;
    return put_filter(enc, enc->value_hashes, values, TW__VALUES_BITS, TW__VALUES_PROBES, out);
}

struct service_sum {
    uint32_t spans, errors;
    uint64_t max_ns;
};

static int put_index(struct tw__block_enc *enc, struct tw__buf *out)
{
    struct tw__ids services;
    struct service_sum *sums = tw__pool_zeroed(&enc->pool, enc->resources.count + 1, sizeof *sums);
    if (!sums || tw__ids_begin(enc, &services, enc->resources.count) < 0) return TW_ERR_MEMORY;
    for (size_t i = 0; i < enc->count; i++) {
        const struct tw__row *row = row_at(enc, i);
        struct service_sum *sum = &sums[tw__ids_put(enc, &services, enc->recent->resources[row->resource].name)];
        sum->spans++;
        if (row->status == TW_STATUS_ERROR) sum->errors++;
        if (row->end_ns > row->start_ns && !row->open && enc->durations[i] > sum->max_ns)
            sum->max_ns = enc->durations[i];
    }
    add_u32(out, services.count, 4);
    for (uint32_t i = 0; i < services.count; i++) {
        const struct tw_text *name = &enc->recent->strings[services.items[i]];
        add_u32(out, name->len, 4);
        tw__buf_add(out, name->ptr, name->len);
        add_u32(out, sums[i].spans, 4);
        add_u32(out, sums[i].errors, 4);
        add_u32(out, sums[i].max_ns, 8);
    }
    if (put_filters(enc, out) < 0) return TW_ERR_MEMORY;
    if (!out->failed) add_u32(out, (uint32_t)tw__hash(out->ptr, out->len), 4);
    return out->failed ? TW_ERR_MEMORY : 0;
}

static int make_room(struct tw__block_enc *enc, const struct tw__recent *recent)
{
    size_t need = recent->count.strings;
    if (recent->count.fields > need) need = recent->count.fields;
    if (recent->count.shapes > need) need = recent->count.shapes;
    if (recent->count.resources > need) need = recent->count.resources;
    if (recent->count.scopes > need) need = recent->count.scopes;
    if (need <= enc->local_cap) return 0;
    free(enc->local);
    enc->local_cap = 0;
    enc->local = calloc(need + need / 2, sizeof *enc->local);
    if (!enc->local) return TW_ERR_MEMORY;
    enc->local_cap = need + need / 2;
    return 0;
}

static int compare_fields(const void *a, const void *b)
{
    uint32_t one = *(const uint32_t *)a, two = *(const uint32_t *)b;
    return one < two ? -1 : one > two;
}

/* Which fields the table's shapes have, once for all blocks. */
static int find_fields(struct tw__block_enc *enc, const struct tw__recent *recent)
{
    size_t count = recent->count.fields, different = 0;
    if (enc->fields) return 0;
    enc->fields = malloc((count + 1) * sizeof *enc->fields);
    enc->field_of = malloc((count + 1) * sizeof *enc->field_of);
    if (!enc->fields || !enc->field_of) return TW_ERR_MEMORY;
    if (count) {
        memcpy(enc->fields, recent->fields, count * sizeof *enc->fields);
        qsort(enc->fields, count, sizeof *enc->fields, compare_fields);
    }
    for (size_t i = 0; i < count; i++)
        if (i == 0 || enc->fields[i] != enc->fields[different - 1]) enc->fields[different++] = enc->fields[i];
    for (size_t i = 0; i < count; i++) {
        const uint32_t *at = bsearch(&recent->fields[i], enc->fields, different, sizeof *enc->fields, compare_fields);
        enc->field_of[i] = (uint32_t)(at - enc->fields);
    }
    return 0;
}

int tw__block_enc(struct tw__block_enc *enc, const struct tw__recent *recent, const struct tw__row *rows, size_t count,
                  struct tw__block_bytes *out)
{
    tw__buf_reset(&out->index);
    tw__buf_reset(&out->head);
    tw__buf_reset(&out->tail);
    tw__pool_reset(&enc->pool);
    enc->value_hashes = NULL;
    enc->value_count = enc->value_cap = 0;
    enc->recent = recent;
    enc->rows = rows;
    enc->count = count;
    if (make_room(enc, recent) < 0 || find_fields(enc, recent) < 0 || put_head(enc, &out->head) < 0 ||
        put_tail(enc, &out->tail) < 0 || put_index(enc, &out->index) < 0)
        return TW_ERR_MEMORY;
    out->min_ns = enc->min_ns;
    out->max_ns = enc->max_ns;
    out->rows = count;
    return 0;
}
