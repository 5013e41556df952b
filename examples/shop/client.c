/* The client: libcurl, one span per call, and the traceparent header.
 *
 * The header is the whole of it: the span's context as text. The callee begins its span under that context, and the two
 * processes' spans are one trace although neither sees the other's memory.
 *
 * An easy handle, and with it the open connection, belongs to one thread; a thread-specific key closes it when the
 * thread ends.
 */
#include "client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <trackway/trackway.h>

enum { CALL_TIMEOUT_S = 120, URL_MAX = 512 };

static pthread_key_t handles;

struct body {
    struct reply *reply;
    size_t len;
};

static void close_handle(void *handle)
{
    curl_easy_cleanup(handle);
}

int client_init(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return -1;
    if (pthread_key_create(&handles, close_handle) == 0) return 0;
    curl_global_cleanup();
    return -1;
}

void client_fini(void)
{
    pthread_key_delete(handles);
    curl_global_cleanup();
}

static CURL *thread_handle(void)
{
    CURL *handle = pthread_getspecific(handles);
    if (handle) return handle;
    handle = curl_easy_init();
    if (handle && pthread_setspecific(handles, handle) != 0) {
        curl_easy_cleanup(handle);
        return NULL;
    }
    return handle;
}

/* Keeps what fits. curl takes a short count for an error, so it is told that all was taken. */
static size_t keep_body(char *bytes, size_t size, size_t count, void *data)
{
    struct body *body = data;
    const size_t len = size * count, room = REPLY_MAX - 1 - body->len, kept = len < room ? len : room;
    memcpy(body->reply->text + body->len, bytes, kept);
    body->len += kept;
    return len;
}

/* The header by which the trace goes on in the other process. NULL when there is nothing to hand on. */
static struct curl_slist *trace_header(tw_span span)
{
    char header[] = "traceparent: 00-00000000000000000000000000000000-0000000000000000-00";
    struct tw_context context;
    if (!tw_span_context(span, &context)) return NULL;
    if (tw_traceparent_format(&context, header + strlen("traceparent: "), TW_TRACEPARENT_LEN) < 0) return NULL;
    return curl_slist_append(NULL, header);
}

static CURLcode perform(CURL *handle, const char *url, const char *method, struct curl_slist *headers,
                        struct body *body)
{
    curl_easy_reset(handle); /* forgets the options, keeps the connection */
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT, (long)CALL_TIMEOUT_S);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    return curl_easy_perform(handle);
}

void client_call(const char *base, const char *method, const char *path, struct reply *reply)
{
    tw_span span = tw_span_begin("call back");
    tw_span_set_kind(span, TW_KIND_CLIENT);
    char url[URL_MAX];
    CURL *handle = thread_handle();
    const int url_len = snprintf(url, sizeof url, "%s%s", base, path);
    if (!handle || url_len < 0 || url_len >= URL_MAX) {
        reply_print(reply, 500, "cannot call the back");
        tw_span_fail(span, reply->text);
        tw_span_end(span);
        return;
    }
    tw_tag(span, "http.method", method);
    tw_tag(span, "url.full", url);

    struct body body = {.reply = reply, .len = 0};
    struct curl_slist *headers = trace_header(span);
    const CURLcode code = perform(handle, url, method, headers, &body);
    curl_slist_free_all(headers);
    if (code == CURLE_OK) {
        long status = 0;
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        if (body.len && reply->text[body.len - 1] == '\n') body.len--;
        reply->text[body.len] = '\0';
        reply->status = (unsigned)status;
        tw_tag(span, "http.status_code", reply->status);
    } else {
        reply_print(reply, 502, "the back does not answer: %s", curl_easy_strerror(code));
    }
    if (reply->status >= 400) tw_span_fail(span, reply->text);
    tw_span_end(span);
}
