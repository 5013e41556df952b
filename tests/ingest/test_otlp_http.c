/* The OTLP/HTTP door with a store that cannot take anything: what the sender is told, and what the door does then.
 * Run under TSAN too: the door has threads of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/listen.h"
#include "ingest/otlp_http.h"

static int store_says;
static size_t stored;

static int take(void *to, const struct tw__spans *spans)
{
    (void)to;
    if (store_says == 0) stored += spans->count;
    return store_says;
}

static struct tw__intake intake = {.sink = {.write = take}};

static const char body[] =
    "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"traceId\":\"5b8efff798038103d269b633813fc60c\","
    "\"spanId\":\"eee19b7ec3c1b174\",\"name\":\"x\"}]}]}]}";

static int reach(const char *where)
{
    struct tw__listen_address address;
    assert_int_equal(tw__listen_parse(where, &address), 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (void *)&address.address, address.len), 0);
    return fd;
}

static void ask(const char *where, char *answer, size_t cap)
{
    char request[1024];
    int len = snprintf(
        request, sizeof request,
        "POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n%s",
        sizeof body - 1, body);
    int fd = reach(where);
    size_t got = 0;
    assert_int_equal(send(fd, request, (size_t)len, 0), len);
    for (ssize_t more; got + 1 < cap && (more = recv(fd, answer + got, cap - 1 - got, 0)) > 0;) got += (size_t)more;
    answer[got] = '\0';
    (void)close(fd);
}

static void a_store_that_is_full_makes_senders_come_again(void **state)
{
    struct tw__open_door door = {.kind = &tw__door_otlp_http};
    char why[TW_WHY_MAX] = "", where[TW__BOUND_MAX], answer[4096];
    (void)state;
    struct tw__door_config config = {.intake = &intake,
                                     .loopback = true,
                                     .threads = 2,
                                     .body_max_bytes = 1 << 20,
                                     .waiting_max_bytes = 1 << 20,
                                     .connections_max = 10};
    config.stream_fd = tw__listen_open("127.0.0.1:0", SOCK_STREAM, why);
    assert_true(config.stream_fd >= 0);
    tw__listen_where(config.stream_fd, where, sizeof where);
    assert_int_equal(tw__door_otlp_http.open(&door, &config, why), 0);
    store_says = TW_ERR_SPACE;
    ask(where, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 503"));
    assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    assert_non_null(strstr(answer, "{\"code\":14,"));
    assert_int_equal(door.stats.later, 1);
    store_says = TW_ERR_SYSTEM;
    ask(where, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 503"));
    assert_int_equal(door.stats.failures, 1);
    store_says = 0;
    ask(where, answer, sizeof answer);
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    assert_int_equal(stored, 1);
    assert_int_equal(door.stats.spans, 1);
    tw__door_otlp_http.drain(&door);
    assert_true(tw__door_otlp_http.idle(&door));
    tw__door_otlp_http.close(&door);
}

static void too_many_connections_are_closed_and_counted(void **state)
{
    struct tw__open_door door = {.kind = &tw__door_otlp_http};
    char why[TW_WHY_MAX] = "", where[TW__BOUND_MAX], answer[4096];
    int held[3];
    (void)state;
    struct tw__door_config config = {.intake = &intake,
                                     .loopback = true,
                                     .threads = 1,
                                     .body_max_bytes = 1 << 20,
                                     .waiting_max_bytes = 1 << 20,
                                     .connections_max = 10,
                                     .source_connections_max = 3};
    config.stream_fd = tw__listen_open("127.0.0.1:0", SOCK_STREAM, why);
    tw__listen_where(config.stream_fd, where, sizeof where);
    assert_int_equal(tw__door_otlp_http.open(&door, &config, why), 0);
    for (size_t i = 0; i < 3; i++) held[i] = reach(where);
    for (int i = 0; i < 6000 && tw__load_relaxed(&door.stats.connections) < 3; i++) (void)usleep(10000);
    int refused = reach(where);
    char byte;
    assert_true(recv(refused, &byte, 1, 0) <= 0);
    (void)close(refused);
    assert_int_equal(tw__load_relaxed(&door.stats.refused_connections), 1);
    for (size_t i = 0; i < 3; i++) (void)close(held[i]);
    store_says = 0;
    for (int i = 0; i < 6000; i++) { /* until the door has seen that they are gone */
        ask(where, answer, sizeof answer);
        if (strstr(answer, "HTTP/1.1 200")) break;
        (void)usleep(10000);
    }
    assert_non_null(strstr(answer, "HTTP/1.1 200"));
    tw__door_otlp_http.close(&door);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_store_that_is_full_makes_senders_come_again),
        cmocka_unit_test(too_many_connections_are_closed_and_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
