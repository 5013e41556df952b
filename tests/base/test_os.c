/* os: what is asked of the operating system on behalf of other people's programs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/os.h"

/* This program again, with other arguments; it prints its command line (main). Returns what it printed. */
static void run_as(const char *title, const char *argument, char *said, size_t cap)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)setenv("TEST_OS_PRINTS", "1", 1);
        execl("/proc/self/exe", title, argument, (char *)NULL);
        _exit(1);
    }
    (void)close(ends[1]);
    size_t len = 0;
    for (ssize_t n; len + 1 < cap && (n = read(ends[0], said + len, cap - 1 - len)) > 0;) len += (size_t)n;
    said[len] = 0;
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_command_line_is_its_arguments_with_spaces_between(void **state)
{
    (void)state;
    char said[512];
    run_as("shop", "front --db /tmp/x", said, sizeof said);
    assert_string_equal(said, "shop front --db /tmp/x");
}

static void a_title_that_a_program_gives_itself_ends_with_its_last_letter(void **state)
{
    (void)state;
    char said[512];
    run_as("nginx: worker process        ", "      ", said, sizeof said);
    assert_string_equal(said, "nginx: worker process");
    run_as("   ", "", said, sizeof said);
    assert_string_equal(said, "");
}

static void a_command_line_is_cut_to_the_room_there_is(void **state)
{
    (void)state;
    char whole[256], part[5];
    tw__os_command(whole, sizeof whole);
    tw__os_command(part, sizeof part);
    assert_true(strlen(whole) > 4);
    assert_int_equal(strlen(part), 4);
    assert_memory_equal(whole, part, 4);
}

static char folder[] = "/tmp/trackway-os-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command); /* NOLINT: a path of our own */
}

static const char *inside(const char *name)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void a_private_folder_is_made_once_and_taken_again(void **state)
{
    (void)state;
    errno = 77;
    assert_int_equal(tw__os_make_private_dir(inside("own")), 0);
    assert_int_equal(tw__os_make_private_dir(inside("own")), 0);
    assert_int_equal(errno, 77);
    struct stat st;
    assert_int_equal(stat(inside("own"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

static void a_folder_that_others_may_write_to_or_that_is_none_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mkdir(inside("open"), 0700), 0);
    assert_int_equal(chmod(inside("open"), 0777), 0);
    assert_int_equal(tw__os_make_private_dir(inside("open")), TW_ERR_PERMISSION);
    assert_int_equal(symlink(folder, inside("link")), 0);
    assert_true(tw__os_make_private_dir(inside("link")) < 0);
    FILE *file = fopen(inside("file"), "w");
    assert_non_null(file);
    (void)fclose(file);
    assert_true(tw__os_make_private_dir(inside("file")) < 0);
    assert_true(tw__os_make_private_dir(inside("not/there")) < 0);
}

static void text_of_a_problem_says_what_and_why_and_is_cut(void **state)
{
    (void)state;
    char text[64], part[8];
    tw__os_problem_text(text, sizeof text, "data folder", EACCES);
    assert_string_equal(text, "data folder: Permission denied");
    tw__os_problem_text(part, sizeof part, "data folder", EACCES);
    assert_string_equal(part, "data fo");
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint64_t made[64];
    tw__os_random(made, sizeof made);
    for (size_t i = 0; i < 64; i++)
        for (size_t k = 0; k < i; k++) assert_true(made[i] != made[k]);
}

int main(void)
{
    if (getenv("TEST_OS_PRINTS")) {
        char text[256];
        tw__os_command(text, sizeof text);
        (void)fputs(text, stdout);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_line_is_its_arguments_with_spaces_between),
        cmocka_unit_test(a_title_that_a_program_gives_itself_ends_with_its_last_letter),
        cmocka_unit_test(a_command_line_is_cut_to_the_room_there_is),
        cmocka_unit_test(a_private_folder_is_made_once_and_taken_again),
        cmocka_unit_test(a_folder_that_others_may_write_to_or_that_is_none_is_refused),
        cmocka_unit_test(text_of_a_problem_says_what_and_why_and_is_cut),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
