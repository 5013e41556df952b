/* tempo_values: see the header.
 *
 *     without q     the store's own lists; of which type a value is, a span that has it tells
 *     with q        the spans that match, the values gathered from them
 *
 *     names of events, what is of links and scopes, statusMessage: gathered from spans in any case; no list has them
 *
 * The lists have no types, since they need none but here. So for each way of writing a value (digits; a fraction; true)
 * one span is asked for: a key nearly always has one type. Words are strings without asking.
 * Limits: LOOKED_MAX matching spans are looked at; of conditions on whole traces only what a span tells by itself. q is
 * read TRIES_MAX times, each time less of it; after that, as if it were not there.
 * Source   grafana/tempo docs, api, "Search tag values V2".
 */
#include "serve/tempo_values.h"

#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "base/os.h"
#include "filter/filter.h"
#include "model/span_fields.h"
#include "model/text.h"
#include "query/traceql.h"
#include "store/hash.h"
#include "wire/value.h"

enum {
    LOOKED_MAX = 100000,
    VALUES_MAX = 5000,
    SLOTS = 16384,
    TRIES_MAX = 12,
    SCOPES_SPAN = TW__SCOPE_SPAN | TW__SCOPE_RESOURCE
};

enum form { FORM_WHOLE, FORM_FRACTION, FORM_BOOL, FORM_WORD };

enum what { WHAT_TAG, WHAT_WORD, WHAT_NAME, WHAT_SERVICE, WHAT_ROOT_NAME, WHAT_ROOT_SERVICE, WHAT_FIELD };

struct wanted {
    enum what what;
    unsigned scopes;    /* enum tw__tag_scope, of a tag */
    struct tw_text key; /* of a tag; of a field: of the filter language */
    uint64_t since_ns, until_ns;
    size_t limit;
};

/* Values in the making, each once. */
struct gathered {
    struct tw__pool *pool;
    const struct wanted *wanted;
    struct tw__tempo_value *items;
    uint32_t *slots; /* index + 1 */
    uint64_t seed;   /* values are the senders': nobody shall know which meet in the table */
    size_t count, cap, looked;
    bool failed;
};

static bool skip(struct tw_text *text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (text->len <= len || memcmp(text->ptr, prefix, len) != 0) return false;
    *text = (struct tw_text){text->ptr + len, text->len - len};
    return true;
}

static enum form form_of(struct tw_text text)
{
    struct tw__field number;
    if (tw__text_is(text, "true") || tw__text_is(text, "false")) return FORM_BOOL;
    if (!text.len || (text.ptr[0] != '-' && text.ptr[0] != '.' && (text.ptr[0] < '0' || text.ptr[0] > '9')))
        return FORM_WORD;
    if (text.len > 1 && (text.ptr[1] | 0x20) == 'x') return FORM_WORD;
    if (!tw__number_read(text.ptr, text.len, &number)) return FORM_WORD;
    return number.type == TW__FIELD_DOUBLE ? FORM_FRACTION : FORM_WHOLE;
}

/* -- gathering */

static const char *type_of(const struct tw_tag_value *tag)
{
    switch (tag->type) {
    case TW_TYPE_INT:
    case TW_TYPE_UINT:
        return "int";
    case TW_TYPE_DOUBLE:
        return "float";
    case TW_TYPE_BOOL:
        return "bool";
    case TW_TYPE_NONE:
    case TW_TYPE_STR:
    case TW_TYPE_BYTES:
    case TW_TYPE_JSON:
        break;
    }
    return "string";
}

static void add(struct gathered *values, struct tw_text text, const char *type)
{
    size_t at = tw__hash_seeded(text.ptr, text.len, values->seed) & (SLOTS - 1);
    if (values->count >= values->wanted->limit || values->failed) return;
    for (; values->slots[at]; at = (at + 1) & (SLOTS - 1)) {
        const struct tw__tempo_value *known = &values->items[values->slots[at] - 1];
        if (strcmp(known->type, type) == 0 && tw__text_same(known->text, text)) return;
    }
    const char *copy = tw__pool_copy(values->pool, text.ptr, text.len);
    if (!copy || tw__pool_grow(values->pool, &values->items, values->count, &values->cap, sizeof *values->items) < 0) {
        values->failed = true;
        return;
    }
    values->items[values->count++] = (struct tw__tempo_value){{copy, text.len}, type};
    values->slots[at] = (uint32_t)values->count;
}

