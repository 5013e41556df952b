/* api_otlp: whole spans as OTLP JSON, for the command, which draws what it gets as it draws what it reads itself.
 *
 *     GET /api/tw/otlp/traces?where=&service=&name=&since=&until=&min_trace=&order=&limit=      whole traces
 *     GET /api/tw/otlp/traces/ID?links=1                                  one, and what other traces have to do with it
 *     GET /api/tw/otlp/spans?where=&service=&name=&since=&until=&ended_since=&limit=            the spans that match
 *     POST /api/tw/otlp/spans                                             spans, with the token for writing
 *
 * An answer has at most SPANS_MAX spans (but one whole trace in any case, without tags, events and links beyond that);
 * "more": true says that there was more. Spans of a resource stand together. Spans in progress have an endTimeUnixNano
 * of 0. Links are looked for among what began until LINKS_NS after the trace's end: further on, every block would have
 * to be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "serve/ask.h"
#include "wire/otlp_dec.h"
#include "wire/otlp_json.h"

enum {
    SPANS_MAX = 200000,
    LINKS_MAX = 64,
    FOUND_MAX = 10000,
    POST_MAX_BYTES = 32 << 20,
    PIECE_BYTES = 60000,
    PIECE_SPANS = 256
};
static const uint64_t LINKS_NS = 3600000000000;

static int by_resource(const void *left, const void *right)
{
    const struct tw__span *a = left, *b = right;
    if (a->resource != b->resource) return a->resource < b->resource ? -1 : 1;
    if (a->scope != b->scope) return a->scope < b->scope ? -1 : 1;
    return (a->start_ns > b->start_ns) - (a->start_ns < b->start_ns);
}

/* Spans on their way: text is made of a few hundred at a time, as the peer reads it. */
struct sending {
    struct tw__spans spans;
    struct tw__buf piece;
    size_t at;
    bool begun, more;
};

static bool next(void *data, struct tw__buf *out)
{
    static const char begin[] = "{\"resourceSpans\":[", end[] = "]}";
    enum { BEGIN = sizeof begin - 1, END = sizeof end - 1 };
    struct sending *sending = data;
    if (!sending->begun) tw__buf_cstr(out, begin);
    sending->begun = true;
    while (sending->at < sending->spans.count && out->len < PIECE_BYTES && !out->failed) {
        size_t left = sending->spans.count - sending->at, count = left < PIECE_SPANS ? left : PIECE_SPANS;
        tw__buf_reset(&sending->piece);
        tw__otlp_json(&sending->spans, sending->at, count, &sending->piece);
        out->failed |= sending->piece.failed;
        if (out->failed) break;
        if (sending->at) tw__buf_char(out, ',');
        /* Each piece is a whole request: what stands between its brackets is wanted. */
        tw__buf_add(out, sending->piece.ptr + BEGIN, sending->piece.len - BEGIN - END);
        sending->at += count;
    }
    if (sending->at < sending->spans.count) return true;
    tw__buf_cstr(out, sending->more ? "],\"more\":true}" : "]}");
    return false;
}

static void done(void *data)
{
    struct sending *sending = data;
    bool large = sending->spans.count >= SPANS_MAX;
    tw__spans_fini(&sending->spans);
    tw__buf_fini(&sending->piece);
    free(sending);
    if (large) tw__os_trim_memory();
}

/* Takes the spans over. */
static void put(struct tw__ask *ask, struct tw__spans *spans, bool more)
{
    struct sending *sending = ask->failed ? NULL : calloc(1, sizeof *sending);
    if (ask->failed) return;
    if (!sending) {
        (void)tw__ask_failed(ask, TW_ERR_MEMORY);
        return;
    }
    if (spans->count) qsort(spans->items, spans->count, sizeof *spans->items, by_resource);
    sending->spans = *spans;
    sending->more = more;
    *spans = (struct tw__spans){0};
    ask->reply->next = next;
    ask->reply->done = done;
    ask->reply->state = sending;
}

/* Adds a whole trace. What has gone meanwhile, or cannot be read, is left out. */
static bool add_trace(struct tw__ask *ask, const uint8_t id[16], struct tw__spans *spans)
{
    int code = tw__store_trace(ask->api->store, id, TW__PART_ALL, spans);
    return code == TW_ERR_NOT_FOUND || code == TW_ERR_CORRUPT || !tw__ask_failed(ask, code);
}

