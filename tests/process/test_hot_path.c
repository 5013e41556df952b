/* After a thread's first record nothing on the hot path allocates, locks, or enters the kernel.
 *
 * Each thread warms up, then gives itself a seccomp filter that turns every system call, futex included, into a signal,
 * and works through its share of a million spans with tags, events, laps, contexts and messages. The handler of the
 * signal counts. malloc and its kin are replaced by ones that count. At the end each thread makes one call of each kind
 * on purpose: a trap that does not catch would prove nothing. A filter cannot be taken off; so the threads end by the
 * one call that it lets through, and the parent waits without joining. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/atomics.h"

enum { THREADS = 4, SPANS = 1000000, SYSCALLS_MAX = 512 };

/* -- counting */

static _Thread_local uint64_t allocations;

#if !defined(PROC_SANITIZED)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *old);

void *malloc(size_t size)
{
    allocations++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    allocations++;
    return __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    allocations++;
    return __libc_realloc(old, size);
}

void free(void *old)
{
    allocations++;
    __libc_free(old);
}
#endif

static uint64_t trapped[SYSCALLS_MAX], trapped_in_all;

static void count_trap(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    (void)tw__add_relaxed(&trapped[(unsigned)info->si_syscall % SYSCALLS_MAX], 1);
    (void)tw__add_relaxed(&trapped_in_all, 1);
}

static bool trap_all_calls(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* -- the work */

/* Hidden, cut, failed, in a chain: all that a call does but a JSON text, which may need memory. */
static void one_call(uint64_t n, const char *text)
{
    static struct tw_entrypoint pay = {.service = "shop", .name = "pay", .sensitive = "card.number, **.token"};
    static struct tw_entrypoint get = {.service = "shop", .name = "get_all", .type = TW_CALL_HTTP, .sensitive = "card"};
    static _Thread_local struct tw_call call, inner;
    const struct tw_value card[] = {TW_ARG("number", text), TW_ARG("token", n)},
                          list[] = {TW_ARG_MAP(NULL, card, 2), TW_VALUE(0.1 + (double)n)};
    const struct tw_value args[] = {TW_ARG_MAP("card", card, 2), TW_ARG_LIST("list", list, 2),
                                    TW_ARG("odd", "\"\n\xff"), TW_ARG("real", 1e300 / (double)(n + 3))};
    const struct tw_value headers[] = {TW_ARG("Authorization", text), TW_ARG("Accept", "text/plain")};
    const struct tw_call_http http = {.url = "/pay", .method = "POST", .headers = headers, .header_count = 2};
    const struct tw_value all = TW_ARG_LIST(NULL, args, 4);
    tw_call_begin(&call, &pay,
                  &(struct tw_call_input){.args = args, .arg_count = 4, .context_data = headers, .context_count = 2});
    tw_call_begin(&inner, &get,
                  &(struct tw_call_input){.args = args, .arg_count = 1, .http = &http, .chain = &call.chain});
    tw_call_succeed(&inner, &all);
    tw_call_fail(&call,
                 &(struct tw_failure){.type = "E", .message = text, .stack = "a\nb", .args = args, .arg_count = 4});
}

static void one_request(uint64_t n, const char *text)
{
    struct tw_context context, other = {.trace_id = {7}, .span_id = {7}, .flags = 1};
    struct tw_envelope envelope;
    char key[8] = "key";
    tw_span root = tw_span_begin_root("request");
    tw_tag(root, "n", n);
    tw_tag(root, "text", text);
    tw_tag(root, "literal", "always");
    tw_span child = tw_span_begin("child");
    tw_tag(child, "double", (double)n);
    tw_tag(child, "bool", (bool)(n & 1));
    tw_span_set_int(child, key, 1);
    tw_tag_bytes(child, "bytes", &n, sizeof n);
    tw_event("plain");
    tw_event_tags("tagged", TW_ATTR("n", n), TW_ATTR("text", text));
    child = tw_span_lap(child, "next");
    tw_span_end(child);
    child =
        tw_span_begin_with("with", (&(struct tw_span_options){.detached = true, .kind = TW_KIND_CLIENT, .name = text}));
    tw_span_fail(child, "failed");
    tw_span_add_parent(child, &other);
    for (int i = 0; i < 12; i++) tw_span_set_str(child, key, "so much that the slot overflows, again and again");
    (void)tw_span_context(root, &context);
    tw_attach held = tw_context_attach(&context);
    tw_mark("mark");
    (void)tw_message_send(&(struct tw_message){.peer = "queue", .size = 10});
    tw_message_carry(&(struct tw_message){.peer = "queue"}, &envelope);
    tw_attach adopted = tw_message_adopt(&(struct tw_message){.peer = "queue"}, &envelope);
    tw_context_detach(adopted);
    tw_context_detach(held);
    tw_span_end(child);
    tw_task task = {0};
    tw_context_switch(&task);
    tw_span_end(tw_span_begin("in a task"));
    tw_context_switch(&task);
    if (n % 8 == 0) one_call(n, text);
    tw_span_end(root);
    tw_span_end(root); /* stale */
}

enum { SPANS_A_REQUEST = 5 };

struct share {
    uint64_t allocations, allocations_on_purpose;
    uint32_t warm, done, refused;
};
static struct share shares[THREADS];
static uint32_t begin_now;

static void *take_share(void *data)
{
    struct share *share = data;
    char text[32] = "text of some length";
    void *(*volatile make)(size_t) = malloc;
    free(make(16)); /* what malloc itself asks of the kernel */
    for (uint64_t n = 0; n < 200; n++) one_request(n, text);
    if (!trap_all_calls()) share->refused = 1;
    tw__store_release(&share->warm, 1);
    while (!tw__load_acquire(&begin_now)) {}
    uint64_t before = allocations;
    if (!share->refused)
        for (uint64_t n = 0; n < SPANS / THREADS / SPANS_A_REQUEST; n++) one_request(n, text);
    share->allocations = allocations - before;
    void *made = make(16);
    share->allocations_on_purpose = allocations - before - share->allocations;
    tw__store_release(&share->done, made != NULL);
    while (tw__load_acquire(&begin_now) != 2) {}
    (void)syscall(SYS_futex, &share->done, FUTEX_WAKE, 1, NULL, NULL, 0);
    (void)syscall(SYS_getppid);
    tw__store_release(&share->done, 2);
    (void)syscall(SYS_exit, 0L);
    return NULL;
}

static void wait_for(uint32_t *word, uint32_t value)
{
    while (tw__load_acquire(word) != value) (void)usleep(1000);
}

static void count_everything(void *arg)
{
    struct sigaction action = {.sa_sigaction = count_trap, .sa_flags = SA_SIGINFO};
    struct tw_stats stats;
    pthread_t threads[THREADS];
    (void)arg;
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHECK(tw_init(&(struct tw_config){.arena_bytes = (size_t)4 << 20}) == 0); /* so small that it goes round */
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, take_share, &shares[i]) == 0);
    for (int i = 0; i < THREADS; i++) wait_for(&shares[i].warm, 1);
    for (int i = 0; i < THREADS; i++)
        if (shares[i].refused) _exit(77); /* no seccomp here */
    tw__store_release(&begin_now, 1);
    for (int i = 0; i < THREADS; i++) wait_for(&shares[i].done, 1);
    for (unsigned nr = 0; nr < SYSCALLS_MAX; nr++)
        if (trapped[nr]) fprintf(stderr, "system call %u: %llu times\n", nr, (unsigned long long)trapped[nr]);
    CHECK(trapped_in_all == 0);
    for (int i = 0; i < THREADS; i++) CHECK(shares[i].allocations == 0);

    tw__store_release(&begin_now, 2); /* and now on purpose */
    for (int i = 0; i < THREADS; i++) wait_for(&shares[i].done, 2);
    CHECK(trapped[SYS_futex] == THREADS);
    CHECK(trapped[SYS_getppid] == THREADS);
    CHECK(trapped_in_all == 2 * THREADS);
