/* skeleton: see the header. The rows are taken out of the spans, which are several times larger, so that those can go
 * before the first byte is sent; the text is made in pieces as the peer reads it.
 *
 * Rejected: one text of everything (at a million spans 40 MB, and twice that while it grows); columns one after the
 * other in the packed form as well (each would have to be made before the length of the first byte is known).
 */
#include "serve/skeleton.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

enum { PIECE_BYTES = 60000, WORDS_MIN = 64 };

enum column { PARENT, START, DURATION, NAME, SERVICE, KIND, FLAGS, CRITICAL, COLUMNS };
static const char *const column_names[COLUMNS] = {"parent",  "start", "duration", "name",
                                                  "service", "kind",  "flags",    "critical"};

struct row {
    uint64_t start, duration, critical;
    uint32_t parent; /* UINT32_MAX: a top */
    uint32_t name, service;
    uint8_t kind, flags;
};

struct tw__skeleton {
    struct row *rows;
    size_t from, count;
    bool packed;
    struct tw__buf head, tail; /* what stands before and behind the rows */
    /* What has been written. */
    bool begun;
    size_t row;
    unsigned column;
    struct tw__json json;
};

/* -- texts, each once: names and services of a trace repeat */

struct words {
    struct tw_text *items;
    uint32_t *slots; /* index + 1 */
    size_t count, cap, mask;
};

static uint64_t hash_of(struct tw_text text)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < text.len; i++) hash = (hash ^ (uint8_t)text.ptr[i]) * 1099511628211u;
    return hash ^ hash >> 29;
}

static bool make_room(struct words *words)
{
    size_t cap = words->cap ? 2 * words->cap : WORDS_MIN, size = 2 * cap;
    struct tw_text *items = realloc(words->items, cap * sizeof *items);
    if (items) words->items = items;
    uint32_t *slots = items ? calloc(size, sizeof *slots) : NULL;
    if (!slots) return false;
    free(words->slots);
    words->slots = slots;
    words->cap = cap;
    words->mask = size - 1;
    for (size_t i = 0; i < words->count; i++) {
        size_t at = hash_of(words->items[i]) & words->mask;
        while (slots[at]) at = (at + 1) & words->mask;
        slots[at] = (uint32_t)i + 1;
    }
    return true;
}

/* UINT32_MAX: no memory. */
static uint32_t word_of(struct words *words, struct tw_text text)
{
    if (words->count == words->cap && !make_room(words)) return UINT32_MAX;
    for (size_t at = hash_of(text) & words->mask;; at = (at + 1) & words->mask) {
        uint32_t index = words->slots[at];
        if (index == 0) {
            words->items[words->count] = text;
            words->slots[at] = (uint32_t)++words->count;
            return (uint32_t)(words->count - 1);
        }
        const struct tw_text *known = &words->items[index - 1];
        if (known->len == text.len && (text.len == 0 || memcmp(known->ptr, text.ptr, text.len) == 0)) return index - 1;
    }
}

static void put_words(struct tw__json *json, const char *name, const struct words *words)
{
    tw__json_open(json, name, '[');
    for (size_t i = 0; i < words->count; i++) tw__json_text(json, NULL, words->items[i]);
    tw__json_close(json, ']');
}

static void free_words(struct words *words)
{
    free(words->items);
    free(words->slots);
}

/* -- making it */

static bool take_row(struct row *row, const struct tw__spans *spans, const struct tw__trace_layout *layout, size_t i,
                     struct words *names, struct words *services)
{
    const struct tw__span *span = &spans->items[layout->order[i]];
    *row = (struct row){.start = span->start_ns - layout->start_ns,
                        .duration = tw__span_until_ns(span, layout->end_ns) - span->start_ns,
                        .critical = layout->critical_ns[i],
                        .parent = layout->parent[i],
                        .name = word_of(names, span->name),
                        .service = word_of(services, spans->resources[span->resource].service),
                        .kind = span->kind};
    row->flags =
        (uint8_t)((span->status == TW_STATUS_ERROR ? TW__SKELETON_ERROR : 0) | (span->open ? TW__SKELETON_OPEN : 0) |
                  (layout->orphan[i] ? TW__SKELETON_ORPHAN : 0) | (layout->critical[i] ? TW__SKELETON_CRITICAL : 0) |
                  (span->event_count ? TW__SKELETON_EVENTS : 0));
    return row->name != UINT32_MAX && row->service != UINT32_MAX;
}

static void put_time(struct tw__json *json, const char *name, uint64_t ns)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)ns);
    tw__json_cstr(json, name, text);
}

static void put_head(struct tw__skeleton *skeleton, const struct tw__spans *spans,
                     const struct tw__trace_layout *layout, bool part)
{
    struct tw__json *json = &skeleton->json;
    json->out = &skeleton->head;
    tw__json_open(json, NULL, '{');
    tw__json_hex(json, "trace_id", spans->items[0].trace_id, 16);
    put_time(json, "start_ns", layout->start_ns);
    tw__json_u64(json, "duration_ns", layout->end_ns - layout->start_ns);
    tw__json_u64(json, "count", layout->count);
    if (part || skeleton->packed) {
        tw__json_u64(json, "from", skeleton->from);
        tw__json_u64(json, "rows", skeleton->count);
    }
}

