/* The store's process is killed at each of its system calls that change a file, before it and in the middle of it;
 * disks are full. What was acknowledged is there afterwards, once; of what was not, whole batches or nothing.
 *
 * The calls are this program's own: the same names, found first by the dynamic linker, SQLite's calls included. */
#define _GNU_SOURCE
#include "store/made.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared with the child. */
static struct page {
    unsigned long calls, kill_at; /* kill_at 0: never */
    bool half, full;              /* half: the call is begun first; full: there is no room on the disk */
    unsigned acknowledged;
} * page;

static bool counted(void)
{
    return page && __atomic_add_fetch(&page->calls, 1, __ATOMIC_RELAXED) == page->kill_at;
}

static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;) (void)pause();
}

static bool no_room(void)
{
    if (!page || !__atomic_load_n(&page->full, __ATOMIC_RELAXED)) return false;
    errno = ENOSPC;
    return true;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    if (fd > 2 && counted()) {
        if (page->half) (void)syscall(SYS_write, fd, bytes, len / 2);
        die();
    }
    if (fd > 2 && no_room()) return -1;
    return syscall(SYS_write, fd, bytes, len);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (fd > 2 && counted()) {
        if (page->half) (void)syscall(SYS_writev, fd, parts, count / 2);
        die();
    }
    if (fd > 2 && no_room()) return -1;
    return syscall(SYS_writev, fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
    if (counted()) {
        if (page->half) (void)syscall(SYS_pwrite64, fd, bytes, len / 2, at);
        die();
    }
    if (no_room()) return -1;
    return syscall(SYS_pwrite64, fd, bytes, len, at);
}

int ftruncate64(int fd, off64_t len)
{
    if (counted()) die();
    return (int)syscall(SYS_ftruncate, fd, len);
}

int fdatasync(int fd)
{
    if (counted()) die();
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    if (counted()) die();
    return (int)syscall(SYS_fsync, fd);
}

int unlink(const char *path)
{
    if (counted()) die();
    return (int)syscall(SYS_unlink, path);
}

/* Sanitizers are ten times as slow: every third call then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STEP 3
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STEP 3
#endif
#endif
#ifndef STEP
#define STEP 1
#endif

enum { BATCHES = 6, BATCH = 40 };

/* Batch b: spans of trace b + 1 in two hours, so that two partitions take part. */
static void make_batch(struct tw__spans *out, unsigned b)
{
    for (uint8_t i = 0; i < BATCH; i++)
        made_span(out, "cart", "work", (uint8_t)(b + 1), (uint8_t)(i + 1), i % 4 ? 10.0 + i : 3000.0 + i, 5);
}

static uint64_t clock_of_test(void)
{
    return MADE_EPOCH_NS;
}

static void child(const char *folder, enum tw__durability durability)
{
    struct tw__store *store;
    struct tw__store_options options = {.folder = folder, .durability = durability, .now_ns = clock_of_test};
    if (tw__store_open(&options, &store, NULL) < 0) _exit(98);
    for (unsigned b = 0; b < BATCHES; b++) {
        struct tw__spans in = {0};
        make_batch(&in, b);
        if (tw__store_write(store, &in) < 0) _exit(97);
        page->acknowledged = b + 1;
        tw__spans_fini(&in);
        if (b == 1 && tw__store_flush(store) < 0) _exit(96);
        if (b == 3 && tw__store_compact(store) < 0) _exit(95);
        if (b >= 4 && (tw__store_flush(store) < 0 || tw__store_keep(store) < 0)) _exit(94);
    }
    tw__store_close(store);
    _exit(0);
}

static bool count_span(void *data, const struct tw__spans *spans, size_t index)
{
    ((unsigned *)data)[spans->items[index].trace_id[15]]++;
    return true;
}

static void check_after(const char *folder, unsigned acknowledged)
{
    struct tw__store_options options = {.folder = folder, .now_ns = clock_of_test};
    for (unsigned round = 0; round < 2; round++) {
        struct tw__store *store = made_open(&options);
        unsigned counts[BATCHES + 2] = {0};
        assert_int_equal(tw__store_scan(store, &(struct tw__store_query){0}, 0, count_span, counts), 0);
        for (unsigned b = 0; b < BATCHES; b++) {
            bool whole = counts[b + 1] == BATCH, none = counts[b + 1] == 0;
            if (b < acknowledged ? !whole : !whole && !none)
                fail_msg("killed at %lu%s: batch %u of %u acknowledged: %u spans", page->kill_at,
                         page->half ? " in the middle" : "", b, acknowledged, counts[b + 1]);
        }
        if (round == 1) assert_int_equal(tw__store_check(store, made_tell, NULL), 0);
        tw__store_close(store);
    }
}

static void kill_everywhere(enum tw__durability durability)
{
    for (unsigned long at = 1;; at += STEP) {
        unsigned ended = 0;
        for (unsigned half = 0; half < 2; half++) {
            const char *folder = made_folder();
            *page = (struct page){.kill_at = at, .half = half};
            pid_t pid = fork();
            if (pid == 0) child(folder, durability);
            int status;
            assert_int_equal(waitpid(pid, &status, 0), pid);
            unsigned acknowledged = page->acknowledged;
            page->kill_at = 0;
            if (WIFEXITED(status)) {
                assert_int_equal(WEXITSTATUS(status), 0);
                ended++;
            }
            check_after(folder, acknowledged);
            made_remove(folder);
        }
        if (ended == 2) break;
        assert_true(at < 5000);
    }
}

static void a_kill_at_any_call_loses_and_doubles_nothing(void **state)
{
    (void)state;
    kill_everywhere(TW__DURABLE_PROCESS);
}

static void a_kill_at_any_call_loses_and_doubles_nothing_when_writes_wait_for_the_disk(void **state)
{
    (void)state;
    kill_everywhere(TW__DURABLE_MACHINE);
}

static void assert_batches(struct tw__store *store, unsigned batches)
{
    unsigned counts[BATCHES + 2] = {0};
    assert_int_equal(tw__store_scan(store, &(struct tw__store_query){0}, 0, count_span, counts), 0);
    for (unsigned b = 0; b < BATCHES; b++) assert_int_equal(counts[b + 1], b < batches ? BATCH : 0);
}

static int put(struct tw__store *store, unsigned batch)
{
    struct tw__spans in = {0};
    make_batch(&in, batch);
    int error = tw__store_write(store, &in);
    tw__spans_fini(&in);
    return error;
}

static void a_full_disk_is_try_later_and_what_is_there_stays_readable(void **state)
{
    (void)state;
    const char *folder = made_folder();
    struct tw__store_options options = {.folder = folder, .now_ns = clock_of_test};
    *page = (struct page){0};
    struct tw__store *store = made_open(&options);
    assert_int_equal(put(store, 0), 0);
    assert_int_equal(tw__store_flush(store), 0);
    assert_int_equal(put(store, 1), 0);
    page->full = true;
    assert_int_equal(put(store, 2), TW_ERR_SPACE);
    assert_true(tw__store_flush(store) < 0);
    assert_batches(store, 2);
    page->full = false;
    assert_int_equal(put(store, 2), 0);
    assert_int_equal(tw__store_flush(store), 0);
    assert_batches(store, 3);
    struct tw__store_info info;
    assert_int_equal(tw__store_info(store, &info), 0);
    assert_true(info.refused_batches == 1);
    tw__store_close(store);
    check_after(folder, 3);
    made_remove(folder);
}

/* On a file system of 3 MiB that is really full. */
static void fill_disk(const char *folder)
{
    struct tw__store *store;
    struct tw__store_options options = {.folder = folder, .now_ns = clock_of_test};
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=3m") != 0)
        _exit(77);
    if (tw__store_open(&options, &store, NULL) < 0) _exit(90);
    size_t written = 0;
    int error = 0;
    for (uint64_t i = 0; i < 200 && !error; i++) {
        struct tw__spans in = {0};
        made_spans(i, 200, &in);
        error = tw__store_write(store, &in);
        if (!error) written += in.count;
        tw__spans_fini(&in);
    }
    unsigned seen[256] = {0};
    if (error != TW_ERR_SPACE) _exit(91);
    if (tw__store_scan(store, &(struct tw__store_query){0}, 0, count_span, seen) < 0) _exit(92);
    size_t sum = 0;
    for (size_t i = 0; i < 256; i++) sum += seen[i];
    if (sum != written) _exit(93);
    /* Room comes back: the rest of the store's life is normal. */
    if (mount(NULL, folder, NULL, MS_REMOUNT, "size=64m") != 0) _exit(94);
    if (tw__store_flush(store) < 0 && tw__store_flush(store) < 0) _exit(95);
    struct tw__spans in = {0};
    made_spans(1000, 200, &in);
    if (tw__store_write(store, &in) < 0) _exit(96);
    tw__spans_fini(&in);
    tw__store_close(store);
    if (tw__store_open(&options, &store, NULL) < 0) _exit(97);
    memset(seen, 0, sizeof seen);
    if (tw__store_scan(store, &(struct tw__store_query){0}, 0, count_span, seen) < 0) _exit(98);
    for (size_t i = 0; i < 256; i++) sum -= seen[i];
    tw__store_close(store);
    _exit(sum == (size_t)-200 ? 0 : 99);
}

static void a_small_file_system_fills_up_and_is_used_again_when_it_grows(void **state)
{
    (void)state;
    const char *folder = made_folder();
    *page = (struct page){0};
    pid_t pid = fork();
    if (pid == 0) fill_disk(folder);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    made_remove(folder);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_is_try_later_and_what_is_there_stays_readable),
        cmocka_unit_test(a_small_file_system_fills_up_and_is_used_again_when_it_grows),
        cmocka_unit_test(a_kill_at_any_call_loses_and_doubles_nothing),
        cmocka_unit_test(a_kill_at_any_call_loses_and_doubles_nothing_when_writes_wait_for_the_disk),
    };
    return page == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
