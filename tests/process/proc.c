/* proc: see the header. */
#include "process/proc.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SEGMENTS_MAX = 64, PATIENCE_S = 300 };

static char outer[PROC_PATH - 64], folder[PROC_PATH - 32];
static struct proc_segment segments[SEGMENTS_MAX];
static size_t segment_count;

int proc_setup(void **state)
{
    const char *given = getenv("TRACKWAY_DIR");
    (void)state;
    if (!outer[0]) { /* what the runner gave, at the first test */
        (void)snprintf(outer, sizeof outer, "%.180s", given && *given ? given : "/dev/shm");
        if (mkdir(outer, 0700) != 0 && errno != EEXIST) return -1;
    }
    (void)snprintf(folder, sizeof folder, "%s/test-XXXXXX", outer);
    if (!mkdtemp(folder)) return -1;
    segment_count = 0;
    if (setenv("TRACKWAY_KEEP_DEAD", "0", 1) != 0) return -1; /* a test may leave many */
    return setenv("TRACKWAY_DIR", folder, 1);
}

int proc_teardown(void **state)
{
    char path[PROC_PATH + 256];
    (void)state;
    for (size_t i = 0; i < segment_count; i++) {
        tw_records_free(segments[i].records);
        tw_reader_close(segments[i].reader);
    }
    segment_count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        if (e->d_name[0] == '.') continue;
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        (void)unlink(path);
    }
    if (dir) (void)closedir(dir);
    (void)rmdir(folder);
    return setenv("TRACKWAY_DIR", outer, 1);
}

int proc_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFSIGNALED(status) ? PROC_SIGNALED + WTERMSIG(status) : WEXITSTATUS(status);
}

int proc_child(void (*fn)(void *), void *arg)
{
    pid_t pid = fork();
    if (pid == 0) {
        static const int ends[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE}; /* cmocka goes on with the next test */
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) (void)signal(ends[i], SIG_DFL);
        (void)alarm(PATIENCE_S);
        fn(arg);
        _exit(0);
    }
    return pid < 0 ? -1 : proc_wait(pid);
}

void *proc_shared(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) abort();
    return at;
}

static bool add_path(const char *path, void *data)
{
    struct proc_paths *paths = data;
    if (paths->count == PROC_PATHS) return false;
    (void)snprintf(paths->path[paths->count++], PROC_PATH, "%s", path);
    return true;
}

void proc_list(struct proc_paths *paths)
{
    paths->count = 0;
    assert_true(tw_segments_each(folder, add_path, paths) >= 0);
}

const struct proc_segment *proc_read(const char *path)
{
    char why[TW_WHY_MAX] = "";
    assert_true(segment_count < SEGMENTS_MAX);
    struct proc_segment *s = &segments[segment_count];
    memset(s, 0, sizeof *s);
    if (tw_reader_open(path, &s->reader, why) < 0) fail_msg("%s", why);
    segment_count++;
    assert_int_equal(tw_reader_read(s->reader, &(struct tw_query){.open_spans = true}, &s->records), 0);
    assert_int_equal(tw_reader_process(s->reader, &s->process), 0);
    assert_int_equal(s->records->damaged, 0);
    return s;
}

const struct proc_segment *proc_read_only(void)
{
    struct proc_paths paths;
    proc_list(&paths);
    assert_int_equal(paths.count, 1);
    return proc_read(paths.path[0]);
}

const struct proc_segment *proc_read_pid(pid_t pid)
{
    struct proc_paths paths;
    char begin[32];
    const char *found = NULL;
    proc_list(&paths);
    (void)snprintf(begin, sizeof begin, "/%d.", (int)pid);
    for (size_t i = 0; i < paths.count; i++)
        if (strstr(paths.path[i], begin)) {
            assert_null(found);
            found = paths.path[i];
        }
    assert_non_null(found);
    return proc_read(found);
}

bool proc_text_is(struct tw_text text, const char *expected)
{
    return text.len == strlen(expected) && memcmp(text.ptr, expected, text.len) == 0;
}

size_t proc_count(const struct tw_records *records, enum tw_record_kind kind, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < records->count; i++)
        n += records->items[i].kind == kind && proc_text_is(records->items[i].name, name);
    return n;
}

const struct tw_record *proc_find(const struct tw_records *records, enum tw_record_kind kind, const char *name)
{
    for (size_t i = 0; i < records->count; i++)
        if (records->items[i].kind == kind && proc_text_is(records->items[i].name, name)) return &records->items[i];
    return NULL;
}

const struct tw_tag_value *proc_tag(const struct tw_record *record, const char *key)
{
    const struct tw_tag_value *found = NULL;
    for (size_t i = 0; record && i < record->tag_count; i++)
        if (proc_text_is(record->tags[i].key, key)) found = &record->tags[i];
    return found;
}

int64_t proc_int(const struct tw_record *record, const char *key)
{
    const struct tw_tag_value *tag = proc_tag(record, key);
    return tag ? tag->value.i : INT64_MIN;
}
