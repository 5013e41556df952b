/* where: what of a filter the store can use, and the rest asked span by span.
 *
 *     service=cart and status=error and (a=1 or b=2)
 *         service, status: columns;  (a=1 or b=2): the callback, on a and b only
 *
 * A condition is handed down when the tree has nothing but "and" above it. What is handed down may let more through
 * than the condition (a tag equal to 200 is looked for by its text, in the span and in its resource), never less: the
 * callback decides. So nothing is handed down of which that is not certain, such as numbers that are written in more
 * than one way.
 *
 * Invariant: a search with the filter finds what the same search without finds, less the spans that do not match.
 * Limits: EQUALS_MAX tags are handed down.
 */
#include "query/where.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/span_fields.h"
#include "model/span_words.h"

enum { EQUALS_MAX = 8, NUMBER_ROOM = 24 };

static const int64_t exact_in_any_form = 1000000000000000; /* beyond 15 digits a double is written with an exponent */

struct tw__where {
    struct tw__filter *filter;
    bool of_trace;   /* has conditions on the trace: to a span they are neither true nor false */
    bool whole;      /* they have to be asked of the whole trace */
    bool root_names; /* of candidates without a parent the trace's name and service are their own */
    bool by_root;    /* traces are found by their roots */
    struct tw_text service, name;
    uint32_t kinds, statuses;
    uint64_t min_duration_ns, max_duration_ns, min_trace_ns, max_trace_ns;
    bool roots;
    unsigned parts;
    struct tw_text keys[TW__FILTER_KEYS_MAX];
    size_t key_count;
    struct tw__store_equal equals[EQUALS_MAX];
    char numbers[EQUALS_MAX][NUMBER_ROOM];
    size_t equal_count;
};

bool tw__where_is_of_trace(uint32_t id)
{
    return id == TW__SPAN_TRACE_DURATION || id == TW__SPAN_TRACE_NAME || id == TW__SPAN_TRACE_SERVICE ||
           id == TW__SPAN_TRACE_SPANS || id == TW__SPAN_TRACE_ERRORS;
}

static bool matches(void *data, const struct tw__spans *spans, size_t index)
{
    const struct tw__where *where = data;
    struct tw__span_view view;
    tw__span_view_span(&view, spans, &spans->items[index]);
    struct tw__trace_view own = {.name = view.name, .service = view.service};
    if (where->root_names) view.trace = &own;
    return tw__filter_match_each(where->filter, tw__span_field, &view);
}

static bool matches_whole(const struct tw__where *where, const struct tw__spans *trace, size_t i,
                          const struct tw__trace_view *of)
{
    struct tw__span_view view;
    tw__span_view_span(&view, trace, &trace->items[i]);
    view.trace = of;
    return tw__filter_match_each(where->filter, tw__span_field, &view);
}

void tw__where_select(const struct tw__where *where, const struct tw__spans *trace, const struct tw__trace_view *of,
                      bool *selected)
{
    for (size_t i = 0; i < trace->count; i++) selected[i] = matches_whole(where, trace, i, of);
}

static int select_whole(void *data, const struct tw__spans *trace, const struct tw__trace_view *of, uint32_t *sets)
{
    for (size_t i = 0; i < trace->count; i++) sets[i] = matches_whole(data, trace, i, of);
    return 0;
}

bool tw__where_is_root_name(uint32_t id)
{
    return id == TW__SPAN_TRACE_NAME || id == TW__SPAN_TRACE_SERVICE;
}

/* With a trace in the view, its name and service are known; the rest of it is not, before all of it has been read. */
static enum tw__known known(const void *data, const struct tw__field_key *key, struct tw__field *out)
{
    const struct tw__span_view *view = data;
    if (tw__where_is_of_trace(key->id) && !(view->trace && tw__where_is_root_name(key->id))) return TW__KNOWN_NOT;
    return tw__span_field(view, key, out) ? TW__KNOWN_VALUE : TW__KNOWN_ABSENT;
}

static bool may_match(void *data, const struct tw__spans *spans, size_t index)
{
    const struct tw__where *where = data;
    struct tw__span_view view;
    tw__span_view_span(&view, spans, &spans->items[index]);
    struct tw__trace_view own = {.name = view.name, .service = view.service};
    if (where->by_root) view.trace = &own;
    return tw__filter_site(where->filter, known, &view) != TW__VERDICT_NO;
}

/* -- what is handed down */

static bool is_equality(const struct tw__filter_leaf *leaf)
{
    return leaf->op == TW__FILTER_EQ || leaf->op == TW__FILTER_SAME;
}

static void want_text(struct tw_text *field, const struct tw__filter_leaf *leaf)
{
    if (!is_equality(leaf) || leaf->value.type != TW__FIELD_TEXT || leaf->pid || leaf->value.len == 0) return;
    *field = (struct tw_text){leaf->value.ptr, leaf->value.len};
}

