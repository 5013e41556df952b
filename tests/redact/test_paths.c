/* Redaction: every row of what nameko-tracer 1.4 does with sensitive arguments, with its leaks closed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "wire/part.h"

static char out[4096];
static uint32_t hits;
static struct tw__secrets secrets;

static size_t write_with(const char *list, const struct tw_value *value, enum tw__form_kind kind, size_t cap)
{
    struct tw__paths *paths = NULL;
    size_t bad;
    int result = tw__paths_compile(&list, 1, &paths, &bad);
    struct tw__part part = {.paths = result < 0 ? tw__paths_everything : paths, .collect = &secrets};
    struct tw__form form;
    memset(&secrets, 0, sizeof secrets);
    tw__form_begin(&form, kind, out, cap, 1000);
    tw__part_write(&part, &form, value);
    hits = part.hits;
    out[form.len] = 0;
    tw__paths_free(paths);
    return form.len;
}

static void read_with(const char *paths, const char *json)
{
    const struct tw_value text = TW_ARG_JSON(NULL, json, strlen(json));
    (void)write_with(paths, &text, TW__FORM_JSON, sizeof out - 1);
}

static void shows(const char *paths, const char *json, const char *expected)
{
    read_with(paths, json);
    assert_string_equal(out, expected);
}

static void shows_tree(const char *paths, const struct tw_value *items, size_t count, const char *expected)
{
    const struct tw_value root = TW_ARG_MAP(NULL, items, count);
    (void)write_with(paths, &root, TW__FORM_JSON, sizeof out - 1);
    assert_string_equal(out, expected);
}

static void a_name_replaces_any_value(void **state)
{
    (void)state;
    shows("a", "{\"a\":1,\"b\":2}", "{\"a\":\"********\",\"b\":2}");
    shows("a", "{\"a\":{\"x\":[1,{\"y\":2}]},\"b\":2}", "{\"a\":\"********\",\"b\":2}");
    shows("a", "{\"a\":null,\"b\":[\"a\"]}", "{\"a\":\"********\",\"b\":[\"a\"]}");
    assert_int_equal(hits, 1);
}

static void the_last_index_of_a_path_is_followed(void **state)
{
    (void)state;
    shows("b.foo[0]", "{\"b\":{\"foo\":[1,2,3]}}", "{\"b\":{\"foo\":[\"********\",2,3]}}");
    shows("b[foo][1]", "{\"b\":{\"foo\":[1,2,3]}}", "{\"b\":{\"foo\":[1,\"********\",3]}}");
    shows("b.foo[999]", "{\"b\":{\"foo\":[1,2,3]}}", "{\"b\":{\"foo\":[1,2,3]}}");
    assert_int_equal(hits, 0);
}

static void a_member_that_is_not_there_is_not_made(void **state)
{
    (void)state;
    shows("b.nokey", "{\"b\":{\"foo\":1}}", "{\"b\":{\"foo\":1}}"); /* nameko-tracer adds nokey */
    shows("unknown", "{\"b\":1}", "{\"b\":1}");
    assert_int_equal(hits, 0);
}

static void an_index_on_the_way_is_followed(void **state)
{
    (void)state; /* nameko-tracer leaks all three */
    shows("b.foo[0].x", "{\"b\":{\"foo\":[{\"x\":\"s3cret\",\"y\":1}]}}",
          "{\"b\":{\"foo\":[{\"x\":\"********\",\"y\":1}]}}");
    shows("b[0].x", "{\"b\":[{\"x\":\"s3cret\"},{\"x\":2}]}", "{\"b\":[{\"x\":\"********\"},{\"x\":2}]}");
    shows("b[0][0]", "{\"b\":[[\"s3cret\",2],[3]]}", "{\"b\":[[\"********\",2],[3]]}");
    shows("b[1][2][0].x.y[3]", "{\"b\":[0,[0,0,[{\"x\":{\"y\":[0,1,2,3,4]}}]]]}",
          "{\"b\":[0,[0,0,[{\"x\":{\"y\":[0,1,2,\"********\",4]}}]]]}");
}

