/* shelf: events wait for their span, whole, and the oldest go when there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "export/shelf.h"

#define TEXT(literal) ((struct tw_text){literal, sizeof(literal) - 1})

static struct tw_record event_of(uint8_t trace, uint8_t span, uint64_t time)
{
    struct tw_record record = {
        .kind = TW_RECORD_EVENT, .time_ns = time, .name = TEXT("cache.miss"), .thread = TEXT("worker")};
    record.trace_id[15] = trace;
    record.span_id[7] = span;
    return record;
}

static void a_record_is_given_to_its_span_once_and_whole(void **state)
{
    static struct tw__shelf shelf;
    char volatile_text[] = "changes later";
    struct tw_tag_value tag = {
        .key = TEXT("why"), .type = TW_TYPE_STR, .text = {volatile_text, sizeof volatile_text - 1}};
    struct tw_record event = event_of(1, 2, 10), span = event_of(1, 2, 0);
    (void)state;
    event.tags = &tag;
    event.tag_count = 1;
    tw__shelf_put(&shelf, &event);
    memset(volatile_text, 'x', sizeof volatile_text - 1);
    const struct tw_record *found = tw__shelf_take(&shelf, &span);
    assert_non_null(found);
    assert_int_equal(found->time_ns, 10);
    assert_memory_equal(found->tags[0].text.ptr, "changes later", 13);
    assert_memory_equal(found->name.ptr, "cache.miss", 10);
    assert_null(tw__shelf_take(&shelf, &span));
    tw__shelf_sweep(&shelf);
    assert_int_equal(shelf.count, 0);
    assert_int_equal(shelf.bytes, 0);
    tw__shelf_fini(&shelf);
}

static void a_span_of_another_trace_with_the_same_id_gets_nothing(void **state)
{
    static struct tw__shelf shelf;
    struct tw_record event = event_of(1, 2, 10), other = event_of(9, 2, 0), span = event_of(1, 2, 0);
    (void)state;
    tw__shelf_put(&shelf, &event);
    assert_null(tw__shelf_take(&shelf, &other));
    assert_non_null(tw__shelf_take(&shelf, &span));
    tw__shelf_fini(&shelf);
}

static void the_oldest_make_room_and_are_counted(void **state)
{
    static struct tw__shelf shelf;
    const unsigned count = 40000;
    (void)state;
    for (unsigned i = 0; i < count; i++) {
        struct tw_record event = event_of((uint8_t)(i >> 8), (uint8_t)i, i + 1);
        event.span_id[0] = (uint8_t)(i >> 16);
        tw__shelf_put(&shelf, &event);
        assert_true(shelf.bytes <= TW__SHELF_BYTES);
    }
    assert_true(shelf.lost > 0);
    assert_int_equal(shelf.count + shelf.lost, count);
    struct tw_record first = event_of(0, 0, 0), last = event_of((uint8_t)((count - 1) >> 8), (uint8_t)(count - 1), 0);
    last.span_id[0] = (uint8_t)((count - 1) >> 16);
    assert_null(tw__shelf_take(&shelf, &first));
    assert_non_null(tw__shelf_take(&shelf, &last));
    tw__shelf_fini(&shelf);
    assert_int_equal(shelf.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_given_to_its_span_once_and_whole),
        cmocka_unit_test(a_span_of_another_trace_with_the_same_id_gets_nothing),
        cmocka_unit_test(the_oldest_make_room_and_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
