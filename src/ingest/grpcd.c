/* grpcd: each thread waits with an epoll of its own for the listening socket and for the connections it has taken.
 * A connection stays with its thread, so that sessions need no lock.
 *
 * Invariant: a connection is read only while what it has to send is small: a peer that does not read is not read from.
 * Limits: HANDSHAKE_NS until the first bytes make sense, BUSY_NS without a byte while a call is under way, IDLE_NS
 * without a call; connections altogether and for each source.
 */
#include "ingest/grpcd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/os.h"
#include "ingest/tls.h"

enum { READ_BYTES = 128 << 10, READS_MAX = 8, EVENTS = 64, TICK_MS = 250, OUT_FULL = 512 << 10, THREADS_MAX = 16 };
static const uint64_t HANDSHAKE_NS = 10000000000, BUSY_NS = 60000000000, IDLE_NS = 900000000000;

struct worker;

struct connection {
    struct worker *worker;
    struct connection *previous, *next;
    int fd, place; /* place: in sources */
    uint32_t events;
    SSL *ssl; /* NULL: plain */
    struct tw__grpc_session *session;
    struct sockaddr_storage source;
    struct tw__buf out;
    size_t sent;
    uint64_t began_ns, last_ns;
    bool spoke, closing, draining;
};

struct worker {
    struct tw__grpcd *server;
    pthread_t thread;
    bool started, drained;
    int epoll;
    struct connection *connections;
    struct tw__inflate inflate;
    unsigned char *bytes; /* READ_BYTES */
};

struct tw__grpcd {
    struct tw__grpcd_config config;
    struct tw__grpc_service service;
    struct tw__tls *tls;
    int wake;                                 /* an eventfd that stays readable once draining or stopping */
    uint32_t draining, stopping, connections; /* atomic */
    unsigned worker_count;
    struct worker workers[THREADS_MAX];
};

static void *const LISTENING = (void *)(uintptr_t)1, *const WAKING = (void *)(uintptr_t)2;

/* -- connections */

static void close_connection(struct connection *connection)
{
    struct tw__grpcd *server = connection->worker->server;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        connection->worker->connections = connection->next;
    if (connection->next) connection->next->previous = connection->previous;
    tw__grpc_session_free(connection->session);
    if (connection->ssl) SSL_free(connection->ssl);
    (void)close(connection->fd);
    tw__sources_leave(server->service.sources, connection->place);
    (void)tw__sub_release(&server->connections, 1U);
    tw__buf_fini(&connection->out);
    free(connection);
}

