/* query: searches of traces, summaries, layouts with critical paths, records for the waterfall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/batch.h"
#include "query/query.h"
#include "query/records.h"

#define EPOCH_NS UINT64_C(1795800000000000000)
#define MS       UINT64_C(1000000)

static uint64_t clock_of_test(void)
{
    return EPOCH_NS;
}

static struct tw__span *add(struct tw__spans *out, const char *service, const char *name, uint8_t trace, uint8_t id,
                            uint8_t parent, uint64_t from_ms, uint64_t to_ms)
{
    uint32_t resource = tw__spans_add_resource(out, &(struct tw__resource){.service = {service, strlen(service)}});
    struct tw__span *span = tw__spans_add(out, resource, 0);
    span->trace_id[15] = trace;
    span->span_id[7] = id;
    span->parent_id[7] = parent;
    span->start_ns = EPOCH_NS + from_ms * MS;
    span->end_ns = EPOCH_NS + to_ms * MS;
    span->name = (struct tw_text){name, strlen(name)};
    return span;
}

static void link_to(struct tw__spans *out, struct tw__span *span, uint8_t id)
{
    struct tw__span_link *link = tw__pool_zeroed(&out->pool, 1, sizeof *link);
    memcpy(link->trace_id, span->trace_id, 16);
    link->span_id[7] = id;
    span->links = link;
    span->link_count = 1;
}

static bool is(struct tw_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.ptr, word, text.len) == 0;
}

static struct tw__store *open_store(const char *folder)
{
    struct tw__store *store;
    char why[TW_WHY_MAX];
    if (tw__store_open(&(struct tw__store_options){.folder = folder, .now_ns = clock_of_test}, &store, why) < 0)
        fail_msg("%s", why);
    return store;
}

static void remove_folder(const char *folder)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* Trace t: front calls cart, which calls a database late and out of its parent; 100 + t ms as a whole, cart 10 * t
 * ms. */
static void write_traces(struct tw__store *store)
{
    for (uint8_t t = 1; t <= 40; t++) {
        struct tw__spans in = {0};
        uint64_t at = t * 1000U;
        add(&in, "front", "GET /", t, 1, 0, at, at + 60);
        add(&in, "cart", "load", t, 2, 1, at + 5, at + 5 + 10U * t)->status = t % 4 ? TW_STATUS_OK : TW_STATUS_ERROR;
        add(&in, "db", "SELECT", t, 3, 2, at + 90, at + 100 + t);
        assert_int_equal(tw__store_write(store, &in), 0);
        tw__spans_fini(&in);
        if (t == 20) assert_int_equal(tw__store_flush(store), 0);
    }
}

static void a_search_finds_traces_by_their_spans_and_by_themselves(void **state)
{
    (void)state;
    char folder[] = "/dev/shm/trackway-query-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct tw__store *store = open_store(folder);
    write_traces(store);
    struct tw__pool pool = {0};
    struct tw__summaries found;
    struct tw__search search = {.spans = {.service = {"cart", 4}, .min_duration_ns = 300 * MS}, .limit = 5};
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_int_equal(found.count, 5);
    assert_true(found.more);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(found.items[i].trace_id[15], 40 - i);
        assert_true(is(found.items[i].root_service, "front") && is(found.items[i].root_name, "GET /"));
        assert_int_equal(found.items[i].span_count, 3);
        assert_int_equal(found.items[i].service_count, 3);
        assert_true(is(found.items[i].services[0].name, "cart"));
        assert_int_equal(found.items[i].matched_count, 1);
        assert_true(is(found.items[i].matched[0].name, "load"));
    }
    assert_int_equal(found.items[0].duration_ns, 405 * MS);
    assert_int_equal(found.items[0].error_count, 1);
    /* No span lasts 100 ms, but these traces do: two conditions, not one. */
    search = (struct tw__search){.min_trace_ns = 110 * MS, .max_trace_ns = 115 * MS, .limit = 100};
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_int_equal(found.count, 2);
    assert_int_equal(found.items[0].trace_id[15], 11);
    assert_int_equal(found.items[1].trace_id[15], 10);
    search = (struct tw__search){.spans = {.order = TW__ORDER_SLOWEST, .name = {"load", 4}}, .limit = 3};
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_int_equal(found.count, 3);
    assert_int_equal(found.items[2].trace_id[15], 38);
    search = (struct tw__search){.spans = {.name = {"nothing", 7}}};
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_true(found.count == 0 && !found.more);
    tw__pool_fini(&pool);
    tw__store_close(store);
    remove_folder(folder);
}

