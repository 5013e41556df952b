/* sender: against sockets of the kernel, on a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "export/sender.h"

#define MS ((uint64_t)1000000)

struct peer {
    int fd;
    char port[8];
};

static struct peer listen_on_loopback(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    struct peer peer = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
    assert_int_equal(bind(peer.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(peer.fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(peer.port, sizeof peer.port, "%u", ntohs(at.sin_port));
    return peer;
}

static unsigned received(const struct peer *peer)
{
    char bytes[65536];
    unsigned count = 0;
    while (recv(peer->fd, bytes, sizeof bytes, 0) >= 0) count++;
    return count;
}

/* A round with count datagrams of len bytes. */
static void round_of(struct tw__sender *sender, uint64_t now_ns, unsigned count, size_t len)
{
    (void)tw__sender_ready(sender, now_ns);
    for (unsigned i = 0; i < count; i++) {
        if (!sender->may_send && !sender->count) {
            tw__exporter_drop(sender->self, &sender->self->stats.backing_off, 1);
            continue;
        }
        memset(tw__sender_room(sender, len, now_ns), 'x', len);
        tw__sender_add(sender, len);
    }
    tw__sender_send(sender, now_ns);
}

static void datagrams_arrive_in_batches_and_are_counted(void **state)
{
    static struct tw__exporter exporter;
    struct tw__sender sender;
    struct peer peer = listen_on_loopback();
    (void)state;
    assert_int_equal(tw__sender_open(&sender, &exporter, "127.0.0.1", peer.port), 0);
    round_of(&sender, 1000 * MS, 130, 100);
    assert_int_equal(received(&peer), 130);
    assert_int_equal(exporter.stats.sent, 130);
    assert_int_equal(exporter.stats.bytes, 13000);
    assert_int_equal(exporter.stats.dropped, 0);
    tw__sender_close(&sender);
    close(peer.fd);
}

static void a_refusal_pauses_twice_as_long_each_time_up_to_five_seconds(void **state)
{
    static struct tw__exporter exporter;
    struct tw__sender sender;
    struct peer peer = listen_on_loopback();
    uint64_t last_try = 0, longest = 0, tries = 0, before = 0;
    (void)state;
    close(peer.fd); /* nobody listens */
    assert_int_equal(tw__sender_open(&sender, &exporter, "127.0.0.1", peer.port), 0);
    for (uint64_t ms = 1000; ms < 61000; ms += 20) { /* a minute of rounds */
        round_of(&sender, ms * MS, 10, 100);
        if (exporter.stats.sent > before && last_try) longest = ms - last_try > longest ? ms - last_try : longest;
        if (exporter.stats.sent > before) last_try = ms;
        tries += exporter.stats.sent > before;
        before = exporter.stats.sent;
        assert_true(sender.pause_ns <= 5000 * MS);
    }
    assert_true(tries < 30); /* 10, 20, 40 ... 5000, 5000, ... */
    assert_true(longest >= 5000 && longest < 5100);
    assert_true(exporter.stats.errors < 30);
    assert_int_equal(exporter.stats.sent + exporter.stats.dropped, 3000 * 10);
    assert_int_equal(exporter.stats.dropped, exporter.stats.backing_off);
    tw__sender_close(&sender);
}

static void after_a_pause_one_goes_first_and_the_rest_when_it_was_not_refused(void **state)
{
    static struct tw__exporter exporter;
    struct tw__sender sender;
    struct peer peer = listen_on_loopback();
    (void)state;
    assert_int_equal(tw__sender_open(&sender, &exporter, "127.0.0.1", peer.port), 0);
    (void)tw__sender_ready(&sender, 1000 * MS);
    sender.pause_ns = 10 * MS; /* as after a refusal */
    sender.resume_ns = 1010 * MS;
    round_of(&sender, 1000 * MS, 5, 10);
    assert_int_equal(received(&peer), 0);
    round_of(&sender, 1010 * MS, 5, 10);
    assert_int_equal(received(&peer), 1);
    round_of(&sender, 1020 * MS, 5, 10); /* too early to know */
    assert_int_equal(received(&peer), 0);
    round_of(&sender, 1030 * MS, 5, 10);
    assert_int_equal(received(&peer), 5);
    assert_int_equal(exporter.stats.backing_off, 5 + 4 + 5);
    tw__sender_close(&sender);
    close(peer.fd);
}

