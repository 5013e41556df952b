/* options: the table of options, and reading a command line by it.
 *
 * --name VALUE and --name=VALUE; operands anywhere; -- ends the options. One letter: -h and -y. An option that another
 * command has, or that is spelt nearly right, is answered with what was probably meant.
 * Rejected: getopt_long (accepts abbreviations, so that adding an option can break a script; prints its own messages;
 * and the help would need a second table).
 */
#include <stdlib.h>
#include <string.h>

#include "cli/where.h"
#include "wire/human.h"

const struct tw__option tw__options[] = {
    {TW__OPT_PID, "pid", "N", "only the process with this id", NULL},
    {TW__OPT_SERVICE, "service", "GLOB", "only processes whose service name matches", NULL},
    {TW__OPT_FILE, "file", "PATH", "read this segment file instead; may be repeated", NULL},
    {TW__OPT_DIR, "dir", "DIR", "look for segments here (default: TRACKWAY_DIR, then the folder of this user)", NULL},
    {TW__OPT_SERVER, "server", "ADDR", "ask the collector at this URL or ADDR:PORT instead (default: TRACKWAY_SERVER)",
     NULL},
    {TW__OPT_TOKEN_FILE, "token-file", "PATH",
     "the collector's token is in it: for reading, of ingest for writing (default: TRACKWAY_TOKEN)", NULL},
    {TW__OPT_NAME, "name", "GLOB", "only requests (spans) whose name matches, as in 'GET *'", NULL},
    {TW__OPT_SPAN_NAME, "name", "NAME", "the span's name (default: the command's)", NULL},
    {TW__OPT_SERVICE_NAME, "service", "NAME", "the service's name (default: run)", NULL},
    {TW__OPT_MIN_DURATION, "min-duration", "TIME", "only those that took at least this long: 200ms, 1.5s", NULL},
    {TW__OPT_STATUS, "status", "STATUS", "only those with this status: error, ok or unset", "error ok unset"},
    {TW__OPT_WHERE, "where", "FILTER",
     "only what the filter matches, as in 'status=error duration>200ms' (docs/filter.md)", NULL},
    {TW__OPT_SINCE, "since", "TIME", "only what ended within this time until now: 5m, 2h", NULL},
    {TW__OPT_DATA, "data", "DIR", "the collector's folder (default: below your data folder; root: /var/lib/trackway)",
     NULL},
    {TW__OPT_LIMIT, "limit", "N", "at most this many rows; 0: all", NULL},
    {TW__OPT_SORT, "sort", "ORDER", "time (default: newest first) or duration (longest first)", "time duration"},
    {TW__OPT_ALL, "all", NULL, "every child, event and tag; fold and shorten nothing", NULL},
    {TW__OPT_BRIEF, "brief", NULL, "the tree, what went wrong and what happened, without tags", NULL},
    {TW__OPT_SPANS, "spans", NULL, "every span, not only roots", NULL},
    {TW__OPT_FOR, "for", "TIME", "end after this time", NULL},
    {TW__OPT_TRACE, "trace", "TRACE", "only the records of this trace", NULL},
    {TW__OPT_LIVE_FILTER, "filter", "TEXT",
     "only what this selects: 'module=cart request>100', '[{module, cart}]'; docs/filter.md", NULL},
    {TW__OPT_LIVE_FILE, "file", "PATH", "append to this file (default: /tmp/<32 hexadecimal digits>.log)", NULL},
    {TW__OPT_LIVE_FORMAT, "format", "TEXT",
     "how a line looks: '{time} {message}', a list of lager, json; docs/filter.md", NULL},
    {TW__OPT_LIVE_LEVEL, "level", "LEVEL", "warning (and above), =info, !=info, <=error, ... (default: debug)", NULL},
    {TW__OPT_MAX_BYTES, "max-bytes", "N", "end with so many bytes (default: 100000000)", NULL},
    {TW__OPT_MAX_LINES, "max-lines", "N", "end with so many lines", NULL},
    {TW__OPT_RATE_LIMIT, "rate", "N", "at most so many lines a second; the rest is counted", NULL},
    {TW__OPT_UTC, "utc", NULL, "times in UTC", NULL},
    {TW__OPT_ALL_DEAD, "all-dead", NULL, "every dead process (the default)", NULL},
    {TW__OPT_YES, "yes", NULL, "do not ask (-y)", NULL},
    {TW__OPT_RATE, "rate", "RATE", "sample this share of the traces that begin from now on: 0 to 1", NULL},
    {TW__OPT_AS_CONFIGURED, "as-configured", NULL, "take back what was asked for", NULL},
    {TW__OPT_FORMAT, "format", "FORMAT", "json (default), pretty, elastic or plain", "json pretty elastic plain"},
    {TW__OPT_LINES_FORMAT, "format", "FORMAT", "what the lines are: records, calls or otlp (default: each line tells)",
     "records calls otlp"},
    {TW__OPT_LEGACY, "legacy", NULL, "the names of nameko-tracer before 1.0.1: lifecycle_stage, return_args", NULL},
    {TW__OPT_ISO, "iso", NULL, "times as 2017-08-10T18:07:12.106972Z", NULL},
    {TW__OPT_LEVEL, "level", "LEVEL", "only those of this level: INFO, or WARNING for errors", "INFO WARNING"},
    {TW__OPT_FOLLOW, "follow", NULL, "print them as they come, until Ctrl-C or --for", NULL},
    {TW__OPT_MAN, "man", NULL, "the manual page trackway(1), as mdoc", NULL},
    {TW__OPT_JSON, "json", NULL, "JSON lines instead of a table", NULL},
    {TW__OPT_COLOR, "color", "WHEN", "auto, always or never (default: TRACKWAY_COLOR, then auto; NO_COLOR: never)",
     "auto always never"},
    {TW__OPT_HELP, "help", NULL, "this text (-h)", NULL},
    {0},
};

