/* fetch: requests with trackway_curl. The scripts of this folder run it.
 *
 *     fetch easy [-t] [-X METHOD] [-H HEADER]... URL...
 *                            one after the other on one handle, a span "visit" around them; -t: the servers are traced
 *     fetch multi URL...     all at once on one thread
 *
 * A URL `$NAME` is taken from the environment: command lines are recorded. Prints each body; then waits until its input
 * ends, so that its recording can be looked at. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <trackway/trackway.h>
#include <trackway_curl.h>

static size_t show(char *bytes, size_t size, size_t count, void *data)
{
    (void)data;
    tw_event("bytes");
    return fwrite(bytes, size, count, stdout);
}

static void prepare(CURL *curl, const char *url)
{
    const char *named = *url == '$' ? getenv(url + 1) : NULL;
    curl_easy_setopt(curl, CURLOPT_URL, named ? named : url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, show);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L); /* the tests' own certificate */
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
}

static void easy(int argc, char **argv)
{
    struct curl_slist *headers = NULL;
    CURL *curl = curl_easy_init();
    bool traced = false;
    int option;
    while ((option = getopt(argc, argv, "tX:H:")) != -1) {
        if (option == 't') traced = true;
        if (option == 'H') headers = curl_slist_append(headers, optarg);
        if (option == 'X' && !strcmp(optarg, "POST")) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "field=1");
        if (option == 'X' && strcmp(optarg, "POST") != 0) curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, optarg);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    tw_span visit = tw_span_begin("visit");
    for (int i = optind; i < argc; i++) {
        prepare(curl, argv[i]);
        const CURLcode code =
            traced ? tw_curl_perform_with(curl, &(struct tw_curl_options){.headers = headers, .traced = true})
                   : tw_curl_perform(curl, headers);
        if (code != CURLE_OK) printf("error %d\n", (int)code);
    }
    tw_span_end(visit);
    /* The handle has its own headers again, and ours are freed: without a span around it nothing is injected. */
    if (optind < argc && curl_easy_perform(curl) != CURLE_OK) puts("error of the last");
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
}

enum { MULTI_MAX = 32 };

static void multi(int count, char **urls)
{
    CURLM *all = curl_multi_init();
    CURL *curls[MULTI_MAX];
    struct tw_curl_call *calls[MULTI_MAX];
    int running = 0, left;
    if (count > MULTI_MAX) count = MULTI_MAX;
    tw_span visit = tw_span_begin("visit");
    for (int i = 0; i < count; i++) {
        curls[i] = curl_easy_init();
        prepare(curls[i], urls[i]);
        calls[i] = tw_curl_begin(curls[i], &(struct tw_curl_options){.attempt = (unsigned)i});
        tw_tag(tw_curl_span(calls[i]), "number", i);
        curl_multi_add_handle(all, curls[i]);
    }
    do {
        curl_multi_perform(all, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(all, &left));) {
            for (int i = 0; message->msg == CURLMSG_DONE && i < count; i++)
                if (curls[i] == message->easy_handle) tw_curl_end(calls[i], message->data.result);
        }
        if (running) curl_multi_poll(all, NULL, 0, 1000, NULL);
    } while (running);
    tw_span_end(visit);
    for (int i = 0; i < count; i++) {
        curl_multi_remove_handle(all, curls[i]);
        curl_easy_cleanup(curls[i]);
    }
    curl_multi_cleanup(all);
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (!strcmp(argv[1], "easy")) easy(argc - 1, argv + 1);
    if (!strcmp(argv[1], "multi")) multi(argc - 2, argv + 2);
    curl_global_cleanup();
    fflush(stdout);
    puts("-- done");
    fflush(stdout);
    char end;
    while (read(STDIN_FILENO, &end, 1) > 0) continue;
    return 0;
}
