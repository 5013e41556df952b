/* The n-th thing that can fail fails, for every n until nothing is left to fail: system calls, then allocations.
 *
 * The parent stops the child at each system call (ptrace) and answers the n-th of those that matter itself, with an
 * error that the kernel could give. malloc is replaced by one that can be told to fail. Whatever fails, the program
 * runs on; either it records, or tw_init and tw_recorder_error say why not, no file is left behind, and a later attempt
 * works. Beside that: the limits that an administrator sets. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "base/atomics.h"

enum { OPEN_AT_ONCE = 100 }; /* several blocks */

static struct page {
    uint32_t inside;       /* calls count from here to there */
    int32_t first_init;    /* what tw_init said */
    uint32_t told;         /* how often the callback was called */
    uint32_t recorded;     /* spans that were given a handle */
    uint32_t read_failed;  /* questions that had no answer */
} *page;

/* -- allocations that fail */

#if !defined(PROC_SANITIZED)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static unsigned long fail_allocation, allocations; /* 0: none */

static bool fails(void)
{
    if (!page || !page->inside) return false;
    allocations++;
    if (allocations != fail_allocation) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}
#endif

/* -- what the child does: everything that can meet an error */

static void be_told(void *data, int error, const char *text)
{
    (void)data;
    CHECK(error < 0 && strlen(text) > 10);
    page->told++;
}

static const struct tw_config config = {.service = "fails", .arena_bytes = 512 << 10, .diagnostic = be_told};

static void ask(int result, struct tw_records *const *records)
{
    if (result < 0) {
        page->read_failed++;
        return;
    }
    for (size_t i = 0; i < (*records)->count; i++) CHECK((*records)->items[i].name.len > 0);
    tw_records_free(*records);
}

static void *work_in_thread(void *data)
{
    tw_span_end(tw_span_begin("in a thread"));
    return data;
}

static void work(void)
{
    tw_span spans[OPEN_AT_ONCE];
    struct tw_records *records = NULL;
    struct tw_stats stats;
    char key[16];
    for (int i = 0; i < OPEN_AT_ONCE; i++) {
        spans[i] = tw_span_begin("work");
        if (spans[i].slot) page->recorded++;
        tw_tag(spans[i], "n", i);
        (void)snprintf(key, sizeof key, "key %d", i);
        tw_span_set_str(spans[i], key, "a text, and a key known at run time");
        tw_event("event");
    }
    ask(tw_recorder_dump_all(&records), &records);
    ask(tw_recorder_dump_trace("1-00000001-000000000000000000000001", &records), &records);
    if (tw_recorder_stats(&stats) < 0) page->read_failed++;
    (void)tw_recorder_set_buffer_size(20000);
    for (int i = 0; i < OPEN_AT_ONCE; i++) tw_span_end(spans[i]);
}

static void check_init(int result)
{
    char text[200] = "";
    int error = tw_recorder_error(text, sizeof text);
    if (result == 0) {
        /* Recording began; of what is beside it, the rules for calls may have found no memory, and it says so. */
        CHECK(tw_recorder_is_enabled());
        CHECK(error == 0 ? text[0] == 0 : error == TW_ERR_MEMORY && strncmp(text, "calls: ", 7) == 0);
    } else {
        CHECK(result == error && strlen(text) > 10 && !tw_recorder_is_enabled());
        CHECK(page->told == 1);
    }
}

static void do_all(void)
{
    page->inside = 1;
    int result = tw_init(&config);
    page->first_init = result;
    page->inside = 0;
    check_init(result);
    page->inside = 1;
    work();
    page->inside = 0;
    if (result < 0) { /* what failed once does not fail for ever */
        CHECK(page->recorded == 0);
        CHECK(tw_init(&config) == 0);
        CHECK(tw_recorder_error(NULL, 0) == 0);
        work();
        CHECK(page->recorded == OPEN_AT_ONCE);
    }
    page->inside = 1;
    result = tw_shutdown(1000000);
    page->inside = 0;
    CHECK(result == 0);
    CHECK(tw_init(&config) == 0);
    tw_span_end(tw_span_begin("last"));
    CHECK(tw_shutdown(1000000) == 0);
}

static void assert_nothing_left(void)
{
    struct proc_paths paths;
    proc_list(&paths);
    assert_int_equal(paths.count, 0);
}

/* -- system calls that fail */

