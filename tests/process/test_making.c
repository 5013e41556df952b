/* A segment is made in some fifty steps, and a process can be killed before each of them. Here it is: a child is
 * stopped at each system call of tw__segment_open, in turn, and killed there. What it leaves is nothing, or a whole
 * segment of a dead process; or, where files without a name cannot be had, a file that trackway clean may remove, and
 * could not while its maker lived. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "ring/segment.h"

enum { STEPS_MAX = 2000, OLD_S = 3600, NOBODY = 65534, CANNOT = 77 };

static char found_path[PROC_PATH];

static bool note_path(const char *path, void *data)
{
    size_t *count = data;
    (void)snprintf(found_path, sizeof found_path, "%s", path);
    ++*count;
    return true;
}

static size_t abandoned(void)
{
    size_t count = 0;
    assert_true(tw_segments_abandoned(NULL, note_path, &count) >= 0);
    return count;
}

/* Files in the folder; each is made to look an hour old, but for one that is empty: it has just been opened and will be
 * locked in a moment. */
static size_t files(char *last, size_t cap, bool aged)
{
    const char *folder = getenv("TRACKWAY_DIR");
    const struct timespec old[2] = {{time(NULL) - OLD_S, 0}, {time(NULL) - OLD_S, 0}};
    size_t count = 0;
    DIR *dir = opendir(folder ? folder : "");
    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        struct stat st;
        assert_int_equal(fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW), 0);
        if (st.st_size || aged) assert_int_equal(utimensat(dirfd(dir), e->d_name, old, AT_SYMLINK_NOFOLLOW), 0);
        (void)snprintf(last, cap, "%s/%s", folder, e->d_name);
        count++;
    }
    (void)closedir(dir);
    return count;
}

static bool add_path(const char *path, void *data)
{
    struct proc_paths *paths = data;
    if (paths->count < PROC_PATHS) (void)snprintf(paths->path[paths->count++], PROC_PATH, "%s", path);
    return true;
}

static bool ends_in(const char *path, const char *suffix)
{
    return strlen(path) > strlen(suffix) && strcmp(path + strlen(path) - strlen(suffix), suffix) == 0;
}

static int open_segment(bool spare)
{
    static struct tw__segment segment;
    const char *what = "";
    const struct tw__segment_options options = {
        .dir = getenv("TRACKWAY_DIR"), .service = "made", .arena_bytes = TW__ARENA_MIN, .force_spare = spare};
    return tw__segment_open(&segment, &options, &what);
}

static void be_stepped(bool spare)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) _exit(CANNOT);
    (void)raise(SIGSTOP);
    _exit(open_segment(spare) == 0 ? 0 : 1);
}

/* What is there at a stop, with the maker alive, and after it was killed there. */
static void look_at_what_is_left(pid_t pid, bool spare)
{
    char path[PROC_PATH + 256] = "";
    struct proc_paths segments;
    size_t before = files(path, sizeof path, false);
    assert_in_range(before, 0, 1);
    assert_int_equal(abandoned(), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(proc_wait(pid), PROC_SIGNALED + SIGKILL);
    proc_list(&segments);
    assert_int_equal(files(path, sizeof path, true), before);
    if (before == 0) return;
    if (segments.count == 1) {
        struct tw_reader *reader;
        struct tw_process process;
        struct tw_records *records;
        assert_int_equal(abandoned(), 0);
        assert_int_equal(tw_reader_open(path, &reader, NULL), 0);
        assert_int_equal(tw_reader_process(reader, &process), 0);
        assert_int_equal(process.state, TW_PROCESS_DEAD);
        assert_int_equal(process.pid, pid);
        assert_int_equal(tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records), 0);
        assert_int_equal(records->count + records->damaged, 0);
        tw_records_free(records);
        tw_reader_close(reader);
    } else {
        assert_true(spare && ends_in(path, ".making"));
        assert_int_equal(abandoned(), 1);
        assert_string_equal(found_path, path);
    }
    assert_int_equal(unlink(path), 0);
}

/* Runs a child to its n-th stop and kills it there; false when it had ended before. */
static bool kill_at(unsigned n, bool spare)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) be_stepped(spare);
    for (unsigned i = 0; i <= n; i++) {
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            if (WEXITSTATUS(status) == CANNOT) skip();
            assert_int_equal(WEXITSTATUS(status), 0);
            return false;
        }
        assert_true(WIFSTOPPED(status));
        if (i < n) assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
    }
    look_at_what_is_left(pid, spare);
    return true;
}

static void kill_at_each(bool spare)
{
    char path[PROC_PATH + 256];
    unsigned n = 0;
    while (n < STEPS_MAX && kill_at(n, spare)) n++;
    assert_in_range(n, 40, STEPS_MAX - 1); /* 20 calls at the least, each stops twice */
    assert_int_equal(files(path, sizeof path, true), 1);
    assert_true(ends_in(path, ".segment"));
}