static void add_tags(struct gathered *values, const struct tw_tag_value *tags, size_t count)
{
    char scratch[TW__NUMBER_MAX];
    for (size_t i = 0; i < count; i++)
        if (tw__text_same(tags[i].key, values->wanted->key))
            add(values, tw__value_text(&tags[i], scratch), type_of(&tags[i]));
}

static void add_field(struct gathered *values, const struct tw__spans *spans, const struct tw__span *span)
{
    struct tw_text key = values->wanted->key;
    struct tw__field_key asked = {.name = key.ptr, .len = key.len};
    struct tw__span_view view;
    struct tw__field value;
    char scratch[TW__NUMBER_MAX];
    asked.id = tw__span_schema.resolve(NULL, key.ptr, key.len);
    tw__span_view_span(&view, spans, span);
    for (bool many = tw__span_schema.many(asked.id); tw__span_field(&view, &asked, &value) && (many || !asked.nth);
         asked.nth++) {
        struct tw_tag_value tag = {.text = {value.ptr, value.len}, .value.u = value.u};
        tag.type = value.type == TW__FIELD_TEXT     ? TW_TYPE_STR
                   : value.type == TW__FIELD_INT    ? TW_TYPE_INT
                   : value.type == TW__FIELD_UINT   ? TW_TYPE_UINT
                   : value.type == TW__FIELD_DOUBLE ? TW_TYPE_DOUBLE
                   : value.type == TW__FIELD_BOOL   ? TW_TYPE_BOOL
                                                    : TW_TYPE_NONE;
        if (tag.type != TW_TYPE_NONE) add(values, tw__value_text(&tag, scratch), type_of(&tag));
    }
}

static bool take_span(void *data, const struct tw__spans *spans, size_t index)
{
    struct gathered *values = data;
    const struct tw__span *span = &spans->items[index];
    const struct tw__resource *resource = &spans->resources[span->resource];
    unsigned scopes = values->wanted->scopes;
    if (values->wanted->what == WHAT_NAME) add(values, span->name, "string");
    if (values->wanted->what == WHAT_SERVICE) add(values, resource->service, "string");
    if (values->wanted->what == WHAT_FIELD) add_field(values, spans, span);
    if (values->wanted->what == WHAT_TAG) {
        if (scopes & TW__SCOPE_SPAN) add_tags(values, span->tags, span->tag_count);
        if (scopes & TW__SCOPE_RESOURCE) add_tags(values, resource->tags, resource->tag_count);
        for (uint32_t e = 0; scopes & TW__SCOPE_EVENT && e < span->event_count; e++)
            add_tags(values, span->events[e].tags, span->events[e].tag_count);
    }
    return ++values->looked < LOOKED_MAX && values->count < values->wanted->limit && !values->failed;
}

static int by_text(const void *a, const void *b)
{
    const struct tw__tempo_value *one = a, *two = b;
    int order = tw__text_order(one->text, two->text);
    return order ? order : strcmp(one->type, two->type);
}

/* -- the rest of the query */

/* Where the last && before end stands, outside of quotes; 0: nowhere. */
static size_t last_and(const char *text, size_t end)
{
    size_t found = 0;
    char quote = 0;
    for (size_t i = 0; i + 1 < end; i++) {
        if (quote && text[i] == '\\' && quote == '"')
            i++;
        else if (quote)
            quote = text[i] == quote ? 0 : quote;
        else if (text[i] == '"' || text[i] == '`')
            quote = text[i];
        else if (text[i] == '&' && text[i + 1] == '&')
            found = i;
    }
    return found;
}

/* How much of q, of which len bytes were refused, is tried next. A filter that is too large is halved; elsewhere all
 * that stands before what was not understood may be right. */
static size_t cut(const char *q, size_t len, int code, size_t refused_at)
{
    return last_and(q, code == TW_ERR_SPACE ? len / 2 : refused_at < len ? refused_at : len);
}