/* What to fail with; 0: cannot fail here, or its failure is not ours to see. */
static int error_for(long nr, unsigned long turn)
{
    switch (nr) {
    case SYS_open:
    case SYS_openat: return turn % 3 == 0 ? EMFILE : turn % 3 == 1 ? EACCES : ENOENT;
    case SYS_mmap: return ENOMEM;
    case SYS_ftruncate: return turn % 2 ? ENOSPC : EFBIG;
    case SYS_fallocate: return ENOSPC;
    case SYS_madvise: return turn % 2 ? ENOMEM : EINVAL;
    case SYS_mkdir: return EACCES;
    case SYS_getrandom: return turn % 2 ? EAGAIN : ENOSYS;
    case SYS_read: return EIO;
    case SYS_stat:
    case SYS_lstat:
    case SYS_fstat:
    case SYS_newfstatat: return EIO;
    default: return 0;
    }
}

static void run_traced(void)
{
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    CHECK(raise(SIGSTOP) == 0);
    do_all();
    _exit(0);
}

struct failure {
    unsigned long n;   /* which of those that can fail; 0: all of kind nr */
    unsigned long nr;
    int error;
    unsigned long done; /* which it was */
    bool happened;
};

/* The library asks the kernel through libc. A sanitizer's runtime has instructions of its own for that, as when malloc
 * maps memory: no caller of the library could make those fail. Child and parent have the same libraries at the same
 * addresses. */
static bool libc_asks(uint64_t instruction)
{
    Dl_info asking, libc;
    if (dladdr((void *)(uintptr_t)instruction, &asking) == 0 || dladdr(dlsym(RTLD_NEXT, "mmap"), &libc) == 0)
        return false;
    return asking.dli_fbase == libc.dli_fbase;
}

/* At the entry of a call: whether it is to fail, and with what. */
static int decide(struct failure *f, unsigned long *count, const struct user_regs_struct *registers)
{
    unsigned long nr = registers->orig_rax;
    if (!tw__load_acquire(&page->inside) || !libc_asks(registers->rip)) return 0;
    int error = error_for((long)nr, f->n + *count);
    if (f->n == 0) return nr == f->nr ? f->error : 0;
    if (!error || ++*count != f->n) return 0;
    f->done = nr;
    return error;
}

/* Runs the child to its end and returns what waitpid says. */
static int run_with(struct failure *f)
{
    int status, error = 0;
    unsigned long count = 0;
    struct user_regs_struct registers;
    memset(page, 0, sizeof *page);
    pid_t pid = fork();
    if (pid == 0) run_traced();
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)), 0);
    for (bool entry = true;;) {
        int signal = WIFSTOPPED(status) && WSTOPSIG(status) != (SIGTRAP | 0x80) && WSTOPSIG(status) != SIGSTOP
                         ? WSTOPSIG(status)
                         : 0;
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(uintptr_t)signal), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSTOPPED(status)) return status;
        if (WSTOPSIG(status) != (SIGTRAP | 0x80)) continue;
        assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &registers), 0);
        if (entry) {
            error = decide(f, &count, &registers);
            if (error) {
                registers.orig_rax = UINT64_MAX; /* no call */
                assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &registers), 0);
            }
        } else if (error) {
            f->happened = true;
            registers.rax = (unsigned long long)-(long long)error;
            assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &registers), 0);
            error = 0;
        }
        entry = !entry;
    }
}

static void every_system_call_may_fail(void **state)
{
    unsigned long failed_inits = 0, n = 1;
    (void)state;
    for (;; n++) {
        struct failure failure = {.n = n};
        int status = run_with(&failure);
        if (!failure.happened) break;
        if (status != 0)
            fail_msg("call %lu (system call %lu) failed: ended with %x", n, failure.done, (unsigned)status);
        failed_inits += page->first_init < 0;
        assert_nothing_left();
        assert_true(n < 5000);
    }
    print_message("    %lu calls failed in turn; tw_init told so %lu times\n", n - 1, failed_inits);
    assert_true(n > 20 && failed_inits >= 4);
}

static int32_t init_when(unsigned long nr, int error)
{
    struct failure failure = {.nr = nr, .error = error};
    memset(page, 0, sizeof *page);
    (void)run_with(&failure);
    return page->first_init;
}

static void the_error_names_the_cause(void **state)
{
    (void)state;
    assert_int_equal(init_when(SYS_ftruncate, ENOSPC), TW_ERR_SPACE);
    assert_int_equal(init_when(SYS_mmap, ENOMEM), TW_ERR_SPACE);
    assert_int_equal(init_when(SYS_madvise, ENOMEM), TW_ERR_SPACE);
    assert_int_equal(init_when(SYS_openat, EMFILE), TW_ERR_SYSTEM);
    assert_int_equal(init_when(SYS_openat, EACCES), TW_ERR_PERMISSION);
    assert_int_equal(init_when(SYS_mkdir, EROFS), TW_ERR_PERMISSION);
}

static void a_kernel_that_cannot_populate_records_all_the_same(void **state)
{
    (void)state;
    struct failure failure = {.nr = SYS_madvise, .error = EINVAL};
    assert_int_equal(run_with(&failure), 0);
    assert_true(failure.happened);
    assert_int_equal(page->first_init, 0);
    assert_int_equal(page->recorded, OPEN_AT_ONCE);
}

