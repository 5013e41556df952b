/* Each rule of reference 3.7 for central sampling, against a clock and random numbers that the test makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample/rate.h"
#include "sample/xray_central.h"
#include "wire/json_read.h"
#include "wire/term.h"

#define S  ((uint64_t)1000000000)
#define T0 ((uint64_t)1795225800)

static struct tw__limbo limbo;
static struct tw__xray_central central;
static struct tw__buf body;
static uint64_t now; /* seconds */
static uint8_t random_byte;

static void made_random(void *data, void *bytes, size_t len)
{
    (void)data;
    memset(bytes, random_byte, len);
}

static int setup(void **state)
{
    (void)state;
    memset(&limbo, 0, sizeof limbo);
    now = T0;
    random_byte = 0;
    tw__central_init(&central, &limbo, made_random, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tw__limbo_fini(&limbo);
    tw__central_fini(&central);
    tw__buf_fini(&body);
    return 0;
}

static const char *next(void)
{
    tw__buf_reset(&body);
    const char *path = tw__central_next(&central, now * S, &body);
    tw__buf_char(&body, 0);
    return path;
}

static void answer(const char *text)
{
    tw__central_answer(&central, now * S, 200, text, strlen(text));
}

static void assert_asks(const char *path)
{
    const char *asked = next();
    if (!asked) fail_msg("nothing is asked at %llu", (unsigned long long)(now - T0));
    assert_string_equal(asked, path);
}

#define RULE_WITH(name, priority, rate, size, path, more)                                                              \
    "{\"SamplingRule\":{\"RuleName\":\"" name "\",\"RuleARN\":\"arn:aws:xray:us-east-1:1:sampling-rule/" name          \
    "\",\"ResourceARN\":\"*\",\"Priority\":" priority ",\"FixedRate\":" rate ",\"ReservoirSize\":" size                \
    ",\"ServiceName\":\"*\",\"ServiceType\":\"*\",\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"" path             \
    "\",\"Version\":1,\"Attributes\":{}" more "},\"CreatedAt\":0.0,\"ModifiedAt\":1.7E9}"
#define RULE(name, priority, rate, size, path) RULE_WITH(name, priority, rate, size, path, "")
#define RULES(records)                         "{\"SamplingRuleRecords\":[" records "],\"NextToken\":null}"
#define DEFAULT                                RULE("Default", "10000", "0.05", "1", "*")

static void fetch(const char *rules)
{
    assert_asks("/GetSamplingRules");
    answer(rules);
}

static uint8_t never[16];                                              /* taken only at rate 1 */
static uint8_t always[16] = {[9] = 255, 255, 255, 255, 255, 255, 255}; /* taken at any rate but 0 */

static struct tw__sample_decision last;

/* -1: no central rule decides. */
static int decide(const uint8_t *id, const char *path)
{
    struct tw__sample_request request = {.trace_id = id, .path = tw__text_of(path)};
    bool found = false;
    memset(&last, 0, sizeof last);
    bool sampled = tw__central_decide(&central, &request, now, &last, &found);
    return found ? sampled : -1;
}

static void assert_by(const char *rule, enum tw__sample_reason reason)
{
    assert_int_equal(last.rule_len, strlen(rule));
    assert_memory_equal(last.rule, rule, last.rule_len);
    assert_int_equal(last.reason, reason);
}

static struct tw__rule_state *find_state(const char *name)
{
    struct tw__rule_state *state = central.states;
    while (state && !(state->name_len == strlen(name) && memcmp(state->name, name, state->name_len) == 0))
        state = state->next;
    return state;
}

static struct tw__rule_state *state_of(const char *name)
{
    static struct tw__rule_state none;
    struct tw__rule_state *state = find_state(name);
    assert_non_null(state);
    return state ? state : &none;
}

static void the_first_question_is_for_the_rules_and_nobody_decides_before(void **state)
{
    (void)state;
    assert_asks("/GetSamplingRules");
    assert_string_equal(body.ptr, "{}");
    assert_null(next()); /* one question at a time */
    assert_int_equal(decide(always, "/"), -1);
    answer(RULES(DEFAULT));
    assert_int_equal(decide(always, "/"), 1);
    assert_null(next());
}

static void rules_come_again_after_300_seconds_and_at_most_5_more(void **state)
{
    (void)state;
    fetch(RULES(DEFAULT));
    now = T0 + 299;
    assert_null(next());
    random_byte = 255;
    now = T0 + 300;
    fetch(RULES(DEFAULT));
    now = T0 + 600;
    assert_null(next());
    now = T0 + 604;
    assert_null(next());
    now = T0 + 605;
    assert_asks("/GetSamplingRules");
}

static void rules_are_asked_by_priority_then_name_and_default_last(void **state)
{
    (void)state;
    fetch(RULES(DEFAULT "," RULE("zebra", "5", "1", "0", "/a*") "," RULE("late", "9999", "1", "0", "*") "," RULE(
        "ant", "5", "1", "0", "/ab*") "," RULE("first", "1", "1", "0", "/abc") "," RULE("ante", "5", "1", "0",
                                                                                        "/ab*")));
    decide(never, "/abc");
    assert_by("first", TW__BY_RATE);
    decide(never, "/abd");
    assert_by("ant", TW__BY_RATE);
    decide(never, "/axd");
    assert_by("zebra", TW__BY_RATE);
    decide(never, "/");
    assert_by("late", TW__BY_RATE);
    static const char *const order[] = {"first", "ant", "ante", "zebra", "late", "Default"};
    assert_int_equal(central.set->count, 6);
    for (size_t i = 0; i < 6; i++) assert_ptr_equal(central.set->rules[i].state, state_of(order[i]));
}

static void default_fits_everything_even_without_matchers(void **state)
{
    (void)state;
    fetch(RULES("{\"SamplingRule\":{\"RuleName\":\"Default\",\"ResourceARN\":\"*\",\"FixedRate\":1,\"ReservoirSize\":0,"
                "\"Version\":1,"
                "\"Host\":\"nobody\"}}"));
    struct tw__sample_request request = {.trace_id = never, .host = tw__text_of("somebody")};
    bool found;
    assert_true(tw__central_decide(&central, &request, now, &last, &found));
    assert_by("Default", TW__BY_RATE);
}

static void without_a_rule_that_fits_local_rules_decide(void **state)
{
    (void)state;
    fetch(RULES(RULE("a", "1", "1", "1", "/a")));
    assert_int_equal(decide(always, "/b"), -1);
    assert_int_equal(last.rule_len, 0);
    assert_int_equal(decide(always, "/a"), 1);
}

static void all_five_patterns_are_compared(void **state)
{
    (void)state;
    fetch(RULES("{\"SamplingRule\":{\"RuleName\":\"r\",\"ResourceARN\":\"*\",\"Priority\":1,\"FixedRate\":1,"
                "\"ReservoirSize\":0,\"ServiceName\":\"cart?\","
                "\"ServiceType\":\"AWS::EC2::*\",\"Host\":\"*.shop\",\"HTTPMethod\":\"GET\",\"URLPath\":\"/x/"
                "*\",\"Version\":1}}"));
    struct tw__sample_request fits = {.trace_id = never,
                                      .service = tw__text_of("CART1"),
                                      .service_type = tw__text_of("aws::ec2::instance"),
                                      .host = tw__text_of("a.shop"),
                                      .method = tw__text_of("get"),
                                      .path = tw__text_of("/x/")};
    struct tw_text *fields[] = {&fits.service, &fits.service_type, &fits.host, &fits.method, &fits.path};
    bool found;
    assert_true(tw__central_decide(&central, &fits, now, &last, &found));
    for (size_t i = 0; i < 5; i++) {
        struct tw_text saved = *fields[i];
        *fields[i] = tw__text_of("other");
        tw__central_decide(&central, &fits, now, &last, &found);
        assert_false(found);
        *fields[i] = (struct tw_text){NULL, 0};
        assert_true(tw__central_decide(&central, &fits, now, &last, &found)); /* not known: fits */
        *fields[i] = saved;
    }
}

static void rules_that_are_not_for_us_are_ignored(void **state)
{
    (void)state;
    fetch(RULES(
        "{\"SamplingRule\":null},{},{\"SamplingRule\":{\"RuleName\":\"v2\",\"ResourceARN\":\"*\",\"Priority\":1,"
        "\"FixedRate\":1,\"ReservoirSize\":1,"
        "\"ServiceName\":\"*\",\"ServiceType\":\"*\",\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\",\"Version\":"
        "2}},"
        "{\"SamplingRule\":{\"RuleName\":\"arn\",\"ResourceARN\":\"arn:aws:x\",\"Priority\":1,\"FixedRate\":1,"
        "\"ReservoirSize\":1,"
        "\"ServiceName\":\"*\",\"ServiceType\":\"*\",\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\",\"Version\":"
        "1}},"
        "{\"SamplingRule\":{\"RuleName\":\"attributes\",\"ResourceARN\":\"*\",\"Priority\":1,\"FixedRate\":1,"
        "\"ReservoirSize\":1,"
        "\"ServiceName\":\"*\",\"ServiceType\":\"*\",\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\",\"Version\":"
        "1,"
        "\"Attributes\":{\"a\":\"b\"}}}," RULE("wrong", "1", "\"1\"", "1", "*") "," RULE(
            "rate", "1", "1.5", "1",
            "*") "," RULE("a-name-that-is-longer-than-the-32-it-may-have", "1", "1", "1",
                          "*") "," RULE_WITH("boost", "1", "1", "1", "*",
                                             ",\"SamplingRateBoost\":{\"MaxRate\":1,\"CooldownWindowMinutes\":10}")));
    assert_int_equal(central.set->count, 1);
    assert_int_equal(central.stats.ignored, 6);
    assert_int_equal(decide(always, "/"), 1);
    assert_by("boost", TW__BY_BORROWING);
}

static void pages_are_followed_by_their_token(void **state)
{
    (void)state;
    assert_asks("/GetSamplingRules");
    answer("{\"NextToken\":\"a\\\"b\",\"SamplingRuleRecords\":[" RULE("one", "1", "1", "1", "/1") "]}");
    assert_int_equal(decide(always, "/1"), -1);
    assert_asks("/GetSamplingRules");
    assert_string_equal(body.ptr, "{\"NextToken\":\"a\\\"b\"}");
    now += 5;
    answer(RULES(RULE("two", "1", "1", "1", "/2")));
    assert_int_equal(decide(always, "/1"), 1);
    assert_int_equal(decide(always, "/2"), 1);
    now = T0 + 3599;
    assert_int_equal(decide(always, "/1"), 1);
    now = T0 + 3600; /* since the fetch began */
    assert_int_equal(decide(always, "/1"), -1);
}

static void rules_count_for_an_hour_and_then_local_ones_decide(void **state)
{
    (void)state;
    fetch(RULES(DEFAULT));
    for (now = T0 + 300; now < T0 + 3600; now++) {
        if (next()) tw__central_failed(&central, now * S, "refused");
        assert_int_not_equal(decide(always, "/"), -1);
    }
    assert_int_equal(decide(always, "/"), -1);
    assert_true(central.stats.failures > 10);
    now += 400;
    while (!next() || strcmp(central.asked == TW__ASKED_RULES ? "r" : "t", "r") != 0)
        if (central.asked == TW__ASKED_TARGETS) tw__central_failed(&central, now * S, "refused");
    answer(RULES(DEFAULT));
    assert_int_equal(decide(always, "/"), 1);
}

static void a_fetch_that_fails_is_tried_again_ever_later(void **state)
{
    (void)state;
    static const uint64_t waits[] = {5, 10, 20, 40, 80, 160, 300, 300};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        assert_asks("/GetSamplingRules");
        if (i == 2)
            tw__central_answer(&central, now * S, 503, "", 0);
        else if (i == 3)
            answer("{\"SamplingRuleRecords\":[tru]}");
        else
            tw__central_failed(&central, now * S, "refused");
        now += waits[i] - 1;
        assert_null(next());
        now++;
    }
    assert_string_equal(central.problem, "/GetSamplingRules: refused");
    fetch(RULES(DEFAULT));
    assert_string_equal(central.problem, "");
}

