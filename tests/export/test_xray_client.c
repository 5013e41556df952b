/* The client against a daemon of another language on loopback, and its parts against made bytes. The clock that decides
 * what is due is made; the sockets are real. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/http.h"
#include "export/xray_client.h"
#include "wire/term.h"

#define S  ((uint64_t)1000000000)
#define MS ((uint64_t)1000000)

static struct tw__sampler sampler;
static struct tw__xray_client client;
static uint64_t now = 1795225800 * S;
static char why[TW_WHY_MAX];

/* -- addresses */

static void assert_address(const char *text, const char *udp, const char *udp_port, const char *tcp,
                           const char *tcp_port)
{
    struct tw__xray_address address;
    if (tw__xray_address_parse(text, &address) != 0) fail_msg("%s was refused", text);
    assert_string_equal(address.udp.host, udp);
    assert_string_equal(address.udp.port, udp_port);
    assert_string_equal(address.tcp.host, tcp);
    assert_string_equal(address.tcp.port, tcp_port);
}

static void the_daemons_address_has_two_forms(void **state)
{
    (void)state;
    assert_address(NULL, "127.0.0.1", "2000", "127.0.0.1", "2000");
    assert_address("", "127.0.0.1", "2000", "127.0.0.1", "2000");
    assert_address("10.0.0.1:3000", "10.0.0.1", "3000", "10.0.0.1", "3000");
    assert_address("tcp:a:1 udp:b:65535", "b", "65535", "a", "1");
    assert_address("  UDP:b:2 \t TCP:a:1 ", "b", "2", "a", "1");
    assert_address("[::1]:2000", "::1", "2000", "::1", "2000");
    assert_address("tcp:[fe80::1]:1 udp:x.example:2", "x.example", "2", "fe80::1", "1");
    assert_address("tcp:2000", "tcp", "2000", "tcp", "2000");
}

static void other_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "localhost", ":2000",           "a:",      "a:b",         "a:1x",          "::1:2000", "[]:1",
        "tcp:a:1",   "tcp:a:1 tcp:b:2", "a:1 b:2", "a:1 tcp:b:2", "tcp:a:1 udp:b", " "};
    struct tw__xray_address address;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (tw__xray_address_parse(wrong[i], &address) != TW_ERR_SYNTAX) fail_msg("\"%s\" was not refused", wrong[i]);
    assert_int_equal(tw__xray_address_parse("a:0", &address), TW_ERR_RANGE);
    assert_int_equal(tw__xray_address_parse("a:65536", &address), TW_ERR_RANGE);
    char text[300];
    memset(text, 'a', sizeof text);
    memcpy(text + 255, ":1", 3);
    assert_int_equal(tw__xray_address_parse(text, &address), 0);
    memcpy(text + 256, ":1", 3);
    text[255] = 'a';
    assert_int_equal(tw__xray_address_parse(text, &address), TW_ERR_SPACE);
}

/* -- HTTP */

static int read_http(const char *text, bool closed, struct tw__http_answer *answer)
{
    static char bytes[4096];
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) { /* no cut of a good answer is an answer, or an error */
        memcpy(bytes, text, i);
        int result = tw__http_read(bytes, i, false, answer);
        if (result != 0) return tw__http_read(bytes, i, false, answer);
    }
    memcpy(bytes, text, len);
    return tw__http_read(bytes, len, closed, answer);
}

static void assert_http(const char *text, bool closed, int status, const char *body)
{
    struct tw__http_answer answer = {0};
    int result = read_http(text, closed, &answer);
    if (result != 1) fail_msg("%s: %d", text, result);
    assert_int_equal(answer.status, status);
    assert_int_equal(answer.body_len, strlen(body));
    assert_memory_equal(answer.body, body, answer.body_len);
}