static void what_a_path_cannot_walk_is_replaced_whole_and_the_record_is_kept(void **state)
{
    (void)state;
    shows("b.x.y", "{\"b\":5,\"c\":6}", "{\"b\":\"********\",\"c\":6}"); /* nameko-tracer: TypeError, no record */
    shows("b.x.y", "{\"b\":null,\"c\":6}", "{\"b\":\"********\",\"c\":6}");
    shows("b.x", "{\"b\":\"x=s3cret\"}", "{\"b\":\"********\"}"); /* leaks there */
    shows("b.x", "{\"b\":[\"s3cret\"]}", "{\"b\":\"********\"}");
    shows("b[0]", "{\"b\":{\"x\":\"s3cret\"}}", "{\"b\":\"********\"}");
    shows("b.foo[0]", "{\"b\":{\"foo\":\"s3cret\"}}", "{\"b\":{\"foo\":\"********\"}}");
}

static void a_path_that_is_a_mistake_hides_everything(void **state)
{
    (void)state; /* nameko-tracer: IndexError, no record */
    static const char *const mistakes[] = {"a,,b", ",",  "a.",   ".a",    "a..b", "a[",    "a[]",
                                           "a[1",  "**", "a.**", "[\"x]", "a]",   "a[1]b", "a*"};
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        shows(mistakes[i], "{\"z\":1}", "\"********\"");
        assert_int_equal(hits, 1);
    }
    shows("", "{\"z\":1}", "{\"z\":1}");
}

static void text_that_is_no_json_is_replaced_whole(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{\"a\":1", "{\"a\":1}}", "{a:1}", "[1,]", "nul", "{\"a\":1} x", "NaN"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        shows("a", bad[i], "\"********\"");
        assert_true(secrets.lost);
    }
    const struct tw_value args[] = {TW_ARG("n", 1), TW_ARG_JSON("body", "{\"password\":", 12), TW_ARG("m", 2)};
    shows_tree(NULL, args, 3, "{\"n\":1,\"body\":\"********\",\"m\":2}");
}

static void wildcards_stand_for_any_member_or_element(void **state)
{
    (void)state;
    shows("b.*", "{\"b\":{\"x\":1,\"y\":[2]},\"c\":3}", "{\"b\":{\"x\":\"********\",\"y\":\"********\"},\"c\":3}");
    shows("b[*].k", "{\"b\":[{\"k\":1},{\"k\":2,\"m\":3}]}",
          "{\"b\":[{\"k\":\"********\"},{\"k\":\"********\",\"m\":3}]}");
    shows("*.token", "{\"a\":{\"token\":1},\"b\":{\"x\":{\"token\":2}}}",
          "{\"a\":{\"token\":\"********\"},\"b\":{\"x\":{\"token\":2}}}");
    shows("b[-1]", "{\"b\":[1,2]}", "{\"b\":[\"********\",\"********\"]}");
}

static void two_stars_stand_for_any_number_of_levels(void **state)
{
    (void)state;
    shows("**.token", "{\"token\":0,\"n\":7,\"a\":{\"token\":1,\"b\":[{\"x\":2,\"token\":{\"y\":3}}]}}",
          "{\"token\":\"********\",\"n\":7,\"a\":{\"token\":\"********\",\"b\":[{\"x\":2,\"token\":\"********\"}]}}");
    assert_int_equal(hits, 3);
    shows("a.**.t[1]", "{\"t\":[1,2],\"a\":{\"t\":[1,2],\"u\":{\"t\":[3,4]}}}",
          "{\"t\":[1,2],\"a\":{\"t\":[1,\"********\"],\"u\":{\"t\":[3,\"********\"]}}}");
}

static void names_may_hold_anything(void **state)
{
    (void)state;
    shows("foo-bar", "{\"foo-bar\":1,\"foo\":2,\"bar\":3}", "{\"foo-bar\":\"********\",\"foo\":2,\"bar\":3}");
    shows("[\"a.b c\"].d", "{\"a.b c\":{\"d\":1},\"a\":{\"b c\":2}}",
          "{\"a.b c\":{\"d\":\"********\"},\"a\":{\"b c\":2}}");
    shows("b.0", "{\"b\":{\"0\":1,\"1\":2}}", "{\"b\":{\"0\":\"********\",\"1\":2}}");
    shows("b.0", "{\"b\":[1,2]}", "{\"b\":[\"********\",2]}");
    shows("\xe3\x83\x8a", "{\"\xe3\x83\x8a\":1}", "{\"\xe3\x83\x8a\":\"********\"}");
    shows("a", "{\"\\u0061\":1}", "{\"a\":\"********\"}"); /* however it is spelt */
}

