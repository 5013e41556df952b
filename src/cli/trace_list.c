/* trace_list: which live traces there are, and ending one.
 *
 * They are found where they sit: in the segments of the processes that they watch. One that watches several is one row.
 * What has ended stays in the list until its seat is taken again, or its process ends.
 */
#include "cli/trace_list.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <trackway/live.h>

#include "base/clock.h"
#include "cli/source.h"
#include "wire/human.h"
#include "wire/json.h"
#include "wire/table.h"

enum { POLL_NS = 10000000, POLLS = 500 };

struct row {
    struct tw_live_status status;
    unsigned processes;
};

struct rows {
    struct row *items;
    size_t count, cap;
};

static bool add(struct rows *rows, const struct tw_live_status *status)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct row *known = &rows->items[i];
        if (strcmp(known->status.ref, status->ref) != 0) continue;
        known->processes++;
        if (status->state < known->status.state) known->status = *status; /* it is active as long as it is anywhere */
        return true;
    }
    if (rows->count == rows->cap) {
        size_t cap = rows->cap ? 2 * rows->cap : 16;
        struct row *items = realloc(rows->items, cap * sizeof *items);
        if (!items) return false;
        rows->items = items;
        rows->cap = cap;
    }
    rows->items[rows->count++] = (struct row){*status, 1};
    return true;
}

static const char *state_name(enum tw_live_state state)
{
    switch (state) {
    case TW_LIVE_ACTIVE:
        return "active";
    case TW_LIVE_STOPPING:
        return "stopping";
    case TW_LIVE_ENDED:
        return "ended";
    case TW_LIVE_LOST:
        break;
    }
    return "lost";
}

static void add_json(struct tw__buf *out, const struct tw_live_status *s, unsigned processes)
{
    struct tw__json json = {.out = out};
    tw__json_open(&json, NULL, '{');
    tw__json_cstr(&json, "ref", s->ref);
    tw__json_cstr(&json, "state", state_name(s->state));
    tw__json_u64(&json, "pid", s->pid);
    tw__json_u64(&json, "processes", processes);
    tw__json_u64(&json, "reader_pid", s->reader_pid);
    tw__json_u64(&json, "started_ns", s->started_ns);
    tw__json_u64(&json, "ended_ns", s->ended_ns);
    tw__json_u64(&json, "lines", s->lines);
    tw__json_u64(&json, "bytes", s->bytes);
    tw__json_u64(&json, "dropped", s->dropped);
    tw__json_u64(&json, "missed", s->missed);
    tw__json_cstr(&json, "file", s->file);
    tw__json_cstr(&json, "filter", s->filter);
    tw__json_cstr(&json, "problem", s->problem);
    tw__json_close(&json, '}');
    tw__json_line(&json);
}

static int by_start(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return (x->status.started_ns > y->status.started_ns) - (x->status.started_ns < y->status.started_ns);
}

static const struct tw__column columns[] = {
    {.title = "REF"},
    {.title = "STATE"},
    {.title = "FOR", .right = true},
    {.title = "LINES", .right = true},
    {.title = "LOST", .right = true, .rank = 3},
    {.title = "PROCESSES", .right = true, .rank = 4},
    {.title = "FILE", .path = true, .min = 12, .rank = 1},
    {.title = "FILTER", .min = 8, .rank = 2},
    {.title = "PROBLEM", .min = 8, .rank = 5},
};

