/* completion: scripts for bash, zsh and fish, made from the tables.
 *
 * A script holds words, so that pressing TAB stays fast and cannot fail; only where the words are those of what was
 * recorded it asks trackway: for processes, services and the newest requests by --json, whose first member is the id,
 * for live traces by `trackway trace words`. bash gets words alone; the other two show what each means.
 */
#include <string.h>

#include "cli/cli.h"
#include "model/span_fields.h"

/* What may stand first after a command, where that is a choice. */
static const struct {
    const char *command, *words;
} firsts[] = {
    {"trace", "module function pid start watch list stop"},
    {"store", "info check compact export import"},
    {"doctor", "fdb"},
    {"completion", "bash zsh fish"},
};

/* What an option of that argument can be, as a command of a shell that prints one a line. */
static const struct {
    const char *option, *argument, *print;
} recorded[] = {
    {"pid", "N", "command trackway ps --json 2>/dev/null | sed -n 's/^{\"pid\":\\([0-9]*\\).*/\\1/p'"},
    {"service", "GLOB",
     "command trackway ps --json 2>/dev/null | sed -n 's/.*,\"service\":\"\\([A-Za-z0-9_.-]*\\)\".*/\\1/p' | sort -u"},
    {"trace", "TRACE",
     "command trackway traces --json 2>/dev/null | sed -n 's/^{\"trace_id\":\"\\([0-9a-f]*\\).*/\\1/p'"},
};

static bool is_recorded(const char *option, const char *argument)
{
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
        if (strcmp(recorded[i].option, option) == 0) return strcmp(recorded[i].argument, argument) == 0;
    return false;
}

/* A function _trackway_OPTION for each. */
static void add_recorded(struct tw__buf *out, const char *before, const char *behind, const char *end)
{
    for (size_t i = 0; i < sizeof recorded / sizeof *recorded; i++)
        tw__buf_fmt(out, "%s_trackway_%s%s\n    %s\n%s\n", before, recorded[i].option, behind, recorded[i].print, end);
}

static const char *first_words(const struct tw__command *command)
{
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        if (strcmp(firsts[i].command, command->name) == 0) return firsts[i].words;
    return NULL;
}

static bool is_path(const char *argument)
{
    return strcmp(argument, "PATH") == 0 || strcmp(argument, "FILE") == 0 || strcmp(argument, "DIR") == 0;
}

static bool takes_path(const struct tw__command *command)
{
    return command->operand && is_path(command->operand);
}

/* What stands behind an option: one of some words, a path, something recorded, or what only the user knows. */
static void bash_value(struct tw__buf *out, const char *name, const char *argument, const char *choices)
{
    if (choices)
        tw__buf_fmt(out, "                --%s) words=\"%s\" paths=\"\" ;;\n", name, choices);
    else if (argument && is_path(argument))
        tw__buf_fmt(out, "                --%s) paths=%s ;;\n", name, strcmp(argument, "DIR") == 0 ? "-d" : "-f");
    else if (argument && is_recorded(name, argument))
        tw__buf_fmt(out, "                --%s) words=$(_trackway_%s) paths=\"\" ;;\n", name, name);
    else if (argument)
        tw__buf_fmt(out, "                --%s) words=\"\" paths=\"\" ;;\n", name);
}

static void bash_command(struct tw__buf *out, const struct tw__command *command)
{
    tw__buf_fmt(out, "        %s)\n            words=\"", command->name);
    for (const struct tw__option *option = tw__options; option->name; option++)
        if (command->options & option->id) tw__buf_fmt(out, "--%s ", option->name);
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++)
        tw__buf_fmt(out, "--%s ", setting->name);
    if (first_words(command)) tw__buf_cstr(out, first_words(command));
    if (strcmp(command->name, "help") == 0) tw__buf_cstr(out, "$commands");
    tw__buf_fmt(out, "\"%s\n            case \"$before\" in\n", takes_path(command) ? " paths=-f" : "");
    for (const struct tw__option *option = tw__options; option->name; option++)
        if (command->options & option->id) bash_value(out, option->name, option->argument, option->choices);
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++)
        bash_value(out, setting->name, setting->argument, NULL);
    tw__buf_cstr(out, "            esac ;;\n");
}

