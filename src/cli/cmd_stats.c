/* stats: everything a process counts, a block of lines each. Losses that are zero are shown too: that nothing was lost
 * is an answer.
 *
 * What is too long for the terminal goes on below itself. On one too narrow for that names stand on lines of their own,
 * and what a number means is left out: its name says it, too. */
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "cli/source.h"
#include "wire/human.h"
#include "wire/process_json.h"
#include "wire/record_json.h"

enum {
    NAME = 18,
    VALUE_AT = 2 + NAME + 1,
    DIGITS = 10,
    TEXT_AT = VALUE_AT + DIGITS + 2,
    TEXT_MIN = 20,
    VALUE_MIN = 19
};

static unsigned width_of(const struct tw__look *look)
{
    return look->width ? look->width : UINT_MAX / 2;
}

/* The longest beginning of text that ends with a word and fits; a word at the least. */
static size_t words_within(struct tw_text text, unsigned room)
{
    size_t len = 0;
    for (size_t at = 0; at <= text.len; at++) {
        if (at < text.len && text.ptr[at] != ' ') continue;
        if (len && tw__term_columns((struct tw_text){text.ptr, at}) > room) break;
        len = at;
    }
    return len;
}

/* Prints text from column indent on, where the line stands by now, and goes on below. */
static void add_text(struct tw__buf *out, const struct tw__look *look, struct tw_text text, unsigned indent)
{
    unsigned room = width_of(look) > indent ? width_of(look) - indent : 1;
    for (bool first = true; text.len; first = false) {
        size_t len = words_within(text, room);
        if (!first) tw__buf_char(out, '\n');
        if (!first) tw__buf_fill(out, ' ', indent);
        (void)tw__term_text(out, look, (struct tw_text){text.ptr, len}, room, TW__CUT_MARK);
        if (len < text.len) len++;
        text = (struct tw_text){text.ptr + len, text.len - len};
    }
    tw__buf_char(out, '\n');
}

/* Returns the column that the line stands at. */
static unsigned add_name(struct tw__buf *out, const struct tw__look *look, const char *name)
{
    bool narrow = width_of(look) < VALUE_AT + VALUE_MIN;
    if (!narrow)
        tw__buf_fmt(out, "  %-*s ", NAME, name);
    else if (*name)
        tw__buf_fmt(out, "  %.*s\n    ", (int)width_of(look) - 2, name);
    else
        tw__buf_cstr(out, "    ");
    return narrow ? 4 : VALUE_AT;
}

static void add_line(struct tw__buf *out, const struct tw__look *look, const char *name, struct tw_text value)
{
    unsigned at = add_name(out, look, name);
    if (value.len)
        add_text(out, look, value, at);
    else
        tw__buf_cstr(out, "-\n");
}

static void add_number(struct tw__buf *out, const struct tw__look *look, const char *name, uint64_t value,
                       const char *text)
{
    unsigned width = width_of(look), at = add_name(out, look, name);
    bool fits = at == VALUE_AT && *text && (width >= TEXT_AT + TEXT_MIN || width >= TEXT_AT + strlen(text));
    tw__buf_fmt(out, "%*llu", at == VALUE_AT ? DIGITS : 0, (unsigned long long)value);
    if (!fits) {
        tw__buf_char(out, '\n');
        return;
    }
    tw__buf_cstr(out, "  ");
    add_text(out, look, tw__text_of(text), TEXT_AT);
}

static void add_heading(struct tw__buf *out, const struct tw__look *look, const struct tw_process *process)
{
    struct tw__buf text = {0};
    tw__buf_add(&text, process->service.ptr, process->service.len);
    tw__buf_fmt(&text, " %u (%s%s)", process->pid, tw__process_state_name(process->state),
                process->recording ? "" : ", recording off");
    tw__term_ink(out, look, TW__INK_BOLD);
    (void)tw__term_text(out, look, tw__buf_text(&text), width_of(look), TW__CUT_MARK);
    tw__term_plain(out, look, TW__INK_BOLD);
    tw__buf_char(out, '\n');
    out->failed |= text.failed;
    tw__buf_fini(&text);
}

