/* serve_segments: see serve.h. A process records spans of nine tags in bursts, and measures what a span costs it:
 * alone, and while the collector reads its segment; in turns, each several times, the least of each. On one processor
 * of its own, so that the collector has another. Its time is its thread's own, so what the kernel gave to others in
 * between does not count: what counts are the lines of memory that the reader takes away. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <trackway/trackway.h>

#include "bench.h"
#include "serve.h"

enum { BURST = 1000 };

static double thread_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void record_burst(void)
{
    char user[16] = "u-0000000017";
    for (unsigned i = 0; i < BURST; i++) {
        tw_span span = tw_span_begin("GET /cart/{id}");
        tw_tag(span, "http.request.method", "GET");
        tw_tag(span, "url.path", "/cart/17");
        tw_tag(span, "http.response.status_code", 200);
        tw_tag(span, "server.address", "shop.example");
        tw_tag(span, "server.port", 443);
        tw_tag(span, "db.system", "sqlite");
        tw_tag(span, "items", (int)(i % 17));
        user[0] = (char)('a' + i % 26);
        tw_tag_strn(span, "user.id", user, 12);
        tw_tag(span, "cached", i % 2 == 0);
        tw_span_end(span);
    }
}

static void record(unsigned count, unsigned rate, int answer)
{
    double spent = 0, began = bench_now_ns(), ns;
    (void)bench_pin(0);
    (void)tw_init(NULL);
    record_burst();
    for (unsigned done = 0; done < count; done += BURST) {
        double from = thread_ns();
        record_burst();
        spent += thread_ns() - from;
        double due = rate ? began + (double)done * 1e9 / rate - bench_now_ns() : 0;
        if (due > 0) usleep((useconds_t)(due / 1000));
    }
    ns = spent / count;
    sleep(1); /* until it has been read */
    _exit(write(answer, &ns, sizeof ns) == sizeof ns ? 0 : 1);
}

/* Processor time a span in ns. rate: a second; 0: at full speed. */
static double record_spans(unsigned count, unsigned rate)
{
    int answer[2];
    double ns = 0;
    if (pipe(answer) < 0) bench_die("pipe");
    pid_t pid = fork();
    if (pid == 0) record(count, rate, answer[1]);
    if (pid < 0 || read(answer[0], &ns, sizeof ns) != sizeof ns) bench_die("the recording process");
    (void)waitpid(pid, NULL, 0);
    (void)close(answer[0]);
    (void)close(answer[1]);
    return ns;
}

static void slowed_row(const char *name, const char *segments, unsigned count, unsigned rate)
{
    struct bench_samples alone = {0}, read = {0};
    char note[96];
    if (!bench_wanted(name)) return;
    for (unsigned i = 0; i < bench_rounds(3); i++) {
        bench_add(&alone, record_spans(count, rate));
        struct serve_collector collector = serve_start(segments);
        bench_add(&read, record_spans(count, rate));
        (void)serve_stop(collector, "segments");
    }
    double alone_ns = bench_quantile(&alone, 0);
    (void)snprintf(note, sizeof note, "alone %.1f to %.1f, read %.1f to %.1f", alone_ns, bench_quantile(&alone, 1),
                   bench_quantile(&read, 0), bench_quantile(&read, 1));
    (void)bench_report(&(struct bench_row){.name = name,
                                           .value = bench_quantile(&read, 0),
                                           .unit = "ns/span",
                                           .baseline = alone_ns,
                                           .limit = 1.01,
                                           .note = note});
    bench_samples_free(&alone);
    bench_samples_free(&read);
}

bool serve_segments_rows(double floor_ns)
{
    char segments[256];
    bool passed = true;
    (void)snprintf(segments, sizeof segments, "%s/segments", serve_folder());
    (void)setenv("TRACKWAY_DIR", segments, 1);
    if (bench_wanted("segments")) {
        struct serve_collector collector = serve_start(segments);
        (void)record_spans(SERVE_SPANS, 400000);
        struct serve_result result = serve_stop(collector, "segments");
        passed = serve_report("segments", "spans", result, result.stored, floor_ns, 700000);
    }
    slowed_row("slowed at 100,000 spans/s", segments, 200000, 100000);
    slowed_row("slowed at full speed", segments, 4000000, 0);
    return passed;
}
