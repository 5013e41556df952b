/* fork, vfork, posix_spawn, exec.
 *
 * A forked child has of its parent's segment the header and the dictionary only; its first record begins a segment of
 * its own that takes the dictionary over. So sites keep their names, handles from before the fork are dead, and no byte
 * of the parent's blocks and arena can change. After exec the old segment is a dead one's, though its pid lives on. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/atomics.h"
#include "ring/layout.h"

enum { CHILDREN = 24 };

static void work(const char *who, int64_t n)
{
    tw_span span = tw_span_begin("work");
    tw_tag(span, "n", n);
    tw_tag(span, "who", who);
    tw_tag(span, "literal", "one for all");
    tw_event_tags("worked", TW_ATTR("n", n));
    tw_span_end(span);
}

static pid_t must_fork(void)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    return pid;
}

static void must_end_well(pid_t pid)
{
    int code = proc_wait(pid);
    if (code) fprintf(stderr, "child %d: %d\n", (int)pid, code);
    CHECK(code == 0);
}

static void assert_work(const struct proc_segment *s, const char *who, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < s->records->count; i++) {
        const struct tw_record *r = &s->records->items[i];
        if (r->kind != TW_RECORD_SPAN || !proc_text_is(r->name, "work")) continue;
        assert_true(proc_text_is(r->module, "test_fork"));
        assert_true(proc_text_is(r->function, "work"));
        assert_true(proc_text_is(proc_tag(r, "who")->text, who));
        assert_true(proc_text_is(proc_tag(r, "literal")->text, "one for all"));
        assert_int_equal(r->pid, s->process.pid);
        n++;
    }
    assert_int_equal(n, count);
    assert_int_equal(proc_count(s->records, TW_RECORD_EVENT, "worked"), count);
}

/* -- the child records on its own */

static pid_t *pids; /* shared: who forked whom */

static void parent_and_child_record(void *arg)
{
    (void)arg;
    pids[0] = getpid();
    work("parent", 1);
    pid_t pid = must_fork();
    if (pid == 0) {
        pids[1] = getpid();
        work("child", 2);
        work("child", 3);
        _exit(0);
    }
    must_end_well(pid);
    work("parent", 4);
}

static void a_child_records_in_a_segment_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(proc_child(parent_and_child_record, NULL), 0);
    const struct proc_segment *parent = proc_read_pid(pids[0]), *child = proc_read_pid(pids[1]);
    assert_work(parent, "parent", 2);
    assert_work(child, "child", 2);
    assert_int_equal(parent->process.threads_total, 1);
    assert_int_equal(child->process.threads_total, 1);
    assert_int_equal(child->process.pid, pids[1]);
    /* The kernel counts starts in ticks of 10 ms; as wall times, told by each process, equal ones are some us apart. */
    assert_true(child->process.started_ns + 1000000 >= parent->process.started_ns);
    assert_memory_not_equal(parent->records->items[0].span_id, child->records->items[0].span_id, 8);
    assert_memory_not_equal(parent->records->items[0].trace_id, child->records->items[0].trace_id, 16);
}

static void child_records_nothing(void *arg)
{
    (void)arg;
    work("parent", 1);
    pid_t pid = must_fork();
    if (pid == 0) exit(0); /* with all handlers: the parent's file must stay */
    must_end_well(pid);
    char path[PROC_PATH];
    CHECK(tw_recorder_path(path, sizeof path) > 0);
    CHECK(access(path, F_OK) == 0);
    work("parent", 2);
}

static void a_child_that_records_nothing_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(proc_child(child_records_nothing, NULL), 0);
    assert_work(proc_read_only(), "parent", 2);
}

static void child_exits_cleanly(void *arg)
{
    (void)arg;
    pids[0] = getpid();
    work("parent", 1);
    pid_t pid = must_fork();
    if (pid == 0) {
        work("child", 1);
        exit(0);
    }
    must_end_well(pid);
}

static void a_child_that_exits_takes_only_its_own_file_along(void **state)
{
    (void)state;
    assert_int_equal(proc_child(child_exits_cleanly, NULL), 0);
    assert_work(proc_read_only(), "parent", 1);
}

/* -- the parent is undisturbed, bit by bit */

static uint64_t sum_of(const uint8_t *bytes, size_t len)
{
    uint64_t sum = 14695981039346656037u;
    for (size_t i = 0; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, bytes + i, 8);
        sum = (sum ^ word) * 1099511628211u;
    }
    return sum;
}