static void traces(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search what;
    struct tw__summaries found = {0};
    struct tw__spans spans = {.pool.limit_bytes = (size_t)512 << 20};
    tw__ask_begin(&ask, context, request, reply);
    tw__ask_search(&ask, &what);
    if (!ask.failed && !tw__ask_failed(&ask, tw__query_search(ask.api->store, &what, &ask.pool, &found))) {
        size_t i = 0;
        while (i < found.count && (i == 0 || spans.count + found.items[i].span_count <= SPANS_MAX) &&
               add_trace(&ask, found.items[i].trace_id, &spans))
            i++;
        put(&ask, &spans, found.more || i < found.count);
    }
    tw__spans_fini(&spans);
    tw__ask_end(&ask);
}

/* -- one trace, with its links to others */

static bool names_trace(void *data, const struct tw__spans *spans, size_t index)
{
    const struct tw__span *span = &spans->items[index];
    const uint8_t *id = data;
    if (memcmp(span->trace_id, id, sizeof span->trace_id) == 0) return false;
    for (uint32_t i = 0; i < span->link_count; i++)
        if (memcmp(span->links[i].trace_id, id, sizeof span->links[i].trace_id) == 0) return true;
    return false;
}

/* The spans of other traces that spans of this one name. */
static void add_causes(struct tw__ask *ask, struct tw__spans *spans)
{
    uint8_t seen[LINKS_MAX][16];
    size_t seen_count = 0, own_count = spans->count;
    for (size_t i = 0; i < own_count && !ask->failed; i++) {
        for (uint32_t k = 0; k < spans->items[i].link_count && seen_count < LINKS_MAX && !ask->failed; k++) {
            const uint8_t *id = spans->items[i].links[k].trace_id;
            bool known = memcmp(id, spans->items[i].trace_id, sizeof *seen) == 0;
            for (size_t s = 0; s < seen_count && !known; s++) known = memcmp(seen[s], id, sizeof *seen) == 0;
            if (known) continue;
            memcpy(seen[seen_count], id, sizeof *seen);
            int code = tw__store_trace(ask->api->store, seen[seen_count++], TW__PART_RESOURCES, spans);
            if (code != TW_ERR_NOT_FOUND && code != TW_ERR_CORRUPT) (void)tw__ask_failed(ask, code);
        }
    }
}

static void add_links(struct tw__ask *ask, struct tw__spans *spans)
{
    uint64_t begin_ns = UINT64_MAX, end_ns = 0;
    uint8_t id[16];
    memcpy(id, spans->items[0].trace_id, sizeof id);
    for (size_t i = 0; i < spans->count; i++) {
        const struct tw__span *span = &spans->items[i];
        uint64_t end = span->start_ns + tw__span_duration_ns(span);
        if (span->start_ns < begin_ns) begin_ns = span->start_ns;
        if (end > end_ns) end_ns = end;
    }
    add_causes(ask, spans);
    struct tw__store_query query = {.since_ns = begin_ns,
                                    .until_ns = end_ns + LINKS_NS,
                                    .filter = {.match = names_trace, .data = id, .parts = TW__PART_LINKS},
                                    .limit = LINKS_MAX};
    if (!ask->failed)
        (void)tw__ask_failed(ask, tw__store_find(ask->api->store, &query, TW__PART_LINKS | TW__PART_RESOURCES, spans));
}

static void trace(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__spans spans = {0};
    tw__ask_begin(&ask, context, request, reply);
    tw__ask_trace(&ask, request->rest, TW__PART_RESOURCES, &spans);
    bool large = spans.count > SPANS_MAX;
    if (!ask.failed && !large) {
        tw__spans_reset(&spans);
        tw__ask_trace(&ask, request->rest, TW__PART_ALL, &spans);
    }
    if (!ask.failed && !large && tw__ask_number(&ask, "links", 0, 1)) add_links(&ask, &spans);
    put(&ask, &spans, large);
    tw__spans_fini(&spans);
    tw__ask_end(&ask);
}

/* -- spans */

/* A filter, and an earliest end beside it. */
struct ended {
    struct tw__store_filter rest;
    uint64_t since_ns;
};

static bool has_ended(void *data, const struct tw__spans *spans, size_t index)
{
    const struct ended *ended = data;
    const struct tw__span *span = &spans->items[index];
    if (span->open || span->start_ns + tw__span_duration_ns(span) < ended->since_ns) return false;
    return !ended->rest.match || ended->rest.match(ended->rest.data, spans, index);
}