static void print_table(const struct rows *rows, const struct tw__look *look, struct tw__buf *out)
{
    struct tw__table table;
    uint64_t now = tw__clock_wall_ns();
    tw__table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < rows->count; i++) {
        const struct tw_live_status *s = &rows->items[i].status;
        uint64_t end = s->ended_ns ? s->ended_ns : now, lost = s->dropped + s->missed;
        tw__table_cstr(&table, TW__INK_BOLD, s->ref);
        tw__table_cstr(&table,
                       s->state == TW_LIVE_ACTIVE ? TW__INK_GREEN
                       : s->state == TW_LIVE_LOST ? TW__INK_RED
                                                  : TW__INK_NONE,
                       state_name(s->state));
        tw__table_cstr(&table, TW__INK_NONE, tw__human_ago(end > s->started_ns ? end - s->started_ns : 0).text);
        tw__table_number(&table, TW__INK_NONE, s->lines);
        tw__table_number(&table, lost ? TW__INK_YELLOW : TW__INK_NONE, lost);
        tw__table_number(&table, TW__INK_NONE, rows->items[i].processes);
        tw__table_cstr(&table, TW__INK_NONE, s->file);
        tw__table_cstr(&table, TW__INK_NONE, s->filter);
        tw__table_cstr(&table, TW__INK_DIM, s->problem);
    }
    tw__table_print(&table, look, out);
    tw__table_fini(&table);
}

static bool gather(const struct tw__sources *sources, struct rows *rows)
{
    struct tw_live_status status;
    for (size_t i = 0; i < sources->count; i++)
        for (size_t k = 0; tw_live_seat_status(sources->items[i].reader, k, &status) == 0; k++)
            if (!add(rows, &status)) return false;
    return true;
}

int tw__trace_list(const struct tw__args *args)
{
    struct tw__sources sources;
    struct rows rows = {0};
    struct tw__buf out = {0};
    int code = tw__sources_open(&sources, args);
    if (code == TW__EXIT_OK && !gather(&sources, &rows)) code = tw__out_of_memory();
    if (code == TW__EXIT_OK) {
        if (rows.count > 1) qsort(rows.items, rows.count, sizeof *rows.items, by_start);
        if (!(args->given & TW__OPT_JSON)) {
            if (rows.count) print_table(&rows, &args->look, &out);
        } else {
            for (size_t i = 0; i < rows.count; i++) add_json(&out, &rows.items[i].status, rows.items[i].processes);
        }
        code = tw__out_write(&out);
        if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
    }
    tw__buf_fini(&out);
    free(rows.items);
    tw__sources_close(&sources);
    return code;
}

/* Waits until its reader has written what there was. */
static void wait_ended(const struct tw__sources *sources, const char *ref)
{
    struct tw_live_status status;
    for (unsigned polls = 0; polls < POLLS; polls++) {
        bool running = false;
        for (size_t i = 0; i < sources->count; i++)
            for (size_t k = 0; tw_live_seat_status(sources->items[i].reader, k, &status) == 0; k++)
                if (strcmp(status.ref, ref) == 0 && status.state <= TW_LIVE_STOPPING) running = true;
        if (!running) return;
        (void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
    tw__complain("trace: %s has been told to end, but does not yet", ref);
}

int tw__trace_stop(const struct tw__args *args, const char *ref)
{
    struct tw__sources sources;
    struct tw_live_status status = {0}, found;
    int code = tw__sources_open(&sources, args), refused = 0;
    bool any = false;
    for (size_t i = 0; code == TW__EXIT_OK && i < sources.count; i++) {
        int result = tw_live_seat_stop(sources.items[i].reader, ref, &found);
        if (result == 0) status = found;
        if (result < 0 && result != TW_ERR_NOT_FOUND) refused = result;
        any |= result == 0;
    }
    if (code == TW__EXIT_OK && any) {
        struct tw__buf out = {0};
        wait_ended(&sources, ref);
        tw__buf_fmt(&out, "%s\n", status.file);
        code = tw__out_write(&out);
        tw__buf_fini(&out);
    } else if (code == TW__EXIT_OK) {
        tw__complain(refused ? "trace: %s: %s" : "trace: %s: invalid trace; trackway trace list lists them%s", ref,
                     refused ? tw_err_text(refused) : "");
        code = TW__EXIT_FAILED;
    }
    tw__sources_close(&sources);
    return code;
}
