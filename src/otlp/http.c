/* http: see the header.
 *
 * curl_multi does what can be done now and returns; names are looked up by curl's own thread. No signal is touched
 * (CURLOPT_NOSIGNAL), and the exporters' thread, which alone comes here, has all of them blocked. Redirects are not
 * followed, as the specification wants it: they are refusals. HTTP/1.1: each transfer is one whole request, and four
 * connections that are kept are as good as one with streams.
 *
 * curl tells which sockets it opens and closes, so that a forked child can close its copies: closing them by way of
 * curl would send the peer of a TLS connection a goodbye in the parent's name.
 */
#include "otlp/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <trackway/err.h>

#include "base/pairs.h"

static size_t take_answer(char *bytes, size_t size, size_t count, void *data)
{
    struct tw__otlp_transfer *transfer = data;
    size_t len = size * count, room = sizeof transfer->answer - transfer->answer_len, some = len < room ? len : room;
    memcpy(transfer->answer + transfer->answer_len, bytes, some);
    transfer->answer_len += some;
    return len; /* what has no room is read all the same, so that the connection can be kept */
}

static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct tw__otlp_http *http = data;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    for (int i = 0; fd >= 0 && i < TW__OTLP_SOCKETS; i++)
        if (http->sockets[i] < 0) {
            http->sockets[i] = fd;
            break;
        }
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int close_socket(void *data, curl_socket_t fd)
{
    struct tw__otlp_http *http = data;
    for (int i = 0; i < TW__OTLP_SOCKETS; i++)
        if (http->sockets[i] == fd) http->sockets[i] = -1;
    return close(fd);
}

/* One header of the request; its value decoded. Line breaks in it would make a second one. */
static int add_header(struct curl_slist **list, const char *key, size_t key_len, const char *value, size_t value_len)
{
    char *line = malloc(key_len + value_len + 3);
    if (!line) return TW_ERR_MEMORY;
    memcpy(line, key, key_len);
    memcpy(line + key_len, ": ", 2);
    size_t len = key_len + 2 + tw__percent_decode(value, value_len, line + key_len + 2);
    line[len] = 0;
    struct curl_slist *longer = strcspn(line, "\r\n") == len ? curl_slist_append(*list, line) : *list;
    free(line);
    if (!longer) return TW_ERR_MEMORY;
    *list = longer;
    return 0;
}

static int make_headers(struct tw__otlp_http *http, const struct tw__otlp_http_options *options)
{
    const char *at = options->headers;
    struct tw__pair pair;
    int result = add_header(&http->headers, "Content-Type", 12, "application/x-protobuf", 22);
    if (result == 0) result = add_header(&http->headers, "Accept", 6, "application/x-protobuf", 22);
    if (result == 0 && options->gzip) result = add_header(&http->headers, "Content-Encoding", 16, "gzip", 4);
    struct curl_slist *longer =
        result == 0 ? curl_slist_append(http->headers, "Expect:") : NULL; /* no waiting for 100 */
    if (!longer) return TW_ERR_MEMORY;
    http->headers = longer;
    while (result == 0 && tw__pairs_next(&at, &pair))
        result = add_header(&http->headers, pair.key, pair.key_len, pair.value, pair.value_len);
    return result;
}

#define SET(option, value)                                                                                             \
    if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value)

/* Everything that is the same for each request of a transfer. */
static CURLcode prepare(struct tw__otlp_http *http, struct tw__otlp_transfer *transfer,
                        const struct tw__otlp_http_options *options)
{
    CURL *easy = transfer->easy;
    CURLcode code = CURLE_OK;
    long timeout_ms = (long)(options->timeout_ns / 1000000);
    SET(CURLOPT_URL, options->url);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_HTTPHEADER, http->headers);
    SET(CURLOPT_USERAGENT, "OTel-OTLP-Exporter-Trackway/0.1.0");
    SET(CURLOPT_TIMEOUT_MS, timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_WRITEFUNCTION, take_answer);
    SET(CURLOPT_WRITEDATA, (void *)transfer);
    SET(CURLOPT_PRIVATE, (void *)transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, (void *)http);
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, (void *)http);
    if (options->authorities[0]) SET(CURLOPT_CAINFO, options->authorities);
    if (options->certificate[0]) SET(CURLOPT_SSLCERT, options->certificate);
    if (options->key[0]) SET(CURLOPT_SSLKEY, options->key);
    return code;
}
#undef SET

static int check_url(const char *url, char *why, size_t why_cap)
{
    CURLU *parts = curl_url();
    char *scheme = NULL;
    if (!parts) return TW_ERR_MEMORY;
    CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, 0);
    if (code == CURLUE_OK) code = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    bool good = code == CURLUE_OK && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    if (!good) (void)snprintf(why, why_cap, "%.80s is no URL of http or https", url);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return good ? 0 : TW_ERR_SYNTAX;
}