/* Makes a search of q, or of as much of its beginning as can be read. false: there is nothing to narrow by. */
static bool read_rest(struct tw__ask *ask, const char *q, struct tw__search *search)
{
    struct tw__buf text = {0};
    bool read = false;
    size_t len = strlen(q);
    for (unsigned tries = 0; len && tries < TRIES_MAX && !ask->failed; tries++) {
        struct tw__traceql traceql = {0};
        struct tw__refusal refusal;
        int code = tw__traceql_parse(text.len ? text.ptr : q, text.len ? text.len : len, &traceql, &refusal);
        size_t at = refusal.at;
        /* Of several spansets nobody knows which one is being typed. */
        if (code == 0 && tw__traceql_is_filter(&traceql) && traceql.filters[0].len) {
            code = tw__where_new(traceql.filters[0].ptr, traceql.filters[0].len, &ask->where, &refusal);
            at = len; /* where in our form of the query tells nothing */
        }
        tw__traceql_fini(&traceql);
        read = code == 0;
        if (read) break;
        len = len > TW__FILTER_TEXT_MAX ? last_and(q, TW__FILTER_TEXT_MAX) : cut(q, len, code, at);
        tw__buf_reset(&text);
        tw__buf_add(&text, q, len);
        tw__buf_cstr(&text, "}");
        if (code == TW_ERR_MEMORY || text.failed) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    }
    tw__buf_fini(&text);
    if (read && ask->where) tw__where_apply(ask->where, search);
    return read && ask->where;
}

static void gather(struct tw__ask *ask, struct tw__search *search, struct gathered *values)
{
    const struct wanted *wanted = values->wanted;
    unsigned parts = wanted->what != WHAT_TAG ? 0 : TW__PART_TAGS | TW__PART_RESOURCES;
    if (wanted->scopes & TW__SCOPE_EVENT) parts |= TW__PART_EVENTS;
    if (wanted->what == WHAT_FIELD) parts = tw__where_parts_of(wanted->key);
    search->spans.since_ns = wanted->since_ns;
    search->spans.until_ns = wanted->until_ns;
    (void)tw__ask_failed(ask, tw__store_scan(ask->api->store, &search->spans, parts, take_span, values));
}

/* -- the store's lists */

/* The type of the newest value that is written like this. */
static const char *ask_type(struct tw__ask *ask, const struct wanted *wanted, struct tw_text text)
{
    const struct tw__store_equal equal = {wanted->key, text};
    const struct tw__store_query query = {
        .since_ns = wanted->since_ns, .until_ns = wanted->until_ns, .equals = &equal, .equal_count = 1, .limit = 1};
    struct tw__spans spans = {0};
    const char *type = "string";
    char scratch[TW__NUMBER_MAX];
    if (!tw__ask_failed(ask, tw__store_find(ask->api->store, &query, TW__PART_TAGS | TW__PART_RESOURCES, &spans)) &&
        spans.count) {
        const struct tw__span *span = &spans.items[0];
        const struct tw__resource *resource = &spans.resources[span->resource];
        const struct {
            unsigned scope;
            const struct tw_tag_value *tags;
            size_t count;
        } places[] = {{TW__SCOPE_RESOURCE, resource->tags, resource->tag_count},
                      {TW__SCOPE_SPAN, span->tags, span->tag_count}};
        for (size_t p = 0; p < sizeof places / sizeof *places; p++)
            for (size_t i = 0; wanted->scopes & places[p].scope && i < places[p].count; i++) {
                const struct tw_tag_value *tag = &places[p].tags[i];
                if (tw__text_same(tag->key, wanted->key) && tw__text_same(tw__value_text(tag, scratch), text))
                    type = type_of(tag);
            }
    }
    tw__spans_fini(&spans);
    return type;
}

static void list(struct tw__ask *ask, struct gathered *values)
{
    const struct wanted *wanted = values->wanted;
    struct tw__store *store = ask->api->store;
    struct tw__store_names names = {0};
    const char *types[FORM_WORD + 1] = {[FORM_WORD] = "string"};
    if (wanted->what == WHAT_WORD)
        tw__ask_words(ask, wanted->key, &names);
    else if (wanted->what == WHAT_NAME || wanted->what == WHAT_ROOT_NAME)
        (void)tw__ask_failed(ask, tw__store_operations(store, (struct tw_text){NULL, 0}, &ask->pool, &names));
    else if (wanted->what == WHAT_SERVICE || wanted->what == WHAT_ROOT_SERVICE)
        (void)tw__ask_failed(ask, tw__store_services(store, &ask->pool, &names));
    else
        (void)tw__ask_failed(ask, tw__store_tag_values(store, wanted->scopes, wanted->key, wanted->since_ns,
                                                       wanted->until_ns, wanted->limit, &ask->pool, &names));
    for (size_t i = 0; i < names.count && !ask->failed; i++) {
        struct tw_text text = names.items[i].name;
        enum form form = wanted->what == WHAT_TAG && wanted->scopes & SCOPES_SPAN ? form_of(text) : FORM_WORD;
        if (!types[form]) types[form] = ask_type(ask, wanted, text);
        add(values, text, wanted->what == WHAT_WORD ? "keyword" : types[form]);
    }
}