static void several_paths_work_at_once_and_hits_are_counted(void **state)
{
    (void)state;
    shows("a.b, a.c[1] d\te", "{\"a\":{\"b\":1,\"c\":[2,3],\"f\":4},\"d\":5,\"e\":6,\"g\":7}",
          "{\"a\":{\"b\":\"********\",\"c\":[2,\"********\"],\"f\":4},\"d\":\"********\",\"e\":\"********\",\"g\":7}");
    assert_int_equal(hits, 4);
}

static void a_list_of_records_is_looked_through(void **state)
{
    (void)state;
    shows("password", "[{\"password\":1,\"n\":2},{\"password\":3},4]",
          "[{\"password\":\"********\",\"n\":2},{\"password\":\"********\"},4]");
    shows("[1]", "[1,2]", "[1,\"********\"]");
    shows("password", "\"a result\"", "\"a result\"");
    shows("*", "\"a result\"", "\"********\"");
}

static void a_value_deeper_than_can_be_followed_is_replaced(void **state)
{
    (void)state;
    char json[256] = "";
    for (int i = 0; i < 40; i++) strcat(json, "[");
    for (int i = 0; i < 40; i++) strcat(json, "]");
    shows(NULL, json, json); /* without rules there is nothing to follow */
    read_with("x.y", json);
    assert_string_equal(out + 28, "[[[[\"********\"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
    strcpy(json, "{\"a\":1}");
    for (int i = 0; i < 33; i++) {
        memmove(json + 5, json, strlen(json) + 1);
        memcpy(json, "{\"a\":", 5);
        strcat(json, "}");
    }
    read_with("**.secret", json);
    assert_non_null(strstr(out, "{\"a\":\"********\"}"));
    assert_int_equal(hits, 1);
}

static void trees_are_walked_as_texts_are(void **state)
{
    (void)state;
    const struct tw_value inner[] = {TW_VALUE("s3cret"), TW_VALUE(2.5)};
    const struct tw_value card[] = {TW_ARG("number", "4111"), TW_ARG("cvv", 123), TW_ARG_LIST("list", inner, 2)};
    const struct tw_value args[] = {TW_ARG("n", -5),
                                    TW_ARG("u", 5u),
                                    TW_ARG("ok", (bool)1),
                                    tw_value_null("none"),
                                    TW_ARG_MAP("card", card, 3),
                                    TW_ARG_JSON("j", "{\"cvv\": [1]}", 12),
                                    TW_ARG_BYTES("b", "a\xff", 2)};
    shows_tree("card.number card.list[0] j.cvv[0]", args, 7,
               "{\"n\":-5,\"u\":5,\"ok\":true,\"none\":null,\"card\":{\"number\":\"********\",\"cvv\":123,\"list\":[\"*"
               "*******\",2.5]},"
               "\"j\":{\"cvv\":[\"********\"]},\"b\":\"a\\\\xff\"}");
    assert_int_equal(hits, 3);
}

static void header_names_are_denied_in_any_spelling(void **state)
{
    (void)state;
    struct tw__names denied = {0};
    assert_int_equal(tw__names_add(&denied, tw__names_default), 0);
    assert_true(tw__names_has(&denied, "Authorization", 13));
    assert_true(tw__names_has(&denied, "HTTP_COOKIE", 11));
    assert_true(tw__names_has(&denied, "set_cookie", 10));
    assert_true(tw__names_has(&denied, "nameko.auth_token", 17));
    assert_false(tw__names_has(&denied, "accept", 6));
    assert_int_equal(tw__names_add(&denied, "X-Mine, -cookie"), 0);
    assert_true(tw__names_has(&denied, "x-mine", 6));
    assert_false(tw__names_has(&denied, "Cookie", 6));
    const struct tw_value headers[] = {TW_ARG("Authorization", "Bearer s3cret"), TW_ARG("User-Agent", "curl"),
                                       TW_ARG("X-MINE", 1)};
    const struct tw_value args[] = {TW_ARG_HEADERS("headers", headers, 3)};
    const struct tw_value root = TW_ARG_MAP(NULL, args, 1);
    struct tw__part part = {.denied = &denied};
    struct tw__form form;
    tw__form_begin(&form, TW__FORM_JSON, out, sizeof out, 0);
    tw__part_write(&part, &form, &root);
    out[form.len] = 0;
    assert_string_equal(
        out, "{\"headers\":{\"authorization\":\"********\",\"user_agent\":\"curl\",\"x_mine\":\"********\"}}");
    assert_int_equal(part.hits, 2);
    /* Paths find them by any spelling too. */
    static const char *const spellings[] = {"headers.user_agent", "headers.User-Agent", "headers.user-agent",
                                            "**.USER_AGENT"};
    for (size_t i = 0; i < 4; i++) {
        (void)write_with(spellings[i], &root, TW__FORM_JSON, sizeof out - 1);
        assert_non_null(strstr(out, "\"user_agent\":\"********\""));
    }
    assert_int_equal(tw__names_add(&denied, "-*"), 0);
    assert_false(tw__names_has(&denied, "Authorization", 13));
}

static void what_was_hidden_is_found_in_free_texts(void **state)
{
    (void)state;
    const struct tw_value inner[] = {TW_ARG("a", "hunter"), TW_ARG("pin", 90210)};
    const struct tw_value args[] = {TW_ARG("password", "hunter22"), TW_ARG_MAP("more", inner, 2),
                                    TW_ARG("short", "ab")};
    shows_tree("password more short", args, 3,
               "{\"password\":\"********\",\"more\":\"********\",\"short\":\"********\"}");
    struct tw__part part = {.scrub = &secrets};
    struct tw__form form;
    const char *text = "no hunter22, no hunter: 90210 ab";
    tw__form_begin(&form, TW__FORM_JSON, out, sizeof out, 0);
    tw__part_text(&part, &form, text, strlen(text));
    out[form.len] = 0;
    assert_string_equal(out, "\"no ********, no ********: ******** ab\"");
    assert_int_equal(part.hits, 3);
    char big[600];
    memset(big, 'x', sizeof big);
    tw__secrets_add(&secrets, big, sizeof big);
    assert_true(secrets.lost);
    tw__form_begin(&form, TW__FORM_JSON, out, sizeof out, 0);
    tw__part_text(&part, &form, text, strlen(text));
    out[form.len] = 0;
    assert_string_equal(out, "\"********\"");
}

static void a_text_that_is_cut_is_still_json(void **state)
{
    (void)state;
    const struct tw_value inner[] = {TW_VALUE("\xe3\x83\x8a\xe3\x83\xa1\xe3\x82\xb3 and more of it"), TW_VALUE(12345)};
    const struct tw_value deep[] = {TW_ARG_LIST("list", inner, 2), TW_ARG("n", 1)};
    const struct tw_value args[] = {TW_ARG("first \"name\"", 1.5), TW_ARG_MAP("deep", deep, 2), TW_ARG("last", "x\n")};
    const struct tw_value root = TW_ARG_MAP(NULL, args, 3);
    size_t whole = write_with(NULL, &root, TW__FORM_JSON, sizeof out - 1);
    char before[4096];
    memcpy(before, out, whole + 1);
    for (size_t cap = 2; cap <= whole; cap++) {
        size_t len = write_with(NULL, &root, TW__FORM_JSON, cap);
        assert_true(len <= cap);
        char kept[4096];
        memcpy(kept, out, len + 1);
        const struct tw_value text = TW_ARG_JSON(NULL, kept, len);
        (void)write_with(NULL, &text, TW__FORM_JSON, sizeof out - 1);
        assert_string_equal(out, kept); /* it reads, and says the same */
        if (cap == whole) assert_string_equal(out, before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_replaces_any_value),
        cmocka_unit_test(the_last_index_of_a_path_is_followed),
        cmocka_unit_test(a_member_that_is_not_there_is_not_made),
        cmocka_unit_test(an_index_on_the_way_is_followed),
        cmocka_unit_test(what_a_path_cannot_walk_is_replaced_whole_and_the_record_is_kept),
        cmocka_unit_test(a_path_that_is_a_mistake_hides_everything),
        cmocka_unit_test(text_that_is_no_json_is_replaced_whole),
        cmocka_unit_test(wildcards_stand_for_any_member_or_element),
        cmocka_unit_test(two_stars_stand_for_any_number_of_levels),
        cmocka_unit_test(names_may_hold_anything),
        cmocka_unit_test(several_paths_work_at_once_and_hits_are_counted),
        cmocka_unit_test(a_list_of_records_is_looked_through),
        cmocka_unit_test(a_value_deeper_than_can_be_followed_is_replaced),
        cmocka_unit_test(trees_are_walked_as_texts_are),
        cmocka_unit_test(header_names_are_denied_in_any_spelling),
        cmocka_unit_test(what_was_hidden_is_found_in_free_texts),
        cmocka_unit_test(a_text_that_is_cut_is_still_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