static const char *option_name(size_t index, const void *data)
{
    const struct tw__command *command = data;
    for (const struct tw__option *option = tw__options; option->name; option++)
        if (command->options & option->id && index-- == 0) return option->name;
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++)
        if (index-- == 0) return setting->name;
    return NULL;
}

static int unknown_option(const struct tw__command *command, const char *word, size_t len)
{
    char name[40];
    if (len >= sizeof name) len = sizeof name - 1;
    memcpy(name, word, len);
    name[len] = '\0';
    const char *near = tw__suggest(name, option_name, command);
    if (near)
        tw__complain("%s: no option --%s; did you mean --%s?", command->name, name, near);
    else
        tw__complain("%s: no option --%s; trackway %s --help lists them", command->name, name, command->name);
    return TW__EXIT_USAGE;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = choices; *at;) {
        size_t word = strcspn(at, " ");
        if (word == len && memcmp(at, value, len) == 0) return true;
        at += word + (at[word] == ' ');
    }
    return false;
}

/* Decimal digits alone: strtoull would take a sign and spaces. */
static bool read_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (!*text) return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        if (value > (max - (uint64_t)(*text - '0')) / 10) return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

/* Whether value makes sense for the option; if so it is stored. */
static bool store(struct tw__args *args, const struct tw__option *option, const char *value)
{
    uint64_t number = 0;
    if (option->choices && !is_choice(option->choices, value)) return false;
    if (option->id == TW__OPT_PID) {
        if (!read_number(value, INT32_MAX, &number)) return false;
        args->pid = (uint32_t)number;
    } else if (option->id == TW__OPT_LIMIT) {
        return read_number(value, UINT32_MAX, &args->limit);
    } else if (option->id == TW__OPT_MIN_DURATION) {
        return tw__human_parse_duration(value, &args->min_duration_ns) == 0;
    } else if (option->id == TW__OPT_SINCE) {
        return tw__human_parse_duration(value, &args->since_ns) == 0;
    } else if (option->id == TW__OPT_FOR) {
        return tw__human_parse_duration(value, &args->for_ns) == 0;
    } else if (option->id == TW__OPT_FILE) {
        args->files[args->file_count++] = value;
    } else if (option->id == TW__OPT_MAX_BYTES) {
        return read_number(value, INT64_MAX, &args->max_bytes);
    } else if (option->id == TW__OPT_MAX_LINES) {
        return read_number(value, INT64_MAX, &args->max_lines);
    } else if (option->id == TW__OPT_RATE_LIMIT) {
        return read_number(value, INT64_MAX, &args->rate_limit);
    } else if (option->id == TW__OPT_LIVE_FILTER) {
        args->filter = value;
    } else if (option->id == TW__OPT_LIVE_FILE) {
        args->live_file = value;
    } else if (option->id == TW__OPT_LIVE_FORMAT) {
        args->live_format = value;
    } else if (option->id == TW__OPT_LIVE_LEVEL) {
        args->live_level = value;
    } else if (option->id == TW__OPT_DATA) {
        args->data = value;
    } else if (option->id == TW__OPT_SERVER) {
        args->server = value;
        return *value != '\0';
    } else if (option->id == TW__OPT_TOKEN_FILE) {
        args->token_file = value;
    } else if (option->id == TW__OPT_DIR) {
        args->dir = value;
    } else if (option->id == TW__OPT_SERVICE || option->id == TW__OPT_SERVICE_NAME) {
        args->service = value;
    } else if (option->id == TW__OPT_NAME || option->id == TW__OPT_SPAN_NAME) {
        args->name = value;
    } else if (option->id == TW__OPT_TRACE) {
        args->trace = value;
    } else if (option->id == TW__OPT_RATE) {
        args->rate = value;
    } else if (option->id == TW__OPT_SORT) {
        args->sort = value;
    } else if (option->id == TW__OPT_STATUS) {
        args->status = value;
    } else if (option->id == TW__OPT_FORMAT || option->id == TW__OPT_LINES_FORMAT) {
        args->format = value;
    } else if (option->id == TW__OPT_LEVEL) {
        args->level = value;
    } else if (option->id == TW__OPT_COLOR) {
        args->color = value;
    }
    return true;
}