static void a_search_looks_at_4000_traces_and_says_that_there_may_be_more(void **state)
{
    (void)state;
    char folder[] = "/dev/shm/trackway-query-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct tw__store *store = open_store(folder);
    struct tw__spans in = {0};
    struct tw__pool pool = {0};
    struct tw__summaries found;
    struct tw__search search = {.min_trace_ns = 50 * MS, .limit = 1};
    add(&in, "front", "long", 0, 1, 0, 0, 100)->trace_id[0] = 1;
    for (unsigned i = 1; i < 4000; i++) {
        struct tw__span *span = add(&in, "front", "short", (uint8_t)i, 1, 0, i, i + 1);
        span->trace_id[14] = (uint8_t)(i >> 8);
    }
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_int_equal(found.count, 1);
    assert_true(is(found.items[0].root_name, "long"));
    tw__spans_reset(&in);
    add(&in, "front", "newest", 0, 1, 0, 5000, 5001)->trace_id[0] = 2;
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_true(found.count == 0 && found.more && found.partial);
    tw__spans_fini(&in);
    tw__pool_fini(&pool);
    tw__store_close(store);
    remove_folder(folder);
}

/* Three traces with more spans than the store gives at once, and behind them an older one. */
static void a_search_looks_behind_all_spans_that_the_store_gives_at_once(void **state)
{
    (void)state;
    char folder[] = "/dev/shm/trackway-query-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct tw__store *store = open_store(folder);
    struct tw__spans in = {0};
    struct tw__pool pool = {0};
    struct tw__summaries found;
    struct tw__search search = {.max_trace_ns = 50 * MS, .limit = 1};
    add(&in, "front", "short", 9, 1, 0, 0, 10);
    for (unsigned i = 0; i < 24000; i++) {
        struct tw__span *span = add(&in, "front", "long", (uint8_t)(1 + i / 8000), 1, 0, 20 + i % 8000, 21 + i % 8000);
        memcpy(span->span_id, &(uint32_t){i + 1}, 4);
    }
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_int_equal(found.count, 1);
    assert_true(is(found.items[0].root_name, "short") && !found.partial);
    /* All spans count, however few were needed to find the trace. */
    search = (struct tw__search){.spans.name = {"long", 4}, .limit = 2};
    assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
    assert_int_equal(found.count, 2);
    for (size_t i = 0; i < 2; i++) assert_int_equal(found.items[i].matched_count, 8000);
    assert_true(found.more && !found.partial);
    tw__spans_fini(&in);
    tw__pool_fini(&pool);
    tw__store_close(store);
    remove_folder(folder);
}

/* The store takes 1.50 for 1.5; who looks through a whole trace for the rest does not. */
static void what_the_store_found_stays_found(void **state)
{
    (void)state;
    char folder[] = "/dev/shm/trackway-query-XXXXXX";
    assert_non_null(mkdtemp(folder));
    struct tw__store *store = open_store(folder);
    struct tw__spans in = {0};
    struct tw__pool pool = {0};
    struct tw__summaries found;
    struct tw_tag_value tag = {.key = {"ratio", 5}, .type = TW_TYPE_DOUBLE, .value.d = 1.5};
    for (unsigned i = 0; i < 300; i++) {
        struct tw__span *span = add(&in, "front", "x", 1, 0, 0, i, i + 1);
        memcpy(span->span_id, &(uint32_t){i + 1}, 4);
        span->tags = &tag;
        span->tag_count = 1;
    }
    assert_int_equal(tw__store_write(store, &in), 0);
    assert_int_equal(tw__store_flush(store), 0);
    static const char *const texts[] = {"1.5", "1.50", "1.6"};
    for (unsigned i = 0; i < 3; i++) {
        const struct tw__store_equal equal = {{"ratio", 5}, {texts[i], strlen(texts[i])}};
        struct tw__search search = {.spans = {.equals = &equal, .equal_count = 1}, .limit = 1};
        assert_int_equal(tw__query_search(store, &search, &pool, &found), 0);
        assert_int_equal(found.count, i < 2);
        if (i == 0) assert_int_equal(found.items[0].matched_count, 300);
    }
    tw__spans_fini(&in);
    tw__pool_fini(&pool);
    tw__store_close(store);
    remove_folder(folder);
}

