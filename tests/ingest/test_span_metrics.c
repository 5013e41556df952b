/* What is counted of spans: the bucket of a duration, calls paired from their halves, and the bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/span_metrics.h"

static unsigned bucket_by_looking_at_all(uint64_t ns)
{
    unsigned at = 0;
    while (at < TW__HISTOGRAM_BUCKETS && ns > tw__histogram_bounds_ns[at]) at++;
    return at;
}

static void a_duration_is_counted_in_the_bucket_that_a_look_at_all_finds(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++)
        for (int off = -1; off <= 1; off++)
            for (unsigned bound = 0; bound <= TW__HISTOGRAM_BUCKETS; bound++) {
                uint64_t from = bound < TW__HISTOGRAM_BUCKETS ? tw__histogram_bounds_ns[bound] : (uint64_t)1 << bit;
                uint64_t ns = from + (uint64_t)(int64_t)off;
                struct tw__histogram histogram = {{0}, 0, 0};
                tw__histogram_add(&histogram, ns);
                unsigned expected = bucket_by_looking_at_all(ns);
                for (unsigned i = 0; i < TW__HISTOGRAM_BUCKETS; i++)
                    assert_int_equal(histogram.buckets[i], i == expected);
                assert_int_equal(histogram.count, 1);
            }
}

static struct tw_text text_of(const char *text)
{
    return (struct tw_text){text, strlen(text)};
}

/* A span of a service in a batch: trace and ids by number. */
static void add(struct tw__spans *spans, const char *service, const char *name, uint8_t kind, unsigned trace,
                unsigned id, unsigned parent)
{
    uint32_t resource = tw__spans_add_resource(spans, &(struct tw__resource){.service = text_of(service)});
    struct tw__span *span = tw__spans_add(spans, resource, 0);
    assert_non_null(span);
    memcpy(span->trace_id, &trace, sizeof trace);
    memcpy(span->span_id, &id, sizeof id);
    memcpy(span->parent_id, &parent, sizeof parent);
    span->name = text_of(name);
    span->kind = kind;
    span->start_ns = 1000;
    span->end_ns = 1000 + id;
}

static uint64_t bytes_of_the_row(struct tw__span_metrics *metrics)
{
    struct tw__span_totals totals;
    assert_int_equal(tw__span_metrics_read(metrics, &totals), 0);
    assert_int_equal(totals.operation_count, 1);
    uint64_t bytes = totals.operations[0].bytes;
    tw__span_totals_fini(&totals);
    return bytes;
}

static void sizes_are_exact_for_a_few_and_right_for_many_alike(void **state)
{
    struct tw__span_metrics *metrics = tw__span_metrics_new();
    enum { ALIKE = 18 + 10 + 6 + 2 + 18 }; /* two ids, "tick", a kind, two times */
    uint64_t count = 0;
    (void)state;
    assert_non_null(metrics);
    for (unsigned round = 1; round <= 10000; round *= 10) {
        struct tw__spans spans = {0};
        for (unsigned i = 0; i < round; i++) add(&spans, "a", "tick", 0, 1, i, 0);
        tw__span_metrics_add(metrics, &spans);
        tw__spans_fini(&spans);
        count += round;
        uint64_t bytes = bytes_of_the_row(metrics), most = (count + TW__SIZES_EACH) * ALIKE;
        if (count <= TW__SIZES_EXACT) assert_int_equal(bytes, count * ALIKE);
        assert_in_range(bytes, count * ALIKE, most);
    }
    tw__span_metrics_free(metrics);
}

