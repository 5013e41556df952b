/* The sampler as a whole. Runs under TSAN: threads decide while rules and configuration change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomics.h"
#include "sample/sampler.h"
#include "wire/term.h"

#define S   ((uint64_t)1000000000)
#define NOW (1795225800 * S)
#define CENTRAL                                                                                                        \
    "{\"SamplingRuleRecords\":[{\"SamplingRule\":{\"RuleName\":\"Default\",\"ResourceARN\":\"*\",\"FixedRate\":0,"     \
    "\"ReservoirSize\":1,"                                                                                             \
    "\"Version\":1}}]}"
#define LOCAL "{\"version\":2,\"rules\":[],\"default\":{\"fixed_target\":2,\"rate\":0}}"

static struct tw__sampler sampler;
static char why[TW_WHY_MAX];
static uint8_t never[16];
static uint8_t always[16] = {[9] = 255, 255, 255, 255, 255, 255, 255};

static int setup(void **state)
{
    (void)state;
    tw__sampler_init(&sampler, NULL, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tw__sampler_fini(&sampler);
    return 0;
}

static bool decide(const uint8_t *id, enum tw__sample_parent parent)
{
    struct tw__sample_request request = {.trace_id = id, .parent = parent};
    return tw__sampler_decide(&sampler, &request, NOW);
}

static void must_load(const char *text, const char *argument)
{
    int result = tw__sampler_load(&sampler, text, argument, why);
    if (result != 0) fail_msg("%s: %d %s", text, result, why);
}

static void at_first_everything_is_sampled_but_what_the_parent_refused(void **state)
{
    (void)state;
    assert_true(decide(never, TW__PARENT_NONE));
    assert_true(decide(never, TW__PARENT_SAMPLED));
    assert_false(decide(never, TW__PARENT_NOT_SAMPLED));
    assert_true(tw__sampler_can_sample(&sampler));
}

static void assert_config(const char *text, const char *argument, enum tw__sampler_kind kind, bool parent_based,
                          double rate)
{
    struct tw__sampler_config config = {.kind = TW__SAMPLER_LOCAL};
    if (tw__sampler_config_parse(text, argument, &config, why) != 0) fail_msg("%s: %s", text, why);
    assert_int_equal(config.kind, kind);
    assert_int_equal(config.parent_based, parent_based);
    assert_true(config.rate >= rate && config.rate <= rate);
    assert_string_equal(why, "");
}

static void every_form_of_configuration_is_read(void **state)
{
    (void)state;
    assert_config("rate=0.1", NULL, TW__SAMPLER_RATE, true, 0.1);
    assert_config(" Rate=1 ", NULL, TW__SAMPLER_RATE, true, 1);
    assert_config("always_on", "0.5", TW__SAMPLER_RATE, false, 1);
    assert_config("ALWAYS_OFF", NULL, TW__SAMPLER_RATE, false, 0);
    assert_config("traceidratio", "0.25", TW__SAMPLER_RATE, false, 0.25);
    assert_config("traceidratio", NULL, TW__SAMPLER_RATE, false, 1);
    assert_config("traceidratio", "", TW__SAMPLER_RATE, false, 1);
    assert_config("parentbased_always_on", NULL, TW__SAMPLER_RATE, true, 1);
    assert_config("parentbased_always_off", NULL, TW__SAMPLER_RATE, true, 0);
    assert_config("parentbased_traceidratio", " 1e-3\n", TW__SAMPLER_RATE, true, 0.001);
    assert_config("xray-central", NULL, TW__SAMPLER_CENTRAL, true, 1);
    assert_config("xray", "endpoint=http://localhost:2000", TW__SAMPLER_CENTRAL, true, 1);
    struct tw__sampler_config config;
    assert_int_equal(tw__sampler_config_parse("xray:/etc/Rules.json", NULL, &config, why), 0);
    assert_int_equal(config.kind, TW__SAMPLER_LOCAL);
    assert_string_equal(config.path, "/etc/Rules.json");
    assert_int_equal(tw__sampler_config_parse("xray-central:r", NULL, &config, why), 0);
    assert_int_equal(config.kind, TW__SAMPLER_CENTRAL);
    assert_string_equal(config.path, "r");
}

static void assert_refused(const char *text, int error, const char *expected)
{
    struct tw__sampler_config config = {.rate = 42};
    assert_int_equal(tw__sampler_config_parse(text, NULL, &config, why), error);
    assert_string_equal(why, expected);
    assert_true(config.rate > 41);
}

static void what_cannot_be_used_is_refused_in_words(void **state)
{
    (void)state;
    static const char list[] =
        "there are rate=0.1, xray:FILE, xray-central, xray, always_on, always_off, traceidratio, "
        "parentbased_always_on, parentbased_always_off, parentbased_traceidratio";
    char expected[300];
    (void)snprintf(expected, sizeof expected, "no sampler \"jaeger_remote\"; %s", list);
    assert_refused("jaeger_remote", TW_ERR_SYNTAX, expected);
    (void)snprintf(expected, sizeof expected, "no sampler \"\"; %s", list);
    assert_refused("", TW_ERR_SYNTAX, expected);
    assert_refused("rate=", TW_ERR_RANGE, "the rate must be a number from 0 to 1, not \"\"");
    assert_refused("rate=1.01", TW_ERR_RANGE, "the rate must be a number from 0 to 1, not \"1.01\"");
    assert_refused("rate=-0.1", TW_ERR_RANGE, "the rate must be a number from 0 to 1, not \"-0.1\"");
    assert_refused("rate=nan", TW_ERR_RANGE, "the rate must be a number from 0 to 1, not \"nan\"");
    assert_refused("xray:", TW_ERR_SYNTAX, "the path of the rules file is missing");
    struct tw__sampler_config config;
    assert_int_equal(tw__sampler_config_parse("traceidratio", "much", &config, why), 0);
    assert_true(config.rate >= 1);
    assert_string_equal(why, "OTEL_TRACES_SAMPLER_ARG \"much\" is no number from 0 to 1; everything is sampled");
    char path[TW__SAMPLER_PATH_MAX + 10] = "xray:";
    memset(path + 5, 'p', TW__SAMPLER_PATH_MAX - 1);
    assert_int_equal(tw__sampler_config_parse(path, NULL, &config, why), 0);
    path[TW__SAMPLER_PATH_MAX + 4] = 'p';
    assert_int_equal(tw__sampler_config_parse(path, NULL, &config, why), TW_ERR_SPACE);
}

static void only_parent_based_samplers_follow_the_parent(void **state)
{
    (void)state;
    must_load("always_off", NULL);
    assert_false(decide(always, TW__PARENT_SAMPLED));
    assert_false(tw__sampler_can_sample(&sampler));
    must_load("always_on", NULL);
    assert_true(decide(never, TW__PARENT_NOT_SAMPLED));
    must_load("traceidratio", "0.5");
    assert_false(decide(never, TW__PARENT_SAMPLED));
    assert_true(decide(always, TW__PARENT_NOT_SAMPLED));
    must_load("parentbased_traceidratio", "0.5");
    assert_true(decide(never, TW__PARENT_SAMPLED));
    assert_false(decide(always, TW__PARENT_NOT_SAMPLED));
    assert_false(decide(never, TW__PARENT_NONE));
}

static void the_rate_can_be_changed_while_running(void **state)
{
    (void)state;
    must_load("always_on", NULL);
    assert_int_equal(tw__sampler_set_rate(&sampler, 0), 0);
    assert_false(decide(always, TW__PARENT_SAMPLED));
    assert_false(tw__sampler_can_sample(&sampler));
    assert_int_equal(tw__sampler_set_rate(&sampler, 1), 0);
    assert_true(decide(never, TW__PARENT_NOT_SAMPLED));
    assert_int_equal(tw__sampler_set_rate(&sampler, 1.1), TW_ERR_RANGE);
    assert_int_equal(tw__sampler_set_rate(&sampler, -1), TW_ERR_RANGE);
    assert_int_equal(tw__sampler_set_rate(&sampler, (double)NAN), TW_ERR_RANGE);
    assert_true(decide(never, TW__PARENT_NONE));
}

static void a_rules_file_is_loaded_and_its_errors_name_the_file(void **state)
{
    (void)state;
    char path[] = "/tmp/trackway-rules-XXXXXX", text[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, LOCAL, sizeof LOCAL - 1), (int)sizeof LOCAL - 1);
    (void)snprintf(text, sizeof text, "xray:%s", path);
    must_load(text, NULL);
    assert_true(decide(never, TW__PARENT_NONE));
    assert_true(decide(never, TW__PARENT_NONE));
    assert_false(decide(always, TW__PARENT_NONE));
    assert_int_equal(ftruncate(fd, 5), 0);
    assert_int_equal(tw__sampler_load(&sampler, text, NULL, why), TW_ERR_SYNTAX);
    assert_non_null(strstr(why, path));
    assert_non_null(strstr(why, "line 1, column 6: the text ends inside a string"));
    assert_false(decide(always, TW__PARENT_NONE)); /* as it was */
    close(fd);
    unlink(path);
    assert_int_equal(tw__sampler_load(&sampler, text, NULL, why), TW_ERR_NOT_FOUND);
    assert_int_equal(tw__sampler_load(&sampler, "xray:/tmp", NULL, why), TW_ERR_SYSTEM);
    assert_int_equal(tw__sampler_load(&sampler, "xray:/dev/zero", NULL, why), TW_ERR_SYSTEM);
}

