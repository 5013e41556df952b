/* Drop rules and redaction on batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/rules.h"

static struct tw_text text(const char *words)
{
    return (struct tw_text){words, strlen(words)};
}

static struct tw_tag_value str(const char *key, const char *value)
{
    return (struct tw_tag_value){.key = text(key), .type = TW_TYPE_STR, .text = text(value)};
}

static struct tw__span *add(struct tw__spans *spans, const char *name, const struct tw_tag_value *tags, uint32_t count)
{
    if (spans->resource_count == 0) {
        struct tw_tag_value *service = tw__pool_zeroed(&spans->pool, 1, sizeof *service);
        *service = str("service.name", "shop");
        const struct tw__resource resource = {.tags = service, .tag_count = 1};
        (void)tw__spans_add_resource(spans, &resource);
    }
    struct tw__span *span = tw__spans_add(spans, 0, 0);
    struct tw_tag_value *own = tw__pool_zeroed(&spans->pool, count + 1, sizeof *own);
    assert_non_null(span);
    if (count) memcpy(own, tags, count * sizeof *own);
    span->name = text(name);
    span->tags = own;
    span->tag_count = count;
    span->trace_id[0] = span->span_id[0] = 1;
    span->status_message = span->trace_state = text("");
    return span;
}

static size_t apply(struct tw__spans *spans, const char *drop, const char *redact)
{
    struct tw__rules *rules;
    size_t dropped;
    char why[TW_WHY_MAX];
    assert_int_equal(tw__rules_compile(drop, redact, &rules, why), 0);
    assert_int_equal(tw__rules_apply(rules, spans, &dropped), 0);
    tw__rules_free(rules);
    return dropped;
}

static void same(struct tw_text found, const char *expected)
{
    assert_int_equal(found.len, strlen(expected));
    assert_memory_equal(found.ptr, expected, found.len);
}

static void a_span_that_any_rule_matches_is_left_out(void **state)
{
    const struct tw_tag_value health = str("url.path", "/healthz"), cart = str("url.path", "/cart");
    struct tw__spans spans = {0};
    (void)state;
    (void)add(&spans, "GET", &health, 1);
    (void)add(&spans, "GET", &cart, 1);
    struct tw__span *slow = add(&spans, "POST", NULL, 0);
    slow->end_ns = 300000000;
    slow->status = TW_STATUS_ERROR;
    assert_int_equal(apply(&spans, "url.path=\"/healthz\"\nname=POST status=error duration>200ms", NULL), 2);
    assert_int_equal(spans.count, 1);
    same(spans.items[0].tags[0].text, "/cart");
    assert_int_equal(apply(&spans, "service=shop", NULL), 1);
    tw__spans_fini(&spans);
}

static void a_tag_is_hidden_by_its_key_or_by_the_path_of_its_dots(void **state)
{
    const struct tw_tag_value tags[] = {str("password", "hunter2"), str("http.request.header.cookie", "s=1"),
                                        str("user.name", "ann"), str("plain", "kept")};
    struct tw__spans spans = {0};
    (void)state;
    const struct tw__span *span = add(&spans, "x", tags, 4);
    (void)apply(&spans, NULL, "password, http.request.header.cookie\nuser[\"name\"]");
    span = &spans.items[0];
    same(span->tags[0].text, "********");
    same(span->tags[1].text, "********");
    same(span->tags[2].text, "********");
    same(span->tags[3].text, "kept");
    tw__spans_fini(&spans);
}

static void lists_and_maps_are_written_again_without_what_is_hidden(void **state)
{
    const char json[] = "{\"items\":[{\"token\":\"abc\",\"n\":1},{\"token\":{\"deep\":[1]},\"n\":2.5}],\"ok\":true}";
    struct tw_tag_value tag = {.key = text("body"), .type = TW_TYPE_JSON, .text = text(json)};
    struct tw__spans spans = {0};
    (void)state;
    (void)add(&spans, "x", &tag, 1);
    (void)apply(&spans, NULL, "body.items[*].token");
    same(spans.items[0].tags[0].text,
         "{\"items\":[{\"token\":\"********\",\"n\":1},{\"token\":\"********\",\"n\":2.5}],\"ok\":true}");
    tw__spans_fini(&spans);
}

static void what_was_hidden_is_not_told_by_an_error(void **state)
{
    const struct tw_tag_value tags[] = {str("password", "hunter2"), str("exception.message", "no hunter2, hunter2!")};
    struct tw__spans spans = {0};
    (void)state;
    struct tw__span *span = add(&spans, "x", tags, 2);
    span->status_message = text("bad password hunter2");
    (void)apply(&spans, NULL, "password");
    same(spans.items[0].status_message, "bad password ********");
    same(spans.items[0].tags[1].text, "no ********, ********!");
    tw__spans_fini(&spans);
}

static void a_rule_that_is_not_understood_says_which(void **state)
{
    struct tw__rules *rules = NULL;
    char why[TW_WHY_MAX];
    (void)state;
    assert_true(tw__rules_compile("name=x\nduration>", NULL, &rules, why) < 0);
    assert_non_null(strstr(why, "duration>"));
    assert_true(tw__rules_compile(NULL, "a..b", &rules, why) < 0);
    assert_null(rules);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_that_any_rule_matches_is_left_out),
        cmocka_unit_test(a_tag_is_hidden_by_its_key_or_by_the_path_of_its_dots),
        cmocka_unit_test(lists_and_maps_are_written_again_without_what_is_hidden),
        cmocka_unit_test(what_was_hidden_is_not_told_by_an_error),
        cmocka_unit_test(a_rule_that_is_not_understood_says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