static void a_kernel_without_random_numbers_records_all_the_same(void **state)
{
    (void)state;
    struct failure failure = {.nr = SYS_getrandom, .error = ENOSYS};
    assert_int_equal(run_with(&failure), 0);
    assert_true(failure.happened);
    assert_int_equal(page->first_init, 0);
    assert_int_equal(page->recorded, OPEN_AT_ONCE);
}

/* -- allocations */

#if !defined(PROC_SANITIZED)
static void do_all_with_failure(void *arg)
{
    fail_allocation = *(const unsigned long *)arg;
    do_all();
    _exit(fail_allocation && allocations < fail_allocation ? 9 : 0);
}
#endif

static void every_allocation_may_fail(void **state)
{
    (void)state;
#if defined(PROC_SANITIZED)
    skip(); /* they have their own malloc */
#else
    unsigned long n = 1, failed_inits = 0, failed_reads = 0;
    for (;; n++) {
        memset(page, 0, sizeof *page);
        int code = proc_child(do_all_with_failure, &n);
        if (code == 9) break;
        if (code != 0) fail_msg("allocation %lu failed: ended with %d", n, code);
        failed_inits += page->first_init < 0;
        failed_reads += page->read_failed > 0;
        assert_nothing_left();
        assert_true(n < 2000);
    }
    print_message("    %lu allocations failed in turn; tw_init told so %lu times, questions %lu\n", n - 1, failed_inits,
                  failed_reads);
    assert_int_equal(failed_inits, 1);
    assert_true(failed_reads >= 4);
#endif
}

/* -- limits */

static void limit(int what, rlim_t to)
{
    const struct rlimit limits = {to, to};
    CHECK(setrlimit((__rlimit_resource_t)what, &limits) == 0);
}

static void with_small_files_only(void *arg)
{
    (void)arg;
    limit(RLIMIT_FSIZE, 1 << 20);
    CHECK(tw_init(&config) == TW_ERR_SPACE); /* and no SIGXFSZ */
    check_init(TW_ERR_SPACE);
    work();
}

static void a_limit_on_the_size_of_files_is_an_error_not_a_signal(void **state)
{
    (void)state;
    memset(page, 0, sizeof *page);
    assert_int_equal(proc_child(with_small_files_only, NULL), 0);
    assert_nothing_left();
}

static void without_files(void *arg)
{
    (void)arg;
    limit(RLIMIT_NOFILE, 3);
    CHECK(tw_init(&config) == TW_ERR_SYSTEM);
    check_init(TW_ERR_SYSTEM);
    work();
}

static void a_program_out_of_files_runs_on(void **state)
{
    (void)state;
    memset(page, 0, sizeof *page);
    assert_int_equal(proc_child(without_files, NULL), 0);
}

#if !defined(PROC_SANITIZED)
static void with_little_address_space(void *arg)
{
    (void)arg;
    limit(RLIMIT_AS, 200 << 20); /* the mapping wants more, memory or not */
    CHECK(tw_init(&config) == TW_ERR_SPACE);
    check_init(TW_ERR_SPACE);
    work();
}
#endif

static void a_program_without_address_space_runs_on(void **state)
{
    (void)state;
#if defined(PROC_SANITIZED)
    skip(); /* the sanitizer wants more */
#else
    memset(page, 0, sizeof *page);
    assert_int_equal(proc_child(with_little_address_space, NULL), 0);
    assert_nothing_left();
#endif
}

static void with_fds_closed_behind_our_back(void *arg)
{
    (void)arg;
    CHECK(tw_init(&config) == 0);
    for (int fd = 3; fd < 256; fd++) (void)close(fd); /* as daemons do */
    work();
    CHECK(page->recorded == OPEN_AT_ONCE);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work_in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    struct tw_stats stats;
    CHECK(tw_recorder_stats(&stats) == 0 && stats.process.threads_total == 2);
}

static void a_program_that_closes_all_files_goes_on_recording(void **state)
{
    (void)state;
    memset(page, 0, sizeof *page);
    assert_int_equal(proc_child(with_fds_closed_behind_our_back, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(every_system_call_may_fail),
        PROC(the_error_names_the_cause),
        PROC(a_kernel_that_cannot_populate_records_all_the_same),
        PROC(a_kernel_without_random_numbers_records_all_the_same),
        PROC(every_allocation_may_fail),
        PROC(a_limit_on_the_size_of_files_is_an_error_not_a_signal),
        PROC(a_program_out_of_files_runs_on),
        PROC(a_program_without_address_space_runs_on),
        PROC(a_program_that_closes_all_files_goes_on_recording),
    };
    page = proc_shared(sizeof *page);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