static void both_halves_of_a_call_are_found_in_either_order_and_once(void **state)
{
    (void)state;
    enum { CALLS = 3000 };
    struct tw__span_metrics *metrics = tw__span_metrics_new();
    struct tw__spans spans = {0};
    struct tw__span_totals totals;
    for (unsigned i = 1; i <= CALLS; i++) {
        add(&spans, i % 2 ? "front" : "back", "x", i % 2 ? TW_KIND_CLIENT : TW_KIND_SERVER, i, i % 2 ? 7 : 8,
            i % 2 ? 1 : 7);
        add(&spans, i % 2 ? "back" : "front", "x", i % 2 ? TW_KIND_SERVER : TW_KIND_CLIENT, i, i % 2 ? 8 : 7,
            i % 2 ? 7 : 1);
    }
    add(&spans, "front", "alone", TW_KIND_CLIENT, 1, 99, 1);
    tw__span_metrics_add(metrics, &spans);
    assert_int_equal(tw__span_metrics_read(metrics, &totals), 0);
    assert_int_equal(totals.edge_count, 1);
    assert_int_equal(totals.edges[0].client_latency.count, CALLS);
    assert_int_equal(totals.edges[0].server_latency.count, CALLS);
    assert_int_equal(totals.edges[0].client_latency.sum_ns, CALLS * 7);
    assert_int_equal(totals.edges[0].server_latency.sum_ns, CALLS * 8);
    assert_memory_equal(totals.edges[0].client.ptr, "front", 5);
    assert_memory_equal(totals.edges[0].server.ptr, "back", 4);
    assert_int_equal(totals.unpaired, 0);
    tw__span_totals_fini(&totals);
    tw__spans_fini(&spans);
    tw__span_metrics_free(metrics);
}

static void a_call_whose_other_half_never_comes_gives_way_and_is_counted(void **state)
{
    (void)state;
    enum { CALLS = 200000 };
    struct tw__span_metrics *metrics = tw__span_metrics_new();
    struct tw__spans spans = {0};
    struct tw__span_totals totals;
    for (unsigned i = 1; i <= CALLS; i++) {
        add(&spans, "front", "x", TW_KIND_CLIENT, i * 2654435761u, i, 1);
        if (i % 10000) continue;
        tw__span_metrics_add(metrics, &spans);
        tw__spans_reset(&spans);
    }
    assert_int_equal(tw__span_metrics_read(metrics, &totals), 0);
    assert_int_equal(totals.edge_count, 0);
    assert_in_range(totals.unpaired, CALLS - 65536, CALLS - 1);
    tw__span_totals_fini(&totals);
    tw__spans_fini(&spans);
    tw__span_metrics_free(metrics);
}

static void rows_are_told_apart_by_service_name_kind_and_status(void **state)
{
    (void)state;
    struct tw__span_metrics *metrics = tw__span_metrics_new();
    struct tw__spans spans = {0};
    struct tw__span_totals totals;
    for (unsigned i = 0; i < 48; i++) {
        static const char *const services[] = {"a", "b"}, *const names[] = {"x", "y", "z"};
        add(&spans, services[i % 2], names[i / 2 % 3], (uint8_t)(i / 6 % 4), i, i, 0);
        spans.items[spans.count - 1].status = i / 24 ? TW_STATUS_ERROR : TW_STATUS_UNSET;
    }
    tw__span_metrics_add(metrics, &spans);
    tw__span_metrics_add(metrics, &spans);
    assert_int_equal(tw__span_metrics_read(metrics, &totals), 0);
    assert_int_equal(totals.operation_count, 48);
    for (size_t i = 0; i < totals.operation_count; i++) assert_int_equal(totals.operations[i].latency.count, 2);
    tw__span_totals_fini(&totals);
    tw__spans_fini(&spans);
    tw__span_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_is_counted_in_the_bucket_that_a_look_at_all_finds),
        cmocka_unit_test(sizes_are_exact_for_a_few_and_right_for_many_alike),
        cmocka_unit_test(both_halves_of_a_call_are_found_in_either_order_and_once),
        cmocka_unit_test(a_call_whose_other_half_never_comes_gives_way_and_is_counted),
        cmocka_unit_test(rows_are_told_apart_by_service_name_kind_and_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
