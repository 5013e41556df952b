/* source: from options to open segments.
 *
 * One bad file never hides the others: it is named on stderr, the rest is shown, and the exit code is 1. A file that is gone
 * between being listed and being opened belonged to a process that has just ended; that is no error.
 * Order is that of the names, so that output is the same from run to run.
 */
#include "cli/source.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "cli/remote.h"

int tw__out_of_memory(void)
{
    tw__complain("out of memory");
    return TW__EXIT_FAILED;
}

bool tw__glob(const char *pattern, struct tw_text text)
{
    char copy[TW_NAME_MAX + 1];
    size_t len = text.len < sizeof copy ? text.len : sizeof copy - 1;
    if (len) memcpy(copy, text.ptr, len);
    copy[len] = '\0';
    return fnmatch(pattern, copy, 0) == 0;
}

bool tw__filter_passes(const struct tw__args *args, struct tw_text name, uint64_t duration_ns, enum tw_status status)
{
    static const char *const names[] = {"unset", "ok", "error"};
    if (duration_ns < args->min_duration_ns) return false;
    if (args->status && strcmp(args->status, (unsigned)status < 3 ? names[status] : "unset") != 0) return false;
    return !args->name || tw__glob(args->name, name);
}

bool tw__source_wanted(const struct tw__args *args, const struct tw_process *process)
{
    if (args->given & TW__OPT_PID && process->pid != args->pid) return false;
    return !args->service || tw__glob(args->service, process->service);
}

static int append(struct tw__sources *sources, const struct tw__source *source)
{
    if (sources->count == sources->cap) {
        size_t cap = sources->cap ? 2 * sources->cap : 16;
        struct tw__source *items = realloc(sources->items, cap * sizeof *items);
        if (!items) return TW_ERR_MEMORY;
        sources->items = items;
        sources->cap = cap;
    }
    sources->items[sources->count++] = *source;
    return 0;
}

static void source_close(struct tw__source *source)
{
    tw_records_free(source->records);
    tw_reader_close(source->reader);
    free(source->path);
}

struct opening {
    struct tw__sources *sources;
    const struct tw__args *args;
    bool listed; /* found in a folder, not named by the user */
    int code;
};

static bool open_one(const char *path, void *data)
{
    struct opening *opening = data;
    struct tw__source source = {0};
    char why[TW_WHY_MAX] = "";
    int result = tw_reader_open(path, &source.reader, why);
    if (result == TW_ERR_NOT_FOUND && opening->listed) return true;
    if (result == 0) {
        result = tw_reader_process(source.reader, &source.process);
        if (result < 0) {
            tw__complain("%s: %s", path, tw_err_text(result));
            tw_reader_close(source.reader);
        }
    } else {
        tw__complain("%s", *why ? why : tw_err_text(result));
    }
    if (result < 0) {
        opening->sources->failed++;
        return true;
    }
    if (!tw__source_wanted(opening->args, &source.process)) {
        tw_reader_close(source.reader);
        return true;
    }
    source.path = strdup(path);
    if (source.path && append(opening->sources, &source) == 0) return true;
    source_close(&source);
    opening->code = tw__out_of_memory();
    return false;
}

int tw__sources_open(struct tw__sources *sources, const struct tw__args *args)
{
    if (args->server) {
        *sources = (struct tw__sources){0};
        return tw__remote_new(args, &sources->remote);
    }
    *sources = (struct tw__sources){.asked = args->file_count || args->given & (TW__OPT_PID | TW__OPT_SERVICE)};
    struct opening opening = {.sources = sources, .args = args};
    for (size_t i = 0; i < args->file_count && opening.code == 0; i++) (void)open_one(args->files[i], &opening);
    if (args->file_count) return opening.code;
    opening.listed = true;
    int found = tw_segments_each(args->dir, open_one, &opening);
    if (found < 0) {
        const char *dir = args->dir ? args->dir : getenv("TRACKWAY_DIR");
        tw__complain("%s: %s", dir ? dir : "the folder of segments", tw_err_text(found));
        return TW__EXIT_FAILED;
    }
    return opening.code;
}

void tw__sources_close(struct tw__sources *sources)
{
    for (size_t i = 0; i < sources->count && !sources->remote; i++) source_close(&sources->items[i]);
    tw__remote_free(sources->remote);
    free(sources->items);
    *sources = (struct tw__sources){0};
}

void tw__sources_drop(struct tw__sources *sources)
{
    for (size_t i = 0; i < sources->count && !sources->remote; i++) {
        tw_records_free(sources->items[i].records);
        sources->items[i].records = NULL;
    }
}

int tw__sources_read(struct tw__sources *sources, const struct tw_query *query)
{
    for (size_t i = 0; i < sources->count; i++) {
        struct tw__source *source = &sources->items[i];
        int result = tw_reader_read(source->reader, query, &source->records);
        if (result < 0) {
            tw__complain("%s: %s", source->path, tw_err_text(result));
            return TW__EXIT_FAILED;
        }
        if (source->records->damaged) {
            tw__complain("%s: damaged in %llu places, which are left out", source->path,
                         (unsigned long long)source->records->damaged);
            sources->failed++;
        }
        /* "Now" of a live process has moved on since it was opened: an open span may have begun after that. */
        (void)tw_reader_process(source->reader, &source->process);
    }
    return TW__EXIT_OK;
}

int tw__sources_batch(struct tw__sources *sources, const struct tw_query *query, struct tw_batch **batch)
{
    int code = tw__sources_read(sources, query);
    return code ? code : tw__sources_assemble(sources, batch);
}

int tw__sources_assemble(struct tw__sources *sources, struct tw_batch **batch)
{
    struct tw_batch *made = tw__batch_new();
    int result = made ? 0 : TW_ERR_MEMORY;
    for (size_t i = 0; result == 0 && i < sources->count; i++)
        result = tw__batch_add(made, &sources->items[i].process, sources->items[i].records);
    if (result == 0) result = tw__batch_build(made);
    if (result < 0) {
        tw__batch_free(made);
        return tw__out_of_memory();
    }
    *batch = made;
    return TW__EXIT_OK;
}

int tw__sources_exit(const struct tw__sources *sources)
{
    if (sources->failed) return TW__EXIT_FAILED;
    if (sources->count || sources->remote) return TW__EXIT_OK;
    tw__complain(sources->asked ? "no such process has a segment here; trackway ps lists those that have"
                                : "no process of this user records here; see --dir, or TRACKWAY_DIR");
    return sources->asked ? TW__EXIT_FAILED : TW__EXIT_OK;
}
