/* tail: finished requests as they happen.
 *
 *     every 100 ms    read from each process what is new (a position per process), print what passes
 *     every second    look for segments of new processes, and let go of those that are dead and read to the end
 *
 * A segment is known by device, inode and path: a process that takes the path of another gets a position of its own.
 * What ended before tail began is not shown. Lines come out in the order of their ends within one look, across
 * processes.
 * Limits: a process that begins and ends between two looks and removes its segment is not seen.
 * Rejected: inotify (a folder that is not there yet cannot be watched, and the records need polling anyway).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "cli/source.h"
#include "cli/tail.h"
#include "cli/where.h"
#include "wire/human.h"
#include "wire/record_json.h"

enum { POLL_NS = 100000000, LOOKS_PER_SCAN = 10, SEEN_MAX = 65536 };

struct followed {
    char *path;
    dev_t device;
    ino_t inode;
    struct tw_reader *reader; /* NULL: done with, kept so that it is not opened again */
    struct tw_position *position;
    struct tw_process process;
    struct tw_records *records;
};

struct tail {
    const struct tw__args *args;
    const struct tw__tail_view *view;
    struct followed *items;
    size_t count, cap;
    uint64_t begin_ns, missed;
    int code;
    bool failed;
    struct tw__buf out;
};

static bool is_known(const struct tail *tail, const char *path, const struct stat *st)
{
    for (size_t i = 0; i < tail->count; i++) {
        const struct followed *f = &tail->items[i];
        if (f->device == st->st_dev && f->inode == st->st_ino && strcmp(f->path, path) == 0) return true;
    }
    return false;
}

static struct followed *append(struct tail *tail)
{
    if (tail->count == SEEN_MAX) return NULL;
    if (tail->count == tail->cap) {
        size_t cap = tail->cap ? 2 * tail->cap : 16;
        struct followed *items = realloc(tail->items, cap * sizeof *items);
        if (!items) return NULL;
        tail->items = items;
        tail->cap = cap;
    }
    tail->items[tail->count] = (struct followed){0};
    return &tail->items[tail->count];
}

static bool out_of_memory(struct tail *tail)
{
    tail->code = tw__out_of_memory();
    return false;
}

static void let_go(struct followed *f)
{
    tw_reader_close(f->reader);
    tw_position_free(f->position);
    f->reader = NULL;
    f->position = NULL;
}

/* Called for each file of a folder, or each that was named. */
static bool follow(const char *path, void *data)
{
    struct tail *tail = data;
    struct stat st = {0};
    char why[TW_WHY_MAX] = "";
    bool named = tail->args->file_count > 0;
    if (lstat(path, &st) < 0 && !named) return true;
    if (is_known(tail, path, &st)) return true;
    struct followed *f = append(tail);
    if (!f) return out_of_memory(tail);
    int result = tw_reader_open(path, &f->reader, why);
    if (result == TW_ERR_NOT_FOUND && !named) return true;
    if (result == 0) result = tw_reader_process(f->reader, &f->process);
    /* A file without a magic may be a segment that is being made: it is tried again, and not complained about. */
    if (result == TW_ERR_FOREIGN && !named) return true;
    f->path = strdup(path);
    if (!f->path) {
        let_go(f);
        return out_of_memory(tail);
    }
    f->device = st.st_dev;
    f->inode = st.st_ino;
    tail->count++;
    if (result < 0) {
        tw__complain("%s", *why ? why : tw_err_text(result));
        tail->failed = true;
        let_go(f);
        return true;
    }
    if (!tw__source_wanted(tail->args, &f->process)) {
        let_go(f);
        return true;
    }
    f->position = tw_position_new();
    return f->position ? true : out_of_memory(tail);
}

