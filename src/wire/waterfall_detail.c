/* waterfall_detail: the lines below a span of the waterfall.
 *
 * In the order in which a person asks: what went wrong, why it ran (further parents), where it went on, what it was
 * about (tags), what happened in it (events, marks, messages with what became of them). Every line is cut to the
 * terminal's width. A message whose receive is not in the data never arrived, as far as can be told; the words say so,
 * because the receiver's memory may have been overwritten.
 * Limits: without --all, 8 events of a span and the first 400 columns of its tags.
 */
#include <string.h>

#include "model/text.h"
#include "wire/call_json.h"
#include "wire/human.h"
#include "wire/log_event.h"
#include "wire/waterfall_state.h"

enum { EVENTS_SHOWN = 8, TAG_COLUMNS = 60, TAG_LINES = 4, LOG_MESSAGE_MAX = 4097 };

/* One line of details: rails, then what the scratch buffer holds. */
static void line(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth, enum tw__ink ink)
{
    unsigned columns = 0;
    if (span)
        columns = tw__waterfall_rails(w, depth, TW__RAIL_DETAIL, span->first_child != NULL);
    else
        tw__buf_cstr(w->out, "  ");
    columns = columns ? columns : 2;
    tw__term_ink(w->out, w->look, ink);
    (void)tw__term_text(w->out, w->look, tw__buf_text(&w->scratch), columns < w->width ? w->width - columns : 0,
                        TW__CUT_MARK);
    tw__term_plain(w->out, w->look, ink);
    tw__buf_char(w->out, '\n');
    tw__buf_reset(&w->scratch);
}

static void add_context(struct tw__buf *text, const struct tw_context *context, bool with_trace)
{
    /* The trace first: where the line is cut, the span's id is the lesser loss. */
    if (with_trace) {
        tw__buf_cstr(text, " in trace ");
        tw__buf_hex(text, context->trace_id, sizeof context->trace_id);
    }
    tw__buf_cstr(text, " (");
    tw__buf_hex(text, context->span_id, sizeof context->span_id);
    tw__buf_char(text, ')');
}

static void cause_lines(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth)
{
    for (size_t i = 0; i < span->record->parent_count; i++) {
        const struct tw_context *cause = &tw__kept_parents(span->record)[i];
        bool elsewhere = memcmp(cause->trace_id, w->trace->id, sizeof w->trace->id) != 0;
        const struct tw_batch_span *known = tw__batch_find_span(w->batch, cause->trace_id, cause->span_id);
        struct tw_text name = {0};
        if (known)
            name = *known->record->name;
        else if (elsewhere && w->options->links)
            name = tw__links_cause(w->options->links, cause);
        tw__buf_cstr(&w->scratch, "also caused by ");
        if (name.len)
            tw__buf_add(&w->scratch, name.ptr, name.len);
        else
            tw__buf_cstr(&w->scratch, "a span not in the data");
        add_context(&w->scratch, cause, elsewhere);
        line(w, span, depth, TW__INK_BLUE);
    }
}

static void result_line(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth,
                        const struct tw_link *link)
{
    tw__buf_cstr(&w->scratch, "continues in ");
    tw__buf_add(&w->scratch, link->name, link->name_len);
    add_context(&w->scratch, &link->there, true);
    line(w, span, depth, TW__INK_BLUE);
}

static void result_lines(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth)
{
    const struct tw_links *links = w->options->links;
    for (size_t i = 0; links && i < links->result_count; i++)
        if (memcmp(links->results[i].here.span_id, span->record->span_id, sizeof span->record->span_id) == 0)
            result_line(w, span, depth, &links->results[i]);
}

/* key=value into the value buffer, at most TAG_COLUMNS of it unless all is wanted. */
static void format_tag(struct tw__waterfall *w, const struct tw_tag_value *tag)
{
    struct tw__buf raw = {0};
    tw__buf_reset(&w->value);
    tw__buf_add(&raw, tag->key.ptr, tag->key.len);
    tw__buf_char(&raw, '=');
    tw__term_tag_value(&raw, tag);
    (void)tw__term_text(&w->value, w->look, tw__buf_text(&raw), w->options->all ? UINT_MAX / 2 : TAG_COLUMNS,
                        TW__CUT_MARK);
    w->value.failed |= raw.failed;
    tw__buf_fini(&raw);
}

