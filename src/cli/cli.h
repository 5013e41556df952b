/* cli: what the parts of the command share. For src/cli alone.
 *
 * A command is a row of tw__commands (main.c) and a file cmd_NAME.c; an option is a row of tw__options (options.c).
 * Parsing, help and completion read the rows, so that a new command or option is added in one place. */
#ifndef TW_CLI_CLI_H
#define TW_CLI_CLI_H

#include <trackway/read.h>

#include "base/buf.h"
#include "serve/settings.h"
#include "wire/term.h"

enum { TW__EXIT_OK = 0, TW__EXIT_FAILED = 1, TW__EXIT_USAGE = 2 };

#define TW__VERSION "0.1.0"

/* Sets of options: one bit each. */
typedef uint64_t tw__opts;
#define TW__OPT(bit)         (UINT64_C(1) << (bit))
#define TW__OPT_JSON         TW__OPT(0)
#define TW__OPT_PID          TW__OPT(1)
#define TW__OPT_FILE         TW__OPT(2)
#define TW__OPT_DIR          TW__OPT(3)
#define TW__OPT_SERVICE      TW__OPT(4)
#define TW__OPT_COLOR        TW__OPT(5)
#define TW__OPT_HELP         TW__OPT(6)
#define TW__OPT_NAME         TW__OPT(7)
#define TW__OPT_MIN_DURATION TW__OPT(8)
#define TW__OPT_STATUS       TW__OPT(9)
#define TW__OPT_SINCE        TW__OPT(10)
#define TW__OPT_LIMIT        TW__OPT(11)
#define TW__OPT_SORT         TW__OPT(12)
#define TW__OPT_ALL          TW__OPT(13)
#define TW__OPT_SPANS        TW__OPT(14)
#define TW__OPT_FOR          TW__OPT(15)
#define TW__OPT_TRACE        TW__OPT(16)
#define TW__OPT_YES          TW__OPT(17)
#define TW__OPT_ALL_DEAD     TW__OPT(18)
#define TW__OPT_SPAN_NAME    TW__OPT(19)
#define TW__OPT_SERVICE_NAME TW__OPT(20)
#define TW__OPT_DATA         TW__OPT(21)
#define TW__OPT_LINES_FORMAT TW__OPT(22)
#define TW__OPT_BRIEF        TW__OPT(23)
#define TW__OPT_RATE          TW__OPT(40)
#define TW__OPT_AS_CONFIGURED TW__OPT(41)
#define TW__OPT_WHERE         TW__OPT(42)
#define TW__OPT_SERVER        TW__OPT(44)
#define TW__OPT_TOKEN_FILE    TW__OPT(45)
#define TW__OPTS_SERVER       (TW__OPT_SERVER | TW__OPT_TOKEN_FILE) /* a collector instead of segments */
#define TW__OPT_LIVE_FILTER  TW__OPT(24)
#define TW__OPT_LIVE_FILE    TW__OPT(25)
#define TW__OPT_LIVE_FORMAT  TW__OPT(26)
#define TW__OPT_LIVE_LEVEL   TW__OPT(27)
#define TW__OPT_MAX_BYTES    TW__OPT(28)
#define TW__OPT_MAX_LINES    TW__OPT(29)
#define TW__OPT_RATE_LIMIT   TW__OPT(30)
#define TW__OPT_UTC          TW__OPT(31)
#define TW__OPTS_LIVE                                                                                                  \
    (TW__OPT_LIVE_FILTER | TW__OPT_LIVE_FILE | TW__OPT_LIVE_FORMAT | TW__OPT_LIVE_LEVEL | TW__OPT_MAX_BYTES |          \
     TW__OPT_MAX_LINES | TW__OPT_RATE_LIMIT | TW__OPT_UTC | TW__OPT_FOR | TW__OPT_PID | TW__OPT_SERVICE |              \
     TW__OPT_DIR | TW__OPT_JSON | TW__OPT_COLOR | TW__OPT_HELP)
#define TW__OPT_SETTINGS     TW__OPT(63) /* also what tw__settings_table has */
#define TW__OPT_FORMAT       TW__OPT(48)
#define TW__OPT_LEGACY       TW__OPT(49)
#define TW__OPT_ISO          TW__OPT(50)
#define TW__OPT_FOLLOW       TW__OPT(51)
#define TW__OPT_LEVEL        TW__OPT(52)
#define TW__OPT_MAN          TW__OPT(56)
/* What every command that looks at segments takes. */
#define TW__OPTS_SOURCE                                                                                                \
    (TW__OPT_JSON | TW__OPT_PID | TW__OPT_FILE | TW__OPT_DIR | TW__OPT_SERVICE | TW__OPT_COLOR | TW__OPT_HELP)
