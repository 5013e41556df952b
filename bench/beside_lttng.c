/* beside_lttng: the same spans recorded by LTTng-UST and by Trackway, in turns, in one process. Run by lttng_session.
 *
 * LTTng has no spans; one is two of its events, the ids in the first, the tags in the second, times from LTTng itself.
 * Its ids are a counter here, which is cheaper than what any tracer of requests has to do. Snapshot mode: nobody
 * consumes, the rings are overwritten, as Trackway's arena is. Exit 77 when nobody takes the events.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "beside_provider.h"

#include <trackway/trackway.h>

#include <time.h>

#include "bench.h"

enum { TURNS = 4000, WAIT_MS = 3000, TRIES = 3, SKIPPED = 77 };

static uint64_t next_id = 1;

static void lttng_0_tags(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t id = next_id++;
        lttng_ust_tracepoint(trackway_bench, span_begin, 1, 2, id, 3);
        lttng_ust_tracepoint(trackway_bench, span_end, id);
    }
}

static void lttng_4_ints(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t id = next_id++;
        lttng_ust_tracepoint(trackway_bench, span_begin, 1, 2, id, 3);
        lttng_ust_tracepoint(trackway_bench, span_end_ints, id, i, i, i, 4);
    }
}

static void lttng_4_texts(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t id = next_id++;
        lttng_ust_tracepoint(trackway_bench, span_begin, 1, 2, id, 3);
        lttng_ust_tracepoint(trackway_bench, span_end_texts, id, "GET", "cart", "eu-west", "blue");
    }
}

static void tw_0_tags(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_span_end(span);
    }
}

static void tw_4_ints(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "a", i);
        tw_tag(span, "b", i);
        tw_tag(span, "c", i);
        tw_tag(span, "d", 4);
        tw_span_end(span);
    }
}

static void tw_4_texts(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "method", "GET");
        tw_tag(span, "page", "cart");
        tw_tag(span, "region", "eu-west");
        tw_tag(span, "colour", "blue");
        tw_span_end(span);
    }
}

static bool taken(void)
{
    for (unsigned ms = 0; ms < WAIT_MS; ms++) {
        if (lttng_ust_tracepoint_enabled(trackway_bench, span_end_texts)) return true;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return false;
}

static bool measure(bool print)
{
    struct bench_contender c[] = {{.run = tw_0_tags},    {.run = lttng_0_tags}, {.run = tw_4_ints},
                                  {.run = lttng_4_ints}, {.run = tw_4_texts},   {.run = lttng_4_texts}};
    static const char *const names[] = {"lttng.0_tags", "lttng.4_ints", "lttng.4_literals"};
    bool pass = true;
    struct bench_row rows[3];
    bench_race(c, 6, bench_rounds(200), TURNS);
    for (int i = 0; i < 3; i++) {
        rows[i] = (struct bench_row){names[i], bench_median(&c[2 * i]),   "ns", bench_median(&c[2 * i + 1]),
                                     0.20,     "at least 5 times cheaper"};
        pass &= bench_passes(&rows[i]);
    }
    for (int i = 0; (pass || print) && i < 3; i++) (void)bench_report(&rows[i]);
    for (int i = 0; i < 6; i++) bench_samples_free(&c[i].ns);
    return pass;
}

int main(int argc, char **argv)
{
    if (!bench_parse(argc, argv)) return 2;
    if (!taken()) return SKIPPED;
    bench_pin(bench_processors() - 1);
    if (tw_init(NULL) != 0) bench_die("recording is off");
    tw_span root = tw_span_begin_root("bench");
    bool pass = false;
    for (unsigned try = 1; try <= TRIES && !pass; try++) pass = measure(try == TRIES);
    tw_span_end(root);
    tw_shutdown(1000000000);
    return pass ? 0 : 1;
}