static void use_everything(tw_span old, tw_attach held, const struct tw_context *context)
{
    tw_tag(old, "n", 9);
    tw_tag(old, "late", "never seen");
    tw_span_event(old, "late");
    tw_span_set_status(old, TW_STATUS_ERROR, "late");
    tw_span_rename(old, "late");
    tw_span_add_parent(old, context);
    CHECK(!tw_span_is_open(old));
    tw_span_end(old);
    tw_span_end(old);
    tw_context_detach(held);
    struct tw_context none;
    CHECK(!tw_span_context(old, &none));
    CHECK(!tw_context_current(&none));
    CHECK(!tw_span_current().slot);
    CHECK(!tw_span_lap(old, "late").slot);
}

static void child_does_what_it_can(void *arg)
{
    char path[PROC_PATH];
    struct tw_context context;
    (void)arg;
    pids[0] = getpid();
    work("parent", 1);
    tw_span open = tw_span_begin_root("open");
    tw_tag(open, "n", 1);
    CHECK(tw_span_context(open, &context));
    tw_attach held = tw_context_attach(&context);
    tw_span inner = tw_span_begin("inner");
    CHECK(tw_recorder_path(path, sizeof path) > 0);

    struct tw_reader *reader;
    struct stat st;
    CHECK(tw_reader_open(path, &reader, NULL) == 0);
    CHECK(stat(path, &st) == 0);
    FILE *file = fopen(path, "r");
    CHECK(file);
    size_t used = (size_t)5 << 20; /* header, dictionary, the first blocks */
    const uint8_t *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fileno(file), 0);
    CHECK(map != MAP_FAILED);
    const struct tw__header *header = (const void *)map;
    const uint8_t *arena = map + header->arena_off;
    size_t arena_used = (size_t)64 * TW__CHUNK_BYTES;
    uint64_t before = sum_of(map, used), arena_before = sum_of(arena, arena_used);

    pid_t pid = must_fork();
    if (pid == 0) {
        pids[1] = getpid();
        use_everything(open, held, &context);
        use_everything(inner, held, &context);
        for (int i = 0; i < 20000; i++) work("child", i);
        use_everything(open, held, &context);
        tw_span under = tw_span_begin_under("under", &context); /* the trace goes on, of course */
        tw_span_end(under);
        CHECK(tw_recorder_clear() == 0);
        CHECK(tw_recorder_set_buffer_size(100000) == 0);
        CHECK(tw_recorder_disable() == 0);
        CHECK(tw_recorder_enable() == 0);
        work("child", 1);
        CHECK(tw_shutdown(1000000) == 0);
        exit(0);
    }
    must_end_well(pid);
    CHECK(sum_of(map, used) == before);
    CHECK(sum_of(arena, arena_used) == arena_before);
    CHECK(tw_span_is_open(open) && tw_span_is_open(inner));
    CHECK(tw_recorder_is_enabled());
    tw_tag(inner, "n", 2);
    tw_span_end(inner);
    tw_context_detach(held);
    tw_span_end(open);
}

static void nothing_that_a_child_does_changes_a_bit_of_its_parents_segment(void **state)
{
    (void)state;
    assert_int_equal(proc_child(child_does_what_it_can, NULL), 0);
    const struct proc_segment *s = proc_read_only();
    assert_int_equal(s->process.pid, pids[0]);
    const struct tw_record *open = proc_find(s->records, TW_RECORD_SPAN, "open");
    const struct tw_record *inner = proc_find(s->records, TW_RECORD_SPAN, "inner");
    assert_non_null(open);
    assert_non_null(inner);
    assert_int_equal(open->tag_count, 1);
    assert_int_equal(inner->tag_count, 1);
    assert_memory_equal(inner->parent_id, open->span_id, 8);
    assert_int_equal(s->process.losses.stale, 0);
}

static void record_in_child_of_open_span(void *arg)
{
    (void)arg;
    pids[0] = getpid();
    tw_span open = tw_span_begin_root("open");
    struct tw_context context;
    CHECK(tw_span_context(open, &context));
    pid_t pid = must_fork();
    if (pid == 0) {
        pids[1] = getpid();
        work("child", 1);                                     /* not part of the parent's stack: a root */
        tw_span_end(tw_span_begin_under("told", &context));   /* who wants to go on, says so */
        tw_span_end(open);
        _exit(0);
    }
    must_end_well(pid);
    tw_span_end(open);
}

