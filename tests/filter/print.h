/* print: a compiled filter as text of the short form, which compiles to an equal one: what the parsers are held
 * against.
 *
 * Texts in quotes, every "and" spelt, parentheses only where "or" meets "and" or "not".
 * Invariant: compile(print(f)) matches what f matches. Keys and texts are escaped so that any bytes come back.
 */
#ifndef TW_TESTS_FILTER_PRINT_H
#define TW_TESTS_FILTER_PRINT_H

#include <stdio.h>
#include <string.h>

#include "filter/build.h"

static void add_quoted(struct tw__buf *out, const char *text, size_t len, bool regex)
{
    tw__buf_char(out, '"');
    tw__filter_escape(out, text, len, regex);
    tw__buf_char(out, '"');
}

static bool is_plain(const struct tw__field_key *key)
{
    static const char *const words[] = {"true", "false", "and", "or", "not", "in", "exists", "absent"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == key->len) return false; /* any case of them; and some that would not need it */
    for (size_t i = 0; i < key->len; i++) {
        char c = key->name[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && c != '_' && (i == 0 || !((c >= '0' && c <= '9') || c == '.' || c == '-'))) return false;
    }
    return true;
}

static void add_key(struct tw__buf *out, const struct tw__field_key *key)
{
    if (is_plain(key))
        tw__buf_add(out, key->name, key->len);
    else
        add_quoted(out, key->name, key->len, false);
}

static void add_double(struct tw__buf *out, double value)
{
    char text[40];
    (void)snprintf(text, sizeof text, "%.17g", value);
    bool whole = true;
    for (char *c = text; *c; c++) {
        if ((*c < '0' || *c > '9') && *c != '-') whole = false;
        if (*c == ',') *c = '.';
    }
    tw__buf_fmt(out, "%s%s", text, whole ? ".0" : "");
}

static void add_value(struct tw__buf *out, const struct tw__filter_leaf *leaf)
{
    const struct tw__field *value = &leaf->value;
    bool regex = leaf->op == TW__FILTER_REGEX || leaf->op == TW__FILTER_NO_REGEX;
    switch (value->type) {
    case TW__FIELD_INT:
        tw__buf_fmt(out, "%lld%s", (long long)value->i, leaf->unit ? "ns" : "");
        break;
    case TW__FIELD_UINT:
        tw__buf_fmt(out, "%llu", (unsigned long long)value->u);
        break;
    case TW__FIELD_DOUBLE:
        add_double(out, value->d);
        break;
    case TW__FIELD_BOOL:
        tw__buf_cstr(out, value->u ? "true" : "false");
        break;
    case TW__FIELD_TEXT:
    case TW__FIELD_BYTES:
        add_quoted(out, value->ptr, value->len, regex);
        break;
    case TW__FIELD_LEVEL:
    case TW__FIELD_NONE:
        break;
    }
}

static void add_levels(struct tw__buf *out, unsigned levels)
{
    const char *comma = "";
    if (!levels) {
        tw__buf_cstr(out, "=none");
        return;
    }
    tw__buf_cstr(out, " in (");
    for (unsigned n = 0; n < 8; n++) {
        if (!tw__levels_have(levels, n)) continue;
        tw__buf_fmt(out, "%s%s", comma, tw__level_name(n));
        comma = ", ";
    }
    tw__buf_char(out, ')');
}

static void add_leaf(struct tw__buf *out, const struct tw__filter *filter, const struct tw__filter_leaf *leaf)
{
    static const char *const ops[] = {
        "true", "false", "", "", "=", "!=", "===", "!==", "<", "<=", ">", ">=", "~", "!~", ""};
    if (leaf->op <= TW__FILTER_FALSE) {
        tw__buf_cstr(out, ops[leaf->op]);
        return;
    }
    if (leaf->op == TW__FILTER_EXISTS || leaf->op == TW__FILTER_ABSENT) {
        tw__buf_cstr(out, leaf->op == TW__FILTER_EXISTS ? "exists(" : "absent(");
        add_key(out, &filter->keys[leaf->key]);
        tw__buf_char(out, ')');
        return;
    }
    add_key(out, &filter->keys[leaf->key]);
    tw__buf_cstr(out, ops[leaf->op]);
    if (leaf->op == TW__FILTER_LEVEL)
        add_levels(out, leaf->levels);
    else
        add_value(out, leaf);
}

/* Whether the node needs parentheses below a parent of that kind. */
static bool in_parentheses(enum tw__filter_kind kind, enum tw__filter_kind parent)
{
    if (kind == TW__FILTER_LEAF || kind == TW__FILTER_NOT) return false;
    return parent == TW__FILTER_NOT || (parent == TW__FILTER_AND && kind == TW__FILTER_OR);
}

/* Down and up again without recursion: parent and how far each node is. */
static void filter_print(const struct tw__filter *filter, struct tw__buf *out)
{
    enum { STAGE_FIRST, STAGE_SECOND, STAGE_DONE };
    uint16_t parent[TW__FILTER_NODES_MAX];
    uint8_t stage[TW__FILTER_NODES_MAX] = {0};
    unsigned top = filter->node_count - 1u, at = top;
    for (;;) {
        const struct tw__filter_node *node = &filter->nodes[at];
        enum tw__filter_kind kind = (enum tw__filter_kind)node->kind;
        bool wrapped = at != top && in_parentheses(kind, (enum tw__filter_kind)filter->nodes[parent[at]].kind);
        if (stage[at] == STAGE_FIRST && wrapped) tw__buf_char(out, '(');
        if (kind == TW__FILTER_LEAF) {
            add_leaf(out, filter, &filter->leaves[node->a]);
            stage[at] = STAGE_DONE;
        } else if (stage[at] == STAGE_FIRST) {
            if (kind == TW__FILTER_NOT) tw__buf_cstr(out, "not ");
            stage[at] = kind == TW__FILTER_NOT ? STAGE_DONE : STAGE_SECOND;
            parent[node->a] = (uint16_t)at;
            at = node->a;
            continue;
        } else if (stage[at] == STAGE_SECOND) {
            tw__buf_cstr(out, kind == TW__FILTER_AND ? " and " : " or ");
            stage[at] = STAGE_DONE;
            parent[node->b] = (uint16_t)at;
            at = node->b;
            continue;
        }
        if (wrapped) tw__buf_char(out, ')');
        if (at == top) return;
        at = parent[at];
    }
}

#endif
