/* trace: live traces of running processes, from outside.
 *
 *     module M | function [M] F | pid X | start     begin one, in the background; its reference and its file are
 *                                                   printed
 *     watch                                          the same to the terminal, until Ctrl-C
 *     list | stop REF                                what runs, and its end
 *
 * The reader is a process of our own that lives as long as the trace: it takes a seat in the segment of each process
 * that it watches (<trackway/live.h>), and that is all those processes notice. It ends by its limits, when somebody
 * asks, and when all that it watched has ended.
 *
 * In the background: the child compiles and opens everything and says through a pipe how that went, so that what is
 * wrong is told to who has typed it; then it leaves the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <trackway/live.h>

#include "base/clock.h"
#include "cli/source.h"
#include "cli/trace_list.h"
#include "cli/trace_words.h"
#include "export/live.h"
#include "filter/filter.h"
#include "wire/json.h"

enum { IDLE_NS = 20000000, BUSY_NS = 1000000, FILTER_CAP = 1024 };
#define SCAN_NS ((uint64_t)1000000000)

struct watching {
    const struct tw__args *args;
    struct tw__live *live;
    size_t refused;
    char why[TW_WHY_MAX]; /* of the last that was refused; else of one that belongs to somebody else */
};

/* Those of other users are refused, if they are not among what is wanted too: nobody can see it without reading
 * them. */
static bool is_wanted(struct watching *w, const char *path)
{
    struct tw_reader *reader;
    struct tw_process process;
    char why[TW_WHY_MAX] = "";
    int result = tw_reader_open(path, &reader, why);
    if (result == TW_ERR_PERMISSION && w->refused == 0) memcpy(w->why, why, sizeof w->why);
    if (result < 0) return false;
    bool wanted = tw_reader_process(reader, &process) == 0 && process.state == TW_PROCESS_LIVE &&
                  tw__source_wanted(w->args, &process);
    tw_reader_close(reader);
    return wanted;
}

static bool watch_one(const char *path, void *data)
{
    struct watching *w = data;
    char why[TW_WHY_MAX] = "";
    if (!is_wanted(w, path)) return true;
    if (tw__live_watch(w->live, path, why) == 0) return true;
    w->refused++;
    memcpy(w->why, why, sizeof w->why);
    return true;
}

/* Opens everything. Returns 0, or an exit code with why. */
static int begin(struct watching *w, const struct tw__live_setup *setup, char *why)
{
    int result = tw__live_new(setup, &w->live, why);
    if (result < 0) return result == TW_ERR_SYNTAX || result == TW_ERR_RANGE ? TW__EXIT_USAGE : TW__EXIT_FAILED;
    int seen = tw_segments_each(w->args->dir, watch_one, w);
    if (tw__live_watched(w->live)) return 0;
    if (seen == TW_ERR_PERMISSION)
        (void)snprintf(why, TW_WHY_MAX, "the folder of segments cannot be read: %s", tw_err_text(seen));
    else if (w->why[0])
        memcpy(why, w->why, sizeof w->why);
    else
        (void)snprintf(why, TW_WHY_MAX, "no such process is recording; trackway ps lists those that are");
    if (!setup->options.file && setup->fd < 0) (void)unlink(tw__live_status(w->live)->file);
    tw__live_free(w->live);
    return TW__EXIT_FAILED;
}

static void follow(struct watching *w)
{
    uint64_t scanned = tw__clock_mono_ns();
    bool busy = false;
    while (!tw__stopped() && tw__live_step(w->live, &busy)) {
        (void)nanosleep(&(struct timespec){.tv_nsec = busy ? BUSY_NS : IDLE_NS}, NULL);
        uint64_t now = tw__clock_mono_ns();
        if (w->args->given & TW__OPT_PID || now - scanned < SCAN_NS) continue;
        scanned = now;
        (void)tw_segments_each(w->args->dir, watch_one, w);
    }
    tw__live_end(w->live, "");
}

/* The answer of the child: an exit code, then why, or reference and file. */
struct answer {
    int code;
    char why[TW_WHY_MAX], ref[TW_LIVE_REF_CAP], file[TW_LIVE_FILE_CAP];
};