/* Names that the store has no list of; their key of the filter language. */
static bool read_field(struct tw__pool *pool, struct tw_text name, struct tw_text *key)
{
    static const char *const begins[] = {"event:", "link", "instrumentation", "statusMessage", "span:statusMessage"};
    struct tw__buf query = {0};
    struct tw__refusal refusal;
    struct tw__traceql traceql;
    bool found = false;
    for (size_t i = 0; i < sizeof begins / sizeof *begins && !found; i++)
        found = name.len >= strlen(begins[i]) && memcmp(name.ptr, begins[i], strlen(begins[i])) == 0;
    if (!found) return false;
    tw__buf_fmt(&query, "by(%.*s)", (int)name.len, name.ptr);
    found = !query.failed && tw__traceql_parse(query.ptr, query.len, &traceql, &refusal) == 0;
    if (found) *key = traceql.fields[0].keys[0];
    if (found) key->ptr = tw__pool_copy(pool, key->ptr, key->len);
    if (!query.failed) tw__traceql_fini(&traceql);
    tw__buf_fini(&query);
    return found && key->ptr;
}

static struct wanted read_name(struct tw_text name)
{
    static const struct {
        const char *name;
        enum what what;
    } intrinsics[] = {
        {"status", WHAT_WORD},
        {"kind", WHAT_WORD},
        {"name", WHAT_NAME},
        {"rootName", WHAT_ROOT_NAME},
        {"service.name", WHAT_SERVICE},
        {"resource.service.name", WHAT_SERVICE},
        {".service.name", WHAT_SERVICE},
        {"rootServiceName", WHAT_ROOT_SERVICE},
        {"rootService", WHAT_ROOT_SERVICE},
    };
    static const struct {
        const char *prefix;
        unsigned scopes;
    } scoped[] = {
        {"span.", TW__SCOPE_SPAN}, {"resource.", TW__SCOPE_RESOURCE}, {"event.", TW__SCOPE_EVENT}, {".", SCOPES_SPAN}};
    struct wanted wanted = {.scopes = SCOPES_SPAN};
    if (!skip(&name, "span:")) (void)skip(&name, "trace:");
    wanted.key = name;
    for (size_t i = 0; i < sizeof intrinsics / sizeof *intrinsics; i++)
        if (tw__text_is(name, intrinsics[i].name)) wanted.what = intrinsics[i].what;
    for (size_t i = 0; wanted.what == WHAT_TAG && i < sizeof scoped / sizeof *scoped; i++) {
        if (!skip(&wanted.key, scoped[i].prefix)) continue;
        wanted.scopes = scoped[i].scopes;
        break;
    }
    return wanted;
}

void tw__tempo_values(struct tw__ask *ask, struct tw_text name, struct tw__tempo_values *out)
{
    struct wanted wanted = read_name(name);
    if (read_field(&ask->pool, name, &wanted.key)) wanted.what = WHAT_FIELD;
    struct gathered values = {.pool = &ask->pool, .wanted = &wanted};
    struct tw__search rest = {0};
    const char *q = tw__ask_text(ask, "q");
    wanted.limit = (size_t)tw__ask_number(ask, "limit", 1000, VALUES_MAX);
    wanted.since_ns = tw__ask_time(ask, "start");
    wanted.until_ns = tw__ask_time(ask, "end");
    if (!wanted.limit) wanted.limit = VALUES_MAX;
    tw__os_random(&values.seed, sizeof values.seed);
    values.slots = tw__pool_zeroed(&ask->pool, SLOTS, sizeof *values.slots);
    if (!values.slots) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    bool narrowed =
        wanted.what == WHAT_TAG || wanted.what == WHAT_NAME || wanted.what == WHAT_SERVICE || wanted.what == WHAT_FIELD;
    narrowed = narrowed && q && !ask->failed && read_rest(ask, q, &rest);
    if (!ask->failed && (narrowed || wanted.what == WHAT_FIELD))
        gather(ask, &rest, &values);
    else if (!ask->failed)
        list(ask, &values);
    if (ask->failed) return;
    if (values.failed) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    if (values.count) qsort(values.items, values.count, sizeof *values.items, by_text);
    *out = (struct tw__tempo_values){values.items, values.count};
}
