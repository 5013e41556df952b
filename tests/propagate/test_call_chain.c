/* nameko's headers: what its workers send in AMQP tables (kombu hands lists on as lists) is read, and what we write it
 * reads. */
#include "propagate/fixture.h"

#include <trackway/call.h>

static struct tw_call_chain chain;

static size_t extract_chain(const struct header *list, size_t count)
{
    struct headers headers = {list, count};
    memset(&chain, 0xee, sizeof chain);
    return tw_call_chain_extract(get_header, &headers, &chain, &context);
}
#define CHAIN(...)                                             \
    extract_chain((const struct header[]){__VA_ARGS__},        \
                  sizeof((const struct header[]){__VA_ARGS__}) / sizeof(struct header))

#define ROOT "standalone_rpc_proxy.call.14caabf9-892f-4ab2-b04b-e0fb90167fe5"
#define HELLO "traced.hello.f51733a0-1851-47e6-9d47-29bef5eaf581"

static void a_stack_comes_as_a_list_as_one_value_or_with_commas(void **state)
{
    (void)state;
    assert_int_equal(CHAIN({"nameko.call_id_stack", ROOT}, {"nameko.call_id_stack", HELLO}), 2);
    assert_string_equal(tw_call_chain_at(&chain, 0), ROOT);
    assert_string_equal(tw_call_chain_at(&chain, 1), HELLO);
    assert_string_equal(chain.origin, ROOT);
    assert_int_equal(CHAIN({"Nameko.Call_Id_Stack", "[\"" ROOT "\", \"" HELLO "\"]"}), 2);
    assert_string_equal(tw_call_chain_at(&chain, 1), HELLO);
    assert_int_equal(CHAIN({"nameko.call_id_stack", ROOT "," HELLO}), 2);
    assert_string_equal(tw_call_chain_at(&chain, 0), ROOT);
    assert_int_equal(CHAIN({"nameko.call_id_stack", "[]"}), 0);
    assert_int_equal(CHAIN({"other", "x"}), 0);
    assert_string_equal(chain.origin, "");
}

static void a_stack_that_is_malformed_is_no_stack(void **state)
{
    (void)state;
    static const char *const bad[] = {"[a,b]", "[\"a\",b]",       "a b",           "a,,b", "a\"b",
                                      "\"\"",  "[\"a\xc3\xa9\"]", "[\"a\\u0041\"]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(CHAIN({"nameko.call_id_stack", ROOT}, {"nameko.call_id_stack", bad[i]}), 0);
        assert_int_equal(chain.count, 0);
    }
    char longest[TW_CALL_ID_MAX + 2] = "";
    memset(longest, 'x', TW_CALL_ID_MAX + 1);
    assert_int_equal(CHAIN({"nameko.call_id_stack", longest}), 0);
    longest[TW_CALL_ID_MAX] = 0;
    assert_int_equal(CHAIN({"nameko.call_id_stack", longest}), 1);
}

static void the_oldest_are_left_out_and_the_origin_stays(void **state)
{
    (void)state;
    char id[TW_CALL_ID_MAX + 1];
    tw_call_chain_init(&chain);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(id, sizeof id, "a.b.%d", i);
        assert_int_equal(tw_call_chain_add(&chain, id, strlen(id), 11), 0);
    }
    assert_int_equal(chain.count, 11);
    assert_string_equal(tw_call_chain_at(&chain, 0), "a.b.29");
    assert_string_equal(tw_call_chain_at(&chain, 10), "a.b.39");
    assert_string_equal(chain.origin, "a.b.0");
    memset(id, 'y', sizeof id - 1);
    id[TW_CALL_ID_MAX] = 0;
    for (int i = 0; i < 20; i++) assert_int_equal(tw_call_chain_add(&chain, id, TW_CALL_ID_MAX, 31), 0);
    assert_int_equal(chain.count, TW_CALL_CHAIN_BYTES / (TW_CALL_ID_MAX + 1));
    assert_string_equal(tw_call_chain_at(&chain, chain.count - 1u), id);
    assert_int_equal(tw_call_chain_add(&chain, "", 0, 11), TW_ERR_RANGE);
    assert_int_equal(tw_call_chain_add(&chain, "a,b", 3, 11), TW_ERR_SYNTAX);
}

static void what_is_injected_is_extracted_again_with_origin_and_context(void **state)
{
    (void)state;
    struct tw_context here = {.trace_id = {1, [15] = 2}, .span_id = {3}, .flags = TW_FLAG_SAMPLED};
    tw_call_chain_init(&chain);
    for (int i = 0; i < 14; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "a.b.%d", i);
        (void)tw_call_chain_add(&chain, id, strlen(id), 11);
    }
    out.count = 0;
    assert_int_equal(tw_call_chain_inject(&chain, &here, set_header, &out), 3);
    assert_string_equal(written_value(&out, "nameko.call_id_stack"),
                        "[\"a.b.3\", \"a.b.4\", \"a.b.5\", \"a.b.6\", \"a.b.7\", \"a.b.8\", \"a.b.9\", \"a.b.10\", "
                        "\"a.b.11\", \"a.b.12\", \"a.b.13\"]");
    assert_string_equal(written_value(&out, "nameko.origin_call_id"), "a.b.0");
    assert_int_equal(CHAIN({"nameko.call_id_stack", written_value(&out, "nameko.call_id_stack")},
                           {"nameko.origin_call_id", "a.b.0"},
                           {"nameko.traceparent", written_value(&out, "nameko.traceparent")}),
                     11);
    assert_string_equal(chain.origin, "a.b.0");
    assert_memory_equal(&context, &here, sizeof here);
    tw_call_chain_init(&chain);
    assert_int_equal(tw_call_chain_inject(&chain, NULL, set_header, &out), 0);
}

static void context_data_loses_its_prefix_on_the_way_in_and_gets_it_on_the_way_out(void **state)
{
    (void)state;
    struct tw_value values[4];
    struct headers headers = {
        (const struct header[]){{"nameko.language", "ja"}, {"nameko.user_id", "17"}, {"language", "no"}}, 3};
    assert_int_equal(tw_call_context_extract(get_header, &headers, values, 4), 2);
    assert_string_equal(values[0].key, "language");
    assert_text(values[0].as.p, values[0].len, "ja");
    const struct tw_value data[] = {TW_ARG("user_id", "17"), tw_value_null("language"), TW_ARG("n", 1),
                                    TW_ARG("bad", "\n"), TW_ARG("a b", "x")};
    out.count = 0;
    assert_int_equal(tw_call_context_inject(data, 5, set_header, &out), 1);
    assert_string_equal(written_value(&out, "nameko.user_id"), "17");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stack_comes_as_a_list_as_one_value_or_with_commas),
        cmocka_unit_test(a_stack_that_is_malformed_is_no_stack),
        cmocka_unit_test(the_oldest_are_left_out_and_the_origin_stays),
        cmocka_unit_test(what_is_injected_is_extracted_again_with_origin_and_context),
        cmocka_unit_test(context_data_loses_its_prefix_on_the_way_in_and_gets_it_on_the_way_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
