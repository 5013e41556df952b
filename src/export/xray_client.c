/* xray_client: one exchange at a time, cut into polls.
 *
 *     idle -> resolving -> connecting -> sending -> receiving -> idle
 *                  |            |  ^ next address     |
 *                  `------------+--+------------------+--> failed: sampler told, idle
 *
 * The exporters' thread has spans to send and must not sit here: a poll does what can be done now, waits no longer than
 * wait_ns for the socket, and returns; the next poll goes on. timeout_ns bounds the whole exchange, however slowly the
 * bytes drip. Pages of rules follow each other within one poll as long as they come quickly.
 * Invariant: phase is idle exactly when no question is open in the sampler, and then there is no socket and no lookup.
 * An address that refuses is followed by the next one of the same name; when the last one fails, the name is looked up
 * anew with the next question: daemons move.
 * Limits: an answer of TW__XRAY_ANSWER_MAX bytes. Plain HTTP: the daemon signs and encrypts.
 */
#include "export/xray_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/http.h"

enum { CHUNK = 2048, ANSWERS_MAX = 64 };
#define MS ((uint64_t)1000000)

/* What a step came to. */
enum step { GO_ON, WAIT_TO_READ, WAIT_TO_WRITE, WAIT, ANSWERED };

int tw__xray_client_open(struct tw__xray_client *client, struct tw__sampler *sampler, const char *address,
                         const struct tw__xray_limits *limits)
{
    static const struct tw__xray_limits usual = {.wait_ns = 5 * MS, .timeout_ns = 2000 * MS};
    struct tw__xray_address parsed;
    int result = tw__xray_address_parse(address, &parsed);
    if (result < 0) return result;
    memset(client, 0, sizeof *client);
    client->sampler = sampler;
    client->address = parsed;
    client->limits = limits ? *limits : usual;
    client->fd = -1;
    return 0;
}

static void hang_up(struct tw__xray_client *client)
{
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    tw__resolve_abandon(client->resolving);
    client->resolving = NULL;
    client->phase = TW__XRAY_IDLE;
}

void tw__xray_client_close(struct tw__xray_client *client)
{
    hang_up(client);
    tw__buf_fini(&client->request);
    tw__buf_fini(&client->answer);
    tw__buf_fini(&client->body);
}

void tw__xray_client_after_fork(struct tw__xray_client *client)
{
    client->resolving = NULL; /* its thread is not here; resolve.c says what that costs */
    hang_up(client);          /* close, not shutdown: the connection is the parent's, too */
}

static int fail(struct tw__xray_client *client, uint64_t now_ns, int error, const char *why)
{
    hang_up(client);
    client->resolved.count = 0;
    tw__sampler_failed(client->sampler, now_ns, why);
    return error;
}

/* -- steps: an enum step, or an error with *why */

static int resolve(struct tw__xray_client *client, const char **why)
{
    if (client->resolved.count == 0) {
        const struct tw__endpoint *tcp = &client->address.tcp;
        if (!client->resolving) client->resolving = tw__resolve_begin(tcp->host, tcp->port);
        *why = "the daemon's name could not be looked up";
        if (!client->resolving) return TW_ERR_MEMORY;
        int result = tw__resolve_poll(client->resolving, &client->resolved);
        if (result == 0) return WAIT;
        client->resolving = NULL;
        *why = "there is no host of the daemon's name";
        if (result < 0) return result;
    }
    client->candidate = 0;
    client->phase = TW__XRAY_CONNECTING;
    return GO_ON;
}

static int next_candidate(struct tw__xray_client *client, int error_number, const char **why)
{
    if (client->fd >= 0) close(client->fd);
    client->fd = -1;
    *why = error_number == ECONNREFUSED ? "the daemon refused the connection" : "the daemon cannot be reached";
    return ++client->candidate < client->resolved.count ? GO_ON : TW_ERR_SYSTEM;
}

static int connect_step(struct tw__xray_client *client, const char **why)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (client->fd < 0) {
        const struct sockaddr *to =
            (const struct sockaddr *)(const void *)&client->resolved.items[client->candidate].address;
        client->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (client->fd < 0) return next_candidate(client, errno, why);
        if (connect(client->fd, to, client->resolved.items[client->candidate].len) == 0) {
            client->phase = TW__XRAY_SENDING;
            return GO_ON;
        }
        if (errno != EINPROGRESS && errno != EINTR) return next_candidate(client, errno, why);
        return WAIT_TO_WRITE;
    }
    struct pollfd ready = {.fd = client->fd, .events = POLLOUT};
    if (poll(&ready, 1, 0) <= 0) return WAIT_TO_WRITE;
    if (getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) error = errno;
    if (error) return next_candidate(client, error, why);
    client->phase = TW__XRAY_SENDING;
    return GO_ON;
}

