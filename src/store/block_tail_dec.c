/* block_tail_dec: spans of a block, with the parts that are asked for, and what can be asked of tags without making
 * spans.
 *
 * Rows are read in rising order, so that each stream of tags is walked once.
 */
#include <string.h>

#include "store/block_bytes.h"
#include "store/block_tags.h"
#include "store/store.h"

int tw__tail_open(const void *bytes, size_t len, const struct tw__head *head, struct tw__tail *out)
{
    out->head = head;
    return tw__contents_open(bytes, len, &out->contents);
}

/* What a read has open. */
struct reading {
    const struct tw__block_read *read;
    const struct tw__head *head;
    struct tw__spans *out;
    struct tw__dictionary names, services, messages, states;
    const uint8_t *span_ids, *elsewhere;
    uint64_t *parents;
    uint32_t *elsewhere_at; /* of each row, its place in elsewhere */
    uint32_t *message_of, *state_of;
    uint64_t *dropped[3];
    struct tw__tags tags;
    uint32_t *resources, *scopes; /* ours to out's */

    uint32_t *event_at, *link_at; /* first of each row; one more at the end */
    uint64_t *event_times, *event_dropped, *event_kinds;
    struct tw__dictionary event_names, link_states;
    uint32_t *event_name_of, *link_state_of;
    const uint8_t *link_ids; /* 24 bytes each */
    uint64_t *link_flags, *link_dropped;
    struct tw__tags event_tags, link_tags;
};

static int read_parents(struct reading *r)
{
    uint32_t rows = r->head->rows, others = 0;
    struct tw__pool *pool = r->read->scratch;
    struct tw__column ids = tw__column_find(&r->read->tail->contents, TW__COLUMN(TW__TAIL_SPAN_IDS, 0));
    struct tw__column in = tw__column_find(&r->read->tail->contents, TW__COLUMN(TW__TAIL_PARENTS, 0));
    r->span_ids = tw__get_bytes(&ids, (size_t)rows * 8);
    r->parents = tw__get_numbers(&in, rows, pool);
    uint32_t count = tw__get_u32(&in);
    r->elsewhere = tw__get_bytes(&in, (size_t)count * 8);
    r->elsewhere_at = tw__pool_take(pool, rows * sizeof *r->elsewhere_at, 4);
    if (ids.bad || in.bad) return ids.bad ? ids.bad : in.bad;
    if (!r->elsewhere_at) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t code = r->parents[i];
        r->elsewhere_at[i] = others;
        if (code == TW__PARENT_ELSEWHERE) others++;
        if (code < TW__PARENT_NEAR) continue;
        code -= TW__PARENT_NEAR;
        int64_t distance = (int64_t)(code >> 1) ^ -(int64_t)(code & 1);
        int64_t parent = distance > rows || distance < -(int64_t)rows ? -1 : (int64_t)i - distance;
        if (parent < 0 || parent >= rows) return TW_ERR_CORRUPT;
        r->parents[i] = TW__PARENT_NEAR + (uint64_t)parent;
    }
    return others == count ? 0 : TW_ERR_CORRUPT;
}

static int read_rest(struct reading *r)
{
    const struct tw__contents *contents = &r->read->tail->contents;
    struct tw__column messages = tw__column_find(contents, TW__COLUMN(TW__TAIL_MESSAGES, 0));
    struct tw__column states = tw__column_find(contents, TW__COLUMN(TW__TAIL_TRACE_STATES, 0));
    struct tw__column dropped = tw__column_find(contents, TW__COLUMN(TW__TAIL_DROPPED, 0));
    uint32_t rows = r->head->rows;
    struct tw__pool *pool = r->read->scratch;
    int error = tw__get_text_column(&messages, rows, pool, &r->messages, &r->message_of);
    if (!error) error = tw__get_text_column(&states, rows, pool, &r->states, &r->state_of);
    for (unsigned i = 0; i < 3; i++) r->dropped[i] = tw__get_numbers(&dropped, rows, pool);
    return error ? error : dropped.bad;
}

/* First of each row from their counts. */
static uint32_t *places_of(struct tw__column *in, uint32_t rows, struct tw__pool *pool)
{
    const uint32_t *counts = tw__get_indexes(in, rows, TW__COLUMN_ITEMS_MAX, pool);
    uint32_t *at = tw__pool_take(pool, (rows + 1) * sizeof *at, 4);
    if (!at && !in->bad) in->bad = TW_ERR_MEMORY;
    if (in->bad) return NULL;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rows; i++) {
        at[i] = (uint32_t)sum;
        sum += counts[i];
    }
    if (sum > TW__COLUMN_ITEMS_MAX) in->bad = TW_ERR_CORRUPT;
    at[rows] = (uint32_t)sum;
    return at;
}

