/* bench_calls: what a call costs: its span, the request record and the response record.
 *
 * Five arguments (two texts, two numbers, a double), context data of one member, a result of one text; two of the
 * arguments are sensitive. Beside it the same without rules, with rules for truncation, as an error whose texts are
 * searched for what was hidden, with the arguments as one JSON text, and switched off. The floor is B of floor.h. The
 * rival is what a program does that writes the two lines itself: snprintf into memory, nothing hidden, without a uuid
 * of its own. nameko-tracer takes 41 to 61 us for such a pair (Python 3.11, measured elsewhere, so it stands in a note
 * only).
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <trackway/trackway.h>

#include "floor.h"

enum { ROUNDS = 400, TURNS = 150, LIMIT_NS = 1000 };

static struct tw_entrypoint hidden = {
    .service = "shop", .name = "login", .type = TW_CALL_RPC, .sensitive = "password, card"};
static struct tw_entrypoint open_to_all = {.service = "shop", .name = "open", .type = TW_CALL_RPC};
static struct tw_entrypoint query = {
    .service = "shop", .name = "get_login", .type = TW_CALL_RPC, .sensitive = "password, card"};
static struct tw_call call;
static char lines[2048];

static void pair(struct tw_entrypoint *entrypoint, unsigned n, bool fails)
{
    for (unsigned i = 0; i < n; i++) {
        const struct tw_value args[] = {TW_ARG("user", "ann@example.com"), TW_ARG("password", "correct horse"),
                                        TW_ARG("attempt", i), TW_ARG("card", "4111-1111-1111-1111"),
                                        TW_ARG("amount", 12.5)};
        const struct tw_value data[] = {TW_ARG("language", "en")};
        tw_call_begin(&call, entrypoint,
                      &(struct tw_call_input){.args = args, .arg_count = 5, .context_data = data, .context_count = 1});
        if (fails)
            tw_call_fail(&call,
                         &(struct tw_failure){.type = "BadPassword",
                                              .message = "no such user, or another password",
                                              .expected = true,
                                              .stack = "check (login.c:17)\nlogin (login.c:40)\nmain (main.c:12)"});
        else
            tw_call_succeed(&call, &TW_RESULT("welcome, ann"));
    }
}

static void two_hidden(unsigned n)
{
    pair(&hidden, n, false);
}

static void no_rules(unsigned n)
{
    pair(&open_to_all, n, false);
}

static void truncated(unsigned n)
{
    pair(&query, n, false);
}

static void error(unsigned n)
{
    pair(&hidden, n, true);
}

static void json_text(unsigned n)
{
    static const char text[] = "{\"user\": \"ann@example.com\", \"password\": \"correct horse\", \"attempt\": 3, "
                               "\"card\": \"4111-1111-1111-1111\", \"amount\": 12.5}";
    for (unsigned i = 0; i < n; i++) {
        const struct tw_value args[] = {TW_ARG_JSON(NULL, text, sizeof text - 1)};
        tw_call_begin(&call, &hidden, &(struct tw_call_input){.args = args, .arg_count = 1});
        tw_call_succeed(&call, &TW_RESULT("welcome, ann"));
    }
}

static void off(unsigned n)
{
    (void)tw_recorder_disable();
    pair(&hidden, n, false);
    (void)tw_recorder_enable();
}

static void by_hand(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct timespec t;
        for (unsigned stage = 0; stage < 2; stage++) {
            (void)clock_gettime(CLOCK_REALTIME, &t);
            (void)snprintf(lines + stage * 1024, 1024,
                           "{\"timestamp\":%lld.%06ld,\"service\":\"%s\",\"entrypoint\":\"%s\",\"call_id\":\"%s.%s.%"
                           "08x\",\"stage\":\"%s\","
                           "\"context_data\":{\"language\":\"%s\"},\"call_args\":{\"user\":\"%s\",\"password\":\"%s\","
                           "\"attempt\":%u,\"card\":\"%s\","
                           "\"amount\":%.17g},\"response\":\"%s\"}\n",
                           (long long)t.tv_sec, t.tv_nsec / 1000, "shop", "login", "shop", "login", i,
                           stage ? "response" : "request", "en", "ann@example.com", "********", i, "********", 12.5,
                           "welcome, ann");
            __asm__ volatile("" : : "r"(lines) : "memory");
        }
    }
}

static bool measure(void)
{
    struct bench_contender c[] = {{.name = "floor B", .run = floor_b},   {.name = "two_hidden", .run = two_hidden},
                                  {.name = "no_rules", .run = no_rules}, {.name = "truncated", .run = truncated},
                                  {.name = "error", .run = error},       {.name = "json_text", .run = json_text},
                                  {.name = "off", .run = off},           {.name = "by_hand", .run = by_hand}};
    enum { COUNT = sizeof c / sizeof *c };
    static const char *const notes[COUNT] = {NULL,
                                             "request and response, span included; nameko-tracer 41 to 61 us",
                                             NULL,
                                             NULL,
                                             "four texts searched for what was hidden",
                                             "read, checked and written again",
                                             NULL,
                                             "two lines by snprintf, nothing hidden"};
    bool pass = true;
    floor_init();
    bench_race(c, COUNT, bench_rounds(ROUNDS), TURNS);
    double floor = bench_quantile(&c[0].ns, 0);
    for (size_t i = 1; i < COUNT; i++) {
        char name[40], note[160];
        double ns = bench_quantile(&c[i].ns, 0);
        (void)snprintf(name, sizeof name, "calls.%s", c[i].name);
        (void)snprintf(note, sizeof note, "%.1f x floor B (%.1f ns)%s%s", ns / floor, floor, notes[i] ? "; " : "",
                       notes[i] ? notes[i] : "");
        const struct bench_row row = {
            .name = name, .value = ns, .unit = "ns", .limit = i == 1 ? LIMIT_NS : 0, .note = note};
        pass &= bench_report(&row);
    }
    for (size_t i = 0; i < COUNT; i++) bench_samples_free(&c[i].ns);
    return pass;
}

int main(int argc, char **argv)
{
    if (!bench_parse(argc, argv)) return 2;
    if (!bench_wanted("calls.")) return 0;
    bench_headline("a call: span, request, response; five arguments");
    return bench_child(measure) ? 0 : 1;
}