static int refuse_value(const struct tw__command *command, const struct tw__option *option, const char *value)
{
    const char *before = "it takes", *form = option->help;
    if (option->choices) {
        before = "it takes one of";
        form = option->choices;
    } else if (strcmp(option->argument, "TIME") == 0) {
        form = "a time such as 200ms, 10s or 5m";
    } else if (strcmp(option->argument, "N") == 0) {
        form = "a whole number";
    } else {
        before = "it is to";
    }
    tw__complain("%s: --%s \"%s\" is not understood; %s %s", command->name, option->name, value, before, form);
    return TW__EXIT_USAGE;
}

static int needs_value(const struct tw__command *command, const char *name, const char *argument, bool given)
{
    if (argument)
        tw__complain("%s: --%s needs a value: %s", command->name, name, argument);
    else if (given)
        tw__complain("%s: --%s takes no value", command->name, name);
    return TW__EXIT_USAGE;
}

static const struct tw__setting *find_setting(const struct tw__command *command, const char *word, size_t len)
{
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++)
        if (strlen(setting->name) == len && memcmp(setting->name, word, len) == 0) return setting;
    return NULL;
}

static int take_setting(struct tw__args *args, const struct tw__command *command, const struct tw__setting *setting,
                        const char *value)
{
    if (!setting->argument == (value != NULL)) return needs_value(command, setting->name, setting->argument, value);
    args->settings[args->setting_count].name = setting->name;
    args->settings[args->setting_count++].value = value ? value : "yes";
    return 0;
}

static int take_option(struct tw__args *args, const struct tw__command *command, int argc, char **argv, int *at)
{
    const char *word = argv[*at] + 2, *value = strchr(word, '=');
    size_t len = value ? (size_t)(value - word) : strlen(word);
    const struct tw__option *option = tw__options;
    while (option->name &&
           (!(command->options & option->id) || strlen(option->name) != len || memcmp(option->name, word, len) != 0))
        option++;
    const struct tw__setting *setting = option->name ? NULL : find_setting(command, word, len);
    if (setting) {
        value = value ? value + 1 : setting->argument && *at + 1 < argc ? argv[++*at] : NULL;
        return take_setting(args, command, setting, value);
    }
    if (!option->name) return unknown_option(command, word, len);
    if (!option->argument) {
        if (value) return needs_value(command, option->name, NULL, true);
    } else {
        value = value ? value + 1 : *at + 1 < argc ? argv[++*at] : NULL;
        if (!value) return needs_value(command, option->name, option->argument, false);
        if (option->id == TW__OPT_WHERE) {
            if (!tw__where_compile(args, command->name, value)) return TW__EXIT_USAGE;
            args->where_text = value;
        } else if (!store(args, option, value)) {
            return refuse_value(command, option, value);
        }
    }
    args->given |= option->id;
    return 0;
}

