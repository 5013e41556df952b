#include "store/made.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint64_t made_draw(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static struct tw_text text_in(struct tw__pool *pool, const char *text)
{
    return (struct tw_text){tw__pool_copy(pool, text, strlen(text)), strlen(text)};
}

static struct tw_text some_text(struct tw__pool *pool, uint64_t *state)
{
    char text[400];
    uint64_t what = made_draw(state);
    size_t len = what % 16 == 0 ? 0 : what % 64 == 1 ? 399 : what / 64 % 24;
    for (size_t i = 0; i < len; i++)
        text[i] = (char)(made_draw(state) % 16 ? 'a' + (char)(what >> i % 32 & 7) : (int)(uint8_t)made_draw(state));
    return (struct tw_text){tw__pool_copy(pool, text, len), len};
}

static uint32_t some_tags(struct tw__pool *pool, uint64_t *state, const struct tw_tag_value **out)
{
    static const char *const keys[] = {"user.id", "http.status_code", "",       "retry", "message",
                                       "ratio",   "user.id",          "payload"};
    uint32_t count = (uint32_t)(made_draw(state) % 12);
    if (made_draw(state) % 200 == 0) count = 300;
    struct tw_tag_value *tags = tw__pool_zeroed(pool, count + 1, sizeof *tags);
    for (uint32_t i = 0; i < count; i++) {
        struct tw_tag_value *tag = &tags[i];
        char key[24];
        uint64_t which = made_draw(state);
        (void)snprintf(key, sizeof key, "key.%u", (unsigned)(which >> 8) % 100);
        tag->key = text_in(pool, which % 10 < 8 ? keys[which % 8] : key);
        tag->type = (enum tw_type)(made_draw(state) % 8);
        tag->cut = made_draw(state) % 20 == 0;
        if (tag->type >= TW_TYPE_STR) {
            tag->text = some_text(pool, state);
            tag->full_len = tag->text.len;
        } else if (tag->type == TW_TYPE_BOOL) {
            tag->value.u = made_draw(state) & 1;
        } else if (tag->type != TW_TYPE_NONE) {
            tag->value.u = made_draw(state) >> made_draw(state) % 64;
            if (made_draw(state) % 4 == 0) tag->value.u = ~tag->value.u;
        }
        if (tag->cut) tag->full_len = made_draw(state) >> 20;
    }
    *out = count ? tags : NULL;
    return count;
}

static void some_events(struct tw__pool *pool, uint64_t *state, struct tw__span *span)
{
    span->event_count = made_draw(state) % 4 == 0 ? (uint32_t)(made_draw(state) % 5) : 0;
    struct tw__span_event *events = tw__pool_zeroed(pool, span->event_count + 1, sizeof *events);
    for (uint32_t i = 0; i < span->event_count; i++) {
        events[i].time_ns = span->start_ns + made_draw(state) % 1000000 - 1000;
        events[i].name = some_text(pool, state);
        events[i].tag_count = some_tags(pool, state, &events[i].tags);
        events[i].dropped_tags = (uint32_t)(made_draw(state) % 3);
        events[i].kind = made_draw(state) % 2 ? TW_RECORD_EVENT : TW_RECORD_MARK;
    }
    span->events = span->event_count ? events : NULL;
}

static void put_id(uint64_t *state, uint8_t *id, size_t len)
{
    for (size_t i = 0; i < len; i++) id[i] = (uint8_t)made_draw(state);
}

static void some_links(struct tw__pool *pool, uint64_t *state, struct tw__span *span)
{
    span->link_count = made_draw(state) % 5 == 0 ? (uint32_t)(made_draw(state) % 4) : 0;
    struct tw__span_link *links = tw__pool_zeroed(pool, span->link_count + 1, sizeof *links);
    for (uint32_t i = 0; i < span->link_count; i++) {
        put_id(state, links[i].trace_id, 16);
        put_id(state, links[i].span_id, 8);
        links[i].flags = (uint32_t)(made_draw(state) & 511);
        links[i].trace_state = some_text(pool, state);
        links[i].tag_count = some_tags(pool, state, &links[i].tags);
        links[i].dropped_tags = (uint32_t)(made_draw(state) % 3);
    }
    span->links = span->link_count ? links : NULL;
}

