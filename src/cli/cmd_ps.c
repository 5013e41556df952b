/* ps: processes with a segment.
 *
 * The rate of a live process is what it does now: its count of begun spans is read twice, 200 ms apart. Over the whole
 * life is all that can be said of a dead one. JSON has both.
 */
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "cli/source.h"
#include "wire/human.h"
#include "wire/process_json.h"
#include "wire/table.h"

enum { SAMPLE_NS = 200000000 };

struct rate {
    double now, life;
};

static double per_second(uint64_t count, uint64_t ns)
{
    return ns ? (double)count * 1e9 / (double)ns : 0;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static bool any_live(const struct tw__sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->items[i].process.state == TW_PROCESS_LIVE) return true;
    return false;
}

static void sample(struct tw__sources *sources, struct rate *rates)
{
    uint64_t begin = tw__clock_mono_ns();
    if (any_live(sources)) (void)nanosleep(&(struct timespec){.tv_nsec = SAMPLE_NS}, NULL);
    uint64_t took = tw__clock_mono_ns() - begin;
    for (size_t i = 0; i < sources->count; i++) {
        struct tw_process *process = &sources->items[i].process;
        bool live = process->state == TW_PROCESS_LIVE;
        uint64_t before = process->spans_begun;
        (void)tw_reader_process(sources->items[i].reader, process);
        rates[i].life = per_second(process->spans_begun, minus(process->last_ns, process->opened_ns));
        rates[i].now = live ? per_second(minus(process->spans_begun, before), took) : 0;
    }
}

static void add_state(struct tw__table *table, const struct tw_process *process, uint64_t now)
{
    struct tw__buf text = {0};
    enum tw__ink ink = TW__INK_YELLOW;
    struct tw__short up = tw__human_ago(minus(now, process->started_ns));
    struct tw__short seen = tw__human_ago(minus(now, process->last_ns));
    if (process->state == TW_PROCESS_LIVE) {
        ink = process->recording ? TW__INK_GREEN : TW__INK_YELLOW;
        tw__buf_fmt(&text, "live, up %s%s", up.text, process->recording ? "" : ", recording off");
    } else if (process->state == TW_PROCESS_DEAD) {
        ink = TW__INK_RED;
        tw__buf_fmt(&text, "died, seen %s ago", seen.text);
    } else if (process->state == TW_PROCESS_EXITED) {
        tw__buf_fmt(&text, "exited %s ago", seen.text);
    } else {
        tw__buf_fmt(&text, "foreign, seen %s ago", seen.text);
    }
    tw__table_cell(table, ink, tw__buf_text(&text));
    table->text.failed |= text.failed;
    tw__buf_fini(&text);
}

static const struct tw__column columns[] = {
    {.title = "PID", .right = true},
    {.title = "SERVICE", .min = 10},
    {.title = "STATE", .min = 16},
    {.title = "THREADS", .right = true, .rank = 5},
    {.title = "SPANS/S", .right = true, .rank = 2},
    {.title = "REACHES BACK", .right = true, .rank = 3},
    {.title = "OPEN", .right = true, .rank = 1},
    {.title = "LOST", .right = true, .rank = 4},
    {.title = "COMMAND", .min = 12, .rank = 6},
};

/* Below the table: what was asked for and cannot be. */
static void print_notices(const struct tw__sources *sources, const struct tw__look *look, struct tw__buf *out)
{
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw_process *process = &sources->items[i].process;
        struct tw__buf line = {0};
        if (!process->notice.len) continue;
        tw__buf_fmt(&line, "%u: ", process->pid);
        tw__buf_add(&line, process->notice.ptr, process->notice.len);
        tw__term_ink(out, look, TW__INK_YELLOW);
        (void)tw__term_text(out, look, tw__buf_text(&line), look->width ? look->width : UINT_MAX / 2, TW__CUT_MARK);
        tw__term_plain(out, look, TW__INK_YELLOW);
        tw__buf_char(out, '\n');
        out->failed |= line.failed;
        tw__buf_fini(&line);
    }
}

static void print_table(const struct tw__sources *sources, const struct rate *rates, const struct tw__look *look,
                        struct tw__buf *out)
{
    struct tw__table table;
    uint64_t now = tw__clock_wall_ns();
    tw__table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw_process *process = &sources->items[i].process;
        uint64_t lost = tw__losses_sum(&process->losses);
        uint64_t reach = process->oldest_ns ? minus(process->last_ns, process->oldest_ns) : 0;
        bool live = process->state == TW_PROCESS_LIVE;
        tw__table_number(&table, TW__INK_NONE, process->pid);
        tw__table_cell(&table, TW__INK_BOLD, process->service);
        add_state(&table, process, now);
        tw__table_number(&table, TW__INK_NONE, process->threads);
        tw__table_cstr(&table, TW__INK_NONE, live ? tw__human_rate(rates[i].now).text : "-");
        tw__table_cstr(&table, TW__INK_NONE, process->oldest_ns ? tw__human_duration(reach).text : "empty");
        tw__table_number(&table, TW__INK_NONE, process->open_spans);
        tw__table_number(&table, lost ? TW__INK_YELLOW : TW__INK_NONE, lost);
        tw__table_cell(&table, TW__INK_DIM, process->command);
    }
    tw__table_print(&table, look, out);
    tw__table_fini(&table);
    print_notices(sources, look, out);
}

static void print_json(const struct tw__sources *sources, const struct rate *rates, struct tw__buf *out)
{
    struct tw__json json = {.out = out};
    for (size_t i = 0; i < sources->count; i++) {
        tw__json_open(&json, NULL, '{');
        tw__json_process(&json, &sources->items[i].process);
        tw__json_exporters(&json, sources->items[i].reader);
        if (sources->items[i].process.state == TW_PROCESS_LIVE)
            tw__json_f64(&json, "spans_per_s", rates[i].now);
        else
            tw__json_null(&json, "spans_per_s");
        tw__json_f64(&json, "spans_per_s_life", rates[i].life);
        tw__json_close(&json, '}');
        tw__json_line(&json);
    }
}

int tw__cmd_ps(const struct tw__args *args)
{
    struct tw__sources sources;
    struct tw__buf out = {0};
    int code = tw__sources_open(&sources, args);
    struct rate *rates = calloc(sources.count + 1, sizeof *rates);
    if (!rates) {
        code = tw__out_of_memory();
    } else if (code == TW__EXIT_OK) {
        sample(&sources, rates);
        if (args->given & TW__OPT_JSON)
            print_json(&sources, rates, &out);
        else if (sources.count)
            print_table(&sources, rates, &args->look, &out);
        code = tw__out_write(&out);
        if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
    }
    free(rates);
    tw__buf_fini(&out);
    tw__sources_close(&sources);
    return code;
}
