/* prog_story: a program with a story to show. Prints "NAME TRACE" for each trace it made, then does as told:
 *
 *     prog_story exit            ends cleanly
 *     prog_story wait            prints "ready" and stays until killed, a request open
 *     prog_story many N          one trace of N spans in a tree, then as wait
 *     prog_story tick MS         ends a request every MS milliseconds, until killed
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <trackway/trackway.h>

static void nap(long us)
{
    (void)nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

static void print_trace(const char *name, tw_span span)
{
    struct tw_context context;
    char id[TW_TRACE_ID_HEX_LEN + 1] = "";
    if (tw_span_context(span, &context)) tw_trace_id_format(context.trace_id, id);
    printf("%s %s\n", name, id);
}

static void *receive(void *data)
{
    const struct tw_envelope *envelope = data;
    tw_attach at = tw_message_adopt(&(struct tw_message){.peer = "queue"}, envelope);
    tw_span span = tw_span_begin("work");
    nap(1000);
    tw_span_end(span);
    tw_context_detach(at);
    return NULL;
}

static void request_with_everything(void)
{
    tw_span root = tw_span_begin_root("GET /cart");
    print_trace("cart", root);
    tw_span_set_kind(root, TW_KIND_SERVER);
    tw_tag(root, "user.id", UINT64_MAX);
    tw_tag(root, "balance", INT64_MIN);
    tw_tag(root, "share", 0.1);
    tw_tag(root, "vip", (bool)1);
    tw_tag(root, "evil", "\033]0;owned\007 \xff caf\xc3\xa9 \n\"quoted\\\"");
    tw_tag_bytes(root, "key", "\x01\x02\xfe", 3);
    tw_event_tags("cache.miss", TW_ATTR("attempt", 2));
    tw_mark("looked at by hand");
    struct tw_envelope envelope;
    tw_message_carry(&(struct tw_message){.peer = "queue", .size = 120}, &envelope);
    (void)tw_message_send(&(struct tw_message){.peer = "nowhere", .size = 7});
    pthread_t thread;
    if (tw_thread_create(&thread, NULL, receive, &envelope) == 0) (void)pthread_join(thread, NULL);
    for (int i = 0; i < 312; i++) {
        tw_span select = tw_span_begin("sqlite: select");
        tw_span_end(select);
    }
    tw_span load = tw_span_begin("load cart");
    tw_span rows = tw_span_begin("rows");
    nap(2000);
    tw_span_fail(rows, "disk on fire");
    tw_span_end(rows);
    tw_span_end(load);
    tw_span_end(root);
}

static void batch(void)
{
    struct tw_context orders[3];
    for (int i = 0; i < 3; i++) {
        tw_span root = tw_span_begin_root("POST /order");
        char name[16];
        (void)snprintf(name, sizeof name, "order%d", i);
        print_trace(name, root);
        tw_span wait = tw_span_begin("queue order");
        (void)tw_span_context(wait, &orders[i]);
        tw_span_end(wait);
        tw_span_end(root);
    }
    tw_span commit = tw_span_begin_joined("commit batch", orders, 3);
    nap(1000);
    tw_span_end(commit);
}

static void many(int count)
{
    tw_span root = tw_span_begin_root("many");
    print_trace("many", root);
    for (int i = 1; i < count; i += 10) {
        tw_span group = tw_span_begin_named(i % 3 ? "group a" : "group b");
        for (int k = 0; k < 9; k++) {
            tw_span leaf = tw_span_begin_named(k ? "leaf" : "first");
            tw_tag(leaf, "index", k);
            tw_span_end(leaf);
        }
        tw_span_end(group);
    }
    tw_span_end(root);
}

static void stay(void)
{
    tw_span root = tw_span_begin_root("GET /report");
    print_trace("report", root);
    tw_tag(root, "days", 3650);
    tw_span select = tw_span_begin("select report");
    (void)select;
    puts("ready");
    (void)fflush(stdout);
    for (;;) nap(1000000);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "exit";
    if (strcmp(what, "many") == 0) {
        many(argc > 2 ? atoi(argv[2]) : 1000);
        stay();
    }
    if (strcmp(what, "tick") == 0) {
        long ms = argc > 2 ? atol(argv[2]) : 10;
        puts("ready");
        (void)fflush(stdout);
        for (int i = 0;; i++) {
            tw_span span = tw_span_begin_root("tick");
            if (i % 5 == 0) tw_span_fail(span, "every fifth");
            tw_span_end(span);
            nap(ms * 1000);
        }
    }
    request_with_everything();
    batch();
    if (strcmp(what, "wait") == 0) stay();
    return 0;
}