static void add_origins(uint64_t *state, struct tw__spans *out, uint32_t resources[3], uint32_t scopes[3])
{
    static const char *const services[] = {"cart", "front", ""};
    for (unsigned i = 0; i < 3; i++) {
        struct tw__resource resource = {.service = text_in(&out->pool, services[i]), .dropped_tags = i};
        resource.tag_count = some_tags(&out->pool, state, &resource.tags);
        resource.schema_url = some_text(&out->pool, state);
        resources[i] = tw__spans_add_resource(out, &resource);
        struct tw__scope scope = {0};
        if (i) {
            scope.name = some_text(&out->pool, state);
            scope.version = some_text(&out->pool, state);
            scope.tag_count = some_tags(&out->pool, state, &scope.tags);
            scope.dropped_tags = i;
        }
        scopes[i] = tw__spans_add_scope(out, &scope);
    }
}

void made_spans(uint64_t seed, size_t count, struct tw__spans *out)
{
    uint64_t state = seed;
    uint32_t resources[3], scopes[3];
    uint8_t trace[16], parent[8] = {0};
    add_origins(&state, out, resources, scopes);
    for (size_t i = 0; i < count; i++) {
        struct tw__span *span = tw__spans_add(out, resources[made_draw(&state) % 3], scopes[made_draw(&state) % 3]);
        if (i == 0 || made_draw(&state) % 8 == 0) {
            put_id(&state, trace, sizeof trace);
            memset(parent, 0, sizeof parent);
        }
        memcpy(span->trace_id, trace, sizeof trace);
        put_id(&state, span->span_id, 8);
        memcpy(span->parent_id, parent, sizeof parent);
        if (made_draw(&state) % 10 == 0) put_id(&state, span->parent_id, 8);
        if (made_draw(&state) % 2) memcpy(parent, span->span_id, sizeof parent);
        span->start_ns = MADE_EPOCH_NS + made_draw(&state) % 1000000000;
        span->end_ns = span->start_ns + (made_draw(&state) >> 30 >> made_draw(&state) % 30);
        if (made_draw(&state) % 20 == 0) span->end_ns = span->start_ns - made_draw(&state) % 1000000;
        span->open = made_draw(&state) % 30 == 0;
        if (span->open && made_draw(&state) % 2) span->end_ns = 0;
        span->name = some_text(&out->pool, &state);
        span->status_message = made_draw(&state) % 10 ? (struct tw_text){"", 0} : some_text(&out->pool, &state);
        span->trace_state = made_draw(&state) % 10 ? (struct tw_text){"", 0} : some_text(&out->pool, &state);
        span->tag_count = some_tags(&out->pool, &state, &span->tags);
        some_events(&out->pool, &state, span);
        some_links(&out->pool, &state, span);
        span->dropped_tags = (uint32_t)(made_draw(&state) % 50 == 0);
        span->dropped_events = (uint32_t)(made_draw(&state) % 50 == 0) * 7;
        span->dropped_links = (uint32_t)(made_draw(&state) % 50 == 0) * 300;
        span->flags = (uint32_t)(made_draw(&state) % 1024);
        span->kind = made_draw(&state) % 9 == 0 ? TW__KIND_UNSPECIFIED : (uint8_t)(made_draw(&state) % 5);
        span->status = (uint8_t)(made_draw(&state) % 3);
        span->door = (uint8_t)(made_draw(&state) % TW__DOOR_COUNT);
    }
}

struct tw__span *made_span(struct tw__spans *out, const char *service, const char *name, uint8_t trace, uint8_t id,
                           double begin_s, uint64_t length_ms)
{
    uint32_t resource = tw__spans_add_resource(out, &(struct tw__resource){.service = {service, strlen(service)}});
    struct tw__span *span = tw__spans_add(out, resource, 0);
    span->trace_id[15] = trace;
    span->span_id[7] = id;
    span->start_ns = MADE_EPOCH_NS + (uint64_t)(begin_s * 1e9);
    span->end_ns = span->start_ns + length_ms * 1000000;
    span->name = (struct tw_text){name, strlen(name)};
    return span;
}

