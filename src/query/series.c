/* series: see the header.
 *
 *     the search's filter -> observe: values of by -> a series, by a hash of them -> the cell of the step
 *
 * It observes as the store's filter, and lets nothing through: so that of each block no more is decoded than the
 * conditions, by and what is measured need. Of whole traces first their ids are noted so, then one is read after the
 * other.
 * Limits: SLOTS; a cell takes 40 bytes, with bins 1 KiB more, of attributes 3 KiB, once there is a span in it.
 */
#include "query/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/os.h"
#include "model/map.h"
#include "model/span_fields.h"
#include "model/text.h"
#include "query/spansets.h"
#include "query/value_bins.h"
#include "query/where.h"
#include "store/hash.h"

enum { SLOTS = 4096, KEYS_MAX = TW__FILTER_KEYS_MAX + 2 * (TW__TRACEQL_BY_MAX + 1) };

static const size_t trace_bytes_max = (size_t)1 << 30;

struct known {
    const char *key;
    size_t len;
};

struct observer {
    struct tw__store_filter asked; /* the search's own */
    struct tw__series_list *list;
    struct tw__pool *pool;
    const struct tw__traceql *traceql;
    const struct tw__traceql_field *measured; /* NULL: the duration */
    double unit;                              /* of what is measured */
    bool bins, roots;
    size_t room;
    uint64_t seed;   /* values are the senders': nobody shall know which meet in the table */
    uint32_t *slots; /* index + 1 */
    struct known known[TW__SERIES_MAX];
    struct tw__buf key;
    int error;
};

static bool is_text(const struct tw__field *value)
{
    return value->type == TW__FIELD_TEXT || value->type == TW__FIELD_BYTES;
}

/* The values of by as one text, by which series are told apart. */
static void put_value(struct tw__buf *key, const struct tw__field *value)
{
    uint64_t bits = is_text(value) ? value->len : value->type == TW__FIELD_NONE ? 0 : value->u;
    tw__buf_char(key, (char)value->type);
    tw__buf_add(key, &bits, sizeof bits);
    if (is_text(value)) tw__buf_add(key, value->ptr, value->len);
}

static struct tw__series *add_series(struct observer *o, const struct tw__field *values)
{
    struct tw__series_list *list = o->list;
    unsigned count = o->traceql->metric.by_count;
    struct tw__field *own = tw__pool_zeroed(o->pool, TW__TRACEQL_BY_MAX, sizeof *own);
    struct tw__series_cell *cells = tw__pool_zeroed(o->pool, list->steps, sizeof *cells);
    const char *key = tw__pool_copy(o->pool, o->key.ptr, o->key.len);
    if (!own || !cells || !key ||
        tw__pool_grow(o->pool, &list->items, list->count, &o->room, sizeof *list->items) < 0) {
        o->error = TW_ERR_MEMORY;
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        own[i] = values[i];
        if (is_text(&own[i]) && !(own[i].ptr = tw__pool_copy(o->pool, own[i].ptr, own[i].len)))
            o->error = TW_ERR_MEMORY;
    }
    o->known[list->count] = (struct known){key, o->key.len};
    list->items[list->count] = (struct tw__series){.values = own, .cells = cells};
    return &list->items[list->count++];
}

static struct tw__series *series_of(struct observer *o, const struct tw__span_view *view)
{
    struct tw__field values[TW__TRACEQL_BY_MAX];
    tw__buf_reset(&o->key);
    for (unsigned i = 0; i < o->traceql->metric.by_count; i++) {
        if (!tw__traceql_value(&o->traceql->fields[o->traceql->metric.by[i]], view, &values[i]))
            values[i] = (struct tw__field){.type = TW__FIELD_NONE};
        put_value(&o->key, &values[i]);
    }
    if (o->key.failed) o->error = TW_ERR_MEMORY;
    if (o->error) return NULL;
    size_t at = tw__hash_seeded(o->key.ptr, o->key.len, o->seed) & (SLOTS - 1);
    for (; o->slots[at]; at = (at + 1) & (SLOTS - 1)) {
        const struct known *known = &o->known[o->slots[at] - 1];
        if (known->len == o->key.len && (known->len == 0 || memcmp(known->key, o->key.ptr, known->len) == 0))
            return &o->list->items[o->slots[at] - 1];
    }
    if (o->list->count == TW__SERIES_MAX) {
        o->list->more = true;
        return NULL;
    }
    struct tw__series *series = add_series(o, values);
    if (series) o->slots[at] = (uint32_t)o->list->count;
    return series;
}

