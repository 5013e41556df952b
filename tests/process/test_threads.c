/* Threads that come and go.
 *
 * A thread's block is given back when it exits and taken by the next, which goes on in its chunk, so memory follows the
 * number of threads that live at once, and records, not the threads that ever lived. A thousand at once all record.
 * What a thread leaves open is still there, and whoever has the handle can end it. TSAN: run under the thread sanitizer
 * too, with fewer threads. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "ring/view.h"

#if defined(PROC_SANITIZED)
enum { SHORT_LIVED = 2000, AT_ONCE = 200 };
#else
enum { SHORT_LIVED = 20000, AT_ONCE = 1000 };
#endif
enum { BATCH = 8 };

static void start(pthread_t *thread, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    CHECK(pthread_attr_init(&attr) == 0);
    CHECK(pthread_attr_setstacksize(&attr, 256 << 10) == 0);
    int result = pthread_create(thread, &attr, fn, arg);
    CHECK(result == 0);
    (void)pthread_attr_destroy(&attr);
}

static void stats_of(struct tw_stats *stats)
{
    CHECK(tw_recorder_stats(stats) == 0);
}

static void no_losses(void)
{
    struct tw_stats stats;
    stats_of(&stats);
    const struct tw_losses *l = &stats.process.losses;
    CHECK((l->no_slot | l->no_chunk | l->no_thread | l->no_dictionary | l->stale | l->unbalanced | l->nested_refused) ==
          0);
}

/* -- many, one after the other */

static void *live_shortly(void *data)
{
    tw_span span = tw_span_begin("short life");
    tw_tag(span, "n", (int64_t)(intptr_t)data);
    tw_span_end(tw_span_begin("inner"));
    tw_span_end(span);
    return NULL;
}