static void a_kill_at_any_step_leaves_nothing_or_a_whole_segment(void **state)
{
    (void)state;
    kill_at_each(false);
}

static void a_kill_under_a_spare_name_leaves_what_can_be_told_from_one_in_the_making(void **state)
{
    (void)state;
    kill_at_each(true);
}

/* -- where it is made */

static bool maps_show_no_deleted_file(void)
{
    char line[1024];
    size_t segments = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    CHECK(maps);
    while (fgets(line, sizeof line, maps)) {
        CHECK(!strstr(line, "(deleted)"));
        segments += strstr(line, ".segment") != NULL;
    }
    (void)fclose(maps);
    return segments > 0;
}

static void in_a_usual_place(void *arg)
{
    const struct tw_config config = {.service = "made", .arena_bytes = TW__ARENA_MIN};
    (void)arg;
    CHECK(tw_init(&config) == 0);
    CHECK(maps_show_no_deleted_file());
}

static void the_file_is_seen_by_its_name_in_maps(void **state)
{
    (void)state;
    assert_int_equal(proc_child(in_a_usual_place, NULL), 0);
    assert_int_equal(proc_read_only()->records->count, 0);
}

static void as_somebody_else(void *arg)
{
    if (arg && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) _exit(CANNOT);
    CHECK(prctl(PR_SET_DUMPABLE, 0) == 0); /* as after setuid: /proc/self belongs to root */
    CHECK(open_segment(false) == 0);
    CHECK(open_segment(true) == 0);
}

static void it_is_made_after_setuid_too(void **state)
{
    char folder[] = "/dev/shm/trackway-test-XXXXXX"; /* others may not pass through the one we have */
    struct proc_paths paths;
    bool root = geteuid() == 0;
    (void)state;
    if (root) {
        assert_non_null(mkdtemp(folder));
        assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
        assert_int_equal(setenv("TRACKWAY_DIR", folder, 1), 0);
    }
    int code = proc_child(as_somebody_else, root ? folder : NULL);
    paths.count = 0;
    assert_true(tw_segments_each(NULL, add_path, &paths) >= 0);
    for (size_t i = 0; i < paths.count; i++) assert_int_equal(unlink(paths.path[i]), 0);
    if (root) assert_int_equal(rmdir(folder), 0);
    if (code == CANNOT) skip();
    assert_int_equal(code, 0);
    assert_int_equal(paths.count, 2);
}

static void without_proc(void *arg)
{
    (void)arg;
    CHECK(chroot(getenv("TRACKWAY_DIR")) == 0 && chdir("/") == 0);
    CHECK(setenv("TRACKWAY_DIR", "/", 1) == 0);
    CHECK(open_segment(false) == 0);
}

static void it_is_made_without_proc_too(void **state)
{
    char path[PROC_PATH + 256];
    (void)state;
    if (geteuid() != 0) skip();
    assert_int_equal(proc_child(without_proc, NULL), 0);
    assert_int_equal(files(path, sizeof path, true), 1);
    assert_true(ends_in(path, ".segment"));
}

static void what_is_not_of_a_maker_is_not_taken_for_abandoned(void **state)
{
    static const char *const names[] = {"1.making.bak", "notes.making", ".making", "12.00000000.segment"};
    char path[PROC_PATH + 256], young[PROC_PATH + 256];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", getenv("TRACKWAY_DIR"), names[i]);
        int fd = open(path, O_CREAT | O_WRONLY, 0600);
        assert_true(fd >= 0);
        assert_int_equal(close(fd), 0);
    }
    (void)snprintf(path, sizeof path, "%s/7.making", getenv("TRACKWAY_DIR"));
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/8.making", getenv("TRACKWAY_DIR"));
    assert_int_equal(symlink("/etc/passwd", path), 0);
    (void)files(path, sizeof path, true);
    (void)snprintf(young, sizeof young, "%s/9.making", getenv("TRACKWAY_DIR"));
    int fd = open(young, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_int_equal(abandoned(), 0);
    (void)snprintf(path, sizeof path, "%s/7.making", getenv("TRACKWAY_DIR"));
    assert_int_equal(rmdir(path), 0);
    (void)snprintf(path, sizeof path, "%s/.making", getenv("TRACKWAY_DIR"));
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROC(a_kill_at_any_step_leaves_nothing_or_a_whole_segment),
        PROC(a_kill_under_a_spare_name_leaves_what_can_be_told_from_one_in_the_making),
        PROC(the_file_is_seen_by_its_name_in_maps),
        PROC(it_is_made_after_setuid_too),
        PROC(it_is_made_without_proc_too),
        PROC(what_is_not_of_a_maker_is_not_taken_for_abandoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