static void a_name_is_looked_up_and_one_that_does_not_exist_is_a_problem(void **state)
{
    static struct tw__exporter good, bad;
    struct tw__sender sender;
    struct peer peer = listen_on_loopback();
    (void)state;
    assert_int_equal(tw__sender_open(&sender, &good, "localhost", peer.port), 0);
    round_of(&sender, 1000 * MS, 3, 10);
    if (good.stats.sent == 3 && sender.resolved.items[0].address.ss_family == AF_INET)
        assert_int_equal(received(&peer), 3);
    tw__sender_close(&sender);
    assert_int_equal(tw__sender_open(&sender, &bad, "no such host.invalid", "8889"), 0);
    for (uint64_t ms = 1000; ms < 3000 && !bad.stats.errors; ms += 20) round_of(&sender, ms * MS, 1, 10);
    assert_int_equal(bad.stats.sent, 0);
    assert_true(bad.stats.backing_off > 0);
    tw__sender_close(&sender);
    close(peer.fd);
}

/* Whoever moves is found again: a name is asked for again after a minute, and its new address is used. */
static void after_a_minute_a_name_is_looked_up_again(void **state)
{
    static struct tw__exporter exporter;
    struct tw__sender sender;
    struct peer peer = listen_on_loopback(), moved = {.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(peer.port))};
    (void)state;
    assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &at.sin_addr), 1);
    if (bind(moved.fd, (struct sockaddr *)&at, sizeof at) != 0) skip();
    assert_int_equal(tw__sender_open(&sender, &exporter, "127.0.0.1", peer.port), 0);
    round_of(&sender, 1000 * MS, 3, 10);
    (void)strcpy(sender.host, "127.0.0.2"); /* what the name stands for from now on */
    round_of(&sender, 60999 * MS, 3, 10);
    assert_int_equal(received(&peer), 6);
    for (uint64_t ms = 61000; ms < 61100 && !received(&moved); ms += 10) round_of(&sender, ms * MS, 3, 10);
    (void)received(&peer);
    round_of(&sender, 61200 * MS, 3, 10);
    assert_int_equal(received(&moved), 3);
    assert_int_equal(received(&peer), 0);
    assert_int_equal(exporter.stats.dropped, 0);
    tw__sender_close(&sender);
    close(peer.fd);
    close(moved.fd);
}

static void an_address_splits_into_host_and_port(void **state)
{
    static const struct {
        const char *text, *host, *port; /* host NULL: refused */
    } cases[] = {{"h:1", "h", "1"},        {"h", "h", "8889"},     {"[::1]:2", "::1", "2"},
                 {"[::1]", "::1", "8889"}, {"::1", "::1", "8889"}, {"10.0.0.1:3", "10.0.0.1", "3"},
                 {"", NULL, NULL},         {":1", NULL, NULL},     {"h:", NULL, NULL},
                 {"[::1", NULL, NULL},     {"[::1]x", NULL, NULL}, {"h:12345678901234567", NULL, NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char host[64] = "", port[16] = "";
        bool good = tw__udp_split(cases[i].text, "8889", host, sizeof host, port, sizeof port);
        assert_int_equal(good, cases[i].host != NULL);
        if (!good) continue;
        assert_string_equal(host, cases[i].host);
        assert_string_equal(port, cases[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_arrive_in_batches_and_are_counted),
        cmocka_unit_test(a_refusal_pauses_twice_as_long_each_time_up_to_five_seconds),
        cmocka_unit_test(after_a_pause_one_goes_first_and_the_rest_when_it_was_not_refused),
        cmocka_unit_test(a_name_is_looked_up_and_one_that_does_not_exist_is_a_problem),
        cmocka_unit_test(after_a_minute_a_name_is_looked_up_again),
        cmocka_unit_test(an_address_splits_into_host_and_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
