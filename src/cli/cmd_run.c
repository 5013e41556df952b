/* run: a span around any command, and its context in the command's environment, so that the commands of a script, and
 * whatever they call, are one trace.
 *
 * The only subcommand that records. Its segment is small (512 KiB) and stays after the end, because there is nobody
 * else to keep it; `trackway clean` removes it. The command is run as it would be without us: same files, same
 * terminal, same signals; Ctrl-C goes to it alone. Exit code: its own; 128 + the signal that ended it; 127 not found,
 * 126 not executable.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <trackway/propagate.h>
#include <trackway/trace.h>
#include <trackway/trackway.h>

#include "cli/cli.h"
#include "cli/source.h"

extern char **environ;

static void set_variable(void *carrier, const char *name, const char *value, size_t len)
{
    char text[1024];
    (void)carrier;
    if (len >= sizeof text) return; /* baggage of that size would only make exec fail */
    memcpy(text, value, len);
    text[len] = '\0';
    (void)setenv(tw_carrier_environ_name(name), text, 1);
}

static void join_words(const struct tw__args *args, struct tw__buf *out)
{
    for (size_t i = 0; i < args->operand_count; i++) {
        if (i) tw__buf_char(out, ' ');
        tw__buf_cstr(out, args->operands[i]);
    }
}

static tw_span begin(const struct tw__args *args, struct tw_carried *carried)
{
    struct tw_context from;
    const char *name = args->name ? args->name : args->operands[0];
    int found = tw_extract(NULL, tw_carrier_get_environ, environ, &from, carried);
    struct tw_span_options options = tw_span_options_of(found, &from, carried);
    options.kind = TW_KIND_INTERNAL;
    options.name = name;
    tw_span span = tw_span_begin_with("run", &options);
    struct tw__buf line = {0};
    join_words(args, &line);
    tw_tag_strn(span, "process.command_line", line.ptr, line.len);
    tw__buf_fini(&line);
    return span;
}

/* What Ctrl-C and Ctrl-\ did to us: a shell has its background commands ignore both. */
struct keys {
    void (*interrupt)(int);
    void (*quit)(int);
};

/* In the child. */
static void become(const struct tw__args *args, struct keys keys)
{
    char **words = calloc(args->operand_count + 1, sizeof *words);
    for (size_t i = 0; words && i < args->operand_count; i++) words[i] = strdup(args->operands[i]);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)signal(SIGINT, keys.interrupt);
    (void)signal(SIGQUIT, keys.quit);
    if (words) execvp(words[0], words);
    int error = errno;
    tw__complain("run: %s: %s", args->operands[0], strerror(error));
    _exit(error == ENOENT ? 127 : 126);
}

/* Waits and tells the span how it ended. Returns the exit code to give. */
static int wait_for(pid_t pid, tw_span span)
{
    int status;
    char text[64];
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return TW__EXIT_FAILED;
    if (WIFSIGNALED(status)) {
        tw_tag(span, "process.exit.signal", WTERMSIG(status));
        (void)snprintf(text, sizeof text, "ended by signal %d", WTERMSIG(status));
        tw_span_fail(span, text);
        return 128 + WTERMSIG(status);
    }
    tw_tag(span, "process.exit.code", WEXITSTATUS(status));
    (void)snprintf(text, sizeof text, "exit code %d", WEXITSTATUS(status));
    if (WEXITSTATUS(status) != 0) tw_span_fail(span, text);
    return WEXITSTATUS(status);
}

int tw__cmd_run(const struct tw__args *args)
{
    struct tw_carried *carried = calloc(1, sizeof *carried);
    const struct tw_config config = {.arena_bytes = 512 << 10,
                                     .keep_file = true,
                                     .service = args->service ? args->service : "run",
                                     .dir = args->dir};
    char why[TW_WHY_MAX];
    if (!carried) return tw__out_of_memory();
    /* Whatever happens to the recording, the command runs. */
    if (tw_init(&config) < 0 && tw_recorder_error(why, sizeof why) != TW_ERR_OFF) tw__complain("run: %s", why);
    tw_span span = begin(args, carried);
    struct tw_context context;
    if (tw_span_context(span, &context)) (void)tw_inject(NULL, &context, carried, set_variable, NULL);
    free(carried);

    const struct keys keys = {signal(SIGINT, SIG_IGN), signal(SIGQUIT, SIG_IGN)};
    pid_t pid = fork();
    if (pid == 0) become(args, keys);
    int code = TW__EXIT_FAILED;
    if (pid < 0)
        tw__complain("run: cannot make a process: %s", strerror(errno));
    else
        code = wait_for(pid, span);
    tw_span_end(span);
    return code;
}
