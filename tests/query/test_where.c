/* Searches by text against the same filter over the same spans in memory: what is handed to the store loses nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/span_fields.h"
#include "query/tagged.h"
#include "query/where.h"

enum { TRACES = 120, SPANS_A_TRACE = 5, SPANS = TRACES * SPANS_A_TRACE };

static uint64_t begin_ns = 1795809896455266450u;
static struct tw__spans all;
static struct tw_tag_value tags[SPANS][5], resource_tags[3][2], scope_tags[1], event_tags[SPANS][2], link_tags[1];
static struct tw__span_event events[SPANS][2];
static struct tw__span_link links[SPANS];
static char folder[] = "/tmp/trackway-where-XXXXXX";

/* Up to two events and a link. */
static void add_events(struct tw__span *span, unsigned i, unsigned mixed)
{
    for (unsigned e = 0; e < mixed % 3; e++) {
        event_tags[i][e] = e ? int_tag("size", (int64_t)(mixed % 7)) : text_tag("exception.message", "no such cart");
        events[i][e] = (struct tw__span_event){.time_ns = span->start_ns + e * 1000000,
                                               .name = text_of(e ? "cache.miss" : "exception"),
                                               .tags = &event_tags[i][e],
                                               .tag_count = mixed % 5 ? 1 : 0,
                                               .kind = TW_RECORD_EVENT};
    }
    span->events = events[i];
    span->event_count = mixed % 3;
    if (mixed % 4) return;
    links[i] = (struct tw__span_link){.trace_id = {9}, .span_id = {(uint8_t)(mixed >> 6 & 1)}, .tags = link_tags};
    links[i].tag_count = mixed >> 7 & 1;
    span->links = &links[i];
    span->link_count = 1;
}

/* Five spans a trace, in three services, with tags of every type; some without. */
static void make_spans(void)
{
    static const char *const services[] = {"front", "cart", "db"};
    static const char *const names[] = {"GET /cart", "load cart", "SELECT", "POST /order"};
    static const char *const zones[] = {"west", "east"};
    for (unsigned r = 0; r < 3; r++) {
        resource_tags[r][0] = text_tag("service.name", services[r]);
        resource_tags[r][1] = text_tag("host.name", r == 2 ? "db1" : "web1");
        struct tw__resource resource = {.service = text_of(services[r]), .tags = resource_tags[r], .tag_count = 2};
        assert_int_equal(tw__spans_add_resource(&all, &resource), r);
    }
    scope_tags[0] = text_tag("language", "C");
    link_tags[0] = text_tag("ref", "child_of");
    struct tw__scope scope = {.name = text_of("http"), .version = text_of("1.2"), .tags = scope_tags, .tag_count = 1};
    assert_int_equal(tw__spans_add_scope(&all, &(struct tw__scope){0}), 0);
    assert_int_equal(tw__spans_add_scope(&all, &scope), 1);
    for (unsigned i = 0; i < SPANS; i++) {
        struct tw__span *span = tw__spans_add(&all, i % 3, i % 5 == 2);
        assert_non_null(span);
        unsigned trace = i / SPANS_A_TRACE, k = i % SPANS_A_TRACE, mixed = i * 2654435761u >> 16;
        memset(span->trace_id, 0, 16);
        span->trace_id[14] = (uint8_t)(trace >> 8);
        span->trace_id[15] = (uint8_t)trace;
        span->trace_id[0] = 7;
        span->span_id[0] = (uint8_t)(i + 1);
        span->span_id[1] = (uint8_t)((i + 1) >> 8);
        if (k) span->parent_id[0] = 1;
        span->name = text_of(names[mixed & 3]);
        span->start_ns = begin_ns + trace * 1000000000u + k * 1000000u;
        span->end_ns = span->start_ns + (uint64_t)(mixed % 500) * 1000000u;
        span->kind = (uint8_t)(mixed % 6 == 5 ? TW__KIND_UNSPECIFIED : mixed % 6);
        span->status = (uint8_t)(mixed % 7 == 0 ? TW_STATUS_ERROR : mixed % 3 == 0 ? TW_STATUS_OK : TW_STATUS_UNSET);
        if (span->status == TW_STATUS_ERROR) span->status_message = text_of("no such cart");
        tags[i][0] = int_tag("http.status_code", 200 + (int64_t)(mixed % 4) * 100);
        tags[i][1] = text_tag("zone", zones[mixed >> 4 & 1]);
        tags[i][2] =
            (struct tw_tag_value){.key = text_of("ratio"), .type = TW_TYPE_DOUBLE, .value.d = (double)(mixed % 8) / 4};
        tags[i][3] = (struct tw_tag_value){.key = text_of("cached"), .type = TW_TYPE_BOOL, .value.u = mixed >> 5 & 1};
        tags[i][4] = int_tag("name", (int64_t)(mixed % 3));
        span->tags = tags[i];
        span->tag_count = mixed % 11 == 0 ? 0 : 5;
        add_events(span, i, mixed);
    }
}