/* false: there is no number. */
static bool measure(const struct observer *o, const struct tw__span_view *view, double *out)
{
    struct tw__field value;
    if (!o->measured) {
        *out = (double)view->duration_ns / 1e9;
        return true;
    }
    if (!tw__traceql_value(o->measured, view, &value)) return false;
    bool number = tw__field_double(&value, out);
    *out *= o->unit;
    return number && isfinite(*out);
}

static void count_in(struct observer *o, struct tw__series *series, size_t step, double number)
{
    struct tw__series_cell *cell = &series->cells[step];
    if (cell->count == 0 || number < cell->least) cell->least = number;
    if (cell->count == 0 || number > cell->most) cell->most = number;
    cell->sum += number;
    cell->count++;
    series->count++;
    if (!o->bins) return;
    size_t bins = o->list->numbers ? TW__VALUE_BINS : TW__BINS;
    if (!cell->bins && !(cell->bins = tw__pool_zeroed(o->pool, bins, sizeof *cell->bins))) {
        o->error = TW_ERR_MEMORY;
        return;
    }
    if (o->list->numbers) {
        cell->bins[tw__value_bin(number)]++;
        return;
    }
    double scaled = number * 1e9;
    cell->bins[tw__bin_of(scaled <= 0 ? 0 : scaled >= 1.8e19 ? UINT64_MAX : (uint64_t)scaled)]++;
}

/* A span that is among those that are asked for. of: its trace; NULL: unknown. */
static void observe(struct observer *o, const struct tw__spans *spans, size_t index, const struct tw__trace_view *of)
{
    const struct tw__span *span = &spans->items[index];
    struct tw__span_view view;
    double number = 0;
    if (span->start_ns < o->list->from_ns) return;
    size_t step = (size_t)((span->start_ns - o->list->from_ns) / o->list->step_ns);
    tw__span_view_span(&view, spans, span);
    struct tw__trace_view own = {.name = view.name, .service = view.service};
    view.trace = of ? of : o->roots ? &own : NULL;
    if (step >= o->list->steps || !measure(o, &view, &number)) return;
    struct tw__series *series = series_of(o, &view);
    if (series) count_in(o, series, step, number);
}

static bool passes(const struct tw__store_filter *filter, const struct tw__spans *spans, size_t index)
{
    return !filter->match || filter->match(filter->data, spans, index);
}

static bool observe_match(void *data, const struct tw__spans *spans, size_t index)
{
    struct observer *o = data;
    if (!o->error && passes(&o->asked, spans, index)) observe(o, spans, index, NULL);
    return false;
}

/* -- what is needed of each span */

static const struct tw__traceql_field *field_of(const struct tw__traceql *traceql, unsigned i)
{
    unsigned count = traceql->metric.by_count;
    if (i < count) return &traceql->fields[traceql->metric.by[i]];
    return i == count && traceql->metric.has_field ? &traceql->fields[traceql->metric.field] : NULL;
}

/* By or what is measured is of the whole trace, and no root tells it. */
static bool wants_traces(const struct observer *o)
{
    const struct tw__traceql_field *field;
    bool wants = false;
    for (unsigned i = 0; (field = field_of(o->traceql, i)); i++)
        wants |= tw__where_is_of_trace(field->ids[0]) && !(o->roots && tw__where_is_root_name(field->ids[0]));
    return wants;
}

/* Adds the tags and parts that by and the measured field are answered from. keys has room; NULL: parts are all. */
static void want_fields(const struct observer *o, struct tw__store_filter *filter, struct tw_text *keys)
{
    const struct tw__traceql_field *field;
    for (size_t i = 0; keys && i < o->asked.key_count; i++) keys[filter->key_count++] = o->asked.keys[i];
    for (unsigned i = 0; (field = field_of(o->traceql, i)); i++)
        for (unsigned k = 0; k < 2 && field->keys[k].len; k++) {
            struct tw__field_key key = {field->keys[k].ptr, field->keys[k].len, field->ids[k], 0};
            if (keys && tw__span_field_tag(&key, &keys[filter->key_count])) filter->key_count++;
            filter->parts |= tw__where_parts_of(field->keys[k]);
        }
}

