/* Sampling rules and targets as X-Ray's daemon answers them: the rules of a file, and quotas that add up. Answers are
 * read by the reader that our own sampler uses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ingest/xray_quotas.h"
#include "sample/xray_answers.h"

static struct tw__xray_quotas *quotas;
static struct tw__buf out;
static char why[TW_WHY_MAX], path[] = "/tmp/xray-rules-XXXXXX";

static void write_rules(const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

#define FILE_OF_TWO                                                                                                    \
    "{\"version\":2,\"rules\":[{\"description\":\"carts\",\"host\":\"*\",\"http_method\":\"GET\",\"url_path\":\"/"     \
    "cart/*\","                                                                                                        \
    "\"fixed_target\":10,\"rate\":0.1}],\"default\":{\"fixed_target\":1,\"rate\":0.05}}"

static int open_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) < 0) return -1;
    write_rules(FILE_OF_TWO);
    return 0;
}

static int close_file(void **state)
{
    (void)state;
    tw__buf_fini(&out);
    return unlink(path);
}

static int start(void **state)
{
    (void)state;
    return tw__xray_quotas_new(path, 1000, &quotas, why);
}

static int stop(void **state)
{
    (void)state;
    tw__xray_quotas_free(quotas);
    return 0;
}

struct answer {
    uint32_t quota, interval_s;
    double rate;
    uint64_t ttl_s;
    char unprocessed[64];
    size_t targets;
};

static void on_target(void *data, const struct tw__target *target)
{
    struct answer *answer = data;
    answer->targets++;
    answer->quota = target->quota;
    answer->rate = target->rate;
    answer->ttl_s = target->ttl_s;
    answer->interval_s = target->interval_s;
}

static void on_unprocessed(void *data, struct tw_text rule, struct tw_text code)
{
    struct answer *answer = data;
    (void)code;
    (void)snprintf(answer->unprocessed, sizeof answer->unprocessed, "%.*s", (int)rule.len, rule.ptr);
}

static struct answer ask(const char *rule, const char *client, uint64_t now_s)
{
    char text[256];
    struct answer answer = {0};
    struct tw__problem problem;
    int len = snprintf(text, sizeof text,
                       "{\"SamplingStatisticsDocuments\":[{\"RuleName\":\"%s\",\"ClientID\":\"%s\",\"RequestCount\":2,"
                       "\"BorrowCount\":1,\"SampledCount\":1,\"Timestamp\":1795225842}]}",
                       rule, client);
    tw__buf_reset(&out);
    assert_int_equal(tw__xray_quotas_targets(quotas, (struct tw_text){text, (size_t)len}, now_s, &out), 0);
    struct tw__targets_answer read = {.target = on_target, .unprocessed = on_unprocessed, .data = &answer};
    assert_int_equal(tw__targets_parse(out.ptr, out.len, &read, &problem), 0);
    return answer;
}

static int on_rule(void *data, const struct tw__rule_record *rule)
{
    char *text = data;
    (void)snprintf(text + strlen(text), 512 - strlen(text), "%.*s %u %u %g %.*s %.*s\n", (int)rule->name.len,
                   rule->name.ptr, rule->priority, rule->reservoir, rule->rate, (int)rule->method.len, rule->method.ptr,
                   (int)rule->path.len, rule->path.ptr);
    return 0;
}

static void rules_are_those_of_the_file(void **state)
{
    (void)state;
    char text[512] = "";
    struct tw__rules_page page = {.rule = on_rule, .data = text};
    struct tw__problem problem;
    tw__buf_reset(&out);
    tw__xray_quotas_rules(quotas, &out);
    assert_int_equal(tw__rules_page_parse(out.ptr, out.len, &page, &problem), 0);
    assert_string_equal(text, "rule-1 1 10 0.1 GET /cart/*\nDefault 10000 1 0.05 * *\n");
    assert_string_equal(page.next_token, "");
    assert_int_equal(page.ignored, 0);
}

static void one_client_has_all_of_it(void **state)
{
    (void)state;
    struct answer answer = ask("rule-1", "a", 1000);
    assert_int_equal(answer.quota, 10);
    assert_true(answer.rate == 0.1);
    assert_int_equal(answer.interval_s, 10);
    assert_int_equal(answer.ttl_s, 1015);
    assert_int_equal(ask("Default", "a", 1000).quota, 1);
}

static void clients_share_and_never_have_more_than_there_is(void **state)
{
    (void)state;
    uint32_t quota[7] = {0};
    for (uint64_t now_s = 1000; now_s < 1100; now_s += 10) {
        size_t clients = now_s < 1050 ? (size_t)(now_s - 1000) / 10 + 3 : 3;
        for (size_t i = 0; i < clients; i++) {
            char name[2] = {(char)('a' + (char)i), 0};
            quota[i] = ask("rule-1", name, now_s).quota;
            uint32_t sum = 0;
            for (size_t k = 0; k < 7; k++) sum += quota[k];
            if (now_s < 1060) assert_true(sum <= 10);
        }
    }
    assert_int_equal(quota[0] + quota[1] + quota[2], 10); /* the others have been silent */
    assert_true(quota[0] <= 4 && quota[2] >= 3);
}

