/* record_contention: what a second thread that records, and a process that reads without a pause, cost the one that
 * records.
 *
 * ABAB: the partner is there in all phases, on the other processor; in A it spins, in B it works. So what its presence
 * costs (the clock of the package, the hypervisor, whoever it drives away) is in both, and the difference is the work's
 * doing. A phase is some laps long, and its first lap does not count: there the lines still lie with the partner. The
 * phases of one kind are taken together, and their medians are compared.
 *
 *     the one measured   | spans | spans | floor A | floor A | spans | ...
 *     its partner          spin    read    spin      copy      spin
 *
 * A line that two processors touch has to travel, and how far that is, is the machine's affair: on a virtual one the
 * processors may be moved from one cache to two, and then bare stores into a ring that somebody reads take three times
 * as long, whoever makes them. So a floor is measured in the same rounds, to tell the machine's part: of the reader,
 * floor A with its ring copied by the same partner at full speed; of the threads, floor A in pieces of one ring that
 * both take in turns.
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
#include "floor.h"
#include "record.h"

enum { SLOT = 8000, LAP_SLOTS = 35, TRIES = 3 }; /* 35 slots of spans are once round the default arena */

/* What the partner does. */
enum { SPIN, WORK, WORK_OF_FLOOR, STOP };

/* Between the one measured and its partner; in memory that both processes see.
 * Threads  wanted: written by the one measured. Others: by the partner. release/acquire. */
