/* live_wanted: which log sites a filter could match, by what is known of a site before it logs: level, module,
 * function.
 *
 *     condition   module = x, function = x     that one              level ...            those levels
 *                 anything else                any site              kind = something but log   none
 *     and         each alternative of one side with each of the other
 *     or          the alternatives of both
 *     not         any site
 *
 * Never too few: whatever is beyond eight alternatives, or not understood, becomes "any site". The filter itself is
 * asked again for every record, so more costs time and nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "export/live_event.h"

enum { ALL_LEVELS = 255 };

static const struct tw__live_wants_one anything = {.levels = ALL_LEVELS};

static void set_any(struct tw__live_wanted *out)
{
    out->count = 1;
    out->rules[0] = anything;
}

static bool is_field(const struct tw__field_key *key, const char *name)
{
    return key->id != 0 && key->id == tw__live_field_id(NULL, name, strlen(name));
}

static bool text_is(const struct tw__field *value, const char *word)
{
    return value->type == TW__FIELD_TEXT && value->len == strlen(word) && memcmp(value->ptr, word, value->len) == 0;
}

static void set_word(char *word, const struct tw__field *value)
{
    if (value->len == 0 || value->len >= TW__LIVE_RULE_TEXT || memchr(value->ptr, 0, value->len)) return;
    memcpy(word, value->ptr, value->len);
    word[value->len] = 0;
}

static void of_leaf(const struct tw__filter *filter, const struct tw__filter_leaf *leaf, struct tw__live_wanted *out)
{
    bool equal = leaf->op == TW__FILTER_EQ || leaf->op == TW__FILTER_SAME;
    set_any(out);
    if (leaf->op == TW__FILTER_FALSE) out->count = 0;
    if (leaf->op == TW__FILTER_TRUE || leaf->op == TW__FILTER_FALSE) return;
    const struct tw__field_key *key = &filter->keys[leaf->key];
    if (leaf->op == TW__FILTER_LEVEL) {
        out->rules[0].levels = leaf->levels;
        if (leaf->levels == 0) out->count = 0;
    } else if (equal && is_field(key, "kind")) {
        if (!text_is(&leaf->value, "log")) out->count = 0;
        out->calls = text_is(&leaf->value, "call") || text_is(&leaf->value, "return");
    } else if (equal && leaf->value.type == TW__FIELD_TEXT && is_field(key, "module")) {
        set_word(out->rules[0].module, &leaf->value);
    } else if (equal && leaf->value.type == TW__FIELD_TEXT && is_field(key, "function")) {
        set_word(out->rules[0].function, &leaf->value);
    }
}

static void add(struct tw__live_wanted *out, const struct tw__live_wants_one *rule)
{
    for (size_t i = 0; i < out->count; i++) {
        struct tw__live_wants_one *known = &out->rules[i];
        if (strcmp(known->module, rule->module) != 0 || strcmp(known->function, rule->function) != 0) continue;
        known->levels |= rule->levels;
        return;
    }
    if (out->count < TW__LIVE_RULES_MAX)
        out->rules[out->count++] = *rule;
    else
        set_any(out);
}

/* Both: of two different modules either will do, since nothing can match. */
static struct tw__live_wants_one both(const struct tw__live_wants_one *a, const struct tw__live_wants_one *b)
{
    struct tw__live_wants_one rule = *a;
    rule.levels &= b->levels;
    if (!rule.module[0]) memcpy(rule.module, b->module, sizeof rule.module);
    if (!rule.function[0]) memcpy(rule.function, b->function, sizeof rule.function);
    return rule;
}

static void of_and(const struct tw__live_wanted *a, const struct tw__live_wanted *b, struct tw__live_wanted *out)
{
    out->count = 0;
    out->calls = a->calls || b->calls;
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++) {
            struct tw__live_wants_one rule = both(&a->rules[i], &b->rules[k]);
            if (rule.levels) add(out, &rule);
        }
}

static void of_or(const struct tw__live_wanted *a, const struct tw__live_wanted *b, struct tw__live_wanted *out)
{
    *out = *a;
    out->calls = a->calls || b->calls;
    for (size_t i = 0; i < b->count; i++) add(out, &b->rules[i]);
}

int tw__live_wanted_of(const struct tw__filter *filter, unsigned levels, struct tw__live_wanted *out)
{
    struct tw__live_wanted *nodes = calloc((size_t)filter->node_count + 1, sizeof *nodes);
    if (!nodes) return TW_ERR_MEMORY;
    for (size_t i = 0; i < filter->node_count; i++) {
        const struct tw__filter_node *node = &filter->nodes[i];
        switch ((enum tw__filter_kind)node->kind) {
        case TW__FILTER_LEAF:
            of_leaf(filter, &filter->leaves[node->a], &nodes[i]);
            break;
        case TW__FILTER_AND:
            of_and(&nodes[node->a], &nodes[node->b], &nodes[i]);
            break;
        case TW__FILTER_OR:
            of_or(&nodes[node->a], &nodes[node->b], &nodes[i]);
            break;
        case TW__FILTER_NOT:
            set_any(&nodes[i]);
            break;
        }
    }
    const struct tw__live_wanted *top = &nodes[filter->node_count ? filter->node_count - 1 : 0];
    out->count = 0;
    out->calls = top->calls;
    for (size_t i = 0; i < top->count; i++) {
        struct tw__live_wants_one rule = top->rules[i];
        rule.levels &= levels;
        if (rule.levels) add(out, &rule);
    }
    free(nodes);
    return 0;
}
