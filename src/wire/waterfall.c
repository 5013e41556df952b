/* waterfall: a trace as a tree, with bars on one scale.
 *
 *     GET /cart [front 4711]        23.4ms |██████████████████████████|
 *     ├ load cart                   3.10ms |  ███                     |
 *     │ └ select x 312 p50 9.1us    2.90ms |  ▒▒▒                     |
 *     └ POST /commit [back 4712]   >8.20ms |         █████████▶       |
 *     ^ tree, label columns         ^ 8     ^ bar columns, half a column each step
 *
 * One tree across processes: a child in another process stands below its parent, and says so. The tree is walked twice:
 * once to find the widest label, once to print. Nothing recurses; of a deep tree the innermost levels are drawn, and
 * the depth is given as a number.
 * Invariant: no line is wider than the terminal, except the trace id, which would be useless in part.
 * Limits: below 60 columns there are no bars. A bar is at least half a column wide, so that short spans are seen at
 * all.
 * Rejected: one section per process (the path of a request through processes is what is looked for); rows kept in
 * memory (the walk is cheaper than 100,000 labels).
 */
#include "wire/waterfall.h"

#include <stdlib.h>
#include <string.h>

#include "model/fold.h"
#include "wire/human.h"
#include "wire/waterfall_state.h"

enum { DEFAULT_WIDTH = 120, BARS_FROM = 60, DURATION = 8, BAR_MAX = 100 };

static const struct tw_batch_span *visible(const struct tw_batch_span *span)
{
    while (span && span->folded) span = span->next;
    return span;
}

unsigned tw__waterfall_rails(struct tw__waterfall *w, size_t depth, enum tw__rail kind, bool children)
{
    static const char *const ascii[] = {"  ", "| ", "+ ", "` "};
    static const char *const drawn[] = {"  ", "\u2502 ", "\u251c ", "\u2514 "};
    const char *const *set = w->look->utf8 ? drawn : ascii;
    size_t first = depth > w->levels ? depth - w->levels + 1 : 1;
    unsigned columns = 0;
    if (!w->measuring) tw__term_ink(w->out, w->look, TW__INK_DIM);
    for (size_t level = first; level <= depth; level++, columns += 2) {
        bool corner = kind == TW__RAIL_SPAN && level == depth;
        if (!w->measuring) tw__buf_cstr(w->out, set[corner ? (w->more[level] ? 2 : 3) : w->more[level]]);
    }
    if (kind == TW__RAIL_DETAIL) {
        if (!w->measuring) tw__buf_cstr(w->out, set[children]);
        columns += 2;
    }
    if (!w->measuring) tw__term_plain(w->out, w->look, TW__INK_DIM);
    return columns;
}

/* Where a span ran, when that is not where its parent ran. */
static void add_place(struct tw__buf *text, const struct tw_batch_span *span)
{
    const struct tw_batch_span *parent = span->parent;
    const struct tw__kept *record = span->record;
    bool process = !parent || parent->process != span->process;
    bool thread = process ? span->trace->threads > span->trace->processes : parent->record->tid != record->tid;
    if (!record->tid && !record->thread->len) thread = false; /* other tracers' spans do not tell */
    if (!process && !thread) return;
    tw__buf_cstr(text, " [");
    if (process) {
        tw__buf_add(text, span->process->service.ptr, span->process->service.len);
        if (span->process->pid) tw__buf_fmt(text, " %u", span->process->pid);
    }
    if (process && thread) tw__buf_char(text, ' ');
    /* Threads of a pool share a name: then only the number tells them apart. */
    bool same_name = !process && parent->record->thread == record->thread;
    if (thread && record->thread->len && !same_name)
        tw__buf_add(text, record->thread->ptr, record->thread->len);
    else if (thread)
        tw__buf_fmt(text, "thread %u", record->tid);
    tw__buf_char(text, ']');
}

static void set_label(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth)
{
    struct tw__buf *text = &w->scratch;
    tw__buf_reset(text);
    if (depth > w->levels) tw__buf_fmt(text, "(%zu deep) ", depth);
    if (span->record->name->len)
        tw__buf_add(text, span->record->name->ptr, span->record->name->len);
    else
        tw__buf_cstr(text, "(no name)");
    if (span->fold)
        tw__buf_fmt(text, " x %zu, p50 %s, max %s", span->fold->count, tw__human_duration(span->fold->p50_ns).text,
                    tw__human_duration(span->fold->max_ns).text);
    if (span->open)
        tw__buf_cstr(text, span->process->state == TW_PROCESS_LIVE   ? " OPEN"
                           : span->process->state == TW_PROCESS_DEAD ? " OPEN at death"
                                                                     : " OPEN at the end");
    add_place(text, span);
}

