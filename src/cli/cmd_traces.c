/* traces: recent requests.
 *
 * A trace is filtered when it is whole; records since a time show requests that began before with half of their spans.
 * But the newest few are whole in them if they began since: so first a little is read, then more until there are
 * enough, and everything only when that does not help (ten arenas of 64 MB, full: 19 s and 6.7 GB became 0.3 s). Order
 * by duration needs everything. A request whose root is not in the data (overwritten, or on another machine) is listed
 * under its earliest span, with ~.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/remote.h"
#include "cli/where.h"
#include "wire/human.h"
#include "wire/json.h"
#include "wire/record_json.h"
#include "wire/table.h"

static const struct tw__column columns[] = {
    {.title = "TIME", .rank = 3},
    {.title = "TRACE", .paste = true, .min = 12},
    {.title = "NAME", .min = 16},
    {.title = "DURATION", .right = true, .rank = 1},
    {.title = "SPANS", .right = true, .rank = 4},
    {.title = "THREADS", .right = true, .rank = 7},
    {.title = "PROCESSES", .right = true, .rank = 8},
    {.title = "ERRORS", .right = true, .rank = 2},
    {.title = "OPEN", .right = true, .rank = 6},
    {.title = "SERVICE", .min = 8, .rank = 5},
};

static enum tw_status status_of(const struct tw_batch_trace *trace)
{
    if (trace->error_count) return TW_STATUS_ERROR;
    return trace->rootless ? TW_STATUS_UNSET : (enum tw_status)trace->root->record->status;
}

static int by_time(const void *left, const void *right)
{
    const struct tw_batch_trace *a = *(const struct tw_batch_trace *const *)left;
    const struct tw_batch_trace *b = *(const struct tw_batch_trace *const *)right;
    if (a->begin_ns != b->begin_ns) return a->begin_ns > b->begin_ns ? -1 : 1;
    return memcmp(a->id, b->id, sizeof a->id);
}

static int by_duration(const void *left, const void *right)
{
    uint64_t a = tw__batch_trace_duration(*(const struct tw_batch_trace *const *)left);
    uint64_t b = tw__batch_trace_duration(*(const struct tw_batch_trace *const *)right);
    if (a != b) return a > b ? -1 : 1;
    return by_time(left, right);
}

/* Those that were chosen, in order, and whether there are, or may be, more. */
struct choice {
    const struct tw_batch_trace **traces;
    size_t count;
    bool more;
};

/* Those that pass and began at whole_ns or after, cut to the limit. */
static int choose(const struct tw_batch *batch, const struct tw__args *args, uint64_t whole_ns, struct choice *choice)
{
    uint64_t now = tw__clock_wall_ns();
    uint64_t since = args->given & TW__OPT_SINCE && args->since_ns < now ? now - args->since_ns : 0;
    const struct tw_batch_trace **chosen = calloc(batch->trace_count + 1, sizeof *chosen);
    size_t count = 0;
    if (!chosen) return tw__out_of_memory();
    for (size_t i = 0; i < batch->trace_count; i++) {
        const struct tw_batch_trace *trace = &batch->traces[i];
        /* Events alone are no request: their spans were overwritten, or will come. */
        if (!trace->root || trace->end_ns < since || trace->begin_ns < whole_ns) continue;
        if (!tw__filter_passes(args, *trace->root->record->name, tw__batch_trace_duration(trace), status_of(trace)))
            continue;
        if (!tw__where_trace(args, trace)) continue;
        chosen[count++] = trace;
    }
    qsort(chosen, count, sizeof *chosen, strcmp(args->sort, "duration") == 0 ? by_duration : by_time);
    bool more = args->limit && count > args->limit;
    *choice = (struct choice){.traces = chosen, .count = more ? (size_t)args->limit : count, .more = more};
    return TW__EXIT_OK;
}

