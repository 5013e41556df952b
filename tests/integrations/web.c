/* web: a server on trackway_microhttpd that calls others with trackway_curl. The scripts of this folder run it.
 *
 *     web MODE [BACK]     MODE: pool (4 threads), thread (one a connection), poll (one for all). Prints its port,
 * serves until its input ends.
 *
 * /item/N    routed, with a span below it         /call/PATH   GET BACK/PATH, passes on what came with the trace
 * /slow      suspended, resumed by a thread       /echo        what came: traceparent, tracestate, baggage, x-own
 * /status/N  answers N                            /drop        closes the connection
 * /upload    counts the body, a span a piece      /health      skipped, as is POST /echo
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <trackway/trackway.h>
#include <trackway_curl.h>
#include <trackway_microhttpd.h>

enum { BODY_MAX = 4096, SLOW_NS = 20000000, SHUTDOWN_NS = 1000000000 };

/* A request between the calls. */
struct visit {
    struct MHD_Connection *connection;
    pthread_t waker;
    tw_span waiting;
    size_t uploaded;
    bool suspended;
};

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    const enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static void *wake(void *arg)
{
    struct visit *visit = arg;
    nanosleep(&(struct timespec){.tv_nsec = SLOW_NS}, NULL);
    MHD_resume_connection(visit->connection);
    return NULL;
}

/* Begins a span in one call of the handler and ends it in the next, which may be on another thread. */
static enum MHD_Result slow(struct visit *visit)
{
    if (!visit->suspended) {
        visit->suspended = true;
        visit->waiting = tw_span_begin("wait");
        MHD_suspend_connection(visit->connection);
        if (pthread_create(&visit->waker, NULL, wake, visit) != 0) abort();
        return MHD_YES;
    }
    pthread_join(visit->waker, NULL);
    tw_span_end(visit->waiting);
    tw_span_end(tw_span_begin("after the wait"));
    tw_tag(tw_span_current(), "resumed", visit->suspended);
    return reply(visit->connection, 200, "slow\n");
}

static size_t keep(char *bytes, size_t size, size_t count, void *data)
{
    char *text = data;
    const size_t at = strlen(text), room = BODY_MAX - 1 - at, len = size * count < room ? size * count : room;
    memcpy(text + at, bytes, len);
    text[at + len] = '\0';
    return size * count;
}

static enum MHD_Result call(struct MHD_Connection *connection, const char *back, const char *path, void **request)
{
    char url[BODY_MAX], body[BODY_MAX] = "";
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "X-Own: mine");
    long status = 0;
    snprintf(url, sizeof url, "%s/%s", back, path);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    const struct tw_curl_options options = {.headers = headers, .carried = tw_mhd_carried(request)};
    if (tw_curl_perform_with(curl, &options) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return reply(connection, status ? (unsigned)status : 502, body);
}

static enum MHD_Result echo(struct MHD_Connection *connection, void **request)
{
    static const char *const names[] = {"traceparent", "tracestate", "baggage", "x-own", "x-amzn-trace-id", "b3"};
    char text[BODY_MAX] = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, names[i]);
        const size_t at = strlen(text);
        if (value) snprintf(text + at, sizeof text - at, "%s: %s\n", names[i], value);
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
    if (!response) return MHD_NO;
    const enum MHD_Result result =
        tw_mhd_answer(request, response) == MHD_YES ? MHD_queue_response(connection, 200, response) : MHD_NO;
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *data, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *upload, size_t *upload_len, void **request)
{
    struct visit *visit = *request;
    (void)method;
    (void)version;
    (void)upload;
    if (!visit) {
        visit = calloc(1, sizeof *visit);
        if (!visit) return MHD_NO;
        visit->connection = connection;
        *request = visit;
        return MHD_YES;
    }
    if (*upload_len) {
        TW_SCOPE(piece, "take a piece");
        visit->uploaded += *upload_len;
        *upload_len = 0;
        return MHD_YES;
    }
    if (!strncmp(path, "/item/", 6)) {
        tw_mhd_route(request, "/item/{id}");
        TW_SCOPE(load, "load item");
        tw_tag(tw_mhd_span(request), "item.id", strtol(path + 6, NULL, 10));
        return reply(connection, 200, "item\n");
    }
    if (!strncmp(path, "/call/", 6)) return call(connection, data, path + 6, request);
    if (!strncmp(path, "/status/", 8)) return reply(connection, (unsigned)strtoul(path + 8, NULL, 10), "as asked\n");
    if (!strcmp(path, "/slow")) return slow(visit);
    if (!strcmp(path, "/echo")) return echo(connection, request);
    if (!strcmp(path, "/drop")) return MHD_NO;
    if (!strcmp(path, "/upload")) tw_tag(tw_span_current(), "uploaded", visit->uploaded);
    return reply(connection, 200, "ok\n");
}

/* The handler's own pointer comes back here, not the integration's. */
static void completed(void *data, struct MHD_Connection *connection, void **request,
                      enum MHD_RequestTerminationCode how)
{
    (void)data;
    (void)connection;
    (void)how;
    tw_event("completed");
    free(*request);
    *request = NULL;
}

int main(int argc, char **argv)
{
    static const char *const skip[] = {"/health*", "post /echo", NULL};
    static struct tw_mhd traced = {.handler = answer, .completed = completed, .skip = skip};
    if (argc < 2) return 2;
    traced.data = argc > 2 ? argv[2] : NULL;
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    if (!strcmp(argv[1], "thread")) flags |= MHD_USE_THREAD_PER_CONNECTION;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, tw_mhd_handle, TW_MHD_DATA(&traced), MHD_OPTION_NOTIFY_COMPLETED,
                         tw_mhd_completed, TW_MHD_DATA(&traced), MHD_OPTION_CONNECTION_TIMEOUT, 10u,
                         strcmp(argv[1], "pool") ? MHD_OPTION_END : MHD_OPTION_THREAD_POOL_SIZE, 4u, MHD_OPTION_END);
    if (!daemon) return 1;
    printf("%u\n", (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    char end;
    while (read(STDIN_FILENO, &end, 1) > 0) continue;
    MHD_stop_daemon(daemon);
    curl_global_cleanup();
    tw_shutdown(SHUTDOWN_NS);
    return 0;
}
