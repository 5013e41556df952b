#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample/xray_rules.h"
#include "wire/term.h"

#define DEFAULT "\"default\":{\"fixed_target\":1,\"rate\":0.05}"
#define RULE(host, method, path, target, rate)                                                                         \
    "{\"description\":\"x\",\"host\":\"" host "\",\"http_method\":\"" method "\",\"url_path\":\"" path                 \
    "\",\"fixed_target\":" target ",\"rate\":" rate "}"

static struct tw__xray_rules rules;
static struct tw__problem problem;

static int parse(const char *text)
{
    memset(&rules, 0, sizeof rules);
    memset(&problem, 0, sizeof problem);
    return tw__xray_rules_parse(&rules, text, strlen(text), &problem);
}

static void must_parse(const char *text)
{
    char why[256];
    int result = parse(text);
    tw__problem_text(&problem, why, sizeof why);
    if (result != 0) fail_msg("%s: %d %s", text, result, why);
}

static uint8_t never[16];                                              /* low bits 0: taken only at rate 1 */
static uint8_t always[16] = {[9] = 255, 255, 255, 255, 255, 255, 255}; /* taken at any rate but 0 */

static struct tw__sample_request request(const uint8_t *id, const char *host, const char *method, const char *path)
{
    return (struct tw__sample_request){
        .trace_id = id, .host = tw__text_of(host), .method = tw__text_of(method), .path = tw__text_of(path)};
}

static bool decide(struct tw__sample_request r, uint64_t second, enum tw__sample_reason *reason)
{
    return tw__xray_rules_decide(&rules, &r, second, reason);
}

static void the_first_rule_that_fits_decides(void **state)
{
    (void)state;
    enum tw__sample_reason reason;
    must_parse("{\"version\":2,\"rules\":[" RULE("*", "GET", "/health", "0", "0") "," RULE(
        "*.shop", "P?ST", "/cart/*", "0", "1") "," RULE("*", "*", "/cart/*", "0", "0") "]," DEFAULT "}");
    assert_int_equal(rules.count, 3);
    assert_false(decide(request(always, "a.shop", "get", "/HEALTH"), 1, &reason));
    assert_true(decide(request(never, "A.SHOP", "post", "/Cart/1"), 1, &reason));
    assert_int_equal(reason, TW__BY_RATE);
    assert_false(decide(request(always, "b", "POST", "/cart/1"), 1, &reason));
    assert_true(decide(request(never, "b", "POST", "/other"), 1, &reason)); /* default: the first of the second */
    assert_int_equal(reason, TW__BY_RESERVOIR);
    assert_false(decide(request(never, "b", "POST", "/other"), 1, &reason));
    assert_true(decide(request(always, "b", "POST", "/other"), 1, &reason)); /* default: by rate */
    assert_int_equal(reason, TW__BY_RATE);
    tw__xray_rules_fini(&rules);
}

static void what_the_request_does_not_have_fits(void **state)
{
    (void)state;
    enum tw__sample_reason reason;
    must_parse(
        "{\"version\":2,\"rules\":[" RULE("h", "GET", "/p", "0", "1") "],\"default\":{\"fixed_target\":0,\"rate\":0}}");
    assert_true(decide(request(never, "", "", ""), 1, &reason));
    assert_true(decide(request(never, "h", "", "/p"), 1, &reason));
    assert_false(decide(request(always, "h", "", "/q"), 1, &reason));
    tw__xray_rules_fini(&rules);
}

static void the_fixed_target_is_per_rule_and_second(void **state)
{
    (void)state;
    enum tw__sample_reason reason;
    must_parse("{\"version\":2,\"rules\":[" RULE("*", "*", "/a", "3", "0") "," RULE("*", "*", "/b", "1",
                                                                                    "0") "]," DEFAULT "}");
    for (uint64_t second = 10; second < 13; second++) {
        int a = 0, b = 0;
        for (int i = 0; i < 10; i++) {
            a += decide(request(never, "h", "GET", "/a"), second, &reason);
            b += decide(request(never, "h", "GET", "/b"), second, &reason);
        }
        assert_int_equal(a, 3);
        assert_int_equal(b, 1);
    }
    tw__xray_rules_fini(&rules);
}