static void tag_lines(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth)
{
    const struct tw_record *record = tw__kept_open(span->record, &w->span_view);
    if (!record) {
        w->scratch.failed = true;
        return;
    }
    size_t indent = 2 * (depth < w->levels ? depth : w->levels) + 2, lines = 1;
    unsigned room = w->width > indent + 8 ? w->width - (unsigned)indent : 8, used = 0;
    for (size_t i = 0; i < record->tag_count; i++) {
        if (tw__record_tag_hidden(record, i)) continue;
        format_tag(w, &record->tags[i]);
        unsigned columns = tw__term_columns(tw__buf_text(&w->value));
        if (used && used + 2 + columns > room) {
            line(w, span, depth, TW__INK_DIM);
            used = 0;
            if (++lines > TAG_LINES && !w->options->all) {
                tw__buf_fmt(&w->scratch, "%zu more tags (--all shows them)", record->tag_count - i);
                break;
            }
        }
        if (used) tw__buf_cstr(&w->scratch, "  ");
        used += columns + (used ? 2 : 0);
        tw__buf_add(&w->scratch, w->value.ptr, w->value.len);
    }
    if (w->scratch.len) line(w, span, depth, TW__INK_DIM);
}

static void add_process(struct tw__buf *text, const struct tw_process *process)
{
    tw__buf_add(text, process->service.ptr, process->service.len);
    if (process->pid) tw__buf_fmt(text, " %u", process->pid);
}

static void add_tag_text(struct tw__waterfall *w, const struct tw_record *record, const char *key, const char *before)
{
    const struct tw_tag_value *tag = tw__record_tag(record, key);
    if (!tag) return;
    tw__buf_cstr(&w->scratch, before);
    tw__term_tag_value(&w->scratch, tag);
}

/* What became of a message. Returns how to colour it. */
static enum tw__ink add_message(struct tw__waterfall *w, const struct tw_batch_event *event,
                                const struct tw_record *record)
{
    bool send = record->kind == TW_RECORD_SEND;
    struct tw__buf *text = &w->scratch;
    tw__buf_cstr(text, send ? "sent" : "received");
    add_tag_text(w, record, "peer", send ? " to " : " from ");
    const struct tw_tag_value *size = tw__record_tag(record, "size");
    if (size && size->value.u) {
        add_tag_text(w, record, "size", ", ");
        tw__buf_cstr(text, " bytes");
    }
    if (!event->other) {
        tw__buf_cstr(text, send ? ": never arrived" : ": its send is not in the data");
        return send ? TW__INK_RED : TW__INK_YELLOW;
    }
    const struct tw_batch_event *from = send ? event : event->other, *to = send ? event->other : event;
    bool late = to->record->time_ns >= from->record->time_ns;
    uint64_t took = late ? to->record->time_ns - from->record->time_ns : 0;
    tw__buf_fmt(text, send ? ", arrived %s later" : ", sent %s before", tw__human_duration(took).text);
    if (event->other->process != event->process) {
        tw__buf_cstr(text, send ? " in " : " by ");
        add_process(text, event->other->process);
    } else if (event->other->record->thread->len && event->other->record->tid != record->tid) {
        tw__buf_cstr(text, send ? " in " : " by ");
        tw__buf_add(text, event->other->record->thread->ptr, event->other->record->thread->len);
    }
    return TW__INK_GREEN;
}

/* The level in words, then the message. Returns how to colour it. */
static enum tw__ink add_log(struct tw__waterfall *w, const struct tw_record *record)
{
    tw__buf_fmt(&w->scratch, "[%s] ", tw__log_level_name(record->level));
    char *at = tw__buf_room(&w->scratch, LOG_MESSAGE_MAX);
    if (at) w->scratch.len += tw_record_message(record, at, LOG_MESSAGE_MAX);
    return record->level <= 3 ? TW__INK_RED : record->level == 4 ? TW__INK_YELLOW : TW__INK_NONE;
}