/* Nothing beside a number that is as short itself. */
static struct tw__short bytes_text(uint64_t bytes)
{
    return bytes < 1024 ? (struct tw__short){""} : tw__human_bytes(bytes);
}

static void print_process(struct tw__buf *out, const struct tw__look *look, const struct tw_process *p)
{
    uint64_t reach = p->oldest_ns && p->last_ns > p->oldest_ns ? p->last_ns - p->oldest_ns : 0;
    add_heading(out, look, p);
    add_line(out, look, "command", p->command);
    add_line(out, look, "host", p->host);
    add_line(out, look, "segment", p->path);
    add_number(out, look, "uid", p->uid, "");
    add_line(out, look, "started", tw__text_of(tw__human_date(p->started_ns).text));
    add_line(out, look, "recording since", tw__text_of(tw__human_date(p->opened_ns).text));
    add_line(out, look, "last seen", tw__text_of(tw__human_date(p->last_ns).text));
    add_line(out, look, "reaches back", tw__text_of(p->oldest_ns ? tw__human_duration(reach).text : "empty"));
    add_number(out, look, "arena_bytes", p->arena_bytes, bytes_text(p->arena_bytes).text);
    add_number(out, look, "used_bytes", p->used_bytes, bytes_text(p->used_bytes).text);
    add_number(out, look, "overwritten_bytes", p->overwritten_bytes, bytes_text(p->overwritten_bytes).text);
    add_number(out, look, "spans_begun", p->spans_begun, "");
    add_number(out, look, "open_spans", p->open_spans, "");
    add_number(out, look, "threads", p->threads, "");
    add_number(out, look, "threads_total", p->threads_total, "");
#define LINE(name, text) add_number(out, look, #name, p->losses.name, text);
    TW_LOSS_TABLE(LINE)
#undef LINE
}

/* What of headers of others was not read, or not sent on. */
static void print_drops(struct tw__buf *out, const struct tw__look *look, const struct tw_drops *drops)
{
    struct tw__buf text = {0};
#define ADD(name, words)                                                                                               \
    if (drops->name) tw__buf_fmt(&text, "%s%llu %s", text.len ? "; " : "", (unsigned long long)drops->name, words);
    TW_DROP_TABLE(ADD)
#undef ADD
    add_line(out, look, "headers dropped", text.len ? tw__buf_text(&text) : tw__text_of("none"));
    out->failed |= text.failed;
    tw__buf_fini(&text);
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
    add_line(out, look, "sampled", tw__buf_text(&text));
    if (p->notice.len) add_line(out, look, "notice", p->notice);
    for (size_t i = 0; tw_reader_exporter(source->reader, i, &stats) == 0; i++) {
        tw__buf_reset(&text);
        tw__buf_fmt(&text, "%s: %llu records, %llu sent, %llu bytes, %llu cut, %llu dropped", stats.name,
                    (unsigned long long)stats.records, (unsigned long long)stats.sent, (unsigned long long)stats.bytes,
                    (unsigned long long)stats.cut, (unsigned long long)stats.dropped);
        if (stats.dropped)
            tw__buf_fmt(&text, " (%llu backing off, %llu too long)", (unsigned long long)stats.backing_off,
                        (unsigned long long)stats.too_long);
        tw__buf_fmt(&text, ", %llu errors, %llu chunks missed", (unsigned long long)stats.errors,
                    (unsigned long long)stats.missed);
        add_line(out, look, "exporter", tw__buf_text(&text));
        if (stats.problem[0]) add_line(out, look, "", tw__text_of(stats.problem));
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
            print_drops(&out, &args->look, &sources.items[i].process.drops);
            print_exporters(&out, &args->look, &sources.items[i]);
        }
    }
    if (code == TW__EXIT_OK) code = tw__out_write(&out);
    if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
    tw__buf_fini(&out);
    tw__sources_close(&sources);
    return code;
}
