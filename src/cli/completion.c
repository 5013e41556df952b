/* completion: a script for bash, made from the tables.
 *
 * The script holds words, so that pressing TAB stays fast and cannot fail; only for live traces, whose words are those of the processes
 * that run now, it asks `trackway trace words`.
 * tools/completion/trackway.bash is this output, kept for packages; a test compares them.
 */
#include <string.h>

#include "cli/cli.h"
#include "model/span_fields.h"

static void add_command(struct tw__buf *out, const struct tw__command *command)
{
    tw__buf_fmt(out, "        %s) words=\"", command->name);
    const char *space = "";
    for (const struct tw__option *option = tw__options; option->name; option++) {
        if (!(command->options & option->id)) continue;
        tw__buf_fmt(out, "%s--%s", space, option->name);
        space = " ";
    }
    for (const struct tw__setting *setting = tw__command_settings(command); setting->name; setting++) {
        tw__buf_fmt(out, "%s--%s", space, setting->name);
        space = " ";
    }
    if (strcmp(command->name, "completion") == 0) tw__buf_cstr(out, " bash");
    if (strcmp(command->name, "help") == 0) tw__buf_cstr(out, " $commands");
    tw__buf_cstr(out, "\" ;;\n");
}

static void add_script(struct tw__buf *out)
{
    tw__buf_cstr(out, "# Completion of trackway for bash. Made by: trackway completion bash\n"
                      "_trackway() {\n"
                      "    local commands=\"");
    for (const struct tw__command *command = tw__commands; command->name; command++)
        tw__buf_fmt(out, "%s%s", command == tw__commands ? "" : " ", command->name);
    tw__buf_cstr(out,
                 "\"\n"
                 "    local words=\"\" current=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
                 "    COMPREPLY=()\n"
                 "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
                 "        mapfile -t COMPREPLY < <(compgen -W \"$commands --help --version\" -- \"$current\")\n"
                 "        return\n"
                 "    fi\n"
                 "    case \"$before\" in\n"
                 "        --file) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
                 "        --dir) mapfile -t COMPREPLY < <(compgen -d -- \"$current\"); return ;;\n");
    /* Names of fields to begin a filter with; what comes behind them no list can hold. */
    tw__buf_cstr(out, "        --where) mapfile -t COMPREPLY < <(compgen -W \"");
    for (size_t i = 0; tw__span_field_name(i); i++) tw__buf_fmt(out, "%s%s", i ? " " : "", tw__span_field_name(i));
    tw__buf_cstr(out, "\" -- \"$current\"); return ;;\n");
    for (const struct tw__option *option = tw__options; option->name; option++) {
        if (option->choices)
            tw__buf_fmt(out, "        --%s) mapfile -t COMPREPLY < <(compgen -W \"%s\" -- \"$current\"); return ;;\n",
                        option->name, option->choices);
    }
    tw__buf_cstr(out, "    esac\n"
                      "    if [ \"${COMP_WORDS[1]}\" = trace ]; then\n"
                      "        case \"$COMP_CWORD:${COMP_WORDS[2]}\" in\n"
                      "            2:*) words=\"module function pid start watch list stop\" ;;\n"
                      "            3:module) words=\" $(trackway trace words modules 2>/dev/null)\" ;;\n"
                      "            3:function) words=\" $(trackway trace words modules 2>/dev/null) $(trackway trace words functions 2>/dev/null)\" ;;\n"
                      "            4:function) words=\" $(trackway trace words functions \"$before\" 2>/dev/null)\" ;;\n"
                      "            3:pid) words=\" $(trackway trace words pids 2>/dev/null)\" ;;\n"
                      "            3:stop) words=\" $(trackway trace words refs 2>/dev/null)\" ;;\n"
                      "        esac\n"
                      "        if [ -n \"$words\" ] && [ \"${current#-}\" = \"$current\" ]; then\n"
                      "            mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\" | sort -u)\n"
                      "            return\n"
                      "        fi\n"
                      "    fi\n"
                      "    case \"${COMP_WORDS[1]}\" in\n");
    for (const struct tw__command *command = tw__commands; command->name; command++) add_command(out, command);
    tw__buf_cstr(out, "    esac\n"
                      "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                      "}\n"
                      "complete -F _trackway trackway\n");
}

int tw__cmd_completion(const struct tw__args *args)
{
    struct tw__buf out = {0};
    if (strcmp(args->operands[0], "bash") != 0) {
        tw__complain("completion: \"%s\" is not known; there is bash", args->operands[0]);
        return TW__EXIT_USAGE;
    }
    add_script(&out);
    int code = tw__out_write(&out);
    tw__buf_fini(&out);
    return code;
}
