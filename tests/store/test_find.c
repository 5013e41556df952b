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

/* Of each copy its own write; flushed: and its own block. */
static void write_copies(struct tw__store *store, uint8_t id, double begin_s, size_t count, bool flushed)
{
    for (size_t i = 0; i < count; i++) {
        struct tw__spans in = {0};
        made_span(&in, "cart", i + 1 == count ? "last" : "early", id, id, begin_s, i)->open = true;
        assert_int_equal(tw__store_write(store, &in), 0);
        tw__spans_fini(&in);
        if (flushed) assert_int_equal(tw__store_flush(store), 0);
    }
}

static void assert_ids(struct tw__store *store, enum tw__store_order order, const uint8_t *ids, size_t count)
{
    struct tw__spans out = {0};
    const struct tw__store_query query = {.order = order, .limit = count};
    assert_int_equal(tw__store_find(store, &query, 0, &out), 0);
    assert_int_equal(out.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(out.items[i].span_id[7], ids[i]);
        if (out.items[i].open) assert_memory_equal(out.items[i].name.ptr, "last", 4);
    }
    tw__spans_fini(&out);
}

static void at_the_limit_of_a_search_too_the_last_of_open_copies_is_found(void **state)
{
    (void)state;
    for (int where = 0; where < 4; where++) { /* in memory, in blocks, the last in memory, in a joined block */
        const char *folder = made_folder();
        struct tw__store_options options = options_of(folder);
        struct tw__store *store = made_open(&options);
        struct tw__spans in = {0};
        made_span(&in, "cart", "ended", 1, 1, 1, 10);
        assert_int_equal(tw__store_write(store, &in), 0);
        write_copies(store, 2, 2, 3, where > 0);
        if (where == 2) write_copies(store, 2, 2, 4, false);
        if (where == 3) assert_int_equal(tw__store_compact(store), 0);
        assert_ids(store, TW__ORDER_NEWEST, (const uint8_t[]){2}, 1);
        assert_ids(store, TW__ORDER_NEWEST, (const uint8_t[]){2, 1}, 2);
        assert_ids(store, TW__ORDER_SLOWEST, (const uint8_t[]){1, 2}, 2);
        tw__spans_fini(&in);
        tw__store_close(store);
        made_remove(folder);
    }
}

static void at_the_limit_of_a_search_too_a_finished_span_counts_before_an_open_one(void **state)
{
    (void)state;
    for (int flushed = 0; flushed < 2; flushed++) {
        const char *folder = made_folder();
        struct tw__store_options options = options_of(folder);
        struct tw__store *store = made_open(&options);
        struct tw__spans in = {0};
        made_span(&in, "cart", "ended", 2, 2, 1, 0);
        assert_int_equal(tw__store_write(store, &in), 0);
        if (flushed) assert_int_equal(tw__store_flush(store), 0);
        write_copies(store, 2, 1, 3, flushed);
        for (int order = 0; order < 2; order++) {
            struct tw__spans out = {0};
            const struct tw__store_query query = {.order = (enum tw__store_order)order, .limit = 1};
            assert_int_equal(tw__store_find(store, &query, 0, &out), 0);
            assert_int_equal(out.count, 1);
            assert_false(out.items[0].open);
            tw__spans_fini(&out);
        }
        tw__spans_fini(&in);
        tw__store_close(store);
        made_remove(folder);
    }
}

static void copies_take_no_places_of_a_search(void **state)
{
    (void)state;
    for (int flushed = 0; flushed < 2; flushed++) {
        const char *folder = made_folder();
        struct tw__store_options options = options_of(folder);
        struct tw__store *store = made_open(&options);
        struct tw__spans in = {0};
        for (uint8_t i = 1; i <= 10; i++) made_span(&in, "cart", "ended", i, i, i, 10 * i);
        assert_int_equal(tw__store_write(store, &in), 0);
        write_copies(store, 12, 12, 20, flushed);
        write_copies(store, 11, 11, 20, flushed);
        assert_ids(store, TW__ORDER_NEWEST, (const uint8_t[]){12, 11, 10, 9, 8, 7}, 6);
        assert_ids(store, TW__ORDER_NEWEST, (const uint8_t[]){12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 12);
        struct tw__spans out = {0};
        const struct tw__store_query query = {.order = TW__ORDER_SLOWEST, .limit = 12};
        assert_int_equal(tw__store_find(store, &query, TW__PART_ALL, &out), 0);
        assert_int_equal(out.count, 12);
        for (uint8_t i = 0; i < 10; i++) assert_int_equal(out.items[i].span_id[7], 10 - i);
        tw__spans_fini(&out);
        tw__spans_fini(&in);
        tw__store_close(store);
        made_remove(folder);
    }
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
        cmocka_unit_test(at_the_limit_of_a_search_too_the_last_of_open_copies_is_found),
        cmocka_unit_test(at_the_limit_of_a_search_too_a_finished_span_counts_before_an_open_one),
        cmocka_unit_test(copies_take_no_places_of_a_search),
        cmocka_unit_test(of_a_span_closed_twice_the_end_written_later_counts_wherever_it_is_looked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