static bool has_finished(const struct tw__spans *whole, const struct tw__span *span)
{
    for (size_t i = 0; i < whole->count; i++)
        if (memcmp(whole->items[i].span_id, span->span_id, sizeof span->span_id) == 0) return !whole->items[i].open;
    return false;
}

/* Of the copies of a span that match, find hands out the one that counts: of a span that was stored while it was in
 * progress and has ended since, "open" matches an old copy alone. Such are taken out. */
static void drop_finished(struct tw__ask *ask, struct tw__spans *spans)
{
    struct tw__spans whole = {0};
    uint8_t id[16] = {0};
    size_t kept = 0;
    for (size_t i = 0; i < spans->count && !ask->failed; i++) {
        const struct tw__span span = spans->items[i];
        if (span.open && memcmp(span.trace_id, id, sizeof id) != 0) {
            tw__spans_reset(&whole);
            memcpy(id, span.trace_id, sizeof id);
            int code = tw__store_trace(ask->api->store, id, 0, &whole);
            if (code != TW_ERR_NOT_FOUND && code != TW_ERR_CORRUPT) (void)tw__ask_failed(ask, code);
        }
        if (!span.open || !has_finished(&whole, &span)) spans->items[kept++] = span;
    }
    spans->count = kept;
    tw__spans_fini(&whole);
}

static void spans_found(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__search what;
    struct tw__spans spans = {.pool.limit_bytes = (size_t)512 << 20};
    tw__ask_begin(&ask, context, request, reply);
    tw__ask_search_spans(&ask, &what);
    what.spans.limit = (size_t)tw__ask_number(&ask, "limit", 1000, FOUND_MAX);
    struct ended ended = {what.spans.filter, tw__ask_time(&ask, "ended_since")};
    if (ended.since_ns) {
        what.spans.filter.match = has_ended;
        what.spans.filter.data = &ended;
    }
    if (!ask.failed && !tw__ask_failed(&ask, tw__store_find(ask.api->store, &what.spans, TW__PART_ALL, &spans))) {
        bool more = spans.count >= what.spans.limit;
        drop_finished(&ask, &spans);
        put(&ask, &spans, more);
    }
    tw__spans_fini(&spans);
    tw__ask_end(&ask);
}

/* -- spans that are sent */

struct taking {
    struct tw__api *api;
    uint64_t spans;
};

static int take(void *data, struct tw__spans *spans)
{
    struct taking *taking = data;
    uint64_t count = spans->count;
    for (size_t i = 0; i < spans->count; i++) spans->items[i].open = spans->items[i].end_ns == 0;
    int code = tw__intake_write(taking->api->intake, spans, &taking->api->stats);
    if (code == 0) taking->spans += count;
    return code;
}

static void post_spans(void *context, const struct tw__request *request, struct tw__reply *reply)
{
    struct tw__ask ask;
    struct tw__spans spans = {0};
    struct taking taking = {.api = context};
    struct tw__otlp_dec dec = {.spans = &spans, .door = TW__DOOR_IMPORT, .take = take, .data = &taking};
    tw__ask_begin(&ask, context, request, reply);
    int code = tw__otlp_json_dec(&dec, request->body.ptr, request->body.len);
    if (code == TW_ERR_SYNTAX) {
        tw__ask_refuse(&ask, 400, "at byte %zu: %s", dec.error_at, dec.why ? dec.why : "not OpenTelemetry's JSON");
    } else if (code < 0) {
        reply->retry_after_s = 1;
        tw__ask_refuse(&ask, 503, "the store cannot take it now; try again later");
    } else {
        reply->type = "application/json";
        tw__json_open(&ask.json, NULL, '{');
        tw__json_u64(&ask.json, "spans", taking.spans);
        tw__json_u64(&ask.json, "rejected", dec.rejected);
        tw__json_close(&ask.json, '}');
    }
    tw__pool_fini(&dec.kept);
    tw__spans_fini(&spans);
    tw__ask_end(&ask);
}

const struct tw__route tw__otlp_routes[] = {
    {"GET", "/api/tw/otlp/traces", TW__ROLE_READ, 0, traces},
    {"GET", "/api/tw/otlp/traces/*", TW__ROLE_READ, 0, trace},
    {"GET", "/api/tw/otlp/spans", TW__ROLE_READ, 0, spans_found},
    {"POST", "/api/tw/otlp/spans", TW__ROLE_WRITE, POST_MAX_BYTES, post_spans},
    {0},
};
