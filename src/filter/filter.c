/* filter: whether a record passes.
 *
 *     leaf 0 --true--> leaf 1 --true--> ACCEPT          module=cart and (status=error or duration>1s)
 *            --false-> REJECT --false-> leaf 2 ...
 *
 * What a condition says of a value that is there:
 *
 *                  same kind             numbers of two types      anything else
 *     = < <= > >=  compared              by value, exactly         false
 *     !=           not equal             by value, exactly         false
 *     === !==      type and value        false, true               false, true
 *
 * and of one that is missing: false, but absent() is true. So not x=1 passes a record without x, and x!=1 does not.
 * Of several values one that passes is enough; for !=, !== and !~ there must also be none that = (===, ~) lets pass.
 *
 * Invariant: no allocation, no recursion; each step goes to a later condition.
 * Limits: texts compare by their bytes, as memcmp does. NaN is equal to nothing and not different from anything either.
 * Rejected: Erlang's order of all terms (number < atom < list < binary), by which "abc" > 100: it selects by accident.
 */
#include "filter/filter.h"

#include <string.h>

#include "filter/regex.h"

enum { LESS = -1, EQUAL = 0, GREATER = 1, NEITHER = 2 };

static int order_of_double(double a, double b)
{
    return a < b ? LESS : a > b ? GREATER : a >= b ? EQUAL : NEITHER;
}

/* Exactly: the double's whole part fits 64 bits or decides alone. */
static int order_int_double(int64_t a, double b)
{
    if (b >= 9223372036854775808.0) return LESS;
    if (b < -9223372036854775808.0) return GREATER;
    if (!(b <= 0 || b >= 0)) return NEITHER;
    int64_t whole = (int64_t)b;
    if (a != whole) return a < whole ? LESS : GREATER;
    return order_of_double(0, b - (double)whole);
}

static int order_uint_double(uint64_t a, double b)
{
    if (a <= INT64_MAX) return order_int_double((int64_t)a, b);
    if (b >= 18446744073709551616.0) return LESS;
    if (b < 9223372036854775808.0) return GREATER;
    if (!(b <= 0 || b >= 0)) return NEITHER;
    uint64_t whole = (uint64_t)b; /* doubles that large have no fraction */
    return a < whole ? LESS : a > whole ? GREATER : EQUAL;
}

static int flipped(int order)
{
    return order == LESS ? GREATER : order == GREATER ? LESS : order;
}

static bool is_int(const struct tw__field *value)
{
    return value->type == TW__FIELD_INT || value->type == TW__FIELD_UINT;
}

static int order_of_ints(const struct tw__field *a, const struct tw__field *b)
{
    bool a_minus = a->type == TW__FIELD_INT && a->i < 0, b_minus = b->type == TW__FIELD_INT && b->i < 0;
    if (a_minus != b_minus) return a_minus ? LESS : GREATER;
    /* Of one sign the order of the bits is that of the values. */
    return a->u < b->u ? LESS : a->u > b->u;
}

static int order_int_any(const struct tw__field *a, const struct tw__field *b)
{
    if (is_int(b)) return order_of_ints(a, b);
    if (b->type != TW__FIELD_DOUBLE) return NEITHER;
    return a->type == TW__FIELD_INT ? order_int_double(a->i, b->d) : order_uint_double(a->u, b->d);
}

static bool is_text(const struct tw__field *value)
{
    return value->type == TW__FIELD_TEXT || value->type == TW__FIELD_BYTES;
}

static int order_of_texts(const struct tw__field *a, const struct tw__field *b)
{
    size_t len = a->len < b->len ? a->len : b->len;
    int order = len ? memcmp(a->ptr, b->ptr, len) : 0;
    if (order) return order < 0 ? LESS : GREATER;
    return a->len < b->len ? LESS : a->len > b->len;
}

static int order_of(const struct tw__field *a, const struct tw__field *b)
{
    if (is_text(a)) return is_text(b) ? order_of_texts(a, b) : NEITHER;
    if (is_int(a)) return order_int_any(a, b);
    if (a->type == TW__FIELD_DOUBLE && b->type == TW__FIELD_DOUBLE) return order_of_double(a->d, b->d);
    if (a->type == TW__FIELD_DOUBLE) return is_int(b) ? flipped(order_int_any(b, a)) : NEITHER;
    return NEITHER;
}