static int open_events(struct reading *r)
{
    const struct tw__contents *contents = &r->read->tail->contents;
    struct tw__pool *pool = r->read->scratch;
    struct tw__column in = tw__column_find(contents, TW__COLUMN(TW__TAIL_EVENTS, 0));
    r->event_at = places_of(&in, r->head->rows, pool);
    if (in.bad) return in.bad;
    uint32_t total = r->event_at[r->head->rows];
    if (total == 0) return 0;
    r->event_times = tw__get_numbers(&in, total, pool);
    int error = tw__get_text_column(&in, total, pool, &r->event_names, &r->event_name_of);
    r->event_kinds = tw__get_numbers(&in, total, pool);
    r->event_dropped = tw__get_numbers(&in, total, pool);
    if (!error) error = in.bad;
    if (!error) error = tw__tags_open(contents, TW__TAIL_EVENT_TAGS, total, pool, &r->event_tags);
    return error ? error : tw__tags_want(&r->event_tags, true, NULL, 0, pool);
}

static int open_links(struct reading *r)
{
    const struct tw__contents *contents = &r->read->tail->contents;
    struct tw__pool *pool = r->read->scratch;
    struct tw__column in = tw__column_find(contents, TW__COLUMN(TW__TAIL_LINKS, 0));
    r->link_at = places_of(&in, r->head->rows, pool);
    if (in.bad) return in.bad;
    uint32_t total = r->link_at[r->head->rows];
    if (total == 0) return 0;
    r->link_ids = tw__get_bytes(&in, (size_t)total * 24);
    r->link_flags = tw__get_numbers(&in, total, pool);
    int error = tw__get_text_column(&in, total, pool, &r->link_states, &r->link_state_of);
    r->link_dropped = tw__get_numbers(&in, total, pool);
    if (!error) error = in.bad;
    if (!error) error = tw__tags_open(contents, TW__TAIL_LINK_TAGS, total, pool, &r->link_tags);
    return error ? error : tw__tags_want(&r->link_tags, true, NULL, 0, pool);
}

/* Which of our resources or scopes the rows use. */
static int mark_used(const struct reading *r, bool scopes, uint8_t **out)
{
    uint32_t count = scopes ? r->head->scope_count : r->head->resource_count;
    uint8_t *used = tw__pool_zeroed(r->read->scratch, count + 1, 1);
    if (!used) return TW_ERR_MEMORY;
    for (size_t i = 0; i < r->read->row_count; i++) {
        const struct tw__class *class = &r->head->classes[r->head->class_of[r->read->rows[i]]];
        used[scopes ? class->scope : class->resource] = 1;
    }
    *out = used;
    return 0;
}

/* Tags of which some are asked for; of the others nothing is looked at. */
static int want_tags(const struct tw__block_read *read, unsigned base, size_t count, bool all, size_t key_count,
                     struct tw__tags *out)
{
    *out = (struct tw__tags){0};
    if (!all && key_count == 0) return 0;
    int error = tw__tags_open(&read->tail->contents, base, count, read->scratch, out);
    return error ? error : tw__tags_want(out, all, read->keys, key_count, read->scratch);
}

static int read_resources(struct reading *r)
{
    const struct tw__block_read *read = r->read;
    uint32_t count = r->head->resource_count, *schema_of;
    struct tw__dictionary schemas;
    struct tw__tags tags = {0};
    struct tw__column in = tw__column_find(&read->tail->contents, TW__COLUMN(TW__TAIL_RESOURCES, 0));
    uint32_t *services = tw__pool_zeroed(read->scratch, count, sizeof *services);
    uint8_t *used;
    r->resources = tw__pool_take(read->scratch, count * sizeof *r->resources, 4);
    if (!services || !r->resources || mark_used(r, false, &used) < 0) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < r->head->class_count; i++)
        services[r->head->classes[i].resource] = r->head->classes[i].service;
    int error = tw__get_text_column(&in, count, read->scratch, &schemas, &schema_of);
    const uint64_t *dropped = tw__get_numbers(&in, count, read->scratch);
    if (!error) error = in.bad;
    bool all = read->parts & TW__PART_RESOURCES;
    if (!error) error = want_tags(read, TW__TAIL_RESOURCE_TAGS, count, all, read->key_count, &tags);
    for (uint32_t i = 0; i < count && !error; i++) {
        struct tw__resource resource = {.dropped_tags = (uint32_t)dropped[i]};
        if (!used[i]) continue;
        if (tw__dictionary_copy(&r->services, services[i], &r->out->pool, &resource.service) < 0 ||
            tw__dictionary_copy(&schemas, schema_of[i], &r->out->pool, &resource.schema_url) < 0 ||
            tw__tags_read(&tags, i, &r->out->pool, &resource.tags, &resource.tag_count) < 0)
            return TW_ERR_MEMORY;
        r->resources[i] = tw__spans_add_resource(r->out, &resource);
        if (r->resources[i] == UINT32_MAX) error = TW_ERR_MEMORY;
    }
    return error;
}