static int take_letter(struct tw__args *args, const struct tw__command *command, const char *word)
{
    tw__opts id = strcmp(word, "-h") == 0 ? TW__OPT_HELP : strcmp(word, "-y") == 0 ? TW__OPT_YES : 0;
    if (!(command->options & id)) {
        tw__complain("%s: no option %s; trackway %s --help lists them", command->name, word, command->name);
        return TW__EXIT_USAGE;
    }
    args->given |= id;
    return 0;
}

/* The operand and everything after it belong to another command line. */
static bool takes_the_rest(const struct tw__command *command)
{
    size_t len = command->operand ? strlen(command->operand) : 0;
    return len > 3 && strcmp(command->operand + len - 3, "...") == 0;
}

/* "WHAT [X Y]": how many words there may be, and must be. */
static void count_operands(const char *operand, size_t *least, size_t *most)
{
    bool optional = false;
    *least = *most = 0;
    for (const char *at = operand; at && *at; at += strspn(at, " ")) {
        optional |= *at == '[';
        *least += !optional;
        ++*most;
        at += strcspn(at, " ");
    }
}

static int check_operands(const struct tw__args *args, const struct tw__command *command)
{
    size_t most, least;
    count_operands(command->operand, &least, &most);
    if (takes_the_rest(command)) most = SIZE_MAX;
    if (args->given & TW__OPT_HELP) return 0;
    if (args->operand_count > most) {
        tw__complain("%s: \"%s\" is too much; trackway %s --help", command->name, args->operands[most], command->name);
        return TW__EXIT_USAGE;
    }
    if (args->operand_count < least) {
        tw__complain("%s: which %s? trackway %s --help", command->name, command->operand, command->name);
        return TW__EXIT_USAGE;
    }
    if (args->file_count && args->dir) {
        tw__complain("%s: --file or --dir, not both", command->name);
        return TW__EXIT_USAGE;
    }
    return 0;
}

int tw__args_parse(struct tw__args *args, const struct tw__command *command, int argc, char **argv)
{
    const char *color = getenv("TRACKWAY_COLOR");
    *args = (struct tw__args){.sort = "time", .limit = 20, .color = color ? color : "auto"};
    /* Each word of the command line is at most one of either. */
    args->files = calloc((size_t)argc + 1, sizeof *args->files);
    args->operands = calloc((size_t)argc + 1, sizeof *args->operands);
    args->settings = calloc((size_t)argc + 1, sizeof *args->settings);
    if (!args->files || !args->operands || !args->settings) {
        tw__complain("out of memory");
        return TW__EXIT_FAILED;
    }
    bool options = true;
    for (int i = 0; i < argc; i++) {
        int code = 0;
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && strncmp(argv[i], "--", 2) == 0)
            code = take_option(args, command, argc, argv, &i);
        else if (options && argv[i][0] == '-' && argv[i][1])
            code = take_letter(args, command, argv[i]);
        else
            args->operands[args->operand_count++] = argv[i];
        if (code) return code;
        if (args->operand_count && takes_the_rest(command)) options = false;
    }
    args->look = tw__look_find(args->color);
    if (args->server && (args->file_count || args->dir)) {
        tw__complain("%s: --server, or --file and --dir, not both", command->name);
        return TW__EXIT_USAGE;
    }
    const char *server = getenv("TRACKWAY_SERVER");
    if (command->options & TW__OPT_SERVER && server && *server && !args->server && !args->file_count && !args->dir)
        args->server = server;
    if (args->where && args->where->many && !(args->server && strcmp(command->name, "traces") == 0)) {
        tw__complain("%s: --where: events and links are looked at by a collector: traces --server", command->name);
        return TW__EXIT_USAGE;
    }
    return check_operands(args, command);
}

void tw__args_fini(struct tw__args *args)
{
    free(args->files);
    free(args->operands);
    tw__filter_free(args->where);
    free(args->settings);
    *args = (struct tw__args){0};
}