/* request shop.login {"user":"ann"}; response error NoSuchUser: ann. Returns how to colour it. */
static enum tw__ink add_call(struct tw__waterfall *w, const struct tw_record *record)
{
    struct tw__buf *text = &w->scratch;
    bool error = record->status == TW_STATUS_ERROR;
    if (record->kind == TW_RECORD_REQUEST) {
        tw__buf_cstr(text, "request ");
        tw__call_name(text, record);
        add_tag_text(w, record, "call_args", " ");
        return TW__INK_GREEN;
    }
    tw__buf_cstr(text, error ? "response error" : "response");
    add_tag_text(w, record, error ? "exception_type" : "response", " ");
    if (error) add_tag_text(w, record, "exception_value", ": ");
    return error ? TW__INK_RED : TW__INK_GREEN;
}

/* What OpenTelemetry's SDKs make of an exception. */
static bool is_exception(const struct tw_record *record)
{
    return record->kind == TW_RECORD_EVENT && tw__text_is(record->name, "exception") &&
           (tw__record_tag(record, "exception.type") || tw__record_tag(record, "exception.message"));
}

static bool is_told(const struct tw_record *record, size_t tag)
{
    const struct tw_text key = record->tags[tag].key;
    return tw__record_tag_hidden(record, tag) ||
           (is_exception(record) && (tw__text_is(key, "exception.type") || tw__text_is(key, "exception.message") ||
                                     tw__text_is(key, "exception.stacktrace")));
}

/* exception NoSuchUser: ann. */
static enum tw__ink add_exception(struct tw__waterfall *w, const struct tw_record *record)
{
    bool typed = tw__record_tag(record, "exception.type") != NULL;
    tw__buf_cstr(&w->scratch, "exception");
    add_tag_text(w, record, "exception.type", " ");
    add_tag_text(w, record, "exception.message", typed ? ": " : " ");
    if (!w->options->all && !w->options->brief && tw__record_tag(record, "exception.stacktrace"))
        tw__buf_cstr(&w->scratch, " (--all shows the stack)");
    return TW__INK_RED;
}

static void stack_lines(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth,
                        const struct tw_record *record)
{
    const struct tw_tag_value *stack = is_exception(record) ? tw__record_tag(record, "exception.stacktrace") : NULL;
    if (!w->options->all || !stack || stack->type != TW_TYPE_STR) return;
    for (const char *at = stack->text.ptr, *end = at + stack->text.len; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        tw__buf_cstr(&w->scratch, "    ");
        tw__buf_add(&w->scratch, at, len);
        if (len) line(w, span, depth, TW__INK_DIM);
        tw__buf_reset(&w->scratch);
        at += len + 1;
    }
}

static void event_line(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth,
                       const struct tw_batch_event *event)
{
    const struct tw_record *record = tw__kept_open(event->record, &w->event_view);
    enum tw__ink ink = TW__INK_GREEN;
    struct tw__buf *text = &w->scratch;
    if (!record) {
        text->failed = true;
        return;
    }
    tw__buf_fmt(text, "@%s ", tw__human_duration(record->time_ns - w->trace->begin_ns).text);
    if (record->kind == TW_RECORD_SEND || record->kind == TW_RECORD_RECEIVE) {
        ink = add_message(w, event, record);
    } else if (tw__is_call(record)) {
        ink = add_call(w, record);
    } else {
        bool log = record->kind == TW_RECORD_LOG;
        if (log) ink = add_log(w, record);
        if (is_exception(record)) ink = add_exception(w, record);
        tw__buf_cstr(text, record->kind == TW_RECORD_MARK      ? "mark "
                           : record->kind == TW_RECORD_CREATED ? "thread created"
                           : record->kind == TW_RECORD_EXITED  ? "thread exited"
                                                               : "");
        if (record->kind != TW_RECORD_CREATED && record->kind != TW_RECORD_EXITED && !log && !is_exception(record))
            tw__buf_add(text, record->name.ptr, record->name.len);
        if (record->kind == TW_RECORD_MARK) ink = TW__INK_YELLOW;
        for (size_t i = 0; i < record->tag_count; i++) {
            if (is_told(record, i)) continue;
            format_tag(w, &record->tags[i]);
            tw__buf_cstr(text, " ");
            tw__buf_add(text, w->value.ptr, w->value.len);
        }
    }
    if (!span) {
        tw__buf_cstr(text, " [");
        add_process(text, event->process);
        tw__buf_char(text, ']');
    }
    line(w, span, depth, ink);
    stack_lines(w, span, depth, record);
}