static void add_row(struct tw__table *table, const struct tw_batch_trace *trace, uint64_t now_ns, struct tw__buf *text)
{
    const struct tw_batch_span *root = trace->root;
    enum tw__ink ink = trace->error_count ? TW__INK_RED : trace->open_count ? TW__INK_YELLOW : TW__INK_NONE;
    tw__table_cstr(table, TW__INK_DIM, tw__human_moment(trace->begin_ns, now_ns).text);
    tw__buf_reset(text);
    tw__buf_hex(text, trace->id, sizeof trace->id);
    tw__table_cell(table, TW__INK_NONE, tw__buf_text(text));
    tw__buf_reset(text);
    if (trace->rootless) tw__buf_cstr(text, "~ ");
    tw__buf_add(text, root->record->name->ptr, root->record->name->len);
    tw__table_cell(table, ink ? ink : TW__INK_BOLD, tw__buf_text(text));
    tw__buf_reset(text);
    tw__buf_fmt(text, "%s%s", root->open ? ">" : "", tw__human_duration(tw__batch_trace_duration(trace)).text);
    tw__table_cell(table, ink, tw__buf_text(text));
    tw__table_number(table, TW__INK_NONE, trace->span_count);
    tw__table_number(table, TW__INK_NONE, trace->threads);
    tw__table_number(table, TW__INK_NONE, trace->processes);
    tw__table_number(table, trace->error_count ? TW__INK_RED : TW__INK_DIM, trace->error_count);
    tw__table_number(table, trace->open_count ? TW__INK_YELLOW : TW__INK_DIM, trace->open_count);
    tw__table_cell(table, TW__INK_NONE, root->process->service);
}

static void write_trace(struct tw__json *json, const struct tw_batch_trace *trace)
{
    const struct tw_batch_span *root = trace->root;
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "trace_id", trace->id, sizeof trace->id);
    tw__json_text(json, "name", *root->record->name);
    tw__json_text(json, "service", root->process->service);
    tw__json_u64(json, "pid", root->process->pid);
    tw__json_u64(json, "begin_ns", trace->begin_ns);
    if (root->open)
        tw__json_null(json, "end_ns");
    else
        tw__json_u64(json, "end_ns", trace->end_ns);
    tw__json_u64(json, "duration_ns", tw__batch_trace_duration(trace));
    tw__json_cstr(json, "status", tw__status_name(status_of(trace)));
    tw__json_u64(json, "spans", trace->span_count);
    tw__json_u64(json, "threads", trace->threads);
    tw__json_u64(json, "processes", trace->processes);
    tw__json_u64(json, "errors", trace->error_count);
    tw__json_u64(json, "open_spans", trace->open_count);
    tw__json_bool(json, "root_missing", trace->rootless);
    tw__json_close(json, '}');
    tw__json_line(json);
}

/* A limit that nobody asked for must not look like the end of what there is. */
static void tell_more(const struct tw__args *args, const struct choice *choice)
{
    if (!choice->more || args->given & (TW__OPT_LIMIT | TW__OPT_JSON)) return;
    tw__complain("the %s %zu are listed; --limit %s", strcmp(args->sort, "duration") == 0 ? "longest" : "newest",
                 choice->count, args->server ? "asks for more" : "0 lists all");
}

static int print(const struct tw__args *args, const struct tw_batch_trace **traces, size_t count)
{
    struct tw__buf out = {0}, text = {0};
    struct tw__json json = {.out = &out};
    struct tw__table table;
    uint64_t now_ns = tw__clock_wall_ns();
    tw__table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        if (args->given & TW__OPT_JSON)
            write_trace(&json, traces[i]);
        else
            add_row(&table, traces[i], now_ns, &text);
    }
    if (!(args->given & TW__OPT_JSON) && count) tw__table_print(&table, &args->look, &out);
    out.failed |= text.failed;
    int code = tw__out_write(&out);
    tw__table_fini(&table);
    tw__buf_fini(&text);
    tw__buf_fini(&out);
    return code;
}

enum { FIRST_RECORDS = 20000, MORE = 16, RECORD_BYTES = 96, HALVINGS = 50 };

/* About how many records there are since a time, were they evenly spread. */
static double records_since(const struct tw__sources *sources, uint64_t since)
{
    double sum = 0;
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw_process *p = &sources->items[i].process;
        double all = (double)p->used_bytes / RECORD_BYTES;
        uint64_t first = p->oldest_ns, last = p->last_ns;
        if (since <= first)
            sum += all;
        else if (since < last)
            sum += all * (double)(last - since) / (double)(last - first);
    }
    return sum;
}

