/* Time: the wall clock may be set while a process records, and the TSC may not be trusted.
 *
 * Records hold ticks; what a reader shows is ticks turned into wall time by one difference of clocks, its own on the
 * same boot. So a clock that is set moves all records of the host together, and never one against the other. Setting
 * the clock is simulated by the calibrations of the segment: only a reader of another boot goes by them. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "ring/layout.h"

#define SECOND 1000000000u
#define WITHIN_NS 1000000u /* of a clock that may be slewed; two looks at the calibration */

static uint64_t wall_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

/* The wall clock before and after a call. */
struct moment {
    uint64_t before, after;
};
static struct page {
    struct moment begin, event, end;
} *page;

#define AT(moment, call)                  \
    do {                                  \
        page->moment.before = wall_ns();  \
        call;                             \
        page->moment.after = wall_ns();   \
    } while (0)

static void record_a_while(void *arg)
{
    (void)arg;
    tw_span span;
    AT(begin, span = tw_span_begin("timed"));
    (void)usleep(20000);
    AT(event, tw_event("middle"));
    (void)usleep(30000);
    AT(end, tw_span_end(span));
    (void)usleep(20000);
    tw_span own = tw_span_begin_with("own", (&(struct tw_span_options){.start_ns = page->begin.before}));
    tw_span_end_at(own, page->event.before);
}

/* A tick is a fraction of a ns; the rate is known to some ppm. */
static void assert_near(uint64_t a, uint64_t b, uint64_t within)
{
    uint64_t apart = a > b ? a - b : b - a;
    if (apart > within) fail_msg("%lld ns apart", (long long)(a - b));
}

/* The call may have been put aside between the two looks at the wall clock, for as long as it likes. */
static void assert_in(uint64_t time_ns, const struct moment *moment)
{
    if (time_ns + WITHIN_NS < moment->before || time_ns > moment->after + WITHIN_NS)
        fail_msg("%lld ns before, %lld ns after", (long long)(time_ns - moment->before),
                 (long long)(moment->after - time_ns));
}

static void assert_times(const struct proc_segment *s)
{
    const struct tw_record *span = proc_find(s->records, TW_RECORD_SPAN, "timed");
    const struct tw_record *event = proc_find(s->records, TW_RECORD_EVENT, "middle");
    const struct tw_record *own = proc_find(s->records, TW_RECORD_SPAN, "own");
    assert_non_null(span);
    assert_non_null(event);
    assert_non_null(own);
    assert_true(span->time_ns <= event->time_ns && event->time_ns <= span->end_ns);
    assert_in(span->time_ns, &page->begin);
    assert_in(event->time_ns, &page->event);
    assert_in(span->end_ns, &page->end);
    assert_near(own->time_ns, page->begin.before, WITHIN_NS);
    assert_near(own->end_ns, page->event.before, WITHIN_NS);
    assert_true(own->marks & TW_RECORD_OWN_TIME);
}

static void times_are_those_of_the_wall_clock(void **state)
{
    (void)state;
    assert_int_equal(proc_child(record_a_while, NULL), 0);
    assert_times(proc_read_only());
}

static void times_are_the_same_by_the_kernels_clock(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRACKWAY_TSC", "off", 1), 0);
    assert_int_equal(proc_child(record_a_while, NULL), 0);
    assert_int_equal(unsetenv("TRACKWAY_TSC"), 0);
    const struct proc_segment *s = proc_read_only();
    assert_times(s);
    struct proc_paths paths;
    struct tw__header header;
    proc_list(&paths);
    FILE *file = fopen(paths.path[0], "r");
    assert_non_null(file);
    assert_int_equal(fread(&header, sizeof header, 1, file), 1);
    (void)fclose(file);
    assert_int_equal(header.clock, TW__CLOCK_MONOTONIC);
}

/* Changes the header of the only segment. */
static void change_header(void (*change)(struct tw__header *header))
{
    struct proc_paths paths;
    proc_list(&paths);
    assert_int_equal(paths.count, 1);
    int fd = open(paths.path[0], O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    void *map = mmap(NULL, TW__HEADER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    change(map);
    (void)munmap(map, TW__HEADER_BYTES);
    (void)close(fd);
}

/* An hour forward between the first calibration and the newest. */
static void set_wall_clock_forward(struct tw__header *header)
{
    for (int i = 0; i < TW__CALIBRATIONS; i++) header->calibrations[i].wall_ns += (uint64_t)3600 * SECOND;
}

static void make_it_another_boots(struct tw__header *header)
{
    memset(header->boot_id, 0x77, sizeof header->boot_id);
}

static void set_backward_and_make_foreign(struct tw__header *header)
{
    for (int i = 0; i < TW__CALIBRATIONS; i++) header->calibrations[i].wall_ns -= (uint64_t)3600 * SECOND;
    make_it_another_boots(header);
}

static void a_wall_clock_that_was_set_does_not_move_records_of_this_boot(void **state)
{
    (void)state;
    assert_int_equal(proc_child(record_a_while, NULL), 0);
    change_header(set_wall_clock_forward);
    assert_times(proc_read_only());
}

static void a_segment_of_another_boot_goes_by_its_own_first_clock(void **state)
{
    (void)state;
    assert_int_equal(proc_child(record_a_while, NULL), 0);
    change_header(set_backward_and_make_foreign);
    const struct proc_segment *s = proc_read_only();
    assert_times(s);
    assert_int_equal(s->process.state, TW_PROCESS_FOREIGN);
}

/* -- several processes, one wall clock */

static void record_in_turn(void *arg)
{
    const char *name = arg;
    tw_span_end(tw_span_begin_named(name));
}

static void processes_of_one_host_are_shown_in_the_order_in_which_they_recorded(void **state)
{
    enum { PROCESSES = 12 };
    struct proc_paths paths;
    uint64_t times[PROCESSES] = {0};
    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "p%d", i);
        if (i % 3 == 2) assert_int_equal(setenv("TRACKWAY_TSC", "off", 1), 0);
        assert_int_equal(proc_child(record_in_turn, name), 0);
        assert_int_equal(unsetenv("TRACKWAY_TSC"), 0);
    }
    proc_list(&paths);
    assert_int_equal(paths.count, PROCESSES);
    for (size_t p = 0; p < PROCESSES; p++) {
        const struct proc_segment *s = proc_read(paths.path[p]);
        assert_int_equal(s->records->count, 1);
        const struct tw_record *r = &s->records->items[0];
        times[strtoul(r->name.ptr + 1, NULL, 10)] = r->time_ns;
    }
    for (int i = 1; i < PROCESSES; i++) assert_true(times[i] > times[i - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(times_are_those_of_the_wall_clock),
        PROC(times_are_the_same_by_the_kernels_clock),
        PROC(a_wall_clock_that_was_set_does_not_move_records_of_this_boot),
        PROC(a_segment_of_another_boot_goes_by_its_own_first_clock),
        PROC(processes_of_one_host_are_shown_in_the_order_in_which_they_recorded),
    };
    page = proc_shared(sizeof *page);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