/* As the store's queries have it. */
static uint32_t bit_of(const char *const *names, unsigned index)
{
    bool unspecified = names == tw__span_kind_words && index == TW__UNSPECIFIED_WORD;
    return unspecified ? (uint32_t)TW__KINDS_UNSPECIFIED : 1u << index;
}

/* The set of those of the names that the condition lets through. */
static void want_one_of(const struct tw__filter_leaf *leaf, const char *const *names, uint32_t *set)
{
    uint32_t passing = 0;
    for (unsigned i = 0; names[i]; i++) {
        struct tw__field name = tw__field_text(names[i], strlen(names[i]));
        if (tw__filter_leaf_test(leaf, &name)) passing |= bit_of(names, i);
    }
    /* None: 0 would mean any, and the callback says no to all. All: nothing to choose. */
    if (passing) *set = *set ? (*set & passing ? *set & passing : *set) : passing;
}

static void want_range(const struct tw__filter_leaf *leaf, uint64_t *least, uint64_t *most)
{
    if (leaf->value.type != TW__FIELD_INT || leaf->value.i <= 0) return;
    uint64_t value = leaf->value.u;
    bool above = leaf->op == TW__FILTER_GT || leaf->op == TW__FILTER_GE || is_equality(leaf);
    bool below = leaf->op == TW__FILTER_LT || leaf->op == TW__FILTER_LE || is_equality(leaf);
    if (leaf->op == TW__FILTER_GT) value++;
    if (leaf->op == TW__FILTER_LT) value--;
    if (above && value > *least) *least = value;
    if (below && value > 0 && (*most == 0 || value < *most)) *most = value;
}

static void want_tag(struct tw__where *where, const struct tw__filter_leaf *leaf, struct tw_text key)
{
    const struct tw__field *value = &leaf->value;
    if (!is_equality(leaf) || leaf->pid || where->equal_count == EQUALS_MAX) return;
    struct tw__store_equal equal = {.key = key};
    if (value->type == TW__FIELD_TEXT) {
        equal.value = (struct tw_text){value->ptr, value->len};
    } else if (value->type == TW__FIELD_BOOL) {
        equal.value = value->u ? (struct tw_text){"true", 4} : (struct tw_text){"false", 5};
    } else if (value->type == TW__FIELD_INT && value->i < exact_in_any_form && value->i > -exact_in_any_form &&
               value->i) {
        char *room = where->numbers[where->equal_count];
        int len = snprintf(room, NUMBER_ROOM, "%lld", (long long)value->i);
        equal.value = (struct tw_text){room, (size_t)len};
    } else {
        return;
    }
    where->equals[where->equal_count++] = equal;
}

static void want(struct tw__where *where, const struct tw__filter_leaf *leaf)
{
    struct tw_text tag;
    if (leaf->op <= TW__FILTER_FALSE) return;
    const struct tw__field_key *key = &where->filter->keys[leaf->key];
    switch (key->id) {
    case TW__SPAN_SERVICE:
        want_text(&where->service, leaf);
        break;
    case TW__SPAN_NAME:
        want_text(&where->name, leaf);
        break;
    case TW__SPAN_KIND:
        want_one_of(leaf, tw__span_kind_words, &where->kinds);
        break;
    case TW__SPAN_STATUS:
        want_one_of(leaf, tw__status_words, &where->statuses);
        break;
    case TW__SPAN_DURATION:
        want_range(leaf, &where->min_duration_ns, &where->max_duration_ns);
        break;
    case TW__SPAN_TRACE_DURATION:
        want_range(leaf, &where->min_trace_ns, &where->max_trace_ns);
        break;
    case TW__SPAN_ROOT:
        where->roots |= is_equality(leaf) && leaf->value.type == TW__FIELD_BOOL && leaf->value.u;
        break;
    default:
        if ((key->id == TW__SPAN_TAG || key->id == TW__SPAN_TAG_PREFIXED) && tw__span_field_tag(key, &tag))
            want_tag(where, leaf, tag);
        break;
    }
}

/* -- compiling */

static bool is_order(const struct tw__filter_leaf *leaf)
{
    return leaf->op == TW__FILTER_LT || leaf->op == TW__FILTER_LE || leaf->op == TW__FILTER_GT ||
           leaf->op == TW__FILTER_GE;
}

/* Takes what must hold, and sees what of the filter is about traces. Children stand before their parents, so one pass
 * from the end knows of each node whether only "and" stands above it. */