static void central_sampling_falls_back_to_local_rules(void **state)
{
    (void)state;
    struct tw__buf body = {0};
    struct tw__sample_request request = {.trace_id = never};
    struct tw__sample_decision decision;
    assert_null(tw__sampler_next(&sampler, NOW, &body)); /* not central */
    must_load("xray-central", NULL);
    assert_true(decide(never, TW__PARENT_NONE)); /* built in: one a second */
    assert_false(decide(never, TW__PARENT_NONE));
    assert_false(decide(never, TW__PARENT_NOT_SAMPLED));
    assert_string_equal(tw__sampler_next(&sampler, NOW, &body), "/GetSamplingRules");
    tw__sampler_answer(&sampler, NOW, 200, CENTRAL, sizeof CENTRAL - 1);
    tw__sampler_explain(&sampler, &request, NOW, &decision);
    assert_true(decision.sampled);
    assert_int_equal(decision.reason, TW__BY_BORROWING);
    assert_int_equal(decision.rule_len, 7);
    tw__sampler_explain(&sampler, &request, NOW + 3600 * S, &decision); /* too old */
    assert_int_equal(decision.rule_len, 0);
    assert_int_equal(decision.reason, TW__BY_RESERVOIR);
    request.parent = TW__PARENT_SAMPLED;
    tw__sampler_explain(&sampler, &request, NOW, &decision);
    assert_int_equal(decision.reason, TW__BY_PARENT);
    assert_int_equal(decision.rule_len, 0);
    must_load("rate=0", NULL);
    assert_false(decide(always, TW__PARENT_NONE));
    assert_null(tw__sampler_next(&sampler, NOW + 400 * S, &body));
    assert_int_equal(tw__sampler_stats(&sampler, why).fetches, 1);
    tw__buf_fini(&body);
}