static double share(const struct tw__waterfall *w, uint64_t ns)
{
    uint64_t extent = w->trace->end_ns - w->trace->begin_ns;
    if (ns <= w->trace->begin_ns || extent == 0) return 0;
    if (ns >= w->trace->end_ns) return 1;
    return (double)(ns - w->trace->begin_ns) / (double)extent;
}

static void add_bar(struct tw__waterfall *w, const struct tw_batch_span *span, enum tw__ink ink)
{
    static const char *const blocks[] = {" ", "\u258c", "\u2590", "\u2588"};
    const char *edge = w->look->utf8 ? "\u2502" : "|";
    double halves = 2.0 * w->bar;
    uint64_t begin = span->record->time_ns, end = span->fold ? span->fold->end_ns : span->end_ns;
    unsigned from = (unsigned)(share(w, begin) * halves), to = (unsigned)(share(w, end) * halves + 0.999);
    if (from >= 2 * w->bar) from = 2 * w->bar - 1;
    if (to <= from) to = from + 1;
    if (to > 2 * w->bar) to = 2 * w->bar;
    tw__buf_char(w->out, ' ');
    tw__term_ink(w->out, w->look, TW__INK_DIM);
    tw__buf_cstr(w->out, edge);
    tw__term_plain(w->out, w->look, TW__INK_DIM);
    tw__buf_fill(w->out, ' ', from / 2);
    tw__term_ink(w->out, w->look, ink);
    for (unsigned cell = from / 2; 2 * cell < to; cell++) {
        bool left = 2 * cell >= from, right = 2 * cell + 1 < to, last = 2 * cell + 2 >= to;
        if (span->open && last)
            tw__buf_cstr(w->out, w->look->utf8 ? "\u25b6" : ">");
        else if (span->fold)
            tw__buf_cstr(w->out, w->look->utf8 ? "\u2592" : "-");
        else
            tw__buf_cstr(w->out, w->look->utf8 ? blocks[(unsigned)left + 2 * (unsigned)right] : "=");
    }
    tw__term_plain(w->out, w->look, ink);
    tw__buf_fill(w->out, ' ', w->bar - (to + 1) / 2);
    tw__term_ink(w->out, w->look, TW__INK_DIM);
    tw__buf_cstr(w->out, edge);
    tw__term_plain(w->out, w->look, TW__INK_DIM);
}

/* Right-aligned in DURATION columns, a space in front. */
static void add_duration(struct tw__waterfall *w, const char *before, struct tw__short duration, enum tw__ink ink)
{
    size_t len = strlen(duration.text) + strlen(before);
    tw__buf_fill(w->out, ' ', 1 + (len < DURATION ? DURATION - len : 0));
    tw__term_ink(w->out, w->look, ink);
    tw__buf_cstr(w->out, before);
    tw__buf_cstr(w->out, duration.text);
    tw__term_plain(w->out, w->look, ink);
}

static void print_span(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth)
{
    set_label(w, span, depth);
    unsigned columns = tw__waterfall_rails(w, depth, TW__RAIL_SPAN, false);
    struct tw_text label = tw__buf_text(&w->scratch);
    if (w->measuring) {
        unsigned wide = columns + tw__term_columns(label);
        if (wide > w->widest) w->widest = wide;
        return;
    }
    enum tw__ink ink = span->record->status == TW_STATUS_ERROR ? TW__INK_RED
                       : span->open                            ? TW__INK_YELLOW
                                                               : TW__INK_NONE;
    tw__term_ink(w->out, w->look, ink);
    columns += tw__term_text(w->out, w->look, label, columns < w->label ? w->label - columns : 0, TW__CUT_MARK);
    tw__term_plain(w->out, w->look, ink);
    if (columns < w->label) tw__buf_fill(w->out, ' ', w->label - columns);
    add_duration(w, span->open ? ">" : "",
                 tw__human_duration(span->fold ? span->fold->sum_ns : tw__batch_duration(span)), ink);
    if (w->bar) add_bar(w, span, ink ? ink : TW__INK_CYAN);
    tw__buf_char(w->out, '\n');
    tw__waterfall_details(w, span, depth);
    if (w->options->flush && !w->stopped && !w->out->failed) w->stopped = w->options->flush(w->out);
}

static void walk(struct tw__waterfall *w)
{
    size_t depth = 0;
    for (const struct tw_batch_span *span = visible(w->trace->first_top), *next; span && !w->stopped; span = next) {
        w->more[depth] = visible(span->next) != NULL;
        print_span(w, span, depth);
        next = visible(span->first_child);
        if (next) {
            depth++;
            continue;
        }
        while (!(next = visible(span->next)) && span->parent) {
            span = span->parent;
            depth--;
        }
    }
}