struct link {
    uint32_t wanted;
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

/* The partner's life: the unit of the work that is wanted, again and again. */
static void partner(void (*work)(void), void (*work_of_floor)(void))
{
    for (;;) {
        uint32_t wanted = tw__load_acquire(&link_->wanted); /* pairs with want */
        if (wanted == STOP) return;
        tw__store_release(&link_->doing, wanted); /* pairs with want */
        if (wanted == SPIN) continue;
        if (wanted == WORK)
            work();
        else
            work_of_floor();
        tw__store_release(&link_->units, link_->units + 1);
    }
}

static void want(uint32_t wanted)
{
    tw__store_release(&link_->wanted, wanted);                  /* pairs with partner */
    while (tw__load_acquire(&link_->doing) != wanted) continue; /* pairs with partner */
}

static const struct phase {
    uint32_t partner;
    bool floor;
} phases[4] = {{SPIN, false}, {WORK, false}, {SPIN, true}, {WORK_OF_FLOOR, true}};

struct race {
    void (*run)(unsigned n), (*floor)(unsigned n);
    unsigned rounds, slots; /* slots of one phase follow one another; the first lap does not count */
};

/* Medians of all phases. */
static void abab(const struct race *race, double median[4])
{
    struct bench_samples ns[4] = {{NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}, {NULL, 0, 0}};
    race->run(SLOT);
    race->floor(SLOT);
    uint64_t before = tw__load_acquire(&link_->units); /* pairs with partner */
    for (unsigned turn = 0; turn < 4 * bench_rounds(race->rounds); turn++) {
        const struct phase *phase = &phases[turn % 4];
        void (*run)(unsigned n) = phase->floor ? race->floor : race->run;
        want(phase->partner);
        for (unsigned slot = 0; slot < race->slots; slot++) {
            double start = bench_now_ns();
            run(SLOT);
            if (slot >= LAP_SLOTS) bench_add(&ns[turn % 4], (bench_now_ns() - start) / SLOT);
        }
    }
    want(SPIN);
    if (tw__load_acquire(&link_->units) == before) bench_die("the partner did nothing");
    for (int i = 0; i < 4; i++) {
        median[i] = bench_quantile(&ns[i], 0.5);
        bench_samples_free(&ns[i]);
    }
}

/* -- two threads -- */

enum { PIECE = 128 }; /* records, 8 KiB */

static void (*unit_of_thread)(unsigned n);
static uint64_t next_piece;

static void thread_unit(void)
{
    unit_of_thread(1000);
}

/* Floor A, in pieces of a ring that both threads take in turns. */
static void floor_of_pieces(unsigned n)
{
    for (unsigned piece = 0; piece < n / PIECE; piece++) {
        floor_at = tw__add_relaxed(&next_piece, PIECE * 8) & (FLOOR_RING_BYTES / 8 - 1);
        floor_a(PIECE);
    }
}

static void thread_unit_of_floor(void)
{
    floor_of_pieces(1024);
}

static void *second_thread(void *data)
{
    (void)data;
    bench_pin(0);
    tw_span root = tw_span_begin_root("second");
    partner(thread_unit, thread_unit_of_floor);
    tw_span_end(root);
    return NULL;
}

static bool two_threads(const char *name, void (*run)(unsigned n))
{
    pthread_t thread;
    struct bench_row row, floor;
    unit_of_thread = run;
    link_->wanted = SPIN;
    if (pthread_create(&thread, NULL, second_thread, NULL) != 0) bench_die("no thread");
    tw_span root = tw_span_begin_root("first");
    for (unsigned try = 0; try < TRIES; try++) { /* as in record_spans.c */
        double m[4];
        abab(&(struct race){run, floor_of_pieces, 25, 105}, m);
        row = (struct bench_row){name, m[1], "ns", m[0], 1.10, "to each"};
        floor = (struct bench_row){"threads.floor", m[3], "ns", m[2], 0, "floor A, 8 KiB pieces of one ring"};
        if (bench_passes(&row)) break;
    }
    tw_span_end(root);
    tw__store_release(&link_->wanted, STOP);
    pthread_join(thread, NULL);
    (void)bench_report(&floor);
    return bench_report(&row);
}

bool record_threads(void)
{
    if (bench_processors() < 2) {
        bench_skip("threads", "one processor");
        return true;
    }
    make_link();
    floor_init();
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

/* As a reader would: piece by piece to where it can be looked at in peace. */
static void copy_floor(void)
{
    static uint8_t piece[8192];
    for (size_t at = 0; at < FLOOR_RING_BYTES; at += sizeof piece) {
        memcpy(piece, (const uint8_t *)floor_ring + at, sizeof piece);
        __asm__ volatile("" : : "r"(piece) : "memory");
    }
}

static void read_for_ever(void)
{
    char why[TW_WHY_MAX];
    bench_pin(0);
    if (tw_reader_open(link_->path, &reader, why) < 0) bench_die(why);
    partner(read_unit, copy_floor);
    tw_reader_close(reader);
}

static pid_t start_reader(const struct tw_query *what)
{
    link_->wanted = SPIN;
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
                           const char *what_it_does)
{
    struct bench_row row, floor;
    pid_t pid = start_reader(what);
    tw_span root = tw_span_begin_root("writer");
    for (unsigned try = 0; try < TRIES; try++) {
        double m[4];
        abab(&(struct race){spans, floor_a, rounds, slots}, m);
        floor = (struct bench_row){"reader.floor", m[3], "ns", m[2], 0, "floor A, its ring being copied"};
        row = (struct bench_row){name, m[1], "ns", m[0], 1.01, what_it_does};
        if (bench_passes(&row)) break;
    }
    tw_span_end(root);
    tw__store_release(&link_->wanted, STOP);
    (void)waitpid(pid, NULL, 0);
    (void)bench_report(&floor);
    return bench_report(&row);
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
    floor_init();
    bench_pin(bench_processors() - 1);
    if (tw_init(NULL) != 0 || tw_recorder_path(link_->path, sizeof link_->path) < 0) bench_die("recording is off");
    bool pass = against_reader("reader.scan", &(struct tw_query){.trace_id = nobody}, 25, 105, "looking for one trace");
    pass &= against_reader("reader.all", &(struct tw_query){.open_spans = true}, 8, 635, "copying every record out");
    tw_shutdown(1000000000);
    return pass;
}
