/* xray_span: one span's members, in the order: who, when, where, what, why, and everything else.
 *
 * Every tag that no field told becomes an annotation if X-Ray would index it, and metadata otherwise: in the namespace
 * that its key names, aws.xray.metadata.NAMESPACE.KEY, or in "default". Each list is written by going through the tags
 * once and deciding anew, which is cheaper than remembering.
 *
 * Invariant: for each tag that was not replaced by a later one, exactly one of these holds: a field told it whole, it
 * is an annotation, it is in the metadata, or it was counted as dropped.
 */
#include "base/be64.h"
#include "model/text.h"
#include "wire/utf8.h"
#include "wire/value.h"
#include "wire/xray_parts.h"

enum { ANNOTATIONS_MAX = 50, ANNOTATION_KEY = 500, ANNOTATION_TEXT = 1000, TRACE_ID_LEN = 35, SPACES_MAX = 32 };

static const char metadata_prefix[] = "aws.xray.metadata.";

bool tw__xray_is_segment(const struct tw_record *record)
{
    return record->span_kind == TW_KIND_SERVER || tw__be64(record->parent_id) == 0;
}

static bool is_annotation(const struct tw_tag_value *tag)
{
    if (tag->key.len == 0 || tag->key.len > ANNOTATION_KEY) return false;
    for (size_t i = 0; i < tag->key.len; i++) {
        char c = tag->key.ptr[i];
        bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!allowed) return false;
    }
    switch (tag->type) {
    case TW_TYPE_INT:
    case TW_TYPE_UINT:
    case TW_TYPE_BOOL:
        return true;
    case TW_TYPE_DOUBLE:
        return tag->value.d - tag->value.d >= 0; /* neither infinite nor NaN */
    case TW_TYPE_STR:
        return tw__utf8_first(tag->text, ANNOTATION_TEXT).len == tag->text.len;
    case TW_TYPE_BYTES:
    case TW_TYPE_JSON:
    case TW_TYPE_NONE:
        break;
    }
    return false;
}

static void open_once(struct tw__xray_out *out, const char *name, char bracket, bool *open)
{
    if (!*open) tw__json_open(&out->json, name, bracket);
    *open = true;
}

/* "aws.xray.metadata.cart.items" is `items` in the namespace cart. X-Ray keeps names that begin with AWS. for
 * itself. */
static bool split_key(struct tw_text key, struct tw_text *space, struct tw_text *rest)
{
    const size_t prefix = sizeof metadata_prefix - 1;
    if (key.len <= prefix || memcmp(key.ptr, metadata_prefix, prefix) != 0) return false;
    const char *begin = key.ptr + prefix, *dot = memchr(begin, '.', key.len - prefix);
    if (!dot || dot == begin || dot + 1 == key.ptr + key.len) return false;
    *space = (struct tw_text){begin, (size_t)(dot - begin)};
    *rest = (struct tw_text){dot + 1, (size_t)(key.ptr + key.len - dot) - 1};
    return !tw__text_is(*space, "AWS") && !tw__text_is(*space, "trackway") && !tw__text_is(*space, "default");
}

/* Namespaces of metadata, in the order in which they come. */
struct spaces {
    struct tw_text names[SPACES_MAX];
    size_t count;
};

/* The number of a namespace, entered if it is new; SPACES_MAX: there are too many, the tag goes to "default" as it
 * is. */
static size_t number_of(struct spaces *spaces, struct tw_text name)
{
    for (size_t i = 0; i < spaces->count; i++)
        if (tw__text_same(spaces->names[i], name)) return i;
    if (spaces->count == SPACES_MAX) return SPACES_MAX;
    spaces->names[spaces->count] = name;
    return spaces->count++;
}

/* Where a tag goes: a namespace's number, or one of these. */
enum { TO_ANNOTATIONS = -1, TO_DEFAULT = -2 };

static int place_of(const struct tw_tag_value *tag, size_t *annotated, struct spaces *spaces, struct tw_text *key)
{
    struct tw_text space, rest;
    *key = tag->key;
    if (*annotated < ANNOTATIONS_MAX && is_annotation(tag)) {
        ++*annotated;
        return TO_ANNOTATIONS;
    }
    if (!split_key(tag->key, &space, &rest)) return TO_DEFAULT;
    size_t number = number_of(spaces, space);
    if (number == SPACES_MAX) return TO_DEFAULT;
    *key = rest;
    return (int)number;
}

/* The tags that go to one place. Returns whether anything was written: the object is then still open. */
static bool put_tags(struct tw__xray_out *out, const struct tw__xray_span *span, const char *name, int place,
                     struct spaces *spaces)
{
    const struct tw_record *record = span->in->record;
    size_t annotated = 0, taken = 0;
    bool open = false;
    for (size_t i = 0; i < record->tag_count && !tw__xray_is_lost(out); i++) {
        const struct tw_tag_value *tag = &record->tags[i];
        struct tw_text key;
        if (tw__xray_was_told(&span->fields, record, i)) continue;
        if (tw__tag_replaced(record->tags, record->tag_count, i)) continue;
        if (taken == out->item_max) {
            out->dropped += place == TO_DEFAULT;
            continue;
        }
        taken++;
        if (place_of(tag, &annotated, spaces, &key) != place) continue;
        if (!open && !name) tw__json_name(&out->json, spaces->names[place]);
        open_once(out, name, '{', &open);
        tw__xray_put_value(out, key, tag);
    }
    return open;
}

