/* stats: everything a process counts, a block of lines each. Losses that are zero are shown too: that nothing was lost is an
 * answer. */
#include "base/clock.h"
#include "cli/source.h"
#include "wire/human.h"
#include "wire/process_json.h"
#include "wire/record_json.h"

static void add_line(struct tw__buf *out, const struct tw__look *look, const char *name, struct tw_text value,
                     const char *text)
{
    unsigned width = look->width ? look->width : UINT_MAX / 2;
    struct tw__buf line = {0};
    tw__buf_fmt(&line, "  %-18s ", name);
    tw__buf_add(&line, value.ptr, value.len);
    if (*text) tw__buf_fmt(&line, "  %s", text);
    (void)tw__term_text(out, look, tw__buf_text(&line), width, TW__CUT_MARK);
    tw__buf_char(out, '\n');
    out->failed |= line.failed;
    tw__buf_fini(&line);
}

static void add_number(struct tw__buf *out, const struct tw__look *look, const char *name, uint64_t value,
                       const char *text)
{
    struct tw__buf digits = {0};
    tw__buf_fmt(&digits, "%10llu", (unsigned long long)value);
    add_line(out, look, name, tw__buf_text(&digits), text);
    out->failed |= digits.failed;
    tw__buf_fini(&digits);
}

static void add_heading(struct tw__buf *out, const struct tw__look *look, const struct tw_process *process)
{
    struct tw__buf text = {0};
    tw__buf_add(&text, process->service.ptr, process->service.len);
    tw__buf_fmt(&text, " %u (%s%s)", process->pid, tw__process_state_name(process->state),
                process->recording ? "" : ", recording off");
    tw__term_ink(out, look, TW__INK_BOLD);
    (void)tw__term_text(out, look, tw__buf_text(&text), look->width ? look->width : UINT_MAX / 2, TW__CUT_MARK);
    tw__term_plain(out, look, TW__INK_BOLD);
    tw__buf_char(out, '\n');
    out->failed |= text.failed;
    tw__buf_fini(&text);
}

static void print_process(struct tw__buf *out, const struct tw__look *look, const struct tw_process *p)
{
    uint64_t reach = p->oldest_ns && p->last_ns > p->oldest_ns ? p->last_ns - p->oldest_ns : 0;
    add_heading(out, look, p);
    add_line(out, look, "command", p->command, "");
    add_line(out, look, "host", p->host, "");
    add_line(out, look, "segment", p->path, "");
    add_number(out, look, "uid", p->uid, "");
    add_line(out, look, "started", tw__text_of(tw__human_date(p->started_ns).text), "");
    add_line(out, look, "recording since", tw__text_of(tw__human_date(p->opened_ns).text), "");
    add_line(out, look, "last seen", tw__text_of(tw__human_date(p->last_ns).text), "");
    add_line(out, look, "reaches back", tw__text_of(p->oldest_ns ? tw__human_duration(reach).text : "empty"), "");
    add_number(out, look, "arena_bytes", p->arena_bytes, tw__human_bytes(p->arena_bytes).text);
    add_number(out, look, "used_bytes", p->used_bytes, tw__human_bytes(p->used_bytes).text);
    add_number(out, look, "overwritten_bytes", p->overwritten_bytes, tw__human_bytes(p->overwritten_bytes).text);
    add_number(out, look, "spans_begun", p->spans_begun, "");
    add_number(out, look, "open_spans", p->open_spans, "");
    add_number(out, look, "threads", p->threads, "");
    add_number(out, look, "threads_total", p->threads_total, "");
#define LINE(name, text) add_number(out, look, #name, p->losses.name, text);
    TW_LOSS_TABLE(LINE)
#undef LINE
}

/* How it samples, what cannot be, and a line for each exporter. */
static void print_exporters(struct tw__buf *out, const struct tw__look *look, const struct tw__source *source)
{
    const struct tw_process *p = &source->process;
    struct tw_export_stats stats;
    struct tw__buf text = {0};
    if (p->rate_asked) tw__buf_fmt(&text, "rate %.6g, asked for; configured: ", p->rate);
    if (p->sampler.len)
        tw__buf_add(&text, p->sampler.ptr, p->sampler.len);
    else
        tw__buf_cstr(&text, "everything");
    add_line(out, look, "sampled", tw__buf_text(&text), "");
    if (p->notice.len) add_line(out, look, "notice", p->notice, "");
    for (size_t i = 0; tw_reader_exporter(source->reader, i, &stats) == 0; i++) {
        tw__buf_reset(&text);
        tw__buf_fmt(&text, "%s: %llu records, %llu sent, %llu bytes, %llu dropped, %llu errors, %llu chunks missed", stats.name,
                    (unsigned long long)stats.records, (unsigned long long)stats.sent, (unsigned long long)stats.bytes,
                    (unsigned long long)stats.dropped, (unsigned long long)stats.errors, (unsigned long long)stats.missed);
        add_line(out, look, "exporter", tw__buf_text(&text), "");
        if (stats.problem[0]) add_line(out, look, "", tw__text_of(stats.problem), "");
    }
    out->failed |= text.failed;
    tw__buf_fini(&text);
}

int tw__cmd_stats(const struct tw__args *args)
{
    struct tw__sources sources;
    struct tw__buf out = {0};
    struct tw__json json = {.out = &out};
    int code = tw__sources_open(&sources, args);
    for (size_t i = 0; code == TW__EXIT_OK && i < sources.count; i++) {
        if (args->given & TW__OPT_JSON) {
            tw__json_open(&json, NULL, '{');
            tw__json_process(&json, &sources.items[i].process);
            tw__json_exporters(&json, sources.items[i].reader);
            tw__json_close(&json, '}');
            tw__json_line(&json);
        } else {
            if (i) tw__buf_char(&out, '\n');
            print_process(&out, &args->look, &sources.items[i].process);
            print_exporters(&out, &args->look, &sources.items[i]);
        }
    }
    if (code == TW__EXIT_OK) code = tw__out_write(&out);
    if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
    tw__buf_fini(&out);
    tw__sources_close(&sources);
    return code;
}
