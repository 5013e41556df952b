/* spans: the batch of the collector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/spans.h"

#define TEXT(word) {(word), sizeof(word) - 1}

static const struct tw_tag_value cart[] = {
    {.key = TEXT("service.name"), .type = TW_TYPE_STR, .text = TEXT("old")},
    {.key = TEXT("service.name"), .type = TW_TYPE_STR, .text = TEXT("cart")},
};

static void a_resource_knows_its_service_from_its_last_tag(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    uint32_t resource = tw__spans_add_resource(&spans, &(struct tw__resource){.tags = cart, .tag_count = 2});
    assert_int_equal(resource, 0);
    assert_int_equal(spans.resources[0].service.len, 4);
    assert_memory_equal(spans.resources[0].service.ptr, "cart", 4);
    tw__spans_fini(&spans);
}

static void the_empty_scope_is_number_zero(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    struct tw__scope named = {.name = TEXT("http")};
    assert_int_equal(tw__spans_add_scope(&spans, &named), 1);
    assert_int_equal(tw__spans_add_scope(&spans, &(struct tw__scope){0}), 0);
    assert_int_equal(spans.scopes[0].name.len, 0);
    assert_int_equal(spans.scopes[1].name.len, 4);
    tw__spans_fini(&spans);
}

static void spans_of_a_resource_that_is_not_there_are_refused(void **state)
{
    (void)state;
    struct tw__spans spans = {0};
    assert_null(tw__spans_add(&spans, 0, 0));
    (void)tw__spans_add_resource(&spans, &(struct tw__resource){0});
    for (int i = 0; i < 1000; i++) assert_non_null(tw__spans_add(&spans, 0, 0));
    assert_null(tw__spans_add(&spans, 0, 1));
    assert_int_equal(spans.count, 1000);
    tw__spans_reset(&spans);
    assert_int_equal(spans.count, 0);
    assert_null(tw__spans_add(&spans, 0, 0));
    tw__spans_fini(&spans);
}

static void a_span_that_ends_before_it_began_has_no_duration(void **state)
{
    (void)state;
    struct tw__span span = {.start_ns = 10, .end_ns = 7};
    assert_int_equal(tw__span_duration_ns(&span), 0);
    span.end_ns = 12;
    assert_int_equal(tw__span_duration_ns(&span), 2);
    span.open = true;
    assert_int_equal(tw__span_duration_ns(&span), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resource_knows_its_service_from_its_last_tag),
        cmocka_unit_test(the_empty_scope_is_number_zero),
        cmocka_unit_test(spans_of_a_resource_that_is_not_there_are_refused),
        cmocka_unit_test(a_span_that_ends_before_it_began_has_no_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
