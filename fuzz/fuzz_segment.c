/* Whatever the bytes of a segment (segment_input.h), opening, describing and reading it touches nothing outside, and
 * what is delivered is whole. */
#include <trackway/live.h>

#include "segment_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte that was delivered. */
static void touch(const struct tw_records *records)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < records->count; i++) {
        const struct tw_record *r = &records->items[i];
        if (i && r[-1].time_ns > r->time_ns) abort();
        const struct tw_text texts[] = {r->name, r->module, r->function, r->thread, r->status_message};
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
            for (size_t k = 0; k < texts[t].len; k++) sum += (uint8_t)texts[t].ptr[k];
        for (size_t t = 0; t < r->tag_count; t++) {
            const struct tw_tag_value *tag = &r->tags[t];
            for (size_t k = 0; k < tag->key.len; k++) sum += (uint8_t)tag->key.ptr[k];
            for (size_t k = 0; k < tag->text.len; k++) sum += (uint8_t)tag->text.ptr[k];
            if (tag->type == TW_TYPE_NONE || tag->full_len < tag->text.len) abort();
        }
        for (size_t t = 0; t < r->arg_count; t++)
            for (size_t k = 0; k < r->args[t].text.len; k++) sum += (uint8_t)r->args[t].text.ptr[k];
        char message[300];
        size_t len = tw_record_message(r, message, sizeof message);
        if (len >= sizeof message || message[len] != 0) abort();
        for (size_t k = 0; k < len; k++) sum += (uint8_t)message[k];
        for (size_t t = 0; t < r->parent_count; t++) sum += r->parents[t].flags;
    }
    if (sum == 0x123456789abcdef) abort(); /* so that the loops stay */
}

static bool touch_site(const struct tw_site_value *site, void *data)
{
    *(uint64_t *)data += site->name.len + site->line;
    for (size_t i = 0; i < site->function.len; i++) *(uint64_t *)data += (uint8_t)site->function.ptr[i];
    return true;
}

static void read_as(struct tw_reader *reader, const struct tw_query *query)
{
    struct tw_records *records = NULL;
    if (tw_reader_read(reader, query, &records) != 0) return;
    touch(records);
    tw_records_free(records);
}

static int touch_part(const struct tw_records *records, void *data)
{
    if (!records) return 0;
    touch(records);
    *(size_t *)data += records->count;
    return 0;
}

/* In parts there is as much as in one. */
static void read_parts(struct tw_reader *reader)
{
    const struct tw_query query = {.open_spans = true};
    struct tw_records *records = NULL;
    size_t count = 0;
    if (tw_reader_read(reader, &query, &records) != 0) return;
    if (tw_reader_each(reader, &query, touch_part, &count) == 0 && count != records->count) abort();
    tw_records_free(records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t trace[16] = {[15] = 1};
    size_t len;
    uint8_t *bytes = segment_of(data, size, &len);
    struct tw_reader *reader;
    struct tw_process process;
    struct tw_position *position = tw_position_new();

    if (!position) abort();
    if (tw__reader_over(bytes, len, "fuzz", &reader, NULL) == 0) {
        (void)tw_reader_process(reader, &process);
        struct tw_live_status status;
        uint64_t sum = 0;
        (void)tw_reader_sites(reader, touch_site, &sum);
        for (size_t i = 0; tw_live_seat_status(reader, i, &status) == 0; i++)
            if (strlen(status.ref) >= sizeof status.ref || strlen(status.problem) >= sizeof status.problem) abort();
        read_as(reader, &(struct tw_query){.open_spans = true});
        read_parts(reader);
        read_as(reader, &(struct tw_query){.trace_id = trace, .open_spans = true, .limit = 3});
        read_as(reader, &(struct tw_query){.since_ns = 1000, .until_ns = 1u << 30, .after = position});
        read_as(reader, &(struct tw_query){.open_spans = true, .after = position});
        read_as(reader, &(struct tw_query){.only_open = true});
        tw_reader_close(reader);
    }
    tw_position_free(position);
    free(bytes);
    return 0;
}