/* -- whole traces */

struct traces {
    struct tw__store_filter asked;
    struct tw__map seen;
    uint8_t (*ids)[16];
    size_t count;
    bool more;
};

static bool note_trace(void *data, const struct tw__spans *spans, size_t index)
{
    struct traces *traces = data;
    struct tw__map_key key = {{0}};
    bool before;
    if (traces->more || !passes(&traces->asked, spans, index)) return false;
    memcpy(key.word, spans->items[index].trace_id, 16);
    if (traces->count == TW__SERIES_TRACES && !tw__map_get(&traces->seen, &key)) {
        traces->more = true;
        return false;
    }
    (void)tw__map_put(&traces->seen, &key, &before);
    if (!before) memcpy(traces->ids[traces->count++], spans->items[index].trace_id, 16);
    return false;
}

/* The traces of which a span is a candidate. */
static int find_traces(struct tw__store *store, struct tw__search *search, struct observer *o, struct traces *traces)
{
    traces->asked = o->asked;
    traces->ids = tw__pool_take(o->pool, TW__SERIES_TRACES * sizeof *traces->ids, 1);
    if (!traces->ids || !tw__map_init(&traces->seen, TW__SERIES_TRACES)) return TW_ERR_MEMORY;
    search->spans.filter.match = note_trace;
    search->spans.filter.data = traces;
    int error = tw__store_scan(store, &search->spans, 0, NULL, NULL);
    search->spans.filter = o->asked;
    tw__map_fini(&traces->seen);
    return error ? error : traces->more ? TW_ERR_RANGE : 0;
}

static int observe_trace(const struct tw__search *search, struct observer *o, const struct tw__spans *trace)
{
    struct tw__pool scratch = {.limit_bytes = trace_bytes_max};
    struct tw__summary summary;
    uint32_t *sets = tw__pool_zeroed(&scratch, trace->count + 1, sizeof *sets);
    int error = sets ? tw__query_summary(trace, &scratch, &summary) : TW_ERR_MEMORY;
    if (!error) {
        const struct tw__trace_view of = tw__query_view(&summary);
        bool wanted = summary.duration_ns >= search->min_trace_ns &&
                      (!search->max_trace_ns || summary.duration_ns <= search->max_trace_ns);
        if (wanted && search->whole.select) error = search->whole.select(search->whole.data, trace, &of, sets);
        for (size_t i = 0; wanted && !error && i < trace->count; i++) {
            if (sets[i] || !search->whole.select) observe(o, trace, i, &of);
            error = o->error;
        }
    }
    tw__pool_fini(&scratch);
    return error;
}

static int collect_whole(struct tw__store *store, struct tw__search *search, struct observer *o)
{
    struct traces traces = {.count = 0};
    struct tw__store_filter fields = {.parts = search->whole.parts | TW__PART_TAGS | TW__PART_RESOURCES};
    struct tw__spans trace = {.pool.limit_bytes = trace_bytes_max};
    int error = find_traces(store, search, o, &traces);
    want_fields(o, &fields, NULL);
    for (size_t t = 0; t < traces.count && !error; t++) {
        tw__spans_reset(&trace);
        error = tw__store_trace(store, traces.ids[t], fields.parts, &trace);
        if (error == TW_ERR_NOT_FOUND || error == TW_ERR_CORRUPT) error = 0;
        if (!error && trace.count) error = observe_trace(search, o, &trace);
    }
    tw__spans_fini(&trace);
    return error;
}

/* -- bins */

double tw__series_quantile(const struct tw__series_list *list, const struct tw__series_cell *cell, double share)
{
    return list->numbers ? tw__value_bins_quantile(cell->bins, share)
                         : (double)tw__bins_quantile(cell->bins, share) / 1e9;
}

unsigned tw__series_bucket(const struct tw__series_list *list, unsigned first, double *end)
{
    unsigned count = list->numbers ? TW__VALUE_BINS : TW__BINS;
    bool zero = list->numbers && first == TW__VALUE_BINS_SIDE;
    unsigned next = first + (zero ? 1 : 4);
    if (first >= count) return 0;
    if (next > count) next = count;
    *end = zero            ? 0
           : list->numbers ? tw__value_bin_floor(next)
                           : (double)tw__bin_floor(next < TW__BINS ? next : TW__BINS - 1) / 1e9;
    return next;
}

