/* prog_export: a program with exporters, for the scripts beside it.
 *
 *     prog_export SPANS [MODE]    SPANS traces of two spans with an event, flushes, prints the exporters' counters as
 *                                 JSON
 *
 * fork     a child does the same, too              slow     then one span of 300 ms, an event at its begin and its end
 * huge     then a span with a text of 200 kB       web      then a server's span with a client's in it, of HTTP
 * logs     then a span with two log lines, one of them read before its span ends
 * tree     then a segment of 40 children, each with a text of 4 kB
 * rate     then says "ready", and does the same again after each line of input, under that name, at the rate of that
 *          moment; after the line "reopen" it asks the exporters to open their files again
 * exit     without a flush: what a clean exit does by itself
 * flush=N  waits at most N ms in the flush         wait=N   then stays for N ms
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <trackway/export.h>
#include <trackway/trackway.h>

static void told(void *data, int error, const char *text)
{
    (void)data;
    (void)fprintf(stderr, "diagnostic %d: %s\n", error, text);
}

static void wait_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void work(int spans, const char *name)
{
    for (int i = 0; i < spans; i++) {
        tw_span root = tw_span_begin_named(name);
        tw_tag(root, "number", i);
        tw_span child = tw_span_begin("child");
        tw_event_tags("step", TW_ATTR("at", i));
        if (i % 10 == 3) tw_span_fail(child, "every tenth");
        tw_span_end(child);
        tw_span_end(root);
    }
}

static void slow(void)
{
    tw_span root = tw_span_begin("slow");
    tw_event("begun");
    tw_span child = tw_span_begin("slow child");
    wait_ms(300);
    tw_span_end(child);
    tw_event("nearly done");
    tw_span_end(root);
}

static void huge(void)
{
    char *text = malloc(200001);
    if (!text) return;
    memset(text, 'h', 200000);
    text[200000] = 0;
    tw_span root = tw_span_begin("huge one");
    for (int i = 0; i < 4; i++) tw_span_set_str(root, i % 2 ? "second.text" : "first.text", text);
    for (int i = 0; i < 40; i++) tw_event_tags("part", TW_ATTR("text", text));
    tw_span_end(root);
    free(text);
}

static void logs(void)
{
    tw_log_set_level(TW_LOG_DEBUG);
    tw_span root = tw_span_begin("logged");
    tw_log_with(TW_LOG_WARNING, (TW_ATTR("zone", "west")), "%s has %d items, %.1f kg", "ann", 3, 2.5);
    wait_ms(100);
    tw_debug("plain");
    tw_span_end(root);
}

static void web(void)
{
    const struct tw_span_options server = {.kind = TW_KIND_SERVER, .root = true}, client = {.kind = TW_KIND_CLIENT};
    tw_span root = tw_span_begin_with("GET /cart", &server);
    tw_tag(root, "http.method", "GET");
    tw_tag(root, "http.url", "http://shop.example/cart");
    tw_tag(root, "http.status_code", 503);
    tw_span call = tw_span_begin_with("stock", &client);
    tw_tag(call, "http.status_code", 429);
    tw_span_end(call);
    tw_span_end(root);
}

static void tree(void)
{
    char text[4001];
    memset(text, 't', sizeof text - 1);
    text[sizeof text - 1] = 0;
    tw_span root = tw_span_begin("tree");
    for (int i = 0; i < 40; i++) {
        tw_span child = tw_span_begin("leaf");
        tw_span_set_str(child, "long.text", text);
        tw_span_end(child);
    }
    tw_span_end(root);
}

static int forked(int spans)
{
    pid_t pid = fork();
    if (pid == 0) {
        work(spans, "in the child");
        int result = tw_flush(5000000000u);
        if (result < 0) (void)fprintf(stderr, "the child's flush: %d\n", result);
        _exit(result == 0 ? 0 : 1);
    }
    int status = 0;
    (void)waitpid(pid, &status, 0);
    return status;
}

static void print_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') putchar('\\');
        putchar(*text);
    }
}

int main(int argc, char **argv)
{
    const struct tw_config config = {.diagnostic = told};
    int spans = argc > 1 ? atoi(argv[1]) : 1, child = 0;
    const char *mode = argc > 2 ? argv[2] : "";
    uint64_t flush_ms = strncmp(mode, "flush=", 6) == 0 ? strtoull(mode + 6, NULL, 10) : 5000;
    (void)tw_init(&config);
    work(spans, "parent");
    if (strcmp(mode, "fork") == 0) child = forked(spans);
    if (strcmp(mode, "slow") == 0) slow();
    if (strcmp(mode, "huge") == 0) huge();
    if (strcmp(mode, "web") == 0) web();
    if (strcmp(mode, "logs") == 0) logs();
    if (strcmp(mode, "tree") == 0) tree();
    if (strcmp(mode, "exit") == 0) return 0;
    if (strcmp(mode, "rate") == 0) {
        char line[16];
        printf("ready\n");
        (void)fflush(stdout);
        while (fgets(line, sizeof line, stdin)) {
            line[strcspn(line, "\n")] = 0;
            if (strcmp(line, "reopen") == 0)
                tw_export_reopen();
            else
                work(spans, line);
        }
    }
    int flushed = tw_flush(flush_ms * 1000000u);
    struct tw_export_stats stats;
    for (size_t i = 0; tw_export_counters(i, &stats) == 0; i++) {
        printf("{\"name\":\"%s\",\"records\":%llu,\"sent\":%llu,\"bytes\":%llu,\"dropped\":%llu,\"backing_off\":%llu,"
               "\"too_long\":%llu,"
               "\"errors\":%llu,\"missed\":%llu,\"flushed\":%d,\"problem\":\"",
               stats.name, (unsigned long long)stats.records, (unsigned long long)stats.sent,
               (unsigned long long)stats.bytes, (unsigned long long)stats.dropped,
               (unsigned long long)stats.backing_off, (unsigned long long)stats.too_long,
               (unsigned long long)stats.errors, (unsigned long long)stats.missed, flushed);
        print_text(stats.problem);
        printf("\"}\n");
    }
    (void)fflush(stdout);
    if (strncmp(mode, "wait=", 5) == 0) wait_ms(strtol(mode + 5, NULL, 10));
    return child ? 1 : 0;
}
