/* build: from conditions to a compiled filter.
 *
 * The tree is an array in which children stand before parents, so that every pass over it is a loop. Links are made
 * from the top down: a node is told where to go when it is true and where when it is false, and hands that on to its
 * children; what reaches the leaves is a program of jumps, and the operators are gone:
 *
 *     a and b:   a true -> b, a false -> where false goes       not a:   swapped
 *
 * Invariant: jumps go forward only (to leaves that stand later in the text), so that matching ends.
 * Limits: those of filter.h. The compiled filter is one block, beside the tables of its regular expressions.
 * Rejected: a tree of pointers (a cache miss a condition, recursion while matching), byte code with a stack (nothing
 * here needs one).
 */
#include "filter/build.h"

#include <stdlib.h>
#include <string.h>

#include <trackway/context.h>

#include "base/number.h"

char *tw__build_room(struct tw__filter_build *b, size_t len)
{
    if (len > TW__BUILD_COPY_MAX - b->used) {
        (void)tw__refuse(b->error, TW_ERR_SPACE, b->at, "the texts in it are too long");
        return NULL;
    }
    char *room = b->copy + b->used;
    b->used += len;
    return room;
}

int tw__build_key(struct tw__filter_build *b, const char *name, size_t len, size_t at)
{
    if (len == 0) return tw__refuse(b->error, TW_ERR_SYNTAX, at, "a key without a name");
    for (uint16_t i = 0; i < b->key_count; i++)
        if (b->keys[i].len == len && memcmp(b->keys[i].name, name, len) == 0) return i;
    if (b->key_count == TW__FILTER_KEYS_MAX)
        return tw__refuse(b->error, TW_ERR_SPACE, at, "more than %d different keys", TW__FILTER_KEYS_MAX);
    char *copy = tw__build_room(b, len);
    if (!copy) return -1;
    memmove(copy, name, len);
    b->keys[b->key_count] = (struct tw__field_key){.name = copy, .len = len};
    return b->key_count++;
}

static int add_node(struct tw__filter_build *b, enum tw__filter_kind kind, int left, int right)
{
    if (b->node_count == TW__FILTER_NODES_MAX) return tw__refuse(b->error, TW_ERR_SPACE, b->at, "too many conditions");
    b->nodes[b->node_count] = (struct tw__filter_node){(uint8_t)kind, (uint16_t)left, (uint16_t)right};
    return b->node_count++;
}

static int add_leaf(struct tw__filter_build *b, const struct tw__filter_leaf *leaf, size_t at)
{
    if (b->leaf_count == TW__FILTER_LEAVES_MAX)
        return tw__refuse(b->error, TW_ERR_SPACE, at, "more than %d conditions", TW__FILTER_LEAVES_MAX);
    b->leaves[b->leaf_count] = *leaf;
    int node = add_node(b, TW__FILTER_LEAF, b->leaf_count, 0);
    if (node >= 0) b->leaf_count++;
    return node;
}

int tw__build_bare(struct tw__filter_build *b, enum tw__filter_op op, int key)
{
    if (key < 0) return -1;
    struct tw__filter_leaf leaf = {.op = (uint8_t)op, .key = (uint8_t)key};
    return add_leaf(b, &leaf, b->at);
}

int tw__build_join(struct tw__filter_build *b, enum tw__filter_kind kind, int left, int right)
{
    return left < 0 || right < 0 ? -1 : add_node(b, kind, left, right);
}

int tw__build_not(struct tw__filter_build *b, int node)
{
    if (node < 0) return -1;
    if (node == b->node_count - 1 && b->nodes[node].kind == TW__FILTER_NOT) {
        b->node_count--;
        return b->nodes[node].a;
    }
    return add_node(b, TW__FILTER_NOT, node, 0);
}

bool tw__build_enter(struct tw__filter_build *b, size_t at)
{
    if (b->depth++ < TW__FILTER_DEPTH_MAX) return true;
    (void)tw__refuse(b->error, TW_ERR_SPACE, at, "nested more than %d deep", TW__FILTER_DEPTH_MAX);
    return false;
}

void tw__build_leave(struct tw__filter_build *b)
{
    b->depth--;
}