static int by_id(const void *left, const void *right)
{
    return memcmp(left, right, 2);
}

static bool selected_in_memory(const struct tw__filter *filter, size_t i)
{
    struct tw__span_view view;
    tw__span_view_span(&view, &all, &all.items[i]);
    return tw__filter_match_each(filter, tw__span_field, &view);
}

/* Returns how many matched. */
static size_t same_as_in_memory(struct tw__store *store, const char *text)
{
    struct tw__refusal why;
    struct tw__where *where;
    struct tw__filter *filter;
    struct tw__spans found = {0};
    struct tw__search search = {.spans.limit = SPANS + 1};
    uint8_t expected[SPANS][2], ids[SPANS][2];
    size_t count = 0;
    if (tw__where_new(text, strlen(text), &where, &why) < 0) fail_msg("%s: %s", text, why.text);
    assert_int_equal(tw__filter_compile(text, strlen(text), &tw__span_schema, &filter, NULL), 0);
    for (size_t i = 0; i < all.count; i++)
        if (selected_in_memory(filter, i)) memcpy(expected[count++], all.items[i].span_id, 2);
    tw__where_apply(where, &search);
    assert_int_equal(tw__store_find(store, &search.spans, 0, &found), 0);
    if (found.count != count) fail_msg("%s: %zu found, %zu in memory", text, found.count, count);
    for (size_t i = 0; i < count; i++) memcpy(ids[i], found.items[i].span_id, 2);
    qsort(expected, count, 2, by_id);
    qsort(ids, count, 2, by_id);
    assert_memory_equal(ids, expected, 2 * count);
    tw__spans_fini(&found);
    tw__filter_free(filter);
    tw__where_free(where);
    return count;
}

static const char *const texts[] = {
    "true",
    "service=cart",
    "service=cart name=\"load cart\"",
    "service=cart service=db",
    "service!=cart",
    "status=error",
    "status!=error status!=ok",
    "kind=server",
    "kind in (server, client)",
    "kind=unspecified",
    "kind!=unspecified",
    "kind in (unspecified, consumer)",
    "not kind=server",
    "[{kind, '!=', server}]",
    "duration>200ms",
    "duration>=200ms duration<=300ms",
    "duration=200ms",
    "not duration>10ms",
    "duration<1ms",
    "root=true",
    "root=false status=error",
    "http.status_code=500",
    "http.status_code>=400",
    "http.status_code!=200",
    "zone=west",
    "zone=west cached=true",
    "ratio=1",
    "ratio=1.0",
    "[{ratio, 1}]",
    "ratio=0.25",
    "ratio=0",
    "cached=false or zone=east",
    "tag.name=2",
    "name~^(GET|POST)",
    "status.message~cart",
    "resource.host.name=db1",
    "host=db1 status=error",
    "absent(zone)",
    "not zone",
    "service=cart (status=error or http.status_code=500) duration>5ms",
    "not (service=cart or service=db)",
    "trace_id~^07",
    "event=cache.miss",
    "event=cache.miss event=exception",
    "event!=cache.miss",
    "absent(event)",
    "event.exception.message~cart",
    "event.size>=3 service=cart",
    "absent(event.size)",
    "event_time>=1ms",
    "link_trace_id",
    "link_trace_id=09000000000000000000000000000000",
    "link_span_id=0100000000000000",
    "link.ref=child_of or event.size=5",
    "scope=http",
    "scope_version=1.2",
    "scope.language=C status=error",
    "absent(scope.language)",
    "zone=\"\"",
    "service=nobody",
};

