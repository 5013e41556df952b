/* serve: the collector, until a signal ends it. What it does is in src/serve; this is its beginning and its end.
 *
 * SIGTERM and SIGINT drain within DRAIN_NS, a second one ends at once; SIGHUP reads certificates again.
 */
#include <errno.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/data.h"
#include "cli/service.h"
#include "serve/server.h"

static const uint64_t DRAIN_NS = 4000000000, CLOSE_SECONDS = 5;

static const char *from_environment(const char *name)
{
    return getenv(name);
}

static void default_folder(struct tw__settings *settings)
{
    char path[TW__DATA_MAX], why[TW_WHY_MAX];
    if (tw__data_folder(path)) (void)tw__settings_set(settings, "data", path, TW__FROM_DEFAULT, why);
}

/* Flags, then the environment, then the file that one of them names: what was set first counts more and stays. */
static int read_settings(struct tw__settings *settings, const struct tw__args *args, char why[TW_WHY_MAX])
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < args->setting_count; i++)
        code = tw__settings_set(settings, args->settings[i].name, args->settings[i].value, TW__FROM_FLAG, why);
    if (code == 0) code = tw__settings_read_environment(settings, from_environment, why);
    const char *file = tw__settings_get(settings, "config");
    if (code == 0 && file) code = tw__settings_read_file(settings, file, why);
    default_folder(settings);
    return code;
}

static int check(const struct tw__settings *settings)
{
    struct tw__buf out = {0};
    char why[TW_WHY_MAX];
    tw__settings_explain(settings, &out);
    int code = tw__out_write(&out);
    tw__buf_fini(&out);
    const char *user = tw__settings_get(settings, "user");
    if (tw__server_check(settings, why) < 0) {
        tw__complain("serve: %s", why);
        return TW__EXIT_USAGE;
    }
    if (user && !getpwnam(user)) {
        tw__complain("serve: user: there is no %s", user);
        return TW__EXIT_USAGE;
    }
    return code;
}

static int announce(const struct tw__server *server, const struct tw__settings *settings)
{
    struct tw__buf out = {0};
    char why[TW_WHY_MAX];
    const char *ready = tw__settings_get(settings, "ready-file");
    int code = TW__EXIT_OK;
    tw__server_describe(server, &out);
    (void)tw__out_write(&out);
    tw__server_describe_json(server, &out);
    if (ready && tw__service_write_file(ready, out.ptr, out.len, why) < 0) {
        tw__complain("serve: ready-file: %s", why);
        code = TW__EXIT_FAILED;
    }
    tw__buf_fini(&out);
    if (code == TW__EXIT_OK) tw__service_notify("READY=1\nSTATUS=taking spans");
    return code;
}

static void wait_for_the_end(struct tw__server *server, const sigset_t *signals)
{
    char why[TW_WHY_MAX];
    for (;;) {
        int number = sigwaitinfo(signals, NULL);
        if (number < 0 && errno == EINTR) continue;
        if (number != SIGHUP) return;
        tw__service_notify("RELOADING=1");
        if (tw__server_reload(server, why) > 0) tw__complain("serve: certificates stay as they are: %s", why);
        tw__service_notify("READY=1");
    }
}

/* Of SIGALRM, too: it says so, as nobody has asked for that. */
static void end_at_once(int number)
{
    static const char text[] =
        "trackway: serve: the end took too long; it is cut off here, what was acknowledged is kept\n";
    ssize_t n = number == SIGALRM ? write(STDERR_FILENO, text, sizeof text - 1) : 0;
    (void)n;
    _exit(TW__EXIT_FAILED);
}

static void complain_of_busy(const struct tw__server *server)
{
    struct tw__buf doors = {0};
    tw__server_describe_busy(server, &doors);
    tw__complain("serve: some requests were not done in time (%.*s)", (int)doors.len, doors.ptr ? doors.ptr : "");
    tw__buf_fini(&doors);
}

static int run(struct tw__settings *settings)
{
    struct tw__inherited inherited[TW__INHERITED_MAX];
    size_t inherited_count = tw__service_sockets(inherited, TW__INHERITED_MAX);
    struct tw__server *server = NULL;
    char why[TW_WHY_MAX] = "";
    sigset_t signals;
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    int code = tw__server_bind(settings, inherited, inherited_count, &server, why);
    if (code == 0)
        code = tw__service_drop_root(tw__settings_get(settings, "user"), tw__settings_get(settings, "data"),
                                     tw__settings_get(settings, "segments") != NULL, why);
    if (code == 0) code = tw__server_open(server, why);
    if (code < 0) {
        tw__complain("serve: %s", why);
        tw__server_close(server);
        return code == TW_ERR_SYNTAX ? TW__EXIT_USAGE : TW__EXIT_FAILED;
    }
    code = announce(server, settings);
    if (code == TW__EXIT_OK) {
        wait_for_the_end(server, &signals);
        tw__service_notify("STOPPING=1");
        /* A second signal, or a drain that takes too long, ends without ceremony: what is acknowledged is kept. */
        (void)signal(SIGALRM, end_at_once);
        (void)signal(SIGTERM, end_at_once);
        (void)signal(SIGINT, end_at_once);
        (void)alarm((unsigned)CLOSE_SECONDS);
        (void)pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
        if (!tw__server_drain(server, tw__clock_mono_ns() + DRAIN_NS)) complain_of_busy(server);
    }
    tw__server_close(server);
    return code;
}

int tw__cmd_serve(const struct tw__args *args)
{
    struct tw__settings settings = {0};
    char why[TW_WHY_MAX];
    int code;
    /* Requests are large and of many threads: one heap a thread would keep the largest of each. */
    (void)mallopt(M_ARENA_MAX, 2);
    if (read_settings(&settings, args, why) < 0) {
        tw__complain("serve: %s", why);
        code = TW__EXIT_USAGE;
    } else if (tw__settings_number(&settings, "check")) {
        code = check(&settings);
    } else {
        code = run(&settings);
    }
    tw__settings_fini(&settings);
    return code;
}
