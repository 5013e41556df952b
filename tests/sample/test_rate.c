#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "sample/rate.h"
#include "sample/reservoir.h"
#include "sample/wildcard.h"
#include "wire/term.h"

static uint64_t next_random(uint64_t *seed)
{
    uint64_t z = *seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void random_id(uint64_t *seed, uint8_t id[16])
{
    uint64_t words[2] = {next_random(seed), next_random(seed)};
    memcpy(id, words, 16);
}

static void low_bits(uint8_t id[16], uint64_t low)
{
    memset(id, 0xff, 16);
    for (int i = 15; i > 8; i--, low >>= 8) id[i] = (uint8_t)low;
}

static void the_ends_are_exact(void **state)
{
    (void)state;
    uint8_t id[16];
    assert_true(tw__rate_threshold(1) == 0);
    assert_true(tw__rate_threshold(0) == TW__RATE_SPAN);
    low_bits(id, 0);
    assert_true(tw__rate_takes(tw__rate_threshold(1), id));
    low_bits(id, TW__RATE_SPAN - 1);
    assert_false(tw__rate_takes(tw__rate_threshold(0), id));
    assert_true(tw__rate_threshold(-1) == TW__RATE_SPAN);
    assert_true(tw__rate_threshold(7) == 0);
    assert_true(tw__rate_threshold((double)NAN) == TW__RATE_SPAN);
    assert_true(tw__rate_threshold(HUGE_VAL) == 0);
    assert_true(tw__rate_threshold(-0.0) == TW__RATE_SPAN);
}

/* The threshold of OpenTelemetry's probability sampling: 1/2 rejects below 80000000000000. */
static void thresholds_are_those_of_opentelemetry(void **state)
{
    (void)state;
    assert_true(tw__rate_threshold(0.5) == 0x80000000000000u);
    assert_true(tw__rate_threshold(0.25) == 0xc0000000000000u);
    assert_true(tw__rate_threshold(0.125) == 0xe0000000000000u);
    assert_true(tw__rate_threshold(0.75) == 0x40000000000000u);
    assert_true(tw__rate_threshold(1e-300) == TW__RATE_SPAN - 1);
    uint8_t id[16];
    low_bits(id, 0x80000000000000u);
    assert_true(tw__rate_takes(tw__rate_threshold(0.5), id));
    low_bits(id, 0x7fffffffffffffu);
    assert_false(tw__rate_takes(tw__rate_threshold(0.5), id));
}

static void the_high_72_bits_do_not_matter(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 10000; i++) {
        uint8_t a[16], b[16];
        random_id(&seed, a);
        random_id(&seed, b);
        memcpy(b + 9, a + 9, 7);
        assert_int_equal(tw__rate_takes(tw__rate_threshold(0.3), a), tw__rate_takes(tw__rate_threshold(0.3), b));
    }
}

static void who_is_taken_at_a_rate_is_taken_at_every_higher_one(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < 200000; i++) {
        uint8_t id[16];
        double a = (double)(next_random(&seed) >> 11) * 0x1p-53, b = (double)(next_random(&seed) >> 11) * 0x1p-53;
        random_id(&seed, id);
        double low = a < b ? a : b, high = a < b ? b : a;
        assert_true(tw__rate_threshold(low) >= tw__rate_threshold(high));
        if (tw__rate_takes(tw__rate_threshold(low), id)) assert_true(tw__rate_takes(tw__rate_threshold(high), id));
    }
}

static void the_fraction_is_the_rate(void **state)
{
    (void)state;
    static const double rates[] = {0.001, 0.01, 0.05, 0.1, 0.333, 0.5, 0.9, 0.999};
    enum { N = 400000 };
    for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
        uint64_t seed = 3 + r, taken = 0, threshold = tw__rate_threshold(rates[r]);
        for (int i = 0; i < N; i++) {
            uint8_t id[16];
            random_id(&seed, id);
            taken += tw__rate_takes(threshold, id);
        }
        double sigma = sqrt(N * rates[r] * (1 - rates[r])), off = (double)taken - N * rates[r];
        if (off > 5 * sigma || off < -5 * sigma) fail_msg("%f: %f of %f", rates[r], off, sigma);
    }
}

