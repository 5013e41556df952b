/* help: texts made from the tables, and what a mistyped word was meant to be.
 *
 * The same rows feed parsing, help, completion and docs/commands.md, so that they cannot tell different stories.
 */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

enum { TEXT_WIDTH = 80 };

const struct tw__command *tw__command_find(const char *name)
{
    for (const struct tw__command *command = tw__commands; command->name; command++)
        if (strcmp(command->name, name) == 0) return command;
    return NULL;
}

/* Edit distance with swaps of neighbours, for short words; beyond 31 letters nobody mistyped a name of ours. */
static size_t distance(const char *a, const char *b)
{
    enum { MAX = 32 };
    size_t la = strlen(a), lb = strlen(b);
    uint8_t d[MAX][MAX];
    if (la >= MAX || lb >= MAX) return MAX;
    for (size_t i = 0; i <= la; i++) d[i][0] = (uint8_t)i;
    for (size_t j = 0; j <= lb; j++) d[0][j] = (uint8_t)j;
    for (size_t i = 1; i <= la; i++) {
        for (size_t j = 1; j <= lb; j++) {
            int best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = (uint8_t)best;
        }
    }
    return d[la][lb];
}

const char *tw__suggest(const char *word, const char *(*next)(size_t index, const void *data), const void *data)
{
    const char *best = NULL, *name;
    size_t best_distance = 3, len = strlen(word);
    for (size_t i = 0; (name = next(i, data)); i++) {
        size_t steps = len >= 3 && strncmp(name, word, len) == 0 ? 1 : distance(word, name);
        if (steps >= best_distance || steps >= strlen(name)) continue;
        best = name;
        best_distance = steps;
    }
    return best;
}

/* Words of text, broken at TEXT_WIDTH, after the first line indented by indent. column: where the first line stands. */
static void wrap(struct tw__buf *out, const char *text, size_t column, size_t indent)
{
    size_t begin = column;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > begin && column + 1 + word > TEXT_WIDTH) {
            tw__buf_char(out, '\n');
            tw__buf_fill(out, ' ', indent);
            column = begin = indent;
        } else if (column > begin) {
            tw__buf_char(out, ' ');
            column++;
        }
        tw__buf_add(out, text, word);
        column += word;
        text += word + (text[word] == ' ');
    }
    tw__buf_char(out, '\n');
}

void tw__help_all(struct tw__buf *out)
{
    size_t widest = 0;
    for (const struct tw__command *command = tw__commands; command->name; command++) {
        size_t width = strlen(command->name) + (command->operand ? 1 + strlen(command->operand) : 0);
        if (width > widest) widest = width;
    }
    tw__buf_cstr(out, "trackway: see the requests of every process of this machine, alive or dead\n");
    const char *group = NULL;
    for (const struct tw__command *command = tw__commands; command->name; command++) {
        if (command->group != group) tw__buf_fmt(out, "\n%s:\n", command->group);
        group = command->group;
        size_t from = out->len;
        tw__buf_fmt(out, "  %s%s%s", command->name, command->operand ? " " : "",
                    command->operand ? command->operand : "");
        tw__buf_fill(out, ' ', widest + 5 - (out->len - from));
        tw__buf_fmt(out, "%s\n", command->summary);
    }
    tw__buf_cstr(out, "\ntrackway COMMAND --help tells options and examples.\n");
}

void tw__help_command(const struct tw__command *command, struct tw__buf *out)
{
    const char *operand = command->operand ? command->operand : "", *gap = command->operand ? " " : "";
    const char *options = command->options & ~TW__OPT_HELP ? " [OPTIONS]" : "";
    if (strstr(operand, "...")) /* what follows the first word is not ours */
        tw__buf_fmt(out, "trackway %s%s%s%s: %s\n\n", command->name, options, gap, operand, command->summary);
    else
        tw__buf_fmt(out, "trackway %s%s%s%s: %s\n\n", command->name, gap, operand, options, command->summary);
    wrap(out, command->description, 0, 0);
    tw__buf_cstr(out, "\nOptions:\n");
    for (const struct tw__option *option = tw__options; option->name; option++) {
        if (!(command->options & option->id)) continue;
        size_t from = out->len;
        tw__buf_fmt(out, "  --%s%s%s", option->name, option->argument ? " " : "",
                    option->argument ? option->argument : "");
        size_t used = out->len - from;
        tw__buf_fill(out, ' ', used < 24 ? 24 - used : 1);
        wrap(out, option->help, used < 24 ? 24 : used + 1, 24);
    }
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++) {
        size_t from = out->len;
        tw__buf_fmt(out, "  --%s%s%s", setting->name, setting->argument ? " " : "",
                    setting->argument ? setting->argument : "");
        size_t used = out->len - from;
        char help[512];
        if (setting->fallback && *setting->fallback)
            (void)snprintf(help, sizeof help, "%s (default: %s)", setting->help, setting->fallback);
        else
            (void)snprintf(help, sizeof help, "%s", setting->help);
        tw__buf_fill(out, ' ', used < 30 ? 30 - used : 1);
        wrap(out, help, used < 30 ? 30 : used + 1, 30);
    }
    tw__buf_cstr(out, "\nExamples:\n");
    for (const char *line = command->examples; *line;) {
        size_t len = strcspn(line, "\n");
        tw__buf_cstr(out, "  ");
        tw__buf_add(out, line, len);
        tw__buf_char(out, '\n');
        line += len + (line[len] == '\n');
    }
    tw__buf_cstr(out, "\nExit codes: 0 done; 1 not found or failed, also in part; 2 not understood.\n");
}

int tw__cmd_help(const struct tw__args *args)
{
    struct tw__buf out = {0};
    int code = TW__EXIT_OK;
    const struct tw__command *command = args->operand_count ? tw__command_find(args->operands[0]) : NULL;
    if (args->given & TW__OPT_MAN) {
        tw__man_page(&out);
    } else if (command) {
        tw__help_command(command, &out);
    } else if (args->operand_count) {
        tw__complain("no command \"%s\"; trackway help lists them", args->operands[0]);
        code = TW__EXIT_USAGE;
    } else {
        tw__help_all(&out);
    }
    if (code == TW__EXIT_OK) code = tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}

int tw__cmd_version(const struct tw__args *args)
{
    struct tw__buf out = {0};
    tw__buf_cstr(&out,
                 args->given & TW__OPT_JSON ? "{\"version\":\"" TW__VERSION "\"}\n" : "trackway " TW__VERSION "\n");
    int code = tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}
