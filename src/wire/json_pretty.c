/* json_pretty: the text's values as nodes, sorted and written again.
 *
 * Scalars and names stay slices of the text, as they are spelt there. Nodes stand in the order of the text; the
 * children of each container are gathered into its part of one array of pointers and sorted there. Limits:
 * TW__JSON_DEPTH_MAX levels. Names are compared as they are spelt, so that those with escapes may stand elsewhere than
 * Python puts them.
 */
#include "wire/json_pretty.h"

#include <stdlib.h>
#include <string.h>

#include "wire/json_read.h"

enum { SCRATCH = 1024, INDENT = 4 };

struct node {
    struct tw_text name, scalar; /* as spelt; a container has no scalar */
    size_t next;                 /* the next node that is not in this one */
    size_t children;
    char open;
};

struct tree {
    struct node *nodes;
    const struct node **sorted;
    size_t count, cap, sorted_count;
};

static struct node *add(struct tree *tree)
{
    if (tree->count == tree->cap) {
        size_t cap = tree->cap ? 2 * tree->cap : 64;
        struct node *nodes = realloc(tree->nodes, cap * sizeof *nodes);
        if (!nodes) return NULL;
        tree->nodes = nodes;
        tree->cap = cap;
    }
    struct node *node = &tree->nodes[tree->count++];
    memset(node, 0, sizeof *node);
    return node;
}

/* A name with its quotes; the reader has gone past the colon too. */
static struct tw_text spelt(const struct tw__json_reader *json)
{
    const char *begin = json->text + json->from, *at = begin + 1;
    while (*at != '"') at += *at == '\\' ? 2 : 1;
    return (struct tw_text){begin, (size_t)(at + 1 - begin)};
}

static bool build(struct tree *tree, struct tw_text text)
{
    char scratch[SCRATCH];
    size_t open[TW__JSON_DEPTH_MAX], depth = 0;
    struct tw_text name = {NULL, 0};
    struct tw__json_reader json = {
        .text = text.ptr, .len = text.len, .last = true, .scratch = scratch, .scratch_cap = SCRATCH};
    for (;;) {
        enum tw__json_event event = tw__json_read(&json);
        if (event == TW__JSON_DONE) return true;
        if (event == TW__JSON_BAD || event == TW__JSON_MORE) return false;
        if (event == TW__JSON_NAME) {
            name = spelt(&json);
            continue;
        }
        if (event == TW__JSON_OBJECT_END || event == TW__JSON_ARRAY_END) {
            tree->nodes[open[--depth]].next = tree->count;
            continue;
        }
        struct node *node = add(tree);
        if (!node) return false;
        node->name = name;
        node->next = tree->count;
        name = (struct tw_text){NULL, 0};
        if (depth) tree->nodes[open[depth - 1]].children++;
        if (event == TW__JSON_OBJECT || event == TW__JSON_ARRAY) {
            node->open = event == TW__JSON_OBJECT ? '{' : '[';
            open[depth++] = tree->count - 1;
        } else {
            node->scalar = (struct tw_text){text.ptr + json.from, json.at - json.from};
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct node *x = *(const struct node *const *)a, *y = *(const struct node *const *)b;
    size_t least = x->name.len < y->name.len ? x->name.len : y->name.len;
    int c = least ? memcmp(x->name.ptr, y->name.ptr, least - 1) : 0; /* without the quote of the shorter */
    if (c) return c;
    if (x->name.len != y->name.len) return x->name.len < y->name.len ? -1 : 1;
    c = least ? memcmp(x->name.ptr, y->name.ptr, least) : 0;
    return c ? c : (x > y) - (x < y);
}

/* The children of a node, sorted if they have names. */
static const struct node **children_of(struct tree *tree, const struct node *node)
{
    const struct node **list = tree->sorted + tree->sorted_count;
    size_t at = (size_t)(node - tree->nodes) + 1;
    tree->sorted_count += node->children;
    for (size_t i = 0; i < node->children; i++, at = tree->nodes[at].next) list[i] = &tree->nodes[at];
    if (node->open == '{' && node->children > 1) qsort(list, node->children, sizeof *list, by_name);
    return list;
}

static void line(struct tw__buf *out, size_t depth)
{
    tw__buf_char(out, '\n');
    tw__buf_fill(out, ' ', INDENT * depth);
}

static void print(struct tw__buf *out, struct tree *tree)
{
    struct level {
        const struct node *node, **list;
        size_t at;
    } levels[TW__JSON_DEPTH_MAX];
    size_t depth = 0;
    const struct node *node = tree->nodes;
    for (;;) {
        if (node->name.len) {
            tw__buf_add(out, node->name.ptr, node->name.len);
            tw__buf_cstr(out, ": ");
        }
        if (!node->open) {
            tw__buf_add(out, node->scalar.ptr, node->scalar.len);
        } else if (!node->children) {
            tw__buf_cstr(out, node->open == '{' ? "{}" : "[]");
        } else {
            tw__buf_char(out, node->open);
            levels[depth++] = (struct level){node, children_of(tree, node), 0};
        }
        while (depth && levels[depth - 1].at == levels[depth - 1].node->children) {
            line(out, --depth);
            tw__buf_char(out, levels[depth].node->open == '{' ? '}' : ']');
        }
        if (!depth) return;
        struct level *level = &levels[depth - 1];
        if (level->at) tw__buf_char(out, ',');
        line(out, depth);
        node = level->list[level->at++];
    }
}

void tw__json_pretty(struct tw__buf *out, struct tw_text text)
{
    struct tree tree = {0};
    bool built = build(&tree, text) && tree.count;
    if (built) tree.sorted = calloc(tree.count, sizeof *tree.sorted);
    if (built && tree.sorted)
        print(out, &tree);
    else
        tw__buf_add(out, text.ptr, text.len);
    free(tree.sorted);
    free(tree.nodes);
}