static void a_threshold_is_its_rate_again(void **state)
{
    (void)state;
    for (double rate = 0; rate <= 1; rate += 0.001) {
        double back = tw__rate_of(tw__rate_threshold(rate));
        assert_true(back - rate < 1e-15 && rate - back < 1e-15);
    }
}

static void a_reservoir_gives_its_limit_each_second(void **state)
{
    (void)state;
    uint64_t word = 0;
    for (uint64_t second = 1000; second < 1010; second++) {
        int given = 0;
        for (int i = 0; i < 20; i++) given += tw__reservoir_take(&word, second, 3);
        assert_int_equal(given, 3);
    }
    assert_false(tw__reservoir_take(&word, 2000, 0));
    assert_true(tw__reservoir_take(&word, 1800000000, UINT32_MAX));
}

static void a_thread_with_last_seconds_clock_does_not_refill_the_reservoir(void **state)
{
    (void)state;
    uint64_t word = 0;
    assert_true(tw__reservoir_take(&word, 100, 2));
    assert_true(tw__reservoir_take(&word, 101, 2));
    assert_true(tw__reservoir_take(&word, 100, 2));
    assert_false(tw__reservoir_take(&word, 100, 2));
    assert_false(tw__reservoir_take(&word, 101, 2));
    assert_true(tw__reservoir_take(&word, 50, 2)); /* a clock that was set back is believed */
    assert_true(tw__reservoir_take(&word, 50, 2));
    assert_false(tw__reservoir_take(&word, 50, 2));
}

static bool match(const char *pattern, const char *text)
{
    return tw__wildcard_match(tw__text_of(pattern), tw__text_of(text));
}

/* Worked out by recursion straight from the definition. */
static bool plain_match(const char *p, const char *t)
{
    if (*p == 0) return *t == 0;
    if (*p == '*') return plain_match(p + 1, t) || (*t && plain_match(p, t + 1));
    return *t && (*p == '?' || *p == *t) && plain_match(p + 1, t + 1);
}

static void wildcards_match_as_defined(void **state)
{
    (void)state;
    assert_true(match("*", ""));
    assert_true(match("", ""));
    assert_false(match("", "a"));
    assert_false(match("?", ""));
    assert_true(match("/API/*", "/api/users"));
    assert_true(match("*.example.com", "WWW.example.COM"));
    assert_false(match("*.example.com", "example.com"));
    assert_true(match("g?t", "GET"));
    assert_true(match("a*b*c", "aXXbYYbZc"));
    assert_false(match("[a]", "a"));
    uint64_t seed = 9;
    for (int i = 0; i < 200000; i++) {
        char pattern[8] = "", text[10] = "";
        for (size_t n = next_random(&seed) % 7, j = 0; j < n; j++) pattern[j] = "ab*?"[next_random(&seed) % 4];
        for (size_t n = next_random(&seed) % 9, j = 0; j < n; j++) text[j] = "ab"[next_random(&seed) % 2];
        if (match(pattern, text) != plain_match(pattern, text)) fail_msg("%s against %s", pattern, text);
    }
}

static void many_stars_cost_no_more_than_the_product(void **state)
{
    (void)state;
    char pattern[201], text[2001];
    for (size_t i = 0; i < 200; i += 2) memcpy(pattern + i, "*a", 2);
    pattern[200] = 0;
    memset(text, 'a', 2000);
    text[1999] = 'b';
    text[2000] = 0;
    assert_false(match(pattern, text)); /* exponential matchers do not come back from this */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ends_are_exact),
        cmocka_unit_test(thresholds_are_those_of_opentelemetry),
        cmocka_unit_test(the_high_72_bits_do_not_matter),
        cmocka_unit_test(who_is_taken_at_a_rate_is_taken_at_every_higher_one),
        cmocka_unit_test(the_fraction_is_the_rate),
        cmocka_unit_test(a_threshold_is_its_rate_again),
        cmocka_unit_test(a_reservoir_gives_its_limit_each_second),
        cmocka_unit_test(a_thread_with_last_seconds_clock_does_not_refill_the_reservoir),
        cmocka_unit_test(wildcards_match_as_defined),
        cmocka_unit_test(many_stars_cost_no_more_than_the_product),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
