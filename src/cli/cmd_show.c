/* show: one request as a waterfall.
 *
 *     resolve the id -> read that trace from every process -> assemble -> look for edges to other traces -> draw
 *
 * The look for edges reads everything, a part of one process at a time, and keeps only what it finds. Only what ended
 * after this trace began can have been caused by it; causes of this trace may be older, so that with any of them no
 * limit is set.
 */
#include <stdlib.h>

#include "cli/remote.h"
#include "cli/resolve.h"
#include "wire/record_json.h"
#include "wire/waterfall.h"

enum { LINKS_BYTES = 4 << 20 };

/* By parts of the arena. Of open spans the first reading tells all. */
static int find_links_in(const struct tw__source *source, uint64_t since_ns, struct tw_links *links)
{
    struct tw_position *position = tw_position_new();
    struct tw_query query = {.since_ns = since_ns, .open_spans = true, .after = position, .max_bytes = LINKS_BYTES};
    bool done = false;
    int result = position ? 0 : TW_ERR_MEMORY;
    while (result == 0 && !done) {
        struct tw_records *records;
        result = tw_reader_read(source->reader, &query, &records);
        if (result < 0) break;
        tw__links_scan(links, records);
        query.open_spans = false;
        done = records->more == 0;
        tw_records_free(records);
    }
    tw_position_free(position);
    return result < 0 ? tw__source_failed(source, result) : TW__EXIT_OK;
}

static int find_links(const struct tw__sources *sources, const struct tw_batch *batch,
                      const struct tw_batch_trace *trace, struct tw_links *links)
{
    int code = TW__EXIT_OK;
    tw__links_init(links, trace);
    uint64_t since_ns = links->cause_count ? 0 : trace->begin_ns;
    if (sources->remote) tw__links_scan_batch(links, batch);
    for (size_t i = 0; !sources->remote && i < sources->count && code == TW__EXIT_OK; i++)
        code = find_links_in(&sources->items[i], since_ns, links);
    return code;
}

/* The members of a record into the object that is open. */
static void write_members(struct tw__json *json, const struct tw__kept *kept, const struct tw_process *process,
                          uint64_t end_ns)
{
    struct tw__kept_view view = {0};
    const struct tw_record *record = tw__kept_open(kept, &view);
    if (record)
        tw__json_record(json, record, process, end_ns);
    else
        json->out->failed = true;
    tw__kept_view_fini(&view);
}

static void write_event(struct tw__json *json, const struct tw_batch_event *event)
{
    tw__json_open(json, NULL, '{');
    write_members(json, event->record, event->process, event->record->time_ns);
    if (event->record->kind == TW_RECORD_SEND) tw__json_bool(json, "arrived", event->other != NULL);
    tw__json_close(json, '}');
}

static void write_link(struct tw__json *json, const struct tw_link *link)
{
    tw__json_open(json, NULL, '{');
    tw__json_cstr(json, "kind", "continues");
    tw__json_hex(json, "span_id", link->here.span_id, sizeof link->here.span_id);
    tw__json_hex(json, "in_trace_id", link->there.trace_id, sizeof link->there.trace_id);
    tw__json_hex(json, "in_span_id", link->there.span_id, sizeof link->there.span_id);
    tw__json_text(json, "name", (struct tw_text){link->name, link->name_len});
    tw__json_close(json, '}');
    tw__json_line(json);
}

static void write_span(struct tw__json *json, const struct tw_batch_span *span, size_t depth)
{
    tw__json_open(json, NULL, '{');
    write_members(json, span->record, span->process, span->end_ns);
    tw__json_u64(json, "depth", depth);
    tw__json_bool(json, "parent_missing", span->orphan);
    if (span->first_event) {
        tw__json_open(json, "events", '[');
        for (const struct tw_batch_event *event = span->first_event; event; event = event->next)
            write_event(json, event);
        tw__json_close(json, ']');
    }
    tw__json_close(json, '}');
    tw__json_line(json);
}

static int print_json(const struct tw_batch_trace *trace, const struct tw_links *links, struct tw__buf *out)
{
    struct tw__json json = {.out = out};
    size_t depth = 0;
    int code = TW__EXIT_OK;
    for (struct tw_batch_span *span = trace->first_top; span && code == TW__EXIT_OK;
         span = tw__batch_walk(span, &depth)) {
        write_span(&json, span, depth);
        code = tw__out_write_some(out);
    }
    for (const struct tw_batch_event *event = trace->first_event; event && code == TW__EXIT_OK; event = event->next) {
        write_event(&json, event);
        tw__json_line(&json);
        code = tw__out_write_some(out);
    }
    for (size_t i = 0; i < links->result_count; i++) write_link(&json, &links->results[i]);
    return code;
}

static int print(const struct tw__sources *sources, const struct tw__args *args, const struct tw_batch *batch,
                 const struct tw_batch_trace *trace)
{
    struct tw__buf out = {0};
    struct tw_links *links = calloc(1, sizeof *links);
    int code = links ? find_links(sources, batch, trace, links) : tw__out_of_memory();
    if (code == TW__EXIT_OK && args->given & TW__OPT_JSON) {
        code = print_json(trace, links, &out);
    } else if (code == TW__EXIT_OK) {
        struct tw__waterfall_options options = {.look = &args->look,
                                                .links = links,
                                                .all = args->given & TW__OPT_ALL,
                                                .brief = args->given & TW__OPT_BRIEF,
                                                .flush = tw__out_write_some};
        int result = tw__waterfall_print(batch, trace, &options, &out);
        code = result == TW_ERR_MEMORY ? tw__out_of_memory() : result;
    }
    if (code == TW__EXIT_OK) code = tw__out_write(&out);
    tw__buf_fini(&out);
    free(links);
    return code;
}

int tw__cmd_show(const struct tw__args *args)
{
    struct tw__sources sources;
    struct tw_batch *batch = NULL;
    uint8_t id[16];
    int code = tw__sources_open(&sources, args);
    if (code == TW__EXIT_OK) code = tw__trace_resolve(&sources, args->operands[0], id);
    if (code == TW__EXIT_OK)
        code = sources.remote
                   ? tw__remote_trace(&sources, id, &batch)
                   : tw__sources_batch(&sources, &(struct tw_query){.trace_id = id, .open_spans = true}, &batch);
    if (code == TW__EXIT_OK) {
        const struct tw_batch_trace *trace = tw__batch_find(batch, id);
        if (trace) {
            code = print(&sources, args, batch, trace);
            if (code == TW__EXIT_OK) code = tw__sources_exit(&sources);
        } else {
            tw__complain(
                "trace %s is not in the memory of these processes: overwritten, in another process, or cleared; "
                "trackway traces lists what is there",
                args->operands[0]);
            code = TW__EXIT_FAILED;
        }
    }
    tw__batch_free(batch);
    tw__sources_close(&sources);
    return code;
}