static inline uint64_t bytes_of(const char *ptr, size_t len)
{
    uint64_t bytes = 0;
    memcpy(&bytes, ptr, len);
    return bytes;
}

/* Up to 16 bytes in two words that overlap: names are short, and a branch on how far they agree is seldom foreseen. */
static inline bool same_bytes(const struct tw__field *a, const struct tw__field *b)
{
    size_t len = a->len;
    if (len != b->len) return false;
    if (len >= 4 && len < 8)
        return ((bytes_of(a->ptr, 4) ^ bytes_of(b->ptr, 4)) |
                (bytes_of(a->ptr + len - 4, 4) ^ bytes_of(b->ptr + len - 4, 4))) == 0;
    if (len >= 8 && len <= 16)
        return ((bytes_of(a->ptr, 8) ^ bytes_of(b->ptr, 8)) |
                (bytes_of(a->ptr + len - 8, 8) ^ bytes_of(b->ptr + len - 8, 8))) == 0;
    return len == 0 || memcmp(a->ptr, b->ptr, len) == 0;
}

/* A level is compared with texts as its name. */
static struct tw__field as_text(const struct tw__field *value)
{
    if (value->type != TW__FIELD_LEVEL) return *value;
    const char *name = tw__level_name((unsigned)value->u);
    return tw__field_text(name, strlen(name));
}

static bool equal(const struct tw__filter_leaf *leaf, const struct tw__field *value, bool *comparable)
{
    struct tw__field text = as_text(value);
    if (leaf->value.type == TW__FIELD_BOOL) {
        *comparable = text.type == TW__FIELD_BOOL;
        return *comparable && text.u == leaf->value.u;
    }
    if (leaf->pid && is_text(&text) && text.len > 2 && *text.ptr == '<' && text.ptr[text.len - 1] == '>') {
        text.ptr++;
        text.len -= 2;
    }
    if (is_text(&leaf->value)) {
        *comparable = is_text(&text);
        return *comparable && same_bytes(&text, &leaf->value);
    }
    int order = order_of(&text, &leaf->value);
    *comparable = order != NEITHER;
    return order == EQUAL;
}

static bool same(const struct tw__filter_leaf *leaf, const struct tw__field *value)
{
    bool comparable;
    if ((value->type == TW__FIELD_DOUBLE) != (leaf->value.type == TW__FIELD_DOUBLE)) return false;
    return equal(leaf, value, &comparable);
}

static bool level_in(const struct tw__filter_leaf *leaf, const struct tw__field *value)
{
    if (value->type == TW__FIELD_LEVEL) return value->u < 8 && tw__levels_have(leaf->levels, (unsigned)value->u);
    int number = is_text(value) ? tw__level_number(value->ptr, value->len) : -1;
    return number >= 0 && tw__levels_have(leaf->levels, (unsigned)number);
}

static bool there(const struct tw__filter_leaf *leaf, const struct tw__field *value)
{
    bool comparable = false;
    struct tw__field text;
    switch ((enum tw__filter_op)leaf->op) {
    case TW__FILTER_EXISTS:
        return true;
    case TW__FILTER_EQ:
        return equal(leaf, value, &comparable);
    case TW__FILTER_NE:
        return !equal(leaf, value, &comparable) && comparable;
    case TW__FILTER_SAME:
        return same(leaf, value);
    case TW__FILTER_OTHER:
        return !same(leaf, value);
    case TW__FILTER_LT:
        return order_of(value, &leaf->value) == LESS;
    case TW__FILTER_LE:
        return order_of(value, &leaf->value) <= EQUAL;
    case TW__FILTER_GT:
        return order_of(value, &leaf->value) == GREATER;
    case TW__FILTER_GE:
        return (order_of(value, &leaf->value) & ~1) == 0;
    case TW__FILTER_REGEX:
    case TW__FILTER_NO_REGEX:
        text = as_text(value);
        return is_text(&text) && tw__regex_match(leaf->regex, text.ptr, text.len) == (leaf->op == TW__FILTER_REGEX);
    case TW__FILTER_LEVEL:
        return level_in(leaf, value);
    case TW__FILTER_TRUE:
    case TW__FILTER_FALSE:
    case TW__FILTER_ABSENT:
        break;
    }
    return false;
}