static void more_clients_than_reservoir_share_by_who_came_first(void **state)
{
    (void)state;
    assert_int_equal(ask("Default", "a", 1000).quota, 1);
    assert_int_equal(ask("Default", "b", 1000).quota, 0);
    assert_int_equal(ask("Default", "a", 1010).quota, 1);
    assert_int_equal(ask("Default", "b", 1010).quota, 0);
    assert_int_equal(ask("Default", "b", 1041).quota, 1); /* a has gone */
}

static void a_rule_that_is_not_there_is_said_to_be_unprocessed(void **state)
{
    (void)state;
    static const char *const names[] = {"rule-2", "rule-0", "rule-", "default", "rule-99999999999999999999", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct answer answer = ask(names[i], "a", 1000);
        assert_int_equal(answer.targets, 0);
        assert_string_equal(answer.unprocessed, names[i]);
    }
}

static void requests_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "{}", "[]", "{\"SamplingStatisticsDocuments\":[",
                                      "{\"SamplingStatisticsDocuments\":[{}]} 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tw__buf_reset(&out);
        assert_int_equal(tw__xray_quotas_targets(quotas, (struct tw_text){bad[i], strlen(bad[i])}, 1000, &out),
                         TW_ERR_SYNTAX);
    }
}

static void a_file_that_is_read_again_counts_when_it_is_right(void **state)
{
    (void)state;
    write_rules("{\"version\":2,\"default\":{\"fixed_target\":-1,\"rate\":0.5}}");
    assert_true(tw__xray_quotas_reload(quotas, 2000, why) < 0);
    assert_non_null(strstr(why, "default.fixed_target"));
    assert_int_equal(ask("rule-1", "a", 2000).quota, 10);
    write_rules("{\"version\":2,\"default\":{\"fixed_target\":5,\"rate\":0.5}}");
    assert_int_equal(tw__xray_quotas_reload(quotas, 2001, why), 0);
    assert_int_equal(ask("Default", "a", 2001).quota, 5);
    assert_int_equal(ask("rule-1", "a", 2001).targets, 0);
    write_rules(FILE_OF_TWO);
}

static void without_a_file_the_rules_are_x_rays_own(void **state)
{
    (void)state;
    struct tw__xray_quotas *own = NULL;
    assert_int_equal(tw__xray_quotas_new(NULL, 1, &own, why), 0);
    tw__buf_reset(&out);
    tw__xray_quotas_rules(own, &out);
    tw__buf_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "\"FixedRate\":0.05,\"ReservoirSize\":1,"));
    tw__xray_quotas_free(own);
    assert_int_equal(tw__xray_quotas_new("/nowhere/rules.json", 1, &own, why), TW_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules_are_those_of_the_file, start, stop),
        cmocka_unit_test_setup_teardown(one_client_has_all_of_it, start, stop),
        cmocka_unit_test_setup_teardown(clients_share_and_never_have_more_than_there_is, start, stop),
        cmocka_unit_test_setup_teardown(more_clients_than_reservoir_share_by_who_came_first, start, stop),
        cmocka_unit_test_setup_teardown(a_rule_that_is_not_there_is_said_to_be_unprocessed, start, stop),
        cmocka_unit_test_setup_teardown(requests_that_are_none_are_refused, start, stop),
        cmocka_unit_test_setup_teardown(a_file_that_is_read_again_counts_when_it_is_right, start, stop),
        cmocka_unit_test(without_a_file_the_rules_are_x_rays_own),
    };
    return cmocka_run_group_tests(tests, open_file, close_file);
}
