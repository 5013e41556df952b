/* man: the manual page trackway(1), made from the tables that feed help and completion.
 *
 * mdoc, which both man-db and mandoc read. One page for all commands, as people search a page and not a set of them.
 * What only prose can tell stays in docs/, which the page names. Texts go through add_text and add_line, so that no
 * byte of a table can be taken for a request of roff.
 */
#include <string.h>

#include "cli/cli.h"

static const struct {
    const char *name, *meaning;
} variables[] = {
    {"TRACKWAY_DIR", "folder of segments, as --dir"},
    {"TRACKWAY_SERVER", "a collector to ask, as --server"},
    {"TRACKWAY_TOKEN", "the collector's token, where --token-file is not given"},
    {"TRACKWAY_COLOR", "auto, always or never, as --color"},
    {"NO_COLOR", "set to anything: no colour unless it is asked for"},
    {"COLUMNS", "width of tables and waterfalls"},
    {"SSL_CERT_FILE", "authorities to trust when --server is https"},
    {"TRACKWAY_SERVE_NAME", "each setting of serve: --otlp-http is TRACKWAY_SERVE_OTLP_HTTP"},
    {"TRACKWAY_KEEP", "of a program that records: on keeps its recording when it ends by itself"},
    {"TRACKWAY_DIAGNOSTICS", "of a program: a file, such as /dev/stderr, that is told why nothing is recorded; "
                             "docs/configuration.md has all that a program heeds"},
};

static const struct {
    const char *path, *meaning;
} files[] = {
    {"/dev/shm/trackway-UID/PID.SALT.segment", "what a process records; it outlives the process"},
    {"/var/lib/trackway",
     "what the collector keeps when it runs as root; of other users it lies below their data folder"},
    {"PREFIX/share/doc/trackway/docs", "what is named docs/ here and in help texts"},
};

/* Text inside of a line, where only the backslash means something, and a minus that is to be copied has to be said
 * so. */
static void add_text(struct tw__buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\')
            tw__buf_cstr(out, "\\e");
        else if (*text == '-')
            tw__buf_cstr(out, "\\-");
        else
            tw__buf_char(out, *text);
    }
}

/* A line of text: its first byte may be no request. */
static void add_line(struct tw__buf *out, const char *text)
{
    if (*text == '.' || *text == '\'') tw__buf_cstr(out, "\\&");
    add_text(out, text);
    tw__buf_char(out, '\n');
}

/* Sentences on lines of their own, as roff wants them. */
static void add_sentences(struct tw__buf *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, ". ");
        size_t len = end ? (size_t)(end - text) + 1 : strlen(text);
        char line[1024];
        if (len >= sizeof line) len = sizeof line - 1;
        memcpy(line, text, len);
        line[len] = '\0';
        add_line(out, line);
        text += len + (text[len] == ' ');
    }
}

static void add_option(struct tw__buf *out, const char *name, const char *argument, const char *help,
                       const char *fallback)
{
    tw__buf_cstr(out, ".It Fl \\-");
    add_text(out, name);
    if (argument) tw__buf_cstr(out, " Ar ");
    if (argument) add_text(out, argument);
    tw__buf_char(out, '\n');
    add_sentences(out, help);
    if (fallback && *fallback) {
        tw__buf_cstr(out, "(default: ");
        add_text(out, fallback);
        tw__buf_cstr(out, ")\n");
    }
}

static void add_command(struct tw__buf *out, const struct tw__command *command)
{
    tw__buf_fmt(out, ".Ss %s", command->name);
    if (command->operand) tw__buf_char(out, ' ');
    if (command->operand) add_text(out, command->operand);
    tw__buf_char(out, '\n');
    add_sentences(out, command->description);
    tw__buf_cstr(out, ".Bl -tag -width 8n\n");
    for (const struct tw__option *option = tw__options; option->name; option++)
        if (command->options & option->id) add_option(out, option->name, option->argument, option->help, NULL);
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++)
        add_option(out, setting->name, setting->argument, setting->help, setting->fallback);
    tw__buf_cstr(out, ".El\n.Pp\nExamples:\n.Bd -literal -offset indent\n");
    char line[256];
    for (const char *at = command->examples; *at;) {
        size_t len = strcspn(at, "\n"), kept = len < sizeof line ? len : sizeof line - 1;
        memcpy(line, at, kept);
        line[kept] = '\0';
        add_line(out, line);
        at += len + (at[len] == '\n');
    }
    tw__buf_cstr(out, ".Ed\n");
}

void tw__man_page(struct tw__buf *out)
{
    tw__buf_cstr(out,
                 ".\\\" Made by: trackway help --man\n"
                 ".Dd $Mdocdate$\n.Dt TRACKWAY 1\n.Os\n.Sh NAME\n.Nm trackway\n"
                 ".Nd see the requests of every process of this machine, alive or dead\n"
                 ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar operands\n.Op Ar options\n"
                 ".Sh DESCRIPTION\n"
                 "Programs that link libtrackway record every request into shared memory that outlives them.\n.Nm\n"
                 "reads it from outside, without stopping or slowing them, and collects the spans of other tracers.\n");
    const char *group = NULL;
    for (const struct tw__command *command = tw__commands; command->name; command++) {
        if (command->group != group)
            tw__buf_fmt(out, "%s.Pp\n%s:\n.Pp\n.Bl -tag -width 12n -compact\n", group ? ".El\n" : "", command->group);
        group = command->group;
        tw__buf_fmt(out, ".It Cm %s\n", command->name);
        add_line(out, command->summary);
    }
    tw__buf_cstr(out, ".El\n.Sh COMMANDS\n");
    for (const struct tw__command *command = tw__commands; command->name; command++) add_command(out, command);
    tw__buf_cstr(out, ".Sh ENVIRONMENT\n.Bl -tag -width 8n\n");
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
        tw__buf_fmt(out, ".It Ev %s\n", variables[i].name);
        add_line(out, variables[i].meaning);
    }
    tw__buf_cstr(out, ".El\n.Sh FILES\n.Bl -tag -width 8n\n");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tw__buf_fmt(out, ".It Pa %s\n", files[i].path);
        add_line(out, files[i].meaning);
    }
    tw__buf_cstr(out, ".El\n.Sh EXIT STATUS\n"
                      "0 done; 1 not found or failed, also in part; 2 not understood.\n"
                      "With\n.Cm run\nthat of the command.\n");
}