static void a_fork_inside_an_open_span_leaves_it_to_the_parent(void **state)
{
    (void)state;
    assert_int_equal(proc_child(record_in_child_of_open_span, NULL), 0);
    const struct proc_segment *parent = proc_read_pid(pids[0]), *child = proc_read_pid(pids[1]);
    static const uint8_t none[8];
    const struct tw_record *open = proc_find(parent->records, TW_RECORD_SPAN, "open");
    const struct tw_record *root = proc_find(child->records, TW_RECORD_SPAN, "work");
    const struct tw_record *told = proc_find(child->records, TW_RECORD_SPAN, "told");
    assert_non_null(open);
    assert_memory_equal(root->parent_id, none, 8);
    assert_memory_equal(told->parent_id, open->span_id, 8);
    assert_memory_equal(told->trace_id, open->trace_id, 16);
    assert_int_equal(child->process.losses.stale, 1);
    assert_int_equal(child->records->count, 3);
}

/* -- segments that had ended before the fork */

static void handles_of_ended_segments(void *arg)
{
    (void)arg;
    tw_span spans[3];
    tw_attach held[3];
    struct tw_context context;
    for (int i = 0; i < 3; i++) {
        CHECK(i == 0 || tw_init(NULL) == 0);
        spans[i] = tw_span_begin_root("old");
        CHECK(tw_span_context(spans[i], &context));
        held[i] = tw_context_attach(&context);
        if (i < 2) CHECK(tw_shutdown(1000000) == 0);
    }
    pid_t pid = must_fork();
    if (pid == 0) {
        for (int i = 0; i < 3; i++) use_everything(spans[i], held[i], &context);
        work("child", 1);
        for (int i = 0; i < 3; i++) use_everything(spans[i], held[i], &context);
        _exit(0);
    }
    must_end_well(pid);
    CHECK(tw_shutdown(1000000) == 0);
    pid = must_fork(); /* nothing is recording now */
    if (pid == 0) {
        for (int i = 0; i < 3; i++) use_everything(spans[i], held[i], &context);
        CHECK(tw_init(NULL) == 0);
        for (int i = 0; i < 3; i++) use_everything(spans[i], held[i], &context);
        work("child", 2);
        _exit(0);
    }
    must_end_well(pid);
}

static void handles_of_segments_that_ended_before_the_fork_are_harmless(void **state)
{
    struct proc_paths paths;
    (void)state;
    assert_int_equal(proc_child(handles_of_ended_segments, NULL), 0);
    proc_list(&paths);
    assert_int_equal(paths.count, 2);
    assert_work(proc_read(paths.path[0]), "child", 1);
    assert_work(proc_read(paths.path[1]), "child", 1);
}

/* -- what other handlers of fork do meanwhile */

enum { OTHERS_BYTES = 64 << 20 };
static uint8_t *others;

static void map_something_in_child(void)
{
    others = mmap(NULL, OTHERS_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (others != MAP_FAILED) memset(others, 0xa5, OTHERS_BYTES);
}

static void fork_with_a_library_that_maps(void *arg)
{
    (void)arg;
    CHECK(pthread_atfork(NULL, NULL, map_something_in_child) == 0); /* before ours, so it runs before ours */
    tw_span old = tw_span_begin("old");
    work("parent", 1);
    pid_t pid = must_fork();
    if (pid == 0) {
        CHECK(others && others != MAP_FAILED);
        work("child", 1);
        tw_tag(old, "n", 1);
        tw_span_end(old);
        for (size_t i = 0; i < OTHERS_BYTES; i++) CHECK(others[i] == 0xa5);
        _exit(0);
    }
    must_end_well(pid);
}

static void memory_that_another_library_takes_during_the_fork_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(proc_child(fork_with_a_library_that_maps, NULL), 0);
}

/* -- many threads, many forks */

static uint32_t enough;

static void *record_until_enough(void *data)
{
    (void)data;
    for (int64_t n = 0; !tw__load_acquire(&enough); n++) {
        work("parent", n);
        tw_span_end(tw_span_begin_named(n % 2 ? "even" : "odd"));
    }
    return NULL;
}

static void fork_while_others_record(void *arg)
{
    pthread_t threads[3];
    (void)arg;
    pids[0] = getpid();
    for (int i = 0; i < 3; i++) CHECK(pthread_create(&threads[i], NULL, record_until_enough, NULL) == 0);
    for (int i = 1; i <= CHILDREN; i++) {
        (void)usleep(500);
        pid_t pid = must_fork();
        if (pid == 0) {
            pids[i] = getpid();
            (void)alarm(120);
            for (int n = 0; n < 50; n++) work("child", n);
            _exit(0);
        }
        must_end_well(pid);
    }
    tw__store_release(&enough, 1);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
}

