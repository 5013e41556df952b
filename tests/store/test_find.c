/* store_find: the newest and the slowest, each once. */
#include "store/made.h"

#include <string.h>

static uint64_t clock_of_test(void)
{
    return MADE_EPOCH_NS;
}

static struct tw__store_options options_of(const char *folder)
{
    return (struct tw__store_options){.folder = folder, .now_ns = clock_of_test};
}

/* What is open in a live process comes again and again, at last with what became of it. */
static void of_open_copies_a_search_finds_the_last(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = options_of(folder);
    struct tw__spans in = {0};
    struct tw__store *store = made_open(&options);
    static const char *const names[] = {"first", "second", "third", "fourth"};
    for (size_t i = 0; i < 4; i++) {
        struct tw__spans out = {0};
        const struct tw__store_query query = {.order = TW__ORDER_NEWEST};
        tw__spans_reset(&in);
        made_span(&in, "cart", names[i], 1, 1, 1, 10)->open = true;
        assert_int_equal(tw__store_write(store, &in), 0);
        assert_int_equal(tw__store_find(store, &query, TW__PART_ALL, &out), 0);
        assert_int_equal(out.count, 1);
        assert_int_equal(out.items[0].name.len, strlen(names[i]));
        assert_memory_equal(out.items[0].name.ptr, names[i], strlen(names[i]));
        tw__spans_fini(&out);
        if (i < 2) assert_int_equal(tw__store_flush(store), 0);
    }
    tw__spans_fini(&in);
    tw__store_close(store);
    made_remove(folder);
}

/* A search and the view of a trace. */
static void of_a_span_closed_twice_the_end_written_later_counts_wherever_it_is_looked_for(void **state)
{
    (void)state;
    for (int where = 0; where < 8; where++) {
        const char *folder = made_folder();
        struct tw__store_options options = options_of(folder);
        struct tw__store *store = made_open(&options);
        static const uint64_t lengths[] = {90, 10};
        for (int i = 0; i < 2; i++) {
            struct tw__spans in = {0};
            made_span(&in, "cart", i ? "later" : "first", 1, 1, 1, lengths[where & 4 ? i : 1 - i]);
            made_span(&in, "cart", "other", 1, 2, 1, 50);
            assert_int_equal(tw__store_write(store, &in), 0);
            tw__spans_fini(&in);
            if (where & 1 << i) assert_int_equal(tw__store_flush(store), 0);
        }
        for (int order = -1; order < 2; order++) {
            struct tw__spans out = {0};
            const uint8_t id[16] = {[15] = 1};
            const struct tw__store_query query = {.order = order == 1 ? TW__ORDER_SLOWEST : TW__ORDER_NEWEST};
            assert_int_equal(order < 0 ? tw__store_trace(store, id, 0, &out) : tw__store_find(store, &query, 0, &out),
                             0);
            assert_int_equal(out.count, 2);
            size_t at = out.items[0].span_id[7] == 1 ? 0 : 1;
            assert_memory_equal(out.items[at].name.ptr, "later", 5);
            if (order == 1) assert_int_equal(at, where & 4 ? 1 : 0);
            tw__spans_fini(&out);
        }
        tw__store_close(store);
        made_remove(folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_open_copies_a_search_finds_the_last),
        cmocka_unit_test(of_a_span_closed_twice_the_end_written_later_counts_wherever_it_is_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