static void scan(struct tail *tail)
{
    const struct tw__args *args = tail->args;
    for (size_t i = 0; i < args->file_count && tail->code == 0; i++) (void)follow(args->files[i], tail);
    if (args->file_count) return;
    int found = tw_segments_each(args->dir, follow, tail);
    /* The folder comes into being with the first process that records. */
    if (found < 0 && found != TW_ERR_NOT_FOUND) {
        tw__complain("%s: %s", args->dir ? args->dir : "the folder of segments", tw_err_text(found));
        tail->code = TW__EXIT_FAILED;
    }
}

static void read_new(struct tail *tail)
{
    for (size_t i = 0; i < tail->count && tail->code == 0; i++) {
        struct followed *f = &tail->items[i];
        if (!f->reader) continue;
        struct tw_query query = {.since_ns = tail->begin_ns, .after = f->position};
        int result = tw_reader_read(f->reader, &query, &f->records);
        if (result == 0) {
            tail->missed += f->records->missed;
        } else if (result == TW_ERR_MEMORY) {
            (void)out_of_memory(tail);
        } else {
            tw__complain("%s: %s", f->path, tw_err_text(result));
            tail->failed = true;
            let_go(f);
        }
    }
}

static bool passes(const struct tw__args *args, const struct tw_record *record, const struct tw_process *process)
{
    static const uint8_t none[8];
    if (record->kind != TW_RECORD_SPAN) return false;
    if (!(args->given & TW__OPT_SPANS) && memcmp(record->parent_id, none, sizeof none) != 0) return false;
    uint64_t duration = record->end_ns > record->time_ns ? record->end_ns - record->time_ns : 0;
    return tw__filter_passes(args, record->name, duration, record->status) &&
           tw__where_record(args, record, process, record->end_ns);
}

static void add_padded(struct tw__buf *line, const char *text, size_t width)
{
    size_t len = strlen(text);
    tw__buf_fill(line, ' ', len < width ? width - len : 0);
    tw__buf_cstr(line, text);
}

/* Time, duration, status, trace, service and pid, name, message: what has a fixed width first, so that lines stand in
 * columns. */
static void print_line(const struct tw__args *args, struct tw__buf *out, const struct tw_record *record,
                       const struct tw_process *process)
{
    const struct tw__look *look = &args->look;
    struct tw__buf line = {0};
    bool error = record->status == TW_STATUS_ERROR;
    uint64_t duration = record->end_ns > record->time_ns ? record->end_ns - record->time_ns : 0;
    bool wide = look->width == 0 || look->width >= 80;
    if (look->width == 0 || look->width >= 40) tw__buf_fmt(&line, "%s ", tw__human_clock(record->end_ns).text);
    add_padded(&line, tw__human_duration(duration).text, 8);
    tw__buf_cstr(&line, error ? " error  " : record->status == TW_STATUS_OK ? " ok     " : "        ");
    if (wide) {
        tw__buf_hex(&line, record->trace_id, sizeof record->trace_id);
        tw__buf_cstr(&line, "  ");
    }
    tw__buf_add(&line, record->name.ptr, record->name.len);
    tw__buf_cstr(&line, "  ");
    tw__buf_add(&line, process->service.ptr, process->service.len);
    if (process->pid) tw__buf_fmt(&line, " %u", process->pid);
    if (record->status_message.len) {
        tw__buf_cstr(&line, "  ");
        tw__buf_add(&line, record->status_message.ptr, record->status_message.len);
    }
    tw__term_ink(out, look, error ? TW__INK_RED : TW__INK_NONE);
    (void)tw__term_text(out, look, tw__buf_text(&line), look->width ? look->width : UINT_MAX / 2, TW__CUT_MARK);
    tw__term_plain(out, look, error ? TW__INK_RED : TW__INK_NONE);
    tw__buf_char(out, '\n');
    out->failed |= line.failed;
    tw__buf_fini(&line);
}