#if !defined(PROC_SANITIZED)
    for (int i = 0; i < THREADS; i++) CHECK(shares[i].allocations_on_purpose == 1);
#endif
    CHECK(tw_recorder_stats(&stats) == 0);
    CHECK(stats.process.spans_begun >= SPANS);
    CHECK(stats.process.overwritten_bytes > (uint64_t)64 << 20);
    CHECK(stats.process.losses.no_chunk == 0 && stats.process.losses.no_slot == 0);
    CHECK(stats.process.threads == THREADS);
}

static void a_million_spans_make_no_call_and_no_allocation(void **state)
{
    (void)state;
    int code = proc_child(count_everything, NULL);
    if (code == 77) skip();
    assert_int_equal(code, 0);
}

static void nor_do_they_with_the_kernels_clock(void **state)
{
    (void)state;
    assert_int_equal(setenv("TRACKWAY_TSC", "off", 1), 0);
    int code = proc_child(count_everything, NULL);
    assert_int_equal(unsetenv("TRACKWAY_TSC"), 0);
    if (code == 77) skip();
    assert_int_equal(code, 0);
}

/* Switched off, not even the first. */
static void do_nothing_at_all(void *arg)
{
    struct sigaction action = {.sa_sigaction = count_trap, .sa_flags = SA_SIGINFO};
    char text[8] = "text";
    (void)arg;
    CHECK(sigaction(SIGSYS, &action, NULL) == 0);
    CHECK(tw_init(&(struct tw_config){.off = true}) == TW_ERR_OFF);
#if defined(PROC_SANITIZED)
    one_request(0, text); /* a sanitizer makes calls of its own when a function first runs */
#endif
    if (!trap_all_calls()) _exit(77);
    uint64_t before = allocations;
    for (uint64_t n = 0; n < 100000; n++) one_request(n, text);
    uint64_t after = allocations, calls = trapped_in_all;
    (void)syscall(SYS_getppid);
    long code = after != before ? 3 : calls ? 4 : trapped_in_all != 1 ? 5 : 0;
    (void)syscall(SYS_exit_group, code); /* _exit of a sanitizer makes calls */
}

static void switched_off_makes_no_call_at_all(void **state)
{
    (void)state;
    int code = proc_child(do_nothing_at_all, NULL);
    if (code == 77) skip();
    assert_int_equal(code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(a_million_spans_make_no_call_and_no_allocation),
        PROC(nor_do_they_with_the_kernels_clock),
        PROC(switched_off_makes_no_call_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
