/* What processes that were killed have left: the newest stay, whatever else is in the folder. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { KILLED = 6 };

static void record(void *arg)
{
    (void)arg;
    CHECK(tw_init(&(struct tw_config){.arena_bytes = 512 << 10}) == 0);
    (void)tw_span_begin("in the middle");
    (void)raise(SIGKILL);
}

static pid_t killed(void)
{
    pid_t pid = fork();
    if (pid == 0) record(NULL);
    assert_int_equal(proc_wait(pid), PROC_SIGNALED + SIGKILL);
    return pid;
}

static bool is_there(pid_t pid)
{
    struct proc_paths paths;
    char name[32];
    (void)snprintf(name, sizeof name, "/%d.", (int)pid);
    proc_list(&paths);
    for (size_t i = 0; i < paths.count; i++)
        if (strstr(paths.path[i], name)) return true;
    return false;
}

static void of_recordings_of_the_killed_the_newest_stay(void **state)
{
    (void)state;
    pid_t pids[KILLED];
    assert_int_equal(setenv("TRACKWAY_KEEP_DEAD", "3", 1), 0);
    for (int i = 0; i < KILLED; i++) pids[i] = killed();
    for (int i = 0; i < KILLED; i++) assert_int_equal(is_there(pids[i]), i >= KILLED - 4); /* three, and the last's */
    assert_int_equal(proc_read_pid(pids[KILLED - 1])->process.open_spans, 1);
}

static void zero_keeps_them_all(void **state)
{
    (void)state;
    pid_t pids[KILLED];
    assert_int_equal(setenv("TRACKWAY_KEEP_DEAD", "0", 1), 0);
    for (int i = 0; i < KILLED; i++) pids[i] = killed();
    for (int i = 0; i < KILLED; i++) assert_true(is_there(pids[i]));
}

static void wait_for_a_word(int from)
{
    char word;
    CHECK(read(from, &word, 1) == 1);
}

static void what_is_alive_or_not_to_be_told_is_left(void **state)
{
    (void)state;
    int ready[2], end[2];
    char path[512];
    assert_int_equal(setenv("TRACKWAY_KEEP_DEAD", "1", 1), 0);
    assert_int_equal(pipe(ready) | pipe(end), 0);
    pid_t alive = fork();
    if (alive == 0) {
        CHECK(tw_init(&(struct tw_config){.arena_bytes = 512 << 10}) == 0);
        CHECK(write(ready[1], "r", 1) == 1);
        wait_for_a_word(end[0]);
        _exit(0);
    }
    wait_for_a_word(ready[0]);
    (void)snprintf(path, sizeof path, "%s/999999999.00000000.segment", getenv("TRACKWAY_DIR"));
    int fd = open(path, O_CREAT | O_WRONLY, 0600); /* nobody has that number, and it is no recording */
    assert_true(fd >= 0 && write(fd, "TRACKWAY", 8) == 8);
    (void)close(fd);
    pid_t first = killed(), second = killed(), third = killed();
    assert_true(is_there(alive));
    assert_int_equal(access(path, F_OK), 0);
    assert_false(is_there(first));
    assert_true(is_there(second) && is_there(third));
    assert_int_equal(write(end[1], "e", 1), 1);
    assert_int_equal(proc_wait(alive), 0);
    (void)(close(ready[0]) | close(ready[1]) | close(end[0]) | close(end[1]));
}

/* Room for two and a half. */
static void in_a_small_folder(void *arg)
{
    pid_t pids[KILLED];
    (void)arg;
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0) _exit(77);
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) _exit(77);
    if (mount("tmpfs", getenv("TRACKWAY_DIR"), "tmpfs", 0, "size=1700k,mode=0700") != 0) _exit(77);
    for (int i = 0; i < KILLED; i++) {
        pids[i] = fork();
        if (pids[i] == 0) record(NULL);
        CHECK(proc_wait(pids[i]) == PROC_SIGNALED + SIGKILL);
        CHECK(is_there(pids[i])); /* else it ended with 99: there was no room */
        CHECK(i == 0 || is_there(pids[i - 1]));
    }
    CHECK(!is_there(pids[0]));
    CHECK(umount(getenv("TRACKWAY_DIR")) == 0);
}

static void where_there_is_no_room_the_oldest_makes_some(void **state)
{
    (void)state;
    assert_int_equal(unsetenv("TRACKWAY_KEEP_DEAD"), 0);
    int code = proc_child(in_a_small_folder, NULL);
    if (code == 77) skip();
    assert_int_equal(code, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(of_recordings_of_the_killed_the_newest_stay),
        PROC(zero_keeps_them_all),
        PROC(what_is_alive_or_not_to_be_told_is_left),
        PROC(where_there_is_no_room_the_oldest_makes_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
