/* retry: the waiting times, by the specification's words: exponential, with jitter, Retry-After obeyed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "otlp/retry.c" /* of libtrackway-otlp, which tests do not link */

#define SECOND ((uint64_t)1000000000)

static void only_four_statuses_ask_for_patience(void **state)
{
    (void)state;
    for (long status = 100; status < 600; status++) {
        bool again = status == 429 || status == 502 || status == 503 || status == 504;
        enum tw__otlp_verdict expected = status >= 200 && status < 300 ? TW__OTLP_DONE
                                         : again                       ? TW__OTLP_AGAIN
                                                                       : TW__OTLP_REFUSED;
        assert_int_equal(tw__otlp_verdict(status), expected);
    }
}

static void waits_double_up_to_half_a_minute_and_differ(void **state)
{
    struct tw__retry a = {.random = 1}, b = {.random = 99};
    unsigned differ = 0;
    uint64_t most = SECOND / 2;
    (void)state;
    for (int i = 0; i < 40; i++) {
        tw__retry_failed(&a, 0, 0);
        tw__retry_failed(&b, 0, 0);
        assert_true(a.resume_ns >= most / 2 && a.resume_ns < most);
        assert_true(b.resume_ns >= most / 2 && b.resume_ns < most);
        differ += a.resume_ns != b.resume_ns;
        most = most * 2 < 30 * SECOND ? most * 2 : 30 * SECOND;
    }
    assert_true(differ > 30);
    tw__retry_well(&a);
    assert_int_equal(a.resume_ns, 0);
    tw__retry_failed(&a, 7 * SECOND, 0);
    assert_true(a.resume_ns < 7 * SECOND + SECOND / 2);
}

static void what_the_receiver_asks_for_is_the_least(void **state)
{
    struct tw__retry retry = {.random = 5};
    (void)state;
    tw__retry_failed(&retry, 0, 60);
    assert_true(retry.resume_ns >= 60 * SECOND && retry.resume_ns < 61 * SECOND);
    tw__retry_failed(&retry, 0, UINT64_MAX); /* in a year? five minutes */
    assert_true(retry.resume_ns >= 300 * SECOND && retry.resume_ns < 310 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_four_statuses_ask_for_patience),
        cmocka_unit_test(waits_double_up_to_half_a_minute_and_differ),
        cmocka_unit_test(what_the_receiver_asks_for_is_the_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