static void services_are_counted_however_many_resources_have_one(void **state)
{
    (void)state;
    static const char *const names[] = {"b", "a", "b", "", "a"};
    struct tw__spans spans = {0};
    struct tw__pool pool = {0};
    struct tw__summary summary;
    for (unsigned i = 0; i < 5; i++) {
        struct tw__resource resource = {.service = {names[i], strlen(names[i])}, .schema_url = {"x", i}};
        struct tw_tag_value tag = {.key = {"i", 1}, .type = TW_TYPE_INT, .value.i = i};
        resource.tags = &tag;
        resource.tag_count = 1;
        struct tw__span *span = tw__spans_add(&spans, tw__spans_add_resource(&spans, &resource), 0);
        span->trace_id[0] = 1;
        span->span_id[0] = (uint8_t)(i + 1);
        span->status = i == 2 ? TW_STATUS_ERROR : TW_STATUS_OK;
    }
    assert_int_equal(spans.resource_count, 5);
    assert_int_equal(tw__query_summary(&spans, &pool, &summary), 0);
    assert_int_equal(summary.service_count, 3);
    for (unsigned i = 0; i < 3; i++) assert_int_equal(summary.services[i].spans, i ? 2 : 1);
    assert_true(is(summary.services[1].name, "a") && is(summary.services[2].name, "b"));
    assert_int_equal(summary.services[2].errors, 1);
    tw__pool_fini(&pool);
    tw__spans_fini(&spans);
}

static void a_layout_is_a_forest_whatever_the_parents_say(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    struct tw__pool pool = {0};
    struct tw__trace_layout layout;
    add(&spans, "a", "root", 1, 1, 0, 0, 100);
    add(&spans, "a", "second", 1, 3, 1, 50, 60);
    add(&spans, "a", "first", 1, 2, 1, 10, 20);
    add(&spans, "a", "below", 1, 4, 2, 12, 14);
    add(&spans, "a", "lost", 1, 5, 99, 30, 40);
    add(&spans, "a", "loop", 1, 6, 7, 70, 80);
    add(&spans, "a", "pool", 1, 7, 6, 71, 72);
    add(&spans, "a", "self", 1, 8, 8, 75, 76);
    assert_int_equal(tw__query_layout(&spans, &pool, &layout), 0);
    assert_int_equal(layout.count, 8);
    static const char *const order[] = {"root", "first", "below", "second", "lost", "loop", "pool", "self"};
    static const uint32_t depth[] = {0, 1, 2, 1, 0, 0, 1, 0}, size[] = {4, 2, 1, 1, 1, 2, 1, 1};
    for (size_t i = 0; i < 8; i++) {
        assert_true(is(spans.items[layout.order[i]].name, order[i]));
        assert_int_equal(layout.depth[i], depth[i]);
        assert_int_equal(layout.tree_size[i], size[i]);
    }
    assert_true(layout.orphan[4] && layout.orphan[5] && !layout.orphan[6] && !layout.orphan[0]);
    tw__pool_fini(&pool);
    tw__spans_fini(&spans);
}

