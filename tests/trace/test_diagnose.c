/* What is told to the file of TRACKWAY_DIAGNOSTICS, and what that must not do to the program. Each test runs in a
 * forked child: settings, signals and descriptors belong to the process. */
#define _GNU_SOURCE
#include "trace/recording.h"

#include <errno.h>
#include <stdlib.h>

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
        ALONE(no_byte_of_a_line_steers_a_terminal),
        ALONE(a_program_of_a_long_name_is_told_too),
    };
    return cmocka_run_group_tests_name("diagnose", tests, NULL, NULL);
}
