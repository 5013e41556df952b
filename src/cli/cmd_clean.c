/* clean: removes the segments of processes that are gone.
 *
 * What is removed is decided when it is removed, not when it was listed: the file is opened again, must still be the
 * same recording (pid, start, time of its making) and still be a dead one's. A process that took the name meanwhile
 * keeps its segment. What cannot be told to be dead is left alone, always.
 * Limits: between that last look and unlink lie some microseconds in which a new segment could take the very same name;
 * the recorder never reuses a name of a dead one's while the file is there.
 *
 * Also what processes left that were killed while they made their segment (tw_segments_abandoned): nobody comes back to
 * that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/source.h"
#include "wire/human.h"
#include "wire/record_json.h"
#include "wire/table.h"

static const struct tw__column columns[] = {
    {.title = "PID", .right = true},
    {.title = "SERVICE", .min = 6},
    {.title = "STATE", .rank = 2},
    {.title = "LAST SEEN", .rank = 3},
    {.title = "SEGMENT", .min = 8, .rank = 1},
};

static bool is_gone(const struct tw_process *process)
{
    return process->state == TW_PROCESS_DEAD || process->state == TW_PROCESS_EXITED;
}

/* Files without a recording. */
struct litter {
    char **paths;
    size_t count;
    uint32_t only; /* of this process; 0: any */
    bool failed;
};

/* PID.SALT.making */
static uint32_t pid_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return (uint32_t)strtoul(slash ? slash + 1 : path, NULL, 10);
}

static bool add_litter(const char *path, void *data)
{
    struct litter *litter = data;
    if (litter->only && pid_of(path) != litter->only) return true;
    char **paths = realloc(litter->paths, (litter->count + 1) * sizeof *paths);
    if (paths) litter->paths = paths;
    char *copy = paths ? strdup(path) : NULL;
    litter->failed = !copy;
    if (copy) litter->paths[litter->count++] = copy;
    return copy;
}

static int find_litter(struct litter *litter, const struct tw__args *args)
{
    if (args->file_count || args->service) return TW__EXIT_OK;
    if (args->given & TW__OPT_PID) litter->only = args->pid;
    (void)tw_segments_abandoned(args->dir, add_litter,
                                litter); /* a folder that cannot be read was complained of before */
    return litter->failed ? tw__out_of_memory() : TW__EXIT_OK;
}

static void litter_fini(struct litter *litter)
{
    for (size_t i = 0; i < litter->count; i++) free(litter->paths[i]);
    free(litter->paths);
}

static size_t print_list(const struct tw__sources *sources, const struct litter *litter, const struct tw__look *look,
                         struct tw__buf *out)
{
    struct tw__table table;
    size_t count = 0;
    uint64_t now = tw__clock_wall_ns();
    tw__table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw_process *process = &sources->items[i].process;
        if (!is_gone(process)) continue;
        count++;
        tw__table_number(&table, TW__INK_NONE, process->pid);
        tw__table_cell(&table, TW__INK_BOLD, process->service);
        tw__table_cstr(&table, TW__INK_NONE, tw__process_state_name(process->state));
        tw__table_cstr(&table, TW__INK_NONE, tw__human_ago(now > process->last_ns ? now - process->last_ns : 0).text);
        tw__table_cstr(&table, TW__INK_DIM, sources->items[i].path);
    }
    for (size_t i = 0; i < litter->count; i++) {
        tw__table_number(&table, TW__INK_NONE, pid_of(litter->paths[i]));
        tw__table_cstr(&table, TW__INK_NONE, "-");
        tw__table_cstr(&table, TW__INK_NONE, "unborn");
        tw__table_cstr(&table, TW__INK_NONE, "-");
        tw__table_cstr(&table, TW__INK_DIM, litter->paths[i]);
    }
    count += litter->count;
    if (count) tw__table_print(&table, look, out);
    tw__table_fini(&table);
    return count;
}