/* What recv and send would say: bytes, 0 for the end, -1 with errno (EAGAIN: later). */
static ssize_t tls_result(struct connection *connection, int result)
{
    int error = SSL_get_error(connection->ssl, result);
    errno = EAGAIN;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return -1;
    ERR_clear_error();
    errno = EIO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t receive(struct connection *connection, void *bytes, size_t len)
{
    if (!connection->ssl) return recv(connection->fd, bytes, len, 0);
    int result = SSL_read(connection->ssl, bytes, (int)len);
    return result > 0 ? result : tls_result(connection, result);
}

static ssize_t transmit(struct connection *connection, const void *bytes, size_t len)
{
    if (!connection->ssl) return send(connection->fd, bytes, len, MSG_NOSIGNAL);
    int result = SSL_write(connection->ssl, bytes, (int)(len < READ_BYTES ? len : READ_BYTES));
    return result > 0 ? result : tls_result(connection, result);
}

/* Sends until there is nothing more or the peer takes nothing more. Returns false when the connection is over. */
static bool flush(struct connection *connection)
{
    for (;;) {
        if (connection->sent == connection->out.len) {
            tw__buf_reset(&connection->out);
            connection->sent = 0;
            if (tw__grpc_session_send(connection->session, &connection->out) < 0) connection->closing = true;
            if (connection->out.len == 0) break;
        }
        ssize_t len =
            transmit(connection, connection->out.ptr + connection->sent, connection->out.len - connection->sent);
        if (len <= 0) return len < 0 && errno == EAGAIN;
        connection->sent += (size_t)len;
    }
    return !connection->closing && !tw__grpc_session_is_over(connection->session);
}

static bool is_full(const struct connection *connection)
{
    return connection->out.len - connection->sent >= OUT_FULL;
}

static bool read_some(struct connection *connection, uint64_t now_ns)
{
    unsigned char *bytes = connection->worker->bytes;
    for (unsigned i = 0; i < READS_MAX && !is_full(connection); i++) {
        ssize_t len = receive(connection, bytes, READ_BYTES);
        if (len < 0 && errno == EINTR) continue;
        if (len <= 0) return len < 0 && errno == EAGAIN;
        connection->spoke = true;
        connection->last_ns = now_ns;
        if (tw__grpc_session_recv(connection->session, bytes, (size_t)len, now_ns) < 0) connection->closing = true;
        if (connection->closing) break;
        if (!connection->ssl && len < READ_BYTES) break; /* that was all */
    }
    return true;
}

static void watch(struct connection *connection)
{
    bool waits = connection->out.len > connection->sent;
    uint32_t events = (is_full(connection) ? 0U : (uint32_t)EPOLLIN) | (waits ? (uint32_t)EPOLLOUT : 0U);
    if (events == connection->events) return;
    struct epoll_event event = {.events = events, .data.ptr = connection};
    connection->events = events;
    (void)epoll_ctl(connection->worker->epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

static void serve(struct connection *connection, uint32_t events, uint64_t now_ns)
{
    bool goes_on = true;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) goes_on = read_some(connection, now_ns);
    if (goes_on) goes_on = flush(connection);
    /* What TLS has decrypted already wakes nobody. */
    while (goes_on && connection->ssl && SSL_pending(connection->ssl) > 0 && !is_full(connection))
        goes_on = read_some(connection, now_ns) && flush(connection);
    if (goes_on)
        watch(connection);
    else
        close_connection(connection);
}

static void adopt(struct worker *worker, int fd, const struct sockaddr_storage *source, uint64_t now_ns)
{
    struct tw__grpcd *server = worker->server;
    struct tw__door_stats *stats = server->service.stats;
    int one = 1, place = -1;
    struct connection *connection = NULL;
    struct epoll_event event = {.events = EPOLLIN};
    tw__stat_add(&stats->connections, 1);
    if (tw__add_relaxed(&server->connections, 1U) < server->config.connections_max)
        place = tw__sources_enter(server->service.sources, (const struct sockaddr *)source);
    if (place < 0) {
        tw__stat_add(&stats->refused_connections, 1);
        goto refuse;
    }
    connection = calloc(1, sizeof *connection);
    if (!connection) goto leave;
    *connection = (struct connection){.worker = worker, .fd = fd, .place = place, .source = *source};
    connection->began_ns = connection->last_ns = now_ns;
    connection->events = EPOLLIN;
    connection->session =
        tw__grpc_session_new(&server->service, (struct sockaddr *)&connection->source, &worker->inflate);
    if (server->tls) connection->ssl = tw__tls_accept(server->tls, fd);
    if (!connection->session || (server->tls && !connection->ssl)) goto leave;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    event.data.ptr = connection;
    if (epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event) < 0) goto leave;
    connection->next = worker->connections;
    if (worker->connections) worker->connections->previous = connection;
    worker->connections = connection;
    return;

leave:
    tw__stat_add(&stats->failures, 1);
    if (connection) {
        tw__grpc_session_free(connection->session);
        if (connection->ssl) SSL_free(connection->ssl);
        free(connection);
    }
    tw__sources_leave(server->service.sources, place);
refuse:
    (void)tw__sub_release(&server->connections, 1U);
    (void)close(fd);
}

static void take_connections(struct worker *worker, uint64_t now_ns)
{
    for (unsigned i = 0; i < EVENTS; i++) {
        struct sockaddr_storage source = {0};
        socklen_t len = sizeof source;
        int fd = accept(worker->server->config.fd, (void *)&source, &len);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                tw__stat_add(&worker->server->service.stats->refused_connections, 1);
                tw__os_sleep_ns(TICK_MS * UINT64_C(1000)); /* the socket stays readable: do not spin */
            }
            return;
        }
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        adopt(worker, fd, &source, now_ns);
    }
}

/* -- threads */

static bool is_too_old(const struct connection *connection, uint64_t now_ns)
{
    uint64_t quiet_ns = now_ns - connection->last_ns;
    if (!connection->spoke) return now_ns - connection->began_ns > HANDSHAKE_NS;
    return quiet_ns > (tw__grpc_session_streams(connection->session) ? BUSY_NS : IDLE_NS);
}

static void look_after(struct worker *worker, uint64_t now_ns)
{
    bool draining = tw__load_relaxed(&worker->server->draining);
    if (draining && !worker->drained) {
        worker->drained = true;
        (void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->server->config.fd, NULL);
    }
    for (struct connection *connection = worker->connections, *next; connection; connection = next) {
        next = connection->next;
        tw__grpc_session_tick(connection->session, now_ns);
        if (draining && !connection->draining) {
            connection->draining = true;
            tw__grpc_session_drain(connection->session);
        }
        bool idle = tw__grpc_session_streams(connection->session) == 0;
        if (is_too_old(connection, now_ns)) {
            tw__stat_add(&worker->server->service.stats->late, idle ? 0 : 1);
            close_connection(connection);
        } else if (!flush(connection) || (draining && idle && connection->out.len == connection->sent)) {
            close_connection(connection);
        } else {
            watch(connection);
        }
    }
}