/* -- all of it */

static int compare_values(const struct tw__field *a, const struct tw__field *b)
{
    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (is_text(a)) return tw__text_order((struct tw_text){a->ptr, a->len}, (struct tw_text){b->ptr, b->len});
    if (a->type == TW__FIELD_DOUBLE) return a->d < b->d ? -1 : a->d > b->d;
    if (a->type == TW__FIELD_INT) return a->i < b->i ? -1 : a->i > b->i;
    return a->type == TW__FIELD_NONE ? 0 : a->u < b->u ? -1 : a->u > b->u;
}

/* By values; behind them they are NONE. */
static int by_values(const void *left, const void *right)
{
    const struct tw__series *a = left, *b = right;
    for (unsigned i = 0; i < TW__TRACEQL_BY_MAX; i++) {
        int order = compare_values(&a->values[i], &b->values[i]);
        if (order) return order;
    }
    return 0;
}

static int collect_spans(struct tw__store *store, struct tw__search *search, struct observer *o)
{
    struct tw_text keys[KEYS_MAX];
    search->spans.filter =
        (struct tw__store_filter){.match = observe_match, .data = o, .parts = o->asked.parts, .keys = keys};
    want_fields(o, &search->spans.filter, keys);
    int error = tw__store_scan(store, &search->spans, 0, NULL, NULL);
    search->spans.filter = o->asked;
    return error ? error : o->error;
}

/* Durations of one series. */
static int collect_heat(struct tw__store *store, const struct tw__search *search, struct observer *o)
{
    struct tw__series_list *list = o->list;
    struct tw__store_heat heat = {.from_ns = list->from_ns, .step_ns = list->step_ns, .columns = list->steps};
    struct tw__series *series = add_series(o, NULL);
    heat.cells = series ? tw__pool_zeroed(o->pool, list->steps, sizeof *heat.cells) : NULL;
    if (!heat.cells) return TW_ERR_MEMORY;
    int error = tw__store_heat(store, &search->spans, &heat);
    for (size_t s = 0; s < list->steps && !error; s++) {
        series->cells[s].bins = heat.cells[s];
        for (unsigned b = 0; b < TW__BINS; b++) series->cells[s].count += heat.cells[s][b];
        series->count += series->cells[s].count;
    }
    return error;
}

int tw__series_collect(struct tw__store *store, struct tw__search *search, struct tw__pool *pool,
                       struct tw__series_list *list)
{
    const struct tw__traceql *traceql = list->traceql;
    enum tw__traceql_function function = traceql->metric.function;
    struct observer *o = calloc(1, sizeof *o);
    if (!o) return TW_ERR_MEMORY;
    o->asked = search->spans.filter;
    o->list = list;
    o->pool = pool;
    o->traceql = traceql;
    o->roots = search->spans.roots;
    o->bins = function == TW__TRACEQL_QUANTILE || function == TW__TRACEQL_HISTOGRAM;
    o->unit = 1;
    if (traceql->metric.has_field) {
        o->measured = &traceql->fields[traceql->metric.field];
        struct tw_text key = o->measured->keys[0];
        list->numbers = tw__span_schema.holds(key.ptr, key.len) != TW__FILTER_DURATION;
        if (!list->numbers) o->unit = 1e-9;
    }
    search->spans.since_ns = list->from_ns;
    search->spans.until_ns = list->from_ns + list->steps * list->step_ns;
    bool counts = o->bins || function == TW__TRACEQL_RATE || function == TW__TRACEQL_COUNT;
    bool whole = search->whole.needed || search->min_trace_ns || search->max_trace_ns || wants_traces(o);
    o->slots = tw__pool_zeroed(pool, SLOTS, sizeof *o->slots);
    tw__os_random(&o->seed, sizeof o->seed);
    int error = !o->slots                                                 ? TW_ERR_MEMORY
                : whole                                                   ? collect_whole(store, search, o)
                : counts && !o->measured && traceql->metric.by_count == 0 ? collect_heat(store, search, o)
                                                                          : collect_spans(store, search, o);
    if (!error && list->count) qsort(list->items, list->count, sizeof *list->items, by_values);
    tw__buf_fini(&o->key);
    free(o);
    return error;
}