static int read_scopes(struct reading *r)
{
    const struct tw__block_read *read = r->read;
    uint32_t count = r->head->scope_count, *schema_of = NULL, *name_of = NULL, *version_of = NULL;
    struct tw__dictionary schemas, names, versions;
    struct tw__tags tags = {0};
    struct tw__column in = tw__column_find(&read->tail->contents, TW__COLUMN(TW__TAIL_SCOPES, 0));
    uint8_t *used;
    r->scopes = tw__pool_take(read->scratch, count * sizeof *r->scopes, 4);
    if (!r->scopes || mark_used(r, true, &used) < 0) return TW_ERR_MEMORY;
    int error = tw__get_text_column(&in, count, read->scratch, &schemas, &schema_of);
    const uint64_t *dropped = tw__get_numbers(&in, count, read->scratch);
    if (!error) error = tw__get_text_column(&in, count, read->scratch, &names, &name_of);
    if (!error) error = tw__get_text_column(&in, count, read->scratch, &versions, &version_of);
    if (!error) error = in.bad;
    bool all = read->parts & TW__PART_RESOURCES;
    if (!error) error = want_tags(read, TW__TAIL_SCOPE_TAGS, count, all, 0, &tags);
    for (uint32_t i = 0; i < count && !error; i++) {
        struct tw__scope scope = {.dropped_tags = (uint32_t)dropped[i]};
        if (!used[i]) continue;
        if (tw__dictionary_copy(&names, name_of[i], &r->out->pool, &scope.name) < 0 ||
            tw__dictionary_copy(&versions, version_of[i], &r->out->pool, &scope.version) < 0 ||
            tw__dictionary_copy(&schemas, schema_of[i], &r->out->pool, &scope.schema_url) < 0 ||
            tw__tags_read(&tags, i, &r->out->pool, &scope.tags, &scope.tag_count) < 0)
            return TW_ERR_MEMORY;
        r->scopes[i] = tw__spans_add_scope(r->out, &scope);
        if (r->scopes[i] == UINT32_MAX) error = TW_ERR_MEMORY;
    }
    return error;
}

static int read_events(struct reading *r, uint32_t row, struct tw__span *span)
{
    uint32_t from = r->event_at[row], count = r->event_at[row + 1] - from;
    struct tw__span_event *events = tw__pool_zeroed(&r->out->pool, count, sizeof *events);
    if (!events) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t code = r->event_times[from + i];
        events[i].time_ns = span->start_ns + ((code >> 1) ^ (0 - (code & 1)));
        events[i].kind = (enum tw_record_kind)r->event_kinds[from + i];
        events[i].dropped_tags = (uint32_t)r->event_dropped[from + i];
        if (tw__dictionary_copy(&r->event_names, r->event_name_of[from + i], &r->out->pool, &events[i].name) < 0 ||
            tw__tags_read(&r->event_tags, from + i, &r->out->pool, &events[i].tags, &events[i].tag_count) < 0)
            return TW_ERR_MEMORY;
    }
    span->events = events;
    span->event_count = count;
    return 0;
}

static int read_links(struct reading *r, uint32_t row, struct tw__span *span)
{
    uint32_t from = r->link_at[row], count = r->link_at[row + 1] - from;
    struct tw__span_link *links = tw__pool_zeroed(&r->out->pool, count, sizeof *links);
    if (!links) return TW_ERR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(links[i].trace_id, r->link_ids + (size_t)(from + i) * 24, 16);
        memcpy(links[i].span_id, r->link_ids + (size_t)(from + i) * 24 + 16, 8);
        links[i].flags = (uint32_t)r->link_flags[from + i];
        links[i].dropped_tags = (uint32_t)r->link_dropped[from + i];
        if (tw__dictionary_copy(&r->link_states, r->link_state_of[from + i], &r->out->pool, &links[i].trace_state) <
                0 ||
            tw__tags_read(&r->link_tags, from + i, &r->out->pool, &links[i].tags, &links[i].tag_count) < 0)
            return TW_ERR_MEMORY;
    }
    span->links = links;
    span->link_count = count;
    return 0;
}