/* A yes typed by a person. */
static bool ask(size_t count, struct tw__buf *out)
{
    char answer[16] = "";
    tw__buf_fmt(out, "Remove %zu %s? [y/N] ", count, count == 1 ? "segment" : "segments");
    if (tw__out_write(out) != TW__EXIT_OK || !fgets(answer, sizeof answer, stdin)) return false;
    return answer[0] == 'y' || answer[0] == 'Y';
}

/* Whether the file is still that recording, and of a dead process. */
static bool still_gone(const struct tw__source *source)
{
    struct tw_reader *reader;
    struct tw_process now;
    if (tw_reader_open(source->path, &reader, NULL) < 0) return false;
    bool same = tw_reader_process(reader, &now) == 0 && is_gone(&now) && now.pid == source->process.pid &&
                now.started_ns == source->process.started_ns && now.opened_ns == source->process.opened_ns;
    tw_reader_close(reader);
    return same;
}

static int remove_one(const char *path, uint32_t pid, struct tw_text service, struct tw__json *json, size_t *removed)
{
    if (unlink(path) < 0 && errno != ENOENT) {
        tw__complain("%s: cannot be removed: %s", path, strerror(errno));
        return TW__EXIT_FAILED;
    }
    ++*removed;
    if (!json) return TW__EXIT_OK;
    tw__json_open(json, NULL, '{');
    tw__json_u64(json, "pid", pid);
    tw__json_text(json, "service", service);
    tw__json_cstr(json, "removed", path);
    tw__json_close(json, '}');
    tw__json_line(json);
    return TW__EXIT_OK;
}

static int remove_all(const struct tw__sources *sources, const struct litter *litter, bool json_wanted,
                      struct tw__buf *out)
{
    struct tw__json lines = {.out = out}, *json = json_wanted ? &lines : NULL;
    size_t removed = 0;
    int code = TW__EXIT_OK;
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw__source *source = &sources->items[i];
        if (!is_gone(&source->process)) continue;
        if (still_gone(source))
            code |= remove_one(source->path, source->process.pid, source->process.service, json, &removed);
        else
            tw__complain("%s: has changed meanwhile, left alone", source->path);
    }
    for (size_t i = 0; i < litter->count; i++)
        code |= remove_one(litter->paths[i], pid_of(litter->paths[i]), tw__text_of(""), json, &removed);
    if (!json_wanted) tw__buf_fmt(out, "%zu removed\n", removed);
    int written = tw__out_write(out);
    return code ? code : written;
}

static int clean(const struct tw__sources *sources, const struct litter *litter, const struct tw__args *args,
                 struct tw__buf *out)
{
    bool json = args->given & TW__OPT_JSON, yes = args->given & TW__OPT_YES;
    size_t count = print_list(sources, litter, &args->look, out);
    if (json) tw__buf_reset(out);
    if (count == 0) {
        tw__complain("no segment of a dead process");
        return TW__EXIT_OK;
    }
    if (!yes && (json || !isatty(STDIN_FILENO))) {
        int code = tw__out_write(out);
        tw__complain("nothing removed: stdin is not a terminal to ask on; say --yes");
        return code ? code : TW__EXIT_FAILED;
    }
    if (!yes && !ask(count, out)) {
        tw__complain("nothing removed");
        return TW__EXIT_FAILED;
    }
    return remove_all(sources, litter, json, out);
}

int tw__cmd_clean(const struct tw__args *args)
{
    struct tw__sources sources;
    struct litter litter = {0};
    struct tw__buf out = {0};
    int code = tw__sources_open(&sources, args);
    if (code == TW__EXIT_OK) code = find_litter(&litter, args);
    if (code == TW__EXIT_OK && sources.count == 0 && litter.count == 0)
        code = tw__sources_exit(&sources);
    else if (code == TW__EXIT_OK)
        code = clean(&sources, &litter, args, &out);
    if (code == TW__EXIT_OK && sources.failed) code = TW__EXIT_FAILED;
    tw__buf_fini(&out);
    litter_fini(&litter);
    tw__sources_close(&sources);
    return code;
}