static void borrowing_is_one_a_second_while_there_is_no_quota(void **state)
{
    (void)state;
    fetch(RULES(RULE("some", "1", "0", "50", "/some") "," RULE("none", "1", "0", "0", "/none")));
    for (int second = 0; second < 3; second++, now++) {
        assert_int_equal(decide(always, "/some"), 1);
        assert_by("some", TW__BY_BORROWING);
        for (int i = 0; i < 5; i++) assert_int_equal(decide(always, "/some"), 0);
        assert_by("some", TW__BY_RATE);
        assert_int_equal(decide(always, "/none"), 0); /* no reservoir: nothing to borrow from */
        assert_by("none", TW__BY_RATE);
    }
    assert_int_equal(state_of("some")->requests, 18);
    assert_int_equal(state_of("some")->borrowed, 3);
    assert_int_equal(state_of("some")->sampled, 0); /* the SDKs do not count what was borrowed as sampled */
}

static void a_rate_decides_by_the_trace_id(void **state)
{
    (void)state;
    fetch(RULES(RULE("half", "1", "0.5", "0", "*")));
    uint8_t above[16] = {[9] = 0x80}, below[16] = {[9] = 0x7f};
    assert_int_equal(decide(above, "/"), 1);
    assert_int_equal(decide(below, "/"), 0);
    assert_int_equal(state_of("half")->sampled, 1);
}