static void put_event(struct tw__xray_out *out, const struct tw_record *event)
{
    const char *kind = tw__event_kind(event);
    size_t taken = 0;
    tw__json_open(&out->json, NULL, '{');
    (void)tw__xray_put_text(out, "name", event->name, SIZE_MAX);
    if (kind) tw__json_cstr(&out->json, "kind", kind);
    tw__xray_put_seconds(out, "time", event->time_ns);
    bool open = false;
    for (size_t i = 0; i < event->tag_count && !tw__xray_is_lost(out); i++) {
        if (tw__tag_replaced(event->tags, event->tag_count, i)) continue;
        if (taken == out->item_max) {
            out->dropped++;
            continue;
        }
        taken++;
        open_once(out, "tags", '{', &open);
        tw__xray_put_value(out, event->tags[i].key, &event->tags[i]);
    }
    if (open) tw__json_close(&out->json, '}');
    tw__json_close(&out->json, '}');
}

static void put_trace_id(struct tw__xray_out *out, const uint8_t id[16])
{
    static const char digits[] = "0123456789abcdef";
    char text[TRACE_ID_LEN] = "1-";
    size_t len = 2;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4) text[len++] = '-';
        text[len++] = digits[id[i] >> 4];
        text[len++] = digits[id[i] & 15];
    }
    tw__json_text(&out->json, "trace_id", (struct tw_text){text, len});
}

static void put_events(struct tw__xray_out *out, const struct tw__xray_span *span, bool *metadata)
{
    bool open = false;
    size_t taken = 0;
    for (size_t i = 0; i < span->in->event_count && !tw__xray_is_lost(out); i++) {
        if (i < out->item_max && tw__xray_is_told(span, span->in->events[i])) continue;
        if (taken == out->item_max) {
            out->dropped++;
            continue;
        }
        taken++;
        open_once(out, "trackway", '{', metadata);
        open_once(out, "events", '[', &open);
        put_event(out, span->in->events[i]);
    }
    if (open) tw__json_close(&out->json, ']');
}

static void put_links(struct tw__xray_out *out, const struct tw_record *record, bool *metadata)
{
    size_t count = record->parent_count < out->item_max ? record->parent_count : out->item_max;
    out->dropped += (uint32_t)(record->parent_count - count);
    if (count == 0) return;
    open_once(out, "trackway", '{', metadata);
    tw__json_open(&out->json, "links", '[');
    for (size_t i = 0; i < count && !tw__xray_is_lost(out); i++) {
        tw__json_open(&out->json, NULL, '{');
        put_trace_id(out, record->parents[i].trace_id);
        tw__json_hex(&out->json, "id", record->parents[i].span_id, 8);
        tw__json_close(&out->json, '}');
    }
    tw__json_close(&out->json, ']');
}

/* events, links, and how much of this span is missing. */
static void put_own(struct tw__xray_out *out, const struct tw__xray_span *span, uint32_t cut_before,
                    uint32_t dropped_before)
{
    const struct tw_record *record = span->in->record;
    bool open = false;
    put_events(out, span, &open);
    put_links(out, record, &open);
    if (out->cut_texts > cut_before) {
        open_once(out, "trackway", '{', &open);
        tw__json_u64(&out->json, "cut_texts", out->cut_texts - cut_before);
    }
    if (out->dropped > dropped_before) {
        open_once(out, "trackway", '{', &open);
        tw__json_u64(&out->json, "dropped", out->dropped - dropped_before);
    }
    if (open) tw__json_close(&out->json, '}');
}

static void put_rest(struct tw__xray_out *out, const struct tw__xray_span *span, uint32_t cut_before,
                     uint32_t dropped_before)
{
    struct tw__buf *buf = out->json.out;
    struct spaces spaces = {.count = 0};
    if (put_tags(out, span, "annotations", TO_ANNOTATIONS, &spaces)) tw__json_close(&out->json, '}');
    size_t before = buf->len;
    tw__json_open(&out->json, "metadata", '{');
    size_t opened = buf->len;
    bool lost = tw__xray_is_lost(out); /* then it is empty because nobody wrote on */
    if (put_tags(out, span, "default", TO_DEFAULT, &spaces)) tw__json_close(&out->json, '}');
    for (size_t i = 0; i < spaces.count; i++) /* all were seen by now */
        if (put_tags(out, span, NULL, (int)i, &spaces)) tw__json_close(&out->json, '}');
    put_own(out, span, cut_before, dropped_before);
    tw__json_close(&out->json, '}');
    if (!lost && buf->len == opened + 1) buf->len = before;
}

void tw__xray_put_span(struct tw__xray_out *out, const struct tw__span_in *in, bool embedded)
{
    const struct tw_record *record = in->record;
    struct tw__xray_span span = {.in = in, .segment = tw__xray_is_segment(record)};
    uint32_t cut_before = out->cut_texts, dropped_before = out->dropped;
    bool replaced = span.segment && out->options->segment_name.len;

    tw__xray_collect(record, &span.fields);
    tw__xray_judge(&span);
    tw__json_open(&out->json, NULL, '{');
    tw__xray_put_name(out, replaced ? out->options->segment_name : record->name);
    tw__json_hex(&out->json, "id", record->span_id, 8);
    if (!embedded) {
        put_trace_id(out, record->trace_id);
        if (tw__be64(record->parent_id)) tw__json_hex(&out->json, "parent_id", record->parent_id, 8);
        if (!span.segment) tw__json_cstr(&out->json, "type", "subsegment");
    }
    tw__xray_put_seconds(out, "start_time", record->time_ns);
    if (record->kind == TW_RECORD_OPEN)
        tw__json_bool(&out->json, "in_progress", true);
    else
        tw__xray_put_seconds(out, "end_time", record->end_ns > record->time_ns ? record->end_ns : record->time_ns);
    if (span.segment) tw__xray_put_resource(out, &span);
    tw__xray_put_calls(out, &span);
    tw__xray_put_cause(out, &span);
    put_rest(out, &span, cut_before, dropped_before);
}