static bool text_equal(struct tw_text a, struct tw_text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool tags_equal(const struct tw_tag_value *a, size_t a_count, const struct tw_tag_value *b, size_t b_count)
{
    if (a_count != b_count) return false;
    for (size_t i = 0; i < a_count; i++)
        if (!text_equal(a[i].key, b[i].key) || a[i].type != b[i].type || a[i].cut != b[i].cut ||
            a[i].full_len != b[i].full_len || a[i].value.u != b[i].value.u || !text_equal(a[i].text, b[i].text))
            return false;
    return true;
}

static bool parts_equal(const struct tw__span *a, const struct tw__span *b)
{
    if (a->event_count != b->event_count || a->link_count != b->link_count) return false;
    for (uint32_t i = 0; i < a->event_count; i++) {
        const struct tw__span_event *x = &a->events[i], *y = &b->events[i];
        if (x->time_ns != y->time_ns || !text_equal(x->name, y->name) || x->kind != y->kind ||
            x->dropped_tags != y->dropped_tags || !tags_equal(x->tags, x->tag_count, y->tags, y->tag_count))
            return false;
    }
    for (uint32_t i = 0; i < a->link_count; i++) {
        const struct tw__span_link *x = &a->links[i], *y = &b->links[i];
        if (memcmp(x->trace_id, y->trace_id, 16) != 0 || memcmp(x->span_id, y->span_id, 8) != 0 ||
            x->flags != y->flags || !text_equal(x->trace_state, y->trace_state) || x->dropped_tags != y->dropped_tags ||
            !tags_equal(x->tags, x->tag_count, y->tags, y->tag_count))
            return false;
    }
    return true;
}

bool made_equal(const struct tw__spans *a, size_t ai, const struct tw__spans *b, size_t bi)
{
    const struct tw__span *x = &a->items[ai], *y = &b->items[bi];
    const struct tw__resource *rx = &a->resources[x->resource], *ry = &b->resources[y->resource];
    const struct tw__scope *sx = &a->scopes[x->scope], *sy = &b->scopes[y->scope];
    return memcmp(x->trace_id, y->trace_id, 16) == 0 && memcmp(x->span_id, y->span_id, 8) == 0 &&
           memcmp(x->parent_id, y->parent_id, 8) == 0 && x->start_ns == y->start_ns && x->end_ns == y->end_ns &&
           text_equal(x->name, y->name) && text_equal(x->status_message, y->status_message) &&
           text_equal(x->trace_state, y->trace_state) && x->dropped_tags == y->dropped_tags &&
           x->dropped_events == y->dropped_events && x->dropped_links == y->dropped_links && x->flags == y->flags &&
           x->kind == y->kind && x->status == y->status && x->door == y->door && x->open == y->open &&
           tags_equal(x->tags, x->tag_count, y->tags, y->tag_count) && parts_equal(x, y) &&
           text_equal(rx->service, ry->service) && text_equal(rx->schema_url, ry->schema_url) &&
           rx->dropped_tags == ry->dropped_tags && tags_equal(rx->tags, rx->tag_count, ry->tags, ry->tag_count) &&
           text_equal(sx->name, sy->name) && text_equal(sx->version, sy->version) &&
           sx->dropped_tags == sy->dropped_tags && tags_equal(sx->tags, sx->tag_count, sy->tags, sy->tag_count);
}

size_t made_find(const struct tw__spans *spans, const uint8_t trace_id[16], const uint8_t span_id[8])
{
    for (size_t i = 0; i < spans->count; i++)
        if (memcmp(spans->items[i].trace_id, trace_id, 16) == 0 && memcmp(spans->items[i].span_id, span_id, 8) == 0)
            return i;
    return SIZE_MAX;
}

const char *made_folder(void)
{
    static char paths[16][64];
    static unsigned next;
    char *path = paths[next++ % 16];
    /* In memory where that is possible: the tests wait for the disk thousands of times. */
    (void)snprintf(path, sizeof paths[0], "%s/trackway-store-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(path));
    return path;
}

static int remove_one(const char *path, const struct stat *stat_, int type, struct FTW *ftw)
{
    (void)stat_;
    (void)type;
    (void)ftw;
    return remove(path);
}

void made_remove(const char *folder)
{
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct tw__store *made_open(const struct tw__store_options *options)
{
    struct tw__store *store;
    char why[TW_WHY_MAX];
    int error = tw__store_open(options, &store, why);
    if (error) fail_msg("open: %d %s", error, why);
    return store;
}

static bool count_span(void *data, const struct tw__spans *spans, size_t index)
{
    (void)spans;
    (void)index;
    ++*(size_t *)data;
    return true;
}

size_t made_count(struct tw__store *store)
{
    size_t count = 0;
    assert_int_equal(tw__store_scan(store, &(struct tw__store_query){0}, 0, count_span, &count), 0);
    return count;
}

void made_tell(void *data, const char *line)
{
    (void)data;
    print_message("%s\n", line);
}