static void targets(const char *text)
{
    while (now < T0 + 100000 && !(next() && central.asked == TW__ASKED_TARGETS)) {
        if (central.asked == TW__ASKED_RULES) fail_msg("rules are asked for");
        now++;
    }
    if (text) answer(text);
}

static void a_report_is_what_was_captured_from_an_sdk(void **state)
{
    (void)state;
    random_byte = 0x2f;
    tw__central_init(&central, &limbo, made_random, NULL);
    fetch(RULES(RULE("all", "1", "1", "1", "*")));
    now++;
    decide(never, "/");
    decide(never, "/");
    now = 1795225842;
    assert_asks("/SamplingTargets");
    assert_string_equal(
        body.ptr, "{\"SamplingStatisticsDocuments\":[{\"RuleName\":\"all\",\"ClientID\":\"2f2f2f2f2f2f2f2f2f2f2f2f\","
                  "\"RequestCount\":2,\"BorrowCount\":1,\"SampledCount\":1,\"Timestamp\":1795225842}]}");
    assert_int_equal(state_of("all")->requests, 0);
    assert_int_equal(state_of("all")->borrowed, 0);
    assert_int_equal(state_of("all")->sampled, 0);
}

static void reports_are_due_every_ten_seconds_for_rules_that_were_used(void **state)
{
    (void)state;
    random_byte = 255;
    fetch(RULES(RULE("a", "1", "0", "0", "/a") "," RULE("b", "2", "0", "0", "/b")));
    for (; now < T0 + 15; now++) assert_null(next()); /* no rule was used */
    decide(never, "/b");
    for (; now < T0 + 22; now++) assert_null(next()); /* looked at 11, then 10.1 s later */
    assert_asks("/SamplingTargets");
    assert_null(strstr(body.ptr, "\"a\""));
    assert_non_null(strstr(body.ptr, "{\"RuleName\":\"b\""));
    answer("{\"SamplingTargetDocuments\":[]}");
    decide(never, "/a");
    now += 10;
    assert_null(next());
    now++;
    assert_asks("/SamplingTargets");
    assert_non_null(strstr(body.ptr, "{\"RuleName\":\"a\""));
    assert_null(strstr(body.ptr, "\"b\""));
}