static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)setsid();
    for (int fd = 0; null >= 0 && fd < 3; fd++) (void)dup2(null, fd);
    if (null > 2) close(null);
}

static void background(struct watching *w, const struct tw__live_setup *setup, int to)
{
    struct answer answer = {0};
    answer.code = begin(w, setup, answer.why);
    if (answer.code == 0) {
        const struct tw_live_status *status = tw__live_status(w->live);
        memcpy(answer.ref, status->ref, sizeof answer.ref);
        memcpy(answer.file, status->file, sizeof answer.file);
        tw__stop_on_signals(true);
        leave_terminal();
    }
    ssize_t n = write(to, &answer, sizeof answer);
    close(to);
    if (answer.code == 0 && n == (ssize_t)sizeof answer) follow(w);
    _exit(answer.code);
}

static int print_started(const struct tw__args *args, const struct answer *answer)
{
    struct tw__buf out = {0};
    if (args->given & TW__OPT_JSON) {
        struct tw__json json = {.out = &out};
        tw__json_open(&json, NULL, '{');
        tw__json_cstr(&json, "ref", answer->ref);
        tw__json_cstr(&json, "file", answer->file);
        tw__json_close(&json, '}');
        tw__json_line(&json);
    } else {
        tw__buf_fmt(&out, "%s  %s\n", answer->ref, answer->file);
        tw__buf_fmt(&out, "stop it with: trackway trace stop %s\n", answer->ref);
    }
    int code = tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}

static int start(const struct tw__args *args, const struct tw__live_setup *setup)
{
    struct watching w = {.args = args};
    struct answer answer = {0};
    int ends[2];
    if (pipe(ends) != 0) {
        tw__complain("trace: %s", strerror(errno));
        return TW__EXIT_FAILED;
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        (void)fcntl(ends[1], F_SETFD, FD_CLOEXEC);
        background(&w, setup, ends[1]);
    }
    close(ends[1]);
    ssize_t n = child < 0 ? -1 : read(ends[0], &answer, sizeof answer);
    close(ends[0]);
    if (n != (ssize_t)sizeof answer) {
        tw__complain("trace: it could not be started: %s", child < 0 ? strerror(errno) : "the reader has died");
        return TW__EXIT_FAILED;
    }
    if (answer.code) {
        tw__complain("trace: %s", answer.why);
        return answer.code;
    }
    return print_started(args, &answer);
}

static int watch(const struct tw__args *args, struct tw__live_setup *setup)
{
    struct watching w = {.args = args};
    char why[TW_WHY_MAX] = "";
    setup->fd = STDOUT_FILENO;
    setup->color = args->look.colour;
    if (!(args->given & TW__OPT_FOR)) setup->options.time_ns = UINT64_MAX; /* somebody is looking */
    int code = begin(&w, setup, why);
    if (code) {
        tw__complain("trace: %s", why);
        return code;
    }
    tw__stop_on_signals(true);
    follow(&w);
    const struct tw_live_status *status = tw__live_status(w.live);
    if (status->missed)
        tw__complain("missed %llu chunks, overwritten before they were read", (unsigned long long)status->missed);
    tw__live_free(w.live);
    return TW__EXIT_OK;
}

static void add_condition(struct tw__buf *out, const char *key, const char *name)
{
    tw__buf_fmt(out, "%s%s=", out->len ? " " : "", key);
    if (strcmp(name, "*") == 0) {
        tw__buf_char(out, '*');
        return;
    }
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20) out->failed = true;
    tw__buf_char(out, '"');
    tw__filter_escape(out, name, strlen(name), false);
    tw__buf_char(out, '"');
}