static uint64_t critical_of(const struct tw__spans *spans, const struct tw__trace_layout *layout, const char *name)
{
    for (size_t i = 0; i < layout->count; i++)
        if (is(spans->items[layout->order[i]].name, name)) return layout->critical_ns[i] / MS;
    return UINT64_MAX;
}

static uint64_t critical_sum(const struct tw__trace_layout *layout)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < layout->count; i++) {
        sum += layout->critical_ns[i];
        assert_true(layout->critical[i] || layout->critical_ns[i] == 0);
    }
    return sum;
}

static void the_critical_path_is_what_was_waited_for(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    struct tw__pool pool = {0};
    struct tw__trace_layout layout;
    add(&spans, "a", "root", 1, 1, 0, 0, 100);
    add(&spans, "a", "early", 1, 2, 1, 10, 30);
    add(&spans, "a", "short", 1, 3, 1, 40, 60); /* beside long, over sooner: nobody waited for it */
    add(&spans, "a", "long", 1, 4, 1, 35, 90);
    add(&spans, "a", "inner", 1, 5, 4, 50, 80);
    add(&spans, "a", "after", 1, 6, 5, 70, 200); /* runs on after its parent: counts to its end */
    assert_int_equal(tw__query_layout(&spans, &pool, &layout), 0);
    assert_int_equal(critical_of(&spans, &layout, "root"), 10 + 5 + 10);
    assert_int_equal(critical_of(&spans, &layout, "early"), 20);
    assert_int_equal(critical_of(&spans, &layout, "short"), 0);
    assert_int_equal(critical_of(&spans, &layout, "long"), 15 + 10);
    assert_int_equal(critical_of(&spans, &layout, "inner"), 20);
    assert_int_equal(critical_of(&spans, &layout, "after"), 10);
    assert_int_equal(critical_sum(&layout), 100 * MS);
    tw__pool_fini(&pool);
    tw__spans_fini(&spans);
}

static void what_is_open_runs_on_and_what_was_open_in_a_dead_process_does_not(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    struct tw__pool pool = {0};
    struct tw__trace_layout layout;
    add(&spans, "a", "root", 1, 1, 0, 0, 100);
    add(&spans, "b", "died", 1, 2, 1, 10, 30)->open = true;
    assert_int_equal(tw__query_layout(&spans, &pool, &layout), 0);
    assert_int_equal(critical_of(&spans, &layout, "root"), 10 + 70);
    assert_int_equal(critical_of(&spans, &layout, "died"), 20);
    struct tw__span *lives = add(&spans, "c", "lives", 1, 3, 1, 50, 0);
    lives->open = true;
    lives->end_ns = 0;
    assert_int_equal(tw__query_layout(&spans, &pool, &layout), 0);
    assert_int_equal(layout.end_ns, EPOCH_NS + 100 * MS);
    assert_int_equal(critical_of(&spans, &layout, "root"), 10 + 20);
    assert_int_equal(critical_of(&spans, &layout, "lives"), 50);
    tw__pool_fini(&pool);
    tw__spans_fini(&spans);
}

static void the_critical_path_follows_every_parent_and_not_only_the_first(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    struct tw__pool pool = {0};
    struct tw__trace_layout layout;
    /* commit waits for both batches; its tree parent is the one that was ready first. */
    add(&spans, "a", "root", 1, 1, 0, 0, 100);
    add(&spans, "a", "batch one", 1, 2, 1, 10, 20);
    add(&spans, "a", "batch two", 1, 3, 1, 10, 60);
    struct tw__span *commit = add(&spans, "a", "commit", 1, 4, 2, 60, 90);
    link_to(&spans, commit, 3);
    assert_int_equal(tw__query_layout(&spans, &pool, &layout), 0);
    assert_int_equal(layout.cause_count, 1);
    assert_true(is(spans.items[layout.order[layout.causes[0].from]].name, "batch two"));
    assert_true(is(spans.items[layout.order[layout.causes[0].to]].name, "commit"));
    assert_int_equal(critical_of(&spans, &layout, "batch two"), 50);
    assert_int_equal(critical_of(&spans, &layout, "batch one"), 0);
    assert_true(critical_sum(&layout) <= 100 * MS);
    tw__pool_fini(&pool);
    tw__spans_fini(&spans);
}