static void choose_columns(struct tw__waterfall *w)
{
    unsigned fixed = 1 + DURATION;
    bool bars = w->width >= BARS_FROM;
    unsigned most = bars ? w->width * 11 / 20 : w->width > fixed + 8 ? w->width - fixed : 8;
    w->levels = most > 24 ? (most - 20) / 2 : 2;
    w->measuring = true;
    walk(w);
    w->measuring = false;
    w->label = w->widest < most ? w->widest : most;
    if (w->label < 12 && most >= 12) w->label = 12;
    if (!bars) return;
    w->bar = w->width - w->label - fixed - 3;
    if (w->bar > BAR_MAX) w->bar = BAR_MAX;
}

/* One piece of the summary; a new line when it would not fit. */
static void flow(struct tw__waterfall *w, unsigned *used, enum tw__ink ink, struct tw_text piece)
{
    unsigned columns = tw__term_columns(piece);
    if (*used && *used + 2 + columns > w->width) {
        tw__buf_char(w->out, '\n');
        *used = 0;
    }
    if (*used) {
        tw__buf_cstr(w->out, "  ");
        *used += 2;
    }
    tw__term_ink(w->out, w->look, ink);
    *used += tw__term_text(w->out, w->look, piece, w->width, TW__CUT_MARK);
    tw__term_plain(w->out, w->look, ink);
}

static void flow_count(struct tw__waterfall *w, unsigned *used, enum tw__ink ink, size_t count, const char *one,
                       const char *many)
{
    tw__buf_reset(&w->scratch);
    tw__buf_fmt(&w->scratch, "%zu %s", count, count == 1 ? one : many);
    flow(w, used, ink, tw__buf_text(&w->scratch));
}

static void print_summary(struct tw__waterfall *w)
{
    const struct tw_batch_trace *trace = w->trace;
    char id[TW_TRACE_ID_HEX_LEN + 1];
    unsigned used = 0;
    tw_trace_id_format(trace->id, id);
    tw__term_ink(w->out, w->look, TW__INK_BOLD);
    tw__buf_cstr(w->out, w->width < 38 ? "" : "trace ");
    tw__buf_cstr(w->out, id);
    tw__term_plain(w->out, w->look, TW__INK_BOLD);
    tw__buf_char(w->out, '\n');
    if (trace->root) flow(w, &used, TW__INK_BOLD, *trace->root->record->name);
    flow(w, &used, TW__INK_BOLD, tw__text_of(tw__human_duration(tw__batch_trace_duration(trace)).text));
    flow_count(w, &used, TW__INK_NONE, trace->span_count, "span", "spans");
    flow_count(w, &used, TW__INK_NONE, trace->threads, "thread", "threads");
    flow_count(w, &used, TW__INK_NONE, trace->processes, "process", "processes");
    if (trace->error_count) flow_count(w, &used, TW__INK_RED, trace->error_count, "error", "errors");
    if (trace->open_count) flow_count(w, &used, TW__INK_YELLOW, trace->open_count, "open", "open");
    if (trace->rootless) flow(w, &used, TW__INK_YELLOW, tw__text_of("its root is not in the data"));
    flow(w, &used, TW__INK_DIM, tw__text_of(tw__human_date(trace->begin_ns).text));
    tw__buf_cstr(w->out, "\n\n");
}

/* 0 at the left edge of the bars, the whole at the right. */
static void print_scale(struct tw__waterfall *w)
{
    if (w->bar < 12) return;
    struct tw__short whole = tw__human_duration(w->trace->end_ns - w->trace->begin_ns);
    tw__buf_fill(w->out, ' ', w->label + 1 + DURATION + 2);
    tw__term_ink(w->out, w->look, TW__INK_DIM);
    tw__buf_char(w->out, '0');
    tw__buf_fill(w->out, ' ', w->bar - 1 - strlen(whole.text));
    tw__buf_cstr(w->out, whole.text);
    tw__term_plain(w->out, w->look, TW__INK_DIM);
    tw__buf_char(w->out, '\n');
}

int tw__waterfall_print(const struct tw_batch *batch, const struct tw_batch_trace *trace,
                        const struct tw__waterfall_options *options, struct tw__buf *out)
{
    struct tw__folds folds = {0};
    struct tw__waterfall w = {.batch = batch, .trace = trace, .options = options, .look = options->look, .out = out};
    w.width = options->look->width ? options->look->width : DEFAULT_WIDTH;
    w.more = calloc(trace->span_count + 1, sizeof *w.more);
    int result = w.more ? 0 : TW_ERR_MEMORY;
    if (result == 0 && !options->all) result = tw__fold_trace(trace, &folds);
    if (result == 0) {
        choose_columns(&w);
        print_summary(&w);
        print_scale(&w);
        walk(&w);
        if (!w.stopped) tw__waterfall_rest(&w);
        result = w.stopped;
        if (out->failed || w.scratch.failed || w.value.failed) result = TW_ERR_MEMORY;
    }
    tw__folds_fini(&folds, trace);
    tw__buf_fini(&w.scratch);
    tw__buf_fini(&w.value);
    tw__kept_view_fini(&w.span_view);
    tw__kept_view_fini(&w.event_view);
    free(w.more);
    return result;
}