/* The filter of module M, function [M] F, pid X, with what --filter adds. */
static bool make_filter(const struct tw__args *args, struct tw__buf *out)
{
    const char *action = args->operands[0], *first = args->operand_count > 1 ? args->operands[1] : NULL;
    const char *second = args->operand_count > 2 ? args->operands[2] : NULL;
    bool digits = first && *first && strspn(first, "0123456789") == strlen(first);
    if (strcmp(action, "module") == 0) {
        add_condition(out, "module", first);
    } else if (strcmp(action, "function") == 0) {
        if (second) add_condition(out, "module", first);
        add_condition(out, "function", second ? second : first);
    } else if (digits) {
        tw__buf_fmt(out, "(pid=%s or tid=%s)", first, first);
    } else {
        add_condition(out, "pid", first);
    }
    if (args->filter) tw__buf_fmt(out, " (%s)", args->filter);
    tw__buf_char(out, '\0');
    return !out->failed && out->len < FILTER_CAP;
}

/* The reader leaves the folder it was started in alone: its file has a whole path. */
static const char *whole_path(const char *path, char *room, size_t cap)
{
    if (!path || path[0] == '/' || !getcwd(room, cap)) return path;
    size_t len = strlen(room);
    if (len + 1 + strlen(path) >= cap) return path;
    room[len] = '/';
    memcpy(room + len + 1, path, strlen(path) + 1);
    return room;
}

static const struct action {
    const char *name;
    size_t least, most; /* words after it */
    const char *words;
    bool filtered; /* what it is about is said by options, not by words */
} actions[] = {{"module", 1, 1, "module M", false}, {"function", 1, 2, "function [M] F", false},
               {"pid", 1, 1, "pid X", false},       {"start", 0, 0, "start", true},
               {"watch", 0, 0, "watch", true},      {"list", 0, 0, "list", false},
               {"stop", 1, 1, "stop REF", false},   {"words", 1, 2, "words KIND", false}};

static const char *action_name(size_t index, const void *data)
{
    (void)data;
    return index < sizeof actions / sizeof actions[0] ? actions[index].name : NULL;
}

static const struct action *find_action(const struct tw__args *args)
{
    size_t given = args->operand_count - 1;
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, args->operands[0]) != 0) continue;
        if (given >= actions[i].least && given <= actions[i].most) return &actions[i];
        tw__complain("trace: usage: trackway trace %s%s", actions[i].words,
                     actions[i].filtered ? " [--filter 'module=M function=F'] [--pid X]" : "");
        return NULL;
    }
    const char *near = tw__suggest(args->operands[0], action_name, NULL);
    tw__complain(near ? "trace: no \"%s\"; did you mean %s?" : "trace: no \"%s\"; trackway trace --help%s",
                 args->operands[0], near ? near : "");
    return NULL;
}

int tw__cmd_trace(const struct tw__args *args)
{
    char path[TW_LIVE_FILE_CAP * 2];
    const struct action *action = find_action(args);
    if (!action) return TW__EXIT_USAGE;
    if (strcmp(action->name, "list") == 0) return tw__trace_list(args);
    if (strcmp(action->name, "stop") == 0) return tw__trace_stop(args, args->operands[1]);
    if (strcmp(action->name, "words") == 0)
        return tw__trace_words(args, args->operands[1], args->operand_count > 2 ? args->operands[2] : NULL);
    struct tw__live_setup setup = {
        .options = {.filter = args->filter,
                    .file = whole_path(args->live_file, path, sizeof path),
                    .format = args->live_format,
                    .level = args->live_level,
                    .time_ns = args->for_ns,
                    .bytes = args->max_bytes,
                    .lines = args->max_lines,
                    .lines_per_second = args->rate_limit},
        .fd = -1,
        .utc = (args->given & TW__OPT_UTC) != 0,
        .stays = strcmp(action->name, "watch") == 0 && !(args->given & TW__OPT_PID),
    };
    struct tw__buf filter = {0};
    int code = TW__EXIT_USAGE;
    if (action->least == 1 && !make_filter(args, &filter)) {
        tw__complain("trace: that name is not one");
    } else {
        if (filter.ptr) setup.options.filter = filter.ptr;
        code = strcmp(action->name, "watch") == 0 ? watch(args, &setup) : start(args, &setup);
    }
    tw__buf_fini(&filter);
    return code;
}