static void a_quota_is_taken_each_second_until_it_expires_and_then_borrowed(void **state)
{
    (void)state;
    char text[300];
    fetch(RULES(RULE("r", "1", "0", "50", "*")));
    decide(never, "/");
    targets(NULL);
    uint64_t ttl = now + 3;
    (void)snprintf(text, sizeof text,
                   "{\"SamplingTargetDocuments\":[{\"RuleName\":\"r\",\"FixedRate\":0.0,\"ReservoirQuota\":4,"
                   "\"ReservoirQuotaTTL\":%llu.5,"
                   "\"Interval\":10}],\"LastRuleModification\":1.0E9,\"UnprocessedStatistics\":[]}",
                   (unsigned long long)ttl);
    answer(text);
    for (now++; now <= ttl; now++) { /* fresh as long as the TTL is not past */
        int taken = 0;
        for (int i = 0; i < 10; i++) taken += decide(always, "/") == 1;
        assert_int_equal(taken, 4);
    }
    assert_int_equal(state_of("r")->sampled, 12);
    assert_int_equal(state_of("r")->borrowed, 0);
    assert_int_equal(decide(always, "/"), 1);
    assert_by("r", TW__BY_BORROWING);
    assert_int_equal(decide(always, "/"), 0);
}

static void a_quota_of_nothing_does_not_borrow(void **state)
{
    (void)state;
    fetch(RULES(RULE("r", "1", "0", "50", "*")));
    decide(never, "/");
    targets("{\"SamplingTargetDocuments\":[{\"RuleName\":\"r\",\"ReservoirQuota\":0,\"ReservoirQuotaTTL\":4.0E9}]}");
    now++;
    assert_int_equal(decide(always, "/"), 0);
    assert_by("r", TW__BY_RATE);
}

