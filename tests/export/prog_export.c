/* prog_export: a program with exporters, for the scripts beside it.
 *
 *     prog_export SPANS [fork]        SPANS traces of two spans with an event; flushes; prints the exporters' counters as JSON
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <trackway/export.h>
#include <trackway/trackway.h>

static void told(void *data, int error, const char *text)
{
    (void)data;
    (void)fprintf(stderr, "diagnostic %d: %s\n", error, text);
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

int main(int argc, char **argv)
{
    const struct tw_config config = {.diagnostic = told};
    int spans = argc > 1 ? atoi(argv[1]) : 1;
    (void)tw_init(&config);
    work(spans, "parent");
    if (argc > 2 && strcmp(argv[2], "fork") == 0) {
        pid_t pid = fork();
        if (pid == 0) {
            work(spans, "in the child");
            return tw_flush(5000000000u) == 0 ? 0 : 1;
        }
        (void)waitpid(pid, NULL, 0);
    }
    int flushed = tw_flush(5000000000u);
    struct tw_export_stats stats;
    for (size_t i = 0; tw_export_counters(i, &stats) == 0; i++)
        printf("{\"name\":\"%s\",\"records\":%llu,\"sent\":%llu,\"dropped\":%llu,\"backing_off\":%llu,\"errors\":%llu,\"missed\":%llu,"
               "\"flushed\":%d}\n",
               stats.name, (unsigned long long)stats.records, (unsigned long long)stats.sent, (unsigned long long)stats.dropped,
               (unsigned long long)stats.backing_off, (unsigned long long)stats.errors, (unsigned long long)stats.missed, flushed);
    return 0;
}