static void any_graph_has_a_path_that_ends(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 300; round++) {
        struct tw__spans spans = {0};
        struct tw__pool pool = {0};
        struct tw__trace_layout layout;
        unsigned n = 1 + round % 60;
        for (unsigned i = 0; i < n; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
            uint64_t from = seed >> 33 & 127, len = seed >> 41 & 63;
            struct tw__span *span =
                add(&spans, "a", "x", 1, (uint8_t)(seed >> 50 & 63), (uint8_t)(seed >> 57 & 63), from, from + len);
            if (round % 3 == 0) span->end_ns -= 30 * MS;
            span->open = (seed >> 20 & 15) == 0;
            link_to(&spans, span, (uint8_t)(seed >> 12 & 63));
        }
        assert_int_equal(tw__query_layout(&spans, &pool, &layout), 0);
        assert_int_equal(layout.count, n);
        bool seen[64] = {false};
        for (size_t i = 0; i < n; i++) {
            assert_false(seen[layout.order[i]]);
            seen[layout.order[i]] = true;
            assert_true(layout.parent[i] == UINT32_MAX || layout.parent[i] < i);
        }
        tw__pool_fini(&pool);
        tw__spans_fini(&spans);
    }
}

static void stored_spans_are_drawn_as_recorded_ones_are(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    struct tw__pool pool = {0};
    struct tw__records records;
    struct tw__span_event event = {.time_ns = EPOCH_NS + 15 * MS, .name = {"retry", 5}, .kind = TW_RECORD_EVENT};
    add(&spans, "front", "GET /", 1, 1, 0, 0, 100);
    struct tw__span *load = add(&spans, "cart", "load", 1, 2, 1, 10, 50);
    load->events = &event;
    load->event_count = 1;
    load->status = TW_STATUS_ERROR;
    add(&spans, "cart", "open", 1, 3, 2, 20, 0)->open = true;
    spans.items[2].end_ns = 0;
    assert_int_equal(tw__records_of(&spans, &pool, &records), 0);
    struct tw_batch *batch = tw__batch_new();
    for (size_t i = 0; i < records.count; i++)
        assert_int_equal(tw__batch_add(batch, &records.items[i].process, &records.items[i].records), 0);
    assert_int_equal(tw__batch_build(batch), 0);
    const uint8_t id[16] = {[15] = 1};
    const struct tw_batch_trace *trace = tw__batch_find(batch, id);
    assert_non_null(trace);
    assert_int_equal(trace->span_count, 3);
    assert_int_equal(trace->error_count, 1);
    assert_int_equal(trace->open_count, 1);
    assert_true(is(*trace->root->record->name, "GET /") && is(trace->root->process->service, "front"));
    assert_true(is(*trace->root->first_child->record->name, "load"));
    assert_non_null(trace->root->first_child->first_event);
    tw__batch_free(batch);
    tw__pool_fini(&pool);
    tw__spans_fini(&spans);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_finds_traces_by_their_spans_and_by_themselves),
        cmocka_unit_test(a_search_looks_at_4000_traces_and_says_that_there_may_be_more),
        cmocka_unit_test(a_search_looks_behind_all_spans_that_the_store_gives_at_once),
        cmocka_unit_test(what_the_store_found_stays_found),
        cmocka_unit_test(services_are_counted_however_many_resources_have_one),
        cmocka_unit_test(a_layout_is_a_forest_whatever_the_parents_say),
        cmocka_unit_test(the_critical_path_is_what_was_waited_for),
        cmocka_unit_test(what_is_open_runs_on_and_what_was_open_in_a_dead_process_does_not),
        cmocka_unit_test(the_critical_path_follows_every_parent_and_not_only_the_first),
        cmocka_unit_test(any_graph_has_a_path_that_ends),
        cmocka_unit_test(stored_spans_are_drawn_as_recorded_ones_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