static void a_parent_with_threads_forks_while_they_record(void **state)
{
    (void)state;
    assert_int_equal(proc_child(fork_while_others_record, NULL), 0);
    for (int i = 1; i <= CHILDREN; i++) {
        const struct proc_segment *child = proc_read_pid(pids[i]);
        assert_work(child, "child", 50);
        assert_int_equal(child->process.threads_total, 1);
        assert_int_equal(child->process.open_spans, 0);
    }
    assert_true(proc_count(proc_read_pid(pids[0])->records, TW_RECORD_SPAN, "work") > 100);
}

/* A fork beside a thread that allocates leaves the child LeakSanitizer's lock as it was, held perhaps: the check for
 * leaks at its exit would wait for ever. The parent is checked. */
static int leaks_do_not_count;
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return leaks_do_not_count;
}

static void fork_as_first_use_races(void *arg)
{
    (void)arg;
    for (int i = 0; i < 30; i++) {
        pid_t outer = must_fork();
        if (outer == 0) {
            pthread_t thread;
            (void)alarm(120);
            CHECK(pthread_create(&thread, NULL, record_until_enough, NULL) == 0); /* begins the recorder */
            (void)usleep((useconds_t)(i * 100));
            pid_t inner = must_fork();
            if (inner == 0) {
                leaks_do_not_count = 1;
                (void)alarm(120);
                work("child", 1);
                exit(0);
            }
            must_end_well(inner);
            tw__store_release(&enough, 1);
            CHECK(pthread_join(thread, NULL) == 0);
            exit(0);
        }
        must_end_well(outer);
    }
}

static void a_fork_while_the_recorder_begins_does_not_hang(void **state)
{
    struct proc_paths paths;
    (void)state;
    assert_int_equal(proc_child(fork_as_first_use_races, NULL), 0);
    proc_list(&paths);
    assert_int_equal(paths.count, 0);
}

static void fork_in_a_chain(void *arg)
{
    (void)arg;
    for (int depth = 0; depth < CHILDREN; depth++) {
        pids[depth] = getpid();
        work("chain", depth);
        tw_span open = tw_span_begin("open");
        pid_t pid = must_fork();
        if (pid) {
            int code = proc_wait(pid);
            CHECK(code == 0);
            tw_span_end(open);
            _exit(0);
        }
        tw_span_end(open);
    }
}

static void a_child_of_a_child_of_a_child_records(void **state)
{
    (void)state;
    assert_int_equal(proc_child(fork_in_a_chain, NULL), 0);
    for (int i = 0; i < CHILDREN; i++) {
        const struct proc_segment *s = proc_read_pid(pids[i]);
        assert_work(s, "chain", 1);
        assert_int_equal(proc_count(s->records, TW_RECORD_SPAN, "open"), 1);
        assert_int_equal(s->process.losses.stale, i > 0);
    }
}

static void clone_by_hand(void *arg)
{
    (void)arg;
    pids[0] = getpid();
    work("parent", 1);
    tw_span old = tw_span_begin("old");
    long pid = syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, NULL);
    CHECK(pid >= 0);
    if (pid == 0) {
        tw_after_fork();
        pids[1] = (pid_t)syscall(SYS_getpid);
        work("child", 1);
        tw_span_end(old);
        _exit(0);
    }
    must_end_well((pid_t)pid);
    tw_span_end(old);
}

static void a_clone_by_hand_records_after_it_has_said_so(void **state)
{
    (void)state;
    assert_int_equal(proc_child(clone_by_hand, NULL), 0);
    assert_work(proc_read_pid(pids[0]), "parent", 1);
    assert_work(proc_read_pid(pids[1]), "child", 1);
}

static void off_in_child(void *arg)
{
    (void)arg;
    CHECK(setenv("TRACKWAY", "off", 1) == 0);
    work("parent", 1);
    CHECK(tw_recorder_error(NULL, 0) == TW_ERR_OFF);
    pid_t pid = must_fork();
    if (pid == 0) {
        work("child", 1);
        CHECK(tw_recorder_error(NULL, 0) == TW_ERR_OFF);
        _exit(0);
    }
    must_end_well(pid);
}

static void switched_off_stays_switched_off_in_a_child(void **state)
{
    struct proc_paths paths;
    (void)state;
    assert_int_equal(proc_child(off_in_child, NULL), 0);
    proc_list(&paths);
    assert_int_equal(paths.count, 0);
}

/* -- other programs. This one, started with an argument, is the other. */

static int be_another_program(const char *who)
{
    work(who, 1);
    _exit(0);
}

