/* process_json: a process, one set of members, for ps, stats and dump. Losses come from their table, so that a new kind
 * of loss appears here by itself. */
#include "wire/process_json.h"

#include "wire/record_json.h"

uint64_t tw__losses_sum(const struct tw_losses *losses)
{
    uint64_t sum = 0;
#define ADD(name, text) sum += losses->name;
    TW_LOSS_TABLE(ADD)
#undef ADD
    return sum;
}

static void write_losses(struct tw__json *json, const struct tw_losses *losses)
{
    tw__json_open(json, "losses", '{');
#define WRITE(name, text) tw__json_u64(json, #name, losses->name);
    TW_LOSS_TABLE(WRITE)
#undef WRITE
    tw__json_close(json, '}');
}

static void write_drops(struct tw__json *json, const struct tw_drops *drops)
{
    tw__json_open(json, "header_drops", '{');
#define WRITE(name, text) tw__json_u64(json, #name, drops->name);
    TW_DROP_TABLE(WRITE)
#undef WRITE
    tw__json_close(json, '}');
}

void tw__json_process(struct tw__json *json, const struct tw_process *process)
{
    tw__json_u64(json, "pid", process->pid);
    tw__json_u64(json, "uid", process->uid);
    tw__json_text(json, "service", process->service);
    tw__json_cstr(json, "state", tw__process_state_name(process->state));
    tw__json_bool(json, "recording", process->recording);
    tw__json_text(json, "command", process->command);
    tw__json_text(json, "host", process->host);
    tw__json_text(json, "path", process->path);
    tw__json_u64(json, "started_ns", process->started_ns);
    tw__json_u64(json, "opened_ns", process->opened_ns);
    tw__json_u64(json, "last_ns", process->last_ns);
    tw__json_u64(json, "oldest_ns", process->oldest_ns);
    tw__json_u64(json, "arena_bytes", process->arena_bytes);
    tw__json_u64(json, "used_bytes", process->used_bytes);
    tw__json_u64(json, "overwritten_bytes", process->overwritten_bytes);
    tw__json_u64(json, "spans_begun", process->spans_begun);
    tw__json_u64(json, "threads", process->threads);
    tw__json_u64(json, "threads_total", process->threads_total);
    tw__json_u64(json, "open_spans", process->open_spans);
    tw__json_u64(json, "lost", tw__losses_sum(&process->losses));
    write_losses(json, &process->losses);
    write_drops(json, &process->drops);
    tw__json_text(json, "sampler", process->sampler);
    if (process->rate_asked) tw__json_f64(json, "sample_rate", process->rate);
    if (process->notice.len) tw__json_text(json, "notice", process->notice);
}

void tw__json_exporters(struct tw__json *json, struct tw_reader *reader)
{
    struct tw_export_stats stats;
    tw__json_open(json, "exporters", '[');
    for (size_t i = 0; tw_reader_exporter(reader, i, &stats) == 0; i++) {
        tw__json_open(json, NULL, '{');
        tw__json_cstr(json, "name", stats.name);
        tw__json_u64(json, "records", stats.records);
        tw__json_u64(json, "sent", stats.sent);
        tw__json_u64(json, "bytes", stats.bytes);
        tw__json_u64(json, "dropped", stats.dropped);
        tw__json_u64(json, "backing_off", stats.backing_off);
        tw__json_u64(json, "too_long", stats.too_long);
        tw__json_u64(json, "cut", stats.cut);
        tw__json_u64(json, "errors", stats.errors);
        tw__json_u64(json, "missed", stats.missed);
        if (stats.problem[0]) tw__json_cstr(json, "problem", stats.problem);
        tw__json_close(json, '}');
    }
    tw__json_close(json, ']');
}