static void bash_script(struct tw__buf *out)
{
    tw__buf_cstr(out, "# Completion of trackway for bash. Made by: trackway completion bash\n");
    add_recorded(out, "", "() {", "}");
    tw__buf_cstr(out, "_trackway() {\n    local commands=\"");
    for (const struct tw__command *command = tw__commands; command->name; command++)
        tw__buf_fmt(out, "%s%s", command == tw__commands ? "" : " ", command->name);
    tw__buf_cstr(out, "\"\n"
                      "    local words=\"\" paths=\"\" current=\"${COMP_WORDS[COMP_CWORD]}\" "
                      "before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                      "    COMPREPLY=()\n"
                      "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                      "        mapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- \"$current\")\n"
                      "        return\n"
                      "    fi\n"
                      "    case \"${COMP_WORDS[1]}\" in\n");
    for (const struct tw__command *command = tw__commands; command->name; command++) bash_command(out, command);
    /* Names of fields to begin a filter with; what comes behind them no list can hold. */
    tw__buf_cstr(out, "    esac\n    [ \"$before\" != --where ] || words=\"");
    for (size_t i = 0; tw__span_field_name(i); i++) tw__buf_fmt(out, "%s%s", i ? " " : "", tw__span_field_name(i));
    tw__buf_cstr(
        out, "\"\n"
             "    case \"$COMP_CWORD ${COMP_WORDS[1]} ${COMP_WORDS[2]} ${current:0:1}\" in\n"
             "        *\\ -) ;;\n"
             "        2\\ show\\ *) words=$(_trackway_trace) ;;\n"
             "        3\\ trace\\ module\\ *) words=$(trackway trace words modules 2>/dev/null) ;;\n"
             "        3\\ trace\\ function\\ *) words=\"$(trackway trace words modules 2>/dev/null) $(trackway trace "
             "words functions 2>/dev/null)\" ;;\n"
             "        4\\ trace\\ function\\ *) words=$(trackway trace words functions \"$before\" 2>/dev/null) ;;\n"
             "        3\\ trace\\ pid\\ *|2\\ sample\\ *) words=$(trackway trace words pids 2>/dev/null) ;;\n"
             "        3\\ trace\\ stop\\ *) words=$(trackway trace words refs 2>/dev/null) ;;\n"
             "        3\\ store\\ export\\ *|3\\ store\\ import\\ *) paths=-f ;;\n"
             "    esac\n"
             "    if [ -n \"$paths\" ] && [ \"${current#-}\" = \"$current\" ]; then\n"
             "        compopt -o filenames 2>/dev/null\n"
             "        mapfile -t COMPREPLY < <(compgen \"$paths\" -- \"$current\")\n"
             "    else\n"
             "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
             "    fi\n"
             "}\n"
             "complete -F _trackway trackway\n");
}

/* text inside single quotes of zsh or fish; escaped: bytes that get a backslash there. */
static void add_quoted(struct tw__buf *out, const char *text, const char *escaped, const char *quote)
{
    for (; *text; text++) {
        if (*text == '\'') {
            tw__buf_cstr(out, quote);
            continue;
        }
        if (strchr(escaped, *text)) tw__buf_char(out, '\\');
        tw__buf_char(out, *text);
    }
}