static void a_child_of_fork_decides_and_asks_anew(void **state)
{
    (void)state;
    struct tw__buf body = {0};
    must_load("xray-central", NULL);
    tw__sampler_next(&sampler, NOW, &body);
    tw__sampler_answer(&sampler, NOW, 200, CENTRAL, sizeof CENTRAL - 1);
    tw__sampler_before_fork(&sampler);
    tw__sampler_after_fork(&sampler, true, NOW); /* what the child would do */
    assert_true(decide(never, TW__PARENT_NONE));
    tw__sampler_before_fork(&sampler);
    tw__sampler_after_fork(&sampler, false, NOW);
    assert_string_equal(tw__sampler_next(&sampler, NOW + 310 * S, &body), "/GetSamplingRules");
    tw__buf_fini(&body);
}

/* -- many threads */

enum { THREADS = 4, ROUNDS = 20000 };

static uint64_t stop, decided[THREADS], sampled_total;

static void *decider(void *data)
{
    uint64_t n = 0, yes = 0;
    struct tw__sample_request request = {.trace_id = never, .path = tw__text_of("/p")};
    while (!tw__load_relaxed(&stop) || n < ROUNDS) {
        struct tw__sample_decision decision;
        tw__sampler_explain(&sampler, &request, NOW + (n / 1000 % 50) * S, &decision);
        if (decision.rule_len != 0 && decision.rule_len != 7) break;
        yes += decision.sampled;
        n++;
    }
    tw__add_relaxed(&sampled_total, yes);
    *(uint64_t *)data = n;
    return NULL;
}