static void *run(void *data)
{
    struct worker *worker = data;
    struct epoll_event events[EVENTS];
    uint64_t looked_ns = 0;
    tw__os_name_thread("grpc");
    while (!tw__load_acquire(&worker->server->stopping)) { /* pairs with tw__grpcd_close */
        int count = epoll_wait(worker->epoll, events, EVENTS, TICK_MS);
        uint64_t now_ns = tw__clock_mono_ns();
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == LISTENING)
                take_connections(worker, now_ns);
            else if (events[i].data.ptr == WAKING)
                looked_ns = 0;
            else
                serve(events[i].data.ptr, events[i].events, now_ns);
        }
        if (now_ns - looked_ns < TICK_MS * UINT64_C(1000000)) continue;
        if (looked_ns == 0 && tw__load_relaxed(&worker->server->draining))
            (void)epoll_ctl(worker->epoll, EPOLL_CTL_DEL, worker->server->wake, NULL);
        looked_ns = now_ns;
        look_after(worker, now_ns);
    }
    while (worker->connections) close_connection(worker->connections);
    return NULL;
}

static bool start(struct worker *worker, struct tw__grpcd *server)
{
    struct epoll_event listening = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = LISTENING};
    struct epoll_event waking = {.events = EPOLLIN, .data.ptr = WAKING};
    worker->server = server;
    worker->bytes = malloc(READ_BYTES);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!worker->bytes || worker->epoll < 0 ||
        epoll_ctl(worker->epoll, EPOLL_CTL_ADD, server->config.fd, &listening) < 0 ||
        epoll_ctl(worker->epoll, EPOLL_CTL_ADD, server->wake, &waking) < 0)
        return false;
    worker->started = pthread_create(&worker->thread, NULL, run, worker) == 0;
    return worker->started;
}

int tw__grpcd_open(const struct tw__grpcd_config *config, struct tw__grpcd **out, char why[TW_WHY_MAX])
{
    int code = TW_ERR_MEMORY;
    unsigned threads = config->threads == 0 ? 1 : config->threads < THREADS_MAX ? config->threads : THREADS_MAX;
    struct tw__grpcd *server = calloc(1, sizeof *server);
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!server) return TW_ERR_MEMORY;
    server->config = *config;
    server->service = config->service;
    server->config.fd = -1; /* the caller's until this has succeeded */
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    server->service.sources = tw__sources_new(config->source_connections_max, config->source_rate_bytes);
    if (server->wake < 0 || !server->service.sources) goto close;
    if (config->tls && (code = tw__tls_open(config->tls, "h2", &server->tls, why)) < 0) goto close;
    server->config.fd = config->fd;
    for (unsigned i = 0; i < threads; i++) {
        server->worker_count++;
        if (start(&server->workers[i], server)) continue;
        (void)snprintf(why, TW_WHY_MAX, "a thread did not start");
        code = TW_ERR_SYSTEM;
        goto close;
    }
    *out = server;
    return 0;

close:
    tw__grpcd_close(server);
    return code;
}

int tw__grpcd_reload(struct tw__grpcd *server, char why[TW_WHY_MAX])
{
    return server->tls ? tw__tls_reload(server->tls, why) : 0;
}

static void wake(struct tw__grpcd *server)
{
    uint64_t one = 1;
    (void)!write(server->wake, &one, sizeof one);
}

void tw__grpcd_drain(struct tw__grpcd *server)
{
    tw__under_way_moved(&server->service.under_way);
    tw__store_release(&server->draining, 1U); /* read relaxed in look_after: a flag alone */
    wake(server);
}

bool tw__grpcd_idle(struct tw__grpcd *server)
{
    return tw__under_way_done(&server->service.under_way);
}

void tw__grpcd_close(struct tw__grpcd *server)
{
    if (!server) return;
    tw__store_release(&server->stopping, 1U); /* pairs with run */
    if (server->wake >= 0) wake(server);
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct worker *worker = &server->workers[i];
        if (worker->started) (void)pthread_join(worker->thread, NULL);
        if (worker->epoll >= 0) (void)close(worker->epoll);
        tw__inflate_fini(&worker->inflate);
        free(worker->bytes);
    }
    if (server->config.fd >= 0) (void)close(server->config.fd);
    if (server->wake >= 0) (void)close(server->wake);
    tw__tls_close(server->tls);
    tw__sources_free(server->service.sources);
    free(server);
}
