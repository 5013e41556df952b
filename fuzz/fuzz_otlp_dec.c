/* Requests to export spans: the first byte chooses the form ('j': JSON, else protobuf). Everything that is handed on is
 * read to its last byte, has valid ids, and keeps the limits. JSON that is valid has the same spans when it is cut into
 * pieces. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum;
static size_t spans_taken;

static void read_text(struct tw_text text)
{
    for (size_t i = 0; i < text.len; i++) sum += (unsigned char)text.ptr[i];
}

static void read_tags(const struct tw_tag_value *tags, size_t count, size_t limit)
{
    if (count > limit) abort();
    for (size_t i = 0; i < count; i++) {
        if (tags[i].key.len == 0 || tags[i].type > TW_TYPE_JSON) abort();
        read_text(tags[i].key);
        bool text = tags[i].type == TW_TYPE_STR || tags[i].type == TW_TYPE_BYTES || tags[i].type == TW_TYPE_JSON;
        if (text) read_text(tags[i].text);
    }
}

static int take(void *ignored, struct tw__spans *spans)
{
    (void)ignored;
    if (spans->count == 0 || spans->count > TW__OTLP_BATCH_SPANS) abort();
    spans_taken += spans->count;
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        if (tw__all_zero(span->trace_id, 16) || tw__all_zero(span->span_id, 8)) abort();
        if (span->resource >= spans->resource_count || span->scope >= spans->scope_count) abort();
        if (span->event_count > TW__OTLP_PARTS_MAX || span->link_count > TW__OTLP_PARTS_MAX) abort();
        read_text(span->name);
        read_text(span->status_message);
        read_text(span->trace_state);
        read_tags(span->tags, span->tag_count, TW__OTLP_TAGS_MAX);
        for (size_t e = 0; e < span->event_count; e++) {
            read_text(span->events[e].name);
            read_tags(span->events[e].tags, span->events[e].tag_count, TW__OTLP_PART_TAGS_MAX);
        }
        for (size_t l = 0; l < span->link_count; l++) {
            read_text(span->links[l].trace_state);
            read_tags(span->links[l].tags, span->links[l].tag_count, TW__OTLP_PART_TAGS_MAX);
        }
        read_text(spans->resources[span->resource].service);
        read_tags(spans->resources[span->resource].tags, spans->resources[span->resource].tag_count, TW__OTLP_TAGS_MAX);
        read_text(spans->scopes[span->scope].name);
        read_tags(spans->scopes[span->scope].tags, spans->scopes[span->scope].tag_count, TW__OTLP_TAGS_MAX);
    }
    return 0;
}

static int take_piece(void *data, const char *text, size_t len)
{
    return tw__otlp_json_dec(data, text, len);
}

static void cut(struct tw__otlp_dec *dec, const uint8_t *text, size_t size)
{
    enum { PIECE = 100, STEP = 13 };
    struct tw__otlp_pieces pieces = {.piece_bytes = PIECE, .limit_bytes = 1 << 24, .take = take_piece, .data = dec};
    size_t whole = spans_taken;
    spans_taken = 0;
    for (size_t at = 0; at < size; at += STEP)
        if (tw__otlp_pieces_feed(&pieces, (const char *)text + at, size - at < STEP ? size - at : STEP) != 0) abort();
    if (tw__otlp_pieces_end(&pieces) != 0 || spans_taken != whole) abort();
    tw__otlp_pieces_fini(&pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tw__spans spans = {0};
    struct tw__otlp_dec dec = {.spans = &spans, .door = TW__DOOR_OTLP_HTTP, .take = take};
    if (size == 0) return 0;
    spans_taken = 0;
    uint8_t *exact = malloc(size);
    if (!exact) return 0;
    memcpy(exact, data + 1, size - 1);
    int code = data[0] == 'j' ? tw__otlp_json_dec(&dec, exact, size - 1) : tw__otlp_dec(&dec, exact, size - 1);
    if (code != 0 && code != TW_ERR_SYNTAX && code != TW_ERR_MEMORY) abort();
    if (code == TW_ERR_SYNTAX && !dec.why) abort();
    if (code == 0 && data[0] == 'j') cut(&dec, exact, size - 1);
    tw__spans_fini(&spans);
    tw__pool_fini(&dec.kept);
    free(exact);
    return 0;
}