static void start(pthread_t threads[THREADS])
{
    stop = sampled_total = 0;
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, decider, &decided[i]), 0);
}

static void join(pthread_t threads[THREADS])
{
    tw__store_relaxed(&stop, 1);
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void rules_change_under_threads_that_decide(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct tw__buf body = {0};
    struct tw__sampler_config config = {.kind = TW__SAMPLER_CENTRAL};
    uint64_t now = NOW, installed = 0, refused = 0;
    must_load("xray-central", NULL);
    start(threads);
    for (int i = 0; i < 400; i++, now += 310 * S) {
        int result = tw__sampler_configure(&sampler, &config, LOCAL, sizeof LOCAL - 1, why);
        if (result != 0) {
            assert_int_equal(result, TW_ERR_STATE); /* all threads but one may be waiting for a processor, inside */
            refused++;
            (void)usleep(1000);
        }
        if (i % 7 == 0) tw__sampler_set_rate(&sampler, 0.5);
        tw__buf_reset(&body);
        if (!tw__sampler_next(&sampler, now, &body)) continue;
        if (body.len == 2)
            tw__sampler_answer(&sampler, NOW, 200, CENTRAL, sizeof CENTRAL - 1);
        else
            tw__sampler_failed(&sampler, now, "refused");
        installed++;
    }
    join(threads);
    for (int i = 0; i < THREADS; i++) assert_true(decided[i] >= ROUNDS);
    if (installed < 10) fail_msg("%d installed, %d refused", (int)installed, (int)refused);
    tw__buf_fini(&body);
}

static void no_count_is_lost_and_no_second_gives_too_much(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct tw__buf body = {0};
    uint64_t requests = 0, total = 0, sampled = 0;
    must_load("xray-central", NULL);
    tw__sampler_next(&sampler, NOW, &body);
    tw__sampler_answer(&sampler, NOW, 200, CENTRAL, sizeof CENTRAL - 1);
    start(threads);
    for (uint64_t now = NOW + 11 * S; now < NOW + 290 * S; now += 11 * S) {
        tw__buf_reset(&body);
        if (!tw__sampler_next(&sampler, now, &body)) continue;
        tw__buf_char(&body, 0);
        const char *r = strstr(body.ptr, "RequestCount\":"), *b = strstr(body.ptr, "BorrowCount\":");
        uint64_t reported = strtoull(r + 14, NULL, 10), borrowed = strtoull(b + 13, NULL, 10);
        assert_true(borrowed <= reported);
        requests += reported;
        sampled += borrowed;
        tw__sampler_answer(&sampler, now, 200, "{\"SamplingTargetDocuments\":[]}", 30);
    }
    join(threads);
    requests += sampler.central.states->requests;
    sampled += sampler.central.states->borrowed;
    for (int i = 0; i < THREADS; i++) total += decided[i];
    assert_true(requests == total);
    assert_true(sampled == sampled_total);
    tw__buf_fini(&body);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(at_first_everything_is_sampled_but_what_the_parent_refused),
        TEST(every_form_of_configuration_is_read),
        TEST(what_cannot_be_used_is_refused_in_words),
        TEST(only_parent_based_samplers_follow_the_parent),
        TEST(the_rate_can_be_changed_while_running),
        TEST(a_rules_file_is_loaded_and_its_errors_name_the_file),
        TEST(central_sampling_falls_back_to_local_rules),
        TEST(a_child_of_fork_decides_and_asks_anew),
        TEST(rules_change_under_threads_that_decide),
        TEST(no_count_is_lost_and_no_second_gives_too_much),
    };
    return cmocka_run_group_tests_name("sampler", tests, NULL, NULL);
}
