/* Whatever compiles: the jumps say what the tree says, what is printed says the same, a site's verdict is kept. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "filter/filter.h"
#include "filter/print.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A record that answers each key with a value from a condition of the filter, or with one of its own, or not at all. */
struct record {
    const struct tw__filter *filter;
    uint64_t seed;
    bool partly; /* as a site: of a third of the keys nothing is known */
};

static uint64_t mix(uint64_t x)
{
    x *= 0x9e3779b97f4a7c15;
    return x ^ x >> 29;
}

/* Keys of four letters have VALUES values. */
enum { VALUES = 3, MANY_LEN = 4 };

static bool is_many(const struct tw__field_key *key)
{
    return key->len == MANY_LEN;
}

/* By name, so that a filter that was printed and read again meets the same record. */
static uint64_t hash(const struct record *record, const struct tw__field_key *key)
{
    uint64_t h = mix(record->seed + key->nth);
    for (size_t i = 0; i < key->len; i++) h = mix(h ^ (uint8_t)key->name[i]);
    return mix(h);
}

static enum tw__known known(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    const struct record *record = data;
    uint64_t h = hash(record, key);
    if (key->nth == VALUES) return TW__KNOWN_ABSENT;
    if (record->partly && h % 3 == 0) return TW__KNOWN_NOT;
    h >>= 8;
    if (h % 8 == 0 && is_many(key)) {
        out->type = TW__FIELD_NONE;
        return TW__KNOWN_VALUE;
    }
    if (h % 8 == 0) return TW__KNOWN_ABSENT;
    if (h % 8 == 1) {
        *out = (struct tw__field){.type = TW__FIELD_LEVEL, .u = h >> 8 & 7};
    } else if (h % 8 == 2) {
        *out = (struct tw__field){.type = TW__FIELD_DOUBLE, .d = (double)(int32_t)(h >> 8) / 256};
    } else {
        const struct tw__filter_leaf *leaf = &record->filter->leaves[(h >> 8) % record->filter->leaf_count];
        *out = leaf->value;
        if (out->type == TW__FIELD_NONE) *out = tw__field_text("text", 4);
    }
    return TW__KNOWN_VALUE;
}

static bool get(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    struct record whole = *(const struct record *)data;
    enum tw__known answer = known(&whole, key, out);
    if (answer != TW__KNOWN_NOT) return answer == TW__KNOWN_VALUE;
    *out = tw__field_int(7);
    return true;
}

/* One condition on several values, by the book: one passes, and none is what it must not be. */
static bool by_values(const struct tw__filter *filter, const struct tw__filter_leaf *leaf, const struct record *record)
{
    struct tw__filter_leaf equal = *leaf;
    struct tw__field_key key = filter->keys[leaf->key];
    struct tw__field value;
    unsigned there = 0, passing = 0, forbidden = 0;
    bool negative = leaf->op == TW__FILTER_NE || leaf->op == TW__FILTER_OTHER || leaf->op == TW__FILTER_NO_REGEX;
    equal.op = leaf->op == TW__FILTER_NE      ? TW__FILTER_EQ
               : leaf->op == TW__FILTER_OTHER ? TW__FILTER_SAME
                                              : TW__FILTER_REGEX;
    for (; key.nth < VALUES; key.nth++) {
        if (!get(record, &key, &value) || value.type == TW__FIELD_NONE) continue;
        there++;
        passing += tw__filter_leaf_test(leaf, &value);
        forbidden += negative && tw__filter_leaf_test(&equal, &value);
    }
    return leaf->op == TW__FILTER_ABSENT ? there == 0 : passing && !forbidden;
}

/* The tree, by the book. */
static bool by_tree(const struct tw__filter *filter, const struct record *record)
{
    bool values[TW__FILTER_NODES_MAX];
    for (unsigned i = 0; i < filter->node_count; i++) {
        const struct tw__filter_node *node = &filter->nodes[i];
        struct tw__field value;
        if (node->kind == TW__FILTER_LEAF) {
            const struct tw__filter_leaf *leaf = &filter->leaves[node->a];
            bool found = leaf->op > TW__FILTER_FALSE && get(record, &filter->keys[leaf->key], &value);
            values[i] = leaf->op > TW__FILTER_FALSE && is_many(&filter->keys[leaf->key])
                            ? by_values(filter, leaf, record)
                            : tw__filter_leaf_test(leaf, found ? &value : NULL);
        } else if (node->a >= i || (node->kind != TW__FILTER_NOT && node->b >= i)) {
            abort();
        } else {
            values[i] = node->kind == TW__FILTER_NOT   ? !values[node->a]
                        : node->kind == TW__FILTER_AND ? values[node->a] && values[node->b]
                                                       : values[node->a] || values[node->b];
        }
    }
    return values[filter->node_count - 1];
}

static enum tw__filter_holds holds(const char *name, size_t len)
{
    if (len == 8 && memcmp(name, "duration", 8) == 0) return TW__FILTER_DURATION;
    if (len == 5 && memcmp(name, "trace", 5) == 0) return TW__FILTER_TRACE_ID;
    return len == 8 && memcmp(name, "trace_id", 8) == 0 ? TW__FILTER_TEXT : TW__FILTER_ANYTHING;
}

static uint32_t length(const void *data, const char *name, size_t len)
{
    (void)data;
    (void)name;
    return (uint32_t)len;
}

static bool many(uint32_t id)
{
    return id == MANY_LEN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tw__filter_schema schema = {.resolve = length, .holds = holds, .many = many};
    struct tw__filter *filter = NULL, *again = NULL;
    struct tw__refusal refusal;
    struct tw__buf printed = {0};
    (void)tw__levels_parse((const char *)data, size);
    int result = tw__filter_compile((const char *)data, size, &schema, &filter, &refusal);
    if (result < 0) {
        if (filter || refusal.code != result || refusal.at > size || !refusal.text[0]) abort();
        return 0;
    }
    filter_print(filter, &printed);
    /* Quotes and escapes make it longer, perhaps too long. */
    result = tw__filter_compile(printed.ptr, printed.len, &schema, &again, &refusal);
    if (result < 0 && result != TW_ERR_SPACE) abort();
    for (uint64_t seed = 0; seed < 8; seed++) {
        struct record record = {filter, seed, false}, site = {filter, seed, true};
        bool matches = tw__filter_match_each(filter, get, &record);
        if (matches != by_tree(filter, &record)) abort();
        if (again && tw__filter_match_each(again, get, &record) != matches) abort();
        if (tw__filter_site(filter, known, &record) != (matches ? TW__VERDICT_YES : TW__VERDICT_NO)) abort();
        enum tw__verdict verdict = tw__filter_site(filter, known, &site);
        matches = tw__filter_match_each(filter, get, &site);
        if (verdict != TW__VERDICT_DEPENDS && matches != (verdict == TW__VERDICT_YES)) abort();
    }
    tw__buf_fini(&printed);
    tw__filter_free(again);
    tw__filter_free(filter);
    return 0;
}
