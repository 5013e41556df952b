/* open: spans in progress, the oldest first.
 *
 * A span of a dead process is as old as it was at death; that process's state stands beside it. Only the slots are
 * read, not the arena, so that this is quick however much was recorded.
 */
#include <stdlib.h>

#include "cli/remote.h"
#include "cli/where.h"
#include "wire/human.h"
#include "wire/record_json.h"
#include "wire/table.h"

enum { TAG_COLUMNS = 60 };

struct row {
    const struct tw_record *record;
    const struct tw_process *process;
    uint64_t end_ns; /* until when it was open */
};

static const struct tw__column columns[] = {
    {.title = "AGE", .right = true},
    {.title = "PID", .right = true, .rank = 2},
    {.title = "SERVICE", .min = 8, .rank = 4},
    {.title = "STATE", .rank = 3},
    {.title = "THREAD", .min = 8, .rank = 5},
    {.title = "NAME", .min = 14},
    {.title = "TRACE", .paste = true, .min = 12, .rank = 1},
    {.title = "TAGS", .min = 16, .rank = 6},
};

static int oldest_first(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->record->time_ns != b->record->time_ns) return a->record->time_ns < b->record->time_ns ? -1 : 1;
    if (a->record->pid != b->record->pid) return a->record->pid < b->record->pid ? -1 : 1;
    return a->record->order < b->record->order ? -1 : a->record->order > b->record->order;
}

static uint64_t age(const struct row *row)
{
    return row->end_ns - row->record->time_ns;
}

/* Those that pass, in order. NULL on lack of memory. */
static struct row *choose(const struct tw__sources *sources, const struct tw__args *args, size_t *count)
{
    size_t all = 0;
    for (size_t i = 0; i < sources->count; i++) all += sources->items[i].records->count;
    struct row *rows = calloc(all + 1, sizeof *rows);
    *count = 0;
    if (!rows) return NULL;
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw__source *source = &sources->items[i];
        for (size_t k = 0; k < source->records->count; k++) {
            const struct tw_record *record = &source->records->items[k];
            uint64_t end = source->process.last_ns > record->time_ns ? source->process.last_ns : record->time_ns;
            if (record->kind != TW_RECORD_OPEN) continue;
            if (!tw__filter_passes(args, record->name, end - record->time_ns, record->status)) continue;
            if (!tw__where_record(args, record, &source->process, end)) continue;
            rows[(*count)++] = (struct row){record, &source->process, end};
        }
    }
    qsort(rows, *count, sizeof *rows, oldest_first);
    if (args->given & TW__OPT_LIMIT && args->limit && *count > args->limit) *count = (size_t)args->limit;
    return rows;
}

static void add_tags(struct tw__table *table, const struct tw_record *record, struct tw__buf *text)
{
    tw__buf_reset(text);
    for (size_t i = 0; i < record->tag_count && text->len < TAG_COLUMNS; i++) {
        if (tw__record_tag_hidden(record, i)) continue;
        if (text->len) tw__buf_char(text, ' ');
        tw__buf_add(text, record->tags[i].key.ptr, record->tags[i].key.len);
        tw__buf_char(text, '=');
        tw__term_tag_value(text, &record->tags[i]);
    }
    size_t most = 2 * TAG_COLUMNS; /* a table cell cuts too, but 4000 bytes of a tag need not get there */
    tw__table_cell(table, TW__INK_DIM, (struct tw_text){text->ptr, text->len < most ? text->len : most});
}

/* Other tracers' spans do not tell: 0. */
static void add_id(struct tw__table *table, uint32_t id)
{
    if (id)
        tw__table_number(table, TW__INK_NONE, id);
    else
        tw__table_cstr(table, TW__INK_NONE, "-");
}

static void add_row(struct tw__table *table, const struct row *row, struct tw__buf *text)
{
    const struct tw_record *record = row->record;
    bool live = row->process->state == TW_PROCESS_LIVE;
    /* When a process died nobody wrote down; its last record says how long the span lived at least. */
    tw__buf_reset(text);
    tw__buf_fmt(text, "%s%s", live ? "" : ">", tw__human_duration(age(row)).text);
    tw__table_cell(table, TW__INK_YELLOW, tw__buf_text(text));
    add_id(table, record->pid);
    tw__table_cell(table, TW__INK_NONE, row->process->service);
    tw__table_cstr(table, live ? TW__INK_GREEN : TW__INK_RED, tw__process_state_name(row->process->state));
    if (record->thread.len)
        tw__table_cell(table, TW__INK_NONE, record->thread);
    else
        add_id(table, record->tid);
    tw__table_cell(table, TW__INK_BOLD, record->name);
    tw__buf_reset(text);
    tw__buf_hex(text, record->trace_id, sizeof record->trace_id);
    tw__table_cell(table, TW__INK_NONE, tw__buf_text(text));
    add_tags(table, record, text);
}

static int print(const struct tw__args *args, const struct row *rows, size_t count)
{
    struct tw__buf out = {0}, text = {0};
    struct tw__json json = {.out = &out};
    struct tw__table table;
    tw__table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        if (args->given & TW__OPT_JSON) {
            tw__json_open(&json, NULL, '{');
            tw__json_u64(&json, "age_ns", age(&rows[i]));
            tw__json_record(&json, rows[i].record, rows[i].process, rows[i].end_ns);
            tw__json_close(&json, '}');
            tw__json_line(&json);
        } else {
            add_row(&table, &rows[i], &text);
        }
    }
    if (!(args->given & TW__OPT_JSON) && count) tw__table_print(&table, &args->look, &out);
    out.failed |= text.failed;
    int code = tw__out_write(&out);
    tw__table_fini(&table);
    tw__buf_fini(&text);
    tw__buf_fini(&out);
    return code;
}

int tw__cmd_open(const struct tw__args *args)
{
    struct tw__sources sources;
    int code = tw__sources_open(&sources, args);
    if (code == TW__EXIT_OK)
        code = sources.remote
                   ? tw__remote_open(&sources, args)
                   : tw__sources_read(&sources, &(struct tw_query){.open_spans = true, .only_open = true});
    if (code == TW__EXIT_OK) {
        size_t count;
        struct row *rows = choose(&sources, args, &count);
        code = rows ? print(args, rows, count) : tw__out_of_memory();
        if (code == TW__EXIT_OK) {
            code = tw__sources_exit(&sources);
            if (code == TW__EXIT_OK && (sources.count || sources.remote) && count == 0)
                tw__complain("no span is open");
        }
        free(rows);
    }
    tw__sources_close(&sources);
    return code;
}