static void look(struct tw__where *where)
{
    const struct tw__filter *filter = where->filter;
    bool must[TW__FILTER_NODES_MAX] = {false}, of_spans = false, other = false, names = false, must_name = false;
    must[filter->node_count - 1] = true;
    for (unsigned i = filter->node_count; i-- > 0;) {
        const struct tw__filter_node *node = &filter->nodes[i];
        if (node->kind == TW__FILTER_AND) must[node->a] = must[node->b] = must[i];
        if (node->kind != TW__FILTER_LEAF) continue;
        const struct tw__filter_leaf *leaf = &filter->leaves[node->a];
        if (must[i]) want(where, leaf);
        if (leaf->op <= TW__FILTER_FALSE) continue;
        uint32_t id = filter->keys[leaf->key].id;
        of_spans |= !tw__where_is_of_trace(id);
        if (!tw__where_is_of_trace(id)) continue;
        where->of_trace = true;
        names |= tw__where_is_root_name(id);
        must_name |= tw__where_is_root_name(id) && must[i] && leaf->op != TW__FILTER_ABSENT;
        /* A range of durations that must hold is the search's own condition. */
        other |= !tw__where_is_root_name(id) &&
                 !(id == TW__SPAN_TRACE_DURATION && is_order(leaf) && leaf->value.i > 0 && must[i]);
    }
    where->root_names = where->roots && names && !other && where->min_trace_ns == 0 && where->max_trace_ns == 0;
    if (where->root_names) where->of_trace = false;
    where->whole = where->of_trace && (names || other);
    where->by_root = where->whole && must_name && !of_spans;
}

/* What a field is answered from, beside tags of the span and its resource. */
static unsigned parts_of(uint32_t id)
{
    if (id == TW__SPAN_EVENT || id == TW__SPAN_EVENT_TIME || id == TW__SPAN_EVENT_TAG) return TW__PART_EVENTS;
    if (id == TW__SPAN_LINK_TRACE_ID || id == TW__SPAN_LINK_SPAN_ID || id == TW__SPAN_LINK_TAG) return TW__PART_LINKS;
    bool scope = id == TW__SPAN_SCOPE || id == TW__SPAN_SCOPE_VERSION || id == TW__SPAN_SCOPE_TAG;
    return scope ? TW__PART_RESOURCES : 0;
}

static void collect_keys(struct tw__where *where)
{
    for (unsigned i = 0; i < where->filter->key_count; i++) {
        struct tw_text tag;
        if (tw__span_field_tag(&where->filter->keys[i], &tag)) where->keys[where->key_count++] = tag;
        where->parts |= parts_of(where->filter->keys[i].id);
    }
}

int tw__where_new(const char *text, size_t len, struct tw__where **out, struct tw__refusal *refusal)
{
    struct tw__refusal own;
    if (!refusal) refusal = &own;
    *refusal = (struct tw__refusal){0};
    struct tw__where *where = calloc(1, sizeof *where);
    if (!where) {
        (void)tw__refuse(refusal, TW_ERR_MEMORY, 0, "out of memory");
        return TW_ERR_MEMORY;
    }
    if (tw__filter_compile(text, len, &tw__span_schema, &where->filter, refusal) < 0) {
        tw__where_free(where);
        return refusal->code;
    }
    look(where);
    collect_keys(where);
    *out = where;
    return 0;
}

void tw__where_free(struct tw__where *where)
{
    if (!where) return;
    tw__filter_free(where->filter);
    free(where);
}

unsigned tw__where_parts(const struct tw__where *where)
{
    return where ? where->parts : 0;
}

unsigned tw__where_parts_of(struct tw_text field)
{
    return parts_of(tw__span_schema.resolve(NULL, field.ptr, field.len));
}

unsigned tw__where_rank(const struct tw__where *where)
{
    if (!where) return 0;
    if (where->equal_count || where->name.ptr) return 4;
    if (where->service.ptr || where->statuses) return 3;
    return where->kinds || where->min_duration_ns || where->max_duration_ns || where->roots ? 2 : 1;
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 || a < b ? a : b;
}

/* Where two conditions exclude each other the search keeps one, and the callback, which knows the other, says no. */
void tw__where_apply(struct tw__where *where, struct tw__search *search)
{
    struct tw__store_query *spans = &search->spans;
    if (!spans->service.ptr) spans->service = where->service;
    if (!spans->name.ptr) spans->name = where->name;
    if (where->kinds && !spans->kinds) spans->kinds = where->kinds;
    if (where->statuses && !spans->statuses) spans->statuses = where->statuses;
    if (where->min_duration_ns > spans->min_duration_ns) spans->min_duration_ns = where->min_duration_ns;
    spans->max_duration_ns = least_of(spans->max_duration_ns, where->max_duration_ns);
    if (where->min_trace_ns > search->min_trace_ns) search->min_trace_ns = where->min_trace_ns;
    search->max_trace_ns = least_of(search->max_trace_ns, where->max_trace_ns);
    spans->roots |= where->roots;
    if (spans->service.ptr || spans->name.ptr) where->by_root = false; /* those need not be roots */
    if (where->by_root && !spans->roots) {
        spans->roots = true;
        search->whole.by_root = true;
    }
    search->whole.select = select_whole;
    search->whole.data = where;
    search->whole.parts = TW__PART_TAGS | TW__PART_RESOURCES | where->parts;
    search->whole.needed = where->whole;
    spans->equals = where->equals;
    spans->equal_count = where->equal_count;
    spans->filter = (struct tw__store_filter){.match = where->of_trace ? may_match : matches,
                                              .data = where,
                                              .parts = where->parts,
                                              .keys = where->keys,
                                              .key_count = where->key_count};
}
