/* A program with rights that whoever started it has not: nothing of that other's environment is believed. The kernel
 * says so of every program that begins with another effective than real user (AT_SECURE), so this one starts itself
 * like that; a file with the setuid bit would need a folder that is not mounted nosuid. */
#define _GNU_SOURCE
#include "process/proc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

enum { NOBODY = 65534 };

struct start {
    const char *dir;
    bool secure;
};

/* What the other wants: lines into a file of ours, spans into another, and something that is told. */
static void start_again(void *data)
{
    const struct start *start = data;
    char notes[PROC_PATH], spans[PROC_PATH];
    (void)snprintf(notes, sizeof notes, "%s/notes", start->dir);
    (void)snprintf(spans, sizeof spans, "%s/spans", start->dir);
    CHECK(setenv("TRACKWAY_DIAGNOSTICS", notes, 1) == 0 && setenv("TRACKWAY_PROPAGATORS", "pigeon", 1) == 0);
    CHECK(setenv("TRACKWAY_EXPORTER", "file", 1) == 0 && setenv("TRACKWAY_FILE", spans, 1) == 0);
    if (start->secure) CHECK(setresuid(NOBODY, 0, 0) == 0);
    (void)execl("/proc/self/exe", "test_secure", start->dir, start->secure ? "secure" : "usual", (char *)NULL);
    _exit(98);
}

/* In the program that was started. Its own words count. */
static int records(const char *dir, bool secure)
{
    static const char *const variables[] = {"TRACKWAY_SERVICE=said by the program", NULL};
    const struct tw_config config = {.dir = dir, .arena_bytes = 512 << 10, .variables = variables};
    struct tw_reader *reader = NULL;
    struct tw_process process;
    char path[PROC_PATH], why[TW_WHY_MAX];
    CHECK((getauxval(AT_SECURE) != 0) == secure);
    CHECK(tw_init(&config) == 0);
    tw_span_end(tw_span_begin("span"));
    CHECK(tw_recorder_path(path, sizeof path) > 0 && tw_reader_open(path, &reader, why) == 0);
    CHECK(tw_reader_process(reader, &process) == 0);
    CHECK(proc_text_is(process.service, "said by the program"));
    if (secure) CHECK(memmem(process.notice.ptr, process.notice.len, "setuid", 6));
    tw_reader_close(reader);
    CHECK(tw_segments_dir(path, sizeof path) > 0);
    CHECK((strcmp(path, dir) == 0) == !secure); /* TRACKWAY_DIR is dir */
    CHECK(tw_shutdown(UINT64_C(2000000000)) == 0);
    return 0;
}

static bool is_there(const char *dir, const char *name)
{
    char path[PROC_PATH];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    bool there = access(path, F_OK) == 0;
    if (there) (void)unlink(path);
    return there;
}

static void a_program_with_more_rights_than_who_started_it_believes_nothing_of_the_environment(void **state)
{
    (void)state;
    struct start start = {.dir = getenv("TRACKWAY_DIR")};
    if (geteuid() != 0) skip();
    assert_int_equal(proc_child(start_again, &start), 0);
    assert_true(is_there(start.dir, "notes")); /* these do come of that environment */
    assert_true(is_there(start.dir, "spans"));
    start.secure = true;
    assert_int_equal(proc_child(start_again, &start), 0);
    assert_false(is_there(start.dir, "notes"));
    assert_false(is_there(start.dir, "spans"));
}

int main(int argc, char **argv)
{
    if (argc == 3) return records(argv[1], strcmp(argv[2], "secure") == 0);
    const struct CMUnitTest tests[] = {
        PROC(a_program_with_more_rights_than_who_started_it_believes_nothing_of_the_environment),
    };
    return cmocka_run_group_tests_name("secure", tests, NULL, NULL);
}