static void without_a_file_it_is_one_a_second_and_five_percent(void **state)
{
    (void)state;
    enum tw__sample_reason reason;
    tw__xray_rules_builtin(&rules);
    assert_true(decide(request(never, "h", "GET", "/"), 5, &reason));
    assert_false(decide(request(never, "h", "GET", "/"), 5, &reason));
    int taken = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t id[16] = {0};
        id[9] = (uint8_t)(i * 256 / 1000);
        id[10] = (uint8_t)(i * 65536 / 1000);
        taken += decide(request(id, "h", "GET", "/"), 5, &reason);
    }
    assert_in_range(taken, 48, 52);
    tw__xray_rules_fini(&rules);
}

static void version_1_says_service_name_for_host(void **state)
{
    (void)state;
    enum tw__sample_reason reason;
    must_parse("{\"rules\":[{\"service_name\":\"*.a\",\"http_method\":\"*\",\"url_path\":\"*\",\"fixed_target\":0,"
               "\"rate\":1}],"
               "\"default\":{\"fixed_target\":0,\"rate\":0},\"version\":1}");
    assert_true(decide(request(never, "x.a", "GET", "/"), 1, &reason));
    assert_false(decide(request(never, "x.b", "GET", "/"), 1, &reason));
    tw__xray_rules_fini(&rules);
    assert_int_equal(parse("{\"version\":1,\"rules\":[" RULE("*", "*", "*", "0", "1") "]," DEFAULT "}"), TW_ERR_SYNTAX);
    assert_string_equal(problem.why, "\"service_name\" is missing");
}

static void what_is_not_needed_may_be_missing_or_unknown(void **state)
{
    (void)state;
    must_parse("{\"version\":2," DEFAULT "}");
    assert_int_equal(rules.count, 0);
    tw__xray_rules_fini(&rules);
    must_parse("{\"version\":2.0,\"comment\":{\"a\":[1,\"\\u00e9\"]},\"rules\":[],\"default\":{\"fixed_target\":2.0,"
               "\"rate\":7,\"x\":{\"rate\":-1}}}");
    assert_int_equal(rules.fallback.fixed_target, 2);
    assert_true(rules.fallback.threshold == 0); /* a rate above 1 is 1 */
    tw__xray_rules_fini(&rules);
    must_parse("{\"version\":2,\"rules\":[" RULE("h\\u00e9\\n", "*", "*", "0", "1") "]," DEFAULT "}");
    assert_int_equal(rules.items[0].host.len, 4);
    assert_memory_equal(rules.items[0].host.ptr, "h\xc3\xa9\n", 4);
    tw__xray_rules_fini(&rules);
}

static void assert_refused(const char *text, int error, const char *expected)
{
    char why[256];
    int result = parse(text);
    tw__problem_text(&problem, why, sizeof why);
    if (result != error) fail_msg("%s: %d %s", text, result, why);
    assert_string_equal(why, expected);
    assert_null(rules.items);
}