static bool name_is(const struct tw__field_key *key, const char *name)
{
    return key->len == strlen(name) && memcmp(key->name, name, key->len) == 0;
}

/* 1: made into a set of levels; 0: it is none; -1: an error. */
static int level_of(struct tw__filter_build *b, struct tw__filter_leaf *leaf, const struct tw__filter_literal *literal)
{
    const struct tw__field_key *key = &b->keys[leaf->key];
    if (!name_is(key, "level") && !name_is(key, "severity")) return 0;
    if (literal->value.type != TW__FIELD_TEXT || leaf->op == TW__FILTER_REGEX || leaf->op == TW__FILTER_NO_REGEX)
        return 0;
    int number = tw__level_number(literal->value.ptr, literal->value.len);
    bool none = literal->value.len == 4 && memcmp(literal->value.ptr, "none", 4) == 0;
    if (number < 0 && !none) {
        if (!literal->word) return 0;
        return tw__refuse(b->error, TW_ERR_SYNTAX, literal->at,
                          "no such level; there are debug info notice warning error critical alert emergency none");
    }
    unsigned bit = none ? 0 : 1u << number, more = none ? 0 : bit - 1, less = none ? 255 : 255u & ~(2 * bit - 1);
    bool equal = leaf->op == TW__FILTER_EQ || leaf->op == TW__FILTER_SAME;
    unsigned set = equal                       ? bit
                   : leaf->op == TW__FILTER_GT ? more
                   : leaf->op == TW__FILTER_GE ? more | bit
                   : leaf->op == TW__FILTER_LT ? less
                   : leaf->op == TW__FILTER_LE ? less | bit
                                               : 255u & ~bit;
    leaf->op = TW__FILTER_LEVEL;
    leaf->levels = (uint8_t)set;
    return 1;
}

/* Digits, dot, digits, dot, digits, all of it, perhaps in <>: then *text and *len lose the <>. */
static bool pid_of(const char **text, size_t *len)
{
    const char *at = *text, *end = at + *len;
    if (*len > 2 && *at == '<' && end[-1] == '>') {
        at++;
        end--;
    }
    const char *from = at;
    unsigned dots = 0;
    for (char before = '.'; at < end; before = *at++) {
        if (*at == '.' ? before == '.' || ++dots > 2 : *at < '0' || *at > '9') return false;
    }
    if (dots != 2 || end[-1] == '.') return false;
    *text = from;
    *len = (size_t)(end - from);
    return true;
}

static bool is_order(enum tw__filter_op op)
{
    return op == TW__FILTER_LT || op == TW__FILTER_LE || op == TW__FILTER_GT || op == TW__FILTER_GE;
}

/* Makes of a trace id as people write it the digits that records have. An order of ids is one of texts. */
static void read_trace_id(struct tw__filter_build *b, enum tw__filter_op op, struct tw__filter_literal *literal,
                          char digits[TW_TRACE_ID_HEX_LEN + 1])
{
    struct tw__field *value = &literal->value;
    uint8_t id[16];
    if (value->type != TW__FIELD_TEXT) *value = tw__field_text(b->text + literal->at, literal->len);
    literal->unit = false;
    if (is_order(op)) return;
    if (tw_trace_id_parse(value->ptr, value->len, id) < 0) {
        (void)tw__refuse(b->error, TW_ERR_SYNTAX, literal->at,
                         "not a trace id: 32 hexadecimal digits, 1-8-24, or a decimal number");
        return;
    }
    tw_trace_id_format(id, digits);
    *value = tw__field_text(digits, TW_TRACE_ID_HEX_LEN);
}