static void many_short_lives(void *arg)
{
    pthread_t threads[BATCH];
    (void)arg;
    for (intptr_t n = 0; n < SHORT_LIVED; n += BATCH) {
        for (intptr_t i = 0; i < BATCH; i++) start(&threads[i], live_shortly, (void *)(n + i));
        for (intptr_t i = 0; i < BATCH; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    }
    struct tw_stats stats;
    stats_of(&stats);
    CHECK(stats.process.threads_total == SHORT_LIVED);
    CHECK(stats.process.threads == 0);
    CHECK(stats.process.spans_begun == 2 * (uint64_t)SHORT_LIVED);
    CHECK(stats.process.open_spans == 0);
    CHECK(stats.process.overwritten_bytes == 0 && stats.records == 2 * (uint64_t)SHORT_LIVED); /* 2.9 of 16 MB */
    no_losses();
}

static void short_lived_threads_use_each_others_blocks(void **state)
{
    (void)state;
    assert_int_equal(proc_child(many_short_lives, NULL), 0);
    const struct proc_segment *s = proc_read_only();
    const struct tw__header *header = (const void *)s->reader->map;
    print_message("    %d threads, %u blocks, %zu records left\n", SHORT_LIVED, header->block_high, s->records->count);
    assert_true(header->block_high <= BATCH + 2);
    /* tids are used again; the record says which it was */
    for (size_t i = 0; i < s->records->count; i++) assert_true(s->records->items[i].tid != 0);
}

/* -- short ones beside a busy one */

static atomic_bool churned;
static atomic_uint finished;

static int64_t own_tid(void)
{
    return (int64_t)syscall(SYS_gettid);
}

static void *say_who(void *data)
{
    (void)data;
    tw_info("I am %ld", (long)own_tid()); /* brief, if the one before was of the same thread */
    tw_span span = tw_span_begin("short life");
    tw_tag(span, "tid", own_tid());
    tw_span_end(span);
    return NULL;
}

static void *come_and_go(void *data)
{
    enum { EACH = SHORT_LIVED / 8 };
    for (int i = 0; i < EACH; i++) {
        pthread_t thread;
        start(&thread, say_who, NULL);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    (void)atomic_fetch_add(&finished, 1);
    return data;
}

/* Goes round the arena all the time. */
static void *be_busy(void *data)
{
    while (!atomic_load(&churned)) {
        tw_span span = tw_span_begin("busy");
        tw_tag(span, "tid", own_tid());
        tw_span_end(span);
    }
    return data;
}

static bool all_say_who(void)
{
    struct tw_records *records;
    CHECK(tw_recorder_dump_all(&records) == 0);
    bool some = false;
    for (size_t i = 0; i < records->count; i++) {
        const struct tw_record *r = &records->items[i];
        if (r->kind == TW_RECORD_SPAN) CHECK(proc_int(r, "tid") == (int64_t)r->tid);
        if (r->kind == TW_RECORD_LOG) CHECK(r->arg_count == 1 && r->args[0].value.i == (int64_t)r->tid);
        some |= proc_text_is(r->name, "short life");
    }
    CHECK(records->damaged == 0);
    tw_records_free(records);
    return some;
}

static void short_beside_busy(void *arg)
{
    pthread_t busy, starters[4];
    (void)arg;
    CHECK(tw_init(&(struct tw_config){.arena_bytes = (size_t)1 << 20}) == 0);
    CHECK(pthread_create(&busy, NULL, be_busy, NULL) == 0);
    for (size_t i = 0; i < 4; i++) CHECK(pthread_create(&starters[i], NULL, come_and_go, NULL) == 0);
    while (atomic_load(&finished) < 4) (void)all_say_who(); /* those that the busy one has left */
    for (size_t i = 0; i < 4; i++) CHECK(pthread_join(starters[i], NULL) == 0);
    atomic_store(&churned, true);
    CHECK(pthread_join(busy, NULL) == 0);
    pthread_t last;
    start(&last, say_who, NULL);
    CHECK(pthread_join(last, NULL) == 0);
    CHECK(all_say_who());
    no_losses();
}

static void records_of_short_threads_are_their_own_while_chunks_are_taken(void **state)
{
    (void)state;
    assert_int_equal(proc_child(short_beside_busy, NULL), 0);
}

/* -- many at once */

static pthread_barrier_t all_there, all_done;

static void *live_with_others(void *data)
{
    char name[16];
    (void)snprintf(name, sizeof name, "worker %d", (int)(intptr_t)data);
    (void)prctl(PR_SET_NAME, name);
    (void)pthread_barrier_wait(&all_there);
    tw_span span = tw_span_begin("one of many");
    tw_tag(span, "n", (int64_t)(intptr_t)data);
    for (int i = 0; i < 5; i++) tw_span_end(tw_span_begin("inner"));
    (void)pthread_barrier_wait(&all_done); /* all have a span open and a chunk in hand */
    tw_span_end(span);
    return NULL;
}

static void many_at_once(void *arg)
{
    static pthread_t threads[AT_ONCE];
    struct tw_stats stats;
    (void)arg;
    CHECK(pthread_barrier_init(&all_there, NULL, AT_ONCE) == 0);
    CHECK(pthread_barrier_init(&all_done, NULL, AT_ONCE) == 0);
    for (intptr_t i = 0; i < AT_ONCE; i++) start(&threads[i], live_with_others, (void *)i);
    for (intptr_t i = 0; i < AT_ONCE; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    stats_of(&stats);
    CHECK(stats.process.threads_total == AT_ONCE);
    CHECK(stats.process.spans_begun == 6 * (uint64_t)AT_ONCE);
    CHECK(stats.records == 6 * (uint64_t)AT_ONCE);
    no_losses();
}

static void a_thousand_threads_at_once_are_all_recorded(void **state)
{
    static bool there[AT_ONCE];
    (void)state;
    assert_int_equal(proc_child(many_at_once, NULL), 0);
    const struct proc_segment *s = proc_read_only();
    memset(there, 0, sizeof there);
    for (size_t i = 0; i < s->records->count; i++) {
        const struct tw_record *r = &s->records->items[i];
        char name[16];
        if (!proc_text_is(r->name, "one of many")) continue;
        int64_t n = proc_int(r, "n");
        assert_in_range(n, 0, AT_ONCE - 1);
        assert_false(there[n]);
        there[n] = true;
        (void)snprintf(name, sizeof name, "worker %d", (int)n);
        assert_true(proc_text_is(r->thread, name));
    }
    assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "one of many"), AT_ONCE);
    assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "inner"), 5 * AT_ONCE);
}