/* Since when there are about so many; 0: there are no more. */
static uint64_t since_of(const struct tw__sources *sources, double records)
{
    uint64_t low = UINT64_MAX, high = 0;
    if (records_since(sources, 0) < 2 * records) return 0;
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw_process *p = &sources->items[i].process;
        if (p->oldest_ns && p->oldest_ns < low) low = p->oldest_ns;
        if (p->last_ns > high) high = p->last_ns;
    }
    for (int i = 0; i < HALVINGS && low < high; i++) {
        uint64_t middle = low + (high - low) / 2;
        if (records_since(sources, middle) > records)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A trace whose root is there is whole if that began since; of another there may be something from before. */
static bool are_whole(const struct tw__sources *sources, const struct tw_batch_trace **traces, size_t count,
                      uint64_t since)
{
    bool whole = true;
    for (size_t t = 0; t < count && whole; t++) {
        if (!traces[t]->rootless) continue;
        const struct tw_query before = {.trace_id = traces[t]->id, .until_ns = since, .limit = 1};
        for (size_t i = 0; i < sources->count && whole; i++) {
            struct tw_records *records;
            if (tw_reader_read(sources->items[i].reader, &before, &records) < 0) return false;
            whole = records->count == 0;
            tw_records_free(records);
        }
    }
    return whole;
}

/* Reads, assembles and chooses. */
static int gather(struct tw__sources *sources, const struct tw__args *args, struct tw_batch **batch,
                  struct choice *choice)
{
    bool some = args->limit && strcmp(args->sort, "duration") != 0;
    for (double records = FIRST_RECORDS;; records *= MORE) {
        uint64_t since = some ? since_of(sources, records) : 0;
        int code = tw__sources_batch(sources, &(struct tw_query){.open_spans = true, .since_ns = since}, batch);
        if (code != TW__EXIT_OK) return code;
        code = choose(*batch, args, since, choice);
        if (code != TW__EXIT_OK || since == 0) return code;
        choice->more = true; /* what is older was not looked at */
        if (choice->count == args->limit && are_whole(sources, choice->traces, choice->count, since)) return code;
        free(choice->traces);
        tw__batch_free(*batch);
        tw__sources_drop(sources);
        *choice = (struct choice){0};
        *batch = NULL;
    }
}

/* The same of a collector: it may find what the options then leave out, so that more is asked for until there is
 * enough. */
static int gather_remote(struct tw__sources *sources, const struct tw__args *args, struct tw_batch **batch,
                         struct choice *choice)
{
    /* More than are shown: a trace is found by the newest of its spans, and listed by when it began. */
    uint64_t limit =
        args->limit && args->limit < TW__REMOTE_TRACES_MAX / 4 ? 2 * args->limit + 20 : TW__REMOTE_TRACES_MAX;
    for (;;) {
        bool more = false;
        int code = tw__remote_traces(sources, args, limit, &more);
        if (code == TW__EXIT_OK) code = tw__sources_assemble(sources, batch);
        if (code != TW__EXIT_OK) return code;
        code = choose(*batch, args, 0, choice);
        if (code != TW__EXIT_OK) return code;
        bool enough = args->limit && choice->count >= args->limit;
        choice->more |= more && enough;
        if (more && !enough && limit == TW__REMOTE_TRACES_MAX)
            tw__complain("%llu requests were looked at, and there are more; ask for less", (unsigned long long)limit);
        if (!more || enough || limit == TW__REMOTE_TRACES_MAX) return TW__EXIT_OK;
        tw__batch_free(*batch);
        free(choice->traces);
        *batch = NULL;
        *choice = (struct choice){0};
        limit = limit * 4 < TW__REMOTE_TRACES_MAX ? limit * 4 : TW__REMOTE_TRACES_MAX;
    }
}

int tw__cmd_traces(const struct tw__args *args)
{
    struct tw__sources sources;
    struct tw_batch *batch = NULL;
    struct choice choice = {0};
    int code = tw__sources_open(&sources, args);
    if (code == TW__EXIT_OK) code = (sources.remote ? gather_remote : gather)(&sources, args, &batch, &choice);
    if (code == TW__EXIT_OK) code = print(args, choice.traces, choice.count);
    if (code == TW__EXIT_OK) {
        tell_more(args, &choice);
        code = tw__sources_exit(&sources);
        if (code == TW__EXIT_OK && (sources.count || sources.remote) && choice.count == 0)
            tw__complain("no request matches");
    }
    free(choice.traces);
    tw__batch_free(batch);
    tw__sources_close(&sources);
    return code;
}
