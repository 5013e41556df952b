/* record_contention: what a second thread that records, and a process that reads without a pause, cost the one that
 * records.
 *
 * ABAB: the partner is there in both phases, on the other processor; in A it spins, in B it works. So what its presence
 * costs (the clock of the package, the hypervisor, whoever it drives away) is in both, and the difference is the work's
 * doing. A phase is a few slots long, the phases of one kind are taken together, and the two medians are compared.
 *
 *     the one measured   | slots | slots | slots | slots | ...
 *     its partner          spin    work    spin    work
 *
 * The reader's arena is the default one: it comes by every millisecond, more often than in a larger one.
 */
#include <trackway/trackway.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomics.h"
#include "bench.h"
#include "record.h"

enum { SLOT = 8000, TRIES = 3, STOP = 2 };

/* Between the one measured and its partner; in memory that both processes see.
 * Threads  wanted: written by the one measured. Others: by the partner. release/acquire. */
struct link {
    uint32_t wanted; /* 0 spin, 1 work, STOP */
    uint8_t pad[60];
    uint32_t doing;
    uint64_t units; /* of work, done */
    uint8_t pad2[52];
    char path[512];
};
static struct link *link_;

static void spans(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_span_end(span);
    }
}

static void spans_4_ints(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        tw_span span = tw_span_begin("work");
        tw_tag(span, "a", i);
        tw_tag(span, "b", (int)i);
        tw_tag(span, "c", (long)i);
        tw_tag(span, "d", 4);
        tw_span_end(span);
    }
}

static void make_link(void)
{
    void *page = mmap(NULL, sizeof *link_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) bench_die("out of memory");
    link_ = page;
}

/* The partner's life: unit() again and again while work is wanted. */
static void partner(void (*unit)(void))
{
    for (;;) {
        uint32_t wanted = tw__load_acquire(&link_->wanted); /* pairs with want */
        if (wanted == STOP) return;
        tw__store_release(&link_->doing, wanted); /* pairs with want */
        if (wanted == 1) {
            unit();
            tw__store_release(&link_->units, link_->units + 1);
        }
    }
}

static void want(uint32_t wanted)
{
    tw__store_release(&link_->wanted, wanted);                  /* pairs with partner */
    while (tw__load_acquire(&link_->doing) != wanted) continue; /* pairs with partner */
}

/* Medians of both phases. slots of one phase follow one another. */
static void abab(void (*run)(unsigned n), unsigned rounds, unsigned slots, double median[2])
{
    struct bench_samples ns[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    run(SLOT);
    for (unsigned round = 0; round < 2 * rounds; round++) {
        want(round & 1);
        for (unsigned slot = 0; slot < slots; slot++) {
            double start = bench_now_ns();
            run(SLOT);
            bench_add(&ns[round & 1], (bench_now_ns() - start) / SLOT);
        }
    }
    want(0);
    for (int i = 0; i < 2; i++) {
        median[i] = bench_quantile(&ns[i], 0.5);
        bench_samples_free(&ns[i]);
    }
}

static bool contend(const char *name, void (*run)(unsigned n), unsigned rounds, unsigned slots, double limit,
                    const char *note)
{
    struct bench_row row;
    for (unsigned try = 0; try < TRIES; try++) { /* as in record_spans.c */
        double median[2];
        uint64_t before = tw__load_acquire(&link_->units);
        abab(run, bench_rounds(rounds), slots, median);
        if (tw__load_acquire(&link_->units) == before) bench_die("the partner did nothing");
        row = (struct bench_row){name, median[1], "ns", median[0], limit, note};
        if (bench_passes(&row)) break;
    }
    return bench_report(&row);
}

/* -- two threads -- */

static void (*unit_of_thread)(unsigned n);

static void thread_unit(void)
{
    unit_of_thread(1000);
}

static void *second_thread(void *data)
{
    (void)data;
    bench_pin(0);
    tw_span root = tw_span_begin_root("second");
    partner(thread_unit);
    tw_span_end(root);
    return NULL;
}

static bool two_threads(const char *name, void (*run)(unsigned n))
{
    pthread_t thread;
    unit_of_thread = run;
    link_->wanted = 0;
    if (pthread_create(&thread, NULL, second_thread, NULL) != 0) bench_die("no thread");
    tw_span root = tw_span_begin_root("first");
    bool pass = contend(name, run, 150, 5, 1.10, "to each");
    tw_span_end(root);
    tw__store_release(&link_->wanted, STOP);
    pthread_join(thread, NULL);
    return pass;
}

bool record_threads(void)
{
    if (bench_processors() < 2) {
        bench_skip("threads", "one processor");
        return true;
    }
    make_link();
    bench_pin(bench_processors() - 1);
    if (tw_init(NULL) != 0) bench_die("recording is off");
    bool pass = two_threads("threads.0_tags", spans);
    pass &= two_threads("threads.4_ints", spans_4_ints);
    tw_shutdown(1000000000);
    return pass;
}

/* -- a reader -- */

static struct tw_reader *reader;
static struct tw_query query;

static void read_unit(void)
{
    struct tw_records *records;
    if (tw_reader_read(reader, &query, &records) < 0) bench_die("the reader failed");
    tw_records_free(records);
}

static void read_for_ever(void)
{
    char why[TW_WHY_MAX];
    bench_pin(0);
    if (tw_reader_open(link_->path, &reader, why) < 0) bench_die(why);
    partner(read_unit);
    tw_reader_close(reader);
}

static pid_t start_reader(const struct tw_query *what)
{
    link_->wanted = 0;
    link_->doing = STOP;
    query = *what;
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) bench_die("no process");
    if (pid > 0) return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    read_for_ever();
    _exit(0);
}

static bool against_reader(const char *name, const struct tw_query *what, unsigned rounds, unsigned slots,
                           const char *note)
{
    pid_t pid = start_reader(what);
    tw_span root = tw_span_begin_root("writer");
    bool pass = contend(name, spans, rounds, slots, 1.01, note);
    tw_span_end(root);
    tw__store_release(&link_->wanted, STOP);
    (void)waitpid(pid, NULL, 0);
    return pass;
}

bool record_reader(void)
{
    static const uint8_t nobody[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1};
    if (bench_processors() < 2) {
        bench_skip("reader", "one processor");
        return true;
    }
    make_link();
    bench_pin(bench_processors() - 1);
    if (tw_init(NULL) != 0 || tw_recorder_path(link_->path, sizeof link_->path) < 0) bench_die("recording is off");
    bool pass = against_reader("reader.scan", &(struct tw_query){.trace_id = nobody}, 60, 50, "looking for one trace");
    pass &= against_reader("reader.all", &(struct tw_query){.open_spans = true}, 15, 600, "copying every record out");
    tw_shutdown(1000000000);
    return pass;
}