/* Makes of the value what the key holds, where the schema says so. It may borrow digits. */
static bool adapt(struct tw__filter_build *b, int key, enum tw__filter_op op, struct tw__filter_literal *literal,
                  char digits[TW_TRACE_ID_HEX_LEN + 1])
{
    if (!b->schema || !b->schema->holds) return true;
    struct tw__field *value = &literal->value;
    enum tw__filter_holds holds = b->schema->holds(b->keys[key].name, b->keys[key].len);
    bool number = value->type == TW__FIELD_INT || value->type == TW__FIELD_UINT || value->type == TW__FIELD_DOUBLE;
    if (holds == TW__FILTER_TRACE_ID) {
        read_trace_id(b, op, literal, digits);
    } else if (holds == TW__FILTER_TEXT && number) {
        *value = tw__field_text(b->text + literal->at, literal->len);
        literal->unit = false;
    } else if (holds == TW__FILTER_DURATION && value->type == TW__FIELD_TEXT) {
        literal->unit = tw__duration_read(value->ptr, value->len, value);
        if (!literal->unit)
            (void)tw__refuse(b->error, TW_ERR_SYNTAX, literal->at, "a duration is meant, such as 200ms or 1.5s");
    } else if (holds == TW__FILTER_DURATION && number && !literal->unit &&
               !(value->type == TW__FIELD_INT && value->i == 0)) {
        (void)tw__refuse(b->error, TW_ERR_SYNTAX, literal->at, "of which unit? write 200ms, 1.5s, 10us, 5m");
    }
    return b->error->code == 0;
}

/* Refuses a value that the field never has. */
static int check_values(struct tw__filter_build *b, const struct tw__filter_leaf *leaf,
                        const struct tw__filter_literal *literal)
{
    const struct tw__field_key *key = &b->keys[leaf->key];
    const char *const *values = b->schema && b->schema->values ? b->schema->values(key->name, key->len) : NULL;
    const struct tw__field *value = &literal->value;
    char all[160];
    size_t len = 0;
    if (!values || is_order((enum tw__filter_op)leaf->op)) return 0;
    for (; *values; values++) {
        size_t its = strlen(*values);
        if (value->type == TW__FIELD_TEXT && value->len == its && memcmp(value->ptr, *values, its) == 0) return 0;
        if (its + 1 >= sizeof all - len) break;
        all[len++] = ' ';
        memcpy(all + len, *values, its);
        len += its;
    }
    return tw__refuse(b->error, TW_ERR_SYNTAX, literal->at, "no such %.*s; there are%.*s", (int)key->len, key->name,
                      (int)len, all);
}

static int compile_regex(struct tw__filter_build *b, struct tw__filter_leaf *leaf,
                         const struct tw__filter_literal *literal)
{
    size_t at;
    const char *why;
    struct tw__field text = literal->value;
    if (text.type != TW__FIELD_TEXT) text = tw__field_text(b->text + literal->at, literal->len);
    leaf->value = text;
    int result = tw__regex_compile(text.ptr, text.len, &b->regexes[b->leaf_count], &at, &why);
    if (result == TW_ERR_MEMORY) return tw__refuse(b->error, result, literal->at, "out of memory");
    if (result < 0) {
        /* Where in the source: exact for what is not quoted. */
        size_t quote = literal->at + (literal->len > text.len ? 1 : 0);
        return tw__refuse(b->error, result, quote + at, "regular expression: %s", why);
    }
    leaf->regex = b->regexes[b->leaf_count];
    b->positions += tw__regex_positions(leaf->regex);
    if (b->positions > TW__FILTER_POSITIONS_MAX)
        return tw__refuse(b->error, TW_ERR_SPACE, literal->at,
                          "regular expressions of more than %d characters together", TW__FILTER_POSITIONS_MAX);
    return 0;
}