/* '--name[help]:ARGUMENT:(choices)' of _arguments. */
static void zsh_option(struct tw__buf *out, const char *name, const char *argument, const char *help,
                       const char *choices)
{
    tw__buf_fmt(out, "            '*--%s%s[", name, argument ? "=" : "");
    add_quoted(out, help, "[]\\:", "'\\''");
    tw__buf_char(out, ']');
    if (argument) {
        tw__buf_char(out, ':');
        add_quoted(out, argument, "\\:", "'\\''");
        tw__buf_char(out, ':');
        if (choices)
            tw__buf_fmt(out, "(%s)", choices);
        else if (is_path(argument))
            tw__buf_cstr(out, strcmp(argument, "DIR") == 0 ? "_files -/" : "_files");
        else if (is_recorded(name, argument))
            tw__buf_fmt(out, "{compadd -- ${(f)\"$(_trackway_%s)\"}}", name);
    }
    tw__buf_cstr(out, "'\n");
}

static void zsh_command(struct tw__buf *out, const struct tw__command *command)
{
    tw__buf_fmt(out, "        (%s) options=(\n", command->name);
    for (const struct tw__option *option = tw__options; option->name; option++)
        if (command->options & option->id)
            zsh_option(out, option->name, option->argument, option->help, option->choices);
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++)
        zsh_option(out, setting->name, setting->argument, setting->help, NULL);
    tw__buf_cstr(out, "        ) ;;\n");
}

static void zsh_script(struct tw__buf *out)
{
    tw__buf_cstr(out, "#compdef trackway\n# Completion of trackway for zsh. Made by: trackway completion "
                      "zsh\n\n");
    add_recorded(out, "", "() {", "}\n");
    tw__buf_cstr(out, "_trackway_commands() {\n    local -a commands=(\n");
    for (const struct tw__command *command = tw__commands; command->name; command++) {
        tw__buf_fmt(out, "        '%s:", command->name);
        add_quoted(out, command->summary, "\\:", "'\\''");
        tw__buf_cstr(out, "'\n");
    }
    tw__buf_cstr(out, "    )\n    _describe -t commands command commands\n}\n\n"
                      "# What stands before the word decides: words[1] is the command.\n"
                      "_trackway_operand() {\n"
                      "    local -a values\n"
                      "    case \"$words[1] $CURRENT $words[2]\" in\n");
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        tw__buf_fmt(out, "        (\"%s 2 \"*) values=(%s) ;;\n", firsts[i].command, firsts[i].words);
    for (const struct tw__command *command = tw__commands; command->name; command++)
        if (takes_path(command)) tw__buf_fmt(out, "        (\"%s 2 \"*) _files; return ;;\n", command->name);
    tw__buf_cstr(
        out,
        "        (\"help 2 \"*) _trackway_commands; return ;;\n"
        "        (\"show 2 \"*) values=(${(f)\"$(_trackway_trace)\"}) ;;\n"
        "        (\"store 3 \"(export|import)) _files; return ;;\n"
        "        (\"run \"*) _normal; return ;;\n"
        "        (\"sample 2 \"*|\"trace 3 pid\") values=(${(f)\"$(trackway trace words pids 2>/dev/null)\"}) ;;\n"
        "        (\"trace 3 module\"|\"trace 3 function\") values=(${(f)\"$(trackway trace words modules "
        "2>/dev/null)\"}) ;;\n"
        "        (\"trace 4 function\") values=(${(f)\"$(trackway trace words functions $words[3] 2>/dev/null)\"}) ;;\n"
        "        (\"trace 3 stop\") values=(${(f)\"$(trackway trace words refs 2>/dev/null)\"}) ;;\n"
        "    esac\n"
        "    compadd -a values\n"
        "}\n\n"
        "_trackway() {\n"
        "    if (( CURRENT == 2 )); then\n        _trackway_commands\n        return\n    fi\n"
        "    local -a options\n    case $words[2] in\n");
    for (const struct tw__command *command = tw__commands; command->name; command++) zsh_command(out, command);
    tw__buf_cstr(out,
                 "    esac\n"
                 "    shift words\n    (( CURRENT-- ))\n"
                 "    _arguments -S : $options '*:operand:_trackway_operand'\n"
                 "}\n\n"
                 "# Autoloaded, it is called; read by source, it is registered.\n"
                 "if [[ $funcstack[1] == _trackway ]]; then _trackway \"$@\"; else compdef _trackway trackway; fi\n");
}