#define TW__OPTS_FILTER (TW__OPT_NAME | TW__OPT_MIN_DURATION | TW__OPT_STATUS)

struct tw__filter;

struct tw__option {
    tw__opts id;
    const char *name;
    const char *argument; /* NULL: takes none */
    const char *help;
    const char *choices; /* separated by spaces: for checking and completion; NULL: anything */
};

/* The command line, read. Texts belong to argv. */
struct tw__args {
    tw__opts given;
    const char **files;
    size_t file_count;
    const char *server, *token_file; /* a collector to ask; NULL: segments */
    const char *where_text;          /* of where, as given */
    const char *data; /* a collector's folder */
    const char *dir, *service, *name, *trace, *sort, *status, *rate, *format, *level;
    uint32_t pid;
    uint64_t min_duration_ns, since_ns, for_ns, limit;
    const char *filter, *live_file, *live_format, *live_level; /* of a live trace */
    uint64_t max_bytes, max_lines, rate_limit;
    const char *color;
    struct tw__filter *where; /* --where, compiled with tw__span_schema; NULL: everything passes */
    const char **operands;
    size_t operand_count;
    struct {
        const char *name, *value;
    } *settings; /* of a command that has them: as given */
    size_t setting_count;
    struct tw__look look;
};

struct tw__command {
    const char *group;       /* the heading that it is listed under */
    const char *name;
    const char *operand;     /* "TRACE"; "WHAT [X Y]"; "COMMAND..." everything from the first on; NULL: none */
    const char *summary;     /* one line */
    const char *description; /* a paragraph */
    const char *examples;    /* lines */
    tw__opts options;
    int (*run)(const struct tw__args *args);
};

/* Its options of that other table, to a zero name. */
static inline const struct tw__setting *tw__command_settings(const struct tw__command *command)
{
    static const struct tw__setting none = {0};
    return command->options & TW__OPT_SETTINGS ? tw__settings_table : &none;
}

extern const struct tw__command tw__commands[]; /* ends with a zero name */
extern const struct tw__option tw__options[];   /* the same */

const struct tw__command *tw__command_find(const char *name);

/* Reads argv (after the command's name). Returns 0 or TW__EXIT_USAGE with the message printed. Free with args_fini. */
int tw__args_parse(struct tw__args *args, const struct tw__command *command, int argc, char **argv);
void tw__args_fini(struct tw__args *args);

/* What stdout can do, by terminal, locale and environment. color: auto, always, never. */
struct tw__look tw__look_find(const char *color);

/* Prints "trackway: ..." on stderr, harmless to the terminal. */
void tw__complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The nearest of the names that next hands out, when it is near enough to have been meant; else NULL. */
const char *tw__suggest(const char *word, const char *(*next)(size_t index, const void *data), const void *data);

void tw__help_all(struct tw__buf *out);
void tw__help_command(const struct tw__command *command, struct tw__buf *out);
void tw__man_page(struct tw__buf *out); /* trackway(1), as mdoc */

/* Writes everything in buf to stdout and empties it. A closed pipe ends the program quietly with 0: whoever read has
 * seen enough. Returns TW__EXIT_OK, or TW__EXIT_FAILED with the message printed. */
int tw__out_write(struct tw__buf *buf);
/* The same when more than 64 KB are waiting. */
int tw__out_write_some(struct tw__buf *buf);

/* From then on SIGINT, SIGTERM, and SIGHUP if asked for, end no process: tw__stopped tells that one came. */
void tw__stop_on_signals(bool hangup);
bool tw__stopped(void);

int tw__cmd_ps(const struct tw__args *args);
int tw__cmd_traces(const struct tw__args *args);
int tw__cmd_show(const struct tw__args *args);
int tw__cmd_open(const struct tw__args *args);
int tw__cmd_tail(const struct tw__args *args);
int tw__cmd_calls(const struct tw__args *args);
int tw__cmd_dump(const struct tw__args *args);
int tw__cmd_stats(const struct tw__args *args);
int tw__cmd_sample(const struct tw__args *args);
int tw__cmd_clean(const struct tw__args *args);
int tw__cmd_run(const struct tw__args *args);
int tw__cmd_serve(const struct tw__args *args);
int tw__cmd_trace(const struct tw__args *args);
int tw__cmd_doctor(const struct tw__args *args);
int tw__cmd_store(const struct tw__args *args);
int tw__cmd_ingest(const struct tw__args *args);
int tw__cmd_help(const struct tw__args *args);
int tw__cmd_version(const struct tw__args *args);
int tw__cmd_completion(const struct tw__args *args);

#endif