static void print_record(const struct tw__args *args, struct tw__buf *out, const struct tw_record *record,
                         const struct tw_process *process)
{
    if (!(args->given & TW__OPT_JSON)) {
        print_line(args, out, record, process);
        return;
    }
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__json_record(&json, record, process, record->end_ns);
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

struct ended {
    const struct tw_record *record;
    const struct tw_process *process;
};

static int by_end(const void *left, const void *right)
{
    const struct ended *a = left, *b = right;
    if (a->record->end_ns != b->record->end_ns) return a->record->end_ns < b->record->end_ns ? -1 : 1;
    return a->record->order < b->record->order ? -1 : a->record->order > b->record->order;
}

/* Prints what the last look brought, and forgets it. */
static void print_new(struct tail *tail)
{
    size_t all = 0, count = 0;
    for (size_t i = 0; i < tail->count; i++) all += tail->items[i].records ? tail->items[i].records->count : 0;
    struct ended *ended = calloc(all + 1, sizeof *ended);
    if (!ended) (void)out_of_memory(tail);
    for (size_t i = 0; ended && i < tail->count; i++) {
        const struct followed *f = &tail->items[i];
        for (size_t k = 0; f->records && k < f->records->count; k++)
            if (tail->view->passes(tail->args, &f->records->items[k], &f->process))
                ended[count++] = (struct ended){&f->records->items[k], &f->process};
    }
    if (ended) qsort(ended, count, sizeof *ended, by_end);
    for (size_t i = 0; i < count && tail->code == 0; i++) {
        tail->view->print(tail->args, &tail->out, ended[i].record, ended[i].process);
        tail->code = tw__out_write_some(&tail->out);
    }
    if (tail->code == 0) tail->code = tw__out_write(&tail->out);
    free(ended);
    for (size_t i = 0; i < tail->count; i++) {
        tw_records_free(tail->items[i].records);
        tail->items[i].records = NULL;
    }
}

/* State first, then the last read: what was found dead before a read has nothing to add after it. */
static void let_dead_go(struct tail *tail)
{
    for (size_t i = 0; i < tail->count; i++) {
        struct followed *f = &tail->items[i];
        if (!f->reader) continue;
        bool was_gone = f->process.state == TW_PROCESS_DEAD || f->process.state == TW_PROCESS_EXITED;
        if (was_gone)
            let_go(f);
        else
            (void)tw_reader_process(f->reader, &f->process);
    }
}

static void run(struct tail *tail)
{
    uint64_t end = tail->args->given & TW__OPT_FOR ? tw__clock_mono_ns() + tail->args->for_ns : UINT64_MAX;
    uint64_t told = 0;
    for (unsigned look = 0; tail->code == 0; look++) {
        bool last = tw__stopped() || tw__clock_mono_ns() >= end;
        if (look % LOOKS_PER_SCAN == 0) scan(tail);
        if (tail->code == 0) read_new(tail);
        print_new(tail);
        if (tail->missed > told) {
            tw__complain("missed %llu chunks, overwritten before they were read",
                         (unsigned long long)(tail->missed - told));
            told = tail->missed;
        }
        if (last) break;
        if (look % LOOKS_PER_SCAN == LOOKS_PER_SCAN - 1) let_dead_go(tail);
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

int tw__tail_follow(const struct tw__args *args, const struct tw__tail_view *view)
{
    struct tail tail = {.args = args, .view = view, .begin_ns = tw__clock_wall_ns()};
    tw__stop_on_signals(false);
    run(&tail);
    for (size_t i = 0; i < tail.count; i++) {
        let_go(&tail.items[i]);
        free(tail.items[i].path);
    }
    free(tail.items);
    tw__buf_fini(&tail.out);
    return tail.code ? tail.code : tail.failed ? TW__EXIT_FAILED : TW__EXIT_OK;
}

int tw__cmd_tail(const struct tw__args *args)
{
    static const struct tw__tail_view view = {passes, print_record};
    return args->server ? tw__tail_remote(args, &view) : tw__tail_follow(args, &view);
}