static void what_is_missing_in_a_target_stays(void **state)
{
    (void)state;
    fetch(RULES(RULE("r", "1", "0", "50", "*")));
    decide(never, "/");
    targets("{\"SamplingTargetDocuments\":[{\"RuleName\":\"r\",\"FixedRate\":0.5,\"ReservoirQuota\":7,"
            "\"ReservoirQuotaTTL\":4.0E9,\"Interval\":20},"
            "{\"RuleName\":\"unknown\",\"FixedRate\":1}]}");
    decide(never, "/");
    uint64_t reported = now;
    targets("{\"SamplingTargetDocuments\":[{\"RuleName\":\"r\",\"ReservoirQuotaTTL\":null,\"FixedRate\":\"x\","
            "\"Interval\":0}]}");
    assert_int_equal(now, reported + 20); /* the rule's own interval */
    assert_true(state_of("r")->quota == ((uint64_t)4000000000u << 32 | 7));
    assert_true(state_of("r")->threshold == tw__rate_threshold(0.5));
    assert_int_equal(state_of("r")->interval_s, 20);
}

static void a_report_that_fails_is_counted_again(void **state)
{
    (void)state;
    fetch(RULES(RULE("r", "1", "1", "1", "*")));
    for (int i = 0; i < 5; i++) decide(never, "/");
    targets(NULL);
    decide(never, "/");
    decide(never, "/");
    tw__central_answer(&central, now * S, 500, "oops", 4);
    assert_int_equal(state_of("r")->requests, 7);
    assert_int_equal(state_of("r")->borrowed, 2);
    assert_int_equal(state_of("r")->sampled, 5);
    uint64_t before = now;
    targets(NULL);
    assert_int_equal(now, before + 10);
    assert_non_null(strstr(body.ptr, "\"RequestCount\":7"));
    answer("{\"SamplingTargetDocuments\":"); /* not understood: the same */
    assert_int_equal(state_of("r")->requests, 7);
    assert_string_equal(
        central.problem,
        "/SamplingTargets: line 1, column 28: SamplingTargetDocuments: the text ends before its brackets are closed");
}

static void unprocessed_statistics_of_5xx_count_again_and_4xx_fetch_the_rules(void **state)
{
    (void)state;
    fetch(RULES(RULE("a", "1", "0", "0", "/a") "," RULE("b", "2", "0", "0", "/b")));
    decide(never, "/a");
    decide(never, "/b");
    targets("{\"SamplingTargetDocuments\":[],\"UnprocessedStatistics\":[{\"RuleName\":\"a\",\"ErrorCode\":\"500\","
            "\"Message\":\"later\"}]}");
    assert_int_equal(state_of("a")->requests, 1);
    assert_int_equal(state_of("b")->requests, 0);
    assert_int_equal(central.stats.unprocessed, 1);
    assert_null(next());
    targets("{\"SamplingTargetDocuments\":[],\"UnprocessedStatistics\":[{\"RuleName\":\"a\",\"ErrorCode\":\"400\","
            "\"Message\":\"unknown\"}]}");
    assert_int_equal(state_of("a")->requests, 0);
    assert_asks("/GetSamplingRules");
}

