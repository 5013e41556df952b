/* tempo_found: traces found, as Tempo's search answers them.
 *
 *     {"traceID","rootServiceName","rootTraceName","startTimeUnixNano","durationMs",
 *      "spanSets":[{"spans":[..],"matched"}],"spanSet":{..},"serviceStats":{"front":{"spanCount","errorCount"}}}
 *
 * Beside each span stands what the query names, beside each spanset of what value of by() it is: Grafana makes columns
 * of both.
 * Source   grafana/tempo docs, api, "Search".
 */
#include "serve/tempo_found.h"

#include <string.h>

#include "base/hex.h"
#include "model/span_fields.h"
#include "query/spansets.h"
#include "serve/ask.h"
#include "serve/tempo_labels.h"
#include "wire/record_json.h"

static void put_attribute(struct tw__json *json, const char *key, const struct tw__field *value)
{
    tw__tempo_attribute(json, tw__ask_as_text(key), value);
}

static void put_text_attribute(struct tw__json *json, const char *key, struct tw_text text)
{
    const struct tw__field value = tw__field_text(text.ptr, text.len);
    put_attribute(json, key, &value);
}

static void put_number_attribute(struct tw__json *json, const char *key, int64_t number)
{
    const struct tw__field value = tw__field_int(number);
    put_attribute(json, key, &value);
}

struct found {
    const struct tw__summary *of;
    uint32_t index;
    const struct tw__span *span;
    const struct tw__resource *resource;
    const struct tw__scope *scope;
};

static bool is_scoped(const char *field, const char *scope, const char **key)
{
    size_t len = strlen(scope);
    if (strncmp(field, scope, len) != 0) return false;
    *key = field + len;
    return true;
}

/* The tag that a name with a scope asks for; of events and links the first that has it. *key is its name. */
static const struct tw_tag_value *find_tag(const struct found *f, const char *field, const char **key)
{
    const struct tw_tag_value *tag = NULL;
    if (is_scoped(field, "event.", key)) {
        for (uint32_t e = 0; e < f->span->event_count && !tag; e++)
            tag = tw__tag_find(f->span->events[e].tags, f->span->events[e].tag_count, *key);
    } else if (is_scoped(field, "link.", key)) {
        for (uint32_t l = 0; l < f->span->link_count && !tag; l++)
            tag = tw__tag_find(f->span->links[l].tags, f->span->links[l].tag_count, *key);
    } else if (is_scoped(field, "instrumentation.", key)) {
        tag = tw__tag_find(f->scope->tags, f->scope->tag_count, *key);
    } else if (is_scoped(field, "span.", key)) {
        tag = tw__tag_find(f->span->tags, f->span->tag_count, *key);
    } else if (is_scoped(field, "resource.", key)) {
        tag = tw__tag_find(f->resource->tags, f->resource->tag_count, *key);
    } else if (is_scoped(field, ".", key)) {
        tag = tw__tag_find(f->span->tags, f->span->tag_count, *key);
        if (!tag) tag = tw__tag_find(f->resource->tags, f->resource->tag_count, *key);
    }
    return tag && tag->type != TW_TYPE_BYTES ? tag : NULL;
}

static void put_place(struct tw__json *json, const struct found *f, const char *field)
{
    const struct tw__nested_set *place = f->of->matched_places ? &f->of->matched_places[f->index] : NULL;
    if (!place) return;
    if (strcmp(field, "nestedSetLeft") == 0) put_number_attribute(json, field, place->left);
    if (strcmp(field, "nestedSetRight") == 0) put_number_attribute(json, field, place->right);
    if (strcmp(field, "nestedSetParent") == 0)
        put_number_attribute(json, field, place->parent ? (int64_t)place->parent : -1);
}

static void put_hex_attribute(struct tw__json *json, const char *key, const uint8_t *id, size_t count)
{
    char digits[33];
    tw__hex_enc(id, count, digits);
    put_text_attribute(json, key, (struct tw_text){digits, 2 * count});
}

/* Of what belongs to events, links and scopes. */
static void put_further(struct tw__json *json, const struct found *f, const char *field)
{
    const struct tw__span_event *event = f->span->event_count ? f->span->events : NULL;
    const struct tw__span_link *link = f->span->link_count ? f->span->links : NULL;
    if (event && strcmp(field, "event:name") == 0) put_text_attribute(json, field, event->name);
    if (event && strcmp(field, "event:timeSinceStart") == 0)
        put_number_attribute(json, field, (int64_t)(event->time_ns - f->span->start_ns));
    if (link && strcmp(field, "link:traceID") == 0) put_hex_attribute(json, field, link->trace_id, 16);
    if (link && strcmp(field, "link:spanID") == 0) put_hex_attribute(json, field, link->span_id, 8);
    if (strcmp(field, "instrumentation:name") == 0) put_text_attribute(json, field, f->scope->name);
    if (strcmp(field, "instrumentation:version") == 0) put_text_attribute(json, field, f->scope->version);
    if (strcmp(field, "span:id") == 0) put_hex_attribute(json, field, f->span->span_id, 8);
    if (strcmp(field, "span:parentID") == 0) put_hex_attribute(json, field, f->span->parent_id, 8);
}