static void spawn_and_vfork(void *arg)
{
    char self[] = "/proc/self/exe", who[] = "spawned", flag[] = "--be";
    char *const arguments[] = {self, flag, who, NULL};
    pid_t pid;
    (void)arg;
    pids[0] = getpid();
    tw_span open = tw_span_begin("open");
    work("parent", 1);
    CHECK(posix_spawn(&pid, self, NULL, NULL, arguments, environ) == 0);
    pids[1] = pid;
    must_end_well(pid);
    work("parent", 2);
    pid = vfork();
    if (pid == 0) {
        (void)execv(self, arguments);
        _exit(98);
    }
    CHECK(pid > 0);
    pids[2] = pid;
    must_end_well(pid);
    work("parent", 3);
    CHECK(tw_span_is_open(open));
    tw_span_end(open);
}

static void programs_that_are_spawned_record_in_their_own_segment(void **state)
{
    (void)state;
    assert_int_equal(proc_child(spawn_and_vfork, NULL), 0);
    assert_work(proc_read_pid(pids[0]), "parent", 3);
    assert_int_equal(proc_count(proc_read_pid(pids[0])->records, TW_RECORD_SPAN, "open"), 1);
    assert_work(proc_read_pid(pids[1]), "spawned", 1);
    assert_work(proc_read_pid(pids[2]), "spawned", 1);
}

static void become_another_program(void *arg)
{
    (void)arg;
    pids[0] = getpid();
    work("before", 1);
    tw_span open = tw_span_begin("open");
    tw_tag(open, "n", 1);
    (void)execl("/proc/self/exe", "other", "--be-long", "after", (char *)NULL);
    _exit(98);
}

static bool has_ended_a_span(const char *path)
{
    struct tw_reader *reader;
    struct tw_records *records;
    size_t spans = 0;
    if (tw_reader_open(path, &reader, NULL) < 0) return false;
    if (tw_reader_read(reader, &(struct tw_query){0}, &records) == 0) {
        spans = proc_count(records, TW_RECORD_SPAN, "work");
        tw_records_free(records);
    }
    tw_reader_close(reader);
    return spans > 0;
}

/* Its pid and its start time stay; only the mapping tells. */
static void after_exec_the_old_segment_is_a_dead_ones(void **state)
{
    struct proc_paths paths;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) become_another_program(NULL);
    bool recorded = false; /* by the new image */
    for (int i = 0; i < 6000 && !recorded; i++) {
        (void)usleep(10000);
        proc_list(&paths);
        recorded = paths.count == 2 && has_ended_a_span(paths.path[0]) && has_ended_a_span(paths.path[1]);
    }
    assert_true(recorded);
    const struct proc_segment *a = proc_read(paths.path[0]), *b = proc_read(paths.path[1]);
    const struct proc_segment *old = a->process.opened_ns < b->process.opened_ns ? a : b, *fresh = old == a ? b : a;
    assert_int_equal(old->process.pid, pid);
    assert_int_equal(fresh->process.pid, pid);
    assert_int_equal(old->process.state, TW_PROCESS_DEAD);
    assert_int_equal(fresh->process.state, TW_PROCESS_LIVE);
    assert_work(old, "before", 1);
    assert_work(fresh, "after", 1);
    assert_int_equal(proc_int(proc_find(old->records, TW_RECORD_OPEN, "open"), "n"), 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(proc_wait(pid), PROC_SIGNALED + SIGKILL);
    struct tw_process process;
    assert_int_equal(tw_reader_process(fresh->reader, &process), 0);
    assert_int_equal(process.state, TW_PROCESS_DEAD);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        PROC(a_child_records_in_a_segment_of_its_own),
        PROC(a_child_that_records_nothing_leaves_nothing),
        PROC(a_child_that_exits_takes_only_its_own_file_along),
        PROC(nothing_that_a_child_does_changes_a_bit_of_its_parents_segment),
        PROC(a_fork_inside_an_open_span_leaves_it_to_the_parent),
        PROC(handles_of_segments_that_ended_before_the_fork_are_harmless),
        PROC(memory_that_another_library_takes_during_the_fork_is_left_alone),
        PROC(a_parent_with_threads_forks_while_they_record),
        PROC(a_fork_while_the_recorder_begins_does_not_hang),
        PROC(a_child_of_a_child_of_a_child_records),
        PROC(a_clone_by_hand_records_after_it_has_said_so),
        PROC(switched_off_stays_switched_off_in_a_child),
        PROC(programs_that_are_spawned_record_in_their_own_segment),
        PROC(after_exec_the_old_segment_is_a_dead_ones),
    };
    if (argc > 2 && strcmp(argv[1], "--be") == 0) return be_another_program(argv[2]);
    if (argc > 2 && strcmp(argv[1], "--be-long") == 0) {
        work(argv[2], 1);
        (void)alarm(300);
        for (;;) (void)pause();
    }
    pids = proc_shared(sizeof *pids * (CHILDREN + 8));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