static void read_fixed(const struct reading *r, uint32_t row, struct tw__span *span)
{
    const struct tw__head *head = r->head;
    const struct tw__class *class = &head->classes[head->class_of[row]];
    uint64_t parent = r->parents[row];
    memcpy(span->span_id, r->span_ids + (size_t)row * 8, 8);
    if (parent == TW__PARENT_ELSEWHERE)
        memcpy(span->parent_id, r->elsewhere + (size_t)r->elsewhere_at[row] * 8, 8);
    else if (parent >= TW__PARENT_NEAR)
        memcpy(span->parent_id, r->span_ids + (size_t)(parent - TW__PARENT_NEAR) * 8, 8);
    span->start_ns = head->start_ns[row];
    span->end_ns = class->bits & TW__CLASS_ENDLESS ? 0 : head->start_ns[row] + head->duration_ns[row];
    span->open = class->bits & TW__CLASS_OPEN;
    span->flags = class->flags;
    span->kind = class->kind;
    span->status = class->status;
    span->door = class->door;
    span->dropped_tags = (uint32_t)r->dropped[0][row];
    span->dropped_events = (uint32_t)r->dropped[1][row];
    span->dropped_links = (uint32_t)r->dropped[2][row];
}

static int read_span(struct reading *r, uint32_t row, uint32_t trace)
{
    const struct tw__class *class = &r->head->classes[r->head->class_of[row]];
    struct tw__pool *to = &r->out->pool;
    struct tw__span *span = tw__spans_add(r->out, r->resources[class->resource], r->scopes[class->scope]);
    if (!span) return TW_ERR_MEMORY;
    memcpy(span->trace_id, r->head->trace_ids + (size_t)trace * 16, 16);
    read_fixed(r, row, span);
    if (tw__dictionary_copy(&r->names, class->name, to, &span->name) < 0 ||
        tw__dictionary_copy(&r->messages, r->message_of[row], to, &span->status_message) < 0 ||
        tw__dictionary_copy(&r->states, r->state_of[row], to, &span->trace_state) < 0 ||
        tw__tags_read(&r->tags, row, to, &span->tags, &span->tag_count) < 0)
        return TW_ERR_MEMORY;
    if (r->event_at && r->event_at[row + 1] > r->event_at[row] && read_events(r, row, span) < 0) return TW_ERR_MEMORY;
    if (r->link_at && r->link_at[row + 1] > r->link_at[row] && read_links(r, row, span) < 0) return TW_ERR_MEMORY;
    return 0;
}

/* The head is read by others too: what is copied out of it is noted beside it. */
static int copy_dictionary(const struct tw_text *texts, uint32_t count, struct tw__pool *pool,
                           struct tw__dictionary *out)
{
    out->texts = tw__pool_take(pool, (count + 1) * sizeof *out->texts, 8);
    out->copied = tw__pool_zeroed(pool, count + 1, 1);
    out->count = count;
    if (!out->texts || !out->copied) return TW_ERR_MEMORY;
    memcpy(out->texts, texts, count * sizeof *texts);
    return 0;
}

int tw__block_read(const struct tw__block_read *read, struct tw__spans *out)
{
    const struct tw__head *head = read->head;
    struct reading r = {.read = read, .head = head, .out = out};
    size_t before = out->count;
    if (read->row_count == 0) return 0;
    if (copy_dictionary(head->names, head->name_count, read->scratch, &r.names) < 0 ||
        copy_dictionary(head->services, head->service_count, read->scratch, &r.services) < 0)
        return TW_ERR_MEMORY;
    int error = read_parents(&r);
    if (!error) error = read_rest(&r);
    if (!error && read->parts & TW__PART_EVENTS) error = open_events(&r);
    if (!error && read->parts & TW__PART_LINKS) error = open_links(&r);
    if (!error)
        error = want_tags(read, TW__TAIL_SPAN_TAGS, head->rows, read->parts & TW__PART_TAGS, read->key_count, &r.tags);
    if (!error) error = read_resources(&r);
    if (!error) error = read_scopes(&r);
    uint32_t trace = 0;
    for (size_t i = 0; i < read->row_count && !error; i++) {
        while (head->trace_first[trace + 1] <= read->rows[i]) trace++;
        error = read_span(&r, read->rows[i], trace);
    }
    if (error) out->count = before;
    return error;
}
