/* where: filters on the command line.
 *
 * A trace passes when one of its spans meets every condition; trace.duration and the like are the same for each of its
 * spans. A mistake is shown under the text, so that nobody counts bytes:
 *
 *     trackway: traces: --where is not understood: of which unit? write 200ms, 1.5s, 10us, 5m
 *     trackway:     status=error duration>200
 *     trackway:                           ^
 */
#include "cli/where.h"

#include <string.h>

#include "model/span_fields.h"
#include "wire/record_json.h"
#include "wire/utf8.h"

enum { CARET_MAX = 200 };

/* Columns of a terminal that the bytes before take. */
static unsigned columns(const char *text, size_t len)
{
    unsigned sum = 0;
    for (size_t at = 0, n; at < len; at += n) {
        uint32_t code_point = 0;
        n = tw__utf8_next(text + at, len - at, &code_point);
        sum += n ? tw__utf8_columns(code_point) : 1;
        n = n ? n : 1;
    }
    return sum;
}

bool tw__where_compile(struct tw__args *args, const char *command, const char *text)
{
    struct tw__filter *filter = NULL;
    struct tw__refusal why;
    if (args->where) {
        tw__complain("%s: --where twice; write one filter: (first) and (second)", command);
        return false;
    }
    if (tw__filter_compile(text, strlen(text), &tw__span_schema, &filter, &why) < 0) {
        unsigned at = columns(text, why.at);
        tw__complain("%s: --where is not understood: %s", command, why.text);
        if (at <= CARET_MAX && !strchr(text, '\n')) {
            tw__complain("    %s", text);
            tw__complain("    %*s", (int)at + 1, "^");
        }
        return false;
    }
    args->where = filter;
    return true;
}

bool tw__where_record(const struct tw__args *args, const struct tw_record *record, const struct tw_process *process,
                      uint64_t end_ns)
{
    struct tw__span_view view;
    if (!args->where) return true;
    tw__span_view_record(&view, record, process, end_ns);
    view.record = tw__record_kind_name(record->kind);
    return tw__filter_match(args->where, tw__span_field, &view);
}

bool tw__where_trace(const struct tw__args *args, const struct tw_batch_trace *trace)
{
    struct tw__span_view view;
    if (!args->where || args->where->many) return true; /* several values: of a collector, which has looked */
    struct tw__trace_view of_trace = {
        .duration_ns = tw__batch_trace_duration(trace), .spans = trace->span_count, .errors = trace->error_count};
    if (trace->root) {
        of_trace.name = *trace->root->record->name;
        of_trace.service = trace->root->process->service;
    }
    struct tw__kept_view record_view = {0};
    bool found = false;
    for (size_t i = 0; i < trace->span_count && !found; i++) {
        const struct tw_batch_span *span = trace->spans[i];
        const struct tw_record *record = tw__kept_open(span->record, &record_view);
        if (!record) break;
        tw__span_view_record(&view, record, span->process, span->end_ns);
        view.record = tw__record_kind_name(record->kind);
        view.trace = &of_trace;
        found = tw__filter_match(args->where, tw__span_field, &view);
    }
    tw__kept_view_fini(&record_view);
    return found;
}
