/* source: from options to open segments.
 *
 * What becomes a batch is read by pages, the newest first, and goes into the batch packed: all records at once take
 * three times as much. A page costs a look through the arena; they grow with what there is, so that there are not many.
 * They end at a time and an order; where the record that ended one is not found again by the next, everything is read
 * at once after all. One bad file never hides the others: it is named on stderr, the rest is shown, and the exit code
 * is 1. A file that is gone between being listed and being opened belonged to a process that has just ended; that is no
 * error. Order is that of the names, so that output is the same from run to run.
 */
#include "cli/source.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cli/remote.h"
#include "wire/record_json.h"

enum { PAGE_RECORDS = 200000, PAGE_SHARE = 4 };

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
    if (duration_ns < args->min_duration_ns) return false;
    if (args->status && strcmp(args->status, tw__status_name(status)) != 0) return false;
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
    *sources = (struct tw__sources){.dir = args->dir,
                                    .asked = args->file_count || args->given & (TW__OPT_PID | TW__OPT_SERVICE)};
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

int tw__source_failed(const struct tw__source *source, int error)
{
    tw__complain("%s: %s", source->path, tw_err_text(error));
    return TW__EXIT_FAILED;
}

static void note_damage(struct tw__sources *sources, const struct tw__source *source, uint64_t places)
{
    if (places == 0) return;
    tw__complain("%s: damaged in %llu places, which are left out", source->path, (unsigned long long)places);
    sources->failed++;
}

int tw__sources_read(struct tw__sources *sources, const struct tw_query *query)
{
    for (size_t i = 0; i < sources->count; i++) {
        struct tw__source *source = &sources->items[i];
        int result = tw_reader_read(source->reader, query, &source->records);
        if (result < 0) return tw__source_failed(source, result);
        note_damage(sources, source, source->records->damaged);
        /* "Now" of a live process has moved on since it was opened: an open span may have begun after that. */
        (void)tw_reader_process(source->reader, &source->process);
    }
    return TW__EXIT_OK;
}

/* Where the last page began: what is there or later is in the batch. */
struct page_end {
    uint64_t ns, order;
};

static bool is_before(const struct tw_record *record, const struct page_end *end)
{
    return record->time_ns < end->ns || (record->time_ns == end->ns && record->order < end->order);
}

enum { ADDED, AGAIN = -1 }; /* or an exit code */

/* All records of a source that match, into the batch. AGAIN: the page before is not where it was, since its process has
 * gone on, or the clock was set. */
static int add_pages(struct tw__sources *sources, struct tw__source *source, const struct tw_query *query,
                     size_t page_records, struct tw_batch *batch)
{
    struct tw_query page = *query;
    struct tw_records *records;
    struct page_end end = {UINT64_MAX, UINT64_MAX};
    size_t taken = 0;
    uint64_t damaged = 0;
    page.limit = page_records;
    for (bool first = true, last = false; !last; first = false) {
        int result = tw_reader_read(source->reader, &page, &records);
        if (result < 0) return tw__source_failed(source, result);
        if (first) damaged = records->damaged;
        struct tw_records fresh = {.items = records->items, .count = records->count};
        while (fresh.count && !is_before(&fresh.items[fresh.count - 1], &end)) fresh.count--;
        last = page.limit == 0 || records->count < page.limit;
        const struct tw_record *known = &records->items[fresh.count];
        bool moved = !first && (fresh.count || last) &&
                     (fresh.count == records->count || known->time_ns != end.ns || known->order != end.order);
        if (fresh.count) {
            end = (struct page_end){fresh.items[0].time_ns, fresh.items[0].order};
            page.until_ns = end.ns + 1;
            taken += fresh.count;
            if (page.limit && taken / PAGE_SHARE > page.limit) page.limit = taken / PAGE_SHARE;
        } else {
            page.limit *= 2; /* more of them at one time than a page has */
        }
        if (!moved) result = tw__batch_add(batch, &source->process, &fresh);
        tw_records_free(records);
        if (result < 0) return tw__out_of_memory();
        if (moved) return AGAIN;
    }
    /* "Now" of a live process has moved on since it was opened: an open span may have begun after that. */
    (void)tw_reader_process(source->reader, &source->process);
    note_damage(sources, source, damaged);
    return ADDED;
}

int tw__sources_batch(struct tw__sources *sources, const struct tw_query *query, struct tw_batch **batch)
{
    static const size_t sizes[] = {PAGE_RECORDS, 0}; /* the second time without pages */
    size_t failed = sources->failed;
    int code = AGAIN;
    for (size_t try = 0; try < sizeof sizes / sizeof *sizes && code == AGAIN; try++) {
        struct tw_batch *made = tw__batch_new();
        code = made ? ADDED : tw__out_of_memory();
        sources->failed = failed;
        for (size_t i = 0; i < sources->count && code == ADDED; i++)
            code = add_pages(sources, &sources->items[i], query, sizes[try], made);
        if (code == ADDED && tw__batch_build(made) < 0) code = tw__out_of_memory();
        if (code == ADDED)
            *batch = made;
        else
            tw__batch_free(made);
    }
    return code;
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

/* Where was looked, and why what was expected there may be gone: the first thing that happens to everybody. */
static int tell_nothing(const char *dir)
{
    char own[PATH_MAX / 2];
    if (!dir && tw_segments_dir(own, sizeof own) > 0) dir = own;
    tw__complain("there are no recordings in %s; --dir or TRACKWAY_DIR name another folder",
                 dir ? dir : "the folder of this user");
    tw__complain("a program that ended by itself leaves one there only with TRACKWAY_KEEP=1; "
                 "TRACKWAY_DIAGNOSTICS=/dev/stderr makes it say why it records nothing");
    return TW__EXIT_OK;
}

int tw__sources_exit(const struct tw__sources *sources)
{
    if (sources->failed) return TW__EXIT_FAILED;
    if (sources->count || sources->remote) return TW__EXIT_OK;
    if (!sources->asked) return tell_nothing(sources->dir);
    tw__complain("no such process has a recording here; trackway ps lists those that have");
    return TW__EXIT_FAILED;
}