static void event_lines(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth,
                        const struct tw_batch_event *first)
{
    size_t shown = 0, more = 0;
    for (const struct tw_batch_event *event = first; event; event = event->next) {
        if (w->options->all || shown < EVENTS_SHOWN || !event->next) {
            if (more) {
                tw__buf_fmt(&w->scratch, "... %zu more (--all shows them)", more);
                line(w, span, depth, TW__INK_DIM);
                more = 0;
            }
            event_line(w, span, depth, event);
            shown++;
        } else {
            more++;
        }
    }
}

/* Times and tags of events are those of one turn, as tags are: their names are all that is true of each. */
static void folded_events(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth)
{
    tw__buf_reset(&w->scratch);
    for (const struct tw_batch_event *event = span->first_event; event; event = event->next) {
        tw__buf_cstr(&w->scratch, event == span->first_event ? "each: " : ", ");
        tw__buf_add(&w->scratch, event->record->name->ptr, event->record->name->len);
    }
    if (span->first_event) line(w, span, depth, TW__INK_GREEN);
}

void tw__waterfall_details(struct tw__waterfall *w, const struct tw_batch_span *span, size_t depth)
{
    const struct tw__kept *record = span->record;
    tw__buf_reset(&w->scratch);
    if (record->status == TW_STATUS_ERROR || record->status_message->len) {
        tw__buf_cstr(&w->scratch, record->status == TW_STATUS_ERROR ? "error" : "status");
        if (record->status_message->len) tw__buf_cstr(&w->scratch, ": ");
        tw__buf_add(&w->scratch, record->status_message->ptr, record->status_message->len);
        line(w, span, depth, record->status == TW_STATUS_ERROR ? TW__INK_RED : TW__INK_DIM);
    }
    if (span->orphan) {
        tw__buf_cstr(&w->scratch, "its parent ");
        tw__buf_hex(&w->scratch, record->parent_id, sizeof record->parent_id);
        tw__buf_cstr(&w->scratch, " is not in the data");
        line(w, span, depth, TW__INK_YELLOW);
    }
    if (span->looping) {
        tw__buf_cstr(&w->scratch, "its parents form a circle, cut here");
        line(w, span, depth, TW__INK_YELLOW);
    }
    if (record->marks & TW_RECORD_BACKWARDS) {
        tw__buf_cstr(&w->scratch, "ends before it begins, by the times it was given");
        line(w, span, depth, TW__INK_YELLOW);
    }
    cause_lines(w, span, depth);
    result_lines(w, span, depth);
    /* The tags of a folded span are those of the first of many: they would mislead. */
    if (!span->fold && !w->options->brief) tag_lines(w, span, depth);
    if (span->fold)
        folded_events(w, span, depth);
    else
        event_lines(w, span, depth, span->first_event);
}

void tw__waterfall_rest(struct tw__waterfall *w)
{
    const struct tw_links *links = w->options->links;
    tw__buf_reset(&w->scratch);
    if (w->trace->first_event) {
        tw__buf_cstr(w->out, w->trace->span_count ? "\nin no span that is in the data:\n" : "");
        event_lines(w, NULL, 0, w->trace->first_event);
    }
    for (size_t i = 0; links && i < links->result_count; i++)
        if (!tw__batch_find_span(w->batch, w->trace->id, links->results[i].here.span_id))
            result_line(w, NULL, 0, &links->results[i]);
    if (links && links->results_more) {
        tw__buf_fmt(&w->scratch, "continues in %zu more spans of other traces", links->results_more);
        line(w, NULL, 0, TW__INK_BLUE);
    }
}