static void an_error_names_line_column_and_field(void **state)
{
    (void)state;
    assert_refused("{\n  \"version\": 2,\n  \"rules\": [\n    " RULE("*", "*", "*", "1", "-0.5") "],\n" DEFAULT "}",
                   TW_ERR_RANGE, "line 4, column 92: rules[0].rate: must not be negative");
    assert_refused("{\"version\":2,\"rules\":[{}]," DEFAULT "}", TW_ERR_SYNTAX,
                   "line 1, column 23: rules[0]: \"host\" is missing");
    assert_refused("{\"version\":2,\"rules\":[" RULE("*", "*", "*", "1", "1") ",5]," DEFAULT "}", TW_ERR_SYNTAX,
                   "line 1, column 113: rules[1]: must be an object");
    assert_refused("{\"version\":3," DEFAULT "}", TW_ERR_VERSION, "line 1, column 12: version: must be 1 or 2");
    assert_refused("{\"version\":\"2\"," DEFAULT "}", TW_ERR_SYNTAX, "line 1, column 12: version: must be a number");
    assert_refused("{" DEFAULT "}", TW_ERR_VERSION, "line 1, column 1: \"version\" is missing");
    assert_refused("{\"version\":2}", TW_ERR_SYNTAX, "line 1, column 1: \"default\" is missing");
    assert_refused("{\"version\":2,\"default\":{\"fixed_target\":1}}", TW_ERR_SYNTAX,
                   "line 1, column 24: default: \"rate\" is missing");
    assert_refused("{\"version\":2,\"default\":{\"rate\":1}}", TW_ERR_SYNTAX,
                   "line 1, column 24: default: \"fixed_target\" is missing");
    assert_refused("{\"version\":2,\"default\":{\"fixed_target\":1,\"rate\":1,\"url_path\":\"*\"}}", TW_ERR_SYNTAX,
                   "line 1, column 51: default.url_path: the default rule may not have it");
    assert_refused("{\"version\":2,\"default\":{\"fixed_target\":1,\"rate\":1,\"rate\":1}}", TW_ERR_SYNTAX,
                   "line 1, column 51: default.rate: given twice");
    assert_refused("{\"version\":2,\"default\":{\"fixed_target\":-1,\"rate\":1}}", TW_ERR_RANGE,
                   "line 1, column 40: default.fixed_target: must not be negative");
    assert_refused("{\"version\":2,\"default\":{\"fixed_target\":1.5,\"rate\":1}}", TW_ERR_RANGE,
                   "line 1, column 40: default.fixed_target: must be a whole number");
    assert_refused("{\"version\":2,\"default\":{\"fixed_target\":1e10,\"rate\":1}}", TW_ERR_RANGE,
                   "line 1, column 40: default.fixed_target: too large");
    assert_refused("{\"version\":2,\"rules\":{}," DEFAULT "}", TW_ERR_SYNTAX,
                   "line 1, column 22: rules: must be an array");
    assert_refused("{\"version\":2,\"default\":null}", TW_ERR_SYNTAX, "line 1, column 24: default: must be an object");
    assert_refused("{\"version\":2,\"version\":2," DEFAULT "}", TW_ERR_SYNTAX,
                   "line 1, column 14: version: given twice");
    assert_refused("[]", TW_ERR_SYNTAX, "line 1, column 1: must be an object");
    assert_refused("", TW_ERR_SYNTAX, "line 1, column 1: there is no value");
    assert_refused("{\"version\":2," DEFAULT "} x", TW_ERR_SYNTAX,
                   "line 1, column 56: something follows after the end");
    assert_refused("{\"version\":2,\"rules\":[{\"host\":5}]," DEFAULT "}", TW_ERR_SYNTAX,
                   "line 1, column 31: rules[0].host: must be a string");
    assert_refused("{\"version\":2,\n\"rules\":[{\"host\":tru}]," DEFAULT "}", TW_ERR_SYNTAX,
                   "line 2, column 18: rules: no value begins like this");
}

static void limits_hold_on_both_sides(void **state)
{
    (void)state;
    static const char rule[] = RULE("*", "*", "*", "1", "1");
    char *text = malloc(200 + (TW__XRAY_RULES_MAX + 1) * sizeof rule);
    for (int n = TW__XRAY_RULES_MAX; n <= TW__XRAY_RULES_MAX + 1; n++) {
        size_t at = (size_t)sprintf(text, "{\"version\":2,\"rules\":[");
        for (int i = 0; i < n; i++) at += (size_t)sprintf(text + at, "%s%s", i ? "," : "", rule);
        sprintf(text + at, "]," DEFAULT "}");
        assert_int_equal(parse(text), n == TW__XRAY_RULES_MAX ? 0 : TW_ERR_SPACE);
        if (n == TW__XRAY_RULES_MAX) tw__xray_rules_fini(&rules);
    }
    for (size_t len = TW__XRAY_TEXT_MAX; len <= TW__XRAY_TEXT_MAX + 1; len++) {
        size_t at = (size_t)sprintf(text, "{\"version\":2," DEFAULT
                                          ",\"rules\":[{\"http_method\":\"*\",\"url_path\":\"*\",\"fixed_target\":1,"
                                          "\"rate\":1,\"host\":\"");
        memset(text + at, 'h', len);
        strcpy(text + at + len, "\"}]}");
        assert_int_equal(parse(text), len == TW__XRAY_TEXT_MAX ? 0 : TW_ERR_SPACE);
        if (len == TW__XRAY_TEXT_MAX) tw__xray_rules_fini(&rules);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_rule_that_fits_decides),
        cmocka_unit_test(what_the_request_does_not_have_fits),
        cmocka_unit_test(the_fixed_target_is_per_rule_and_second),
        cmocka_unit_test(without_a_file_it_is_one_a_second_and_five_percent),
        cmocka_unit_test(version_1_says_service_name_for_host),
        cmocka_unit_test(what_is_not_needed_may_be_missing_or_unknown),
        cmocka_unit_test(an_error_names_line_column_and_field),
        cmocka_unit_test(limits_hold_on_both_sides),
    };
    return cmocka_run_group_tests_name("xray_rules", tests, NULL, NULL);
}