static void a_body_ends_by_length_by_chunks_or_with_the_connection(void **state)
{
    (void)state;
    assert_http("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, 200, "hello");
    assert_http("HTTP/1.0 404\r\ncontent-length:0\r\n\r\n", false, 404, "");
    assert_http("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", false, 200,
                "hello");
    assert_http("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
                false, 200, "0123456789");
    assert_http("HTTP/1.1 200 OK\r\nServer: x\r\n\r\nto the end", true, 200, "to the end");
    assert_http("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", false, 204, "");
    assert_http("HTTP/1.1 200 OK\nContent-Length: 2\n\nok", false, 200, "ok");
}

static void what_is_not_http_or_is_cut_off_is_refused(void **state)
{
    (void)state;
    struct tw__http_answer answer;
    static const char *const wrong[] = {
        "220 smtp\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (read_http(wrong[i], false, &answer) != TW_ERR_SYNTAX) fail_msg("%s was not refused", wrong[i]);
    static const char *const cut[] = {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
                                      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n"};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++)
        assert_int_equal(read_http(cut[i], true, &answer), TW_ERR_SYNTAX);
    static char longer[TW__HTTP_HEAD_MAX + 100] = "HTTP/1.1 200 OK\r\nX: ";
    memset(longer + 20, 'x', sizeof longer - 20);
    assert_int_equal(tw__http_read(longer, sizeof longer, false, &answer), TW_ERR_SPACE);
}

/* -- with a daemon */

static pid_t daemon_pid;
static FILE *daemon_in, *daemon_out;
static int daemon_port;

static void start_daemon(const char *mode)
{
    static const char *const places[] = {"tests/export/fake_xray_daemon.py", "../tests/export/fake_xray_daemon.py"};
    int in[2], out[2];
    const char *script = access(places[0], R_OK) == 0 ? places[0] : places[1];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    daemon_pid = fork();
    assert_true(daemon_pid >= 0);
    if (daemon_pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[0]);
        close(in[1]);
        close(out[0]);
        close(out[1]);
        execl("/usr/bin/python3", "python3", script, mode, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    daemon_in = fdopen(in[1], "w");
    daemon_out = fdopen(out[0], "r");
    assert_non_null(daemon_in);
    assert_non_null(daemon_out);
    if (!daemon_in || !daemon_out) return;
    char line[32] = "";
    if (!fgets(line, sizeof line, daemon_out)) fail_msg("%s did not start", script);
    daemon_port = (int)strtol(line, NULL, 10);
    assert_true(daemon_port > 0);
}

static void open_client(uint64_t wait_ms, uint64_t timeout_ms)
{
    char address[64];
    struct tw__xray_limits limits = {.wait_ns = wait_ms * MS, .timeout_ns = timeout_ms * MS};
    (void)snprintf(address, sizeof address, "tcp:127.0.0.1:%d udp:127.0.0.1:1", daemon_port);
    assert_int_equal(tw__xray_client_open(&client, &sampler, address, &limits), 0);
}

static int setup(void **state)
{
    (void)state;
    struct sigaction ignored = {.sa_handler = SIG_DFL};
    sigaction(SIGPIPE, &ignored, NULL); /* a broken connection must not kill */
    tw__sampler_init(&sampler, NULL, NULL);
    assert_int_equal(tw__sampler_load(&sampler, "xray-central", NULL, why), 0);
    daemon_pid = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tw__xray_client_close(&client);
    tw__sampler_fini(&sampler);
    if (daemon_pid) {
        (void)fclose(daemon_in);
        (void)fclose(daemon_out);
        waitpid(daemon_pid, NULL, 0);
    }
    return 0;
}

/* Polls until something is brought back or fails; each poll keeps to its time. */
static int poll_on(uint64_t wait_ms)
{
    for (int i = 0; i < 3000; i++) {
        uint64_t before = tw__clock_mono_ns();
        int result = tw__xray_client_poll(&client, now);
        uint64_t took = tw__clock_mono_ns() - before;
        if (took > wait_ms * MS + 30 * S)
            fail_msg("a poll took %d ms", (int)(took / MS)); /* far off, not a measurement */
        if (result != 0) return result;
        if (wait_ms < 5) (void)usleep(1000);
    }
    return 0;
}

static const char *daemon_says(void)
{
    static char line[1000];
    if (!fgets(line, sizeof line, daemon_out)) line[0] = 0;
    return line;
}

static bool decide(const char *path, struct tw__sample_decision *decision)
{
    static const uint8_t never[16];
    struct tw__sample_request request = {.trace_id = never, .path = tw__text_of(path)};
    tw__sampler_explain(&sampler, &request, now, decision);
    return decision->sampled;
}

static void whole_story(uint64_t wait_ms)
{
    struct tw__sample_decision decision;
    char expected[64];
    int answers = 0;
    open_client(wait_ms, 5000);
    while (answers < 2) {
        int result = poll_on(wait_ms);
        if (result <= 0) fail_msg("%d: %s", result, daemon_says());
        answers += result;
    }
    assert_string_equal(daemon_says(), "ok /GetSamplingRules {}\n");
    assert_string_equal(daemon_says(), "ok /GetSamplingRules {\"NextToken\":\"page \\\"2\\\"\"}\n");
    assert_true(decide("/cart/1", &decision)); /* borrowed */
    assert_int_equal(decision.reason, TW__BY_BORROWING);
    assert_memory_equal(decision.rule, "cart", 4);
    assert_false(decide("/cart/1", &decision));
    now += 11 * S;
    assert_int_equal(poll_on(wait_ms), 1);
    (void)snprintf(expected, sizeof expected, "\"RequestCount\":2,\"BorrowCount\":1,\"SampledCount\":0");
    const char *said = daemon_says();
    if (strncmp(said, "ok /SamplingTargets ", 20) != 0 || !strstr(said, expected)) fail_msg("%s", said);
    int taken = 0;
    now += S;
    for (int i = 0; i < 20; i++) taken += decide("/cart/1", &decision);
    assert_int_equal(taken, 7); /* the quota */
    assert_int_equal(client.fd, -1);
    assert_int_equal(tw__xray_client_poll(&client, now), 0); /* nothing is due */
}

static void rules_and_quotas_come_from_the_daemon(void **state)
{
    (void)state;
    start_daemon("plain");
    whole_story(50);
}

static void it_works_without_ever_waiting(void **state)
{
    (void)state;
    start_daemon("plain");
    whole_story(0);
}

static void chunks_in_small_pieces_are_put_together(void **state)
{
    (void)state;
    start_daemon("chunked");
    whole_story(5);
}

static void fails(const char *mode, int error, const char *problem)
{
    struct tw__sample_decision decision;
    start_daemon(mode);
    open_client(20, 300);
    int result = poll_on(20);
    tw__sampler_stats(&sampler, why);
    if (result != error) fail_msg("%s: %d %s", mode, result, why);
    assert_string_equal(why, problem);
    assert_int_equal(client.phase, TW__XRAY_IDLE);
    assert_int_equal(client.fd, -1);
    decide("/", &decision); /* by the built-in rule */
    assert_int_equal(decision.rule_len, 0);
}

static void a_daemon_that_does_not_answer_times_out(void **state)
{
    (void)state;
    fails("silent", TW_ERR_TIMEOUT, "/GetSamplingRules: the daemon did not answer in time");
}

static void a_daemon_that_drips_times_out(void **state)
{
    (void)state;
    fails("slow", TW_ERR_TIMEOUT, "/GetSamplingRules: the daemon did not answer in time");
}

static void an_answer_that_is_cut_off_is_none(void **state)
{
    (void)state;
    fails("cut", TW_ERR_SYSTEM, "/GetSamplingRules: the daemon's answer is cut off");
}

static void somebody_elses_port_is_noticed(void **state)
{
    (void)state;
    fails("garbage", TW_ERR_SYNTAX, "/GetSamplingRules: the daemon's answer is not HTTP");
}

static void an_answer_without_end_is_stopped(void **state)
{
    (void)state;
    fails("huge", TW_ERR_SPACE, "/GetSamplingRules: the daemon's answer is too long");
}

static void an_error_of_the_service_is_brought_back(void **state)
{
    (void)state;
    start_daemon("error");
    open_client(20, 2000);
    assert_int_equal(poll_on(20), 1);
    tw__sampler_stats(&sampler, why);
    assert_string_equal(why, "/GetSamplingRules: answered 500");
}

static void nobody_listens(void **state)
{
    (void)state;
    start_daemon("plain");
    open_client(20, 2000);
    (void)fclose(daemon_in);
    (void)fclose(daemon_out);
    waitpid(daemon_pid, NULL, 0);
    daemon_pid = 0;
    assert_int_equal(poll_on(20), TW_ERR_SYSTEM);
    tw__sampler_stats(&sampler, why);
    assert_string_equal(why, "/GetSamplingRules: the daemon refused the connection");
    assert_int_equal(tw__xray_client_poll(&client, now), 0); /* not at once again */
    now += 7 * S;
    assert_int_equal(poll_on(20), TW_ERR_SYSTEM);
}

static void names_are_looked_up_beside(void **state)
{
    (void)state;
    char address[64];
    start_daemon("plain");
    (void)snprintf(address, sizeof address, "localhost:%d", daemon_port);
    assert_int_equal(tw__xray_client_open(&client, &sampler, address, NULL), 0);
    int result = poll_on(5);
    if (result <= 0) fail_msg("%d: %s", result, daemon_says());
}

static void a_sampler_that_is_not_central_asks_nothing(void **state)
{
    (void)state;
    assert_int_equal(tw__sampler_load(&sampler, "rate=1", NULL, why), 0);
    assert_int_equal(tw__xray_client_open(&client, &sampler, NULL, NULL), 0);
    assert_int_equal(tw__xray_client_poll(&client, now), 0);
    assert_int_equal(client.phase, TW__XRAY_IDLE);
    assert_null(client.request.ptr);
}

static void a_fork_leaves_the_parents_connection_alone(void **state)
{
    (void)state;
    start_daemon("chunked");
    open_client(1, 5000);
    while (client.phase != TW__XRAY_RECEIVING) assert_int_equal(tw__xray_client_poll(&client, now), 0);
    tw__sampler_before_fork(&sampler);
    pid_t child = fork();
    if (child == 0) {
        tw__sampler_after_fork(&sampler, true, now);
        tw__xray_client_after_fork(&client);
        _exit(client.fd == -1 && client.phase == TW__XRAY_IDLE ? 0 : 1);
    }
    tw__sampler_after_fork(&sampler, false, now);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    int result = poll_on(1);
    tw__sampler_stats(&sampler, why);
    if (result <= 0) fail_msg("%d: %s", result, why);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_daemons_address_has_two_forms),
        cmocka_unit_test(other_addresses_are_refused),
        cmocka_unit_test(a_body_ends_by_length_by_chunks_or_with_the_connection),
        cmocka_unit_test(what_is_not_http_or_is_cut_off_is_refused),
        TEST(rules_and_quotas_come_from_the_daemon),
        TEST(it_works_without_ever_waiting),
        TEST(chunks_in_small_pieces_are_put_together),
        TEST(a_daemon_that_does_not_answer_times_out),
        TEST(a_daemon_that_drips_times_out),
        TEST(an_answer_that_is_cut_off_is_none),
        TEST(somebody_elses_port_is_noticed),
        TEST(an_answer_without_end_is_stopped),
        TEST(an_error_of_the_service_is_brought_back),
        TEST(nobody_listens),
        TEST(names_are_looked_up_beside),
        TEST(a_sampler_that_is_not_central_asks_nothing),
        TEST(a_fork_leaves_the_parents_connection_alone),
    };
    return cmocka_run_group_tests_name("xray_client", tests, NULL, NULL);
}
