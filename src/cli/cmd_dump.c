/* dump: everything, as JSON lines, in time order across processes.
 *
 * Each process's records are in order already; the next line is the oldest of what stands first in each. With the few
 * dozen processes of a machine a look at all of them is as quick as a heap.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "cli/resolve.h"
#include "cli/where.h"
#include "wire/process_json.h"
#include "wire/record_json.h"

/* The source whose next record is the oldest; count when all are done. */
static size_t oldest(const struct tw__sources *sources, const size_t *at)
{
    size_t best = sources->count;
    uint64_t best_ns = 0;
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw_records *records = sources->items[i].records;
        if (at[i] >= records->count) continue;
        uint64_t ns = records->items[at[i]].time_ns;
        if (best != sources->count && ns >= best_ns) continue;
        best = i;
        best_ns = ns;
    }
    return best;
}

static uint64_t known_end(const struct tw_record *record, const struct tw_process *process)
{
    return record->kind == TW_RECORD_OPEN ? process->last_ns : record->end_ns;
}

static int print(const struct tw__sources *sources, const struct tw__args *args, size_t *at, struct tw__buf *out,
                 size_t *count)
{
    struct tw__json json = {.out = out};
    for (size_t i = 0; i < sources->count; i++) {
        tw__json_open(&json, NULL, '{');
        tw__json_cstr(&json, "kind", "process");
        tw__json_process(&json, &sources->items[i].process);
        tw__json_close(&json, '}');
        tw__json_line(&json);
    }
    int code = TW__EXIT_OK;
    for (size_t i; code == TW__EXIT_OK && (i = oldest(sources, at)) < sources->count; ++*count) {
        const struct tw_record *record = &sources->items[i].records->items[at[i]++];
        const struct tw_process *process = &sources->items[i].process;
        if (!tw__where_record(args, record, process, known_end(record, process))) continue;
        tw__json_open(&json, NULL, '{');
        tw__json_record(&json, record, process, known_end(record, process));
        tw__json_close(&json, '}');
        tw__json_line(&json);
        code = tw__out_write_some(out);
    }
    return code == TW__EXIT_OK ? tw__out_write(out) : code;
}

static int dump(struct tw__sources *sources, const struct tw__args *args, const uint8_t *id)
{
    struct tw__buf out = {0};
    struct tw_query query = {.trace_id = id, .open_spans = true};
    uint64_t now = tw__clock_wall_ns();
    if (args->given & TW__OPT_SINCE && args->since_ns < now) query.since_ns = now - args->since_ns;
    int code = tw__sources_read(sources, &query);
    size_t *at = calloc(sources->count + 1, sizeof *at), count = 0;
    if (!at) code = tw__out_of_memory();
    if (code == TW__EXIT_OK) code = print(sources, args, at, &out, &count);
    if (code == TW__EXIT_OK && id && count == 0) {
        tw__complain("trace %s is not in the memory of these processes; trackway traces lists what is there",
                     args->trace);
        code = TW__EXIT_FAILED;
    }
    free(at);
    tw__buf_fini(&out);
    return code;
}

int tw__cmd_dump(const struct tw__args *args)
{
    struct tw__sources sources;
    uint8_t id[16];
    int code = tw__sources_open(&sources, args);
    if (code == TW__EXIT_OK && args->trace) code = tw__trace_resolve(&sources, args->trace, id);
    if (code == TW__EXIT_OK) code = dump(&sources, args, args->trace ? id : NULL);
    if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
    tw__sources_close(&sources);
    return code;
}