int tw__build_compare(struct tw__filter_build *b, int key, enum tw__filter_op op, struct tw__filter_literal *literal)
{
    if (key < 0 || b->error->code) return -1;
    if (b->leaf_count == TW__FILTER_LEAVES_MAX)
        return tw__refuse(b->error, TW_ERR_SPACE, literal->at, "more than %d conditions", TW__FILTER_LEAVES_MAX);
    struct tw__filter_leaf leaf = {.op = (uint8_t)op, .key = (uint8_t)key};
    char digits[TW_TRACE_ID_HEX_LEN + 1];
    bool regex = op == TW__FILTER_REGEX || op == TW__FILTER_NO_REGEX;
    if (regex && compile_regex(b, &leaf, literal) < 0) return -1;
    if (!regex) {
        if (!adapt(b, key, op, literal, digits)) return -1;
        int level = level_of(b, &leaf, literal);
        if (level < 0 || (level == 0 && check_values(b, &leaf, literal) < 0)) return -1;
        leaf.value = literal->value;
        leaf.unit = literal->unit;
        if (leaf.value.type == TW__FIELD_BOOL && is_order(op))
            return tw__refuse(b->error, TW_ERR_SYNTAX, literal->at, "true and false have no order");
        leaf.pid =
            !level && !is_order(op) && leaf.value.type == TW__FIELD_TEXT && pid_of(&leaf.value.ptr, &leaf.value.len);
        if (level) leaf.value = (struct tw__field){0};
    }
    if (leaf.value.type == TW__FIELD_TEXT || leaf.value.type == TW__FIELD_BYTES) {
        char *copy = tw__build_room(b, leaf.value.len);
        if (!copy) return -1;
        if (leaf.value.len) memmove(copy, leaf.value.ptr, leaf.value.len);
        leaf.value.ptr = copy;
    }
    return add_leaf(b, &leaf, literal->at);
}

/* Sees which conditions need only a few instructions. */
static void set_quick(struct tw__filter_leaf *leaf)
{
    static const uint8_t orders[] = {
        [TW__FILTER_EQ] = TW__FILTER_IF_EQUAL,
        [TW__FILTER_SAME] = TW__FILTER_IF_EQUAL,
        [TW__FILTER_NE] = TW__FILTER_IF_LESS | TW__FILTER_IF_GREATER,
        [TW__FILTER_OTHER] = TW__FILTER_IF_LESS | TW__FILTER_IF_GREATER,
        [TW__FILTER_LT] = TW__FILTER_IF_LESS,
        [TW__FILTER_LE] = TW__FILTER_IF_LESS | TW__FILTER_IF_EQUAL,
        [TW__FILTER_GT] = TW__FILTER_IF_GREATER,
        [TW__FILTER_GE] = TW__FILTER_IF_GREATER | TW__FILTER_IF_EQUAL,
        [TW__FILTER_LEVEL] = 0,
    };
    leaf->orders = orders[leaf->op];
    if (leaf->op == TW__FILTER_LEVEL)
        leaf->quick = TW__FILTER_QUICK_LEVEL;
    else if (leaf->orders && leaf->value.type == TW__FIELD_INT)
        leaf->quick = TW__FILTER_QUICK_INT;
    else if (leaf->orders && leaf->op <= TW__FILTER_OTHER && leaf->value.type == TW__FIELD_TEXT && !leaf->pid)
        leaf->quick = TW__FILTER_QUICK_TEXT;
}

/* Tells each leaf where to go. entry: the first leaf of a node. */
static void set_jumps(struct tw__filter_build *b, struct tw__filter_leaf *leaves)
{
    uint16_t *entry = b->entry, *on_true = b->on_true, *on_false = b->on_false;
    for (unsigned i = 0; i < b->node_count; i++)
        entry[i] = b->nodes[i].kind == TW__FILTER_LEAF ? b->nodes[i].a : entry[b->nodes[i].a];
    on_true[b->node_count - 1] = TW__FILTER_ACCEPT;
    on_false[b->node_count - 1] = TW__FILTER_REJECT;
    for (unsigned i = b->node_count; i-- > 0;) {
        const struct tw__filter_node *node = &b->nodes[i];
        switch ((enum tw__filter_kind)node->kind) {
        case TW__FILTER_LEAF:
            leaves[node->a].on_true = on_true[i];
            leaves[node->a].on_false = on_false[i];
            break;
        case TW__FILTER_NOT:
            on_true[node->a] = on_false[i];
            on_false[node->a] = on_true[i];
            break;
        case TW__FILTER_AND:
        case TW__FILTER_OR:
            on_true[node->a] = node->kind == TW__FILTER_AND ? entry[node->b] : on_true[i];
            on_false[node->a] = node->kind == TW__FILTER_AND ? on_false[i] : entry[node->b];
            on_true[node->b] = on_true[i];
            on_false[node->b] = on_false[i];
            break;
        }
    }
}

static const char *moved(const struct tw__filter_build *b, const char *text, char *texts)
{
    return text ? texts + (text - b->copy) : NULL;
}

