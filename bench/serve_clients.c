/* serve_clients: see the header. HTTP/1.1 by hand, gRPC on nghttp2's client side; both blocking. */
#include "serve_clients.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nghttp2/nghttp2.h>

#include "bench.h"

enum { UNDER_WAY = 8, READ = 64 << 10 };

static int reach(unsigned port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (void *)&to, sizeof to) < 0) bench_die("connect");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static bool send_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;
    while (len) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0) return false;
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Reads one answer with a Content-Length. Returns its status; 0: none came. */
static int read_answer(int fd, char *text, size_t cap)
{
    size_t len = 0;
    for (;;) {
        char *body = len ? strstr(text, "\r\n\r\n") : NULL;
        const char *length = body ? strstr(text, "Content-Length: ") : NULL;
        if (length && len >= (size_t)(body + 4 - text) + strtoul(length + 16, NULL, 10)) break;
        ssize_t got = len + 1 < cap ? recv(fd, text + len, cap - 1 - len, 0) : 0;
        if (got <= 0) return 0;
        len += (size_t)got;
        text[len] = '\0';
    }
    return atoi(text + 9);
}

size_t serve_send_http(unsigned port, const struct request *requests, size_t count, const char *type, bool gzip)
{
    char head[256], answer[4096];
    size_t taken = 0;
    int fd = reach(port);
    for (size_t i = 0; i < count; i++) {
        int len =
            snprintf(head, sizeof head,
                     "POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\n%sContent-Length: %zu\r\n\r\n",
                     type, gzip ? "Content-Encoding: gzip\r\n" : "", requests[i].len);
        if (!send_all(fd, head, (size_t)len) || !send_all(fd, requests[i].bytes, requests[i].len)) break;
        int status = read_answer(fd, answer, sizeof answer);
        if (status == 503) { /* later */
            usleep(20000);
            i--;
            continue;
        }
        if (status != 200) break;
        taken++;
    }
    (void)close(fd);
    return taken;
}

bool serve_get(unsigned port, const char *path, char *text, size_t cap)
{
    char head[256];
    int fd = reach(port), len = snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
    bool got = send_all(fd, head, (size_t)len) && read_answer(fd, text, cap) == 200;
    (void)close(fd);
    return got;
}

struct client {
    const struct request *requests;
    size_t count, next, under_way, taken;
    bool gzip, failed;
};

struct call {
    const struct request *request;
    size_t at;
    bool ok;
};

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *out, size_t cap, uint32_t *flags,
                         nghttp2_data_source *from, void *data)
{
    struct call *call = from->ptr;
    size_t left = call->request->len - call->at, len = left < cap ? left : cap;
    (void)h2;
    (void)id;
    (void)data;
    memcpy(out, call->request->bytes + call->at, len);
    call->at += len;
    if (call->at == call->request->len) *flags = NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)len;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(size_t)name, (uint8_t *)(size_t)value, strlen(name), strlen(value), 0};
}

static void submit(nghttp2_session *h2, struct client *client)
{
    while (client->under_way < UNDER_WAY && client->next < client->count) {
        nghttp2_nv headers[] = {header(":method", "POST"),
                                header(":scheme", "http"),
                                header(":path", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"),
                                header(":authority", "127.0.0.1"),
                                header("content-type", "application/grpc"),
                                header("te", "trailers"),
                                header("grpc-encoding", client->gzip ? "gzip" : "identity")};
        struct call *call = calloc(1, sizeof *call);
        if (!call) bench_die("memory");
        call->request = &client->requests[client->next++];
        nghttp2_data_provider body = {.source.ptr = call, .read_callback = read_body};
        if (nghttp2_submit_request(h2, NULL, headers, 7, &body, call) < 0) bench_die("nghttp2");
        client->under_way++;
    }
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *data)
{
    struct call *call = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    (void)flags;
    (void)data;
    if (call && name_len == 11 && memcmp(name, "grpc-status", 11) == 0) call->ok = value_len == 1 && *value == '0';
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t id, uint32_t code, void *data)
{
    struct client *client = data;
    struct call *call = nghttp2_session_get_stream_user_data(h2, id);
    (void)code;
    client->under_way--;
    if (call->ok) client->taken++;
    free(call);
    submit(h2, client);
    return 0;
}

static bool flush(nghttp2_session *h2, int fd)
{
    const uint8_t *bytes;
    ssize_t len;
    while ((len = nghttp2_session_mem_send(h2, &bytes)) > 0)
        if (!send_all(fd, bytes, (size_t)len)) return false;
    return len == 0;
}

size_t serve_send_grpc(unsigned port, const struct request *requests, size_t count, bool gzip)
{
    static __thread uint8_t bytes[READ];
    struct client client = {.requests = requests, .count = count, .gzip = gzip};
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *h2;
    int fd = reach(port);
    if (nghttp2_session_callbacks_new(&callbacks) != 0) bench_die("nghttp2");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_client_new(&h2, callbacks, &client) != 0) bench_die("nghttp2");
    nghttp2_session_callbacks_del(callbacks);
    (void)nghttp2_submit_settings(h2, NGHTTP2_FLAG_NONE, NULL, 0);
    submit(h2, &client);
    while (client.under_way && flush(h2, fd)) {
        ssize_t len = recv(fd, bytes, sizeof bytes, 0);
        if (len <= 0 || nghttp2_session_mem_recv(h2, bytes, (size_t)len) < 0) break;
    }
    nghttp2_session_del(h2);
    (void)close(fd);
    return client.taken;
}
