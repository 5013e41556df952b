/* The client: libcurl with integrations/curl, which begins the call's span and hands the trace to the callee in a
 * header.
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
#include <trackway_curl.h>

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

static CURLcode perform(CURL *handle, const char *url, const char *method, struct body *body)
{
    curl_easy_reset(handle); /* forgets the options, keeps the connection */
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT, (long)CALL_TIMEOUT_S);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    return tw_curl_perform_with(handle, &(struct tw_curl_options){.name = "call back"});
}

void client_call(const char *base, const char *method, const char *path, struct reply *reply)
{
    char url[URL_MAX];
    CURL *handle = thread_handle();
    const int url_len = snprintf(url, sizeof url, "%s%s", base, path);
    if (!handle || url_len < 0 || url_len >= URL_MAX) {
        reply_print(reply, 500, "cannot call the back");
        return;
    }
    struct body body = {.reply = reply, .len = 0};
    const CURLcode code = perform(handle, url, method, &body);
    if (code != CURLE_OK) {
        reply_print(reply, 502, "the back does not answer: %s", curl_easy_strerror(code));
        return;
    }
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    if (body.len && reply->text[body.len - 1] == '\n') body.len--;
    reply->text[body.len] = '\0';
    reply->status = (unsigned)status;
}