static void modified_rules_are_fetched_at_once_but_not_again_and_again(void **state)
{
    (void)state;
    char text[128];
    fetch(RULES(RULE("r", "1", "0", "0", "*")));
    decide(never, "/");
    targets("{\"SamplingTargetDocuments\":[],\"LastRuleModification\":1795225799}"); /* older than our copy */
    assert_null(next());
    decide(never, "/");
    (void)snprintf(text, sizeof text, "{\"SamplingTargetDocuments\":[],\"LastRuleModification\":%llu}",
                   (unsigned long long)now + 500);
    targets(text);
    fetch(RULES(RULE("r", "1", "1", "0", "*")));
    assert_int_equal(decide(never, "/"), 1);
    targets(text); /* the server's clock is ahead: still newer, but known */
    assert_null(next());
}

static void counts_and_quotas_survive_new_rules(void **state)
{
    (void)state;
    fetch(RULES(RULE("r", "1", "0", "9", "*") "," RULE("gone", "2", "0", "9", "*")));
    decide(never, "/");
    targets("{\"SamplingTargetDocuments\":[{\"RuleName\":\"r\",\"ReservoirQuota\":3,\"ReservoirQuotaTTL\":4.0E9,"
            "\"FixedRate\":0.25}]}");
    decide(never, "/");
    central.rules_due_ns = 0;
    fetch(RULES(RULE("r", "8", "0.75", "9", "*")));
    assert_int_equal(state_of("r")->requests, 1);
    assert_true(state_of("r")->quota == ((uint64_t)4000000000u << 32 | 3));
    assert_true(state_of("r")->threshold ==
                tw__rate_threshold(0.75)); /* the rule's own again, until the next targets */
    assert_non_null(find_state("gone"));   /* of the old set */
    next();
    assert_null(find_state("gone"));
    assert_int_equal(limbo.count, 0);
}

static void more_than_25_rules_are_reported_in_several_documents(void **state)
{
    (void)state;
    char *text = malloc(60000), path[16];
    size_t at = (size_t)sprintf(text, "{\"SamplingRuleRecords\":[");
    for (int i = 0; i < 30; i++)
        at += (size_t)sprintf(text + at,
                              "%s{\"SamplingRule\":{\"RuleName\":\"rule%d\",\"ResourceARN\":\"*\",\"Priority\":%d,"
                              "\"FixedRate\":0,\"ReservoirSize\":0,"
                              "\"ServiceName\":\"*\",\"ServiceType\":\"*\",\"Host\":\"*\",\"HTTPMethod\":\"*\","
                              "\"URLPath\":\"/%d\",\"Version\":1}}",
                              i ? "," : "", i, i + 1, i);
    sprintf(text + at, "]}");
    fetch(text);
    free(text);
    for (int i = 0; i < 30; i++) {
        (void)snprintf(path, sizeof path, "/%d", i);
        assert_int_equal(decide(never, path), 0);
    }
    int documents = 0, reported = 0;
    targets(NULL);
    do {
        for (const char *p = body.ptr; (p = strstr(p, "RuleName")); p++) reported++;
        assert_int_equal(reported, documents == 0 ? 25 : 30);
        documents++;
        answer("{\"SamplingTargetDocuments\":[]}");
    } while (next());
    assert_int_equal(documents, 2);
}