/* What the query names. Name, begin and duration are there in any case, as are the trace's duration and id, once. */
static void put_field(struct tw__json *json, const struct found *f, const char *field)
{
    const char *key = field;
    const struct tw_tag_value *tag = find_tag(f, field, &key);
    struct tw__field value;
    if (tag && tw__tag_field(tag, &value)) put_attribute(json, key, &value);
    if (!tag && (strcmp(field, "resource.service.name") == 0 || strcmp(field, ".service.name") == 0))
        put_text_attribute(json, key, f->resource->service);
    if (key != field) return; /* it was an attribute */
    if (!is_scoped(field, "span:", &key)) (void)is_scoped(field, "trace:", &key);
    if (strcmp(key, "status") == 0)
        put_text_attribute(json, "status", tw__ask_as_text(tw__status_name((enum tw_status)f->span->status)));
    else if (strcmp(key, "statusMessage") == 0)
        put_text_attribute(json, "statusMessage", f->span->status_message);
    else if (strcmp(key, "kind") == 0)
        put_text_attribute(json, "kind", tw__ask_as_text(tw__ask_kind_name(f->span->kind)));
    else if (strcmp(key, "rootName") == 0 && !f->of->rootless)
        put_text_attribute(json, key, f->of->root_name);
    else if ((strcmp(key, "rootServiceName") == 0 || strcmp(key, "rootService") == 0) && !f->of->rootless)
        put_text_attribute(json, key, f->of->root_service);
    else if (strncmp(field, "nestedSet", 9) == 0)
        put_place(json, f, field);
    else
        put_further(json, f, field);
}

static void put_span(struct tw__json *json, const struct tw__summary *of, uint32_t index, const struct tw__buf *named)
{
    const struct tw__span *span = &of->matched[index];
    const struct found found = {of, index, span, &of->matched_resources[span->resource],
                                &of->matched_scopes[span->scope]};
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "spanID", span->span_id, 8);
    tw__ask_put_time(json, "startTimeUnixNano", span->start_ns);
    tw__ask_put_time(json, "durationNanos", tw__span_duration_ns(span));
    tw__json_text(json, "name", span->name);
    tw__json_open(json, "attributes", '[');
    for (size_t at = 0; at < named->len; at += strlen(named->ptr + at) + 1) put_field(json, &found, named->ptr + at);
    tw__json_close(json, ']');
    tw__json_close(json, '}');
}

unsigned tw__tempo_found_parts(const struct tw__buf *named)
{
    unsigned parts = TW__PART_TAGS | TW__PART_RESOURCES;
    for (size_t at = 0; at < named->len; at += strlen(named->ptr + at) + 1) {
        if (strncmp(named->ptr + at, "event", 5) == 0) parts |= TW__PART_EVENTS;
        if (strncmp(named->ptr + at, "link", 4) == 0) parts |= TW__PART_LINKS;
    }
    return parts;
}

/* {"key":"by(name)","value":{..}}: the value that the spans of a set share. */
static void put_group(struct tw__json *json, const struct tw__summary *of, const struct tw__matched_set *set,
                      const struct tw__traceql_field *by)
{
    const struct tw__spans batch = {.resources = of->matched_resources, .scopes = of->matched_scopes};
    const struct tw__trace_view trace = tw__query_view(of);
    struct tw__span_view view;
    struct tw__field value;
    struct tw__buf key = {0};
    tw__span_view_span(&view, &batch, &of->matched[set->first]);
    view.trace = &trace;
    if (!tw__traceql_value(by, &view, &value)) value = (struct tw__field){.type = TW__FIELD_NONE};
    tw__buf_fmt(&key, "by(%.*s)", (int)by->label.len, by->label.ptr);
    tw__tempo_attribute(json, (struct tw_text){key.ptr, key.len}, &value);
    tw__buf_fini(&key);
}

static void put_set(struct tw__json *json, const struct tw__summary *one, const struct tw__matched_set *set,
                    const struct tw__traceql *traceql)
{
    unsigned first = 0;
    tw__json_open(json, "spans", '[');
    for (uint32_t i = 0; i < set->kept; i++) put_span(json, one, set->first + i, &traceql->named);
    tw__json_close(json, ']');
    tw__json_u64(json, "matched", set->count);
    for (unsigned s = 0; s < traceql->stage_count; s++)
        if (traceql->stages[s].kind == TW__TRACEQL_COALESCE) first = s + 1;
    tw__json_open(json, "attributes", '[');
    for (unsigned s = first; s < traceql->stage_count; s++)
        if (traceql->stages[s].kind == TW__TRACEQL_BY)
            put_group(json, one, set, &traceql->fields[traceql->stages[s].field]);
    tw__json_close(json, ']');
}

void tw__tempo_put_found(struct tw__json *json, const struct tw__summary *one, const struct tw__traceql *traceql)
{
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "traceID", one->trace_id, 16);
    tw__json_text(json, "rootServiceName", one->root_service);
    tw__json_text(json, "rootTraceName",
                  one->rootless ? (struct tw_text){"<root span not yet received>", 28} : one->root_name);
    tw__ask_put_time(json, "startTimeUnixNano", one->start_ns);
    tw__json_u64(json, "durationMs", one->duration_ns / 1000000);
    tw__json_open(json, "spanSets", '[');
    for (uint32_t s = 0; s < one->matched_set_count; s++) {
        tw__json_open(json, NULL, '{');
        put_set(json, one, &one->matched_sets[s], traceql);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
    if (one->matched_set_count) { /* what older Grafanas read */
        tw__json_open(json, "spanSet", '{');
        put_set(json, one, &one->matched_sets[0], traceql);
        tw__json_close(json, '}');
    }
    tw__json_open(json, "serviceStats", '{');
    for (uint32_t s = 0; s < one->service_count; s++) {
        tw__json_name(json, one->services[s].name);
        json->comma = false;
        tw__json_open(json, NULL, '{');
        tw__json_u64(json, "spanCount", one->services[s].spans);
        tw__json_u64(json, "errorCount", one->services[s].errors);
        tw__json_close(json, '}');
    }
    tw__json_close(json, '}');
    tw__json_close(json, '}');
}
