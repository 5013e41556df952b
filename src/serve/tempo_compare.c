/* tempo_compare: what of a selection of spans is different, as Tempo's compare() answers it:
 *
 *     {__meta_type="selection", resource.cluster="prod"}  456      and  baseline
 *     {__meta_type="selection_total", resource.cluster="nil"}  600      spans with any value
 *     {__meta_error="__too_many_values__", resource.cluster="nil"}
 *
 * Of each attribute and side the values with the most spans, as many as were asked for.
 * Source   grafana/tempo docs, TraceQL metrics functions.
 */
#include "serve/tempo_compare.h"

#include "query/compare.h"
#include "serve/tempo_labels.h"

static const char *const sides[] = {"baseline", "selection"}, *const totals[] = {"baseline_total", "selection_total"};

/* One series; counts NULL: without samples. */
static void put(struct tw__ask *ask, const struct tw__comparison *comparison, const char *type,
                const struct tw__compared_attribute *attribute, const struct tw__field *value, const uint32_t *counts,
                bool instant)
{
    struct tw__json *json = &ask->json;
    struct tw__tempo_labels labels = {.json = json};
    struct tw__buf name = {0};
    tw__buf_add(&name, attribute->scope.ptr, attribute->scope.len);
    tw__buf_add(&name, attribute->key.ptr, attribute->key.len);
    if (name.failed) (void)tw__ask_failed(ask, TW_ERR_MEMORY);
    tw__json_open(json, NULL, '{');
    tw__tempo_labels_begin(&labels);
    tw__tempo_label_text(&labels, counts ? "__meta_type" : "__meta_error",
                         tw__ask_as_text(counts ? type : "__too_many_values__"));
    tw__tempo_label(&labels, (struct tw_text){name.ptr, name.len}, value);
    tw__tempo_labels_end(&labels);
    if (instant) {
        tw__json_f64(json, "value", counts ? (double)counts[0] : 0);
    } else {
        tw__tempo_samples_begin(json);
        for (size_t i = 0; counts && i < comparison->steps; i++)
            tw__tempo_sample(json, comparison->from_ns + i * comparison->step_ns, counts[i]);
        tw__json_close(json, ']');
    }
    tw__json_close(json, '}');
    tw__buf_fini(&name);
}

static bool is_full(const struct tw__ask *ask)
{
    return ask->reply->body.len >= TW__TEMPO_SERIES_BYTES;
}

/* The values of one attribute, which lie from first to end. */
static void put_values(struct tw__ask *ask, const struct tw__comparison *comparison, size_t first, size_t end,
                       enum tw__compare_side side, bool instant)
{
    uint64_t put_already = 0, most = comparison->traceql->metric.most;
    /* They come by the spans of both sides; of one side the next largest is looked for. */
    for (uint64_t below = UINT64_MAX; put_already < most && below && !is_full(ask);) {
        uint64_t largest = 0;
        for (size_t v = first; v < end; v++) {
            uint64_t total = comparison->values[v].total[side];
            if (total < below && total > largest) largest = total;
        }
        for (size_t v = first; v < end && put_already < most && largest && !is_full(ask); v++) {
            const struct tw__compared_value *value = &comparison->values[v];
            if (value->total[side] != largest) continue;
            put(ask, comparison, sides[side], &comparison->attributes[value->attribute], &value->value,
                value->counts[side], instant);
            put_already++;
        }
        below = largest;
    }
}

static void put_attribute(struct tw__ask *ask, const struct tw__comparison *comparison, uint32_t index, size_t first,
                          size_t end, bool instant)
{
    const struct tw__compared_attribute *attribute = &comparison->attributes[index];
    const struct tw__field none = {.type = TW__FIELD_NONE};
    uint64_t most = comparison->traceql->metric.most;
    for (unsigned side = 0; side < TW__COMPARE_SIDES; side++) {
        put_values(ask, comparison, first, end, (enum tw__compare_side)side, instant);
        if (attribute->counts[side])
            put(ask, comparison, totals[side], attribute, &none, attribute->counts[side], instant);
    }
    if (attribute->more || attribute->values[0] > most || attribute->values[1] > most)
        put(ask, comparison, NULL, attribute, &none, NULL, instant);
}

void tw__tempo_compare(struct tw__ask *ask, struct tw__search *search, struct tw__series_list *list, bool instant)
{
    struct tw__comparison comparison = {
        .traceql = list->traceql, .from_ns = list->from_ns, .step_ns = list->step_ns, .steps = list->steps};
    struct tw_text text = list->traceql->metric.selection;
    struct tw__search selection = {0};
    struct tw__where *where = NULL;
    struct tw__refusal refusal;
    if (text.len && tw__where_new(text.ptr, text.len, &where, &refusal) < 0) {
        tw__ask_refuse(ask, 400, "invalid TraceQL query: compare: %s", refusal.text);
        return;
    }
    if (where) tw__where_apply(where, &selection);
    if (selection.whole.needed || selection.min_trace_ns || selection.max_trace_ns)
        tw__ask_refuse(ask, 400,
                       "compare: a selection is of spans: rootName, rootServiceName and traceDuration cannot be asked");
    if (!ask->failed &&
        !tw__ask_failed(ask, tw__compare(ask->api->store, search, &selection.spans.filter, &ask->pool, &comparison))) {
        size_t first = 0, end;
        for (uint32_t a = 0; a < comparison.attribute_count && !is_full(ask); a++, first = end) {
            for (end = first; end < comparison.value_count && comparison.values[end].attribute == a;) end++;
            put_attribute(ask, &comparison, a, first, end, instant);
        }
        list->more = comparison.more || is_full(ask);
    }
    tw__where_free(where);
}