static int send_step(struct tw__xray_client *client, const char **why)
{
    *why = "the connection to the daemon broke";
    while (client->sent < client->request.len) {
        ssize_t n =
            send(client->fd, client->request.ptr + client->sent, client->request.len - client->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno == EAGAIN ? (int)WAIT_TO_WRITE : (int)TW_ERR_SYSTEM;
        client->sent += (size_t)n;
    }
    client->phase = TW__XRAY_RECEIVING;
    return GO_ON;
}

static int receive_step(struct tw__xray_client *client, uint64_t now_ns, const char **why)
{
    char chunk[CHUNK];
    for (;;) {
        ssize_t n = recv(client->fd, chunk, sizeof chunk, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return WAIT_TO_READ;
        *why = "the connection to the daemon broke";
        if (n < 0) return TW_ERR_SYSTEM;
        *why = "the daemon's answer is too long";
        if ((size_t)n > TW__XRAY_ANSWER_MAX - client->answer.len) return TW_ERR_SPACE;
        tw__buf_add(&client->answer, chunk, (size_t)n);
        *why = "out of memory";
        if (client->answer.failed) return TW_ERR_MEMORY;
        if ((size_t)n == sizeof chunk) continue; /* there is more: look at it once */
        struct tw__http_answer answer;
        char none[1] = "";
        int result = tw__http_read(client->answer.ptr ? client->answer.ptr : none, client->answer.len, n == 0, &answer);
        *why = result == TW_ERR_SPACE ? "the daemon's answer is too long"
               : n == 0               ? "the daemon's answer is cut off"
                                      : "the daemon's answer is not HTTP";
        if (result < 0) return n == 0 ? (int)TW_ERR_SYSTEM : result;
        if (result == 0) return WAIT_TO_READ; /* and look at the clock: bytes that drip are looked at again and again */
        hang_up(client);
        tw__sampler_answer(client->sampler, now_ns, answer.status, answer.body, answer.body_len);
        return ANSWERED;
    }
}

static int step(struct tw__xray_client *client, uint64_t now_ns, const char **why)
{
    switch (client->phase) {
    case TW__XRAY_RESOLVING:
        return resolve(client, why);
    case TW__XRAY_CONNECTING:
        return connect_step(client, why);
    case TW__XRAY_SENDING:
        return send_step(client, why);
    case TW__XRAY_RECEIVING:
        return receive_step(client, now_ns, why);
    case TW__XRAY_IDLE:
        break;
    }
    return ANSWERED;
}

/* Takes the next question up. 1, 0 when nothing is due, or TW_ERR_MEMORY. */
static int take_up(struct tw__xray_client *client, uint64_t now_ns)
{
    char host[TW__HOST_MAX + TW__PORT_MAX + 4];
    const struct tw__endpoint *tcp = &client->address.tcp;
    bool brackets = strchr(tcp->host, ':') != NULL;
    tw__buf_reset(&client->body);
    tw__buf_reset(&client->request);
    tw__buf_reset(&client->answer);
    const char *path = tw__sampler_next(client->sampler, now_ns, &client->body);
    if (!path) return 0;
    (void)snprintf(host, sizeof host, "%s%s%s:%s", brackets ? "[" : "", tcp->host, brackets ? "]" : "", tcp->port);
    tw__http_post(&client->request, host, path, client->body.ptr, client->body.len);
    if (client->body.failed || client->request.failed) return fail(client, now_ns, TW_ERR_MEMORY, "out of memory");
    client->sent = 0;
    client->phase = TW__XRAY_RESOLVING;
    client->deadline_ns = tw__clock_mono_ns() + client->limits.timeout_ns;
    return 1;
}

/* Waits until the socket is ready or until_ns. False: it is not, and time is up. */
static bool wait_for(const struct tw__xray_client *client, enum step what, uint64_t until_ns)
{
    struct pollfd ready = {.fd = what == WAIT ? -1 : client->fd, .events = what == WAIT_TO_READ ? POLLIN : POLLOUT};
    uint64_t now = tw__clock_mono_ns();
    if (now >= until_ns) return false;
    int ms = (int)((until_ns - now) / MS);
    if (what == WAIT && ms > 1) ms = 1; /* a lookup has nothing to poll */
    return poll(&ready, 1, ms) > 0 || what == WAIT;
}

int tw__xray_client_poll(struct tw__xray_client *client, uint64_t now_ns)
{
    uint64_t until_ns = tw__clock_mono_ns() + client->limits.wait_ns;
    const char *why = "";
    int answers = 0;
    while (answers < ANSWERS_MAX) {
        if (client->phase == TW__XRAY_IDLE) {
            int begun = take_up(client, now_ns);
            if (begun <= 0) return begun < 0 ? begun : answers;
        }
        int result = step(client, now_ns, &why);
        if (result < 0) return fail(client, now_ns, result, why);
        if (result == ANSWERED) answers++;
        if (result == GO_ON || result == ANSWERED) continue;
        if (tw__clock_mono_ns() >= client->deadline_ns)
            return fail(client, now_ns, TW_ERR_TIMEOUT, "the daemon did not answer in time");
        if (!wait_for(client, (enum step)result, until_ns < client->deadline_ns ? until_ns : client->deadline_ns))
            break;
    }
    return answers;
}