static void searches_find_what_matches_in_memory(void **state)
{
    char why[TW_WHY_MAX];
    (void)state;
    struct tw__store *store;
    struct tw__store_options options = {.folder = folder};
    for (unsigned pass = 0; pass < 2; pass++) {
        if (tw__store_open(&options, &store, why) < 0) fail_msg("%s", why);
        if (pass == 0) assert_int_equal(tw__store_write(store, &all), 0);
        size_t some = 0;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) some += same_as_in_memory(store, texts[i]) > 0;
        assert_true(some > sizeof texts / sizeof *texts - 6);
        tw__store_close(store); /* the second pass reads blocks */
    }
}

static void the_duration_of_the_trace_is_a_condition_of_the_search(void **state)
{
    (void)state;
    char why[TW_WHY_MAX];
    struct tw__store *store;
    struct tw__store_options options = {.folder = folder};
    struct tw__where *where;
    struct tw__pool pool = {0};
    struct tw__summaries found;
    const char *text = "trace.duration>400ms service=cart not zone=west";
    if (tw__store_open(&options, &store, why) < 0) fail_msg("%s", why);
    assert_int_equal(tw__where_new(text, strlen(text), &where, NULL), 0);
    struct tw__search search = {.limit = 1000};
    tw__where_apply(where, &search);
    assert_int_equal(search.min_trace_ns, 400000001);
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_true(found.count > 5 && found.count < TRACES);
    for (size_t i = 0; i < found.count; i++) assert_true(found.items[i].duration_ns > 400000000);
    tw__pool_fini(&pool);
    tw__where_free(where);
    tw__store_close(store);
}

static struct tw__trace_view trace_in_memory(size_t first)
{
    struct tw__trace_view trace = {.spans = SPANS_A_TRACE, .name = all.items[first].name};
    uint64_t end_ns = 0;
    trace.service = all.resources[all.items[first].resource].service;
    for (size_t i = first; i < first + SPANS_A_TRACE; i++) {
        if (all.items[i].end_ns > end_ns) end_ns = all.items[i].end_ns;
        trace.errors += all.items[i].status == TW_STATUS_ERROR;
    }
    trace.duration_ns = end_ns - all.items[first].start_ns;
    return trace;
}

