/* What is told to the file of TRACKWAY_DIAGNOSTICS, and what that must not do to the program. Each test runs in a
 * forked child: settings, signals and descriptors belong to the process. */
#define _GNU_SOURCE
#include "trace/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *dir;

static int per_test_setup(void **state)
{
    (void)state;
    dir = private_dir();
    return unsetenv("TRACKWAY_DIAGNOSTICS");
}

static int per_test_teardown(void **state)
{
    (void)state;
    remove_private_dir();
    return 0;
}

static const char *in_dir(const char *name)
{
    static char paths[4][256];
    static unsigned at;
    char *path = paths[at++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

/* A program that is told, in file, that there is no exporter of that name. */
static int tell(const char *file, const char *exporter)
{
    struct tw_config config = small_config();
    MUST(setenv("TRACKWAY_DIAGNOSTICS", file, 1) == 0);
    config.exporter = exporter;
    MUST(tw_init(&config) == 0);
    return tw_shutdown(SECOND);
}

/* What stands in a file; valid until the next. */
static const char *text_of(const char *path)
{
    static char text[4096];
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file) (void)fclose(file);
    text[len] = 0;
    return text;
}

/* -- where it is written */

/* The program's own lines are around those that it is told. */
static int to_a_plain_file(void)
{
    static const char *const names[] = {"/dev/stderr", "/proc/self/fd/2", "/dev/fd/2"};
    const char *notes = in_dir("notes");
    for (size_t i = 0; i < 3; i++) {
        int fd = open(notes, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), before = dup(STDERR_FILENO);
        MUST(fd >= 0 && before >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
        bool good = write(STDERR_FILENO, "one\n", 4) == 4 && tell(names[i], "pigeon") == 0 &&
                    write(STDERR_FILENO, "two\n", 4) == 4;
        MUST(dup2(before, STDERR_FILENO) == STDERR_FILENO && close(before) == 0 && close(fd) == 0 && good);
        const char *said = text_of(notes), *told = strchr(said, '\n');
        MUST(strncmp(said, "one\ntrackway: ", 14) == 0 && strstr(said, "pigeon"));
        MUST(told && (told = strchr(told + 1, '\n')) && strcmp(told, "\ntwo\n") == 0);
    }
    return 0;
}

static void a_descriptor_of_the_program_is_written_where_it_stands(void **state)
{
    (void)state;
    in_child(to_a_plain_file);
}

static int to_a_socket(void)
{
    int pair[2], before = dup(STDERR_FILENO);
    char said[512] = "";
    MUST(before >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    MUST(dup2(pair[1], STDERR_FILENO) == STDERR_FILENO);
    int result = tell("/dev/stderr", "pigeon"), flags = fcntl(STDERR_FILENO, F_GETFL);
    MUST(dup2(before, STDERR_FILENO) == STDERR_FILENO && result == 0);
    MUST(recv(pair[0], said, sizeof said - 1, MSG_DONTWAIT) > 0 && strstr(said, "pigeon"));
    MUST(!(flags & O_NONBLOCK));
    return 0;
}

static void a_socket_is_written_too(void **state)
{
    (void)state;
    in_child(to_a_socket);
}

static int to_what_is_full(void)
{
    int ends[2];
    char name[32], byte[4096] = "";
    MUST(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    while (write(ends[1], byte, sizeof byte) > 0) {
    }
    MUST(fcntl(ends[1], F_SETFL, 0) == 0);
    (void)snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    (void)alarm(60); /* who waited would never come back */
    return tell(name, "pigeon");
}

static void nobody_waits_for_a_pipe_that_is_full(void **state)
{
    (void)state;
    in_child(to_what_is_full);
}

static int to_what_is_none(void)
{
    static const char *const names[] = {"/dev/fd/999", "/dev/fd/", "/dev/fd/1x", "/dev/fd/99999999999999999999", "."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) MUST(tell(names[i], "pigeon") == 0);
    return 0;
}

static void what_cannot_be_written_harms_nobody(void **state)
{
    (void)state;
    in_child(to_what_is_none);
}

static int through_a_link(void)
{
    const char *link = in_dir("link"), *target = in_dir("target"), *full = in_dir("full");
    FILE *file = fopen(target, "w");
    MUST(file && fputs("precious\n", file) >= 0 && fclose(file) == 0);
    MUST(symlink(target, link) == 0 && symlink("/dev/full", full) == 0);
    MUST(tell(link, "pigeon") == 0);
    MUST(strcmp(text_of(target), "precious\n") == 0);
    MUST(unlink(target) == 0 && tell(link, "pigeon") == 0);
    MUST(access(target, F_OK) != 0); /* nor is one made */
    return tell(full, "pigeon");     /* a device takes what it likes */
}

static void no_link_leads_it_to_another_file(void **state)
{
    (void)state;
    in_child(through_a_link);
}

/* -- signals */

static bool is_pending(int number)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, number) == 1;
}

static bool is_blocked(int number)
{
    sigset_t now;
    return pthread_sigmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, number) == 1;
}

static int where_nobody_reads(void)
{
    int ends[2];
    char name[32];
    sigset_t mask;
    MUST(pipe2(ends, O_CLOEXEC) == 0 && close(ends[0]) == 0);
    (void)snprintf(name, sizeof name, "/dev/fd/%d", ends[1]);
    MUST(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    MUST(tell(name, "pigeon") == 0);
    MUST(!is_blocked(SIGPIPE) && !is_blocked(SIGXFSZ) && !is_blocked(SIGTTOU));
    (void)sigemptyset(&mask);
    (void)sigaddset(&mask, SIGPIPE);
    MUST(pthread_sigmask(SIG_BLOCK, &mask, NULL) == 0);
    MUST(tell(name, "pigeon") == 0 && !is_pending(SIGPIPE) && is_blocked(SIGPIPE));
    MUST(raise(SIGPIPE) == 0); /* the program's own waits for it as before */
    MUST(tell(name, "pigeon") == 0 && is_pending(SIGPIPE));
    return 0;
}

static void a_pipe_that_nobody_reads_ends_no_program(void **state)
{
    (void)state;
    in_child(where_nobody_reads);
}

static int beyond_the_largest_file(void)
{
    const struct rlimit small = {100, 100};
    const char *notes = in_dir("notes");
    static char bytes[100];
    int fd = open(notes, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    struct tw_config config = small_config();
    MUST(write(fd, bytes, sizeof bytes) == sizeof bytes && close(fd) == 0);
    MUST(signal(SIGXFSZ, SIG_DFL) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &small) == 0);
    MUST(setenv("TRACKWAY_DIAGNOSTICS", notes, 1) == 0);
    MUST(tw_init(&config) == TW_ERR_SPACE);
    MUST(!is_blocked(SIGXFSZ));
    return 0;
}

static void a_limit_on_file_sizes_ends_no_program(void **state)
{
    (void)state;
    in_child(beyond_the_largest_file);
}

/* stty tostop */
static int in_the_background(void)
{
    int master = posix_openpt(O_RDWR | O_CLOEXEC), status = 1;
    char said[512] = "";
    const char *name = master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 ? ptsname(master) : NULL;
    if (!name) return 77;
    MUST(setsid() > 0);
    int terminal = open(name, O_RDWR | O_CLOEXEC); /* of this session now */
    struct termios mode;
    MUST(terminal >= 0 && tcgetattr(terminal, &mode) == 0);
    mode.c_lflag |= TOSTOP;
    MUST(tcsetattr(terminal, TCSANOW, &mode) == 0);
    pid_t pid = fork();
    if (pid == 0) _exit(setpgid(0, 0) == 0 && signal(SIGTTOU, SIG_DFL) != SIG_ERR ? tell(name, "pigeon") : 1);
    MUST(waitpid(pid, &status, WUNTRACED) == pid);
    if (WIFSTOPPED(status)) (void)kill(pid, SIGKILL);
    MUST(status == 0);
    MUST(read(master, said, sizeof said - 1) > 0 && strstr(said, "pigeon"));
    return 0;
}

static void a_terminal_stops_no_program_in_its_background(void **state)
{
    (void)state;
    in_child(in_the_background);
}

/* -- locks */

static unsigned told;

/* Would wait for ever if it were told under the lock that other threads' first spans wait for. */
static void ask_back(void *data, int error, const char *text)
{
    char again[256];
    (void)data;
    (void)text;
    told += tw_recorder_error(again, sizeof again) == error;
}

static int with_a_callback_that_asks(void)
{
    static const char *const none[] = {"TRACKWAY_PROPAGATORS=pigeon", NULL};
    struct tw_config config = small_config();
    (void)alarm(60);
    config.diagnostic = ask_back;
    config.dir = "/proc/nonexistent/folder";
    MUST(tw_init(&config) == TW_ERR_SYSTEM && told == 1);
    config.dir = dir;
    config.variables = none;
    MUST(tw_init(&config) == 0 && told == 2);
    config.exporter = "pigeon";
    MUST(tw_shutdown(SECOND) == 0);
    MUST(tw_init(&config) == 0 && told >= 3);
    return 0;
}

static void ask_rules(void *data, int error, const char *text)
{
    (void)data;
    (void)error;
    told += strstr(text, "hide everything") && tw_calls_configure(&(struct tw_calls_config){0}, NULL) == 0;
}

static int with_a_callback_that_configures(void)
{
    static struct tw_entrypoint bad = {.name = "bad", .sensitive = "a..b"};
    struct tw_config config = small_config();
    struct tw_call call;
    (void)alarm(60);
    config.diagnostic = ask_rules;
    MUST(tw_init(&config) == 0);
    tw_call_begin(&call, &bad, &(struct tw_call_input){0});
    tw_call_fail(&call, &(struct tw_failure){.type = "of no interest"});
    MUST(told == 1);
    return tw_shutdown(SECOND);
}

static void it_is_told_when_no_lock_is_held(void **state)
{
    (void)state;
    in_child(with_a_callback_that_asks);
    in_child(with_a_callback_that_configures);
}

/* -- what is written */

static int with_a_setting_too_long(void)
{
    const char *notes = in_dir("notes");
    static char resource[60000];
    struct tw_config config = small_config();
    memset(resource, 'r', sizeof resource - 1);
    MUST(setenv("TRACKWAY_RESOURCE", resource, 1) == 0 && setenv("TRACKWAY_DIAGNOSTICS", notes, 1) == 0);
    MUST(tw_init(&config) == TW_ERR_RANGE);
    MUST(strstr(text_of(notes), "recording is off: TRACKWAY_RESOURCE"));
    return 0;
}

static void a_setting_that_is_too_long_is_told(void **state)
{
    (void)state;
    in_child(with_a_setting_too_long);
}

static int in_a_file_of_a_long_name(void)
{
    char path[600], text[256];
    struct tw_config config = small_config();
    memset(path, '/', sizeof path);
    for (size_t max = 511; max <= 512; max++) {
        (void)snprintf(path + max - strlen(dir) - 6, strlen(dir) + 7, "%s/notes", dir);
        MUST(strlen(path) == max && setenv("TRACKWAY_DIAGNOSTICS", path, 1) == 0);
        config.exporter = max == 511 ? "pigeon" : NULL;
        MUST(tw_init(&config) == 0);
        int error = tw_recorder_error(text, sizeof text);
        if (max == 511) MUST(error == TW_ERR_NOT_FOUND && strstr(text_of(path), "pigeon"));
        if (max == 512) MUST(error == TW_ERR_RANGE && strstr(text, "TRACKWAY_DIAGNOSTICS: longer"));
        MUST(tw_shutdown(SECOND) == 0);
    }
    return 0;
}

static void a_path_that_is_too_long_is_told_to_who_looks_at_the_process(void **state)
{
    (void)state;
    in_child(in_a_file_of_a_long_name);
}

static int with_control_bytes(void)
{
    char name[] = "na\033me\n";
    const char *notes = in_dir("notes");
    program_invocation_short_name = name;
    MUST(tell(notes, "pi\033[2Jgeon\177_\302\233_\303\244") == 0);
    const char *said = text_of(notes);
    MUST(strncmp(said, "trackway: na?me? ", 17) == 0);
    MUST(strstr(said, "pi?[2Jgeon?_\302?_\303\244")); /* the last is a letter */
    MUST(strchr(said, '\n') == said + strlen(said) - 1);
    return 0;
}

static void no_byte_of_a_line_steers_a_terminal(void **state)
{
    (void)state;
    in_child(with_control_bytes);
}

static int with_a_long_name(void)
{
    char name[600];
    const char *notes = in_dir("notes");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    program_invocation_short_name = name;
    MUST(tell(notes, "pigeon") == 0);
    MUST(strstr(text_of(notes), "pigeon"));
    return 0;
}

static void a_program_of_a_long_name_is_told_too(void **state)
{
    (void)state;
    in_child(with_a_long_name);
}

#define ALONE(test) cmocka_unit_test_setup_teardown(test, per_test_setup, per_test_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(a_descriptor_of_the_program_is_written_where_it_stands),
        ALONE(a_socket_is_written_too),
        ALONE(nobody_waits_for_a_pipe_that_is_full),
        ALONE(what_cannot_be_written_harms_nobody),
        ALONE(no_link_leads_it_to_another_file),
        ALONE(a_pipe_that_nobody_reads_ends_no_program),
        ALONE(a_limit_on_file_sizes_ends_no_program),
        ALONE(a_terminal_stops_no_program_in_its_background),
        ALONE(a_setting_that_is_too_long_is_told),
        ALONE(a_path_that_is_too_long_is_told_to_who_looks_at_the_process),
        ALONE(it_is_told_when_no_lock_is_held),
        ALONE(no_byte_of_a_line_steers_a_terminal),
        ALONE(a_program_of_a_long_name_is_told_too),
    };
    return cmocka_run_group_tests_name("diagnose", tests, NULL, NULL);
}