int tw__otlp_http_open(struct tw__otlp_http *http, const struct tw__otlp_http_options *options, char *why,
                       size_t why_cap)
{
    memset(http, 0, sizeof *http);
    for (int i = 0; i < TW__OTLP_SOCKETS; i++) http->sockets[i] = -1;
    (void)snprintf(why, why_cap, "libcurl cannot be used");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return TW_ERR_SYSTEM;
    int result = check_url(options->url, why, why_cap);
    if (result == 0) result = make_headers(http, options);
    http->multi = result == 0 ? curl_multi_init() : NULL;
    if (result == 0 && !http->multi) result = TW_ERR_MEMORY;
    for (int i = 0; result == 0 && i < TW__OTLP_AT_ONCE; i++) {
        struct tw__otlp_transfer *transfer = &http->transfers[i];
        transfer->easy = curl_easy_init();
        CURLcode code = transfer->easy ? prepare(http, transfer, options) : CURLE_OUT_OF_MEMORY;
        if (code == CURLE_OK) continue;
        (void)snprintf(why, why_cap, "libcurl: %s", curl_easy_strerror(code));
        result = code == CURLE_OUT_OF_MEMORY ? TW_ERR_MEMORY : TW_ERR_SYSTEM;
    }
    if (result < 0) tw__otlp_http_close(http);
    return result;
}

void tw__otlp_http_close(struct tw__otlp_http *http)
{
    for (int i = 0; i < TW__OTLP_AT_ONCE; i++) {
        struct tw__otlp_transfer *transfer = &http->transfers[i];
        if (transfer->easy && transfer->tag) (void)curl_multi_remove_handle(http->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    if (http->multi) (void)curl_multi_cleanup(http->multi);
    curl_slist_free_all(http->headers);
    curl_global_cleanup();
    memset(http->transfers, 0, sizeof http->transfers);
    http->multi = NULL;
    http->headers = NULL;
}

void tw__otlp_http_forget(struct tw__otlp_http *http)
{
    for (int i = 0; i < TW__OTLP_SOCKETS; i++)
        if (http->sockets[i] >= 0) close(http->sockets[i]);
}

bool tw__otlp_http_post(struct tw__otlp_http *http, const void *body, size_t len, void *tag)
{
    struct tw__otlp_transfer *transfer = http->transfers;
    while (transfer < http->transfers + TW__OTLP_AT_ONCE && transfer->tag) transfer++;
    if (transfer == http->transfers + TW__OTLP_AT_ONCE) return false;
    transfer->answer_len = 0;
    transfer->error[0] = 0;
    if (curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDS, body) != CURLE_OK ||
        curl_easy_setopt(transfer->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len) != CURLE_OK ||
        curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK)
        return false;
    transfer->tag = tag;
    http->running++;
    return true;
}

static bool is_hopeless(CURLcode code)
{
    return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CACERT_BADFILE;
}

static struct tw__otlp_result result_of(struct tw__otlp_transfer *transfer, CURLcode code)
{
    struct tw__otlp_result result = {.tag = transfer->tag, .body = transfer->answer, .body_len = transfer->answer_len};
    curl_off_t after_s = 0;
    result.error = code == CURLE_OK ? "" : transfer->error[0] ? transfer->error : curl_easy_strerror(code);
    result.hopeless = is_hopeless(code);
    if (code != CURLE_OK) return result;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &result.status);
    if (curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &after_s) == CURLE_OK && after_s > 0)
        result.after_s = (uint64_t)after_s;
    return result;
}

void tw__otlp_http_work(struct tw__otlp_http *http, uint64_t wait_ns,
                        void (*done)(void *data, const struct tw__otlp_result *result), void *data)
{
    int running = 0, left = 0;
    CURLMsg *message;
    if (!http->running) return;
    (void)curl_multi_perform(http->multi, &running);
    if ((unsigned)running == http->running && wait_ns) {
        (void)curl_multi_poll(http->multi, NULL, 0, (int)(wait_ns / 1000000), NULL);
        (void)curl_multi_perform(http->multi, &running);
    }
    while ((message = curl_multi_info_read(http->multi, &left))) {
        char *transfer_of = NULL;
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE || curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer_of) != CURLE_OK)
            continue;
        struct tw__otlp_transfer *transfer = (struct tw__otlp_transfer *)(void *)transfer_of;
        (void)curl_multi_remove_handle(http->multi, easy);
        struct tw__otlp_result result = result_of(transfer, code);
        transfer->tag = NULL;
        http->running--;
        done(data, &result);
    }
}