static void old_sets_wait_while_somebody_is_inside_and_their_number_is_bounded(void **state)
{
    (void)state;
    fetch(RULES(DEFAULT));
    uint32_t ticket = tw__limbo_enter(&limbo);
    for (int i = 0; i < TW__LIMBO_MAX; i++) {
        central.rules_due_ns = 0;
        fetch(RULES(DEFAULT));
        assert_int_equal(limbo.count, i + 1);
    }
    struct tw__central_set *set = central.set;
    central.rules_due_ns = 0;
    fetch(RULES(RULE("new", "1", "1", "0", "*")));
    assert_ptr_equal(central.set, set); /* kept: a ninth old set could not be kept safely */
    assert_int_equal(central.stats.postponed, 1);
    tw__limbo_leave(&limbo, ticket);
    now += 10;
    fetch(RULES(RULE("new", "1", "1", "0", "*")));
    assert_ptr_not_equal(central.set, set);
    next();
    assert_int_equal(limbo.count, 0);
}

static void a_clock_that_was_set_back_does_not_stop_the_questions(void **state)
{
    (void)state;
    fetch(RULES(DEFAULT));
    now -= 86400;
    assert_asks("/GetSamplingRules");
    answer(RULES(DEFAULT));
    decide(always, "/");
    assert_asks("/SamplingTargets");
}

static void a_forked_child_is_another_client(void **state)
{
    (void)state;
    fetch(RULES(RULE("r", "1", "0", "9", "*")));
    decide(never, "/");
    targets("{\"SamplingTargetDocuments\":[{\"RuleName\":\"r\",\"ReservoirQuota\":3,\"ReservoirQuotaTTL\":4.0E9}]}");
    decide(never, "/");
    targets(NULL);
    random_byte = 0x77;
    uint32_t inside_parent = tw__limbo_enter(&limbo);
    tw__limbo_after_fork(&limbo);
    tw__central_after_fork(&central, now * S);
    assert_memory_equal(central.client_id, "777777777777777777777777", 24);
    now += 60;
    assert_null(next()); /* nothing is in flight, nothing was counted */
    decide(never, "/");
    assert_by("r", TW__BY_BORROWING);
    central.rules_due_ns = 0;
    fetch(RULES(RULE("r", "1", "0", "9", "*")));
    next();
    assert_int_equal(limbo.count, 0); /* who was inside in the parent does not count here */
    tw__limbo_leave(&limbo, inside_parent);
}

static void answers_that_are_not_asked_for_change_nothing(void **state)
{
    (void)state;
    answer(RULES(DEFAULT));
    assert_null(central.set);
    tw__central_failed(&central, now * S, "x");
    assert_int_equal(central.stats.failures, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_question_is_for_the_rules_and_nobody_decides_before),
        TEST(rules_come_again_after_300_seconds_and_at_most_5_more),
        TEST(rules_are_asked_by_priority_then_name_and_default_last),
        TEST(default_fits_everything_even_without_matchers),
        TEST(without_a_rule_that_fits_local_rules_decide),
        TEST(all_five_patterns_are_compared),
        TEST(rules_that_are_not_for_us_are_ignored),
        TEST(pages_are_followed_by_their_token),
        TEST(rules_count_for_an_hour_and_then_local_ones_decide),
        TEST(a_fetch_that_fails_is_tried_again_ever_later),
        TEST(borrowing_is_one_a_second_while_there_is_no_quota),
        TEST(a_rate_decides_by_the_trace_id),
        TEST(a_report_is_what_was_captured_from_an_sdk),
        TEST(reports_are_due_every_ten_seconds_for_rules_that_were_used),
        TEST(a_quota_is_taken_each_second_until_it_expires_and_then_borrowed),
        TEST(a_quota_of_nothing_does_not_borrow),
        TEST(what_is_missing_in_a_target_stays),
        TEST(a_report_that_fails_is_counted_again),
        TEST(unprocessed_statistics_of_5xx_count_again_and_4xx_fetch_the_rules),
        TEST(modified_rules_are_fetched_at_once_but_not_again_and_again),
        TEST(counts_and_quotas_survive_new_rules),
        TEST(more_than_25_rules_are_reported_in_several_documents),
        TEST(old_sets_wait_while_somebody_is_inside_and_their_number_is_bounded),
        TEST(a_clock_that_was_set_back_does_not_stop_the_questions),
        TEST(a_forked_child_is_another_client),
        TEST(answers_that_are_not_asked_for_change_nothing),
    };
    return cmocka_run_group_tests_name("xray_central", tests, NULL, NULL);
}