/* -- spans that outlive their thread */

enum { LEFT = 200 }; /* several blocks full */
static tw_span left[LEFT];

static void *leave_open(void *data)
{
    (void)data;
    for (int i = 0; i < LEFT; i++) {
        left[i] = tw_span_begin("left");
        tw_tag(left[i], "n", i);
    }
    return NULL;
}

static void leave_and_end(void *arg)
{
    struct tw_stats stats;
    pthread_t thread;
    (void)arg;
    for (int round = 0; round < 20; round++) {
        start(&thread, leave_open, NULL);
        CHECK(pthread_join(thread, NULL) == 0);
        stats_of(&stats);
        CHECK(stats.process.open_spans == LEFT);
        CHECK(stats.process.threads == (round > 0));
        for (int i = 0; i < LEFT; i++) {
            int k = (i * 77) % LEFT; /* in any order */
            CHECK(tw_span_is_open(left[k]));
            tw_tag(left[k], "late", i);
            tw_span_end(left[k]);
            CHECK(!tw_span_is_open(left[k]));
        }
        stats_of(&stats);
        CHECK(stats.process.open_spans == 0);
    }
    no_losses();
    CHECK(stats.process.spans_begun == 20 * LEFT);
}

static void a_span_may_end_after_its_thread(void **state)
{
    (void)state;
    assert_int_equal(proc_child(leave_and_end, NULL), 0);
    const struct proc_segment *s = proc_read_only();
    assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "left"), 20 * LEFT);
    for (size_t i = 0; i < s->records->count; i++) {
        assert_int_equal(s->records->items[i].tag_count, 2);
        assert_int_not_equal(s->records->items[i].tid, s->process.pid); /* where it began */
    }
    const struct tw__header *header = (const void *)s->reader->map;
    print_message("    %u blocks\n", header->block_high);
    assert_true(header->block_high <= 2 * (LEFT / 31 + 2)); /* given back each time */
}

static void leave_for_ever(void *arg)
{
    pthread_t thread;
    (void)arg;
    start(&thread, leave_open, NULL);
    CHECK(pthread_join(thread, NULL) == 0);
    for (int i = 0; i < 300; i++) { /* others take the block over; what is open stays */
        start(&thread, live_shortly, NULL);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

static void what_a_thread_leaves_open_is_shown_as_open_for_ever(void **state)
{
    bool there[LEFT] = {false};
    (void)state;
    assert_int_equal(proc_child(leave_for_ever, NULL), 0);
    const struct proc_segment *s = proc_read_only();
    assert_int_equal(proc_count(s->records, TW_RECORD_OPEN, "left"), LEFT);
    assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "short life"), 300);
    for (size_t i = 0; i < s->records->count; i++) {
        const struct tw_record *r = &s->records->items[i];
        if (r->kind != TW_RECORD_OPEN) continue;
        int64_t n = proc_int(r, "n");
        assert_in_range(n, 0, LEFT - 1);
        assert_false(there[n]);
        there[n] = true;
    }
}

/* -- ends and exits that meet */

static sem_t go;
static tw_span shared_span;

static void *begin_and_exit(void *data)
{
    (void)data;
    tw_span outer = tw_span_begin("outer");
    shared_span = tw_span_begin("met");
    tw_span_end(tw_span_begin("inner"));
    (void)sem_post(&go);
    (void)outer; /* the thread is gone before it ends */
    return NULL;
}

