/* calls: requests and responses of entrypoints, in the formats that users of nameko-tracer have.
 *
 * What is there is merged by time across processes, the newest of it when there is a limit; with --follow what comes is
 * printed as it comes. Redaction and truncation have happened in the process that recorded.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/resolve.h"
#include "cli/tail.h"
#include "cli/where.h"
#include "wire/call_json.h"

static struct tw__call_look look_of(const struct tw__args *args)
{
    struct tw__call_look look = {.legacy = args->given & TW__OPT_LEGACY, .iso = args->given & TW__OPT_ISO};
    const char *format = args->format ? args->format : "json";
    look.format = strcmp(format, "pretty") == 0    ? TW__CALL_PRETTY
                  : strcmp(format, "elastic") == 0 ? TW__CALL_ELASTIC
                  : strcmp(format, "plain") == 0   ? TW__CALL_PLAIN
                                                   : TW__CALL_JSON;
    return look;
}

static uint64_t took_ns(const struct tw_record *record)
{
    const struct tw_tag_value *took = tw__record_tag(record, "response_time_ns");
    return took && took->type == TW_TYPE_UINT ? took->value.u : 0;
}

static bool is_of_trace(const struct tw__args *args, const struct tw_record *record)
{
    uint8_t id[16];
    return !args->trace || tw_trace_id_parse(args->trace, strlen(args->trace), id) < 0 ||
           memcmp(id, record->trace_id, sizeof id) == 0;
}

static bool passes(const struct tw__args *args, const struct tw_record *record, const struct tw_process *process)
{
    struct tw__buf name = {0};
    if (!tw__is_call(record)) return false;
    if (args->given & TW__OPT_FOLLOW && !is_of_trace(args, record)) return false;
    if (args->given & TW__OPT_LEVEL && strcmp(args->level, tw__call_level(record)) != 0) return false;
    tw__call_name(&name, record);
    bool result = tw__filter_passes(args, (struct tw_text){name.ptr, name.len}, took_ns(record), record->status);
    tw__buf_fini(&name);
    return result && tw__where_record(args, record, process, record->end_ns);
}

static void print(const struct tw__args *args, struct tw__buf *out, const struct tw_record *record,
                  const struct tw_process *process)
{
    const struct tw__call_look look = look_of(args);
    tw__call_print(out, record, process, &look);
}

struct shown {
    const struct tw_record *record;
    const struct tw_process *process;
};

static int by_time(const void *left, const void *right)
{
    const struct shown *a = left, *b = right;
    if (a->record->time_ns != b->record->time_ns) return a->record->time_ns < b->record->time_ns ? -1 : 1;
    return (a->record->order > b->record->order) - (a->record->order < b->record->order);
}

static int print_all(const struct tw__sources *sources, const struct tw__args *args)
{
    struct tw__buf out = {0};
    size_t all = 0, count = 0;
    int code = TW__EXIT_OK;
    for (size_t i = 0; i < sources->count; i++) all += sources->items[i].records->count;
    if (args->trace && all == 0 && !(args->given & TW__OPT_SINCE)) {
        tw__complain("trace %s is not in the memory of these processes; trackway traces lists what is there",
                     args->trace);
        return TW__EXIT_FAILED;
    }
    struct shown *shown = calloc(all + 1, sizeof *shown);
    if (!shown) return tw__out_of_memory();
    for (size_t i = 0; i < sources->count; i++) {
        const struct tw__source *source = &sources->items[i];
        for (size_t k = 0; k < source->records->count; k++)
            if (passes(args, &source->records->items[k], &source->process))
                shown[count++] = (struct shown){&source->records->items[k], &source->process};
    }
    qsort(shown, count, sizeof *shown, by_time);
    size_t first = args->given & TW__OPT_LIMIT && args->limit && count > args->limit ? count - (size_t)args->limit : 0;
    for (size_t i = first; i < count && code == TW__EXIT_OK; i++) {
        print(args, &out, shown[i].record, shown[i].process);
        code = tw__out_write_some(&out);
    }
    if (code == TW__EXIT_OK) code = tw__out_write(&out);
    if (code == TW__EXIT_OK && count == 0 && sources->count) tw__complain("no call matches");
    tw__buf_fini(&out);
    free(shown);
    return code;
}

int tw__cmd_calls(const struct tw__args *args)
{
    static const struct tw__tail_view view = {passes, print};
    struct tw__sources sources;
    uint8_t id[16];
    if (args->given & TW__OPT_FOLLOW && args->trace && tw_trace_id_parse(args->trace, strlen(args->trace), id) < 0) {
        tw__complain("calls: --follow waits for a trace that may not be there yet: --trace needs the whole id");
        return TW__EXIT_USAGE;
    }
    if (args->given & TW__OPT_FOLLOW) return tw__tail_follow(args, &view);
    int code = tw__sources_open(&sources, args);
    if (code == TW__EXIT_OK && args->trace) code = tw__trace_resolve(&sources, args->trace, id);
    struct tw_query query = {.trace_id = args->trace ? id : NULL};
    uint64_t now = tw__clock_wall_ns();
    if (args->given & TW__OPT_SINCE && args->since_ns < now) query.since_ns = now - args->since_ns;
    if (code == TW__EXIT_OK) code = tw__sources_read(&sources, &query);
    if (code == TW__EXIT_OK) code = print_all(&sources, args);
    if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
    tw__sources_close(&sources);
    return code;
}