static void fish_option(struct tw__buf *out, const char *command, const char *name, const char *argument,
                        const char *help, const char *choices)
{
    tw__buf_fmt(out, "complete -c trackway -n '__fish_seen_subcommand_from %s' -l %s", command, name);
    if (argument) tw__buf_cstr(out, is_path(argument) ? " -r -F" : " -x");
    if (choices) tw__buf_fmt(out, " -a '%s'", choices);
    if (argument && is_recorded(name, argument)) tw__buf_fmt(out, " -a '(_trackway_%s)'", name);
    tw__buf_cstr(out, " -d '");
    add_quoted(out, help, "\\", "\\'");
    tw__buf_cstr(out, "'\n");
}

static void fish_script(struct tw__buf *out)
{
    tw__buf_cstr(out, "# Completion of trackway for fish. Made by: trackway completion fish\n");
    add_recorded(out, "function ", "", "end");
    tw__buf_cstr(out, "complete -c trackway -f\n");
    for (const struct tw__command *command = tw__commands; command->name; command++) {
        tw__buf_fmt(out, "complete -c trackway -n __fish_use_subcommand -a %s -d '", command->name);
        add_quoted(out, command->summary, "\\", "\\'");
        tw__buf_cstr(out, "'\n");
    }
    for (const struct tw__command *command = tw__commands; command->name; command++) {
        for (const struct tw__option *option = tw__options; option->name; option++)
            if (command->options & option->id)
                fish_option(out, command->name, option->name, option->argument, option->help, option->choices);
        for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++)
            fish_option(out, command->name, setting->name, setting->argument, setting->help, NULL);
    }
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++)
        tw__buf_fmt(out, "complete -c trackway -n '__fish_prev_arg_in %s' -a '%s'\n", firsts[i].command,
                    firsts[i].words);
    for (const struct tw__command *command = tw__commands; command->name; command++)
        if (takes_path(command))
            tw__buf_fmt(out, "complete -c trackway -n '__fish_seen_subcommand_from %s' -F\n", command->name);
    tw__buf_cstr(
        out,
        "complete -c trackway -n '__fish_seen_subcommand_from show' -a '(_trackway_trace)'\n"
        "complete -c trackway -n '__fish_prev_arg_in sample pid' -a '(trackway trace words pids 2>/dev/null)'\n"
        "complete -c trackway -n '__fish_prev_arg_in module function' -a '(trackway trace words modules 2>/dev/null)'\n"
        "complete -c trackway -n '__fish_prev_arg_in stop' -a '(trackway trace words refs 2>/dev/null)'\n"
        "complete -c trackway -n '__fish_prev_arg_in export import' -F\n"
        "complete -c trackway -n '__fish_seen_subcommand_from run' -x -a '(__fish_complete_subcommand)'\n"
        "complete -c trackway -n '__fish_prev_arg_in help' -a '");
    for (const struct tw__command *command = tw__commands; command->name; command++)
        tw__buf_fmt(out, "%s%s", command == tw__commands ? "" : " ", command->name);
    tw__buf_cstr(out, "'\n");
}

int tw__cmd_completion(const struct tw__args *args)
{
    static const struct {
        const char *name;
        void (*write)(struct tw__buf *out);
    } shells[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(args->operands[0], shells[i].name) != 0) continue;
        struct tw__buf out = {0};
        shells[i].write(&out);
        int code = tw__out_write(&out);
        tw__buf_fini(&out);
        return code;
    }
    tw__complain("completion: \"%s\" is not known; there are bash, zsh and fish", args->operands[0]);
    return TW__EXIT_USAGE;
}