/* One block: the filter, keys, leaves, nodes, texts. The regular expressions become its own. */
static struct tw__filter *finish(struct tw__filter_build *b)
{
    size_t keys_bytes = b->key_count * sizeof *b->keys, leaves_bytes = b->leaf_count * sizeof *b->leaves;
    size_t nodes_bytes = b->node_count * sizeof *b->nodes;
    struct tw__filter *filter = malloc(sizeof *filter + keys_bytes + leaves_bytes + nodes_bytes + b->used);
    if (!filter) return NULL;
    struct tw__filter_leaf *leaves = (struct tw__filter_leaf *)(filter + 1);
    struct tw__field_key *keys = (struct tw__field_key *)(leaves + b->leaf_count);
    struct tw__filter_node *nodes = (struct tw__filter_node *)(keys + b->key_count);
    char *texts = (char *)(nodes + b->node_count);
    bool many = false;
    memcpy(leaves, b->leaves, leaves_bytes);
    memcpy(keys, b->keys, keys_bytes);
    memcpy(nodes, b->nodes, nodes_bytes);
    memcpy(texts, b->copy, b->used);
    for (unsigned i = 0; i < b->key_count; i++) {
        keys[i].name = moved(b, keys[i].name, texts);
        if (b->schema && b->schema->resolve)
            keys[i].id = b->schema->resolve(b->schema->data, keys[i].name, keys[i].len);
    }
    for (unsigned i = 0; i < b->leaf_count; i++) {
        leaves[i].value.ptr = moved(b, leaves[i].value.ptr, texts);
        leaves[i].many =
            leaves[i].op > TW__FILTER_FALSE && b->schema && b->schema->many && b->schema->many(keys[leaves[i].key].id);
        many |= leaves[i].many;
        set_quick(&leaves[i]);
    }
    set_jumps(b, leaves);
    *filter = (struct tw__filter){leaves, nodes, keys, b->leaf_count, b->node_count, b->key_count, many};
    return filter;
}

static int compile(struct tw__filter_build *b, struct tw__filter **out)
{
    size_t first = 0;
    while (first < b->len && (uint8_t)(b->text[first] - 1) < ' ') first++;
    if (b->len > TW__FILTER_TEXT_MAX)
        return tw__refuse(b->error, TW_ERR_SPACE, TW__FILTER_TEXT_MAX, "longer than %d bytes", TW__FILTER_TEXT_MAX);
    if (first == b->len) return tw__refuse(b->error, TW_ERR_SYNTAX, 0, "an empty filter; true matches everything");
    int top = b->text[first] == '[' || b->text[first] == '{' ? tw__tuple_parse(b) : tw__short_parse(b);
    if (top < 0) return -1;
    *out = finish(b);
    return *out ? 0 : tw__refuse(b->error, TW_ERR_MEMORY, 0, "out of memory");
}

int tw__filter_compile(const char *text, size_t len, const struct tw__filter_schema *schema, struct tw__filter **out,
                       struct tw__refusal *error)
{
    struct tw__refusal own;
    struct tw__filter *filter = NULL;
    if (!error) error = &own;
    *error = (struct tw__refusal){0};
    struct tw__filter_build *b = malloc(sizeof *b);
    if (!b) {
        *error = (struct tw__refusal){.code = TW_ERR_MEMORY, .text = "out of memory"};
        return TW_ERR_MEMORY;
    }
    memset(b, 0, offsetof(struct tw__filter_build, leaves));
    memset(b->regexes, 0, sizeof b->regexes);
    b->used = 0;
    b->text = text;
    b->len = len;
    b->schema = schema;
    b->error = error;
    int result = compile(b, &filter);
    for (unsigned i = 0; result < 0 && i < TW__FILTER_LEAVES_MAX; i++) tw__regex_free(b->regexes[i]);
    free(b);
    if (result < 0) return error->code;
    *out = filter;
    return 0;
}

void tw__filter_free(struct tw__filter *filter)
{
    if (!filter) return;
    for (unsigned i = 0; i < filter->leaf_count; i++)
        tw__regex_free((struct tw__regex *)(uintptr_t)filter->leaves[i].regex);
    free(filter);
}
