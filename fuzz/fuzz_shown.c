/* What people and programs are shown of a segment of any bytes: pictures that cannot steer a terminal, JSON to the
 * letter, spans that the collector's store can take. */
#include "segment_input.h"

#include "ingest/segment_spans.h"
#include "read_spans.h"
#include "wire/json_read.h"
#include "wire/record_json.h"
#include "wire/utf8.h"
#include "wire/waterfall.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_harmless(const struct tw__buf *out)
{
    uint32_t point;
    for (size_t at = 0, len; at < out->len; at += len) {
        len = tw__utf8_next(out->ptr + at, out->len - at, &point);
        if (!len || (point < 0x20 && point != '\n') || (point >= 0x7f && point < 0xa0)) abort();
        if (point == 0x61c || (point >= 0x200e && point <= 0x200f) || (point >= 0x202a && point <= 0x202e)) abort();
        if (point >= 0x2066 && point <= 0x2069) abort();
    }
}

static void draw(const struct tw_batch *batch, const struct tw_batch_trace *trace, const struct tw_records *records)
{
    static const struct {
        struct tw__look look;
        bool all, brief;
    } ways[] = {
        {{.width = 20}, false, false}, {{.width = 100, .utf8 = true}, true, false}, {{.utf8 = true}, false, true}};
    struct tw_links *links = calloc(1, sizeof *links);
    if (!links) abort();
    tw__links_init(links, trace);
    tw__links_scan(links, records);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct tw__buf out = {0};
        const struct tw__waterfall_options options = {
            .look = &ways[i].look, .links = links, .all = ways[i].all, .brief = ways[i].brief};
        if (tw__waterfall_print(batch, trace, &options, &out) != 0) abort();
        must_be_harmless(&out);
        tw__buf_fini(&out);
    }
    free(links);
}

static void write_json(const struct tw_records *records, const struct tw_process *process)
{
    static char scratch[1 << 16];
    for (size_t i = 0; i < records->count; i++) {
        struct tw__buf out = {0};
        struct tw__json json = {.out = &out};
        tw__json_open(&json, NULL, '{');
        tw__json_record(&json, &records->items[i], process, records->items[i].end_ns);
        tw__json_close(&json, '}');
        if (out.failed) abort();
        struct tw__json_reader reader = {
            .text = out.ptr, .len = out.len, .last = true, .scratch = scratch, .scratch_cap = sizeof scratch};
        for (enum tw__json_event event = TW__JSON_NULL; event != TW__JSON_DONE;) {
            event = tw__json_read(&reader);
            if (event == TW__JSON_BAD) abort();
        }
        tw__buf_fini(&out);
    }
}

static void join(const struct tw_records *records, const struct tw_process *process, bool dead)
{
    struct tw__pending pending = {0};
    struct tw__spans spans = {0};
    struct tw__segment_join it = {
        .records = records, .process = process, .pending = &pending, .now_ns = 1, .dead = dead};
    if (tw__segment_join_begin(&it) < 0) abort();
    while (tw__segment_join_next(&it, &spans) > 0) read_spans(&spans);
    tw__segment_join_end(&it, !dead);
    tw__spans_fini(&spans);
    tw__pending_fini(&pending);
}

static void show(struct tw_reader *reader)
{
    struct tw_records *records = NULL;
    struct tw_process process;
    struct tw_export_stats exporter;
    struct tw_batch *batch = tw__batch_new();
    if (!batch) abort();
    if (tw_reader_process(reader, &process) == 0 &&
        tw_reader_read(reader, &(struct tw_query){.open_spans = true}, &records) == 0) {
        for (size_t i = 0; tw_reader_exporter(reader, i, &exporter) == 0; i++)
            if (strlen(exporter.name) >= sizeof exporter.name || strlen(exporter.problem) >= sizeof exporter.problem)
                abort();
        if (tw__batch_add(batch, &process, records) != 0 || tw__batch_build(batch) != 0) abort();
        for (size_t i = 0; i < batch->trace_count && i < 4; i++) draw(batch, &batch->traces[i], records);
        write_json(records, &process);
        join(records, &process, false);
        join(records, &process, true);
    }
    tw__batch_free(batch);
    tw_records_free(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t len;
    uint8_t *bytes = segment_of(data, size, &len);
    struct tw_reader *reader;
    if (tw__reader_over(bytes, len, "fuzz", &reader, NULL) == 0) {
        show(reader);
        tw_reader_close(reader);
    }
    free(bytes);
    return 0;
}