static void meet(void *arg)
{
    struct tw_stats stats;
    (void)arg;
    CHECK(sem_init(&go, 0, 0) == 0);
    tw_span_end(tw_span_begin("own"));
    for (int i = 0; i < 2000; i++) {
        pthread_t thread;
        start(&thread, begin_and_exit, NULL);
        CHECK(sem_wait(&go) == 0);
        for (volatile int spin = 0; spin < i % 500; spin++) {}
        tw_span_end(shared_span); /* while its thread exits */
        CHECK(pthread_join(thread, NULL) == 0);
        tw_span_end(shared_span);
    }
    stats_of(&stats);
    CHECK(stats.process.spans_begun == 1 + 3 * 2000);
    CHECK(stats.process.open_spans == 2000);
    CHECK(stats.process.losses.stale == 2000);
    CHECK(stats.process.losses.no_slot == 0);
}

static void a_span_may_end_while_its_thread_exits(void **state)
{
    (void)state;
    assert_int_equal(proc_child(meet, NULL), 0);
    const struct proc_segment *s = proc_read_only();
    assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "met"), 2000);
    assert_int_equal(proc_count(s->records, TW_RECORD_OPEN, "outer"), 2000);
}

/* -- a record made by a destructor of another library, after ours */

static pthread_key_t later;

static void record_late(void *data)
{
    tw_span_end(tw_span_begin("in destructor"));
    /* Once more, after ours has run. */
    if ((intptr_t)data > 1) (void)pthread_setspecific(later, (void *)((intptr_t)data - 1));
}

static void *record_and_leave_a_destructor(void *data)
{
    (void)data;
    CHECK(pthread_setspecific(later, (void *)3) == 0);
    tw_span_end(tw_span_begin("in thread"));
    return NULL;
}

static void record_in_destructors(void *arg)
{
    struct tw_stats stats;
    (void)arg;
    CHECK(pthread_key_create(&later, record_late) == 0);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        start(&thread, record_and_leave_a_destructor, NULL);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    stats_of(&stats);
    CHECK(stats.process.spans_begun == 400);
    CHECK(stats.process.threads <= 1);
    no_losses();
}

static void a_thread_may_record_after_it_has_been_let_go(void **state)
{
    (void)state;
    assert_int_equal(proc_child(record_in_destructors, NULL), 0);
    const struct proc_segment *s = proc_read_only();
    assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "in destructor"), 300);
    const struct tw__header *header = (const void *)s->reader->map;
    assert_true(header->block_high <= 8);
}

/* -- cancellation */

enum { CANCELLED = 200 };

static void *work_until_cancelled(void *data)
{
    (void)data; /* as often as not it is cancelled in its first record already */
    for (;;) {
        TW_SCOPE(span, "cancelled");
        (void)usleep(100);
    }
    return NULL;
}

static void cancel_some(void *arg)
{
    struct tw_stats stats;
    (void)arg;
    for (int i = 0; i < CANCELLED; i++) {
        pthread_t thread;
        start(&thread, work_until_cancelled, NULL);
        (void)usleep((useconds_t)(i * 20));
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
    }
    tw_span_end(tw_span_begin("still here"));
    stats_of(&stats);
    CHECK(stats.process.threads == 1);
    no_losses();
}

static void a_cancelled_thread_leaves_its_block_to_others(void **state)
{
    (void)state;
    assert_int_equal(proc_child(cancel_some, NULL), 0);
    const struct tw__header *header = (const void *)proc_read_only()->reader->map;
    print_message("    %u blocks\n", header->block_high);
    assert_true(header->block_high <= 3 + CANCELLED / 31); /* C without -fexceptions: each may leave its span open */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(short_lived_threads_use_each_others_blocks),
        PROC(records_of_short_threads_are_their_own_while_chunks_are_taken),
        PROC(a_thousand_threads_at_once_are_all_recorded),
        PROC(a_span_may_end_after_its_thread),
        PROC(what_a_thread_leaves_open_is_shown_as_open_for_ever),
        PROC(a_span_may_end_while_its_thread_exits),
        PROC(a_thread_may_record_after_it_has_been_let_go),
        PROC(a_cancelled_thread_leaves_its_block_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