bool tw__filter_leaf_test(const struct tw__filter_leaf *leaf, const struct tw__field *value)
{
    if (leaf->op == TW__FILTER_TRUE) return true;
    if (!value) return leaf->op == TW__FILTER_ABSENT;
    return there(leaf, value);
}

/* The conditions that nearly all filters are made of, without a call; the others as everywhere. */
static inline bool test_quickly(const struct tw__filter_leaf *leaf, const struct tw__field *value)
{
    if (leaf->quick == TW__FILTER_QUICK_TEXT && value->type == TW__FIELD_TEXT)
        return same_bytes(value, &leaf->value) == (leaf->op == TW__FILTER_EQ || leaf->op == TW__FILTER_SAME);
    if (leaf->quick == TW__FILTER_QUICK_LEVEL && value->type == TW__FIELD_LEVEL)
        return value->u < 8 && (leaf->levels >> value->u & 1) != 0;
    if (leaf->quick == TW__FILTER_QUICK_INT && is_int(value) && (value->type == TW__FIELD_INT || value->i >= 0)) {
        unsigned order = value->i < leaf->value.i   ? TW__FILTER_IF_LESS
                         : value->i > leaf->value.i ? TW__FILTER_IF_GREATER
                                                    : TW__FILTER_IF_EQUAL;
        return (leaf->orders & order) != 0;
    }
    return there(leaf, value);
}

bool tw__filter_match(const struct tw__filter *filter, tw__field_get *get, const void *source)
{
    struct tw__field value;
    bool found = false;
    unsigned asked = UINT16_MAX;
    for (uint16_t at = 0;;) {
        const struct tw__filter_leaf *leaf = &filter->leaves[at];
        if (leaf->op > TW__FILTER_FALSE && leaf->key != asked) {
            asked = leaf->key;
            found = get(source, &filter->keys[asked], &value);
        }
        bool passes = leaf->op <= TW__FILTER_FALSE ? leaf->op == TW__FILTER_TRUE
                      : found                      ? test_quickly(leaf, &value)
                                                   : leaf->op == TW__FILTER_ABSENT;
        at = passes ? leaf->on_true : leaf->on_false;
        if (at >= TW__FILTER_REJECT) return at == TW__FILTER_ACCEPT;
    }
}

static enum tw__filter_op opposite_of(enum tw__filter_op op)
{
    return op == TW__FILTER_NE         ? TW__FILTER_EQ
           : op == TW__FILTER_OTHER    ? TW__FILTER_SAME
           : op == TW__FILTER_NO_REGEX ? TW__FILTER_REGEX
                                       : op;
}

/* A condition on a field with several values. */
static enum tw__verdict test_each(const struct tw__filter *filter, const struct tw__filter_leaf *leaf,
                                  tw__field_known *known, const void *source)
{
    struct tw__field_key key = filter->keys[leaf->key];
    struct tw__filter_leaf opposite = *leaf;
    struct tw__field value;
    enum tw__known answer;
    bool some = false, any = false;
    opposite.op = (uint8_t)opposite_of((enum tw__filter_op)leaf->op);
    for (; (answer = known(source, &key, &value)) == TW__KNOWN_VALUE; key.nth++) {
        if (value.type == TW__FIELD_NONE) continue;
        if (opposite.op != leaf->op && tw__filter_leaf_test(&opposite, &value)) return TW__VERDICT_NO;
        any = true;
        some |= tw__filter_leaf_test(leaf, &value);
        if (some && opposite.op == leaf->op) return TW__VERDICT_YES;
    }
    if (answer == TW__KNOWN_NOT) return TW__VERDICT_DEPENDS;
    return some || (!any && leaf->op == TW__FILTER_ABSENT) ? TW__VERDICT_YES : TW__VERDICT_NO;
}