/* Edges that lead into the rows, from wherever. */
static void put_tail(struct tw__skeleton *skeleton, const struct tw__trace_layout *layout, const struct words *names,
                     const struct words *services)
{
    struct tw__json json = {.out = skeleton->packed ? &skeleton->head : &skeleton->tail, .comma = true};
    put_words(&json, "names", names);
    put_words(&json, "services", services);
    tw__json_open(&json, "causes", '[');
    for (size_t i = 0; i < layout->cause_count; i++) {
        const struct tw__trace_cause *cause = &layout->causes[i];
        if (cause->to < skeleton->from || cause->to - skeleton->from >= skeleton->count) continue;
        tw__json_open(&json, NULL, '[');
        tw__json_u64(&json, NULL, cause->from);
        tw__json_u64(&json, NULL, cause->to);
        tw__json_close(&json, ']');
    }
    tw__json_close(&json, ']');
    tw__json_close(&json, '}');
}

static void free_skeleton(void *data)
{
    struct tw__skeleton *skeleton = data;
    if (!skeleton) return;
    free(skeleton->rows);
    tw__buf_fini(&skeleton->head);
    tw__buf_fini(&skeleton->tail);
    free(skeleton);
}

int tw__skeleton_new(const struct tw__spans *spans, const struct tw__trace_layout *layout,
                     const struct tw__skeleton_what *what, struct tw__skeleton **out)
{
    struct words names = {0}, services = {0};
    struct tw__skeleton *skeleton = calloc(1, sizeof *skeleton);
    if (!skeleton) return TW_ERR_MEMORY;
    skeleton->packed = what->packed;
    skeleton->from = what->from < layout->count ? (size_t)what->from : layout->count;
    skeleton->count = layout->count - skeleton->from;
    bool part = skeleton->from > 0 || skeleton->count > what->count;
    if (skeleton->count > what->count) skeleton->count = (size_t)what->count;
    skeleton->rows = malloc((skeleton->count + 1) * sizeof *skeleton->rows);
    bool whole = skeleton->rows != NULL;
    for (size_t i = 0; i < skeleton->count && whole; i++)
        whole = take_row(&skeleton->rows[i], spans, layout, skeleton->from + i, &names, &services);
    if (whole) {
        put_head(skeleton, spans, layout, part);
        put_tail(skeleton, layout, &names, &services);
        whole = !skeleton->head.failed && !skeleton->tail.failed;
    }
    free_words(&names);
    free_words(&services);
    if (!whole) {
        free_skeleton(skeleton);
        return TW_ERR_MEMORY;
    }
    *out = skeleton;
    return 0;
}

/* -- sending it */

static void put_cell(struct tw__json *json, const struct row *row, enum column column)
{
    const uint64_t cells[COLUMNS] = {row->parent,  row->start, row->duration, row->name,
                                     row->service, row->kind,  row->flags,    row->critical};
    if (column == PARENT && row->parent == UINT32_MAX)
        tw__json_i64(json, NULL, -1);
    else
        tw__json_u64(json, NULL, cells[column]);
}

static bool next_json(void *data, struct tw__buf *out)
{
    struct tw__skeleton *skeleton = data;
    struct tw__json *json = &skeleton->json;
    json->out = out;
    if (!skeleton->begun) {
        tw__buf_add(out, skeleton->head.ptr, skeleton->head.len);
        tw__json_open(json, "columns", '{');
    }
    skeleton->begun = true;
    while (skeleton->column < COLUMNS && out->len < PIECE_BYTES && !out->failed) {
        if (skeleton->row == 0) tw__json_open(json, column_names[skeleton->column], '[');
        while (skeleton->row < skeleton->count && out->len < PIECE_BYTES && !out->failed)
            put_cell(json, &skeleton->rows[skeleton->row++], (enum column)skeleton->column);
        if (skeleton->row < skeleton->count) break;
        tw__json_close(json, ']');
        skeleton->row = 0;
        skeleton->column++;
    }
    if (skeleton->column < COLUMNS) return true;
    tw__json_close(json, '}');
    tw__buf_add(out, skeleton->tail.ptr, skeleton->tail.len);
    return false;
}

static void put_varint(struct tw__buf *out, uint64_t value)
{
    char bytes[10];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7) bytes[len++] = (char)(value | 0x80);
    bytes[len++] = (char)value;
    tw__buf_add(out, bytes, len);
}

/* Of a parent how far back it stands, 0: none; of a start how much later than the one before, the sign in the lowest
 * bit. */
static void put_row(struct tw__buf *out, const struct tw__skeleton *skeleton, size_t i)
{
    const struct row *row = &skeleton->rows[i];
    uint64_t before = i ? skeleton->rows[i - 1].start : 0;
    put_varint(out, row->parent == UINT32_MAX ? 0 : skeleton->from + i - row->parent);
    put_varint(out, row->start >= before ? (row->start - before) << 1 : ((before - row->start) << 1) - 1);
    put_varint(out, row->duration);
    put_varint(out, row->name);
    put_varint(out, row->service);
    put_varint(out, row->kind);
    put_varint(out, row->flags);
    put_varint(out, row->critical);
}

static bool next_packed(void *data, struct tw__buf *out)
{
    struct tw__skeleton *skeleton = data;
    if (!skeleton->begun) {
        size_t len = skeleton->head.len;
        const char length[4] = {(char)len, (char)(len >> 8), (char)(len >> 16), (char)(len >> 24)};
        tw__buf_add(out, length, sizeof length);
        tw__buf_add(out, skeleton->head.ptr, len);
    }
    skeleton->begun = true;
    while (skeleton->row < skeleton->count && out->len < PIECE_BYTES && !out->failed)
        put_row(out, skeleton, skeleton->row++);
    return skeleton->row < skeleton->count;
}

void tw__skeleton_reply(struct tw__skeleton *skeleton, struct tw__reply *reply)
{
    reply->type = skeleton->packed ? "application/octet-stream" : "application/json";
    reply->next = skeleton->packed ? next_packed : next_json;
    reply->done = free_skeleton;
    reply->state = skeleton;
}
