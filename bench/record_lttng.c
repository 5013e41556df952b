/* record_lttng: starts beside_lttng, the program that records the same spans with Trackway and with LTTng-UST in turns.
 *
 * A program of its own, because liblttng-ust starts threads in whoever is linked with it; and through lttng_session,
 * which starts a session daemon that nobody else sees and leaves nothing behind. Where LTTng is missing the rows are
 * skipped.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "record.h"

enum { SKIPPED = 77 };

/* The folder of this program, with a slash. */
static void own_folder(char *path, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", path, cap - 1);
    if (n <= 0) bench_die("no /proc/self/exe");
    path[n] = 0;
    char *slash = strrchr(path, '/');
    slash[1] = 0;
}

bool record_beside(void)
{
    char folder[4000], program[4096], session[4096], rounds[32];
    int status = 0;
    own_folder(folder, sizeof folder);
    snprintf(program, sizeof program, "%sbeside_lttng", folder);
    snprintf(session, sizeof session, "%slttng_session", folder);
    snprintf(rounds, sizeof rounds, "%u", bench_rounds(200));
    if (access(program, X_OK) != 0 || access(session, R_OK) != 0) {
        bench_skip("lttng", "built without liblttng-ust-dev");
        return true;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* lttng_session takes its daemon down */
        execl("/bin/sh", "sh", session, program, "--rounds", rounds, bench_options.json ? "--json" : (char *)NULL,
              (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) bench_die("no process");
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        bench_skip("lttng", "lttng-sessiond did not start or take the events");
        return true;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