struct getting {
    tw__field_get *get;
    const void *source;
};

static enum tw__known known_by_get(const void *source, const struct tw__field_key *key, struct tw__field *out)
{
    const struct getting *getting = source;
    return getting->get(getting->source, key, out) ? TW__KNOWN_VALUE : TW__KNOWN_ABSENT;
}

bool tw__filter_match_each(const struct tw__filter *filter, tw__field_get *get, const void *source)
{
    if (!filter->many) return tw__filter_match(filter, get, source);
    const struct getting getting = {get, source};
    for (uint16_t at = 0;;) {
        const struct tw__filter_leaf *leaf = &filter->leaves[at];
        bool passes;
        if (leaf->op <= TW__FILTER_FALSE) {
            passes = leaf->op == TW__FILTER_TRUE;
        } else if (leaf->many) {
            passes = test_each(filter, leaf, known_by_get, &getting) == TW__VERDICT_YES;
        } else {
            struct tw__field value;
            bool found = get(source, &filter->keys[leaf->key], &value);
            passes = tw__filter_leaf_test(leaf, found ? &value : NULL);
        }
        at = passes ? leaf->on_true : leaf->on_false;
        if (at >= TW__FILTER_REJECT) return at == TW__FILTER_ACCEPT;
    }
}

static enum tw__verdict not(enum tw__verdict verdict) {
    return verdict == TW__VERDICT_DEPENDS ? verdict
           : verdict == TW__VERDICT_NO    ? TW__VERDICT_YES
                                          : TW__VERDICT_NO;
}

/* Where decides, the other side does not matter. */
static enum tw__verdict joined(enum tw__verdict a, enum tw__verdict b, enum tw__verdict decides)
{
    if (a == decides || b == decides) return decides;
    return a == TW__VERDICT_DEPENDS ? a : b;
}

enum tw__verdict tw__filter_verdict(const struct tw__filter *filter, tw__filter_leaf_verdict *leaf, const void *data)
{
    uint8_t verdicts[TW__FILTER_NODES_MAX];
    for (unsigned i = 0; i < filter->node_count; i++) {
        const struct tw__filter_node *node = &filter->nodes[i];
        enum tw__verdict verdict = TW__VERDICT_DEPENDS;
        if (node->kind == TW__FILTER_LEAF) {
            const struct tw__filter_leaf *asked = &filter->leaves[node->a];
            verdict = asked->op == TW__FILTER_TRUE    ? TW__VERDICT_YES
                      : asked->op == TW__FILTER_FALSE ? TW__VERDICT_NO
                                                      : leaf(data, filter, asked);
        } else if (node->kind == TW__FILTER_NOT) {
            verdict = not((enum tw__verdict)verdicts[node->a]);
        } else {
            verdict = joined((enum tw__verdict)verdicts[node->a], (enum tw__verdict)verdicts[node->b],
                             node->kind == TW__FILTER_AND ? TW__VERDICT_NO : TW__VERDICT_YES);
        }
        verdicts[i] = (uint8_t)verdict;
    }
    return (enum tw__verdict)verdicts[filter->node_count - 1];
}

struct site {
    tw__field_known *known;
    const void *source;
};

static enum tw__verdict leaf_at_site(const void *data, const struct tw__filter *filter,
                                     const struct tw__filter_leaf *leaf)
{
    const struct site *site = data;
    struct tw__field value;
    if (leaf->many) return test_each(filter, leaf, site->known, site->source);
    enum tw__known known = site->known(site->source, &filter->keys[leaf->key], &value);
    if (known == TW__KNOWN_NOT) return TW__VERDICT_DEPENDS;
    return tw__filter_leaf_test(leaf, known == TW__KNOWN_VALUE ? &value : NULL) ? TW__VERDICT_YES : TW__VERDICT_NO;
}

enum tw__verdict tw__filter_site(const struct tw__filter *filter, tw__field_known *known, const void *source)
{
    struct site site = {known, source};
    return tw__filter_verdict(filter, leaf_at_site, &site);
}