/* Traces of which one span meets the filter, with what the whole trace is. */
static size_t traces_as_in_memory(struct tw__store *store, const char *text)
{
    struct tw__refusal why;
    struct tw__where *where;
    struct tw__filter *filter;
    struct tw__pool pool = {0};
    struct tw__summaries found;
    struct tw__search search = {.limit = 1000};
    size_t count = 0;
    if (tw__where_new(text, strlen(text), &where, &why) < 0) fail_msg("%s: %s", text, why.text);
    assert_int_equal(tw__filter_compile(text, strlen(text), &tw__span_schema, &filter, NULL), 0);
    tw__where_apply(where, &search);
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    for (size_t t = TRACES; t-- > 0;) {
        struct tw__trace_view trace = trace_in_memory(t * SPANS_A_TRACE);
        uint32_t matched = 0;
        for (size_t i = t * SPANS_A_TRACE; i < (t + 1) * SPANS_A_TRACE; i++) {
            struct tw__span_view view;
            tw__span_view_span(&view, &all, &all.items[i]);
            view.trace = &trace;
            matched += tw__filter_match_each(filter, tw__span_field, &view);
        }
        if (matched == 0) continue;
        const struct tw__summary *one = NULL;
        for (size_t f = 0; f < found.count; f++)
            if (memcmp(found.items[f].trace_id, all.items[t * SPANS_A_TRACE].trace_id, 16) == 0) one = &found.items[f];
        if (!one) fail_msg("%s: trace %zu is not found", text, t);
        if (search.whole.needed && one->matched_count != matched)
            fail_msg("%s: trace %zu: %u matched, %u in memory", text, t, one->matched_count, matched);
        count++;
    }
    assert_int_equal(found.count, count);
    tw__pool_fini(&pool);
    tw__filter_free(filter);
    tw__where_free(where);
    return count;
}

static void conditions_on_the_trace_are_asked_of_all_of_it(void **state)
{
    (void)state;
    static const char *const of_traces[] = {
        "trace.name=\"GET /cart\"",
        "trace.name=\"GET /cart\" trace.service=front",
        "trace.service=cart",
        "trace.service~^(db|cart)$ status=error",
        "trace.service!=front duration>100ms",
        "root=true trace.name~^GET",
        "root=true trace.name~^GET trace.spans=5",
        "root=false trace.name=SELECT",
        "trace.spans>4 trace.errors>=2",
        "trace.errors=0",
        "trace.duration>400ms or status=error",
        "not trace.duration>400ms",
        "not trace.name=SELECT zone=west",
        "trace.duration=0ms",
        "trace.name=SELECT or name=SELECT",
        "absent(trace.name)",
        "trace.name=nothing",
    };
    char why[TW_WHY_MAX];
    struct tw__store *store;
    size_t some = 0;
    if (tw__store_open(&(struct tw__store_options){.folder = folder}, &store, why) < 0) fail_msg("%s", why);
    for (size_t i = 0; i < sizeof of_traces / sizeof *of_traces; i++) {
        some += traces_as_in_memory(store, of_traces[i]) > 0;
    }
    assert_true(some >= sizeof of_traces / sizeof *of_traces - 4);
    tw__store_close(store);
}

static void what_cannot_be_searched_by_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"duration>200", "trace.duration>1", "service="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tw__where *where = NULL;
        struct tw__refusal why;
        assert_int_equal(tw__where_new(bad[i], strlen(bad[i]), &where, &why), TW_ERR_SYNTAX);
        assert_null(where);
        assert_true(why.text[0]);
    }
}

static void conditions_are_added_to_those_of_the_search(void **state)
{
    (void)state;
    struct tw__where *where;
    const char *text = "duration>200ms status=error service=cart";
    assert_int_equal(tw__where_new(text, strlen(text), &where, NULL), 0);
    struct tw__search search = {.spans = {.min_duration_ns = 300000000, .service = text_of("front")}};
    tw__where_apply(where, &search);
    assert_int_equal(search.spans.min_duration_ns, 300000000);
    assert_int_equal(search.spans.statuses, 1 << TW_STATUS_ERROR);
    assert_memory_equal(search.spans.service.ptr, "front", 5);
    assert_non_null(search.spans.filter.match);
    tw__where_free(where);
}

static int set_up(void **state)
{
    (void)state;
    make_spans();
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[64];
    (void)state;
    tw__spans_fini(&all);
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_find_what_matches_in_memory),
        cmocka_unit_test(the_duration_of_the_trace_is_a_condition_of_the_search),
        cmocka_unit_test(conditions_on_the_trace_are_asked_of_all_of_it),
        cmocka_unit_test(what_cannot_be_searched_by_is_refused),
        cmocka_unit_test(conditions_are_added_to_those_of_the_search),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
