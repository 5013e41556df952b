/* httpd: libmicrohttpd behind a table of routes. Its threads wait with epoll and call the handlers themselves, so a
 * slow query holds one thread of its own server and no other door.
 *
 * A certificate is replaced by a second libmicrohttpd on the same socket: the first keeps its connections until they
 * end, or the next reload.
 * Rejected: its own threads-per-connection (memory), gnutls' callback for certificates (a second TLS library in our
 * code).
 */
#include "ingest/httpd.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingest/http_exchange.h"

enum {
    IDLE_S = 60, /* without a byte in either direction */
    PEM_MAX = 1 << 20
};

struct tw__httpd {
    struct tw__httpd_config config;
    struct MHD_Daemon *daemon, *before; /* before: with the certificate before */
    char *certificate, *key;            /* texts that daemon uses; */
    char *certificate_before, *key_before;
    uint32_t connections; /* atomic */
    struct tw__http_exchanges exchanges;
};

/* The place of a connection in sources, plus one, is its socket context. */
static void on_connection(void *data, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    struct tw__httpd *server = data;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const struct sockaddr *source = tw__http_source(connection);
        int place = source ? tw__sources_enter(server->exchanges.sources, source) : 0;
        *state = (void *)(uintptr_t)(place < 0 ? 0 : place + 1);
        (void)tw__add_relaxed(&server->connections, 1U);
        tw__stat_add(&server->config.stats->connections, 1);
        if (place < 0) {
            tw__stat_add(&server->config.stats->refused_connections, 1);
            const union MHD_ConnectionInfo *info =
                MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
            if (info) (void)shutdown(info->connect_fd, SHUT_RDWR);
        }
        return;
    }
    if (*state) tw__sources_leave(server->exchanges.sources, (int)((uintptr_t)*state - 1));
    (void)tw__sub_release(&server->connections, 1U);
}

static enum MHD_Result on_accept(void *data, const struct sockaddr *source, socklen_t len)
{
    struct tw__httpd *server = data;
    (void)source;
    (void)len;
    if (tw__load_relaxed(&server->connections) < server->config.connections_max) return MHD_YES;
    tw__stat_add(&server->config.stats->refused_connections, 1);
    return MHD_NO;
}

/* -- opening and closing */

static char *read_pem(const char *path, char why[TW_WHY_MAX])
{
    FILE *file = fopen(path, "rbe");
    char *text = file ? calloc(1, PEM_MAX) : NULL;
    size_t len = text ? fread(text, 1, PEM_MAX - 1, file) : 0;
    if (file) (void)fclose(file);
    if (len) return text;
    (void)snprintf(why, TW_WHY_MAX, "%.180s cannot be read", path);
    free(text);
    return NULL;
}

static struct MHD_Daemon *start(struct tw__httpd *server, int fd, const char *certificate, const char *key)
{
    const struct tw__httpd_config *config = &server->config;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | (certificate ? MHD_USE_TLS : 0);
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, fd, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)config->connections_max + 8 * (intptr_t)config->threads, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, TW__HTTP_CONNECTION_BYTES, NULL},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {config->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)config->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem tls[] = {
        {certificate ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)(uintptr_t)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(flags, 0, on_accept, server, tw__http_exchange_on, &server->exchanges,
                            MHD_OPTION_NOTIFY_COMPLETED, tw__http_exchange_end, &server->exchanges,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_ARRAY, options,
                            MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static int read_tls(const struct tw__httpd *server, char **certificate, char **key, char why[TW_WHY_MAX])
{
    const struct tw__tls_files *tls = server->config.tls;
    *certificate = *key = NULL;
    if (!tls) return 0;
    *certificate = read_pem(tls->certificate, why);
    *key = *certificate ? read_pem(tls->key, why) : NULL;
    if (*key) return 0;
    free(*certificate);
    return TW_ERR_NOT_FOUND;
}

int tw__httpd_open(const struct tw__httpd_config *config, struct tw__httpd **out, char why[TW_WHY_MAX])
{
    int code = TW_ERR_MEMORY;
    struct tw__httpd *server = calloc(1, sizeof *server);
    (void)snprintf(why, TW_WHY_MAX, "out of memory");
    if (!server) return TW_ERR_MEMORY;
    server->config = *config;
    if (server->config.threads == 0) server->config.threads = 1;
    tw__http_exchanges_init(&server->exchanges, &server->config);
    server->exchanges.sources = tw__sources_new(config->source_connections_max, config->source_rate_bytes);
    if (!server->exchanges.sources) goto close;
    code = read_tls(server, &server->certificate, &server->key, why);
    if (code < 0) goto close;
    server->daemon = start(server, config->fd, server->certificate, server->key);
    if (!server->daemon) {
        (void)snprintf(why, TW_WHY_MAX, "%s",
                       config->tls ? "the certificate and key cannot be used together"
                                   : "the HTTP server did not start");
        code = TW_ERR_SYSTEM;
        goto close;
    }
    *out = server;
    return 0;

close:
    tw__httpd_close(server);
    return code;
}

static void stop_before(struct tw__httpd *server)
{
    if (server->before) MHD_stop_daemon(server->before);
    free(server->certificate_before);
    free(server->key_before);
    server->before = NULL;
    server->certificate_before = server->key_before = NULL;
}

int tw__httpd_reload(struct tw__httpd *server, char why[TW_WHY_MAX])
{
    char *certificate, *key;
    if (!server->config.tls || tw__load_relaxed(&server->exchanges.draining)) return 0;
    int code = read_tls(server, &certificate, &key, why);
    if (code < 0) return code;
    int fd = dup(server->config.fd);
    struct MHD_Daemon *daemon = fd < 0 ? NULL : start(server, fd, certificate, key);
    if (!daemon) {
        (void)snprintf(why, TW_WHY_MAX, "the certificate and key cannot be used together");
        if (fd >= 0) (void)close(fd);
        free(certificate);
        free(key);
        return TW_ERR_SYSTEM;
    }
    stop_before(server);
    int old = MHD_quiesce_daemon(server->daemon);
    if (old >= 0) (void)close(old);
    server->before = server->daemon;
    server->certificate_before = server->certificate;
    server->key_before = server->key;
    server->daemon = daemon;
    server->config.fd = fd;
    server->certificate = certificate;
    server->key = key;
    return 0;
}

void tw__httpd_drain(struct tw__httpd *server)
{
    if (tw__load_relaxed(&server->exchanges.draining)) return;
    tw__under_way_moved(&server->exchanges.under_way);
    tw__store_release(&server->exchanges.draining, 1U); /* read by http_exchange.c, add_headers, which needs no order */
    int fd = MHD_quiesce_daemon(server->daemon);
    if (fd >= 0) (void)close(fd);
}

bool tw__httpd_idle(struct tw__httpd *server)
{
    return tw__under_way_done(&server->exchanges.under_way);
}

void tw__httpd_close(struct tw__httpd *server)
{
    if (!server) return;
    stop_before(server);
    if (server->daemon) MHD_stop_daemon(server->daemon);
    tw__http_exchanges_fini(&server->exchanges);
    tw__sources_free(server->exchanges.sources);
    free(server->certificate);
    free(server->key);
    free(server);
}
